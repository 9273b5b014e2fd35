"""The wheel of `make wheel` can be put on PyPI: what it asks of Linux, how large it is, what it must not hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HOUSE = Path(__file__).parents[2]
WHEELS = sorted((HOUSE / "target/wheels").glob("*.whl"))
# Catches symbols that were not stripped, or a large crate. 5,197,472 bytes on 2026-12-01, with all 51 operations.
MOST_BYTES = 6_000_000


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
        notices = archive.read(next(name for name in archive.namelist() if name.endswith("THIRD_PARTY_NOTICES.txt")))
    assert {"licenses/LICENSE", "licenses/THIRD_PARTY_NOTICES.txt", "sboms/canvas-studio.cyclonedx.json"} <= names
    assert notices == (HOUSE / "THIRD_PARTY_NOTICES.txt").read_bytes(), (
        "the wheel is older than the notices: make wheel"
    )


def test_the_wheel_does_not_tell_where_it_was_built(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        folders = [f"{folder}{os.sep}".encode() for folder in (HOUSE, Path.home())]
        telling = [name for name in archive.namelist() if any(each in archive.read(name) for each in folders)]
        crates = archive.read(next(name for name in archive.namelist() if "/sboms/" in name))
        core = archive.read(next(name for name in archive.namelist() if "/_core." in name and "pyi" not in name))
    assert telling == []
    # The files that a panic may name: those of crates below `crates`, ours by themselves, and the standard library's.
    assert re.findall(rb"[\w/.-]*/registry/src/", core) == []
    assert re.search(rb"crates/[\w.-]+/tokio-[\d.]+/src/", core)
    assert set(re.findall(rb"path\+file://([^#\"]*)", crates)) == {b"/canvas-studio"}


@pytest.mark.parametrize("folder", ["/opt/cargo/registry/src/", "D:\\cargo\\registry\\src\\", f"{HOUSE}{os.sep}", None])
def test_a_wheel_that_names_a_folder_of_its_builder_is_refused(
    folder: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(HOUSE / "release"), *sys.path])
    clean: Callable[[Path], None] = import_module("clean_wheel").clean
    made = tmp_path / "package.whl"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("package/_core.so", b"\0" + (folder or "crates/index/").encode() + b"tokio-1.0/src/lib.rs\0")
        archive.writestr("package.dist-info/RECORD", "")
    if folder is None:
        clean(made)
    else:
        with pytest.raises(SystemExit, match="names a folder of the builder"):
            clean(made)
