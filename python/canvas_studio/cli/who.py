"""The command `whoami`, and how a person and their tokens are described."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast

import typer

from canvas_studio import profiles
from canvas_studio.cli.person import identify
from canvas_studio.cli.terminal import echo, errors_as_text, fail, printable
from canvas_studio.errors import AuthenticationError, LoginRequiredError

if TYPE_CHECKING:
    from canvas_studio._core import StudioClient
    from canvas_studio.auth import TokenStore
    from canvas_studio.cli.person import Identity
    from canvas_studio.models import Owner
    from canvas_studio.profiles import Settings

ProfileArgument = Annotated[str | None, typer.Argument(metavar="[PROFILE]", help="Which profile.", show_default=False)]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", metavar="PROFILE", help="The same, as an option.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class TokenFacts(TypedDict):
    """Until when tokens are good (ISO 8601, `None` if that is not known), and whether they can be refreshed."""

    expires_at: str | None
    refreshable: bool


@errors_as_text()
def whoami(*, profile: ProfileArgument = None, profile_option: ProfileOption = None, as_json: AsJson = False) -> None:
    """Say who is signed in, as far as Studio lets it be known."""
    settings = profiles.find(profile=one_of(profile, profile_option))
    identity = greet(settings)
    if as_json:
        typer.echo(json.dumps(facts(settings, identity), indent=2))
    else:
        describe(settings, identity)


def one_of(argument: str | None, option: str | None) -> str | None:
    """Return the profile that is asked for, which may be given in two ways.

    Args:
        argument: As an argument.
        option: As an option.

    Returns:
        Its name, if any is given.
    """
    if argument and option and argument != option:
        fail(f"{argument!r} and {option!r} are two profiles: name one", 2)
    return argument or option


def greet(settings: Settings) -> Identity:
    """Ask Studio whether it takes the token, and find out who is signed in.

    Args:
        settings: With what the client is made.

    Returns:
        What is known.

    Raises:
        StudioError: If Studio cannot be asked.
    """
    try:
        with settings.client() as studio:
            if not pongs(studio):
                fail(f"{studio.url} answers a ping with something else than pong: is it a Studio?")
            return identify(studio)
    except (LoginRequiredError, AuthenticationError) as error:
        fail(f"{error}\n{another_token(settings)}")


def pongs(studio: StudioClient) -> bool:
    """Ask Studio whether it is there and takes the token.

    Args:
        studio: The client.

    Returns:
        Whether it answers what a Studio does.

    Raises:
        StudioError: If it does not answer, or takes the token for wrong.
    """
    # As text and as JSON: both were seen.
    return str(studio.request("GET", "/ping")).strip().strip('"') == "pong"


def another_token(settings: Settings) -> str:
    """Say what to do about a token that is not good.

    Args:
        settings: Where it came from.

    Returns:
        A sentence.
    """
    if settings.profile is not None:
        return f"Log in again: canvas-studio login {settings.profile.name}"
    return f"It came from {settings.credentials_from}: put a new one there."


def token_facts(settings: Settings) -> TokenFacts:
    """Tell until when the tokens are good.

    Args:
        settings: With what the client is made.

    Returns:
        What is known.
    """
    # A profile's stores, and that of the environment, are not async.
    tokens = None if settings.auth is None else cast("TokenStore", settings.auth.store).load()
    if tokens is None:
        return {"expires_at": None, "refreshable": False}
    return {
        "expires_at": None if tokens.expires_at is None else tokens.expires_at.isoformat(timespec="seconds"),
        "refreshable": tokens.refresh_token is not None,
    }


def lifetime(settings: Settings) -> str:
    """Say until when the tokens are good.

    Args:
        settings: With what the client is made.

    Returns:
        Some words.
    """
    found = token_facts(settings)
    expires_at = found["expires_at"]
    until = (
        "a time that is not known" if expires_at is None else f"{datetime.fromisoformat(expires_at):%Y-%m-%d %H:%M} UTC"
    )
    return f"good until {until}, {'and refreshed by itself' if found['refreshable'] else 'and cannot be refreshed'}"


def person_name(person: Owner) -> str:
    """Name a person.

    Args:
        person: The person.

    Returns:
        The name, the address if there is one, and the id.
    """
    address = f" <{person.email}>" if person.email else ""
    return printable(f"{person.full_name or 'somebody without a name'}{address}, id {person.id}")


def role(identity: Identity) -> str:
    """Say what the person probably may do.

    Args:
        identity: Who it is.

    Returns:
        Some words.
    """
    words = {True: "probably an administrator", False: "probably not an administrator", None: "not known"}
    roles = f" (Studio says: {', '.join(map(printable, identity.roles))})" if identity.roles else ""
    return words[identity.administrator] + roles


def facts(settings: Settings, identity: Identity) -> dict[str, Any]:
    """Tell it to a program.

    Args:
        settings: With what the client is made.
        identity: Who it is.

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
    """Tell it to a person.

    Args:
        settings: With what the client is made.
        identity: Who it is.
    """
    who = f"probably {person_name(identity.person)}" if identity.person else "not known"
    echo(f"You are   {who}", style="bold")
    echo(f"          ({identity.reason}; Studio has no way to ask)")
    echo(f"Role      {role(identity)}")
    echo(f"School    {settings.url}")
    if settings.profile is not None:
        echo(f"Profile   {settings.profile.name}")
    echo(f"Token     {lifetime(settings)}")
