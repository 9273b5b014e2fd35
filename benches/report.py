"""Makes the tables and the plot of what `make bench` has measured.

`python -m benches.report` makes them again; `python -m benches.report docs` puts them into docs/performance.md and
docs/images.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches.peers import module

if TYPE_CHECKING:
    from collections.abc import Callable

OUT = Path("target/bench")
OURS = "canvas-studio"
BARE = "bare reqwest"
# The same, but it learns from the first page how many there are, as every client has to.
LEARNS = "bare reqwest, page 1 first"
RAW = "raw TCP"
MICRO, MILLI, MEGA = 1e6, 1e3, 1e-6
STRONGEST = ("pycurl + msgspec", "pyreqwest + msgspec", "primp + msgspec", "wreq + msgspec")
HELP = "canvas-studio --help"
STRONGEST_WIDE = ("pycurl + msgspec", "pyreqwest async + msgspec", "primp async + msgspec", "wreq async + msgspec")
SLOW = "requests + json dataclass"

Runs = list[dict[str, Any]]
Rows = dict[str, Runs]

TITLES = {
    "get": "One media, asked for again and again (`get_media`), one connection, client on one core",
    "sequential": "20,000 media (400 pages) into objects, page after page, client on one core",
    "wide": "20,000 media into objects, 16 in flight, client free to use both cores",
    "frame": "20,000 media into a data frame, 16 in flight, client free to use both cores",
    "csv": "20,000 media into a CSV file, 16 in flight, client free to use both cores",
    "canvasapi": "1,000 media (20 pages) into the objects of canvasapi",
    "delay 16": "20,000 media into objects, each answer after 50 ms, 16 in flight",
    "delay 32": "20,000 media into objects, each answer after 50 ms, 32 in flight",
    "map": "The captions of 1,000 media, one request for each, each answer after 50 ms, 16 in flight",
    "snapshot": "A snapshot of the 20,000 media, with the courses, each answer after 50 ms, 16 in flight",
    "download": "A recording of 200 MB onto the disk",
    "upload": "A recording of 200 MB from the disk into Studio, in three steps",
    "upload folder": "Recordings of 5 MB, each answer of Studio after 20 ms, four at once",
}


def spread(values: list[float], digits: int = 2) -> str:
    """The median, and from the smallest to the largest."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def time_of(key: str) -> str:
    """What counts as the time: of many small things, the median of them."""
    return "median" if key == "get" else "wall"


def paired(rows: Rows, one: str, other: str, what: str) -> list[float]:
    """The ratio of two rows in each round."""
    return [first[what] / second[what] for first, second in zip(rows[one], rows[other], strict=True)]


def median(runs: Runs, what: str) -> float:
    """The median of a figure."""
    return float(statistics.median(run[what] for run in runs))


def fastest(rows: Rows, names: tuple[str, ...], what: str) -> str:
    """Which of them takes least."""
    return min((name for name in names if name in rows), key=lambda name: median(rows[name], what))


def table(key: str, rows: Rows) -> list[str]:
    """The table of a section."""
    ours = next(name for name in rows if name.startswith(OURS))
    what, unit, scale = time_of(key), *(("µs", MICRO) if key == "get" else ("ms", MILLI))
    heads = (f"Time, {unit}", f"Client CPU, {unit}", f"Server CPU, {unit}", "Time: times ours", "CPU: times ours")
    lines = [f"| | {' | '.join(heads)} | Memory grown, MB |", f"|---|{'---:|' * 6}"]
    for name, runs in rows.items():
        count = runs[0]["count"] if key == "get" else 1
        figures = [f"{median(runs, what) * scale:,.1f}"]
        figures += [f"{median(runs, each) * scale / count:,.1f}" for each in ("cpu", "server")]
        ratios = [spread(paired(rows, name, ours, each)) for each in (what, "cpu")]
        if key == "get":
            ratios[1] = spread(
                [
                    one["cpu"] / one["count"] / (two["cpu"] / two["count"])
                    for one, two in zip(runs, rows[ours], strict=True)
                ]
            )
        grown = f"{median(runs, 'grown') * MEGA:,.1f}" if "grown" in runs[0] else ""
        lines.append(f"| {label(name)} | {' | '.join([*figures, *ratios, grown])} |")
    return lines


def label(name: str) -> str:
    """Ours stands out."""
    return f"**{name}**" if name.startswith(OURS) else name


