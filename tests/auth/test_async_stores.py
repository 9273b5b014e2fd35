"""The task of an async store, on the caller's event loop: it is not collected, and a closed loop is no trouble."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVarTuple

import pytest
from support.collecting import collecting_garbage
from support.programs import run
from support.school import School, eventually
from support.token_stores import AwaitedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context
    from subprocess import CompletedProcess

    from canvas_studio import StudioClient


Ts = TypeVarTuple("Ts")


@pytest.fixture
def school() -> Generator[School]:
    with School() as school:
        yield school


def test_collecting_garbage_during_refreshes_loses_no_token(school: School) -> None:
    """Nothing but itself refers to a task that waits for the core."""
    store = AwaitedStore(None)

    async def refresh() -> None:
        school.gate = gate = threading.Event()
        before = len(school.refreshes)
        store.tokens = school.expired()
        call = asyncio.create_task(studio.get_media_async(1))
        assert await asyncio.to_thread(eventually, lambda: len(school.refreshes) > before)
        # Long enough for some collections while the store's task waits for the core.
        await asyncio.sleep(0.02)
        gate.set()
        assert (await asyncio.wait_for(call, 20)).id == 1
        assert store.tokens is not None
        assert store.tokens.refresh_token == school.refresh_token
        school.end_access()

    async def refresh_often() -> None:
        for _ in range(6):
            await refresh()

    with school.client(school.oauth(store)) as studio, collecting_garbage():
        asyncio.run(refresh_often())
    assert len(school.refreshes) == 6
    assert store.calls.count("lock") == store.calls.count("unlock")


class StoppingLoop(asyncio.SelectorEventLoop):
    """An event loop that stops as soon as the core begins something on it, and takes it only later."""

    is_time: Callable[[], bool]

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = threading.Event()

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback."""
        if type(callback).__name__ != "PyEnsureFuture" or self.has_begun.is_set():
            return super().call_soon_threadsafe(callback, *args, context=context)
        super().call_soon_threadsafe(self.stop)
        try:
            assert eventually(self.is_time)
            return super().call_soon_threadsafe(callback, *args, context=context)
        finally:
            self.has_begun.set()


def refresh_on(loop: StoppingLoop, studio: StudioClient) -> None:
    """Begin a call on a loop that stops before the store's work begins."""
    task = loop.create_task(studio.get_media_async(1))
    # Python warns of a task that a loop leaves behind; this one is the caller's.
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(RuntimeError, match="stopped before"):
        loop.run_until_complete(task)


@pytest.fixture
def nothing_warns(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """Fail if Python or asyncio warns of anything until all that is left has been collected."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    logged = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert logged + [str(warning.message) for warning in caught] == []


@pytest.mark.usefixtures("nothing_warns")
def test_a_loop_that_is_closed_before_the_store_begins_warns_of_nothing(school: School) -> None:
    store, loop = AwaitedStore(school.expired()), StoppingLoop()
    loop.is_time = lambda: not loop.is_running()
    with school.client(school.oauth(store)) as studio:
        refresh_on(loop, studio)
        # The loop has taken the work, and never begins it.
        assert loop.has_begun.wait(20)
        loop.close()
        assert store.calls == []
        assert asyncio.run(asyncio.wait_for(studio.get_media_async(2), 20)).id == 2
    assert len(school.refreshes) == 1


@pytest.mark.usefixtures("nothing_warns")
def test_the_work_of_a_store_whose_loop_is_closed_is_done_on_a_thread(school: School) -> None:
    store, loop = AwaitedStore(school.expired()), StoppingLoop()
    loop.is_time = loop.is_closed
    with school.client(school.oauth(store)) as studio:
        refresh_on(loop, studio)
        loop.close()
        assert loop.has_begun.wait(20)
        assert eventually(lambda: store.calls == ["lock", "load", "save", "unlock"])
        assert studio.get_media(2).id == 2
    assert loop not in store.loops
    assert len(school.refreshes) == 1


RAISING = """
import asyncio, contextlib, sys, threading, time
from canvas_studio import OAuth, StudioClient, StudioError

class Raising:
    @contextlib.contextmanager
    def lock(self):
        raise RuntimeError("the database is away")

    def load(self): ...
    def save(self, tokens): ...

class RaisingAsync(Raising):
    async def load(self): ...

def call(store):
    studio = StudioClient("http://127.0.0.1:9", auth=OAuth("id", "secret", store=store))
    while True:
        with contextlib.suppress(StudioError):
            if isinstance(store, RaisingAsync):
                asyncio.run(studio.get_media_async(1))
            else:
                studio.get_media(1)
        started.set()

started = threading.Event()
for store in [Raising(), RaisingAsync()] * 4:
    threading.Thread(target=call, args=(store,), daemon=True).start()
assert started.wait(30)
time.sleep(float(sys.argv[1]))
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("exits", [10, pytest.param(100, marks=pytest.mark.torture)])
def test_an_exit_while_stores_raise_is_clean(exits: int) -> None:
    def run_for_a_while(number: int) -> CompletedProcess[str]:
        return run(RAISING, str(number / 1000), begin="")

    with ThreadPoolExecutor(4) as processes:
        ended = list(processes.map(run_for_a_while, range(exits)))
    assert {(process.returncode, process.stderr) for process in ended} == {(0, "")}
