"""A listing as a notebook shows it: its first rows as a table, with everything escaped."""

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
    """Ask for one page, and show its first rows; or say why that cannot be.

    Args:
        source: What to read.
        limit: How many items the listing has at the most.
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
    finally:
        reader.close()
    if pages is None:
        return f'<div style="{TEXT}">{request}: {_extent(0, 0)}</div>'
    items = pages[0][:ROWS]
    # A list without pages is all there.
    total = len(pages[0]) if source.first_page is None else reader.total
    caption = f"{request}: {_extent(len(items), total)}"
    columns = _columns(source.fields, items)
    pictures = [_picture(_value(item, "thumbnail_url")) for item in items] if thumbnails else []
    rows = [[_cell(_value(item, column), column) for column in columns] for item in items]
    if any(pictures):
        columns = ["", *columns]
        rows = [[f"<td>{picture}</td>", *row] for picture, row in zip(pictures, rows, strict=True)]
    head = "".join(f'<th style="{TEXT}">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
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
    return item.get(column) if isinstance(item, dict) else getattr(item, column, None)


def _cell(value: object, column: str) -> str:
    match value:
        case None:
            return "<td></td>"
        case float() if column == "duration":
            return f'<td style="{NUMBER}">{_clock(value)}</td>'
        case int() if column == "size":
            return f'<td style="{NUMBER}">{_size(value)}</td>'
        case int() | float() if not isinstance(value, bool):
            return f'<td style="{NUMBER}">{value}</td>'
        case datetime():
            return f'<td style="{NUMBER}">{value:%Y-%m-%d %H:%M}</td>'
        case dict() | list():
            text = json.dumps(value, ensure_ascii=False)
        case str():
            text = value
        case _:
            # An owner, or a collection.
            names = (getattr(value, name, None) for name in ("display_name", "full_name", "name", "id"))
            text = str(next((name for name in names if name is not None), value))
    # Titles are written in any script, and a URL may be signed.
    return f'<td style="{TEXT}" dir="auto">{escape(_short(_without_query(text)))}</td>'


def _without_query(text: str) -> str:
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
