"""Each sentence that SECURITY.md promises is held by tests that it names; here are those that stand nowhere else."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from canvas_studio import OAuth, StudioClient
from canvas_studio.sandbox import Sandbox
from support.fault_server import TOKEN, Answer, FaultServer, redirect

if TYPE_CHECKING:
    from support.forms import Form

HOUSE = Path(__file__).parent.parent.parent
SECURITY = (HOUSE / "SECURITY.md").read_text(encoding="utf-8")
API = "/api/public/v1"
ROW = re.compile(r"^\| (.+?) … \| (.+) \|$", re.MULTILINE)


def section(title: str) -> str:
    return SECURITY.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def sentences() -> list[str]:
    text = " ".join(section("What is promised").replace("**", "").split())
    bullets = [bullet for bullet in text.split("- ") if bullet]
    return [sentence for bullet in bullets for sentence in re.split(r"(?<=\.)\s+(?=[A-Z`])", bullet.strip())]


def rows() -> list[tuple[str, list[str]]]:
    return [
        (start, re.findall(r"`([^`]+)`", tests))
        for start, tests in ROW.findall(section("Which test holds which promise"))
    ]


def test_each_sentence_that_is_promised_has_a_row_with_its_tests() -> None:
    promised, starts = sentences(), [start for start, _ in rows()]
    assert len(promised) >= 30
    for sentence, start in zip(promised, starts, strict=True):
        assert sentence.startswith(start), f"{sentence!r} stands beside {start!r}"


@pytest.mark.parametrize("test", sorted({test for _, tests in rows() for test in tests}))
def test_a_test_that_holds_a_promise_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    keyword = "fn" if file.endswith(".rs") else "def"
    assert re.search(rf"\b{keyword} {name}\(", (HOUSE / file).read_text(encoding="utf-8")), test


@pytest.mark.parametrize("maker", [StudioClient, StudioClient.from_env, StudioClient.with_options, OAuth])
def test_no_argument_turns_the_check_of_certificates_off(maker: object) -> None:
    assert callable(maker)
    parameters = set(inspect.signature(maker).parameters)
    assert not {name for name in parameters if re.search("verif|insecure|trust|ssl|tls|check|unsafe", name)}
    if "ca_bundle" in parameters and maker is StudioClient:
        # Requests takes False for that.
        for none in (False, 0, ""):
            with pytest.raises((TypeError, ValueError)):
                StudioClient("https://school.example.edu", token=TOKEN, ca_bundle=none)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_nothing_is_sent_but_what_is_asked_for(form: Form, tmp_path: Path) -> None:
    with Sandbox(media=45) as box:

        def asked() -> list[tuple[str, str]]:
            new = [(request.method, request.path) for request in box.requests]
            box.forget_requests()
            return new

        with StudioClient(box.url, token=box.token, max_retries=0) as studio:
            assert asked() == []
            media = form.items(studio.search_media(per_page=20))
            assert len(media) == 45
            assert asked() == [("GET", f"{API}/media/search")] * 3
            of_a_file = min((each.size, each.id) for each in media if each.size)[1]
            form.call(studio, "get_media", of_a_file)
            assert asked() == [("GET", f"{API}/media/{of_a_file}")]
            form.call(studio, "download_media", of_a_file, tmp_path / "file.mp4")
            of_studio, of_storage = asked()
            assert of_studio == ("GET", f"{API}/media/{of_a_file}/download")
            assert of_storage[1].startswith(f"/media/{of_a_file}/")
        assert asked() == []


@pytest.mark.parametrize("name", ["evil.sh", "../evil.sh", "/tmp/evil.sh", "..\\evil.sh"])  # noqa: S108
def test_a_download_is_written_under_no_name_that_a_server_gives(form: Form, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    headers = {"Content-Type": "video/mp4", "Content-Disposition": f'attachment; filename="{name}"'}
    file = Answer(headers=headers, body=b"\0" * 1000)
    with (
        FaultServer(file) as storage,
        FaultServer(redirect(f"{storage.url}/{quote(name, safe='')}")) as server,
        StudioClient(server.url, token=TOKEN) as studio,
    ):
        form.call(studio, "download_media", 1, folder / "mine.mp4")
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()] == [
        "folder/mine.mp4"
    ]
