"""The command `ping`: checks the way to a school step by step, and says what to do about a failure."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from canvas_studio import profiles
from canvas_studio._core import StudioClient
from canvas_studio._person import identify
from canvas_studio.cli.commands.whoami import lifetime, person_name, pongs, role
from canvas_studio.cli.connection import another_token
from canvas_studio.cli.options import AsJson, ProfileOption, one_of
from canvas_studio.cli.terminal import echo, errors_as_text, printable
from canvas_studio.errors import AuthenticationError, InvalidArgumentError, LoginRequiredError, StudioError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_studio.profiles import Settings

EXAMPLES = {"ping": "canvas-studio ping"}

# How long to wait for a connection, for a byte, and for the answer about the token, in seconds.
CONNECT: Final = 5.0
READ: Final = 15.0
TOTAL: Final = 30.0
STYLES: Final = {"ok": "green", "failed": "bold red", "note": "yellow", "skipped": "dim"}
# The next thing to do for a step that is not ok, in addition to its message.
NEXT: Final = {
    "DNS": "check the school's name and your network; behind a proxy, HTTPS_PROXY, NO_PROXY, --proxy or the profile",
    "connection": "check the port, and whether a firewall requires a proxy (HTTPS_PROXY, --proxy)",
    "proxy": "check the proxy (HTTPS_PROXY, NO_PROXY, --proxy, the profile), and whether it requires a password",
    "TLS": "check the port, and whether a firewall intercepts the connection",
    "certificate": "trust its authority with --ca-bundle FILE or SSL_CERT_FILE; "
    "if it has expired, check the clock of this machine",
    "API": "check the host; a network that wants you to log in first (as in a hotel) also answers like this; "
    "if Studio itself failed, try again later",
    "clock": "set the clock of this machine, or synchronise it over the network",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The result of one step.

    Attributes:
        name: What was checked.
        state: `ok`, `failed`, `skipped`, or `note`, which is neither good nor bad.
        detail: What was found.
        next: What to do about it.
        seconds: How long it took, where the core can tell.
    """

    name: str
    state: str
    detail: str
    next: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to check.

    Attributes:
        url: The school.
        url_from: Where the URL came from, in words.
        settings: The settings of a client; `None` without a token.
        is_unknown: Whether there is no profile, which is not a failure.
        problem: Why there is no token.
        remedy: What to do about it.
        proxy: The proxy, if one was given.
        ca_bundle: The certificates, if some were given.
    """

    url: str
    url_from: str
    settings: Settings | None
    is_unknown: bool = False
    problem: str | None = None
    remedy: str | None = None
    proxy: str | None = None
    ca_bundle: str | None = None

    @property
    def network(self) -> dict[str, Any]:
        """The network options of a client."""
        return {name: value for name in ("proxy", "ca_bundle") if (value := getattr(self, name)) is not None}


@errors_as_text()
def ping(
    *,
    profile: Annotated[
        str | None,
        typer.Argument(
            metavar="PROFILE|SCHOOL",
            help="The profile; or a school's name, host or URL, to check the network only.",
            show_default=False,
        ),
    ] = None,
    profile_option: ProfileOption = None,
    proxy: Annotated[
        str | None, typer.Option(metavar="URL", help="The proxy.", show_default="that of the profile or environment")
    ] = None,
    ca_bundle: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="The certificates to trust.",
            show_default="those of the profile or system",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the way to a school: network, proxy, certificate, token, role, clock."""
    target = _target(one_of(profile, profile_option), proxy, None if ca_bundle is None else str(ca_bundle.resolve()))
    steps: list[Step] = []
    for step in _look(target):
        steps.append(step)
        if not as_json:
            _show(step)
    failed = [step.name for step in steps if step.state == "failed"]
    if as_json:
        of = target.settings and target.settings.profile
        told = {
            "ok": not failed,
            "url": target.url,
            "profile": of and of.name,
            "steps": [asdict(each) for each in steps],
        }
        typer.echo(json.dumps(told, indent=2))
    else:
        well = "Everything is fine." if target.settings else "Everything that was checked is fine."
        echo()
        echo(f"Failed: {', '.join(failed)}." if failed else well, style="bold")
    if failed:
        raise typer.Exit(1)


