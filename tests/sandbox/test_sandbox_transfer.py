"""Transfers of media in the sandbox: what goes to the other user, and what stays and is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.sandbox import Sandbox
from support.plain_http import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNKNOWN = 10**12


class School:
    """Somebody who leaves and somebody who takes over."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.leaver = box.add_user("Ada Park", "ada.park@example.edu")
        self.successor = box.add_user("Ben Ode", "ben.ode@example.edu")

    def get(self, path: str, **query: object) -> Any:
        """What comes, as JSON."""
        answer = ask(self.box.url, "GET", path, token=self.box.token, query=query)
        assert answer.status == 200, answer.text
        return answer.json

    def post(self, path: str, json_body: Any = None) -> Any:
        """What is answered, as JSON."""
        answer = ask(self.box.url, "POST", path, token=self.box.token, json_body=json_body)
        assert answer.status == 200, answer.text
        return answer.json

    def transfer(self, token: str | None = None, **fields: Any) -> Answer:
        """Transfer what the first has to the other."""
        wanted = {"from_user_id": self.leaver, "to_user_id": self.successor} | fields
        return ask(self.box.url, "POST", "/transfer_media", token=token or self.box.token, json_body=wanted)

    def share(self, path: str) -> None:
        """Share a media or a collection with the other."""
        self.post(f"{path}/permissions", [{"action": "create", "id": self.successor, "share_type": "user"}])

    def home(self, media: int) -> dict[str, Any]:
        """The owner of a media, and its collection."""
        found = self.get(f"/media/{media}")["media"]
        return {"owner": found["owner"]["id"], "collection": found["collection"]["id"]}

    def library(self, user: int) -> int:
        """The library of a user."""
        found: int = self.get(f"/users/{user}/library")["collection"]["id"]
        return found

    def perspectives(self, media: int) -> list[str]:
        """The ids of the perspectives of a media."""
        return [found["uuid"] for found in self.get(f"/media/{media}/perspectives")["perspectives"]]


@pytest.fixture
def school() -> Iterator[School]:
    with Sandbox(media=0) as box:
        yield School(box)


def test_what_is_unshared_goes_with_its_collections_and_nothing_is_named(school: School) -> None:
    collection = school.box.add_collection("Drafts", owner=school.leaver)
    empty = school.box.add_collection("Nothing yet", owner=school.leaver)
    inside = school.box.add_media("Draft", collection_id=collection)
    alone = school.box.add_media("Note", owner=school.leaver)
    answer = school.transfer()
    assert (answer.status, answer.json) == (200, {})
    assert school.home(inside) == {"owner": school.successor, "collection": collection}
    assert school.home(alone) == {"owner": school.successor, "collection": school.library(school.successor)}
    for moved in (collection, empty):
        assert school.get(f"/collections/{moved}")["collection"]["owner"]["id"] == school.successor
    assert school.get(f"/collections/{school.library(school.leaver)}/media")["media"] == []
    assert school.get("/media/search", owner="ada.park@example.edu")["media"] == []
    assert school.transfer().json == {}


def test_what_is_shared_stays_and_is_named(school: School) -> None:
    shared = school.box.add_media("Shared by itself", owner=school.leaver)
    school.share(f"/media/{shared}")
    collection = school.box.add_collection("Shared", owner=school.leaver)
    within = school.box.add_media("In what is shared", collection_id=collection)
    school.share(f"/collections/{collection}")
    course = school.box.add_collection("Biology 101", owner=school.leaver, course_id=1301)
    taught = school.box.add_media("Taught", collection_id=course)
    alone = school.box.add_media("Note", owner=school.leaver)
    kept = {media: (school.home(media), school.perspectives(media)) for media in (shared, within, taught)}
    answer = school.transfer().json
    assert sorted(answer["not_transferred_perspective_ids"]) == sorted(
        uuid for _, perspectives in kept.values() for uuid in perspectives
    )
    assert answer["not_transferred_collection_ids"] == [collection, course]
    assert {media: (school.home(media), school.perspectives(media)) for media in kept} == kept
    assert school.home(alone)["owner"] == school.successor


