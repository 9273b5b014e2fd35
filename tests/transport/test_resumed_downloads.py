"""A download that ended early goes on in the next one, if the host says by a strong ETag that the file is the same."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import random
import signal
import stat
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    InvalidArgumentError,
    Media,
    NotFoundError,
    PermissionDeniedError,
    ResponseDecodeError,
)
from support.fault_server import (
    TOKEN,
    Answer,
    FaultServer,
    Handler,
    Received,
    file_answer,
    json_answer,
    media_answer,
    redirect,
)
from support.programs import posix_only, running

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from support.forms import Form

CONTENT = b"\x00\x00\x00\x18ftypmp42" + random.Random(1).randbytes(300_000)
NEWER = CONTENT[:12] + CONTENT[12:][::-1]
SIZE, HALF = len(CONTENT), len(CONTENT) // 2
SHA256 = sha256(CONTENT).hexdigest()
VIDEO = {"Content-Type": "video/mp4"}
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
SIGNED = "Expires=1&Signature=SignedSecret"


def whole(request: Received) -> Answer:
    return file_answer(request, CONTENT)


def broken_off(request: Received) -> Answer:
    return file_answer(request, CONTENT, send=HALF, end="close")


def held(request: Received) -> Answer:
    """Half of the file, and then silence on an open connection."""
    return file_answer(request, CONTENT, send=HALF, end="hang")


@contextmanager
def hosts(*script: Answer | Handler) -> Generator[tuple[FaultServer, FaultServer]]:
    """A Studio host that sends every download to a storage host, which follows the script."""
    with FaultServer(*script) as storage, FaultServer(redirect(f"{storage.url}/file.mp4?{SIGNED}")) as server:
        yield server, storage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lecture.mp4"


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.json")


def leave_half(form: Form, server: FaultServer, path: Path, *, media: int = 1, **how: Any) -> None:
    """A download that fails half-way."""
    with pytest.raises(APIConnectionError):
        form.call(server.client(max_retries=0), "download_media", media, path, **how)


def eventually(happened: Callable[[], bool]) -> bool:
    """Whether it happens within twenty seconds; a file system has no event to wait for."""
    deadline = time.monotonic() + 20
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def test_a_download_that_failed_goes_on_in_the_next_one(form: Form, path: Path) -> None:
    with hosts(broken_off, whole) as (server, storage):
        leave_half(form, server, path)
        assert part_of(path).read_bytes() == CONTENT[:HALF]
        assert form.call(server.client(), "download_media", 1, path) == path
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    assert storage.requests[1].headers["range"] == f"bytes={HALF}-"
    assert storage.requests[1].headers["if-range"] == '"1"'
    # A new signed URL was asked for.
    assert len(server.requests) == 2


def test_a_media_goes_on_with_what_the_client_left(form: Form, path: Path) -> None:
    def school(request: Received) -> Answer:
        return redirect(f"{storage.url}/file.mp4?{SIGNED}") if "download" in request.path else media_answer(1)

    with FaultServer(broken_off, whole) as storage, FaultServer(school) as server:
        leave_half(form, server, path)
        media: Media = form.call(server.client(), "get_media", 1)
        assert form.call(media, "download", path, sha256=SHA256) == path
        assert storage.requests[1].headers["range"] == f"bytes={HALF}-"
    assert path.read_bytes() == CONTENT


def test_what_stays_is_for_its_owner_alone_and_holds_no_url_and_no_secret(form: Form, path: Path) -> None:
    before = os.umask(0)
    try:
        with hosts(broken_off) as (server, _):
            leave_half(form, server, path)
    finally:
        os.umask(before)
    text = record_of(path).read_text()
    record = json.loads(text)
    assert record["version"]["etag"] == '"1"'
    assert record["length"] == SIZE
    for secret in ("://", "Signed", "Expires", "file.mp4", TOKEN):
        assert secret not in text
    assert sorted(path.parent.iterdir()) == [part_of(path), record_of(path)]
    if os.name == "posix":
        assert stat.S_IMODE(record_of(path).stat().st_mode) == 0o600


def test_the_log_says_what_stays_and_where_the_next_one_goes_on(
    form: Form, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "canvas_studio")
    with hosts(broken_off, whole) as (server, _):
        leave_half(form, server, path)
        assert f"{HALF} bytes stay in {part_of(path)} for the next download to the same path" in caplog.text
        form.call(server.client(), "download_media", 1, path)
    assert f"download resumed at {HALF} of {SIZE} bytes" in caplog.text


def test_without_resume_nothing_stays_and_nothing_is_continued(form: Form, path: Path) -> None:
    with hosts(broken_off, broken_off, whole) as (server, storage):
        leave_half(form, server, path, resume=False)
        assert list(path.parent.iterdir()) == []
        leave_half(form, server, path)
        form.call(server.client(), "download_media", 1, path, resume=False)
        assert "range" not in storage.requests[2].headers
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_without_resume_a_failure_removes_what_was_there_before_once_it_has_begun(form: Form, path: Path) -> None:
    with hosts(broken_off) as (server, _):
        leave_half(form, server, path)
        leave_half(form, server, path, resume=False)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("bad", [1, "yes", None])
def test_resume_of_the_wrong_type_is_refused_before_anything_is_sent(form: Form, path: Path, bad: object) -> None:
    with hosts(whole) as (server, _), pytest.raises(TypeError, match="resume must be True or False"):
        form.call(server.client(), "download_media", 1, path, resume=bad)
    assert server.requests == []


@pytest.mark.parametrize(
    "validators",
    [{}, {"ETag": 'W/"1"'}, {"Last-Modified": DATE}, {"ETag": 'W/"1"', "Last-Modified": DATE}, {"ETag": "bare"}],
    ids=["none", "weak", "date", "weak and date", "without quotes"],
)
def test_without_a_strong_validator_nothing_stays(form: Form, path: Path, validators: dict[str, str]) -> None:
    with hosts(Answer(headers=VIDEO | validators, body=CONTENT, send=HALF, end="close"), whole) as (server, storage):
        leave_half(form, server, path)
        assert list(path.parent.iterdir()) == []
        form.call(server.client(), "download_media", 1, path)
        assert "range" not in storage.requests[1].headers
    assert path.read_bytes() == CONTENT


def changed(request: Received) -> Answer:
    return file_answer(request, NEWER, etag='"2"')


def blind_to_if_range(request: Received) -> Answer:
    without = {name: value for name, value in request.headers.items() if name != "if-range"}
    return changed(replace(request, headers=without))


def without_etag(request: Received) -> Answer:
    answer = blind_to_if_range(request)
    return replace(answer, headers={name: value for name, value in answer.headers.items() if name != "ETag"})


def refuses_with(status: int) -> Handler:
    return lambda request: Answer(status=status) if "range" in request.headers else changed(request)


CHANGED: dict[str, Handler] = {
    "200": changed,
    "206 of the other version": blind_to_if_range,
    "206 that does not say its version": without_etag,
    "412": refuses_with(412),
    "416": refuses_with(416),
    "shorter": lambda request: file_answer(request, NEWER[:1000], etag='"2"'),
    "longer": lambda request: file_answer(request, NEWER * 2, etag='"2"'),
    "of the same tag, but longer": lambda request: file_answer(request, NEWER * 2),
}


@pytest.mark.parametrize("answer", CHANGED.values(), ids=CHANGED)
def test_a_file_that_changed_between_two_downloads_starts_over(form: Form, path: Path, answer: Handler) -> None:
    with hosts(broken_off, answer) as (server, storage):
        leave_half(form, server, path)
        form.call(server.client(), "download_media", 1, path)
        expected = {"shorter": NEWER[:1000], "longer": NEWER * 2, "of the same tag, but longer": NEWER * 2}
        name = next(name for name, each in CHANGED.items() if each is answer)
        assert len(storage.requests) <= 4
    assert path.read_bytes() == expected.get(name, NEWER)
    assert list(path.parent.iterdir()) == [path]


def test_what_stays_after_a_change_is_of_the_newer_version(form: Form, path: Path) -> None:
    def newer_half(request: Received) -> Answer:
        return replace(changed(request), send=HALF // 2, end="close")

    with hosts(broken_off, newer_half, changed) as (server, storage):
        leave_half(form, server, path)
        leave_half(form, server, path)
        assert part_of(path).read_bytes() == NEWER[: HALF // 2]
        form.call(server.client(), "download_media", 1, path)
        assert storage.requests[-1].headers["if-range"] == '"2"'
        assert storage.requests[-1].headers["range"] == f"bytes={HALF // 2}-"
    assert path.read_bytes() == NEWER


def test_a_file_of_unknown_length_is_continued(form: Form, path: Path) -> None:
    def chunked(request: Received) -> Answer:
        return replace(whole(request), chunked="range" not in request.headers)

    with hosts(lambda request: replace(chunked(request), send=HALF, end="close"), chunked) as (server, storage):
        leave_half(form, server, path)
        form.call(server.client(), "download_media", 1, path)
        assert storage.requests[1].headers["range"] == f"bytes={HALF}-"
    assert path.read_bytes() == CONTENT


def rewritten(before: str, after: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        text = record_of(path).read_text()
        assert before in text
        record_of(path).write_text(text.replace(before, after))

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: record_of(path).write_bytes(record_of(path).read_bytes()[:-5]),
    "empty": lambda path: record_of(path).write_bytes(b""),
    "no json": lambda path: record_of(path).write_bytes(b"\xff\x00"),
    "huge": lambda path: record_of(path).write_bytes(b" " * 1_000_000),
    "a list": lambda path: record_of(path).write_text("[]"),
    "a later format": rewritten('"format":1', '"format":2'),
    "a header in the tag": rewritten(r"\"1\"", r"\"1\"\r\nX-Other: 1"),
    "no record": lambda path: record_of(path).unlink(),
    "no part": lambda path: part_of(path).unlink(),
    "an empty part": lambda path: part_of(path).write_bytes(b""),
    "a longer part": lambda path: part_of(path).write_bytes(CONTENT + b"more"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_or_missing_starts_over(form: Form, path: Path, damage: Callable[[Path], object]) -> None:
    with hosts(broken_off, whole) as (server, storage):
        leave_half(form, server, path)
        damage(path)
        form.call(server.client(), "download_media", 1, path)
        assert "range" not in storage.requests[1].headers
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_place_of_the_record_is_an_os_error_with_its_name(form: Form, path: Path) -> None:
    with hosts(broken_off, whole) as (server, _):
        leave_half(form, server, path)
        record_of(path).unlink()
        record_of(path).mkdir()
        with pytest.raises(OSError, match=r"lecture\.mp4\.part\.json"):
            form.call(server.client(), "download_media", 1, path)
    assert record_of(path).is_dir()
    assert not path.exists()


@posix_only
def test_a_record_that_is_a_link_is_not_followed(form: Form, path: Path) -> None:
    with hosts(broken_off, whole) as (server, storage):
        leave_half(form, server, path)
        precious = record_of(path).rename(path.with_name("precious.json"))
        before = precious.read_bytes()
        record_of(path).symlink_to(precious)
        form.call(server.client(), "download_media", 1, path)
        assert "range" not in storage.requests[1].headers
    assert precious.read_bytes() == before
    assert path.read_bytes() == CONTENT
    assert not record_of(path).is_symlink()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only an administrator can give a file away")
def test_a_record_of_another_user_is_not_believed(form: Form, path: Path) -> None:
    with hosts(broken_off, whole) as (server, storage):
        leave_half(form, server, path)
        os.chown(record_of(path), 65_534, 65_534)
        form.call(server.client(), "download_media", 1, path)
        assert "range" not in storage.requests[1].headers
    assert path.read_bytes() == CONTENT


def test_a_part_that_is_whole_needs_one_byte_more_to_be_sure(form: Form, path: Path) -> None:
    with hosts(broken_off, whole) as (server, storage):
        leave_half(form, server, path)
        part_of(path).write_bytes(CONTENT)
        form.call(server.client(), "download_media", 1, path, sha256=SHA256)
        assert storage.requests[1].headers["range"] == f"bytes={SIZE - 1}-"
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("other", ["media", "quality", "school"])
def test_what_another_file_left_is_not_continued(form: Form, path: Path, other: str) -> None:
    with hosts(broken_off, whole) as (server, storage):
        leave_half(form, server, path)
        with FaultServer(redirect(f"{storage.url}/file.mp4?{SIGNED}")) as second:
            studio = (second if other == "school" else server).client()
            quality = "low" if other == "quality" else None
            form.call(studio, "download_media", 2 if other == "media" else 1, path, quality=quality)
        assert "range" not in storage.requests[1].headers
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("media", [1, 2])
def test_an_error_answer_leaves_what_is_there(form: Form, path: Path, media: int) -> None:
    gone = json_answer({"error": "gone"}, 404)
    with FaultServer(broken_off, gone, whole) as storage:
        there = redirect(f"{storage.url}/file.mp4?{SIGNED}")
        with FaultServer(there, gone, there) as server:
            leave_half(form, server, path)
            # First of Studio, then of the storage host.
            for _ in range(2):
                with pytest.raises(NotFoundError):
                    form.call(server.client(), "download_media", media, path)
                assert part_of(path).read_bytes() == CONTENT[:HALF]
            form.call(server.client(), "download_media", 1, path)
        assert storage.requests[2].headers["range"] == f"bytes={HALF}-"
    assert path.read_bytes() == CONTENT


def test_a_url_that_expired_is_replaced_and_the_earlier_part_goes_on(form: Form, path: Path) -> None:
    forbidden = Answer(status=403)
    with hosts(broken_off, forbidden, whole) as (server, storage):
        leave_half(form, server, path)
        form.call(server.client(), "download_media", 1, path)
        assert len(server.requests) == 3
        assert storage.requests[2].headers["range"] == f"bytes={HALF}-"
    assert path.read_bytes() == CONTENT


def test_a_part_from_before_is_no_progress_of_this_download(form: Form, path: Path) -> None:
    """A host that brings nothing is asked as often as for a new file."""
    with hosts(broken_off, lambda request: replace(whole(request), send=0, end="reset")) as (server, storage):
        leave_half(form, server, path)
        with pytest.raises(APIConnectionError):
            form.call(server.client(max_retries=2), "download_media", 1, path)
        assert len(storage.requests) == 4
    assert part_of(path).read_bytes() == CONTENT[:HALF]


def test_a_url_that_is_refused_again_is_an_error_and_the_part_stays(form: Form, path: Path) -> None:
    with hosts(broken_off, Answer(status=403)) as (server, _):
        leave_half(form, server, path)
        with pytest.raises(PermissionDeniedError):
            form.call(server.client(), "download_media", 1, path)
    assert part_of(path).read_bytes() == CONTENT[:HALF]


def test_progress_begins_where_the_earlier_download_ended(form: Form, path: Path) -> None:
    calls: list[tuple[int, int | None]] = []

    def progress(done: int, total: int | None) -> None:
        calls.append((done, total))

    with hosts(broken_off, whole) as (server, _):
        leave_half(form, server, path)
        form.call(server.client(), "download_media", 1, path, progress=progress)
    assert calls[-1] == (SIZE, SIZE)
    assert all(done >= HALF for done, total in calls if total is not None)


@pytest.mark.parametrize("extra", [0, 1], ids=["name.part fits", "nothing fits"])
@pytest.mark.parametrize("letter", ["L", "講"])
def test_the_longest_names_are_continued(form: Form, tmp_path: Path, letter: str, extra: int) -> None:
    room = 250 + 5 * extra
    size = len(letter.encode())
    path = tmp_path / (letter * (room // size) + "x" * (room % size))
    with hosts(broken_off, whole) as (server, storage):
        leave_half(form, server, path)
        assert sorted(each.suffix for each in tmp_path.iterdir()) == [".json", ".part"]
        form.call(server.client(), "download_media", 1, path)
        assert storage.requests[1].headers["range"] == f"bytes={HALF}-"
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == CONTENT


class Enough(Exception):  # noqa: N818 (it is not an error)
    """What a caller raises to end a download."""


def test_what_an_exception_of_progress_ended_goes_on(form: Form, path: Path) -> None:
    def stop(done: int, _total: int | None) -> None:
        if done:
            raise Enough

    with hosts(held, whole) as (server, storage):
        with pytest.raises(Enough):
            form.call(server.client(), "download_media", 1, path, progress=stop)
        form.call(server.client(), "download_media", 1, path)
        start = int(storage.requests[1].headers["range"].removeprefix("bytes=").removesuffix("-"))
        assert 0 < start <= HALF
    assert path.read_bytes() == CONTENT


def test_what_a_cancelled_download_left_goes_on(path: Path) -> None:
    async def cancel_and_go_on() -> None:
        studio = server.client()
        download = asyncio.create_task(studio.download_media_async(1, path))
        assert await asyncio.to_thread(storage.wait_for_requests)
        assert await asyncio.to_thread(eventually, lambda: part_of(path).exists() and part_of(path).stat().st_size > 0)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        assert await studio.download_media_async(1, path) == path

    with hosts(held, whole) as (server, storage):
        asyncio.run(cancel_and_go_on())
        assert "range" in storage.requests[1].headers
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_what_a_closed_client_left_goes_on_with_another(form: Form, path: Path) -> None:
    with hosts(held, whole) as (server, storage), ThreadPoolExecutor(1) as threads:
        studio = server.client()
        download = threads.submit(form.call, studio, "download_media", 1, path)
        assert eventually(lambda: part_of(path).exists() and part_of(path).stat().st_size > 0)
        studio.close()
        assert download.exception(timeout=20) is not None
        form.call(server.client(), "download_media", 1, path)
        assert "range" in storage.requests[1].headers
    assert path.read_bytes() == CONTENT


@posix_only
@pytest.mark.parametrize("form_name", ["blocking", "async"])
def test_what_ctrl_c_ended_goes_on_in_another_process(path: Path, form_name: str) -> None:
    call = {
        "blocking": "studio.download_media(1, sys.argv[2])",
        "async": "asyncio.run(studio.download_media_async(1, sys.argv[2]))",
    }[form_name]
    with hosts(held, whole) as (server, storage):
        with running(call, server.url, str(path)) as process:
            assert eventually(lambda: part_of(path).exists() and part_of(path).stat().st_size > 0)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
            assert "KeyboardInterrupt" in errors
        assert record_of(path).exists()
        with running(call, server.url, str(path)) as process:
            assert process.wait(timeout=30) == 0
        assert "range" in storage.requests[1].headers
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_second_download_waits_for_no_part_that_is_being_written(form: Form, path: Path) -> None:
    """What stays is locked while somebody goes on with it: nobody else asks for its rest."""
    gate = threading.Event()

    def slowly(request: Received) -> Answer:
        def rest() -> Iterator[bytes]:
            yield CONTENT[HALF : HALF + 10]
            gate.wait(20)
            yield CONTENT[HALF + 10 :]

        return replace(whole(request), stream=rest, content_length=SIZE - HALF)

    with hosts(broken_off, slowly, whole) as (server, storage), ThreadPoolExecutor(1) as threads:
        leave_half(form, server, path)
        studio = server.client()
        first = threads.submit(form.call, studio, "download_media", 1, path)
        assert storage.wait_for_requests(2)
        try:
            with pytest.raises(OSError, match="lecture") as caught:
                form.call(studio, "download_media", 1, path)
            assert caught.value.errno == errno.EBUSY
        finally:
            gate.set()
        assert first.result(timeout=20) == path
        assert len(storage.requests) == 2
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


@posix_only
def test_a_file_that_cannot_take_its_name_stays_as_a_part(form: Form, path: Path) -> None:
    def get_in_the_way(request: Received) -> Answer:
        (path / "inside").mkdir(parents=True)
        return whole(request)

    with hosts(get_in_the_way, whole) as (server, storage):
        with pytest.raises(OSError, match="lecture"):
            form.call(server.client(), "download_media", 1, path)
        assert part_of(path).read_bytes() == CONTENT
        (path / "inside").rmdir()
        path.rmdir()
        form.call(server.client(), "download_media", 1, path)
        assert storage.requests[1].headers["range"] == f"bytes={SIZE - 1}-"
    assert path.read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the size of files")
def test_what_a_full_disk_took_goes_on_once_there_is_room(form: Form, path: Path) -> None:
    program = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, ({HALF}, {HALF}))
        try:
            {"" if form.name == "blocking" else "asyncio.run"}(studio.download_media{
        "" if form.name == "blocking" else "_async"
    }(1, sys.argv[2]))
        except OSError as error:
            print(error.strerror)
    """
    with hosts(whole) as (server, storage):
        with running(program, server.url, str(path)) as process:
            output, errors = process.communicate(timeout=30)
            assert (output.strip(), errors) == ("File too large", "")
        assert part_of(path).read_bytes() == CONTENT[:HALF]
        form.call(server.client(), "download_media", 1, path)
        assert storage.requests[1].headers["range"] == f"bytes={HALF}-"
    assert path.read_bytes() == CONTENT


