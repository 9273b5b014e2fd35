"""A program at a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import re
import select
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from typing import Self

# What a terminal's shell does for the program that it starts, so that Ctrl-C and /dev/tty are there.
AT_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """A program at a terminal of its own, with what is on the screen."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict[str, str])
    columns: int = 80

    def __enter__(self) -> Self:
        self._controller, terminal = os.openpty()
        size = (24).to_bytes(2, sys.byteorder) + self.columns.to_bytes(2, sys.byteorder) + bytes(4)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
        self.process = subprocess.Popen(
            [sys.executable, "-c", AT_A_TERMINAL, *self.command],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm", **self.environment},
        )
        os.close(terminal)
        self.screen = ""
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._controller)

    def read_until(self, text: str, timeout: float = 20) -> str:
        """What comes until the text has come; it need not be new."""
        end = time.monotonic() + timeout
        while text not in ANSI.sub("", self.screen):
            ready, _, _ = select.select([self._controller], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.screen!r}"
            self.screen += self._read()
        return self.screen

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._controller, text.encode())

    def end(self, timeout: float = 20) -> int:
        """Read what still comes, and wait for the end."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            ready, _, _ = select.select([self._controller], [], [], 0.1)
            text = self._read() if ready else ""
            self.screen += text
            if not text and (ready or self.process.poll() is not None):
                break
        return self.process.wait(timeout)

    def _read(self) -> str:
        try:
            return os.read(self._controller, 65536).decode(errors="replace")
        except OSError:  # its last process has ended
            return ""
