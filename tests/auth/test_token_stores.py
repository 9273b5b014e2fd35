"""Token stores: those of the package, those that users write, and what both can rely on."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import pickle
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

import pytest
from canvas_studio import (
    APIConnectionError,
    AsyncTokenStore,
    FileTokenStore,
    InvalidArgumentError,
    KeyringTokenStore,
    LoginRequiredError,
    MemoryTokenStore,
    OAuth,
    StudioClient,
    StudioError,
    Tokens,
    TokenStore,
    TokenStoreError,
)
from support.fault_server import Answer, FaultServer, Received, json_answer, media_named_in_path
from support.school import CLIENT_ID, CLIENT_SECRET, TOKEN_PATH
from support.token_stores import (
    ENDED,
    AwaitedStore,
    BlockingStore,
    documented_sqlite_store,
    number_of,
    tenant,
    tokens_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from support.forms import Form

LATER = datetime(2999, 1, 1, tzinfo=UTC)
WRONG_TYPE = (InvalidArgumentError, TypeError)

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions and signals")

NOBODY = 65_534


class Refresher:
    """A Studio that takes each refresh token once and tells what stood in the store when a token came to be used."""

    def __init__(self) -> None:
        self.number = 0
        self.look: Callable[[], Tokens | None] = lambda: None
        self.seen: list[int | None] = []
        self.lock = threading.Lock()
        self.gate: threading.Event | None = None

    def __call__(self, request: Received) -> Answer:
        """Answer one request."""
        if request.path != TOKEN_PATH:
            used = int(request.headers["authorization"].split("-")[1])
            self.seen.append(number_of(self.look()))
            good = used == self.number
            return media_named_in_path(request) if good else json_answer({"error": "expired"}, 401)
        with self.lock:
            if dict(parse_qsl(request.body.decode()))["refresh_token"] != f"refresh-{self.number}-of-it":
                return json_answer({"error": "invalid_grant"}, 400)
            self.number += 1
            fresh = {"access_token": f"access-{self.number}-of-it", "refresh_token": f"refresh-{self.number}-of-it"}
            return json_answer({**fresh, "token_type": "Bearer", "expires_in": 7200}, gate=self.gate)


@pytest.fixture
def studio_of_tests() -> Refresher:
    return Refresher()


@pytest.fixture
def server(studio_of_tests: Refresher) -> Iterator[FaultServer]:
    with FaultServer(studio_of_tests) as server:
        yield server


def refreshes(server: FaultServer) -> int:
    return sum(request.path == TOKEN_PATH for request in server.requests)


def client(server: FaultServer, store: Any) -> StudioClient:
    """A client on a store, whose calls wait no longer than a test does."""
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=store)
    return StudioClient(server.url, auth=oauth, retry_delay=0, timeout=30)


Kind = type[BlockingStore] | type[AwaitedStore]


@pytest.fixture(params=[BlockingStore, AwaitedStore], ids=["with", "async with"])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def test_what_users_write_is_a_store_to_a_type_checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_keyring(monkeypatch, tmp_path)
    stores: list[TokenStore] = [MemoryTokenStore(), FileTokenStore("tokens.json"), KeyringTokenStore("myschool")]
    stores.append(BlockingStore(None))
    awaited: AsyncTokenStore = AwaitedStore(None)
    assert OAuth(CLIENT_ID, CLIENT_SECRET, store=awaited).store is awaited
    for store in stores:
        assert OAuth(CLIENT_ID, CLIENT_SECRET, store=store).store is store


def test_a_refresh_locks_loads_saves_and_unlocks(form: Form, kind: Kind, server: FaultServer) -> None:
    store = kind(tokens_of(url=server.url))
    with client(server, store) as studio:
        assert form.call(studio, "get_media", 1).id == 1
    assert store.calls == ["lock", "load", "save", "unlock"]
    assert number_of(store.tokens) == 1


def test_what_is_good_is_loaded_under_the_lock_and_kept(form: Form, kind: Kind, server: FaultServer) -> None:
    store = kind(tokens_of(expires_at=LATER, url=server.url))
    with client(server, store) as studio:
        for number in range(1, 6):
            assert form.call(studio, "get_media", number).id == number
    assert store.calls == ["lock", "load", "unlock"]
    assert refreshes(server) == 0


class ForgetfulStore(BlockingStore):
    """A store that keeps no URL, such as a table without a column for it."""

    def save(self, tokens: Tokens | None) -> None:
        """Keep them without the URL."""
        assert tokens is not None
        super().save(Tokens(tokens.access_token, refresh_token=tokens.refresh_token, expires_at=tokens.expires_at))


def test_tokens_without_a_school_are_stored_with_the_first_one_before_anything_is_sent(
    form: Form, kind: Kind, server: FaultServer, studio_of_tests: Refresher
) -> None:
    store = kind(tokens_of(expires_at=LATER))
    stored: list[str | None] = []

    def look() -> Tokens | None:
        assert store.tokens is not None
        stored.append(store.tokens.url)
        return store.tokens

    studio_of_tests.look = look
    with client(server, store) as studio:
        for number in (1, 2):
            assert form.call(studio, "get_media", number).id == number
    assert stored == [server.url] * 2
    assert store.calls == ["lock", "load", "save", "unlock"]
    assert refreshes(server) == 0


def test_ended_tokens_without_a_school_are_stored_with_it_before_the_refresh(
    form: Form, kind: Kind, server: FaultServer, studio_of_tests: Refresher
) -> None:
    store = kind(tokens_of())
    stored: list[tuple[int | None, str | None]] = []
    gate = studio_of_tests.gate = threading.Event()
    with client(server, store) as studio, ThreadPoolExecutor(1) as threads:
        call = threads.submit(form.call, studio, "get_media", 1)
        while not refreshes(server) and not call.done():
            time.sleep(0.005)
        assert store.tokens is not None
        stored.append((number_of(store.tokens), store.tokens.url))
        gate.set()
        assert call.result(20).id == 1
    assert stored == [(0, server.url)]
    assert store.calls == ["lock", "load", "save", "unlock"] * 2
    assert (number_of(store.tokens), store.tokens.url) == (1, server.url)


def test_refused_tokens_without_a_school_are_refreshed(
    form: Form, kind: Kind, server: FaultServer, studio_of_tests: Refresher
) -> None:
    studio_of_tests.number = 3
    store = kind(tokens_of(3, expires_at=LATER, url=server.url))
    with client(server, store) as studio:
        form.call(studio, "get_media", 1)
        # Somebody has copied the token endpoint's answer into the store, and that token is refused.
        store.tokens = tokens_of(4, expires_at=LATER)
        studio_of_tests.number = 4
        assert form.call(studio, "get_media", 2).id == 2
        studio_of_tests.number = 5
        store.tokens = tokens_of(5, expires_at=ENDED)
        assert form.call(studio, "get_media", 3).id == 3
    assert refreshes(server) == 1


@pytest.mark.parametrize("expires_at", [LATER, ENDED], ids=["good", "ended"])
def test_tokens_without_a_school_that_cannot_be_stored_with_one_are_not_sent(
    expires_at: datetime, form: Form, kind: Kind, server: FaultServer
) -> None:
    store = kind(tokens_of(expires_at=expires_at))
    store.raises["save"] = PermissionError("read-only")
    with client(server, store) as studio:
        for _ in range(2):
            with pytest.raises(TokenStoreError, match="store them with their `url`") as caught:
                form.call(studio, "get_media", 1)
            assert isinstance(caught.value.__cause__, PermissionError)
        assert server.requests == []
        del store.raises["save"]
        assert form.call(studio, "get_media", 1).id == 1
    assert store.tokens is not None
    assert store.tokens.url == server.url


@pytest.mark.parametrize("expires_at", [LATER, ENDED], ids=["good", "ended"])
def test_the_second_school_gets_no_tokens_without_a_school(
    expires_at: datetime, form: Form, server: FaultServer, tmp_path: Path
) -> None:
    """Each client has its own `OAuth` and its own store, as in two programs."""
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({**tokens_of(expires_at=expires_at).to_dict(), "url": None}))
    path.chmod(0o600)
    with client(server, FileTokenStore(path)) as studio:
        assert form.call(studio, "get_media", 1).id == 1
    with FaultServer(json_answer({}, 401)) as other:
        with client(other, FileTokenStore(path)) as studio, pytest.raises(LoginRequiredError) as caught:
            form.call(studio, "get_media", 1)
        assert caught.value.reason == "other_school"
        assert other.requests == []


def test_tokens_that_were_first_used_with_a_wrong_url_name_the_way_out(form: Form, server: FaultServer) -> None:
    store = MemoryTokenStore(tokens_of(expires_at=LATER))
    with FaultServer(listening=False) as wrong, client(wrong, store) as studio, pytest.raises(APIConnectionError):
        form.call(studio.with_options(max_retries=0), "get_media", 1)
    with client(server, store) as studio:
        with pytest.raises(LoginRequiredError) as caught:
            form.call(studio, "get_media", 1)
        assert f'save them again as Tokens(..., url="{server.url}")' in str(caught.value)
        assert server.requests == []
        store.save(tokens_of(expires_at=LATER, url=server.url))
        assert form.call(studio, "get_media", 1).id == 1


def test_one_oauth_sends_tokens_without_a_school_to_the_first_one_only(
    form: Form, kind: Kind, server: FaultServer
) -> None:
    """Two clients of one `OAuth` that does not name a school, and a store that cannot save at first."""
    store = kind(tokens_of(expires_at=LATER))
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=store)
    with FaultServer(json_answer({}, 401)) as other:
        first = StudioClient(server.url, auth=oauth, max_retries=0)
        second = StudioClient(other.url, auth=oauth, max_retries=0)
        store.raises["save"] = OSError("full")
        with pytest.raises(TokenStoreError):
            form.call(first, "get_media", 1)
        del store.raises["save"]
        with pytest.raises(LoginRequiredError) as caught:
            form.call(second, "get_media", 1)
        assert caught.value.reason == "other_school"
        assert f'save them again as Tokens(..., url="{other.url}")' in str(caught.value)
        assert form.call(first, "get_media", 1).id == 1
        assert other.requests == []


@pytest.mark.parametrize("expires_at", [LATER, ENDED], ids=["good", "ended"])
def test_a_store_that_keeps_no_school_serves_the_first_one(
    expires_at: datetime, form: Form, server: FaultServer, studio_of_tests: Refresher
) -> None:
    store = ForgetfulStore(tokens_of(expires_at=expires_at))
    with client(server, store) as studio:
        for number in range(1, 6):
            assert form.call(studio, "get_media", number).id == number
        studio_of_tests.number += 1
        store.tokens = tokens_of(studio_of_tests.number, expires_at=LATER)
        assert form.call(studio, "get_media", 6).id == 6
    assert len(server.requests) == 6 + 1 + (expires_at is ENDED)


def test_ended_tokens_without_a_school_and_without_a_refresh_token_stay_as_they_are(
    form: Form, kind: Kind, server: FaultServer
) -> None:
    store = kind(Tokens("access-0-of-it", expires_at=ENDED))
    with client(server, store) as studio, pytest.raises(LoginRequiredError) as caught:
        form.call(studio, "get_media", 1)
    assert caught.value.reason == "no_refresh_token"
    assert store.calls == ["lock", "load", "unlock"]
    assert server.requests == []


def test_nothing_is_read_before_somebody_asks_for_something(kind: Kind, server: FaultServer) -> None:
    store = kind(tokens_of())
    with client(server, store) as studio:
        studio.search_media()
        assert repr(studio)
    assert store.calls == []


def test_a_token_is_in_the_store_before_it_is_used(
    form: Form, kind: Kind, server: FaultServer, studio_of_tests: Refresher
) -> None:
    store = kind(tokens_of(expires_at=LATER, url=server.url))
    studio_of_tests.look = lambda: store.tokens
    with client(server, store) as studio:
        form.call(studio, "get_media", 1)
        # From now on the access token is refused, so that the first try of the next call is one.
        studio_of_tests.number = 7
        store.tokens = tokens_of(7, url=server.url)
        form.call(studio, "get_media", 2)
    assert studio_of_tests.seen == [0, 7, 8]
    assert store.calls[3:] == ["lock", "load", "save", "unlock"]


def test_what_another_has_saved_is_used_without_a_refresh(form: Form, kind: Kind, server: FaultServer) -> None:
    store = kind(tokens_of(9, expires_at=LATER))
    with client(server, store) as studio, pytest.raises(StudioError):
        form.call(studio, "get_media", 1)
    # It is refused, once refreshed for, and refused again: this Studio has never given it out.
    assert refreshes(server) == 1
    store = kind(tokens_of(9, expires_at=LATER))
    with client(server, store) as studio:
        store.note("---")
        store.tokens = tokens_of(0, expires_at=LATER)
        assert form.call(studio, "get_media", 1).id == 1
    assert refreshes(server) == 1


def test_a_store_that_has_other_dead_tokens_each_time_does_not_go_round_for_ever(
    form: Form, kind: Kind, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else refreshes it all the time, and perhaps at another school."""
    store = kind(None)
    note = store.note

    def note_and_change(call: str) -> None:
        note(call)
        store.tokens = tokens_of(100 + len(store.calls), expires_at=LATER)

    monkeypatch.setattr(store, "note", note_and_change)
    with client(server, store) as studio, pytest.raises(StudioError) as caught:
        form.call(studio, "get_media", 1)
    assert vars(caught.value)["status_code"] in {400, 401}
    assert len(server.requests) < 10


