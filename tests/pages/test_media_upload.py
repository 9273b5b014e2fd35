"""The Media Upload page: a file becomes one media, or none; and what is left after an error is named."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import pickle
import signal
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import canvas_studio
import pytest
from canvas_studio import (
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    ClientClosedError,
    Collection,
    ConflictError,
    FileChangedError,
    InternalServerError,
    InvalidArgumentError,
    Media,
    PermissionDeniedError,
    ResponseDecodeError,
    StudioError,
    UploadSlot,
    UploadWarning,
)
from canvas_studio.sandbox import Assumptions, Sandbox
from support.fault_server import HANG, RESET, TOKEN, Answer, FaultServer, Handler, Received, json_answer, media_answer
from support.programs import BEGIN, linux_only, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from canvas_studio import StudioClient
    from support.forms import Form

CONTENT = b"\0\1\2\3" * 1000 + b"end"
COMPLETE = "/v1/media/uploads/*/complete"
SIGNATURE = "s3cret-signature-0123456789"


@pytest.fixture(params=[False, True], ids=["not_listed", "listed"])
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A Studio that shows no upload that is not completed, and one that does."""
    with Sandbox(media=0, assumptions=Assumptions(uploads_in_lists=request.param)) as box:
        yield box


@pytest.fixture
def studio(box: Sandbox) -> Iterator[StudioClient]:
    with box.client(retry_delay=0) as studio:
        yield studio


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "Mitosis in four minutes.mp4"
    path.write_bytes(CONTENT)
    return path


def asked(box: Sandbox) -> list[tuple[str, str, int | None]]:
    """What was asked of both hosts: methods, the last step of paths, statuses."""
    return [(seen.method, seen.path.rpartition("/")[2], seen.status) for seen in box.requests]


def completed(box: Sandbox) -> list[tuple[int, str | None]]:
    """The media that the sandbox holds."""
    with box.client() as studio:
        return [(media.id, media.title) for media in studio.search_media().collect() if media.title]


def storage_and_api(*storage: Answer | Handler) -> tuple[FaultServer, FaultServer]:
    """A storage host that follows a script, and an API that creates uploads there."""
    host = FaultServer(*storage)
    ids = iter(range(1, 100))

    def api(request: Received) -> Answer:
        if request.path.endswith("/media/uploads"):
            number = next(ids)
            url = f"{host.url}/uploads/{number}?X-Amz-Expires=86400&X-Amz-Signature={SIGNATURE}"
            return json_answer({"upload": {"id": number, "url": url}}, 201)
        if request.path.endswith("/complete"):
            return media_answer(int(request.path.split("/")[-2]), title="Mitosis")
        return media_answer(int(request.path.rpartition("/")[2]))

    return host, FaultServer(api)


def test_a_file_becomes_a_media_in_three_requests(form: Form, box: Sandbox, studio: StudioClient, film: Path) -> None:
    media = form.call(studio, "upload_media", film)
    assert type(media) is Media
    assert (media.title, media.description, media.size) == ("Mitosis in four minutes", None, len(CONTENT))
    assert asked(box) == [("POST", "uploads", 201), ("PUT", str(media.id), 200), ("POST", "complete", 200)]
    uploaded = box.uploaded_file(media.id)
    assert uploaded is not None
    assert (uploaded.content, uploaded.content_type) == (CONTENT, "video/mp4")
    assert box.requests[1].headers["content-length"] == str(len(CONTENT))
    assert "authorization" not in box.requests[1].headers
    assert form.call(media, "refresh").title == "Mitosis in four minutes"


def test_what_is_given_is_what_the_media_has(form: Form, box: Sandbox, studio: StudioClient, film: Path) -> None:
    ada, collection = box.add_user("Ada Park", "ada.park@example.edu"), box.add_collection("Biology")
    title, description = "減数分裂 & <Meiosis>?", "Zwei\nZeilen"
    media = form.call(
        studio,
        "upload_media",
        film,
        title=title,
        description=description,
        collection_id=collection,
        user_id=ada,
        auto_caption=True,
    )
    found = studio.get_media(media.id)
    assert (found.title, found.description) == (title, description)
    assert found.owner is not None
    assert found.collection is not None
    assert (found.owner.id, found.collection.id) == (ada, collection)
    captions = studio.request("GET", f"/media/{media.id}/caption_files")
    assert captions["caption_files"]


