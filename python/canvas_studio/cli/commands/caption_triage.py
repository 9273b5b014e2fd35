"""The command `caption-triage`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canvas_studio import profiles
from canvas_studio.cli.connection import client_of
from canvas_studio.cli.exit_codes import NOT_ALL
from canvas_studio.cli.library import FileOrProfile, opened
from canvas_studio.cli.options import AsJson, ProfileOption, one_of
from canvas_studio.cli.tables import print_facts, print_report
from canvas_studio.cli.terminal import echo, errors_as_text, fail, print_error
from canvas_studio.workflows.captions import WORDS, CaptionWords, read_day
from canvas_studio.workflows.report import check_jinja2

if TYPE_CHECKING:
    from canvas_studio.workflows.captions import Triage

EXAMPLES = {"caption-triage": "canvas-studio caption-triage library.db --watched-since 2026-08-20"}

KEEP = "keep them as you keep student records."


@errors_as_text()
def caption_triage(
    *,
    source: FileOrProfile,
    watched_since: Annotated[
        str, typer.Option(metavar="DATE", help="The first day on which students watched, such as 2026-08-20.")
    ],
    profile_option: ProfileOption = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all these media to a CSV file.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a report that a browser shows, such as captions.html.", show_default=False
        ),
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help="A status of captions that viewers can use; repeatable.",
            show_default=", ".join(WORDS.published),
        ),
    ] = None,
    machine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROVIDER", help="A provider that is a machine; repeatable.", show_default=", ".join(WORDS.machine)
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which media that are in courses and watched by students have captions, and of which kind."""
    if html is not None:
        try:
            check_jinja2("--html")
        except ImportError as error:
            fail(error, 2)
    day = read_day("--watched-since", watched_since)
    words = CaptionWords(
        published=WORDS.published if published is None else tuple(published),
        machine=WORDS.machine if machine is None else tuple(machine),
    )
    profile = profile_option if Path(source).is_file() else one_of(source, profile_option)
    with opened(source) as library:
        settings = profiles.find(profile=profile)
        if settings.url != library.about.studio:
            fail(
                f"{source} is a snapshot of {library.about.studio}, and the captions would be asked for at "
                f"{settings.url} ({settings.url_from}): name the profile of that school with --profile",
                2,
            )
        with client_of(settings) as studio:
            triage = library.captions(studio, watched_since=day, words=words, progress=sys.stderr.isatty())
    files = [] if html is None else [triage.report(html)]
    files += [] if csv is None else [triage.to_csv(csv)]
    _print(triage, files, as_json=as_json)
    if not triage.complete:
        print_error(
            f"canvas-studio: the captions of {triage.counts['unknown']:,} of {len(triage.media):,} media could not be "
            "read: they are listed with the reason. Run it again, with a newer snapshot if they are gone"
        )
        raise typer.Exit(NOT_ALL)


def _print(triage: Triage, files: list[Path], *, as_json: bool) -> None:
    if as_json:
        told: dict[str, object] = {
            "snapshot": triage.about.to_dict(),
            "watched_since": triage.watched_since.isoformat(),
            "counts": triage.counts,
            "courses": triage.by("course").to_dicts(),
            "media": triage.media.to_dicts(),
            "words": triage.words.to_dicts(),
            "notes": triage.notes,
            "files": [str(file) for file in files],
        }
        typer.echo(json.dumps(told, indent=2))
    elif files:
        print_facts(triage.to_report())
        echo("By captions")
        for name, count in triage.counts.items():
            if name != "unknown" or count:
                echo(f"  {name:<15}{count:,}")
        for file in files:
            echo(str(file))
        is_anonymized = triage.about.anonymized
        echo("They hold pseudonyms, and ids." if is_anonymized else f"They name people: {KEEP}", "bold")
    else:
        print_report(triage.to_report())
