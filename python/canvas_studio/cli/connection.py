"""The client of a command, and what to do when its token or the network fails."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from canvas_studio import profiles
from canvas_studio.cli.exit_codes import FAILED
from canvas_studio.cli.terminal import fail
from canvas_studio.errors import APIConnectionError, APITimeoutError, AuthenticationError, LoginRequiredError

if TYPE_CHECKING:
    from collections.abc import Generator

    from canvas_studio._core import StudioClient
    from canvas_studio.profiles import Settings


@contextmanager
def connected(profile: str | None) -> Generator[StudioClient]:
    """Make the client of a command.

    Args:
        profile: The profile that was named, if any was.

    Yields:
        The client.
    """
    with client_of(profiles.find(profile=profile)) as studio:
        yield studio


@contextmanager
def client_of(settings: Settings, code: int = FAILED, *, then: str = "") -> Generator[StudioClient]:
    """Make the client of settings.

    Args:
        settings: The settings.
        code: The exit code if the token or the network fails.
        then: What to say then in a last line.

    Yields:
        The client.
    """
    last = f"\n{then}" if then else ""
    try:
        with settings.client() as studio:
            yield studio
    except (LoginRequiredError, AuthenticationError) as error:
        fail(f"{error}\n{another_token(settings)}{last}", code)
    except (APIConnectionError, APITimeoutError) as error:
        fail(f"{error}\n{diagnosis(settings)}{last}", code)


def diagnosis(settings: Settings) -> str:
    """Say how to find out why there is no connection.

    Args:
        settings: The settings of the client.

    Returns:
        A sentence.
    """
    return f"To find out why: canvas-studio ping{f' {settings.profile.name}' if settings.profile else ''}"


def another_token(settings: Settings) -> str:
    """Say how to replace an invalid token.

    Args:
        settings: The settings with the token.

    Returns:
        A sentence.
    """
    if settings.profile is not None:
        return f"Log in again: canvas-studio login {settings.profile.name}"
    return f"The token comes from {settings.credentials_from}: put a new one there."