@dataclass(frozen=True)
class Shown:
    """A figure that has a limit.

    Attributes:
        what: What it is.
        values: The figure in each round.
        floor: What it must be, at least or at most.
        aim: What it is hoped to be.
        at_least: Whether more is better.
    """

    what: str
    values: list[float]
    floor: float
    aim: float
    at_least: bool = False
    unit: str = ""

    def line(self) -> str:
        """As a line of a table."""
        value = statistics.median(self.values)
        sign = 1 if self.at_least else -1
        reached, held = (sign * value >= sign * limit for limit in (self.aim, self.floor))
        word = "reached" if reached else "held" if held else "**missed**"
        bound = "at least" if self.at_least else "at most"
        wanted = f"{bound} {self.floor:g}{self.unit}" + (f", aim {self.aim:g}" if self.aim != self.floor else "")
        return f"| {self.what} | {spread(self.values)}{self.unit} | {wanted} | {word} |"


def of_objects(how: str, rows: Rows, names: tuple[str, ...]) -> list[Shown]:
    """From pages to objects, without a delay."""
    found: list[Shown] = []
    for what, word in (("wall", "time"), ("cpu", "CPU")):
        best = fastest(rows, names, what)
        values = paired(rows, best, OURS, what)
        found.append(Shown(f"Objects, {how}: {word} of {best} to ours", values, 1.3, 2, at_least=True))
    slow = paired(rows, SLOW, OURS, "wall")
    found.append(Shown(f"Objects, {how}: time of {SLOW} to ours", slow, 12, 25, at_least=True))
    found.append(Shown(f"Objects, {how}: our time to {BARE}", paired(rows, OURS, BARE, "wall"), 3, 1.8))
    return found


def of_delay(in_flight: str, rows: Rows) -> list[Shown]:
    """From pages to objects, when each answer takes its time."""
    best, how = fastest(rows, STRONGEST_WIDE, "cpu"), f"50 ms, {in_flight} in flight"
    return [
        Shown(f"{how}: our CPU to {best}", paired(rows, OURS, best, "cpu"), 0.7, 0.4),
        Shown(f"{how}: our time to {BARE}", paired(rows, OURS, BARE, "wall"), 1.03, 1.01),
        Shown(f"{how}: our time to {LEARNS}", paired(rows, OURS, LEARNS, "wall"), 1.03, 1.01),
    ]


def of_frames(rows: Rows) -> list[Shown]:
    """From pages to a frame."""
    best = fastest(rows, tuple(name for name in rows if not name.startswith(OURS) and name != BARE), "wall")
    values = paired(rows, best, f"{OURS} + polars", "wall")
    return [Shown(f"Frame: time of {best} to ours (polars)", values, 5, 5, at_least=True)]


def of_csv(rows: Rows) -> list[Shown]:
    """From pages to a CSV file."""
    ours, peer = f"{OURS} + csv", "pycurl + msgspec, csv"
    frame = paired(rows, ours, f"{OURS} + polars", "wall")
    return [
        Shown("CSV: our time to that of our frame (polars)", frame, 2, 2),
        Shown(f"CSV: time of {peer} to ours", paired(rows, peer, ours, "wall"), 3, 3, at_least=True),
    ]


def of_every_field(rows: Rows) -> list[Shown]:
    """Every field of every object, and all of them as dicts."""
    best = fastest(rows, tuple(name for name in rows if name.endswith(", every") and not name.startswith(OURS)), "wall")
    values = paired(rows, best, f"{OURS}, every", "wall")
    dicts = paired(rows, f"{OURS}, to_dicts", "pycurl + orjson", "wall")
    return [
        Shown(f"Every field: time of {best} to ours", values, 1, 1, at_least=True),
        Shown("Dicts: our time to pycurl + orjson", dicts, 1, 1),
    ]


def of_get(rows: Rows) -> list[Shown]:
    """One small thing."""
    over = [(one["median"] - two["median"]) * MICRO for one, two in zip(rows[OURS], rows[BARE], strict=True)]
    found = [Shown(f"get_media: our time over {BARE}", over, 10, 4, unit=" µs")]
    best = fastest(rows, tuple(name for name in rows if " async +" in name and "httpx" not in name), "median")
    for peer, floor, aim in (("aiohttp + orjson", 0.6, 0.4), (best, 1, 0.8)):
        values = paired(rows, f"{OURS} async", peer, "median")
        found.append(Shown(f"get_media_async: our time to {peer}", values, floor, aim))
    return found