def test_exchange_saves_under_the_lock(form: Form, kind: Kind) -> None:
    store = kind(None)
    granted = {"access_token": "access-1-of-it", "refresh_token": "refresh-1-of-it", "expires_in": 7200}
    with FaultServer(json_answer(granted)) as server:
        oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=store, url=server.url)
        form.call(oauth, "exchange", "code-of-the-tests")
    assert [call for call in store.calls if call != "load"] == ["lock", "save", "unlock"]
    assert number_of(store.tokens) == 1


def test_forget_saves_nothing_under_the_lock(form: Form, kind: Kind) -> None:
    store = kind(tokens_of())
    form.call(OAuth(CLIENT_ID, CLIENT_SECRET, store=store), "forget")
    assert [call for call in store.calls if call != "load"] == ["lock", "save", "unlock"]
    assert store.tokens is None


def test_a_blocking_store_runs_on_one_thread_that_is_not_the_callers(form: Form, server: FaultServer) -> None:
    """A database connection may be used in the thread that opened it, and a loop must not stand still for one."""
    store = BlockingStore(tokens_of(url=server.url))
    with client(server, store) as studio:
        form.call(studio, "get_media", 1)
    assert len(set(store.threads)) == 1
    assert store.threads[0] != threading.get_ident()
    assert store.loops == [None] * 4


