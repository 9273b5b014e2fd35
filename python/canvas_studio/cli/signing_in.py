"""The commands that sign in and out: `login` and `logout`."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import parse_qs, urlsplit

import typer

from canvas_studio import profiles
from canvas_studio.auth import MemoryTokenStore
from canvas_studio.cli.terminal import ask, echo, errors_as_text, fail, print_error
from canvas_studio.cli.who import ProfileArgument, ProfileOption, describe, greet, one_of
from canvas_studio.errors import InvalidArgumentError, SignInError, StudioError, TokenStoreError
from canvas_studio.profiles import OUT_OF_BAND, Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from canvas_studio.auth import Tokens

ATTEMPTS: Final = 3
DOMAIN: Final = ".instructuremedia.com"
AUTHORIZE: Final = "/api/public/oauth/authorize"
KEYS: Final = "Studio > Settings > Developer Keys"
ID_VARIABLE: Final = "CANVAS_STUDIO_CLIENT_ID"
SECRET_VARIABLE: Final = "CANVAS_STUDIO_CLIENT_SECRET"  # noqa: S105 - where one is
# OAuth's words for what goes wrong, in plain ones.
REASONS: Final = {
    "access_denied": "it was not allowed in the browser; log in again, and allow it",
    "invalid_client": f"Studio does not know this client id with this client secret; compare both with {KEYS}, and "
    "enter the secret again with --client-secret-stdin",
    "unauthorized_client": f"the developer key may not do that; look at it in {KEYS}",
    "invalid_grant": "the code has expired, was used before, was not copied whole, or was made for another redirect "
    "URI or developer key; open the page again for a new one",
    "invalid_request": f"Studio takes the request for wrong; compare the redirect URI with {KEYS}",
    "invalid_redirect_uri": f"the redirect URI is not registered on the developer key; compare it with {KEYS}",
}
OTHER_ATTEMPT: Final = "it is of another attempt (its state is another one); open the page above"
NOT_AN_ADMINISTRATOR: Final = (
    "Clients of this profile see what is yours or shared with you. For the media of the whole school, an administrator "
    "of Studio has to sign in."
)
NOT_REVOKED: Final = (
    "Studio has no documented way to revoke tokens: copies of them stay good until they expire, or perhaps until an "
    f"administrator deletes the developer key in {KEYS}."
)


class CannotBeRightError(ValueError):
    """What was pasted is not what Studio gave; it can be pasted again."""


@dataclass(frozen=True, slots=True)
class SignInTarget:
    """Where to sign in, and what is known from before.

    Attributes:
        name: The name of the profile.
        url: The school.
        known: The profile of that name, if it is there and of this school.
        replaced: The profile of that name, whatever its school.
    """

    name: str
    url: str
    known: Profile | None
    replaced: Profile | None


@errors_as_text()
def login(
    *,
    school: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCHOOL_OR_PROFILE]",
            help="The school's name, host or URL; or a profile that is there already.",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The school's URL, if the argument is a name for it.", show_default=False),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The name of the profile.", show_default="after the school"),
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The client id of the developer key.", show_default=False)
    ] = None,
    client_secret_stdin: Annotated[
        bool, typer.Option("--client-secret-stdin", help="Read the client secret from standard input.")
    ] = False,
    redirect_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", help="A redirect URI that is registered on the developer key.", show_default=False),
    ] = None,
    keyring: Annotated[
        bool | None,
        typer.Option(
            "--keyring/--no-keyring",
            help="Keep the secrets in the keyring of the system, or in files.",
            show_default="in files",
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    proxy: Annotated[
        str | None, typer.Option(metavar="URL", help="The proxy.", show_default="that of the environment")
    ] = None,
    ca_bundle: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="The certificates to trust.",
            show_default="those of the system",
        ),
    ] = None,
) -> None:
    """Sign in at a school, and keep as a profile what its clients need.

    The client secret is asked for, or read from CANVAS_STUDIO_CLIENT_SECRET or standard input. It is no argument, since
    others could see that.
    """
    target = _target(school, url, profile)
    known = target.known
    try:
        store = _store(known, keyring=keyring)
        if store == "keyring":
            profiles.check_keyring()
        identifier, secret = _key(target, client_id, from_stdin=client_secret_stdin)
        wanted = Profile(
            name=target.name,
            url=target.url,
            client_id=identifier,
            client_secret=secret,
            redirect_uri=_redirect_uri(known, redirect_uri),
            store=store,
            proxy=proxy or (known.proxy if known else None),
            ca_bundle=str(ca_bundle.resolve()) if ca_bundle else (known.ca_bundle if known else None),
        )
        tokens = _sign_in(wanted, browser=not no_browser)
    except EOFError:
        fail("nothing was entered, so nobody is signed in")
    _keep(target, wanted, tokens)
    echo(f"\nSigned in. The profile {wanted.name!r} is in {wanted.path}.\n")
    settings = profiles.find(profile=wanted.name)
    identity = greet(settings)
    describe(settings, identity)
    if identity.administrator is False:
        echo(f"\n{NOT_AN_ADMINISTRATOR}")


@errors_as_text()
def logout(
    *,
    profile: ProfileArgument = None,
    profile_option: ProfileOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Remove the whole profile, with the developer key in it.")
    ] = False,
) -> None:
    """Forget the tokens of a profile."""
    name = profiles.choose(one_of(profile, profile_option))
    if everything and name in profiles.names():
        profiles.delete(name)
        echo(f"The profile {name!r} is removed, with its developer key and its tokens.")
    else:
        profiles.forget_tokens(profiles.load(name))
        echo(f"The tokens of the profile {name!r} are forgotten. Its developer key stays; `logout --all` removes it.")
    echo(NOT_REVOKED)


def _target(school: str | None, url: str | None, profile: str | None) -> SignInTarget:
    """Find out which school is meant, and which profile."""
    if url is not None:
        if school and profile:
            fail("a school, --url and --profile are one too many: leave out the first", 2)
        school, profile = url, school or profile
    known = profiles.names()
    if profile is None and school in known:
        school, profile = None, school
    school = school or (None if profile in known else os.environ.get("CANVAS_STUDIO_URL"))
    if school is None and profile is None and (known or os.environ.get("CANVAS_STUDIO_PROFILE")):
        profile = profiles.choose()
    if school is None and profile in known:
        found = profiles.load(profile)
        return SignInTarget(profile, found.url, found, found)
    if school is None and not sys.stdin.isatty():
        fail("the school is missing: canvas-studio login SCHOOL", 2)
    return _at(profiles.school_url(school or ask("School (its name, host or URL)")), profile)


def _at(url: str, name: str | None) -> SignInTarget:
    chosen = profiles.check_name(name) if name else name_for(url)
    found = profiles.load(chosen) if chosen in profiles.names() else None
    if found and found.url != url and name is None:
        fail(f"there is a profile {chosen!r} already, of {found.url}: name this one with --profile", 2)
    return SignInTarget(chosen, url, found if found and found.url == url else None, found)


def name_for(url: str) -> str:
    """Name a profile after its school.

    Args:
        url: The school's URL.

    Returns:
        The name.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", urlsplit(url).netloc.removesuffix(DOMAIN)).strip("._-")
    return name if profiles.is_name(name) else f"school-{name}"[:64]


