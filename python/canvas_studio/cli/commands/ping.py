"""The command `ping`: checks the way to a school step by step, and says what to do about a failure."""

from __future__ import annotations

import email.utils
import json
import os
import queue
import socket
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import typer

from canvas_studio import profiles
from canvas_studio._core import StudioClient
from canvas_studio._person import identify
from canvas_studio.cli.commands.whoami import lifetime, person_name, pongs, role
from canvas_studio.cli.connection import another_token
from canvas_studio.cli.options import AsJson, ProfileOption, one_of
from canvas_studio.cli.terminal import echo, errors_as_text, printable
from canvas_studio.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    InternalServerError,
    InvalidArgumentError,
    LoginRequiredError,
    StudioError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from canvas_studio.profiles import Settings

EXAMPLES = {"ping": "canvas-studio ping"}

Result = TypeVar("Result")

# Timeout of each network step, in seconds.
PATIENCE: Final = 5.0
# Studio answers an invalid token with 401 (documented), so it is reachable.
NO_TOKEN: Final = "no-token"  # noqa: S105 - it is none
# Access tokens are refreshed up to this long before they expire, so a smaller clock error does no harm.
HARMLESS: Final = timedelta(seconds=60)
STYLES: Final = {"ok": "green", "failed": "bold red", "note": "yellow", "skipped": "dim"}
CLOCK: Final = "set the clock of this machine, or synchronise it over the network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The result of one step.

    Attributes:
        name: What was checked.
        state: The result; `note` is neither good nor bad.
        detail: What was found.
        next: What to do about it.
    """

    name: str
    state: Literal["ok", "failed", "note", "skipped"]
    detail: str
    next: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy on the way.

    Attributes:
        origin: Where it is set.
        host: Its host.
        port: Its port.
    """

    origin: str
    host: str
    port: int


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
    """Run one step after the other, and skip those that depend on a failed one."""
    through = _proxy(target)
    yield from _settings(target)
    connected = True
    for step in _network(target, through):
        connected = connected and step.state != "failed"
        yield step
    reached = connected
    for step in _api(target, through) if connected else ():
        reached = reached and step.state != "failed"
        yield step
    if not reached:
        yield Step(name="token", state="skipped", detail="Studio cannot be reached")
    elif target.settings is None:
        yield Step(name="token", state="skipped", detail="there is no token to try")
    else:
        yield from _token(target.settings)
    if connected:
        yield from _clock(target)


def _settings(target: Target) -> Iterator[Step]:
    yield Step(name="school", state="ok", detail=f"{target.url}, from {target.url_from}")
    if target.settings is not None:
        yield Step(name="credentials", state="ok", detail=f"from {target.settings.credentials_from}")
    elif target.problem:
        state: Literal["failed", "note"] = "note" if target.is_unknown else "failed"
        yield Step(name="credentials", state=state, detail=target.problem, next=target.remedy)
    if target.ca_bundle:
        yield Step(name="certificates", state="ok", detail=f"trusting those in {target.ca_bundle}")


def _proxy(target: Target) -> Proxy | None:
    """Return the proxy that the client goes through, if there is one."""
    with StudioClient(target.url, token=NO_TOKEN, **target.network) as studio:
        try:
            found = studio._proxy()  # noqa: SLF001
        except StudioError as error:
            raise InvalidArgumentError(str(error), argument="proxy") from None
    if found is None:
        return None
    url, origin = found
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)
    return Proxy(origin="given" if origin == "proxy=" else origin, host=parts.hostname or "", port=port)


