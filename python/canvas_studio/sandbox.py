"""The sandbox: a Studio on this machine with a seeded library, state, OAuth, and faults on request."""

from __future__ import annotations

import errno
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

from canvas_studio._core import (
    OUT_OF_BAND,
    MemoryTokenStore,
    OAuth,
    SandboxServer,
    StudioClient,
    Tokens,
    read_int,
    read_json,
    read_path,
    read_seconds,
)
from canvas_studio._frozen import frozen

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from canvas_studio.auth import TokenStore

__all__ = ["Assumptions", "Fault", "Faults", "Sandbox", "SandboxUser", "SeenRequest", "UploadedFile"]

LARGEST_NUMBER: Final = 2**63 - 1
TOKEN_LIFETIME: Final = 7200.0
URL_LIFETIME: Final = 86_400.0
REDIRECT_URIS: Final = ("https://app.example.edu/studio/callback", OUT_OF_BAND)
TRANSCODING_TIME: Final = 0.0
AUTHORIZE_PATH: Final = "/api/public/oauth/authorize"


class _Identified(Protocol):
    @property
    def id(self) -> int: ...


Role: TypeAlias = Literal["admin", "subaccount_admin", "teacher", "student", "observer"]
"""What a person may do."""

Id: TypeAlias = int | _Identified
"""An id, or an object with one: a `SandboxUser`, an `Owner`, a `Collection`, a `Media`."""


def _id(name: str, value: Id) -> int:
    try:
        number = read_int(name, getattr(value, "id", value))
    except TypeError:
        number = 0
    if not 0 < number < LARGEST_NUMBER:
        raise ValueError(f"{name} must be an id above 0 or an object that has one, not {value!r}")
    return number


def _ids(name: str, values: Iterable[Id]) -> list[int]:
    return [_id(name, cast("Id", value)) for value in _list(name, values, "a list of people")]


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True)
class SandboxUser:
    """A person of the sandbox.

    Attributes:
        id: Studio's id of the person.
        full_name: The full name.
        display_name: The name that Studio shows.
        email: What Studio holds as the e-mail address, which can be a login id of Canvas; some have none.
        role: What they may do: an `admin` sees and changes everything, all others what is theirs and what is shared
            with them.
        other_roles: The roles that they have besides, which allow nothing more.
    """

    id: int
    full_name: str
    display_name: str
    email: str | None
    role: Role
    other_roles: tuple[Role, ...] = ()


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True)
class SeenRequest:
    """A request that the sandbox received. Tokens, client secrets and signatures in it are masked.

    Attributes:
        host: `api`, or `storage` for the host where the files are.
        method: The HTTP method.
        path: The path, such as `/api/public/v1/media/42`.
        query: The query as pairs of name and value, in the order in which they were sent.
        headers: The headers, with their names in lower case.
        body: The body as text; empty if there was none.
        user_id: Whose token it was; `None` if there was none, if it was not good, or if a fault answered first.
        status: The status of the answer; `None` if the connection was cut before there was one.
        fault: The id of the fault that made the answer, or else of the last that struck; `None` if none did.
        at: When it came, in UTC.
    """

    host: Literal["api", "storage"]
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str] = field(hash=False)
    body: str
    user_id: int | None
    status: int | None
    fault: int | None
    at: datetime


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True)
class UploadedFile:
    """A file that the storage host was sent for an upload.

    Attributes:
        size: The size, in bytes.
        sha256: The SHA-256 of its bytes, in hexadecimal digits.
        content_type: The `Content-Type` that it was sent with; `None` if there was none.
        content: The bytes; `None` if they were not kept, since they are more than 16 MiB, or those of all uploads
            together more than 256 MiB.
    """

    size: int
    sha256: str
    content_type: str | None
    content: bytes | None = field(repr=False)


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Assumptions:
    """Switches for what Studio's reference leaves open. The defaults are the most likely behaviour.

    To make sure that code works at every school, test it with both values of each switch that concerns it.

    Attributes:
        archived_in_lists: Whether lists still hold what was archived.
        archived_readable: Whether what was archived can still be read by its id; otherwise that is a 404.
        archive_keeps_courses: Whether an archived media stays in its courses; otherwise it leaves them, and does not
            come back to them when it is unarchived.
        archive_keeps_shares: Whether an archived media stays shared with people and groups; otherwise it is shared with
            nobody, also after it is unarchived.
        per_page_clamped: Whether a `per_page` above 50 is taken for 50; otherwise that is a 422.
        newest_first: Whether lists begin with the newest item; otherwise they begin with the oldest.
        batch_atomic: Whether of the changes of permissions in one request either all are carried out or none.
        permission_bodies: Which body changes permissions: `array` is the list of changes by itself, `object` is
            `{"permissions": [...]}`; another one is a 422. `both` takes either. `ignored` answers either with 200 and
            the list as it is, and changes nothing.
        collection_changes_answer: Whether archiving, unarchiving and deleting a collection answer the collection;
            otherwise they answer `{}`.
        embed_url_key: Under which key of an object `create_embed` answers its URL; `None` for a bare JSON string.
        caption_url_is_json: Whether the `url` of captions leads to JSON; otherwise it leads to their file. Both were
            seen.
        uploads_in_lists: Whether an upload that was not completed is listed and can be read like a media, without a
            title; otherwise it is a 404.
        auto_captions: Whether the school has automatic captions; otherwise asking for them is a 501.
        captioning_service: Whether the school has a service for professional captions; otherwise its types of captions
            are a 404.
        list_meta: Whether lists of collections and of media come with `meta`, their number of items and pages.
        range_honoured: Whether the storage host continues a download where `Range` says; otherwise it sends all again.
        state_echoed: Whether the redirect after signing in brings back `state`, as it does since 2026; in 2024 it did
            not.
        refresh_tokens_rotate: Whether a refresh token is good for one use, and replaced by it.
        last_viewed_in_answers: Whether media in answers have `last_viewed` and `last_viewed_by_student`.
        never_viewed_in_periods: Whether a search by the last view brings what was never viewed, whatever the period.
    """

    archived_in_lists: bool = False
    archived_readable: bool = True
    archive_keeps_courses: bool = False
    archive_keeps_shares: bool = False
    per_page_clamped: bool = False
    newest_first: bool = True
    batch_atomic: bool = True
    permission_bodies: Literal["array", "object", "both", "ignored"] = "both"
    collection_changes_answer: bool = True
    embed_url_key: str | None = "embed_url"
    caption_url_is_json: bool = False
    uploads_in_lists: bool = False
    auto_captions: bool = True
    captioning_service: bool = True
    list_meta: bool = True
    range_honoured: bool = True
    state_echoed: bool = True
    refresh_tokens_rotate: bool = True
    last_viewed_in_answers: bool = True
    never_viewed_in_periods: bool = False


