"""Bugs of existing Studio scripts that this client does not have; each test has the bug's number in our survey."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest
from canvas_studio import (
    APITimeoutError,
    AuthenticationError,
    FileTokenStore,
    InvalidArgumentError,
    LoginRequiredError,
    MemoryTokenStore,
    NotFoundError,
    OAuth,
    PermissionChange,
    PermissionDeniedError,
    ResponseDecodeError,
    SignInError,
    StudioClient,
    Tokens,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import (
    HANG,
    MEGABYTE,
    RESET,
    Answer,
    FaultServer,
    Handler,
    Received,
    json_answer,
    library_of,
    media_answer,
    page_answer,
    paged,
    person,
    redirect,
    text_answer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.forms import Form


TOKEN_PATH = "/api/public/oauth/token"
MEDIA_PATH = "/api/public/v1/media/1"


def granted(number: int) -> Answer:
    """What the token endpoint answers."""
    return json_answer({"access_token": f"access-{number}-of-it", "refresh_token": f"refresh-{number}-of-it"})


def signed_in(server: FaultServer, store: MemoryTokenStore | FileTokenStore | None = None) -> StudioClient:
    """A client of somebody who has signed in before."""
    store = store or MemoryTokenStore()
    store.save(Tokens("access-0-of-it", refresh_token="refresh-0-of-it", url=server.url))
    return StudioClient(server.url, auth=OAuth("key", "secret-of-it", store=store), retry_delay=0)


def test_a1_an_api_that_stays_401_is_asked_once(form: Form) -> None:
    """instructure/canvas-studio-api-examples: 401, refresh and call itself had no bound, until RecursionError."""
    with FaultServer(json_answer({"error": "expired"}, 401)) as server, pytest.raises(AuthenticationError):
        form.call(server.client(), "get_media", 1)
    assert len(server.requests) == 1


def test_a1_a_refresh_does_not_make_an_api_that_stays_401_endless(form: Form) -> None:
    """instructure/canvas-studio-api-examples: it refreshed 375 times, until RecursionError."""

    def answer(request: Received) -> Answer:
        return granted(len(server.requests)) if request.path == TOKEN_PATH else json_answer({"error": "no"}, 401)

    with FaultServer(answer) as server, signed_in(server) as studio, pytest.raises(AuthenticationError):
        form.call(studio, "get_media", 1)
    assert [request.path for request in server.requests] == [MEDIA_PATH, TOKEN_PATH, MEDIA_PATH]


def test_a2_the_request_after_a_refresh_is_the_same_but_for_the_token(form: Form) -> None:
    """instructure/canvas-studio-api-examples: the second call forgot an argument, so it went to another path."""
    refused, done = json_answer({"error": "expired"}, 401), json_answer({"done": True})
    with FaultServer(refused, granted(1), done) as server, signed_in(server) as studio:
        form.call(
            studio, "request", "POST", "/things/1", params={"a": ["x y", "ü"], "b": None}, json={"title": "Übung"}
        )
    first, _, second = server.requests
    assert first.raw.replace(b"access-0-of-it", b"access-1-of-it") == second.raw
    assert first.raw != second.raw


def test_a3_a_repeated_request_carries_its_whole_body_again(form: Form) -> None:
    """instructure/canvas-studio-api-examples: the second try of an upload sent the consumed file, 0 bytes."""
    changes = [PermissionChange("update", id=user, share_type="user") for user in range(1, 101)]
    done = json_answer({"users": [person(user, permission="view") for user in range(1, 101)], "groups": []})
    with FaultServer(json_answer({}, 429), done) as server:
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


@pytest.mark.skipif(os.name != "posix", reason="needs a limit of the size of files")
def test_a6_a_crash_while_the_tokens_are_written_leaves_those_before(tmp_path: Path) -> None:
    """instructure/canvas-studio-api-examples: the file was written over, so that a crash lost the refresh token."""
    program = """if True:
        import resource, signal, sys
        from canvas_studio import FileTokenStore, Tokens
        # The first byte beyond the limit kills, in the middle of writing.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60))
        FileTokenStore(sys.argv[1]).save(Tokens("access-1-of-it", refresh_token="refresh-1-of-it" * 10))
        print("written")
    """
    store = FileTokenStore(tmp_path / "tokens.json")
    before = Tokens("access-0-of-it", refresh_token="refresh-0-of-it")
    store.save(before)
    command = [sys.executable, "-c", program, str(store.path)]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=40)
    assert b"written" not in ended.stdout
    assert ended.returncode == -signal.SIGXFSZ
    assert store.load() == before


def test_a6_a_reader_sees_the_old_tokens_or_the_new_ones_and_nothing_between(tmp_path: Path) -> None:
    """instructure/canvas-studio-api-examples: the file was written over, so another process read half of it."""
    store = FileTokenStore(tmp_path / "tokens.json")
    both = [Tokens(f"access-{number}-of-it", refresh_token=f"{number}" * 50_000) for number in (0, 1)]
    store.save(both[0])
    done = threading.Event()

    def write() -> None:
        for number in range(200):
            store.save(both[number % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert store.load() in both
    writer.join()


def test_a6_two_processes_do_not_overwrite_each_others_tokens(form: Form, tmp_path: Path) -> None:
    """instructure/canvas-studio-api-examples: two processes refreshed at once, and each wrote its own tokens."""
    gate, ended, used = threading.Event(), threading.Event(), Counter[str]()

    def answer(request: Received) -> Answer:
        if request.path == TOKEN_PATH:
            used.update([dict(parse_qsl(request.body.decode()))["refresh_token"]])
            return replace(granted(used.total()), gate=gate)
        good = "Bearer access-1-of-it" if ended.is_set() else "Bearer access-0-of-it"
        return media_answer(1) if request.headers["authorization"] == good else json_answer({"error": "expired"}, 401)

    path = tmp_path / "tokens.json"
    with (
        FaultServer(answer) as server,
        ThreadPoolExecutor(2) as threads,
        signed_in(server, FileTokenStore(path)) as one,
        signed_in(server, FileTokenStore(path)) as other,
    ):
        # Each has read the file before either refreshes, as two processes have.
        assert [form.call(studio, "get_media", 1).id for studio in (one, other)] == [1, 1]
        ended.set()
        calls = [threads.submit(form.call, studio, "get_media", 1) for studio in (one, other)]
        # Both are refused, and one of them asks for new tokens.
        assert server.wait_for_requests(5)
        gate.set()
        assert [call.result(30).id for call in calls] == [1, 1]
    assert used == {"refresh-0-of-it": 1}
    tokens = FileTokenStore(path).load()
    assert tokens is not None
    assert (tokens.access_token, tokens.refresh_token) == ("access-1-of-it", "refresh-1-of-it")


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


def test_b3_tokens_that_end_are_refreshed_where_nobody_has_a_browser(form: Form) -> None:
    """hypothesis/lms: the refresh went through the browser of whoever was there, so a student's launch failed."""
    with Sandbox(media=30) as box, box.client(auth=box.oauth()) as studio:
        assert form.total(studio.search_media()) == 30
        box.faults.add(path="/v1/media/search", times=1, revoke=True)
        assert len(form.items(studio.search_media())) == 30
        asked = [request.path.rpartition("/")[2] for request in box.requests]
    assert asked.count("token") == 1
    assert "authorize" not in asked


