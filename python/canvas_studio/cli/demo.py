"""The guided demo: what an administrator does at a school's Studio, step by step, on a sandbox of its own."""

from __future__ import annotations

import csv
import inspect
import re
import shlex
import shutil
import sys
import tempfile
import textwrap
import time
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from canvas_studio._core import Media, StudioClient
from canvas_studio.models import Owner, Permissions
from canvas_studio.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Result = TypeVar("Result")

STEPS: Final = 6
ROWS: Final = 8
DOWNLOAD_SECONDS: Final = 6
DOWNLOAD_SIZES: Final = (5_000_000, 50_000_000)
WIDTH: Final = 80


# The lines of these functions, but for their `return`, are what the demo shows and what it runs.


def library(url: str, token: str) -> tuple[StudioClient, int, int, list[Media]]:
    """Connect, count what there is, and look at the newest."""
    studio = StudioClient(url, token=token)
    collections = studio.list_collections().total()
    media = studio.search_media().total()
    newest = studio.search_media().limit(8).collect()
    return studio, collections, media, newest


def inventory(studio: StudioClient) -> dict[Owner | None, list[Media]]:
    """Sort all media by their owners."""
    owned = defaultdict[Owner | None, list[Media]](list)
    for media in studio.search_media():
        owned[media.owner].append(media)
    return owned


def unwatched(studio: StudioClient) -> tuple[list[Media], list[Media]]:
    """Find what has no last view, and what has not been viewed for long."""
    everything = studio.search_media()
    no_last_view = [media for media in everything if media.last_viewed is None]
    long_ago = studio.search_media(last_viewed_end_date="2024-08-31")
    forgotten = long_ago.collect()
    return no_last_view, forgotten


def share(media: Media, colleague_id: int) -> tuple[Permissions, Permissions]:
    """Let a colleague edit a media."""
    before = media.permissions()
    after = media.share(colleague_id, "edit")
    return before, after


def download(media: Media, file: Path) -> Path:
    """Download a media with a progress bar."""
    path = media.download(file, progress=True)
    return path  # noqa: RET504 - a step ends with the name of what it made


def table(studio: StudioClient, file: Path) -> Path:
    """Write all media into a CSV file."""
    path = studio.search_media().to_csv(file)
    return path  # noqa: RET504 - likewise


