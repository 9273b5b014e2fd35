"""A sandbox from start to end: ports, processes, snapshots, resets, its log, and what a test adds."""

from __future__ import annotations

import base64
import errno
import http.client
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from canvas_studio import APIConnectionError
from canvas_studio.sandbox import Assumptions, Fault, Sandbox, SandboxUser
from support.plain_http import FORM, ask, send_form

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.forms import Form

CALLBACK = "https://app.example.edu/studio/callback"
TOKEN = "/api/public/oauth/token"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


def panics(box: Sandbox) -> int:
    """How many requests ended in a fault of the sandbox's own."""
    server: Any = vars(box)["_server"]
    found: int = server.panics
    return found


def ping(box: Sandbox, token: str | None = None) -> int:
    return ask(box.url, "GET", "/ping", token=token or box.token).status


def titles(box: Sandbox) -> list[str]:
    found = ask(box.url, "GET", "/media/search", token=box.token, query={"per_page": 50}).json
    return [media["title"] for media in found["media"]]


def assert_gone(box: Sandbox) -> None:
    for url in (box.url, box.storage_url):
        with pytest.raises(ConnectionRefusedError):
            ask(url, "GET", "/ping")


def authorization_url(box: Sandbox) -> str:
    query = f"client_id={box.client_id}&redirect_uri={CALLBACK}&response_type=code"
    return f"{box.url}/api/public/oauth/authorize?{query}"


def exchange(box: Sandbox, **fields: str) -> int:
    """The status of what the token endpoint answers."""
    key = {"client_id": box.client_id, "client_secret": box.client_secret}
    return send_form(box.url, TOKEN, key | fields).status


def code_of(box: Sandbox) -> str:
    return parse_qs(urlsplit(box.authorize(authorization_url(box))).query)["code"][0]


def test_a_sandbox_runs_from_the_moment_it_is_made_until_it_is_closed() -> None:
    box = Sandbox(media=0)
    assert ping(box) == 200
    assert box.url == f"http://127.0.0.1:{box.port}"
    assert box.storage_url.startswith("http://localhost:")
    box.close()
    assert_gone(box)
    box.close()


def test_a_with_block_closes_it_also_after_an_exception() -> None:
    with Sandbox(media=0) as box:
        assert ping(box) == 200
    assert_gone(box)
    with pytest.raises(KeyError), Sandbox(media=0) as box:
        raise KeyError
    assert_gone(box)


async def test_an_async_with_block_closes_it_also_after_an_exception() -> None:
    async with Sandbox(media=0) as box, box.client() as studio:
        media = box.add_media("Mitosis")
        assert (await studio.get_media_async(media)).title == "Mitosis"
    assert_gone(box)
    with pytest.raises(KeyError):
        async with Sandbox(media=0) as box:
            raise KeyError
    assert_gone(box)


def test_a_sandbox_that_nobody_has_any_more_is_closed() -> None:
    box = Sandbox(media=0)
    port = box.port
    del box
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_closing_ends_the_connections_that_are_open(box: Sandbox) -> None:
    kept = http.client.HTTPConnection("127.0.0.1", box.port, timeout=10)
    kept.request("GET", "/api/public/v1/ping", headers={"Authorization": f"Bearer {box.token}"})
    assert kept.getresponse().read() == b"pong"
    box.close()
    assert kept.sock.recv(1) == b""
    kept.close()


def test_a_closed_sandbox_is_not_reached_and_still_says_where_it_was(form: Form, box: Sandbox) -> None:
    media = box.add_media("Mitosis")
    with box.client(retry_delay=0) as studio:
        form.call(studio, "get_media", media)
        box.close()
        with pytest.raises(
            APIConnectionError, match=f"no server runs at {box.url}; if it was a sandbox, it is closed$"
        ):
            form.call(studio, "get_media", media)
    assert repr(box).startswith(f"Sandbox({box.url!r}")


def test_a_port_is_free_again_at_once() -> None:
    first = Sandbox(media=0)
    assert ping(first) == 200
    first.close()
    with Sandbox(media=0, port=first.port) as second:
        assert second.url == first.url
        assert ping(second) == 200
        assert ping(second, first.token) == 401