@pytest.mark.parametrize("count", [21, 50, 51, 101])
def test_c1_a_list_has_as_many_items_as_the_server_says(form: Form, count: int) -> None:
    """Fontaineconsult/canvas-bot-v2: only the first page was read, so reports missed everything from item 21 on."""
    with FaultServer(paged(library_of(count))) as server:
        listing = server.client().search_media()
        assert len(form.items(listing)) == form.total(listing) == count


@pytest.mark.parametrize("tokens", ["dead", "none"])
def test_c2_a_login_that_does_not_come_about_is_one_clear_error(form: Form, tokens: str) -> None:
    """Fontaineconsult/canvas-bot-v2: the result of a failed login was thrown away, and None was unpacked."""
    with Sandbox(media=3) as box:
        dead = Tokens("access-0-of-it", refresh_token="refresh-0-of-it")
        oauth = OAuth(box.client_id, box.client_secret, store=MemoryTokenStore(dead if tokens == "dead" else None))
        with box.client(auth=oauth) as studio:
            calls: list[Callable[[], object]] = [
                lambda: form.call(studio, "get_media", 1),
                lambda: form.items(studio.search_media()),
                lambda: form.first(studio.search_media()),
                lambda: form.total(studio.search_media()),
                lambda: form.call(studio, "create_collection", "New"),
            ]
            for call in calls:
                with pytest.raises(LoginRequiredError) as caught:
                    call()
                assert caught.value.reason == ("invalid_grant" if tokens == "dead" else "no_tokens")
                assert caught.value.__cause__ is None
                assert "log in" in str(caught.value) or "signed in" in str(caught.value)


