"""Downloads many media into a folder: which, under which names, several at a time; a second run goes on."""

from __future__ import annotations

import asyncio
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from canvas_studio._core import Media, StudioClient
from canvas_studio.cli.exit_codes import ASKED_WRONGLY
from canvas_studio.cli.output import TextFile, as_row, value_of
from canvas_studio.cli.reading import documented
from canvas_studio.cli.terminal import echo, fail, print_error, printable, reason_of
from canvas_studio.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    LoginRequiredError,
    StudioError,
)

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

UNFINISHED: Final = ".download"
"""Behind the name of a file while it is downloaded, before its kind is known."""

MOST_BYTES: Final = 180
"""So long is a name at most, in UTF-8, so that `.download.part.json` fits behind it in 255."""

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
UNSAFE: Final = re.compile(r'[<>:"/\\|?*]')
# Windows gives these names to devices, whatever comes after a dot.
DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)

KINDS: Final = (
    (re.compile(rb".{4}ftypqt", re.DOTALL), ".mov"),
    (re.compile(rb".{4}ftypM4A", re.DOTALL), ".m4a"),
    (re.compile(rb".{4}ftyp", re.DOTALL), ".mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), ".webm"),
    (re.compile(rb"ID3|\xff[\xe2-\xff]"), ".mp3"),
    (re.compile(rb"OggS"), ".ogg"),
    (re.compile(rb"RIFF.{4}AVI ", re.DOTALL), ".avi"),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), ".wav"),
    (re.compile(rb"fLaC"), ".flac"),
    (re.compile(rb"FLV\x01"), ".flv"),
)
"""How files begin, and what that is; any other is `.mp4`, as Studio serves videos (a guess)."""
ENDINGS: Final = tuple(ending for _, ending in KINDS)
OTHERWISE: Final = ".mp4"


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Job:
    """One media to download.

    Attributes:
        media: The media.
        stem: The path without an ending.
        known: Its SHA-256, if the file of checksums has it.
    """

    media: Media
    stem: Path
    known: str | None


def check_name(template: str) -> None:
    """End the command if files cannot be named so.

    Args:
        template: The template, with fields in braces.
    """
    known = documented(Media)
    for name in PLACEHOLDER.findall(template):
        if name not in known:
            fail(f"--name: there is no field {name!r}: the fields are {', '.join(known)}", ASKED_WRONGLY)
    if "{id}" not in template:
        fail(
            "--name must have {id}: two media may have the same title, and a second run tells by the id what is there",
            ASKED_WRONGLY,
        )


def file_name(template: str, media: Media) -> str:
    """Name the file of a media, so that every operating system takes the name.

    Args:
        template: The template.
        media: The media.

    Returns:
        The name, without an ending.
    """
    row = as_row(media)

    def filled(room: int) -> str:
        def value(found: re.Match[str]) -> str:
            text = str(value_of(row, found[1]) or "")
            return text if found[1] == "id" else cut(text, room)

        return safe(PLACEHOLDER.sub(value, template))

    # What is too long is taken from the fields, never from the id.
    room = MOST_BYTES
    while len((name := filled(room)).encode()) > MOST_BYTES and room:
        room -= 5
    return name


def cut(text: str, room: int) -> str:
    """Cut a text to a number of bytes in UTF-8.

    Args:
        text: The text.
        room: The number.

    Returns:
        The text, without half a letter at its end.
    """
    return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")


def safe(name: str) -> str:
    """Replace what a file name cannot have.

    Args:
        name: The name, of titles that anybody wrote.

    Returns:
        The name: no folder, no control character, no device of Windows, no dot at its begin or end.
    """
    name = UNSAFE.sub("_", unicodedata.normalize("NFC", name))
    name = "".join(
        letter if unicodedata.category(letter)[0] != "C" or letter in "\u200c\u200d" else "_" for letter in name
    )
    name = re.sub(r"^\.", "_", re.sub(r"\s+", " ", name).strip().rstrip(". "))
    return f"_{name}" if DEVICE.fullmatch(name) else name


def ending_of(path: Path) -> str:
    """Return the ending that a file should have, by how it begins.

    Args:
        path: The file.

    Returns:
        Such as `.mp4`.
    """
    with path.open("rb") as file:
        beginning = file.read(16)
    return next((ending for kind, ending in KINDS if kind.match(beginning)), OTHERWISE)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file.

    Args:
        path: The file.

    Returns:
        As 64 hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_checksums(path: Path | None) -> dict[str, str]:
    """Read a file of checksums as `sha256sum` writes it. One that is not there has none.

    Args:
        path: The file, if one was named.

    Returns:
        The SHA-256 of each name.
    """
    if path is None or not path.exists():
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not (match := re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line)):
            fail(f"--checksums: {path}, line {number}: this is no line of sha256sum", ASKED_WRONGLY)
        found[match[2]] = match[1].lower()
    return found