async def test_an_async_store_is_awaited_on_the_loop_of_the_caller(server: FaultServer) -> None:
    store = AwaitedStore(tokens_of())
    with client(server, store) as studio:
        assert (await studio.get_media_async(1)).id == 1
    assert set(store.loops) == {asyncio.get_running_loop()}
    assert set(store.threads) == {threading.get_ident()}


def test_an_async_store_in_a_blocking_call_has_a_loop_of_its_own(server: FaultServer) -> None:
    store = AwaitedStore(tokens_of(url=server.url))
    with client(server, store) as studio:
        assert studio.get_media(1).id == 1
    assert len(set(store.loops)) == 1
    assert None not in store.loops
    assert store.calls == ["lock", "load", "save", "unlock"]


class LingeringStore(AwaitedStore):
    """A store that leaves a task behind, such as the one of a pool of connections, which takes its time to end."""

    async def load(self) -> Tokens | None:
        """Read the tokens."""
        self.left_behind = asyncio.create_task(self.linger())
        return await super().load()

    async def linger(self) -> None:
        """Take a while, also when told to end."""
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.2)


def test_one_call_that_asks_an_async_store_twice_does_not_trip_over_itself(
    form: Form, server: FaultServer, studio_of_tests: Refresher
) -> None:
    """Its tokens are refused, so it asks again, and the loop that it asked on before may not have ended."""
    store = LingeringStore(tokens_of(expires_at=LATER, url=server.url))
    studio_of_tests.number = 1
    with client(server, store) as studio, pytest.raises(LoginRequiredError):
        form.call(studio, "get_media", 1)
    assert store.calls == ["lock", "load", "unlock"] * 2


async def test_a_blocking_call_inside_a_running_loop_reaches_either_store(kind: Kind, server: FaultServer) -> None:
    """As in a notebook, whose loop stands still for the call and so cannot run the store's coroutines."""
    store = kind(tokens_of())
    with client(server, store) as studio:
        assert studio.get_media(1).id == 1
        store.tokens = tokens_of(1)
        assert (await studio.get_media_async(2)).id == 2
    assert number_of(store.tokens) == 1
    assert asyncio.get_running_loop() not in store.loops


def test_the_variables_of_the_caller_are_there(form: Form, kind: Kind, server: FaultServer) -> None:
    store = kind(tokens_of(url=server.url))
    with client(server, store) as studio:
        tenant.set("tenant-7")
        form.call(studio, "get_media", 1)
    assert store.tenants == ["tenant-7"] * 4


def test_one_after_another_loop_reaches_an_async_store(server: FaultServer, studio_of_tests: Refresher) -> None:
    store = AwaitedStore(tokens_of(url=server.url))
    with client(server, store) as studio:
        for number in range(1, 4):
            assert asyncio.run(studio.get_media_async(number)).id == number
            studio_of_tests.number += 10
            store.tokens = tokens_of(studio_of_tests.number, url=server.url)
    assert store.calls == ["lock", "load", "save", "unlock"] * 3
    assert len(set(store.loops)) == 3


@pytest.mark.parametrize("count", [2, 20])
def test_many_loops_and_threads_at_once_refresh_once(kind: Kind, server: FaultServer, count: int) -> None:
    store = kind(tokens_of(url=server.url))
    with client(server, store) as studio, ThreadPoolExecutor(2 * count) as threads:
        started = threading.Barrier(2 * count)

        def in_a_thread(number: int) -> int:
            started.wait(20)
            found: int = studio.get_media(number).id
            return found

        def in_a_loop(number: int) -> int:
            started.wait(20)
            found: int = asyncio.run(studio.get_media_async(number)).id
            return found

        works = [in_a_thread, in_a_loop] * count
        calls = [threads.submit(work, number) for number, work in enumerate(works, 1)]
        assert [call.result(30) for call in calls] == list(range(1, 2 * count + 1))
    assert refreshes(server) == 1
    # Each loop does the work of its own calls, and this lock keeps nobody away: then the same tokens are saved again.
    assert store.calls.count("save") == 1 or kind is AwaitedStore


def test_a_loop_that_ends_during_a_refresh_leaves_no_lock_and_no_dead_tokens(
    server: FaultServer, studio_of_tests: Refresher
) -> None:
    store = AwaitedStore(tokens_of())
    studio_of_tests.gate = threading.Event()
    with client(server, store) as studio:

        async def leave() -> None:
            task = asyncio.create_task(studio.get_media_async(1))
            assert await asyncio.to_thread(server.wait_for_requests)
            assert not task.done()

        asyncio.run(leave())
        studio_of_tests.gate.set()
        # What could not be saved, since the loop of the store is gone, is saved on the next one.
        assert asyncio.run(asyncio.wait_for(studio.get_media_async(2), 20)).id == 2
    assert refreshes(server) == 1
    assert number_of(store.tokens) == 1


async def test_a_task_that_is_cancelled_leaves_an_async_store_in_order(
    server: FaultServer, studio_of_tests: Refresher
) -> None:
    store = AwaitedStore(tokens_of())
    studio_of_tests.gate = threading.Event()
    with client(server, store) as studio:
        task = asyncio.create_task(studio.get_media_async(1))
        assert await asyncio.to_thread(server.wait_for_requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        studio_of_tests.gate.set()
        assert (await asyncio.wait_for(studio.get_media_async(2), 20)).id == 2
    assert refreshes(server) == 1
    assert number_of(store.tokens) == 1
    assert store.calls.count("lock") == store.calls.count("unlock")


class BrokenError(Exception):
    """What a user's database raises."""


@pytest.mark.parametrize("where", ["lock", "load", "save", "unlock"])
def test_an_exception_of_a_store_is_the_cause_of_one_error(
    form: Form, kind: Kind, server: FaultServer, where: str
) -> None:
    store = kind(tokens_of())
    cause = BrokenError("the database is away")
    store.raises[where] = cause
    with client(server, store) as studio, pytest.raises(TokenStoreError) as caught:
        form.call(studio, "get_media", 1)
    assert caught.value.__cause__ is cause
    # What it says is in the cause alone: databases quote what was to be saved.
    assert "BrokenError" in str(caught.value)
    assert "the database is away" not in str(caught.value)
    assert isinstance(caught.value, StudioError)
    # What was locked is unlocked, whatever happened then.
    expected = {
        "lock": ["lock"],
        "load": ["lock", "load", "unlock"],
        "save": ["lock", "load", "save", "unlock"],
        "unlock": ["lock", "load", "save", "unlock"],
    }
    assert store.calls == expected[where]


@pytest.mark.parametrize("where", ["lock", "load", "save", "unlock"])
def test_after_an_exception_of_a_store_nothing_is_lost(
    form: Form, kind: Kind, server: FaultServer, studio_of_tests: Refresher, where: str
) -> None:
    store = kind(tokens_of())
    store.raises[where] = BrokenError("the database is away")
    studio_of_tests.look = lambda: store.tokens
    with client(server, store) as studio:
        # After an unlocking that failed, the tokens are in the store, so the next call may go well.
        for _ in range(1 if where == "unlock" else 3):
            with pytest.raises(TokenStoreError):
                form.call(studio, "get_media", 1)
        store.raises.clear()
        assert form.call(studio, "get_media", 2).id == 2
    assert refreshes(server) == 1
    assert number_of(store.tokens) == 1
    # No token was used that was not in the store.
    assert studio_of_tests.seen == [1]


def test_tokens_that_could_not_be_saved_give_way_to_a_new_login(form: Form, kind: Kind, server: FaultServer) -> None:
    store = kind(tokens_of())
    store.raises["save"] = BrokenError("the database is away")
    with client(server, store) as studio:
        with pytest.raises(TokenStoreError):
            form.call(studio, "get_media", 1)
        store.raises.clear()
        store.tokens = tokens_of(5, expires_at=LATER)
        # This Studio knows nothing of the new login, and says so.
        with pytest.raises(StudioError):
            form.call(studio, "get_media", 2)
    assert number_of(store.tokens) == 5
    assert [request.headers.get("authorization") for request in server.requests].count("Bearer access-5-of-it") == 1


def test_tokens_of_an_exchange_that_could_not_be_saved_are_saved_at_the_next_request(form: Form, kind: Kind) -> None:
    store = kind(None)
    granted = json_answer({"access_token": "access-1-of-it", "refresh_token": "refresh-1-of-it", "expires_in": 7200})
    with FaultServer(granted, media_named_in_path) as server:
        oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=store, url=server.url)
        store.raises["save"] = BrokenError("the database is away")
        with pytest.raises(TokenStoreError) as caught:
            form.call(oauth, "exchange", "code-of-the-tests")
        assert isinstance(caught.value.__cause__, BrokenError)
        store.raises.clear()
        with StudioClient(server.url, auth=oauth) as studio:
            assert form.call(studio, "get_media", 1).id == 1
    assert number_of(store.tokens) == 1


