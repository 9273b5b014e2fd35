"""What PyPI shows is true and whole: addresses, links of the README, the licence, the changelog."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HOUSE = Path(__file__).parents[2]
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def absolute(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    monkeypatch.setattr(sys, "path", [str(HOUSE / "release"), *sys.path])
    rewrite: Callable[[str, str], str] = import_module("absolute_links").absolute
    return rewrite


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True, check=False)  # noqa: S607
    if listed.returncode:
        pytest.skip("not a checkout of git")
    return [file for name in listed.stdout.splitlines() if (file := HOUSE / name).is_file()]


def test_one_file_holds_the_addresses_of_the_project() -> None:
    source = PROJECT["urls"]["Source"]
    owner = source.rpartition("/")[0]
    holding = {file.name for file in tracked() if owner.encode() in file.read_bytes()}
    assert holding == {"pyproject.toml"}
    assert all(owner in url or owner.rpartition("/")[2] in url for url in PROJECT["urls"].values())


def test_every_link_of_the_readme_is_a_whole_one_on_pypi(absolute: Callable[[str, str], str]) -> None:
    readme = (HOUSE / "README.md").read_text(encoding="utf-8")
    shown = absolute(readme, "https://code.example/owner/name")
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|href|srcset)=\"([^\"]+)\"", shown)
    assert targets
    assert [target for pair in targets for target in pair if target and not re.match(r"#|https://", target)] == []
    # They lead to files that are there.
    below = re.findall(r"https://code\.example/owner/name/(?:blob|raw)/main/([^)#\"\s]+)", shown)
    assert below
    assert [name for name in below if not (HOUSE / name).exists()] == []


def test_every_link_of_the_readme_into_a_page_finds_its_heading() -> None:
    readme = (HOUSE / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([\w/.-]*)#([\w-]+)\)", readme)
    assert links
    for name, anchor in links:
        page = (HOUSE / (name or "README.md")).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, name


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len((HOUSE / "README.md").read_text(encoding="utf-8").splitlines()) < 220


def test_a_badge_and_a_picture_are_whole_too(absolute: Callable[[str, str], str]) -> None:
    text = '[![CI](badge.svg)](docs/index.md) ![a](b.png) <img alt="c" src="d.png"> [e](#f) [g](https://example.edu)'
    assert absolute(text, "https://x/y") == (
        "[![CI](https://x/y/raw/main/badge.svg)](https://x/y/blob/main/docs/index.md) ![a](https://x/y/raw/main/b.png) "
        '<img alt="c" src="https://x/y/raw/main/d.png"> [e](#f) [g](https://example.edu)'
    )


def test_who_is_not_behind_it_is_said_where_people_look() -> None:
    said = "not affiliated with instructure"
    assert said in PROJECT["description"].lower()
    for page in ("README.md", "docs/index.md"):
        assert said in " ".join((HOUSE / page).read_text(encoding="utf-8").lower().split())


def test_fragments_of_the_changelog_have_names_that_towncrier_reads() -> None:
    names = {file.name for file in (HOUSE / "changes").iterdir()} - {"README.md", "template.md.jinja"}
    assert [
        name for name in names if not re.fullmatch(r"\d+\.(added|changed|deprecated|removed|fixed|security)\.md", name)
    ] == []


def test_no_fragment_is_lost_on_its_way_into_the_changelog() -> None:
    lines = [
        line
        for file in (HOUSE / "changes").glob("[0-9]*.md")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    drafted = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "0.0.0"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    ).stdout.splitlines()
    assert sorted(line for line in drafted if line.strip() and not line.startswith("#")) == sorted(lines)
