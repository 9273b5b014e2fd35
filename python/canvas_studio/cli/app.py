"""The command `canvas-studio`: its own options, and its commands, each imported when it is named."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand
from typer.main import get_command

from canvas_studio import _logs
from canvas_studio._core import __version__
from canvas_studio.cli.apps import Group, plain
from canvas_studio.cli.command_table import COMMANDS, COMPLETE, INSTEAD, OPTIONS, PROGRAM, full_help

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter
    from typer._click.shell_completion import CompletionItem


class Commands(Group):
    """The commands of the table."""

    _only_names = False

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002
        """Return their names, in the order of the table."""
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002
        """Import a command; `None` if there is none of that name."""
        module, about = next(((module, about) for name, module, about in COMMANDS if name == cmd_name), (None, None))
        if module is None:
            return None
        if self._only_names:
            return TyperCommand(cmd_name, help=about)
        found = importlib.import_module(f"canvas_studio.cli.commands.{module}")
        app = getattr(found, "app", None)
        if app is None:
            app = plain()
            app.command(cmd_name, epilog=f"Example: {found.EXAMPLES[cmd_name]}")(
                getattr(found, cmd_name.replace("-", "_"))
            )
        command = get_command(app)
        command.name = cmd_name
        return command

    def instead(self, name: str, known: list[str]) -> str:
        """Say what there is in place of an unknown command, also of one that other programs have."""
        here = INSTEAD.get(name.casefold())
        return f"See {here}." if here else super().instead(name, known)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002 - typer gives it
        """Write what `canvas-studio --help` writes without typer."""
        formatter.write(full_help())

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """Return the names that a shell may complete. Nothing is imported for them."""
        self._only_names = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._only_names = False


app = plain()
app.info.cls = Commands
app.info.no_args_is_help = True

ABOUT_OPTIONS = dict(OPTIONS)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _log_as_json(context: typer.Context, value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        context.call_on_close(_logs.listen(_logs.json_lines(sys.stderr), _logs.DEBUG))


def _profile_stands_behind(value: str | None) -> None:
    if value is not None:
        raise typer.BadParameter(f"it stands behind the command, as in `{PROGRAM} media list --profile {value}`.")


@app.callback()
def canvas_studio(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help=ABOUT_OPTIONS["--version"])
    ] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", callback=_log_as_json, help=ABOUT_OPTIONS["--log-json"])
    ] = False,
    profile: Annotated[
        str | None, typer.Option("--profile", callback=_profile_stands_behind, is_eager=True, hidden=True)
    ] = None,
) -> None:
    """Instructure Studio (Canvas Studio) from the command line."""


if COMPLETE in os.environ:
    from typer.completion import get_completion_inspect_parameters

    # It is what makes typer know the shells.
    get_completion_inspect_parameters()
