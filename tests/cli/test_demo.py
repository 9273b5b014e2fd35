"""The demo fits a terminal of 80 columns, shows whole lines of what it runs, and ends with a command that works."""

from __future__ import annotations

import inspect
import os
import shlex
import subprocess
import sys
from pathlib import Path
from unicodedata import combining, east_asian_width

import pytest
from canvas_studio.cli import demo

STEPS = (demo.library, demo.inventory, demo.unwatched, demo.share, demo.download, demo.table)
COMMAND = Path(sys.executable).with_name("canvas-studio")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("demo")
    ended = subprocess.run(
        [COMMAND, "demo", "--fast", "--output", "out"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return ended.stdout.splitlines()


def columns(line: str) -> int:
    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in line)


def test_the_demo_fits_80_columns(shown: list[str]) -> None:
    command = shown[-1]
    assert [line for line in shown if columns(line) > 80 and line != command] == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_the_demo_shows_whole_lines_of_what_it_runs(shown: list[str], step: object) -> None:
    assert callable(step)
    source = inspect.getsource(step)
    for line in demo.lines_of(step).splitlines():
        assert line in source
        assert f"    {line}".rstrip() in shown


def test_the_demo_ends_with_a_command_that_works_as_typed(shown: list[str]) -> None:
    ended = subprocess.run([*shlex.split(shown[-1]), "--help"], capture_output=True, encoding="utf-8", check=True)
    assert "Run a Studio on this machine" in ended.stdout


@pytest.mark.parametrize("output", [None, "out"])
def test_the_demo_leaves_files_only_in_the_folder_of_output(tmp_path: Path, output: str | None) -> None:
    ended = subprocess.run(
        [COMMAND, "demo", "--fast", "--media", "20", *(["--output", output] if output else [])],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    if output is None:
        assert list(tmp_path.iterdir()) == []
        assert "--output FOLDER keeps them" in ended.stdout
    else:
        assert sorted(path.suffix for path in (tmp_path / output).iterdir()) == [".csv", ".mp4"]
        assert [path.name for path in tmp_path.iterdir()] == [output]
