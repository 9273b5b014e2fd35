"""Shows values in a notebook: the first rows of a table, or the fields of one value. All text is escaped."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

from canvas_studio.errors import StudioError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from canvas_studio._core import ListingSource

ROWS: Final = 10
SECONDS: Final = 5.0
"""Somebody waits in front of the cell."""

COLUMNS: Final = (
    *("id", "uuid", "title", "name", "full_name", "type", "owner", "duration", "size", "email", "permission"),
    *("definition", "mime_type", "url", "collection", "course_id", "created_at"),
)
"""Which of the documented fields are shown, and in which order."""

NAMES: Final = ("title", "name", "display_name", "full_name", "label")
"""The fields that may say what a value is, best first."""

MOST_COLUMNS: Final = 8
LONGEST_TEXT: Final = 80
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

QUIET: Final = "text-align: left; opacity: 0.7; padding: 0.3em 0"
TEXT: Final = "text-align: left"
NUMBER: Final = "text-align: right; white-space: nowrap"

Cell: TypeAlias = tuple[str, str]
"""The style and the HTML of a value."""


def of_listing(source: ListingSource, limit: int | None, *, thumbnails: bool) -> str:
    """Request one page and show its first rows, or the error.

    Args:
        source: What to read.
        limit: The maximum number of items of the listing.
        thumbnails: Whether to show pictures, which the browser fetches from where Studio keeps them.

    Returns:
        HTML.
    """
    reader = source.within(SECONDS).read(limit, consistent=False)
    noun = plural(source.item)
    try:
        pages = reader.next_pages()
    except StudioError as error:
        request, reason = escape(source.request), escape(f"{type(error).__name__}: {error}")
        return f'<div style="{TEXT}">{noun} cannot be shown. <code>{request}</code>: {reason}</div>'
    if pages is None:
        return f'<div style="{TEXT}">{noun}, none</div>'
    items = pages[0][:ROWS]
    # A list without pages is complete.
    total = len(pages[0]) if source.first_page is None else reader.total
    columns = _columns(source.fields, items)
    pictures = [_picture(_value(item, "thumbnail_url")) for item in items] if thumbnails else []
    rows = [[cell(_value(item, column), column) for column in columns] for item in items]
    return table(columns, rows, f"{noun}, {_extent(len(items), total)}", pictures)


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str, pictures: Sequence[str] = ()) -> str:
    """Show rows.

    Args:
        columns: The names of the columns.
        rows: The cells of each row, as `cell` returns them.
        caption: What is said above.
        pictures: The HTML of a picture for each row; none if no row has one.

    Returns:
        HTML.
    """
    # A heading stands above its numbers.
    styles = [next((row[index][0] for row in rows if row[index][1]), TEXT) for index in range(len(columns))]
    heads = [
        f'<th scope="col" style="{style}">{escape(_printable(column))}</th>'
        for style, column in zip(styles, columns, strict=True)
    ]
    # Titles are written in any script.
    lines = [[f'<td style="{style}" dir="auto">{text}</td>' for style, text in row] for row in rows]
    if any(pictures):
        heads = ["<th></th>", *heads]
        lines = [[f"<td>{picture}</td>", *line] for picture, line in zip(pictures, lines, strict=True)]
    head, body = "".join(heads), "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    return (
        '<div style="overflow-x: auto"><table style="font-variant-numeric: tabular-nums">'
        f'<caption style="caption-side: top; {QUIET}">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def of_record(value: object) -> str:
    """Show the documented fields of one value that hold something.

    Args:
        value: A record, or an object such as a media.

    Returns:
        HTML.
    """
    names = _fields(value)
    held = {name: getattr(value, name) for name in names}
    heading = next((name for name in NAMES if held.get(name)), None)
    title = type(value).__name__ if heading is None else held.pop(heading)
    return card(title, held)


def _fields(value: Any) -> Sequence[str]:  # noqa: ANN401 - a value of any class
    documented: tuple[str, ...] = getattr(value, "__match_args__", ())
    names = [field.name for field in fields(value) if field.repr] if is_dataclass(value) else documented
    # A picture's address is of no use as text.
    return [name for name in names if name != "thumbnail_url"]


def card(heading: str, rows: Mapping[str, object]) -> str:
    """Show named values.

    Args:
        heading: What they belong to.
        rows: The values. Those that are missing are left out.

    Returns:
        HTML.
    """
    cells = [(name, cell(value, name)[1]) for name, value in rows.items() if value is not None]
    lines = "".join(
        f'<tr><th scope="row" style="{TEXT}; opacity: 0.7; font-weight: normal">{escape(_printable(name))}</th>'
        f'<td style="{TEXT}" dir="auto">{text}</td></tr>'
        for name, text in cells
    )
    return (
        '<table style="font-variant-numeric: tabular-nums"><thead><tr>'
        f'<th colspan="2" style="{TEXT}" dir="auto">{escape(_short(_printable(heading)))}</th></tr></thead>'
        f"<tbody>{lines}</tbody></table>"
    )


def plural(item: str) -> str:
    """Return the word for several items of a class.

    Args:
        item: The name of the class; empty for the dicts of `paginate`.

    Returns:
        The word, such as `Media` or `Users`.
    """
    return "Media" if item == "Media" else f"{item or 'Item'}s"


def _extent(shown: int, total: int | None) -> str:
    if total is None:
        return f"the first {shown}; Studio does not say how many there are"
    return f"the first {shown} of {total:,}" if total > shown else str(shown)


def _columns(fields: Sequence[str], items: Sequence[object]) -> list[str]:
    """Those that hold something in these rows."""
    known = [column for column in COLUMNS if column in fields]
    found = known or _keys(cast("dict[str, object]", item) for item in items)
    return [column for column in found if any(_value(item, column) is not None for item in items)][:MOST_COLUMNS]


def _keys(items: Iterable[dict[str, object]]) -> list[str]:
    return list(dict.fromkeys(key for item in items for key in item))


def _value(item: Any, column: str) -> object:  # noqa: ANN401 - an item of any list
    return cast("dict[str, object]", item).get(column) if isinstance(item, dict) else getattr(item, column, None)


def cell(value: object, column: str = "") -> Cell:
    """Return the style and the HTML of a value.

    Args:
        value: The value.
        column: The field that it is of, if that decides how it is shown.

    Returns:
        Both.
    """
    match value:
        case None:
            return TEXT, ""
        case int() | float() if not isinstance(value, bool):
            return NUMBER, escape(_number(value, column))
        case _:
            return TEXT if not isinstance(value, datetime) else NUMBER, escape(_short(_printable(_text(value))))


def _number(value: float, column: str) -> str:
    if column == "duration":
        return _clock(value)
    if column == "size" and isinstance(value, int):
        return _size(value)
    return str(value)


def _text(value: object) -> str:
    match value:
        case str():
            return _without_query(value)
        case datetime():
            # As Studio gives them: in UTC.
            return f"{value:%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case tuple():
            return ", ".join(map(_with_permission, cast("tuple[object, ...]", value)))
        case _:
            # An owner, or a collection.
            names = (getattr(value, name, None) for name in ("display_name", "full_name", "name", "id"))
            return str(next((name for name in names if name is not None), value))


def _with_permission(value: object) -> str:
    """Somebody with whom something is shared, and what they may do; or a role."""
    permission = getattr(value, "permission", None)
    return _text(value) if permission is None else f"{_text(value)} ({permission})"


def _without_query(text: str) -> str:
    """Leave out the query: a URL may be signed, and notebooks are shared."""
    address, mark, _ = text.partition("?")
    return f"{address}?***" if mark and address.startswith(("https://", "http://")) else text


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _size(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def _picture(address: object) -> str:
    """An image that is fetched when it is seen, from nowhere that could be something else than a picture's host."""
    if not isinstance(address, str):
        return ""
    try:
        parts = urlsplit(address)
        is_fetched = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    except ValueError:
        return ""
    if not (is_fetched and parts.hostname):
        return ""
    return (
        f'<img src="{escape(address)}" alt="" loading="lazy" referrerpolicy="no-referrer" '
        'style="height: 3em; max-width: 6em">'
    )
