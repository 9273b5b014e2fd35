"""Everything about one media, as the vendor's example `get-media-details`: captions, tags, users and courses.

Usage: python examples/media_details.py [id]

Without an id, it is the first media that a search finds. It reads from the school that `canvas-studio login` or
CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN have set up; without one, from a sandbox. The first line says which.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

from canvas_studio import StudioClient, StudioError, profiles
from canvas_studio.sandbox import Sandbox


def main(media_id: int | None) -> None:
    """Print what there is."""
    with nullcontext() if profiles.is_set_up() else Sandbox() as box:
        studio = box.client() if box else StudioClient.from_env()
        print("An invented library, in a sandbox" if box else studio.url)
        found = media_id or studio.search_media().first()
        if not found:
            return
        media = studio.get_media(found)
        print(f"{media.id}: {media.title}, {media.duration} s, {media.size} bytes")
        print("captions:", [(caption.srclang, caption.status) for caption in media.captions()])
        print("tags:", [tag.name for tag in media.tags()])
        print("users:", [(user.full_name, user.permission) for user in media.users()])
        print("courses:", [course.name for course in media.courses()])


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
    except (StudioError, ValueError) as error:
        sys.exit(f"media_details: {error}")