@pytest.mark.parametrize("code", ["made-up-code", ""])
def test_c2_a_code_that_is_refused_gives_no_tokens_but_an_error(form: Form, code: str) -> None:
    """Fontaineconsult/canvas-bot-v2: the result of a failed login was thrown away, and None was unpacked."""
    with Sandbox(media=0) as box:
        oauth = OAuth(box.client_id, box.client_secret, url=box.url)
        with pytest.raises((SignInError, InvalidArgumentError)):
            form.call(oauth, "exchange", code)
        assert oauth.store.load() is None


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


def test_c7_nothing_that_is_printed_shows_a_token_or_a_secret(form: Form) -> None:
    """Fontaineconsult/canvas-bot-v2: tokens were printed, and stood in comments with the client's secret."""
    echo: Handler = lambda request: json_answer({"error": request.raw.decode()}, 403)  # noqa: E731
    with FaultServer(echo) as server, signed_in(server) as studio:
        with pytest.raises(PermissionDeniedError) as caught:
            form.call(studio, "get_media", 1)
        oauth = OAuth("key", "secret-of-it", store=MemoryTokenStore(Tokens("access-0-of-it")))
        listing = studio.search_media()
        everything = (studio, oauth, oauth.store, oauth.store.load(), listing, caught.value, vars(caught.value))
        shown = " ".join(map(repr, everything))
    assert "-of-it" not in shown
    assert "***" in shown


def test_c7_no_parameter_turns_the_checks_of_tls_off() -> None:
    """Fontaineconsult/canvas-bot-v2: verify=False, which its own security review had to remove."""
    for callee in (StudioClient, StudioClient.from_env, StudioClient.with_options, OAuth):
        for parameter in inspect.signature(callee).parameters:
            assert not re.search("verif|insecure|unsafe|tls|ssl|check|trust", parameter), parameter
    with pytest.raises(TypeError):
        StudioClient("myschool", token="token-of-it", verify=False)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# What turns the checks off in Python, requests, curl, git and Node, and what somebody might try here.
CARELESS = {
    "PYTHONHTTPSVERIFY": "0",
    "REQUESTS_CA_BUNDLE": "",
    "CURL_CA_BUNDLE": "",
    "SSL_VERIFY": "0",
    "SSL_NO_VERIFY": "1",
    "GIT_SSL_NO_VERIFY": "1",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "CANVAS_STUDIO_VERIFY": "0",
    "CANVAS_STUDIO_VERIFY_SSL": "false",
    "CANVAS_STUDIO_INSECURE": "1",
}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_c7_no_variable_of_the_environment_turns_the_checks_of_tls_off(tmp_path: Path) -> None:
    """Fontaineconsult/canvas-bot-v2: verify=False, which its own security review had to remove."""
    program = """if True:
        import sys
        from canvas_studio import APIConnectionError, StudioClient
        studio = StudioClient(sys.argv[1], token="token-of-it", max_retries=0)
        try:
            studio.get_media(1)
        except APIConnectionError as error:
            print("refused", error)
    """
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = [shutil.which("openssl") or "", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    received: list[bytes] = []

    def serve() -> None:
        with (
            contextlib.suppress(OSError),
            listener.accept()[0] as connection,
            context.wrap_socket(connection, server_side=True) as secured,
        ):
            received.append(secured.recv(65_536))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        url = f"https://localhost:{listener.getsockname()[1]}"
        command = [sys.executable, "-c", program, url]
        environment = {**os.environ, **CARELESS}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=40)
        # Whoever still waits for somebody to come waits no longer.
        listener.shutdown(socket.SHUT_RDWR)
        server.join(30)
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert ended.stdout.startswith("refused")
    assert received in ([], [b""])


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
