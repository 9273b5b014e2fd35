"""A program runs unchanged on its recording: every kind of request, in both forms, and nothing secret in the file."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from canvas_studio import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    NotFoundError,
    PermissionChange,
    StudioClient,
    StudioError,
)
from canvas_studio.sandbox import Sandbox
from canvas_studio.testing import RecordingWarning, ReplayError, record, replay
from canvas_studio.testing.server import LONGEST_BODY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.forms import Form

Both: TypeAlias = "Callable[[Callable[[StudioClient], Any]], tuple[Any, Any]]"

FILM = b"\0\0\0\x18ftypisom" + b"film" * 5000


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A small sandbox."""
    with Sandbox(media=0) as started:
        collection = started.add_collection("Biology 101")
        for number in range(120):
            started.add_media(f"Lecture {number}", collection_id=collection)
        yield started


@pytest.fixture
def har(tmp_path: Path) -> Path:
    """Where the recording goes."""
    return tmp_path / "calls.har"


@pytest.fixture
def both(box: Sandbox, har: Path) -> Both:
    """Run a program on the sandbox while it is recorded, then on its recording; return both results."""

    def run(program: Callable[[StudioClient], Any]) -> tuple[Any, Any]:
        with box.client() as client, record(har, client) as studio:
            first = program(studio)
        box.close()
        with replay(har) as studio:
            return first, program(studio)

    return run


