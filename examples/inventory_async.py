"""The core of `inventory.py` with async and await: collections and media are read at the same time."""

from __future__ import annotations

import asyncio

from canvas_studio import StudioClient


async def main() -> None:
    """Read the library and print what it comes to."""
    async with StudioClient.from_env() as studio:
        collections, media = await asyncio.gather(
            studio.list_collections().collect_async(),
            studio.search_media().collect_async(),
        )
    size, seconds = sum(item.size or 0 for item in media), sum(item.duration or 0 for item in media)
    print(f"{len(collections)} collections and {len(media)} media at {studio.url}")
    print(f"{size / 1e9:,.2f} GB, {seconds / 3600:,.1f} hours")


if __name__ == "__main__":
    asyncio.run(main())
