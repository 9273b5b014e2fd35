"""Groups of the sandbox: who sees the members, and what a change of them does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.sandbox import Assumptions, Sandbox
from support.plain_http import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNKNOWN = 10**12


class School:
    """A group of two, one of them its manager, and somebody outside."""

    def __init__(self, box: Sandbox, *, atomic: bool) -> None:
        self.box = box
        self.atomic = atomic
        self.manager = box.add_user("Ada Park", "ada.park@example.edu")
        self.member = box.add_user("Ben Ode", "ben.ode@example.edu", role="student")
        self.stranger = box.add_user("Cleo Sand", role="student")
        self.group = box.add_group("Biology", [self.manager, self.member], manager_ids=[self.manager])
        self.people = {"administrator": box.users[0].id, "manager": self.manager, "member": self.member}
        self.people["stranger"] = self.stranger

    def ask(self, method: str, path: str, who: str = "administrator", **more: Any) -> Answer:
        """What the sandbox answers to one of the people."""
        return ask(self.box.url, method, path, token=self.box.token_for(self.people[who]), **more)

    def change(self, *changes: dict[str, Any], who: str = "administrator") -> Answer:
        """Change the members of the group."""
        return self.ask("POST", f"/groups/{self.group}/users/batch_update", who, json_body=list(changes))

    def members(self) -> dict[int, str]:
        """The permission of each member."""
        found = self.ask("GET", f"/groups/{self.group}/users").json["group_users"]
        return {user["id"]: user["permission"] for user in found}


@pytest.fixture(params=[True, False], ids=["all or nothing", "what can be done"])
def school(request: pytest.FixtureRequest) -> Iterator[School]:
    with Sandbox(media=0, assumptions=Assumptions(batch_atomic=request.param)) as box:
        yield School(box, atomic=request.param)


def test_members_and_administrators_see_the_members_and_only_administrators_change_them(school: School) -> None:
    path = f"/groups/{school.group}/users"
    assert {who: school.ask("GET", path, who).status for who in school.people} == {
        "administrator": 200,
        "manager": 200,
        "member": 200,
        "stranger": 403,
    }
    nothing = {who: school.change(who=who).status for who in school.people}
    assert nothing == {"administrator": 200, "manager": 403, "member": 403, "stranger": 403}
    assert school.ask("GET", path).json["group_users"][1] == {
        "id": school.member,
        "full_name": "Ben Ode",
        "display_name": "Ben Ode",
        "email": "ben.ode@example.edu",
        "permission": "member",
    }


def test_a_group_that_is_not_there_is_404_and_what_is_no_id_422(school: School) -> None:
    for group, status in ((UNKNOWN, 404), ("x", 422), (0, 422)):
        assert school.ask("GET", f"/groups/{group}/users").status == status
        assert school.ask("POST", f"/groups/{group}/users/batch_update", json_body=[]).status == status


def test_users_are_added_updated_and_removed(school: School) -> None:
    answer = school.change(
        {"action": "add", "user_id": school.stranger},
        {"action": "update", "user_id": school.member, "permission": "manager"},
        {"action": "remove", "user_id": school.manager},
    )
    assert answer.status == 200
    assert {user["id"]: user["permission"] for user in answer.json["group_users"]} == school.members()
    assert school.members() == {school.member: "manager", school.stranger: "member"}
    assert school.change({"action": "update", "user_id": school.member}).status == 200
    assert school.change({"action": "add", "user_id": school.manager, "permission": "manager"}).status == 200
    assert school.members() == {school.manager: "manager", school.member: "manager", school.stranger: "member"}


@pytest.mark.parametrize(
    "change",
    [
        {"action": "add", "user_id": "manager"},
        {"action": "add", "user_id": UNKNOWN},
        {"action": "update", "user_id": "stranger", "permission": "manager"},
        {"action": "remove", "user_id": "stranger"},
        {"action": "expel", "user_id": "member"},
        {"action": "update", "user_id": "member", "permission": "owner"},
        {"action": "add"},
    ],
)
def test_a_change_that_cannot_be_made_is_422_and_the_others_of_its_batch_by_assumption(
    school: School, change: dict[str, Any]
) -> None:
    wrong = change | ({"user_id": school.people.get(change["user_id"], UNKNOWN)} if "user_id" in change else {})
    before = school.members()
    assert school.change({"action": "remove", "user_id": school.member}, wrong).status == 422
    # What cannot be read at all changes nothing, whatever is assumed.
    readable = change["action"] != "expel" and "user_id" in change and change.get("permission") != "owner"
    assert school.members() == ({school.manager: "manager"} if readable and not school.atomic else before)


def test_a_body_that_is_no_array_is_422(school: School) -> None:
    path = f"/groups/{school.group}/users/batch_update"
    bodies: list[Any] = [{"users": []}, {"action": "remove", "user_id": school.member}, "remove", [1]]
    for body in bodies:
        assert school.ask("POST", path, json_body=body).status == 422
    assert len(school.members()) == 2


def test_who_is_taken_out_of_a_group_loses_what_it_sees(school: School) -> None:
    media = school.box.add_media("Mitosis", owner=school.manager)
    share = [{"action": "create", "id": school.group, "share_type": "group"}]
    assert school.ask("POST", f"/media/{media}/permissions", json_body=share).status == 200
    assert school.ask("GET", f"/media/{media}", "member").status == 200
    assert [found["id"] for found in school.ask("GET", "/media/search", "member").json["media"]] == [media]
    school.change({"action": "remove", "user_id": school.member}, {"action": "add", "user_id": school.stranger})
    assert school.ask("GET", f"/media/{media}", "member").status == 403
    assert school.ask("GET", "/media/search", "member").json["media"] == []
    assert [found["id"] for found in school.ask("GET", "/media/search", "stranger").json["media"]] == [media]


def test_a_snapshot_keeps_the_members_and_their_managers(school: School, tmp_path: Path) -> None:
    school.change({"action": "update", "user_id": school.member, "permission": "manager"})
    before = school.members()
    with Sandbox.load(school.box.snapshot(tmp_path / "box.json")) as again:
        found = ask(again.url, "GET", f"/groups/{school.group}/users", token=again.token).json["group_users"]
        assert {user["id"]: user["permission"] for user in found} == before


def test_the_groups_of_a_library_have_members_and_where_teachers_are_in_them_a_manager() -> None:
    with Sandbox(media=300, seed=1) as box, box.client() as studio:
        shared = [studio.get_collection_permissions(found).groups for found in studio.list_collections()]
        groups = {group.id for found in shared for group in found}
        assert len(groups) > 10
        teachers = {user.id for user in box.users if user.role == "teacher"}
        managed = 0
        for group in groups:
            users = studio.request("GET", f"/groups/{group}/users")["group_users"]
            managers = {user["id"] for user in users if user["permission"] == "manager"}
            assert len(managers) == bool(teachers & {user["id"] for user in users})
            managed += len(managers)
        assert managed > 5


def test_a_manager_who_is_added_must_be_a_member(school: School) -> None:
    with pytest.raises(ValueError, match=r"manager_ids: the user \d+ is no member"):
        school.box.add_group("Chemistry", [school.member], manager_ids=[school.stranger])
