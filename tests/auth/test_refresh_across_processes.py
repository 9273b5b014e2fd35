"""Eight processes with eight threads each stay signed in with one token file, even while processes are killed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import pytest
from canvas_studio import FileTokenStore, Tokens
from canvas_studio.sandbox import Sandbox
from support.plain_http import ask, send_form
from support.school import CLIENT_ID, CLIENT_SECRET, School
from support.token_stores import documented_sqlite_store, number_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# `make test` keeps the promise for a while, `make torture` for a minute.
DURATIONS = [pytest.param(20.0, id="20s"), pytest.param(60.0, id="60s", marks=pytest.mark.torture)]
PROCESSES = 8
THREADS = 8
LIFETIME = 2.0
# Tokens are refreshed before their end, by this part of their lifetime.
EARLY = 1 / 64
# Between two requests of a thread; the sandbox remembers 100,000 of them.
PAUSE = 0.06
# A kill that strikes between the server's answer and the saved file loses what is good once. That is some milliseconds
# in each lifetime, and it has to be the right process.
MOST_LOSSES = 2
TOKEN_PATH = "/api/public/oauth/token"

WORKER = """
import json, sys, threading, time
from canvas_studio import FileTokenStore, LoginRequiredError, OAuth, StudioClient
told = json.loads(sys.stdin.readline())
store = FileTokenStore(told["path"])
studio = StudioClient(told["url"], auth=OAuth(told["client_id"], told["client_secret"], store=store), retry_delay=0.05)
counts = [0] * told["threads"]

def say(**event):
    # One write, so that a kill leaves a whole line or none.
    sys.stdout.write(json.dumps(event) + "\\n")
    sys.stdout.flush()

def work(number):
    while time.time() < told["until"]:
        try:
            assert studio.request("GET", "/ping") == "pong"
            counts[number] += 1
        except LoginRequiredError as error:
            say(login_required=error.reason, at=time.time())
            time.sleep(0.2)
        except BaseException as error:
            say(failed=repr(error), at=time.time())
        time.sleep(told["pause"])

