"""The code on the pages about workflows runs, and brings what they say; one page says what files hold of people."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from canvas_studio.sandbox import Sandbox

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "snapshots.md").read_text(encoding="utf-8")
PRIVACY = (DOCS / "privacy.md").read_text(encoding="utf-8")


def test_the_three_queries_on_the_page_bring_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    names: dict[str, Any] = {"__name__": "__main__"}
    monkeypatch.chdir(tmp_path)
    with Sandbox(media=400) as box:
        monkeypatch.setenv("CANVAS_STUDIO_URL", box.url)
        monkeypatch.setenv("CANVAS_STUDIO_TOKEN", box.token)
        studio = box.client()
        for _ in range(2):
            box.add_media("Twice", size=123_456_789, duration=61.5)
        exec(code.replace('from_env("myschool")', "from_env()"), names)  # noqa: S102 - it is our own code
        media = studio.search_media().collect()
        courses = {each.id: len(studio.list_media_courses(each.id).collect()) for each in media}
        grants = Counter[tuple[Any, ...]]()
        for shared in studio.map("get_media_permissions", [each.id for each in media]):
            grants.update((user.full_name, "user", user.permission, user.id) for user in shared.users)
            grants.update((group.name, "group", group.permission, group.id) for group in shared.groups)

    of_owner: dict[int, list[Any]] = defaultdict(list)
    for each in media:
        if each.owner is not None:
            of_owner[each.owner.id].append(each)
    sizes = sorted((sum(each.size or 0 for each in theirs) for theirs in of_owner.values()), reverse=True)
    assert [row["gb"] for row in names["largest"]] == [round(size / 1e9, 1) for size in sizes[:10]]
    first = max(of_owner.values(), key=lambda theirs: sum(each.size or 0 for each in theirs))
    assert names["largest"][0]["media"] == len(first)
    assert names["largest"][0]["in_no_course"] == sum(courses[each.id] == 0 for each in first)

    def touched(each: Any) -> str:
        days: list[str] = [each.created_at.date().isoformat(), str(each.last_viewed or "")]
        return max(days)

    cold = {each.id for each in media if touched(each) < "2024-09-01" and courses[each.id] == 0}
    assert cold
    assert {row["id"] for row in names["cold"]} == cold
    assert len((tmp_path / "cold.csv").read_text(encoding="utf-8").splitlines()) >= len(cold) + 1

    assert {"title": "Twice", "copies": 2, "gb_wasted": 0.12} in names["copies"].to_dicts()
    assert len(names["changes"].changed) == 0

    most = sorted(grants.values(), reverse=True)[:10]
    assert [row["media"] for row in names["widest"]] == most
    assert {tuple(row.values())[:3] for row in names["widest"]} <= {grant[:3] for grant in grants}


def test_the_page_names_every_table_and_view() -> None:
    from canvas_studio.workflows import schema  # noqa: PLC0415

    made = set(re.findall(r"create (?:table|view) (\w+)", schema.TABLES + schema.VIEWS))
    listed = PAGE.partition("## Tables")[2].partition("\n## ")[0]
    assert made == set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", listed, re.MULTILINE))))


@pytest.mark.parametrize("word", ["anonymous", "delete", "names and e-mail addresses", "0600"])
def test_the_page_about_privacy_says_what_a_file_holds_of_people(word: str) -> None:
    assert word in PRIVACY.lower()


@pytest.mark.parametrize("page", ["snapshots.md", "inventory.md"])
def test_the_pages_about_files_that_name_people_lead_to_the_one_about_privacy(page: str) -> None:
    assert "(privacy.md" in (DOCS / page).read_text(encoding="utf-8")