def test_a_collection_uploads_into_itself(form: Form, box: Sandbox, studio: StudioClient, film: Path) -> None:
    collection = studio.get_collection(box.add_collection("Biology"))
    assert type(collection) is Collection
    media = form.call(collection, "upload", film, title="Mitosis", description="Cells")
    found = studio.get_media(media.id)
    assert found.collection == collection
    assert (found.title, found.description) == ("Mitosis", "Cells")


def test_the_three_steps_can_be_made_by_hand(form: Form, box: Sandbox, studio: StudioClient, film: Path) -> None:
    slot = form.call(studio, "create_upload")
    assert type(slot) is UploadSlot
    reports: list[tuple[int, int | None]] = []

    def report(done: int, total: int | None) -> None:
        reports.append((done, total))

    assert form.call(studio, "send_upload", slot, film, progress=report) is None
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert completed(box) == []
    media = form.call(studio, "complete_upload", slot, title="Mitosis")
    assert (media.id, media.title, media.size) == (slot.id, "Mitosis", len(CONTENT))


def test_the_url_of_a_slot_is_shown_nowhere_and_not_pickled(form: Form, film: Path) -> None:
    storage, api = storage_and_api(Answer(status=403, body=f"<Code>No {SIGNATURE}</Code>".encode()))
    with storage, api:
        studio = api.client()
        slot = form.call(studio, "create_upload")
        assert slot.url.endswith(SIGNATURE)
        shown = repr(slot)
        assert shown == f"UploadSlot(id=1, url='{storage.url}/uploads/1?***')"
        assert SIGNATURE not in shown + str(slot) + f"{slot}"
        with pytest.raises(TypeError, match="its URL is a secret"):
            pickle.dumps(slot)
        assert copy.copy(slot) is copy.deepcopy(slot) is slot
        with pytest.raises(dataclasses.FrozenInstanceError):
            slot.id = 5
        with pytest.raises(PermissionDeniedError) as raised:
            form.call(studio, "send_upload", slot, film)
        assert SIGNATURE not in f"{raised.value} {raised.value.url} {raised.value.body!r} {raised.value.headers!r}"
        assert TOKEN not in json.dumps([request.headers for request in storage.requests])


@pytest.mark.parametrize("answer", [{}, {"id": 1}, {"id": 1, "url": None}, {"id": 1, "url": f"ftp://a/?{SIGNATURE}"}])
def test_an_upload_without_a_url_that_can_be_used_is_an_error(form: Form, answer: dict[str, Any]) -> None:
    with FaultServer(json_answer({"upload": answer}, 201)) as server:
        with pytest.raises(ResponseDecodeError) as raised:
            form.call(server.client(), "create_upload")
        assert SIGNATURE not in f"{raised.value} {raised.value.body}"
        assert len(server.requests) == 1


def test_what_is_wrong_with_a_file_is_refused_before_anything_is_sent(form: Form, tmp_path: Path) -> None:
    empty, large, film = tmp_path / "empty.mp4", tmp_path / "large.mp4", tmp_path / "film.mp4"
    empty.touch()
    film.write_bytes(b"film")
    with large.open("wb") as file:
        file.truncate(10_000_000_001)
    with FaultServer(json_answer({})) as server:
        studio = server.client()
        slot = UploadSlot(1, f"{server.url}/uploads/1")
        for path, problem in (
            (empty, "names an empty file"),
            (large, "names a file of 10000000001 bytes, and Studio takes at most 10 GB"),
            (tmp_path, "names .* is a folder|names .*cannot be sent"),
        ):
            with pytest.raises(InvalidArgumentError, match=problem) as raised:
                form.call(studio, "upload_media", path, title="x", check=path is not tmp_path)
            assert (raised.value.argument, raised.value.media_id) == ("path", None)
            if path is not tmp_path:
                with pytest.raises(InvalidArgumentError, match=problem):
                    form.call(studio, "send_upload", slot, path)
        with pytest.raises(InvalidArgumentError, match="empty file"):
            form.call(studio, "upload_media", empty, check=False)
        with pytest.raises(FileNotFoundError):
            form.call(studio, "upload_media", tmp_path / "missing.mp4")
        for title in ("", " \n"):
            with pytest.raises(InvalidArgumentError, match="title must not be empty"):
                form.call(studio, "upload_media", film, title=title)
            with pytest.raises(InvalidArgumentError, match="title must not be empty"):
                form.call(studio, "complete_upload", 1, title=title)
        with pytest.raises(InvalidArgumentError, match="collection_id must be"):
            form.call(studio, "upload_media", film, collection_id=0)
        with pytest.raises(InvalidArgumentError, match=r"slot\.url must be"):
            form.call(studio, "send_upload", UploadSlot(1, "ftp://example.edu/"), film)
        with pytest.raises(TypeError, match="slot must be an UploadSlot, not int"):
            form.call(studio, "send_upload", 1, film)
        assert server.requests == []