@pytest.mark.parametrize("given", [{"access_token": "access-0-of-it"}, "access-0-of-it", 7, [1]], ids=repr)
def test_a_store_that_loads_something_else_is_told_so(
    form: Form, kind: Kind, server: FaultServer, given: object
) -> None:
    store = kind(None)
    store.tokens = given  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    with client(server, store) as studio, pytest.raises(TokenStoreError) as caught:
        form.call(studio, "get_media", 1)
    assert isinstance(caught.value.__cause__, TypeError)
    assert "Tokens" in str(caught.value.__cause__)
    assert "access-0-of-it" not in f"{caught.value} {caught.value.__cause__}"
    assert server.requests == []


def test_a_store_that_is_none_is_refused_at_once() -> None:
    class OnlyLoads:
        def load(self) -> Tokens | None:
            return None

    wrong: list[Any] = [object(), OnlyLoads(), {}, "tokens.json", BlockingStore, tokens_of()]
    for store in wrong:
        with pytest.raises(WRONG_TYPE, match=r"\bstore\b"):
            OAuth(CLIENT_ID, CLIENT_SECRET, store=store)


def test_a_store_over_sqlite_in_many_threads_and_clients(
    form: Form, server: FaultServer, studio_of_tests: Refresher, tmp_path: Path
) -> None:
    names: dict[str, Any] = {}
    exec(documented_sqlite_store(), names)  # noqa: S102 - it is our own code
    store = partial(names["SqliteTokenStore"], str(tmp_path / "tokens.sqlite"), "ada")
    first = store()
    with first.lock():
        first.save(tokens_of())
    with contextlib.ExitStack() as stack:
        studios = [stack.enter_context(client(server, store())) for _ in range(4)]
        with ThreadPoolExecutor(16) as threads:
            calls = [threads.submit(form.call, studios[number % 4], "get_media", number + 1) for number in range(16)]
            assert [call.result(40).id for call in calls] == list(range(1, 17))
    assert refreshes(server) == 1
    with first.lock():
        assert number_of(first.load()) == studio_of_tests.number == 1


def file_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_store_keeps_what_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    store = FileTokenStore(path)
    assert store.load() is None
    for tokens in (
        Tokens("access-0-of-it"),
        tokens_of(url="https://myschool.instructuremedia.com"),
        tokens_of(1, expires_at=datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)),
    ):
        assert store.save(tokens) is None  # type: ignore[func-returns-value]
        assert store.load() == tokens
        assert FileTokenStore(str(path)).load() == tokens
        assert json.loads(path.read_text()) == tokens.to_dict()
    store.save(None)
    assert store.load() is None
    assert FileTokenStore(path).load() is None
    store.save(None)


@pytest.mark.parametrize("kept", [tokens_of(), None], ids=["tokens", "forgotten"])
def test_a_token_file_may_have_a_byte_order_mark(tmp_path: Path, kept: Tokens | None) -> None:
    path = tmp_path / "tokens.json"
    store = FileTokenStore(path)
    store.save(kept)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert store.load() == kept


@posix_only
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_a_file_store_is_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "folder" / "tokens.json"
    path.parent.mkdir()
    before = os.umask(umask)
    try:
        store = FileTokenStore(path)
        with store.lock():
            store.save(tokens_of())
        store.save(tokens_of(1))
    finally:
        os.umask(before)
    assert {file.name: file_mode(file) for file in path.parent.iterdir()} == {
        "tokens.json": 0o600,
        "tokens.json.lock": 0o600,
    }


@posix_only
def test_a_file_that_everybody_could_read_is_replaced_by_one_that_only_its_owner_can(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps(tokens_of().to_dict()))
    path.chmod(0o644)
    store = FileTokenStore(path)
    assert number_of(store.load()) == 0
    store.save(tokens_of(1))
    assert file_mode(path) == 0o600


def test_a_file_is_replaced_and_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    store = FileTokenStore(path)
    store.save(tokens_of())
    with path.open() as opened_before:
        store.save(tokens_of(1))
        # Whoever has begun to read reads one whole file.
        assert json.loads(opened_before.read()) == tokens_of().to_dict()
    assert [file.name for file in tmp_path.iterdir() if file.name != "tokens.json.lock"] == ["tokens.json"]


SAVES = """
import sys
from datetime import UTC, datetime
from canvas_studio import FileTokenStore, Tokens
store = FileTokenStore(sys.argv[1])
print("begun", flush=True)
number = 0
while True:
    number += 1
    with store.lock():
        store.save(Tokens(f"access-{number}-of-it", refresh_token="r" * (1 + number * 37 % 20_000)))
"""


