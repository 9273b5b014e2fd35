"""Subinterpreters are refused, and a second import in one interpreter changes nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.fault_server import Answer, FaultServer, Received, json_answer, media_answer

# `create()` makes a subinterpreter as mod_wsgi and uWSGI do, which all Pythons have; `execute` runs code in it.
BEGIN = """
import os, sys
try:
    import _interpreters as interpreters
    create, execute = (lambda: interpreters.create("legacy")), interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    is_isolated = {} if sys.version_info < (3, 12) else {"isolated": False}
    create, execute = (lambda: interpreters.create(**is_isolated)), interpreters.run_string

IMPORT = '''
import sys
try:
    import canvas_studio
except ImportError as error:
    print(error, "canvas_studio._core" in sys.modules, flush=True)
'''
"""


def run(program: str, *arguments: str) -> list[str]:
    """Run a program to its end, and give the lines that it has printed."""
    command = [sys.executable, "-c", BEGIN + program, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


@pytest.mark.parametrize("before", ["", "import canvas_studio"])
def test_a_subinterpreter_is_refused_before_the_core_is_there(before: str) -> None:
    [refusal, *after] = run(f"{before}\nexecute(create(), IMPORT)\nimport canvas_studio; print('imported')")
    assert after == ["imported"]
    assert refusal.endswith(" False")
    for told in ("WSGIApplicationGroup %{GLOBAL}", "single-interpreter", "InterpreterPoolExecutor", "main interpreter"):
        assert told in refusal


def test_a_subinterpreter_that_ends_leaves_the_clients_of_the_main_one_alone() -> None:
    program = """
from canvas_studio import StudioClient
studio = StudioClient(sys.argv[1], token="invented")
print(studio.get_media(42).id)
other = create()
execute(other, IMPORT)
interpreters.destroy(other)
print(studio.get_media(42).id)
"""
    with FaultServer(lambda _: media_answer(42)) as server:
        [before, refusal, after] = run(program, server.url)
    assert (before, after) == ("42", "42")
    assert "subinterpreter" in refusal


def test_a_program_with_a_subinterpreter_exits() -> None:
    [refusal, last] = run("import canvas_studio\nother = create()\nexecute(other, IMPORT)\nprint('at its end')")
    assert "subinterpreter" in refusal
    assert last == "at its end"


IMPORTED_AGAIN = """
import importlib, sys
import canvas_studio, canvas_studio.models
old, old_client = canvas_studio, canvas_studio.StudioClient(sys.argv[1], token="invented")

def check(how):
    import canvas_studio as new
    new_client = new.StudioClient(sys.argv[1], token="invented")
    for package in (old, new):
        for client in (old_client, new_client):
            assert isinstance(client.get_media(42).owner, package.Owner), how
            try:
                client.get_media(404)
            except package.NotFoundError as error:
                assert isinstance(error, package.StudioError), how
    print(how)

{how}
check("again")
"""
AGAIN = {
    "the errors are reloaded": "importlib.reload(canvas_studio.errors)",
    "the records are reloaded": "importlib.reload(canvas_studio.models)",
    "the package is reloaded": "importlib.reload(canvas_studio)",
    "the modules are forgotten": "for name in [name for name in sys.modules if name.startswith('canvas_studio')]: "
    "del sys.modules[name]",
}


@pytest.mark.parametrize("how", AGAIN)
@pytest.mark.parametrize("before", ["", "check('before')\n"])
def test_a_second_import_knows_the_errors_and_records_of_the_first_and_the_other_way_round(
    how: str, before: str
) -> None:
    def answer(request: Received) -> Answer:
        return json_answer({"error": "no"}, 404) if request.path.endswith("404") else media_answer(42)

    with FaultServer(answer) as server:
        told = run(IMPORTED_AGAIN.replace("{how}", before + AGAIN[how]), server.url)
    assert told[-1] == "again"
