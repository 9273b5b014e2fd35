"""No secret is ever shown or sent elsewhere, whatever is called and whatever goes wrong."""

from __future__ import annotations

import base64
import contextlib
import copy
import gc
import inspect
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, quote, quote_plus, urlencode, urlsplit

import canvas_studio
import pytest
from canvas_studio import (
    APITimeoutError,
    Collection,
    FileTokenStore,
    InvalidArgumentError,
    Listing,
    LoginRequiredError,
    Media,
    MemoryTokenStore,
    OAuth,
    StudioClient,
    StudioError,
    Tokens,
    UploadSlot,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import (
    HANG,
    RESET,
    Answer,
    FaultServer,
    Received,
    collection_item,
    json_answer,
    media_answer,
    media_item,
    redirect,
    text_answer,
)
from support.redact_har import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from support.forms import Form

PACKAGE = Path(canvas_studio.__file__).parent
TOKEN_PATH = "/api/public/oauth/token"
CALLBACK = "https://app.example.edu/studio/callback"

# Each secret has in it what URLs and JSON have to escape, and a core that they leave as it is.
CORES = {
    "token": "PlantedTokenQ7x0bZ2k",
    "access token": "PlantedAccessV4m9rT6w",
    "next access token": "PlantedNextAccessB8c3",
    "refresh token": "PlantedRefreshH5j1pL0s",
    "next refresh token": "PlantedNextRefreshK2d7",
    "client secret": "PlantedSecretN9f6gY3a",
    "code": "PlantedCodeE1u8iO5q",
    "proxy password": "PlantedProxyC7v2xM4z",
    "signature": "PlantedSignatureW6t0rD9",
}
SECRETS = {name: f"a+b/{core}=" for name, core in CORES.items()}
TOKEN, ACCESS, REFRESH = SECRETS["token"], SECRETS["access token"], SECRETS["refresh token"]
CLIENT_SECRET, CODE, PROXY_PASSWORD = SECRETS["client secret"], SECRETS["code"], SECRETS["proxy password"]
SIGNED = f"Expires=1&X-Amz-Signature={quote(SECRETS['signature'], safe='')}&Key-Pair-Id=key"
CODE_SHOWN = f"code={quote(SECRETS['code'], safe='')}"
CLIENT_ID = "key-of-the-sweep"


def written(core: str) -> set[str]:
    """All ways in which the core of a secret may stand in a text."""
    # Of base64, what does not depend on what stands around it: for each of the three places where it may begin.
    encoded = {base64.b64encode(b"x" * shift + core.encode())[4:-4].decode() for shift in (1, 2, 3)}
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in core)
    percent = "".join(f"%{ord(letter):02x}" for letter in core)
    return {
        core,
        core.lower(),
        core.upper(),
        escaped,
        percent,
        percent.upper(),
        core[::-1],
        core.encode().hex(),
        *encoded,
    }


def found_in(said: str | bytes, cores: Iterable[str] = tuple(CORES.values())) -> list[str]:
    """Which secrets a text shows."""
    text = said if isinstance(said, str) else said.decode("utf-8", "replace") + said.decode("utf-16-le", "replace")
    return [core for core in cores if any(form in text for form in written(core))]


def test_the_sweep_would_find_a_secret() -> None:
    secret = SECRETS["token"]
    for shown in (
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps({"a": secret}),
        json.dumps({"a": secret}).replace("/", "\\/"),
        repr(secret.encode()),
        repr(f"Bearer {secret}"),
        base64.b64encode(f"key:{secret}".encode()).decode(),
        base64.b64encode(f"some-key:{secret}".encode()).decode(),
        base64.b64encode(f"another-key:{secret}".encode()).decode(),
        pickle.dumps({"a": secret}),
    ):
        assert found_in(shown) == [CORES["token"]], shown
    assert found_in(f"no {SECRETS['token'][:6]} and no ***") == []


