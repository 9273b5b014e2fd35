"""Every failure is one clear exception with everything that a caller needs to react, and no secret."""

from __future__ import annotations

import copy
import pickle
import socket
import sys
import time
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import canvas_studio
import pytest
from canvas_studio import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ClientClosedError,
    ConflictError,
    DetachedError,
    InternalServerError,
    InvalidArgumentError,
    ListingChangedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseDecodeError,
    StudioClient,
    StudioError,
    UnprocessableEntityError,
    errors,
)
from support.fault_server import HANG, RESET, TOKEN, Answer, FaultServer, Received, json_answer, redirect, text_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from support.forms import Form

HTML = "<html><body><h1>Bad gateway</h1></body></html>"

# A query as storage hosts sign it; none of it may be seen in an error.
SIGNED_QUERY = "Expires=1&Signature=SignedSecretOfTheStorageHost&Key-Pair-Id=KeyOfTheStorageHost"


def status_error(form: Form, answer: Answer, **options: Any) -> APIStatusError:
    """The error that this answer to GET /media/1 raises."""
    with FaultServer(answer) as server, pytest.raises(APIStatusError) as caught:
        form.call(server.client(**{"max_retries": 0, **options}), "get_media", 1)
    return caught.value


def everything_said_by(error: BaseException) -> str:
    """All the text that a log, a debugger or a notebook could show of an error."""
    parts = [str(error), repr(error), repr(error.args), repr(vars(error)), repr(getattr(error, "__notes__", []))]
    return "\n".join([*parts, *traceback.format_exception(error)])