def of_map(rows: Rows) -> list[Shown]:
    """One call for many items."""
    arithmetic = 1000 * 0.05 / 16
    found: list[Shown] = []
    for name in (OURS, f"{OURS} async"):
        values = [run["wall"] / arithmetic for run in rows[name]]
        found.append(Shown(f"map, {name}: time to requests x delay / width", values, 1.03, 1.03))
        values = paired(rows, name, "aiohttp + orjson", "cpu")
        found.append(Shown(f"map, {name}: CPU to aiohttp + orjson, in 16 tasks", values, 1, 0.7))
    return found


def of_snapshot(rows: Rows) -> list[Shown]:
    """A whole library into a file."""
    values = [run["wall"] / (run["requests"] * 0.05 / 16) for run in rows[OURS]]
    peaks = [run["peak"] * MEGA for run in rows[OURS]]
    return [
        Shown("snapshot: time to requests x delay / width", values, 1.1, 1.1),
        Shown("snapshot: memory at the most", peaks, 150, 100, unit=" MB"),
    ]


def of_download(rows: Rows) -> list[Shown]:
    """A large file."""
    grown = [run["grown"] * MEGA for run in rows[OURS]]
    return [
        Shown(f"200 MB: our time to {BARE}", paired(rows, OURS, BARE, "wall"), 1.15, 1.03),
        Shown("200 MB: growth of our memory", grown, 16, 6, unit=" MB"),
    ]


def of_upload(rows: Rows) -> list[Shown]:
    """A large file, into Studio."""
    grown = [run["grown"] * MEGA for run in rows[OURS]]
    return [
        Shown(f"Upload of 200 MB: our time to {BARE}", paired(rows, OURS, BARE, "wall"), 1.1, 1.1),
        Shown("Upload of 200 MB: growth of our memory", grown, 8, 8, unit=" MB"),
    ]


def of_folder(rows: Rows) -> list[Shown]:
    """Many files, into Studio."""
    return [Shown(f"Upload of a folder: our time to {BARE}", paired(rows, OURS, BARE, "wall"), 1.1, 1.1)]


def shown(results: dict[str, Any]) -> list[Shown]:
    """What the package is held to."""
    makers: dict[str, Callable[[Rows], list[Shown]]] = {
        "get": of_get,
        "sequential": lambda rows: of_objects("page after page", rows, STRONGEST) + of_every_field(rows),
        "wide": lambda rows: of_objects("16 in flight", rows, STRONGEST_WIDE),
        "delay 16": lambda rows: of_delay("16", rows),
        "delay 32": lambda rows: of_delay("32", rows),
        "frame": of_frames,
        "csv": of_csv,
        "map": of_map,
        "snapshot": of_snapshot,
        "download": of_download,
        "upload": of_upload,
        "upload folder": of_folder,
    }
    found = [
        each for key, make in makers.items() if key in results["sections"] for each in make(results["sections"][key])
    ]
    if (rows := results.get("import")) is not None:
        found.append(Shown("Import: our time to httpx", paired(rows, OURS, "httpx", "wall"), 0.25, 0.1))
        over = [
            (ours["wall"] - nothing["wall"]) * MILLI for ours, nothing in zip(rows[HELP], rows["nothing"], strict=True)
        ]
        found.append(Shown("canvas-studio --help: time over python -c pass", over, 120, 40, unit=" ms"))
    for name, runs in results.get("many", {}).items():
        what = f"{runs[0]['count']:,} media, {name}"
        swing, growth = ([run[each] * MEGA for run in runs] for each in ("swing", "growth"))
        found.append(Shown(f"{what}: most after item 100,000 over what it was there", swing, 5, 1, unit=" MB"))
        found.append(Shown(f"{what}: most of the last 100,000 over that of the second", growth, 5, 1, unit=" MB"))
    return found


def exits(results: dict[str, Any]) -> list[str]:
    """How many processes ended well."""
    lines = ["| Left with 64 requests in flight | Ended well |", "|---|---:|"]
    return lines + [
        f"| {label(name)} | {runs['clean']:,} of {runs['of']:,} |" for name, runs in results["exits"].items()
    ]


def imports(rows: Rows) -> list[str]:
    """What importing takes."""
    lines = ["| Import | ms | Modules | Times ours |", "|---|---:|---:|---:|"]
    for name, runs in rows.items():
        heavy = f" ({', '.join(runs[0]['heavy'])} among them)" if runs[0]["heavy"] else ""
        ratio = "" if name == "nothing" else spread(paired(rows, name, OURS, "wall"), 1)
        lines.append(f"| {label(name)} | {median(runs, 'wall') * MILLI:.2f} | {runs[0]['count']}{heavy} | {ratio} |")
    return lines


