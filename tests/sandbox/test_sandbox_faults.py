"""A fault affects the requests that it names, as often as it says, and does exactly what its fields say."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from canvas_studio import APIConnectionError, APITimeoutError, AuthenticationError, RateLimitError, ResponseDecodeError
from canvas_studio.sandbox import Fault, Faults, Sandbox
from support import plain_http

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.forms import Form
    from support.plain_http import Answer

API = "/api/public"
# A bound that no healthy run comes near and that a hang exceeds.
SOON = 20.0
BODIES: list[Any] = [
    {"error": "closed", "until": [1, 2.5, None]},
    [],
    {},
    5,
    True,
    ["Vorlesung über Öl", "授業"],
    {"a": {"b": [{}]}},
]


class Wire(NamedTuple):
    """What came over a connection until it ended, and whether it ended in order or by a reset."""

    head: bytes
    body: bytes
    end: str

    @property
    def promised(self) -> int:
        """How long the body should have been."""
        [length] = [line for line in self.head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return int(length.partition(b":")[2])


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox with one media in one collection, of the administrator."""
    with Sandbox(media=0) as box:
        yield box


@pytest.fixture
def media(box: Sandbox) -> int:
    """The id of a media."""
    return box.add_media("Mitosis", size=200_000)


def ask(box: Sandbox, path: str, *, method: str = "GET", token: str | None = None) -> Answer:
    """Ask the API host without a client that repeats anything; the path is that behind /api/public."""
    return plain_http.ask(box.url, method, API + path, token=token or box.token)


def wire(box: Sandbox, path: str, *, method: str = "GET", url: str | None = None, keep_alive: bool = False) -> Wire:
    """Ask likewise, and see how the connection ends."""
    parts = urlsplit(url or box.url + API + path)
    headers = "" if url else f"Authorization: Bearer {box.token}\r\n"
    headers += "" if keep_alive else "Connection: close\r\n"
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    received, end = b"", "closed"
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=SOON) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: studio\r\n{headers}\r\n".encode())
        try:
            while data := connection.recv(65_536):
                received += data
        except ConnectionResetError:
            end = "reset"
    head, _, body = received.partition(b"\r\n\r\n")
    return Wire(head, body, end)


def statuses(box: Sandbox, path: str, count: int) -> list[int]:
    return [ask(box, path).status for _ in range(count)]


def signed_url(box: Sandbox, media: int) -> str:
    return ask(box, f"/v1/media/{media}/download").headers["location"]


def archived(box: Sandbox, media: int) -> bool:
    return media not in [found["id"] for found in ask(box, "/v1/media/search").json["media"]]


@pytest.mark.parametrize(
    ("where", "struck"),
    [
        ({}, True),
        ({"method": "GET"}, True),
        ({"method": "get"}, True),
        ({"method": "POST"}, False),
        ({"host": "api"}, True),
        ({"host": "storage"}, False),
        ({"path": "/v1/collections"}, True),
        ({"path": "*"}, True),
        ({"path": "/v1/*"}, True),
        ({"path": "*/collections"}, True),
        ({"path": "/v1/coll*ons"}, True),
        ({"path": "/v1/collection"}, False),
        ({"path": "/v1/collections/*"}, False),
        ({"path": "/v1/media/*"}, False),
        ({"method": "GET", "path": "/v1/collections", "host": "api"}, True),
        ({"method": "POST", "path": "/v1/collections", "host": "api"}, False),
    ],
    ids=str,
)
def test_a_fault_strikes_where_all_that_is_given_of_method_path_and_host_matches(
    box: Sandbox, where: dict[str, Any], *, struck: bool
) -> None:
    fault = box.faults.add(status=503, **where)
    assert ask(box, "/v1/collections").status == (503 if struck else 200)
    assert box.faults.hits(fault) == int(struck)


def test_a_star_stands_for_slashes_too(box: Sandbox, media: int) -> None:
    box.faults.add(status=503, path="/v1/media/*")
    assert ask(box, f"/v1/media/{media}").status == 503
    assert ask(box, f"/v1/media/{media}/permissions").status == 503
    assert ask(box, "/v1/collections").status == 200


def test_a_path_with_an_id_strikes_that_one_and_no_other(box: Sandbox, media: int) -> None:
    other = box.add_media("Meiosis")
    box.faults.add(status=503, path=f"/v1/media/{media}")
    assert ask(box, f"/v1/media/{media}").status == 503
    assert ask(box, f"/v1/media/{other}").status == 200
    assert ask(box, f"/v1/media/{media}/users").status == 200


def test_the_query_is_no_part_of_the_path(box: Sandbox) -> None:
    box.faults.add(status=503, path="/v1/media/search")
    assert ask(box, "/v1/media/search?title=x&page=2").status == 503


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/authorize", "/apidocs", "/v1/ping", "/v1/nothing/there"])
def test_a_fault_can_strike_everything_that_can_be_asked(box: Sandbox, path: str) -> None:
    box.faults.add(status=599, path=path)
    assert ask(box, path).status == 599


