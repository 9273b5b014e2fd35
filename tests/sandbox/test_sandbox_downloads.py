"""Downloads from the sandbox: a redirect to another host, a signed URL that expires, and the bytes of the file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from canvas_studio import PermissionDeniedError, UnprocessableEntityError
from canvas_studio.sandbox import Assumptions, Sandbox
from support.plain_http import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.forms import Form

SIZE = 300_007
QUALITIES = ("high", "medium", "low")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


@pytest.fixture
def media(box: Sandbox) -> int:
    return box.add_media("Mitosis", size=SIZE)


def redirect(box: Sandbox, media: int, token: str | None = None, quality: str | None = None) -> Answer:
    query = {} if quality is None else {"quality": quality}
    return ask(box.url, "GET", f"/media/{media}/download", token=token or box.token, query=query)


def location(box: Sandbox, media: int, quality: str | None = None) -> str:
    answer = redirect(box, media, quality=quality)
    assert answer.status == 302, answer.text
    return answer.headers["location"]


def assert_denied(answer: Answer, status: int, code: str) -> None:
    """The storage host says no as such hosts do: in XML."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/xml"), answer.text
    assert f"<Code>{code}</Code>" in answer.text


def changed(url: str, **query: object) -> str:
    """The URL with some of its parameters changed, or left out if they are None."""
    parts = urlsplit(url)
    given = {name: values[0] for name, values in parse_qs(parts.query).items()} | query
    return parts._replace(query=urlencode({name: value for name, value in given.items() if value is not None})).geturl()


def test_a_download_is_a_redirect_to_another_host_and_port(box: Sandbox, media: int) -> None:
    answer = redirect(box, media)
    target = answer.headers["location"]
    assert (answer.status, answer.body) == (302, b"")
    assert target.startswith(f"{box.storage_url}/")
    api, storage = urlsplit(box.url), urlsplit(target)
    assert storage.hostname != api.hostname
    assert storage.port != api.port
    assert set(parse_qs(storage.query)) >= {"Expires", "Signature"}


def test_what_comes_is_the_file(form: Form, box: Sandbox, media: int, tmp_path: Path) -> None:
    path = tmp_path / "lecture.mp4"
    with box.client(retry_delay=0) as studio:
        form.call(studio, "download_media", media, path)
        url = form.call(studio, "get_download_url", media)
    file = box.media_file(media)
    assert len(file) == SIZE
    assert path.read_bytes() == file
    answer = ask(url)
    assert (answer.status, answer.body) == (200, file)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["accept-ranges"] == "bytes"
    assert file[4:8] == b"ftyp"


@pytest.mark.parametrize("size", [0, 1, 7, 8, 23, 24, 25, 39, 40, 41, 99, 131_072, 131_073, 1_000_003])
def test_a_file_of_any_size_is_what_media_file_says(box: Sandbox, size: int) -> None:
    media = box.add_media(size=size)
    for quality in QUALITIES:
        answer = ask(location(box, media, quality=quality))
        assert answer.status == 200
        assert answer.headers["content-length"] == str(len(answer.body))
        assert answer.body == box.media_file(media, quality)
    assert len(box.media_file(media)) == size


def test_every_media_and_every_quality_has_a_file_of_its_own(box: Sandbox, media: int) -> None:
    other = box.add_media("Meiosis", size=SIZE)
    files = [box.media_file(id_of, quality) for id_of in (media, other) for quality in QUALITIES]
    assert len(set(files)) == 6
    assert [len(file) for file in files[:3]] == sorted((len(file) for file in files[:3]), reverse=True)


def test_a_download_without_a_quality_is_the_best_one(form: Form, box: Sandbox, media: int, tmp_path: Path) -> None:
    with box.client() as studio:
        for quality in (None, *QUALITIES):
            path = form.call(studio, "download_media", media, tmp_path / f"{quality}.mp4", quality=quality)
            assert path.read_bytes() == box.media_file(media, quality)
    assert box.media_file(media) == box.media_file(media, "high")


