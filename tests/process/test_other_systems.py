"""What differs on Windows and macOS, as far as Linux can show it. What only they can show is marked and skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from canvas_studio.sandbox import Sandbox

COMMAND = Path(sys.executable).with_name("canvas-studio")


def test_a_console_of_western_windows_shows_names_in_every_script_as_far_as_it_can(tmp_path: Path) -> None:
    ended = subprocess.run(
        [COMMAND, "demo", "--fast", "--output", tmp_path],
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode("cp1252")
    assert "Lucía Peñalver" in ended.stdout.decode("cp1252")


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows shares a port that is in use")
def test_two_sandboxes_do_not_share_a_port() -> None:
    with Sandbox(media=1) as box, pytest.raises(OSError):  # noqa: PT011 - its words are those of Windows
        Sandbox(media=1, port=box.port)


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has error numbers of its own")
def test_a_snapshot_that_is_not_there_is_a_missing_file() -> None:
    with pytest.raises(FileNotFoundError):
        Sandbox.load("no such folder/snapshot")