@contextmanager
def closed_port() -> Generator[str]:
    """The URL of a port where connections are refused: bound, so that nobody else takes it, but not listening."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (422, UnprocessableEntityError),
        (429, RateLimitError),
        (500, InternalServerError),
        (501, InternalServerError),
        (502, InternalServerError),
        (503, InternalServerError),
        (504, InternalServerError),
        (599, InternalServerError),
        (402, APIStatusError),
        (405, APIStatusError),
        (408, APIStatusError),
        (418, APIStatusError),
        (304, APIStatusError),
    ],
)
def test_every_status_has_its_class(form: Form, status: int, kind: type[APIStatusError]) -> None:
    error = status_error(form, json_answer({"error": "no"}, status))
    assert type(error) is kind
    assert error.status_code == status


def test_a_status_error_carries_what_a_caller_needs(form: Form) -> None:
    body = {"error": "Media is gone", "code": 17}
    error = status_error(form, json_answer(body, 404, {"X-Request-Id": "request-42"}))
    assert error.status_code == 404
    assert error.method == "GET"
    assert error.url.endswith("/api/public/v1/media/1")
    assert error.body == body
    assert error.request_id == "request-42"
    assert error.retry_after is None


def test_a_status_error_names_the_method_of_a_change(form: Form) -> None:
    with FaultServer(json_answer({"error": "no"}, 403)) as server, pytest.raises(PermissionDeniedError) as caught:
        form.call(server.client(), "delete_media", 1)
    assert caught.value.method == "DELETE"


@pytest.mark.parametrize(("sent", "seconds"), [("7", 7.0), ("0", 0.0), ("soon", None), ("", None)])
def test_retry_after_in_seconds_is_parsed(form: Form, sent: str, seconds: float | None) -> None:
    assert status_error(form, json_answer({}, 429, {"Retry-After": sent})).retry_after == seconds


def test_retry_after_as_a_date_is_parsed(form: Form) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    retry_after = status_error(form, json_answer({}, 503, {"Retry-After": date})).retry_after
    assert retry_after is not None
    assert 60 < retry_after <= 120


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (json_answer({"error": "no"}, 404), {"error": "no"}),
        (json_answer(["no", 1], 404), ["no", 1]),
        (text_answer("nothing here", "text/plain", 404), "nothing here"),
        (text_answer(HTML, "text/html; charset=utf-8", 404), HTML),
        (text_answer(HTML, "application/json", 404), HTML),
        (text_answer('{"error": "no"', "application/json", 404), '{"error": "no"'),
    ],
)
def test_the_body_is_parsed_json_or_else_text(form: Form, answer: Answer, body: object) -> None:
    assert status_error(form, answer).body == body


def test_an_error_without_a_body_is_an_error_all_the_same(form: Form) -> None:
    error = status_error(form, Answer(status=404))
    assert isinstance(error, NotFoundError)
    assert not error.body


@pytest.mark.parametrize("value", [None, {"message": "deep"}, ["one", "two"], 5, True, "", {"error": {"error": []}}])
def test_an_error_value_of_any_shape_is_tolerated(form: Form, value: object) -> None:
    error = status_error(form, json_answer({"error": value}, 422))
    assert error.body == {"error": value}
    assert "422" in str(error)


def test_the_message_says_what_happened(form: Form) -> None:
    message = str(status_error(form, json_answer({"error": "Media 1 is locked"}, 404)))
    assert "404" in message
    assert "GET" in message
    assert "/media/1" in message
    assert "Media 1 is locked" in message


def test_the_message_of_a_refused_token_speaks_of_the_token(form: Form) -> None:
    assert "token" in str(status_error(form, json_answer({"error": "x"}, 401))).lower()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500])
def test_the_message_says_what_to_do_next(form: Form, status: int) -> None:
    bare = f"{status} GET /media/1 (unlikely words)"
    assert len(str(status_error(form, json_answer({"error": "unlikely words"}, status)))) > len(bare) + 20


def test_the_message_of_a_huge_error_page_stays_readable(form: Form) -> None:
    assert len(str(status_error(form, text_answer("x" * 1_000_000, "text/plain", 404)))) < 2_000


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (InvalidArgumentError, ValueError),
        (ClientClosedError, RuntimeError),
        (DetachedError, RuntimeError),
        (APIConnectionError, ConnectionError),
        (APITimeoutError, TimeoutError),
        (APIStatusError, StudioError),
        (ResponseDecodeError, StudioError),
        (ListingChangedError, StudioError),
        *((kind, APIStatusError) for kind in (BadRequestError, AuthenticationError, PermissionDeniedError)),
        *((kind, APIStatusError) for kind in (NotFoundError, ConflictError, UnprocessableEntityError)),
        *((kind, APIStatusError) for kind in (RateLimitError, InternalServerError)),
    ],
)
def test_every_error_is_a_studio_error_and_what_python_calls_it(kind: type[Exception], base: type[Exception]) -> None:
    assert issubclass(kind, base)
    assert issubclass(kind, StudioError)
    assert getattr(errors, kind.__name__) is getattr(canvas_studio, kind.__name__) is kind


def test_a_timeout_is_not_a_lost_connection() -> None:
    assert not issubclass(APITimeoutError, APIConnectionError)


@pytest.mark.parametrize("method", ["get_media", "archive_media", "delete_media"])
def test_a_refused_connection_was_certainly_not_carried_out(form: Form, method: str) -> None:
    with closed_port() as url, StudioClient(url, token=TOKEN, retry_delay=0) as studio:
        with pytest.raises(ConnectionError) as caught:
            form.call(studio, method, 1)
        error = caught.value
    assert isinstance(error, APIConnectionError)
    assert error.outcome_unknown is False
    assert error.method == {"get_media": "GET", "archive_media": "POST", "delete_media": "DELETE"}[method]
    assert error.url.startswith(url)
    assert "127.0.0.1" in str(error)


@pytest.mark.parametrize("method", ["archive_media", "delete_media"])
def test_a_connection_lost_after_sending_may_have_been_carried_out(form: Form, method: str) -> None:
    with FaultServer(RESET) as server, pytest.raises(APIConnectionError) as caught:
        form.call(server.client(), method, 1)
    assert caught.value.outcome_unknown is True


def test_a_change_that_is_not_answered_may_have_been_carried_out(form: Form) -> None:
    with FaultServer(HANG) as server, pytest.raises(TimeoutError) as caught:
        form.call(server.client(read_timeout=0.2), "archive_media", 1)
    error = caught.value
    assert isinstance(error, APITimeoutError)
    assert error.outcome_unknown is True
    assert error.method == "POST"
    assert error.url.endswith("/media/1/archive")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves a connection to a full queue unanswered")
@pytest.mark.parametrize(
    "options",
    [{"connect_timeout": 0.2}, {"connect_timeout": 1, "read_timeout": 0.2}],
    ids=["connect", "read"],
)
def test_a_connection_that_could_not_be_made_in_time_was_certainly_not_carried_out(
    form: Form, options: dict[str, Any]
) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with StudioClient(url, token=TOKEN, max_retries=0, **options) as studio:
            with pytest.raises(APITimeoutError) as caught:
                form.call(studio, "archive_media", 1)
            assert caught.value.outcome_unknown is False


def test_an_error_body_that_drips_does_not_hold_the_error_back(form: Form) -> None:
    drip = Answer(status=404, headers={"Content-Type": "text/plain"}, body=b"x" * 10_000, drip=0.05)
    with FaultServer(drip) as server:
        begin = time.monotonic()
        with pytest.raises(NotFoundError):
            form.call(server.client(read_timeout=0.5), "get_media", 1)
        assert time.monotonic() - begin < 10


def test_an_error_body_of_the_storage_host_that_drips_does_not_hold_the_error_back(form: Form, tmp_path: Path) -> None:
    drip = Answer(status=404, headers={"Content-Type": "text/plain"}, body=b"x" * 10_000, drip=0.05)
    with FaultServer(drip) as storage, FaultServer(redirect(f"{storage.url}/file.mp4")) as server:
        begin = time.monotonic()
        with pytest.raises(NotFoundError):
            form.call(server.client(read_timeout=0.5), "download_media", 1, tmp_path / "file.mp4")
        assert time.monotonic() - begin < 10


def test_a_decode_error_says_where_and_shows_the_start(form: Form) -> None:
    body = '{"media": {"id": "seven", "title": "' + "x" * 2_000 + '"}}'
    with FaultServer(text_answer(body, "application/json")) as server, pytest.raises(ResponseDecodeError) as caught:
        form.call(server.client(max_retries=0), "get_media", 1)
    error = caught.value
    assert error.method == "GET"
    assert error.url.endswith("/media/1")
    assert error.status_code == 200
    assert error.json_path == "media.id"
    assert error.body == body[:500]
    assert "media.id" in str(error)


def test_a_call_after_close_says_so(form: Form) -> None:
    with FaultServer(json_answer({})) as server:
        studio = server.client()
        studio.close()
        with pytest.raises(ClientClosedError):
            form.call(studio, "get_media", 1)
    assert server.requests == []


def test_reading_a_listing_after_close_says_so(form: Form) -> None:
    with FaultServer(json_answer({})) as server:
        studio = server.client()
        listing = studio.search_media()
        studio.close()
        with pytest.raises(ClientClosedError):
            form.items(listing)
    assert server.requests == []


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 (the test made it)


def of_status() -> Answer:
    return json_answer({"error": "slow down"}, 429, {"Retry-After": "3600", "X-Request-Id": "request-42"})


def of_decoding() -> Answer:
    return json_answer({"media": {"id": "seven"}})


@pytest.mark.parametrize(
    ("answer", "attributes"),
    [
        (of_status, ["status_code", "method", "url", "headers", "body", "request_id", "retry_after"]),
        (of_decoding, ["method", "url", "status_code", "json_path", "body"]),
        (lambda: RESET, ["method", "url", "outcome_unknown"]),
        (lambda: HANG, ["method", "url", "outcome_unknown"]),
    ],
    ids=["status", "decode", "connection", "timeout"],
)
@pytest.mark.parametrize("copied", [pickled, copy.copy, copy.deepcopy])
def test_errors_survive_pickle_and_copy(
    answer: Callable[[], Answer], attributes: list[str], copied: Callable[[Any], Any]
) -> None:
    with FaultServer(answer()) as server, pytest.raises(StudioError) as caught:
        server.client(max_retries=0, read_timeout=0.5).get_media(1)
    error = caught.value
    twin = copied(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert [getattr(twin, name) for name in attributes] == [getattr(error, name) for name in attributes]


@pytest.mark.parametrize("made", [InvalidArgumentError, ClientClosedError, DetachedError, ListingChangedError])
def test_errors_of_one_message_survive_pickle(made: type[Exception]) -> None:
    twin = pickled(made("what went wrong"))
    assert type(twin) is made
    assert str(twin) == "what went wrong"


def test_an_attribute_that_a_caller_adds_survives_pickle() -> None:
    error = of_status_raised()
    error.__dict__.update(message="more", kind="mine", attributes=[1])
    error.add_note("a note")
    twin = pickled(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)


def of_status_raised() -> StudioError:
    with FaultServer(of_status()) as server, pytest.raises(StudioError) as caught:
        server.client().get_media(1)
    return caught.value


def echo_as_json(request: Received) -> Answer:
    return json_answer({"error": "bad " + request.headers["authorization"], "headers": request.headers}, 403)


def echo_as_text(request: Received) -> Answer:
    return text_answer(request.raw.decode(), "text/plain", 403)


def echo_as_html_in_place_of_json(request: Received) -> Answer:
    return text_answer(f"<html><pre>{request.raw.decode()}</pre></html>", "text/html")


def echo_in_a_wrong_type(request: Received) -> Answer:
    return json_answer({"media": {"id": request.headers["authorization"]}})


def echo_in_the_request_id(request: Received) -> Answer:
    return json_answer({}, 500, {"X-Request-Id": request.headers["authorization"]})


def echo_in_a_redirect(request: Received) -> Answer:
    return redirect("/elsewhere?token=" + request.headers["authorization"].removeprefix("Bearer "))


@pytest.mark.parametrize(
    "answer",
    [
        echo_as_json,
        echo_as_text,
        echo_as_html_in_place_of_json,
        echo_in_a_wrong_type,
        echo_in_the_request_id,
        echo_in_a_redirect,
        RESET,
        HANG,
    ],
)
def test_no_error_shows_the_token(form: Form, answer: Answer | Callable[[Received], Answer]) -> None:
    with FaultServer(answer) as server, pytest.raises(StudioError) as caught:
        form.call(server.client(max_retries=0, read_timeout=0.2), "get_media", 1)
    assert TOKEN not in everything_said_by(caught.value)
    assert TOKEN.encode() not in pickle.dumps(caught.value)


@pytest.mark.parametrize("name", ["X-Request-Id", "x-request-context-id", "X-Amzn-RequestId", "x-amz-cf-id"])
def test_the_id_of_a_request_is_found_under_any_usual_name_and_logged_for_successes_too(
    form: Form, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [json_answer({}, 404, {name: "id-404"}), json_answer({"media": {"id": 1}}, 200, {name: "id-200"})]
    with FaultServer(*answers) as server, caplog.at_level("DEBUG", "canvas_studio"):
        studio = server.client()
        with pytest.raises(NotFoundError) as caught:
            form.call(studio, "get_media", 1)
        form.call(studio, "get_media", 1)
    assert caught.value.request_id == "id-404"
    assert "[request id-404]" in str(caught.value)
    assert [vars(record).get("server_request_id") for record in caplog.records] == ["id-404", "id-200"]
    assert caplog.messages[1].endswith("[request id-200]")


def test_an_error_has_the_headers_of_the_answer_without_cookies_tokens_and_signatures(form: Form) -> None:
    def answer(request: Received) -> Answer:
        headers = {
            "X-Rate-Limit": "10",
            "Set-Cookie": "session=invented-session",
            "X-Echo": request.headers["authorization"],
            "Link": "<https://bucket.example.edu/a.mp4?signature=invented-signature>; rel=next",
            "Location": "/login?ticket=invented-ticket",
            "Refresh": "0; url=/x?code=invented-code",
            "X-Csrf-Token": "invented-csrf",
            "X-" + request.headers["authorization"].removeprefix("Bearer "): "1",
        }
        return json_answer({}, 500, headers)

    with FaultServer(answer) as server, pytest.raises(APIStatusError) as caught:
        form.call(server.client(max_retries=0), "get_media", 1)
    headers = caught.value.headers
    assert headers["x-rate-limit"] == "10"
    assert headers["content-type"].startswith("application/json")
    assert "set-cookie" not in headers
    assert "https://bucket.example.edu/a.mp4" in headers["link"]
    everything = repr(headers)
    assert headers["location"] == "/login?***"
    for secret in (TOKEN, TOKEN.lower(), "invented-"):
        assert secret not in everything


def test_an_echoed_token_is_masked_and_the_rest_is_kept(form: Form) -> None:
    with FaultServer(echo_as_json) as server, pytest.raises(PermissionDeniedError) as caught:
        form.call(server.client(), "get_media", 1)
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["error"] == "bad Bearer ***"


def test_no_error_of_construction_shows_the_token() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        StudioClient("myschool", token=f"{TOKEN}\nx")
    assert TOKEN not in everything_said_by(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"error": "gone"}, 404),
        text_answer(HTML, "text/html"),
        RESET,
        Answer(headers={"Content-Type": "video/mp4"}, body=b"x" * 10, content_length=100, end="close"),
        redirect(f"http://192.0.2.1/file.mp4?{SIGNED_QUERY}"),
    ],
    ids=["status", "html", "reset", "short", "redirect"],
)
def test_no_error_of_a_download_shows_a_signed_query(form: Form, tmp_path: Path, answer: Answer) -> None:
    with FaultServer(answer) as storage, FaultServer(redirect(f"{storage.url}/file.mp4?{SIGNED_QUERY}")) as server:
        with pytest.raises(StudioError) as caught:
            form.call(server.client(max_retries=1), "download_media", 1, tmp_path / "file.mp4")
        said = everything_said_by(caught.value) + str(pickle.dumps(caught.value))
    assert "SignedSecretOfTheStorageHost" not in said
    assert "KeyOfTheStorageHost" not in said


# What must not be seen stands where the bodies have SECRET; the host may be seen, and so may the path.
SECRET = "SecretThatNobodyMaySee"
BODIES = {
    "plain": '{"error": "no", "url": "https://s3.example.com/a?X=1&Signature=SECRET"}',
    "escaped ampersand": r'{"error": "no", "url": "https://s3.example.com/a?X=1\u0026X-Amz-Signature=SECRET"}',
    "escaped in the text": r'{"error": "cannot fetch https://s3.example.com/a?X=1\u0026Signature=SECRET"}',
    "escaped slashes": r'{"error": "no", "url": "https:\/\/s3.example.com\/a?X-Amz-Signature=SECRET"}',
    "escaped letters": r'{"error": "https\u003a\u002f\u002fs3.example.com/a\u003fSignature=SECRET"}',
    "apostrophe": """{"error": "https://s3.example.com/a?f='x'&Signature=SECRET"}""",
    "quote": r'{"error": "https://s3.example.com/a?f=\"x\"&Signature=SECRET"}',
    "percent-encoded": '{"error": "/login?return=https%3A%2F%2Fs3.example.com%2Fa%3FX%3D1%26Signature%3DSECRET"}',
    "password": '{"error": "https://user:SECRET@s3.example.com/a"}',
    "password and escaped slashes": r'{"error": "https:\/\/user:SECRET@s3.example.com\/a"}',
    "percent-encoded password": '{"error": "/login?return=https%3A%2F%2Fuser%3ASECRET%40s3.example.com%2Fa"}',
    "a key": '{"https://s3.example.com/a?Signature=SECRET": 1}',
    "deep": '{"errors": [{"links": [["https://s3.example.com/a?Signature=SECRET"]]}]}',
    "a wrong type": r'{"media": {"title": "x", "id": "https://s3.example.com/a?X=1\u0026Signature=SECRET"}}',
    "another wrong type": '{"media": {"id": "https://s3.example.com/a?X=1&Signature=SECRET"}}',
}


@pytest.mark.parametrize("cut", [0, 1, 2], ids=["whole", "without its brace", "without its quote"])
@pytest.mark.parametrize(("status", "kind"), [(400, BadRequestError), (200, ResponseDecodeError)])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_error_shows_a_secret_of_the_body(
    form: Form, body: str, status: int, kind: type[StudioError], cut: int
) -> None:
    sent = body.replace("SECRET", SECRET)
    answer = text_answer(sent[: len(sent) - cut], "application/json", status)
    with FaultServer(answer) as server, pytest.raises(kind) as caught:
        form.call(server.client(max_retries=0), "get_media", 1)
    assert SECRET not in everything_said_by(caught.value)
    assert SECRET.encode() not in pickle.dumps(caught.value)


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/json"])
@pytest.mark.parametrize("status", [400, 200])
def test_no_error_shows_a_secret_of_a_page(form: Form, status: int, content_type: str) -> None:
    link = f'<a href="https://s3.example.com/a?X=1&amp;Signature={SECRET}">there</a>'
    text = f"<html>{link} or at https%3A%2F%2Fs3.example.com%2Fa%3FSignature%3D{SECRET}</html>"
    with FaultServer(text_answer(text, content_type, status)) as server, pytest.raises(StudioError) as caught:
        form.call(server.client(max_retries=0), "get_media", 1)
    assert SECRET not in everything_said_by(caught.value)


@pytest.mark.parametrize("status", [400, 200])
@pytest.mark.parametrize("before", [470, 490])
def test_no_error_shows_the_start_of_a_secret_where_the_body_is_cut(form: Form, before: int, status: int) -> None:
    texts = [f"{TOKEN} and more", f"https://s3.example.com/a?Signature={SECRET} and more"]
    for text in texts:
        answer = text_answer("x" * before + " " + text, "text/plain", status)
        with FaultServer(answer) as server, pytest.raises(StudioError) as caught:
            form.call(server.client(max_retries=0), "get_media", 1)
        assert SECRET[:8] not in everything_said_by(caught.value)
        assert TOKEN[:8] not in everything_said_by(caught.value)


SLASHED = f"abc/def+{SECRET}"


@pytest.mark.parametrize("status", [401, 200])
@pytest.mark.parametrize(
    "echo",
    [SLASHED, SLASHED.replace("/", r"\/"), SLASHED.replace("/", r"\u002f").replace("+", r"\u002B")],
    ids=["plain", "escaped slash", "escaped letters"],
)
@pytest.mark.parametrize("cut", [0, 1, 2], ids=["whole", "without its brace", "without its quote"])
def test_no_error_shows_a_token_that_json_escapes(form: Form, echo: str, status: int, cut: int) -> None:
    body = f'{{"error": "bad token {echo}"}}'
    answer = text_answer(body[: len(body) - cut], "application/json", status)
    with FaultServer(answer) as server, StudioClient(server.url, token=SLASHED, max_retries=0) as studio:
        with pytest.raises(StudioError) as caught:
            form.call(studio, "get_media", 1)
        assert SECRET not in everything_said_by(caught.value)
        assert SECRET.encode() not in pickle.dumps(caught.value)


def test_what_is_no_secret_is_not_masked(form: Form) -> None:
    body = {"error": 'Is "lecture 1" gone? See https://help.example.com/media', "ratio": "100%3A1", "at": "a@b.example"}
    assert status_error(form, json_answer(body, 404)).body == body


@pytest.mark.parametrize("token", [TOKEN, SLASHED])
@pytest.mark.parametrize("answer", [json_answer({}, 404), RESET, text_answer(HTML, "text/html")])
def test_no_url_shows_the_token(form: Form, token: str, answer: Answer) -> None:
    params = {"access_token": token, "header": f"Bearer {token}", "page_size": 5}
    with FaultServer(answer) as server, StudioClient(server.url, token=token, max_retries=0) as studio:
        listing = studio.paginate("/things", key="things", params=params)
        said = f"{listing} {listing!r} {listing.limit(3)!r} {listing.pages()!r}"
        with pytest.raises(StudioError) as caught:
            form.call(studio, "request", "GET", "/things", params=params)
        said += everything_said_by(caught.value)
        with pytest.raises(StudioError) as caught:
            form.items(listing)
        said += everything_said_by(caught.value)
    assert TOKEN not in said
    assert SECRET not in said


def test_no_error_of_a_download_shows_the_password_of_the_storage_host(form: Form, tmp_path: Path) -> None:
    with FaultServer(json_answer({}, 404)) as storage:
        location = f"{storage.url}/file.mp4?{SIGNED_QUERY}".replace("http://", f"http://user:{SECRET}@")
        with FaultServer(redirect(location)) as server, pytest.raises(StudioError) as caught:
            form.call(server.client(max_retries=0), "download_media", 1, tmp_path / "file.mp4")
    assert SECRET not in everything_said_by(caught.value)