def _target(name: str | None, proxy: str | None, ca_bundle: str | None) -> Target:
    known = profiles.names()
    if name is not None and name not in known:
        url = profiles.school_url(name)
        return Target(
            url=url,
            url_from=f"{name!r}, which is not a profile and so taken as a school",
            settings=None,
            is_unknown=True,
            problem="there is no profile, so there is no token to try",
            remedy=f"canvas-studio login {name}",
            proxy=proxy,
            ca_bundle=ca_bundle,
        )
    try:
        settings = profiles.find(profile=name, proxy=proxy, ca_bundle=ca_bundle)
    except (InvalidArgumentError, StudioError) as error:
        return _without_token(name, error, proxy, ca_bundle)
    return Target(
        url=settings.url,
        url_from=settings.url_from,
        settings=settings,
        proxy=settings.proxy,
        ca_bundle=settings.ca_bundle,
    )


def _without_token(name: str | None, error: StudioError, proxy: str | None, ca_bundle: str | None) -> Target:
    """Return a target without a token: the network can be checked even so."""
    rest: dict[str, Any] = {"settings": None, "problem": str(error), "remedy": "the rest is checked without a token"}
    if name is None and (variable := os.environ.get("CANVAS_STUDIO_URL")):
        url = profiles.school_url(variable)
        return Target(url=url, url_from="CANVAS_STUDIO_URL", proxy=proxy, ca_bundle=ca_bundle, **rest)
    try:
        found = profiles.load(profiles.choose(name))
    except InvalidArgumentError:
        raise error from None
    return Target(
        url=found.url,
        url_from=f"the profile {found.name!r} ({found.path})",
        proxy=proxy or found.proxy,
        ca_bundle=ca_bundle or found.ca_bundle,
        **rest,
    )


def _look(target: Target) -> Iterator[Step]:
    """Run one step after the other; the token is tried only if Studio can be reached."""
    network = list(_network(target))
    yield from _settings(target)
    yield from (step for step in network if step.name != "clock")
    if any(step.state == "failed" for step in network):
        yield Step(name="token", state="skipped", detail="Studio cannot be reached")
    elif target.settings is None:
        yield Step(name="token", state="skipped", detail="there is no token to try")
    else:
        yield from _token(target.settings)
    yield from (step for step in network if step.name == "clock")


def _settings(target: Target) -> Iterator[Step]:
    yield Step(name="school", state="ok", detail=f"{target.url}, from {target.url_from}")
    if target.settings is not None:
        yield Step(name="credentials", state="ok", detail=f"from {target.settings.credentials_from}")
    elif target.problem:
        state = "note" if target.is_unknown else "failed"
        yield Step(name="credentials", state=state, detail=target.problem, next=target.remedy)
    if target.ca_bundle:
        yield Step(name="certificates", state="ok", detail=f"trusting those in {target.ca_bundle}")


def _network(target: Target) -> Iterator[Step]:
    """Connect as calls do, and send a ping that has no valid token."""
    options: dict[str, Any] = {"connect_timeout": CONNECT, "read_timeout": READ, **target.network}
    with StudioClient(target.url, token="no-token", **options) as studio:  # noqa: S106 - it is none
        try:
            steps = studio._diagnose()  # noqa: SLF001
        except StudioError as error:
            # Nothing was tried: a variable names what cannot be a proxy.
            raise InvalidArgumentError(str(error), argument="proxy") from None
    for name, state, detail, seconds in steps:
        further = None if state == "ok" else NEXT[name]
        yield Step(name=name, state=state, detail=_said(detail), next=further, seconds=seconds)


def _token(settings: Settings) -> Iterator[Step]:
    asked = "token"
    try:
        with settings.client(max_retries=1, timeout=TOTAL) as studio:
            if not pongs(studio):
                yield Step(name=asked, state="failed", detail="Studio did not answer pong")
                return
            yield Step(name=asked, state="ok", detail=lifetime(settings))
            asked = "person"
            identity = identify(studio)
    except StudioError as error:
        is_about_the_token = isinstance(error, AuthenticationError | LoginRequiredError)
        remedy = another_token(settings) if is_about_the_token else None
        yield Step(name=asked, state="failed", detail=_said(error), next=remedy)
        return
    who = f"probably {person_name(identity.person)}" if identity.person else f"unknown: {identity.reason}"
    yield Step(name="person", state="ok" if identity.person else "note", detail=who)
    may = {
        True: "can see and change the media of the whole school",
        False: "can see what is their own or shared with them; the rest needs an administrator of Studio",
        None: "Studio's answer is unclear",
    }
    detail = f"{role(identity)}: {may[identity.administrator]}"
    yield Step(name="role", state="ok" if identity.administrator else "note", detail=detail)


def _said(text: object) -> str:
    return printable(" ".join(str(text).split()))


def _show(step: Step) -> None:
    took = "" if step.seconds is None else f" ({step.seconds:.2f} s)"
    echo(f"{step.state:<8}{step.name:<13}{step.detail}{took}", style=STYLES[step.state])
    if step.next:
        echo(f"{'':<21}-> {step.next}")
