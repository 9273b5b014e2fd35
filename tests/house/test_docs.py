"""The code on the pages about Studio's API runs, in both forms: on a sandbox that has what the code names."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from canvas_studio import PermissionChange
from canvas_studio.sandbox import Sandbox

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (
    "captions.md",
    "collections.md",
    "columns.md",
    "courses.md",
    "downloads.md",
    "groups.md",
    "insights.md",
    "many-calls.md",
    "media.md",
    "media_upload.md",
    "ping.md",
    "professional_captioning.md",
    "raw-requests.md",
    "tags.md",
    "transfer_media.md",
    "uploads.md",
    "users.md",
)
# What the sandbox does not have.
ELSEWHERE = re.compile(r"/transfer_media")
AN_ID = re.compile(r"\((42|7)[,)]|, 42\)|\[42,|/media/42/")


def blocks() -> list[Any]:
    wanted: list[Any] = []
    for name in PAGES:
        text = (DOCS / name).read_text(encoding="utf-8")
        for found in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if not ELSEWHERE.search(found[1]):
                line = text[: found.start()].count("\n") + 1
                wanted.append(pytest.param(found[1], id=f"{name}:{line}"))
    return wanted


def make_files(folder: Path) -> None:
    """Make the files that the pages about uploads name."""
    inside = ("recordings/Week 1/cells.mp4", "recordings/Week 2/mitosis.mp4")
    for name in ("Mitosis.mp4", "lecture 1.mp4", "lecture 2.mp4", *inside):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"film of {name}".encode())
    page = (DOCS / "uploads.md").read_text(encoding="utf-8")
    table = re.search(r"^```text\n(video,.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert table is not None
    (folder / "videos.csv").write_text(table[1])
    for name in ("lecture 1.srt", "mitosis.srt"):
        (folder / name).write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")


@pytest.mark.parametrize("code", blocks())
def test_the_code_about_the_api_runs_on_a_sandbox(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path)
    with Sandbox(media=20) as box, box.client(retry_delay=0) as studio:
        ada = box.add_user("Ada Park", "ada.park@example.edu")
        new, shared, group = box.add_user("Ben Osei"), box.add_user("Cleo Ito"), box.add_group("Biology department")
        collection_id = box.add_collection("Biology 101", owner=ada, course_id=1301)
        captions = [{"srclang": "en"}, {"srclang": "pt", "status": "uploaded", "provider": "upload"}]
        media_id = box.add_media("Mitosis", owner=ada, collection_id=collection_id, captions=captions)
        collection, media = studio.get_collection(collection_id), studio.get_media(media_id)
        for each in (collection, media):
            each.change_permissions(
                [
                    PermissionChange("create", id=shared, share_type="user"),
                    PermissionChange("create", id=group, share_type="group"),
                ]
            )
        studio.put_captioning_service("fast", label="Fast", description="By people", is_asr=False)
        request = box.add_caption_request(media_id, service_type="fast")
        ids = {"71": request, "42": media_id, "7": collection_id, "4": new, "11": group, "6": shared, "3": ada}
        here = re.sub(
            r"(\(|/media/|/users/|id=|\"id\": |^ +|\{|, (?=\d+: ))(71|42|7|4|11|6|3)\b(?!\.)",
            lambda found: found[1] + str(ids[found[2]]),
            code,
            flags=re.MULTILINE,
        )
        names = {"__name__": "__main__", "box": box, "studio": studio, "collection": collection, "media": media}
        program = compile(here, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if (running := eval(program, names)) is not None:  # noqa: S307 - it is our own code
            asyncio.run(running)
        if "upload_rows" in code or "upload_folder" in code:
            # It does what it says: no file of an example fails.
            assert " 0 failed" in capsys.readouterr().out or "print(report)" not in code
        if "ada.park@example.edu" in code and "share" in code:
            assert "ada.park@example.edu" in capsys.readouterr().out


def test_a_page_whose_examples_name_an_id_says_where_to_get_one() -> None:
    # A transcript of a terminal shows where its ids come from.
    text = {
        page: re.sub("```console.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for page in sorted(DOCS.glob("*.md"))
    }
    naming = [page for page in text if AN_ID.search(text[page])]
    assert naming
    assert [
        page.name
        for page in naming
        if not re.search(
            r"studio\.(search_media|list_collections)\(\)(\.first\(\)| if media\.size)",
            page.read_text(encoding="utf-8"),
        )
    ] == []