def test_a_large_file_and_an_unknown_kind_are_warned_of_and_check_ends_that(form: Form, tmp_path: Path) -> None:
    large, odd = tmp_path / "large.MP4", tmp_path / "film.mkv"
    odd.write_bytes(b"film")
    with large.open("wb") as file:
        file.truncate(5_000_000_001)
    with FaultServer(Answer(status=403)) as server:
        studio = server.client()

        def upload(path: Path, filter: Literal["always", "error"], *, check: bool = True) -> list[Any]:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter(filter)
                with suppress(PermissionDeniedError):
                    form.call(studio, "upload_media", path, check=check)
            return caught

        for path, problem in ((large, "at most 5 GB at once"), (odd, "a kind that the vendor's guide does not name")):
            [warning] = upload(path, "always")
            assert warning.category is UploadWarning is canvas_studio.UploadWarning
            assert problem in str(warning.message)
            # It names the line that calls, which is in the tests' own helper.
            assert warning.filename.endswith("forms.py")
            assert upload(path, "error", check=False) == []
        sent = len(server.requests)
        assert sent == 4
        with pytest.raises(UploadWarning):
            upload(odd, "error")
        assert len(server.requests) == sent


@pytest.mark.parametrize(
    "fault",
    [{"status": 403}, {"status": 400}, {"status": 403, "carried_out": True}, {"html": True}, {"malformed": True}],
    ids=str,
)
def test_a_status_of_the_storage_put_that_nobody_looks_at_then_complete_is_called(
    fault: dict[str, Any], form: Form, box: Sandbox, studio: StudioClient, film: Path
) -> None:
    box.faults.add(host="storage", method="PUT", **fault)
    with pytest.raises(StudioError) as raised:
        form.call(studio, "upload_media", film)
    assert isinstance(raised.value, APIStatusError | ResponseDecodeError)
    assert [method for method, step, _ in asked(box) if step == "complete"] == []
    assert raised.value.media_id is not None
    assert f"Upload {raised.value.media_id} was left uncompleted, so it is no media" in str(raised.value)
    assert completed(box) == []


def test_a3_a_retried_put_carries_the_whole_file_with_its_length(form: Form, film: Path) -> None:
    storage, api = storage_and_api(Answer(status=503), RESET, Answer(status=500), Answer())
    with storage, api:
        media = form.call(api.client(max_retries=3), "upload_media", film)
        assert media.id == 1
        assert [request.method for request in storage.requests] == ["PUT"] * 4
        for request in storage.requests:
            assert request.body == CONTENT
            assert request.headers["content-length"] == str(len(CONTENT))
            assert "transfer-encoding" not in request.headers
            assert "authorization" not in request.headers


