"""Uploads whose progress callable raises, whose client is closed, and whose hosts answer what they should not."""

from __future__ import annotations

import asyncio
import functools
import gzip
import threading
import traceback
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIStatusError,
    APITimeoutError,
    ClientClosedError,
    ConflictError,
    InternalServerError,
    InvalidArgumentError,
    NotFoundError,
    ProgressWarning,
    ResponseDecodeError,
    StudioClient,
    StudioError,
    UploadSlot,
)
from support.fault_server import (
    RESET,
    Answer,
    FaultServer,
    Handler,
    Received,
    json_answer,
    media_answer,
    redirect,
    text_answer,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.forms import Form

SIGNATURE = "s3cret-signature-0123456789"
TITLE = "Mitosis"


class Stop(BaseException):
    """As Ctrl-C, which a test would rather not be ended by."""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / f"{TITLE}.mp4"
    path.write_bytes(b"\0\1\2\3" * 1000)
    return path


class Api:
    """Studio's API, which completes upload 7 unless a test puts something in the place of an answer."""

    def __init__(self, storage: FaultServer, **answers: Answer | Handler | list[Answer]) -> None:
        self.storage = storage
        self.answers = answers
        self.completing = threading.Event()

    def __call__(self, request: Received) -> Answer:
        """Answer."""
        step = request.path.rpartition("/")[2]
        name = step if step in {"uploads", "complete"} else "get"
        if name == "complete":
            self.completing.set()
        answer = self.answers.get(name)
        if isinstance(answer, Answer):
            return answer
        if callable(answer):
            return answer(request)
        if answer:
            return answer.pop(0) if len(answer) > 1 else answer[0]
        if name == "uploads":
            url = f"{self.storage.url}/uploads/7?X-Amz-Expires=86400&X-Amz-Signature={SIGNATURE}"
            return json_answer({"upload": {"id": 7, "url": url}}, 201)
        return media_answer(7, title=TITLE)


def steps(server: FaultServer) -> list[str]:
    """What was asked of the API: the last step of each path."""
    return [request.path.rpartition("/")[2] for request in server.requests]


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


def raising(when: Callable[[], bool], error: BaseException) -> Callable[[int, int | None], None]:
    """A progress callable that raises once something has happened."""

    def report(_: int, __: int | None) -> None:
        if when():
            raise error

    return report


@pytest.mark.parametrize("is_async", [False, True], ids=["callable", "async callable"])
@pytest.mark.parametrize("is_held", [False, True], ids=["at the end", "while it is completed"])
def test_a_progress_callable_that_raises_does_not_hide_the_media(
    form: Form, film: Path, *, is_held: bool, is_async: bool
) -> None:
    raised = threading.Event()

    def answer(_: Received) -> Answer:
        return replace(media_answer(7, title=TITLE), gate=raised if is_held else None)

    with FaultServer(Answer()) as storage:
        api = Api(storage, complete=answer)

        def report(_: int, __: int | None) -> None:
            if api.completing.is_set():
                raised.set()
                raise ValueError("mine")

        async def report_async(done: int, total: int | None) -> None:
            await asyncio.sleep(0)
            report(done, total)

        if is_async and form.name == "blocking":
            pytest.skip("a blocking call takes no async callable")
        with FaultServer(api) as server, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            media = form.call(server.client(), "upload_media", film, progress=report_async if is_async else report)
            assert (media.id, steps(server)) == (7, ["uploads", "complete"])
    [warning] = caught
    assert warning.category is ProgressWarning
    assert "ValueError: mine" in str(warning.message)
    assert isinstance(warning.message, Warning)
    assert isinstance(warning.message.__cause__, ValueError)
    # It names the line that calls, which is in the tests' own helper.
    assert warning.filename.endswith("forms.py")


def test_what_a_progress_callable_raises_at_the_end_of_a_download_does_not_hide_the_file(
    form: Form, tmp_path: Path
) -> None:
    content = b"\0\0\0\x18ftyp" + bytes(1000)
    path = tmp_path / "film.mp4"
    with (
        FaultServer(Answer(body=content, headers={"Content-Type": "video/mp4"})) as storage,
        FaultServer(redirect(f"{storage.url}/film")) as server,
        pytest.warns(ProgressWarning, match="ValueError: mine"),
    ):
        found = form.call(server.client(), "download_media", 1, path, progress=raising(path.exists, ValueError("mine")))
    assert found.read_bytes() == content


def test_as_an_error_the_warning_says_that_the_media_is_there(form: Form, film: Path) -> None:
    with FaultServer(Answer()) as storage:
        api = Api(storage)
        with FaultServer(api) as server, warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ProgressWarning) as raised:
                form.call(
                    server.client(), "upload_media", film, progress=raising(api.completing.is_set, ValueError("mine"))
                )
    assert notes(raised.value) == "Upload 7 is completed: get_media(7) has the media"


