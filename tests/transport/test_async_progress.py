"""An async `progress` callable is awaited while the download continues, one report at a time."""

from __future__ import annotations

import asyncio
import functools
import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import ProgressWarning
from support.collecting import collecting_garbage
from support.fault_server import Answer, FaultServer, Handler, Received, file_answer, media_answer, redirect

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from canvas_studio import StudioClient

CONTENT = random.Random(1).randbytes(300_000)
HALF = len(CONTENT) // 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lecture.mp4"


def whole(request: Received) -> Answer:
    return file_answer(request, CONTENT)


def held(request: Received) -> Answer:
    """Half of the file, and then silence on an open connection."""
    return file_answer(request, CONTENT, send=HALF, end="hang")


def in_halves(between: threading.Event) -> Answer:
    """A file of which the second half is sent only after an event."""

    def pieces() -> Generator[bytes]:
        yield CONTENT[:HALF]
        assert between.wait(20)
        yield CONTENT[HALF:]

    return Answer(headers={"Content-Type": "video/mp4"}, stream=pieces, content_length=len(CONTENT))


def exists(path: Path) -> bool:
    return path.exists()


def files_beside(path: Path) -> dict[str, bytes]:
    """The files in its folder."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


@contextmanager
def hosts(answer: Answer | Handler) -> Generator[tuple[StudioClient, FaultServer, FaultServer]]:
    """A client of a Studio host that sends every download to a storage host, that host, and the storage host."""
    with FaultServer(answer) as storage:

        def studio(request: Received) -> Answer:
            return redirect(f"{storage.url}/1") if request.path.endswith("/download") else media_answer(1)

        with FaultServer(studio) as server:
            yield server.client(), server, storage


async def test_a_transfer_does_not_wait_for_its_reports_which_come_one_at_a_time(path: Path) -> None:
    shown: list[tuple[int, int | None]] = []
    begun, running = threading.Event(), 0

    async def show(done: int, total: int | None) -> None:
        nonlocal running
        running += 1
        assert running == 1
        # Longer than the pause between two reports.
        await asyncio.sleep(0.2)
        begun.set()
        async with asyncio.timeout(20):
            # The second half comes while this is awaited.
            while not exists(path):  # noqa: ASYNC110 - a file system has no event to wait for
                await asyncio.sleep(0.005)
        shown.append((done, total))
        running -= 1

    with hosts(in_halves(begun)) as (studio, _, _):
        assert await studio.download_media_async(1, path, progress=show) == path
    assert files_beside(path) == {path.name: CONTENT}
    # The one that began before the end, and the last one, which has ended too.
    assert len(shown) >= 2
    assert shown[-1] == (len(CONTENT), len(CONTENT))
    assert running == 0


class Enough(Exception):  # noqa: N818 (it is not an error)
    """What a caller raises to end a download."""


async def test_an_exception_of_async_progress_ends_the_download_and_comes_out(path: Path) -> None:
    async def stop(_done: int, _total: int | None) -> None:
        await asyncio.sleep(0.001)
        raise Enough

    with hosts(held) as (studio, _, storage):
        with pytest.raises(Enough):
            await studio.download_media_async(1, path, progress=stop, resume=False)
        assert await asyncio.to_thread(storage.wait_for_disconnect)
    assert files_beside(path) == {}


async def test_an_exception_of_the_last_async_report_is_a_warning_with_it(path: Path) -> None:
    async def stop(done: int, total: int | None) -> None:
        await asyncio.sleep(0.001)
        if done == total:
            raise Enough

    with hosts(whole) as (studio, _, _), pytest.warns(ProgressWarning, match="Enough") as warned:
        assert await studio.download_media_async(1, path, progress=stop) == path
    assert isinstance(warned[0].message, Warning)
    assert isinstance(warned[0].message.__cause__, Enough)
    assert files_beside(path) == {path.name: CONTENT}


async def test_a_function_that_returns_a_coroutine_is_awaited(path: Path) -> None:
    shown: list[tuple[int, int | None]] = []

    async def show(done: int, total: int | None) -> None:
        await asyncio.sleep(0.001)
        shown.append((done, total))

    with hosts(whole) as (studio, _, _):
        await studio.download_media_async(1, path, progress=lambda done, total: show(done, total))  # noqa: PLW0108 - unlike `show`, no async function
    assert shown[-1] == (len(CONTENT), len(CONTENT))


async def test_a_cancelled_download_cancels_its_report(path: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def show(_done: int, _total: int | None) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with hosts(held) as (studio, _, storage):
        task = asyncio.create_task(studio.download_media_async(1, path, progress=show))
        async with asyncio.timeout(20):
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await ended.wait()
        assert await asyncio.to_thread(storage.wait_for_disconnect)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_report_that_waits_for_the_client_is_not_collected(path: Path) -> None:
    """Nothing but itself refers to a task that waits for the core."""
    found: list[int] = []

    with hosts(whole) as (studio, _, _), collecting_garbage():

        async def show(_done: int, _total: int | None) -> None:
            found.append((await studio.get_media_async(1)).id)

        for _ in range(2):
            await asyncio.wait_for(studio.download_media_async(1, path, progress=show), 20)
    assert set(found) == {1}
    assert len(found) >= 2


class Shows:
    """An object that is called and awaited."""

    async def __call__(self, done: int, total: int | None) -> None:
        """Show nothing."""


@pytest.mark.parametrize(
    "progress",
    [Shows().__call__, Shows(), functools.partial(Shows.__call__, Shows())],
    ids=["method", "object", "part"],
)
def test_async_progress_of_a_blocking_call_is_refused_before_anything_is_sent(
    path: Path, progress: Callable[[int, int | None], object]
) -> None:
    with hosts(whole) as (studio, server, _):
        with pytest.raises(TypeError, match="progress must not be an async callable in a blocking call"):
            studio.download_media(1, path, progress=progress)
        assert server.requests == []
    assert files_beside(path) == {}


def test_a_coroutine_that_blocking_progress_returns_is_an_error_and_no_warning(path: Path) -> None:
    """Nobody can know before it is called. That nothing warns, pytest's own filter makes sure."""

    def show(done: int, total: int | None) -> Any:
        return Shows()(done, total)

    with hosts(held) as (studio, _, storage):
        with pytest.raises(TypeError, match="progress must not be an async callable in a blocking call"):
            studio.download_media(1, path, progress=show, resume=False)
        assert storage.wait_for_disconnect()
    assert files_beside(path) == {}