def _key(target: SignInTarget, client_id: str | None, *, from_stdin: bool) -> tuple[str, str]:
    """The developer key: what was given, what is in the environment, what is known, what is typed."""
    at_variable = os.environ.get("CANVAS_STUDIO_URL", "").strip()
    # The key of one school is not tried at another.
    of_this_school = not at_variable or profiles.school_url(at_variable) == target.url
    environment: Mapping[str, str] = os.environ if of_this_school else {}
    environment = {name: environment.get(name, "").strip() for name in (ID_VARIABLE, SECRET_VARIABLE)}
    identifier = client_id or environment.get(ID_VARIABLE) or (target.known.client_id if target.known else None)
    if identifier is None:
        if not sys.stdin.isatty():
            fail(f"the client id is missing: --client-id, or {ID_VARIABLE}", 2)
        echo(f"A developer key is made by an administrator of Studio, in {KEYS}.")
        identifier = ask("Client id")
    if from_stdin:
        secret = ask("Client secret", hidden=True)
    elif environment.get(SECRET_VARIABLE) and (environment.get(ID_VARIABLE) or identifier) == identifier:
        secret = environment[SECRET_VARIABLE]
    elif target.known and target.known.client_id == identifier and (found := _known_secret(target.known)):
        secret = found
    elif sys.stdin.isatty():
        secret = ask("Client secret (it is not shown)", hidden=True)
    else:
        fail(f"the client secret is missing: --client-secret-stdin, or {SECRET_VARIABLE}", 2)
    for name, value in (("client id", identifier), ("client secret", secret)):
        if not value:
            fail(f"the {name} is empty", 2)
    return identifier, secret


