"""Compares the names of tests with those of an older commit: `python tests/support/names.py COMMIT`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST = re.compile(
    r"^ *(?:async )?def (test_\w+)"
    r"|^ *#\[(?:tokio::)?test\b.*\n(?: *#\[.*\n)* *(?:async )?fn (\w+)",
    re.MULTILINE,
)


def is_test_file(path: str) -> bool:
    """Whether tests are defined in a file: a test file of Python or of the core."""
    return path.startswith("tests/") and (Path(path).name.startswith("test_") or path.endswith(".rs"))


def names_in(text: str) -> set[str]:
    """The names of the tests in a file."""
    return {python or rust for python, rust in TEST.findall(text)}


def names_at(commit: str) -> set[str]:
    """The names of all tests at a commit."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S607

    paths = filter(is_test_file, git("ls-tree", "-r", "--name-only", commit, "tests").splitlines())
    return {name for path in paths for name in names_in(git("show", f"{commit}:{path}"))}


def names_now() -> set[str]:
    """The names of all tests in the working tree."""
    files = (file for file in (ROOT / "tests").rglob("*.*") if is_test_file(file.relative_to(ROOT).as_posix()))
    return {name for file in files for name in names_in(file.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    before, now = names_at(sys.argv[1]), names_now()
    for name in sorted(before - now):
        print(f"gone: {name}")
    print(f"{len(before)} before, {len(now)} now, {len(before - now)} gone, {len(now - before)} new")
