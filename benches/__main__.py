"""Measures this package beside other clients: `make bench`, or `make bench BENCH=quick` to see whether it all works.

Rows alternate (A, B, C, A, B, C, ...), each in a fresh process, against the sandbox in a process of its own on core 0.
What comes out is in target/bench: results.json, results.md and performance.svg.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from benches import report
from benches.measure import OURS, PER_PAGE
from benches.report import BARE, HELP, LEARNS, RAW
from benches.server import Server

OUT = Path("target/bench")
PEERS = (
    "requests", "httpx", "aiohttp", "pycurl", "pyreqwest", "primp", "wreq", "orjson", "msgspec", "canvasapi", "polars",
    "pandas", "pyarrow",
)  # fmt: skip
# The rows that are no clients.
RUST = {BARE, LEARNS, RAW}
# The core of clients that are measured on one core; the server has the other.
OWN_CORE = 1
FAST = ("pycurl", "pyreqwest", "primp", "wreq")
FAST_ASYNC = ("pyreqwest async", "primp async", "wreq async")
MB = 1_000_000
# The files of a folder to upload, and how many at once.
FILE, JOBS = 5 * MB, 4

IMPORT = """
import sys, time
before, began = len(sys.modules), time.perf_counter()
{statement}
took, count = time.perf_counter() - began, len(sys.modules) - before
heavy = [name for name in ("asyncio", "dataclasses", "logging") if name in sys.modules]
import json
print(json.dumps({{"wall": took, "count": count, "heavy": heavy}}))
"""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    pages: int
    repeated: int
    file: int
    files: int
    million: int
    exits: int
    imports: int


FULL = Size(rounds=9, pages=400, repeated=3000, file=200 * MB, files=200, million=1_000_000, exits=500, imports=25)
QUICK = Size(rounds=3, pages=400, repeated=1000, file=200 * MB, files=40, million=300_000, exits=20, imports=5)


@dataclass
class Section:
    """Rows that are compared with each other.

    Attributes:
        key: What the results are kept under.
        spec: What all rows have in common.
        rows: The rows, and what is special about each.
        rounds: How often each is measured.
    """

    key: str
    spec: dict[str, Any]
    rows: dict[str, dict[str, Any]]
    rounds: int
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])


def sections(size: Size) -> list[Section]:
    """What is measured without a delay, and with 50 ms of it."""
    small = {"count": size.repeated}
    slow = {"count": size.repeated // 4}
    crawl = {"work": "crawl", "pages": size.pages, "touch": "three"}
    one = crawl | {"in_flight": 1, "core": OWN_CORE}
    touches = ("nothing", "every", "to_dict", "to_dicts")
    ours = {f"{OURS}, {touch}": {"row": OURS, "touch": touch} for touch in touches}
    sequential: dict[str, dict[str, Any]] = {RAW: {}, BARE: {}, OURS: {}} | ours
    sequential |= {f"{OURS}, ahead": {"row": OURS, "in_flight": 16}}
    sequential |= {f"{client} + {way}": {} for client in FAST for way in ("msgspec", "orjson")}
    sequential |= {
        f"pycurl + {way}, every": {"row": f"pycurl + {way}", "touch": "every"} for way in ("msgspec", "orjson")
    }
    sequential |= {"requests + orjson": {}, "requests + json dataclass": {}, "httpx + json dataclass": {}}
    wide: dict[str, dict[str, Any]] = {BARE: {}, OURS: {}, f"{OURS} async": {}}
    wide |= {f"{client} + msgspec": {} for client in ("pycurl", *FAST_ASYNC, "aiohttp")}
    learns: dict[str, dict[str, Any]] = {LEARNS: {}}
    slowest: dict[str, dict[str, Any]] = {"requests + json dataclass": {}, "httpx async + json dataclass": {}}
    # What no frame can be faster than.
    frames: dict[str, dict[str, Any]] = {BARE: {}}
    frames |= {f"{OURS} + {way}": {} for way in ("polars", "pandas", "arrow")}
    ways = ("pyarrow.json", "pyarrow.json, polars", "polars json_decode", "orjson, polars", "orjson, pandas")
    frames |= {f"{client} + {way}": {} for client in ("pycurl", "wreq async") for way in ways}
    frames |= {"requests + json_normalize": {}}
    # Beside the frame, which has the same columns.
    files: dict[str, dict[str, Any]] = {f"{OURS} + csv": {}, f"{OURS} + safe csv": {}, f"{OURS} + polars": {}}
    files |= {f"pycurl + {way}, csv": {} for way in ("msgspec", "orjson")} | {"requests + json, csv": {}}
    gets: dict[str, dict[str, Any]] = dict.fromkeys((RAW, BARE, OURS, f"{OURS} async"), small)
    gets |= {f"{client} + {way}": small for client in FAST for way in ("orjson", "msgspec")}
    gets |= {f"{client} + orjson": small for client in FAST_ASYNC} | {"aiohttp + orjson": small}
    gets |= dict.fromkeys(("requests + json", "httpx + json", "httpx async + json"), slow)
    uploading: dict[str, dict[str, Any]] = {name: {} for name in (BARE, OURS, "pycurl", "requests", "httpx", "aiohttp")}
    return [
        Section("get", {"work": "get", "core": OWN_CORE}, gets, size.rounds),
        Section("sequential", one, sequential, size.rounds),
        Section("wide", crawl | {"in_flight": 16}, wide | slowest, size.rounds),
        Section("frame", crawl | {"work": "frame", "in_flight": 16}, frames, size.rounds),
        Section("csv", crawl | {"work": "frame", "in_flight": 16}, files, size.rounds),
        Section(
            "canvasapi",
            one | {"pages": size.pages // 20},
            {OURS: {"limit": size.pages // 20 * PER_PAGE}, "requests + canvasapi": {}},
            min(size.rounds, 3),
        ),
        Section(
            "delay 16",
            crawl | {"in_flight": 16, "delay": 0.05},
            # Ours as it is without being told anything.
            learns | wide | {OURS: {"in_flight": 0}, f"{OURS} async": {"in_flight": 0}} | slowest,
            size.rounds,
        ),
        Section("delay 32", crawl | {"in_flight": 32, "delay": 0.05}, learns | wide | slowest, size.rounds),
        Section(
            "map",
            {"work": "map", "in_flight": 16, "delay": 0.05, "count": 1000},
            {OURS: {}, f"{OURS} async": {}, "aiohttp + orjson": {}},
            size.rounds,
        ),
        Section(
            "snapshot",
            {"work": "snapshot", "in_flight": 16, "delay": 0.05},
            {OURS: {}},
            min(size.rounds, 3),
        ),
        Section(
            "download",
            {"work": "download", "size": size.file},
            {name: {} for name in (BARE, OURS, *FAST, "requests", "httpx", "aiohttp")},
            size.rounds,
        ),
        Section("upload", {"work": "upload", "files": 1, "size": size.file, "jobs": 1}, uploading, size.rounds),
        Section(
            "upload folder",
            {"work": "upload", "files": size.files, "size": size.files * FILE, "jobs": JOBS, "delay": 0.02},
            uploading,
            min(size.rounds, 3),
        ),
    ]


def bare(server: Server, spec: dict[str, Any], program: str) -> list[str]:
    """The command of a row that is no client."""
    page = f"/api/public/v1/media/search?per_page={PER_PAGE}&page=2"
    media = f"/api/public/v1/media/{spec['media']}"
    where = [server.url, server.token]
    if spec["work"] == "download":
        return [program, "download", *where, f"/api/public/v1/media/{spec['file']}/download", spec["path"]]
    if spec["work"] == "upload":
        return [program, "upload", *where, spec["folder"], str(spec["jobs"])]
    if spec["row"] == RAW:
        few = spec["work"] == "get"
        return [program, "raw", *where, media if few else page, str(spec["count"] if few else spec["pages"])]
    if spec["work"] == "get":
        return [program, "get", *where, media, str(spec["count"])]
    way = "learn" if spec["row"] == LEARNS else "crawl"
    return [program, way, *where, str(spec["pages"]), str(spec["in_flight"])]


def measure(server: Server, spec: dict[str, Any], program: str) -> dict[str, Any]:
    """Measure one row once."""
    command = [sys.executable, "-m", "benches.measure", json.dumps(spec)]
    if spec["row"] in RUST:
        command = bare(server, spec, program)
    core, own = spec.get("core"), os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    before = server.cpu()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        os.sched_setaffinity(0, own)
    if done.returncode != 0 or not done.stdout:
        raise RuntimeError(f"{spec['row']} ({done.returncode}): {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    whole = spec.get("limit", spec["pages"] * PER_PAGE) if "pages" in spec else spec.get("size")
    if (
        spec["row"] not in RUST
        and spec["work"] in {"crawl", "frame", "download", "upload"}
        and result["count"] != whole
    ):
        raise RuntimeError(f"{spec['row']}: {result['count']} instead of {whole}")
    return result | {"server": server.cpu() - before}


def run(section: Section, server: Server, program: str, folder: str) -> None:
    """Measure all rows, in turn."""
    where = {"url": server.url, "token": server.token, "media": server.media, "file": server.file}
    server.delay(section.spec.get("delay", 0))
    path = Path(folder) / "written"
    if "files" in section.spec:
        where["folder"] = str(recordings(Path(folder), section.spec["files"], section.spec["size"]))
    failed: set[str] = set()
    for number in range(section.rounds):
        say(f"{section.key}: {number + 1} of {section.rounds}")
        for name, special in section.rows.items():
            spec = section.spec | where | {"row": name, "path": str(path)} | special
            if name in failed:
                continue
            try:
                section.results.setdefault(name, []).append(measure(server, spec, program))
            except RuntimeError as error:
                # The others are still worth something.
                say(f"WITHOUT {name}: {error}")
                section.results.pop(name)
                failed.add(name)
            path.unlink(missing_ok=True)
    server.delay(0)


def recordings(folder: Path, count: int, size: int) -> Path:
    """A folder with so many files, which have this size together."""
    full = folder / f"{count} recordings"
    full.mkdir(exist_ok=True)
    for number in range(count):
        (full / f"{number}.mp4").write_bytes(os.urandom(size // count))
    return full


def imports(size: Size) -> dict[str, list[dict[str, Any]]]:
    """How long an import takes in a fresh, isolated interpreter, with the bytecode there."""
    names = {
        "nothing": "pass",
        OURS: "import canvas_studio",
        f"{OURS}, with a client": "import canvas_studio; canvas_studio.StudioClient('school', token='x')",
        HELP: "import io; out, sys.stdout, sys.argv = sys.stdout, io.StringIO(), ['canvas-studio', '--help']\n"
        "from canvas_studio.cli import main; main(); sys.stdout = out",
        **{name: f"import {name}" for name in PEERS[:10]},
    }
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(size.imports + 1):
        say(f"import: {number} of {size.imports}")
        for name, statement in names.items():
            command = [sys.executable, "-I", "-c", IMPORT.format(statement=statement)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            if number:
                results[name].append(json.loads(done.stdout))
    return results


def many(size: Size, program: str, folder: str) -> dict[str, list[dict[str, Any]]]:
    """A million media, one after the other and into a file."""
    results: dict[str, list[dict[str, Any]]] = {}
    with Server(size.million) as server:
        for name in ("iterating", "Parquet"):
            for _ in range(3):
                say(f"{size.million:,} media: {name}")
                spec = {"work": "many", "row": name, "url": server.url, "token": server.token}
                spec |= {"path": str(Path(folder) / "media.parquet")}
                try:
                    results.setdefault(name, []).append(measure(server, spec, program))
                except RuntimeError as error:
                    say(str(error))
                    break
    return results


def exits(size: Size, all_results: dict[str, Any]) -> None:
    """How many processes end well that end with 64 requests in flight."""
    in_flight = 64
    numbers = {OURS: size.exits, f"{OURS} async": size.exits}
    numbers |= dict.fromkeys((*FAST_ASYNC, "aiohttp"), max(size.exits // 10, 5))
    results: dict[str, dict[str, int]] = {name: {"clean": 0, "of": 0} for name in numbers}
    all_results["exits"] = results
    with Server(PER_PAGE) as server:
        for number in range(size.exits):
            if number % 50 == 0:
                say(f"exits: {number} of {size.exits}")
                save(all_results)
            for name in (name for name, most in numbers.items() if number < most):
                server.delay(10)
                spec = {"work": "leave", "row": name, "in_flight": in_flight, "media": server.media}
                spec |= {"url": server.url, "token": server.token}
                process = subprocess.Popen(
                    [sys.executable, "-m", "benches.measure", json.dumps(spec)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                while server.waiting() < in_flight and process.poll() is None:
                    time.sleep(0.002)
                try:
                    _, words = process.communicate("\n", timeout=30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    _, words = process.communicate()
                bad = any(word in words for word in ("panicked", "Fatal", "terminate called"))
                results[name]["of"] += 1
                results[name]["clean"] += process.returncode == 0 and not bad


def machine() -> dict[str, Any]:
    """What it is measured on, without its name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": sys.version.split()[0],
        "kernel": f"{os.uname().sysname} {os.uname().release.split('-')[0]}",
        "versions": {name: metadata.version(name) for name in ("canvas-studio", *PEERS)},
        "date": time.strftime("%Y-%m-%d"),
    }


