"""What can go wrong, as one tree under `StudioError`: one class for each thing a caller does differently."""

from __future__ import annotations

from canvas_studio import _core

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ConflictError",
    "DetachedError",
    "InternalServerError",
    "InvalidArgumentError",
    "ListingChangedError",
    "LoginRequiredError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseDecodeError",
    "SignInError",
    "StudioError",
    "TokenStoreError",
    "UnprocessableEntityError",
]


class StudioError(Exception):
    """The base of everything that this package raises on its own account."""

    def __init__(self, message: str, /, **attributes: object) -> None:
        super().__init__(message)
        self.__dict__.update(attributes)

    def __reduce__(self) -> tuple[object, ...]:
        # An exception crosses to another process (a pool's worker, say) with its attributes.
        return _remade, (type(self), str(self), self.__dict__)


def _remade(kind: type[StudioError], message: str, attributes: dict[str, object]) -> StudioError:
    error = kind(message)
    error.__dict__.update(attributes)
    return error


class InvalidArgumentError(StudioError, ValueError):
    """Invalid argument. No request was sent.

    Attributes:
        argument: Which argument, such as `per_page` or `changes[0].id`.
    """

    argument: str


class ClientClosedError(StudioError, RuntimeError):
    """The client was closed, or the interpreter is about to exit."""


class DetachedError(StudioError, RuntimeError):
    """The object came from a pickle or a dict, so it knows no client to ask."""


class ListingChangedError(StudioError):
    """The list cannot be promised to be whole: it changed each time it was read, has no end, or lacks items.

    The message says how many items came, and how many should have. All that came was given before.
    """


class APIConnectionError(StudioError, ConnectionError):
    """There was no connection, or it broke.

    Attributes:
        method: The HTTP method.
        url: What was asked; without its query if it was a signed URL.
        outcome_unknown: Whether the request may have been carried out although no answer came.
    """

    method: str
    url: str
    outcome_unknown: bool


class APITimeoutError(StudioError, TimeoutError):
    """The connection, the next byte, or the whole call took too long.

    Attributes:
        method: The HTTP method.
        url: What was asked; without its query if it was a signed URL.
        outcome_unknown: Whether the request may have been carried out although no answer came.
    """

    method: str
    url: str
    outcome_unknown: bool


class APIStatusError(StudioError):
    """The server answered, and said no.

    Attributes:
        status_code: The HTTP status.
        method: The HTTP method.
        url: What was asked; without its query if it was a signed URL.
        headers: The headers of the answer, with lower-case names, without cookies. Tokens and the queries of URLs in
            them are masked.
        body: The body, parsed if it was JSON, otherwise as text. Tokens and signatures in it are masked.
        request_id: The server's name for the request, if it gave one.
        retry_after: Seconds after which the server wants to be asked again, if it said so.
        outcome_unknown: Whether the request may have been carried out all the same, as after a 504.
    """

    status_code: int
    method: str
    url: str
    headers: dict[str, str]
    body: object
    request_id: str | None
    retry_after: float | None
    outcome_unknown: bool


class BadRequestError(APIStatusError):
    """400: for permissions, one to change does not exist, or one to create exists already."""


class AuthenticationError(APIStatusError):
    """401: the token is missing, expired or wrong."""


class PermissionDeniedError(APIStatusError):
    """403: the user whose token it is may not do that."""


class NotFoundError(APIStatusError):
    """404: there is no such thing."""


class ConflictError(APIStatusError):
    """409: conflict, it is already in this state."""


class UnprocessableEntityError(APIStatusError):
    """422: the arguments were not accepted, or the media to download is external."""


class RateLimitError(APIStatusError):
    """429: too many requests."""


class InternalServerError(APIStatusError):
    """500 and above: a fault on the server's side."""


class ResponseDecodeError(StudioError):
    """The server answered, but not with what the operation expects.

    Attributes:
        status_code: The HTTP status.
        method: The HTTP method.
        url: What was asked; without its query if it was a signed URL.
        json_path: Where in the JSON the problem is, such as `media[3].owner.id`, if it is inside.
        body: The first 500 characters of the body.
    """

    status_code: int
    method: str
    url: str
    json_path: str | None
    body: str


class SignInError(StudioError):
    """Signing in did not give tokens.

    Attributes:
        reason: OAuth's word for it, such as `access_denied`, `invalid_client` or `invalid_grant`.
        status_code: The HTTP status, if it was Studio that answered.
        body: What it answered, parsed if it was JSON. Secrets in it are masked.
    """

    reason: str
    status_code: int | None
    body: object


class LoginRequiredError(SignInError):
    """There are no tokens that are still good, and only a person can change that, by logging in (again).

    The `reason` is `no_tokens` if the token store is empty, `no_refresh_token` if there is none for a token that has
    ended, `other_school` if the tokens are of another one, or else Studio's word for why it does not take the refresh
    token, mostly `invalid_grant`.
    """


class TokenStoreError(StudioError):
    """The tokens could not be read from their store, or not be written; what the store raised is the cause.

    New tokens that could not be written are kept, and written before they are used, at the next request.
    """


_classes = {
    name: value for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__
}
globals().update(_core._first_classes(__name__, _classes))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