def test_a_fault_of_the_storage_host_leaves_the_api_alone(box: Sandbox, media: int) -> None:
    box.faults.add(host="storage", status=503, path=f"/media/{media}/*")
    url = signed_url(box, media)
    assert plain_http.ask(url).status == 503
    box.faults.clear()
    assert plain_http.ask(url).body == box.media_file(media)


def test_a_fault_without_a_host_strikes_both(box: Sandbox, media: int) -> None:
    url = signed_url(box, media)
    fault = box.faults.add(status=503)
    assert plain_http.ask(url).status == 503
    assert ask(box, "/v1/ping").status == 503
    assert box.faults.hits(fault) == 2


def test_a_fault_lets_the_first_through_and_then_strikes_so_many_times(box: Sandbox) -> None:
    fault = box.faults.add(status=503, after=2, times=3)
    assert statuses(box, "/v1/ping", 7) == [200, 200, 503, 503, 503, 200, 200]
    assert box.faults.hits(fault) == 3


def test_only_requests_that_match_are_counted(box: Sandbox) -> None:
    fault = box.faults.add(status=503, path="/v1/collections", after=1, times=1)
    assert statuses(box, "/v1/ping", 3) == [200, 200, 200]
    assert statuses(box, "/v1/collections", 3) == [200, 503, 200]
    assert box.faults.hits(fault) == 1


def test_of_many_requests_at_once_it_strikes_exactly_so_many(box: Sandbox) -> None:
    fault = box.faults.add(status=503, after=7, times=11)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(ask, [box] * 80, ["/v1/ping"] * 80)
        found = Counter(answer.status for answer in answers)
    assert found == {200: 69, 503: 11}
    assert box.faults.hits(fault) == 11


def test_a_probability_with_a_seed_strikes_the_same_requests_again(box: Sandbox) -> None:
    def pattern(sandbox: Sandbox, seed: int) -> list[int]:
        sandbox.faults.clear()
        sandbox.faults.add(status=503, probability=0.3, seed=seed)
        return statuses(sandbox, "/v1/ping", 60)

    with Sandbox(media=0, seed=2) as other:
        first = pattern(box, 7)
        assert pattern(box, 7) == first
        assert pattern(other, 7) == first
        assert pattern(box, 8) != first
    assert 5 <= first.count(503) <= 31


@pytest.mark.parametrize(("probability", "status"), [(0, 200), (1, 503), (0.0, 200), (1.0, 503)])
def test_a_probability_of_nothing_never_strikes_and_one_of_all_always(
    box: Sandbox, probability: float, status: int
) -> None:
    box.faults.add(status=503, probability=probability)
    assert set(statuses(box, "/v1/ping", 20)) == {status}


def test_a_probability_leaves_so_many_times_to_the_limit(box: Sandbox) -> None:
    fault = box.faults.add(status=503, probability=0.5, seed=3, times=4)
    assert statuses(box, "/v1/ping", 60).count(503) == 4
    assert box.faults.hits(fault) == 4


def test_a_status_comes_with_an_error_and_the_request_is_not_carried_out(box: Sandbox, media: int) -> None:
    fault = box.faults.add(method="POST", status=500)
    reply = ask(box, f"/v1/media/{media}/archive", method="POST")
    assert reply.status == 500
    assert reply.headers["content-type"].startswith("application/json")
    assert isinstance(reply.json["error"], str)
    assert not archived(box, media)
    [seen] = [request for request in box.requests if request.method == "POST"]
    assert (seen.status, seen.fault) == (500, fault)


def test_without_a_fault_the_same_request_is_carried_out(box: Sandbox, media: int) -> None:
    fault = box.faults.add(method="POST", status=500)
    box.faults.remove(fault)
    assert ask(box, f"/v1/media/{media}/archive", method="POST").status == 200
    assert archived(box, media)
    assert [request.fault for request in box.requests if request.method == "POST"] == [None]


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504, 599])
def test_any_final_status_can_be_answered(box: Sandbox, status: int) -> None:
    box.faults.add(status=status)
    assert ask(box, "/v1/ping").status == status


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_a_body_of_json_comes_as_json(box: Sandbox, body: object) -> None:
    box.faults.add(status=503, body=body)
    reply = ask(box, "/v1/ping")
    assert reply.json == body
    assert reply.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("text", ["<h1>Bad Gateway</h1>", "", "plain", "Ärger"])
def test_a_body_of_text_comes_as_it_is(box: Sandbox, text: str) -> None:
    box.faults.add(status=502, body=text)
    reply = ask(box, "/v1/ping")
    assert reply.body.decode() == text
    assert reply.headers["content-type"].startswith("text/plain")


def test_headers_come_with_the_status_and_have_the_last_word(box: Sandbox) -> None:
    headers = {"Content-Type": "text/html", "X-Request-Id": "7f-3", "Retry-After": "soon"}
    box.faults.add(status=502, body="<p>", headers=headers, retry_after=9)
    reply = ask(box, "/v1/ping")
    assert {name: reply.headers[name.lower()] for name in headers} == headers


