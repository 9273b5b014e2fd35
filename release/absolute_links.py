"""Rewrites README.md as PyPI shows it, with whole URLs for links and pictures: `python release/absolute_links.py`.

The workflow runs it before each build, in its own checkout; nobody commits what it writes.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
LINK = re.compile(r"(?P<before>(?P<picture>!?)\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\]\()(?P<target>[^)\s]+)\)")
PICTURE = re.compile(r"(?P<before><img [^>]*src=\")(?P<target>[^\"]+)\"")


def absolute(text: str, source: str) -> str:
    """The text with every target below this checkout as a URL below `source`, the address of the repository."""

    def whole(target: str, kind: str) -> str:
        if target.startswith("#") or re.match(r"[a-z]+:", target):
            return target
        if target.startswith("../../"):  # GitHub's own pages of this repository
            return f"{source}/{target.removeprefix('../../')}"
        return f"{source}/{kind}/main/{target}"

    def link(match: re.Match[str]) -> str:
        return match["before"] + whole(match["target"], "raw" if match["picture"] else "blob") + ")"

    def picture(match: re.Match[str]) -> str:
        return match["before"] + whole(match["target"], "raw") + '"'

    # A badge is a picture inside of a link.
    inner = re.sub(r"(!\[[^\]]*\]\()([^)\s]+)\)", lambda match: match[1] + whole(match[2], "raw") + ")", text)
    return PICTURE.sub(picture, LINK.sub(link, inner))


if __name__ == "__main__":
    urls = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    readme = CHECKOUT / "README.md"
    readme.write_text(absolute(readme.read_text(encoding="utf-8"), urls["Source"]), encoding="utf-8")
