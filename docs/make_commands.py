"""Writes the page of each noun of the command line from its commands: `python docs/make_commands.py`."""  # noqa: INP001

from __future__ import annotations

from pathlib import Path
from typing import Any

from canvas_studio.cli.app import app
from canvas_studio.cli.command_table import COMMANDS, PROGRAM
from typer.main import get_command
from typer.testing import CliRunner

FOLDER = Path(__file__).parent / "commands"
WIDTH = "80"


def pages() -> dict[str, str]:
    """Make the pages.

    Returns:
        The text of each file.
    """
    root: Any = get_command(app)
    found: dict[str, str] = {}
    for name, _, about in COMMANDS:
        verbs = list(getattr(root.get_command(None, name), "commands", {}))
        if verbs:
            sections = [_section([name, verb]) for verb in verbs]
            shared = "[The command line](../command-line.md) says what all commands share."
            found[f"{name}.md"] = f"# canvas-studio {name}\n\n{about} {shared}\n{''.join(sections)}"
    others = [name for name, _, _ in COMMANDS if f"{name}.md" not in found]
    heading = "# The other commands\n\n[The command line](../command-line.md) says what they are for.\n"
    found["others.md"] = heading + "".join(_section([name]) for name in others)
    return found


def _section(words: list[str]) -> str:
    ended = CliRunner().invoke(app, [*words, "--help"], prog_name=PROGRAM, env={"COLUMNS": WIDTH})
    text = "\n".join(line.rstrip() for line in ended.stdout.strip().splitlines())
    return f"\n## {' '.join(words)}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, page in pages().items():
        (FOLDER / file).write_text(page, encoding="utf-8")
