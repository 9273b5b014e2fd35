"""The inventory of a Studio library: its collections, who owns how much, the largest media, and a CSV of all media.

Usage: python examples/inventory.py [media.csv]

It reads the library of the school that `canvas-studio login` or CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN have set
up; without one, that of a sandbox. The first line says which.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_studio import StudioClient, StudioError, profiles
from canvas_studio.sandbox import Sandbox

if TYPE_CHECKING:
    from canvas_studio import Media, Owner


def main(path: Path) -> None:
    """Read the library, print it, and write its media to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext() if profiles.is_set_up() else Sandbox() as box:
        studio = box.client() if box else StudioClient.from_env()
        print("An invented library, in a sandbox" if box else studio.url)
        collections = studio.list_collections().collect()
        media = studio.search_media().collect()
        studio.search_media().to_csv(path)  # a listing keeps nothing, so this asks for the pages once more

    print(f"\n{len(collections):,} collections\n\n      id  type                 name")
    for collection in collections:
        print(f"{collection.id:>8}  {collection.type or '-':<19}  {collection.name or '(no name)'}")

    print(f"\n{len(media):,} media, {gigabytes(media):,.2f} GB\n\n   media          GB       hours  owner")
    owned: defaultdict[Owner | None, list[Media]] = defaultdict(list)
    for item in media:
        owned[item.owner].append(item)
    for owner, items in sorted(owned.items(), key=lambda pair: gigabytes(pair[1]), reverse=True):
        hours = sum(item.duration or 0 for item in items) / 3600
        print(f"{len(items):>8}  {gigabytes(items):>10,.2f}  {hours:>10,.1f}  {name_of(owner)}")

    print("\nThe ten largest\n\n      id          GB  title")
    for item in sorted(media, key=lambda item: item.size or 0, reverse=True)[:10]:
        print(f"{item.id:>8}  {gigabytes([item]):>10,.2f}  {item.title or '(no title)'}")
    print(f"\nAll {len(media):,} media are in {path}")


def gigabytes(media: list[Media]) -> float:
    """Return the size of some media; one whose size Studio does not tell counts as nothing."""
    return sum(item.size or 0 for item in media) / 1e9


def name_of(owner: Owner | None) -> str:
    """Return what is known of an owner; Studio requires no e-mail address."""
    return f"{owner.full_name or owner.id} <{owner.email or 'no e-mail'}>" if owner else "(no owner)"


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output/media.csv"))
    except StudioError as error:
        sys.exit(f"inventory: {error}")