def test_an_exception_that_ends_an_upload_says_what_it_leaves_behind(form: Form, film: Path) -> None:
    for error in (ValueError("mine"), Stop()):
        with FaultServer(Answer(end="hang", silent=True)) as storage, FaultServer(Api(storage)) as server:
            report = raising(functools.partial(storage.wait_for_requests, 1, 0), error)
            with pytest.raises(type(error)) as raised:
                form.call(server.client(), "upload_media", film, progress=report)
            assert raised.value is error
            assert notes(error) == "Upload 7 was left uncompleted, so it is no media: upload the file again"
            assert steps(server) == ["uploads"]


def test_an_interrupt_during_the_completion_says_that_its_outcome_is_unknown(form: Form, film: Path) -> None:
    with FaultServer(Answer()) as storage:
        api = Api(storage, complete=Answer(silent=True, end="hang"))
        with FaultServer(api) as server, pytest.raises(Stop) as raised:
            form.call(server.client(), "upload_media", film, progress=raising(api.completing.is_set, Stop()))
    assert "Whether upload 7 was completed is unknown" in notes(raised.value)


@pytest.mark.parametrize(
    ("method", "held", "said"),
    [
        ("upload_media", "storage", "Upload 7 was left uncompleted, so it is no media"),
        ("upload_media", "complete", "Whether upload 7 was completed is unknown"),
        ("send_upload", "storage", "Upload 7 was left uncompleted, so it is no media"),
        ("complete_upload", "complete", "Whether upload 7 was completed is unknown"),
    ],
)
async def test_a_cancelled_task_says_what_it_leaves_behind(method: str, held: str, said: str, film: Path) -> None:
    hang = Answer(silent=True, end="hang")
    storage_answer = hang if held == "storage" else Answer()
    with FaultServer(storage_answer) as storage, FaultServer(Api(storage, complete=hang)) as server:
        studio = server.client()
        arguments: dict[str, tuple[Any, ...]] = {
            "upload_media": (film,),
            "send_upload": (UploadSlot(7, f"{storage.url}/7"), film),
            "complete_upload": (7,),
        }
        how = {"title": TITLE} if method == "complete_upload" else {}
        task: asyncio.Future[Any] = asyncio.ensure_future(getattr(studio, f"{method}_async")(*arguments[method], **how))
        waits = storage if held == "storage" else server
        count = 2 if (held, method) == ("complete", "upload_media") else 1
        assert await asyncio.to_thread(waits.wait_for_requests, count)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await task
        assert said in notes(raised.value)


async def test_a_cancelled_task_that_is_no_upload_has_no_note() -> None:
    with FaultServer(Answer(silent=True, end="hang")) as server:
        task = asyncio.ensure_future(server.client().get_media_async(1))
        assert await asyncio.to_thread(server.wait_for_requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await task
        assert notes(raised.value) == ""


@pytest.mark.parametrize("method", ["upload_media", "complete_upload"])
def test_a_client_that_is_closed_during_the_completion_says_that_its_outcome_is_unknown(
    method: str, form: Form, film: Path
) -> None:
    clients: list[StudioClient] = []

    def close(_: Received) -> Answer:
        clients[0].close()
        return Answer(silent=True, end="hang")

    with FaultServer(Answer()) as storage, FaultServer(Api(storage, complete=close)) as server:
        clients.append(server.client())
        what = film if method == "upload_media" else 7
        with pytest.raises(ClientClosedError, match="Whether upload 7 was completed is unknown") as raised:
            form.call(clients[0], method, what, title=TITLE)
        assert raised.value.media_id == 7


ETAG = {"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=202),
        Answer(status=206, headers=ETAG),
        Answer(status=299),
        text_answer("<html>Sign in</html>", "text/html", headers=ETAG),
        text_answer("Please sign in", "text/plain"),
        text_answer("Please sign in", "application/octet-stream", headers=ETAG),
        text_answer('{"error": "no"}', "application/json", headers=ETAG),
        Answer(body=gzip.compress(b"<html>Sign in</html>"), headers={"Content-Encoding": "gzip", **ETAG}),
        Answer(body=b" \n\n" * 50 + b"Please sign in"),
    ],
    ids=["202", "206", "299", "etag", "plain", "octets", "json", "gzip", "blank first"],
)
def test_an_answer_of_another_than_the_storage_host_is_no_success(answer: Answer, form: Form, film: Path) -> None:
    with FaultServer(answer) as storage, FaultServer(Api(storage)) as server:
        with pytest.raises(ResponseDecodeError, match="so the file is not there") as raised:
            form.call(server.client(), "upload_media", film)
        assert raised.value.media_id == 7
        assert "Upload 7 was left uncompleted" in str(raised.value)
        assert steps(server) == ["uploads"]


