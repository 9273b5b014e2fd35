"""Compares two wheels of this package: `make bench BASE=OLD.whl`, or `python -m benches.compare OLD.whl NEW.whl`.

Six rows, each measured with both wheels in turn, in fresh processes, against one sandbox in its own process on core 0.
Each round gives a ratio, new over old; the table shows the median, and the smallest and the largest. It never fails.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches.__main__ import FULL, OWN_CORE, measure, say
from benches.measure import OURS, PER_PAGE
from benches.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator

OUT = Path("target/bench/compare.json")
# A row over this ratio is named at the end.
ALLOWED = 1.05
CHECK = "import canvas_studio; print(canvas_studio.__file__)"


@dataclass
class Row:
    """What is measured with both wheels.

    Attributes:
        name: What the table calls it.
        spec: What `benches.measure` is told.
        old: What it took with the old wheel, in each round.
        new: What it took with the new one.
    """

    name: str
    spec: dict[str, Any]
    old: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    new: list[dict[str, float]] = field(default_factory=list[dict[str, float]])

    def ratio(self, what: str) -> tuple[float, float, float]:
        """The median of the paired ratios, the least and the greatest."""
        ratios = [new[what] / old[what] for old, new in zip(self.old, self.new, strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def rows(pages: int, repeated: int, file: int) -> list[Row]:
    """The six rows."""
    get = {"work": "get", "count": repeated, "core": OWN_CORE}
    crawl = {"work": "crawl", "row": OURS, "touch": "three", "pages": pages}
    return [
        Row("get_media", get | {"row": OURS}),
        Row("get_media_async", get | {"row": f"{OURS} async"}),
        Row("page after page", crawl | {"in_flight": 1, "core": OWN_CORE}),
        Row("16 in flight", crawl | {"in_flight": 16}),
        Row("16 in flight, 50 ms", crawl | {"in_flight": 16, "delay": 0.05}),
        Row(f"download of {file // 1_000_000} MB", {"work": "download", "row": OURS, "size": file}),
    ]


@contextmanager
def package(folder: Path) -> Generator[None]:
    """Let the processes that begin now import the package from a folder."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def unpack(wheel: str, folder: Path) -> Path:
    """Unpack a wheel, and make sure that it is what a process imports."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    with package(folder):
        found = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True).stdout.strip()
    if folder not in Path(found).parents:
        sys.exit(f"{wheel} is not what Python imports, but {found}")
    return folder


def run(row: Row, server: Server, folders: tuple[Path, Path], rounds: int, path: Path) -> None:
    """Measure a row with both wheels in turn; which is first changes with each round."""
    where = {"url": server.url, "token": server.token, "media": server.media, "file": server.file, "path": str(path)}
    server.delay(row.spec.get("delay", 0))
    for number in range(rounds):
        say(f"{row.name}: {number + 1} of {rounds}")
        both = [(folders[0], row.old), (folders[1], row.new)]
        for folder, results in both if number % 2 == 0 else reversed(both):
            with package(folder):
                results.append(measure(server, row.spec | where, ""))
            path.unlink(missing_ok=True)
    server.delay(0)


def table(measured: list[Row]) -> str:
    """The rows as a table, and the rows over the ratio that is allowed."""
    heads = (f"{f'{title}: old':>10} {'new':>9} {'ratio':>7} {'of rounds':>13}" for title in ("time", "CPU"))
    lines = [" ".join([f"{'':22}", *heads])]
    over: list[str] = []
    for row in measured:
        cells = [f"{row.name:22}"]
        for what, title in (("wall", "time"), ("cpu", "CPU")):
            old, new = (statistics.median(each[what] for each in results) for results in (row.old, row.new))
            ratio, least, most = row.ratio(what)
            cells.append(f"{old:8.3f} s {new:7.3f} s {ratio:7.3f} {f'{least:.2f} to {most:.2f}':>13}")
            if ratio > ALLOWED:
                over.append(f"{row.name} ({title} {ratio:.3f})")
        lines.append(" ".join(cells))
    lines.append(f"over {ALLOWED}: {', '.join(over) or 'none'}")
    return "\n".join(lines)


def main() -> None:
    """Measure both wheels, and print the table."""
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed")
    wheels = [word for word in sys.argv[1:] if word.endswith(".whl")]
    if len(wheels) != 2 or not all(map(os.path.isfile, wheels)):
        sys.exit("use: make bench BASE=OLD.whl, or python -m benches.compare OLD.whl NEW.whl [rounds=9]")
    sizes = {"rounds": FULL.rounds, "pages": FULL.pages, "repeated": FULL.repeated, "file": FULL.file}
    given = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    sizes |= {name: int(number) for name, number in given.items() if name in sizes}
    rounds, pages, repeated, file = sizes.values()
    measured = rows(pages, repeated, file)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folders = unpack(wheels[0], folder / "old"), unpack(wheels[1], folder / "new")
        # The recording to be downloaded is one of them.
        with Server(pages * PER_PAGE - 1, file) as server:
            for row in measured:
                run(row, server, folders, rounds, folder / "downloaded")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    kept = [{"row": row.name, "old": row.old, "new": row.new} for row in measured]
    OUT.write_text(json.dumps({"wheels": [Path(wheel).name for wheel in wheels], "rows": kept}, indent=1), "utf-8")
    print(f"{sizes['rounds']} rounds, {Path(wheels[0]).name} and {Path(wheels[1]).name}\n{table(measured)}")


if __name__ == "__main__":
    main()
