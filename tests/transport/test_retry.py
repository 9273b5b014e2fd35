"""Retries: safe requests are repeated, others are not, and every wait and every number of attempts has a limit."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InternalServerError,
    PermissionChange,
    RateLimitError,
    StudioClient,
    StudioError,
)
from support.fault_server import (
    CLOSE,
    HANG,
    RESET,
    TOKEN,
    Answer,
    FaultServer,
    collection_item,
    json_answer,
    media_answer,
    media_item,
    redirect,
)

if TYPE_CHECKING:
    from support.forms import Form

GOOD = media_answer(1)
CUT = Answer(headers=GOOD.headers, body=GOOD.body, send=50, end="close")
CUT_CHUNKED = Answer(headers=GOOD.headers, body=GOOD.body, send=50, end="close", chunked=True)
CUT_BY_RESET = Answer(headers=GOOD.headers, body=GOOD.body, send=50, end="reset")

# A bound that no healthy run comes near and that a hang exceeds.
SOON = 20.0


def status(code: int, **headers: str) -> Answer:
    return json_answer({"error": "try later"}, code, {name.replace("_", "-"): value for name, value in headers.items()})


# After the change that the tests make: user 7 may view it.
PERMISSIONS = json_answer({"users": [{"id": 7, "permission": "view"}], "groups": []})

# Every kind of request that must not be repeated blindly, and an answer that makes it succeed.
CHANGES: list[Any] = [
    pytest.param("archive_media", (1,), GOOD, id="archive_media"),
    pytest.param("delete_media", (1,), GOOD, id="delete_media"),
    pytest.param("create_collection", ("New",), json_answer({"collection": collection_item()}, 201), id="create"),
    pytest.param(
        "change_media_permissions",
        (1, [PermissionChange("create", id=7, share_type="user")]),
        PERMISSIONS,
        id="change_permissions",
    ),
    pytest.param("request", ("PUT", "/media/1"), GOOD, id="request-PUT"),
]


@pytest.mark.parametrize(
    "fault",
    [*(status(code) for code in (408, 429, 500, 502, 503, 504)), RESET, CLOSE, CUT, CUT_CHUNKED, CUT_BY_RESET],
    ids=["408", "429", "500", "502", "503", "504", "reset", "closed", "cut", "cut-chunked", "cut-by-reset"],
)
def test_a_get_is_repeated_after(form: Form, fault: Answer) -> None:
    with FaultServer(fault, GOOD) as server:
        assert form.call(server.client(), "get_media", 1).id == 1
    assert len(server.requests) == 2


def test_a_get_is_repeated_after_a_read_timeout(form: Form) -> None:
    with FaultServer(HANG, GOOD) as server:
        assert form.call(server.client(read_timeout=0.5), "get_media", 1).id == 1
    assert len(server.requests) >= 2


def test_a_get_over_the_escape_hatch_is_repeated(form: Form) -> None:
    with FaultServer(status(503), json_answer({"fine": True})) as server:
        assert form.call(server.client(), "request", "GET", "/anything") == {"fine": True}
    assert len(server.requests) == 2


def test_a_page_of_a_listing_is_repeated(form: Form) -> None:
    page = json_answer({"media": [media_item(1)], "meta": {"current_page": 1, "last_page": 1, "total_count": 1}})
    with FaultServer(status(502), RESET, page) as server:
        assert [media.id for media in form.items(server.client().search_media())] == [1]
    assert len(server.requests) == 3


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 422, 501])
def test_a_get_is_not_repeated_after(form: Form, code: int) -> None:
    with FaultServer(status(code), GOOD) as server, pytest.raises(APIStatusError):
        form.call(server.client(), "get_media", 1)
    assert len(server.requests) == 1


@pytest.mark.parametrize(("max_retries", "requests"), [(0, 1), (1, 2), (5, 6)])
def test_a_get_is_repeated_so_often_and_no_more(form: Form, max_retries: int, requests: int) -> None:
    with FaultServer(status(500)) as server, pytest.raises(InternalServerError):
        form.call(server.client(max_retries=max_retries), "get_media", 1)
    assert len(server.requests) == requests


def test_a_get_is_repeated_twice_unless_told_otherwise(form: Form) -> None:
    with FaultServer(RESET) as server, pytest.raises(APIConnectionError):
        form.call(server.client(), "get_media", 1)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "fault",
    [*(status(code) for code in (408, 500, 502, 503, 504)), RESET, CLOSE, CUT, CUT_BY_RESET],
    ids=["408", "500", "502", "503-without-retry-after", "504", "reset", "closed", "cut", "cut-by-reset"],
)
@pytest.mark.parametrize(("method", "arguments", "good"), CHANGES)
def test_a_change_is_never_repeated_after(
    form: Form, method: str, arguments: tuple[Any, ...], good: Answer, fault: Answer
) -> None:
    with FaultServer(fault, good) as server, pytest.raises(StudioError):
        form.call(server.client(), method, *arguments)
    assert len(server.requests) == 1


def test_a_change_is_never_repeated_after_a_read_timeout(form: Form) -> None:
    with FaultServer(HANG, GOOD) as server, pytest.raises(APITimeoutError):
        form.call(server.client(read_timeout=0.3), "archive_media", 1)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [status(429), status(429, Retry_After="0"), status(503, Retry_After="0")],
    ids=["429", "429-retry-after", "503-retry-after"],
)
@pytest.mark.parametrize(("method", "arguments", "good"), CHANGES)
def test_a_change_is_repeated_when_the_server_says_that_it_did_nothing(
    form: Form, method: str, arguments: tuple[Any, ...], good: Answer, fault: Answer
) -> None:
    with FaultServer(fault, good) as server:
        form.call(server.client(), method, *arguments)
    assert len(server.requests) == 2


@pytest.mark.parametrize("method", ["get_media", "archive_media", "delete_media"])
def test_a_refused_connection_is_tried_again(form: Form, method: str) -> None:
    with FaultServer(GOOD, listening=False) as server:
        studio = server.client(max_retries=50, retry_delay=0.05)
        threading.Timer(0.2, server.listen).start()
        assert form.call(studio, method, 1).id == 1
    assert len(server.requests) == 1


def test_a_change_is_sent_at_most_once_over_a_connection_that_the_server_has_closed(form: Form) -> None:
    with FaultServer(Answer(headers=GOOD.headers, body=GOOD.body, end="close"), GOOD) as server:
        studio = server.client()
        form.call(studio, "get_media", 1)
        # If the end of the connection is noticed only after the change was sent, an error is all that can be said.
        with contextlib.suppress(APIConnectionError):
            form.call(studio, "archive_media", 1)
    assert [request.method for request in server.requests].count("POST") <= 1


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_in_seconds_is_waited_for(form: Form, code: int) -> None:
    with FaultServer(status(code, Retry_After="1"), GOOD) as server:
        form.call(server.client(), "archive_media", 1)
    first, second = server.requests
    assert second.at - first.at > 0.9


def test_retry_after_as_a_date_is_waited_for() -> None:
    # A date has whole seconds: two ahead is one at least.
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    with FaultServer(status(429, Retry_After=date), GOOD) as server:
        server.client().get_media(1)
    first, second = server.requests
    assert second.at - first.at > 0.5


def test_retry_after_a_date_that_has_passed_is_no_wait(form: Form) -> None:
    date = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    with FaultServer(status(503, Retry_After=date), GOOD) as server:
        assert form.call(server.client(), "archive_media", 1).id == 1


def test_a_retry_after_that_makes_no_sense_is_no_hindrance(form: Form) -> None:
    with FaultServer(status(429, Retry_After="after the holidays"), GOOD) as server:
        assert form.call(server.client(), "get_media", 1).id == 1


@pytest.mark.parametrize(
    ("options", "seconds"), [({}, 61), ({"max_retry_wait": 1}, 2), ({"max_retry_wait": timedelta(seconds=1)}, 3600)]
)
def test_a_retry_after_beyond_the_longest_wait_is_raised_at_once(
    form: Form, options: dict[str, Any], seconds: int
) -> None:
    with FaultServer(status(429, Retry_After=str(seconds)), GOOD) as server:
        begin = time.monotonic()
        with pytest.raises(RateLimitError) as caught:
            form.call(server.client(**options), "get_media", 1)
        assert time.monotonic() - begin < SOON
    assert caught.value.retry_after == seconds
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["get_media", "archive_media"])
@pytest.mark.parametrize("seconds", ["9" * 23, "9" * 400], ids=["23 digits", "400 digits"])
def test_a_retry_after_beyond_all_numbers_is_no_reason_to_wait(form: Form, method: str, seconds: str) -> None:
    with FaultServer(status(429, Retry_After=seconds)) as server:
        begin = time.monotonic()
        with pytest.raises(RateLimitError) as caught:
            form.call(server.client(), method, 1)
        assert time.monotonic() - begin < SOON
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 60
    assert len(server.requests) == 1


def test_a_retry_after_beyond_the_time_that_is_left_does_not_outlast_it(form: Form) -> None:
    with FaultServer(status(429, Retry_After="50"), GOOD) as server:
        begin = time.monotonic()
        with pytest.raises((RateLimitError, APITimeoutError)):
            form.call(server.client(timeout=0.5), "get_media", 1)
        assert time.monotonic() - begin < SOON


def test_the_timeout_covers_all_attempts(form: Form) -> None:
    with FaultServer(HANG) as server:
        begin = time.monotonic()
        with pytest.raises(APITimeoutError):
            form.call(server.client(timeout=1.5, read_timeout=0.2, max_retries=1000), "get_media", 1)
        assert time.monotonic() - begin < SOON
    assert len(server.requests) > 1


def test_the_timeout_covers_all_waits(form: Form) -> None:
    with FaultServer(status(500)) as server:
        begin = time.monotonic()
        with pytest.raises((InternalServerError, APITimeoutError)):
            form.call(server.client(timeout=0.5, max_retries=1_000_000), "get_media", 1)
        assert time.monotonic() - begin < SOON


def test_the_timeout_ends_an_answer_that_drips(form: Form) -> None:
    with FaultServer(Answer(headers=GOOD.headers, body=b" " * 10_000, drip=0.05)) as server:
        begin = time.monotonic()
        with pytest.raises(APITimeoutError):
            form.call(server.client(timeout=0.5), "get_media", 1)
        assert time.monotonic() - begin < SOON


def test_the_timeout_can_be_a_timedelta(form: Form) -> None:
    with FaultServer(HANG) as server, pytest.raises(APITimeoutError):
        form.call(server.client(timeout=timedelta(milliseconds=300)), "get_media", 1)


def test_with_options_changes_the_copy_and_not_the_client(form: Form) -> None:
    with FaultServer(status(500)) as server:
        studio = server.client(max_retries=3)
        with pytest.raises(InternalServerError):
            form.call(studio.with_options(max_retries=0), "get_media", 1)
        assert len(server.requests) == 1
        with pytest.raises(InternalServerError):
            form.call(studio, "get_media", 1)
        assert len(server.requests) == 1 + 4


def test_the_back_off_waits_before_it_tries_again() -> None:
    # The jitter may draw a wait near nothing, but not five times.
    with FaultServer(status(500)) as server, pytest.raises(InternalServerError):
        StudioClient(server.url, token=TOKEN, retry_delay=0.02, max_retries=5).get_media(1)
    assert server.requests[-1].at - server.requests[0].at > 0.02


@pytest.mark.parametrize(
    ("method", "arguments", "named"),
    [
        ("change_media_permissions", (1, [PermissionChange("create", id=7, share_type="user")]), {}),
        ("create_collection", ("Nämë & more",), {"user_id": 7}),
        ("request", ("POST", "/things"), {"params": {"a": "b"}, "json": {"ä": [1, None]}}),
        ("get_download_url", (1,), {"quality": "low & fast"}),
    ],
)
def test_the_repeated_request_is_the_same_to_the_byte(
    form: Form, method: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    users = [{"id": 7, "permission": "view"}]
    good = json_answer({"users": users, "groups": [], "collection": collection_item()})
    with FaultServer(status(429), redirect("/file") if method == "get_download_url" else good) as server:
        form.call(server.client(), method, *arguments, **named)
    first, second = server.requests
    assert first.raw == second.raw
