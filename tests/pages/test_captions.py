"""The operations of the Captions page, over the recordings and the sandbox, in both forms."""

from __future__ import annotations

import sys
import warnings
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    Caption,
    CaptionWarning,
    InvalidArgumentError,
    Media,
    NotFoundError,
    PermissionDeniedError,
    ResponseDecodeError,
)
from canvas_studio.sandbox import Assumptions, Sandbox
from support.fault_server import Answer, FaultServer, Received, json_answer, media_answer, text_answer

if TYPE_CHECKING:
    from support.forms import Connect, Form, Serve

SRT = "1\n00:00:00,000 --> 00:00:02,000\nEstá bien — ¿sí?\n"


def test_captions_come_with_every_field_and_those_that_nobody_documented(
    form: Form, recorded: Serve, connect: Connect
) -> None:
    first, second = form.items(connect(recorded("captions/list_captions").url).list_captions(42))
    assert type(first) is Caption
    assert (first.id, first.srclang, first.label, first.subtitle_format) == (5940, "pt", "Português", "srt")
    assert first.created_at == datetime(2020, 3, 2, 18, 38, 40, tzinfo=UTC)
    assert (first.status, first.provider, first.is_empty, first.number_of_errors) == (
        "published",
        "notorious",
        False,
        0,
    )
    assert (second.status, second.url, second.provider, second.is_empty) == ("uploaded", None, None, None)


def test_an_odd_field_of_a_caption_stays_in_extra(form: Form) -> None:
    sent: dict[str, Any] = {"id": 1, "is_empty": "no", "number_of_errors": [], "status": "held_back"}
    with FaultServer(json_answer({"caption_files": [sent, {"id": 2, "is_empty": True}]})) as server:
        first, second = form.items(server.client().list_captions(42))
    assert (first.is_empty, first.number_of_errors, first.status) == (None, None, "held_back")
    assert first.extra == {"is_empty": "no", "number_of_errors": []}
    assert second.is_empty is True


def test_a_media_lists_its_captions(form: Form) -> None:
    with FaultServer(media_answer(42), json_answer({"caption_files": [{"id": 1}]})) as server:
        media: Media = form.call(server.client(), "get_media", 42)
        assert [caption.id for caption in form.items(media.captions())] == [1]
    assert server.requests[1].path.endswith("/media/42/caption_files")


def test_captions_have_columns_like_other_lists(form: Form) -> None:
    sent: list[dict[str, Any]] = [
        {"id": 1, "is_empty": False},
        {"id": 2, "is_empty": None},
        {"id": 3, "is_empty": True},
    ]
    with FaultServer(json_answer({"caption_files": sent})) as server:
        table = form.call(server.client().list_captions(42), "to_arrow")
    assert table.column_names[:4] == ["id", "url", "srclang", "subtitle_format"]
    assert table.column("is_empty").to_pylist() == [False, None, True]
    assert str(table.schema.field("is_empty").type) == "bool"


def test_the_text_of_a_caption_is_asked_for_by_its_id_and_never_by_its_url(form: Form) -> None:
    listed = json_answer({"caption_files": [{"id": 5940, "url": "https://elsewhere.example.edu/1?signed"}]})
    with FaultServer(listed, text_answer(SRT, "text/plain")) as server:
        (caption,) = form.items(server.client().list_captions(42))
        assert form.call(server.client(), "get_caption_text", caption) == SRT
    assert server.requests[1].path.endswith("/caption_files/5940/download")


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [
        ("text/plain", SRT.encode()),
        ("", SRT.encode()),
        ("application/octet-stream", SRT.encode()),
        ("application/x-subrip", SRT.encode("utf-8-sig")),
        ("text/plain; charset=iso-8859-1", SRT.replace("—", "-").encode("latin-1")),
        ("text/plain; charset=windows-1252", SRT.encode("cp1252")),
        ("text/vtt; charset=utf-16", SRT.encode("utf-16")),
        ("text/plain", SRT.encode("utf-16")),
        ("text/html; charset=utf-8", SRT.encode()),
        ("application/json", SRT.encode()),
    ],
)
def test_the_text_of_a_caption_is_read_under_any_label_and_charset(form: Form, content_type: str, sent: bytes) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    with FaultServer(Answer(headers=headers, body=sent)) as server:
        text = form.call(server.client(), "get_caption_text", 5940)
    assert text == (SRT.replace("—", "-") if "iso-8859-1" in content_type else SRT)


# Something else in place of captions: an error, never a caption


