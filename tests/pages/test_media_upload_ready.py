"""Waiting for the transcoding of a media: paced, with a deadline, and ended at once."""

from __future__ import annotations

import asyncio
import pickle
import signal
import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APITimeoutError,
    ClientClosedError,
    InvalidArgumentError,
    Media,
    NotFoundError,
    TranscodingFailedError,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import HANG, Answer, FaultServer, media_answer

if TYPE_CHECKING:
    from pathlib import Path

    from canvas_studio import StudioClient
    from support.forms import Form

WAITING = media_answer(5, transcoding_status="transcoding_started")
READY = media_answer(5)


def wait(form: Form, studio: StudioClient, way: str, **how: Any) -> Media:
    """Wait for media 5, in one of two ways."""
    if way == "client":
        media = form.call(studio, "wait_until_ready", 5, **how)
    else:
        media = form.call(studio.get_media(5), "wait_until_ready", **how)
    assert type(media) is Media
    return media


@pytest.mark.parametrize("quality", [{}, {"quality": "high"}])
def test_a_download_before_the_transcoding_has_ended_says_to_wait(
    quality: dict[str, str], form: Form, tmp_path: Path
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    with Sandbox(media=0, transcoding_time=3600) as box, box.client() as studio:
        media = studio.upload_media(film)
        with pytest.raises(
            NotFoundError, match=r"Studio has not finished transcoding it: media\.wait_until_ready\(timeout"
        ):
            form.call(media, "download", tmp_path / "copy.mp4", **quality)
        with pytest.raises(NotFoundError, match="has not finished transcoding it"):
            form.call(studio, "get_download_url", media, **quality)


@pytest.mark.parametrize("way", ["client", "object"])
def test_waiting_ends_when_the_media_is_transcoded(way: str, form: Form, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    with Sandbox(media=0, transcoding_time=3600) as box, box.client() as studio:
        media = studio.upload_media(film)
        assert media.transcoding_status == "transcoding_queued"
        box.forget_requests()
        # The clock of the sandbox moves on once it was asked.
        over = threading.Event()

        def advance() -> None:
            while not box.requests and not over.wait(0.01):
                pass
            box.advance(3601)

        advancing = threading.Thread(target=advance)
        advancing.start()
        owner, given = (studio, (media,)) if way == "client" else (media, ())
        ready = form.call(owner, "wait_until_ready", *given, timeout=30)
        assert (ready.id, ready.transcoding_status) == (media.id, "transcoding_finished")
        over.set()
        advancing.join()
        assert len(box.requests) >= 2
        ready.download(tmp_path / "copy.mp4")


@pytest.mark.parametrize("way", ["client", "object"])
def test_any_status_but_the_known_one_is_not_yet(way: str, form: Form) -> None:
    steps = [media_answer(5, transcoding_status=status) for status in ("something_new", None, "", "finished")]
    with FaultServer(*([WAITING] if way == "object" else []), *steps, READY) as server:
        media = wait(form, server.client(), way, timeout=timedelta(seconds=30))
        assert media.transcoding_status == "transcoding_finished"
        assert {(seen.method, seen.path) for seen in server.requests} == {("GET", "/api/public/v1/media/5")}


def test_a_media_that_is_ready_costs_one_request(form: Form) -> None:
    with FaultServer(READY) as server:
        wait(form, server.client(), "client", timeout=30)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["transcoding_failed", "error", "Transcoding_Error_7", "FAILURE"])
def test_a_transcoding_that_failed_raises_with_the_media(status: str, form: Form) -> None:
    with FaultServer(media_answer(5, transcoding_status=status), READY) as server:
        with pytest.raises(TranscodingFailedError, match=f"media 5: .*{status}") as raised:
            wait(form, server.client(), "client", timeout=30)
        error = raised.value
        assert (error.media.id, error.media.transcoding_status) == (5, status)
        assert pickle.loads(pickle.dumps(error)).media == error.media  # noqa: S301 - of our own
        # It knows its client.
        assert form.call(error.media, "refresh").transcoding_status == "transcoding_finished"


def test_a_media_that_is_gone_raises(form: Form) -> None:
    with FaultServer(WAITING, Answer(status=404)) as server:
        with pytest.raises(NotFoundError):
            wait(form, server.client(), "client", timeout=30)
        assert len(server.requests) == 2


def test_the_deadline_is_a_timeout_with_the_last_status(form: Form) -> None:
    with FaultServer(WAITING) as server:
        with pytest.raises(APITimeoutError, match=r'within 0\.2 s: its transcoding_status is "transcoding_started"'):
            wait(form, server.client(), "client", timeout=0.2)
        assert len(server.requests) == 1


def test_the_deadline_ends_a_question_that_hangs(form: Form) -> None:
    with FaultServer(HANG) as server, pytest.raises(APITimeoutError, match="Studio did not answer in that time"):
        wait(form, server.client(read_timeout=60), "client", timeout=0.2)


def test_the_questions_are_paced(form: Form) -> None:
    with FaultServer(WAITING) as server:
        with pytest.raises(APITimeoutError):
            wait(form, server.client(), "client", timeout=1.7)
        # At 0, 0.5, 1 and 1.5 seconds at the earliest.
        assert 2 <= len(server.requests) <= 4


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), -(10**40), timedelta(seconds=-1)], ids=str)
def test_a_timeout_that_cannot_be_is_refused(timeout: Any, form: Form) -> None:
    with FaultServer(READY) as server:
        with pytest.raises(InvalidArgumentError, match="timeout must be a number of seconds above 0"):
            wait(form, server.client(), "client", timeout=timeout)
        with pytest.raises(TypeError):
            form.call(server.client(), "wait_until_ready", 5)
        assert server.requests == []


def test_close_ends_waiting_at_once(form: Form) -> None:
    with FaultServer(WAITING) as server:
        studio = server.client()

        def close() -> None:
            server.wait_for_requests()
            studio.close()

        closing = threading.Thread(target=close)
        closing.start()
        with pytest.raises(ClientClosedError):
            wait(form, studio, "client", timeout=3600)
        closing.join()
        assert len(server.requests) == 1


def test_a_cancelled_task_ends_waiting_at_once() -> None:
    with FaultServer(WAITING) as server:
        studio = server.client()

        async def run() -> None:
            task = asyncio.create_task(studio.wait_until_ready_async(5, timeout=3600))
            assert await asyncio.to_thread(server.wait_for_requests)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()

        asyncio.run(run())
        assert len(server.requests) == 1


def test_ctrl_c_ends_waiting_at_once() -> None:
    with FaultServer(WAITING) as server:
        studio = server.client()
        main = threading.main_thread().ident
        assert main is not None

        def stop() -> None:
            server.wait_for_requests()
            signal.pthread_kill(main, signal.SIGINT)

        stopping = threading.Thread(target=stop)
        stopping.start()
        with pytest.raises(KeyboardInterrupt):
            studio.wait_until_ready(5, timeout=3600)
        stopping.join()
        assert len(server.requests) == 1
