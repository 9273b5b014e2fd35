"""Bugs of today's Studio scripts, each kept out by a test that carries the number it has in our survey of them."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from canvas_studio import (
    APITimeoutError,
    AuthenticationError,
    NotFoundError,
    PermissionChange,
    ResponseDecodeError,
    StudioClient,
)
from fault_server import (
    HANG,
    MEGABYTE,
    RESET,
    Answer,
    FaultServer,
    Received,
    json_answer,
    library_of,
    media_answer,
    page_answer,
    paged,
    redirect,
    text_answer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Form


def test_a1_an_api_that_stays_401_is_asked_once(form: Form) -> None:
    """instructure/canvas-studio-api-examples: 401, refresh and call itself had no bound, until RecursionError."""
    with FaultServer(json_answer({"error": "expired"}, 401)) as server, pytest.raises(AuthenticationError):
        form.call(server.client(), "get_media", 1)
    assert len(server.requests) == 1


def test_a3_a_repeated_request_carries_its_whole_body_again(form: Form) -> None:
    """instructure/canvas-studio-api-examples: the second try of an upload sent the consumed file, 0 bytes."""
    changes = [PermissionChange("update", id=user, share_type="user") for user in range(1, 101)]
    with FaultServer(json_answer({}, 429), json_answer({"users": [], "groups": []})) as server:
        form.call(server.client(), "change_collection_permissions", 1, changes)
    first, second = server.requests
    assert first.body == second.body
    assert [change["id"] for change in second.json()] == list(range(1, 101))


@pytest.mark.parametrize(
    "fault",
    [json_answer({}, 429), json_answer({}, 503, {"Retry-After": "0"}), json_answer({}, 500), RESET, HANG],
    ids=["429", "retry-after", "5xx", "connection-error", "timeout"],
)
def test_a5_what_passes_is_waited_for(form: Form, fault: Answer) -> None:
    """instructure/canvas-studio-api-examples: a fixed sleep on 5xx only; no 429, Retry-After, lost line or timeout."""
    with FaultServer(fault, media_answer(1)) as server:
        assert form.call(server.client(read_timeout=0.5), "get_media", 1).id == 1


def test_a7_a_download_gets_the_name_that_was_asked_for(form: Form, tmp_path: Path) -> None:
    """instructure/canvas-studio-api-examples: a file was saved under a random name with the ending .str."""
    video = Answer(headers={"Content-Type": "video/mp4"}, body=b"video")
    with FaultServer(video) as storage, FaultServer(redirect(f"{storage.url}/0b5d.str")) as server:
        form.call(server.client(), "download_media", 1, tmp_path / "lecture.mp4")
    assert [file.name for file in tmp_path.iterdir()] == ["lecture.mp4"]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory has other units elsewhere")
def test_a7_a_download_is_never_whole_in_memory(tmp_path: Path) -> None:
    """instructure/canvas-studio-api-examples: the whole file was held in memory before it was written."""
    program = """if True:
        import resource, sys
        from canvas_studio import StudioClient
        studio = StudioClient(sys.argv[1], token="token-of-a-program")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        studio.download_media(1, sys.argv[2])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """

    def stream() -> Iterator[bytes]:
        for number in range(100):
            yield bytes([number]) * MEGABYTE

    path = tmp_path / "lecture.mp4"
    video = Answer(headers={"Content-Type": "video/mp4"}, stream=stream, content_length=100 * MEGABYTE)
    with FaultServer(video) as storage, FaultServer(redirect(f"{storage.url}/file")) as server:
        command = [sys.executable, "-c", program, server.url, str(path)]
        kilobytes = int(subprocess.run(command, capture_output=True, check=True, timeout=50).stdout)
    assert path.stat().st_size == 100 * MEGABYTE
    assert kilobytes < 50_000


def test_a9_a_refused_list_is_an_error_with_its_status_and_body(form: Form) -> None:
    """instructure/canvas-studio-api-examples: the status was ignored, so a refusal became a KeyError."""
    refusal = json_answer({"error": "Media not found"}, 404)
    with FaultServer(refusal) as server, pytest.raises(NotFoundError) as caught:
        form.items(server.client().list_media_perspectives(1))
    assert caught.value.status_code == 404
    assert caught.value.body == {"error": "Media not found"}


def test_b1_no_list_stops_at_100_pages(form: Form) -> None:
    """hypothesis/lms: a list stopped at 100 pages without a sign."""
    with FaultServer(paged(library_of(130))) as server:
        assert len(form.items(server.client().search_media(per_page=1))) == 130


def test_b2_every_page_is_asked_for_with_the_same_parameters(form: Form) -> None:
    """hypothesis/lms: the admin's way dropped the parameters, so that it would have read page 1 again and again."""
    with FaultServer(paged(library_of(90))) as server:
        form.items(server.client().search_media(title="Übung & more", owner="jane@example.edu", per_page=20))
    asked = [request.parameters for request in server.requests]
    assert sorted(parameters.pop("page") for parameters in asked) == ["1", "2", "3", "4", "5"]
    assert asked == [{"title": "Übung & more", "owner": "jane@example.edu", "per_page": "20"}] * 5


