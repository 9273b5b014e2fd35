"""Pickles clients and `OAuth` with the name of the source of their secret, never with the secret."""

from __future__ import annotations

import hmac
import os
from typing import Any

from canvas_studio import profiles
from canvas_studio._core import OAuth, StudioClient
from canvas_studio._tracebacks import clears_locals
from canvas_studio.errors import InvalidArgumentError, StudioError

TOKEN = "CANVAS_STUDIO_TOKEN"  # noqa: S105 - the name of a variable
SECRET = "CANVAS_STUDIO_CLIENT_SECRET"  # noqa: S105 - likewise


@clears_locals
def token_source(token: str) -> str:
    """Name the source from which another process can read this token.

    Raises:
        TypeError: If there is none.
    """
    if _is(os.environ.get(TOKEN), token):
        return TOKEN
    raise TypeError(
        "a client is pickled without its token, and another process could not find it: make the client with "
        f"StudioClient.from_env() and set {TOKEN}, or use OAuth with a store that processes can share"
    )


@clears_locals
def secret_source(client_id: str, secret: str) -> str:
    """Name the source of this developer key's secret: a variable or a profile.

    Raises:
        TypeError: If there is none.
    """
    if _is(os.environ.get(SECRET), secret):
        return SECRET
    for name in profiles.names():
        try:
            profile = profiles.load(name)
            if profile.client_id == client_id and _is(profile.secret(), secret):
                return f"profile {name}"
        except (StudioError, OSError):
            continue  # a profile that cannot be read is no source
    raise TypeError(
        "an OAuth is pickled without the client secret, and another process could not find it: "
        f"set {SECRET}, or sign in with `{profiles.LOGIN}` and use StudioClient.from_env()"
    )


@clears_locals
def secret_from(source: str) -> str:
    """Read the secret from a named source.

    Raises:
        InvalidArgumentError: If it is not there.
        TokenStoreError: If the keyring no longer has it.
    """
    if source.startswith("profile "):
        return profiles.load(source.removeprefix("profile ")).secret()
    if secret := os.environ.get(source):
        return secret
    raise InvalidArgumentError(
        f"{source} is not set here: the process that pickled the client had it, and this process needs it too",
        argument=source,
    )


@clears_locals
def oauth(client_id: str, source: str, store: Any, **rest: Any) -> OAuth:  # noqa: ANN401 - OAuth's own
    """Make an `OAuth` from its pickle."""
    return OAuth(client_id, secret_from(source), store=store, **rest)


@clears_locals
def client(url: str, source: str | None, auth: OAuth | None, options: dict[str, Any]) -> StudioClient:
    """Make a client from its pickle."""
    return StudioClient(url, token=None if source is None else secret_from(source), auth=auth, **options)


def _is(known: str | None, secret: str) -> bool:
    return known is not None and hmac.compare_digest(known.strip().encode(), secret.encode())
