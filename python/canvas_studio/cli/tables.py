"""Prints a report at a terminal, in tables that fit its width."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Printed
from rich.text import Text

from canvas_studio.cli.terminal import echo
from canvas_studio.workflows.report import UNKNOWN, plain

if TYPE_CHECKING:
    from canvas_studio.workflows.report import Report, Table

SHOWN: Final = 10
"""A table at a terminal has so many rows at most."""

GAP: Final = 2
NARROWEST: Final = 8
"""A text gets so much of the width at least."""

WIDEST: Final = 10_000
"""What is no terminal gets every line whole."""


def print_facts(report: Report) -> None:
    """Print what a report is about, and what to know before its numbers.

    Args:
        report: The report.
    """
    width = max((len(name) for name, _ in report.facts), default=0) + GAP
    for name, text in report.facts:
        echo(f"{name:<{width}}{plain(text)}")
    for note in report.notes:
        echo(plain(note), "yellow")


def print_report(report: Report) -> None:
    """Print a report, with the first ten rows of each table.

    Args:
        report: The report.
    """
    print_facts(report)
    for section in report.sections:
        echo()
        echo(section.heading, "bold")
        for text in section.texts:
            echo(plain(text))
        for table in section.tables:
            echo()
            _print_table(table)


def _print_table(table: Table) -> None:
    echo(plain(table.caption), "italic")
    rows = [[UNKNOWN if cell is None else cell for cell in row] for row in table.cells(SHOWN)]
    if not rows:
        echo("none")
        return
    width = Console().width if sys.stdout.isatty() else WIDEST
    printed = Printed(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP, 0, 0))
    needed, left_out = 0, list[str]()
    for index, (column, heading) in enumerate(zip(table.columns, table.headings(), strict=True)):
        longest = max(map(cell_len, [heading, *(row[index] for row in rows)]))
        # A text gives way where there is no room for all. A number that is cut would be another number.
        needed += GAP + (longest if column.is_number else min(longest, NARROWEST))
        if left_out or needed - GAP > width:
            left_out.append(heading)
        else:
            printed.add_column(heading, justify="right" if column.is_number else "left", no_wrap=column.is_number)
    for row in rows:
        printed.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row[: len(printed.columns)]))
    console = Console(width=width, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(printed)
    for line in captured.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")
    if len(table.rows) > SHOWN:
        echo(f"the first {SHOWN} of {len(table.rows):,}")
    if left_out:
        echo(f"no room for: {', '.join(left_out)}")