def build_bare() -> str:
    """Build the Rust rows, and say where the program is."""
    say("building the bare rows")
    command = ["cargo", "bench", "--quiet", "--no-run", "--locked", "--bench", "bare", "--message-format=json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    built = (json.loads(line) for line in done.stdout.splitlines())
    return next(str(each["executable"]) for each in built if each.get("executable"))


def save(results: dict[str, Any]) -> None:
    """Write down what there is so far."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


def say(text: str) -> None:
    """Tell the one who waits."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def main() -> None:
    """Measure, and write down."""
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed")
    words = sys.argv[1:]
    size = QUICK if "quick" in words else FULL
    # rounds=5 and the like change one number of it.
    size = replace(size, **{name: int(number) for name, _, number in (word.partition("=") for word in words) if number})
    only = {word for word in words if word not in {"quick", "full"} and "=" not in word}
    program = os.environ.get("BENCH_BARE") or build_bare()
    results: dict[str, Any] = {"machine": machine(), "size": vars(size), "sections": {}}
    with tempfile.TemporaryDirectory() as folder:
        # The recording to be downloaded is one of them.
        with Server(size.pages * PER_PAGE - 1, size.file) as server:
            spec = {"work": "same", "row": OURS, "url": server.url, "token": server.token, "pages": size.pages}
            results["same"] = measure(server, spec, program)["count"]
            for section in sections(size):
                if not only or section.key.split()[0] in only:
                    run(section, server, program, folder)
                    results["sections"][section.key] = section.results
                    save(results)
        if not only or "import" in only:
            results["import"] = imports(size)
        if not only or "many" in only:
            results["many"] = many(size, program, folder)
    if not only or "exits" in only:
        exits(size, results)
    save(results)
    report.write(results, OUT)


if __name__ == "__main__":
    main()