MOST_LIKELY: Final = Assumptions()


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, repr=False)
class Fault:
    """A fault: where and when it occurs, and what it does.

    Filters are combined with AND.

    Attributes:
        method: The HTTP method, such as `GET`; `None` for any.
        path: The path without `/api/public`, such as `/v1/media/42` or `/oauth/token`, or a glob such as `/v1/media/*`,
            whose `*` stands for slashes, too; `None` for any.
        host: `api`, or `storage` for the host where the files are; `None` for both.
        after: How many matching requests pass first.
        times: How many requests it hits at most; `None` for no limit.
        probability: The probability that it hits a matching request, 0 to 1.
        seed: The seed of the random numbers: the same seed hits the same requests.
        delay: How long the answer waits, in seconds. Alone or with anything else.
        status: The status of the answer. The request is not carried out, unless `carried_out` is true.
        carried_out: Whether the request is carried out first, as if the server failed after its work.
        body: The body of the answer with `status`: text, or anything that JSON can hold.
        headers: Headers of the answer with `status`.
        retry_after: The `Retry-After` of the answer with `status`, in seconds; written as a whole number, rounded up.
        retry_after_date: Whether `Retry-After` is written as the date that lies `retry_after` seconds ahead.
        reset: The connection is reset: `before` the request is carried out, `after` it was carried out and before it is
            answered, in the middle of the `body` of the answer, or in the middle of the body of the `request`, which is
            not carried out.
        truncate: The body ends early, and the connection is closed in order.
        html: The answer is an HTML page with status 200.
        malformed: The answer is broken JSON with status 200.
        throttle: How many requests per second pass; the others get `status` (429 if left out) with the correct
            `Retry-After`.
        burst: How many requests `throttle` lets pass at once; as many as in a second if left out.
        revoke: The access token of the request becomes invalid, so the answer is a 401. Alone or with anything else,
            like the following.
        fail_transcoding: The transcoding that the request starts fails: the completion of an upload, or a media from a
            URL.
        appear: How many media appear before the answer.
        vanish: How many media vanish before the answer.
        bandwidth: Bytes per second at which the body comes.

    Raises:
        ValueError: If a field is invalid, or if the fault would do nothing.
    """

    method: str | None = None
    path: str | None = None
    host: Literal["api", "storage"] | None = None
    after: int = 0
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    delay: float | None = None
    status: int | None = None
    carried_out: bool = False
    body: Any = field(default=None, hash=False)
    headers: Mapping[str, str] | None = field(default=None, hash=False)
    retry_after: float | None = None
    retry_after_date: bool = False
    reset: Literal["before", "after", "body", "request"] | None = None
    truncate: bool = False
    html: bool = False
    malformed: bool = False
    throttle: float | None = None
    burst: int | None = None
    revoke: bool = False
    fail_transcoding: bool = False
    appear: int = 0
    vanish: int = 0
    bandwidth: float | None = None

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in _without_defaults(self).items())
        return f"Fault({given})"

    def __post_init__(self) -> None:
        SandboxServer.check_fault(_plain(_without_defaults(self)))


