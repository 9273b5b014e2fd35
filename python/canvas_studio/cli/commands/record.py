"""The commands `record` and `replay`: they run a program whose requests are recorded, or answered from a recording."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Never

import typer

from canvas_studio import profiles
from canvas_studio.cli.options import ProfileOption
from canvas_studio.cli.terminal import errors_as_text, fail, print_error
from canvas_studio.testing.har import HarError, read_har
from canvas_studio.testing.player import Player, ReplayError
from canvas_studio.testing.recorder import Recorder, check_target
from canvas_studio.testing.redaction import REDACTED

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = {
    "record": "canvas-studio record calls.har -- python report.py",
    "replay": "canvas-studio replay calls.har -- python report.py",
}

# What would lead a program past the recorder, or contradict the token that it gets.
CLEARED = ("PROFILE", "CLIENT_ID", "CLIENT_SECRET", "TOKEN_FILE", "PROXY", "CA_BUNDLE")
NOT_FOUND = 127

File = Annotated[Path, typer.Argument(metavar="FILE.har", help="The recording.", show_default=False)]
Program = Annotated[
    list[str],
    typer.Argument(metavar="-- PROGRAM", help="The program and its arguments, after --.", show_default=False),
]


@errors_as_text()
def record(*, file: File, program: Program, profile: ProfileOption = None) -> None:
    """Run a program, and record its requests to Studio.

    Its StudioClient.from_env() sends them to a server on this machine, which sends them on with your profile or
    variables. The file holds no secrets, names or texts; ids stay.
    """
    target = file.absolute()
    check_target(target)
    command = _found(program)
    with profiles.find(profile=profile).client() as studio, Recorder(studio) as recorder:
        try:
            code = _run(command, recorder.url, recorder.token)
        finally:
            recorder.close()
            problems = recorder.write(target)
    for problem in problems:
        print_error(f"not in the recording, since there was no whole answer: {problem}")
    if not recorder.count:
        _nothing_came(code, "recorded")
    print_error(f"{recorder.count} {'request is' if recorder.count == 1 else 'requests are'} in {file}")
    raise typer.Exit(code)


@errors_as_text()
def replay(*, file: File, program: Program) -> None:
    """Run a program, and answer its requests to Studio from a recording.

    It fails if a request differs from the recording, and if a recorded one was not sent.
    """
    command = _found(program)
    try:
        player = Player(read_har(file))
        player.start()
        try:
            code = _run(command, player.url, REDACTED)
        finally:
            player.close()
        if not player.requests:
            _nothing_came(code, "answered")
        player.verify()
    except HarError as error:
        fail(error, 2)
    except ReplayError as error:
        fail(error)
    raise typer.Exit(code)


def _found(program: Sequence[str]) -> list[str]:
    """The program with its path, before anything is started."""
    path = shutil.which(program[0])
    if path is None:
        fail(f"there is no program {program[0]!r}", NOT_FOUND)
    return [path, *program[1:]]


def _run(command: list[str], url: str, token: str) -> int:
    """Run a program to its end, and return its exit code as a shell says it."""
    environment = {name: value for name, value in os.environ.items() if name not in _names(*CLEARED)}
    # The last one has lists send the same requests each time.
    environment |= dict(zip(_names("URL", "TOKEN", "RECORDING"), (url, token, "1"), strict=True))
    with subprocess.Popen(command, env=environment) as running:  # noqa: S603 - the user's own program
        # A service manager stops the program, and the recording is still written.
        signal.signal(signal.SIGTERM, lambda _signal, _frame: running.terminate())
        while True:
            try:
                code = running.wait()
                break
            except KeyboardInterrupt:
                # It has come to the program too, which ends in its own way.
                continue
    return 128 - code if code < 0 else code


def _names(*names: str) -> list[str]:
    return [f"CANVAS_STUDIO_{name}" for name in names]


def _nothing_came(code: int, done: str) -> Never:
    print_error(
        f"no request was {done}: the program must make its client with StudioClient.from_env(), without arguments for "
        "the profile, the URL or the token"
    )
    sys.stdout.flush()
    raise typer.Exit(code or 1)
