"""A school for the commands of the shell, and what they printed."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canvas_studio.cli.app import app
from canvas_studio.cli.command_table import COMMANDS
from canvas_studio.sandbox import Sandbox
from typer.main import get_command
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest
    from typer.testing import Result

COMMAND = Path(sys.executable).with_name("canvas-studio")

CAPTIONS = "1\n00:00:01,000 --> 00:00:02,000\nMitosis\n"


@dataclass(frozen=True, kw_only=True)
class School:
    """A sandbox, and the ids of what the examples are about."""

    box: Sandbox
    media: int
    collection: int
    user: int
    caption: int
    course: int
    group: int

    def run(self, *arguments: object, pasted: str = "") -> Result:
        """Run a command within this process. Nothing is taken out that a terminal would act upon."""
        return CliRunner().invoke(app, list(map(str, arguments)), input=pasted, color=True)

    def start(self, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as a program."""
        return subprocess.run(
            [COMMAND, *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=60, check=False, **options
        )

    def with_ids(self, example: str) -> str:
        """Put ids that there are in the place of those of an example."""
        given = {
            "42": self.media,
            "43": self.collection,
            "44": self.user,
            "45": self.caption,
            "46": self.course,
            "47": self.group,
        }
        return re.sub(r"(?<![\w.-])4[2-7](?![\w.-])", lambda found: str(given[found[0]]), example)


def commands() -> dict[str, Any]:
    """Every command and every group, by its words."""
    found: dict[str, Any] = {}
    root: Any = get_command(app)
    for name, _, _ in COMMANDS:
        command = root.get_command(None, name)
        found[name] = command
        for inner, each in getattr(command, "commands", {}).items():
            found[f"{name} {inner}"] = each
    return found


@contextlib.contextmanager
def school(folder: Path, monkeypatch: pytest.MonkeyPatch, media: int = 60) -> Generator[School]:
    """A school that the variables lead to. The commands run in an empty folder."""
    for name in [
        name for name in os.environ if name.startswith(("CANVAS_STUDIO_", "NO_COLOR", "FORCE_COLOR", "COLUMNS"))
    ]:
        monkeypatch.delenv(name)
    (folder / "work").mkdir()
    monkeypatch.chdir(folder / "work")
    with Sandbox(media=media) as box:
        monkeypatch.setenv("CANVAS_STUDIO_HOME", str(folder / "home"))
        monkeypatch.setenv("CANVAS_STUDIO_URL", box.url)
        monkeypatch.setenv("CANVAS_STUDIO_TOKEN", box.token)
        user = box.add_user("Ada Park", "ada.park@example.edu")
        collection = box.add_collection("Biology 101", owner=user)
        mitosis = box.add_media("Mitosis", owner=user, collection_id=collection, size=1234)
        course, group = 7001, box.add_group("Botany", [user])
        box.add_collection("Biology 101", course_id=course)
        with box.client() as studio:
            caption = studio.add_caption(mitosis, ("mitosis.srt", CAPTIONS.encode()), srclang="en")
        box.forget_requests()
        yield School(
            box=box, media=mitosis, collection=collection, user=user, caption=caption.id, course=course, group=group
        )
