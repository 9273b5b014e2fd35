"""Makes a captured HAR fit to be published: `python tests/support/redact_har.py captured.har > clean.har`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_studio.testing.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["redact"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Redact a file, or what comes in, to what goes out."""
    parser = argparse.ArgumentParser(description="Redact a captured HAR; what is fit to be published goes to stdout.")
    parser.add_argument("captured", nargs="?", type=Path, help="default: standard input")
    path: Path | None = parser.parse_args(arguments).captured
    captured = path.read_bytes() if path else sys.stdin.buffer.read()
    clean = redact(json.loads(captured.decode("utf-8-sig")))
    sys.stdout.buffer.write(json.dumps(clean, indent=2, ensure_ascii=False).encode() + b"\n")
    sys.stderr.write("The names of keys and the counts stay as they are: read the result before you share it.\n")


if __name__ == "__main__":
    main()
