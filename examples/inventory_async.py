"""The core of `inventory.py` with async and await: collections and media are read at the same time.

It reads the library of the school that `canvas-studio login` or CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN have set
up; without one, that of a sandbox. The first line says which.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from canvas_studio import StudioClient, profiles
from canvas_studio.sandbox import Sandbox


async def main() -> None:
    """Read the library and print what it comes to."""
    async with nullcontext() if profiles.is_set_up() else Sandbox() as box:
        studio = box.client() if box else StudioClient.from_env()
        print("An invented library, in a sandbox" if box else studio.url)
        collections, media = await asyncio.gather(
            studio.list_collections().collect_async(),
            studio.search_media().collect_async(),
        )
    size, seconds = sum(item.size or 0 for item in media), sum(item.duration or 0 for item in media)
    print(f"{len(collections)} collections and {len(media)} media")
    print(f"{size / 1e9:,.2f} GB, {seconds / 3600:,.1f} hours")


if __name__ == "__main__":
    asyncio.run(main())
