"""Excel workbooks hold what the CSV holds, in Excel's types and within its limits, and no formula."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import textwrap
import zipfile
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import InternalServerError, InvalidArgumentError, _excel
from canvas_studio.sandbox import Sandbox
from support.fault_server import (
    FaultServer,
    collection_item,
    json_answer,
    library_of,
    media_item,
    page_answer,
    paged,
    person,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.forms import Form

openpyxl: Any = import_module("openpyxl")  # another library reads what ours has written
unescape: Any = import_module("openpyxl.utils.escape").unescape  # it leaves a carriage return as `_x000D_`


def sheet_of(path: Path) -> Any:
    """The only sheet of a workbook."""
    [sheet] = openpyxl.load_workbook(path).worksheets
    return sheet


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a workbook by the names of their columns."""
    names, *rows = sheet_of(path).iter_rows(values_only=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def cells_of(path: Path) -> str:
    """The XML of the sheet."""
    with zipfile.ZipFile(path) as file:
        return file.read("xl/worksheets/sheet1.xml").decode()


def same(cell: Any, text: str, name: str) -> bool:
    """Whether a cell holds what a cell of CSV says."""
    if isinstance(cell, datetime) and "T" in text:
        # Excel counts milliseconds.
        return abs((cell.replace(tzinfo=UTC) - datetime.fromisoformat(text)).total_seconds()) < 0.001
    if isinstance(cell, datetime):
        return cell == datetime.fromisoformat(text)
    if isinstance(cell, int | float):
        return float(text) == cell
    cell = str(unescape(cell or ""))
    return cell == text if name != "extra" else bool(json.loads(cell or "null") == json.loads(text or "null"))


def test_a_workbook_has_the_columns_and_the_values_of_the_csv(form: Form, tmp_path: Path) -> None:
    with Sandbox(media=120, seed=5) as box, box.client() as studio:
        for listing in (studio.search_media(per_page=20), studio.list_collections()):
            found = rows_of(form.call(listing, "to_excel", tmp_path / "items.xlsx"))
            with form.call(listing, "to_csv", tmp_path / "items.csv").open(encoding="utf-8", newline="") as file:
                expected = list(csv.DictReader(file))
            assert list(found[0]) == list(expected[0])
            for cells, texts in zip(found, expected, strict=True):
                assert [name for name in texts if not same(cells[name], texts[name], name)] == []


def test_odd_owners_and_what_is_not_documented_stand_where_they_do_in_csv(form: Form, tmp_path: Path) -> None:
    owners: list[Any] = [person(7), person(8, email=None, mood="calm"), {"id": 9}, None, "nobody", [1]]
    items = [media_item(number, owner=owner) for number, owner in enumerate(owners, 1)]
    items[0] |= {"collection": collection_item(4), "views": 3}
    with FaultServer(paged(items)) as server:
        listing = server.client().search_media()
        found = rows_of(form.call(listing, "to_excel", tmp_path / "media.xlsx"))
        with form.call(listing, "to_csv", tmp_path / "media.csv").open(encoding="utf-8", newline="") as file:
            expected = list(csv.DictReader(file))
    for cells, texts in zip(found, expected, strict=True):
        assert [name for name in texts if not same(cells[name], texts[name], name)] == []


def test_numbers_are_numbers_and_moments_are_dates_in_utc(form: Form, tmp_path: Path) -> None:
    item = media_item(1, created_at="2024-01-01T01:30:00+02:00", size=2**40, last_viewed="2024-06-01")
    with FaultServer(paged([item])) as server:
        path = form.call(server.client().search_media(), "to_excel", tmp_path / "media.xlsx")
    [row] = rows_of(path)
    assert (row["id"], row["size"], row["duration"]) == (1, 2**40, 735.5)
    assert row["created_at"] == datetime(2023, 12, 31, 23, 30)  # noqa: DTZ001 - Excel knows no zones
    assert row["last_viewed"] == datetime(2024, 6, 1)  # noqa: DTZ001 - likewise
    sheet = sheet_of(path)
    assert sheet.title == "Media"
    assert sheet.freeze_panes == "A2"
    formats = {cell.value: sheet.cell(2, cell.column).number_format for cell in sheet[1]}
    assert (formats["created_at"], formats["last_viewed"]) == ("yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("https://example.edu")', "{=1+1}", " =1+1", "\t=1+1"]


@pytest.mark.parametrize(
    "text", [*FORMULAS, "https://example.edu/?a=b", "mailto:ada@example.edu", "007", "1e5", "TRUE"]
)
def test_a_text_is_a_text_and_no_formula_link_or_number(form: Form, text: str, tmp_path: Path) -> None:
    items = [media_item(1, title=text, owner=person(7, display_name=text))]
    with FaultServer(paged(items)) as server:
        path = form.call(server.client().search_media(), "to_excel", tmp_path / "media.xlsx")
    [row] = rows_of(path)
    assert (row["title"], row["owner_display_name"]) == (text, text)
    sheet = sheet_of(path)
    assert sheet["B2"].data_type == "s"
    # So that it stays a text when somebody edits the cell.
    assert sheet["B2"].quotePrefix is (text.strip()[0] in "=+-@")
    assert "<f>" not in cells_of(path)
    assert "hyperlink" not in cells_of(path)


def test_names_of_columns_are_no_formulas(form: Form, tmp_path: Path) -> None:
    row = {"=1+1": 1, "extra": 2, "Extra_": 3}
    with FaultServer(paged([row], "rows")) as server:
        path = form.call(server.client().paginate("/rows", key="rows"), "to_excel", tmp_path / "rows.xlsx")
    assert rows_of(path) == [{**row, "extra__": None}]
    assert sheet_of(path)["A1"].data_type == "s"
    assert sheet_of(path).title == "Items"


def test_whole_numbers_of_more_than_fifteen_digits_lose_none(form: Form, tmp_path: Path) -> None:
    numbers = {"a": 10**15 - 1, "b": 10**15, "c": -(2**63), "d": 10**50, "e": 0.1, "f": True, "g": 1 - 10**15}
    with FaultServer(paged([numbers], "rows")) as server:
        path = form.call(server.client().paginate("/rows", key="rows"), "to_excel", tmp_path / "rows.xlsx")
    [found] = rows_of(path)
    texts = {"b": str(10**15), "c": str(-(2**63)), "d": str(10**50)}
    assert found == {**numbers, **texts, "extra": None}


@pytest.mark.parametrize("letter", ["a", "🎬", "e\N{COMBINING ACUTE ACCENT}"])
def test_a_text_that_is_too_long_for_a_cell_is_cut_with_a_warning(form: Form, letter: str, tmp_path: Path) -> None:
    fits, too_long = letter * (32_767 // (len(letter.encode("utf-16-le")) // 2)), letter * 32_768
    items = [media_item(1, description=fits), media_item(2, description=too_long)]
    with FaultServer(paged(items)) as server:
        listing = server.client().search_media()
        with pytest.warns(UserWarning, match=r"media.xlsx: 1 texts? w.*cut at 32,767 .*'description' in row 3"):
            path = form.call(listing, "to_excel", tmp_path / "media.xlsx")
    first, second = rows_of(path)
    assert first["description"] == fits
    assert second["description"].endswith("…")
    assert too_long.startswith(second["description"].removesuffix("…"))
    assert 32_760 <= len(second["description"].encode("utf-16-le")) // 2 <= 32_767


def test_control_characters_are_written_as_excel_writes_them(form: Form, tmp_path: Path) -> None:
    text = "a\x00b\x1fc\rd\ne\tf\ufffeg_x0041_h"
    with FaultServer(paged([media_item(1, title=text)])) as server:
        path = form.call(server.client().search_media(), "to_excel", tmp_path / "media.xlsx")
    assert "a_x0000_b_x001F_c_x000D_d\ne\tf_xFFFE_g_x005F_x0041_h" in cells_of(path)


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "9999-12-31"])
def test_days_before_excel_counts_them_are_text(form: Form, day: str, tmp_path: Path) -> None:
    moment = f"{day}T12:00:00Z"
    with FaultServer(paged([media_item(1, created_at=moment, last_viewed=day)])) as server:
        [row] = rows_of(form.call(server.client().search_media(), "to_excel", tmp_path / "media.xlsx"))
    assert same(row["last_viewed"], day, "last_viewed")
    assert datetime.fromisoformat(str(row["created_at"])).replace(tzinfo=UTC) == datetime.fromisoformat(moment)


def test_more_rows_than_a_sheet_holds_are_refused_as_soon_as_they_are_counted(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_excel, "MOST_ROWS", 101)
    with FaultServer(paged(library_of(345))) as server:
        listing = server.client(max_concurrency=1).search_media(per_page=20)
        with pytest.raises(ValueError, match=r"holds 100 rows below its heading, and these are 345: use limit\(100\)"):
            form.call(listing, "to_excel", tmp_path / "media.xlsx")
        assert len(server.requests) <= 2
        assert len(rows_of(form.call(listing.limit(100), "to_excel", tmp_path / "media.xlsx"))) == 100
    with FaultServer(paged(library_of(101), meta=False)) as server, pytest.raises(ValueError, match="these are 101"):
        form.call(server.client().search_media(per_page=20), "to_excel", tmp_path / "more.xlsx")
    assert [file.name for file in tmp_path.iterdir()] == ["media.xlsx"]


def test_an_empty_list_is_a_sheet_with_its_columns(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged([])) as server:
        sheet = sheet_of(form.call(server.client().search_media(), "to_excel", tmp_path / "media.xlsx"))
    assert (sheet.max_row, sheet["A1"].value, sheet.cell(1, sheet.max_column).value) == (1, "id", "extra")


def test_an_interrupted_workbook_leaves_the_existing_file_as_it_was(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "media.xlsx"
    path.write_bytes(b"last week's")
    failure = json_answer({"error": "down"}, 500)

    def answer(request: Any) -> Any:
        return failure if request.parameters["page"] == "3" else page_answer(request, library_of(100))

    with FaultServer(answer) as server, pytest.raises(InternalServerError):
        form.call(server.client(max_retries=0).search_media(per_page=20), "to_excel", path)
    assert path.read_bytes() == b"last week's"
    assert list(tmp_path.iterdir()) == [path]


def test_no_temporary_file_is_left(form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20)
        form.call(listing, "to_excel", tmp_path / "media.xlsx")
        failing = listing.with_options(progress=lambda done, _total: 1 // (45 - done))
        with pytest.raises(ZeroDivisionError):
            form.call(failing, "to_excel", tmp_path / "more.xlsx")
    assert list(folder.iterdir()) == []


def test_a_workbook_onto_a_folder_is_refused_before_anything_is_sent(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged(library_of(2))) as server, pytest.raises(InvalidArgumentError, match=r"\bpath\b"):
        form.call(server.client().search_media(), "to_excel", tmp_path)
    assert server.requests == []


def test_a_workbook_without_xlsxwriter_says_what_to_install_before_anything_is_sent(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with FaultServer(paged(library_of(2))) as server:
        wanted = re.escape("to_excel() needs xlsxwriter: pip install xlsxwriter") + "$"
        with pytest.raises(ImportError, match=wanted):
            form.call(server.client().search_media(), "to_excel", tmp_path / "media.xlsx")
        assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_workbook_on_a_full_disk_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from canvas_studio.sandbox import Sandbox

        with Sandbox(media=1_000) as box, box.client() as studio:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
            try:
                studio.search_media().to_excel(sys.argv[1])
            except OSError as error:
                print(error.filename, error.strerror)
    """
    path = tmp_path / "media.xlsx"
    words = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(path)]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith(f"{path} File too large")
    assert ended.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_progress_of_a_workbook_rises_to_the_total(form: Form, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    note: Callable[[int, int | None], None] = lambda done, total: told.append((done, total))  # noqa: E731
    with FaultServer(paged(library_of(345))) as server:
        listing = server.client().search_media(per_page=20).with_options(progress=note)
        form.call(listing, "to_excel", tmp_path / "media.xlsx")
    assert told[-1] == (345, 345)
    assert told == sorted(set(told))
