"""The commands of `canvas-studio`."""

from __future__ import annotations

import errno
import signal
import sys
import time
from dataclasses import fields
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from canvas_studio import _logs
from canvas_studio._core import __version__
from canvas_studio.cli import demo as guided
from canvas_studio.cli.caption_triage import caption_triage
from canvas_studio.cli.inventory import inventory
from canvas_studio.cli.login import login, logout
from canvas_studio.cli.ping import ping
from canvas_studio.cli.snapshot import snapshot as take_snapshot
from canvas_studio.cli.terminal import fail
from canvas_studio.cli.whoami import whoami
from canvas_studio.errors import StudioError
from canvas_studio.sandbox import REDIRECT_URIS, Assumptions, Faults, Sandbox

# Tracebacks are Python's own: rich's can show local variables, and with them tokens.
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

ASSUMPTIONS = {each.name: each.default for each in fields(Assumptions)}
EXAMPLE = """\
from canvas_studio import StudioClient
studio = StudioClient("{url}", token="{token}")
print(studio.search_media().total(), "media")"""


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        typer.echo(f"canvas-studio {__version__}")
        raise typer.Exit


def _log_as_json(context: typer.Context, value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        context.call_on_close(_logs.listen(_logs.json_lines(sys.stderr), _logs.DEBUG))


@app.callback()
def canvas_studio(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    log_json: Annotated[
        bool,
        typer.Option("--log-json", callback=_log_as_json, help="Write one line of JSON per request to standard error."),
    ] = False,
) -> None:
    """Instructure Studio (Canvas Studio) from the command line."""


for command in (login, logout, whoami, ping):
    app.command()(command)
# `snapshot` is also an option of the sandbox.
app.command("snapshot")(take_snapshot)
app.command()(inventory)
app.command()(caption_triage)


@app.command()
def sandbox(
    *,
    port: Annotated[int, typer.Option(min=0, help="The port of the API; 0 for any free port.")] = 0,
    media: Annotated[
        int | None, typer.Option(min=0, help="The number of media in the library.", show_default="500")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The seed of the library.", show_default="1")] = None,
    token_lifetime: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="The lifetime of the token endpoint's access tokens.", show_default="7200"
        ),
    ] = None,
    redirect_uri: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URI",
            help="A redirect URI of the OAuth key; repeatable.",
            show_default=", ".join(REDIRECT_URIS),
        ),
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A behaviour that Studio's reference leaves open, such as state_echoed=false; repeatable. The "
            f"names are {', '.join(ASSUMPTIONS)}.",
            show_default="the most likely ones",
        ),
    ] = None,
    chaos: Annotated[
        int | None,
        typer.Option(min=0, metavar="SEED", help="Add random faults of servers and networks, drawn from a seed."),
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, metavar="FILE.toml", help="Add the faults of a file.")
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, metavar="FILE", help="Start with the state of a snapshot."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(dir_okay=False, metavar="FILE", help="Write a snapshot at the end.")
    ] = None,
) -> None:
    """Run a Studio on this machine until Ctrl-C, with a seeded library, valid tokens, and faults on request."""
    if snapshot is not None and any(given is not None for given in (media, seed, redirect_uri)):
        raise typer.BadParameter(
            "a snapshot brings its own library and OAuth key: leave out --media, --seed and --redirect-uri."
        )
    if save is not None and not save.parent.is_dir():
        raise typer.BadParameter(f"there is no folder '{save.parent}'.", param_hint="'--save'")
    # Stop in order also when a service manager sends SIGTERM.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        wrong = [] if faults is None else Faults.from_toml(faults)
        wrong += [] if chaos is None else Faults.chaos(chaos)
        given = {
            "port": port,
            "token_lifetime": token_lifetime,
            "media": media,
            "seed": seed,
            "redirect_uris": redirect_uri,
            "assumptions": _assumptions(assume or []),
        }
        options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        box = Sandbox(**options, faults=wrong) if snapshot is None else Sandbox.load(snapshot, **options, faults=wrong)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            fail(f"port {port} is taken: choose another one with --port, or any free one with --port 0")
        fail(error)
    except ValueError as error:
        fail(error)
    with box:
        try:
            _describe(box, Console(markup=False, highlight=False, soft_wrap=True))
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            _save(box, save)


@app.command()
def demo(
    *,
    media: Annotated[int, typer.Option(min=1, help="The number of media in the library.")] = 500,
    no_pause: Annotated[bool, typer.Option("--no-pause", help="Do not wait for Enter after each step.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Do not wait, and do not slow down the download.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            metavar="FOLDER",
            help="The folder for the files.",
            show_default="a temporary folder, which is removed at the end",
        ),
    ] = None,
) -> None:
    """Show what the package does in two minutes, on a sandbox."""
    wait = not (no_pause or fast) and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        guided.run(media, output, wait=wait, fast=fast)
    except KeyboardInterrupt:
        fail("stopped", 130)
    except (StudioError, OSError) as error:
        fail(error)


def _assumptions(given: list[str]) -> Assumptions:
    """Read assumptions as written in a shell. The sandbox checks their values."""
    chosen: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or name not in ASSUMPTIONS:
            expected = f"expected NAME=VALUE, with a NAME out of {', '.join(ASSUMPTIONS)}, not '{text}'"
            raise typer.BadParameter(expected, param_hint="'--assume'")
        if not isinstance(ASSUMPTIONS[name], bool):
            chosen[name] = None if value == "none" else value
        elif value in {"true", "false"}:
            chosen[name] = value == "true"
        else:
            raise typer.BadParameter(f"{name} is true or false, not '{value}'", param_hint="'--assume'")
    return Assumptions(**chosen)


def _describe(box: Sandbox, console: Console) -> None:
    python = EXAMPLE.format(url=box.url, token=box.token)
    curl = f"curl -H 'Authorization: Bearer {box.token}' '{box.url}/api/public/v1/media/search?per_page=1'"
    lines: list[tuple[str, str]] = [
        ("URL", box.url),
        ("files", box.storage_url),
        ("token", box.token),
        ("client id", box.client_id),
        ("client secret", box.client_secret),
        *(("redirect URI", redirect_uri) for redirect_uri in box.redirect_uris),
    ]
    console.print(Text(f"Studio in a box: {box!r}", style="bold"))
    for name, value in lines:
        console.print(f"  {name:<15}{value}")
    for title, text in (
        ("For a shell", f"export CANVAS_STUDIO_URL={box.url} CANVAS_STUDIO_TOKEN={box.token}"),
        ("In Python", python),
        ("Without it", curl),
    ):
        console.print(Text(f"\n{title}\n", style="bold"))
        console.print(text)
    console.print(Text("\nPress Ctrl-C to stop.", style="bold"))


def _save(box: Sandbox, path: Path | None) -> None:
    if path is not None:
        try:
            typer.echo(f"\nThe state is in {box.snapshot(path)}")
        except OSError as error:
            fail(error)