def entries(har: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(har.read_text(encoding="utf-8"))["log"]["entries"]
    return found


def test_a_list_runs_on_its_recording(both: Both, form: Form) -> None:
    first, second = both(lambda studio: [media.id for media in form.items(studio.search_media())])
    assert first == second
    assert len(first) == 120


def test_ids_stay(both: Both, form: Form) -> None:
    def program(studio: StudioClient) -> Any:
        media = studio.search_media().first()
        assert media is not None
        found = form.call(studio, "get_media", media.id)
        return found.id, found.duration, found.owner.id

    first, second = both(program)
    assert first == second


def test_a_download_runs_on_its_recording_with_its_length(box: Sandbox, har: Path, form: Form, tmp_path: Path) -> None:
    film = box.add_media("Mitosis", size=100_000)
    with box.client() as client, record(har, client) as studio:
        form.call(studio, "download_media", film, tmp_path / "recorded.mp4")
    with replay(har) as studio:
        form.call(studio, "download_media", film, tmp_path / "replayed.mp4")
    assert (tmp_path / "replayed.mp4").stat().st_size == (tmp_path / "recorded.mp4").stat().st_size == 100_000
    assert har.stat().st_size < 20_000


@pytest.mark.parametrize(
    "content",
    [FILM, b"\xff\xfe\x80" * 5000, b'{"a": 1}' * 500, "é".encode() * 3000, bytes(LONGEST_BODY + 1)],
    ids=["ASCII", "no UTF-8", "JSON", "UTF-8", "longer than is kept"],
)
def test_an_upload_runs_on_its_recording(content: bytes, both: Both, form: Form, tmp_path: Path) -> None:
    film = tmp_path / "Mitosis.mp4"
    film.write_bytes(content)
    first, second = both(
        lambda studio: form.call(studio, "upload_media", film, title="Mitosis in 3 minutes", check=False).id
    )
    assert first == second


def test_an_upload_of_another_length_fails(box: Sandbox, har: Path, tmp_path: Path) -> None:
    film = tmp_path / "Mitosis.mp4"
    film.write_bytes(b"\xff\xfe" * 5000)
    with box.client() as client, record(har, client) as studio:
        studio.upload_media(film, check=False)
    film.write_bytes(b"\xff\xfe" * 5001)
    with (
        pytest.raises(ReplayError, match=r"recorded REDACTED \(10000 bytes\), asked a file \(10002 bytes\)"),
        replay(har) as studio,
    ):
        studio.upload_media(film, check=False)


def test_captions_run_on_their_recording(both: Both, box: Sandbox, form: Form) -> None:
    media = box.add_media("Mitosis")
    text = b"1\n00:00:01,000 --> 00:00:02,000\nGrace Hopper speaks\n"
    first, second = both(lambda studio: form.call(studio, "add_caption", media, ("a.srt", text), srclang="en").id)
    assert first == second


def test_changes_run_on_their_recording(both: Both, box: Sandbox, form: Form) -> None:
    ada = box.add_user("Ada Park")

    def program(studio: StudioClient) -> Any:
        made = form.call(studio, "create_collection", "A name that is replaced")
        change = PermissionChange("create", id=ada, share_type="user", permission_type="edit")
        form.call(studio, "change_collection_permissions", made, [change])
        return made.id, [user.id for user in studio.get_collection_permissions(made).users]

    first, second = both(program)
    assert first == second


def test_an_error_runs_on_its_recording(both: Both, form: Form) -> None:
    def program(studio: StudioClient) -> int:
        with pytest.raises(NotFoundError) as raised:
            form.call(studio, "get_media", 999_999)
        return raised.value.status_code

    assert both(program) == (404, 404)


def test_retries_run_on_their_recording(both: Both, box: Sandbox, har: Path, form: Form) -> None:
    media = box.add_media("Mitosis")
    box.faults.add(status=503, times=2)

    def program(studio: StudioClient) -> int:
        found: int = form.call(studio.with_options(retry_delay=0), "get_media", media).id
        return found

    assert both(program) == (media, media)
    assert [entry["response"]["status"] for entry in entries(har)] == [503, 503, 200]


def test_requests_at_once_may_come_in_another_order(box: Sandbox, har: Path) -> None:
    ids = [media.id for media in box.client().search_media()]

    async def at_once(studio: StudioClient, wanted: list[int]) -> list[int]:
        return [media.id for media in await asyncio.gather(*map(studio.get_media_async, wanted))]

    with box.client() as client, record(har, client) as studio:
        assert asyncio.run(at_once(studio, ids)) == ids
        assert [result.id for result in studio.map("get_media", ids[:20])] == ids[:20]
    with replay(har) as studio:
        assert [result.id for result in studio.map("get_media", ids[:20])] == ids[:20]
        assert asyncio.run(at_once(studio, ids[::-1])) == ids[::-1]


def test_pages_at_once_run_on_their_recording(both: Both) -> None:
    def program(studio: StudioClient) -> list[int]:
        return [media.id for media in studio.with_options(max_concurrency=8).search_media(per_page=5)]

    first, second = both(program)
    assert first == second
    assert len(first) == 120


def test_a_loop_that_ends_early_asks_for_the_same_pages_each_time(both: Both, har: Path) -> None:
    # On the second page, the third would have been requested ahead.
    def program(studio: StudioClient) -> int:
        return next(media.id for number, media in enumerate(studio.search_media(per_page=5)) if number == 6)

    first, second = both(program)
    assert first == second
    assert len(entries(har)) == 2


def test_equal_requests_are_answered_in_recorded_order(box: Sandbox, har: Path) -> None:
    def totals(studio: StudioClient) -> list[int]:
        found = [studio.search_media().total()]
        media = studio.search_media().first()
        assert media is not None
        media.delete()
        return [*found, studio.search_media().total()]

    with box.client() as client, record(har, client) as studio:
        assert totals(studio) == [120, 119]
    with replay(har) as studio:
        assert totals(studio) == [120, 119]


# Strict both ways


@pytest.fixture
def recorded(box: Sandbox, har: Path) -> Path:
    """A recording of two requests with texts that are replaced."""
    with box.client() as client, record(har, client) as studio:
        studio.create_collection("Biology 101")
        studio.search_media(title="cells").total()
        studio.request("POST", "/odd", json={"a": "some"}, raw=True)
    return har


def again(studio: StudioClient) -> None:
    """Make the requests of `recorded`."""
    studio.create_collection("Biology 101")
    studio.search_media(title="cells").total()
    studio.request("POST", "/odd", json={"a": "some"}, raw=True)


DIFFERENT: dict[str, tuple[Callable[[StudioClient], object], str]] = {
    "another query": (lambda studio: studio.search_media(title="cells and more").total(), "query: recorded"),
    "no query": (lambda studio: studio.search_media().total(), "query: recorded"),
    "another text": (lambda studio: studio.request("POST", "/odd", json={"a": "another"}, raw=True), "body: recorded"),
    "another key": (lambda studio: studio.request("POST", "/odd", json={"b": "some"}, raw=True), "body: recorded"),
    "another path": (lambda studio: studio.get_media(7), "not in the recording"),
    "another method": (lambda studio: studio.delete_collection(7), "not in the recording"),
}


@pytest.mark.parametrize(("make", "told"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_request_that_differs_fails_and_says_how(
    recorded: Path, make: Callable[[StudioClient], object], told: str
) -> None:
    with pytest.raises(ReplayError, match=told), replay(recorded) as studio:
        make(studio)


def test_a_request_that_differs_fails_also_if_the_program_goes_on(recorded: Path) -> None:
    with pytest.raises(ReplayError, match=r"GET .*/media/7"), replay(recorded) as studio:  # noqa: PT012
        with pytest.raises(APIStatusError):
            studio.get_media(7)
        again(studio)


def test_a_recorded_request_that_was_not_asked_for_fails(recorded: Path) -> None:
    with pytest.raises(ReplayError, match=r"not asked for: GET .*/media/search"), replay(recorded) as studio:
        studio.create_collection("Biology 101")


def test_a_request_that_is_asked_once_more_fails(recorded: Path) -> None:
    with pytest.raises(ReplayError, match="once more"), replay(recorded) as studio:  # noqa: PT012
        again(studio)
        studio.create_collection("Biology 101")


def test_a_program_that_fails_by_itself_fails_for_its_own_reason(recorded: Path) -> None:
    with pytest.raises(ZeroDivisionError), replay(recorded):
        raise ZeroDivisionError


def test_a_replaced_text_stands_for_one_text_throughout(box: Sandbox, har: Path) -> None:
    def program(studio: StudioClient, *names: str) -> None:
        for name in names:
            studio.create_collection(name)

    with box.client() as client, record(har, client) as studio:
        program(studio, "Biology 101", "Biology 102", "Biology 101")
    with replay(har) as studio:
        program(studio, "Biology 101", "Biology 102", "Biology 101")
    with pytest.raises(ReplayError, match="query: recorded"), replay(har) as studio:
        program(studio, "Biology 101", "Biology 102", "Biology 103")


def test_what_an_answer_has_said_can_be_asked_for(box: Sandbox, har: Path) -> None:
    def program(studio: StudioClient) -> Any:
        media = studio.search_media().first()
        assert media is not None
        assert media.title is not None
        return studio.search_media(title=media.title).total()

    with box.client() as client, record(har, client) as studio:
        first = program(studio)
    with replay(har) as studio:
        assert program(studio) == first


# The file


def test_a_recording_is_private_and_replaces_an_earlier_one_whole(box: Sandbox, har: Path) -> None:
    har.write_text('{"an": "earlier one"}')
    har.chmod(0o644)
    with box.client() as client, record(har, client) as studio:
        studio.search_media().total()
        assert har.read_text() == '{"an": "earlier one"}'
    assert stat.S_IMODE(har.stat().st_mode) == 0o600
    assert len(entries(har)) == 1
    assert [path.name for path in har.parent.iterdir()] == [har.name]


def test_a_recording_is_written_also_if_the_program_raises(box: Sandbox, har: Path) -> None:
    with pytest.raises(ZeroDivisionError), box.client() as client, record(har, client) as studio:  # noqa: PT012
        studio.search_media().total()
        raise ZeroDivisionError
    assert len(entries(har)) == 1


def test_a_file_that_cannot_be_written_is_refused_before_the_program_runs(box: Sandbox, tmp_path: Path) -> None:
    for target, error in ((tmp_path, IsADirectoryError), (tmp_path / "no" / "calls.har", FileNotFoundError)):
        with box.client() as client, pytest.raises(error), record(target, client):
            pytest.fail("the program runs")


def test_no_secret_is_in_a_recording(box: Sandbox, har: Path, tmp_path: Path) -> None:
    film = tmp_path / "Mitosis.mp4"
    film.write_bytes(FILM)
    media = box.add_media("A talk by Grace Hopper", size=1000)
    ada = box.add_user("Ada Park")
    sent: list[str] = []
    with box.client() as client, record(har, client) as studio:
        sent.append(studio.get_download_url(media).partition("?")[2])
        studio.download_media(media, tmp_path / "film.mp4")
        studio.upload_media(film, title="Of grace.hopper@example.com")
        studio.get_user(ada)
        studio.list_media_sources(media).collect()
        studio.add_caption(media, ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello Linus\n"), srclang="en")
        secret_query = {"access_token": "t0ken-of-a-query", "password": "hunter22"}
        studio.request("GET", "/media/search", params=secret_query, raw=True)
        studio.request("POST", "/collections", json={"name": "x", "client_secret": "s3cret-of-a-body"}, raw=True)
    text = har.read_text(encoding="utf-8")
    assert sent[0]
    secrets = [box.token, box.client_secret, sent[0], "Grace", "Ada Park", "Linus", "hunter22", "t0ken-of", "s3cret-of"]
    signatures = [part for part in sent[0].split("&") if len(part) > 12]
    assert [secret for secret in [*secrets, *signatures] if secret in text] == []
    assert "X-Amz" not in text


def test_a_recorder_takes_requests_of_its_own_client_only(box: Sandbox, har: Path) -> None:
    with box.client() as client, record(har, client) as studio:
        for headers in ({}, {"Authorization": f"Bearer {box.token}"}):
            request = urllib.request.Request(f"{studio.url}/api/public/v1/media/search", headers=headers)  # noqa: S310
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(request, timeout=10)  # noqa: S310
        with pytest.raises(APIStatusError, match="its own client"):
            StudioClient(studio.url, token="another-token").get_media(1)
    assert entries(har) == []
    assert box.requests == ()


def test_what_got_no_answer_is_told(box: Sandbox, har: Path) -> None:
    client = box.client(max_retries=0)
    box.close()
    with pytest.warns(RecordingWarning, match="GET /api/public/v1/media/7"):  # noqa: SIM117
        with client, record(har, client) as studio, pytest.raises(StudioError, match="no server runs"):
            studio.get_media(7)
    assert entries(har) == []


def test_a_refused_token_runs_on_its_recording(box: Sandbox, har: Path) -> None:
    def program(studio: StudioClient) -> None:
        with pytest.raises(AuthenticationError):
            studio.get_media(7)

    with StudioClient(box.url, token="wrong") as client, record(har, client) as studio:
        program(studio)
    with replay(har) as studio:
        program(studio)


def test_tokens_are_renewed_while_a_program_is_recorded(box: Sandbox, har: Path) -> None:
    box.faults.add(times=1, revoke=True)
    with box.client(auth=box.oauth()) as client, record(har, client) as studio:
        assert studio.search_media().total() == 120
    assert [entry["response"]["status"] for entry in entries(har)] == [200]
    with replay(har) as studio:
        assert studio.search_media().total() == 120


def test_servers_end_with_the_block(recorded: Path) -> None:
    urls: list[str] = []
    with pytest.raises(ReplayError), replay(recorded) as studio:
        urls.append(studio.url)
    with StudioClient(urls[0], token="x", max_retries=0) as late, pytest.raises(APIConnectionError):
        late.get_media(7)
    assert not [thread for thread in threading.enumerate() if "recording" in thread.name]


def test_neither_needs_pytest(recorded: Path) -> None:
    program = f"""
        import sys
        sys.modules["pytest"] = None
        from canvas_studio.testing import record, replay
        with replay({str(recorded)!r}) as studio:
            studio.create_collection("Biology 101")
            studio.request("POST", "/odd", json={{"a": "some"}}, raw=True)
            print(studio.search_media(title="cells").total())
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=50
    )
    assert ran.stdout.strip().isdigit()


def test_the_fixtures_are_still_found_in_the_package() -> None:
    from canvas_studio import testing  # noqa: PLC0415

    assert testing.studio_client
    assert testing.studio_sandbox
    with pytest.raises(AttributeError, match="nothing_like_that"):
        _ = testing.nothing_like_that  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportAttributeAccessIssue]