def test_a_port_that_is_taken_is_an_os_error_that_names_it(box: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        for port in (box.port, other.getsockname()[1]):
            with pytest.raises(OSError, match=f"port {port} is taken") as raised:
                Sandbox(media=0, port=port)
            assert raised.value.errno == errno.EADDRINUSE
    assert ping(box) == 200


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address")
def test_a_sandbox_listens_on_no_other_address(box: Sandbox) -> None:
    for url in (box.url, box.storage_url):
        port = urlsplit(url).port or 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)


def test_several_sandboxes_know_nothing_of_each_other(form: Form) -> None:
    boxes = [Sandbox(media=0) for _ in range(5)]
    try:
        for name in ("url", "storage_url", "port", "token", "client_id", "client_secret"):
            assert len({getattr(box, name) for box in boxes}) == 5
        for number, box in enumerate(boxes):
            box.add_media(f"of {number}")
        for number, box in enumerate(boxes):
            with box.client() as studio:
                assert [media.title for media in form.items(studio.search_media())] == [f"of {number}"]
        boxes[0].close()
        assert [ping(box) for box in boxes[1:]] == [200] * 4
    finally:
        for box in boxes:
            box.close()


def test_many_threads_ask_and_change_it_at_once(box: Sandbox) -> None:
    failures: list[object] = []

    def work(number: int) -> None:
        for step in range(10):
            media = box.add_media(f"{number}-{step}")
            got = ask(box.url, "GET", f"/media/{media}", token=box.token)
            if got.status != 200 or got.json["media"]["title"] != f"{number}-{step}":
                failures.append(got)
            if not (box.requests and box.users):
                failures.append(box)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(box.requests) == 80
    assert panics(box) == 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        *(({"media": value}, "media") for value in (-1, 1_000_001, 1.5, True, "10", None)),
        *(({"seed": value}, "seed") for value in (-1, 2**63, 0.5)),
        *(({"port": value}, "port") for value in (-1, 65_536, 1.5)),
        *(
            ({name: value}, name)
            for name in ("token_lifetime", "url_lifetime")
            for value in (0, -1, float("nan"), float("inf"), timedelta(0), "60")
        ),
        *(
            ({"redirect_uris": value}, "redirect_uris")
            for value in (CALLBACK, [1], None, ["http://app.example.edu/cb"])
        ),
    ],
)
def test_an_argument_that_cannot_be_right_is_a_value_error_that_names_it(wrong: dict[str, Any], named: str) -> None:
    options: dict[str, Any] = {"media": 0} | wrong
    with pytest.raises(ValueError, match=f"^{named}"):
        Sandbox(**options)