def test_an_unshared_media_leaves_a_collection_that_stays(school: School) -> None:
    collection = school.box.add_collection("Drafts", owner=school.leaver)
    shared = school.box.add_media("Shared", collection_id=collection)
    school.share(f"/media/{shared}")
    alone = school.box.add_media("Draft", collection_id=collection)
    answer = school.transfer().json
    assert answer["not_transferred_collection_ids"] == [collection]
    assert answer["not_transferred_perspective_ids"] == school.perspectives(shared)
    assert school.home(alone) == {"owner": school.successor, "collection": school.library(school.successor)}
    assert [found["id"] for found in school.get(f"/collections/{collection}/media")["media"]] == [shared]


def test_a_media_that_was_put_into_a_course_stays_with_all_its_perspectives(school: School) -> None:
    course = school.box.add_collection("Biology 101", owner=school.leaver, course_id=1301)
    media = school.box.add_media("Taught", owner=school.leaver)
    school.post(f"/media/{media}/create_embed", {"course_id": 1301, "embed_type": "embed"})
    answer = school.transfer().json
    assert len(answer["not_transferred_perspective_ids"]) == 2
    assert answer["not_transferred_perspective_ids"] == school.perspectives(media)
    assert answer["not_transferred_collection_ids"] == [course]
    assert school.home(media)["owner"] == school.leaver


def test_what_others_put_into_a_collection_keeps_it_where_it_is(school: School) -> None:
    collection = school.box.add_collection("Drafts", owner=school.leaver)
    foreign = school.box.add_media("Of somebody else", collection_id=collection, owner=school.successor)
    assert school.transfer().json == {"not_transferred_collection_ids": [collection]}
    assert school.home(foreign) == {"owner": school.successor, "collection": collection}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"to_user_id": UNKNOWN}, 400),
        ({"from_user_id": UNKNOWN}, 400),
        ({"to_user_id": None}, 422),
        ({"from_user_id": "x"}, 422),
        ({"from_user_id": 0}, 422),
    ],
)
def test_a_transfer_that_cannot_be_made_is_refused(school: School, fields: dict[str, Any], status: int) -> None:
    media = school.box.add_media("Note", owner=school.leaver)
    answer = school.transfer(**fields)
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert school.home(media)["owner"] == school.leaver


def test_only_administrators_transfer_and_nobody_to_themselves(school: School) -> None:
    media = school.box.add_media("Note", owner=school.leaver)
    for user in (school.leaver, school.successor):
        assert school.transfer(school.box.token_for(user)).status == 403
    assert school.transfer(to_user_id=school.leaver).status == 422
    assert school.home(media)["owner"] == school.leaver


def test_a_transfer_of_a_library_leaves_nothing_unshared_and_loses_nothing() -> None:
    with Sandbox(media=500, seed=1) as box, box.client() as studio:
        leaver, successor = [user for user in box.users if user.role == "teacher"][:2]
        before = {media.id for media in studio.search_media()}
        owned = [media for media in studio.search_media() if media.owner and media.owner.id == leaver.id]
        body = {"from_user_id": leaver.id, "to_user_id": successor.id}
        left = studio.request("POST", "/transfer_media", json=body)
        assert {media.id for media in studio.search_media()} == before
        still = {media.id for media in studio.search_media() if media.owner and media.owner.id == leaver.id}
        gone = [media for media in owned if media.id not in still]
        assert gone
        assert still
        for media in gone:
            now = studio.get_media(media.id)
            assert now.owner
            assert now.owner.id == successor.id
        named = set(left["not_transferred_perspective_ids"])
        kept = {found.uuid for media in still for found in studio.list_media_perspectives(media)}
        assert kept <= named
        assert studio.request("POST", "/transfer_media", json=body) == left


def test_a_snapshot_keeps_what_was_transferred(school: School, tmp_path: Path) -> None:
    media = school.box.add_media("Note", owner=school.leaver)
    school.transfer()
    with Sandbox.load(school.box.snapshot(tmp_path / "box.json")) as again:
        found = ask(again.url, "GET", f"/media/{media}", token=again.token).json["media"]
        assert found["owner"]["id"] == school.successor
