"""The command `canvas-studio sandbox` and what its options do."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from canvas_studio.cli.app import app
from canvas_studio.sandbox import REDIRECT_URIS, Sandbox
from support.plain_http import ask
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Run = Callable[..., Result]

ONE, TWO = "https://one.example.edu/cb", "https://two.example.edu/cb?tenant=7"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command, look at its sandbox while it runs, and press Ctrl-C."""

    def begin(*options: str, look: Callable[[Sandbox], object] = lambda _: None) -> Result:
        def interrupted(_seconds: float) -> None:
            [box] = made
            look(box)
            raise KeyboardInterrupt

        def ignored(*_: object) -> None:
            pass

        made: list[Sandbox] = []
        start = Sandbox._start  # pyright: ignore[reportPrivateUsage]

        def started(box: Sandbox, *args: Any) -> None:
            start(box, *args)
            made.append(box)

        with monkeypatch.context() as patch:
            patch.setattr(Sandbox, "_start", started)
            patch.setattr(signal, "signal", ignored)
            patch.setattr(time, "sleep", interrupted)
            return CliRunner().invoke(app, ["sandbox", *options])

    return begin


def back_from(box: Sandbox, redirect_uri: str) -> dict[str, list[str]]:
    """The query with which somebody who allows it comes back."""
    fields = {"client_id": box.client_id, "redirect_uri": redirect_uri, "response_type": "code", "state": "s"}
    return parse_qs(urlsplit(box.authorize(f"{box.url}/api/public/oauth/authorize?{urlencode(fields)}")).query)


def test_the_key_of_the_command_has_the_redirect_uris_that_it_is_given(run: Run) -> None:
    def look(box: Sandbox) -> None:
        assert box.redirect_uris == (ONE, TWO)
        assert "code" in back_from(box, TWO)

    result = run("--media", "0", "--redirect-uri", ONE, "--redirect-uri", TWO, look=look)
    assert result.exit_code == 0, result.output
    assert ONE in result.output
    assert TWO in result.output


def test_the_command_without_options_is_a_sandbox_without_arguments(run: Run) -> None:
    def look(box: Sandbox) -> None:
        assert box.redirect_uris == REDIRECT_URIS
        assert back_from(box, REDIRECT_URIS[0])["state"] == ["s"]

    assert run("--media", "0", look=look).exit_code == 0


def test_the_command_assumes_what_it_is_told(run: Run) -> None:
    def look(box: Sandbox) -> None:
        assert "state" not in back_from(box, REDIRECT_URIS[0])
        media = box.add_media()
        box.add_collection(None, course_id=7)
        body = {"course_id": 7, "embed_type": "embed"}
        answer = ask(box.url, "POST", f"/media/{media}/create_embed", token=box.token, json_body=body).json
        assert list(answer) == ["launch_url"]

    options = ("--assume", "state_echoed=false", "--assume", "embed_url_key=launch_url")
    result = run("--media", "0", *options, look=look)
    assert result.exit_code == 0, result.output


def test_the_command_can_assume_that_there_is_no_key(run: Run) -> None:
    def look(box: Sandbox) -> None:
        media = box.add_media()
        box.add_collection(None, course_id=7)
        body = {"course_id": 7, "embed_type": "embed"}
        answer = ask(box.url, "POST", f"/media/{media}/create_embed", token=box.token, json_body=body).json
        assert isinstance(answer, str)

    assert run("--media", "0", "--assume", "embed_url_key=none", look=look).exit_code == 0


def test_assumptions_hold_for_a_snapshot_too(run: Run, tmp_path: Path) -> None:
    with Sandbox(media=0, redirect_uris=[ONE]) as box:
        path = box.snapshot(tmp_path / "box.json")

    def look(box: Sandbox) -> None:
        assert "state" not in back_from(box, ONE)

    result = run("--snapshot", str(path), "--assume", "state_echoed=false", look=look)
    assert result.exit_code == 0, result.output
    refused = run("--snapshot", str(path), "--redirect-uri", TWO)
    assert refused.exit_code == 2
    assert "leave out" in refused.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("list_meta", "NAME=VALUE"),
        ("unheard_of=true", "NAME=VALUE"),
        ("list_meta=1", "true or false"),
        ("list_meta=", "true or false"),
        ("", "NAME=VALUE"),
    ],
)
def test_an_assumption_that_is_none_is_explained(run: Run, given: str, told: str) -> None:
    result = run("--media", "0", "--assume", given)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_redirect_uri_that_studio_refuses_is_explained(run: Run) -> None:
    result = run("--media", "0", "--redirect-uri", "http://app.example.edu/cb")
    assert result.exit_code == 1
    assert "https and not localhost" in result.stderr
