"""The Professional Captioning page: requests for captions, their results, and the types of services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    CaptionFileRequest,
    CaptioningServiceType,
    CaptionWarning,
    InvalidArgumentError,
    NotFoundError,
    ResponseDecodeError,
    UnprocessableEntityError,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import RESET, Answer, FaultServer, json_answer, text_answer

if TYPE_CHECKING:
    from pathlib import Path

    from support.forms import Connect, Form, Serve

SRT = b"1\n00:00:00,000 --> 00:00:02,000\nGood morning.\n"
ACCEPTED = Answer(status=202)
PUT: dict[str, Any] = {"label": "Fast", "description": "Within an hour", "is_asr": True}


def test_a_request_keeps_everything_that_nobody_documented(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("professional_captioning/list_caption_requests").url)
    (request,) = form.items(studio.list_caption_requests())
    assert type(request) is CaptionFileRequest
    assert (request.id, request.provider, request.status) == (71, "professional", "requested")
    assert request.extra == {"media": {"id": 42}, "service": "fast"}


def test_a_request_of_any_shape_is_read(form: Form) -> None:
    sent: list[dict[str, Any]] = [{}, {"id": "a-1", "status": 3}, {"caption_file_request_id": 4}]
    with FaultServer(json_answer({"caption_file_requests": sent})) as server, server.client() as studio:
        requests = form.items(studio.list_caption_requests())
        assert [(request.id, request.extra) for request in requests] == [(None, each) for each in sent]
        with pytest.raises(TypeError, match="id must have an id: this CaptionFileRequest has no id"):
            form.call(studio, "update_caption_request", requests[0], "processing")


def test_both_filters_are_always_sent_and_may_be_any_word(form: Form) -> None:
    with FaultServer(json_answer({"caption_file_requests": []})) as server, server.client() as studio:
        form.items(studio.list_caption_requests())
        form.items(studio.list_caption_requests("human", status="done"))
        for keywords in ({"provider": ""}, {"status": " "}):
            with pytest.raises(InvalidArgumentError, match="must not be empty"):
                studio.list_caption_requests(**keywords)
    assert [asked.parameters for asked in server.requests] == [
        {"provider": "professional", "status": "requested"},
        {"provider": "human", "status": "done"},
    ]


@pytest.mark.parametrize("status", ["processing", "fulfilled", "failed"])
def test_a_result_needs_neither_a_message_nor_a_file(status: str, form: Form) -> None:
    with FaultServer(ACCEPTED) as server, server.client() as studio:
        assert form.call(studio, "update_caption_request", CaptionFileRequest(71), status) is None
    [asked] = server.requests
    assert (asked.method, asked.path) == ("PATCH", "/api/public/v1/caption_file_requests/71")
    assert f'name="status"\r\n\r\n{status}\r\n'.encode() in asked.body
    assert b"message" not in asked.body
    assert b'caption_file"' not in asked.body


def test_a_file_may_be_a_path_an_open_file_or_a_name_with_bytes(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "mitosis.srt"
    path.write_bytes(SRT)
    with FaultServer(*[ACCEPTED] * 3) as server, server.client() as studio, path.open("rb") as opened:
        for file in (path, opened, ("mitosis.srt", SRT)):
            form.call(studio, "update_caption_request", 71, "fulfilled", "As ordered", file)
    for asked in server.requests:
        assert b'name="caption_file"; filename="mitosis.srt"\r\nContent-Type: text/srt\r\n\r\n' + SRT in asked.body
        assert b'name="message"\r\n\r\nAs ordered\r\n' in asked.body


REFUSED: list[tuple[tuple[Any, ...], str]] = [
    ((71, "done"), 'status must be one of "processing", "fulfilled", "failed", not "done"'),
    ((0, "failed"), "id must be a whole number of 1 or more"),
    ((71, "failed", " "), "message must not be empty"),
    ((71, "failed", None, ("a.srt", SRT)), "file must be left out if the captions failed"),
    ((71, "fulfilled", None, ("a.vtt", b"WEBVTT\n")), r"a\.vtt is not \.srt \(SubRip\), and no other format is taken"),
    ((71, "fulfilled", None, ("a.txt", SRT)), r"a\.txt is not \.srt"),
    ((71, "fulfilled", None, ("a.srt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n")), "is WebVTT: convert it to SubRip"),
    ((71, "fulfilled", None, ("a.srt", b"")), "is empty"),
    ((71, "fulfilled", None, ("a.srt", SRT.replace(b"Good", b"G\xf6\xf6d"))), "its encoding cannot be known"),
    ((71, "fulfilled", None, ("a.srt", b"1\n00:00:05,000 --> 00:00:03,000\nHi\n")), "line 2: "),
    ((71, "fulfilled", None, ("a\n.srt", SRT)), "has a name with a control character"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_a_result_that_cannot_be_right_is_refused_before_anything_is_sent(
    arguments: tuple[Any, ...], message: str, form: Form
) -> None:
    with FaultServer(ACCEPTED) as server, server.client() as studio:
        with pytest.raises(InvalidArgumentError, match=message):
            form.call(studio, "update_caption_request", *arguments)
        assert server.requests == []


def test_a_file_that_had_to_be_converted_is_warned_of_and_sent_as_utf_8(form: Form) -> None:
    with FaultServer(ACCEPTED) as server, server.client() as studio:
        file = ("a.srt", SRT.decode().encode("utf-16"))
        with pytest.warns(CaptionWarning, match="is not UTF-8"):
            form.call(studio, "update_caption_request", 71, "fulfilled", None, file)
    assert SRT in server.requests[0].body


def test_a_result_that_may_have_been_taken_is_not_sent_again(form: Form) -> None:
    with FaultServer(RESET, ACCEPTED) as server, server.client(retry_delay=0) as studio:
        with pytest.raises(APIConnectionError):
            form.call(studio, "update_caption_request", 71, "fulfilled")
        assert len(server.requests) == 1
    refused = json_answer({"error": "The status is invalid."}, 422)
    with (
        FaultServer(refused) as server,
        server.client() as studio,
        pytest.raises(UnprocessableEntityError, match="fulfilled or failed only once"),
    ):
        form.call(studio, "update_caption_request", 71, "fulfilled")


def test_a_service_type_is_put_with_all_that_is_required(form: Form) -> None:
    answer = json_answer({"captioning_service_type": {"id": 5, "key": "a/b", "new": 1, **PUT}})
    with FaultServer(answer, json_answer({}), Answer(status=204)) as server, server.client() as studio:
        service = form.call(studio, "put_captioning_service", "a/b", **PUT, languages=("en", "pt-BR"))
        assert service == CaptioningServiceType(5, "a/b", "Fast", True, "Within an hour", extra={"new": 1})  # noqa: FBT003
        assert form.call(studio, "put_captioning_service", "a/b", **PUT) is None
        assert form.call(studio, "put_captioning_service", "a/b", **PUT, languages=[]) is None
    assert {asked.method for asked in server.requests} == {"PUT"}
    assert {asked.path for asked in server.requests} == {"/api/public/v1/captioning_service_types/a%2Fb"}
    assert [asked.json() for asked in server.requests] == [
        PUT | {"languages": ["en", "pt-BR"]},
        PUT,
        PUT | {"languages": []},
    ]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"key": ""}, "key must not be empty"),
    ({"key": ".."}, "key cannot be part of a path"),
    ({"label": " "}, "label must not be empty"),
    ({"description": ""}, "description must not be empty"),
    ({"languages": ["en", "English"]}, r"languages\[1\] must be the tag of a language"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD)
def test_a_service_type_that_cannot_be_right_is_refused_before_anything_is_sent(
    wrong: dict[str, Any], message: str, form: Form
) -> None:
    with FaultServer(json_answer({})) as server, server.client() as studio:
        with pytest.raises(InvalidArgumentError, match=message):
            form.call(studio, "put_captioning_service", **({"key": "fast"} | PUT | wrong))
        with pytest.raises(TypeError, match="languages must be a list of str, not str"):
            form.call(studio, "put_captioning_service", "fast", **PUT, languages="en")
        for key, said in (
            (5, "key must be a str or a CaptioningServiceType, not int"),
            (None, "key must be a str or a CaptioningServiceType, not None"),
            (CaptioningServiceType(5), "this CaptioningServiceType has no key"),
        ):
            for method, more in (("put_captioning_service", PUT), ("delete_captioning_service", {})):
                with pytest.raises(TypeError, match=said):
                    form.call(studio, method, key, **more)
        assert server.requests == []


def test_an_account_without_a_captioning_service_is_told_so(form: Form) -> None:
    with FaultServer(*[json_answer({"error": "Not found"}, 404)] * 3) as server, server.client() as studio:
        with pytest.raises(NotFoundError, match="no active captioning service"):
            form.items(studio.list_captioning_services())
        with pytest.raises(NotFoundError, match="no active captioning service"):
            form.call(studio, "put_captioning_service", "fast", **PUT)
        with pytest.raises(NotFoundError, match="no active captioning service, or none with this key"):
            form.call(studio, "delete_captioning_service", "fast")


def test_a_page_in_place_of_an_answer_without_a_body_is_an_error(form: Form) -> None:
    page = text_answer("<!doctype html><title>Sign in</title>", "text/html")
    with FaultServer(page, page) as server, server.client() as studio:
        with pytest.raises(ResponseDecodeError, match="HTML page"):
            form.call(studio, "delete_captioning_service", "fast")
        with pytest.raises(ResponseDecodeError, match="HTML page"):
            form.call(studio, "update_caption_request", 71, "failed")


def test_a_service_fulfils_what_is_requested_on_a_sandbox(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        service = form.call(studio, "put_captioning_service", "fast", **PUT | {"is_asr": False}, languages=["de"])
        assert form.items(studio.list_captioning_services()) == [service]
        media = box.add_media("Mitosis")
        box.add_caption_request(media, srclang="de", service_type="fast")
        (request,) = form.items(studio.list_caption_requests())
        assert form.call(studio, "update_caption_request", request, "processing") is None
        assert form.items(studio.list_caption_requests()) == []
        form.call(studio, "update_caption_request", request, "fulfilled", file=("mitosis.srt", SRT))
        assert "de" in {caption.srclang for caption in form.items(studio.list_captions(media))}
        with pytest.raises(UnprocessableEntityError, match="only once"):
            form.call(studio, "update_caption_request", request, "failed", "Too late")
        assert form.call(studio, "put_captioning_service", service, **PUT).label == PUT["label"]
        assert form.call(studio, "delete_captioning_service", service) is None
        assert form.items(studio.list_captioning_services()) == []
        with pytest.raises(NotFoundError, match="none with this key"):
            form.call(studio, "delete_captioning_service", service.key)
