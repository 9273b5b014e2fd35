"""Every command of the table, so that none is left out: faults, files that are whole or not there, odd surroundings."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.programs import linux_only, posix_only
from support.shell import COMMAND, School, commands, school

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "import canvas_studio as c; c.StudioClient.from_env().get_media(42)"
# Commands that ask Studio, beside those of test_reading_commands.py, which have --jsonl. LIBRARY is a snapshot.
ASKS = {
    "whoami": "whoami",
    "ping": "ping",
    "media download": "media download 42 --dir out --checksums sums",
    "captions download": "captions download 45 --output out.srt",
    "apidocs diff": "apidocs diff",
    "apidocs save": "apidocs save out.json",
    "snapshot": "snapshot out.db",
    "caption-triage": "caption-triage LIBRARY --watched-since 2020-01-01 --csv out.csv --html out.html",
    "record": f"record out.har -- {sys.executable} -c {PROGRAM!r}",
}
# Those that ask no school, and where they are tested.
ELSEWHERE = {
    "login": "test_commands.py",
    "logout": "test_commands.py",
    "captions check": "test_reading_commands.py",
    "completion": "test_completion.py",
    "inventory": "test_inventory_command.py",
    "replay": "test_record_command.py",
    "sandbox": "../sandbox/test_sandbox_command.py",
    "demo": "test_demo.py",
}
FAULTS: dict[str, dict[str, Any]] = {
    "401": {"status": 401},
    "403": {"status": 403},
    "404": {"status": 404},
    "429": {"status": 429, "retry_after": 600},
    "a page in place of JSON": {"html": True},
}
# 2 is what `diff` says on trouble; 4 that the rest is there, with what failed and why.
CODES = {"apidocs diff": 2, "apidocs save": 2, "caption-triage": 4}
# What goes on is kept; so are a recording of what failed, and a table that says what could not be read.
KEPT = {"snapshot": {"out.db.part"}, "record": {"out.har"}, "caption-triage": {"out.csv", "out.html"}}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    with school(tmp_path, monkeypatch) as found:
        yield found


def run(here: School, line: str) -> Any:
    return here.run(*shlex.split(here.with_ids(line).replace("LIBRARY", "../library.db")))


def files() -> set[str]:
    return {path.name for path in Path().rglob("*")}


def test_no_command_is_left_out() -> None:
    single = {name: command for name, command in commands().items() if not getattr(command, "commands", {})}
    reads = {name for name, command in single.items() if any("--jsonl" in each.opts for each in command.params)}
    assert set(single) == reads | set(ASKS) | set(ELSEWHERE)
    for name, file in ELSEWHERE.items():
        assert f'"{name.split()[-1]}"' in Path(__file__).parent.joinpath(file).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ASKS)
def test_a_fault_of_studio_is_told_and_leaves_nothing_half_written(name: str, fault: str, here: School) -> None:
    if name == "caption-triage":
        assert run(here, "snapshot LIBRARY").exit_code == 0
    here.box.faults.add(host="api", **FAULTS[fault])
    ended = run(here, ASKS[name])
    code = 1 if (name, fault) == ("caption-triage", "401") else CODES.get(name, 1)
    assert ended.exit_code == code, ended.output
    assert here.box.token not in ended.output
    assert ended.stderr or name == "ping", ended.output
    assert files() <= KEPT.get(name, set())
    if fault == "401" and name not in {"record", "apidocs diff", "apidocs save"}:
        assert "The token comes from CANVAS_STUDIO_TOKEN: put a new one there." in ended.output


@pytest.mark.parametrize("name", ASKS)
def test_without_a_network_it_says_how_to_find_out_why(name: str, here: School) -> None:
    if name == "caption-triage":
        assert run(here, "snapshot LIBRARY").exit_code == 0
    here.box.close()
    ended = run(here, ASKS[name])
    assert ended.exit_code == CODES.get(name, 1), ended.output
    if name not in {"ping", "record", "caption-triage"}:
        assert "To find out why: canvas-studio ping\n" in ended.stderr
    assert files() <= KEPT.get(name, set())


@posix_only
@pytest.mark.parametrize("form", ["--csv", "--json", "--jsonl", "--quiet"])
def test_a_read_timeout_in_the_middle_of_a_list_leaves_no_file(
    form: str, here: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.box.faults.add(path="/v1/media/search", after=1, delay=600)
    monkeypatch.setenv("CANVAS_STUDIO_TIMEOUT", "1")
    Path("rows").write_text("of the night before")
    ended = here.run("media", "list", form, "--output", "rows")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "took longer than 1 s" in ended.stderr
    assert ended.stderr.endswith("To find out why: canvas-studio ping\n")
    assert files() == {"rows"}
    assert Path("rows").read_text() == "of the night before"


@posix_only
@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_ctrl_c_leaves_no_file(form: str, here: School) -> None:
    fault = here.box.faults.add(path="/v1/media/search", after=1, delay=600)
    command = [str(COMMAND), "media", "list", form, "--output", "rows"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        # The second page is asked for after the file was opened and its first rows came.
        while not here.box.faults.hits(fault):
            assert process.poll() is None
            time.sleep(0.01)
        assert any(name.startswith("rows") for name in files())
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)
    assert (process.returncode, *said) == (130, "", "canvas-studio: stopped\n")
    assert files() == set()


@posix_only
@pytest.mark.parametrize(
    "line",
    ["media list --output out.csv", "media list --json --output out", "media show 42 --output out.json"],
)
def test_a_full_disk_is_told_with_the_file(line: str, here: School) -> None:
    here.box.change_media(here.media, description="x" * 5_000)
    # A limit of the size of files stands for the end of the disk: both are an error of the same call.
    script = f"ulimit -f 2; {COMMAND} {here.with_ids(line)}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, encoding="utf-8", timeout=60, check=False)  # noqa: S607
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"canvas-studio: {line.rsplit(maxsplit=1)[-1]}: File too large\n"
    assert files() == set()


@linux_only
@pytest.mark.parametrize("line", ["media list", "media show 42", "completion bash", "--help", "whoami"])
def test_standard_output_that_is_full_or_closed_is_no_traceback(line: str, here: School) -> None:
    for to, code, said in (("> /dev/full", 1, "canvas-studio: No space left on device\n"), (">&-", 0, "")):
        script = f"{COMMAND} {here.with_ids(line)} {to}"
        ended = subprocess.run(["bash", "-c", script], capture_output=True, encoding="utf-8", timeout=60, check=False)  # noqa: S607
        assert (ended.returncode, ended.stderr) == (code, said)


def test_it_works_without_a_home_and_at_a_dumb_terminal(here: School) -> None:
    expected = here.start("media", "list", "--csv").stdout
    environment = {name: value for name, value in os.environ.items() if name not in {"HOME", "CANVAS_STUDIO_HOME"}}
    assert expected
    for changed in ({}, {"TERM": "dumb"}, {"HOME": "/nonexistent"}, {"LC_ALL": "C"}):
        ended = here.start("media", "list", "--csv", env=environment | changed)
        assert (ended.stdout, ended.stderr) == (expected, "")


@pytest.mark.parametrize("line", [line for name, line in ASKS.items() if name != "caption-triage"])
def test_which_profile_is_meant_is_asked_and_a_wrong_one_told(
    line: str, here: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CANVAS_STUDIO_URL")
    monkeypatch.delenv("CANVAS_STUDIO_TOKEN")
    ended = run(here, line)
    assert ended.exit_code == 2
    assert "canvas-studio login" in ended.output
    profiles = Path(os.environ["CANVAS_STUDIO_HOME"], "profiles")
    profiles.mkdir(parents=True, mode=0o700)
    for name in ("east", "west"):
        file = profiles / f"{name}.toml"
        file.write_text(f'url = "{here.box.url}"\nclient_id = "a"\nclient_secret = "b"\nstore = "file"\n')
        file.chmod(0o600)
    ended = run(here, line)
    assert ended.exit_code == 2
    assert "there are 2: choose east or west" in ended.output
    monkeypatch.setenv("CANVAS_STUDIO_PROFILE", "north")
    ended = run(here, line)
    assert ended.exit_code == 2
    assert "'north' does not exist (there are east and west)" in ended.output
    assert here.box.requests == ()
    assert files() == set()
