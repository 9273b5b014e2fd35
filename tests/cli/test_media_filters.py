"""The filters of `media list` that Studio does not have: what they find, and what they cost."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from canvas_studio.cli.filters import read_size
from canvas_studio.sandbox import Assumptions, Sandbox
from canvas_studio.workflows import Snapshot
from support.programs import posix_only
from support.shell import COMMAND, School, school
from support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = "2024-09-01"
COLD = ("media", "list", "--not-viewed-since", DAY, "--jsonl", "--fields", "id")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    with school(tmp_path, monkeypatch, media=150) as found:
        yield found


def ids(text: str) -> set[int]:
    return {json.loads(line)["id"] for line in text.splitlines()}


def cold(box: Sandbox) -> set[int]:
    """What was made before the day and not viewed since, by the answers of the sandbox."""
    return {
        media.id
        for media in box.client().search_media()
        if (media.created_at is not None and media.created_at.date() < date.fromisoformat(DAY))
        and (media.last_viewed is None or media.last_viewed < date.fromisoformat(DAY))
    }


def test_not_viewed_since_finds_what_was_made_before_and_not_viewed_after(here: School) -> None:
    expected = cold(here.box)
    assert 0 < len(expected) < 150
    here.box.forget_requests()
    ended = here.run(*COLD)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ids(ended.stdout) == expected
    assert len(here.box.requests) < 12


def test_a_snapshot_answers_both_filters_without_asking_for_courses(here: School) -> None:
    with here.box.client() as studio:
        library = Snapshot.take(studio, "library.db")
    in_none = {row["id"] for row in library.sql("select id from library where courses = 0")}
    assert 0 < len(in_none) < 151
    library.close()
    here.box.forget_requests()
    ended = here.run(*COLD, "--in-no-course", "--snapshot", "library.db")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ids(ended.stdout) == in_none & cold(here.box)
    assert not [request for request in here.box.requests if request.path.endswith("/courses")]
    newer = here.box.add_media("Newer")
    ended = here.run("media", "list", "--in-no-course", "--snapshot", "library.db", "--jsonl", "--fields", "id")
    assert newer not in ids(ended.stdout)
    assert "1 media are not in library.db" in ended.stderr


def test_a_snapshot_that_cannot_tell_is_refused(here: School) -> None:
    with here.box.client() as studio:
        Snapshot.take(studio, "lists.db", level="lists").close()
    assert here.run("media", "list", "--in-no-course", "--snapshot", "lists.db").exit_code == 2
    assert here.run("media", "list", "--snapshot", "lists.db").exit_code == 2
    with Sandbox(media=3) as other, other.client() as studio:
        Snapshot.take(studio, "other.db").close()
    ended = here.run("media", "list", "--in-no-course", "--snapshot", "other.db")
    assert ended.exit_code == 2
    assert "other.db is a snapshot of http://" in ended.stderr


def test_without_a_snapshot_and_a_person_nothing_is_asked_for(here: School) -> None:
    ended = here.run("media", "list", "--in-no-course")
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert "asks for the courses of up to 151 media, with a request for each" in ended.stderr
    assert len(here.box.requests) == 1


@posix_only
@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_person_is_told_the_cost_and_asked(answer: str, here: School) -> None:
    command = [str(COMMAND), "media", "list", "--in-no-course", "--title", "Mitosis", "--csv", "--output", "x.csv"]
    with Terminal(command) as terminal:
        terminal.read_until("Go on? [y/N]")
        assert "of up to" in terminal.screen
        terminal.type(f"{answer}\n")
        code = terminal.end()
    assert code == (0 if answer == "y" else 3)
    assert Path("x.csv").exists() == (answer == "y")
    if answer == "y":
        assert str(here.media) in Path("x.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "size"),
    [("1GB", 10**9), ("1.5 gb", 1_500_000_000), ("1GiB", 2**30), ("500k", 500_000), ("7", 7), ("2TB", 2 * 10**12)],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert read_size("--larger-than", text) == size


def test_larger_than_is_strictly_larger(here: School) -> None:
    sizes = sorted(media.size or 0 for media in here.box.client().search_media())
    middle = sizes[len(sizes) // 2]
    ended = here.run("media", "list", "--larger-than", f"{middle}B", "--jsonl", "--fields", "size")
    found = sorted(json.loads(line)["size"] for line in ended.stdout.splitlines())
    assert found == [size for size in sizes if size > middle]


@pytest.mark.parametrize(
    "given", [["--larger-than", "much"], ["--not-viewed-since", "2 years"], ["--larger-than", "1", "--min-size", "1"]]
)
def test_a_filter_that_cannot_be_read_is_told(given: list[str], here: School) -> None:
    ended = here.run("media", "list", *given)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert given[0] in ended.stderr
    assert here.box.requests == ()


@pytest.mark.parametrize("in_answers", [True, False])
@pytest.mark.parametrize("never_in_periods", [True, False])
def test_not_viewed_since_holds_however_studio_treats_what_was_never_viewed(
    *, in_answers: bool, never_in_periods: bool, here: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = cold(here.box)
    library = Assumptions(last_viewed_in_answers=in_answers, never_viewed_in_periods=never_in_periods)
    here.box.snapshot("state")
    with Sandbox.load("state", assumptions=library) as box:
        monkeypatch.setenv("CANVAS_STUDIO_URL", box.url)
        monkeypatch.setenv("CANVAS_STUDIO_TOKEN", box.token)
        ended = here.run(*COLD)
        assert (ended.exit_code, ended.stderr) == (0, "")
        assert ids(ended.stdout) == expected