@pytest.mark.parametrize("count", [21, 50, 51, 101])
def test_c1_a_list_has_as_many_items_as_the_server_says(form: Form, count: int) -> None:
    """Fontaineconsult/canvas-bot-v2: only the first page was read, so reports missed everything from item 21 on."""
    with FaultServer(paged(library_of(count))) as server:
        listing = server.client().search_media()
        assert len(form.items(listing)) == form.total(listing) == count


def test_c3_a_token_that_dies_midway_is_an_error_and_not_a_shorter_list(form: Form) -> None:
    """Fontaineconsult/canvas-bot-v2: a 401 in the middle made an item vanish from the audit."""
    expired = threading.Event()

    def answer(request: Received) -> Answer:
        if request.parameters["page"] == "3":
            expired.set()
        return json_answer({"error": "expired"}, 401) if expired.is_set() else page_answer(request, library_of(90))

    with FaultServer(answer) as server, pytest.raises(AuthenticationError):
        form.items(server.client().search_media(per_page=20))


def test_c4_an_error_body_is_never_saved_as_the_file(form: Form, tmp_path: Path) -> None:
    """Fontaineconsult/canvas-bot-v2: the body of an error was returned as if it were the caption."""
    path = tmp_path / "lecture.mp4"
    for answer, kind in (
        (text_answer("Not found", "video/mp4", 404), NotFoundError),
        (text_answer("<html>Not found</html>", "text/html"), ResponseDecodeError),
    ):
        with (
            FaultServer(answer) as storage,
            FaultServer(redirect(f"{storage.url}/file")) as server,
            pytest.raises(kind),
        ):
            form.call(server.client(), "download_media", 1, path)
        assert not path.exists()


def test_c8_timeouts_are_there_unless_told_otherwise() -> None:
    """Fontaineconsult/canvas-bot-v2: without timeouts a stuck socket stopped a nightly run."""
    parameters = inspect.signature(StudioClient).parameters
    defaults = [parameters[name].default for name in ("timeout", "connect_timeout", "read_timeout")]
    assert defaults == [120.0, 5.0, 30.0]


@pytest.mark.parametrize("stuck", [HANG, Answer(body=b"x" * 100, send=10, end="hang")], ids=["at once", "midway"])
def test_c8_a_stuck_socket_ends_in_a_timeout(form: Form, stuck: Answer) -> None:
    """Fontaineconsult/canvas-bot-v2: without timeouts a stuck socket stopped a nightly run."""
    with FaultServer(stuck) as server, pytest.raises(APITimeoutError):
        form.call(server.client(read_timeout=0.2), "get_media", 1)