class Faults:
    """The faults of a sandbox.

    If several match a request, the first one that makes an answer of its own, or breaks the answer, decides; what else
    they do adds up.
    """

    def __init__(self, server: SandboxServer) -> None:
        self._server = server
        self._added: dict[int, Fault] = {}

    def __repr__(self) -> str:
        return f"<Faults: {list(self._added.values())!r}>"

    def __len__(self) -> int:
        return len(self._added)

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._added.values()))

    def add(self, fault: Fault | None = None, /, **fields: Any) -> int:  # noqa: ANN401 - the fields of Fault
        """Add a fault, which applies from now on.

        Args:
            fault: The fault; leave it out if you pass its fields instead.
            **fields: The fields of a `Fault`.

        Returns:
            The id of the fault, for `remove`, `hits` and `SeenRequest.fault`.

        Raises:
            ValueError: If a field is invalid, if the fault would do nothing, or if you pass both forms.
            TypeError: If there is no such field, or `fault` is not a `Fault`.
        """
        if fault is None:
            fault = Fault(**fields)
        elif fields:
            raise ValueError(f"give a Fault or its fields, not both: {', '.join(fields)}")
        if not isinstance(cast("object", fault), Fault):
            raise TypeError(f"fault must be a Fault, not {type(fault).__name__}: use Fault(...)")
        identifier = self._server.add_fault(_plain(_without_defaults(fault)))
        self._added[identifier] = fault
        return identifier

    def remove(self, id: int) -> None:
        """Remove a fault.

        Args:
            id: The id that `add` returned.

        Raises:
            ValueError: If there is no such fault.
        """
        if not self._server.remove_fault(_id("id", id)):
            raise ValueError(f"id must be that of a fault; there is no fault {id!r}")
        self._added.pop(id, None)

    def clear(self) -> None:
        """Remove all faults."""
        self._server.clear_faults()
        self._added.clear()

    def hits(self, id: int) -> int:
        """Count the requests that a fault has hit.

        Args:
            id: The id that `add` returned.

        Returns:
            The number of requests.

        Raises:
            ValueError: If there is no such fault.
        """
        hits = self._server.fault_hits(_id("id", id))
        if hits is None:
            raise ValueError(f"id must be that of a fault; there is no fault {id!r}")
        return hits

    @staticmethod
    def from_toml(path: str | os.PathLike[str]) -> list[Fault]:
        """Read faults from a file, in which each is a table `[[fault]]` with the fields of `Fault`.

        Args:
            path: The file.

        Returns:
            The faults, in the order of the file.

        Raises:
            ValueError: If the file is not TOML, or a fault in it is invalid; the message says which.
            OSError: If the file cannot be read.
        """
        file_path = read_path("path", path)
        name = str(file_path)
        with file_path.open("rb") as file:
            try:
                document = tomllib.load(file)
            except ValueError as error:  # also of a file that is no text
                raise ValueError(f"{name}: {error}") from error
        tables = document.pop("fault", [])
        if document or not isinstance(tables, list):
            raise ValueError(f"{name}: expected tables [[fault]], and nothing else but them")
        found = cast("list[object]", tables)
        return [_from_table(table, f"{name}: fault {number}") for number, table in enumerate(found, 1)]

    @staticmethod
    def chaos(seed: int = 1) -> list[Fault]:
        """Make the faults that any client must expect from servers and networks.

        These are 429, 500, 502, 503 and 504, with and without `Retry-After`, resets before and in the middle of an
        answer, bodies that end early, and small delays. They occur at random, and only on requests that are safe to
        retry: `GET` requests, including those to the storage host, and the `PUT` of a file there, which can also break
        off on the way. A client that retries these often enough gets everything.

        Args:
            seed: The seed of the random numbers.

        Returns:
            The faults.

        Raises:
            ValueError: If the seed is not 0 to 2**63 - 1.
        """
        return [Fault(**fields) for fields in SandboxServer.chaos(_plain({"seed": seed}))]