@pytest.mark.parametrize("answer", [Answer(headers=ETAG), Answer(status=201), Answer(status=204), Answer(body=b"\r\n")])
def test_an_answer_of_a_storage_host_is_a_success(answer: Answer, form: Form, film: Path) -> None:
    with FaultServer(answer) as storage, FaultServer(Api(storage)) as server:
        assert form.call(server.client(), "upload_media", film).id == 7


def test_an_answer_that_drips_is_ended(form: Form, film: Path) -> None:
    drip = Answer(body=b" " * 1000, drip=0.1, headers=ETAG)
    with FaultServer(drip) as storage, FaultServer(Api(storage)) as server:
        with pytest.raises(APITimeoutError, match="to its end") as raised:
            form.call(server.client(read_timeout=0.5, max_retries=0), "upload_media", film)
        assert raised.value.media_id == 7
        assert steps(server) == ["uploads"]


CONFLICT = json_answer({"error": "completed already"}, 409)


def test_a_first_completion_that_is_a_conflict_is_a_success_only_with_the_title(form: Form, film: Path) -> None:
    with FaultServer(Answer()) as storage, FaultServer(Api(storage, complete=CONFLICT)) as server:
        assert form.call(server.client(), "upload_media", film).id == 7
        with pytest.raises(ConflictError) as raised:
            form.call(server.client(), "upload_media", film, title="Meiosis")
    assert raised.value.media_id == 7
    assert 'the media has the title "Mitosis", not "Meiosis"' in str(raised.value)
    assert "Studio says that upload 7 was completed before" in str(raised.value)


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "repeated"])
def test_a_conflict_whose_media_cannot_be_seen_does_not_say_that_it_is_there(
    form: Form, film: Path, *, is_first: bool
) -> None:
    answers = [CONFLICT] if is_first else [RESET, CONFLICT]
    with (
        FaultServer(Answer()) as storage,
        FaultServer(Api(storage, complete=answers, get=Answer(status=404))) as server,
        pytest.raises(ConflictError if is_first else NotFoundError) as raised,
    ):
        form.call(server.client(), "upload_media", film)
    assert raised.value.media_id == 7
    assert "has the media" not in str(raised.value)
    assert "look for media 7 before you upload the file again" in str(raised.value)


def test_an_answer_about_another_media_is_not_taken_for_this_one(form: Form, film: Path) -> None:
    other = media_answer(8, title=TITLE)
    with FaultServer(Answer()) as storage:
        with FaultServer(Api(storage, complete=other)) as server:
            assert form.call(server.client(), "upload_media", film).id == 7
        for answers in ({"complete": other, "get": other}, {"complete": [RESET, CONFLICT], "get": other}):
            with FaultServer(Api(storage, **answers)) as server:
                with pytest.raises(ResponseDecodeError, match="it is about media 8, not about media 7") as raised:
                    form.call(server.client(), "upload_media", film)
                assert raised.value.media_id == 7


@pytest.mark.parametrize("id", [0, -5, 2**63 - 1, 2**63])
def test_an_upload_with_an_id_that_no_media_can_have_is_found_before_the_file_is_sent(
    id: int, form: Form, film: Path
) -> None:
    with FaultServer(Answer()) as storage:
        answer = json_answer({"upload": {"id": id, "url": f"{storage.url}/7?a=b"}}, 201)
        with FaultServer(Api(storage, uploads=answer)) as server:
            with pytest.raises(ResponseDecodeError) as raised:
                form.call(server.client(), "upload_media", film)
            assert raised.value.json_path == "upload.id"
            assert str(id) in str(raised.value)
            assert storage.requests == []


@pytest.mark.parametrize("url", ["/x/y?", "x?", "?", "//example.edu/x?", "/x?&"])
def test_a_signature_is_shown_nowhere_if_the_url_is_relative(url: str, form: Form) -> None:
    answer = json_answer({"upload": {"id": 7, "url": f"{url}X-Amz-Signature={SIGNATURE}"}}, 201)
    with FaultServer(answer) as server:
        with pytest.raises(ResponseDecodeError) as raised:
            form.call(server.client(), "create_upload")
        shown = "".join(traceback.format_exception(raised.value))
        assert SIGNATURE not in f"{shown} {raised.value.body} {vars(raised.value)}"


