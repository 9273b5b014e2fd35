"""In the development mode of Python, a blocking call in the thread of a running event loop is warned of."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from support.fault_server import Answer, FaultServer, Received, library_of, media_answer, page_answer

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = """
import asyncio, sys, threading, warnings
from canvas_studio import StudioClient
studio = StudioClient(sys.argv[1], token="token-of-a-program", retry_delay=0)
"""
ABOUT = "a blocking call runs in the thread of an event loop"


def answer(request: Received) -> Answer:
    """Three pages of media, or one media."""
    return page_answer(request, library_of(3)) if request.path.endswith("/search") else media_answer(1)


def warnings_of(program: str, options: tuple[str, ...] = ("-X", "dev")) -> list[str]:
    """The lines of the program that are warned of, one for each warning."""
    with FaultServer(answer) as server:
        text = BEGIN + textwrap.dedent(program)
        command = [sys.executable, *options, "-c", text, server.url]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if ABOUT in line]
    assert all(line.startswith("<string>:") and "RuntimeWarning" in line for line in lines), result.stderr
    return [text.splitlines()[int(line.split(":")[1]) - 1].strip() for line in lines]


LOOP = """
    async def main():
        for media in studio.search_media(per_page=1):
            pass
        for page in studio.search_media(per_page=1).pages(): pass
        for media in studio.search_media(per_page=1): pass
    asyncio.run(main())
"""


def test_a_blocking_loop_over_a_listing_inside_an_event_loop_is_warned_of_once() -> None:
    assert warnings_of(LOOP) == [
        "for media in studio.search_media(per_page=1):",
        "for page in studio.search_media(per_page=1).pages(): pass",
        "for media in studio.search_media(per_page=1): pass",
    ]


@pytest.mark.parametrize("options", [(), ("-W", "always")], ids=["nothing", "all warnings"])
def test_outside_of_the_development_mode_nobody_is_warned(options: tuple[str, ...]) -> None:
    assert warnings_of(LOOP, options) == []


BLOCKING = {
    "one call": "studio.get_media(1)",
    "of an object": "Media.from_dict({'id': 1}) and studio.get_media(1).refresh()",
    "first": "studio.search_media().first()",
    "total": "studio.search_media().total()",
    "collect": "studio.search_media().collect()",
    "a map": "list(studio.map('get_media', [1]))",
    "a raw request": "studio.request('GET', '/media/1')",
    "a file": "studio.search_media().to_csv('media.csv')",
}


@pytest.mark.parametrize("call", BLOCKING.values(), ids=BLOCKING)
def test_any_blocking_call_inside_an_event_loop_is_warned_of_at_its_own_line(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program = f"""
    from canvas_studio import Media
    async def main():
        {call}
    asyncio.run(main())
    """
    assert warnings_of(program) == [call]


FINE = {
    "without an event loop": "studio.get_media(1)",
    "in a thread beside it": """
        async def main():
            await asyncio.to_thread(studio.get_media, 1)
        asyncio.run(main())
    """,
    "the async form": """
        async def main():
            await studio.get_media_async(1)
        asyncio.run(main())
    """,
    "after the event loop": """
        async def main():
            pass
        asyncio.run(main())
        studio.get_media(1)
    """,
    "in a cell of a notebook, which has an event loop of its own": """
        import types
        sys.modules["ipykernel"] = types.ModuleType("ipykernel")
        async def main():
            studio.get_media(1)
        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("program", FINE.values(), ids=FINE)
def test_a_call_that_blocks_no_event_loop_is_not_warned_of(program: str) -> None:
    assert warnings_of(program) == []


def test_a_warning_that_is_an_error_is_raised_before_anything_is_sent() -> None:
    program = f"""
    async def main():
        try:
            studio.get_media(1)
        except RuntimeWarning as error:
            assert {ABOUT!r} in str(error)
        else:
            raise AssertionError
    asyncio.run(main())
    """
    with FaultServer(answer) as server:
        command = [sys.executable, "-X", "dev", "-W", "error::RuntimeWarning", "-c", BEGIN + textwrap.dedent(program)]
        result = subprocess.run([*command, server.url], capture_output=True, text=True, timeout=60, check=False)
        assert (result.returncode, server.requests) == (0, []), result.stderr
