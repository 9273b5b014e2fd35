"""A file of any size is sent in flat memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.receiving_server import ReceivingServer

if TYPE_CHECKING:
    from support.forms import Form

SIZE = 2_000_000_000
# What is sent, what the connection buffers, and what Python itself takes meanwhile.
MOST_GROWTH_KB = 16_000


def peak_kb() -> int:
    """The most memory that this process has had so far."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))


@pytest.mark.torture
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says so")
def test_2_gb_are_sent_in_flat_memory(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "lecture.mp4"
    with path.open("wb") as file:
        file.truncate(SIZE)
    with ReceivingServer() as server:
        studio = server.client(timeout=float("inf"))
        form.call(studio, "request", "POST", "/x", content=b"x" * 1_000_000)
        before = peak_kb()
        form.call(studio, "request", "POST", "/x", files={"file": path})
    assert peak_kb() - before < MOST_GROWTH_KB
    assert server.requests[-1].count > SIZE