class Sandbox:
    """A Studio on this machine. It runs until you close it, or until nothing refers to it.

    It generates its library from `seed`, keeps its state, and accepts connections from this machine only. Use it for
    tests, to try things out, and to measure. It is not Studio: `Assumptions` lists the guesses.

    In a forked process, `close` does nothing. `url`, `token` and the other plain attributes stay valid, so a client
    there can use the sandbox; everything else raises `RuntimeError`, as it does after `close`.

    Args:
        media: How many media the lists show, 0 to 1,000,000. Another two percent are archived. With 0 there is no
            library, only the administrator.
        seed: The seed of the library, 0 to 2**63 - 1. The same seed makes the same library.
        port: The port, or 0 for any free one.
        token_lifetime: How long access tokens from the token endpoint are valid, in seconds or as a timedelta.
        url_lifetime: How long the signed URLs of files are valid, in seconds or as a timedelta.
        transcoding_time: Seconds (or a timedelta) that the transcoding of an upload takes, by the clock of the sandbox,
            which `advance` moves; 0 for none.
        redirect_uris: Where the OAuth key of the sandbox may redirect to: `https` URLs, not of `localhost`, or
            `urn:ietf:wg:oauth:2.0:oob` for a code that is shown.
        assumptions: What to do where Studio's reference says nothing.
        faults: The faults at the start; see `faults` and `Faults.chaos`.

    Attributes:
        url: Its URL, such as `http://127.0.0.1:43210`.
        storage_url: The URL of its second host, where the files are, such as `http://localhost:43211`.
        port: The port of `url`.
        token: An access token of the administrator that does not expire.
        client_id: The id of its OAuth key.
        client_secret: The secret of its OAuth key.
        redirect_uris: Where that key may redirect to.
        faults: The faults; `faults.add` adds one.

    Raises:
        ValueError: If an argument is invalid.
        OSError: If the port is taken.

    Examples:
        >>> from canvas_studio.sandbox import Sandbox
        >>> with Sandbox(media=0) as box:
        ...     media_id = box.add_media("Mitosis", duration=61.5)
        ...     box.faults.add(status=503, retry_after=0, times=1)
        ...     studio = box.client()
        ...     print(studio.get_media(media_id).title)
        ...     print([request.status for request in box.requests])
        1
        Mitosis
        [503, 200]
    """

    def __init__(
        self,
        *,
        media: int = 500,
        seed: int = 1,
        port: int = 0,
        token_lifetime: float | timedelta = TOKEN_LIFETIME,
        url_lifetime: float | timedelta = URL_LIFETIME,
        transcoding_time: float | timedelta = TRANSCODING_TIME,
        redirect_uris: Iterable[str] = REDIRECT_URIS,
        assumptions: Assumptions = MOST_LIKELY,
        faults: Iterable[Fault] = (),
    ) -> None:
        options = _options(port, token_lifetime, url_lifetime, transcoding_time, assumptions)
        library = _plain(
            {"media": media, "seed": seed, "redirect_uris": _list("redirect_uris", redirect_uris, "a list of URIs")}
        )
        self._start(options | {"library": library}, faults, f"media={media}, seed={seed}")

    def _start(self, options: dict[str, Any], faults: Iterable[Fault], description: str) -> None:
        self._first_faults = tuple(faults)
        try:
            started = SandboxServer(_plain(options))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise OSError(error.errno, f"port {options['port']} is taken") from error
            raise
        self.url = started.url
        self.storage_url = started.storage_url
        self.port = started.port
        self.token = started.token
        self.client_id = started.client_id
        self.client_secret = started.client_secret
        self.redirect_uris = tuple(started.redirect_uris)
        self._server = started
        # Do not refer to this object: a cycle would keep the server running when nothing uses it.
        self.faults = Faults(started)
        self._description = description
        try:
            self._add_faults(self._first_faults)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"Sandbox({self.url!r}, {self._description})"

    def _repr_html_(self) -> str:
        from canvas_studio import _notebook  # noqa: PLC0415 - only a notebook needs it

        return _notebook.card("Sandbox", {"School": self.url, "Library": self._description})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the sandbox and free its ports. A second call, or one in a forked process, does nothing."""
        self._server.close()

    @property
    def users(self) -> tuple[SandboxUser, ...]:
        """The people, the administrator first."""
        names = [each.name for each in fields(SandboxUser)]
        found = self._server.users()
        for user in found:
            user["other_roles"] = tuple(user.get("other_roles", ()))
        return tuple(SandboxUser(*(user[name] for name in names)) for user in found)

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """The requests so far, in order, at most the latest 100,000."""
        return tuple(_seen(fields) for fields in self._server.requests())

    def forget_requests(self) -> None:
        """Clear the list of `requests`."""
        self._server.forget_requests()

    def client(self, *, user: Id | None = None, **options: Any) -> StudioClient:  # noqa: ANN401 - StudioClient's
        """Make a client of this sandbox.

        Args:
            user: The user whose token it gets, as an id or as the person; the administrator if left out.
            **options: Options of `StudioClient`, such as `retry_delay=0`, which removes the waits from a test, or
                `auth` or a `token` of your own instead of a user's token.

        Returns:
            The client. Close it yourself: closing the sandbox does not.

        Raises:
            ValueError: If there is no such user.
            InvalidArgumentError: If an option is invalid.
        """
        if user is not None and not options.keys().isdisjoint({"token", "auth"}):
            raise ValueError("token, auth, user: give one of them")
        if options.keys().isdisjoint({"token", "auth"}):
            options["token"] = self.token if user is None else self.token_for(user)
        return StudioClient(self.url, **options)

    def token_for(self, user: Id) -> str:
        """Make an access token that does not expire.

        Args:
            user: Whose it is, as an id or as the person.

        Returns:
            The token.

        Raises:
            ValueError: If there is no such user.
        """
        return self._server.token_for(_id("user", user))

    def oauth_token(self, *, user: Id | None = None) -> dict[str, Any]:
        """Make new tokens, as the token endpoint returns them.

        Args:
            user: Whose it is, as an id or as the person; the administrator's if left out.

        Returns:
            `access_token`, `token_type`, `expires_in` (seconds), `refresh_token` and `created_at` (Unix seconds).

        Raises:
            ValueError: If there is no such user.
        """
        tokens: dict[str, Any] = self._server.oauth_token(None if user is None else _id("user", user))
        return tokens

    def oauth(self, *, user: Id | None = None, store: TokenStore | None = None) -> OAuth:
        """Sign in with the sandbox's developer key. No request is made.

        Args:
            user: Who signs in, as an id or as the person; the administrator if left out.
            store: Where the tokens are kept, not an async one; a `MemoryTokenStore` if left out.

        Returns:
            What `StudioClient` takes as `auth`, with fresh tokens in its store.

        Raises:
            ValueError: If there is no such user.
        """
        store = MemoryTokenStore() if store is None else store
        tokens = Tokens.from_dict({**self.oauth_token(user=user), "url": self.url})
        with store.lock():
            store.save(tokens)
        redirect_uri = (*self.redirect_uris, OUT_OF_BAND)[0]
        return OAuth(self.client_id, self.client_secret, store=store, url=self.url, redirect_uri=redirect_uri)

    def authorize(self, authorization_url: str, *, user: Id | None = None) -> str:
        """Do what a person does in the browser: open the page, sign in, and allow access.

        Args:
            authorization_url: The URL that the application sends the person to, with `client_id`, `redirect_uri`,
                `response_type=code`, and perhaps `state` and `code_challenge` (PKCE).
            user: Who signs in, as an id or as the person; the administrator if left out.

        Returns:
            The URL that Studio redirects to, with the `code` in its query; for the redirect URI
            `urn:ietf:wg:oauth:2.0:oob`, the code that Studio shows.

        Raises:
            ValueError: If Studio would show an error page; the message says why.
        """
        parts = urlsplit(authorization_url)
        if f"{parts.scheme}://{parts.netloc}" != self.url or parts.path != AUTHORIZE_PATH:
            asked = f"{parts.scheme}://{parts.netloc}{parts.path}"
            raise ValueError(f"authorization_url must begin with {self.url}{AUTHORIZE_PATH}?, not with {asked}")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return self._server.allow(query, None if user is None else _id("user", user))

    def chaos(self, seed: int = 1) -> None:
        """Add the faults of `Faults.chaos`.

        Args:
            seed: What chance is drawn from.
        """
        self._add_faults(Faults.chaos(seed))

    def _add_faults(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.faults.add(fault)

    def reset(self) -> None:
        """Restore the initial state: the library, the requests and the faults.

        `url`, `token`, `client_id` and `client_secret` stay the same. Tokens issued since then become invalid.
        """
        self._server.reset()
        self.faults.clear()
        self._add_faults(self._first_faults)

    def snapshot(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole state into one JSON file, which `load` reads.

        The file contains the tokens and the client secret of the sandbox, which work nowhere else.

        Args:
            path: The file; an existing one is replaced.

        Returns:
            The path.

        Raises:
            OSError: If the file cannot be written.
        """
        file_path = read_path("path", path)
        self._server.snapshot(file_path)
        return file_path

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        port: int = 0,
        token_lifetime: float | timedelta = TOKEN_LIFETIME,
        url_lifetime: float | timedelta = URL_LIFETIME,
        transcoding_time: float | timedelta = TRANSCODING_TIME,
        assumptions: Assumptions = MOST_LIKELY,
        faults: Iterable[Fault] = (),
    ) -> Self:
        """Start a sandbox with the state that `snapshot` wrote: the library, the OAuth key, and all tokens.

        Args:
            path: The file.
            port: The port, or 0 for any free one.
            token_lifetime: How long new access tokens from the token endpoint are valid, in seconds or as a timedelta.
            url_lifetime: How long the signed URLs of files are valid, in seconds or as a timedelta.
            transcoding_time: Seconds (or a timedelta) that the transcoding of a later upload takes.
            assumptions: What to do where Studio's reference says nothing.
            faults: The faults at the start.

        Returns:
            The sandbox.

        Raises:
            ValueError: If an argument is invalid, or the file is not a snapshot.
            OSError: If the port is taken, or the file cannot be read.
        """
        file_path = read_path("path", path)
        name = str(file_path)
        file_path.open("rb").close()  # whose error tells the name
        box = cls.__new__(cls)
        options = _options(port, token_lifetime, url_lifetime, transcoding_time, assumptions) | {"snapshot": name}
        box._start(options, faults, f"snapshot={name!r}")  # noqa: SLF001 - it is one of this class
        return box

    def add_user(
        self,
        full_name: str = "Ada Park",
        email: str | None = None,
        role: Role = "teacher",
        *,
        other_roles: Iterable[Role] = (),
    ) -> int:
        """Add a person.

        Args:
            full_name: The full name.
            email: The e-mail address, if they have one. It can be a login id without `@`, and others can have the same.
            role: Their role; see `SandboxUser`.
            other_roles: The roles that they have besides, which allow nothing more.

        Returns:
            The id.

        Raises:
            ValueError: If an argument is invalid.
        """
        fields = {"full_name": full_name, "email": email, "role": role}
        return self._server.add(
            "user", _plain({**fields, "other_roles": _list("other_roles", other_roles, "a list of roles")})
        )

    def add_group(self, name: str, user_ids: Iterable[Id] = (), *, manager_ids: Iterable[Id] = ()) -> int:
        """Add a group of people, with which things can be shared.

        Args:
            name: The name.
            user_ids: Its members, as ids or as the people.
            manager_ids: Those of the members who are its managers.

        Returns:
            The id.

        Raises:
            ValueError: If an argument is invalid, or there is no such user.
        """
        fields = {"name": name, "user_ids": _ids("user_ids", user_ids), "manager_ids": _ids("manager_ids", manager_ids)}
        return self._server.add("group", _plain(fields))

    def add_collection(
        self, name: str | None, *, owner: Id | None = None, type: str | None = None, course_id: int | None = None
    ) -> int:
        """Add a collection.

        Args:
            name: The name; `None`, as it is for some collections of courses.
            owner: Whose it is, as an id or as the person; the administrator's if left out.
            type: The type; if left out `course_wide` with a `course_id`, otherwise `custom`.
            course_id: The id of the course in Canvas, for a course's collection.

        Returns:
            The id.

        Raises:
            ValueError: If an argument is invalid, or there is no such user.
        """
        wanted = {
            "name": name,
            "owner": None if owner is None else _id("owner", owner),
            "type": type,
            "course_id": course_id,
        }
        return self._server.add("collection", _plain(wanted))

    def add_caption_request(self, media: Id, *, srclang: str = "en", service_type: str) -> int:
        """Add a request for captions that people make, as the captioning service finds it.

        Args:
            media: The media that needs captions, as an id or as the media.
            srclang: The language of the captions, such as `en`.
            service_type: The key of a type of captions that the captioning service offers.

        Returns:
            The id.

        Raises:
            ValueError: If an argument is invalid, or there is no such media or type.
        """
        fields = {"media_id": _id("media", media), "srclang": srclang, "service_type": service_type}
        return self._server.add("caption_request", _plain(fields))

    def add_media(
        self,
        title: str = "A recording",
        *,
        description: str | None = None,
        owner: Id | None = None,
        collection_id: Id | None = None,
        size: int = 1_000_000,
        duration: float = 60.0,
        source: str = "upload",
        transcoding_status: str = "transcoding_finished",
        tags: Iterable[str] = (),
        created_at: datetime | str | None = None,
        last_viewed: date | str | None = None,
        last_viewed_by_student: date | str | None = None,
        captions: Iterable[Mapping[str, str]] = (),
    ) -> int:
        """Add a media, with a file of `size` bytes that can be downloaded.

        Args:
            title: The title.
            description: The description.
            owner: Whose it is, as an id or as the person; if left out, whose the collection is, or the administrator's.
            collection_id: The collection that it is in, or its id; the owner's own library if left out.
            size: The size, in bytes.
            duration: The duration, in seconds.
            source: Where it comes from. External media (`youtube`, `vimeo`) have no file.
            transcoding_status: `transcoding_finished`, or anything else.
            tags: The names of its tags.
            created_at: When it was made, with a time zone; now if left out.
            last_viewed: The day on which it was last viewed; `None` for never.
            last_viewed_by_student: The day on which a student last viewed it; `None` for never.
            captions: Its captions. Each has `srclang`, such as `en`, and may have `label`, `subtitle_format`, `status`
                (`published` if left out), `provider`, and `text`: the file, which is made up if left out.

        Returns:
            The id.

        Raises:
            ValueError: If an argument is invalid, or there is no such user or collection.
        """
        given: dict[str, object] = {
            "title": title,
            "description": description,
            "owner": owner,
            "collection_id": collection_id,
            "captions": captions,
            "size": size,
            "duration": duration,
            "source": source,
            "transcoding_status": transcoding_status,
            "tags": tags,
            "created_at": created_at,
            "last_viewed": last_viewed,
            "last_viewed_by_student": last_viewed_by_student,
        }
        wanted = {name: _field(name, value) for name, value in given.items() if value is not None}
        return self._server.add("media", _plain(wanted))

    def change_media(self, id: Id, **fields: Any) -> None:  # noqa: ANN401 - the fields of add_media
        """Change a media, as somebody else or Studio itself does, whatever its rules are.

        Args:
            id: The media, or its id.
            **fields: The fields of `add_media` to change, such as `transcoding_status="transcoding_failed"`; the others
                stay. `None` takes a `description` or a date of viewing away, and `captions` are put in the place of all
                that are there. A `transcoding_status` stays: no transcoding under way changes it again.

        Raises:
            ValueError: If a field is invalid, or there is no such media, user or collection.
        """
        wanted = {name: _field(name, value) for name, value in fields.items()}
        self._server.change_media(_id("id", id), _plain(wanted))

    def remove_media(self, id: Id) -> None:
        """Delete a media, as somebody else does.

        Args:
            id: The media, or its id.

        Raises:
            ValueError: If there is no such media.
        """
        self._server.remove_media(_id("id", id))

    @property
    def now(self) -> datetime:
        """The time by the clock of the sandbox, in UTC: that of this machine, and what `advance` has added."""
        return datetime.fromtimestamp(self._server.now(), UTC)

    def advance(self, seconds: float | timedelta) -> None:
        """Move the clock of the sandbox ahead: tokens and signed URLs end, and transcoding goes on. No time passes.

        Args:
            seconds: How far, in seconds or as a timedelta.

        Raises:
            ValueError: If that is less than 0, or more than a hundred years in all.
        """
        self._server.advance(_seconds("seconds", seconds))

    def uploaded_file(self, id: Id) -> UploadedFile | None:
        """Return what the storage host was sent for an upload.

        Args:
            id: The upload or the media that was made of it, or the id, which is the same.

        Returns:
            The file; `None` if none has come.

        Raises:
            ValueError: If there is no such upload and no such media.
        """
        found = self._server.uploaded_file(_id("id", id))
        return None if found is None else UploadedFile(*found)

    def media_file(self, id: Id, quality: str | None = None) -> bytes:
        """Return the bytes that a download of a media must bring: of an upload those that were sent, if they were kept.

        Args:
            id: The media, or its id.
            quality: Which version; the best if left out.

        Returns:
            The bytes.

        Raises:
            ValueError: If there is no such media, not in that quality, it is external, its transcoding is not finished,
                or it is larger than 1 GiB.
        """
        return self._server.media_file(_id("id", id), quality)