INSTEAD = [
    ("application/json", b'{"error": "The caption file was not found."}'),
    ("text/plain", b'{"error": "The caption file was not found."}'),
    ("text/plain", b"\xef\xbb\xbf\r\n {}"),
    ("text/plain", '{"error": "not here"}'.encode("utf-16")),
    ("application/x-subrip", b'[{"id": 1}]'),
    ("text/html", b"<!DOCTYPE html><title>Sign in</title>"),
    ("text/plain", b"<!-- cached --><html><title>Sign in</title></html>"),
    ("text/vtt", b'<?xml version="1.0"?>\n<!DOCTYPE html><title>Sign in</title>'),
]


@pytest.mark.parametrize("operation", ["get_caption_text", "download_caption"])
@pytest.mark.parametrize(("content_type", "sent"), INSTEAD)
def test_c4_json_or_a_page_in_place_of_captions_is_an_error_with_its_start_and_no_file(
    form: Form, operation: str, content_type: str, sent: bytes, tmp_path: Path
) -> None:
    arguments = (tmp_path / "caption.srt",) if operation == "download_caption" else ()
    with (
        FaultServer(Answer(headers={"Content-Type": content_type}, body=sent)) as server,
        pytest.raises(ResponseDecodeError, match="instead of captions") as caught,
    ):
        form.call(server.client(), operation, 5940, *arguments)
    if sent.isascii():
        assert sent.decode()[:9] in caught.value.body
    assert list(tmp_path.iterdir()) == []


def test_c4_an_error_of_studio_is_never_saved_as_a_caption(form: Form, tmp_path: Path) -> None:
    with FaultServer(json_answer({"error": "The caption file was not found."}, 404)) as server:
        studio = server.client()
        with pytest.raises(NotFoundError, match=r"The caption file was not found\."):
            form.call(studio, "download_caption", 5940, tmp_path / "caption.srt")
        with pytest.raises(NotFoundError):
            form.call(studio, "get_caption_text", 5940)
    assert list(tmp_path.iterdir()) == []


def test_c4_captions_whose_url_leads_to_json_are_downloaded_all_the_same(form: Form, tmp_path: Path) -> None:
    with Sandbox(media=0, assumptions=Assumptions(caption_url_is_json=True)) as box:
        media_id = box.add_media("Mitosis", captions=[{"srclang": "es", "text": SRT}])
        (caption,) = form.items(box.client().list_captions(media_id))
        assert caption.url is not None
        assert form.call(caption, "text") == SRT
        assert form.call(caption, "download", tmp_path / "caption.srt").read_text("utf-8") == SRT


# Files


@pytest.mark.parametrize(
    "sent", [SRT.encode(), SRT.encode("utf-8-sig"), SRT.encode("utf-16"), SRT.encode("cp1252"), b""]
)
def test_a_downloaded_caption_has_the_bytes_that_studio_sent(form: Form, sent: bytes, tmp_path: Path) -> None:
    path = tmp_path / "caption.srt"
    path.write_text("an older one")
    headers = {"Content-Type": "text/plain; charset=windows-1252"}
    with FaultServer(Answer(headers=headers, body=sent)) as server:
        assert form.call(server.client(), "download_caption", Caption(5940), path) == path
    assert path.read_bytes() == sent
    assert list(tmp_path.iterdir()) == [path]
    if sys.platform != "win32":
        fresh = tmp_path / "fresh"
        fresh.touch()
        assert path.stat().st_mode == fresh.stat().st_mode


