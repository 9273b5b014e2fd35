"""Tests the refresh of tokens: it happens when it must, once, and no token is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from canvas_studio import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ClientClosedError,
    FileTokenStore,
    InternalServerError,
    InvalidArgumentError,
    LoginRequiredError,
    MemoryTokenStore,
    NotFoundError,
    OAuth,
    ResponseDecodeError,
    SignInError,
    StudioClient,
    StudioError,
    Tokens,
    TokenStoreError,
)
from canvas_studio.sandbox import Assumptions, Sandbox
from support.fault_server import (
    CLOSE,
    HANG,
    RESET,
    Answer,
    FaultServer,
    json_answer,
    text_answer,
)
from support.school import CLIENT_ID, CLIENT_SECRET, HOUR, TOKEN_PATH, School, eventually, running_signed_in
from support.token_stores import AwaitedStore, BlockingStore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from pathlib import Path

    from support.forms import Form

ENDED = datetime(2024, 1, 1, tzinfo=UTC)
# How long the tokens last of which the last moment is tested. That is a 64th of it, an eighth of a second: a machine
# that takes 50 ms to begin a call must not miss it.
LIFETIME = timedelta(seconds=8)
LAST_MOMENT = LIFETIME / 64

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs fork and POSIX signals")


@pytest.fixture
def school() -> Generator[School]:
    with School() as school:
        yield school


def saved(store: Any) -> str | None:
    tokens = store.load()
    return None if tokens is None else tokens.refresh_token


def test_tokens_that_have_ended_are_refreshed_before_they_are_used(form: Form, school: School) -> None:
    with school.client(school.oauth(MemoryTokenStore(school.expired()))) as studio:
        assert form.call(studio, "get_media", 1).id == 1
    assert [request.path for request in school.server.requests] == [TOKEN_PATH, "/api/public/v1/media/1"]


def test_tokens_that_are_refused_are_refreshed_then(form: Form, school: School) -> None:
    with school.client() as studio:
        school.end_access()
        assert form.call(studio, "get_media", 1).id == 1
        assert form.call(studio, "get_media", 2).id == 2
    paths = [request.path.removeprefix("/api/public") for request in school.server.requests]
    assert paths == ["/v1/media/1", "/oauth/token", "/v1/media/1", "/v1/media/2"]


def test_tokens_that_are_good_are_not_refreshed(form: Form, school: School) -> None:
    for expires_at in (None, datetime.now(UTC) + HOUR):
        with school.client(school.oauth(MemoryTokenStore(school.tokens(expires_at=expires_at)))) as studio:
            for number in range(1, 6):
                assert form.call(studio, "get_media", number).id == number
    assert school.refreshes == []
    assert len(school.calls) == 10


def test_short_tokens_are_not_refreshed_for_each_request(form: Form, school: School) -> None:
    """Tokens of a minute would be a minute early always, so how early goes with the lifetime."""
    school.granted = {"expires_in": 60}
    with school.client(school.oauth(MemoryTokenStore(school.expired()))) as studio:
        for number in range(1, 6):
            form.call(studio, "get_media", number)
    assert len(school.refreshes) == 1


def test_tokens_are_refreshed_a_little_before_they_end(school: School) -> None:
    """By a 64th of their lifetime, so that what is sent then arrives before they end."""
    school.granted = {"expires_in": 2}
    with school.client() as studio:
        # The connection is there then, so that what is asked for arrives at once.
        studio.get_media(1)
        school.end_access()
        # A machine that stands still may miss the moment, but not each time.
        while len(school.refreshes) < 5 and not any(age < 1.99 for age in ages(school)):
            studio.get_media(1)
    assert any(1.5 < age < 1.99 for age in ages(school))


def ages(school: School) -> list[float]:
    """How old tokens were when the next were asked for."""
    times = [request.at for request in school.refreshes]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_tokens_that_are_still_good_are_used_while_the_token_endpoint_fails(school: School) -> None:
    used_in_spite = 0
    for _ in range(4):
        school.endpoint = []
        school.granted = {"expires_in": 2}
        with school.client(school.oauth(MemoryTokenStore(school.expired())), max_retries=0) as studio:
            studio.get_media(1)
            before = len(school.refreshes)
            school.endpoint = [PASSING["503"]] * 100_000
            with contextlib.suppress(InternalServerError):
                while True:
                    studio.get_media(1)
                    used_in_spite += len(school.refreshes) > before
        # A machine that stands still may miss the moment, but not each time.
        if used_in_spite:
            break
    assert used_in_spite


def test_a_refresh_is_one_form_that_is_posted(form: Form, school: School) -> None:
    with school.client() as studio:
        school.end_access()
        form.call(studio, "get_media", 1)
    [request] = school.refreshes
    assert (request.method, request.path, request.query) == ("POST", TOKEN_PATH, ())
    assert request.headers["content-type"].partition(";")[0] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers
    assert sorted(parse_qsl(request.body.decode(), strict_parsing=True)) == [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("grant_type", "refresh_token"),
        ("refresh_token", "refresh-0-of-the-tests"),
    ]


def test_what_came_of_a_refresh_is_in_the_store(form: Form, school: School) -> None:
    store = MemoryTokenStore(school.expired())
    with school.client(school.oauth(store)) as studio:
        form.call(studio, "get_media", 1)
    tokens = store.load()
    assert tokens is not None
    assert (tokens.access_token, tokens.refresh_token) == ("access-1-of-the-tests", "refresh-1-of-the-tests")
    assert tokens.url == school.server.url
    assert tokens.expires_at is not None
    assert abs(tokens.expires_at - datetime.now(UTC) - timedelta(seconds=7200)) < timedelta(seconds=60)


def test_an_api_that_stays_401_is_refreshed_for_once(form: Form, school: School) -> None:
    school.stays_401 = True
    with school.client() as studio:
        for count in range(1, 4):
            with pytest.raises(AuthenticationError) as caught:
                form.call(studio, "get_media", 1)
            assert not isinstance(caught.value, SignInError)
            assert caught.value.url.endswith("/media/1")
            # Fresh tokens that have never been taken are no reason to get others at once.
            assert len(school.refreshes) == 1
            assert len(school.calls) <= 2 * count


def test_many_at_once_against_an_api_that_stays_401_refresh_once(form: Form, school: School) -> None:
    school.stays_401 = True
    with school.client() as studio:
        errors = many(form, 50, getting(form), studio)
    assert {type(error) for error in errors} == {AuthenticationError}
    assert len(school.refreshes) == 1
    assert len(school.calls) <= 100


def test_tokens_that_were_taken_are_refreshed_whenever_they_are_refused(form: Form, school: School) -> None:
    with school.client() as studio:
        for count in range(1, 6):
            school.end_access()
            assert form.call(studio, "get_media", count).id == count
            assert len(school.refreshes) == count


def test_a_token_that_is_refused_after_a_refresh_before_it_is_not_refreshed_again(form: Form, school: School) -> None:
    """The one refresh of the request was made before it was sent."""
    school.stays_401 = True
    with (
        school.client(school.oauth(MemoryTokenStore(school.expired()))) as studio,
        pytest.raises(AuthenticationError),
    ):
        form.call(studio, "get_media", 1)
    assert len(school.refreshes) == 1


REPLAYED: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "GET": ("request", ("GET", "/things/1"), {}),
    "a query": ("request", ("GET", "/things/1"), {"params": {"q": "Übung & more/+", "list": [1, 2], "empty": ""}}),
    "POST": ("request", ("POST", "/things"), {}),
    "a body": ("request", ("POST", "/things"), {"json": {"title": "Übung", "deep": [1, None, {"a": 1.5}]}}),
    "both": ("request", ("PUT", "/things"), {"params": {"a": 1}, "json": ["x"] * 5_000}),
    "PATCH": ("request", ("PATCH", "/things"), {"json": {}}),
    "DELETE": ("request", ("DELETE", "/things/1"), {}),
    "an operation": ("change_media_permissions", (1, [{"action": "create", "id": 7, "share_type": "user"}]), {}),
}


@pytest.mark.parametrize(("method", "arguments", "named"), REPLAYED.values(), ids=REPLAYED)
def test_the_request_after_a_refresh_differs_in_the_token_alone(
    form: Form, method: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    granted = json_answer({"access_token": "access-1-of-the-tests", "token_type": "Bearer", "expires_in": 7200})
    done = json_answer({"users": [{"id": 7, "permission": "view"}], "groups": []})
    with FaultServer(json_answer({"error": "expired"}, 401), granted, done) as server:
        tokens = Tokens("access-0-of-the-tests", refresh_token="refresh-0-of-the-tests", url=server.url)
        oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=MemoryTokenStore(tokens))
        with StudioClient(server.url, auth=oauth) as studio:
            form.call(studio, method, *arguments, **named)
    first, refresh, second = server.requests
    assert refresh.path == TOKEN_PATH
    assert first.raw.count(b"access-0-of-the-tests") == 1
    assert first.raw.replace(b"access-0-of-the-tests", b"access-1-of-the-tests") == second.raw


def test_a_change_that_was_refused_with_401_is_sent_again(form: Form, school: School) -> None:
    """A 401 says that nothing was carried out, so this is no blind repetition."""
    with school.client(max_retries=0) as studio:
        school.end_access()
        form.call(studio, "request", "POST", "/things", json={"a": 1})
    assert [request.method for request in school.calls] == ["POST", "POST"]


def many(form: Form, count: int, call: Callable[[StudioClient, int], Any], *studios: StudioClient) -> list[Any]:
    """What comes of so many calls at once, in threads or in tasks: a value, or what was raised."""
    chosen = [studios[number % len(studios)] for number in range(count)]
    if form.name == "async":

        async def all_of_them() -> list[Any]:
            calls = [call(studio, number) for number, studio in enumerate(chosen, 1)]
            return await asyncio.gather(*calls, return_exceptions=True)

        return asyncio.run(all_of_them())
    with ThreadPoolExecutor(count) as threads:
        started = threading.Barrier(count)

        def one(number: int, studio: StudioClient) -> Any:
            started.wait(20)
            return call(studio, number)

        calls: list[Future[Any]] = [threads.submit(one, number, studio) for number, studio in enumerate(chosen, 1)]
        return [call.exception() or call.result() for call in calls]


def getting(form: Form) -> Callable[[StudioClient, int], Any]:
    """Getting a media, as a call of `many`."""
    name = "get_media" if form.name == "blocking" else "get_media_async"
    return lambda studio, number: getattr(studio, name)(number)


@pytest.mark.parametrize("known", [True, False], ids=["expired", "refused"])
def test_a_hundred_at_once_refresh_once(form: Form, school: School, *, known: bool) -> None:
    store = MemoryTokenStore(school.expired() if known else school.tokens())
    school.end_access()
    with school.client(school.oauth(store)) as studio:
        found = many(form, 100, getting(form), studio)
    assert [media.id for media in found] == list(range(1, 101))
    assert len(school.refreshes) == 1


@pytest.mark.parametrize("known", [True, False], ids=["expired", "refused"])
def test_those_who_come_while_a_refresh_is_under_way_wait_for_it(form: Form, school: School, *, known: bool) -> None:
    school.gate = threading.Event()
    store = MemoryTokenStore(school.expired() if known else school.tokens())
    school.end_access()
    with school.client(school.oauth(store)) as studio, ThreadPoolExecutor(1) as thread:
        calls = thread.submit(many, form, 20, getting(form), studio)
        assert eventually(lambda: len(school.refreshes) == 1)
        if not known:
            # One that was refused, and the refresh; who comes late waits without having asked.
            assert school.server.wait_for_requests(2)
        school.gate.set()
        assert [media.id for media in calls.result(30)] == list(range(1, 21))
    assert len(school.refreshes) == 1


def test_two_clients_that_share_an_oauth_refresh_once(form: Form, school: School) -> None:
    oauth = school.oauth(MemoryTokenStore(school.expired()))
    with school.client(oauth) as first, school.client(oauth) as second:
        assert [media.id for media in many(form, 20, getting(form), first, second)] == list(range(1, 21))
    assert len(school.refreshes) == 1


def test_a_client_with_other_options_shares_the_tokens(form: Form, school: School) -> None:
    with school.client(school.oauth(MemoryTokenStore(school.expired()))) as studio:
        with studio.with_options(max_retries=0, connect_timeout=3) as other:
            assert form.call(other, "get_media", 1).id == 1
        assert form.call(studio, "get_media", 2).id == 2
        school.end_access()
        with studio.with_options(timeout=20) as other:
            found = many(form, 20, getting(form), studio, other)
        assert [media.id for media in found] == list(range(1, 21))
    assert len(school.refreshes) == 2


def test_two_oauths_on_one_file_refresh_once(form: Form, school: School, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    FileTokenStore(path).save(school.expired())
    with (
        school.client(school.oauth(FileTokenStore(path))) as first,
        school.client(school.oauth(FileTokenStore(path))) as second,
    ):
        assert [media.id for media in many(form, 20, getting(form), first, second)] == list(range(1, 21))
        school.end_access()
        found = many(form, 20, getting(form), first, second)
        assert [media.id for media in found] == list(range(1, 21))
    assert len(school.refreshes) == 2


def test_what_another_has_refreshed_is_used_without_a_refresh(form: Form, school: School, tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "tokens.json")
    store.save(school.tokens())
    with school.client(school.oauth(store)) as studio, school.client(school.oauth(store)) as another:
        form.call(studio, "get_media", 1)
        school.end_access()
        form.call(another, "get_media", 2)
        assert len(school.refreshes) == 1
        assert form.call(studio, "get_media", 3).id == 3
    assert len(school.refreshes) == 1
    assert school.calls[-1].headers["authorization"] == "Bearer access-1-of-the-tests"


def refused(form: Form, studio: StudioClient) -> LoginRequiredError:
    with pytest.raises(LoginRequiredError) as caught:
        form.call(studio, "get_media", 1)
    error = caught.value
    assert isinstance(error, SignInError)
    assert len(str(error)) > len(error.reason) + 20
    return error


def test_an_empty_store_means_to_log_in(form: Form, school: School) -> None:
    with school.client(school.oauth(MemoryTokenStore())) as studio:
        error = refused(form, studio)
    assert (error.reason, error.status_code) == ("no_tokens", None)
    assert school.server.requests == []


def test_without_a_refresh_token_the_end_means_to_log_in(form: Form, school: School) -> None:
    ended = Tokens("access-0-of-the-tests", expires_at=datetime.now(UTC) - HOUR, url=school.server.url)
    with school.client(school.oauth(MemoryTokenStore(ended))) as studio:
        assert refused(form, studio).reason == "no_refresh_token"
    assert school.server.requests == []


def test_without_a_refresh_token_a_refusal_means_to_log_in(form: Form, school: School) -> None:
    tokens = Tokens("access-0-of-the-tests", url=school.server.url)
    with school.client(school.oauth(MemoryTokenStore(tokens))) as studio:
        assert form.call(studio, "get_media", 1).id == 1
        school.end_access()
        assert refused(form, studio).reason == "no_refresh_token"
    assert school.refreshes == []


def test_a_refresh_token_that_is_refused_means_to_log_in(form: Form, school: School) -> None:
    dead = Tokens("access-0-of-the-tests", refresh_token="dead", expires_at=datetime.now(UTC), url=school.server.url)
    store = MemoryTokenStore(dead)
    with school.client(school.oauth(store)) as studio:
        error = refused(form, studio)
        assert (error.reason, error.status_code, error.body) == ("invalid_grant", 400, {"error": "invalid_grant"})
        assert len(school.refreshes) == 1
        assert school.calls == []
        # Whoever logs in does so through the store, perhaps in another process; nothing has to be made anew.
        store.save(school.tokens())
        assert form.call(studio, "get_media", 1).id == 1


def test_tokens_of_another_school_are_not_sent(form: Form, school: School) -> None:
    for url in ("https://otherschool.instructuremedia.com", "http://127.0.0.1:1"):
        theirs = Tokens("access-0-of-the-tests", refresh_token="refresh-0-of-the-tests", url=url)
        with school.client(school.oauth(MemoryTokenStore(theirs))) as studio:
            assert refused(form, studio).reason == "other_school"
    assert school.server.requests == []


def test_tokens_that_do_not_say_of_which_school_they_are_are_used(form: Form, school: School) -> None:
    store = MemoryTokenStore(Tokens("access-0-of-the-tests", refresh_token="refresh-0-of-the-tests"))
    with school.client(school.oauth(store)) as studio:
        assert form.call(studio, "get_media", 1).id == 1
        bound = store.load()
        assert bound is not None
        assert bound.url == school.server.url
        school.end_access()
        assert form.call(studio, "get_media", 1).id == 1
    tokens = store.load()
    assert tokens is not None
    assert tokens.url == school.server.url


def test_a_wrong_client_secret_is_no_matter_of_logging_in(form: Form, school: School) -> None:
    oauth = OAuth(CLIENT_ID, "wrong-secret-0123456789", store=MemoryTokenStore(school.expired()))
    with school.client(oauth) as studio, pytest.raises(SignInError) as caught:
        form.call(studio, "get_media", 1)
    assert not isinstance(caught.value, LoginRequiredError)
    assert (caught.value.reason, caught.value.status_code) == ("invalid_client", 401)
    assert len(school.refreshes) == 1


@pytest.mark.parametrize("word", ["invalid_request", "unauthorized_client", "unsupported_grant_type"])
def test_another_refusal_has_its_reason(form: Form, school: School, word: str) -> None:
    school.endpoint = [json_answer({"error": word, "error_description": "not today"}, 400)]
    store = MemoryTokenStore(school.expired())
    with school.client(school.oauth(store)) as studio:
        with pytest.raises(SignInError) as caught:
            form.call(studio, "get_media", 1)
        assert not isinstance(caught.value, LoginRequiredError)
        assert caught.value.reason == word
        assert saved(store) == "refresh-0-of-the-tests"
        assert form.call(studio, "get_media", 1).id == 1


@pytest.mark.parametrize("status", [403, 404, 418])
def test_a_page_that_is_no_word_of_oauth_is_no_matter_of_logging_in(form: Form, status: int) -> None:
    """A firewall in between says such things, and a job at night must not send somebody to log in for that."""
    with School(text_answer("<html>Blocked</html>", "text/html", status)) as school:
        store = MemoryTokenStore(school.expired())
        with school.client(school.oauth(store)) as studio:
            with pytest.raises(StudioError) as caught:
                form.call(studio, "get_media", 1)
            assert not isinstance(caught.value, LoginRequiredError)
            assert vars(caught.value)["status_code"] == status
            assert form.call(studio, "get_media", 1).id == 1


PASSING = {
    "503": json_answer({"error": "busy"}, 503),
    "500": json_answer({"error": "sorry"}, 500),
    "502 with a page": text_answer("<html>Bad gateway</html>", "text/html", 502),
    "429": json_answer({"error": "slow down"}, 429, {"Retry-After": "0"}),
    "reset": RESET,
    "closed": CLOSE,
    "cut": Answer(headers={"Content-Type": "application/json"}, body=b'{"access', content_length=99, end="close"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_at_the_token_endpoint_is_waited_for(form: Form, fault: Answer) -> None:
    with School(fault) as school, school.client(school.oauth(MemoryTokenStore(school.expired()))) as studio:
        assert form.call(studio, "get_media", 1).id == 1
        assert len(school.refreshes) == 2


@pytest.mark.timeout(150)
def test_a_token_endpoint_that_says_nothing_is_a_timeout_of_its_own() -> None:
    """It is waited for longer than for anything else, since what is given up may have been carried out.

    In one form alone: it takes half a minute.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ended = Tokens("access-0-of-the-tests", refresh_token="refresh-0-of-the-tests", expires_at=ENDED, url=url)
        store = MemoryTokenStore(ended)
        with StudioClient(url, auth=OAuth(CLIENT_ID, CLIENT_SECRET, store=store), max_retries=0) as studio:
            with pytest.raises(APITimeoutError) as caught:
                studio.get_media(1)
            assert (caught.value.method, caught.value.url) == ("POST", f"{url}{TOKEN_PATH}")
    assert saved(store) == "refresh-0-of-the-tests"