def _options(
    port: int,
    token_lifetime: float | timedelta,
    url_lifetime: float | timedelta,
    transcoding_time: float | timedelta,
    assumptions: Assumptions,
) -> dict[str, Any]:
    return {
        "port": port,
        "token_lifetime": _seconds("token_lifetime", token_lifetime),
        "url_lifetime": _seconds("url_lifetime", url_lifetime),
        "transcoding_time": _seconds("transcoding_time", transcoding_time),
        "assumptions": asdict(assumptions),
    }


def _field(name: str, value: object) -> object:
    """A field of a media as the core reads it."""
    match name, value:
        case "owner" | "collection_id", _:
            return _id(name, cast("Id", value))
        case "created_at", datetime() if value.tzinfo is None:
            raise ValueError(f"created_at must have a time zone, such as datetime.UTC, not {value!r}")
        case "created_at", datetime():
            return value.isoformat()
        case "last_viewed" | "last_viewed_by_student", _:
            return _day(cast("date | str | None", value))
        case "tags", _:
            return _list(name, value, "a list of names")
        case "captions", _:
            return [_caption(caption) for caption in _list(name, value, "a list of dicts")]
        case _:
            return value


def _list(name: str, values: object, expected: str) -> list[object] | str:
    # A string is not a list of its letters. The core reports it with all other mistakes.
    if isinstance(values, str):
        return values
    if not isinstance(values, Iterable):
        raise ValueError(f"{name} must be {expected}, not {_class(values)}: use [] for none")  # noqa: TRY004 - as documented
    return list(cast("Iterable[object]", values))