threads = [threading.Thread(target=work, args=(number,)) for number in range(told["threads"])]
say(started=True, at=time.time())
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
say(done=counts, at=time.time())
"""


@dataclass
class Crew:
    """The processes, and what they say. Each ends by itself when the time has come, unless it is killed before."""

    box: Sandbox
    path: Path
    until: float
    processes: dict[int, subprocess.Popen[str]] = field(default_factory=dict[int, "subprocess.Popen[str]"])
    said: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue[dict[str, Any]])
    _readers: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def __enter__(self) -> Self:
        for _ in range(PROCESSES):
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait(20)
        for reader in self._readers:
            reader.join(20)

    def start(self) -> None:
        """Add a process."""
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )
        told = {
            "url": self.box.url,
            "client_id": self.box.client_id,
            "client_secret": self.box.client_secret,
            "path": str(self.path),
            "until": self.until,
            "threads": THREADS,
            "pause": PAUSE,
        }
        assert process.stdin is not None
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.close()
        self.processes[process.pid] = process
        reader = threading.Thread(target=self._read, args=(process,))
        reader.start()
        self._readers.append(reader)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                try:
                    self.said.put({"process": process.pid, **json.loads(line)})
                except ValueError:
                    # A traceback, or a panic of the core.
                    self.said.put({"process": process.pid, "failed": line})

    def kill_one(self) -> tuple[float, float]:
        """Kill one of them and start another; between which two moments the blow fell."""
        process = self.processes.pop(random.choice(list(self.processes)))
        before = time.time()
        process.kill()
        process.wait(20)
        self.start()
        return before, time.time()

    def heard(self) -> list[dict[str, Any]]:
        """What they have said since this was called last."""
        events: list[dict[str, Any]] = []
        with contextlib.suppress(queue.Empty):
            while True:
                events.append(self.said.get_nowait())
        return events

    def done(self, events: list[dict[str, Any]]) -> list[list[int]]:
        """How often each thread was answered, for each process that ended by itself and was not killed afterwards."""
        return [event["done"] for event in events if "done" in event and event["process"] in self.processes]

    def finish(self) -> None:
        """Wait until all of them have ended by themselves."""
        for process in self.processes.values():
            assert process.wait(max(0.0, self.until - time.time()) + 40) == 0
        for reader in self._readers:
            reader.join(20)


@contextlib.contextmanager
def watched(path: Path) -> Generator[list[Tokens]]:
    """All tokens that stand in the file, one after the other, from now on."""
    store = FileTokenStore(path)
    seen: list[Tokens] = []
    done = threading.Event()

    def look() -> None:
        while True:
            last = done.is_set()
            tokens = store.load()
            assert tokens is not None
            if not seen or tokens != seen[-1]:
                seen.append(tokens)
            if last:
                return
            done.wait(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join(20)


def sign_in(box: Sandbox, path: Path) -> None:
    """Do what `canvas-studio login` does."""
    store = FileTokenStore(path)
    tokens = Tokens.from_dict({**box.oauth_token(), "url": box.url})
    with store.lock():
        store.save(tokens)


def token_requests(box: Sandbox) -> list[tuple[float, int | None]]:
    """When the token endpoint was asked, and what it said."""
    asked = box.requests
    # If there were more, the first of them would be forgotten.
    assert len(asked) < 100_000
    return [(request.at.timestamp(), request.status) for request in asked if request.path == TOKEN_PATH]


def is_dead(box: Sandbox, tokens: Tokens) -> bool:
    """Whether neither of the tokens is of any use any more."""
    refresh = {
        "grant_type": "refresh_token",
        "refresh_token": tokens.refresh_token or "",
        "client_id": box.client_id,
        "client_secret": box.client_secret,
    }
    pinged = ask(box.url, "GET", "/ping", token=tokens.access_token).status
    answer = send_form(box.url, TOKEN_PATH, refresh)
    return (pinged, answer.status, answer.json.get("error")) == (401, 400, "invalid_grant")


def most_refreshes(seconds: float) -> float:
    """One for each lifetime that has begun, as far as tokens live when they are refreshed in time."""
    return seconds / (LIFETIME * (1 - EARLY)) + 1


@pytest.mark.parametrize("seconds", DURATIONS)
@pytest.mark.timeout(300)
def test_eight_processes_of_eight_threads_refresh_once_in_each_lifetime(seconds: float, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    with Sandbox(media=0, token_lifetime=LIFETIME) as box:
        sign_in(box, path)
        started = time.time()
        with watched(path) as saved, Crew(box, path, started + seconds) as crew:
            crew.finish()
            events = crew.heard()
        lasted = time.time() - started
        asked = token_requests(box)
        statuses = Counter(request.status for request in box.requests)
    assert [event for event in events if "failed" in event or "login_required" in event] == []
    done = crew.done(events)
    assert len(done) == PROCESSES
    # Every thread has worked, through many lifetimes.
    assert min(map(min, done)) > seconds / LIFETIME
    refreshed = [status for _, status in asked]
    assert set(refreshed) == {200}
    assert seconds / LIFETIME / 2 < len(refreshed) <= most_refreshes(lasted)
    # Nothing that Studio gave out was lost, and nothing was saved twice.
    assert len(saved) == len(refreshed) + 1
    # Tokens are refreshed before their end: only requests under way at that moment are refused. Without that, every
    # thread would be refused once in each lifetime. On a busy machine more requests are under way.
    assert statuses[401] < len(refreshed) * PROCESSES * THREADS / 2
    assert set(statuses) <= {200, 401}


@dataclass
class Loss:
    """Tokens that Studio has given out and that no file has ever held."""

    found_at: float
    tokens: Tokens
    ended_at: float = float("inf")


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("seconds", DURATIONS)
@pytest.mark.timeout(300)
def test_eight_processes_stay_signed_in_while_one_of_them_is_killed_each_second(seconds: float, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    kills: list[tuple[float, float]] = []
    losses: list[Loss] = []
    events: list[dict[str, Any]] = []
    with Sandbox(media=0, token_lifetime=LIFETIME) as box:
        sign_in(box, path)
        started = time.time()
        with watched(path) as saved, Crew(box, path, started + seconds) as crew:
            while time.time() < started + seconds - 1:
                next_kill = time.time() + random.uniform(0.9, 1.1)
                while time.time() < next_kill:
                    heard = crew.heard()
                    events += heard
                    if any("login_required" in event for event in heard) and is_new(losses, heard):
                        tokens = FileTokenStore(path).load()
                        assert tokens is not None
                        # The proof: what the file holds is whole, and of no use.
                        assert is_dead(box, tokens)
                        losses.append(Loss(time.time(), tokens))
                        sign_in(box, path)
                        # On a busy machine, a process says only seconds later what it has met before.
                        losses[-1].ended_at = time.time() + 5
                    time.sleep(0.02)
                kills.append(crew.kill_one())
            crew.finish()
            events += crew.heard()
        lasted = time.time() - started
        asked = token_requests(box)
    assert [event for event in events if "failed" in event] == []
    assert len(crew.done(events)) == PROCESSES
    # Each second, as far as the machine can keep up.
    assert len(kills) >= seconds / 4
    given_out = [at for at, status in asked if status == 200]
    assert len(losses) <= MOST_LOSSES
    # Nobody was told to log in but for what was lost, and that clearly.
    for event in events:
        if "login_required" in event:
            assert event["login_required"] == "invalid_grant"
            assert any(loss.found_at - 20 < event["at"] < loss.ended_at for loss in losses)
    # What Studio gave out and no file has held is what was lost, and whoever had asked for it was killed just then.
    logins = 1 + len(losses)
    assert len(saved) == logins + len(given_out) - len(losses)
    for loss in losses:
        lost_at = max(at for at in given_out if at < loss.found_at)
        assert any(before - 1 < lost_at < after for before, after in kills)
        assert loss.tokens in saved
    assert {status for _, status in asked} <= {200, 400, None}
    assert [status for _, status in asked].count(400) == 0 or losses
    assert seconds / LIFETIME / 2 < len(given_out) <= most_refreshes(lasted) + len(losses)


def is_new(losses: list[Loss], heard: list[dict[str, Any]]) -> bool:
    """Whether somebody has to log in for another reason than one that is mended already."""
    return any("login_required" in event and all(event["at"] > loss.ended_at for loss in losses) for event in heard)


CRASHES = """
import contextlib, json, os, signal, sys
from canvas_studio import FileTokenStore, OAuth, StudioClient
told = json.loads(sys.stdin.readline())
file = FileTokenStore(told["path"])