LASTING: dict[str, tuple[Answer, type[StudioError]]] = {
    "503": (PASSING["503"], InternalServerError),
    "reset": (RESET, APIConnectionError),
    "html": (text_answer("<html>Sign in to the network</html>", "text/html"), ResponseDecodeError),
    "broken": (text_answer('{"access_token": "acc', "application/json"), ResponseDecodeError),
    "no access token": (json_answer({"refresh_token": "refresh-1-of-the-tests"}), ResponseDecodeError),
    "a list": (json_answer([1]), ResponseDecodeError),
    "a number": (json_answer({"access_token": 7}), ResponseDecodeError),
    "empty": (json_answer({"access_token": ""}), ResponseDecodeError),
}


@pytest.mark.parametrize(("fault", "kind"), LASTING.values(), ids=LASTING)
def test_what_does_not_pass_is_its_own_error_and_loses_nothing(
    form: Form, fault: Answer, kind: type[StudioError]
) -> None:
    with School(*[fault] * 3) as school:
        store = MemoryTokenStore(school.expired())
        with school.client(school.oauth(store)) as studio:
            with pytest.raises(kind) as caught:
                form.call(studio, "get_media", 1)
            assert not isinstance(caught.value, SignInError)
            assert vars(caught.value)["method"] == "POST"
            assert vars(caught.value)["url"] == f"{school.server.url}{TOKEN_PATH}"
            assert school.calls == []
            assert saved(store) == "refresh-0-of-the-tests"
            school.endpoint = []
            assert form.call(studio, "get_media", 1).id == 1
        assert saved(store) == "refresh-1-of-the-tests"