@pytest.mark.parametrize("seconds", [0, 1, 30, 3600])
def test_retry_after_comes_in_seconds(box: Sandbox, seconds: int) -> None:
    box.faults.add(status=429, retry_after=seconds)
    reply = ask(box, "/v1/ping")
    assert (reply.status, reply.headers["retry-after"]) == (429, str(seconds))


@pytest.mark.parametrize("seconds", [0, 1.5, 30, 3600])
def test_retry_after_comes_as_a_date_that_is_not_too_early(box: Sandbox, seconds: float) -> None:
    box.faults.add(status=429, retry_after=seconds, retry_after_date=True)
    before = datetime.now(UTC)
    date = parsedate_to_datetime(ask(box, "/v1/ping").headers["retry-after"])
    after = datetime.now(UTC)
    assert before + timedelta(seconds=seconds) <= date <= after + timedelta(seconds=seconds + 1)


def test_a_status_without_retry_after_has_none(box: Sandbox) -> None:
    box.faults.add(status=429)
    assert "retry-after" not in ask(box, "/v1/ping").headers


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_a_client_reads_either_retry_after(box: Sandbox, media: int, form: Form, *, as_date: bool) -> None:
    box.faults.add(status=429, retry_after=40, retry_after_date=as_date)
    with box.client(max_retries=0) as studio, pytest.raises(RateLimitError) as raised:
        form.call(studio, "get_media", media)
    assert raised.value.retry_after is not None
    assert 35 <= raised.value.retry_after <= 41


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_a_client_that_waits_gets_what_it_asked_for(box: Sandbox, media: int, form: Form, *, as_date: bool) -> None:
    fault = box.faults.add(status=429, retry_after=0, retry_after_date=as_date, times=2)
    with box.client(retry_delay=0) as studio:
        assert form.call(studio, "archive_media", media).id == media
    assert [(request.status, request.fault) for request in box.requests] == [(429, fault), (429, fault), (200, None)]


def test_a_reset_before_cuts_the_connection_and_nothing_was_carried_out(box: Sandbox, media: int) -> None:
    fault = box.faults.add(method="POST", reset="before")
    assert wire(box, f"/v1/media/{media}/archive", method="POST") == (b"", b"", "reset")
    assert not archived(box, media)
    [seen] = [request for request in box.requests if request.method == "POST"]
    assert (seen.status, seen.fault) == (None, fault)


def test_a_reset_after_cuts_the_connection_when_it_was_carried_out(box: Sandbox, media: int) -> None:
    fault = box.faults.add(method="POST", reset="after")
    assert wire(box, f"/v1/media/{media}/archive", method="POST") == (b"", b"", "reset")
    assert archived(box, media)
    [seen] = [request for request in box.requests if request.method == "POST"]
    assert (seen.status, seen.fault) == (None, fault)


@pytest.mark.parametrize("seed", range(5))
def test_a_reset_of_the_body_cuts_the_connection_in_the_middle(box: Sandbox, media: int, seed: int) -> None:
    fault = box.faults.add(method="POST", reset="body", seed=seed)
    came = wire(box, f"/v1/media/{media}/archive", method="POST")
    assert came.head.startswith(b"HTTP/1.1 200 ")
    assert came.end == "reset"
    assert len(came.body) < came.promised
    assert archived(box, media)
    [seen] = [request for request in box.requests if request.method == "POST"]
    assert (seen.status, seen.fault) == (200, fault)


@pytest.mark.parametrize("seed", range(5))
def test_a_truncated_body_ends_early_and_the_connection_in_order(box: Sandbox, media: int, seed: int) -> None:
    box.faults.add(method="POST", truncate=True, seed=seed)
    came = wire(box, f"/v1/media/{media}/archive", method="POST")
    assert came.head.startswith(b"HTTP/1.1 200 ")
    assert came.end == "closed"
    assert len(came.body) < came.promised
    assert archived(box, media)


@pytest.mark.parametrize(("how", "end"), [({"reset": "body"}, "reset"), ({"truncate": True}, "closed")], ids=str)
def test_a_body_is_cut_at_places_that_follow_from_the_seed(
    box: Sandbox, media: int, how: dict[str, Any], end: str
) -> None:
    url = signed_url(box, media)
    content = box.media_file(media)

    def places(seed: int) -> list[int]:
        box.faults.clear()
        box.faults.add(host="storage", seed=seed, **how)
        came = [wire(box, "", url=url) for _ in range(4)]
        assert all(one.end == end and content.startswith(one.body) and one.promised == len(content) for one in came)
        return [len(one.body) for one in came]

    first = places(1)
    assert places(1) == first
    assert places(2) != first
    assert len(set(first)) > 1


def test_a_reset_of_a_body_that_is_empty_cuts_the_connection_as_well(box: Sandbox, media: int) -> None:
    box.faults.add(path="*/download", reset="body")
    came = wire(box, f"/v1/media/{media}/download", keep_alive=True)
    assert came.end == "reset"


