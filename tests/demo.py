"""Runs the example that takes stock of a library against a recorded Studio; `make demo` calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from recorded_server import RecordedServer

TESTS = Path(__file__).parent


def main() -> int:
    """Start the server, run the example as a user would, and stop the server."""
    with RecordedServer(TESTS / "recordings/demo", strict=False) as server:
        print(f"   CANVAS_STUDIO_URL={server.url} CANVAS_STUDIO_TOKEN=... python examples/inventory.py\n", flush=True)
        environment = os.environ | {"CANVAS_STUDIO_URL": server.url, "CANVAS_STUDIO_TOKEN": "a-recorded-token"}
        return subprocess.run(
            [sys.executable, TESTS.parent / "examples/inventory.py"], env=environment, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
