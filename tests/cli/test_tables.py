"""Reports at a terminal: tables that fit its width and cut no number; whole lines for what is no terminal."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

import pytest
from canvas_studio.cli.tables import print_report
from canvas_studio.workflows import Rows
from canvas_studio.workflows.report import Column, Report, Section, Table
from rich.cells import cell_len


class Terminal(io.StringIO):
    """What the commands take for a terminal."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def report(rows: list[tuple[Any, ...]]) -> Report:
    columns = (Column("title", "Title"), Column("owner", "Owner"), Column("media", "Media", "count"))
    table = Table("titles", "Titles", columns, Rows(("title", "owner", "media"), rows))
    return Report("A report", (("School", "\x1b[2Jexample"),), ("A note.",), (Section("One", ("A text.",), (table,)),))


def printed(made: Report, width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    print_report(made)
    return re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue()).splitlines()


LONG = "A title that is much longer than a terminal is wide, as some are"
WIDE = "小早川 蓮" * 20
ROWS = [(LONG, WIDE, 1_234_567_890), ("b", None, 2)]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_fits_the_width_of_the_terminal_and_no_number_is_cut(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(report(ROWS), width, monkeypatch)
    table = lines[lines.index("Titles") + 1 :]
    assert max(map(cell_len, table)) <= width
    assert [line.split()[-1] for line in table if not line.startswith("─")] == ["Media", "1,234,567,890", "2"]
    assert len(table) == 4
    assert "unknown" in table[3]


def test_a_column_for_which_there_is_no_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(report(ROWS), 20, monkeypatch)
    assert lines[-1] == "no room for: Media"
    assert max(map(cell_len, lines[lines.index("Titles") + 1 :])) <= 20
    assert "1,2" not in "\n".join(lines)


def test_what_is_no_terminal_gets_every_text_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(report([*ROWS, *(("c", None, 1) for _ in range(20))]))
    lines = capsys.readouterr().out.splitlines()
    assert any(LONG in line and WIDE in line for line in lines)
    assert lines[-1] == "the first 10 of 22"
    assert lines[:6] == ["School  \N{REPLACEMENT CHARACTER}[2Jexample", "A note.", "", "One", "A text.", ""]
    assert not any(line != line.rstrip() for line in lines)


def test_a_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(report([]))
    assert capsys.readouterr().out.splitlines()[-2:] == ["Titles", "none"]
