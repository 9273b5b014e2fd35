"""What goes out at a terminal: straight columns in every script, nothing that acts on it; and flat memory."""

from __future__ import annotations

import os
import re
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.cli import cells
from canvas_studio.cli.output import MANY, Wanted, as_json, write_rows
from canvas_studio.cli.terminal import printable
from rich.cells import cell_len
from support.programs import posix_only
from support.shell import COMMAND, School, school
from support.terminal import ANSI, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TITLES = (
    "\u0627\u0644\u0627\u0646\u0642\u0633\u0627\u0645 \u0627\u0644\u0645\u062a\u0633\u0627\u0648\u064a",
    "\u0915\u094b\u0936\u093f\u0915\u093e \u0935\u093f\u092d\u093e\u091c\u0928",
    "\U0001f52c Mitosis \U0001f9ec",
    "\u7d30\u80de\u5206\u88c2 " * 30,
    "Zellteilung",
    "e\u0301tude",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    with school(tmp_path, monkeypatch, media=0) as found:
        yield found


def screen(*arguments: str, columns: int) -> list[str]:
    with Terminal([str(COMMAND), *arguments], columns=columns) as terminal:
        assert terminal.end() == 0
    return ANSI.sub("", terminal.screen).splitlines()


@posix_only
@pytest.mark.parametrize("columns", [80, 200])
def test_a_table_fits_the_terminal_and_its_columns_are_straight(columns: int, here: School) -> None:
    for title in TITLES:
        here.box.add_media(title, owner=here.user, size=7)
    heading, *rows = screen("media", "list", "--fields", "id,title,size,owner.email,description", columns=columns)
    assert len(rows) == len(TITLES) + 1
    assert max(map(cell_len, [heading, *rows])) <= columns
    begins = cell_len(heading.partition("owner.email")[0])
    for row in rows:
        assert cell_len(row.partition("ada.park@")[0]) == begins, row
    assert any("\N{HORIZONTAL ELLIPSIS}" in row for row in rows)
    # A number is never cut.
    assert all("7 bytes" in row or "1.2 kB" in row for row in rows)


@posix_only
def test_what_has_no_room_is_left_out_from_the_right(here: School) -> None:
    heading, row = screen("media", "list", "--fields", "id,title,size,owner.email", columns=20)
    assert heading.split() == ["id", "title", "size"]
    assert str(here.media) in row


@posix_only
@pytest.mark.parametrize("form", [[], ["--json"], ["--jsonl"], ["--csv"]])
def test_a_title_cannot_act_on_the_terminal(form: list[str], here: School) -> None:
    here.box.add_media("a\x1b[2J\x07\x9b31mb\u202ec\x7fd\ne")
    with Terminal([str(COMMAND), "media", "list", *form, "--fields", "title"], environment={"NO_COLOR": "1"}) as shown:
        assert shown.end() == 0
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", shown.screen)
    assert "[2J" in shown.screen


def test_text_of_every_script_is_shown_as_it_is() -> None:
    for title in (*TITLES, "\u0915\u094d\u200d\u0937", "\U0001f469\u200d\U0001f52c"):
        assert printable(title) == title
    assert printable("a\u00a0b\tc\u2028d\ue000") == "a b\\tc\\u2028d\\ue000"
    assert printable("\ud800") == "\\ud800"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("size", 0, "0 bytes"),
        ("size", 999, "999 bytes"),
        ("size", 999_960, "1.0 MB"),
        ("size", 1_500_000_000, "1.5 GB"),
        ("duration", 59.6, "1:00"),
        ("duration", 3723, "1:02:03"),
        ("created_at", "2026-08-31T15:31:44Z", "2026-08-31 15:31"),
        ("title", None, "-"),
        ("title", "", "-"),
        ("is_empty", False, "no"),
        ("role_names", ["Admin", "Teacher"], "Admin, Teacher"),
        ("owner", {"id": 1}, '{"id": 1}'),
        ("media", 12, "12"),
    ],
)
def test_values_are_shown_for_people(name: str, value: object, shown: str) -> None:
    assert cells.text(name, value) == shown


def wanted(form: str, output: Path | None = None, **rest: Any) -> Wanted:
    return Wanted(form=form, columns=["id", "title"], whole=False, output=output, **rest)


def rows(count: int) -> Iterator[dict[str, object]]:
    return ({"id": number, "title": f"Lecture {number}", "other": "x" * 100} for number in range(count))


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
@pytest.mark.parametrize(
    "count", [20_000, pytest.param(1_000_000, marks=[pytest.mark.torture, pytest.mark.timeout(600)])]
)
def test_memory_stays_flat(form: str, count: int, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    write_rows(rows(10), wanted(form, file))  # with what is imported once
    tracemalloc.start()
    try:
        assert write_rows(rows(count), wanted(form, file)) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000
    assert file.stat().st_size > count * 10


def test_sort_says_when_it_keeps_many_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(rows(MANY), wanted("csv", tmp_path / "rows", sort="title"))
    assert capsys.readouterr().err == ""
    write_rows(rows(MANY + 1), wanted("csv", tmp_path / "rows", sort="-id"))
    assert capsys.readouterr().err.startswith("canvas-studio: --sort keeps all rows in memory")
    assert (tmp_path / "rows").read_text().splitlines()[1] == f"{MANY},Lecture {MANY}"
    write_rows(rows(MANY + 1), wanted("csv", tmp_path / "rows", sort="id", quiet=True))
    assert capsys.readouterr().err == ""


def test_json_is_valid_and_has_no_control_character() -> None:
    text = as_json({"a": "\x1b\x9b\u202e\ud800\u0915"})
    assert text == '{"a": "\\u001b\\u009b\\u202e\\ud800\u0915"}'


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_no_rows_are_no_error(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert write_rows([], wanted(form)) == 0
    expected = {"table": "id  title\n", "json": "[]\n", "jsonl": "", "csv": "id,title\r\n"}
    assert capsys.readouterr().out == expected[form]


@posix_only
def test_progress_is_shown_at_a_terminal_only_and_not_between_rows(here: School) -> None:
    quiet = here.start("media", "list", "--csv")
    assert quiet.stderr == ""
    for options, is_shown in ((["--output", "x"], True), (["--output", "x", "--quiet"], False), ([], False)):
        with Terminal([str(COMMAND), "media", "list", "--csv", *options]) as terminal:
            assert terminal.end() == 0
        assert ("1/1" in terminal.screen) == is_shown, terminal.screen


def test_the_width_of_a_pipe_does_not_matter(here: School) -> None:
    here.box.add_media("x" * 500)
    ended = here.start("media", "list", env={**os.environ, "COLUMNS": "20"})
    assert "x" * 500 in ended.stdout
    assert sys.platform == "win32" or ended.stdout.count("\n") == 3