def test_a_file_that_is_too_large_removes_its_earlier_part(form: Form, path: Path) -> None:
    for limit in (HALF - 1, SIZE - 1):
        with hosts(broken_off, whole) as (server, _):
            leave_half(form, server, path)
            with pytest.raises(ResponseDecodeError, match="larger than max_bytes"):
                form.call(server.client(), "download_media", 1, path, max_bytes=limit)
        assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("how", ["at once", "broken", "in two downloads", "started over"])
def test_sha256_is_checked_over_the_whole_file(form: Form, path: Path, how: str) -> None:
    no_ranges = Answer(headers=VIDEO, body=CONTENT)
    scripts: dict[str, list[Answer | Handler]] = {
        "at once": [whole],
        "broken": [broken_off, whole],
        "in two downloads": [broken_off, whole],
        "started over": [replace(no_ranges, send=HALF, end="close"), no_ranges],
    }
    script = scripts[how]
    for digits, is_right in ((SHA256, True), (SHA256.upper(), True), ("0" * 64, False)):
        with hosts(*script) as (server, storage):
            if how == "in two downloads":
                leave_half(form, server, path)
            if is_right:
                form.call(server.client(), "download_media", 1, path, sha256=digits)
                assert path.read_bytes() == CONTENT
                path.unlink()
            else:
                with pytest.raises(ResponseDecodeError, match="download it again") as caught:
                    form.call(server.client(), "download_media", 1, path, sha256=digits)
                assert SHA256 in str(caught.value)
            assert len(storage.requests) == len(script)
        assert list(path.parent.iterdir()) == []