@pytest.mark.parametrize("reset", ["before", "after", "body"])
def test_a_client_goes_on_after_a_reset(box: Sandbox, media: int, form: Form, reset: str) -> None:
    fault = box.faults.add(reset=reset, times=2)
    with box.client(retry_delay=0) as studio:
        assert form.call(studio, "get_media", media).id == media
    assert box.faults.hits(fault) == 2


@pytest.mark.parametrize("reset", ["before", "after", "body"])
def test_a_client_repeats_no_change_after_a_reset(box: Sandbox, media: int, form: Form, reset: str) -> None:
    box.faults.add(reset=reset)
    with box.client(retry_delay=0) as studio, pytest.raises(APIConnectionError):
        form.call(studio, "archive_media", media)
    assert len(box.requests) == 1


def test_bandwidth_lets_the_body_come_at_so_many_bytes_a_second(box: Sandbox, media: int) -> None:
    url = signed_url(box, media)
    box.faults.add(host="storage", bandwidth=400_000)
    start = time.monotonic()
    reply = plain_http.ask(url)
    elapsed = time.monotonic() - start
    assert reply.body == box.media_file(media)
    assert reply.headers["content-length"] == "200000"
    # 200,000 bytes are half a second; the last step need not be waited for.
    assert elapsed >= 0.4


def test_a_delay_keeps_the_answer_back(box: Sandbox) -> None:
    fault = box.faults.add(delay=0.3)
    start = time.monotonic()
    assert ask(box, "/v1/ping").body == b"pong"
    assert time.monotonic() - start >= 0.3
    assert [(request.status, request.fault) for request in box.requests] == [(200, fault)]


def test_a_delay_holds_up_nobody_else(box: Sandbox) -> None:
    box.faults.add(delay=SOON, path="/v1/collections")
    with socket.create_connection(("127.0.0.1", box.port), timeout=SOON) as waiting:
        waiting.sendall(
            f"GET {API}/v1/collections HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {box.token}\r\n\r\n".encode()
        )
        assert ask(box, "/v1/ping").body == b"pong"
        waiting.settimeout(0)
        with pytest.raises(BlockingIOError):
            waiting.recv(1)


def test_a_delay_beyond_the_patience_of_a_client_is_a_timeout(box: Sandbox, media: int, form: Form) -> None:
    box.faults.add(delay=SOON)
    with box.client(read_timeout=0.2, max_retries=0) as studio, pytest.raises(APITimeoutError):
        form.call(studio, "get_media", media)


@pytest.mark.parametrize(
    ("what", "status"), [({"status": 503}, 503), ({"html": True}, 200), ({"revoke": True}, 401)], ids=str
)
def test_a_delay_may_stand_with_anything_else(box: Sandbox, what: dict[str, Any], status: int) -> None:
    box.faults.add(delay=0.2, **what)
    start = time.monotonic()
    assert ask(box, "/v1/collections").status == status
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("path", ["/v1/collections", "/v1/nothing", "/v1/media/search?page=0"])
def test_html_comes_with_200_in_place_of_the_answer(box: Sandbox, path: str) -> None:
    box.faults.add(html=True)
    reply = ask(box, path)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.body.lstrip().lower().startswith(b"<!doctype html>")
    assert int(reply.headers["content-length"]) == len(reply.body)


def test_a_change_that_is_answered_with_html_was_carried_out(box: Sandbox, media: int) -> None:
    box.faults.add(method="POST", html=True)
    assert ask(box, f"/v1/media/{media}/archive", method="POST").status == 200
    assert archived(box, media)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("path", ["/v1/collections", "/v1/media/search", "/v1/ping", "/v1/nothing", "/apidocs"])
def test_malformed_json_comes_with_200_whole_and_can_not_be_parsed(box: Sandbox, path: str, seed: int) -> None:
    box.faults.add(malformed=True, seed=seed)
    reply = ask(box, path)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert int(reply.headers["content-length"]) == len(reply.body) > 0
    with pytest.raises(ValueError, match="line 1"):
        json.loads(reply.body)


def test_malformed_json_in_place_of_a_redirect_is_no_redirect(box: Sandbox, media: int) -> None:
    box.faults.add(malformed=True)
    reply = ask(box, f"/v1/media/{media}/download")
    assert reply.status == 200
    assert "location" not in reply.headers


@pytest.mark.parametrize("what", ["html", "malformed"])
def test_a_client_tells_nonsense_from_an_answer(box: Sandbox, media: int, form: Form, what: str) -> None:
    box.faults.add(**{what: True})
    with box.client(max_retries=0) as studio, pytest.raises(ResponseDecodeError):
        form.call(studio, "get_media", media)


def test_a_throttle_lets_its_burst_through_and_refuses_the_rest(box: Sandbox) -> None:
    fault = box.faults.add(throttle=0.01, burst=3)
    assert statuses(box, "/v1/ping", 6) == [200, 200, 200, 429, 429, 429]
    assert box.faults.hits(fault) == 3


