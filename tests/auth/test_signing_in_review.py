"""Promises of signing in that a review found broken, each kept by a test."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    FileTokenStore,
    InvalidArgumentError,
    LoginRequiredError,
    MemoryTokenStore,
    NotFoundError,
    OAuth,
    StudioClient,
    StudioError,
    Tokens,
    TokenStoreError,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import json_answer
from support.school import CLIENT_ID, CLIENT_SECRET, HOUR, School, eventually, running_signed_in
from support.token_stores import AwaitedStore, BlockingStore, tenant, tokens_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator
    from pathlib import Path

    from support.forms import Form

# How long the tokens last of which the last moment is tested. That is a 64th of it, an eighth of a second: a machine
# that takes 50 ms to begin a call must not miss it.
LIFETIME = timedelta(seconds=8)
LAST_MOMENT = LIFETIME / 64


@pytest.fixture
def school() -> Iterator[School]:
    with School() as school:
        yield school


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


# Finding 2.
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


# Finding 4.
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


# Finding 6.
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


# Finding 7 (a).
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


# Finding 7 (b).
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


# Finding 9.
def test_a_finalizer_in_a_store_does_not_wait_for_that_store(form: Form, school: School) -> None:
    store = CollectingStore(school.expired())
    with school.client(school.oauth(store), timeout=20) as studio:
        refusals = Refusals(studio)
        store.end = refusals.call
        start = time.monotonic()
        assert form.call(studio, "get_media", 1).id == 1
        assert time.monotonic() - start < 10
    assert [type(error) for error in refusals.errors] == [TokenStoreError]
    assert "token store" in str(refusals.errors[0])


# Finding 9.
def test_an_async_store_that_asks_its_own_client_is_refused_at_once(form: Form, school: School) -> None:
    store = AskingStore(school.expired())
    with school.client(school.oauth(store), timeout=20) as studio:
        refusals = Refusals(studio)
        store.ask = refusals.call_async
        start = time.monotonic()
        assert form.call(studio, "get_media", 1).id == 1
        assert time.monotonic() - start < 10
    assert [type(error) for error in refusals.errors] == [TokenStoreError]


class SlowThenBrokenStore(BlockingStore):
    """A store of which the first save takes until somebody resumes it, and the second fails."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self.resume = threading.Event()
        self.own_lock = threading.Lock()
        self.is_broken = threading.Event()
        self.offered: list[Tokens | None] = []

    def save(self, tokens: Tokens | None) -> None:
        """Keep them."""
        self.offered.append(tokens)
        if len(self.offered) == 1:
            assert self.resume.wait(20)
        elif len(self.offered) == 2:
            self.is_broken.set()
            raise OSError("away for a moment")
        self.tokens = tokens

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """Keep the others away, in the order in which they come."""
        self.note("lock")
        if self.calls.count("lock") > 2:
            assert self.is_broken.wait(20)
        with self.own_lock:
            yield


# Finding 10.
def test_a_sign_in_during_a_refresh_is_saved_before_it_is_used(form: Form) -> None:
    with Sandbox(media=1) as box, ThreadPoolExecutor(2) as threads:
        granted = Tokens.from_dict(box.oauth_token())
        ended = datetime.now(UTC) - HOUR
        store = SlowThenBrokenStore(Tokens(granted.access_token, refresh_token=granted.refresh_token, expires_at=ended))
        oauth = OAuth(box.client_id, box.client_secret, store=store, url=box.url)
        with box.client(auth=oauth, retry_delay=0, timeout=30) as studio:
            refresh = threads.submit(form.call, studio, "request", "GET", "/ping")
            assert eventually(lambda: len(store.offered) == 1)
            sign_in = threads.submit(form.call, oauth, "exchange", box.authorize(oauth.authorization_url()))
            # Its code is used up then, and it waits for the refresh.
            assert eventually(lambda: store.calls.count("lock") == 2)
            store.resume.set()
            assert refresh.result(20) == "pong"
            with pytest.raises(TokenStoreError):
                sign_in.result(20)
            assert form.call(studio, "request", "GET", "/ping") == "pong"
        refreshed, signed_in, saved = store.offered
        assert refreshed != signed_in
        assert saved == signed_in == store.tokens
        assert [request.path for request in box.requests].count("/api/public/oauth/token") == 2


# Finding 11, in the core.
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("user", ["localhost:planted/x", "localhost:planted#x", "localhost:planted?x", "planted/x"])
def test_a_proxy_that_is_no_url_is_not_quoted(
    form: Form, variable: str, user: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, f"http://{user}@127.0.0.1:1")
    caplog.set_level(logging.DEBUG)
    with (
        StudioClient("https://studio.invalid", token="token-of-the-tests", max_retries=0, timeout=10) as studio,
        pytest.raises((APIConnectionError, APITimeoutError)) as caught,
    ):
        form.call(studio, "request", "GET", "/ping")
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert "studio.invalid" in caplog.text
    assert "planted" not in told


# Finding 17.
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


# Finding 18.
@pytest.mark.parametrize("error", [ConnectionError("database away"), ValueError("x"), KeyboardInterrupt()], ids=repr)
def test_a_mapping_that_fails_does_not_become_tokens(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        Tokens.from_dict(Row(error))
    assert caught.value is error


# Finding 18.
@pytest.mark.parametrize("error", [KeyError("refresh_token"), IndexError("refresh_token")], ids=repr)
def test_a_mapping_that_lacks_a_refresh_token_becomes_tokens_without(error: Exception) -> None:
    assert Tokens.from_dict(Row(error)) == Tokens("access-0-of-it")


# Finding 20.
def test_where_fresh_tokens_are_refused_nobody_is_told_to_get_new_ones(form: Form, school: School) -> None:
    school.stays_401 = True
    with school.client() as studio, pytest.raises(AuthenticationError) as caught:
        form.call(studio, "get_media", 1)
    assert len(school.refreshes) == 1
    assert "get a new one" not in str(caught.value)
    assert "is it the right school" in str(caught.value)
    with (
        StudioClient(school.server.url, token="token-of-the-tests", retry_delay=0) as studio,
        pytest.raises(AuthenticationError, match="get a new one"),
    ):
        form.call(studio, "get_media", 1)


# Finding 23.
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


# Finding 25.
async def test_forgetting_without_a_school_is_done_on_the_loop_of_the_caller() -> None:
    store = AwaitedStore(tokens_of())
    tenant.set("tenant-7")
    await OAuth(CLIENT_ID, CLIENT_SECRET, store=store).forget_async()
    assert set(store.loops) == {asyncio.get_running_loop()}
    assert set(store.tenants) == {"tenant-7"}
    assert store.tokens is None


# Finding 25.
def test_forgetting_without_a_school_has_the_variables_of_the_caller(form: Form) -> None:
    store = BlockingStore(tokens_of())
    tenant.set("tenant-7")
    form.call(OAuth(CLIENT_ID, CLIENT_SECRET, store=store), "forget")
    assert set(store.tenants) == {"tenant-7"}
    assert store.tokens is None


# M2.
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
