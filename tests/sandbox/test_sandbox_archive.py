"""What archiving does to courses and shares in the sandbox, as the vendor's help says, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.sandbox import Assumptions, Sandbox
from support.plain_http import ask

if TYPE_CHECKING:
    from collections.abc import Iterator


class School:
    """A media in its own course and in another one, shared with somebody, and one of the owner's library."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.owner = box.add_user("Ada Park", "ada.park@example.edu")
        self.friend = box.add_user("Ben Ode", "ben.ode@example.edu")
        self.course = box.add_collection("Biology 101", owner=self.owner, course_id=1301)
        self.other = box.add_collection("Biology 102", owner=self.owner, course_id=1302)
        self.uploaded = box.add_media("Uploaded in its course", collection_id=self.course)
        self.embedded = box.add_media("Embedded from the library", owner=self.owner)
        for media in (self.uploaded, self.embedded):
            self.post(f"/media/{media}/create_embed", {"course_id": 1302, "embed_type": "embed"})
            self.post(f"/media/{media}/permissions", [{"action": "create", "id": self.friend, "share_type": "user"}])

    def get(self, path: str) -> Any:
        """What comes, as JSON."""
        answer = ask(self.box.url, "GET", path, token=self.box.token)
        assert answer.status == 200, answer.text
        return answer.json

    def post(self, path: str, json_body: Any = None) -> Any:
        """What is answered, as JSON."""
        answer = ask(self.box.url, "POST", path, token=self.box.token, json_body=json_body)
        assert answer.status == 200, answer.text
        return answer.json

    def places(self, media: int) -> tuple[list[int], list[int], int]:
        """The courses that a media is in, the users it is shared with, and its collection."""
        courses = [course["id"] for course in self.get(f"/media/{media}/courses")["courses"]]
        users = [user["id"] for user in self.get(f"/media/{media}/permissions")["users"]]
        return courses, users, self.get(f"/media/{media}")["media"]["collection"]["id"]

    def library(self) -> int:
        """The library of the owner."""
        found: int = self.get(f"/users/{self.owner}/library")["collection"]["id"]
        return found

    def members(self, collection: int) -> set[int]:
        """The media that a collection lists."""
        return {media["id"] for media in self.get(f"/collections/{collection}/media")["media"]}


def open_school(assumptions: Assumptions) -> Iterator[School]:
    with Sandbox(media=0, assumptions=assumptions) as box:
        yield School(box)


@pytest.fixture
def school() -> Iterator[School]:
    yield from open_school(Assumptions())


@pytest.fixture
def keeping() -> Iterator[School]:
    yield from open_school(Assumptions(archive_keeps_courses=True, archive_keeps_shares=True))


def test_an_archived_media_leaves_its_courses_and_shares_and_comes_back_to_the_library_without_them(
    school: School,
) -> None:
    for media in (school.uploaded, school.embedded):
        archived = school.post(f"/media/{media}/archive")["media"]
        assert archived["archived_at"]
        assert school.places(media) == ([], [], school.library())
        back = school.post(f"/media/{media}/unarchive")["media"]
        assert back["archived_at"] is None
        assert school.places(media) == ([], [], school.library())
    assert school.members(school.course) == school.members(school.other) == set()
    assert school.members(school.library()) == {school.uploaded, school.embedded}


def test_an_archived_media_keeps_courses_and_shares_where_that_is_assumed(keeping: School) -> None:
    for media in (keeping.uploaded, keeping.embedded):
        before = keeping.places(media)
        assert len(before[0]) + len(before[1]) >= 2
        keeping.post(f"/media/{media}/archive")
        assert keeping.places(media) == before
        keeping.post(f"/media/{media}/unarchive")
        assert keeping.places(media) == before


@pytest.mark.parametrize("courses", [True, False])
def test_courses_and_shares_are_kept_by_themselves(*, courses: bool) -> None:
    for school in open_school(Assumptions(archive_keeps_courses=courses, archive_keeps_shares=not courses)):
        before = school.places(school.embedded)
        school.post(f"/media/{school.embedded}/archive")
        after = school.places(school.embedded)
        assert after[0] == (before[0] if courses else [])
        assert after[1] == ([] if courses else before[1])


def test_what_is_archived_with_its_course_comes_back_into_it_and_into_no_other(school: School) -> None:
    archived = school.post(f"/collections/{school.course}/archive")["collection"]
    assert archived["archived_at"]
    assert school.get(f"/media/{school.uploaded}")["media"]["archived_at"] == archived["archived_at"]
    assert school.members(school.other) == {school.embedded}
    assert school.post(f"/collections/{school.course}/unarchive")["collection"]["archived_at"] is None
    assert school.places(school.uploaded) == ([school.course], [], school.course)
    # It was not archived itself, so it lost nothing.
    assert school.places(school.embedded)[:2] == ([school.other], [school.friend])


@pytest.mark.parametrize("keeps", [True, False])
def test_the_archive_of_a_library_is_as_if_it_had_been_archived_by_requests(*, keeps: bool) -> None:
    assumptions = Assumptions(archived_in_lists=True, archive_keeps_courses=keeps, archive_keeps_shares=keeps)
    with Sandbox(media=2000, seed=1, assumptions=assumptions) as box, box.client() as studio:
        archived = [media for media in studio.search_media() if media.archived_at]
        assert len(archived) == 40
        elsewhere = shared = 0
        for media in archived:
            home = studio.get_media(media).collection
            assert home
            whole = studio.get_collection(home).archived_at is not None
            elsewhere += len(
                [course for course in studio.list_media_courses(media) if not whole or course.id != home.id]
            )
            permissions = studio.get_media_permissions(media)
            shared += len(permissions.users) + len(permissions.groups)
        assert (bool(elsewhere), bool(shared)) == (keeps, keeps)
