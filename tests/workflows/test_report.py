"""Reports: one HTML file that loads nothing, can be read by everybody, and does not run what titles say."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path  # noqa: TC003 - fixtures are read at run time
from typing import Any
from urllib.parse import unquote

import pytest
from canvas_studio import InvalidArgumentError
from canvas_studio._core import without_formula
from canvas_studio.workflows import Rows
from canvas_studio.workflows.page import STYLE, TEMPLATE
from canvas_studio.workflows.report import Column, Report, Section, Table, write_csvs, write_report
from support.html_pages import Page, check_accessible, check_self_contained, contrast
from support.programs import posix_only

HOSTILE = [
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    "\"><svg onload='x'>",
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "Topics;=cmd()",
    'Topics;"=cmd()',
    "Topics\n=cmd()",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "\u2066\x1b[2J\x00\x7f\x9b\ud800",
    "line\none\u2028two",
    "שלום עולם",
    "متحرك",
    "javascript:alert(1)",
    "https://evil.example/x.png",
]


def table(rows: list[tuple[Any, ...]], name: str = "titles", chart: str | None = "bytes") -> Table:
    columns = (
        Column("title", "Title"),
        Column("id", "Id", "id"),
        Column("media", "Media", "count"),
        Column("bytes", "Size", "bytes"),
        Column("seconds", "Hours", "hours"),
        Column("part", "Part", "share"),
    )
    return Table(name, f"The {name}, as they come", columns, Rows([column.name for column in columns], rows), chart)


def report(*tables: Table) -> Report:
    sections = (Section("One", ("A text.",), tables), Section("Two"))
    return Report("A report", (("School", "https://example.edu"),), ("A note.",), sections)


def written(made: Report, path: Path) -> tuple[str, Page]:
    text = write_report(made, path)[0].read_bytes().decode()
    return text, Page(text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def cells(page: Page) -> list[list[str]]:
    [body] = page.root.all("tbody")
    return [[cell.whole_text() for cell in row.children] for row in body.all("tr")]


def test_a_report_is_one_file_that_loads_nothing_and_runs_nothing(path: Path) -> None:
    text, _ = written(report(table([("a", 1, 2, 3, 4, 0.5)]), table([("b", 1, 2, 3, 4, 0.5)], "others")), path)
    assert check_self_contained(text) == set()
    assert list(path.parent.iterdir()) == [path]


def test_a_report_can_be_read_by_everybody(path: Path) -> None:
    text, page = written(report(table([("a", 1, 2, 3, 4, 0.5)]), table([], "nothing")), path)
    check_accessible(text)
    for each in page.root.all("svg"):
        assert "The table has the numbers" in each.attributes["aria-label"]
    assert text.count("@media print") == 1


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_every_text_has_a_contrast_of_4_5_in_light_in_dark_and_on_paper(scheme: str) -> None:
    palettes = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    assert len(palettes) == 3
    colours = dict(re.findall(r"--(\w+): (#\w{6})", palettes[["light", "dark", "print"].index(scheme)]))
    for ground in ("ground", "raised", "note"):
        for text in ("text", "quiet", "link"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["bar"], colours["ground"]) >= 3
    # No colour stands anywhere else.
    assert len(re.findall(r"#[0-9a-f]{3,8}\b", STYLE)) == 3 * len(colours)


@pytest.mark.parametrize("title", HOSTILE)
def test_what_a_title_says_is_shown_and_not_run(title: str, path: Path) -> None:
    made = Report(title, ((title, title),), (title,), (Section(title, (title,), (table([(title, 1, 2, 3, 4, 0.5)]),)),))
    text, page = written(made, path)
    assert check_self_contained(text) == set()
    check_accessible(text)
    [[shown, *_]] = cells(page)
    assert len(shown) == len(title)
    assert {letter for letter in title if letter.isprintable()} <= set(shown)
    # Nothing changes the direction of what stands outside of its own element, and nothing controls a terminal.
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "<bdi>" in text


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("title", HOSTILE)
def test_no_spreadsheet_of_any_country_finds_a_formula_in_a_csv(title: str, delimiter: str, tmp_path: Path) -> None:
    if "\ud800" in title:
        title = title.replace("\ud800", "")
    made = report(table([(title, 1, -2, -3, 4, 0.5), (f"b{title}", None, None, None, None, None)]))
    [file] = write_csvs(made, tmp_path / "csv")
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.reader(lines, delimiter=delimiter):
            for cell in row:
                assert without_formula(cell) == cell or re.match(r"-\d", cell), cell


def test_a_text_without_a_formula_stays_as_it_is() -> None:
    for text in ("a = b", "Week 1 - intro; part 2", "12, 15; 18", "", "a\nb", "x;y@example.edu"):
        assert without_formula(text) == text


def test_what_is_unknown_is_not_0(path: Path) -> None:
    _, page = written(report(table([("a", 1, None, None, None, None), (None, None, 0, 0, 0, 0)])), path)
    assert cells(page) == [
        ["a", "1", "unknown", "unknown", "unknown", "unknown"],
        ["unknown", "unknown", "0", "0.0", "0.0", "0.0%"],
    ]


def test_a_column_has_one_unit_which_its_heading_names(path: Path) -> None:
    rows = [("a", 1234567, 1_234_567, 12_345_678_901, 36_000.0, 0.123), ("b", 2, 1, 5_000_000, 0, 0.0)]
    text, page = written(report(table(rows)), path)
    assert cells(page) == [
        ["a", "1234567", "1,234,567", "12.3", "10.0", "12.3%"],
        ["b", "2", "1", "0.0", "0.0", "0.0%"],
    ]
    heads = [head.whole_text() for head in page.root.all("thead")[0].all("th")]
    assert heads == ["Title", "Id", "Media", "Size (GB)", "Hours", "Part"]
    assert "12.3 GB" in text
    assert table(rows[1:]).headings()[3] == "Size (MB)"


def test_a_table_has_200_rows_and_a_csv_beside_the_page_has_all(tmp_path: Path) -> None:
    path = tmp_path / "my report é.html"
    rows = [(f"t{number}", number, 1, number, 1, 0.5) for number in range(201)]
    made = write_report(report(table(rows[:200], "few"), table(rows)), path)
    text = path.read_text(encoding="utf-8")
    [link] = check_self_contained(text)
    assert tmp_path / unquote(link) == made[1]
    assert made == [path, tmp_path / "my report é.titles.csv"]
    with made[1].open(newline="", encoding="utf-8") as lines:
        assert len(list(csv.DictReader(lines))) == 201
    page = Page(text)
    assert [len(body.all("tr")) for body in page.root.all("tbody")] == [200, 200]
    assert "The first 200 of 201 rows." in text
    assert f'All of it is in <a href="{link}">my report é.titles.csv</a>.' in text


def test_a_long_text_is_cut_and_whole_in_the_csv(path: Path) -> None:
    made = write_report(report(table([("x" * 500, 1, 1, 1, 1, 1)])), path)
    text = path.read_text(encoding="utf-8")
    assert "x" * 199 + "…" in text
    assert "x" * 200 not in text
    assert "A text that ends with … is longer." in text
    assert "x" * 500 in made[1].read_text(encoding="utf-8")


def test_bars_begin_at_zero_and_are_as_long_as_their_numbers(path: Path) -> None:
    rows = [("a", 1, 1, 4_000, 1, 1), ("b", 1, 1, -1_000, 1, 1), ("c", 1, 1, None, 1, 1), ("d", 1, 1, 0, 1, 1)]
    _, page = written(report(table(rows)), path)
    [chart] = page.root.all("svg")
    bars = [(float(bar.attributes["x"]), float(bar.attributes["width"])) for bar in chart.all("rect")]
    assert bars == [(292.0, 320.0), (212.0, 80.0), (292.0, 0.0)]
    assert [text.text for text in chart.all("text")][::2] == ["a", "b", "d"]


@pytest.mark.parametrize("rows", [[], [("a", 1, 1, 0, 1, 1)], [("a", 1, 1, None, 1, 1)]])
def test_a_table_with_nothing_to_draw_has_no_chart(rows: list[tuple[Any, ...]], path: Path) -> None:
    text, page = written(report(table(rows)), path)
    assert page.root.all("svg") == []
    check_accessible(text)


@posix_only
def test_only_this_user_can_read_a_report_and_its_csv_files(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("an older one that everybody can read")
    path.chmod(0o644)
    made = report(table([("t", number, 1, number, 1, 0.5) for number in range(201)]))
    files = write_report(made, path) + write_csvs(made, tmp_path / "csv")
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600, 0o600]
    assert (tmp_path / "csv").stat().st_mode & 0o777 == 0o700


@posix_only
def test_the_csv_and_parquet_of_a_query_are_for_this_user_only(tmp_path: Path) -> None:
    rows = Rows(("a",), [(1,)])
    for file in (rows.to_csv(tmp_path / "rows.csv"), rows.to_parquet(tmp_path / "rows.parquet")):
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_report_that_fails_leaves_the_one_of_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = written(report(), path)
    monkeypatch.setattr("canvas_studio.workflows.report.TEMPLATE", TEMPLATE + "{{ report.nothing_of_this_name }}")
    from jinja2 import UndefinedError  # noqa: PLC0415 - an extra

    with pytest.raises(UndefinedError):
        write_report(report(), path)
    with pytest.raises(InvalidArgumentError, match="path must name a file"):
        write_report(report(), path.parent)
    assert path.read_text(encoding="utf-8") == before
    assert list(path.parent.iterdir()) == [path]


def test_without_jinja2_the_error_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'canvas-studio\[report\]'"):
        write_report(report(), path)
    assert not path.exists()


def test_a_report_is_json_too_with_all_rows_and_columns() -> None:
    made = report(table([("a", 1, 2, None, 4, 0.5)]))
    read = json.loads(json.dumps(made.to_dict()))
    assert read["facts"] == {"School": "https://example.edu"}
    assert read["tables"]["titles"] == [{"title": "a", "id": 1, "media": 2, "bytes": None, "seconds": 4, "part": 0.5}]
