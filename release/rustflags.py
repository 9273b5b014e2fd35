"""Prints the flags that keep the builder's folders out of the wheel: `python release/rustflags.py`.

The message of a panic names a source file, by default with the folder in which cargo keeps the sources of crates. These
flags shorten it to `crates/<registry>/tokio-1.54.0/src/...`. They are for CARGO_ENCODED_RUSTFLAGS, which allows spaces
in a path.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
# The home of the containers in which the workflow builds for Linux.
CONTAINER = Path("/root")


def flags() -> list[str]:
    """Return a flag for each folder that is shortened."""
    homes = {CONTAINER / ".cargo", Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")}
    shortened = {CHECKOUT: "canvas-studio"} | {home / "registry" / "src": "crates" for home in sorted(homes)}
    return [f"--remap-path-prefix={folder}={name}" for folder, name in shortened.items()]


if __name__ == "__main__":
    sys.stdout.write("\x1f".join(flags()))
