"""How the commands speak: in colours only to a terminal, each sentence on one line, and every failure in words."""

from __future__ import annotations

import getpass
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Never

import typer
from rich.console import Console
from rich.text import Text

from canvas_studio._tracebacks import clear_locals
from canvas_studio.errors import InvalidArgumentError, StudioError

if TYPE_CHECKING:
    from collections.abc import Generator


def fail(reason: object, code: int = 1) -> Never:
    """Say why it goes no further, and end.

    Args:
        reason: Why.
        code: The exit code: 1 if it failed, 2 if it was asked for wrongly, 130 after Ctrl-C.

    Raises:
        typer.Exit: Always.
    """
    print_error(f"canvas-studio: {reason}")
    raise typer.Exit(code)


def print_error(text: str) -> None:
    """Print something to the standard error; what a server said may be in it.

    Args:
        text: The text.
    """
    typer.echo("\n".join(map(printable, text.splitlines())), err=True)


@contextmanager
def errors_as_text() -> Generator[None]:
    """Turn what goes wrong into a sentence and an exit code."""
    # What a terminal cannot show is shown as something else; names come in every script.
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
    try:
        yield
    except BaseException as error:
        clear_locals(error)
        _end(error)
        raise


def _end(error: BaseException) -> None:
    """Print what went wrong and end, if it is an error that a person can do something about."""
    if isinstance(error, KeyboardInterrupt):
        if sys.stdin.isatty():
            typer.echo(err=True)  # behind the ^C
        fail("stopped", 130)
    if isinstance(error, InvalidArgumentError):
        fail(error, 2)
    if isinstance(error, (StudioError, OSError)):
        fail(error)


def echo(text: str = "", style: str = "") -> None:
    """Print a text as it is, however long its lines are.

    Args:
        text: The text.
        style: How it looks on a terminal.
    """
    if sys.stdout.isatty():
        Console(markup=False, highlight=False, soft_wrap=True).print(Text(text, style=style))
    else:
        typer.echo(text)


def ask(question: str, *, hidden: bool = False) -> str:
    """Read a line: at a terminal the answer to a question, otherwise the next of standard input.

    Args:
        question: The question.
        hidden: Whether what is typed is not shown.

    Returns:
        The line, without white space around it.

    Raises:
        EOFError: If there is none.
    """
    if sys.stdin.isatty() and hidden:
        return getpass.getpass(f"{question}: ").strip()
    if sys.stdin.isatty():
        # Not on standard output, which may be a file.
        typer.echo(f"{question}: ", nl=False, err=True)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


def printable(value: object) -> str:
    """Return what somebody else wrote without what would move the cursor or change colours.

    Args:
        value: A name, say.

    Returns:
        The text.
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))
