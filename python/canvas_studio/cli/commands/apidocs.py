"""The commands `apidocs`: compare a Studio's description of its API with the sandbox's, and save it."""

from __future__ import annotations

import json
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from canvas_studio import _apidocs, profiles
from canvas_studio.cli.apps import group
from canvas_studio.cli.connection import client_of
from canvas_studio.cli.options import AsJson, ProfileOption
from canvas_studio.cli.output import TextFile
from canvas_studio.cli.terminal import echo, errors_as_text, fail, print_error, printable
from canvas_studio.errors import StudioError
from canvas_studio.sandbox import Sandbox

if TYPE_CHECKING:
    from canvas_studio._core import StudioClient

app = group("Compare a Studio's description of its API with the sandbox's.", "canvas-studio apidocs diff")

DIFFERS: Final = 1
TROUBLE: Final = 2
"""As of `diff`: what could not be compared is not what differs."""

OK: Final = 200
"""The status of a description."""


@app.command(epilog="Example: canvas-studio apidocs diff --json")
@errors_as_text()
def diff(
    *,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A saved description; without one, it is read from the school.", show_default=False
        ),
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
) -> None:
    """List where Studio's description of its API differs from the sandbox's: exit code 1 if it does, 2 on trouble.

    It compares operations, parameters, their words, statuses, and the fields of answers.
    """
    if file is not None and profile is not None:
        fail("give a file or --profile, not both", TROUBLE)
    document = _of_school(profile) if file is None else _of_file(file)
    found = _apidocs.differences(document, _of_sandbox())
    if as_json:
        typer.echo(json.dumps({"differences": [each.to_dict() for each in found]}, indent=2))
    else:
        _print(found)
    raise typer.Exit(DIFFERS if found else 0)


@app.command(epilog="Example: canvas-studio apidocs save saved.json")
@errors_as_text()
def save(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file, which must not exist.", show_default=False)],
    profile: ProfileOption = None,
) -> None:
    """Save Studio's description of its API, without anything of the school: no host, contact, example or token."""
    text = json.dumps(_apidocs.cleaned(_of_school(profile)), indent=2, ensure_ascii=False)
    if file.exists():
        fail(f"{file} is there already: name another file", TROUBLE)
    with TextFile(file) as opened, opened.naming():
        opened.text.write(text + "\n")
    echo(f"Saved in {file}. Look through it before you pass it on.")
    echo(_where_to_send())


def _of_school(profile: str | None) -> dict[str, Any]:
    settings = profiles.find(profile=profile)
    try:
        with client_of(settings, TROUBLE) as studio:
            text = _ask(studio)
    except StudioError as error:
        fail(error, TROUBLE)
    return _read(text, f"{settings.url}{_apidocs.PATH}")


def _of_sandbox() -> dict[str, Any]:
    with Sandbox(media=0) as box, box.client() as studio:
        return _read(_ask(studio), "the sandbox")


def _ask(studio: StudioClient) -> bytes:
    answer = studio.request("GET", _apidocs.PATH, raw=True)
    if answer.status_code != OK:
        fail(f"GET {_apidocs.PATH}: HTTP {answer.status_code}, where a description was expected", TROUBLE)
    content: bytes = answer.content
    return content


def _of_file(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            text = opened.read(_apidocs.LARGEST + 1)
    except OSError as error:
        fail(f"{file}: {error.strerror or error}", TROUBLE)
    return _read(text, str(file))


def _read(text: bytes, name: str) -> dict[str, Any]:
    try:
        return _apidocs.read(text)
    except _apidocs.DescriptionError as error:
        fail(f"{name}: {error}", TROUBLE)


def _print(found: list[_apidocs.Difference]) -> None:
    if not found:
        echo("Nothing differs: this Studio is described as the sandbox is.")
        return
    operation = ""
    for each in found:
        if each.operation != operation:
            operation = each.operation
            echo(printable(operation), "bold")
        what = f"{each.kind} {each.where}".rstrip()
        said = f"Studio: {each.studio or 'missing'}; sandbox: {each.sandbox or 'missing'}"
        echo(printable(f"  {what}: {said}" + (f"; client: {each.client}" if each.client else "")))
    print_error(f"{len(found)} differences. {_where_to_send()}")


def _where_to_send() -> str:
    urls = dict(each.split(", ", 1) for each in metadata("canvas-studio").get_all("Project-URL") or [])
    form = f"{urls.get('Issues', 'the issues of this package')}/new?template=studio-differs.yml"
    return f"Each of them is an unknown that closes: `canvas-studio apidocs save FILE`, and attach the file at {form}"
