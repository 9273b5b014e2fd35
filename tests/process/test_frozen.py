"""Programs frozen by PyInstaller include every module that the core imports by name."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from canvas_studio.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import asyncio, logging, os, pickle
from canvas_studio import NotFoundError, StudioClient
logging.basicConfig(level=logging.DEBUG)
studio = StudioClient(os.environ["CANVAS_STUDIO_URL"], token=os.environ["CANVAS_STUDIO_TOKEN"])
assert studio.search_media().total() == 20
assert asyncio.run(studio.search_media().total_async()) == 20
assert pickle.loads(pickle.dumps(StudioClient.from_env())).search_media().first().owner.id
try:
    studio.get_media(999_999)
except NotFoundError:
    print("all is well")
"""


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_a_frozen_program_can_call_in_both_forms_pickle_and_log(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    freeze = [sys.executable, "-m", "PyInstaller", "--log-level", "ERROR", "program.py"]
    subprocess.run(freeze, cwd=tmp_path, check=True, capture_output=True)
    with Sandbox(media=20) as box:
        environment = {**os.environ, "CANVAS_STUDIO_URL": box.url, "CANVAS_STUDIO_TOKEN": box.token}
        program = tmp_path / "dist/program/program"
        run = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "all is well"), run.stderr