def _caption(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"captions must be a list of dicts, not of {_class(value)}")  # noqa: TRY004 - as documented
    return dict(cast("Mapping[str, object]", value))


def _class(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _seconds(name: str, value: float | timedelta) -> float:
    try:
        seconds = read_seconds(name, value)
    except TypeError as error:
        raise ValueError(str(error)) from error
    if not isfinite(seconds):
        raise ValueError(f"{name} must be a finite number of seconds, not {seconds}")
    return seconds


def _day(value: date | str | None) -> str | None:
    value = value.date() if isinstance(value, datetime) else value
    return value.isoformat() if isinstance(value, date) else value


def _without_defaults(fault: Fault) -> dict[str, Any]:
    return {each.name: value for each in fields(fault) if (value := getattr(fault, each.name)) != each.default}


def _whole(digits: str) -> int:
    number = int(digits)
    if not -LARGEST_NUMBER <= number <= LARGEST_NUMBER:
        raise ValueError(f"expected at most {LARGEST_NUMBER}, not {digits}")
    return number


def _plain(values: Mapping[str, object]) -> dict[str, Any]:
    """Convert values through JSON, so that a tuple and a list become the same."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        try:
            text = read_json(name, value)
        except (TypeError, ValueError) as error:
            raise ValueError(str(error)) from error
        try:
            plain[name] = json.loads(text, parse_int=_whole)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        try:
            json.dumps(plain[name], ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{name} cannot be kept, since it holds a lone surrogate") from error
    return plain


def _from_table(table: object, where: str) -> Fault:
    if not isinstance(table, dict):
        raise ValueError(f"{where}: expected a table, not {table!r}")  # noqa: TRY004 - what is wrong is the file
    try:
        return Fault(**cast("dict[str, Any]", table))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def _seen(request: dict[str, Any]) -> SeenRequest:
    request["query"] = tuple((name, value) for name, value in request["query"])
    request["at"] = datetime.fromtimestamp(request["at"], UTC)
    return SeenRequest(**request)