def test_a4_a_post_that_may_have_been_carried_out_is_never_repeated_blindly(
    form: Form, box: Sandbox, studio: StudioClient, film: Path
) -> None:
    for fault in ({"status": 500, "carried_out": True}, {"status": 500}, {"reset": "after"}, {"reset": "before"}):
        box.forget_requests()
        number = box.faults.add(path="/v1/media/uploads", method="POST", **fault)
        with pytest.raises(StudioError) as raised:
            form.call(studio, "upload_media", film)
        assert getattr(raised.value, "outcome_unknown", None) is True
        assert [step for _, step, _ in asked(box)] == ["uploads"]
        box.faults.remove(number)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "carried_out": True},
        {"status": 504, "carried_out": True},
        {"reset": "after"},
        {"reset": "body"},
        {"html": True},
    ],
    ids=str,
)
def test_a_completion_whose_answer_is_lost_is_settled_by_looking(
    fault: dict[str, Any], form: Form, box: Sandbox, film: Path
) -> None:
    for retries in (0, 2):
        box.forget_requests()
        box.faults.add(path=COMPLETE, times=1, **fault)
        with box.client(retry_delay=0, max_retries=retries) as studio:
            media = form.call(studio, "upload_media", film)
        assert [step for _, step, _ in asked(box)] == ["uploads", str(media.id), "complete", str(media.id)]
        assert (media.title, media.size) == ("Mitosis in four minutes", len(CONTENT))
    assert len(completed(box)) == 2


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 502}, {"reset": "before"}], ids=str)
def test_a_completion_that_was_not_carried_out_is_made_again(
    fault: dict[str, Any], form: Form, box: Sandbox, studio: StudioClient, film: Path
) -> None:
    box.faults.add(path=COMPLETE, times=1, **fault)
    media = form.call(studio, "upload_media", film)
    steps = [step for _, step, _ in asked(box)]
    assert steps == ["uploads", str(media.id), "complete", str(media.id), "complete"]
    assert completed(box) == [(media.id, "Mitosis in four minutes")]


def test_a_completion_that_is_in_doubt_to_the_end_says_so(
    form: Form, box: Sandbox, studio: StudioClient, film: Path
) -> None:
    box.faults.add(path=COMPLETE, status=500)
    with pytest.raises(InternalServerError) as raised:
        form.call(studio, "upload_media", film)
    assert f"Whether upload {raised.value.media_id} was completed is unknown" in str(raised.value)
    assert raised.value.outcome_unknown
    box.faults.clear()
    assert raised.value.media_id is not None
    assert form.call(studio, "complete_upload", raised.value.media_id, title="Mitosis").size == len(CONTENT)


def test_a_media_that_cannot_be_looked_at_is_settled_by_completing_it_again(form: Form, film: Path) -> None:
    answers = iter([Answer(status=500), Answer(status=500), json_answer({"error": "completed already"}, 409)])

    def api(request: Received) -> Answer:
        if request.path.endswith("/complete"):
            return next(answers)
        gets = [seen for seen in server.requests if seen.method == "GET"]
        return Answer(status=403) if len(gets) < 3 else media_answer(1, title="Mitosis in four minutes")

    with FaultServer(Answer()) as storage, FaultServer(api) as server:
        studio = server.client()
        form.call(studio, "send_upload", UploadSlot(1, f"{storage.url}/1?a=b"), film)
        media = form.call(studio, "complete_upload", 1, title="Mitosis in four minutes")
        assert media.title == "Mitosis in four minutes"
        assert [request.method for request in server.requests] == ["POST", "GET", "POST", "GET", "POST", "GET"]


def test_a_second_completion_by_hand_is_a_conflict(form: Form, studio: StudioClient, film: Path) -> None:
    media = form.call(studio, "upload_media", film)
    with pytest.raises(ConflictError, match="completed before: look at the media with get_media"):
        form.call(studio, "complete_upload", media.id, title="Another")
    assert form.call(media, "refresh").title == "Mitosis in four minutes"


def test_automatic_captions_that_the_account_does_not_have_are_explained(form: Form, film: Path) -> None:
    with Sandbox(media=0, assumptions=Assumptions(auto_captions=False)) as box, box.client() as studio:
        with pytest.raises(InternalServerError) as raised:
            form.call(studio, "upload_media", film, auto_caption=True)
        error = raised.value
        assert (error.status_code, error.outcome_unknown) == (501, False)
        assert "automatic captions are not enabled for this account, so the upload is not completed" in str(error)
        assert f"complete_upload({error.media_id}, title=...) completes it" in str(error)
        assert error.media_id is not None
        assert form.call(studio, "complete_upload", error.media_id, title="Mitosis").size == len(CONTENT)
        assert [step for _, step, _ in asked(box) if step == "complete"] == ["complete"] * 2


