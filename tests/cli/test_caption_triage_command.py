"""The command `caption-triage`: of a file or of a school, what it prints and writes, and its exit codes."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from canvas_studio.auth import Tokens
from canvas_studio.cli.app import app
from canvas_studio.profiles import Profile, save
from canvas_studio.sandbox import Sandbox
from canvas_studio.workflows import Snapshot
from support.html_pages import check_accessible, check_self_contained
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

SINCE = ("--watched-since", "2026-08-20")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A school with the profile `myschool` and two watched media; the command runs in an empty folder."""
    for name in [name for name in os.environ if name.startswith("CANVAS_STUDIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with Sandbox(media=0) as box:
        profile = Profile(name="myschool", url=box.url, client_id=box.client_id, client_secret=box.client_secret)
        save(profile)
        profile.token_store().save(Tokens.from_dict(box.oauth_token() | {"url": box.url}))
        course = box.add_collection("Biology 101", owner=box.users[0], course_id=1301)
        kinds = {"Mitosis": None, "Meiosis": {"provider": "notorious"}, "Osmosis": dict[str, str]()}
        for title, caption in kinds.items():
            box.add_media(
                title,
                collection_id=course,
                created_at="2026-01-05T12:00:00Z",
                last_viewed="2026-09-01",
                last_viewed_by_student="2026-09-01",
                captions=[] if caption is None else [{"srclang": "en"} | caption],
            )
        yield box


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["caption-triage", *map(str, arguments)])


@pytest.fixture
def path(box: Sandbox) -> Path:
    return Snapshot.take(box.client(), "library.db").path


def test_of_a_file_it_prints_the_kinds_the_courses_and_the_media(box: Sandbox, path: Path) -> None:
    ended = run(path, *SINCE)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert f"School         {box.url}" in ended.stdout.splitlines()
    assert "Watched since  2026-08-20, by students" in ended.stdout
    for said in ("none", "not published", "machine only", "published", "Biology 101", "Mitosis", "Meiosis"):
        assert said in ended.stdout
    assert "Osmosis" not in ended.stdout
    assert "complian" not in ended.stdout.lower()
    assert "2027" not in ended.stdout


def test_of_a_school_it_takes_the_snapshot_first(box: Sandbox) -> None:
    ended = run("myschool", *SINCE, "--json")
    assert ended.exit_code == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["counts"] == {"none": 1, "not published": 0, "machine only": 1, "published": 1, "unknown": 0}
    assert [row["title"] for row in told["media"]] == ["Mitosis", "Meiosis", "Osmosis"]
    assert [(row["course"], row["left"]) for row in told["courses"]] == [("Biology 101", 2)]
    assert told["snapshot"]["studio"] == box.url
    assert Path("myschool.db").is_file()


def test_it_writes_a_csv_and_a_report(path: Path) -> None:
    ended = run(path, *SINCE, "--csv", "captions.csv", "--html", "captions.html")
    assert (ended.exit_code, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[-3:] == ["captions.html", "captions.csv", "They name people: keep them as you keep student records."]
    assert "  machine only   1" in lines
    with Path("captions.csv").open(encoding="utf-8", newline="") as file:
        assert [row["captions"] for row in csv.DictReader(file)] == ["none", "machine only", "published"]
    page = Path("captions.html").read_text(encoding="utf-8")
    check_self_contained(page)
    check_accessible(page)


def test_the_words_can_be_replaced(path: Path) -> None:
    told = json.loads(run(path, *SINCE, "--json", "--machine", "robot", "--machine", "upload").stdout)
    assert {row["title"]: row["captions"] for row in told["media"]} == {
        "Mitosis": "none",
        "Meiosis": "published",
        "Osmosis": "machine only",
    }
    told = json.loads(run(path, *SINCE, "--json", "--published", "live").stdout)
    assert told["counts"]["not published"] == 2


def test_what_could_not_be_read_is_listed_and_ends_with_4(box: Sandbox, path: Path) -> None:
    box.faults.add(path="/v1/media/*/caption_files", status=403, times=1)
    ended = run(path, *SINCE, "--csv", "captions.csv")
    assert ended.exit_code == 4
    assert "the captions of 1 of 3 media could not be read" in ended.stderr
    assert "  unknown        1" in ended.stdout.splitlines()
    assert Path("captions.csv").read_text(encoding="utf-8").count("403: ") == 1


def test_what_is_asked_wrongly_ends_with_2_and_what_fails_with_1(box: Sandbox, path: Path) -> None:
    for arguments, said in (
        ((path, "--watched-since", "yesterday"), "--watched-since must be a day such as 2026-08-20, not 'yesterday'"),
        ((path, "--watched-since", "2999-01-01"), "take it again, or give an earlier day"),
        (("nobody", *SINCE), "there is no file 'nobody'"),
        (("myschool", *SINCE, "--profile", "other"), "name one of them"),
        ((path,), "--watched-since"),
    ):
        ended = run(*arguments)
        assert ended.exit_code == 2, ended.stderr
        assert said in " ".join(ended.stderr.split())
    Snapshot.take(box.client(), "lists.db", level="lists")
    ended = run("lists.db", *SINCE)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "does not say which media are in courses" in ended.stderr


def test_the_captions_of_one_school_are_not_asked_for_at_another(box: Sandbox, path: Path) -> None:
    with Sandbox(media=0) as other:
        save(Profile(name="other", url=other.url, client_id="c", client_secret="s"))
        ended = run(path, *SINCE, "--profile", "other")
        assert ended.exit_code == 2
        assert f"is a snapshot of {box.url}" in " ".join(ended.stderr.split())
        assert other.requests == ()
    assert run(path, *SINCE, "--profile", "myschool").exit_code == 0
