"""Output and input of the commands: colours on a terminal only, and a sentence for every failure."""

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
    """Print an error and exit.

    Args:
        reason: Why.
        code: The exit code: 1 for a failure, 2 for wrong usage, 130 after Ctrl-C.

    Raises:
        typer.Exit: Always.
    """
    print_error(f"canvas-studio: {reason}")
    raise typer.Exit(code)


def print_error(text: str) -> None:
    """Print a text, which may quote a server, to standard error.

    Args:
        text: The text.
    """
    typer.echo("\n".join(map(printable, text.splitlines())), err=True)


@contextmanager
def errors_as_text() -> Generator[None]:
    """Turn errors into a sentence and an exit code."""
    # Replace characters that the terminal cannot show, as in names of other scripts.
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
    """Print the error and exit, if it is one that the user can act on."""
    if isinstance(error, KeyboardInterrupt):
        if sys.stdin.isatty():
            typer.echo(err=True)  # behind the ^C
        fail("stopped", 130)
    if isinstance(error, BrokenPipeError):
        return  # whoever reads the output, such as `head`, has enough: typer ends in silence
    if isinstance(error, InvalidArgumentError):
        fail(error, 2)
    if isinstance(error, (StudioError, OSError)):
        fail(error)


def echo(text: str = "", style: str = "") -> None:
    """Print a text without breaking its lines.

    Args:
        text: The text.
        style: The style on a terminal.
    """
    if sys.stdout.isatty():
        Console(markup=False, highlight=False, soft_wrap=True).print(Text(text, style=style))
    else:
        typer.echo(text)


def ask(question: str, *, hidden: bool = False) -> str:
    """Ask a question at a terminal, or read the next line of standard input.

    Args:
        question: The question.
        hidden: Whether to hide what is typed.

    Returns:
        The line, without white space around it.

    Raises:
        EOFError: If there is no line.
    """
    if sys.stdin.isatty() and hidden:
        return getpass.getpass(f"{question}: ").strip()
    if sys.stdin.isatty():
        # Standard output may be a file.
        typer.echo(f"{question}: ", nl=False, err=True)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


def printable(value: object) -> str:
    """Replace the characters that would move the cursor or change colours.

    Args:
        value: Text from elsewhere, such as a name.

    Returns:
        The text.
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))
