"""The command `sandbox`."""

from __future__ import annotations

import errno
import signal
import time
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from canvas_studio.cli.terminal import fail
from canvas_studio.sandbox import REDIRECT_URIS, Assumptions, Faults, Sandbox

EXAMPLES = {"sandbox": "canvas-studio sandbox --media 100"}

ASSUMPTIONS = {each.name: each.default for each in fields(Assumptions)}
EXAMPLE = """\
from canvas_studio import StudioClient
studio = StudioClient("{url}", token="{token}")
print(studio.search_media().total(), "media")"""


def sandbox(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="The port of the API; 0 for any free port.")
    ] = 0,
    media: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The number of media in the library.", show_default="500")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The seed of the library.", show_default="1")
    ] = None,
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