def test_a_throttle_without_a_burst_lets_through_what_a_second_holds(box: Sandbox) -> None:
    box.faults.add(throttle=4, path="/v1/ping")
    start = time.monotonic()
    found = statuses(box, "/v1/ping", 6)
    elapsed = time.monotonic() - start
    assert found[:4] == [200] * 4
    assert found.count(200) <= 4 + elapsed * 4


def test_a_throttle_says_truly_when_there_is_more(box: Sandbox) -> None:
    box.faults.add(throttle=0.02, burst=1)
    assert ask(box, "/v1/ping").status == 200
    wait = int(ask(box, "/v1/ping").headers["retry-after"])
    assert 48 <= wait <= 50
    box.faults.clear()
    box.faults.add(throttle=2, burst=1)
    assert ask(box, "/v1/ping").status == 200
    refused = ask(box, "/v1/ping")
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    time.sleep(1)
    assert ask(box, "/v1/ping").status == 200


def test_a_throttle_never_gives_more_than_its_budget(box: Sandbox) -> None:
    box.faults.add(throttle=50, burst=5)
    start = time.monotonic()
    passed = statuses(box, "/v1/ping", 100).count(200)
    assert 5 <= passed <= 5 + 50 * (time.monotonic() - start)


def test_what_a_throttle_refuses_is_not_carried_out_and_costs_nothing(box: Sandbox, media: int) -> None:
    box.faults.add(method="POST", throttle=0.01, burst=1)
    assert ask(box, "/v1/collections?name=First", method="POST").status == 201
    assert ask(box, f"/v1/media/{media}/archive", method="POST").status == 429
    assert not archived(box, media)


def test_a_throttle_refuses_with_the_status_body_and_headers_that_it_is_given(box: Sandbox) -> None:
    box.faults.add(throttle=0.01, burst=1, status=503, body={"error": "slow down"}, headers={"X-Budget": "0"})
    replies = [ask(box, "/v1/ping") for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 503]
    assert replies[1].json == {"error": "slow down"}
    assert replies[1].headers["x-budget"] == "0"
    assert 95 <= int(replies[1].headers["retry-after"]) <= 100


def test_a_throttle_writes_its_retry_after_as_a_date_if_told_so(box: Sandbox) -> None:
    box.faults.add(throttle=0.01, burst=1, retry_after_date=True)
    replies = [ask(box, "/v1/ping") for _ in range(2)]
    ahead = parsedate_to_datetime(replies[1].headers["retry-after"]) - datetime.now(UTC)
    assert 90 <= ahead.total_seconds() <= 101


def test_a_client_that_obeys_a_throttle_gets_everything(box: Sandbox, form: Form) -> None:
    added = {box.add_media(f"Lecture {number}") for number in range(60)}
    fault = box.faults.add(throttle=2, burst=1)
    with box.client(max_retries=5, retry_delay=0) as studio:
        found = [media.id for media in form.items(studio.search_media())]
    assert sorted(found) == sorted(added)
    assert box.faults.hits(fault) >= 1


def test_a_revoked_token_is_dead_from_that_request_on_and_no_other_is(box: Sandbox) -> None:
    other = box.token_for(box.users[0])
    fault = box.faults.add(revoke=True, after=1, times=1)
    assert statuses(box, "/v1/collections", 4) == [200, 401, 401, 401]
    assert box.faults.hits(fault) == 1
    assert ask(box, "/v1/collections", token=other).status == 200


def test_a_revoked_token_of_the_token_endpoint_is_dead_and_its_successor_is_not(box: Sandbox) -> None:
    first, second = (box.oauth_token()["access_token"] for _ in range(2))
    box.faults.add(revoke=True, times=1)
    assert [ask(box, "/v1/ping", token=token).status for token in (first, first, second)] == [401, 401, 200]


def test_a_request_whose_token_is_revoked_is_not_carried_out(box: Sandbox, media: int) -> None:
    other = box.token_for(box.users[0])
    box.faults.add(method="POST", revoke=True)
    assert ask(box, f"/v1/media/{media}/archive", method="POST", token=other).status == 401
    assert not archived(box, media)


def test_a_reset_of_the_sandbox_revives_its_own_token(box: Sandbox) -> None:
    box.faults.add(revoke=True)
    assert ask(box, "/v1/ping").status == 401
    box.reset()
    assert ask(box, "/v1/ping").status == 200


def test_a_token_that_dies_while_a_list_is_read_ends_it_with_401(box: Sandbox, form: Form) -> None:
    for number in range(60):
        box.add_media(f"Lecture {number}")
    box.faults.add(revoke=True, after=1)
    with box.client() as studio, pytest.raises(AuthenticationError):
        form.items(studio.search_media())


def total(box: Sandbox) -> int:
    count: int = ask(box, "/v1/media/search").json["meta"]["total_count"]
    return count


def test_media_appear_before_the_answer(box: Sandbox) -> None:
    box.faults.add(appear=3, times=2)
    assert [total(box) for _ in range(4)] == [3, 6, 6, 6]


