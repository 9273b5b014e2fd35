"""The Transfer Media page: a transfer moves all that is unshared, so that is counted first."""

from __future__ import annotations

import pickle
import re
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    BadRequestError,
    InvalidArgumentError,
    MediaCountError,
    MediaTransfer,
    PermissionDeniedError,
    ResponseDecodeError,
    StudioError,
    User,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import RESET, Answer, FaultServer, Received, json_answer, media_item, page_answer, person

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.forms import Connect, Form, Serve

NOTHING: dict[str, Any] = {"users": [], "groups": []}
OWNED = {"users": [person(3, permission="owner")], "groups": []}
SHARED = {"users": [person(5, permission="view")], "groups": []}
GROUP = {"users": [], "groups": [{"id": 11, "permission": "view"}]}


def school(
    permissions: Mapping[int, Any], answer: Answer | None = None, others: tuple[int, ...] = ()
) -> Callable[[Received], Answer]:
    """A Studio in which user 3 owns the media of these permissions, and has access to others."""
    own = [media_item(number, owner=person(3)) for number in permissions]
    items = own + [media_item(number, owner=person(5), permission="edit") for number in others]

    def respond(asked: Received) -> Answer:
        if asked.method == "POST":
            return answer or json_answer({})
        if found := re.search(r"/media/(\d+)/permissions", asked.path):
            return json_answer(permissions[int(found[1])])
        return page_answer(asked, items)

    return respond


def posts(server: FaultServer) -> list[Received]:
    return [asked for asked in server.requests if asked.method != "GET"]


def test_a_transfer_says_what_was_not_transferred(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("transfer_media/transfer_media").url)
    left = form.call(studio, "transfer_media", 3, 4, expect=1)
    assert type(left) is MediaTransfer
    assert left.not_transferred_perspective_ids == ("7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77",)
    assert (left.not_transferred_collection_ids, left.extra) == ((8,), {})


@pytest.mark.parametrize("sent", [{}, {"not_transferred_perspective_ids": None, "not_transferred_collection_ids": []}])
def test_what_studio_leaves_out_is_empty(sent: dict[str, Any], form: Form) -> None:
    with FaultServer(school({42: NOTHING}, json_answer(sent))) as server, server.client() as studio:
        left = form.call(studio, "transfer_media", 3, 4, expect=1)
    assert left == MediaTransfer() == MediaTransfer((), ())


def test_a_list_that_cannot_be_read_stays_as_it_was_sent_since_the_transfer_was_made(form: Form) -> None:
    sent = {"not_transferred_perspective_ids": [7], "not_transferred_collection_ids": ["8", 9.0], "moved": 3}
    with FaultServer(school({42: NOTHING}, json_answer(sent))) as server, server.client() as studio:
        left = form.call(studio, "transfer_media", 3, 4, expect=1)
    assert left == MediaTransfer((), (8, 9), extra={"not_transferred_perspective_ids": [7], "moved": 3})


def test_only_own_media_that_are_shared_with_nobody_count(form: Form) -> None:
    permissions = {1: NOTHING, 2: SHARED, 3: GROUP, 4: OWNED, 5: {"users": [person(6, permission="access")]}}
    with FaultServer(school(permissions, others=(8, 9))) as server, server.client() as studio:
        form.call(studio, "transfer_media", User(3), User(4), expect=3)
    [sent] = posts(server)
    assert sent.path == "/api/public/v1/transfer_media"
    assert sent.json() == {"from_user_id": 3, "to_user_id": 4}


@pytest.mark.parametrize("expect", [0, 1, 3, 10**6])
def test_another_number_than_expected_is_an_error_with_both_and_nothing_is_sent(expect: int, form: Form) -> None:
    with FaultServer(school({1: NOTHING, 2: SHARED, 4: NOTHING})) as server, server.client() as studio:
        with pytest.raises(MediaCountError) as raised:
            form.call(studio, "transfer_media", 3, 4, expect=expect)
        assert posts(server) == []
    error = raised.value
    assert isinstance(error, StudioError)
    assert str(error).startswith(f"user 3 has 2 unshared media, and expect is {expect}: nothing was transferred")
    assert "expect=2" in str(error)
    assert (error.expected, error.media_ids) == (expect, (1, 4))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - it is our own
    assert (again.expected, again.media_ids, str(again)) == (expect, (1, 4), str(error))