def test_an_answer_without_a_refresh_token_keeps_the_old_one(form: Form) -> None:
    with School(refresh_token=None) as school:
        store = MemoryTokenStore(school.expired())
        with school.client(school.oauth(store)) as studio:
            assert form.call(studio, "get_media", 1).id == 1
        tokens = store.load()
        assert tokens is not None
        assert (tokens.access_token, tokens.refresh_token) == ("access-1-of-the-tests", "refresh-0-of-the-tests")


@pytest.mark.parametrize(
    "expires_in",
    [None, "7200", "soon", -5, 0, 0.5, 10**10, 10**18, 10**30, 1e300, True, [7200], {"seconds": 7200}],
    ids=repr,
)
def test_an_odd_lifetime_is_no_trouble(form: Form, expires_in: object) -> None:
    with School(expires_in=expires_in) as school:
        store = MemoryTokenStore(school.expired())
        with school.client(school.oauth(store)) as studio:
            for number in range(1, 4):
                assert form.call(studio, "get_media", number).id == number
        assert saved(store) == school.refresh_token
        tokens = store.load()
        assert tokens is not None
        assert Tokens.from_dict(tokens.to_dict()) == tokens
        # What says that it has ended already may be refreshed each time, and no more than that.
        assert len(school.refreshes) <= 3


