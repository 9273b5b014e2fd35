"""The inventory of a Studio library: its collections, who owns how much, the largest media, and a CSV of all media.

Usage: python inventory.py [media.csv], with CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN set.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unicodedata import east_asian_width

from canvas_studio import Media, StudioClient, StudioError


def show(title: str, head: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Print a table; numbers stand on the right, and a wide character takes two places."""
    cells = [[f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in [head, *rows]]
    places = [[len(cell) + sum(east_asian_width(c) in "WF" for c in cell) for cell in row] for row in cells]
    widths = [max(column) for column in zip(*places, strict=True)]
    numeric = [bool(rows) and not isinstance(cell, str) for cell in (rows or [head])[-1]]
    print(f"\n{title} ({len(rows)})")
    for row, taken in zip(cells, places, strict=True):
        gaps = [" " * (width - place) for width, place in zip(widths, taken, strict=True)]
        columns = zip(row, gaps, numeric, strict=True)
        print("  " + "  ".join(gap + cell if right else cell + gap for cell, gap, right in columns).rstrip())


def by_owner(media: list[Media]) -> list[tuple[object, ...]]:
    """Return name, e-mail, number of media, gigabytes and hours of each owner, the largest first."""
    owned: dict[int | None, list[Media]] = {}
    for item in media:
        owned.setdefault(item.owner.id if item.owner else None, []).append(item)
    rows: list[tuple[str, str, int, float, float]] = []
    for items in owned.values():
        owner = items[0].owner
        size, seconds = sum(item.size or 0 for item in items), sum(item.duration or 0 for item in items)
        email = (owner and owner.email) or "-"
        rows.append((name_of(items[0]), email, len(items), size / 1e9, seconds / 3600))
    return [*sorted(rows, key=lambda row: row[3], reverse=True)]


def name_of(media: Media) -> str:
    """Return the name of the owner, as far as it is known."""
    return (media.owner.full_name or media.owner.display_name or f"user {media.owner.id}") if media.owner else "-"


def main() -> None:
    """Read everything, print it, and write it down."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output/media.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    with StudioClient.from_env() as studio:
        collections = studio.list_collections().collect()
        media = studio.search_media().collect()
        studio.search_media().to_csv(path)
    show("Collections", ("id", "name", "type"), [(c.id, c.name or "-", c.type or "-") for c in collections])
    show("Owners", ("owner", "e-mail", "media", "GB", "hours"), by_owner(media))
    largest = sorted(media, key=lambda item: item.size or 0, reverse=True)[:10]
    show("Largest media", ("GB", "title", "owner"), [((m.size or 0) / 1e9, m.title or "-", name_of(m)) for m in largest])
    print(f"\n{len(media)} media in {path}")


if __name__ == "__main__":
    try:
        main()
    except StudioError as error:
        sys.exit(f"inventory: {error}")
