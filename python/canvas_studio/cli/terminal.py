"""Output and input of the commands: colours on a terminal only, and a sentence for every failure."""

from __future__ import annotations

import getpass
import os
import sys
import unicodedata
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Never

import typer

from canvas_studio._tracebacks import clear_locals
from canvas_studio.errors import InvalidArgumentError, StudioError

if TYPE_CHECKING:
    from collections.abc import Generator


def fail(reason: object, code: int = 1) -> Never:
    """Print an error and exit.

    Args:
        reason: Why.
        code: The exit code, one of `canvas_studio.cli.exit_codes`.

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
        # Whoever reads the output, such as `head`, has enough. Nothing more is written at the exit, either.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit
    if isinstance(error, InvalidArgumentError):
        fail(error, 2)
    if isinstance(error, (StudioError, OSError)):
        fail(reason_of(error))


def reason_of(error: BaseException) -> str:
    """Say why something failed, an error of the system by its file.

    Args:
        error: The error.

    Returns:
        The reason.
    """
    if isinstance(error, OSError) and not isinstance(error, StudioError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return str(error)


def echo(text: str = "", style: str = "") -> None:
    """Print a text without breaking its lines.

    Args:
        text: The text.
        style: The style on a terminal.
    """
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - slow to import, and most output has no style
        from rich.text import Text  # noqa: PLC0415 - likewise

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
    """Show the characters that would move the cursor, change colours or turn the direction of the text.

    Args:
        value: Text from elsewhere, such as a name.

    Returns:
        The text, in which such characters stand as Python writes them.
    """
    text = str(value)
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    # Devanagari, Arabic and emoji need the two joiners.
    if letter.isprintable() or letter in "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}":
        return letter
    if letter.isspace() and unicodedata.category(letter) == "Zs":
        return " "
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")