def test_a_signed_url_opens_the_file_until_it_expires(tmp_path: Path) -> None:
    with Sandbox(media=0, url_lifetime=0.4) as box, box.client() as studio:
        media = box.add_media(size=1000)
        asked = time.monotonic()
        url = studio.get_download_url(media)
        first = ask(url)
        # A machine that stood still meanwhile says nothing.
        assert first.status == 200 or time.monotonic() - asked > 0.4
        time.sleep(0.45)
        assert_denied(ask(url), 403, "AccessDenied")
        assert b"expired" in ask(url).body
        # Whoever asks Studio again gets a URL that is good.
        assert studio.download_media(media, tmp_path / "a.mp4").read_bytes() == box.media_file(media)


def test_a_signed_url_is_good_for_a_day_if_nothing_else_is_said(box: Sandbox, media: int) -> None:
    expires = int(parse_qs(urlsplit(location(box, media)).query)["Expires"][0]) / 1000
    assert 86_300 < expires - time.time() < 86_401


def test_a_forged_url_opens_nothing(box: Sandbox, media: int) -> None:
    other = box.add_media("Somebody else's", size=SIZE)
    url = location(box, media)
    forged = [
        changed(url, Signature="0" * 16),
        changed(url, Signature=None),
        changed(url, Expires=9_999_999_999_999),
        changed(url, Expires=None),
        changed(url, Expires="never"),
        url.partition("?")[0],
        url.replace(f"/media/{media}/", f"/media/{other}/"),
        url.replace("high.mp4", "low.mp4"),
        url.replace("high.mp4", "manifest.mpd"),
    ]
    for each in forged:
        assert_denied(ask(each), 403, "AccessDenied")
    with Sandbox(media=0) as another:
        same = another.add_media("Mitosis", size=SIZE)
        parts = urlsplit(location(another, same))
        assert_denied(ask(f"{box.storage_url}{parts.path}?{parts.query}"), 403, "AccessDenied")


def test_a_token_that_was_taken_along_is_refused(box: Sandbox, media: int) -> None:
    url = location(box, media)
    for authorization in (f"Bearer {box.token}", "Basic eDp5", "x"):
        assert_denied(ask(url, headers={"Authorization": authorization}), 400, "InvalidArgument")
    assert ask(url).status == 200


def test_a_url_opens_nothing_that_is_not_there(box: Sandbox, media: int) -> None:
    url = location(box, media)
    assert ask(box.url, "DELETE", f"/media/{media}", token=box.token).status == 200
    assert_denied(ask(url), 404, "NoSuchKey")
    for path in ("/", "/media", f"/media/{media}", "/media/1/2/3", "/api/public/v1/collections", "/thumbnails/x.svg"):
        assert_denied(ask(f"{box.storage_url}{path}"), 404, "NoSuchKey")


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=10-30", 10, 31),
        ("bytes=39-41", 39, 42),
        ("bytes=131071-131073", 131_071, 131_074),
        ("bytes=100-", 100, SIZE),
        ("bytes=0-", 0, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=5-{10**18}", 5, SIZE),
        (f"bytes=5-{2**64 - 1}", 5, SIZE),
        ("bytes=-100", SIZE - 100, SIZE),
        (f"bytes=-{SIZE * 2}", 0, SIZE),
    ],
)
def test_a_part_is_what_was_asked_for(box: Sandbox, media: int, header: str, start: int, end: int) -> None:
    answer = ask(location(box, media), headers={"Range": header})
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.body == box.media_file(media)[start:end]


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", f"bytes={10**18}-", "bytes=-0"])
def test_a_part_behind_the_end_is_416_with_the_size(box: Sandbox, media: int, header: str) -> None:
    answer = ask(location(box, media), headers={"Range": header})
    assert_denied(answer, 416, "InvalidRange")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("header", ["bytes=10-5", "bytes=0-1,5-6", "bytes=a-b", "bytes=", "lines=0-1", "bytes 0-1", ""])
def test_a_range_that_is_none_brings_the_whole_file(box: Sandbox, media: int, header: str) -> None:
    answer = ask(location(box, media), headers={"Range": header})
    assert (answer.status, len(answer.body)) == (200, SIZE)
    assert "content-range" not in answer.headers


def test_if_range_brings_a_part_of_the_same_file_and_the_whole_of_another(box: Sandbox, media: int) -> None:
    url = location(box, media)
    etag = ask(url).headers["etag"]
    assert etag.startswith('"')
    assert etag != ask(location(box, media, quality="low")).headers["etag"]
    part = ask(url, headers={"Range": "bytes=7-", "If-Range": etag})
    assert (part.status, part.headers["etag"], len(part.body)) == (206, etag, SIZE - 7)
    whole = ask(url, headers={"Range": "bytes=7-", "If-Range": '"another"'})
    assert (whole.status, len(whole.body)) == (200, SIZE)


