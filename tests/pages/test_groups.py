"""The Group page: the users of a group, and changes of them that are looked at in the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    Group,
    GroupUser,
    GroupUserChange,
    InvalidArgumentError,
    PermissionDeniedError,
    ResponseDecodeError,
    UnprocessableEntityError,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import RESET, FaultServer, json_answer, person

if TYPE_CHECKING:
    from support.forms import Connect, Form, Serve

PATH = "/api/public/v1/groups/11/users"


def group_users(*users: tuple[int, str | None]) -> Any:
    return json_answer({"group_users": [person(number, permission=permission) for number, permission in users]})


def test_the_users_of_a_group_come_with_what_they_are_in_it(form: Form, recorded: Serve, connect: Connect) -> None:
    users = form.items(connect(recorded("groups/list_group_users").url).list_group_users(11))
    assert [(type(user), user.id, user.permission) for user in users] == [
        (GroupUser, 3, "manager"),
        (GroupUser, 4, "member"),
        (GroupUser, 6, "member"),
    ]
    assert (users[2].email, users[2].extra) == (None, {})


def test_changes_are_sent_as_a_bare_array_and_all_users_come_back(
    form: Form, recorded: Serve, connect: Connect
) -> None:
    changes = [
        GroupUserChange("add", 4, "member"),
        {"action": "update", "user_id": 3, "permission": "manager"},
        GroupUserChange("remove", user_id=6),
    ]
    users: Any = form.call(connect(recorded("groups/change_group_users").url), "change_group_users", 11, changes)
    assert type(users).__name__ == "tuple"
    assert [(type(user), user.id, user.permission) for user in users] == [
        (GroupUser, 3, "manager"),
        (GroupUser, 4, "member"),
    ]


def test_a_group_may_be_an_object_and_its_users_have_the_methods_of_a_user(form: Form) -> None:
    permissions = json_answer({"users": [], "groups": [{"id": 11, "name": "Assistants", "permission": "view"}]})
    listed = group_users((7, "member"))
    media, library = json_answer({"media": []}), json_answer({"collection": {"id": 9}})
    with FaultServer(permissions, listed, listed, listed, listed, media, library, library) as server:
        studio = server.client()
        group = form.call(studio, "get_media_permissions", 42).groups[0]
        assert type(group) is Group
        (user,) = form.items(group.users())
        assert form.items(studio.list_group_users(group)) == [user]
        change = GroupUserChange("add", user.id)
        assert form.call(group, "change_users", [change]) == (user,)
        assert form.call(studio, "change_group_users", Group(11), [change]) == (user,)
        assert form.items(user.media()) == []
        assert form.call(user, "library") == form.call(studio, "get_user_library", user)
    assert [asked.path for asked in server.requests[1:5]] == [PATH, PATH, *[f"{PATH}/batch_update"] * 2]
    assert [asked.path for asked in server.requests[5:]] == [
        f"/api/public/v1/users/7/{rest}" for rest in ("media", "library", "library")
    ]


def test_a_word_that_nobody_knows_is_sent_and_kept(form: Form) -> None:
    with FaultServer(group_users((7, "boss"))) as server:
        change = GroupUserChange("expel", 8, "boss")
        (user,) = form.call(server.client(), "change_group_users", 11, [change])
    assert server.requests[0].json() == [{"action": "expel", "user_id": 8, "permission": "boss"}]
    assert user.permission == "boss"


BAD: list[tuple[list[Any], str]] = [
    ([], "changes must hold at least one change"),
    ([{"action": "", "user_id": 7}], r"changes\[0\].action must not be empty"),
    ([{"action": "add", "user_id": 0}], r"changes\[0\].user_id must be a whole number of 1 or more"),
    ([{"action": "add", "user_id": 7, "permission": " "}], r"changes\[0\].permission must not be empty"),
    ([{"action": "remove", "user_id": 7, "permission": "member"}], r"changes\[0\].permission must be left out"),
    ([{"action": "add"}], r"changes\[0\].user_id is missing"),
    ([{"action": "add", "user_id": 7, "role": "x"}], r"changes\[0\].role is not known; the fields are action, user_id"),
    (
        [GroupUserChange("add", 7), GroupUserChange("add", 8), GroupUserChange("remove", 7)],
        r"changes\[2\].user_id is 7, of whom there is a change already",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_changes_that_cannot_be_right_are_refused_before_anything_is_sent(
    changes: list[Any], message: str, form: Form
) -> None:
    with FaultServer(group_users()) as server, server.client() as studio:
        with pytest.raises(InvalidArgumentError, match=message):
            form.call(studio, "change_group_users", 11, changes)
        assert server.requests == []


def test_a_change_is_checked_when_it_is_made() -> None:
    with pytest.raises(InvalidArgumentError, match="action must not be empty"):
        GroupUserChange("", 7)
    with pytest.raises(InvalidArgumentError, match="user_id must be a whole number"):
        GroupUserChange("add", -1)
    with pytest.raises(InvalidArgumentError, match="permission must be left out of a removal"):
        GroupUserChange("remove", 7, "member")
    wrong: Any = "7"
    with pytest.raises(TypeError, match="user_id must be an int, not str"):
        GroupUserChange("add", wrong)


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (GroupUserChange("add", 7), [(8, "member")]),
        (GroupUserChange("update", 7, "manager"), [(7, "member")]),
        (GroupUserChange("remove", 7), [(7, "member")]),
    ],
)
def test_a_change_that_the_answer_does_not_show_is_an_error(
    change: GroupUserChange, after: list[tuple[int, str]], form: Form
) -> None:
    with (
        FaultServer(group_users(*after)) as server,
        server.client() as studio,
        pytest.raises(ResponseDecodeError, match=f'did not make it: its list does not show "{change.action} user 7"'),
    ):
        form.call(studio, "change_group_users", 11, [change])


def test_a_change_that_may_have_been_made_is_not_sent_again(form: Form) -> None:
    with FaultServer(RESET, group_users((7, "member"))) as server, server.client(retry_delay=0) as studio:
        with pytest.raises(APIConnectionError) as raised:
            form.call(studio, "change_group_users", 11, [GroupUserChange("add", 7)])
        assert raised.value.outcome_unknown
        assert len(server.requests) == 1


def test_refusals_say_who_may_and_which_word_is_a_guess(form: Form) -> None:
    refusals = json_answer({"error": "no"}, 403), json_answer({"error": "no"}, 403), json_answer({"error": "no"}, 422)
    with FaultServer(*refusals) as server, server.client() as studio:
        with pytest.raises(PermissionDeniedError, match="only an administrator or a member of the group"):
            form.items(studio.list_group_users(11))
        with pytest.raises(PermissionDeniedError, match="only an administrator may change"):
            form.call(studio, "change_group_users", 11, [GroupUserChange("add", 7)])
        with pytest.raises(UnprocessableEntityError, match='"remove" is a guess'):
            form.call(studio, "change_group_users", 11, [GroupUserChange("remove", 7)])


def test_users_are_added_changed_and_removed_on_a_sandbox(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        ada, bo = box.add_user("Ada Park"), box.add_user("Bo Lind", role="teacher")
        group = box.add_group("Assistants", [ada])

        def users(*changes: GroupUserChange) -> dict[int, str | None]:
            found = form.call(studio, "change_group_users", group, changes)
            assert form.items(studio.list_group_users(group)) == list(found)
            return {user.id: user.permission for user in found}

        assert users(GroupUserChange("add", bo, "manager")) == {ada: "member", bo: "manager"}
        assert users(GroupUserChange("update", bo, "member"), GroupUserChange("remove", ada)) == {bo: "member"}
        with box.client(user=bo) as member, pytest.raises(PermissionDeniedError):
            form.call(member, "change_group_users", group, [GroupUserChange("add", ada)])
