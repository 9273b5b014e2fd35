"""Shows the first rows of a listing in a notebook, as a table with all text escaped."""

from __future__ import annotations

import json
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from canvas_studio.errors import StudioError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from canvas_studio._core import ListingSource

ROWS: Final = 10
SECONDS: Final = 5.0
"""Somebody waits in front of the cell."""

COLUMNS: Final = (
    *("id", "uuid", "title", "name", "full_name", "type", "owner", "duration", "size", "email", "permission"),
    *("definition", "mime_type", "url", "collection", "course_id", "created_at"),
)
"""Which of the documented fields are shown, and in which order."""

MOST_COLUMNS: Final = 8
LONGEST_TEXT: Final = 80
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

QUIET: Final = "text-align: left; opacity: 0.7; padding: 0.3em 0"
TEXT: Final = "text-align: left"
NUMBER: Final = "text-align: right; white-space: nowrap"


def table(source: ListingSource, limit: int | None, *, thumbnails: bool) -> str:
    """Request one page and show its first rows, or the error.

    Args:
        source: What to read.
        limit: The maximum number of items of the listing.
        thumbnails: Whether to show pictures, which the browser fetches from where Studio keeps them.

    Returns:
        HTML.
    """
    request = f"<code>{escape(source.request)}</code>"
    reader = source.within(SECONDS).read(limit, consistent=False)
    try:
        pages = reader.next_pages()
    except StudioError as error:
        reason = f"{type(error).__name__}: {error}"
        return f'<div style="{TEXT}">{request} cannot be shown: {escape(reason)}</div>'
    if pages is None:
        return f'<div style="{TEXT}">{request}: {_extent(0, 0)}</div>'
    items = pages[0][:ROWS]
    # A list without pages is complete.
    total = len(pages[0]) if source.first_page is None else reader.total
    caption = f"{request}: {_extent(len(items), total)}"
    columns = _columns(source.fields, items)
    pictures = [_picture(_value(item, "thumbnail_url")) for item in items] if thumbnails else []
    rows = [[_cell(_value(item, column), column) for column in columns] for item in items]
    # A heading stands above its numbers.
    styles = [next((cell[0] for cell in cells if cell[1]), TEXT) for cells in zip(*rows, strict=True)]
    heads = [f'<th style="{style}">{escape(column)}</th>' for style, column in zip(styles, columns, strict=True)]
    # Titles are written in any script.
    lines = [[f'<td style="{style}" dir="auto">{text}</td>' for style, text in row] for row in rows]
    if any(pictures):
        heads = ["<th></th>", *heads]
        lines = [[f"<td>{picture}</td>", *line] for picture, line in zip(pictures, lines, strict=True)]
    head, body = "".join(heads), "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    return (
        '<div style="overflow-x: auto"><table style="font-variant-numeric: tabular-nums">'
        f'<caption style="caption-side: top; {QUIET}">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _extent(shown: int, total: int | None) -> str:
    if total is None:
        return f"the first {shown} items, of how many Studio does not say"
    if total > shown:
        return f"the first {shown} of {total:,} items"
    return f"{shown} items" if shown != 1 else "1 item"


def _columns(fields: Sequence[str], items: Sequence[object]) -> list[str]:
    """Those that hold something in these rows."""
    known = [column for column in COLUMNS if column in fields]
    found = known or _keys(cast("dict[str, object]", item) for item in items)
    return [column for column in found if any(_value(item, column) is not None for item in items)][:MOST_COLUMNS]


def _keys(items: Iterable[dict[str, object]]) -> list[str]:
    return list(dict.fromkeys(key for item in items for key in item))


def _value(item: Any, column: str) -> object:  # noqa: ANN401 - an item of any list
    return cast("dict[str, object]", item).get(column) if isinstance(item, dict) else getattr(item, column, None)


def _cell(value: object, column: str) -> tuple[str, str]:
    """Return the style and the HTML of a value."""
    match value:
        case None:
            return TEXT, ""
        case float() if column == "duration":
            return NUMBER, _clock(value)
        case int() if column == "size":
            return NUMBER, _size(value)
        case int() | float() if not isinstance(value, bool):
            return NUMBER, str(value)
        case datetime():
            return NUMBER, f"{value:%Y-%m-%d %H:%M}"
        case dict() | list():
            text = json.dumps(value, ensure_ascii=False)
        case str():
            text = value
        case _:
            # An owner, or a collection.
            names = (getattr(value, name, None) for name in ("display_name", "full_name", "name", "id"))
            text = str(next((name for name in names if name is not None), value))
    return TEXT, escape(_short(_without_query(text)))


def _without_query(text: str) -> str:
    """Leave out the query: a URL may be signed, and notebooks are shared."""
    address, mark, _ = text.partition("?")
    return f"{address}?***" if mark and address.startswith(("https://", "http://")) else text


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
