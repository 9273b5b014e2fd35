"""Uploads in the sandbox: bytes, signed URLs, transcoding, media from URLs; and its clock, which can be moved."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import AuthenticationError
from canvas_studio.sandbox import Assumptions, Sandbox, UploadedFile
from support.plain_http import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.forms import Form

UNKNOWN = 10**12
CONTENT = b"\0\1\2\3" * 1000 + b"end"
XML = "application/xml"
LARGE = 16 * 2**20 + 1
QUEUED, STARTED, FINISHED, FAILED = (f"transcoding_{word}" for word in ("queued", "started", "finished", "failed"))


@dataclass(frozen=True, slots=True)
class Studio:
    """A sandbox, as a program of the administrator uses it."""

    box: Sandbox

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        """What the sandbox answers."""
        sent: dict[str, Any] = {"token": self.box.token, **more}
        return ask(self.box.url, method, path, **sent)

    def start(self, **query: object) -> tuple[int, str]:
        """The id and the URL of a new upload."""
        answer = self.ask("POST", "/media/uploads", query=query)
        assert answer.status == 201, answer.text
        return answer.json["upload"]["id"], answer.json["upload"]["url"]

    def complete(self, upload: int, **query: object) -> Answer:
        """The answer to the completion of an upload."""
        return self.ask("POST", f"/media/uploads/{upload}/complete", query={"title": "Mitosis", **query})

    def upload(self, content: bytes = CONTENT, **query: object) -> int:
        """The id of a media that was uploaded."""
        upload, url = self.start()
        assert ask(url, "PUT", body=content).status == 200
        answer = self.complete(upload, **query)
        assert answer.status == 200, answer.text
        return upload

    def media(self, media: int) -> dict[str, Any]:
        """A media, as it is answered."""
        found: dict[str, Any] = self.ask("GET", f"/media/{media}").json["media"]
        return found

    def captions(self, media: int) -> list[dict[str, Any]]:
        """The captions of a media."""
        found: list[dict[str, Any]] = self.ask("GET", f"/media/{media}/caption_files").json["caption_files"]
        return found

    def download(self, media: int) -> bytes:
        """The bytes of its file."""
        answer = self.ask("GET", f"/media/{media}/download")
        assert answer.status == 302, answer.text
        return ask(answer.headers["location"]).body

    def listed(self) -> list[int]:
        """The ids of the media that a search shows."""
        return [media["id"] for media in self.ask("GET", "/media/search").json["media"]]


@pytest.fixture
def studio() -> Iterator[Studio]:
    with Sandbox(media=0) as box:
        yield Studio(box)


def test_an_upload_comes_back_byte_for_byte(studio: Studio, form: Form, tmp_path: Path) -> None:
    media = studio.upload()
    assert studio.download(media) == studio.box.media_file(media) == CONTENT
    with studio.box.client() as client:
        path = form.call(client, "download_media", media, tmp_path / "mitosis.mp4")
    assert path.read_bytes() == CONTENT
    answer = studio.ask("GET", f"/media/{media}/download")
    part = ask(answer.headers["location"], headers={"Range": "bytes=4000-"})
    assert (part.status, part.body) == (206, b"end")


def test_what_was_sent_is_told_with_its_hash_and_the_last_file_counts(studio: Studio) -> None:
    upload, url = studio.start()
    assert studio.box.uploaded_file(upload) is None
    ask(url, "PUT", body=b"another")
    ask(url, "PUT", body=CONTENT, headers={"Content-Type": "video/mp4"})
    expected = UploadedFile(len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "video/mp4", CONTENT)
    assert studio.box.uploaded_file(upload) == expected
    studio.complete(upload)
    assert studio.box.uploaded_file(upload) == expected
    ask(url, "PUT", body=b"too late")
    assert studio.box.uploaded_file(upload) == expected
    with pytest.raises(ValueError, match="there is no upload"):
        studio.box.uploaded_file(UNKNOWN)


def test_of_a_large_upload_the_length_and_the_hash_are_kept_and_a_download_has_that_length(studio: Studio) -> None:
    content = bytes(LARGE)
    media = studio.upload(content)
    found = studio.box.uploaded_file(media)
    assert found == UploadedFile(LARGE, hashlib.sha256(content).hexdigest(), None, None)
    assert len(studio.download(media)) == studio.media(media)["size"] == LARGE
    assert studio.download(media) == studio.box.media_file(media)


def test_of_many_uploads_no_more_bytes_are_kept_than_the_bound_says(studio: Studio) -> None:
    content = bytes(LARGE - 1)
    kept: list[bool] = []
    for _ in range(17):
        upload, url = studio.start()
        ask(url, "PUT", body=content)
        found = studio.box.uploaded_file(upload)
        assert found is not None
        kept.append(found.content is not None)
    assert kept == [True] * 16 + [False]


def test_a_snapshot_keeps_uploads_and_the_clock(studio: Studio, tmp_path: Path) -> None:
    media = studio.upload()
    upload, url = studio.start()
    ask(url, "PUT", body=b"half done")
    studio.box.advance(86_400)
    before = studio.box.now
    with Sandbox.load(studio.box.snapshot(tmp_path / "box.json")) as again:
        assert again.uploaded_file(media) == studio.box.uploaded_file(media)
        assert again.uploaded_file(upload) == studio.box.uploaded_file(upload)
        assert Studio(again).download(media) == CONTENT
        assert timedelta() <= again.now - before < timedelta(hours=1)


def test_a_url_for_an_upload_is_signed_as_amazon_does_and_ends_by_the_clock(studio: Studio) -> None:
    _, url = studio.start()
    for part in ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Expires=86400", "X-Amz-SignedHeaders=host"):
        assert part in url

    def refused(url: str) -> tuple[int, str, bool]:
        answer = ask(url, "PUT", body=b"x")
        assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<Error>')
        return answer.status, answer.headers["content-type"], "<Code>AccessDenied</Code>" in answer.text

    assert refused(url.partition("?")[0]) == (403, XML, True)
    assert refused(url.replace("X-Amz-Signature=", "X-Amz-Signature=0")) == (403, XML, False)
    assert refused(url.replace("X-Amz-Expires=86400", "X-Amz-Expires=96400")) == (403, XML, False)
    other, _ = studio.start()
    assert refused(url.replace("/uploads/", f"/uploads/{other}")) == (403, XML, False)
    studio.box.advance(86_390)
    assert ask(url, "PUT", body=b"x").status == 200
    studio.box.advance(20)
    assert refused(url) == (403, XML, True)
    assert all(
        "X-Amz-Signature" not in dict(seen.query) or dict(seen.query)["X-Amz-Signature"] == "***"
        for seen in studio.box.requests
    )


def test_a_token_or_a_body_of_unknown_length_is_refused_by_the_storage(studio: Studio) -> None:
    upload, url = studio.start()
    assert ask(url, "PUT", token=studio.box.token, body=b"x").status == 400
    chunked = {"Transfer-Encoding": "chunked"}
    answer = ask(url, "PUT", headers=chunked, body=b"2\r\nab\r\n0\r\n\r\n")
    assert (answer.status, "MissingContentLength" in answer.text) == (411, True)
    assert studio.box.uploaded_file(upload) is None


@pytest.mark.parametrize("listed", [False, True])
def test_an_upload_that_was_not_completed_is_listed_where_that_is_assumed(*, listed: bool) -> None:
    with Sandbox(media=0, assumptions=Assumptions(uploads_in_lists=listed)) as box:
        studio = Studio(box)
        upload, url = studio.start()
        ask(url, "PUT", body=CONTENT)
        assert studio.listed() == ([upload] if listed else [])
        assert studio.ask("GET", f"/media/{upload}").status == (200 if listed else 404)
        if listed:
            assert (studio.media(upload)["title"], studio.media(upload)["transcoding_status"]) == ("", "upload_started")
        assert studio.complete(upload).status == 200
        assert studio.complete(upload).status == 409
        assert studio.listed() == [upload]
        assert (studio.media(upload)["title"], studio.download(upload)) == ("Mitosis", CONTENT)


def test_an_upload_that_is_deleted_where_it_is_listed_cannot_be_completed() -> None:
    with Sandbox(media=0, assumptions=Assumptions(uploads_in_lists=True)) as box:
        studio = Studio(box)
        upload, _ = studio.start()
        assert studio.ask("DELETE", f"/media/{upload}").status == 200
        assert studio.complete(upload).status == 404


def test_transcoding_takes_its_time_by_the_clock() -> None:
    with Sandbox(media=0, transcoding_time=100) as box:
        studio = Studio(box)
        upload, url = studio.start()
        ask(url, "PUT", body=CONTENT)
        done = studio.complete(upload).json["media"]
        assert (done["transcoding_status"], done["duration"], done["size"]) == (QUEUED, 0, len(CONTENT))
        assert studio.listed() == [upload]
        assert studio.ask("GET", f"/media/{upload}/download").status == 404
        with pytest.raises(ValueError, match="transcoding is finished"):
            box.media_file(upload)
        box.advance(60)
        assert studio.media(upload)["transcoding_status"] == STARTED
        box.advance(timedelta(seconds=50))
        assert box.media_file(upload) == CONTENT
        found = studio.media(upload)
        assert (found["transcoding_status"], found["duration"]) == (FINISHED, 0.032)
        assert studio.ask("GET", "/media/search").json["media"][0]["transcoding_status"] == FINISHED


def test_transcoding_goes_on_after_a_snapshot(tmp_path: Path) -> None:
    with Sandbox(media=0, transcoding_time=100) as box:
        media = Studio(box).upload()
        with Sandbox.load(box.snapshot(tmp_path / "box.json")) as again:
            assert Studio(again).media(media)["transcoding_status"] == QUEUED
            again.advance(101)
            assert Studio(again).media(media)["transcoding_status"] == FINISHED


def test_transcoding_fails_on_request_and_of_an_empty_file() -> None:
    with Sandbox(media=0, transcoding_time=10) as box:
        studio = Studio(box)
        fault = box.faults.add(path="/v1/media/uploads/*/complete", times=1, fail_transcoding=True)
        bad, empty, good = studio.upload(), studio.upload(b""), studio.upload()
        assert box.faults.hits(fault) == 1
        box.advance(11)
        assert [studio.media(media)["transcoding_status"] for media in (bad, empty, good)] == [FAILED, FAILED, FINISHED]


def test_captions_are_made_at_the_end_of_the_transcoding_if_they_were_asked_for() -> None:
    with Sandbox(media=0, transcoding_time=10) as box:
        studio = Studio(box)
        media, without = studio.upload(auto_caption="true"), studio.upload()
        assert studio.captions(media) == []
        box.advance(11)
        [made] = studio.captions(media)
        assert (made["srclang"], made["provider"], made["status"]) == ("en", "notorious", "published")
        assert studio.captions(without) == []


def test_captions_that_the_school_does_not_make_are_501_and_nothing_is_done() -> None:
    with Sandbox(media=0, assumptions=Assumptions(auto_captions=False)) as box:
        studio = Studio(box)
        upload, _ = studio.start()
        assert studio.complete(upload, auto_caption="true").status == 501
        query = {"url": "https://example.edu/a.mp4", "title": "x", "auto_caption": "true"}
        assert studio.ask("POST", "/media", json_body={**query, "auto_caption": True}).status == 501
        collection = box.add_collection("Biology")
        assert studio.ask("POST", f"/collections/{collection}/media", query=query).status == 501
        assert studio.listed() == []
        assert studio.complete(upload, auto_caption="false").status == 200


def test_a_completion_can_be_done_and_answer_500(studio: Studio) -> None:
    upload, url = studio.start()
    ask(url, "PUT", body=CONTENT)
    studio.box.faults.add(path="/v1/media/uploads/*/complete", status=500, carried_out=True, times=1)
    assert studio.complete(upload).status == 500
    assert studio.box.requests[-1].status == 500
    assert studio.media(upload)["title"] == "Mitosis"
    assert studio.complete(upload).status == 409


def test_the_storage_can_keep_a_file_and_answer_503(studio: Studio) -> None:
    upload, url = studio.start()
    studio.box.faults.add(host="storage", method="PUT", status=503, carried_out=True, times=1)
    assert ask(url, "PUT", body=CONTENT).status == 503
    assert studio.box.uploaded_file(upload) is not None


@pytest.mark.parametrize("reset", ["before", "request"])
def test_a_file_whose_sending_breaks_off_is_not_there(reset: str, studio: Studio) -> None:
    upload, url = studio.start()
    ask(url, "PUT", body=b"first")
    studio.box.faults.add(host="storage", method="PUT", reset=reset, times=1)
    with pytest.raises((HTTPException, OSError)):
        ask(url, "PUT", body=bytes(8_000_000))
    found = studio.box.uploaded_file(upload)
    assert found is not None
    assert found.content == b"first"
    assert [seen.status for seen in studio.box.requests if seen.method == "PUT"] == [200, None]


def test_a_request_to_the_api_can_break_off_in_its_body_and_does_nothing(studio: Studio) -> None:
    studio.box.faults.add(path="/v1/media", reset="request", times=1)
    said = {"url": "https://example.edu/a.mp4", "title": "x" * 100_000}
    with pytest.raises((HTTPException, OSError)):
        studio.ask("POST", "/media", json_body=said)
    assert studio.listed() == []


def test_under_chaos_a_file_that_is_sent_again_arrives(studio: Studio) -> None:
    studio.box.chaos(7)
    for number in range(100):
        upload, url = studio.start()
        content = bytes([number]) * 10_000
        for _ in range(20):
            with suppress(HTTPException, OSError):
                if ask(url, "PUT", body=content).status == 200:
                    break
        found = studio.box.uploaded_file(upload)
        assert found is not None
        assert found.content == content
    sent = [seen.status for seen in studio.box.requests if seen.method == "PUT"]
    assert {200, 503, None} <= set(sent) <= {200, 500, 503, None}
    assert len(sent) < 150


def test_what_was_carried_out_needs_a_status(studio: Studio) -> None:
    with pytest.raises(ValueError, match="carried_out"):
        studio.box.faults.add(carried_out=True)


def test_a_media_is_made_of_a_url(studio: Studio) -> None:
    box = studio.box
    ada = box.add_user("Ada Park", "ada.park@example.edu")
    collection = box.add_collection("Biology", owner=ada)
    said = {"url": "https://example.edu/a.mp4", "title": "Mitosis", "description": "Cells"}
    made = studio.ask("POST", "/media", json_body={**said, "user_id": ada})
    assert made.status == 201
    media = made.json["media"]
    assert (media["title"], media["description"], media["owner"]["id"]) == ("Mitosis", "Cells", ada)
    assert (media["source"], media["transcoding_status"]) == ("upload", FINISHED)
    assert studio.media(media["id"])["collection"]["type"] == "user"
    placed = studio.ask("POST", "/media", json_body={**said, "collection_id": collection}).json["media"]
    assert studio.media(placed["id"])["collection"]["id"] == collection
    there = studio.ask("POST", f"/collections/{collection}/media", query={**said, "user_id": ada})
    assert there.status == 201
    home = studio.media(there.json["media"]["id"])
    assert (home["collection"]["id"], home["owner"]["id"]) == (collection, ada)


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://www.youtube.com/watch?v=abc", "youtube"),
        ("https://youtu.be/abc", "youtube"),
        ("http://player.vimeo.com/video/1", "vimeo"),
        ("https://notyoutube.com/a", None),
        ("https://example.edu/?youtube.com", None),
        ("https:/youtube.com", "youtube"),
    ],
)
def test_an_external_media_is_of_youtube_or_vimeo(url: str, source: str | None, studio: Studio) -> None:
    answer = studio.ask("POST", "/media", json_body={"url": url, "is_external": True})
    if source is None:
        assert answer.status == 422
    else:
        assert (answer.status, answer.json["media"]["source"]) == (201, source)
        assert studio.ask("GET", f"/media/{answer.json['media']['id']}/download").status == 422


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"url": "ftp://example.edu/a.mp4"}, 422),
        ({"url": None}, 422),
        ({"title": None}, 422),
        ({"user_id": UNKNOWN}, 404),
        ({"collection_id": UNKNOWN}, 404),
        ({"user_id": 1, "collection_id": 2}, 422),
    ],
    ids=str,
)
def test_a_media_that_cannot_be_made_of_a_url_is_refused(more: dict[str, Any], status: int, studio: Studio) -> None:
    said = {"url": "https://example.edu/a.mp4", "title": "x"} | more
    assert studio.ask("POST", "/media", json_body=said).status == status
    assert studio.listed() == []


def test_media_from_a_url_are_made_for_others_by_administrators_and_in_collections_by_who_may_change_them(
    studio: Studio,
) -> None:
    box = studio.box
    ada, bo = box.add_user("Ada Park"), box.add_user("Bo Lind")
    collection = box.add_collection("Biology", owner=ada)
    said = {"url": "https://example.edu/a.mp4", "title": "x"}
    path, token = f"/collections/{collection}/media", box.token_for(bo)
    assert studio.ask("POST", "/media", json_body={**said, "user_id": ada}, token=token).status == 403
    assert studio.ask("POST", "/media", json_body={**said, "collection_id": collection}, token=token).status == 403
    assert studio.ask("POST", path, query=said, token=token).status == 403
    assert studio.ask("POST", path, query=said, token=box.token_for(ada)).status == 201
    assert studio.ask("POST", "/media", json_body=said, token=token).json["media"]["owner"]["id"] == bo


def test_a_media_is_changed_whatever_studio_allows(studio: Studio) -> None:
    box = studio.box
    ada = box.add_user("Ada Park")
    collection = box.add_collection("Biology", owner=ada)
    media = box.add_media("Mitosis", description="Cells", last_viewed="2026-08-30", tags=["exam"])
    assert studio.listed() == [media]
    box.change_media(
        media,
        title="Meiosis",
        description=None,
        owner=ada,
        collection_id=collection,
        size=5,
        duration=1.5,
        source="webcam",
        tags=["new"],
        created_at=datetime(2025, 5, 16, tzinfo=UTC),
        last_viewed=None,
        captions=[{"srclang": "pt", "text": ""}],
    )
    found = studio.media(media)
    assert (found["title"], found["description"], found["owner"]["id"]) == ("Meiosis", None, ada)
    assert (found["size"], found["duration"], found["source"]) == (5, 1.5, "webcam")
    assert (found["collection"]["id"], found["created_at"], found["last_viewed"]) == (
        collection,
        "2025-05-16T00:00:00Z",
        None,
    )
    inside = studio.ask("GET", f"/collections/{collection}/media").json["media"]
    assert [each["id"] for each in inside] == [media]
    [caption] = studio.captions(media)
    assert (caption["srclang"], caption["label"], caption["is_empty"]) == ("pt", "Português", True)
    box.change_media(media, title="Third")
    again = studio.media(media)
    assert {**again, "title": "Meiosis"} == found
    assert studio.ask("GET", "/media/search", query={"tag": "new"}).json["media"][0]["title"] == "Third"


def test_a_status_that_was_set_stays_though_a_transcoding_is_under_way() -> None:
    with Sandbox(media=0, transcoding_time=10) as box:
        studio = Studio(box)
        media = studio.upload()
        box.change_media(media, transcoding_status="something_new")
        box.advance(100)
        assert studio.media(media)["transcoding_status"] == "something_new"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"titel": "x"}, "unknown field `titel`"),
        ({"title": None}, "title"),
        ({"owner": UNKNOWN}, "owner"),
        ({"collection_id": UNKNOWN}, "collection_id"),
        ({"size": -1}, "size"),
        ({"duration": -1}, "duration"),
        ({"created_at": datetime(2025, 5, 16)}, "created_at"),  # noqa: DTZ001
        ({"last_viewed": "x"}, "last_viewed"),
        ({"tags": "exam"}, "tags"),
    ],
    ids=str,
)
def test_a_change_that_cannot_be_made_is_an_error_and_changes_nothing(
    fields: dict[str, Any], named: str, studio: Studio
) -> None:
    media = studio.box.add_media("Mitosis")
    before = studio.media(media)
    with pytest.raises(ValueError, match=named):
        studio.box.change_media(media, **{"description": "new", **fields})
    assert studio.media(media) == before


def test_a_media_is_removed_as_by_somebody_else(studio: Studio) -> None:
    media = studio.upload()
    studio.box.remove_media(media)
    assert studio.listed() == []
    assert studio.ask("GET", f"/media/{media}").status == 404
    for call in (studio.box.remove_media, studio.box.change_media, studio.box.uploaded_file):
        with pytest.raises(ValueError, match="there is no"):
            call(media)


def test_tokens_and_signed_urls_end_by_the_clock_of_the_sandbox(form: Form) -> None:
    with Sandbox(media=0) as box:
        media = box.add_media()
        studio = box.client(token=box.oauth_token()["access_token"])
        location = Studio(box).ask("GET", f"/media/{media}/download").headers["location"]
        form.call(studio, "get_media", media)
        before = box.now
        box.advance(7_201)
        assert box.now - before >= timedelta(seconds=7_201)
        with pytest.raises(AuthenticationError):
            form.call(studio, "get_media", media)
        assert ask(location).status == 200
        box.advance(86_400)
        assert ask(location).status == 403
        assert datetime.fromisoformat(Studio(box).media(box.add_media())["created_at"]) > before + timedelta(days=1)
        box.reset()
        assert abs(box.now - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf"), 10**12, 101 * 365 * 86_400, "1"])
def test_the_clock_goes_ahead_only_and_not_for_ever(seconds: Any, studio: Studio) -> None:
    before = studio.box.now
    with pytest.raises(ValueError, match="seconds"):
        studio.box.advance(seconds)
    assert studio.box.now - before < timedelta(minutes=1)


def test_the_clock_does_not_go_further_than_a_hundred_years_in_several_steps(studio: Studio) -> None:
    for _ in range(2):
        with suppress(ValueError):
            studio.box.advance(60 * 365 * 86_400)
    assert studio.box.now < datetime.now(UTC) + timedelta(days=61 * 365)


@pytest.mark.parametrize("seconds", [-1, float("inf"), "10"])
def test_a_time_of_transcoding_that_cannot_be_is_refused(seconds: Any) -> None:
    with pytest.raises(ValueError, match="transcoding_time"):
        Sandbox(media=0, transcoding_time=seconds)
