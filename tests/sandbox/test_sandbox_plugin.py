"""The pytest plugin gives users' tests a sandbox and a client, and costs nothing where it is not used."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What other plugins of this environment do is not what is tested, and some take a second to start.
OTHERS = ("schemathesis", "hypothesispytest", "xdist", "timeout", "anyio", "asyncio")


def run(folder: Path, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as our users do, in a project of their own with these test files."""
    for name, content in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(content), encoding="utf-8")
    without = [option for name in OTHERS for option in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", *without, "-p", "no:cacheprovider", "--strict-markers", "-W", "error"]
    command += ["-c", str(folder / "pytest.ini"), "--rootdir", str(folder), *options, str(folder)]
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, cwd=folder)


def outcomes(ran: subprocess.CompletedProcess[str]) -> str:
    """The last line of pytest, without the time."""
    return ran.stdout.strip().splitlines()[-1].strip("= ").partition(" in ")[0]


FIXTURES = """
    import urllib.request
    import urllib.error

    import pytest
    from canvas_studio import StudioClient
    from canvas_studio.sandbox import Assumptions, Sandbox

    seen = []

    def test_the_sandbox_runs_with_the_defaults(studio_sandbox):
        assert isinstance(studio_sandbox, Sandbox)
        assert "media=500, seed=1" in repr(studio_sandbox)
        seen.append(studio_sandbox)

    def test_it_is_closed_after_its_test():
        with pytest.raises(urllib.error.URLError, match="refused"):
            urllib.request.urlopen(seen[0].url, timeout=5)

    def test_the_client_is_of_the_sandbox(studio_sandbox, studio_client):
        assert isinstance(studio_client, StudioClient)
        media = studio_sandbox.add_media("Mitosis")
        assert studio_client.get_media(media).title == "Mitosis"
        assert [request.path for request in studio_sandbox.requests] == [f"/api/public/v1/media/{media}"]
        seen.append(studio_client)

    def test_the_client_repeats_without_waiting(studio_sandbox, studio_client):
        media = studio_sandbox.add_media("Mitosis")
        fault = studio_sandbox.faults.add(status=503, times=2)
        assert studio_client.get_media(media).title == "Mitosis"
        assert studio_sandbox.faults.hits(fault) == 2

    def test_the_client_is_closed_after_its_test():
        from canvas_studio import ClientClosedError
        with pytest.raises(ClientClosedError):
            seen[1].get_media(1)

    def test_each_test_has_its_own(studio_sandbox):
        assert studio_sandbox is not seen[0]
        assert studio_sandbox.requests == ()

    @pytest.mark.studio_sandbox(media=0, seed=7, assumptions=Assumptions(list_meta=False))
    def test_the_marker_gives_options(studio_sandbox, studio_client):
        assert "media=0, seed=7" in repr(studio_sandbox)
        assert studio_client.search_media().collect() == []

    @pytest.mark.studio_sandbox(media=0, seed=3)
    class TestOfAClass:
        def test_of_the_class(self, studio_sandbox):
            assert "media=0, seed=3" in repr(studio_sandbox)

        @pytest.mark.studio_sandbox(seed=4)
        def test_the_nearest_marker_wins(self, studio_sandbox):
            assert "media=0, seed=4" in repr(studio_sandbox)
"""


def test_the_fixtures_and_the_marker_do_what_they_say(tmp_path: Path) -> None:
    ran = run(tmp_path, test_fixtures=FIXTURES)
    assert outcomes(ran) == "9 passed", ran.stdout + ran.stderr


def test_a_wrong_marker_says_what_is_wrong(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        test_wrong="""
            import pytest

            @pytest.mark.studio_sandbox(50)
            def test_of_a_number(studio_sandbox):
                pass

            @pytest.mark.studio_sandbox(medias=50)
            def test_of_an_option_that_is_none(studio_sandbox):
                pass

            @pytest.mark.studio_sandbox(media=-1)
            def test_of_an_option_that_is_wrong(studio_sandbox):
                pass
        """,
    )
    assert outcomes(ran) == "3 errors", ran.stdout + ran.stderr
    for said in ("takes keywords, such as media=50, not 50", "medias", "media: "):
        assert said in ran.stdout


def test_the_plugin_costs_nothing_where_it_is_not_used(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        conftest="""
            import sys

            def of_ours():
                return {name for name in sys.modules if name.partition(".")[0] == "canvas_studio"}

            at_the_start = of_ours()

            def pytest_sessionfinish():
                assert of_ours() == at_the_start
        """,
        test_unused="""
            import sys
            import threading

            from conftest import at_the_start

            def test_nothing_of_the_sandbox_is_there():
                assert "canvas_studio.testing.plugin" in at_the_start
                assert not {"canvas_studio.sandbox", "canvas_studio.cli"} & set(sys.modules)
                assert not [thread.name for thread in threading.enumerate() if "studio" in thread.name]
        """,
    )
    assert (outcomes(ran), ran.returncode) == ("1 passed", 0), ran.stdout + ran.stderr


def test_pytest_tells_of_the_fixtures_and_the_marker(tmp_path: Path) -> None:
    assert "@pytest.mark.studio_sandbox(media=..., seed=..., ...)" in run(tmp_path, "--markers").stdout
    fixtures = run(tmp_path, "--fixtures").stdout
    for told in ("studio_sandbox", "studio_client", "Start a sandbox for one test"):
        assert told in fixtures
