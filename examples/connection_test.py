"""Does Studio answer, and does it take the token? As the vendor's example `connection-test`.

Usage: python examples/connection_test.py

It asks the school that `canvas-studio login` or CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN have set up; without one, a
sandbox. The first line says which.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

from canvas_studio import StudioClient, StudioError, profiles
from canvas_studio.sandbox import Sandbox


def main() -> None:
    """Ask once."""
    with nullcontext() if profiles.is_set_up() else Sandbox() as box:
        studio = box.client() if box else StudioClient.from_env()
        print("An invented library, in a sandbox" if box else studio.url)
        studio.ping()
        print("connected")


if __name__ == "__main__":
    try:
        main()
    except StudioError as error:
        sys.exit(f"connection_test: {error}")
