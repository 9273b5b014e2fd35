"""The sandbox in a process of its own on core 0, which does what it is told by its standard input.

`python -m benches.server 20000` prints a line of JSON that says where it is; for each line that it reads it prints one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from types import TracebackType

CORE = 0


class Server:
    """A sandbox in another process.

    Attributes:
        url: Where it is.
        token: A token for it.
        media: The id of a media that has no file.
        file: The id of a media whose file is `size` bytes long.
    """

    def __init__(self, media: int, size: int = 0) -> None:
        command = [sys.executable, "-m", "benches.server", str(media), str(size)]
        self._process: subprocess.Popen[str] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        began = self._answer()
        self.url, self.token = cast("str", began["url"]), cast("str", began["token"])
        self.media, self.file = cast("int", began["media"]), cast("int", began["file"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(cast("IO[str]", self._process.stdout).readline()))

    def delay(self, seconds: float) -> None:
        """Let every answer wait from now on; 0 for no waiting."""
        self._ask(f"delay {seconds}")

    def waiting(self) -> int:
        """How many requests have come in and were told to wait since `delay`."""
        return cast("int", self._ask("waiting")["waiting"])

    def _ask(self, order: str) -> dict[str, Any]:
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(order + "\n")
        stdin.flush()
        return self._answer()

    def cpu(self) -> float:
        """Seconds that it has computed so far."""
        tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def main() -> None:
    """Serve until the standard input ends."""
    from canvas_studio.sandbox import Sandbox  # noqa: PLC0415 - only here, not where a peer is measured

    os.sched_setaffinity(0, {CORE})
    media, size = int(sys.argv[1]), int(sys.argv[2])
    with Sandbox(media=media) as box:
        found = box.client().search_media().first()
        file = box.add_media("A long recording", size=size) if size else 0
        began = {"url": box.url, "token": box.token, "media": found.id if found else 0, "file": file}
        print(json.dumps(began), flush=True)
        fault = 0
        for line in sys.stdin:
            order, *arguments = line.split()
            told: dict[str, object] = {}
            if order == "delay":
                box.faults.clear()
                box.forget_requests()
                fault = box.faults.add(host="api", delay=float(arguments[0])) if float(arguments[0]) else 0
            elif order == "waiting":
                told["waiting"] = box.faults.hits(fault)
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