def test_a_completion_that_is_refused_says_that_the_file_is_there(
    form: Form, box: Sandbox, studio: StudioClient, film: Path
) -> None:
    box.faults.add(path=COMPLETE, status=400, body={"error": "The title is missing."})
    with pytest.raises(BadRequestError, match="Studio requires a title") as raised:
        form.call(studio, "upload_media", film)
    assert f"Upload {raised.value.media_id} has its file, but was left uncompleted" in str(raised.value)


def test_a_signed_url_that_has_ended_is_asked_for_anew(
    form: Form, box: Sandbox, studio: StudioClient, film: Path
) -> None:
    ended = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    for status, body in ((403, ended), (400, "<Error><Code>ExpiredToken</Code></Error>")):
        box.forget_requests()
        box.faults.add(host="storage", status=status, body=body, times=1)
        media = form.call(studio, "upload_media", film)
        assert asked(box) == [
            ("POST", "uploads", 201),
            ("PUT", str(media.id - 1), status),
            ("POST", "uploads", 201),
            ("PUT", str(media.id), 200),
            ("POST", "complete", 200),
        ]
    assert len(completed(box)) == 2


def test_a_signed_url_that_ends_again_and_again_is_asked_for_three_times(
    form: Form, box: Sandbox, studio: StudioClient, film: Path
) -> None:
    box.faults.add(host="storage", status=403, body="Request has expired")
    with pytest.raises(PermissionDeniedError, match="begin with a new upload") as raised:
        form.call(studio, "upload_media", film)
    assert [step for _, step, _ in asked(box)].count("uploads") == 3
    assert f"Upload {raised.value.media_id} was left uncompleted" in str(raised.value)
    assert completed(box) == []


def test_a_signed_url_whose_time_is_over_has_ended_whatever_the_host_says(form: Form, film: Path) -> None:
    with FaultServer(Answer(status=403), Answer()) as storage:
        ids = iter((1, 2))

        def api(request: Received) -> Answer:
            if request.path.endswith("/media/uploads"):
                number = next(ids)
                url = f"{storage.url}/{number}?X-Amz-Expires={0 if number == 1 else 86400}&X-Amz-Signature={SIGNATURE}"
                return json_answer({"upload": {"id": number, "url": url}}, 201)
            return media_answer(2, title="Mitosis")

        with FaultServer(api) as server:
            assert form.call(server.client(), "upload_media", film).id == 2
            assert [request.path for request in storage.requests] == ["/1", "/2"]


@pytest.mark.parametrize("way", ["send_upload", "upload_media"])
def test_a_file_that_changes_while_it_is_sent_is_never_completed(way: str, form: Form, film: Path) -> None:
    def changing(_: Received) -> Answer:
        film.write_bytes(CONTENT + b" and more")
        return Answer()

    storage, api = storage_and_api(changing)
    with storage, api:
        studio = api.client()
        slot = UploadSlot(1, f"{storage.url}/1?a=b")
        with pytest.raises(FileChangedError, match="was changed while it was sent") as raised:
            form.call(studio, way, *([slot] if way == "send_upload" else []), film)
        assert (raised.value.path, raised.value.media_id) == (str(film), 1)
        assert "Upload 1 was left uncompleted" in str(raised.value)
        assert len(storage.requests) == 1
        assert [seen.path for seen in api.requests if seen.path.endswith("complete")] == []


def test_a_put_that_stalls_is_never_completed(form: Form, film: Path) -> None:
    storage, api = storage_and_api(HANG)
    with storage, api:
        with pytest.raises(APITimeoutError) as raised:
            form.call(api.client(read_timeout=0.2, max_retries=1), "upload_media", film)
        assert raised.value.media_id == 1
        assert SIGNATURE not in str(raised.value)
        assert [seen.path.rpartition("/")[2] for seen in api.requests] == ["uploads"]
        assert len(storage.requests) == 2


