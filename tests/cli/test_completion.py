"""Completion of commands and options, in each shell that is there, at a terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from canvas_studio.cli.app import app
from canvas_studio.cli.command_table import COMPLETE
from support.programs import posix_only
from support.shell import COMMAND
from support.terminal import Terminal
from typer.testing import CliRunner

if TYPE_CHECKING:
    from pathlib import Path

# How each shell is started without anybody's own settings, with a prompt that can be waited for.
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
LOAD = {
    "bash": 'PS1="rea""dy> "; eval "$(canvas-studio completion bash)"',
    "zsh": 'PS1="rea""dy> "; autoload -U compinit; compinit -u; eval "$(canvas-studio completion zsh)"',
    "fish": 'function fish_prompt; echo -n "rea""dy> "; end; canvas-studio completion fish | source',
}


@posix_only
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_and_options(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}: apt-get install {shell}")
    environment = {
        "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
    }
    command = [shutil.which(shell) or shell, *SHELLS[shell][1:]]
    with Terminal(command, environment=environment, columns=200) as terminal:
        terminal.type(LOAD[shell] + "\n")
        terminal.read_until("ready> ", timeout=40)
        # What a shell draws is not always a whole line, so the program tells what it was given.
        terminal.type("canvas-studio collec\tli\t--hel\t\n")
        terminal.read_until("Usage: canvas-studio collections list", timeout=40)
        terminal.type("exit\n")
        terminal.end()


def test_powershell_has_a_script_too() -> None:
    ended = CliRunner().invoke(app, ["completion", "powershell"])
    assert ended.exit_code == 0
    assert "Register-ArgumentCompleter -Native -CommandName canvas-studio" in ended.stdout
    assert COMPLETE in ended.stdout
    assert CliRunner().invoke(app, ["completion", "tcsh"]).exit_code == 2


def test_words_come_without_importing_the_commands() -> None:
    asked = {**os.environ, COMPLETE: "complete_bash", "COMP_WORDS": "canvas-studio co", "COMP_CWORD": "1"}
    shown = subprocess.run([COMMAND], env=asked, capture_output=True, encoding="utf-8", check=True)
    assert shown.stdout.split() == ["collections", "courses", "completion"]
