"""Rows of a query: shown as text and in a notebook, and given to data frames, CSV and Parquet."""

from __future__ import annotations

import csv
import os
import sys
from importlib import import_module
from pathlib import Path  # noqa: TC003 - fixtures are read at run time
from typing import Any

import polars as pl
import pytest
from canvas_studio.workflows import Rows

MIXED = Rows(("id", "size", "title", "odd"), [(1, 5, "a", 1), (2, None, None, "x"), (3, 7, "=1+1", 2.5)])


def test_a_missing_number_leaves_a_column_whole_numbers() -> None:
    frame = MIXED.to_pandas()
    assert [str(kind) for kind in frame.dtypes[:2]] == ["int64", "Int64"]
    assert frame["size"].isna().tolist() == [False, True, False]
    polars = MIXED.to_polars()
    assert [str(kind) for kind in polars.dtypes] == ["Int64", "Int64", "String", "String"]
    assert polars["odd"].to_list() == ["1", "x", "2.5"]
    assert MIXED.to_arrow().column("size").to_pylist() == [5, None, 7]


def test_no_rows_have_columns_all_the_same(tmp_path: Path) -> None:
    none = Rows(("id", "title"), [])
    assert (
        none.to_pandas().columns.tolist() == none.to_polars().columns == none.to_arrow().column_names == ["id", "title"]
    )
    assert none.to_csv(tmp_path / "none.csv").read_text() == "id,title\n"
    assert repr(none) == "id  title\n0 rows"


def test_parquet_holds_what_the_rows_hold(tmp_path: Path) -> None:
    assert pl.read_parquet(MIXED.to_parquet(tmp_path / "rows.parquet")).equals(MIXED.to_polars())


@pytest.mark.parametrize(
    ("text", "safe"),
    [("=cmd()", "'=cmd()"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\t=1", "'\t'=1"), ("a;=1", "a;'=1")],
)
def test_a_cell_that_a_spreadsheet_would_run_is_defused_in_csv(text: str, safe: str, tmp_path: Path) -> None:
    path = Rows(("title", "size"), [(text, -5)]).to_csv(tmp_path / "rows.csv")
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1] == [safe, "-5"]


def test_a_workbook_holds_what_the_rows_hold_and_no_formula(tmp_path: Path) -> None:
    path = MIXED.to_excel(tmp_path / "rows.xlsx")
    sheet: Any = import_module("openpyxl").load_workbook(path).active
    assert list(sheet.iter_rows(values_only=True)) == [
        ("id", "size", "title", "odd"),
        (1, 5, "a", 1),
        (2, None, None, "x"),
        (3, 7, "=1+1", 2.5),
    ]
    assert sheet["C4"].data_type == "s"
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0


def test_the_csv_can_have_another_encoding(tmp_path: Path) -> None:
    path = Rows(("title",), [("ä",)]).to_csv(tmp_path / "rows.csv", encoding="utf-8-sig")
    assert path.read_bytes() == b"\xef\xbb\xbftitle\r\n\xc3\xa4\r\n"


def test_a_text_of_somebody_else_changes_no_terminal_and_no_page() -> None:
    rows: Any = Rows(("title", "n"), [("<script>\x1b[2J\n", 1), ("x" * 100, 22)])
    assert repr(rows).splitlines() == [f"{'title':<60}   n", f"{'<script> [2J':<60}   1", f"{'x' * 59}…  22", "2 rows"]
    assert "<script>" not in rows._repr_html_()
    assert '<td style="text-align: right; white-space: nowrap" dir="auto">22</td>' in rows._repr_html_()


def test_columns_stand_below_each_other_in_every_script() -> None:
    rows = Rows(("name", "n"), [("小早川 蓮", 12), ("Ada Park", 7), ("e\u0301", 3)])
    assert repr(rows).splitlines() == [
        "name        n",
        "小早川 蓮  12",
        "Ada Park    7",
        "e\u0301           3",
        "3 rows",
    ]


def test_many_rows_are_not_all_shown() -> None:
    rows: Any = Rows(("n",), [(number,) for number in range(5_000)])
    assert repr(rows).splitlines()[-1] == "the first 20 of 5,000 rows"
    assert rows._repr_html_().count("<tr>") == 21


def test_a_frame_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=r"to_polars\(\) needs polars: pip install polars"):
        MIXED.to_polars()


def test_rows_are_equal_if_their_columns_and_cells_are() -> None:
    assert Rows(("a",), [(1,)]) == Rows(("a",), [(1,)])
    assert Rows(("a",), [(1,)]) != Rows(("b",), [(1,)])
    assert Rows(("a",), [(1,)]) != [{"a": 1}]