@dataclass(slots=True, weakref_slot=True, kw_only=True)
class Downloads:
    """The downloads of one command.

    Attributes:
        studio: The client.
        folder: The folder.
        quality: Which version; the best if `None`.
        checksums: The SHA-256 of each name, of earlier runs and of this one.
        hashes: Whether to compute them.
        quiet: Whether to print failures only.
        counts: How many were downloaded, were there, or failed.
        is_connected: Whether no request has failed for want of a connection.
    """

    studio: StudioClient
    folder: Path
    quality: str | None
    checksums: dict[str, str]
    hashes: bool
    quiet: bool
    counts: Counter[str]
    is_connected: bool = True

    def jobs(self, ids: Sequence[int], template: str) -> list[Job]:
        """Ask what the media are called.

        Args:
            ids: The ids.
            template: How the files are named.

        Returns:
            Those that there are. The others are told, and counted as failed.
        """
        jobs: list[Job] = []
        stems: dict[str, int] = {}
        for media_id, found in zip(ids, self.studio.map("get_media", ids, errors="return"), strict=True):
            if isinstance(found, AuthenticationError | LoginRequiredError):
                raise found
            if not isinstance(found, Media):
                self.failed(media_id, found)
                continue
            name = file_name(template, found)
            if other := stems.get(name.casefold()):
                self.failed(media_id, f"it would have the same file name as {other}: use another --name")
                continue
            stems[name.casefold()] = media_id
            known = next((self.checksums[each] for each in endings(name) if each in self.checksums), None)
            jobs.append(Job(media=found, stem=self.folder / name, known=known))
        return jobs

    async def run(self, jobs: Iterable[Job], number: int) -> None:
        """Download several at a time. Ctrl-C cancels them; each goes on where it was the next time.

        Args:
            jobs: The media.
            number: How many at a time.
        """
        rest = iter(jobs)

        async def worker() -> None:
            for job in rest:
                try:
                    await self._one(job)
                except (AuthenticationError, LoginRequiredError):
                    raise
                except (StudioError, OSError) as error:
                    self.failed(job.media.id, error)

        async with asyncio.TaskGroup() as group:
            for _ in range(number):
                group.create_task(worker())

    def failed(self, id: int, reason: object) -> None:
        """Tell that a media could not be downloaded.

        Args:
            id: The media.
            reason: Why.
        """
        self.counts["failed"] += 1
        if isinstance(reason, APIConnectionError | APITimeoutError):
            self.is_connected = False
        print_error(f"canvas-studio: media {id}: {reason_of(reason) if isinstance(reason, BaseException) else reason}")

    async def _one(self, job: Job) -> None:
        there = next((path for path in map(self.folder.joinpath, endings(job.stem.name)) if path.is_file()), None)
        if there is not None:
            found = await asyncio.to_thread(checksum, there) if self.hashes else None
            if found is None or found == (job.known or found):
                self._done("there", job, there, found)
                return
            print_error(
                f"canvas-studio: media {job.media.id}: {there} is not what --checksums says: downloading it again"
            )
        unfinished = job.stem.with_name(job.stem.name + UNFINISHED)
        # It has this name only when it is whole, and it was killed right after that.
        if not unfinished.is_file():
            await self.studio.download_media_async(
                job.media, unfinished, quality=self.quality, sha256=job.known if self.hashes else None
            )
        path = job.stem.with_name(job.stem.name + await asyncio.to_thread(ending_of, unfinished))
        unfinished.replace(path)
        self._done("downloaded", job, path, await asyncio.to_thread(checksum, path) if self.hashes else None)

    def _done(self, state: str, job: Job, path: Path, found: str | None) -> None:
        self.counts[state] += 1
        if found is not None:
            self.checksums[path.name] = found
        if not self.quiet:
            echo(f"{job.media.id}  {'downloaded' if state == 'downloaded' else 'was there '}  {printable(path)}")


def endings(name: str) -> list[str]:
    """Return the names that a whole file can have.

    Args:
        name: Its name without an ending.

    Returns:
        The names.
    """
    return [f"{name}{ending}" for ending in dict.fromkeys(ENDINGS)]


def write_checksums(path: Path, checksums: Mapping[str, str]) -> None:
    """Write a file of checksums, which `sha256sum --check` reads in the folder of the downloads.

    Args:
        path: The file.
        checksums: The SHA-256 of each name.
    """
    with TextFile(path) as file, file.naming():
        file.text.writelines(f"{value}  {name}\n" for name, value in sorted(checksums.items()))


def download_all(downloads: Downloads, ids: Sequence[int], template: str, number: int, checksums: Path | None) -> None:
    """Download media, and write the checksums also if it is stopped.

    Args:
        downloads: The downloads.
        ids: The media.
        template: How the files are named.
        number: How many at a time.
        checksums: The file of checksums, if one was named.
    """
    jobs = downloads.jobs(ids, template)
    if jobs:
        downloads.folder.mkdir(parents=True, exist_ok=True)
    refused: BaseException | None = None
    try:
        asyncio.run(downloads.run(jobs, number))
    except* (AuthenticationError, LoginRequiredError) as group:
        refused = group.exceptions[0]
    finally:
        if checksums is not None and downloads.checksums:
            write_checksums(checksums, downloads.checksums)
    if refused is not None:
        raise refused
