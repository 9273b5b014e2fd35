"""The notices of the crates that are linked in cannot go stale: every such crate is named, and none that is gone."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
NOTICES = (HOUSE / "THIRD_PARTY_NOTICES.txt").read_text(encoding="utf-8")
NAMED = set(re.findall(r"^\* (\S+ \S+)$", NOTICES, re.MULTILINE))
STALE = "run `make notices`, and read what has changed"


def test_every_crate_that_is_linked_into_the_wheel_has_its_notice() -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("there is no cargo here")
    command = [cargo, "tree", "--locked", "--edges", "normal,no-proc-macro", "--features", "python,sandbox"]
    tree = subprocess.run(
        [*command, "--prefix", "none", "--format", "{p}"], cwd=HOUSE, capture_output=True, text=True, check=True
    ).stdout
    linked = {f"{name} {version}" for name, version in re.findall(r"^(\S+) v(\S+)", tree, re.MULTILINE)}
    assert len(linked) > 100
    assert sorted(each for each in linked - NAMED if not each.startswith("canvas-studio ")) == [], STALE


def test_no_notice_is_that_of_another_version() -> None:
    """This holds for the crates of every system, while cargo knows what is linked on this one only."""
    locked = tomllib.loads((HOUSE / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    assert sorted(NAMED - {f"{crate['name']} {crate['version']}" for crate in locked}) == [], STALE


def test_no_notice_has_a_gap_where_its_authors_should_stand() -> None:
    assert re.findall(r"<year>|<copyright holders>|<owner>", NOTICES) == []


def test_a_licence_is_accepted_in_the_notices_and_by_cargo_deny_alike() -> None:
    about = tomllib.loads((HOUSE / "release/about.toml").read_text(encoding="utf-8"))
    deny = tomllib.loads((HOUSE / "deny.toml").read_text(encoding="utf-8"))
    assert sorted(about["accepted"]) == sorted(deny["licenses"]["allow"])
    assert about["targets"] == deny["graph"]["targets"]
