"""The wheel of `make wheel` can be put on PyPI: what it asks of Linux, how large it is, what it must not hold."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
WHEELS = sorted((HOUSE / "target/wheels").glob("*.whl"))
MOST_BYTES = 4_000_000


@pytest.fixture
def wheel() -> Path:
    if not WHEELS:
        pytest.skip("there is no wheel: make wheel")
    assert len(WHEELS) == 1
    return WHEELS[0]


@pytest.mark.skipif(sys.platform != "linux", reason="manylinux is a promise about Linux")
def test_the_wheel_runs_on_every_linux_since_glibc_2_17(wheel: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", wheel], capture_output=True, text=True, check=True
    )
    assert 'following platform tag: "manylinux_2_17_' in " ".join(shown.stdout.split())
    assert "-cp311-abi3-manylinux_2_17_" in wheel.name or "manylinux2014" in wheel.name


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST_BYTES


def test_the_wheel_holds_the_licences_and_a_list_of_its_crates(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition(".dist-info/")[2] for name in archive.namelist()}
    assert {"licenses/LICENSE", "sboms/canvas-studio.cyclonedx.json"} <= names


def test_the_wheel_does_not_tell_where_it_was_built(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        telling = [name for name in archive.namelist() if str(HOUSE).encode() in archive.read(name)]
        crates = archive.read(next(name for name in archive.namelist() if "/sboms/" in name))
    assert telling == []
    assert set(re.findall(rb"path\+file://([^#\"]*)", crates)) == {b"/canvas-studio"}
