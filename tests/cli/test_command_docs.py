"""The documentation of the command line: its pages are current, lines of the cookbook run, exit codes are all there."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from canvas_studio.cli import exit_codes
from support.programs import posix_only
from support.shell import COMMAND, School, school

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
COOKBOOK = (DOCS / "cookbook.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^##).)*?```shell\n(.*?)```", COOKBOOK, re.MULTILINE | re.DOTALL))


TRANSCRIPTS = re.findall(r"```console\n(.*?)\n```", COOKBOOK, re.DOTALL)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    with school(tmp_path, monkeypatch, media=30) as found:
        yield found


def test_the_page_of_each_noun_is_current() -> None:
    found = importlib.util.spec_from_file_location("make_commands", DOCS / "make_commands.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    pages: dict[str, str] = module.pages()
    committed = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "commands").glob("*.md")}
    assert committed == pages, "python docs/make_commands.py"


@posix_only
@pytest.mark.timeout(180)
@pytest.mark.parametrize("block", BLOCKS)
def test_each_line_of_the_cookbook_works(block: str, here: School) -> None:
    lines = BLOCKS[block].splitlines()
    if block == "Inventory" or "snapshot" in BLOCKS[block]:
        here.box.add_media("Cold", owner=here.user, created_at="2020-01-01T00:00:00Z")
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    for line in lines:
        command = ["bash", "-c", f"set -o pipefail; {here.with_ids(line)}"]
        ended = subprocess.run(
            command, capture_output=True, encoding="utf-8", check=False, env={**os.environ, "PATH": path}
        )
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
        for output in re.findall(r"--(?:output|dir) (\S+)", line):
            assert Path(output).exists(), line


@posix_only
@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", range(len(TRANSCRIPTS)))
def test_the_jobs_of_the_cookbook_print_what_it_says(number: int, here: School) -> None:
    here.box.add_media("Cold", owner=here.box.add_user("Jon Lee", "jon@example.edu"), created_at="2020-01-01T00:00:00Z")
    here.box.change_media(here.media, size=4_000_000)
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    for step in TRANSCRIPTS[number].removeprefix("$ ").split("\n$ "):
        line, _, printed = here.with_ids(step).partition("\n")
        if is_stopped := printed.startswith("^C"):
            here.box.faults.add(host="storage", bandwidth=400_000)
        # One stream, as a terminal shows it.
        with subprocess.Popen(
            ["bash", "-c", f"exec {line}"],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env={**os.environ, "PATH": path},
        ) as process:
            if is_stopped:
                while not any(part.stat().st_size for part in Path().rglob("*.part")):
                    assert process.poll() is None
                    time.sleep(0.01)
                process.send_signal(signal.SIGINT)
                here.box.faults.clear()
            said, _ = process.communicate(timeout=60)
        assert process.returncode == (130 if is_stopped else 0), said
        expected = " ".join(printed.removeprefix("^C").split())
        pattern = re.escape(expected).replace(re.escape("..."), ".*")
        assert re.fullmatch(pattern, " ".join(said.split())), f"{line}\n{said}"


def test_the_cookbook_has_lines_for_each_noun() -> None:
    lines = "".join(BLOCKS.values())
    assert len(BLOCKS) >= 6
    assert len(TRANSCRIPTS) == 3
    for noun in ("media", "collections", "users", "captions", "insights", "api", "snapshot", "inventory"):
        assert f"canvas-studio {noun} " in lines


def test_every_exit_code_is_in_the_table_of_the_documentation() -> None:
    page = (DOCS / "command-line.md").read_text(encoding="utf-8")
    table = page.partition("## Exit codes")[2].partition("\n## ")[0]
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    assert codes == {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == {0, 1, 2, 3, 4, 130}