def test_media_vanish_before_the_answer_and_for_good(box: Sandbox) -> None:
    added = [box.add_media(f"Lecture {number}") for number in range(10)]
    box.faults.add(vanish=2, times=3)
    assert [total(box) for _ in range(4)] == [8, 6, 4, 4]
    left = [media["id"] for media in ask(box, "/v1/media/search").json["media"]]
    assert len(left) == 4
    assert [ask(box, f"/v1/media/{one}").status for one in added] == [200 if one in left else 404 for one in added]


def test_more_can_not_vanish_than_there_is(box: Sandbox, media: int) -> None:
    box.faults.add(vanish=5)
    assert [total(box), total(box)] == [0, 0]
    assert ask(box, f"/v1/media/{media}").status == 404


def test_media_can_appear_and_vanish_with_any_other_fault(box: Sandbox) -> None:
    for number in range(5):
        box.add_media(f"Lecture {number}")
    box.faults.add(appear=1, vanish=3, status=503, times=1)
    assert ask(box, "/v1/media/search").status == 503
    assert total(box) == 3


def test_what_was_there_all_the_time_is_listed_once_though_others_appear_and_vanish(box: Sandbox, form: Form) -> None:
    added = {box.add_media(f"Lecture {number}") for number in range(300)}
    fault = box.faults.add(appear=2, vanish=3, times=4, after=2, seed=5, path="/v1/media/search")
    with box.client() as studio:
        found = [media.id for media in form.items(studio.search_media())]
        assert box.faults.hits(fault) == 4
        box.faults.clear()
        stayed = {media.id for media in form.items(studio.search_media())} & added
    assert len(found) == len(set(found))
    assert stayed <= set(found)
    assert 288 <= len(stayed) < 300


def test_the_first_fault_that_answers_decides_and_the_rest_adds_up(box: Sandbox) -> None:
    slow = box.faults.add(delay=0.15)
    first = box.faults.add(status=503)
    second = box.faults.add(status=500)
    slower = box.faults.add(delay=0.15, appear=1)
    start = time.monotonic()
    assert ask(box, "/v1/media/search").status == 503
    assert time.monotonic() - start >= 0.3
    assert [box.faults.hits(fault) for fault in (slow, first, second, slower)] == [1, 1, 0, 1]
    assert [request.fault for request in box.requests] == [first]
    box.faults.clear()
    assert total(box) == 1


def test_a_fault_that_is_used_up_lets_the_next_one_have_the_word(box: Sandbox) -> None:
    box.faults.add(status=503, times=1)
    box.faults.add(status=500, times=1)
    assert statuses(box, "/v1/ping", 3) == [503, 500, 200]


def test_a_fault_is_taken_away_by_its_id_and_all_of_them_by_clear(box: Sandbox) -> None:
    first, second, third = (box.faults.add(status=status) for status in (500, 502, 503))
    box.faults.remove(first)
    assert ask(box, "/v1/ping").status == 502
    assert [fault.status for fault in box.faults] == [502, 503]
    assert len(box.faults) == 2
    box.faults.clear()
    assert ask(box, "/v1/ping").status == 200
    assert (len(box.faults), list(box.faults)) == (0, [])
    for gone in (first, second, third):
        with pytest.raises(ValueError, match=str(gone)):
            box.faults.hits(gone)
        with pytest.raises(ValueError, match=str(gone)):
            box.faults.remove(gone)


def test_an_id_is_never_given_twice(box: Sandbox) -> None:
    first = box.faults.add(status=500)
    box.faults.clear()
    second = box.faults.add(status=500)
    box.reset()
    assert len({first, second, box.faults.add(status=500)}) == 3


def test_a_fault_added_twice_counts_twice(box: Sandbox) -> None:
    fault = Fault(status=503, times=1)
    first, second = box.faults.add(fault), box.faults.add(fault)
    assert first != second
    assert statuses(box, "/v1/ping", 3) == [503, 503, 200]
    assert [box.faults.hits(one) for one in (first, second)] == [1, 1]


