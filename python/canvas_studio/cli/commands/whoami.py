"""The command `whoami`, and the descriptions of a person and of tokens."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict, cast

import typer

from canvas_studio import profiles
from canvas_studio._person import identify
from canvas_studio.cli.connection import client_of
from canvas_studio.cli.options import AsJson, ProfileArgument, ProfileOption, one_of
from canvas_studio.cli.terminal import echo, errors_as_text, fail, printable

if TYPE_CHECKING:
    from canvas_studio._core import StudioClient
    from canvas_studio._person import Identity
    from canvas_studio.auth import TokenStore
    from canvas_studio.models import Owner
    from canvas_studio.profiles import Settings

EXAMPLES = {"whoami": "canvas-studio whoami"}


class TokenFacts(TypedDict):
    """When tokens expire (ISO 8601, `None` if unknown), and whether they can be refreshed."""

    expires_at: str | None
    refreshable: bool


@errors_as_text()
def whoami(*, profile: ProfileArgument = None, profile_option: ProfileOption = None, as_json: AsJson = False) -> None:
    """Show who is signed in, as far as Studio tells."""
    settings = profiles.find(profile=one_of(profile, profile_option))
    identity = greet(settings)
    if as_json:
        typer.echo(json.dumps(facts(settings, identity), indent=2))
    else:
        describe(settings, identity)


def greet(settings: Settings) -> Identity:
    """Check the token with Studio, and find out who is signed in.

    Args:
        settings: The settings of the client.

    Returns:
        What Studio tells.

    Raises:
        StudioError: If Studio cannot be reached.
    """
    with client_of(settings) as studio:
        if not pongs(studio):
            fail(f"{studio.url} did not answer a ping with pong: is it a Studio?")
        return identify(studio)


def pongs(studio: StudioClient) -> bool:
    """Ping Studio with the token.

    Args:
        studio: The client.

    Returns:
        Whether it answers as a Studio does.

    Raises:
        StudioError: If it does not answer, or rejects the token.
    """
    # Both plain text and JSON have been observed.
    return str(studio.request("GET", "/ping")).strip().strip('"') == "pong"


def token_facts(settings: Settings) -> TokenFacts:
    """Return when the tokens expire.

    Args:
        settings: The settings of the client.

    Returns:
        What Studio tells.
    """
    # The stores of profiles and of the environment are blocking ones.
    tokens = None if settings.auth is None else cast("TokenStore", settings.auth.store).load()
    if tokens is None:
        return {"expires_at": None, "refreshable": False}
    return {
        "expires_at": None if tokens.expires_at is None else tokens.expires_at.isoformat(timespec="seconds"),
        "refreshable": tokens.refresh_token is not None,
    }


def lifetime(settings: Settings) -> str:
    """Say when the tokens expire.

    Args:
        settings: The settings of the client.

    Returns:
        A phrase.
    """
    found = token_facts(settings)
    expires_at = found["expires_at"]
    until = (
        "lifetime unknown"
        if expires_at is None
        else f"good until {datetime.fromisoformat(expires_at):%Y-%m-%d %H:%M} UTC"
    )
    return f"{until}, {'refreshed automatically' if found['refreshable'] else 'cannot be refreshed'}"


def person_name(person: Owner) -> str:
    """Describe a person in one line.

    Args:
        person: The person.

    Returns:
        The name, the e-mail address if there is one, and the id.
    """
    address = f" <{person.email}>" if person.email else ""
    return printable(f"{person.full_name or '(no name)'}{address}, id {person.id}")


def role(identity: Identity) -> str:
    """Describe the role that the person probably has.

    Args:
        identity: The person.

    Returns:
        A phrase.
    """
    words = {True: "probably an administrator", False: "probably not an administrator", None: "unknown"}
    roles = f" (Studio says: {', '.join(map(printable, identity.roles))})" if identity.roles else ""
    return words[identity.administrator] + roles


def facts(settings: Settings, identity: Identity) -> dict[str, Any]:
    """Return all this for a program.

    Args:
        settings: The settings of the client.
        identity: The person.

    Returns:
        What `json.dumps` takes.
    """
    person = identity.person
    return {
        "url": settings.url,
        "profile": settings.profile and settings.profile.name,
        "person": person and {"id": person.id, "full_name": person.full_name, "email": person.email},
        "person_reason": identity.reason,
        "administrator": identity.administrator,
        "roles": None if identity.roles is None else list(identity.roles),
        "token": {"from": settings.credentials_from, **token_facts(settings)},
    }


def describe(settings: Settings, identity: Identity) -> None:
    """Print all this for a person.

    Args:
        settings: The settings of the client.
        identity: The person.
    """
    who = f"probably {person_name(identity.person)}" if identity.person else "unknown"
    echo(f"You are   {who}", style="bold")
    echo(f"          ({identity.reason}; Studio has no operation for this)")
    echo(f"Role      {role(identity)}")
    echo(f"School    {settings.url}")
    if settings.profile is not None:
        echo(f"Profile   {settings.profile.name}")
    echo(f"Token     {lifetime(settings)}")
