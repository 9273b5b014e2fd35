"""The operations of the Captions page, over the recordings and the sandbox, in both forms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import Caption, Media
from support.fault_server import Answer, FaultServer, json_answer, media_answer, text_answer

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