def test_faults_that_a_sandbox_began_with_are_back_after_a_reset() -> None:
    with Sandbox(media=0, faults=[Fault(status=503, times=1), Fault(status=500, after=1, times=1)]) as box:
        assert statuses(box, "/v1/ping", 3) == [503, 500, 200]
        box.faults.add(status=502)
        box.reset()
        assert statuses(box, "/v1/ping", 3) == [503, 500, 200]
        assert len(box.faults) == 2


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "nothing|something|give"),
        ({"method": "GET", "path": "/v1/ping", "times": 3}, "nothing|something|give"),
        ({"truncate": False}, "nothing|something|give"),
        ({"appear": 0}, "nothing|something|give"),
        ({"status": 7}, "status"),
        ({"status": 199}, "status"),
        ({"status": 600}, "status"),
        ({"status": -1}, "status"),
        ({"status": "503"}, "status|integer|u16"),
        ({"status": 503.5}, "status|integer|u16"),
        ({"status": True}, "status|integer|u16"),
        ({"delay": -1}, "delay"),
        ({"delay": float("nan")}, "delay"),
        ({"delay": float("inf")}, "delay"),
        ({"delay": 1e9}, "delay"),
        ({"delay": "1"}, "delay|number|f64"),
        ({"status": 503, "probability": 1.5}, "probability"),
        ({"status": 503, "probability": -0.1}, "probability"),
        ({"status": 503, "probability": float("nan")}, "probability"),
        ({"status": 503, "times": -1}, "times|u64"),
        ({"status": 503, "times": 1.5}, "times|u64"),
        ({"status": 503, "after": -1}, "after|u64"),
        ({"status": 503, "seed": -1}, "seed|u64"),
        ({"status": 503, "host": "somewhere"}, "host|somewhere"),
        ({"status": 503, "retry_after": -1}, "retry_after"),
        ({"status": 503, "retry_after": float("inf")}, "retry_after"),
        ({"status": 503, "retry_after_date": True}, "retry_after"),
        ({"status": 503, "headers": {"Bad Name": "x"}}, "Bad Name"),
        ({"status": 503, "headers": {"X-Bad": "two\r\nlines"}}, "X-Bad"),
        ({"status": 503, "headers": {"X-Bad": 5}}, "headers|string|text"),
        ({"reset": "sometimes"}, "reset|sometimes"),
        ({"reset": True}, "reset|bool|true|True"),
        ({"throttle": 0}, "throttle"),
        ({"throttle": -2}, "throttle"),
        ({"throttle": float("nan")}, "throttle"),
        ({"throttle": float("inf")}, "throttle"),
        ({"throttle": 5, "burst": 0}, "burst"),
        ({"status": 503, "burst": 5}, "burst"),
        ({"bandwidth": 0}, "bandwidth"),
        ({"bandwidth": -5}, "bandwidth"),
        ({"appear": -1}, "appear|u32"),
        ({"vanish": -1}, "vanish|u32"),
        ({"html": "yes"}, "html|bool"),
        ({"html": True, "body": "x"}, "body"),
        ({"delay": 1, "headers": {"X-A": "b"}}, "headers"),
        ({"reset": "before", "retry_after": 1}, "retry_after"),
        ({"status": 503, "reset": "before"}, "reset|exclude"),
        ({"status": 503, "html": True}, "html|exclude"),
        ({"html": True, "malformed": True}, "malformed|exclude"),
        ({"truncate": True, "malformed": True}, "malformed|exclude"),
        ({"throttle": 5, "truncate": True}, "truncate|exclude"),
        ({"status": 503, "path": "v1/media"}, "path"),
        ({"status": 503, "path": "/api/public/v1/media"}, "path"),
        ({"status": 503, "method": "GET /"}, "method"),
        ({"status": 503, "method": ""}, "method"),
        ({"status": 503, "body": {1, 2}}, "body"),
        ({"status": 503, "body": float("nan")}, "body"),
    ],
    ids=str,
)
def test_a_fault_that_makes_no_sense_is_refused_by_name(box: Sandbox, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Fault(**fields)
    with pytest.raises(ValueError, match=named):
        box.faults.add(**fields)
    assert len(box.faults) == 0
    assert ask(box, "/v1/ping").status == 200


def test_a_field_that_there_is_not_is_refused(box: Sandbox) -> None:
    with pytest.raises(TypeError, match="statsu"):
        box.faults.add(statsu=503)


def test_a_fault_and_fields_are_not_given_together(box: Sandbox) -> None:
    with pytest.raises(ValueError, match="times"):
        box.faults.add(Fault(status=503), times=1)
    assert len(box.faults) == 0


def test_a_fault_is_a_value() -> None:
    fault = Fault(status=503, body={"error": "x"}, headers={"X-A": "b"})
    assert fault == Fault(status=503, body={"error": "x"}, headers={"X-A": "b"})
    assert fault != Fault(status=502)
    assert hash(fault) == hash(Fault(status=503, body={"error": "x"}, headers={"X-A": "b"}))
    assert eval(repr(fault)) == fault  # noqa: S307 - it is what repr promises
    assert repr(Fault(status=503)) == "Fault(status=503)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        fault.status = 200  # type: ignore[misc]


EVERY_FIELD = """
[[fault]]
method = "GET"
path = "/v1/media/*"
host = "api"
after = 2
times = 3
probability = 0.5
seed = 7
delay = 0.25
status = 503
body = { error = "maintenance" }
headers = { X-Request-Id = "7f" }
retry_after = 1.5
retry_after_date = true
appear = 1
vanish = 2

[[fault]]
reset = "body"
bandwidth = 1000

[[fault]]
truncate = true

[[fault]]
html = true

[[fault]]
malformed = true

[[fault]]
throttle = 5
burst = 10

[[fault]]
revoke = true

[[fault]]
status = 500
carried_out = true
fail_transcoding = true
"""


def test_a_file_can_say_every_field(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(EVERY_FIELD)
    found = Faults.from_toml(file)
    assert found == [
        Fault(
            method="GET",
            path="/v1/media/*",
            host="api",
            after=2,
            times=3,
            probability=0.5,
            seed=7,
            delay=0.25,
            status=503,
            body={"error": "maintenance"},
            headers={"X-Request-Id": "7f"},
            retry_after=1.5,
            retry_after_date=True,
            appear=1,
            vanish=2,
        ),
        Fault(reset="body", bandwidth=1000),
        Fault(truncate=True),
        Fault(html=True),
        Fault(malformed=True),
        Fault(throttle=5, burst=10),
        Fault(revoke=True),
        Fault(status=500, carried_out=True, fail_transcoding=True),
    ]
    assert Faults.from_toml(str(file)) == found
    said = {each.name for fault in found for each in dataclasses.fields(Fault) if getattr(fault, each.name)}
    assert said == {each.name for each in dataclasses.fields(Fault)}


def test_faults_of_a_file_strike(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('[[fault]]\nstatus = 503\ntimes = 1\n[[fault]]\npath = "/v1/ping"\nafter = 1\nstatus = 500\n')
    with Sandbox(media=0, faults=Faults.from_toml(file)) as box:
        assert statuses(box, "/v1/ping", 3) == [503, 500, 500]


def test_a_file_without_faults_has_none(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text("# nothing yet\n")
    assert Faults.from_toml(file) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[fault]\n", "line 1"),
        ("[[fault]]\nstatus = \n", "line 2"),
        ("[[fault]]\nstatsu = 503\n", "fault 1.*statsu"),
        ("[[fault]]\nstatus = 503\n[[fault]]\nstatus = 7\n", "fault 2.*status"),
        ('[[fault]]\nstatus = "503"\n', "fault 1"),
        ("[[fault]]\nstatus = 503\n[[fault]]\n", "fault 2"),
        ("[[fault]]\ndelay = nan\n", "fault 1.*delay"),
        ("[fault]\nstatus = 503\n", r"\[\[fault\]\]"),
        ("fault = 5\n", r"\[\[fault\]\]"),
        ("fault = [5]\n", "fault 1"),
        ("status = 503\n", r"\[\[fault\]\]"),
        ("[[faults]]\nstatus = 503\n", r"\[\[fault\]\]"),
        ("[[fault]]\nstatus = 503\n[other]\nx = 1\n", r"\[\[fault\]\]"),
        ("[[fault]]\nstatus = 503\nbody = nan\n", "fault 1.*body"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_place(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"(?s)faults\.toml.*{named}"):
        Faults.from_toml(file)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_bytes(b"\xff\xfe[[fault]]")
    with pytest.raises(ValueError, match=r"faults\.toml"):
        Faults.from_toml(file)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Faults.from_toml(tmp_path / "faults.toml")


def strikes(fault: Fault) -> Mapping[str, Any]:
    """What a fault does, without where and when."""
    when = {"method", "path", "host", "after", "times", "probability", "seed"}
    given = {each.name: getattr(fault, each.name) for each in dataclasses.fields(fault)}
    return {name: value for name, value in given.items() if name not in when and value not in (None, False, 0)}


def test_chaos_has_what_servers_and_networks_do_and_nothing_that_a_repetition_cannot_mend() -> None:
    chaos = Faults.chaos(7)
    assert {(fault.method, fault.host) for fault in chaos} == {("GET", None), ("PUT", "storage")}
    assert {fault.status for fault in chaos} == {None, 429, 500, 502, 503, 504}
    assert {fault.reset for fault in chaos} >= {"before", "body"}
    assert any(fault.truncate for fault in chaos)
    assert any(strikes(fault).keys() == {"delay"} for fault in chaos)
    assert any(fault.status == 503 and fault.retry_after is not None for fault in chaos)
    assert any(fault.status == 502 and "<html" in str(fault.body).lower() for fault in chaos)
    assert {fault.retry_after_date for fault in chaos if fault.status == 429} == {False, True}
    assert all((fault.retry_after or 0) <= 1 and (fault.delay or 0) <= 1 for fault in chaos)
    assert not any(fault.malformed or fault.html or fault.revoke or fault.appear or fault.vanish for fault in chaos)
    assert all(0 < fault.probability < 0.2 for fault in chaos)


def test_chaos_follows_from_its_seed() -> None:
    assert Faults.chaos(7) == Faults.chaos(7)
    assert Faults.chaos(7) != Faults.chaos(8)
    assert Faults.chaos() == Faults.chaos(1)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "1"])
def test_chaos_refuses_a_seed_that_is_none(seed: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="seed"):
        Faults.chaos(seed)


def test_chaos_adds_the_faults_of_the_preset_and_strikes_both_hosts(box: Sandbox, media: int) -> None:
    url = signed_url(box, media)
    box.forget_requests()
    box.chaos(7)
    assert list(box.faults) == Faults.chaos(7)
    for _ in range(150):
        wire(box, "/v1/ping")
        wire(box, "", url=url)
    struck = {request.host for request in box.requests if request.fault is not None}
    assert struck == {"api", "storage"}


def test_chaos_leaves_changes_alone(box: Sandbox) -> None:
    box.chaos(7)
    for number in range(150):
        assert ask(box, f"/v1/collections?name=C{number}", method="POST").status == 201
    assert {request.fault for request in box.requests} == {None}