def test_a_part_that_was_damaged_is_found_by_sha256_and_the_next_download_is_right(form: Form, path: Path) -> None:
    path.write_bytes(b"last week's")
    with hosts(broken_off, whole) as (server, _):
        leave_half(form, server, path)
        part_of(path).write_bytes(bytes(HALF))
        with pytest.raises(ResponseDecodeError, match="nothing of it stays"):
            form.call(server.client(), "download_media", 1, path, sha256=SHA256)
        assert path.read_bytes() == b"last week's"
        assert list(path.parent.iterdir()) == [path]
        form.call(server.client(), "download_media", 1, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("bad", ["", "abc", "0" * 63, "0" * 65, "g" * 64, f"sha256:{SHA256}", f" {SHA256}"])
def test_a_sha256_that_is_none_is_refused_before_anything_is_sent(form: Form, path: Path, bad: str) -> None:
    with hosts(whole) as (server, _):
        with pytest.raises(InvalidArgumentError, match="sha256 must be 64 hexadecimal digits") as caught:
            form.call(server.client(), "download_media", 1, path, sha256=bad)
        assert caught.value.argument == "sha256"
        with pytest.raises(TypeError, match="sha256 must be a str"):
            form.call(server.client(), "download_media", 1, path, sha256=bytes.fromhex(SHA256))
    assert server.requests == []