@pytest.mark.parametrize("honoured", [True, False])
def test_range_honoured_decides_whether_a_broken_download_goes_on_or_begins_again(
    honoured: bool,  # noqa: FBT001
    form: Form,
    tmp_path: Path,
) -> None:
    with (
        Sandbox(media=0, assumptions=Assumptions(range_honoured=honoured)) as box,
        box.client(retry_delay=0) as studio,
    ):
        media = box.add_media(size=SIZE)
        answer = ask(location(box, media), headers={"Range": "bytes=0-0"})
        assert answer.status == (206 if honoured else 200)
        assert ("accept-ranges" in answer.headers) is honoured
        box.forget_requests()
        box.faults.add(host="storage", reset="body", times=1)
        path = form.call(studio, "download_media", media, tmp_path / "lecture.mp4")
        assert path.read_bytes() == box.media_file(media)
        assert [each.status for each in box.requests if each.host == "storage"][-1] == (206 if honoured else 200)


def test_head_answers_without_the_file_and_nothing_else_is_taken(box: Sandbox, media: int) -> None:
    url = location(box, media)
    head = ask(url, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(SIZE))
    for method in ("POST", "PUT", "DELETE"):
        assert_denied(ask(url, method), 405, "MethodNotAllowed")


def test_external_media_have_no_file(form: Form, box: Sandbox, tmp_path: Path) -> None:
    with box.client() as studio:
        for source in ("youtube", "vimeo"):
            media = box.add_media(source=source)
            for call, arguments in (("get_download_url", ()), ("download_media", (tmp_path / "x.mp4",))):
                with pytest.raises(UnprocessableEntityError, match="external"):
                    form.call(studio, call, media, *arguments)
            with pytest.raises(ValueError, match="has no file of this quality"):
                box.media_file(media)
    assert list(tmp_path.iterdir()) == []
    assert {request.host for request in box.requests} == {"api"}


def test_a_download_that_cannot_be_is_refused_as_documented(box: Sandbox, media: int) -> None:
    unfinished = box.add_media(transcoding_status="transcoding_started")
    refused: list[tuple[object, dict[str, Any], int]] = [
        (unfinished, {}, 404),
        (10**12, {}, 404),
        ("abc", {}, 422),
        (0, {}, 422),
        (media, {"quality": "8k"}, 422),
        (media, {"quality": ""}, 422),
    ]
    for wanted, query, status in refused:
        answer = ask(box.url, "GET", f"/media/{wanted}/download", token=box.token, query=query)
        assert (answer.status, list(answer.json)) == (status, ["error"])
        assert "location" not in answer.headers


def test_only_the_owner_and_an_administrator_may_download(form: Form, box: Sandbox, media: int) -> None:
    owner, editor = box.add_user("Owner"), box.add_user("Editor")
    own = box.add_media(owner=owner)
    change = {"action": "create", "id": editor, "share_type": "user", "permission_type": "edit"}
    assert ask(box.url, "POST", f"/media/{own}/permissions", token=box.token, json_body=[change]).status == 200
    assert redirect(box, own, box.token_for(owner)).status == 302
    assert redirect(box, own).status == 302
    assert redirect(box, media, box.token_for(owner)).status == 403
    with box.client(user=editor) as studio, pytest.raises(PermissionDeniedError):
        form.call(studio, "get_download_url", own)


def test_the_picture_of_a_media_is_there_for_everybody(box: Sandbox, media: int) -> None:
    shown = ask(box.url, "GET", f"/media/{media}", token=box.token).json["media"]["thumbnail_url"]
    answer = ask(shown)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.text.startswith("<svg")


@pytest.mark.parametrize(("wanted", "quality"), [(10**12, None), (None, "8k"), (None, "manifest"), (None, "")])
def test_media_file_of_what_is_not_there_is_a_value_error(
    box: Sandbox, media: int, wanted: int | None, quality: str | None
) -> None:
    with pytest.raises(ValueError, match=r"there is no media|has no file of this quality"):
        box.media_file(wanted or media, quality)