def document(results: dict[str, Any]) -> str:
    """All of it, as Markdown."""
    machine, size = results["machine"], results["size"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, Python {machine['python']}"
    lines = [
        f"Measured on {machine['date']}, {size['rounds']} rounds: {where}.",
        "",
        f"{versions}.",
        "",
        "### What was to be shown",
        "",
        "| | Measured | Wanted | |",
        "|---|---:|---|---|",
        *(each.line() for each in shown(results)),
        "",
    ]
    for key, rows in results["sections"].items():
        lines += [f"### {TITLES[key]}", "", *table(key, rows), ""]
    if "import" in results:
        lines += ["### Import", "", *imports(results["import"]), ""]
    if "exits" in results:
        lines += ["### Exits", "", *exits(results), ""]
    return "\n".join(lines)


BARS = {
    "wide": (
        "20,000 media into objects\n16 in flight: time in ms",
        "wall",
        (OURS, "wreq async + msgspec", "pyreqwest async + msgspec", "primp async + msgspec", "pycurl + msgspec",
         "aiohttp + msgspec", "requests + json dataclass", "httpx async + json dataclass"),
    ),
    "delay 16": (
        "The same when each answer takes 50 ms\nCPU of the client in ms",
        "cpu",
        (OURS, "wreq async + msgspec", "pyreqwest async + msgspec", "primp async + msgspec", "pycurl + msgspec",
         "aiohttp + msgspec", "requests + json dataclass", "httpx async + json dataclass"),
    ),
    "frame": (
        "20,000 media into a data frame\n16 in flight: time in ms",
        "wall",
        (f"{OURS} + polars", f"{OURS} + pandas", f"{OURS} + arrow", "pycurl + pyarrow.json",
         "pycurl + pyarrow.json, polars", "pycurl + orjson, polars", "pycurl + orjson, pandas",
         "requests + json_normalize"),
    ),
}  # fmt: skip


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw the bars that the README shows."""
    matplotlib = module("matplotlib")
    matplotlib.use("svg")
    # The same figures make the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "canvas-studio", "svg.fonttype": "none", "font.size": 9})
    panels = {key: bars for key, bars in BARS.items() if key in results["sections"]}
    figure, axes = module("matplotlib.pyplot").subplots(
        1, len(panels), figsize=(4.6 * len(panels), 3.2), layout="constrained", squeeze=False
    )
    for axis, (key, (title, what, names)) in zip(axes[0], panels.items(), strict=True):
        rows: Rows = results["sections"][key]
        there = sorted((name for name in names if name in rows), key=lambda name: median(rows[name], what))
        values = [median(rows[name], what) * MILLI for name in there]
        colours = ["#1b6ca8" if name.startswith(OURS) else "#c2c8ce" for name in there]
        bars = axis.barh(there, values, color=colours)
        axis.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3)
        axis.set_title(title, fontsize=10)
        axis.invert_yaxis()
        axis.set_xlim(0, max(values) * 1.2)
        axis.tick_params(left=False)
        axis.xaxis.set_visible(False)
        axis.spines[["top", "right", "bottom", "left"]].set_visible(False)
    figure.get_layout_engine().set(wspace=0.06)
    figure.savefig(path, facecolor="white", metadata={"Date": None})


def write(results: dict[str, Any], folder: Path) -> None:
    """Write the tables and the plot."""
    text = document(results)
    (folder / "results.md").write_text(text, encoding="utf-8")
    if results["sections"].keys() & BARS:
        plot(results, folder / "performance.svg")
    print(text)


def main() -> None:
    """Make them again, from what was measured last."""
    results = json.loads((OUT / "results.json").read_text(encoding="utf-8"))
    write(results, OUT)
    if "docs" in sys.argv[1:]:
        page = Path("docs/performance.md")
        before = page.read_text(encoding="utf-8")
        marks = "<!-- bench -->\n", "<!-- end of bench -->"
        put = re.compile(f"(?<={marks[0]}).*(?={marks[1]})", re.DOTALL)
        page.write_text(put.sub(lambda _: "\n" + document(results) + "\n", before), encoding="utf-8")
        plot(results, Path("docs/images/performance.svg"))


if __name__ == "__main__":
    main()
