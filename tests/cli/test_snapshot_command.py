"""The command `snapshot`: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from canvas_studio.auth import Tokens
from canvas_studio.cli.app import app
from canvas_studio.profiles import Profile, save
from canvas_studio.sandbox import Sandbox
from canvas_studio.workflows import Snapshot, taking
from support.programs import posix_only
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

COMMAND = Path(sys.executable).with_name("canvas-studio")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A school with the profile `myschool`, and nothing in the environment."""
    for name in [name for name in os.environ if name.startswith("CANVAS_STUDIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    with Sandbox(media=120) as box:
        profile = Profile(name="myschool", url=box.url, client_id=box.client_id, client_secret=box.client_secret)
        save(profile)
        profile.token_store().save(Tokens.from_dict(box.oauth_token() | {"url": box.url}))
        yield box


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.db"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["snapshot", *map(str, arguments)])


def test_it_takes_a_snapshot_and_says_what_is_in_it(box: Sandbox, path: Path) -> None:
    ended = run("myschool", path)
    assert (ended.exit_code, ended.stderr) == (0, "")
    with Snapshot.open(path) as taken:
        [row] = taken.sql(
            "select count(*) media, (select count(*) from courses) courses from library where courses > 0"
        )
        [viewed] = taken.sql("select count(last_viewed) ever, count(last_viewed_by_student) by_students from media")
        assert ended.stdout.splitlines() == [
            "media              120   nothing changed while they were read",
            f"collections  {taken.about.counts['collections']:>9}   nothing changed while they were read",
            f"in courses   {row['media']:>9}   in {row['courses']} courses; checked 50 media one by one: all agree",
            f"viewed       {viewed['ever']:>9}   by Studio's answers; what was never viewed is in no period",
            f"by students  {viewed['by_students']:>9}   by Studio's answers",
            f"{path}: {path.stat().st_size / 1e6:.1f} MB. It names people: keep it as you keep student records.",
        ]
        assert taken.about.studio == box.url


@pytest.mark.parametrize("option", [("--grants",), ("--level", "grants")])
def test_it_reads_grants_on_request(option: tuple[str, ...], box: Sandbox, path: Path) -> None:
    closed = box.client().search_media().first()
    assert closed is not None
    box.faults.add(path=f"/v1/media/{closed.id}/permissions", status=403)
    ended = run("myschool", path, *option)
    assert (ended.exit_code, ended.stderr) == (0, "")
    with Snapshot.open(path) as taken:
        [row] = taken.sql("select (select count(*) from permission) grants, count(*) grantees from grantee")
        assert taken.about.level == "grants"
    lines = ended.stdout.splitlines()
    assert f"grants       {row['grants']:>9}   to {row['grantees']} people and groups" in lines
    assert (
        "                     1   media or collections may not be read by this token: their grants are not known"
        in lines
    )


@pytest.mark.parametrize("arguments", [("myschool",), ("--profile", "myschool"), ()])
def test_the_school_can_be_named_in_three_ways(arguments: tuple[str, ...], box: Sandbox, path: Path) -> None:
    ended = run(*arguments, path, "--level", "lists", "--consistent", "--anonymize", "--json")
    assert ended.exit_code == 0, ended.stderr
    told = json.loads(ended.stdout)
    with Snapshot.open(path) as taken:
        assert told == {"path": str(path)} | taken.about.to_dict()
    assert (told["studio"], told["level"], told["consistent"], told["anonymized"]) == (box.url, "lists", True, True)


def test_a_url_or_an_unknown_profile_beside_the_variables_is_told_to_be_left_out(
    box: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run(box.url, path)
    assert ended.exit_code == 2
    assert "profile must be the name of a profile, not a URL" in ended.stderr
    assert "CANVAS_STUDIO_URL" in ended.stderr
    assert "leave the profile out" not in run("nobody", path).stderr
    monkeypatch.setenv("CANVAS_STUDIO_URL", box.url)
    assert "leave the profile out" not in run("nobody", path).stderr
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", box.token)
    ended = run("nobody", path)
    assert ended.exit_code == 2
    assert "or leave the profile out, to use CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN" in " ".join(
        ended.stderr.split()
    )
    assert run(path, "--level", "lists").exit_code == 0


def test_it_says_what_an_administrator_has_to_know(box: Sandbox, path: Path) -> None:
    collection = box.client().list_collections().first()
    assert collection is not None
    box.faults.add(path=f"/v1/collections/{collection.id}/media", status=403)
    box.faults.add(path="/v1/users/search", status=403)
    box.faults.add(path="/v1/media/*/courses", status=200, body={"courses": [{"id": 1}]})
    ended = run("myschool", path)
    assert ended.exit_code == 0, ended.stderr
    assert "1   collections may not be read by this token: what is in them is not known" in ended.stdout
    assert "The token is probably not an administrator's" in ended.stdout
    assert "checked 50 media one by one: 50 are in other courses than the collections say" in ended.stdout


@pytest.mark.parametrize(
    ("source", "never", "said"),
    [
        (None, None, "?   when, is unknown: neither Studio's answers nor its search say it"),
        (
            "month",
            dict.fromkeys(("both", "start", "end"), False),
            "1   found by searching each month; what was never viewed is in no period",
        ),
        (
            "answers",
            {"both": False, "start": True, "end": True},
            "1   by Studio's answers; what was never viewed is in each period with a start only or an end only",
        ),
        ("answers", None, "1   by Studio's answers"),
    ],
)
def test_it_says_how_it_is_known_when_media_were_last_viewed(
    source: str | None, never: dict[str, bool] | None, said: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(media=0) as box:
        monkeypatch.setenv("CANVAS_STUDIO_URL", box.url)
        monkeypatch.setenv("CANVAS_STUDIO_TOKEN", box.token)
        box.add_media("Mitosis", last_viewed="2026-03-01")
        found: dict[str, object] = {
            "last_viewed_from": {"last_viewed": source, "last_viewed_by_student": None},
            "never_viewed": never,
        }

        def read(*_: object) -> dict[str, object]:
            return found

        monkeypatch.setattr(taking, "read_last_viewed", read)
        assert f"viewed               {said}" in run(path).stdout.splitlines()


def test_what_is_refused_ends_with_3_and_leaves_the_file(box: Sandbox, path: Path) -> None:
    assert run("myschool", path).exit_code == 0
    before = path.read_bytes()
    for media in box.client().search_media().limit(61).collect():
        box.remove_media(media)
    ended = run("myschool", path)
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert "this snapshot has 59 media" in ended.stderr
    assert path.read_bytes() == before
    assert run("myschool", path, "--smaller").exit_code == 0


def test_it_says_what_was_deleted_meanwhile(box: Sandbox, path: Path) -> None:
    box.faults.add(path="/v1/media/*/courses", status=404)
    ended = run("myschool", path)
    assert "checked 50 media one by one: all agree, but for 50 that were deleted meanwhile" in ended.stdout


def test_a_part_of_something_else_ends_with_3_and_stays(box: Sandbox, path: Path) -> None:
    part = path.with_name("library.db.part")
    part.write_text("a download of a browser")
    ended = run("myschool", path)
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert f"{part} is not a part of a snapshot" in ended.stderr
    assert part.read_text() == "a download of a browser"
    path.write_text("all my work")
    assert run("myschool", path).exit_code == 3
    assert path.read_text() == "all my work"
    assert box.requests == ()


@posix_only
@pytest.mark.usefixtures("box")
def test_a_full_disk_ends_with_1_and_says_what_to_do(path: Path) -> None:
    command = ["/bin/sh", "-c", 'ulimit -f 64; exec "$0" snapshot myschool "$1"', str(COMMAND), str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "cannot be written. Is there room?" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert run("myschool", path).exit_code == 0


@posix_only
def test_a_reading_that_begins_anew_says_so(box: Sandbox, path: Path) -> None:
    fault = box.faults.add(path="/v1/collections/*/media", status=403, after=3)
    other = box.faults.add(path="/v1/media/*/courses", status=400)
    assert run("myschool", path).exit_code == 1
    box.faults.remove(fault)
    box.faults.remove(other)
    for _ in range(30):
        box.add_media("New")
    ended = subprocess.run([COMMAND, "snapshot", "myschool", path], capture_output=True, text=True, check=True)
    assert "library.db.part: the reading begins anew" in ended.stderr
    assert "120 media" in ended.stderr
    assert "150 media" in ended.stderr


def test_what_fails_ends_with_1_and_what_is_asked_wrongly_with_2(box: Sandbox, path: Path) -> None:
    for arguments in ((), ("a", "b", "c"), ("nobody", path), ("myschool", path, "--level", "everything")):
        assert run(*arguments).exit_code == 2
    assert run("myschool", path.parent).exit_code == 2
    assert run("myschool", path.parent / "nowhere/library.db").exit_code == 1
    box.faults.add(status=403)
    ended = run("myschool", path)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("canvas-studio: 403 for GET ")
    assert not path.exists()


@posix_only
def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(box: Sandbox, path: Path) -> None:
    box.faults.add(path="/v1/collections/*/media", delay=0.05)
    with subprocess.Popen([COMMAND, "snapshot", "myschool", path], stderr=subprocess.PIPE, text=True) as process:
        while not any(request.path.endswith("/media") for request in box.requests):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert (process.returncode, said) == (130, "canvas-studio: stopped: the same command goes on where it was\n")
    box.faults.clear()
    assert run("myschool", path).exit_code == 0
    assert Snapshot.open(path).about.resumed == 1
