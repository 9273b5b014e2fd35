"""Every report in a browser, in light and in dark: axe finds nothing, and nothing is loaded."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.sandbox import Sandbox
from canvas_studio.workflows import Rows, Snapshot
from canvas_studio.workflows.report import Column, Report, Section, Table, write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def sample(folder: Path) -> Path:
    """A report that has everything that a report can have."""
    columns = (Column("title", "Title"), Column("owner", "Owner"), Column("bytes", "Size", "bytes"))
    rows: list[tuple[Any, ...]] = [(f"Mitosis {number}", None, number * 1e9) for number in range(201)]
    rows[:2] = [("שלום עולם " * 50, "Ada Park", 10**12), (None, "<b>", None)]
    table = Table("titles", "Titles", columns, Rows(("title", "owner", "bytes"), rows), "bytes")
    none = Table("nothing", "Nothing", columns, Rows(("title", "owner", "bytes"), []))
    sections = (Section("One", ("A text.",), (table,)), Section("Two", tables=(none,)))
    made = Report("A report", (("School", "https://example.edu"),), ("A note.",), sections)
    return write_report(made, folder / "sample.html")[0]


def captions(folder: Path) -> Path:
    """The caption triage of a library in many scripts, with one that failed."""
    with Sandbox(media=1_500) as box, box.client(max_retries=0) as studio:
        library = Snapshot.take(studio, folder / "watched.db")
        box.faults.add(path="/v1/media/*/caption_files", status=403, times=3)
        return library.captions(studio, watched_since="2025-09-01").report(folder / "captions.html")


def inventory(folder: Path) -> Path:
    """The inventory of a library in many scripts, with growth."""
    with Sandbox(media=1_500) as box:
        older = Snapshot.take(box.client(), folder / "older.db")
        box.add_media("<script>", owner=box.add_user("שלום עולם"), size=10**12)
        library = Snapshot.take(box.client(), folder / "library.db")
    return library.report(folder / "inventory.html", older=older)


REPORTS: dict[str, Callable[[Path], Path]] = {"sample": sample, "inventory": inventory, "captions": captions}
"""What writes each report into a folder. A new kind of report is added here."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window."""
    api: Any = pytest.importorskip("playwright.sync_api", reason="playwright is missing: make torture installs it")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("there is no browser: install Debian's chromium, or set CHROMIUM to the program of one")
    with api.sync_playwright() as playwright:
        # Root, as in a container, has no sandbox of Chromium's.
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.mark.torture
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_axe_finds_nothing_in_a_report_and_it_loads_nothing(
    name: str, scheme: str, browser: Any, tmp_path: Path
) -> None:
    axe: Any = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = REPORTS[name](tmp_path)
    page = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    loaded: list[str] = []
    said: list[str] = []

    def note_request(request: Any) -> None:
        loaded.append(request.url)

    def note_message(message: Any) -> None:
        said.append(message.text)

    page.on("request", note_request)
    page.on("console", note_message)
    page.goto(path.as_uri())
    answer = axe.Axe().run(page).response
    # The policy lets the style through, which it would not if its hash were another one.
    assert page.evaluate("getComputedStyle(document.querySelector('caption')).textAlign") in {"left", "start"}
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
    page.close()

    found = [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in answer["violations"]]
    assert found == []
    # It did look at the colours, and at the tables.
    passed = {each["id"] for each in answer["passes"]}
    assert passed >= {"color-contrast", "html-has-lang", "bypass", "page-has-heading-one", "region", "scope-attr-valid"}
    assert loaded == [path.as_uri()]
    assert said == []


def test_axe_looks_at_every_report() -> None:
    """What makes a `Report` in the package has its name in the list above."""
    workflows = Path(__file__).parents[2] / "python/canvas_studio/workflows"
    makes_one = re.compile(r"^from canvas_studio\.workflows\.report import .*\bReport\b", re.MULTILINE)
    kinds = {file.stem for file in workflows.glob("*.py") if makes_one.search(file.read_text(encoding="utf-8"))}
    assert kinds == set(REPORTS) - {"sample"}
