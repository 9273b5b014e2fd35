"""How values look in a table: sizes, durations, dates, and texts that cannot act on a terminal."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final, cast

from rich.cells import cell_len, set_cell_size

from canvas_studio.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

NONE: Final = "-"
TIMESTAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(\.\d+)?Z")
UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
NUMBERS: Final = frozenset({"id", "size", "duration", "course_id", "media", "number_of_errors", "views", "viewers"})


def visible(text: str) -> str:
    """Show control characters in place of sending them.

    Args:
        text: From anybody.

    Returns:
        The text, in one line.
    """
    return printable(text)


def is_number(name: str) -> bool:
    """Say whether a column stands on the right.

    Args:
        name: The field.

    Returns:
        Whether it does.
    """
    return name.rpartition(".")[2] in NUMBERS


def text(name: str, value: Any) -> str:  # noqa: ANN401, PLR0911 - of JSON; one for each kind
    """Return a value as it stands in a table.

    Args:
        name: The field.
        value: Its value.

    Returns:
        The text.
    """
    last = name.rpartition(".")[2]
    match value:
        case None | "":
            return NONE
        case bool():
            return "yes" if value else "no"
        case int() | float() if last == "size":
            return size(value)
        case int() | float() if last == "duration":
            return duration(value)
        case str() if found := TIMESTAMP.fullmatch(value):
            return f"{found[1]} {found[2]}"
        case list() | dict():
            return visible(joined(cast("list[Any] | dict[str, Any]", value)))
        case _:
            return visible(str(value))


def joined(value: list[Any] | dict[str, Any]) -> str:
    """Return what holds several values in one text.

    Args:
        value: A list or a dict.

    Returns:
        Words with commas between them, or JSON.
    """
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)


def size(count: float) -> str:
    """Return a number of bytes for people.

    Args:
        count: The bytes.

    Returns:
        Such as `1.2 GB`, where 1 GB is 1000 MB.
    """
    number, unit = float(count), 0
    while round(number, 1) >= 1000 and unit < len(UNITS) - 1:  # noqa: PLR2004
        number, unit = number / 1000, unit + 1
    return f"{number:,.{0 if unit == 0 else 1}f} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return seconds for people.

    Args:
        seconds: The seconds.

    Returns:
        Such as `1:02:03` or `2:03`.
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def width(shown: str) -> int:
    """Return how many columns of a terminal a text takes.

    Args:
        shown: The text.

    Returns:
        The number: wide letters take two, and those that combine none.
    """
    return cell_len(unicodedata.normalize("NFC", shown))


def fitted(shown: str, room: int, *, right: bool, whole: bool) -> str:
    """Pad or cut a text.

    Args:
        shown: The text.
        room: How many columns it gets.
        right: Whether it stands on the right.
        whole: Whether one that is too long is left whole.

    Returns:
        The text.
    """
    shown = unicodedata.normalize("NFC", shown)
    taken = width(shown)
    if taken > room and not whole:
        # What combines with the last letter stays with it, since it takes no room.
        return set_cell_size(shown, room - 1) + "\N{HORIZONTAL ELLIPSIS}"
    padding = " " * max(0, room - taken)
    return padding + shown if right else shown + padding


def facts(values: Iterable[tuple[str, Any]]) -> str:
    """Return the fields of one item, each in a line.

    Args:
        values: The fields.

    Returns:
        The lines.
    """
    shown = [(name, text(name, value)) for name, value in values]
    room = max((width(name) for name, _ in shown), default=0)
    return "".join(f"{fitted(name, room, right=False, whole=True)}  {value}\n" for name, value in shown)