class Guide:
    """What leads through the steps: it shows the lines, runs them, and waits until they have been read."""

    def __init__(self, box: Sandbox, *, wait: bool) -> None:
        self.console = Console(markup=False, highlight=False)
        self.console.width = min(self.console.width, WIDTH)
        self._box = box
        self._wait = wait
        self._number = 0

    def step(self, title: str, function: Callable[..., Result], *arguments: object) -> Result:
        """Show a step's lines and run them.

        Args:
            title: What is done.
            function: What does it.
            *arguments: What it is given.

        Returns:
            What it returns.
        """
        if self._wait and self._number:
            self.pause()
        self._number += 1
        self.echo(f"\n{self._number} of {STEPS}: {title}\n", style="bold")
        lines = textwrap.indent(lines_of(function), "    ")
        if self.console.is_terminal:
            self.console.print(Syntax(lines, "python", theme="ansi_dark", background_color="default"))
        else:
            self.echo(lines)
        self.echo("")
        asked, began = len(self._box.requests), time.perf_counter()
        result = function(*arguments)
        seconds, requests = time.perf_counter() - began, len(self._box.requests) - asked
        self.echo(f"{requests} request{'s' * (requests != 1)}, {seconds:.2f} seconds", style="dim")
        return result

    def echo(self, text: str, style: str = "") -> None:
        """Print a text as it is."""
        self.console.print(Text(text, style=style))

    def show(self, headings: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Print a table.

        Args:
            headings: The headings of the columns, with commas between them; a `>` begins that of numbers.
            rows: The cells.
        """
        view = Table(box=SIMPLE_HEAD)
        for heading in headings.split(","):
            number = heading.startswith(">")
            # What does not fit is taken from the texts, never from the numbers.
            view.add_column(heading.strip(">"), justify="right" if number else "left", no_wrap=number)
        for row in rows:
            cells = ("-" if cell is None else str(cell) for cell in row)
            view.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells))
        self.console.print(view)

    def pause(self) -> None:
        """Wait for Enter."""
        try:
            self.console.input(Text("\nEnter goes on, Ctrl-C ends it. ", style="dim"))
        except EOFError:
            self._wait = False


def lines_of(function: Callable[..., object]) -> str:
    """Return the lines of a step as they stand in this file, without its docstring and its `return`."""
    body = textwrap.dedent(inspect.getsource(function).partition('"""\n')[2])
    return re.sub(r"\nreturn .*\n$", "", body)


def run(number: int, output: Path | None, *, wait: bool, fast: bool) -> None:
    """Run the demo.

    Args:
        number: How many media the library has.
        output: The folder for the files; if left out, they are in a temporary one and removed at the end.
        wait: Whether to wait for Enter after each step.
        fast: Whether the download is as fast as it can be.

    Raises:
        StudioError: If a request fails.
        OSError: If the files cannot be written.
    """
    # Where a script cannot be shown, something else is shown for it; the demo goes on.
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    kept = nullcontext(output) if output else tempfile.TemporaryDirectory(prefix="canvas-studio-demo-")
    with kept as folder, Sandbox(media=number) as box:
        guide = Guide(box, wait=wait)
        guide.echo(f"The Studio of a school that does not exist runs on this machine, at {box.url}.")
        guide.echo("Each step shows the lines that it runs. At a real school they would be the same.")
        studio, collections, media, newest = guide.step("what there is", library, box.url, box.token)
        with studio:
            guide.echo(f"{collections:,} collections and {media:,} media. The newest media:")
            guide.show(
                "title,source,>minutes,last viewed",
                [(item.title, item.source, _minutes([item]), item.last_viewed) for item in newest],
            )
            _take_stock(guide, studio)
            _share_and_download(guide, studio, box, Path(folder), fast=fast)
            path = guide.step("a table of everything", table, studio, Path(folder) / "media.csv")
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        guide.echo(f"{path} has {len(rows):,} rows of {len(rows[0])} columns, among them:")
        columns = ("title", "size", "owner_email")
        guide.show(",".join(columns), [tuple(row[column] for column in columns) for row in rows[:4]])
    guide.echo("What next?\n", style="bold")
    if output is None:
        guide.echo("The files were temporary; --output FOLDER keeps them.")
    else:
        guide.echo("The CSV is yours: open it in a spreadsheet.")
    guide.echo("The README says how to sign in at your school.")
    guide.echo("This runs such a Studio for your own code, and prints how to reach it:\n")
    guide.console.print(f"    {_command()} sandbox", soft_wrap=True)


def _command() -> str:
    """How the shell that started this finds the command line again."""
    started = sys.argv[0]
    found = shutil.which(Path(started).name)
    if found is not None and Path(found).resolve() == Path(started).resolve():
        return Path(started).name
    return shlex.quote(started)


def _take_stock(guide: Guide, studio: StudioClient) -> None:
    owned = guide.step("who owns how much", inventory, studio)
    guide.echo(f"{len(owned):,} people own media. Those with the most gigabytes:")
    largest = sorted(owned.items(), key=lambda pair: _size(pair[1]), reverse=True)[:ROWS]
    guide.show(
        "owner,e-mail,>media,>GB,>minutes",
        [
            (_name(owner), owner.email if owner else None, f"{len(items):,}", _gigabytes(items), _minutes(items))
            for owner, items in largest
        ],
    )

    no_last_view, forgotten = guide.step("what nobody watches", unwatched, studio)
    guide.echo(f"{len(no_last_view):,} media ({_gigabytes(no_last_view)} GB) have no last view, as far as Studio says.")
    guide.echo(f"{len(forgotten):,} more ({_gigabytes(forgotten)} GB) were last viewed before September 2024.")
    guide.echo("The largest of all these:")
    guide.show(
        "title,owner,>GB,last viewed",
        [
            (item.title, _name(item.owner), _gigabytes([item]), item.last_viewed)
            for item in sorted([*no_last_view, *forgotten], key=lambda item: item.size or 0, reverse=True)[:ROWS]
        ],
    )


def _share_and_download(guide: Guide, studio: StudioClient, box: Sandbox, folder: Path, *, fast: bool) -> None:
    media = _recording(studio, box)
    shared = {user.id for user in media.permissions().users}
    owner = media.owner and media.owner.id
    colleagues = (user.id for user in box.users if user.role == "teacher" and user.id not in {owner, *shared})
    colleague = next(colleagues, None) or box.add_user()
    before, after = guide.step(f"a colleague may edit {media.title!r}", share, media, colleague)
    for when, permissions in (("Before", before), ("After", after)):
        guide.echo(f"{when + ':':<8}{_with_whom(permissions)}")

    title = "a download"
    if not fast:
        bandwidth = (media.size or 0) / DOWNLOAD_SECONDS
        box.faults.add(host="storage", bandwidth=bandwidth)
        title += f" (the host is told to give {bandwidth / 1e6:.1f} MB/s, so that there is something to see)"
    file = guide.step(title, download, media, folder / f"media-{media.id}.mp4")
    guide.echo(f"{file} has {file.stat().st_size:,} bytes. They are invented: it is not a film.")


def _recording(studio: StudioClient, box: Sandbox) -> Media:
    """Return a media with a file that is neither tiny nor huge, and one that is shared already if there is any."""
    least, most = DOWNLOAD_SIZES
    found = studio.search_media(source="screen_capture", min_size=least, max_size=most).limit(50).collect()
    ready = [media for media in found if media.transcoding_status == "transcoding_finished"]
    if not ready:
        return studio.get_media(box.add_media("Cell division", source="screen_capture", size=least))
    return next((media for media in ready if media.permissions().users), ready[0])


def _name(owner: Owner | None) -> str | None:
    return owner.full_name if owner else None


def _size(items: Iterable[Media]) -> int:
    return sum(item.size or 0 for item in items)


def _gigabytes(items: Iterable[Media]) -> str:
    return f"{_size(items) / 1e9:,.2f}"


def _minutes(items: Iterable[Media]) -> str:
    return f"{sum(item.duration or 0 for item in items) / 60:,.0f}"


def _with_whom(permissions: Permissions) -> str:
    people = [f"{user.full_name} ({user.permission})" for user in permissions.users]
    groups = [f"the group {group.name} ({group.permission})" for group in permissions.groups]
    return ", ".join([*people, *groups]) or "shared with nobody"
