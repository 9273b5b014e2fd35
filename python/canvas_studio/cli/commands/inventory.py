"""The command `inventory`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canvas_studio.cli.library import FileOrProfile, opened
from canvas_studio.cli.options import AsJson
from canvas_studio.cli.tables import print_facts, print_report
from canvas_studio.cli.terminal import echo, errors_as_text, fail
from canvas_studio.workflows.inventory import inventory as make_inventory
from canvas_studio.workflows.report import check_jinja2, write_csvs, write_report
from canvas_studio.workflows.snapshot import Snapshot

if TYPE_CHECKING:
    from canvas_studio.workflows.about import SnapshotAbout

EXAMPLES = {"inventory": "canvas-studio inventory library.db --csv tables"}


@errors_as_text()
def inventory(
    *,
    source: FileOrProfile,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a report that a browser shows, such as inventory.html.", show_default=False
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write each table to a CSV file.", show_default=False)
    ] = None,
    since_snapshot: Annotated[
        Path | None,
        typer.Option(metavar="OLD", help="Show the growth since an older snapshot.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who has how much storage, where it is used, what is likely waste, and how it grows."""
    if html is not None:
        try:
            check_jinja2("--html")
        except ImportError as error:
            fail(error, 2)
    with ExitStack() as stack:
        older = None if since_snapshot is None else stack.enter_context(Snapshot.open(since_snapshot))
        library = stack.enter_context(opened(source))
        if older is not None and older.about.taken_at > library.about.taken_at:
            fail(f"--since-snapshot must be older than {source}, and {since_snapshot} is newer: swap the two", 2)
        report = make_inventory(library, older)
        about = library.about
    files = [] if html is None else write_report(report, html)
    files += [] if csv is None else write_csvs(report, csv)
    if as_json:
        written = {"files": [str(file) for file in files]}
        typer.echo(json.dumps({"snapshot": about.to_dict()} | report.to_dict() | written, indent=2))
    elif files:
        print_facts(report)
        for file in files:
            echo(str(file))
        echo(_warning(about), "bold")
    else:
        print_report(report)


def _warning(about: SnapshotAbout) -> str:
    return (
        "They hold pseudonyms, and ids."
        if about.anonymized
        else "They name people: keep them as you keep student records."
    )
