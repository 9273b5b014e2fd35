"""Runs Python programs in their own processes; each begins with a client of the test's server."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs fork and POSIX signals")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

# Every program of this file begins with a client of the server that its first argument names.
BEGIN = """
import asyncio, contextlib, logging, multiprocessing, os, sys, threading, traceback
from canvas_studio import StudioClient
studio = StudioClient(sys.argv[1], token="token-of-a-program", retry_delay=0)
"""


def command(program: str, *arguments: str, begin: str = BEGIN) -> list[str]:
    # From 3.12 on, Python warns of every fork of a process with threads; that it works is what is tested.
    options = ["-W", "ignore:This process:DeprecationWarning"]
    return [sys.executable, *options, "-c", begin + textwrap.dedent(program), *arguments]


def run(program: str, *arguments: str, begin: str = BEGIN) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; one that hangs is killed."""
    arguments_and_all = command(program, *arguments, begin=begin)
    return subprocess.run(arguments_and_all, capture_output=True, text=True, timeout=40, check=False)


@contextlib.contextmanager
def running(program: str, *arguments: str, begin: str = BEGIN) -> Generator[subprocess.Popen[str]]:
    """A program that is killed at the end, in case that it still runs."""
    pipe = subprocess.PIPE
    arguments_and_all = command(program, *arguments, begin=begin)
    with subprocess.Popen(arguments_and_all, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


# A task that is dropped unfinished is asyncio's to complain about. A daemon thread is stopped without a word, as Python
# stops its own.
EXITS = {
    "async tasks pending": """
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        async def main():
            pending = [asyncio.create_task(studio.get_media_async(number)) for number in range(2, 22)]
            await studio.get_media_async(1)
            return pending
        loop = asyncio.new_event_loop()
        pending = loop.run_until_complete(main())
    """,
    "daemon threads blocked": """
        def ask(number):
            studio.get_media(number)
        for number in range(2, 12):
            threading.Thread(target=ask, args=(number,), daemon=True).start()
        studio.get_media(1)
    """,
    "a daemon thread with an event loop": """
        def ask():
            asyncio.run(studio.get_media_async(2))
        threading.Thread(target=ask, daemon=True).start()
        studio.get_media(1)
    """,
    "both": """
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        def ask(number):
            studio.search_media(page=number).collect()
        for number in range(2, 8):
            threading.Thread(target=ask, args=(number,), daemon=True).start()
        async def main():
            pending = [asyncio.create_task(studio.get_media_async(number)) for number in range(8, 16)]
            await studio.get_media_async(1)
            return pending
        loop = asyncio.new_event_loop()
        pending = loop.run_until_complete(main())
    """,
}
