"""Makes the apps of typer, all of one kind."""

from __future__ import annotations

import typer


def plain() -> typer.Typer:
    """Make an app as all of them are: plain help, `-h`, and Python's own tracebacks, which show no values.

    Returns:
        The app.
    """
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def group(about: str, example: str) -> typer.Typer:
    """Make a group of commands, which is what a module of `cli/commands/` has as `app`.

    Args:
        about: What its commands do.
        example: A line that works.

    Returns:
        The app.
    """
    app = plain()
    app.info.no_args_is_help = True
    app.callback(help=about, epilog=f"Example: {example}")(_nothing)
    return app


def _nothing() -> None:
    """Make a group of an app that has one command."""
