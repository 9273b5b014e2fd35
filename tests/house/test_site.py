"""The documentation is whole: what Zensical's `--strict` does not check, which is its menu and its pictures."""

from __future__ import annotations

import re
from pathlib import Path

HOUSE = Path(__file__).parent.parent.parent
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s#]+)|<img [^>]*src=\"([^\"]+)\"")
PAGES = sorted((HOUSE / "docs").rglob("*.md"))


def test_every_page_of_the_documentation_is_in_its_menu() -> None:
    menu = (HOUSE / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2].partition("\n\n")[0]
    named = re.findall(r": (\S+\.md)$", menu, re.MULTILINE)
    assert sorted(named) == sorted(page.relative_to(HOUSE / "docs").as_posix() for page in PAGES)


def test_a_page_reads_on_github_as_it_does_on_the_site() -> None:
    """GitHub shows a tab or a box of Material for MkDocs as its raw text; so both forms of a call are two blocks."""
    material = [
        f"{page.name}: {line}"
        for page in (*PAGES, HOUSE / "README.md")
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*(===|!!!|\?\?\?)", line)
    ]
    assert material == []


def test_every_picture_of_the_documentation_is_there() -> None:
    pictures = {
        page.parent / target
        for page in (*PAGES, HOUSE / "README.md")
        for target in PICTURE.findall(page.read_text(encoding="utf-8"))
        for target in target
        if target and "://" not in target and not target.startswith("../../")
    }
    assert pictures
    assert [picture for picture in sorted(pictures) if not picture.is_file()] == []