def test_120_media_are_counted_whole_whatever_the_order_of_the_answers(form: Form) -> None:
    permissions = {number: NOTHING if number % 3 else SHARED for number in range(1, 121)}
    with FaultServer(school(permissions)) as server, server.client() as studio:
        form.call(studio, "transfer_media", 3, 4, expect=80)
    assert len(posts(server)) == 1


REFUSED: list[tuple[tuple[Any, ...], Any, str]] = [
    ((3, 3), 1, "to_user must be another user than from_user, 3"),
    ((0, 3), 1, "from_user must be a whole number of 1 or more"),
    ((3, -4), 1, "to_user must be a whole number of 1 or more"),
    ((3, 4), -1, "expect must be a number of media, 0 or more, not -1"),
]


@pytest.mark.parametrize(("users", "expect", "message"), REFUSED)
def test_a_transfer_that_cannot_be_right_is_refused_before_anything_is_sent(
    users: tuple[Any, ...], expect: Any, message: str, form: Form
) -> None:
    with FaultServer(school({})) as server, server.client() as studio:
        with pytest.raises(InvalidArgumentError, match=message):
            form.call(studio, "transfer_media", *users, expect=expect)
        with pytest.raises(TypeError, match="expect"):
            form.call(studio, "transfer_media", 3, 4)
        assert server.requests == []


def test_permissions_that_cannot_be_read_end_the_count_and_nothing_is_transferred(form: Form) -> None:
    def respond(asked: Received) -> Answer:
        if asked.path.endswith("/media/2/permissions"):
            return json_answer({"error": "no"}, 403)
        return school({1: NOTHING, 2: NOTHING})(asked)

    with FaultServer(respond) as server, server.client() as studio:
        with pytest.raises(PermissionDeniedError):
            form.call(studio, "transfer_media", 3, 4, expect=1)
        assert posts(server) == []


def test_users_that_studio_does_not_know_are_explained(form: Form) -> None:
    refused = json_answer({"error": "The users were not found by their ids."}, 400)
    with (
        FaultServer(school({42: NOTHING}, refused)) as server,
        server.client() as studio,
        pytest.raises(BadRequestError, match=r"does not know one of the users, or neither: .* not those in Canvas"),
    ):
        form.call(studio, "transfer_media", 3, 4, expect=1)


def test_a_transfer_that_may_have_been_made_is_not_sent_again(form: Form) -> None:
    with FaultServer(school({42: NOTHING}, RESET)) as server, server.client(retry_delay=0) as studio:
        with pytest.raises(APIConnectionError) as raised:
            form.call(studio, "transfer_media", 3, 4, expect=1)
        assert raised.value.outcome_unknown
        assert len(posts(server)) == 1
    page = Answer(headers={"Content-Type": "text/html"}, body=b"<html>Sign in</html>")
    with FaultServer(school({42: NOTHING}, page)) as server, server.client() as studio:
        with pytest.raises(ResponseDecodeError, match="HTML page"):
            form.call(studio, "transfer_media", 3, 4, expect=1)
        assert len(posts(server)) == 1


def test_what_was_counted_is_moved_and_what_is_shared_stays_on_a_sandbox(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        ada, bo = box.add_user("Ada Park"), box.add_user("Bo Lind")
        first, second, shared = (box.add_media(title, owner=ada) for title in ("Mitosis", "Meiosis", "Osmosis"))
        form.call(studio, "share_media", shared, bo)
        with pytest.raises(MediaCountError) as raised:
            form.call(studio, "transfer_media", ada, bo, expect=3)
        assert set(raised.value.media_ids) == {first, second}
        assert {each.id for each in form.items(studio.list_user_media(ada))} == {first, second, shared}
        left = form.call(studio, "transfer_media", ada, bo, expect=2)
        assert len(left.not_transferred_perspective_ids) == 1
        assert {each.id for each in form.items(studio.list_user_media(ada))} == {shared}
        owners = {each.id: each.owner and each.owner.id for each in form.items(studio.list_user_media(bo))}
        assert owners == {first: bo, second: bo, shared: ada}
        with pytest.raises(BadRequestError, match="not those in Canvas"):
            form.call(studio, "transfer_media", ada, 10**12, expect=0)