class Ears(logging.Handler):
    """Keeps all that is logged, with all that a formatter could make of it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []
        self.levels: Counter[int] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.levels[record.levelno] += 1
        self.heard += [record.getMessage(), repr(vars(record)), self.format(record)]


@pytest.fixture(autouse=True)
def ears(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Ears]:
    """Listen to every log at every level, and to both streams, through each test of this file."""
    del tmp_path
    ears = Ears()
    loggers = [logging.getLogger(name) for name in ("canvas_studio", None)]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(ears)
        logger.setLevel(logging.DEBUG)
    yield ears
    for logger, level in before:
        logger.removeHandler(ears)
        logger.setLevel(level)
    streams = capfd.readouterr()
    assert found_in("\n".join([*ears.heard, streams.out, streams.err])) == []


def shown_by_error(error: BaseException) -> str:
    """All that a log, a debugger, a notebook or another process could show of an error and of what led to it."""
    said: list[str] = []
    waiting: list[BaseException] = [error]
    while waiting:
        each = waiting.pop()
        said += [str(each), repr(each), repr(each.args), repr(vars(each)), repr(getattr(each, "__notes__", []))]
        said += [repr(getattr(each, name, None)) for name in dir(each) if not name.startswith("__")]
        with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
            said.append(repr(pickle.dumps(each)))
        waiting += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    said += [repr(frame.locals) for frame in frames_of(report) if PACKAGE in Path(frame.filename).parents]
    said += traceback.format_exception(error)
    return "\n".join(said)


def frames_of(report: traceback.TracebackException) -> Iterator[traceback.FrameSummary]:
    yield from report.stack
    for cause in (report.__cause__, report.__context__):
        if cause is not None:
            yield from frames_of(cause)


# What these hold or return is what was asked for.
ASKED_FOR = {"access_token", "refresh_token", "to_dict", "authorization_url", "load"}


def shown_by_object(value: object) -> str:
    """All that looking at an object could show of it."""
    said = [repr(value), str(value), f"{value}", repr([value]), ascii(value)]
    for name in dir(value):
        if name not in ASKED_FOR and name not in {"__doc__", "__init_subclass__", "__subclasshook__"}:
            with contextlib.suppress(Exception):
                said.append(repr(getattr(value, name)))
    for method in ("__getstate__", "__reduce__", "_repr_html_", "_repr_mimebundle_", "__dir__", "__sizeof__"):
        with contextlib.suppress(Exception):
            said.append(repr(getattr(value, method)()))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with contextlib.suppress(Exception):
            said.append(repr(pickle.dumps(value, protocol)))
        with contextlib.suppress(Exception):
            said.append(repr(value.__reduce_ex__(protocol)))
    with contextlib.suppress(Exception):
        said.append(repr(vars(value)))
    with contextlib.suppress(Exception):
        said.append(repr(vars(copy.copy(value))))
    # What the collector sees of it, such as a dict behind a class.
    said += [repr(reached) for reached in gc.get_referents(value) if not isinstance(reached, (type, str))]
    return "\n".join(said)


Failure = "Answer | Callable[[Received], Answer]"


@dataclass
class School:
    """A Studio that first answers as it should, and then fails as it is told to; it echoes what it was sent."""

    failure: Any = None
    at_token_endpoint: bool = False
    server: FaultServer = field(init=False)
    storage: FaultServer = field(init=False)

    def __post_init__(self) -> None:
        self.storage = FaultServer(self._file)
        self.server = FaultServer(self._answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.storage.close()

    def _answer(self, request: Received) -> Answer:
        is_token = request.path == TOKEN_PATH
        if self.failure is not None and is_token == self.at_token_endpoint:
            failure: Answer = self.failure if isinstance(self.failure, Answer) else self.failure(request)
            return failure
        if is_token:
            return json_answer(
                {
                    "access_token": SECRETS["next access token"],
                    "refresh_token": SECRETS["next refresh token"],
                    "token_type": "Bearer",
                    "expires_in": 7200,
                }
            )
        if request.path.endswith("/media/uploads"):
            return json_answer({"upload": {"id": 1, "url": f"{self.storage.url}/uploads/1?{SIGNED}"}}, 201)
        if request.path.endswith("/download"):
            return redirect(f"{self.storage.url}/file.mp4?{SIGNED}")
        if "/collections" in request.path:
            return json_answer({"collection": collection_item(), "collections": [], "media": []})
        return json_answer({"media": media_item()})

    def _file(self, request: Received) -> Answer:
        if self.failure is not None and not self.at_token_endpoint:
            failure: Answer = self.failure if isinstance(self.failure, Answer) else self.failure(request)
            return failure
        return Answer(headers={"Content-Type": "video/mp4"}, body=b"video")


def echo(request: Received) -> str:
    """What was sent, and secrets that nobody had to send."""
    elsewhere = f"https://user:{quote(PROXY_PASSWORD, safe='')}@storage.example/a?{SIGNED}"
    return f"{request.raw.decode('latin-1')}\r\nsee {elsewhere}\r\n"


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


def refusing(status: int) -> Callable[[Received], Answer]:
    def answer(request: Received) -> Answer:
        said = {"error": f"no: {request.headers.get('authorization')}", "echo": echo(request).splitlines()}
        return json_answer(said, status, {"X-Request-Id": request.headers.get("authorization", "none")})

    return answer


def escaped_json(request: Received) -> Answer:
    body = f'{{"error": "{escaped(echo(request))}", "{escaped(echo(request))}": 1}}'
    return text_answer(body, "application/json", 403)


def cut_json(request: Received) -> Answer:
    return text_answer(f'{{"error": "{escaped(echo(request))}', "application/json", 422)


def decoded_wrongly(request: Received) -> Answer:
    wrong = {name: echo(request) for name in ("id", "title", "created_at", "owner", "size")}
    return json_answer({"media": wrong, "collection": wrong, "media_url": 7, "access_token": [echo(request)]})


def html(request: Received) -> Answer:
    return text_answer(f"<html><pre>{echo(request)}</pre></html>", "text/html; charset=utf-8")


def malformed(request: Received) -> Answer:
    return text_answer(json.dumps({"echo": echo(request)})[:-3], "application/json")


def to_another_host(request: Received) -> Answer:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    return redirect(f"http://192.0.2.1/login?token={quote(token, safe='')}&{SIGNED}", 307)


def in_headers(request: Received) -> Answer:
    # In one line: a header that ends in the middle of a form would leave the client waiting for a body.
    body = " ".join(request.body.decode("latin-1").split())
    said = f"{quote(request.headers.get('authorization', ''))} {body}"
    headers = {"WWW-Authenticate": f'Bearer realm="{said}"', "Set-Cookie": f"session={said}", "X-Request-Id": said}
    return json_answer({"error": said}, 401, {**headers, "Retry-After": said, "Location": f"https://x.example/?{said}"})


FAILURES: dict[str, Any] = {
    **{str(status): refusing(status) for status in (400, 401, 403, 404, 422, 429, 500, 503)},
    "escaped": escaped_json,
    "cut": cut_json,
    "wrong types": decoded_wrongly,
    "html": html,
    "malformed": malformed,
    "headers": in_headers,
    "redirect": to_another_host,
    "reset": RESET,
    "hang": HANG,
    "none": None,
}

# What an operation is called with, by the names of its parameters. A new one that must be given has to be added here.
ARGUMENTS: dict[str, Any] = {
    "id": 1,
    "media_id": 1,
    "collection_id": 1,
    "user_id": 1,
    "course_id": 1,
    "perspective": "7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77",
    "name": "New",
    "email": "ada.park@example.edu",
    "title": "New",
    "url": f"https://bucket.example.com/lectures/1.mp4?{SIGNED}",
    # Nothing listens there.
    "slot": UploadSlot(1, f"http://127.0.0.1:9/uploads/1?{SIGNED}"),
    "changes": [{"action": "create", "id": 7, "share_type": "user"}],
    "who": 7,
    "permissions": {7: "view"},
    "method": "POST",
    "key": "things",
    "code": CODE,
    "count": 3,
    "n": 3,
    "srclang": "en",
    "tag": 21,
    "group_id": 11,
    "status": "processing",
    "label": "Fast",
    "description": "Within an hour",
    "is_asr": True,
    "from_user": 3,
    "to_user": 4,
    "expect": 0,
    "media": 1,
    "timeout": 5,
    "operation": "get_media",
    "items": [1],
}
# No request comes of these.
SILENT = {"checkpoint", "close", "from_dict", "from_env", "resume", "with_options", "authorization_url", "to_dict"}
CLASSES: list[type] = [StudioClient, Collection, Media, Listing, OAuth]


def operations() -> list[tuple[type, str]]:
    """All operations that there are, so that new ones are swept as well."""
    return [
        (cls, name)
        for cls in CLASSES
        for name, member in vars(cls).items()
        if callable(member) and not name.startswith("_") and not name.endswith("_async") and name not in SILENT
    ]


def call(form: Form, owner: Any, name: str, folder: Path) -> None:
    """Call an operation with something for each parameter that must be given, and read what it returns."""
    given: dict[str, Any] = {"path": folder / "file.mp4" if "download" in name else "/things"}
    if "upload" in name:
        given["path"] = folder / "lecture.mp4"
        given["path"].write_bytes(b"video")
        given |= {"folder": folder, "rows": [{"path": given["path"]}]}
    if "caption" in name:
        given["file"] = folder / "captions.vtt"
        given["file"].write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n", encoding="utf-8")
    if name == "change_group_users":
        given["changes"] = [{"action": "add", "user_id": 7}]
    required = [
        parameter.name
        for parameter in inspect.signature(getattr(owner, name)).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    arguments = {parameter: (ARGUMENTS | given)[parameter] for parameter in required if parameter != "self"}
    keywords = {
        parameter: value
        for parameter, value in arguments.items()
        if inspect.signature(getattr(owner, name)).parameters[parameter].kind is inspect.Parameter.KEYWORD_ONLY
    }
    values = [value for parameter, value in arguments.items() if parameter not in keywords]
    if name == "to_csv" or "csv" in name:
        values = [folder / "file.csv"]
    if hasattr(owner, f"{name}_async"):
        form.call(owner, name, *values, **keywords)
        return
    result = getattr(owner, name)(*values, **keywords)
    if hasattr(result, "collect") or name.startswith("iter_"):
        form.items(result)
    elif name == "pages":
        form.pages(owner)


def failing(form: Form, school: School, given: dict[str, Any], folder: Path) -> tuple[int, str]:
    """Call everything against a school that fails; how often that raised, and all that could be seen."""
    said: list[str] = []
    raised = 0
    failure = school.failure
    oauth = given.get("auth") or OAuth(CLIENT_ID, CLIENT_SECRET, url=school.server.url, redirect_uri=CALLBACK)
    options: dict[str, Any] = {"retry_delay": 0, "max_retries": 0, "timeout": 0.1 if failure is HANG else 20}
    with StudioClient(school.server.url, **given, **options) as studio:
        reach: dict[type, Callable[[], Any]] = {
            StudioClient: lambda: studio,
            OAuth: lambda: oauth,
            Media: lambda: studio.get_media(1),
            Collection: lambda: studio.get_collection(1),
            Listing: studio.search_media,
        }
        for cls, name in operations():
            school.failure = None
            # The tokens are those of the beginning again, whatever the operation before has done to them.
            oauth.store.save(planted(school))
            owner = patiently(reach[cls])
            school.failure = failure
            try:
                call(form, owner, name, folder)
            except (StudioError, OSError) as error:
                raised += 1
                said.append(shown_by_error(error))
            said.append(shown_by_object(owner))
        said += [shown_by_object(seen) for seen in (studio, oauth, oauth.store)]
    return raised, "\n".join(said)


def patiently(reach: Callable[[], Any]) -> Any:
    """Try again while a machine that stands still makes it too late."""
    for _ in range(50):
        with contextlib.suppress(APITimeoutError):
            return reach()
    raise AssertionError("the server does not answer")


def planted(school: School, *, ended: bool = False) -> Tokens:
    hour = timedelta(hours=-1 if ended else 1)
    return Tokens(ACCESS, refresh_token=REFRESH, expires_at=datetime.now(UTC) + hour, url=school.server.url)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_no_operation_shows_the_token_whatever_fails(form: Form, failure: Any, tmp_path: Path) -> None:
    with School(failure) as school:
        raised, said = failing(form, school, {"token": TOKEN}, tmp_path)
    assert found_in(said) == []
    assert "***" in said
    # A sweep that calls nothing finds nothing.
    assert len(operations()) > 50
    assert raised > (30 if failure is not None else -1)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_no_operation_shows_a_token_of_somebody_who_has_signed_in(form: Form, failure: Any, tmp_path: Path) -> None:
    with School(failure) as school:
        oauth = OAuth(CLIENT_ID, CLIENT_SECRET, url=school.server.url, redirect_uri=CALLBACK)
        raised, said = failing(form, school, {"auth": oauth}, tmp_path)
    assert found_in(said) == []
    assert raised > (30 if failure is not None else -1)


@pytest.mark.parametrize("failure", [failure for failure in FAILURES if failure not in {"hang", "none"}])
@pytest.mark.parametrize("operation", ["get_media", "exchange"])
def test_no_secret_of_signing_in_is_shown(form: Form, failure: str, operation: str, tmp_path: Path) -> None:
    said: list[str] = []
    with School(FAILURES[failure], at_token_endpoint=True) as school:
        for store in (MemoryTokenStore(), FileTokenStore(tmp_path / "tokens.json")):
            store.save(planted(school, ended=True))
            oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=store, url=school.server.url, redirect_uri=CALLBACK)
            with StudioClient(school.server.url, auth=oauth, retry_delay=0, max_retries=0) as studio:
                owner, argument = (studio, 1) if operation == "get_media" else (oauth, f"{CALLBACK}?{CODE_SHOWN}")
                with pytest.raises(StudioError) as caught:
                    form.call(owner, operation, argument)
            said += [shown_by_error(caught.value), *map(shown_by_object, (store, oauth, studio))]
    assert found_in("\n".join(said)) == []


def test_what_a_token_endpoint_gives_out_is_not_shown_by_a_wrong_answer(form: Form) -> None:
    """An answer that cannot be used may hold tokens all the same, of which nobody has heard before."""
    given = {"access_token": SECRETS["next access token"], "refresh_token": SECRETS["next refresh token"]}
    for answer in (
        json_answer({**given, "access_token": f"{SECRETS['next access token']} \nx"}),
        json_answer({**given, "access_token": [SECRETS["next access token"]]}),
        json_answer({"data": given}),
        json_answer([given]),
        text_answer(json.dumps(given)[:-2], "application/json"),
        text_answer(urlencode(given), "application/x-www-form-urlencoded"),
        json_answer({"error": "invalid_request", **given}, 400),
        json_answer({"error": "sorry", **given}, 500),
        text_answer(json.dumps({"error": "sorry", **given})[:-2], "application/json", 400),
    ):
        with FaultServer(answer) as server, pytest.raises(StudioError) as caught:
            form.call(OAuth(CLIENT_ID, CLIENT_SECRET, url=server.url, redirect_uri=CALLBACK), "exchange", CODE)
        assert found_in(shown_by_error(caught.value)) == [], answer


@pytest.mark.parametrize("refreshes", [1, 3])
def test_no_error_shows_a_token_that_was_followed_by_others_meanwhile(form: Form, refreshes: int) -> None:
    gate, good = threading.Event(), [ACCESS]

    def answer(request: Received) -> Answer:
        if request.path == TOKEN_PATH:
            good[0] = f"next-{len(server.requests)}-{CORES['next access token']}"
            return json_answer({"access_token": good[0], "refresh_token": REFRESH})
        if request.path.endswith("/99"):
            return replace(refusing(403)(request), gate=gate)
        is_good = request.headers["authorization"] == f"Bearer {good[0]}"
        return media_answer(1) if is_good else json_answer({"error": "expired"}, 401)

    with FaultServer(answer) as server, ThreadPoolExecutor(1) as threads:
        store = MemoryTokenStore(Tokens(ACCESS, refresh_token=REFRESH, url=server.url))
        with StudioClient(server.url, auth=OAuth(CLIENT_ID, CLIENT_SECRET, store=store), retry_delay=0) as studio:
            slow = threads.submit(form.call, studio, "get_media", 99)
            assert server.wait_for_requests()
            for _ in range(refreshes):
                good[0] = "none"
                form.call(studio, "get_media", 1)
            gate.set()
            error = slow.exception(30)
    assert error is not None
    assert "Bearer ***" in str(vars(error))
    assert found_in(shown_by_error(error)) == []


def test_no_refusal_of_an_argument_shows_a_secret(form: Form) -> None:
    broken = {name: f"{secret}\nx" for name, secret in SECRETS.items()}
    elsewhere = f"https://evil.example/?code={quote(CODE, safe='')}"
    with FaultServer(json_answer({})) as server:
        oauth = OAuth(CLIENT_ID, CLIENT_SECRET, url=server.url, redirect_uri=CALLBACK)
        attempts: list[Callable[[], object]] = [
            lambda: StudioClient("myschool", token=broken["token"]),
            lambda: StudioClient("myschool", token=TOKEN, auth=oauth),
            lambda: StudioClient(f"https://user:{quote(PROXY_PASSWORD, safe='')}@studio.example.edu", token=TOKEN),
            lambda: StudioClient("myschool", token=[TOKEN]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            lambda: OAuth(CLIENT_ID, broken["client secret"]),
            lambda: OAuth(CLIENT_ID, [CLIENT_SECRET]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            lambda: OAuth(
                CLIENT_ID, CLIENT_SECRET, url=f"https://user:{quote(PROXY_PASSWORD, safe='')}@studio.example.edu"
            ),
            lambda: OAuth(CLIENT_ID, CLIENT_SECRET, store={"access_token": ACCESS}),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            lambda: Tokens(broken["access token"]),
            lambda: Tokens(ACCESS, refresh_token=broken["refresh token"]),
            lambda: Tokens(ACCESS, expires_at=REFRESH),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            lambda: Tokens.from_dict({"access_token": broken["access token"]}),
            lambda: Tokens.from_dict({"access_token": [ACCESS]}),
            lambda: Tokens.from_dict([("access_token", ACCESS)]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            lambda: Tokens.from_dict({"access_token": ACCESS, "expires_at": REFRESH}),
            lambda: MemoryTokenStore({"access_token": ACCESS}),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            lambda: form.call(oauth, "exchange", elsewhere),
            lambda: form.call(oauth, "exchange", f"{CALLBACK}?code={quote(broken['code'], safe='')}"),
            lambda: form.call(oauth, "exchange", [CODE]),
            lambda: form.call(oauth, "exchange", f"{CALLBACK}?error=access_denied&code={quote(CODE, safe='')}"),
            lambda: StudioClient(
                "myschool", token=TOKEN, proxy=f"ftp://user:{quote(PROXY_PASSWORD, safe='')}@proxy.example"
            ),
            lambda: StudioClient("myschool", token=TOKEN, proxy=f"http://user:{quote(PROXY_PASSWORD, safe='')}@[bad"),
            lambda: OAuth(CLIENT_ID, CLIENT_SECRET, proxy=f"ftp://user:{quote(PROXY_PASSWORD, safe='')}@proxy.example"),
        ]
        for number, attempt in enumerate(attempts):
            with pytest.raises((StudioError, TypeError)) as caught:
                attempt()
            assert found_in(shown_by_error(caught.value)) == [], number
    assert server.requests == []


def test_no_object_shows_a_secret(tmp_path: Path) -> None:
    with School() as school:
        tokens = planted(school)
        stores: list[MemoryTokenStore | FileTokenStore] = [MemoryTokenStore(), FileTokenStore(tmp_path / "tokens.json")]
        for store in stores:
            store.save(tokens)
            oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=store, url=school.server.url)
            with StudioClient(
                school.server.url, auth=oauth, proxy=f"http://user:{quote(PROXY_PASSWORD, safe='')}@127.0.0.1:1"
            ) as studio:
                listing = studio.search_media(title=ACCESS)
                seen = [store, store.lock(), oauth, studio, listing, listing.pages(), listing.limit(2), tokens]
                for each in seen:
                    # What is searched for is no secret by itself; that it is one is known once the tokens are there.
                    known = [core for core in CORES.values() if core != CORES["access token"]]
                    assert found_in(shown_by_object(each), known) == [], each
        with StudioClient(school.server.url, token=TOKEN) as studio:
            for each in (studio, studio.with_options(timeout=3), studio.search_media(title=TOKEN)):
                assert found_in(shown_by_object(each)) == []
        assert found_in(repr([tokens, {"tokens": tokens}, (stores, tokens)])) == []


def test_the_attributes_of_a_download_url_are_not_in_its_listing_or_logs(form: Form, ears: Ears) -> None:
    """The signed URL is what was asked for; it goes to the caller alone."""
    with School() as school, StudioClient(school.server.url, token=TOKEN) as studio:
        url = form.call(studio, "get_download_url", 1)
        assert CORES["signature"] in url
        assert found_in(shown_by_object(studio)) == []
    assert found_in("\n".join(ears.heard)) == []


@pytest.mark.parametrize("answer", ["refused", "reset", "hang", "html", "quoted", "quoted in JSON"])
@pytest.mark.parametrize("how", ["params", "json", "data"])
def test_a_signed_url_that_is_sent_as_a_parameter_is_shown_without_its_query(
    how: str, answer: str, form: Form, ears: Ears
) -> None:
    """Media are made from URLs, which may be signed ones."""
    url = f"https://bucket.example.com/lectures/1.mp4?{SIGNED}"
    answers = {
        "refused": json_answer({"error": "no"}, 422),
        "reset": RESET,
        "hang": HANG,
        "html": text_answer("<title>Sign in</title>", "text/html"),
        "quoted": text_answer(f"cannot fetch {url}", "text/plain", 422),
        "quoted in JSON": json_answer({"error": f"cannot fetch {url}"}, 422),
    }
    with (
        FaultServer(answers[answer]) as server,
        server.client(timeout=2 if answer == "hang" else 60) as studio,
        pytest.raises(StudioError) as raised,
    ):
        form.call(studio, "request", "POST", "/collections/1/media", **{how: {"url": url}})
    assert "bucket.example.com" in server.requests[0].raw.decode()
    assert found_in(shown_by_error(raised.value)) == []
    assert found_in("\n".join(ears.heard)) == []


# What each program is told by its input, so that no secret stands in a source line of a traceback.
BEGIN = """
import asyncio, json, logging, os, sys
from canvas_studio import FileTokenStore, MemoryTokenStore, OAuth, StudioClient, StudioError, Tokens
told = json.loads(sys.stdin.readline())
tokens = Tokens.from_dict({**told["tokens"], "expires_at": "2024-01-01T00:00:00+00:00", "url": told["url"]})
oauth = OAuth("key-of-the-sweep", told["client_secret"], store=MemoryTokenStore(tokens), url=told["url"])
studio = StudioClient(told["url"], auth=oauth, retry_delay=0)
"""
PROGRAMS = {
    "what works": """