def test_a_storage_url_that_is_not_https_is_said_to_be_so(form: Form, film: Path) -> None:
    url = f"http://storage.example.edu/x?X-Amz-Signature={SIGNATURE}"
    with (
        FaultServer(json_answer({"upload": {"id": 7, "url": url}}, 201)) as server,
        pytest.raises(StudioError) as raised,
    ):
        form.call(server.client(), "upload_media", film)
    assert str(raised.value).startswith(
        "the file was not sent to http://storage.example.edu/x, which is not https: others could read and change it"
    )
    assert raised.value.media_id == 7
    assert "302" not in str(raised.value)


def test_a_redirect_of_the_storage_host_advises_no_other_studio(form: Form, film: Path) -> None:
    with (
        FaultServer(redirect("https://portal.example.edu/login")) as storage,
        FaultServer(Api(storage)) as server,
        pytest.raises(APIStatusError, match="302") as raised,
    ):
        form.call(server.client(), "upload_media", film)
    assert "StudioClient" not in str(raised.value)
    assert "check that no proxy and no sign-in page of the network answers for it" in str(raised.value)


def missing_or_501(request: Received) -> Answer:
    """No media can be seen, and none can be made of a URL."""
    return Answer(status=404 if request.method == "GET" else 501)


def test_a_501_speaks_of_captions_only_if_they_were_asked_for(form: Form, film: Path) -> None:
    with (
        FaultServer(Answer()) as storage,
        FaultServer(Api(storage, complete=Answer(status=501), get=missing_or_501)) as server,
    ):
        for asked, states in ((True, "has its file, but was left uncompleted"), (None, "is unknown")):
            with pytest.raises(InternalServerError) as raised:
                form.call(server.client(), "upload_media", film, auto_caption=asked)
            assert ("captions" in str(raised.value)) is bool(asked)
            assert states in str(raised.value)
        for asked in (True, None):
            with pytest.raises(InternalServerError) as raised:
                form.call(server.client(), "create_media", "https://example.edu/a.mp4", title="a", auto_caption=asked)
            assert ("captions" in str(raised.value)) is bool(asked)


@pytest.mark.parametrize(
    ("id", "error", "problem"),
    [
        (True, TypeError, r"slot\.id must be an int, not bool"),
        ("9", TypeError, r"slot\.id must be an int, not str"),
        (None, TypeError, r"slot\.id must be an int, not None"),
        (2**63, InvalidArgumentError, r"slot\.id is larger than any id can be"),
        (0, InvalidArgumentError, r"slot\.id must be a whole number of 1 or more"),
    ],
)
def test_a_slot_with_an_id_that_is_none_is_refused(
    id: Any, error: type[Exception], problem: str, form: Form, film: Path
) -> None:
    with FaultServer(Answer()) as server:
        slot = UploadSlot(id, f"{server.url}/7?a=b")
        with pytest.raises(error, match=problem):
            form.call(server.client(), "send_upload", slot, film)
        with pytest.raises((TypeError, InvalidArgumentError), match="media_id"):
            form.call(server.client(), "complete_upload", slot, title=TITLE)
        assert server.requests == []


@pytest.mark.parametrize("method", ["get_caption_text", "download_caption"])
@pytest.mark.parametrize(
    ("text", "content_type", "is_caption"),
    [
        ("null", "application/json", False),
        ('"error"', "application/json", False),
        ("404", "application/json", False),
        ("<div>Sorry</div>", "text/html", False),
        ("<script>1</script>", "text/plain", False),
        ("<head>", "", False),
        ("<Error><Code>NoSuchKey</Code></Error>", "application/xml", False),
        ("<Error><Code>NoSuchKey</Code></Error>", "application/octet-stream", False),
        ("%PDF-1.7", "application/pdf", False),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nHi", "application/json", True),
        ("1\n00:00:01,000 --> 00:00:02,000\nHi", "text/html", True),
        ("Hi", "text/plain", True),
    ],
)
def test_what_is_no_caption_is_not_taken_for_one(
    method: str, text: str, content_type: str, *, is_caption: bool, form: Form, tmp_path: Path
) -> None:
    arguments = (5,) if method == "get_caption_text" else (5, tmp_path / "captions.vtt")
    with FaultServer(text_answer(text, content_type)) as server:
        if is_caption:
            form.call(server.client(), method, *arguments)
        else:
            with pytest.raises(ResponseDecodeError, match="instead of captions"):
                form.call(server.client(), method, *arguments)
            assert list(tmp_path.iterdir()) == []
