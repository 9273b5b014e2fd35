"""The command `inventory`: of a file or of a school, what it prints and writes, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.auth import Tokens
from canvas_studio.cli.app import app
from canvas_studio.profiles import Profile, save
from canvas_studio.sandbox import Sandbox
from canvas_studio.workflows import Snapshot
from support.html_pages import check_accessible, check_self_contained
from support.programs import posix_only
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

COMMAND = Path(sys.executable).with_name("canvas-studio")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A school with the profile `myschool`, and nothing in the environment; the command runs in an empty folder."""
    for name in [name for name in os.environ if name.startswith("CANVAS_STUDIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with Sandbox(media=120) as box:
        profile = Profile(name="myschool", url=box.url, client_id=box.client_id, client_secret=box.client_secret)
        save(profile)
        profile.token_store().save(Tokens.from_dict(box.oauth_token() | {"url": box.url}))
        yield box


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["inventory", *map(str, arguments)])


def test_of_a_file_it_prints_tables_and_asks_studio_nothing(box: Sandbox) -> None:
    library = Snapshot.take(box.client(), "library.db")
    box.forget_requests()
    ended = run("library.db")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert box.requests == ()
    lines = ended.stdout.splitlines()
    assert lines[0] == f"School       {box.url}"
    assert f"Media        120, {library.about.bytes / 1e9:,.1f} GB" in lines
    assert "Storage by owner, largest first" in lines
    [first, *_] = library.sql("select owner_name from library group by owner_id order by sum(size) desc")
    heads = lines.index("Storage by owner, largest first") + 1
    assert lines[heads + 2].startswith(first["owner_name"])
    assert [path.name for path in Path().iterdir()] == ["library.db"]


def test_of_a_school_it_takes_the_snapshot_first(box: Sandbox) -> None:
    ended = run("myschool")
    assert ended.exit_code == 0, ended.stderr
    assert ended.stderr.startswith("myschool.db: ") or "myschool.db: " in ended.stderr
    assert "It names people" in ended.stderr
    with Snapshot.open("myschool.db") as library:
        assert library.about.studio == box.url
    assert f"School       {box.url}" in ended.stdout
    # What is there is a file from now on, by its own name only.
    box.forget_requests()
    assert run("myschool.db").exit_code == 0
    assert box.requests == ()


def test_a_name_that_is_a_file_is_the_file(box: Sandbox) -> None:
    Path("myschool").write_text("not a snapshot")
    ended = run("myschool")
    assert ended.exit_code == 1
    assert "myschool is not a snapshot" in ended.stderr
    assert box.requests == ()


@pytest.mark.usefixtures("box")
def test_a_name_that_is_neither_is_explained() -> None:
    ended = run("library.db")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "there is no file 'library.db', and no profile of that name" in " ".join(ended.stderr.split())


def test_a_report_and_csv_files_are_written_and_named(box: Sandbox) -> None:
    Snapshot.take(box.client(), "library.db").close()
    ended = run("library.db", "--html", "inventory.html", "--csv", "tables")
    assert (ended.exit_code, ended.stderr) == (0, "")
    page = Path("inventory.html").read_text(encoding="utf-8")
    check_self_contained(page)
    check_accessible(page)
    names = {path.name for path in Path("tables").iterdir()}
    assert names == {
        *("owners.csv", "sources.csv", "years.csv", "in_courses.csv", "courses.csv"),
        *("likely_waste.csv", "cold_media.csv", "likely_duplicates.csv"),
    }
    lines = ended.stdout.splitlines()
    assert lines[0] == f"School       {box.url}"
    assert {"inventory.html", *(str(Path("tables", name)) for name in names)} <= set(lines)
    assert lines[-1] == "They name people: keep them as you keep student records."


def test_growth_since_an_older_snapshot_is_printed(box: Sandbox) -> None:
    Snapshot.take(box.client(), "older.db").close()
    box.add_media("Mitosis", size=10**12)
    Snapshot.take(box.client(), "library.db").close()
    ended = run("library.db", "--since-snapshot", "older.db")
    assert ended.exit_code == 0, ended.stderr
    assert "+1,000.0" in ended.stdout
    # In the wrong order, or with something else.
    with closing(sqlite3.connect("older.db")) as older:
        older.execute("update about set value = '2020-01-01T00:00:00Z' where key in ('started_at', 'taken_at')")
        older.commit()
    swapped = run("older.db", "--since-snapshot", "library.db")
    assert swapped.exit_code == 2
    assert "--since-snapshot must be older than older.db, and library.db is newer: swap the two" in swapped.stderr
    assert run("library.db", "--since-snapshot", "nothing.db").exit_code == 1


def test_json_has_all_rows_with_numbers_and_nulls(box: Sandbox) -> None:
    with Snapshot.take(box.client(), "library.db", level="lists") as library:
        owners = library.sql("select count(distinct owner_id) owners from media")[0]["owners"]
    ended = run("library.db", "--json", "--csv", "tables")
    assert (ended.exit_code, ended.stderr) == (0, "")
    told: Any = json.loads(ended.stdout)
    assert told["snapshot"]["counts"]["media"] == 120
    assert len(told["tables"]["owners"]) == owners
    assert {row["in_no_course"] for row in told["tables"]["owners"]} == {None}
    assert sum(row["bytes"] for row in told["tables"]["owners"]) == told["snapshot"]["bytes"]
    assert str(Path("tables", "owners.csv")) in told["files"]


def test_what_is_refused_ends_with_3_and_leaves_the_file(box: Sandbox) -> None:
    assert run("myschool").exit_code == 0
    before = Path("myschool.db").read_bytes()
    for media in box.client().search_media().limit(61).collect():
        box.remove_media(media)
    ended = run("myschool")
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert Path("myschool.db").read_bytes() == before


def test_what_fails_ends_with_1_and_what_is_asked_wrongly_with_2(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    Snapshot.take(box.client(), "library.db").close()
    assert run().exit_code == 2
    assert run("library.db", "--html", "nowhere/inventory.html").exit_code == 1
    assert run("library.db", "--csv", "nowhere/tables").exit_code == 1
    assert run("library.db", "--html", ".").exit_code == 2
    box.faults.add(status=403)
    assert run("myschool").exit_code == 1
    # Before a snapshot is taken, which may take minutes.
    box.forget_requests()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    ended = run("myschool", "--html", "inventory.html")
    assert ended.exit_code == 2
    assert "pip install 'canvas-studio[report]'" in ended.stderr
    assert box.requests == ()
    assert {path.name for path in Path().iterdir()} == {"library.db", "myschool.db.part"}


@posix_only
def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(box: Sandbox) -> None:
    box.faults.add(path="/v1/collections/*/media", delay=0.05)
    with subprocess.Popen([COMMAND, "inventory", "myschool"], stderr=subprocess.PIPE, text=True) as process:
        while not any(request.path.endswith("/media") for request in box.requests):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert (process.returncode, said) == (130, "canvas-studio: stopped: the same command goes on where it was\n")
    box.faults.clear()
    assert run("myschool").exit_code == 0
    assert Snapshot.open("myschool.db").about.resumed == 1


@posix_only
@pytest.mark.parametrize("arguments", [["inventory", "library.db"], ["inventory", "library.db", "--json"], ["whoami"]])
def test_a_reader_that_has_enough_ends_a_command_in_silence(box: Sandbox, arguments: list[str]) -> None:
    Snapshot.take(box.client(), "library.db").close()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    finally:
        os.close(writing)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert "Broken pipe" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