def _known_secret(known: Profile) -> str | None:
    try:
        return known.secret()
    except TokenStoreError as error:
        print_error(f"The client secret of before cannot be read: {error}.")
        return None


def _redirect_uri(known: Profile | None, given: str | None) -> str:
    default = known.redirect_uri if known else OUT_OF_BAND
    if given is None and known is None and sys.stdin.isatty():
        given = ask(f"Redirect URI of the developer key (Enter for {OUT_OF_BAND})")
    return given or default


def _store(known: Profile | None, *, keyring: bool | None) -> profiles.StoreKind:
    if keyring is None:
        return known.store if known else "file"
    return "keyring" if keyring else "file"


def _sign_in(wanted: Profile, *, browser: bool) -> Tokens:
    """Let somebody allow it in a browser, and turn what they paste into tokens, which are in no store yet."""
    oauth = wanted.oauth(MemoryTokenStore())
    state = secrets.token_urlsafe(12)
    page = oauth.authorization_url(state=state)
    _explain(page, wanted)
    if browser and _has_browser():
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(page)
    for left in reversed(range(ATTEMPTS)):
        try:
            pasted = ask(_what_to_paste(wanted))
            _check_pasted(pasted)
            return oauth.exchange(pasted, state)
        except (CannotBeRightError, InvalidArgumentError) as error:
            problem = str(error)
        except SignInError as error:
            problem = f"{REASONS.get(error.reason, error)} (Studio says: {error.reason})"
            if error.reason == "other_state":
                problem = OTHER_ATTEMPT
            elif error.reason != "invalid_grant":
                fail(f"nobody is signed in: {problem}")
        if not left:
            fail(f"nobody is signed in: {problem}")
        print_error(f"That did not work: {problem}.\nTry again ({left} more).")
    raise AssertionError


def _explain(page: str, wanted: Profile) -> None:
    echo(f"Sign in at {wanted.url}", style="bold")
    echo("\nOpen this page in a browser, sign in to Studio, and allow it:\n")
    echo(page)
    if wanted.redirect_uri == OUT_OF_BAND:
        echo("\nStudio then shows a code.")
    else:
        echo(
            f"\nThe browser then goes to {wanted.redirect_uri}, with a code behind it. It does not matter whether a "
            "page is there: what counts is the address."
        )
    echo(
        "If Studio shows an error instead, the developer key does not fit: its client id has to be "
        f"{wanted.client_id}, and among its redirect URIs has to be {wanted.redirect_uri} (see {KEYS}).\n"
    )


def _what_to_paste(wanted: Profile) -> str:
    return "The code" if wanted.redirect_uri == OUT_OF_BAND else "The whole address (or the code in it)"


def _has_browser() -> bool:
    """Whether there is a browser that somebody in front of this terminal would see."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    if sys.platform in {"win32", "darwin"}:
        return not os.environ.get("SSH_CONNECTION")
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    remote = os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY")
    # Without a screen, what is found is a browser for terminals, which would take this one.
    return bool(screen or (os.environ.get("BROWSER") and not remote))


def _check_pasted(pasted: str) -> None:
    """Refuse what only this program can know to be wrong; what else is pasted, `exchange` judges."""
    pasted = "".join(pasted.split()).strip("\"'<>`")
    if not pasted:
        raise CannotBeRightError("nothing was pasted")
    page, _, rest = pasted.partition("?")
    if page.endswith(AUTHORIZE) and "code" not in parse_qs(rest.partition("#")[0]):
        raise CannotBeRightError(
            "that is the page on which it is allowed; allow it there, and copy what comes after that"
        )


def _keep(target: SignInTarget, wanted: Profile, tokens: Tokens) -> None:
    """Keep the profile and the tokens, or leave what was there; then remove what is of no use any more."""
    profiles.save(wanted, tokens)
    before = target.replaced
    if before is None or before.store == wanted.store:
        return
    try:
        profiles.forget(before)
    except (StudioError, OSError) as error:
        print_error(f"The profile is in its new place, but what is in the old one could not be removed: {error}")