studio.get_media(1)
asyncio.run(studio.get_media_async(2))
studio.download_media(1, os.devnull + "x") if False else None
OAuth("key-of-the-sweep", told["client_secret"], url=told["url"]).exchange(told["code"])
list(studio.search_media())
print(studio, oauth, oauth.store, tokens, oauth.store.load())
""",
    "what fails": """
for path in ("/401", "/403", "/500", "/html"):
    try:
        studio.request("GET", path)
    except StudioError as error:
        logging.getLogger("my.program").exception("failed")
        print(error, repr(error), vars(error))
studio.request("GET", "/403", params={"access_token": told["tokens"]["access_token"]})
""",
    "what fails in a task": """
async def main():
    await asyncio.gather(studio.request_async("GET", "/500"), studio.request_async("GET", "/401"))
asyncio.run(main(), debug=True)
""",
    "an exception that nobody awaits": """
async def main():
    asyncio.create_task(studio.request_async("GET", "/403"))
    await asyncio.sleep(0.5)
asyncio.run(main(), debug=True)
import gc; gc.collect()
""",
}


@pytest.mark.parametrize("level", ["debug", "info", "warning", None])
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_no_program_prints_a_secret(program: str, level: str | None) -> None:
    def answer(request: Received) -> Answer:
        name = request.path.rpartition("/")[2]
        if request.path == TOKEN_PATH:
            fresh = {name: SECRETS[f"next {name.replace('_', ' ')}"] for name in ("access_token", "refresh_token")}
            return json_answer({**fresh, "expires_in": 7200})
        if name in {"401", "403", "500"}:
            return refusing(int(name))(request)
        if name == "html":
            return html(request)
        return json_answer({"media": [], "meta": {}}) if name == "search" else media_answer(1)

    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANVAS_STUDIO_")}
    environment |= {"RUST_LOG": "trace", "RUST_BACKTRACE": "full", "PYTHONASYNCIODEBUG": "1"}
    if level is not None:
        environment["CANVAS_STUDIO_LOG"] = level
    with FaultServer(answer) as server:
        told = {
            "url": server.url,
            "tokens": {"access_token": ACCESS, "refresh_token": REFRESH},
            "client_secret": CLIENT_SECRET,
            "code": CODE,
        }
        ended = subprocess.run(
            [sys.executable, "-X", "dev", "-c", BEGIN + program],
            input=json.dumps(told) + "\n",
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
            env=environment,
        )
    said = ended.stdout + ended.stderr
    assert found_in(said) == []
    assert "NameError" not in said
    assert "SyntaxError" not in said
    if level == "debug":
        assert any(path in said for path in ("GET /media/1", "GET /401", "GET /403", "GET /500"))


def test_a_sandbox_shows_no_secret_of_what_it_was_asked(form: Form) -> None:
    with Sandbox(media=3) as box:
        store = MemoryTokenStore()
        oauth = OAuth(box.client_id, box.client_secret, store=store, url=box.url, redirect_uri=CALLBACK)
        shown = box.authorize(oauth.authorization_url())
        [code] = parse_qs(urlsplit(shown).query)["code"]
        first: Tokens = form.call(oauth, "exchange", shown)
        with box.client(auth=oauth) as studio:
            form.items(studio.search_media())
            box.faults.add(path="/v1/media/search", times=1, revoke=True)
            form.items(studio.search_media())
        second = store.load()
        assert second is not None
        assert second != first
        secrets = [code, box.client_secret, box.token]
        secrets += [text for tokens in (first, second) for text in (tokens.access_token, tokens.refresh_token or "")]
        asked = box.requests
        assert [request.path for request in asked].count(TOKEN_PATH) == 2
        for secret in secrets:
            assert len(secret) > 20
            for request in asked:
                assert secret not in repr(request)
                assert quote(secret, safe="") not in repr(request)
        basic = base64.b64encode(f"{box.client_id}:{box.client_secret}".encode()).decode()
        assert basic not in repr(asked)


def test_a_redacted_har_of_signing_in_holds_no_secret() -> None:
    form = {
        "grant_type": "authorization_code",
        "code": CODE,
        "redirect_uri": CALLBACK,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    refresh = {"grant_type": "refresh_token", "refresh_token": REFRESH, "client_secret": CLIENT_SECRET}
    granted = {"access_token": ACCESS, "token_type": "Bearer", "expires_in": 7200, "refresh_token": REFRESH}
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    mime = "application/x-www-form-urlencoded"
    url = f"https://myschool.instructuremedia.com{TOKEN_PATH}"
    back = f"{CALLBACK}?{urlencode({'code': CODE, 'state': 'x'})}"

    def exchange(
        url: str, data: dict[str, Any] | None, answer: str, *, kind: str = "application/json", **more: Any
    ) -> dict[str, Any]:
        headers = [
            {"name": "Authorization", "value": f"Basic {basic}"},
            {"name": "Authorization", "value": f"Bearer {TOKEN}"},
            {"name": "Cookie", "value": f"session={TOKEN}"},
            {"name": "Proxy-Authorization", "value": f"Basic {PROXY_PASSWORD}"},
            {"name": "Referer", "value": back},
        ]
        request: dict[str, Any] = {
            "method": "POST",
            "url": url,
            "httpVersion": "HTTP/1.1",
            "headers": headers,
            "cookies": [{"name": "session", "value": TOKEN}],
            "queryString": [{"name": "code", "value": CODE}],
        }
        if data is not None:
            request["postData"] = data
        return {
            "startedDateTime": "2026-11-22T12:00:00Z",
            "time": 1,
            "request": request,
            "response": {
                "status": 200,
                "statusText": "OK",
                "httpVersion": "HTTP/1.1",
                "headers": [{"name": "Set-Cookie", "value": f"session={TOKEN}"}],
                "cookies": [],
                "content": {"mimeType": kind, "text": answer, "size": len(answer)},
                **more,
            },
            "timings": {"send": 1, "wait": 1, "receive": 1},
        }

    encoded = base64.b64encode(json.dumps(granted).encode()).decode()
    entries = [
        exchange(url, {"mimeType": mime, "text": urlencode(form)}, json.dumps(granted)),
        exchange(url, {"mimeType": f"{mime}; charset=utf-8", "text": urlencode(refresh)}, json.dumps(granted)),
        exchange(
            url,
            {"mimeType": mime, "params": [{"name": name, "value": value} for name, value in form.items()]},
            json.dumps({"data": granted}),
        ),
        exchange(url, {"mimeType": "application/json", "text": json.dumps(form)}, json.dumps([granted])),
        exchange(url, {"mimeType": mime, "text": urlencode(form)}, json.dumps(granted).replace("/", "\\/")),
        exchange(back, None, "<html></html>", kind="text/html", redirectURL=f"{back}&{SIGNED}"),
        exchange(f"{url}?{urlencode(form)}", None, urlencode(granted), kind=mime),
    ]
    entries[0]["response"]["content"] = {"mimeType": "application/json", "text": encoded, "encoding": "base64"}
    clean = json.dumps(
        redact({"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": entries}})
    )
    assert len(json.loads(clean)["log"]["entries"]) == len(entries)
    assert found_in(clean) == []
    assert CLIENT_ID not in clean
    assert basic not in clean


@pytest.mark.parametrize(
    "url", ["http://myschool.instructuremedia.com", "http://192.0.2.1", "http://localhost.example"]
)
def test_no_secret_is_sent_without_tls_off_this_machine(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\burl\b"):
        StudioClient(url, token=TOKEN)
    with pytest.raises(InvalidArgumentError, match=r"\burl\b"):
        StudioClient(url, auth=OAuth(CLIENT_ID, CLIENT_SECRET))
    with pytest.raises(InvalidArgumentError, match=r"\burl\b"):
        OAuth(CLIENT_ID, CLIENT_SECRET, url=url)


def clients(server: FaultServer, *, ended: bool = False) -> Generator[tuple[StudioClient, str]]:
    """A client with a token, and one with tokens that follow each other; and what must go nowhere else."""
    options: dict[str, Any] = {"retry_delay": 0, "max_retries": 1}
    if not ended:
        with StudioClient(server.url, token=TOKEN, **options) as studio:
            yield studio, CORES["token"]
    hour = timedelta(hours=-1 if ended else 1)
    tokens = Tokens(ACCESS, refresh_token=REFRESH, expires_at=datetime.now(UTC) + hour, url=server.url)
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=MemoryTokenStore(tokens))
    with StudioClient(server.url, auth=oauth, **options) as studio:
        yield studio, CORES["access token"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_token_follows_a_redirect_to_another_host(form: Form, status: int, method: str) -> None:
    with FaultServer(json_answer({"secret": "of another host"})) as other:
        port = urlsplit(other.url).port
        for location in (f"{other.url}/api/public/v1/things", f"//127.0.0.1:{port}/x", f"http://localhost:{port}/x"):
            with FaultServer(redirect(location, status)) as server:
                for studio, _ in clients(server):
                    with contextlib.suppress(StudioError):
                        form.call(studio, "request", method, "/things", json={"a": 1} if method == "POST" else None)
                assert server.requests
    for request in other.requests:
        assert "authorization" not in request.headers
        assert found_in(request.raw) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", ["get_media", "exchange"])
def test_no_secret_of_signing_in_follows_a_redirect(form: Form, status: int, operation: str) -> None:
    """A 307 and a 308 mean to send the same body again, with the client secret in it."""
    with (
        FaultServer(json_answer({"access_token": "x", "expires_in": 5})) as other,
        FaultServer(redirect(f"{other.url}{TOKEN_PATH}", status)) as server,
    ):
        oauth = OAuth(CLIENT_ID, CLIENT_SECRET, url=server.url, redirect_uri=CALLBACK)
        for studio, _ in clients(server, ended=True):
            owner, argument = (studio, 1) if operation == "get_media" else (oauth, CODE)
            with pytest.raises(StudioError):
                form.call(owner, operation, argument)
        assert {request.path for request in server.requests} == {TOKEN_PATH}
    assert other.requests == []


def test_a_storage_host_gets_neither_token_nor_secret(form: Form, tmp_path: Path) -> None:
    video = Answer(headers={"Content-Type": "video/mp4"}, body=b"video")
    with (
        FaultServer(video) as storage,
        FaultServer(redirect(f"{storage.url}/file.mp4?{SIGNED}")) as server,
    ):
        for studio, _ in clients(server):
            form.call(studio, "download_media", 1, tmp_path / "file.mp4")
            (tmp_path / "file.mp4").unlink()
    assert len(storage.requests) == 2
    for request in storage.requests:
        assert "authorization" not in request.headers
        assert found_in(request.raw) == [CORES["signature"]]


def test_tokens_of_another_school_are_sent_nowhere(form: Form) -> None:
    with FaultServer(media_answer(1)) as server, FaultServer(media_answer(1)) as other:
        tokens = Tokens(ACCESS, refresh_token=REFRESH, url=other.url)
        oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=MemoryTokenStore(tokens))
        with StudioClient(server.url, auth=oauth) as studio, pytest.raises(LoginRequiredError) as caught:
            form.call(studio, "get_media", 1)
        assert caught.value.reason == "other_school"
        with StudioClient(other.url, auth=oauth) as theirs:
            assert form.call(theirs, "get_media", 1).id == 1
        # Now they are known to the OAuth, so it is seen at once that the client is of another school.
        with pytest.raises(InvalidArgumentError, match="auth is for"):
            StudioClient(server.url, auth=oauth)
    assert server.requests == []
    assert len(other.requests) == 1


def test_a_path_cannot_lead_a_token_to_another_host(form: Form) -> None:
    with FaultServer(json_answer({})) as other, FaultServer(json_answer({})) as server:
        port = urlsplit(other.url).port
        for studio, _ in clients(server):
            for path in (
                f"//127.0.0.1:{port}/x",
                f"http://127.0.0.1:{port}/x",
                f"@127.0.0.1:{port}/x",
                f"/../../../../127.0.0.1:{port}",
                f"\\\\127.0.0.1:{port}\\x",
                "/../../oauth/token",
            ):
                with contextlib.suppress(StudioError):
                    form.call(studio, "request", "GET", path)
    assert other.requests == []
    assert all(request.path.startswith("/api/public/v1/") for request in server.requests)


def test_a_proxy_gets_its_own_password_and_nothing_else(form: Form) -> None:
    """What goes through a proxy to a school goes through a tunnel; without one, nothing goes."""
    with FaultServer(text_answer("no", "text/plain", 502)) as proxy:
        address = proxy.url.replace("http://", f"http://user:{quote(PROXY_PASSWORD, safe='')}@")
        oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=MemoryTokenStore(Tokens(ACCESS, refresh_token=REFRESH)))
        ended = Tokens(ACCESS, refresh_token=REFRESH, expires_at=datetime(2024, 1, 1, tzinfo=UTC))
        refreshing = OAuth(CLIENT_ID, CLIENT_SECRET, store=MemoryTokenStore(ended))
        auths: list[dict[str, Any]] = [{"token": TOKEN}, {"auth": oauth}, {"auth": refreshing}]
        for auth in auths:
            with (
                StudioClient(
                    "https://studio.example.edu", **auth, proxy=address, retry_delay=0, max_retries=0
                ) as studio,
                pytest.raises(StudioError) as caught,
            ):
                form.call(studio, "get_media", 1)
            assert found_in(shown_by_error(caught.value)) == []
            assert found_in(shown_by_object(studio)) == []
    assert len(proxy.requests) >= 3
    password = base64.b64encode(f"user:{PROXY_PASSWORD}".encode()).decode()
    for request in proxy.requests:
        assert request.method == "CONNECT"
        assert "authorization" not in request.headers
        assert request.headers["proxy-authorization"] == f"Basic {password}"
        assert found_in(request.raw.replace(password.encode(), b"")) == []


@pytest.mark.parametrize("host", ["proxy.example.edu", "192.0.2.1", "[2001:db8::1]", "localhost.example.edu"])
def test_a_school_on_this_machine_is_not_reached_in_the_clear_through_a_proxy_elsewhere(host: str) -> None:
    """Everybody on the way to it would read along. A proxy on this machine may, as one for debugging does."""
    proxy = f"http://user:{quote(PROXY_PASSWORD, safe='')}@{host}:3128"
    with FaultServer(media_answer(1)) as server:
        attempts: list[Callable[[], object]] = [
            lambda: StudioClient(server.url, token=TOKEN, proxy=proxy),
            lambda: StudioClient(server.url, auth=OAuth(CLIENT_ID, CLIENT_SECRET), proxy=proxy),
            lambda: OAuth(CLIENT_ID, CLIENT_SECRET, url=server.url, proxy=proxy),
        ]
        for attempt in attempts:
            with pytest.raises(InvalidArgumentError) as caught:
                attempt()
            assert caught.value.argument == "proxy"
            assert found_in(shown_by_error(caught.value)) == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
def test_no_proxy_of_the_environment_reads_a_token(name: str) -> None:
    program = """if True:
        import json, sys
        from canvas_studio import StudioClient, StudioError
        told = json.loads(sys.stdin.readline())
        try:
            StudioClient(told["url"], token=told["token"], retry_delay=0).get_media(1)
        except StudioError as error:
            print(error)
    """
    with FaultServer(media_answer(1)) as server, FaultServer(media_answer(1)) as proxy:
        ended = subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps({"url": server.url, "token": TOKEN}) + "\n",
            env={**os.environ, name: proxy.url},
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    for request in proxy.requests:
        assert found_in(request.raw) == []