@pytest.mark.parametrize("created_at", [None, "now", -1, 0, 10**18, 1.5])
def test_an_odd_time_of_creation_is_no_trouble(form: Form, created_at: object) -> None:
    with School(created_at=created_at) as school:
        with school.client(school.oauth(MemoryTokenStore(school.expired()))) as studio:
            for number in range(1, 4):
                assert form.call(studio, "get_media", number).id == number
        assert len(school.refreshes) == 1


@pytest.mark.parametrize("hours", [-24, -3, 3, 24])
def test_a_server_with_another_clock_is_no_trouble(form: Form, hours: int) -> None:
    """How long tokens are good is counted from when they came, by the clock that is looked at later."""
    with School(created_at=int(time.time()) + hours * 3600) as school:
        store = MemoryTokenStore(school.expired())
        with school.client(school.oauth(store)) as studio:
            for number in range(1, 4):
                assert form.call(studio, "get_media", number).id == number
        assert len(school.refreshes) == 1
        tokens = store.load()
        assert tokens is not None
        assert tokens.expires_at is not None
        assert abs(tokens.expires_at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)


@pytest.mark.parametrize("offset", [timedelta(days=365), timedelta(0) - timedelta(days=365)], ids=["late", "early"])
def test_a_store_that_tells_the_wrong_end_heals(form: Form, school: School, offset: timedelta) -> None:
    store = MemoryTokenStore(school.tokens(expires_at=datetime.now(UTC) + offset))
    school.end_access()
    with school.client(school.oauth(store)) as studio:
        for number in range(1, 4):
            assert form.call(studio, "get_media", number).id == number
    assert len(school.refreshes) == 1
    tokens = store.load()
    assert tokens is not None
    assert tokens.expires_at is not None
    assert abs(tokens.expires_at - datetime.now(UTC)) < timedelta(hours=3)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(json_answer({"error": "invalid_grant"}, 400), LoginRequiredError), (PASSING["503"], InternalServerError)],
    ids=["refused", "503"],
)
def test_those_who_wait_for_a_refresh_that_fails_get_its_error(
    form: Form, answer: Answer, kind: type[StudioError]
) -> None:
    gate = threading.Event()
    held = Answer(status=answer.status, headers=answer.headers, body=answer.body, gate=gate)
    with School(held) as school:
        with (
            school.client(school.oauth(MemoryTokenStore(school.expired())), max_retries=0) as studio,
            ThreadPoolExecutor(1) as thread,
        ):
            calls = thread.submit(many, form, 20, getting(form), studio)
            assert eventually(lambda: len(school.refreshes) == 1)
            # Nobody outside can see that all the others have come to wait as well; they need far less than this.
            time.sleep(0.5)
            gate.set()
            errors = calls.result(30)
        assert [type(error) for error in errors] == [kind] * 20
        assert len({id(error) for error in errors}) == 20
        assert len(school.refreshes) == 1
        assert school.calls == []


