"""Takes the text of a page apart into its statements, so that each can name its tests."""

from __future__ import annotations

import re


def statements(text: str) -> list[str]:
    """The sentences of paragraphs and of bullets, without line ends and emphasis."""
    parts = re.split(r"^- |\n\n", text.replace("**", ""), flags=re.MULTILINE)
    return [
        sentence
        for part in (" ".join(part.split()) for part in parts)
        if part
        for sentence in re.split(r"(?<=\.)\s+(?=[A-Z`])", part)
    ]


def is_defined(test: str, text: str) -> bool:
    """Whether a file of tests, in Python or Rust, defines a test."""
    return re.search(rf"\b(?:def|fn) {re.escape(test)}\(", text) is not None
