"""The commands that sign in and out: `login` and `logout`."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import parse_qs, urlsplit

import typer

from canvas_studio import profiles
from canvas_studio.auth import MemoryTokenStore
from canvas_studio.cli.commands.whoami import describe, greet
from canvas_studio.cli.options import ProfileArgument, ProfileOption, one_of
from canvas_studio.cli.terminal import ask, echo, errors_as_text, fail, print_error
from canvas_studio.errors import InvalidArgumentError, SignInError, StudioError, TokenStoreError
from canvas_studio.profiles import OUT_OF_BAND, Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from canvas_studio.auth import Tokens

EXAMPLES = {"login": "canvas-studio login myschool", "logout": "canvas-studio logout myschool"}

ATTEMPTS: Final = 3
DOMAIN: Final = ".instructuremedia.com"
AUTHORIZE: Final = "/api/public/oauth/authorize"
KEYS: Final = "Studio > Settings > Developer Keys"
ID_VARIABLE: Final = "CANVAS_STUDIO_CLIENT_ID"
SECRET_VARIABLE: Final = "CANVAS_STUDIO_CLIENT_SECRET"  # noqa: S105 - where one is
# What OAuth's error codes mean.
REASONS: Final = {
    "access_denied": "access was denied in the browser; log in again and allow it",
    "invalid_client": f"Studio rejects this client id with this client secret; compare both with {KEYS}, and "
    "enter the secret again with --client-secret-stdin",
    "unauthorized_client": f"the developer key is not allowed to do this; check it in {KEYS}",
    "invalid_grant": "the code has expired, was used before, is incomplete, or belongs to another redirect "
    "URI or developer key; open the page again for a new one",
    "invalid_request": f"Studio rejects the request; compare the redirect URI with {KEYS}",
    "invalid_redirect_uri": f"the redirect URI is not registered on the developer key; compare it with {KEYS}",
}
OTHER_ATTEMPT: Final = "it belongs to another attempt (the state differs); open the page above"
NOT_AN_ADMINISTRATOR: Final = (
    "Clients of this profile see what is yours or shared with you. To see the media of the whole school, an "
    "administrator of Studio has to sign in."
)
NOT_REVOKED: Final = (
    "Studio has no documented way to revoke tokens: copies of them stay valid until they expire, or perhaps until an "
    f"administrator deletes the developer key in {KEYS}."
)


class CannotBeRightError(ValueError):
    """The pasted text is not what Studio gave; the user can paste again."""


@dataclass(frozen=True, slots=True)
class SignInTarget:
    """Where to sign in, and which profile exists already.

    Attributes:
        name: The name of the profile.
        url: The school.
        known: The profile of that name, if it exists and belongs to this school.
        replaced: The profile of that name, of any school.
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
            metavar="SCHOOL|PROFILE",
            help="The school's name, host or URL; or an existing profile.",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The school's URL, if the argument names the profile.", show_default=False),
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
            help="Keep the secrets in the system's keyring, or in files.",
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
    """Sign in at a school, and save a profile for its clients.

    Enter the client secret when asked, or pass it in CANVAS_STUDIO_CLIENT_SECRET or on standard input. It is not an
    argument, since others could see it there.
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
        fail("not signed in: nothing was entered")
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
    everything: Annotated[bool, typer.Option("--all", help="Delete the whole profile with its developer key.")] = False,
) -> None:
    """Delete the tokens of a profile."""
    name = profiles.choose(one_of(profile, profile_option))
    if everything and name in profiles.names():
        profiles.delete(name)
        echo(f"Deleted the profile {name!r} with its developer key and its tokens.")
    else:
        profiles.forget_tokens(profiles.load(name))
        echo(f"Deleted the tokens of the profile {name!r}. Its developer key stays; `logout --all` deletes it.")
    echo(NOT_REVOKED)


def _target(school: str | None, url: str | None, profile: str | None) -> SignInTarget:
    """Find the school and the profile."""
    if url is not None:
        if school and profile:
            fail("give two of: a school, --url, --profile", 2)
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
        fail(f"the profile {chosen!r} exists already, for {found.url}: choose another name with --profile", 2)
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
    """Return the developer key: from the options, the environment, the profile, or the keyboard."""
    at_variable = os.environ.get("CANVAS_STUDIO_URL", "").strip()
    # Never try the key of one school at another.
    of_this_school = not at_variable or profiles.school_url(at_variable) == target.url
    environment: Mapping[str, str] = os.environ if of_this_school else {}
    environment = {name: environment.get(name, "").strip() for name in (ID_VARIABLE, SECRET_VARIABLE)}
    identifier = client_id or environment.get(ID_VARIABLE) or (target.known.client_id if target.known else None)
    if identifier is None:
        if not sys.stdin.isatty():
            fail(f"the client id is missing: --client-id, or {ID_VARIABLE}", 2)
        echo(f"An administrator of Studio creates developer keys in {KEYS}.")
        identifier = ask("Client id")
    if from_stdin:
        secret = ask("Client secret", hidden=True)
    elif environment.get(SECRET_VARIABLE) and (environment.get(ID_VARIABLE) or identifier) == identifier:
        secret = environment[SECRET_VARIABLE]
    elif target.known and target.known.client_id == identifier and (found := _known_secret(target.known)):
        secret = found
    elif sys.stdin.isatty():
        secret = ask("Client secret (hidden)", hidden=True)
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
        print_error(f"The saved client secret cannot be read: {error}.")
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
    """Let the user allow access in a browser, and exchange what they paste for tokens. No store has them yet."""
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
            problem = f"{REASONS.get(error.reason, error)} (Studio: {error.reason})"
            if error.reason == "other_state":
                problem = OTHER_ATTEMPT
            elif error.reason != "invalid_grant":
                fail(f"not signed in: {problem}")
        if not left:
            fail(f"not signed in: {problem}")
        print_error(f"Signing in failed: {problem}.\nTry again ({left} left).")
    raise AssertionError


def _explain(page: str, wanted: Profile) -> None:
    echo(f"Sign in at {wanted.url}", style="bold")
    echo("\nOpen this page in a browser, sign in to Studio, and allow access:\n")
    echo(page)
    if wanted.redirect_uri == OUT_OF_BAND:
        echo("\nStudio then shows a code.")
    else:
        echo(
            f"\nThe browser then goes to {wanted.redirect_uri}, with a code in the address. The page itself need not "
            "exist; only the address matters."
        )
    echo(
        "If Studio shows an error instead, check the developer key: its client id must be "
        f"{wanted.client_id}, and its redirect URIs must include {wanted.redirect_uri} (see {KEYS}).\n"
    )


def _what_to_paste(wanted: Profile) -> str:
    return "The code" if wanted.redirect_uri == OUT_OF_BAND else "The whole address (or the code in it)"


def _has_browser() -> bool:
    """Whether there is a browser that the user of this terminal would see."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    if sys.platform in {"win32", "darwin"}:
        return not os.environ.get("SSH_CONNECTION")
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    remote = os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY")
    # Without a screen, Python finds a text browser, which would take over this terminal.
    return bool(screen or (os.environ.get("BROWSER") and not remote))


def _check_pasted(pasted: str) -> None:
    """Reject what only this program can recognise as wrong; `exchange` checks the rest."""
    pasted = "".join(pasted.split()).strip("\"'<>`")
    if not pasted:
        raise CannotBeRightError("nothing was pasted")
    page, _, rest = pasted.partition("?")
    if page.endswith(AUTHORIZE) and "code" not in parse_qs(rest.partition("#")[0]):
        raise CannotBeRightError("that is the page on which you allow access; allow it there, and copy what comes next")


def _keep(target: SignInTarget, wanted: Profile, tokens: Tokens) -> None:
    """Save the profile and the tokens, or change nothing; then delete what they replaced."""
    profiles.save(wanted, tokens)
    before = target.replaced
    if before is None or before.store == wanted.store:
        return
    try:
        profiles.forget(before)
    except (StudioError, OSError) as error:
        print_error(f"The profile is saved, but its secrets could not be deleted from the previous store: {error}")
