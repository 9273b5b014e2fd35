"""An answer that breaks the reference raises a clear error quickly, or does no harm."""

from __future__ import annotations

import gzip
import json
import resource
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    APIStatusError,
    Collection,
    InternalServerError,
    Media,
    NotFoundError,
    ResponseDecodeError,
    StudioError,
)
from support.fault_server import (
    MEGABYTE,
    Answer,
    FaultServer,
    Received,
    collection_item,
    json_answer,
    library_of,
    media_answer,
    media_item,
    paged,
    person,
    redirect,
    text_answer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.forms import Form

HTML = "<html><body>Please log in</body></html>"
SOON = 20.0


def decode_error(form: Form, answer: Answer, method: str = "get_media", *arguments: Any) -> ResponseDecodeError:
    """The decode error that this answer makes of the call."""
    with FaultServer(answer) as server, pytest.raises(ResponseDecodeError) as caught:
        form.call(server.client(max_retries=0), method, *(arguments or (1,)))
    return caught.value


def json_text(text: str) -> Answer:
    return text_answer(text, "application/json")


def test_html_in_place_of_json_is_shown(form: Form) -> None:
    error = decode_error(form, text_answer(HTML, "text/html"))
    assert error.body == HTML
    assert error.status_code == 200
    assert "html" in str(error).lower()


def test_html_that_says_it_is_json_is_shown(form: Form) -> None:
    assert decode_error(form, json_text(HTML)).body == HTML


@pytest.mark.parametrize("length", [1, 20, 100, -1])
def test_truncated_json_is_an_error(form: Form, length: int) -> None:
    text = json.dumps({"media": media_item(1)})
    assert decode_error(form, json_text(text[:length])).body == text[:length][:500]


@pytest.mark.parametrize("text", ["null", "[]", "5", '"media"', "true", "", "   ", "nonsense", '{"media": [1]}'])
def test_anything_but_an_object_is_an_error(form: Form, text: str) -> None:
    decode_error(form, json_text(text))


@pytest.mark.parametrize("inner", ["null", "5", '"x"', "true", "[]"])
def test_anything_but_an_object_in_the_wrapper_is_an_error(form: Form, inner: str) -> None:
    assert decode_error(form, json_text(f'{{"media": {inner}}}')).json_path == "media"


def test_no_content_where_there_should_be_some_is_an_error(form: Form) -> None:
    decode_error(form, Answer(status=204))


@pytest.mark.parametrize(
    ("method", "arguments", "key"),
    [
        ("get_media", (1,), "media"),
        ("archive_media", (1,), "media"),
        ("get_collection", (1,), "collection"),
        ("create_collection", ("New",), "collection"),
    ],
)
def test_a_missing_wrapper_key_is_named(form: Form, method: str, arguments: tuple[Any, ...], key: str) -> None:
    error = decode_error(form, json_answer({"something_else": media_item(1)}), method, *arguments)
    assert key in str(error)


@pytest.mark.parametrize(
    ("method", "key"),
    [
        ("list_collection_media", "media"),
        ("list_media_courses", "courses"),
        ("list_media_perspectives", "perspectives"),
        ("list_media_sources", "sources"),
        ("list_media_users", "user_permissions"),
    ],
)
def test_a_missing_key_of_a_list_is_named(form: Form, method: str, key: str) -> None:
    with FaultServer(json_answer({"wrong": []})) as server, pytest.raises(ResponseDecodeError, match=key):
        form.items(getattr(server.client(max_retries=0), method)(1))


def test_an_error_in_a_list_names_the_path_to_it(form: Form) -> None:
    items = library_of(5)
    items[3]["id"] = "seven"
    with (
        FaultServer(paged(items)) as server,
        pytest.raises(ResponseDecodeError, match=r"media\[3\]\.id") as caught,
    ):
        form.items(server.client().search_media())
    assert caught.value.json_path == "media[3].id"


# An item without its id is none, and permissions are read whole or not at all. Any other field of a wrong type does no
# harm: test_odd_values.py.
WRONG_TYPES: list[tuple[str, Any, str]] = [
    ("get_media", {"media": {**media_item(1), "id": None}}, "media.id"),
    ("get_media", {"media": {**media_item(1), "id": "one"}}, "media.id"),
    ("get_media", {"media": {**media_item(1), "id": 1.5}}, "media.id"),
    ("get_media", {"media": {**media_item(1), "id": 2**63}}, "media.id"),
    ("get_media", {"media": {**media_item(1), "id": True}}, "media.id"),
    ("get_collection", {"collection": {**collection_item(1), "id": []}}, "collection.id"),
    ("get_media_permissions", {"users": [person(1), {**person(2), "id": {}}], "groups": []}, "users[1].id"),
    ("get_media_permissions", {"users": [], "groups": 5}, "groups"),
]


@pytest.mark.parametrize(("method", "answer", "path"), WRONG_TYPES)
def test_a_wrong_type_is_named_by_its_path(form: Form, method: str, answer: Any, path: str) -> None:
    assert decode_error(form, json_answer(answer), method).json_path == path


def test_a_media_without_an_id_is_an_error(form: Form) -> None:
    error = decode_error(form, json_answer({"media": {"title": "nameless"}}))
    assert error.json_path in {"media", "media.id"}
    assert "id" in str(error)


def test_a_list_with_one_bad_item_is_an_error_and_not_a_shorter_list(form: Form) -> None:
    with FaultServer(json_answer({"media": [*library_of(3), None]})) as server, pytest.raises(ResponseDecodeError):
        form.items(server.client().search_media())


def test_a_deep_nest_is_an_error_and_not_a_crash(form: Form) -> None:
    nest = "[" * 100_000 + "]" * 100_000
    decode_error(form, json_text(f'{{"media": {{"id": 1, "nest": {nest}}}}}'))
    decode_error(form, json_text(nest), "request", "GET", "/nest")


def endless(start: bytes) -> Iterator[bytes]:
    yield start
    for _ in range(500):
        yield b"x" * MEGABYTE


@pytest.mark.parametrize("declared", [None, 501 * MEGABYTE], ids=["chunked", "declared"])
def test_an_endless_body_is_given_up(form: Form, declared: int | None) -> None:
    answer = Answer(
        headers={"Content-Type": "application/json"},
        stream=lambda: endless(b'{"media": {"id": 1, "title": "'),
        content_length=declared,
    )
    begin = time.monotonic()
    with FaultServer(answer) as server, pytest.raises(ResponseDecodeError):
        form.call(server.client(max_retries=0), "get_media", 1)
    assert time.monotonic() - begin < SOON
    assert server.body_bytes_sent < 200 * MEGABYTE


def test_an_endless_error_body_is_given_up(form: Form) -> None:
    answer = Answer(status=500, headers={"Content-Type": "text/html"}, stream=lambda: endless(b"<html>"))
    begin = time.monotonic()
    with FaultServer(answer) as server, pytest.raises(StudioError):
        form.call(server.client(max_retries=0), "get_media", 1)
    assert time.monotonic() - begin < SOON
    assert server.body_bytes_sent < 200 * MEGABYTE


def gzip_bomb(megabytes: int) -> bytes:
    """So many megabytes of blanks in a thousandth of the size; only the checksum at the end is wrong."""
    # After a full flush the same input gives the same output, so that it has to be compressed only once.
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = squeeze.compress(b" " * MEGABYTE) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + block * megabytes + squeeze.flush() + b"\x00" * 8


def test_a_gzip_bomb_fills_no_memory(form: Form) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = Answer(headers=headers, body=gzip_bomb(1_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.monotonic()
    with FaultServer(answer) as server, pytest.raises(ResponseDecodeError):
        form.call(server.client(max_retries=0), "get_media", 1)
    assert time.monotonic() - begin < SOON
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


def test_gzip_is_understood(form: Form) -> None:
    plain = media_answer(1, title="squeezed")
    headers = {**plain.headers, "Content-Encoding": "gzip"}
    with FaultServer(Answer(headers=headers, body=gzip.compress(plain.body))) as server:
        assert form.call(server.client(), "get_media", 1).title == "squeezed"


def test_gzip_that_is_garbage_is_an_error(form: Form) -> None:
    whole = gzip.compress(media_answer(1).body)
    for body in (b"this is not gzip at all", whole[:10] + b"\xff" * 40, whole[: len(whole) // 2]):
        answer = Answer(headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}, body=body)
        with FaultServer(answer) as server, pytest.raises((ResponseDecodeError, APIConnectionError)):
            form.call(server.client(max_retries=0), "get_media", 1)


@pytest.mark.parametrize(("method", "requests"), [("get_media", 3), ("archive_media", 1)])
def test_gzip_that_is_garbage_is_an_answer_that_a_get_asks_for_again(form: Form, method: str, requests: int) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with FaultServer(Answer(headers=headers, body=b"this is not gzip at all")) as server:
        with pytest.raises(ResponseDecodeError) as caught:
            form.call(server.client(max_retries=2), method, 1)
        assert caught.value.status_code == 200
    assert len(server.requests) == requests


def test_gzip_that_was_garbage_once_does_no_harm(form: Form) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with FaultServer(Answer(headers=headers, body=b"this is not gzip at all"), media_answer(1)) as server:
        assert form.call(server.client(), "get_media", 1).id == 1
    assert len(server.requests) == 2


def test_a_page_in_place_of_a_download_url_is_shown(form: Form) -> None:
    error = decode_error(form, text_answer(HTML, "text/html"), "get_download_url")
    assert error.body == HTML
    assert error.status_code == 200


@pytest.mark.parametrize("location", ["ftp://files.example/1.mp4", "javascript:alert(1)", "file:///etc/passwd"])
@pytest.mark.parametrize("status", [302, 200])
def test_a_download_url_that_is_no_web_address_is_an_error(form: Form, status: int, location: str) -> None:
    answer = Answer(status=status, headers={"Location": location, "Content-Type": "application/json"}, body=b"{}")
    assert decode_error(form, answer, "get_download_url").status_code == status


def test_a_redirect_loop_of_a_download_comes_to_an_end(form: Form, tmp_path: Path) -> None:
    with (
        FaultServer(redirect("/again")) as storage,
        FaultServer(redirect(f"{storage.url}/file.mp4")) as server,
        pytest.raises(StudioError),
    ):
        form.call(server.client(max_retries=0), "download_media", 1, tmp_path / "file.mp4")
    assert len(storage.requests) < 20
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("method", "arguments"), [("get_media", (1,)), ("archive_media", (1,))])
def test_an_unexpected_redirect_is_not_followed(
    form: Form, method: str, arguments: tuple[Any, ...], status: int
) -> None:
    with FaultServer(media_answer(1)) as other, FaultServer(redirect(f"{other.url}/media/1", status)) as server:
        with pytest.raises(APIStatusError) as caught:
            form.call(server.client(max_retries=0), method, *arguments)
        assert type(caught.value) is APIStatusError
        assert caught.value.status_code == status
    assert other.requests == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("charset", ["klingon", "", "utf-16", "\xe4"])
def test_an_unknown_charset_of_json_does_no_harm(form: Form, charset: str) -> None:
    answer = media_answer(1, title="Übung")
    answer = Answer(headers={"Content-Type": f"application/json; charset={charset}"}, body=answer.body)
    with FaultServer(answer) as server:
        try:
            assert form.call(server.client(max_retries=0), "get_media", 1).title == "Übung"
        except ResponseDecodeError as error:
            assert "charset" in str(error)  # noqa: PT017 (both outcomes are right)


def test_an_unknown_charset_of_text_does_no_harm(form: Form) -> None:
    with FaultServer(text_answer("pong", "text/plain; charset=klingon")) as server:
        try:
            assert form.call(server.client(max_retries=0), "request", "GET", "/ping") == "pong"
        except ResponseDecodeError as error:
            assert "klingon" in str(error)  # noqa: PT017 (both outcomes are right)


def test_json_that_is_not_utf_8_is_an_error(form: Form) -> None:
    body = media_answer(1).body.replace(b"Lecture", b"Lect\xff\xfere")
    error = decode_error(form, Answer(headers={"Content-Type": "application/json"}, body=body))
    assert "Lect" in error.body


def test_an_error_body_that_is_not_utf_8_is_still_shown(form: Form) -> None:
    answer = Answer(status=404, headers={"Content-Type": "text/plain"}, body=b"not h\xe9re")
    with FaultServer(answer) as server, pytest.raises(NotFoundError) as caught:
        form.call(server.client(), "get_media", 1)
    assert str(caught.value.body).startswith("not h")


def test_a_declared_length_that_is_too_short_does_not_reach_into_the_next_answer(form: Form) -> None:
    stray = b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"media": {"id": 666}}'
    first = media_answer(1)
    with FaultServer(
        Answer(headers=first.headers, body=first.body + stray, content_length=len(first.body)), media_answer(2)
    ) as server:
        studio = server.client()
        assert form.call(studio, "get_media", 1).id == 1
        assert form.call(studio, "get_media", 2).id == 2


def test_a_failed_answer_does_not_spoil_the_client(form: Form) -> None:
    with FaultServer(json_text(HTML), json_text("null"), json_answer({}, 500), media_answer(4)) as server:
        studio = server.client(max_retries=0)
        for kind in (ResponseDecodeError, ResponseDecodeError, InternalServerError):
            with pytest.raises(kind):
                form.call(studio, "get_media", 1)
        assert form.call(studio, "get_media", 4).id == 4


MEDIA_FIELDS = [*media_item(1), "collection"]


def test_a_media_with_nothing_but_its_id_is_fine(form: Form) -> None:
    with FaultServer(json_answer({"media": {"id": 5}})) as server:
        media = form.call(server.client(), "get_media", 5)
    assert media.id == 5
    assert [getattr(media, name) for name in MEDIA_FIELDS if name != "id"] == [None] * (len(MEDIA_FIELDS) - 1)


def test_a_media_of_nulls_is_fine(form: Form) -> None:
    nulls = dict.fromkeys(MEDIA_FIELDS)
    with FaultServer(json_answer({"media": {**nulls, "id": 5, "new_field": None}})) as server:
        media = form.call(server.client(), "get_media", 5)
    assert [getattr(media, name) for name in MEDIA_FIELDS if name != "id"] == [None] * (len(MEDIA_FIELDS) - 1)
    assert media.extra == {"new_field": None}


def test_a_collection_of_nulls_is_fine(form: Form) -> None:
    fields = list(collection_item(1))
    for content in ({"id": 5}, {**dict.fromkeys(fields), "id": 5}):
        with FaultServer(json_answer({"collection": content})) as server:
            collection = form.call(server.client(), "get_collection", 5)
        assert [getattr(collection, name) for name in fields if name != "id"] == [None] * (len(fields) - 1)


@pytest.mark.parametrize(
    ("method", "key", "bare"),
    [
        ("list_media_courses", "courses", {"id": 1}),
        ("list_media_perspectives", "perspectives", {"uuid": "a"}),
        ("list_media_sources", "sources", {}),
        ("list_media_users", "user_permissions", {"id": 1}),
    ],
)
def test_a_record_with_the_least_is_fine(form: Form, method: str, key: str, bare: dict[str, Any]) -> None:
    with FaultServer(json_answer({key: [{**bare, "new_field": {"deep": None}}]})) as server:
        (record,) = form.items(getattr(server.client(), method)(1))
    assert record.extra == {"new_field": {"deep": None}}


def test_permissions_of_nulls_are_fine(form: Form) -> None:
    user = {"id": 1, "full_name": None, "display_name": None, "email": None, "permission": None}
    group = {"id": 2, "name": None, "permission": None}
    with FaultServer(json_answer({"users": [user], "groups": [group]})) as server:
        permissions = form.call(server.client(), "get_media_permissions", 1)
    assert (permissions.users[0].id, permissions.users[0].email) == (1, None)
    assert (permissions.groups[0].id, permissions.groups[0].name) == (2, None)


def test_unknown_fields_and_values_are_kept(form: Form) -> None:
    new = {"views": 3, "nested": {"deep": [1, "ä", None]}}
    item = media_item(1, transcoding_status="quantum", source="telepathy", **new)
    with FaultServer(json_answer({"media": item, "unknown": 1})) as server:
        media = form.call(server.client(), "get_media", 1)
    assert (media.transcoding_status, media.source) == ("quantum", "telepathy")
    assert media.extra == new


def test_unknown_fields_of_meta_are_fine(form: Form) -> None:
    meta = {"current_page": 1, "last_page": 1, "total_count": 1, "per_page": 50, "next": None}
    with FaultServer(json_answer({"media": [media_item(1)], "meta": meta})) as server:
        assert len(form.items(server.client().search_media())) == 1


@pytest.mark.parametrize("sent", ["2024-05-16 02:36:46 UTC", "2024-05-16T02:36:46Z"])
def test_a_time_in_rubys_notation_is_a_time(form: Form, sent: str) -> None:
    with FaultServer(media_answer(1, created_at=sent)) as server:
        assert form.call(server.client(), "get_media", 1).created_at == datetime(2024, 5, 16, 2, 36, 46, tzinfo=UTC)


def test_an_empty_time_is_none(form: Form) -> None:
    empty = dict.fromkeys(("created_at", "last_viewed", "last_viewed_by_student"), "")
    with FaultServer(media_answer(1, **empty)) as server:
        media = form.call(server.client(), "get_media", 1)
    assert (media.created_at, media.last_viewed, media.last_viewed_by_student) == (None, None, None)


@pytest.mark.parametrize(("sent", "size"), [("1000000.0", 1_000_000), ("1e6", 1_000_000), ("0.0", 0)])
def test_a_whole_number_with_a_point_is_a_whole_number(form: Form, sent: str, size: int) -> None:
    with FaultServer(json_text(f'{{"media": {{"id": 1, "size": {sent}}}}}')) as server:
        media = form.call(server.client(), "get_media", 1)
    assert type(media.size) is int
    assert media.size == size


@pytest.mark.parametrize(
    ("sent", "duration"),
    [("1", 1.0), ("3.042", 3.042), ("735.0", 735.0), ("1e3", 1000.0), ("0", 0.0), ("0.30000000000000004", 0.1 + 0.2)],
)
def test_a_duration_is_a_float_to_the_last_digit(form: Form, sent: str, duration: float) -> None:
    with FaultServer(json_text(f'{{"media": {{"id": 1, "duration": {sent}}}}}')) as server:
        media = form.call(server.client(), "get_media", 1)
    assert type(media.duration) is float
    assert media.duration == duration


def test_numbers_are_kept_to_the_last_digit(form: Form) -> None:
    numbers = [1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 0.1, -0.0, 123456.789e-5, 2**53 + 1, 2**63 - 1]
    with FaultServer(json_answer({"numbers": numbers})) as server:
        assert form.call(server.client(), "request", "GET", "/numbers") == {"numbers": numbers}


def test_huge_integers_are_fine(form: Form) -> None:
    item = media_item(2**63 - 1, size=2**53 + 1, views=2**63 - 1)
    with FaultServer(json_answer({"media": item})) as server:
        media = form.call(server.client(), "get_media", 1)
    assert (media.id, media.size, media.extra["views"]) == (2**63 - 1, 2**53 + 1, 2**63 - 1)


@pytest.mark.parametrize("method", ["delete_collection", "archive_collection", "unarchive_collection"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(),
        Answer(status=204),
        json_answer({}),
        json_answer({"status": "ok"}),
        text_answer("ok", "text/plain"),
        json_answer({"collection": None}),
        json_answer(None),
        json_answer([]),
        json_answer({"id": "job-1", "status": "queued"}),
    ],
    ids=["empty", "204", "object", "other-object", "text", "null inside", "null", "list", "job"],
)
def test_an_undocumented_answer_without_a_collection_is_none(form: Form, method: str, answer: Answer) -> None:
    with FaultServer(answer) as server:
        assert form.call(server.client(), method, 1) is None


def test_a_collection_in_an_undocumented_answer_is_given(form: Form) -> None:
    with FaultServer(json_answer({"collection": collection_item(1)})) as server:
        assert isinstance(form.call(server.client(), "archive_collection", 1), Collection)


def test_the_escape_hatch_gives_what_was_sent(form: Form) -> None:
    with FaultServer(
        Answer(),
        Answer(status=204),
        text_answer("pong", "text/plain"),
        text_answer("a,b\r\n1,2\r\n", "text/csv; charset=utf-8"),
        json_answer([1, None, {"ä": 2.5}], 201),
        json_text(" "),
        text_answer("WEBVTT\n\n", "text/vtt"),
    ) as server:
        studio = server.client()
        given = [form.call(studio, "request", "GET", "/x") for _ in range(7)]
    assert given == [None, None, "pong", "a,b\r\n1,2\r\n", [1, None, {"ä": 2.5}], None, "WEBVTT\n\n"]


def test_any_success_is_a_success(form: Form) -> None:
    with FaultServer(json_answer({"media": media_item(1)}, 201)) as server:
        assert isinstance(form.call(server.client(), "get_media", 1), Media)


def test_a_server_that_clamps_the_page_size_loses_nothing(form: Form) -> None:
    def clamped(request: Received) -> Answer:
        page = int(request.parameters["page"])
        meta = {"current_page": page, "last_page": 5, "total_count": 45}
        return json_answer({"media": library_of(45)[(page - 1) * 10 : page * 10], "meta": meta})

    with FaultServer(clamped) as server:
        assert [media.id for media in form.items(server.client().search_media(per_page=50))] == list(range(1, 46))


def test_an_empty_listing_may_have_a_last_page_of_zero(form: Form) -> None:
    meta = {"current_page": 1, "last_page": 0, "total_count": 0}
    with FaultServer(json_answer({"media": [], "meta": meta})) as server:
        assert form.items(server.client().search_media()) == []


def test_a_meta_of_the_wrong_type_loses_nothing(form: Form) -> None:
    with FaultServer(json_answer({"media": library_of(3), "meta": "3 items"})) as server:
        try:
            assert len(form.items(server.client(max_retries=0).search_media())) == 3
        except ResponseDecodeError as error:
            assert str(error.json_path).startswith("meta")  # noqa: PT017 (both outcomes are right)
