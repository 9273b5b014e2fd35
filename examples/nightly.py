"""A script for cron: which media has nobody viewed for two years? It only reads, and changes nothing at Studio.

Usage: python examples/nightly.py [--days 730] [unviewed.csv]

It writes them into the file. When there are any that the file did not hold before, it prints one line; otherwise it is
silent. What it ends with: 0 nothing new, 1 something new, 2 it failed (with one line on stderr), and the file is as it
was. In a crontab, where output is sent by mail:

    CANVAS_STUDIO_PROFILE=myschool
    30 4 * * *  /opt/studio/bin/python /opt/studio/nightly.py /var/lib/studio/unviewed.csv

The profile is what `canvas-studio login myschool` has made, once, as the user whose crontab it is; its tokens are
refreshed by themselves. With one profile only, CANVAS_STUDIO_PROFILE is not needed. Where no school is set up, the
script reads the library of a sandbox. The line begins with which of them it was.
"""

from __future__ import annotations

import argparse
import csv
import sys
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_studio import StudioClient, StudioError, profiles
from canvas_studio.sandbox import Sandbox

if TYPE_CHECKING:
    from canvas_studio import Media

COLUMNS = ("id", "title", "owner", "email", "size", "created_at", "last_viewed")


def main(path: Path, days: int) -> int:
    """Find them, write them, tell of new ones.

    Returns:
        The exit code: 0 for nothing new, 1 for something new.
    """
    since = datetime.now(UTC).date() - timedelta(days=days)
    known = read_ids(path)
    with nullcontext() if profiles.is_set_up() else Sandbox() as box:
        studio = box.client() if box else StudioClient.from_env()
        # Nobody waits for it at night, so it may be patient with a Studio that is busy.
        patient = studio.with_options(max_retries=8, max_retry_wait=600, timeout=1800)
        found = find_unviewed(patient, since)
    write(path, found)
    new = [media for media in found if media.id not in known]
    if not new:
        return 0
    school = "an invented library, in a sandbox" if box else studio.url
    print(
        f"{school}: {len(new)} new of {len(found)} media ({gigabytes(found):,.2f} GB) not viewed since {since}: {path}"
    )
    return 1


def find_unviewed(studio: StudioClient, since: date) -> list[Media]:
    """Return the media that existed on that day and have not been viewed from then on.

    A search by the last view leaves out what was never viewed, so this looks at everything that is old enough.
    """
    return [
        media for media in studio.search_media(end_date=since) if media.last_viewed is None or media.last_viewed < since
    ]


def read_ids(path: Path) -> set[int]:
    """Return the ids in a file of an earlier run; none if there is no such file."""
    if not path.exists():
        return set()
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} is not a file of this script's: it will not be replaced")
        return {int(row["id"]) for row in rows}


def write(path: Path, found: list[Media]) -> None:
    """Write the media into a file, which takes the place of the old one when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for media in found:
            owner = (media.owner.full_name, media.owner.email) if media.owner else (None, None)
            rows.writerow([media.id, media.title, *owner, media.size, media.created_at, media.last_viewed])
    part.replace(path)


def gigabytes(media: list[Media]) -> float:
    """Return the size of some media; one whose size Studio does not tell counts as nothing."""
    return sum(item.size or 0 for item in media) / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Find the media that nobody has viewed for two years.")
    parser.add_argument("path", nargs="?", type=Path, default=Path("demo-output/unviewed.csv"))
    parser.add_argument("--days", type=int, default=730, help="how many days count as two years")
    arguments = parser.parse_args()
    try:
        sys.exit(main(arguments.path, arguments.days))
    except (StudioError, OSError, ValueError) as error:
        print(f"nightly: {error}", file=sys.stderr)
        sys.exit(2)