@posix_only
@pytest.mark.timeout(120)
def test_a_process_that_is_killed_while_it_saves_leaves_a_whole_file_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    store = FileTokenStore(path)
    store.save(tokens_of())
    for round_ in range(25):
        command = [sys.executable, "-c", SAVES, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(0.001 * (round_ * 7 % 23))
            process.kill()
        tokens = store.load()
        assert tokens is not None
        number = number_of(tokens)
        assert number is not None
        if number:
            assert tokens.refresh_token == "r" * (1 + number * 37 % 20_000)
        with store.lock():
            assert store.load() == tokens
    # What the killed have left behind is as private as the file.
    assert {file_mode(file) for file in tmp_path.iterdir()} == {0o600}


def entered(store: Any, release: threading.Event, entered: threading.Event) -> None:
    with store.lock():
        entered.set()
        assert release.wait(20)


@pytest.fixture(params=["memory", "file", "keyring"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each of the stores of the package, empty."""
    if request.param == "memory":
        return MemoryTokenStore()
    if request.param == "file":
        return FileTokenStore(tmp_path / "tokens.json")
    install_keyring(monkeypatch, tmp_path)
    return KeyringTokenStore("myschool")


def test_a_lock_is_held_by_one_thread_at_a_time(any_store: Any) -> None:
    inside = 0
    most = 0
    total = 0

    def work() -> None:
        nonlocal inside, most, total
        for _ in range(20):
            with any_store.lock():
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                total += 1
                inside -= 1

    with ThreadPoolExecutor(8) as threads:
        for call in [threads.submit(work) for _ in range(8)]:
            call.result(40)
    assert (most, total) == (1, 160)


def test_a_lock_opens_after_an_error(any_store: Any) -> None:
    for _ in range(3):
        with pytest.raises(BrokenError), any_store.lock():
            raise BrokenError
    with any_store.lock():
        any_store.save(tokens_of())
    assert number_of(any_store.load()) == 0


def test_a_store_of_the_package_saves_loads_and_forgets(any_store: Any) -> None:
    assert any_store.load() is None
    with any_store.lock():
        any_store.save(tokens_of())
    assert any_store.load() == tokens_of()
    any_store.save(tokens_of(1))
    assert any_store.load() == tokens_of(1)
    any_store.save(None)
    assert any_store.load() is None


def test_a_store_of_the_package_takes_tokens_and_nothing_else(any_store: Any) -> None:
    any_store.save(tokens_of())
    for wrong in ("access", 7, {"access_token": "access-1-of-it"}, object()):
        with pytest.raises((*WRONG_TYPE, AttributeError)):
            any_store.save(wrong)
    assert any_store.load() == tokens_of()


def test_a_store_of_the_package_serves_an_oauth(form: Form, server: FaultServer, any_store: Any) -> None:
    any_store.save(tokens_of())
    with client(server, any_store) as studio:
        assert form.call(studio, "get_media", 1).id == 1
    assert refreshes(server) == 1
    assert number_of(any_store.load()) == 1


def test_a_lock_that_a_program_holds_holds_up_a_refresh(form: Form, server: FaultServer, any_store: Any) -> None:
    any_store.save(tokens_of())
    inside, release = threading.Event(), threading.Event()
    with client(server, any_store) as studio, ThreadPoolExecutor(2) as threads:
        holder = threads.submit(entered, any_store, release, inside)
        assert inside.wait(20)
        call = threads.submit(form.call, studio, "get_media", 1)
        assert not server.wait_for_requests(timeout=0.3)
        # Who holds it may have logged in meanwhile.
        any_store.save(tokens_of(0, expires_at=LATER))
        release.set()
        assert call.result(30).id == 1
        holder.result(30)
    assert refreshes(server) == 0


def test_two_stores_on_one_path_have_one_lock(tmp_path: Path) -> None:
    first, second = FileTokenStore(tmp_path / "tokens.json"), FileTokenStore(str(tmp_path / "tokens.json"))
    assert_exclusive(first, second)


@posix_only
def test_a_link_has_the_lock_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path, link = tmp_path / "elsewhere" / "tokens.json", tmp_path / "link.json"
    FileTokenStore(path).save(tokens_of())
    link.symlink_to(path)
    assert_exclusive(FileTokenStore(path), FileTokenStore(link))


def assert_exclusive(first: FileTokenStore, second: FileTokenStore) -> None:
    inside, release = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as threads, first.lock():
        release.set()
        waiting = threads.submit(entered, second, release, inside)
        excluded = not inside.wait(0.3)
        assert excluded
        first.save(tokens_of(3))
    waiting.result(20)
    assert inside.is_set()
    assert number_of(second.load()) == 3


HOLDS = """
import sys
from canvas_studio import FileTokenStore
with FileTokenStore(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_a_lock_excludes_other_processes_and_does_not_outlive_them(
    tmp_path: Path, how: Literal["ends", "is killed"]
) -> None:
    path = tmp_path / "tokens.json"
    pipe = subprocess.PIPE
    inside, release = threading.Event(), threading.Event()
    release.set()
    command = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process, ThreadPoolExecutor(1) as threads:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        waiting = threads.submit(entered, FileTokenStore(path), release, inside)
        try:
            assert not inside.wait(0.5)
        finally:
            if how == "ends":
                process.stdin.write("\n")
                process.stdin.flush()
            else:
                process.kill()
        waiting.result(20)
        assert inside.is_set()


@posix_only
def test_a_wait_for_a_lock_can_be_interrupted(tmp_path: Path) -> None:
    """Whoever waits for a process that hangs must be able to press Ctrl-C."""
    program = """if True:
        import signal, sys
        from canvas_studio import FileTokenStore
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("begun", flush=True)
        try:
            with FileTokenStore(sys.argv[1]).lock():
                print("held")
        except KeyboardInterrupt:
            print("interrupted")
    """
    path = tmp_path / "tokens.json"
    with FileTokenStore(path).lock():
        command = [sys.executable, "-c", program, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "begun\n"
                time.sleep(0.3)
                process.send_signal(2)
                assert process.communicate(timeout=20)[0] == "interrupted\n"
            finally:
                process.kill()


@pytest.mark.parametrize("name", ["with space.json", "Übung/schlüssel 😀.json", "a" * 200, "tokens"])
def test_a_path_may_be_any(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    store = FileTokenStore(path)
    with store.lock():
        store.save(tokens_of())
    assert number_of(FileTokenStore(path).load()) == 0
    assert os.fspath(store.path) == os.fspath(path)
    assert name.rpartition("/")[2] in repr(store)


def test_a_relative_path_is_one_of_the_folder_that_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileTokenStore("tokens.json")
    with store.lock():
        store.save(tokens_of())
    assert number_of(FileTokenStore(tmp_path / "tokens.json").load()) == 0


@posix_only
def test_a_missing_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "tokens.json"
    assert FileTokenStore(path).load() is None
    assert not path.parent.exists()
    FileTokenStore(path).save(tokens_of())
    assert number_of(FileTokenStore(path).load()) == 0
    assert file_mode(path.parent) == 0o700


GARBAGE = {
    "empty": b"",
    "no JSON": b"not json access-0-of-it",
    "cut": b'{"access_token": "access-0-of-it", "refr',
    "no text": b"\xff\xfe\x00access-0-of-it",
    "a list": b'["access-0-of-it"]',
    "a text": b'"access-0-of-it"',
    "no access token": b'{"refresh_token": "access-0-of-it"}',
    "a number": b'{"access_token": 7, "refresh_token": "access-0-of-it"}',
    "a wrong time": b'{"access_token": "access-0-of-it", "expires_at": "tomorrow"}',
    "zeroes": b"\x00" * 100,
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_a_file_that_holds_no_tokens_is_an_error_that_names_it(
    form: Form, tmp_path: Path, server: FaultServer, content: bytes
) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(content)
    store = FileTokenStore(path)
    with client(server, store) as studio:
        for load in (store.load, lambda: form.call(studio, "get_media", 1)):
            with pytest.raises(TokenStoreError) as caught:
                load()
            assert str(path) in str(caught.value)
            assert "access-0-of-it" not in f"{caught.value} {caught.value.__cause__} {vars(caught.value)}"
            assert caught.value.__cause__ is not None
        # It is kept, for whoever wants to look; logging in replaces it.
        assert path.read_bytes() == content
        store.save(tokens_of(0, expires_at=LATER))
        assert form.call(studio, "get_media", 1).id == 1
    assert refreshes(server) == 0


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """A folder that is reached without rights, for an administrator, whose own rights know no bounds."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)


@contextlib.contextmanager
def as_nobody() -> Generator[None]:
    """Give up the rights of an administrator for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@posix_only
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(folder_of_nobody: Path) -> None:
    path = folder_of_nobody / "tokens.json"
    with as_nobody():
        FileTokenStore(path).save(tokens_of())
        path.chmod(0)
        with pytest.raises(TokenStoreError, match=r"tokens\.json") as caught:
            FileTokenStore(path).load()
    assert isinstance(caught.value.__cause__, PermissionError)


@posix_only
def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_file(folder_of_nobody: Path) -> None:
    store = FileTokenStore(folder_of_nobody / "tokens.json")
    released = threading.Event()
    released.set()
    with as_nobody():
        store.save(tokens_of())
        folder_of_nobody.chmod(0o500)
        attempts: list[Callable[[], object]] = [
            lambda: store.save(tokens_of(1)),
            lambda: entered(store, released, threading.Event()),
        ]
        for attempt in attempts:
            with pytest.raises(TokenStoreError, match=r"tokens\.json") as caught:
                attempt()
            assert isinstance(caught.value.__cause__, PermissionError)
        assert number_of(store.load()) == 0
        folder_of_nobody.chmod(0o700)


def test_a_path_below_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FileTokenStore(tmp_path / "file" / "tokens.json")
    with pytest.raises(TokenStoreError, match=r"tokens\.json") as caught:
        store.save(tokens_of())
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(TokenStoreError), store.lock():
        pass


@posix_only
def test_a_disk_that_is_full_keeps_what_was_there(tmp_path: Path) -> None:
    program = """if True:
        import resource, signal, sys
        from canvas_studio import FileTokenStore, Tokens, TokenStoreError
        store = FileTokenStore(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        try:
            store.save(Tokens("access-1-of-it", refresh_token="r" * 1000))
        except TokenStoreError as error:
            print(type(error.__cause__).__name__)
    """
    path = tmp_path / "tokens.json"
    FileTokenStore(path).save(tokens_of())
    ended = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=40, check=False
    )
    assert (ended.stdout, ended.stderr) == ("OSError\n", "")
    assert number_of(FileTokenStore(path).load()) == 0
    assert [file.name for file in tmp_path.iterdir() if file.name != "tokens.json.lock"] == ["tokens.json"]


@posix_only
def test_a_file_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path, link = tmp_path / "elsewhere" / "tokens.json", tmp_path / "link.json"
    FileTokenStore(path).save(tokens_of())
    link.symlink_to(path)
    FileTokenStore(link).save(tokens_of(1))
    assert link.is_symlink()
    assert number_of(FileTokenStore(path).load()) == 1


@posix_only
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_every_folder_that_a_file_store_makes_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "one" / "two" / "three" / "tokens.json"
    before = os.umask(umask)
    try:
        FileTokenStore(path).save(tokens_of())
    finally:
        os.umask(before)
    assert {file_mode(folder) for folder in tmp_path.rglob("*") if folder.is_dir()} == {0o700}


def locked_once(store: FileTokenStore) -> None:
    with store.lock():
        pass


USES: list[Callable[[FileTokenStore], object]] = [
    FileTokenStore.load,
    lambda store: store.save(tokens_of(1)),
    locked_once,
]
each_use = pytest.mark.parametrize("use", USES, ids=["load", "save", "lock"])


@posix_only
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
@each_use
def test_a_folder_that_others_can_change_holds_no_tokens(
    tmp_path: Path, use: Callable[[FileTokenStore], object], mode: int
) -> None:
    folder = tmp_path / "folder"
    store = FileTokenStore(folder / "tokens.json")
    store.save(tokens_of())
    folder.chmod(mode)
    with pytest.raises(
        TokenStoreError, match=f"others can change its folder {folder}: chmod go-w '{folder}'"
    ) as caught:
        use(store)
    assert isinstance(caught.value.__cause__, PermissionError)
    folder.chmod(mode | stat.S_ISVTX)  # as /tmp is
    use(store)


@posix_only
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_tokens_that_others_can_change_are_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "tokens.json"
    store = FileTokenStore(path)
    store.save(tokens_of())
    path.chmod(mode)
    with pytest.raises(TokenStoreError, match=f"others can change {path}: chmod 600 '{path}'"):
        store.load()


@posix_only
def test_a_lock_that_others_can_change_is_refused(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "tokens.json")
    locked_once(store)
    lock = tmp_path / "tokens.json.lock"
    lock.chmod(0o666)
    with pytest.raises(TokenStoreError, match=f"others can change {lock}: chmod 600 '{lock}'"):
        locked_once(store)


@posix_only
def test_a_lock_that_is_a_link_makes_no_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "tokens.json.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TokenStoreError, match="not a file"):
        locked_once(FileTokenStore(tmp_path / "tokens.json"))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only an administrator can give a file away")
@pytest.mark.parametrize("name", ["tokens.json", "tokens.json.lock", "link.json", "."])
def test_what_belongs_to_another_user_holds_no_tokens(tmp_path: Path, name: str) -> None:
    store = FileTokenStore(tmp_path / "tokens.json")
    store.save(tokens_of())
    locked_once(store)
    (tmp_path / "link.json").symlink_to("tokens.json")
    os.chown(tmp_path / name, NOBODY, NOBODY, follow_symlinks=False)
    if name == "link.json":
        store = FileTokenStore(tmp_path / name)
    with pytest.raises(TokenStoreError, match="belongs to another user"):
        locked_once(store) if name.endswith(".lock") else store.load()
    if name == "link.json":
        with pytest.raises(TokenStoreError, match="belongs to another user"):
            store.save(tokens_of(1))
        assert number_of(FileTokenStore(tmp_path / "tokens.json").load()) == 0


@posix_only
def test_links_of_ones_own_lead_to_the_tokens_and_stay(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "tokens.json"
    (tmp_path / "second.json").symlink_to("elsewhere/tokens.json")
    (tmp_path / "first.json").symlink_to("second.json")
    store = FileTokenStore(tmp_path / "first.json")
    store.save(tokens_of(1))
    assert number_of(store.load()) == number_of(FileTokenStore(path).load()) == 1
    assert (tmp_path / "first.json").is_symlink()
    assert (tmp_path / "second.json").is_symlink()
    path.chmod(0o666)
    with pytest.raises(TokenStoreError, match=f"others can change {path}"):
        store.load()


def test_a_file_store_pickles_by_its_path(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "tokens.json")
    store.save(tokens_of())
    for twin in (pickle.loads(pickle.dumps(store)), copy.copy(store), copy.deepcopy(store)):  # noqa: S301
        assert isinstance(twin, FileTokenStore)
        assert twin.path == store.path
        assert number_of(twin.load()) == 0
    assert b"of-it" not in pickle.dumps(store)


@pytest.mark.parametrize("path", ["", ".", "/", ".."])
def test_a_path_that_names_no_file_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\bpath\b"):
        FileTokenStore(path)


def test_a_path_that_is_none_is_refused() -> None:
    wrong: list[Any] = [7, None, [], object()]
    for path in wrong:
        with pytest.raises(WRONG_TYPE, match=r"path|PathLike"):
            FileTokenStore(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\bpath\b"):
        FileTokenStore(tmp_path)


def test_a_memory_store_begins_with_what_it_is_given() -> None:
    assert MemoryTokenStore().load() is None
    assert MemoryTokenStore(None).load() is None
    assert MemoryTokenStore(tokens_of()).load() == tokens_of()
    wrong: list[Any] = ["access", 7, {}]
    for tokens in wrong:
        with pytest.raises(WRONG_TYPE, match=r"tokens|Tokens"):
            MemoryTokenStore(tokens)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_memory_store_is_not_copied_by_accident(copied: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        copied(MemoryTokenStore(tokens_of()))


def install_keyring(monkeypatch: pytest.MonkeyPatch, home: Path) -> dict[tuple[str, str], str]:
    """Put a keyring in place of the system's, and a home in which its lock can be."""
    kept: dict[tuple[str, str], str] = {}
    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")

    class KeyringError(Exception):
        pass

    class PasswordDeleteError(KeyringError):
        pass

    def get_password(service: str, name: str) -> str | None:
        return kept.get((service, name))

    def set_password(service: str, name: str, password: str) -> None:
        assert isinstance(password, str)
        kept[service, name] = password

    def delete_password(service: str, name: str) -> None:
        if kept.pop((service, name), None) is None:
            raise PasswordDeleteError("not found")

    vars(errors).update(KeyringError=KeyringError, PasswordDeleteError=PasswordDeleteError)
    vars(keyring).update(
        get_password=get_password, set_password=set_password, delete_password=delete_password, errors=errors
    )
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(home / "home"))
    return kept


def test_a_keyring_store_keeps_its_tokens_in_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = install_keyring(monkeypatch, tmp_path)
    store = KeyringTokenStore("myschool")
    with store.lock():
        store.save(tokens_of())
    [((service, name), password)] = kept.items()
    assert service == "canvas-studio"
    assert "myschool" in name
    assert json.loads(password) == tokens_of().to_dict()
    assert not any(b"of-it" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    other = KeyringTokenStore("otherschool", service="my-program")
    assert other.load() is None
    other.save(tokens_of(1))
    assert number_of(store.load()) == 0
    assert {service for service, _ in kept} == {"canvas-studio", "my-program"}
    store.save(None)
    store.save(None)
    assert store.load() is None
    assert number_of(other.load()) == 1


def test_two_keyring_stores_of_one_name_have_one_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_keyring(monkeypatch, tmp_path)
    inside, release = threading.Event(), threading.Event()
    release.set()
    with ThreadPoolExecutor(1) as threads, KeyringTokenStore("myschool").lock():
        with KeyringTokenStore("otherschool").lock():
            pass
        waiting = threads.submit(entered, KeyringTokenStore("myschool"), release, inside)
        excluded = not inside.wait(0.3)
        assert excluded
    waiting.result(20)


@pytest.mark.parametrize("name", ["my school", "../../outside", "a/b", "Übung", "con", "."])
def test_a_keyring_store_locks_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    install_keyring(monkeypatch, tmp_path)
    store = KeyringTokenStore(name)
    with store.lock():
        store.save(tokens_of())
    assert number_of(store.load()) == 0
    made = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert all((tmp_path / "home") in file.parents for file in made)
    assert not (tmp_path.parent / "outside.lock").exists()


def test_a_keyring_that_fails_is_the_cause(
    form: Form, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_keyring(monkeypatch, tmp_path)
    store = KeyringTokenStore("myschool")
    error = sys.modules["keyring.errors"].KeyringError("the keyring is locked")

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(sys.modules["keyring"], "get_password", fails)
    with client(server, store) as studio, pytest.raises(TokenStoreError) as caught:
        form.call(studio, "get_media", 1)
    assert caught.value.__cause__ is error
    assert server.requests == []


def test_garbage_in_a_keyring_is_an_error_that_names_it(
    form: Form, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = install_keyring(monkeypatch, tmp_path)
    store = KeyringTokenStore("myschool")
    store.save(tokens_of())
    [place] = kept
    for garbage in ("", "access-0-of-it", "[]", '{"refresh_token": "access-0-of-it"}'):
        kept[place] = garbage
        with client(server, store) as studio, pytest.raises(TokenStoreError, match="myschool") as caught:
            form.call(studio, "get_media", 1)
        cause = caught.value.__cause__
        assert "access-0-of-it" not in f"{caught.value} {cause!r} {vars(cause) if cause else None}"


def test_without_keyring_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path))
    with pytest.raises((StudioError, ImportError), match="pip install keyring"):
        KeyringTokenStore("myschool").load()


def test_a_keyring_store_pickles_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_keyring(monkeypatch, tmp_path)
    store = KeyringTokenStore("myschool", service="my-program")
    store.save(tokens_of())
    pickled = pickle.dumps(store)
    assert b"of-it" not in pickled
    assert number_of(pickle.loads(pickled).load()) == 0  # noqa: S301 (the test made it)
    assert "myschool" in repr(store)


def test_tokens_have_what_they_were_given() -> None:
    east = timezone(timedelta(hours=2))
    tokens = Tokens(
        "access-0-of-it",
        refresh_token="refresh-0-of-it",
        expires_at=datetime(2026, 11, 22, 14, tzinfo=east),
        url="https://myschool.instructuremedia.com",
    )
    assert (tokens.access_token, tokens.refresh_token) == ("access-0-of-it", "refresh-0-of-it")
    assert tokens.expires_at is not None
    assert tokens.expires_at == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert tokens.expires_at.utcoffset() == timedelta(0)
    assert tokens.url == "https://myschool.instructuremedia.com"
    bare = Tokens("access-0-of-it")
    assert (bare.refresh_token, bare.expires_at, bare.url) == (None, None, None)


def test_tokens_are_frozen() -> None:
    tokens = tokens_of()
    for name in ("access_token", "refresh_token", "expires_at", "url", "anything"):
        with pytest.raises(AttributeError):
            setattr(tokens, name, None)


def test_tokens_do_not_show_themselves() -> None:
    tokens = tokens_of(url="https://myschool.instructuremedia.com")
    for shown in (repr(tokens), str(tokens), f"{tokens}", f"{tokens!r}", repr([tokens]), "%s" % tokens):  # noqa: UP031
        assert "of-it" not in shown
        assert "***" in shown
        assert "https://myschool.instructuremedia.com" in shown
    assert "refresh_token=None" in repr(Tokens("access-0-of-it"))


def test_tokens_are_equal_by_value() -> None:
    tokens = tokens_of(url="https://myschool.instructuremedia.com")
    assert tokens == tokens_of(url="https://myschool.instructuremedia.com")
    assert tokens != tokens_of()
    assert tokens != tokens_of(1, url="https://myschool.instructuremedia.com")
    assert tokens != tokens_of(expires_at=None, url="https://myschool.instructuremedia.com")
    assert tokens != Tokens("access-0-of-it")
    assert tokens != "access-0-of-it"
    same = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert tokens_of(expires_at=ENDED) == tokens_of(expires_at=same)


@pytest.mark.parametrize(
    "tokens",
    [
        Tokens("access-0-of-it"),
        tokens_of(url="https://myschool.instructuremedia.com"),
        tokens_of(expires_at=datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)),
        tokens_of(expires_at=datetime(9999, 1, 1, tzinfo=UTC)),
        tokens_of(expires_at=datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_tokens_come_back_from_a_dict_and_from_json(tokens: Tokens) -> None:
    values = tokens.to_dict()
    assert list(values) == ["access_token", "refresh_token", "expires_at", "url"]
    assert values["access_token"] == "access-0-of-it"
    assert Tokens.from_dict(values) == tokens
    assert Tokens.from_dict(json.loads(json.dumps(values))) == tokens
    if tokens.expires_at is None:
        assert values["expires_at"] is None
    else:
        assert datetime.fromisoformat(values["expires_at"]) == tokens.expires_at


def test_tokens_are_made_of_what_the_token_endpoint_answers() -> None:
    tokens = Tokens.from_dict(
        {
            "access_token": "access-0-of-it",
            "token_type": "Bearer",
            "expires_in": 7200,
            "refresh_token": "refresh-0-of-it",
            "created_at": 1_795_348_800,
        }
    )
    assert tokens == tokens_of(expires_at=datetime.fromtimestamp(1_795_348_800 + 7200, UTC))
    # Without the moment of its making, nobody knows when it ends.
    assert Tokens.from_dict({"access_token": "access-0-of-it", "expires_in": 7200}).expires_at is None


@pytest.mark.parametrize("absent", ["", " \n", None])
def test_an_empty_text_stands_for_what_is_absent(absent: str | None) -> None:
    names = ("refresh_token", "expires_at", "expires_in", "created_at", "url")
    tokens = Tokens.from_dict({"access_token": " access-0-of-it\n", **dict.fromkeys(names, absent)})
    assert tokens == Tokens("access-0-of-it")


@pytest.mark.parametrize("odd", ["soon", -1, [1], {}, True, object(), 1e300, float("nan")])
def test_a_lifetime_that_is_none_does_no_harm(odd: object) -> None:
    for name in ("expires_in", "created_at"):
        values = {"access_token": "access-0-of-it", "expires_in": 7200, "created_at": 1_795_348_800, name: odd}
        assert Tokens.from_dict(values).access_token == "access-0-of-it"
    written = {"access_token": "access-0-of-it", "expires_in": " 7200", "created_at": "1795348800.0"}
    assert Tokens.from_dict(written).expires_at == datetime.fromtimestamp(1_795_348_800 + 7200, UTC)


def test_tokens_are_made_of_any_mapping() -> None:
    class Row(dict[str, Any]):
        pass

    assert Tokens.from_dict(Row(tokens_of().to_dict(), id=7, made_by="a database")) == tokens_of()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "access_token"),
        ({"access_token": None}, "access_token"),
        ({"access_token": ""}, "access_token"),
        ({"access_token": 7}, "access_token"),
        ({"access_token": "two words-of-it"}, "access_token"),
        ({"access_token": "line-\nof-it"}, "access_token"),
        ({"access_token": "übung-of-it"}, "access_token"),
        ({"access_token": "access-0-of-it", "refresh_token": 7}, "refresh_token"),
        ({"access_token": "access-0-of-it", "refresh_token": "two words-of-it"}, "refresh_token"),
        ({"access_token": "access-0-of-it", "expires_at": "tomorrow"}, "expires_at"),
        ({"access_token": "access-0-of-it", "expires_at": "2026-11-22T12:00:00"}, "expires_at"),
        ({"access_token": "access-0-of-it", "expires_at": 7}, "expires_at"),
        ({"access_token": "access-0-of-it", "url": 7}, "url"),
    ],
)
def test_values_that_are_no_tokens_are_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"\b{named}\b") as caught:
        Tokens.from_dict(values)
    assert "of-it" not in str(caught.value)


@pytest.mark.parametrize("values", [None, "access-0-of-it", 7, [("access_token", "access-0-of-it")]])
def test_values_that_are_no_mapping_are_refused(values: Any) -> None:
    with pytest.raises(WRONG_TYPE) as caught:
        Tokens.from_dict(values)
    assert "of-it" not in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("access_token", ""),
        ("access_token", "two words-of-it"),
        ("access_token", "line-\nof-it"),
        ("refresh_token", ""),
        ("refresh_token", "übung-of-it"),
        ("expires_at", datetime(2026, 11, 22)),  # noqa: DTZ001 (it is refused for that)
        ("url", "http://myschool.instructuremedia.com"),
        ("url", "https://user:password-of-it@myschool.instructuremedia.com"),
        ("access_token", 7),
        ("access_token", None),
        ("access_token", b"access"),
        ("refresh_token", 7),
        ("expires_at", "2026-11-22T12:00:00Z"),
        ("expires_at", 7),
        ("url", 7),
    ],
)
def test_tokens_that_cannot_be_right_are_refused(argument: str, value: Any) -> None:
    given: dict[str, Any] = {"access_token": "access-0-of-it", argument: value}
    with pytest.raises(WRONG_TYPE, match=rf"\b{argument}\b") as caught:
        Tokens(**given)
    assert "of-it" not in str(caught.value)


@pytest.mark.parametrize("url", ["myschool", "https://myschool.instructuremedia.com/", "MYSCHOOL.instructuremedia.com"])
def test_tokens_name_their_school_as_a_client_does(url: str) -> None:
    expected = "https://myschool.instructuremedia.com"
    assert Tokens("access-0-of-it", url=url).url == expected
    assert Tokens.from_dict({"access_token": "access-0-of-it", "url": url}).url == expected


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_tokens_are_not_pickled_by_accident(protocol: int) -> None:
    with pytest.raises(TypeError, match="to_dict"):
        pickle.dumps(tokens_of(), protocol)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_tokens_are_not_copied_by_accident(copied: Callable[[Any], Any]) -> None:
    """They never change, so a copy is the same object or none at all."""
    tokens = tokens_of()
    try:
        twin = copied(tokens)
    except TypeError:
        return
    assert twin is tokens


def test_an_empty_store_of_any_kind_means_to_log_in(form: Form, kind: Kind, server: FaultServer) -> None:
    store = kind(None)
    with client(server, store) as studio, pytest.raises(LoginRequiredError) as caught:
        form.call(studio, "get_media", 1)
    assert caught.value.reason == "no_tokens"
    assert store.calls == ["lock", "load", "unlock"]
    assert server.requests == []


def test_a_file_store_stays_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    store = FileTokenStore("tokens.json")
    pickled = pickle.dumps(store)
    monkeypatch.chdir(elsewhere)
    for each in (store, pickle.loads(pickled)):  # noqa: S301 (the test made it)
        with each.lock():
            each.save(tokens_of())
        assert each.path == here / "tokens.json"
    assert list(elsewhere.iterdir()) == []
    assert FileTokenStore(here / "tokens.json").load() == tokens_of()


class Row(dict[str, Any]):
    """A row that is read when it is asked for something, and cannot be."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(access_token="access-0-of-it", refresh_token="refresh-0-of-it")
        self.error = error

    def __getitem__(self, name: str) -> Any:
        if name == "refresh_token":
            raise self.error
        return super().__getitem__(name)


@pytest.mark.parametrize("error", [ConnectionError("database away"), ValueError("x"), KeyboardInterrupt()], ids=repr)
def test_a_mapping_that_fails_does_not_become_tokens(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        Tokens.from_dict(Row(error))
    assert caught.value is error


@pytest.mark.parametrize("error", [KeyError("refresh_token"), IndexError("refresh_token")], ids=repr)
def test_a_mapping_that_lacks_a_refresh_token_becomes_tokens_without(error: Exception) -> None:
    assert Tokens.from_dict(Row(error)) == Tokens("access-0-of-it")


async def test_forgetting_without_a_school_is_done_on_the_loop_of_the_caller() -> None:
    store = AwaitedStore(tokens_of())
    tenant.set("tenant-7")
    await OAuth(CLIENT_ID, CLIENT_SECRET, store=store).forget_async()
    assert set(store.loops) == {asyncio.get_running_loop()}
    assert set(store.tenants) == {"tenant-7"}
    assert store.tokens is None


def test_forgetting_without_a_school_has_the_variables_of_the_caller(form: Form) -> None:
    store = BlockingStore(tokens_of())
    tenant.set("tenant-7")
    form.call(OAuth(CLIENT_ID, CLIENT_SECRET, store=store), "forget")
    assert set(store.tenants) == {"tenant-7"}
    assert store.tokens is None
