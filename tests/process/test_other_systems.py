"""What differs on Windows and macOS, as far as Linux can show it. What only they can show is marked and skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from canvas_studio import _files
from canvas_studio.sandbox import Sandbox

COMMAND = Path(sys.executable).with_name("canvas-studio")


def test_a_file_that_is_held_open_for_a_moment_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("new")
    target.write_text("old")
    replace, tries = os.replace, 0

    def held_open(*paths: Path) -> None:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise PermissionError(13, "the process cannot access the file")
        replace(*paths)

    monkeypatch.setattr(os, "replace", held_open)
    _files.put_in_place(source, target, held_open_passes=True)
    assert (target.read_text(), source.exists(), tries) == ("new", False, 4)


@pytest.mark.parametrize(("passes", "expected"), [(True, 11), (False, 1)], ids=["Windows", "elsewhere"])
def test_a_file_that_stays_closed_to_us_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, passes: bool, expected: int
) -> None:
    tries = 0

    def denied(*_: Path) -> None:
        nonlocal tries
        tries += 1
        raise PermissionError(13, "denied")

    monkeypatch.setattr(os, "replace", denied)
    with pytest.raises(PermissionError):
        _files.put_in_place(tmp_path / "source", tmp_path / "target", held_open_passes=passes)
    assert tries == expected


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
