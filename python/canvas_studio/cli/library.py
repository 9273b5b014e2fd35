"""What a command about a library works on: the file of a snapshot, or a school, of which it takes one first."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from canvas_studio import profiles
from canvas_studio.cli.connection import client_of
from canvas_studio.cli.exit_codes import REFUSED, STOPPED
from canvas_studio.cli.terminal import fail, print_error
from canvas_studio.errors import InvalidArgumentError, StudioError
from canvas_studio.workflows.errors import SnapshotRefusedError
from canvas_studio.workflows.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Generator

    from canvas_studio.profiles import Settings

FileOrProfile = Annotated[
    str,
    typer.Argument(
        metavar="FILE|PROFILE",
        help="A file of `canvas-studio snapshot`; or a profile, of which a snapshot is taken first, into PROFILE.db.",
        show_default=False,
    ),
]


GOES_ON: Final = "The same command goes on where it was."


@contextmanager
def opened(name: str) -> Generator[Snapshot]:
    """Open the snapshot that a command was given, or take one of the school that it was given.

    A name that is a file is a snapshot. Any other is a profile, whose snapshot is taken into `NAME.db`, as
    `canvas-studio snapshot NAME NAME.db` does it.

    Args:
        name: What the command was given.

    Yields:
        The snapshot.
    """
    if Path(name).is_file():
        with Snapshot.open(name) as library:
            yield library
        return
    if name not in profiles.names():
        fail(
            f"there is no file {name!r}, and no profile of that name: take a snapshot with `canvas-studio snapshot "
            "PROFILE FILE`, or sign in with `canvas-studio login`",
            2,
        )
    with taken(profiles.find(profile=name), f"{name}.db") as library:
        size = library.path.stat().st_size / 1e6
        print_error(f"{library.path}: {size:,.1f} MB. It names people: keep it as you keep student records.")
        yield library


def taken(settings: Settings, path: str, **options: Any) -> Snapshot:  # noqa: ANN401 - those of Snapshot.take
    """Take a snapshot, with bars at a terminal. What is refused ends with 3.

    Args:
        settings: Those of the client.
        path: The file.
        **options: As for `Snapshot.take`.

    Returns:
        The snapshot.
    """
    try:
        with client_of(settings, then=GOES_ON) as studio:
            return Snapshot.take(studio, path, progress=sys.stderr.isatty(), **options)
    except SnapshotRefusedError as error:
        fail(error, REFUSED)
    except KeyboardInterrupt:
        fail("stopped: the same command goes on where it was", STOPPED)
    except InvalidArgumentError:
        raise
    except StudioError as error:
        fail(f"{error}\n{GOES_ON}")
