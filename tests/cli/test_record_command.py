"""Tests the commands `record` and `replay`: a program runs as it is, and its token stays where it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, TypeAlias

import pytest
from canvas_studio import Tokens, profiles
from canvas_studio.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROGRAM = """
import os, sys, time
from canvas_studio import StudioClient

with StudioClient.from_env() as studio:
    for number, media in enumerate(studio.search_media(per_page=5)):
        if number % 5 == 0:
            time.sleep(float(sys.argv[1]))
    print(number + 1, "media")
print(os.environ["CANVAS_STUDIO_TOKEN"])
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox with some media."""
    with Sandbox(media=0) as started:
        for number in range(20):
            started.add_media(f"Lecture {number}")
        yield started


Run: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"


@pytest.fixture
def run(box: Sandbox, tmp_path: Path) -> Run:
    """Run a command in a folder with a program, as a person does."""
    (tmp_path / "program.py").write_text(PROGRAM)

    def started(*arguments: str, program: tuple[str, ...] = (), **more: str) -> subprocess.CompletedProcess[str]:
        program = program or (sys.executable, "program.py", "0", "0")
        command = [sys.executable, "-m", "canvas_studio", *arguments, "--", *program]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CANVAS_STUDIO")}
        environment |= {"CANVAS_STUDIO_HOME": str(tmp_path / "home")}
        variables = more or {"CANVAS_STUDIO_URL": box.url, "CANVAS_STUDIO_TOKEN": box.token}
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment | variables, check=False, timeout=50
        )

    return started


def test_a_program_is_recorded_and_replayed_as_it_is(run: Run, box: Sandbox, tmp_path: Path) -> None:
    recorded = run("record", "calls.har")
    assert (recorded.returncode, recorded.stderr) == (0, "4 requests are in calls.har\n")
    said, token = recorded.stdout.splitlines()
    assert said == "20 media"
    assert token != box.token
    assert box.token not in (tmp_path / "calls.har").read_text()
    box.close()
    replayed = run("replay", "calls.har")
    assert (replayed.returncode, replayed.stderr) == (0, "")
    assert replayed.stdout.splitlines()[0] == "20 media"


def test_a_loop_that_ends_early_sends_the_same_requests_each_time(run: Run, box: Sandbox, tmp_path: Path) -> None:
    # On the second page, the third would have been requested ahead.
    (tmp_path / "program.py").write_text(
        PROGRAM.replace(
            "        if number % 5 == 0:", "        if number == 6:\n            break\n        if number % 5 == 0:"
        )
    )
    recorded = run("record", "calls.har")
    assert recorded.stderr == "2 requests are in calls.har\n"
    assert len(box.requests) == 2
    assert run("replay", "calls.har").returncode == 0


def test_the_profile_is_used_and_its_tokens_stay_with_it(
    run: Run, box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    profile = profiles.Profile(name="north", url=box.url, client_id=box.client_id, client_secret=box.client_secret)
    profiles.save(profile)
    tokens = box.oauth_token()
    profile.token_store().save(Tokens.from_dict(tokens | {"url": box.url}))
    recorded = run("record", "--profile", "north", "calls.har", CANVAS_STUDIO_PROFILE="another")
    assert (recorded.returncode, recorded.stderr) == (0, "4 requests are in calls.har\n")
    assert tokens["access_token"] not in recorded.stdout


@pytest.mark.parametrize("command", ["record", "replay"])
def test_the_exit_code_is_that_of_the_program(run: Run, command: str) -> None:
    run("record", "calls.har")
    assert run(command, "calls.har", program=(sys.executable, "program.py", "0", "7")).returncode == 7


def test_a_program_that_fails_is_recorded_all_the_same(run: Run, tmp_path: Path) -> None:
    run("record", "calls.har", program=(sys.executable, "program.py", "0", "7"))
    assert len(json.loads((tmp_path / "calls.har").read_text())["log"]["entries"]) == 4


def test_a_program_that_sends_nothing_leaves_an_older_recording(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "calls.har"
    file.write_text('{"older": "recording"}')
    ended = run("record", "calls.har", program=(sys.executable, "-c", "pass"))
    assert "no request was recorded" in ended.stderr
    assert file.read_text() == '{"older": "recording"}'


def test_what_is_no_recording_is_not_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    for name in ("program.py", "pipe"):
        ended = run("record", name)
        assert ended.returncode != 0
        assert name in ended.stderr
    assert (tmp_path / "program.py").read_text() == PROGRAM


def test_a_replay_that_differs_ends_with_1_and_says_how(run: Run, tmp_path: Path) -> None:
    run("record", "calls.har")
    (tmp_path / "program.py").write_text(PROGRAM.replace("per_page=5", "per_page=6"))
    ended = run("replay", "calls.har")
    assert ended.returncode == 1
    assert "query: recorded" in ended.stderr
    (tmp_path / "program.py").write_text(
        PROGRAM.replace("enumerate(studio", "enumerate(studio").replace("time.sleep", "break; time.sleep")
    )
    ended = run("replay", "calls.har")
    assert ended.returncode == 1
    assert "not asked for" in ended.stderr


@pytest.mark.parametrize("command", ["record", "replay"])
def test_a_program_that_goes_past_is_told(run: Run, command: str) -> None:
    run("record", "calls.har")
    ended = run(command, "calls.har", program=(sys.executable, "-c", "pass"))
    assert ended.returncode == 1
    assert "StudioClient.from_env()" in ended.stderr


def test_what_cannot_be_done_is_refused_before_the_program_runs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "no.har").write_text("{}")
    for arguments, program, code, told in (
        (("record", "no/calls.har"), (), 1, "there is no folder"),
        (("record", "calls.har"), ("no-such-program",), 127, "there is no program"),
        (("replay", "missing.har"), (), 1, "missing.har"),
        (("replay", "no.har"), (), 2, "is no HAR"),
    ):
        ended = run(*arguments, program=program)
        assert (ended.returncode, ended.stdout) == (code, ""), ended.stderr
        assert told in ended.stderr