def test_progress_is_told_as_for_a_download(form: Form, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(3_000_000))
    reports: list[tuple[int, int | None]] = []

    def report(done: int, total: int | None) -> None:
        reports.append((done, total))

    async def report_async(done: int, total: int | None) -> None:
        reports.append((done, total))

    slow = Answer(delay=0.3)
    storage, api = storage_and_api(slow)
    with storage, api:
        studio = api.client()
        for each in (report, report_async) if form.name == "async" else (report,):
            reports.clear()
            form.call(studio, "upload_media", film, progress=each)
            assert reports[-1] == (3_000_000, 3_000_000)
            assert [done for done, _ in reports] == sorted(done for done, _ in reports)
        sent = len(api.requests)
        if form.name == "blocking":
            with pytest.raises(TypeError, match="async callable"):
                studio.upload_media(film, progress=report_async)
            assert len(api.requests) == sent

        def stop(*_: int | None) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            form.call(studio, "upload_media", film, progress=stop)
        # It was ended before the storage host answered, and perhaps before anything was sent.
        assert [seen.path for seen in api.requests[sent:] if seen.path.endswith("complete")] == []


@pytest.mark.parametrize("ended_by", ["close", "cancel", "interrupt"])
def test_an_upload_that_is_ended_in_the_middle_is_not_completed(ended_by: str, film: Path) -> None:
    storage, api = storage_and_api(HANG)
    with storage, api:
        studio = api.client()
        if ended_by == "cancel":

            async def run() -> None:
                task = asyncio.create_task(studio.upload_media_async(film))
                assert await asyncio.to_thread(storage.wait_for_requests)
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                assert task.cancelled()

            asyncio.run(run())
        else:
            main = threading.main_thread().ident
            assert main is not None

            def end() -> None:
                storage.wait_for_requests()
                if ended_by == "close":
                    studio.close()
                else:
                    signal.pthread_kill(main, signal.SIGINT)

            ending = threading.Thread(target=end)
            ending.start()
            with pytest.raises(ClientClosedError if ended_by == "close" else KeyboardInterrupt) as raised:
                studio.upload_media(film)
            ending.join()
            if ended_by == "close":
                assert "Upload 1 was left uncompleted" in str(raised.value)
        assert storage.wait_for_disconnect()
        assert [seen.path.rpartition("/")[2] for seen in api.requests] == ["uploads"]


def test_the_log_tells_how_far_an_upload_came_and_holds_no_signature(
    form: Form, film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "canvas_studio")
    storage, api = storage_and_api(Answer(status=403, body=b"Request has expired"), Answer(status=503), Answer())
    with storage, api:
        form.call(api.client(), "upload_media", film)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    assert lines[0] == "upload of media 1 started: 4003 bytes"
    assert lines[1] == "upload of media 1: its signed URL has expired; creating the upload anew"
    assert lines[2] == "upload of media 2 started: 4003 bytes"
    assert lines[-1].startswith("upload of media 2 finished: 4003 bytes in ")
    assert SIGNATURE not in caplog.text + "".join(str(vars(record)) for record in caplog.records)


@linux_only
def test_a_large_file_is_uploaded_in_flat_memory(form: Form, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    with film.open("wb") as file:
        file.truncate(200_000_000)
    program = """
        media = getattr(studio, sys.argv[3])(sys.argv[2])
        media = asyncio.run(media) if asyncio.iscoroutine(media) else media
        status = open("/proc/self/status").read()
        print(media.size, next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))
    """
    method = "upload_media" if form.name == "blocking" else "upload_media_async"
    with Sandbox(media=0) as box:
        peaks: list[int] = []
        for size in (1000, 200_000_000):
            with film.open("r+b") as file:
                file.truncate(0)
                file.truncate(size)
            begin = BEGIN.replace("token-of-a-program", box.token)
            shown = run(program, box.url, str(film), method, begin=begin)
            assert shown.stderr == ""
            uploaded, peak = map(int, shown.stdout.split())
            assert uploaded == size
            peaks.append(peak)
    # In kB: what is read ahead, and what the connection buffers.
    assert peaks[1] - peaks[0] < 16_000