def test_an_assumption_is_a_switch_and_has_a_name_that_is_known() -> None:
    wrong = Assumptions(list_meta="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="list_meta"):
        Sandbox(media=0, assumptions=wrong)
    with pytest.raises(TypeError):
        Assumptions(list_metas=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_lifetime_may_be_a_timedelta() -> None:
    with Sandbox(media=0, token_lifetime=timedelta(minutes=5), url_lifetime=timedelta(hours=1)) as box:
        assert box.oauth_token()["expires_in"] == 300


BEGIN = """
import contextlib, os, sys, threading, time
from canvas_studio.sandbox import Sandbox
box = Sandbox(media=0)
"""


def test_requests_is_made_anew_each_time(box: Sandbox) -> None:
    ping(box)
    before = box.requests
    assert before is not box.requests
    ping(box)
    assert (len(before), len(box.requests)) == (1, 2)


def test_a_client_does_not_keep_a_sandbox_running() -> None:
    studio = Sandbox(media=0).client()
    with pytest.raises(APIConnectionError, match="if it was a sandbox, it is closed"):
        studio.get_media(1)


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_one_thread_answers_all_connections() -> None:
    program = """
        import http.client
        count = lambda: len(os.listdir("/proc/self/task"))
        before, connections = count(), []
        for _ in range(30):
            connection = http.client.HTTPConnection("127.0.0.1", box.port)
            connection.request("GET", "/api/public/v1/ping")
            connection.getresponse().read()
            connections.append(connection)
        print(count() - before)
        box.close()
    """
    assert run(program).stdout == "0\n"


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
def test_a_forked_child_holds_the_port() -> None:
    program = """
        import socket, time
        ready, done = os.pipe()
        child = os.fork()
        if not child:
            os.close(done)
            os.read(ready, 1)
            os._exit(0)
        port = box.port
        box.close()
        def is_free():
            try:
                Sandbox(media=0, port=port).close()
            except OSError:
                return False
            return True
        print(is_free(), flush=True)
        os.close(done)
        os.waitpid(child, 0)
        print(is_free())
    """
    ended = run(program)
    assert (ended.stdout.split(), ended.stderr) == (["False", "True"], "")


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has a sandbox to its end; one that hangs is killed."""
    # From 3.12 on, Python warns of every fork of a process with threads; that it works is what is tested.
    options = ["-W", "ignore:This process:DeprecationWarning"]
    command = [sys.executable, *options, "-c", BEGIN + textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)


ENDS = {
    "at once": "",
    "after a request": "box.client().search_media().collect()",
    "with a client open": "studio = box.client(); studio.search_media().collect()",
    "with a request under way": """
        box.faults.add(delay=30)
        threading.Thread(target=box.client().get_media, args=(1,), daemon=True).start()
        while not threading.active_count() > 1: pass
        time.sleep(0.1)
    """,
    "in a cycle": "box.itself = box",
    "several": "others = [Sandbox(media=0) for _ in range(3)]",
}


@pytest.mark.parametrize("program", ENDS.values(), ids=ENDS)
def test_a_program_ends_cleanly_without_closing_it(program: str) -> None:
    ended = run(textwrap.dedent(program) + "\nprint('done')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
@pytest.mark.parametrize("end", ["sys.exit(0)", "os._exit(0)", "raise SystemExit"])
def test_a_forked_child_cannot_close_the_parents_sandbox(end: str) -> None:
    program = f"""
        media = box.add_media("Mitosis")
        child = os.fork()
        if not child:
            with box:
                pass
            print(box.client().get_media(media).title, flush=True)
            for use in (lambda: box.requests, lambda: box.add_media(), box.reset, lambda: box.token_for(1)):
                try:
                    use()
                except RuntimeError as error:
                    print("another process" in str(error), flush=True)
            own = Sandbox(media=0)
            own.client().search_media().collect()
            own.close()
            {end}
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print(box.client().get_media(media).title, [request.status for request in box.requests])
        box.close()
    """
    ended = run(program)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == ["Mitosis", *["True"] * 4, "0", "Mitosis [200, 200]"]


def fill(box: Sandbox) -> dict[str, int]:
    """A little of everything, as a state to come back to."""
    teacher = box.add_user("Ada Park", "ada@example.edu")
    box.add_user("Nobody", role="student")
    group = box.add_group("Assistants", [teacher])
    course = box.add_collection(None, owner=teacher, course_id=1301)
    media = box.add_media("細胞分裂", owner=teacher, tags=["exam"], size=1234, last_viewed="2025-08-01")
    archived = box.add_media("Archived", collection_id=course)
    share = [{"action": "create", "id": group, "share_type": "group", "permission_type": "edit"}]
    for method, path, body in (
        ("POST", f"/media/{archived}/archive", None),
        ("POST", f"/media/{media}/create_embed", {"course_id": 1301, "embed_type": "embed"}),
        ("POST", f"/media/{media}/permissions", share),
    ):
        assert ask(box.url, method, path, token=box.token, json_body=body).status == 200
    return {"teacher": teacher, "course": course, "media": media, "archived": archived}


def everything(box: Sandbox, ids: dict[str, int]) -> list[Any]:
    """What a sandbox answers about what `fill` put into it; hosts and signatures are left out."""
    paths = [
        "/collections",
        "/media/search",
        f"/collections/{ids['course']}/media",
        *(f"/media/{ids['media']}{more}" for more in ("", "/courses", "/perspectives", "/permissions", "/users")),
        f"/media/{ids['archived']}",
    ]
    answers = [ask(box.url, "GET", path, token=box.token) for path in paths]
    assert {answer.status for answer in answers} == {200}
    return [json.loads(answer.text.replace(box.storage_url, "")) for answer in answers]


def test_a_snapshot_holds_the_library_and_all_credentials(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    with Sandbox(media=30, seed=7) as box:
        ids = fill(box)
        tokens = box.oauth_token(user=ids["teacher"])
        dead = box.oauth_token()["access_token"]
        fault = box.faults.add(revoke=True, times=1)
        assert ping(box, dead) == 401
        box.faults.remove(fault)
        code = code_of(box)
        teachers = box.token_for(ids["teacher"])
        before, users = everything(box, ids), box.users
        assert box.snapshot(path) == path
        known = (box.token, box.client_id, box.client_secret, box.redirect_uris)
        file = box.media_file(ids["media"])
        next_id = box.add_media("After the snapshot")
    json.loads(path.read_text(encoding="utf-8"))
    with Sandbox.load(path) as box:
        assert (box.token, box.client_id, box.client_secret, box.redirect_uris) == known
        assert box.users == users
        assert everything(box, ids) == before
        assert box.media_file(ids["media"]) == file
        assert [ping(box, token) for token in (teachers, tokens["access_token"], dead)] == [200, 200, 401]
        assert exchange(box, grant_type="refresh_token", refresh_token=tokens["refresh_token"]) == 200
        assert exchange(box, grant_type="authorization_code", code=code, redirect_uri=CALLBACK) == 200
        # What was asked before is no part of the state.
        assert len(box.requests) == len(before) + 5
        # An id is never given twice.
        assert box.add_media("Another") == next_id


def test_a_loaded_sandbox_is_a_sandbox_like_any_other(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    with Sandbox(media=0) as box:
        ids = fill(box)
        box.snapshot(first)
    fault = Fault(status=503, times=1)
    assumptions = Assumptions(list_meta=False)
    with Sandbox.load(first, token_lifetime=60, assumptions=assumptions, faults=[fault]) as box:
        box.snapshot(second)
        assert json.loads(second.read_text()) == json.loads(first.read_text())
        assert [ping(box), ping(box)] == [503, 200]
        assert box.oauth_token()["expires_in"] == 60
        assert "meta" not in ask(box.url, "GET", "/collections", token=box.token).json
        ask(box.url, "DELETE", f"/media/{ids['media']}", token=box.token)
        box.reset()
        assert [ping(box), ping(box)] == [503, 200]
        assert titles(box) == ["細胞分裂"]
        assert str(first) in repr(box)
        assert box.token not in repr(box)


def test_a_file_that_is_no_snapshot_is_refused(box: Sandbox, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    for text in ("", "nonsense", "[]", "{}", '{"users": 7}', '{"users": {}, "groups": {}}'):
        wrong.write_text(text)
        with pytest.raises(ValueError, match="snapshot"):
            Sandbox.load(wrong)
    missing = tmp_path / "missing" / "snapshot.json"
    with pytest.raises(FileNotFoundError) as raised:
        Sandbox.load(missing)
    assert raised.value.filename in (missing, str(missing))
    with pytest.raises(FileNotFoundError) as raised:
        box.snapshot(missing)
    assert raised.value.filename in (missing, str(missing))
    with pytest.raises(IsADirectoryError):
        Sandbox.load(tmp_path)


def test_a_loaded_sandbox_may_have_the_port_of_the_old_one(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    with Sandbox(media=0) as box, box.client(retry_delay=0) as studio:
        media = box.add_media("Mitosis")
        box.snapshot(path)
        box.close()
        with Sandbox.load(path, port=box.port):
            # To a client it is the same Studio, which was away for a moment.
            assert form.call(studio, "get_media", media).title == "Mitosis"


def test_reset_brings_back_the_start_and_keeps_the_key(form: Form) -> None:
    with (
        Sandbox(media=30, seed=7, faults=[Fault(path="/v1/ping", status=503, times=1)]) as box,
        box.client(retry_delay=0) as studio,
    ):
        known = (box.url, box.token, box.client_id, box.client_secret)
        before = [media.to_dict() for media in form.items(studio.search_media())]
        users = box.users
        assert [ping(box), ping(box)] == [503, 200]
        ids = fill(box)
        box.faults.add(status=500)
        box.chaos()
        box.reset()
        assert box.requests == ()
        assert len(box.faults) == 1
        assert (box.url, box.token, box.client_id, box.client_secret) == known
        assert [media.to_dict() for media in form.items(studio.search_media())] == before
        assert box.users == users
        assert [ping(box), ping(box)] == [503, 200]
        # Everything happens again as it happened before.
        assert fill(box) == ids


def test_reset_ends_every_token_that_was_given_out(box: Sandbox) -> None:
    tokens, code = box.oauth_token(), code_of(box)
    given = [box.token_for(box.users[0]), tokens["access_token"]]
    assert [ping(box, token) for token in given] == [200, 200]
    box.reset()
    assert [ping(box, token) for token in given] == [401, 401]
    assert exchange(box, grant_type="refresh_token", refresh_token=tokens["refresh_token"]) == 400
    assert exchange(box, grant_type="authorization_code", code=code, redirect_uri=CALLBACK) == 400
    assert ping(box) == 200


def test_a_revoked_token_is_dead_and_the_administrators_lives_again_after_a_reset(box: Sandbox) -> None:
    tokens, other = box.oauth_token(), box.oauth_token()
    box.faults.add(revoke=True, times=1)
    assert [ping(box, tokens["access_token"]) for _ in range(2)] == [401, 401]
    assert ping(box, other["access_token"]) == 200
    assert exchange(box, grant_type="refresh_token", refresh_token=tokens["refresh_token"]) == 200
    box.faults.add(revoke=True, times=1)
    assert [ping(box), ping(box)] == [401, 401]
    box.reset()
    assert ping(box) == 200


def test_what_was_asked_is_told_in_order_with_everything_in_it(box: Sandbox) -> None:
    teacher = box.add_user("Ada Park")
    begun = datetime.now(UTC)
    ask(box.url, "GET", "/media/search?title=a%20b&title=c&empty=", token=box.token_for(teacher))
    ask(box.url, "POST", "/media/1/create_embed", token=box.token, json_body={"course_id": 7, "embed_type": "embed"})
    ask(box.url, "GET", "/ping")
    ask(box.storage_url, "GET", headers={"X-Custom": "Yes"})
    box.faults.add(reset="before", times=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(box.url, "DELETE", "/media/2", token=box.token)
    searched, embedded, unknown, stored, cut = box.requests
    assert (searched.host, searched.method, searched.path) == ("api", "GET", "/api/public/v1/media/search")
    assert searched.query == (("title", "a b"), ("title", "c"), ("empty", ""))
    assert (searched.status, searched.user_id, searched.fault, searched.body) == (200, teacher, None, "")
    assert (embedded.method, embedded.user_id, embedded.status) == ("POST", box.users[0].id, 404)
    assert json.loads(embedded.body) == {"course_id": 7, "embed_type": "embed"}
    assert embedded.headers["content-type"] == "application/json"
    assert (unknown.status, unknown.user_id) == (401, None)
    assert (stored.host, stored.path, stored.headers["x-custom"], stored.status) == ("storage", "/", "Yes", 404)
    assert (cut.method, cut.status) == ("DELETE", None)
    assert cut.fault is not None
    times = [request.at for request in box.requests]
    assert begun - timedelta(seconds=1) < times[0] <= times[-1] < datetime.now(UTC) + timedelta(seconds=1)
    assert times == sorted(times)
    with pytest.raises(FrozenInstanceError):
        searched.method = "PUT"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    box.forget_requests()
    assert box.requests == ()


def send_secrets(box: Sandbox) -> list[str]:
    """Send every kind of secret in every way in which a program may send it, and return what must not be seen."""
    key = {"client_id": box.client_id, "client_secret": box.client_secret}
    user, tokens, code = box.token_for(box.users[0]), box.oauth_token(), code_of(box)
    packed = base64.b64encode(f"{box.client_id}:{box.client_secret}".encode()).decode()
    secrets = [box.token, user, tokens["access_token"], tokens["refresh_token"], code, box.client_secret, packed]

    ask(box.url, "GET", "/ping", token=user)
    for authorization in (user, f"Basic {packed}", f'Bearer user_id="1", token="{user}"', f"  Bearer   {user}"):
        ask(box.url, "GET", "/ping", headers={"Authorization": authorization})
    others = {
        "Cookie": f"session={user}",
        "Proxy-Authorization": f"Bearer {user}",
        "Referer": f"https://x/?code={code}",
    }
    ask(box.url, "GET", "/ping", headers=others)
    for name in ("access_token", "token", "code", "client_secret", "refresh_token", "Access_Token"):
        ask(box.url, "GET", "/media/search", token=box.token, query={name: user})
    media = box.add_media()
    with box.client() as studio:
        url = studio.get_download_url(media)
    secrets.append(parse_qs(urlsplit(url).query)["Signature"][0])
    ask(url)
    ask(url, headers={"Authorization": f"Bearer {user}"})
    send_form(box.url, TOKEN, key | {"grant_type": "authorization_code", "code": code})
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    send_form(box.url, TOKEN, refresh, {"Authorization": f"Basic {packed}"})
    ask(box.url, "POST", TOKEN, json_body=key | refresh)
    ask(box.url, "POST", TOKEN, json_body=[{"nested": [key | refresh]}])
    ask(box.url, "POST", TOKEN, json_body={"refresh_token": [tokens["refresh_token"]]})
    ask(box.url, "POST", "/api/public/oauth/nowhere", body=f"client_secret={box.client_secret}", headers=FORM)
    parts = f'--x\r\nContent-Disposition: form-data; name="client_secret"\r\n\r\n{box.client_secret}\r\n--x--\r\n'
    ask(box.url, "POST", TOKEN, body=parts, headers={"Content-Type": "multipart/form-data; boundary=x"})
    ask(authorization_url(box) + "&state=a-secret-state")
    secrets.append("a-secret-state")
    return secrets


def test_no_secret_is_in_what_a_sandbox_shows(box: Sandbox) -> None:
    secrets = send_secrets(box)
    shown = {"repr": repr(box), "users": repr(box.users), "faults": repr(box.faults)}
    shown |= {f"{number}: {each.method} {each.path}": repr(each) for number, each in enumerate(box.requests)}
    assert len(shown) > 20
    seen = {where for where, text in shown.items() if any(secret in text for secret in secrets)}
    assert {where: shown[where] for where in seen} == {}


def test_what_is_masked_can_still_be_asserted_on(box: Sandbox) -> None:
    send_secrets(box)
    schemes = {request.headers.get("authorization", "").partition(" ")[0] for request in box.requests}
    assert {"Bearer", "Basic"} <= schemes
    forms = [parse_qs(request.body) for request in box.requests if "grant_type=" in request.body]
    assert forms[0]["client_id"] == [box.client_id]
    assert forms[0]["grant_type"] == ["authorization_code"]
    assert forms[0]["client_secret"] == forms[0]["code"]
    [stored, _] = [request for request in box.requests if request.host == "storage"]
    assert [name for name, _ in stored.query][:2] == ["Expires", "Signature"]


def test_the_people_are_told_with_the_administrator_first(box: Sandbox) -> None:
    [administrator] = box.users
    assert administrator.role == "admin"
    teacher = box.add_user("Ada Park", "ada@example.edu")
    student = box.add_user("Jonas", role="student")
    another = box.add_user("Registrar", role="admin")
    assert box.users == (
        administrator,
        SandboxUser(teacher, "Ada Park", "Ada Park", "ada@example.edu", "teacher"),
        SandboxUser(student, "Jonas", "Jonas", None, "student"),
        SandboxUser(another, "Registrar", "Registrar", None, "admin"),
    )
    box.add_media(owner=teacher)
    seen = {
        user: len(ask(box.url, "GET", "/media/search", token=box.token_for(user)).json["media"])
        for user in (teacher, student, another)
    }
    assert seen == {teacher: 1, student: 0, another: 1}


def test_a_client_is_whose_it_is_asked_for(form: Form, box: Sandbox) -> None:
    teacher = box.add_user("Ada Park")
    own, _ = box.add_media(owner=teacher), box.add_media()
    person = next(user for user in box.users if user.id == teacher)
    for user, expected in ((None, 2), (teacher, 1), (person, 1), (box.users[0], 2)):
        with box.client(user=user, retry_delay=0) as studio:
            found = form.items(studio.search_media())
        assert len(found) == expected
        assert own in [media.id for media in found]
    for wrong in (0, -1, 10**6, True, "1"):
        with pytest.raises(ValueError, match="user"):
            box.client(user=wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_what_is_added_is_there_with_what_was_said(form: Form, box: Sandbox) -> None:
    teacher = box.add_user("Ada Park", "ada@example.edu")
    person = next(user for user in box.users if user.id == teacher)
    with box.client() as studio:
        course = form.call(studio, "get_collection", box.add_collection(None, owner=person, course_id=1301))
        assert (course.name, course.type, course.course_id, course.owner.id) == (None, "course_wide", 1301, teacher)
        named = form.call(studio, "get_collection", box.add_collection("Featured", type="featured_collection"))
        assert (named.type, named.owner.id) == ("featured_collection", box.users[0].id)
        made = datetime(2025, 5, 16, 4, 36, 46, tzinfo=UTC)
        # Wherever an id is taken, the thing itself is taken as well.
        inside = box.add_media("Mitosis", collection_id=course, created_at=made, last_viewed=date(2025, 8, 1))
        media = form.call(studio, "get_media", inside)
        assert (media.created_at, media.last_viewed, media.owner.id) == (made, date(2025, 8, 1), teacher)
        assert media.collection.id == course.id
        plain = form.call(studio, "get_media", box.add_media())
        assert (plain.title, plain.size, plain.duration, plain.source) == ("A recording", 1_000_000, 60.0, "upload")
        assert plain.created_at > datetime.now(UTC) - timedelta(minutes=1)
        assert (plain.owner.id, plain.collection.type) == (box.users[0].id, "user")
        assert len(box.media_file(plain)) == 1_000_000


ADDITIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a role that is none": ("add_user", {"role": "boss"}, "role"),
    "a group of strangers": ("add_group", {"name": "x", "user_ids": [10**6]}, "user_ids"),
    "a group of texts": ("add_group", {"name": "x", "user_ids": ["1"]}, "user_ids"),
    "a collection of nobody": ("add_collection", {"name": "x", "owner": 10**6}, "owner"),
    "a course without an id": ("add_collection", {"name": "x", "course_id": 0}, "course_id"),
    "a media of nobody": ("add_media", {"owner": 10**6}, "owner"),
    "a media nowhere": ("add_media", {"collection_id": 10**6}, "collection_id"),
    "less than nothing": ("add_media", {"size": -1}, "size"),
    "half a byte": ("add_media", {"size": 0.5}, "size"),
    "too many bytes": ("add_media", {"size": 2**63}, "size"),
    "less than no time": ("add_media", {"duration": -0.1}, "duration"),
    "no number of seconds": ("add_media", {"duration": float("nan")}, "duration"),
    "for ever": ("add_media", {"duration": float("inf")}, "duration"),
    "no time zone": ("add_media", {"created_at": datetime(2025, 5, 16)}, "created_at"),  # noqa: DTZ001
    "no time zone in a text": ("add_media", {"created_at": "2025-05-16T02:36:46"}, "created_at"),
    "no moment": ("add_media", {"created_at": "yesterday"}, "created_at"),
    "no day": ("add_media", {"last_viewed": "2025-02-30"}, "last_viewed"),
    "no day of a student": ("add_media", {"last_viewed_by_student": "x"}, "last_viewed_by_student"),
    "one text for tags": ("add_media", {"tags": "exam"}, "tags"),
    "numbers for tags": ("add_media", {"tags": [1]}, "tags"),
    "a title that is none": ("add_media", {"title": 7}, "title"),
    "half an emoji": ("add_media", {"title": "cut \ud83d"}, "title cannot be kept, since it holds a lone surrogate"),
    "half an emoji in a list": ("add_media", {"tags": ["\ude00"]}, "tags cannot be kept"),
    "half an emoji for a person": ("add_user", {"full_name": "\ud83d"}, "full_name cannot be kept"),
    "nobody for a group": ("add_group", {"name": "x", "user_ids": None}, "user_ids must be a list of people, not None"),
    "a number for tags": ("add_media", {"tags": 5}, "tags must be a list of names, not int"),
    "a number for captions": ("add_media", {"captions": 5}, "captions must be a list of dicts, not int"),
    "a text for captions": ("add_media", {"captions": "en"}, "captions"),
    "texts for captions": ("add_media", {"captions": ["en"]}, "captions must be a list of dicts, not of str"),
}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tags": None}, "tags must be a list of names, not None: use [] for none"),
        ({"captions": None}, "captions must be a list of dicts, not None: use [] for none"),
        ({"captions": [None]}, "captions must be a list of dicts, not of None"),
        ({"title": "cut \ud83d"}, "title cannot be kept, since it holds a lone surrogate"),
    ],
    ids=str,
)
def test_what_cannot_be_changed_is_a_value_error_that_says_what_to_give(
    box: Sandbox, fields: dict[str, Any], said: str
) -> None:
    media = box.add_media("Mitosis", tags=["exam"])
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text follows
        box.change_media(media, **fields)
    assert str(raised.value) == said
    with box.client() as studio:
        assert studio.get_media(media).title == "Mitosis"


@pytest.mark.parametrize(("method", "fields", "named"), ADDITIONS.values(), ids=ADDITIONS)
def test_what_cannot_be_added_is_a_value_error_and_adds_nothing(
    box: Sandbox, method: str, fields: dict[str, Any], named: str, tmp_path: Path
) -> None:
    box.add_user("Ada Park", "ada@example.edu")
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    box.snapshot(before)
    with pytest.raises(ValueError, match=f"^{named}"):
        getattr(box, method)(**fields)
    box.snapshot(after)
    assert after.read_bytes() == before.read_bytes()


def test_a_file_too_large_for_memory_is_an_error_and_can_be_read_in_part(box: Sandbox) -> None:
    media = box.add_media(size=2**63 - 1)
    with box.client() as studio:
        url = studio.get_download_url(media)
    part = ask(url, headers={"Range": f"bytes={2**62}-{2**62 + 9}"})
    assert (part.status, len(part.body)) == (206, 10)
    assert ask(url, "HEAD").headers["content-length"] == str(2**63 - 1)
    with pytest.raises((MemoryError, ValueError)):
        box.media_file(media)
    assert ping(box) == 200


def test_repr_tells_where_it_is_and_no_secret(box: Sandbox) -> None:
    assert repr(box) == f"Sandbox({box.url!r}, media=0, seed=1)"
    assert box.token not in repr(vars(box)["_server"])


TOKENS = b"Authorization: Bearer TOKEN\r\n"
NONSENSE = {
    "nothing": b"",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a line": b"hello\r\n\r\n",
    "half a request": b"GET /api/public/v1/ping HT",
    "half a body": b"POST /api/public/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ngrant",
    "HTTP/1.0": b"GET /api/public/v1/ping HTTP/1.0\r\n" + TOKENS + b"\r\n",
    "no host": b"GET /api/public/v1/ping HTTP/1.1\r\n" + TOKENS + b"\r\n",
    "an absolute URL": b"GET http://x/api/public/v1//ping/ HTTP/1.1\r\nHost: x\r\n" + TOKENS + b"\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the path": b"GET /api/public/v1/media/\xff\xfe HTTP/1.1\r\nHost: x\r\n" + TOKENS + b"\r\n",
    "escaped bytes": b"GET /api/public/v1/media/%ff%00?title=%ff%00 HTTP/1.1\r\nHost: x\r\n" + TOKENS + b"\r\n",
    "a bad escape": b"GET /api/public/v1/media/%zz%?title=%zz HTTP/1.1\r\nHost: x\r\n" + TOKENS + b"\r\n",
    "bytes in a header": b"GET /api/public/v1/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\r\n\r\n",
    "two tokens": b"GET /api/public/v1/ping HTTP/1.1\r\nHost: x\r\n" + TOKENS * 2 + b"\r\n",
    "dots": b"GET /api/public/v1/media/../../x HTTP/1.1\r\nHost: x\r\n" + TOKENS + b"\r\n",
    "a long path": b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 2_000 + b"\r\n",
    "a bad chunk": b"POST /api/public/oauth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "deep JSON": b"POST /api/public/v1/media/1/permissions HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n"
    + TOKENS
    + b"\r\n"
    + b"[" * 50_000,
    "too large a body": b"POST /api/public/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
    + b"a" * 2_000_000,
}


@pytest.mark.parametrize("host", ["api", "storage"])
def test_no_nonsense_brings_it_down(box: Sandbox, host: str) -> None:
    port = urlsplit(box.url if host == "api" else box.storage_url).port
    for name, nonsense in NONSENSE.items():
        with socket.create_connection(("127.0.0.1", port or 0), timeout=10) as connection:
            try:
                connection.sendall(nonsense.replace(b"TOKEN", box.token.encode()))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass
            except OSError:
                pass  # it may hang up on nonsense
        assert ping(box) == 200, name
    assert {request.status for request in box.requests} <= {200, 400, 401, 404, 405, 408, 413, 422}
    assert panics(box) == 0
