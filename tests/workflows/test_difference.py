"""Two snapshots compared: what was added, what is gone, what has changed."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - fixtures are read at run time
from typing import Any

import pytest
from canvas_studio import InvalidArgumentError
from canvas_studio.sandbox import Sandbox
from canvas_studio.workflows import Snapshot


def test_it_finds_what_was_added_what_is_gone_and_what_has_changed(tmp_path: Path) -> None:
    with Sandbox(media=300) as box:
        studio = box.client()
        older = Snapshot.take(studio, tmp_path / "older.db")
        course = box.add_collection("Biology 101", course_id=1301)
        ids = sorted(media.id for media in studio.search_media())
        gone, changed, watched = ids[0], ids[100], ids[-1]
        before = studio.get_media(watched)
        box.remove_media(gone)
        box.change_media(changed, title="New title", size=5)
        box.change_media(watched, last_viewed="2027-01-11")
        added = box.add_media("Mitosis", size=1_000_000_000, collection_id=course)
        newer = Snapshot.take(studio, tmp_path / "newer.db")

        found = newer.diff(older)

        assert [row["id"] for row in found.added] == [added]
        assert [row["id"] for row in found.gone] == [gone]
        assert {(row["id"], row["field"], row["after"]) for row in found.changed} == {
            (changed, "title", "New title"),
            (changed, "size", 5),
            (watched, "last_viewed", "2027-01-11"),
        }
        last = next(row for row in found.changed if row["id"] == watched)
        assert last["before"] == (before.last_viewed and before.last_viewed.isoformat())
        assert "1 media added (1.0 GB), 1 gone" in repr(found)
        assert repr(found).endswith(", 2 changed>")
        html: Any = found
        assert html._repr_html_().count("<table") == 3


def test_a_media_that_came_into_a_course_has_changed(tmp_path: Path) -> None:
    with Sandbox(media=0) as box:
        studio = box.client()
        course = box.add_collection("Biology 101", course_id=1301)
        media = box.add_media("Mitosis")
        older = Snapshot.take(studio, tmp_path / "older.db")
        lists = Snapshot.take(studio, tmp_path / "lists.db", level="lists")
        box.change_media(media, collection_id=course)
        newer = Snapshot.take(studio, tmp_path / "newer.db")
        [row] = newer.diff(older).changed
        assert (row["field"], row["before"], row["after"]) == ("courses", None, "1301")
        # Where one does not know the courses, nothing is said of them.
        assert len(newer.diff(lists).changed) == 0


def test_nothing_changed_is_no_difference(tmp_path: Path) -> None:
    with Sandbox(media=60) as box:
        older, newer = (Snapshot.take(box.client(), tmp_path / name) for name in ("a.db", "b.db"))
        found = newer.diff(older)
    assert (len(found.added), len(found.gone), len(found.changed)) == (0, 0, 0)


def test_pseudonyms_are_not_compared(tmp_path: Path) -> None:
    with Sandbox(media=60) as box:
        older = Snapshot.take(box.client(), tmp_path / "a.db")
        newer = Snapshot.take(box.client(), tmp_path / "b.db", anonymize=True)
    assert len(newer.diff(older).changed) == 0


def test_those_of_two_schools_and_the_wrong_way_round_are_refused(tmp_path: Path) -> None:
    with Sandbox(media=1) as box, Sandbox(media=1) as other:
        older = Snapshot.take(box.client(), tmp_path / "a.db")
        newer = Snapshot.take(box.client(), tmp_path / "b.db")
        elsewhere = Snapshot.take(other.client(), tmp_path / "c.db")
    with pytest.raises(InvalidArgumentError, match="older must be of the same school"):
        newer.diff(elsewhere)
    with pytest.raises(TypeError, match="older must be a Snapshot, not str"):
        newer.diff("a.db")  # type: ignore[arg-type]
    object.__setattr__(older.about, "taken_at", newer.about.taken_at.replace(year=2099))
    with pytest.raises(InvalidArgumentError, match="swap the two"):
        newer.diff(older)