def crash(here):
    if here == told["crash"]:
        os.kill(os.getpid(), signal.SIGKILL)

class Store:
    def load(self):
        tokens = file.load()
        crash("after load")
        return tokens

    def save(self, tokens):
        crash("before save")
        file.save(tokens)
        crash("after save")

    @contextlib.contextmanager
    def lock(self):
        with file.lock():
            crash("after lock")
            yield
            crash("before unlock")
        crash("after unlock")

oauth = OAuth(told["client_id"], told["client_secret"], store=Store())
print(StudioClient(told["url"], auth=oauth).request("GET", "/ping"))
"""

FOLLOWER = """
import json, sys
from canvas_studio import FileTokenStore, LoginRequiredError, OAuth, StudioClient
told = json.loads(sys.stdin.readline())
oauth = OAuth(told["client_id"], told["client_secret"], store=FileTokenStore(told["path"]))
try:
    print(StudioClient(told["url"], auth=oauth).request("GET", "/ping"))
except LoginRequiredError as error:
    print(error.reason, error)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("crash", "left"),
    [
        ("after lock", "pong"),
        ("after load", "pong"),
        ("before save", "invalid_grant"),
        ("after save", "pong"),
        ("before unlock", "pong"),
        ("after unlock", "pong"),
        ("never", "pong"),
    ],
)
def test_a_crash_at_any_point_leaves_a_usable_store_or_a_clear_word(tmp_path: Path, crash: str, left: str) -> None:
    path = tmp_path / "tokens.json"
    with Sandbox(media=0) as box:
        ended = {**box.oauth_token(), "url": box.url, "expires_at": datetime(2024, 1, 1, tzinfo=UTC).isoformat()}
        FileTokenStore(path).save(Tokens.from_dict(ended))
        told = {
            "url": box.url,
            "client_id": box.client_id,
            "client_secret": box.client_secret,
            "path": str(path),
            "crash": crash,
        }

        def run(program: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-c", program],
                input=json.dumps(told) + "\n",
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )

        crashed = run(CRASHES)
        assert (crashed.returncode, crashed.stderr) == (0 if crash == "never" else -signal.SIGKILL, "")
        tokens = FileTokenStore(path).load()
        assert tokens is not None
        followed = run(FOLLOWER)
        assert (followed.stderr, followed.returncode) == ("", 0)
        assert followed.stdout.startswith(left)
        if left == "invalid_grant":
            # Studio has used up the refresh token for what the crash has lost; logging in mends it.
            assert "log in" in followed.stdout.lower()
            assert is_dead(box, tokens) or [status for _, status in token_requests(box)][:2] == [200, 400]
            sign_in(box, path)
            assert run(FOLLOWER).stdout == "pong\n"
        else:
            assert {status for _, status in token_requests(box)} == {200}


TENANT = """
import sys
from canvas_studio import OAuth, StudioClient
path, person, url, client_id, client_secret = sys.argv[1:]
auth = OAuth(client_id, client_secret, store=SqliteTokenStore(path, person))
print(StudioClient(url, auth=auth, retry_delay=0).get_media(1).id)
"""


def test_a_slow_refresh_of_one_tenant_does_not_block_another_ones(tmp_path: Path) -> None:
    """Two people, two processes, one file: the store of the page about signing in."""
    path = str(tmp_path / "tokens.sqlite")
    program = documented_sqlite_store() + TENANT
    names: dict[str, Any] = {}
    exec(documented_sqlite_store(), names)  # noqa: S102 - it is our own code

    def words(person: str, school: School) -> list[str]:
        return [sys.executable, "-c", program, path, person, school.server.url, CLIENT_ID, CLIENT_SECRET]

    with School() as slow, School() as quick, contextlib.ExitStack() as stack:
        for person, school in (("ada", slow), ("ben", quick)):
            store = names["SqliteTokenStore"](path, person)
            with store.lock():
                store.save(school.expired())
        slow.gate = threading.Event()
        stack.callback(slow.gate.set)
        waiting = subprocess.Popen(words("ada", slow), stdout=subprocess.PIPE, text=True)
        stack.callback(waiting.kill)
        assert slow.server.wait_for_requests(timeout=60)
        done = subprocess.run(words("ben", quick), stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        assert done.stdout == "1\n"
        assert len(quick.refreshes) == 1
        assert waiting.poll() is None
        slow.gate.set()
        assert waiting.communicate(timeout=60)[0] == "1\n"
        for person in ("ada", "ben"):
            store = names["SqliteTokenStore"](path, person)
            with store.lock():
                assert number_of(store.load()) == 1
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}