async def test_a_task_that_is_cancelled_during_a_refresh_loses_nothing(school: School) -> None:
    school.gate = threading.Event()
    store = MemoryTokenStore(school.expired())
    with school.client(school.oauth(store)) as studio:
        task = asyncio.create_task(studio.get_media_async(1))
        assert await asyncio.to_thread(eventually, lambda: len(school.refreshes) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        school.gate.set()
        assert await asyncio.to_thread(eventually, lambda: saved(store) == "refresh-1-of-the-tests")
        assert (await studio.get_media_async(2)).id == 2
    assert len(school.refreshes) == 1


async def test_a_task_that_is_cancelled_does_not_end_the_refresh_of_the_others(school: School) -> None:
    school.gate = threading.Event()
    with school.client(school.oauth(MemoryTokenStore(school.expired()))) as studio:
        first = asyncio.create_task(studio.get_media_async(1))
        assert await asyncio.to_thread(eventually, lambda: len(school.refreshes) == 1)
        others = [asyncio.create_task(studio.get_media_async(number)) for number in range(2, 12)]
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        school.gate.set()
        assert [media.id for media in await asyncio.gather(*others)] == list(range(2, 12))
    assert len(school.refreshes) == 1


def test_a_loop_that_ends_during_a_refresh_loses_nothing(school: School) -> None:
    school.gate = threading.Event()
    store = MemoryTokenStore(school.expired())
    with school.client(school.oauth(store)) as studio:

        async def leave() -> None:
            task = asyncio.create_task(studio.get_media_async(1))
            assert await asyncio.to_thread(eventually, lambda: len(school.refreshes) == 1)
            assert not task.done()

        asyncio.run(leave())
        school.gate.set()
        assert eventually(lambda: saved(store) == "refresh-1-of-the-tests")
        assert studio.get_media(2).id == 2
    assert len(school.refreshes) == 1


def test_a_call_that_takes_too_long_during_a_refresh_loses_nothing(form: Form, school: School) -> None:
    school.gate = threading.Event()
    store = MemoryTokenStore(school.expired())
    with school.client(school.oauth(store)) as studio:
        with studio.with_options(timeout=0.3) as hasty, pytest.raises(APITimeoutError):
            form.call(hasty, "get_media", 1)
        school.gate.set()
        assert eventually(lambda: saved(store) == "refresh-1-of-the-tests")
        assert form.call(studio, "get_media", 2).id == 2
    assert len(school.refreshes) == 1


async def test_a_timeout_of_asyncio_during_a_refresh_loses_nothing(school: School) -> None:
    school.gate = threading.Event()
    store = MemoryTokenStore(school.expired())
    with school.client(school.oauth(store)) as studio:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await studio.get_media_async(1)
        school.gate.set()
        assert await asyncio.to_thread(eventually, lambda: saved(store) == "refresh-1-of-the-tests")
        assert (await studio.get_media_async(2)).id == 2
    assert len(school.refreshes) == 1


def test_a_client_that_is_closed_during_a_refresh_loses_nothing(form: Form, school: School) -> None:
    school.gate = threading.Event()
    store = MemoryTokenStore(school.expired())
    oauth = school.oauth(store)
    with school.client(oauth) as studio, ThreadPoolExecutor(1) as thread:
        call = thread.submit(form.call, studio, "get_media", 1)
        assert eventually(lambda: len(school.refreshes) == 1)
        studio.close()
        with pytest.raises(ClientClosedError):
            call.result(20)
        school.gate.set()
        assert eventually(lambda: saved(store) == "refresh-1-of-the-tests")
    with school.client(oauth) as another:
        assert form.call(another, "get_media", 2).id == 2
    assert len(school.refreshes) == 1


def test_a_client_that_is_closed_does_not_end_the_refresh_of_another(form: Form, school: School) -> None:
    school.gate = threading.Event()
    oauth = school.oauth(MemoryTokenStore(school.expired()))
    with school.client(oauth) as studio, school.client(oauth) as another, ThreadPoolExecutor(2) as threads:
        doomed = threads.submit(form.call, studio, "get_media", 1)
        assert eventually(lambda: len(school.refreshes) == 1)
        kept = threads.submit(form.call, another, "get_media", 2)
        studio.close()
        with pytest.raises(ClientClosedError):
            doomed.result(20)
        school.gate.set()
        assert kept.result(20).id == 2
    assert len(school.refreshes) == 1


@posix_only
@pytest.mark.parametrize(
    "statement",
    ["studio.get_media(1)", "asyncio.run(studio.get_media_async(1))", "list(studio.search_media())"],
)
def test_ctrl_c_during_a_refresh_loses_nothing(school: School, tmp_path: Path, statement: str) -> None:
    school.gate = threading.Event()
    store = FileTokenStore(tmp_path / "tokens.json")
    store.save(school.expired())
    program = f"""
        # A process that was started in the background may have inherited that it is to ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            {statement}
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        sys.stdin.readline()
        print(studio.get_media(7).id)
    """
    with running_signed_in(program, school, tmp_path / "tokens.json") as it:
        assert it.stdout is not None
        assert eventually(lambda: len(school.refreshes) == 1)
        it.send_signal(signal.SIGINT)
        assert it.stdout.readline() == "interrupted\n"
        school.gate.set()
        assert eventually(lambda: saved(store) == "refresh-1-of-the-tests")
        assert it.communicate("\n", timeout=20) == ("7\n", "")
    assert len(school.refreshes) == 1


EXITS = {
    "a thread": """
        threading.Thread(target=studio.get_media, args=(1,), daemon=True).start()
        sys.stdin.readline()
    """,
    "a task": """
        import logging
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        async def main():
            task = asyncio.create_task(studio.get_media_async(1))
            await asyncio.to_thread(sys.stdin.readline)
            return task
        loop = asyncio.new_event_loop()
        task = loop.run_until_complete(main())
    """,
    "an exception": """
        threading.Thread(target=studio.get_media, args=(1,), daemon=True).start()
        sys.stdin.readline()
        sys.exit(0)
    """,
    "a closed client": """
        threading.Thread(target=studio.get_media, args=(1,), daemon=True).start()
        sys.stdin.readline()
        sys.stderr = open(os.devnull, "w")
        studio.close()
    """,
}


@pytest.mark.parametrize("program", EXITS.values(), ids=EXITS)
def test_an_exit_during_a_refresh_loses_nothing(school: School, tmp_path: Path, program: str) -> None:
    school.gate = threading.Event()
    store = FileTokenStore(tmp_path / "tokens.json")
    store.save(school.expired())
    with running_signed_in(program, school, tmp_path / "tokens.json") as it:
        assert it.stdin is not None
        assert eventually(lambda: len(school.refreshes) == 1)
        it.stdin.write("\n")
        it.stdin.flush()
        # An exit that does not wait for what the server has begun to say would go away meanwhile.
        assert not school.server.wait_for_disconnect(0.5)
        school.gate.set()
        assert it.wait(20) == 0
        assert it.stderr is not None
        assert it.stderr.read() == ""
    assert saved(store) == "refresh-1-of-the-tests"
    with school.client(school.oauth(store)) as studio:
        assert studio.get_media(1).id == 1
    assert len(school.refreshes) == 1


def test_an_exit_does_not_wait_for_ever_for_a_refresh(tmp_path: Path) -> None:
    with School(HANG) as school:
        FileTokenStore(tmp_path / "tokens.json").save(school.expired())
        with running_signed_in(EXITS["a thread"], school, tmp_path / "tokens.json") as it:
            assert eventually(lambda: len(school.refreshes) == 1)
            _, said = it.communicate("\n", timeout=40)
            assert (it.returncode, said) == (0, "")
        assert saved(FileTokenStore(tmp_path / "tokens.json")) == "refresh-0-of-the-tests"


FORKS = {
    "after use": """
        print(studio.get_media(1).id, flush=True)
        child = os.fork()
        if child == 0:
            print(studio.get_media(2).id, flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(studio.get_media(3).id)
    """,
    "after use, with asyncio": """
        print(asyncio.run(studio.get_media_async(1)).id, flush=True)
        child = os.fork()
        if child == 0:
            print(asyncio.run(studio.get_media_async(2)).id, flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(asyncio.run(studio.get_media_async(3)).id)
    """,
}


@posix_only
@pytest.mark.parametrize("program", FORKS.values(), ids=FORKS)
@pytest.mark.parametrize("expires_in", [7200, 0])
def test_after_a_fork_both_stay_signed_in(tmp_path: Path, program: str, expires_in: int) -> None:
    with School(expires_in=expires_in) as school:
        FileTokenStore(tmp_path / "tokens.json").save(school.expired())
        with running_signed_in(program, school, tmp_path / "tokens.json") as it:
            assert it.communicate(timeout=40) == ("1\n2\n3\n", "")
            assert it.returncode == 0
        if expires_in:
            assert len(school.refreshes) == 1


FORKED_DURING_A_REFRESH = """
    def say(number):
        # One write each, so that the lines of two processes do not mix.
        os.write(1, f"{studio.get_media(number).id}\\n".encode())

    thread = threading.Thread(target=say, args=(1,))
    thread.start()
    sys.stdin.readline()
    child = os.fork()
    if child == 0:
        say(2)
        os._exit(0)
    print("forked", flush=True)
    thread.join(20)
    assert os.waitpid(child, 0)[1] == 0
    print(studio.get_media(3).id)
"""


@posix_only
def test_a_child_that_is_forked_during_a_refresh_stays_signed_in(school: School, tmp_path: Path) -> None:
    school.gate = threading.Event()
    store = FileTokenStore(tmp_path / "tokens.json")
    store.save(school.expired())
    with running_signed_in(FORKED_DURING_A_REFRESH, school, tmp_path / "tokens.json") as it:
        assert it.stdin is not None
        assert it.stdout is not None
        assert eventually(lambda: len(school.refreshes) == 1)
        it.stdin.write("\n")
        it.stdin.flush()
        assert it.stdout.readline() == "forked\n"
        school.gate.set()
        said, complaints = it.communicate(timeout=40)
        assert (sorted(said.split()), complaints, it.returncode) == (["1", "2", "3"], "", 0)
    assert len(school.refreshes) == 1
    assert saved(store) == "refresh-1-of-the-tests"


@posix_only
def test_a_child_that_is_forked_during_a_refresh_and_lives_on_keeps_no_lock(school: School, tmp_path: Path) -> None:
    """The child inherits the open file of the lock; what it inherits must not keep everybody else out."""
    program = """
        thread = threading.Thread(target=lambda: print(studio.get_media(1).id, flush=True))
        thread.start()
        sys.stdin.readline()
        child = os.fork()
        if child == 0:
            os.close(1)
            os.close(2)
            sys.stdin.readline()
            os._exit(0)
        print("forked", flush=True)
        thread.join(20)
        with FileTokenStore(school["path"]).lock():
            print("locked", flush=True)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    """
    school.gate = threading.Event()
    FileTokenStore(tmp_path / "tokens.json").save(school.expired())
    with running_signed_in(program, school, tmp_path / "tokens.json") as it:
        assert it.stdin is not None
        assert it.stdout is not None
        assert eventually(lambda: len(school.refreshes) == 1)
        it.stdin.write("\n")
        it.stdin.flush()
        assert it.stdout.readline() == "forked\n"
        school.gate.set()
        assert it.communicate(timeout=30) == ("1\nlocked\n", "")


@posix_only
def test_a_child_with_tokens_in_memory_ends_its_call(school: School, tmp_path: Path) -> None:
    """Two processes with a copy each of what is good once cannot both stay signed in; but neither may hang."""
    program = """
        oauth = OAuth(school["client_id"], school["client_secret"], store=MemoryTokenStore(store.load()))
        studio = StudioClient(school["url"], auth=oauth, retry_delay=0)
        thread = threading.Thread(target=lambda: print(studio.get_media(1).id, flush=True))
        thread.start()
        sys.stdin.readline()
        child = os.fork()
        if child == 0:
            try:
                studio.get_media(2)
            except LoginRequiredError as error:
                print(error.reason, flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("ended", flush=True)
        thread.join(20)
        print(studio.get_media(3).id)
    """
    school.gate = threading.Event()
    FileTokenStore(tmp_path / "tokens.json").save(school.expired())
    with running_signed_in(program, school, tmp_path / "tokens.json") as it:
        assert it.stdin is not None
        assert it.stdout is not None
        assert eventually(lambda: len(school.refreshes) == 1)
        it.stdin.write("\n")
        it.stdin.flush()
        # The refresh token of both is used up by the parent's request.
        assert [it.stdout.readline(), it.stdout.readline()] == ["invalid_grant\n", "ended\n"]
        school.gate.set()
        said, complaints = it.communicate(timeout=40)
        assert (sorted(said.split()), complaints) == (["1", "3"], "")


def test_a_list_of_many_pages_outlives_its_tokens(form: Form) -> None:
    with Sandbox(media=400, token_lifetime=1) as box:
        box.faults.add(path="/v1/media/search", delay=0.15)
        # One page after the other, so that it takes some time.
        with box.client(auth=box.oauth(), max_concurrency=1) as studio:
            found = form.items(studio.search_media(per_page=20))
            assert len({media.id for media in found}) == len(found) == 400
        asked = [(request.path.rpartition("/")[2], request.status) for request in box.requests]
    assert {status for _, status in asked} <= {200, 401}
    assert asked.count(("token", 200)) >= 2


def test_a_list_whose_token_is_taken_back_midway_is_whole(form: Form) -> None:
    with Sandbox(media=400) as box:
        for after in (3, 9, 15):
            box.faults.add(path="/v1/media/search", after=after, times=1, revoke=True)
        with box.client(auth=box.oauth()) as studio:
            assert len({media.id for media in form.items(studio.search_media(per_page=20))}) == 400


def test_a_download_outlives_its_tokens_and_its_urls(form: Form, tmp_path: Path) -> None:
    with Sandbox(media=0, token_lifetime=1, url_lifetime=1) as box:
        media_id = box.add_media("Mitosis", size=2_000_000)
        box.faults.add(host="storage", bandwidth=700_000)
        box.faults.add(host="storage", reset="body", times=3)
        with box.client(auth=box.oauth(), retry_delay=0, max_retries=20) as studio:
            path = form.call(studio, "download_media", media_id, tmp_path / "mitosis.mp4")
        assert path.read_bytes() == box.media_file(media_id)
        asked = [(request.path.rpartition("/")[2], request.status) for request in box.requests]
    assert asked.count(("token", 200)) >= 1


def test_a_refresh_token_that_stays_good_is_no_trouble(form: Form) -> None:
    with Sandbox(media=3, token_lifetime=1, assumptions=Assumptions(refresh_tokens_rotate=False)) as box:
        with box.client(auth=box.oauth()) as studio:
            form.total(studio.search_media())
            time.sleep(1.2)
            assert form.total(studio.search_media()) == 3
        assert [request.status for request in box.requests] == [200, 200, 200]


def test_short_tokens_are_refreshed_once_in_each_lifetime(form: Form) -> None:
    with Sandbox(media=3, token_lifetime=1) as box, box.client(auth=box.oauth()) as studio:
        start = time.monotonic()
        calls = 0
        while time.monotonic() - start < 3:
            assert form.call(studio, "request", "GET", "/ping") == "pong"
            calls += 1
            time.sleep(0.02)
        lifetimes = time.monotonic() - start
        asked = [(request.path, request.status) for request in box.requests]
    refreshes = asked.count((TOKEN_PATH, 200))
    assert calls > 10
    assert refreshes >= 2
    # A machine that stood still between looking at the clock and sending may be late once.
    assert sum(status != 200 for _, status in asked) <= 1
    # Each is a little early, by a 64th.
    assert refreshes <= lifetimes * 65 / 64 + 1


def wait_for_the_last_moment(tokens: Tokens) -> None:
    """Wait until tokens are about to end, so that they are good, and are refreshed all the same."""
    assert tokens.expires_at is not None
    rest = tokens.expires_at - LAST_MOMENT - datetime.now(UTC)
    time.sleep(max(rest.total_seconds(), 0))


class TimedStore(BlockingStore):
    """A store that knows whether its tokens were good when its lock was wanted last."""

    is_in_time = False

    def note(self, call: str) -> None:
        """Note a call."""
        if call == "lock" and self.tokens is not None and self.tokens.expires_at is not None:
            self.is_in_time = datetime.now(UTC) < self.tokens.expires_at
        super().note(call)


class TimedAwaitedStore(AwaitedStore):
    """The same, for asyncio."""

    is_in_time = False

    def note(self, call: str) -> None:
        """Note a call."""
        if call == "lock" and self.tokens is not None and self.tokens.expires_at is not None:
            self.is_in_time = datetime.now(UTC) < self.tokens.expires_at
        super().note(call)


def test_a_token_that_was_taken_with_a_404_is_refreshed_when_it_is_refused(form: Form) -> None:
    with Sandbox(media=1) as box:
        granted = box.oauth_token()
        store = MemoryTokenStore(Tokens(granted["access_token"], refresh_token=granted["refresh_token"]))
        with box.client(auth=OAuth(box.client_id, box.client_secret, store=store), retry_delay=0) as studio:
            box.faults.add(revoke=True, times=1)
            for _ in range(3):
                with pytest.raises(NotFoundError):
                    form.call(studio, "get_media", 999_999)
            box.faults.add(revoke=True, times=1)
            assert form.total(studio.search_media()) == 1
        asked = [(request.path.rpartition("/")[2], request.status) for request in box.requests]
    assert asked.count(("token", 200)) == 2


def test_an_exit_leaves_stores_behind_that_do_not_come_to_an_end(school: School, tmp_path: Path) -> None:
    """They are at work in Python for ever, as while somebody else has a lock that is polled for."""
    program = """
        import contextlib, time
        from canvas_studio import APITimeoutError

        class Polling:
            @contextlib.contextmanager
            def lock(self):
                while True:
                    time.sleep(0.0005)
                    [0] * 1000
                yield

            def load(self):
                return None

            def save(self, tokens):
                pass

        class PollingAsync:
            @contextlib.asynccontextmanager
            async def lock(self):
                while True:
                    await asyncio.sleep(0.0005)
                yield

            async def load(self):
                return None

            async def save(self, tokens):
                pass

        for other in (Polling(), PollingAsync()):
            auth = OAuth(school["client_id"], school["client_secret"], store=other)
            try:
                StudioClient(school["url"], auth=auth, timeout=0.1).get_media(1)
            except APITimeoutError:
                print("late", flush=True)
    """
    with running_signed_in(program, school, tmp_path / "tokens.json") as it:
        assert it.communicate(timeout=30) == ("late\nlate\n", "")
        assert it.returncode == 0


@pytest.mark.parametrize("trouble", ["the token endpoint", "the store"])
def test_trouble_with_a_refresh_does_no_harm_while_the_token_is_good(form: Form, school: School, trouble: str) -> None:
    # A machine that stands still may miss the moment, but not each time.
    for _ in range(4):
        gate = threading.Event()
        before = len(school.refreshes)
        tokens = school.tokens(expires_at=datetime.now(UTC) + LIFETIME)
        store = TimedStore(tokens)
        with school.client(school.oauth(store), timeout=1, max_retries=0) as studio:
            assert form.call(studio, "get_media", 1).id == 1
            if trouble == "the store":
                store.raises["load"] = OSError("database is away")
            else:
                school.endpoint = [json_answer({"error": "away"}, 503, gate=gate)]
            wait_for_the_last_moment(tokens)
            try:
                while store.calls.count("lock") < 2:
                    assert form.call(studio, "get_media", 2).id == 2
            except (APITimeoutError, TokenStoreError):
                assert not store.is_in_time
            finally:
                gate.set()
            assert eventually(lambda: store.calls.count("unlock") == 2)  # noqa: B023 (it is called at once)
        if store.is_in_time:
            assert len(school.refreshes) - before == (trouble == "the token endpoint")
            return
    pytest.fail("the moment was missed each time")


class HeldUpStore(AwaitedStore):
    """A store of which the first lock takes until somebody resumes it."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self.entered = asyncio.Event()
        self.resume = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Keep the others away."""
        if not self.entered.is_set():
            self.entered.set()
            await self.resume.wait()
        async with super().lock():
            yield


def test_nobody_waits_for_a_loop_that_does_not_run(form: Form, school: School) -> None:
    store = HeldUpStore(school.expired())
    loop = asyncio.new_event_loop()
    with contextlib.closing(loop), school.client(school.oauth(store), timeout=10) as studio:

        async def begin() -> asyncio.Task[Any]:
            task = asyncio.ensure_future(studio.get_media_async(1))
            await store.entered.wait()
            return task

        task = loop.run_until_complete(begin())
        for number in (2, 3):
            assert form.call(studio, "get_media", number).id == number
        store.resume.set()
        assert loop.run_until_complete(task).id == 1
    assert len(school.refreshes) == 1


async def test_a_blocking_call_does_not_wait_for_a_task_of_its_own_thread(school: School) -> None:
    store = HeldUpStore(school.expired())
    with school.client(school.oauth(store), timeout=10) as studio:
        task = asyncio.ensure_future(studio.get_media_async(1))
        await store.entered.wait()
        assert studio.get_media(2).id == 2
        store.resume.set()
        assert (await task).id == 1
    assert len(school.refreshes) == 1


class Garbage:
    """An object that does something when it is collected."""

    def __init__(self, end: Callable[[], None]) -> None:
        self.end = end

    def __del__(self) -> None:
        self.end()


class CollectingStore(BlockingStore):
    """A store in which a finalizer runs."""

    end: Callable[[], None]

    def load(self) -> Tokens | None:
        """Read the tokens."""
        Garbage(self.end)
        return super().load()


class AskingStore(AwaitedStore):
    """A store that asks its own client for something."""

    ask: Callable[[], Any]

    async def load(self) -> Tokens | None:
        """Read the tokens."""
        with contextlib.suppress(StudioError):
            await self.ask()
        return await super().load()


class Refusals:
    """What came of calls to a client, and when."""

    def __init__(self, studio: StudioClient) -> None:
        self.studio = studio
        self.errors: list[StudioError] = []

    def call(self) -> None:
        """Ask for something."""
        try:
            self.studio.get_media(2)
        except StudioError as error:
            self.errors.append(error)

    async def call_async(self) -> None:
        """Ask for something, in a task."""
        try:
            await self.studio.get_media_async(2)
        except StudioError as error:
            self.errors.append(error)


def test_a_finalizer_in_a_store_does_not_wait_for_that_store(form: Form, school: School) -> None:
    store = CollectingStore(school.expired())
    with school.client(school.oauth(store), timeout=20) as studio:
        refusals = Refusals(studio)
        store.end = refusals.call
        assert form.call(studio, "get_media", 1).id == 1
    assert [type(error) for error in refusals.errors] == [TokenStoreError]
    assert "token store" in str(refusals.errors[0])


def test_an_async_store_that_asks_its_own_client_is_refused_at_once(form: Form, school: School) -> None:
    store = AskingStore(school.expired())
    with school.client(school.oauth(store), timeout=20) as studio:
        refusals = Refusals(studio)
        store.ask = refusals.call_async
        assert form.call(studio, "get_media", 1).id == 1
    assert [type(error) for error in refusals.errors] == [TokenStoreError]


def test_where_fresh_tokens_are_refused_nobody_is_told_to_get_new_ones(form: Form, school: School) -> None:
    school.stays_401 = True
    with school.client() as studio, pytest.raises(AuthenticationError) as caught:
        form.call(studio, "get_media", 1)
    assert len(school.refreshes) == 1
    assert "get a new one" not in str(caught.value)
    assert "check the school" in str(caught.value)
    with (
        StudioClient(school.server.url, token="token-of-the-tests", retry_delay=0) as studio,
        pytest.raises(AuthenticationError, match="get a new one"),
    ):
        form.call(studio, "get_media", 1)


def test_tokens_without_a_school_belong_to_the_first_that_uses_them(form: Form, school: School) -> None:
    tokens = school.tokens()
    store = MemoryTokenStore(Tokens(tokens.access_token, refresh_token=tokens.refresh_token))
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=store)
    with School() as other, other.client(oauth) as made_before, school.client(oauth) as studio:
        assert form.call(studio, "get_media", 1).id == 1
        with pytest.raises(LoginRequiredError) as caught:
            form.call(made_before, "get_media", 1)
        assert caught.value.reason == "other_school"
        with pytest.raises(InvalidArgumentError, match=school.server.url):
            other.client(oauth)
        school.end_access()
        assert form.call(studio, "get_media", 2).id == 2
        refreshed = store.load()
        assert refreshed is not None
        assert refreshed.url == school.server.url
        with pytest.raises(LoginRequiredError):
            form.call(made_before, "get_media", 2)
        assert other.server.requests == []


