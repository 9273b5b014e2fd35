"""Upload files to Studio, as the vendor's example `upload-media-from-local` does.

Usage: python examples/upload.py lectures/*.mp4 [--collection-id 7] [--user-id 3]

It uploads to the school that `canvas-studio login` or CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN have set up; without
one, to a sandbox. The first line says which, before anything is uploaded.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from canvas_studio import StudioClient, StudioError, profiles
from canvas_studio.sandbox import Sandbox


def main(files: list[Path], collection_id: int | None, user_id: int | None) -> None:
    """Upload the files, one after the other."""
    with nullcontext() if profiles.is_set_up() else Sandbox() as box:
        studio = box.client() if box else StudioClient.from_env()
        print("An invented library, in a sandbox" if box else studio.url)
        for file in files:
            media = studio.upload_media(file, title=file.name, collection_id=collection_id, user_id=user_id)
            print(f"Uploaded {file}: media {media.id}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Upload files to Studio.")
    parser.add_argument("files", nargs="+", type=Path, help="the media files")
    parser.add_argument("--collection-id", type=int, help="upload into a collection")
    parser.add_argument("--user-id", type=int, help="upload on behalf of a user")
    arguments = parser.parse_args()
    try:
        main(arguments.files, arguments.collection_id, arguments.user_id)
    except (StudioError, OSError) as error:
        sys.exit(f"upload: {error}")
