"""Changes of permissions, which Studio takes in one of two forms: a bare array, or an object with `permissions`."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from canvas_studio import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    InvalidArgumentError,
    PermissionChange,
    ResponseDecodeError,
    StudioClient,
    UnprocessableEntityError,
)
from canvas_studio.sandbox import Assumptions, Sandbox
from support.fault_server import RESET, Answer, FaultServer, json_answer, person, text_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.forms import Form, Reach

    Change: TypeAlias = Callable[..., Any]

CREATE = PermissionChange("create", id=7, share_type="user", permission_type="edit")
UPDATE = PermissionChange("update", id=7, share_type="user", permission_type="edit")
DESTROY = PermissionChange("destroy", id=7, share_type="user")
GROUP = PermissionChange("create", id=11, share_type="group")
AS_JSON: dict[PermissionChange, dict[str, object]] = {
    CREATE: {"action": "create", "id": 7, "share_type": "user", "permission_type": "edit"},
    UPDATE: {"action": "update", "id": 7, "share_type": "user", "permission_type": "edit"},
    DESTROY: {"action": "destroy", "id": 7, "share_type": "user"},
    GROUP: {"action": "create", "id": 11, "share_type": "group", "permission_type": "view"},
}
ASSISTANTS = {"id": 11, "name": "Assistants", "permission": "view"}


def shared(*users: str, groups: bool = False) -> Answer:
    """The list of permissions, with user 7 at these levels."""
    users_ = [person(7, permission=level) for level in users]
    return json_answer({"users": users_, "groups": [ASSISTANTS] if groups else []})


def array(*changes: PermissionChange) -> list[dict[str, object]]:
    return [AS_JSON[change] for change in changes]


def nested(*changes: PermissionChange) -> dict[str, object]:
    return {"permissions": array(*changes)}


def bodies(server: FaultServer) -> list[Any]:
    return [request.json() for request in server.requests]


NOBODY, VIEWER, EDITOR = shared(), shared("view"), shared("edit")
REFUSALS = {
    "400": json_answer({"error": "param is missing or the value is empty: permissions"}, 400),
    "422": json_answer({"error": "Invalid parameters are provided."}, 422),
    "422 without a word": Answer(status=422),
    "400 in HTML": text_answer("<h1>Bad Request</h1>", "text/html", 400),
}
each_refusal = pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)


@pytest.fixture(params=["media", "collection"])
def change(request: pytest.FixtureRequest, form: Form) -> Change:
    """Change permissions of media and of collections, in both forms of the client."""

    def call(studio: StudioClient, *changes: Any) -> Any:
        return form.call(studio, f"change_{request.param}_permissions", 1, list(changes))

    return call


def test_changes_that_studio_makes_are_sent_once_as_an_array(change: Change) -> None:
    with FaultServer(shared("edit", groups=True)) as server:
        permissions = change(server.client(), CREATE, GROUP)
    assert bodies(server) == [array(CREATE, GROUP)]
    assert [(user.id, user.permission) for user in permissions.users] == [(7, "edit")]


@each_refusal
def test_where_studio_refuses_the_array_the_object_is_sent_once(change: Change, refusal: Answer) -> None:
    with FaultServer(refusal, EDITOR) as server:
        assert change(server.client(), CREATE).users[0].id == 7
    assert bodies(server) == [array(CREATE), nested(CREATE)]


# What is asked for, and with which list Studio answers if it has not made it.
IGNORED = {"create": (CREATE, NOBODY), "update": (UPDATE, VIEWER), "destroy": (DESTROY, EDITOR)}
DONE = {"create": EDITOR, "update": EDITOR, "destroy": NOBODY}


@pytest.mark.parametrize("action", IGNORED)
def test_where_a_list_does_not_show_the_change_the_object_is_sent_once(change: Change, action: str) -> None:
    asked, ignored = IGNORED[action]
    with FaultServer(ignored, DONE[action]) as server:
        change(server.client(), asked)
    assert bodies(server) == [array(asked), nested(asked)]


def test_the_form_that_was_taken_is_sent_first_from_then_on(change: Change) -> None:
    with FaultServer(REFUSALS["422"], EDITOR) as server:
        studio = server.client()
        for client in (studio, studio, studio.with_options(max_retries=0), studio.with_options(connect_timeout=1)):
            change(client, CREATE)
        # Another client knows nothing of it.
        change(server.client(), CREATE)
    assert bodies(server) == [array(CREATE), *[nested(CREATE)] * 4, array(CREATE)]


def test_a_client_with_other_options_tells_the_first_which_form_was_taken(change: Change) -> None:
    with FaultServer(REFUSALS["422"], EDITOR) as server:
        studio = server.client()
        change(studio.with_options(max_retries=0), CREATE)
        change(studio, CREATE)
    assert bodies(server) == [array(CREATE), nested(CREATE), nested(CREATE)]


def test_a_studio_that_comes_to_take_the_other_form_is_understood(change: Change) -> None:
    with FaultServer(REFUSALS["422"], EDITOR, REFUSALS["400"], EDITOR, EDITOR) as server:
        studio = server.client()
        for _ in range(3):
            change(studio, CREATE)
    assert bodies(server) == [array(CREATE), nested(CREATE), nested(CREATE), array(CREATE), array(CREATE)]


@pytest.mark.parametrize("second", [REFUSALS["422"], REFUSALS["422 without a word"]])
def test_if_both_forms_are_refused_the_first_refusal_is_raised(change: Change, second: Answer) -> None:
    with FaultServer(REFUSALS["400"], second) as server, pytest.raises(BadRequestError, match="param is missing"):
        change(server.client(), CREATE)
    assert bodies(server) == [array(CREATE), nested(CREATE)]


@pytest.mark.parametrize(("asked", "ignored"), IGNORED.values(), ids=IGNORED)
def test_a_studio_that_takes_both_forms_and_makes_nothing_is_an_error(
    change: Change, asked: PermissionChange, ignored: Answer
) -> None:
    with FaultServer(ignored) as server, pytest.raises(ResponseDecodeError) as caught:
        change(server.client(), asked)
    assert bodies(server) == [array(asked), nested(asked)]
    assert "accepted the change but did not make it" in str(caught.value)
    assert f"{asked.action} user 7" in str(caught.value)
    assert (caught.value.status_code, caught.value.method) == (200, "POST")
    assert caught.value.url.endswith("/1/permissions")


@pytest.mark.parametrize(("first", "second"), [(NOBODY, REFUSALS["422"]), (REFUSALS["422"], NOBODY)])
def test_one_form_refused_and_the_other_without_effect_are_told_together(
    change: Change, first: Answer, second: Answer
) -> None:
    with FaultServer(first, second) as server, pytest.raises(ResponseDecodeError) as caught:
        change(server.client(), CREATE)
    assert bodies(server) == [array(CREATE), nested(CREATE)]
    assert "accepted the change but did not make it" in str(caught.value)
    assert "422" in str(caught.value)
    assert "Invalid parameters are provided." in str(caught.value)


ABOUT_A_PERMISSION = {
    "it exists": "One ore more permission was not found or can not be created, because already exists.",
    "it is missing": "The permission is missing",
    "it was not found": "No user or group 7 was found",
    "the id": "Invalid media_id is provided.",
}


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("said", ABOUT_A_PERMISSION.values(), ids=ABOUT_A_PERMISSION)
def test_a_refusal_about_a_permission_is_no_refusal_of_the_form(change: Change, said: str, status: int) -> None:
    with FaultServer(json_answer({"error": said}, status)) as server, pytest.raises(APIStatusError, match=said):
        change(server.client(), CREATE)
    assert bodies(server) == [array(CREATE)]


def test_a_400_because_a_permission_exists_says_so_whichever_form_was_taken(change: Change) -> None:
    exists = json_answer({"error": "It can not be created, because it already exists."}, 400)
    with FaultServer(REFUSALS["422"], exists) as server, pytest.raises(BadRequestError, match="already exists"):
        change(server.client(), CREATE)
    assert bodies(server) == [array(CREATE), nested(CREATE)]


@pytest.mark.parametrize("status", [401, 403, 404, 409, 500, 501, 503])
def test_any_other_refusal_is_raised_and_nothing_else_is_sent(change: Change, status: int) -> None:
    with FaultServer(Answer(status=status)) as server, pytest.raises(APIStatusError) as caught:
        change(server.client(), CREATE)
    assert caught.value.status_code == status
    assert bodies(server) == [array(CREATE)]


@pytest.mark.parametrize("first", [REFUSALS["422"], NOBODY], ids=["refused", "ignored"])
def test_the_second_form_is_not_repeated_blindly_either(change: Change, first: Answer) -> None:
    with FaultServer(first, RESET) as server, pytest.raises(APIConnectionError) as caught:
        change(server.client(max_retries=5), CREATE)
    assert bodies(server) == [array(CREATE), nested(CREATE)]
    assert caught.value.outcome_unknown


def test_a_form_that_was_not_carried_out_is_repeated_as_it_is(change: Change) -> None:
    busy = Answer(status=429, headers={"Retry-After": "0"})
    with FaultServer(busy, REFUSALS["422"], busy, EDITOR) as server:
        change(server.client(), CREATE)
    assert bodies(server) == [array(CREATE), array(CREATE), nested(CREATE), nested(CREATE)]


def test_of_several_changes_only_those_are_sent_again_that_the_list_does_not_show(change: Change) -> None:
    with FaultServer(shared("edit"), shared("edit", groups=True)) as server:
        permissions = change(server.client(), CREATE, GROUP)
    assert bodies(server) == [array(CREATE, GROUP), nested(GROUP)]
    assert [group.id for group in permissions.groups] == [11]


@pytest.mark.parametrize("second", [EDITOR, REFUSALS["422"]], ids=["ignored", "refused"])
def test_a_part_that_is_not_made_is_named_and_what_was_made_is_not(change: Change, second: Answer) -> None:
    with (
        FaultServer(EDITOR, second) as server,
        pytest.raises(ResponseDecodeError, match="create group 11 as view") as caught,
    ):
        change(server.client(), CREATE, GROUP)
    assert "user 7" not in str(caught.value).partition("The body begins")[0]


def test_a_change_that_undoes_an_earlier_one_of_the_same_call_is_what_counts(change: Change) -> None:
    with FaultServer(NOBODY) as server:
        change(server.client(), CREATE, DESTROY)
    with FaultServer(EDITOR) as other:
        change(other.client(), DESTROY, CREATE)
    assert (bodies(server), bodies(other)) == ([array(CREATE, DESTROY)], [array(DESTROY, CREATE)])


# Answers that do not say whether the change was made.
SILENT = {
    "a level that has no other name": (UPDATE, shared("owner")),
    "a level of its own at the start": (CREATE, VIEWER),
    "an empty object": (CREATE, json_answer({})),
    "the other list alone": (CREATE, json_answer({"groups": []})),
}


@pytest.mark.parametrize(("asked", "answer"), SILENT.values(), ids=SILENT)
def test_an_answer_that_does_not_deny_the_change_is_believed(
    change: Change, asked: PermissionChange, answer: Answer
) -> None:
    with FaultServer(answer) as server:
        change(server.client(), asked)
    assert bodies(server) == [array(asked)]


def test_null_is_an_empty_list_here_too(change: Change) -> None:
    with FaultServer(json_answer({"users": None, "groups": None}), EDITOR) as server:
        change(server.client(), CREATE)
    assert bodies(server) == [array(CREATE), nested(CREATE)]


def test_an_answer_that_is_none_is_an_error_and_nothing_is_sent_again(change: Change) -> None:
    with FaultServer(text_answer("<html>", "text/html")) as server, pytest.raises(ResponseDecodeError, match="HTML"):
        change(server.client(), CREATE)
    assert bodies(server) == [array(CREATE)]


def test_that_the_other_form_is_tried_is_logged(form: Form, caplog: pytest.LogCaptureFixture) -> None:
    with FaultServer(REFUSALS["422"], EDITOR) as server, caplog.at_level(logging.INFO, "canvas_studio"):
        form.call(server.client(), "change_media_permissions", 1, [CREATE])
    assert any("other form" in record.message for record in caplog.records)


@pytest.mark.parametrize("page", ["media", "collections"])
def test_the_object_form_is_sent_and_read_as_recorded(page: str, reach: Reach) -> None:
    case = {
        "media": "media/change_media_permissions_object",
        "collections": "collections/change_collection_permissions_object",
    }[page]
    method = case.partition("/")[2].removesuffix("_object")
    subject = reach(case, method, "change_permissions")
    group = PermissionChange("create", id=11, share_type="group", permission_type="edit")
    permissions = subject.call([PermissionChange("create", id=4, share_type="user"), group])
    assert [user.id for user in permissions.users] == [3, 4]


@pytest.mark.parametrize("taken", ["array", "object", "both"])
@pytest.mark.parametrize("kind", ["media", "collection"])
def test_every_change_is_made_at_a_sandbox_of_either_form(taken: Any, kind: str, form: Form) -> None:
    with Sandbox(media=0, assumptions=Assumptions(permission_bodies=taken)) as box, box.client() as studio:
        user, group = box.add_user("Ada Park"), box.add_group("Assistants")
        item = getattr(studio, f"get_{kind}")(getattr(box, f"add_{kind}")("Biology"))
        for action, level, users, groups in (
            ("create", "view", ["view"], ["view"]),
            ("update", "edit", ["edit"], ["edit"]),
            ("destroy", "view", [], []),
        ):
            changes = [
                {"action": action, "id": whom, "share_type": share_type, "permission_type": level}
                for whom, share_type in ((user, "user"), (group, "group"))
            ]
            now = form.call(item, "change_permissions", changes)
            assert [found.permission for found in now.users] == users
            assert [found.permission for found in now.groups] == groups
        statuses = [request.status for request in box.requests if request.method == "POST"]
        assert statuses == ([422, 200, 200, 200] if taken == "object" else [200, 200, 200])
        with pytest.raises(BadRequestError, match="was not found"):
            form.call(item, "change_permissions", [PermissionChange("destroy", id=user, share_type="user")])


def test_a_sandbox_that_ignores_changes_is_found_out(form: Form) -> None:
    with Sandbox(media=0, assumptions=Assumptions(permission_bodies="ignored")) as box, box.client() as studio:
        user, media = box.add_user("Ada Park"), box.add_media()
        with pytest.raises(ResponseDecodeError, match="did not make it"):
            form.call(
                studio, "change_media_permissions", media, [PermissionChange("create", id=user, share_type="user")]
            )
        assert form.call(studio, "get_media_permissions", media).users == ()


def test_a_permission_that_cannot_be_given_is_the_refusal_of_the_form_that_was_sent_first(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        change = PermissionChange("create", id=box.add_user(), share_type="user", permission_type="everything")
        with pytest.raises(UnprocessableEntityError):
            form.call(studio, "change_media_permissions", box.add_media(), [change])
        first, second = (request.body for request in box.requests)
    assert first.startswith("[")
    assert second.startswith('{"permissions":')


def test_both_requests_together_have_the_time_of_one_call(form: Form) -> None:
    with FaultServer(REFUSALS["422"], Answer(silent=True, end="hang")) as server:
        studio: StudioClient = server.client(timeout=0.3)
        with pytest.raises(TimeoutError) as caught:
            form.call(studio, "change_media_permissions", 1, [CREATE])
    assert len(server.requests) == 2
    assert getattr(caught.value, "outcome_unknown", False)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"action": "grant"}, 'action must be one of "create", "update", "destroy", not "grant"'),
        ({"action": "Create"}, 'action must be one of .*, not "Create"'),
        ({"action": ""}, "action must be one of"),
        ({"share_type": "course"}, 'share_type must be one of "user", "group", not "course"'),
        ({"id": 0}, "id must be a whole number of 1 or more, not 0"),
        ({"permission_type": ""}, "permission_type must not be empty"),
    ],
    ids=str,
)
def test_a_change_that_cannot_be_is_refused_where_it_is_made(fields: dict[str, Any], problem: str) -> None:
    given: dict[str, Any] = {"action": "create", "id": 7, "share_type": "user"} | fields
    with pytest.raises(InvalidArgumentError, match=problem) as caught:
        PermissionChange(given.pop("action"), **given)
    assert caught.value.argument == next(iter(fields))
    with pytest.raises(InvalidArgumentError, match=problem):
        dataclasses.replace(CREATE, **fields)


@pytest.mark.parametrize("fields", [{"action": None}, {"id": "7"}, {"share_type": 7}, {"permission_type": None}])
def test_a_change_of_another_type_is_refused_where_it_is_made(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"^{next(iter(fields))} must be "):
        dataclasses.replace(CREATE, **fields)


def test_a_word_that_nobody_has_documented_can_be_sent() -> None:
    assert PermissionChange("create", id=7, share_type="user", permission_type="comment").permission_type == "comment"