def test_a_loop_that_ends_with_the_call_loses_no_tokens_that_are_refreshed_early(school: School) -> None:
    """As in a job that is a call each minute, with a loop each: the last minute of the tokens meets it every time."""
    # A machine that stands still may miss the moment, but not each time.
    for _ in range(4):
        school.gate = threading.Event()
        before = len(school.refreshes)
        tokens = school.tokens(expires_at=datetime.now(UTC) + LIFETIME)
        store = TimedAwaitedStore(tokens)

        def answer_soon(gate: threading.Event = school.gate, before: int = before) -> None:
            assert eventually(lambda: len(school.refreshes) > before)
            # Nobody outside can see that a call does not wait; one that does not is over in far less.
            time.sleep(0.1)
            gate.set()

        with school.client(school.oauth(store), timeout=20) as studio, ThreadPoolExecutor(1) as thread:
            assert asyncio.run(studio.get_media_async(1)).id == 1
            wait_for_the_last_moment(tokens)
            answered = thread.submit(answer_soon)
            while store.calls.count("lock") < 2:
                assert asyncio.run(studio.get_media_async(2)).id == 2
            was_in_time = store.is_in_time
            answered.result(30)
        assert len(school.refreshes) == before + 1
        # What the next run finds.
        assert store.tokens is not None
        assert store.tokens.refresh_token == school.refresh_token
        with school.client(school.oauth(AwaitedStore(store.tokens))) as studio:
            assert asyncio.run(studio.get_media_async(3)).id == 3
        if was_in_time:
            return
    pytest.fail("the moment was missed each time")