def _network(target: Target, through: Proxy | None) -> Iterator[Step]:
    """Resolve the name and connect: to the proxy if there is one, otherwise to Studio."""
    if through is None:
        parts, what = urlsplit(target.url), ""
        host, port = parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)
        wrong_name = "check the school's name and your network"
        closed = "check the port, and whether a firewall requires a proxy (HTTPS_PROXY, --proxy)"
    else:
        host, port, what = through.host, through.port, f" of the proxy ({through.origin})"
        wrong_name = closed = "check the proxy (HTTPS_PROXY, NO_PROXY, --proxy, the profile)"
    try:
        found = _bounded(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        detail = f"the name{what}, {host}, was not found: {_reason(error)}"
        yield Step(name="DNS", state="failed", detail=detail, next=wrong_name)
        return
    addresses = ", ".join(dict.fromkeys(str(address[4][0]) for address in found))
    also = "; it resolves the school's name" if through else ""
    yield Step(name="DNS", state="ok", detail=f"{host}{what} is {addresses}{also}")
    name = "proxy" if through else "connection"
    try:
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except OSError as error:
        detail = f"{host}, port {port}{what}, does not answer: {_reason(error)}"
        yield Step(name=name, state="failed", detail=detail, next=closed)
        return
    yield Step(name=name, state="ok", detail=f"{host}, port {port}{what}, answers")


def _api(target: Target, through: Proxy | None) -> Iterator[Step]:
    """Ping Studio with an invalid token through the client, so that its own trust settings apply."""
    options: dict[str, Any] = {"max_retries": 1, "timeout": 6 * PATIENCE, "read_timeout": 3 * PATIENCE}
    failure: StudioError | None = None
    try:
        with StudioClient(target.url, token=NO_TOKEN, **options, **target.network) as studio:
            pong = pongs(studio)
    except AuthenticationError:
        pong = True
    except InvalidArgumentError:
        raise
    except StudioError as error:
        pong, failure = False, error
    if isinstance(failure, APIConnectionError | APITimeoutError):
        yield from _not_secured(failure, through, is_plain=urlsplit(target.url).scheme == "http")
        return
    if urlsplit(target.url).scheme == "https":
        yield Step(name="certificate", state="ok", detail="TLS works, and the certificate is trusted")
    if pong:
        yield Step(name="API", state="ok", detail="Studio answers")
    elif isinstance(failure, InternalServerError):
        yield Step(name="API", state="failed", detail=_said(failure), next="Studio failed: try again later")
    else:
        detail = _said(failure) if failure else "something answers, but not as Studio does"
        instead = "check the host; a network that wants you to log in first (as in a hotel) also answers like this"
        yield Step(name="API", state="failed", detail=detail, next=instead)


def _not_secured(failure: StudioError, through: Proxy | None, *, is_plain: bool) -> Iterator[Step]:
    """Say what is wrong if there is a connection, but no answer."""
    said = _said(failure)
    if "certificate" in said.lower():
        trust = (
            "trust its authority with --ca-bundle FILE or SSL_CERT_FILE; "
            "if it has expired, check the clock of this machine"
        )
        yield Step(name="certificate", state="failed", detail=said, next=trust)
    elif through:
        yield Step(
            name="proxy",
            state="failed",
            detail=said,
            next="check whether it requires a password (http://NAME:PASSWORD@HOST)",
        )
    elif is_plain:
        yield Step(name="API", state="failed", detail=said, next="check the port")
    else:
        yield Step(
            name="TLS",
            state="failed",
            detail=said,
            next="check the port, and whether a firewall intercepts the connection",
        )


def _token(settings: Settings) -> Iterator[Step]:
    asked = "token"
    try:
        with settings.client(max_retries=1, timeout=6 * PATIENCE) as studio:
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


def _clock(target: Target) -> Iterator[Step]:
    """Compare the clocks, if Studio's answer has a date."""
    asked = datetime.now(UTC)
    told = _date(target)
    if told is None:
        return
    # Compare the middle of the second that Studio named with the middle of the request.
    here = asked + (datetime.now(UTC) - asked) / 2
    off = here - told - timedelta(seconds=0.5)
    seconds = abs(off.total_seconds())
    if abs(off) <= HARMLESS:
        yield Step(name="clock", state="ok", detail=f"within {max(seconds, 1):.0f} s of Studio's")
        return
    detail = f"this machine is {seconds:,.0f} s {'ahead of' if off > timedelta() else 'behind'} Studio: "
    yield Step(
        name="clock",
        state="note",
        detail=detail + "certificates and tokens may look expired or not yet valid",
        next=CLOCK,
    )


def _date(target: Target) -> datetime | None:
    """Return Studio's time from an answer that the client got, and so trusts."""
    options: dict[str, Any] = {"timeout": PATIENCE, "connect_timeout": PATIENCE, "read_timeout": PATIENCE}
    try:
        with StudioClient(target.url, token=NO_TOKEN, **options, **target.network) as studio:
            told = email.utils.parsedate_to_datetime(studio._server_date() or "")  # noqa: SLF001
    except (StudioError, ValueError, OverflowError):
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _bounded(function: Callable[[], Result]) -> Result:
    """Run a function that has no timeout of its own, with one."""
    answers: queue.Queue[tuple[Result | None, BaseException | None]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((function(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised below
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = answers.get(timeout=PATIENCE)
    except queue.Empty:
        raise TimeoutError(f"no answer within {PATIENCE:g} s") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _said(error: BaseException) -> str:
    return printable(" ".join(str(error).split()))


def _show(step: Step) -> None:
    echo(f"{step.state:<8}{step.name:<13}{step.detail}", style=STYLES[step.state])
    if step.next:
        echo(f"{'':<21}-> {step.next}")
