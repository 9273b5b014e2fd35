"""Downloads that are killed at random moments over a bad line: each ends with the file of the server, and no other."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from support.fault_server import Answer, FaultServer, Received, file_answer, redirect
from support.programs import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# `make test` kills a few times, `make torture` more often.
KILLS = [pytest.param(4, id="4-kills"), pytest.param(40, id="40-kills", marks=pytest.mark.torture)]
SIZE = 6_000_000
PIECE = 40_000
PROGRAM = """
    kind, path = sys.argv[2:]
    if kind == "blocking":
        studio.download_media(1, path)
    else:
        asyncio.run(studio.download_media_async(1, path))
"""


class Storage:
    """A storage host with one file, which changes now and then, over a line that breaks now and then."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.version = 0
        self.continued = 0
        self.sent = 0
        self.change()

    def change(self) -> None:
        """Put another file there."""
        self.version += 1
        self.content = b"\x00\x00\x00\x18ftypmp42" + self.chance.randbytes(SIZE + self.version)

    def answer(self, request: Received) -> Answer:
        """The file, or the rest of it, slowly enough to be killed in the middle."""
        answer = file_answer(request, self.content, etag=f'"{self.version}"')
        if answer.status not in {200, 206}:
            return answer
        self.continued += answer.status == 206
        breaks = self.chance.random() < 0.2

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(answer.body), PIECE):
                if breaks and start > len(answer.body) / 2:
                    return
                yield answer.body[start : start + PIECE]
                self.sent += PIECE
                time.sleep(0.002)

        return Answer(
            status=answer.status,
            headers=answer.headers,
            stream=pieces,
            content_length=len(answer.body),
            end="close" if breaks else "keep",
        )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", KILLS)
def test_a_download_killed_at_random_moments_ends_with_the_file_of_the_server(kills: int, tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    storage_host = Storage(chance)
    path = tmp_path / "lecture.mp4"
    killed = 0
    with (
        FaultServer(storage_host.answer) as storage,
        FaultServer(redirect(f"{storage.url}/file?Signature=s")) as server,
    ):

        def start() -> subprocess.Popen[str]:
            words = command(PROGRAM, server.url, chance.choice(["blocking", "async"]), str(path))
            return subprocess.Popen(words, stderr=subprocess.PIPE, text=True)

        def finish() -> None:
            with start() as process:
                _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, f"seed {seed}: {errors}"
            assert path.read_bytes() == storage_host.content, f"seed {seed}"
            assert list(tmp_path.iterdir()) == [path], f"seed {seed}"

        while killed < kills:
            goal = storage_host.sent + chance.randrange(0, SIZE)
            asked = len(server.requests)
            with start() as process:
                while process.poll() is None and (storage_host.sent < goal or len(server.requests) == asked):
                    time.sleep(0.001)
                process.send_signal(signal.SIGKILL)
                process.communicate(timeout=30)
            was_killed = process.returncode == -signal.SIGKILL
            killed += was_killed
            if not was_killed or chance.random() < 0.3:
                finish()
                path.unlink()
            if chance.random() < 0.2:
                storage_host.change()
        finish()
    # Not each began anew.
    assert storage_host.continued > 0, f"seed {seed}"