def test_a_caption_that_breaks_off_leaves_the_file_as_it_was(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "caption.srt"
    path.write_text("an older one")
    broken = Answer(headers={"Content-Type": "text/plain", "Content-Length": "1000"}, body=SRT.encode())
    with FaultServer(broken) as server, pytest.raises(APIConnectionError):
        form.call(server.client(max_retries=0), "download_caption", 5940, path)
    assert path.read_text() == "an older one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_a_file_is_refused_before_anything_is_sent(form: Form, tmp_path: Path) -> None:
    with FaultServer() as server:
        for path in (tmp_path, tmp_path / "missing" / "caption.srt"):
            with pytest.raises(InvalidArgumentError, match="path"):
                form.call(server.client(), "download_caption", 5940, path)
    assert server.requests == []


def test_a_file_that_cannot_be_written_is_an_os_error_and_nothing_stays(form: Form, tmp_path: Path) -> None:
    with FaultServer(text_answer(SRT, "text/plain")) as server, pytest.raises(OSError, match="too long"):
        form.call(server.client(), "download_caption", 5940, tmp_path / ("a" * 300))
    assert list(tmp_path.iterdir()) == []


# Adding captions


def part_of(request: Received) -> tuple[str, bytes]:
    """The headers and the content of the one part of a multipart body."""
    boundary = request.headers["content-type"].partition("boundary=")[2]
    begin, end = f"--{boundary}\r\n".encode(), f"\r\n--{boundary}--\r\n".encode()
    assert request.body.startswith(begin)
    assert request.body.endswith(end)
    headers, _, content = request.body.removeprefix(begin).removesuffix(end).partition(b"\r\n\r\n")
    return headers.decode(), content


ADDED = json_answer({"caption_file": {"id": 5950, "srclang": "es", "status": "uploaded"}}, 201)
VTT = "WEBVTT\n\n00:00.000 --> 00:02.000 align:start\nEstá bien.\n"


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.srt", SRT.encode(), "text/srt"),
        ("a.srt", SRT.replace("\n", "\r\n").encode("utf-8-sig"), "text/srt"),
        ("Übung 1.VTT", VTT.encode(), "text/vtt"),
    ],
)
def test_captions_in_utf_8_are_sent_byte_for_byte_with_their_language_in_the_query(
    form: Form, name: str, content: bytes, media_type: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with FaultServer(ADDED, media_answer(42), ADDED, ADDED, ADDED) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        studio = server.client()
        caption = form.call(studio, "add_caption", 42, path, srclang="es-MX")
        media = form.call(studio, "get_media", 42)
        assert form.call(media, "add_caption", str(path), srclang="es-MX") == caption
        assert form.call(studio, "add_caption", media, (name, content), srclang="es-MX") == caption
        with path.open("rb") as file:
            assert form.call(studio, "add_caption", media, file, srclang="es-MX") == caption
    assert (type(caption), caption.id, caption.status) == (Caption, 5950, "uploaded")
    for request in [server.requests[0], *server.requests[2:]]:
        assert (request.method, request.parameters) == ("POST", {"srclang": "es-MX"})
        assert request.path.endswith("/media/42/caption_files")
        headers, sent = part_of(request)
        assert headers.splitlines() == [
            f'Content-Disposition: form-data; name="caption_file"; filename="{name}"',
            f"Content-Type: {media_type}",
        ]
        assert sent == content


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_captions_in_another_encoding_are_converted_and_a_warning_names_the_file(
    form: Form, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "talk.srt"
    path.write_bytes(SRT.encode(encoding))
    with FaultServer(ADDED) as server, pytest.warns(CaptionWarning, match=r"^talk\.srt is not UTF-8") as caught:
        form.call(server.client(), "add_caption", 42, path, srclang="es")
    assert part_of(server.requests[0])[1] == SRT.encode()
    # It names the line of the caller: here, that of the helper that calls in both forms.
    assert [Path(warning.filename).name for warning in caught] == ["forms.py"]


def test_a_warning_that_is_made_an_error_keeps_the_captions_from_being_sent(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    path.write_bytes(SRT.encode("cp1252"))
    with FaultServer() as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CaptionWarning):
            form.call(server.client(), "add_caption", 42, path, srclang="es")
    assert server.requests == []


def test_captions_that_players_would_show_wrongly_are_refused_with_their_line_and_nothing_is_sent(form: Form) -> None:
    swapped = "1\n00:00:02,000 --> 00:00:01,000\nHi\n"
    with FaultServer() as server:
        for name, text, problem in [
            ("talk.srt", swapped, "talk.srt, line 2: this cue does not end after it has begun"),
            ("talk.srt", "", "talk.srt is empty"),
            ("talk.vtt", "WEBVTT\n", "talk.vtt has no cues"),
            ("talk.srt", VTT, "talk.srt is WebVTT: rename it to talk.vtt"),
            ("talk.vtt", SRT, "talk.vtt is SubRip: rename it to talk.srt"),
            ("talk.sbv", SRT, "talk.sbv is neither"),
            ("talk.srt", '{"error": "Not found"}', "talk.srt, line 1: "),
        ]:
            with pytest.raises(InvalidArgumentError) as caught:
                form.call(server.client(), "add_caption", 42, (name, text.encode()), srclang="en")
            assert isinstance(caught.value, ValueError)
            assert caught.value.argument == "file"
            assert str(caught.value).startswith(f"file cannot be sent: {problem}")
    assert server.requests == []


@pytest.mark.parametrize("wrong", ["", "e", "english", "en_US", "en-", "en US", "1", "-en", "en-abcdefghi", "é"])
def test_a_language_that_is_no_tag_is_refused_and_nothing_is_sent(form: Form, wrong: str) -> None:
    with FaultServer() as server, pytest.raises(InvalidArgumentError, match="srclang must be the tag of a language"):
        form.call(server.client(), "add_caption", 42, ("a.srt", SRT.encode()), srclang=wrong)
    assert server.requests == []


@pytest.mark.parametrize("srclang", ["en", "pt-BR", "zh-Hant-TW", "fil", "de-CH-1996", "es-419"])
def test_c5_the_language_of_new_captions_is_never_fixed(form: Form, srclang: str) -> None:
    with FaultServer(ADDED) as server:
        with pytest.raises(TypeError, match="srclang"):
            form.call(server.client(), "add_caption", 42, ("a.srt", SRT.encode()))
        form.call(server.client(), "add_caption", 42, ("a.srt", SRT.encode()), srclang=srclang)
    assert [request.parameters for request in server.requests] == [{"srclang": srclang}]


def test_c5_status_language_and_source_are_told_and_no_verdict_is_given(form: Form) -> None:
    with Sandbox(media=0) as box:
        made: list[dict[str, str]] = [
            {"srclang": "en", "status": "unpublished", "provider": "notorious"},
            {"srclang": "pt", "status": "published", "provider": "upload"},
            {"srclang": "pt", "status": "uploaded", "provider": "upload", "text": ""},
        ]
        media_id = box.add_media("Mitosis", captions=made)
        media = form.call(box.client(), "get_media", media_id)
        captions = form.items(media.captions())
        told = [{name: getattr(caption, name) for name in ("srclang", "status", "provider")} for caption in captions]
        assert told == [{name: value for name, value in one.items() if name != "text"} for one in made]
        assert [caption.is_empty for caption in captions] == [False, False, True]
        assert [name for name in dir(media) + dir(Caption) if "captioned" in name] == []


def test_no_caption_is_chosen_for_the_caller(form: Form) -> None:
    """A public program took the first caption, whatever its status."""
    sent = [{"id": number, "status": status} for number, status in enumerate(("draft", "published", "uploaded"), 1)]
    with FaultServer(json_answer({"caption_files": sent})) as server:
        captions = form.items(server.client().list_captions(42))
    assert [(caption.id, caption.status) for caption in captions] == [(1, "draft"), (2, "published"), (3, "uploaded")]


def test_an_error_in_place_of_the_list_is_not_a_media_without_captions(form: Form) -> None:
    """A public program took a 200 with an error and no list for the end of a list."""
    with (
        FaultServer(json_answer({"error": "try again"})) as server,
        pytest.raises(ResponseDecodeError, match="caption_files"),
    ):
        form.items(server.client().list_captions(42))


@pytest.mark.parametrize("given", [b"bytes", ("a.srt",), ("a.srt", b"", "text/srt"), 5, None, ["a.srt"]])
def test_what_is_no_file_is_refused(form: Form, given: Any) -> None:
    with FaultServer() as server, pytest.raises((TypeError, ValueError), match="file"):
        form.call(server.client(), "add_caption", 42, given, srclang="en")
    assert server.requests == []


def test_a_file_that_is_missing_a_folder_or_too_long_is_refused(form: Form, tmp_path: Path) -> None:
    long = tmp_path / "long.srt"
    with long.open("wb") as file:
        file.truncate((16 << 20) + 1)
    with FaultServer() as server:
        studio = server.client()
        with pytest.raises(FileNotFoundError):
            form.call(studio, "add_caption", 42, tmp_path / "missing.srt", srclang="en")
        for path, problem in ((tmp_path, "it is a folder"), (long, "longer than 16 MiB")):
            with pytest.raises(InvalidArgumentError, match=problem):
                form.call(studio, "add_caption", 42, path, srclang="en")
        with pytest.raises(InvalidArgumentError, match="control character"):
            form.call(studio, "add_caption", 42, ("a\n.srt", SRT.encode()), srclang="en")
        with pytest.raises(TypeError, match="binary mode"):
            form.call(studio, "add_caption", 42, ("a.srt", StringIO(SRT)), srclang="en")
    assert server.requests == []


def test_added_captions_come_back_byte_for_byte(form: Form, tmp_path: Path) -> None:
    with Sandbox(media=0) as box:
        studio = box.client()
        media = form.call(studio, "get_media", box.add_media("Mitosis", captions=[{"srclang": "en"}]))
        content = VTT.replace("\n", "\r\n").encode("utf-8-sig")
        added = form.call(media, "add_caption", ("talk.vtt", content), srclang="es")
        assert (added.srclang, added.subtitle_format, added.label, added.url) == ("es", "vtt", "Español", None)
        assert [caption.srclang for caption in form.items(media.captions())] == ["en", "es"]
        assert form.call(added, "download", tmp_path / "again.vtt").read_bytes() == content
        assert form.call(added, "text") == VTT.replace("\n", "\r\n")


def test_only_the_owner_and_administrators_get_captions(form: Form) -> None:
    with Sandbox(media=0) as box:
        owner, other = box.add_user("Ada Park"), box.add_user("Bo Lind")
        media_id = box.add_media("Mitosis", owner=owner, captions=[{"srclang": "es", "text": SRT}])
        (caption,) = form.items(box.client(user=owner).list_captions(media_id))
        assert form.call(caption, "text") == SRT
        with pytest.raises(PermissionDeniedError):
            form.call(box.client(user=other), "get_caption_text", caption)
