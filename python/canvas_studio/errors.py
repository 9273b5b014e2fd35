"""The exceptions: one tree under `StudioError`, with one class for each case that a caller handles differently."""

from __future__ import annotations

from canvas_studio import _core

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "CaptionWarning",
    "ClientClosedError",
    "ConflictError",
    "DetachedError",
    "FileChangedError",
    "InternalServerError",
    "InvalidArgumentError",
    "ListingChangedError",
    "LoginRequiredError",
    "MediaCountError",
    "NotFoundError",
    "PermissionDeniedError",
    "ProgressWarning",
    "RateLimitError",
    "ResponseDecodeError",
    "SignInError",
    "StudioError",
    "TokenStoreError",
    "TranscodingFailedError",
    "UnprocessableEntityError",
    "UploadWarning",
]


class StudioError(Exception):
    """The base of all exceptions that this package defines.

    Attributes:
        media_id: The id of the upload, if the call began one; the message says what became of it. Else `None`.
    """

    media_id: int | None = None

    def __init__(self, message: str, /, **attributes: object) -> None:
        super().__init__(message)
        self.__dict__.update(attributes)

    def __reduce__(self) -> tuple[object, ...]:
        # Keep the attributes when the exception is pickled, as by a process pool.
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
    """The object or record came from a pickle or a dict, or was copied or made by hand, so it has no client."""


class CaptionWarning(UserWarning):
    """A file of captions had to be converted to UTF-8, or is odd in a way that players put up with. It is sent."""


class FileChangedError(StudioError):
    """A file changed while it was sent, or between two attempts to send it. The server did not get a whole body.

    Attributes:
        path: The file.
    """

    path: str


class TranscodingFailedError(StudioError):
    """Studio could not transcode a media, as its `transcoding_status` seems to say. The words for that are a guess.

    Attributes:
        media: The media.
    """

    media: _core.Media


class UploadWarning(UserWarning):
    """A file may be refused or not be transcoded: it is large, or of a kind that the vendor's guide does not name."""


class ProgressWarning(UserWarning):
    """A progress callable raised when the transfer had finished, or was about to. So you got the result, not the error.

    The exception of the callable is its `__cause__`.
    """


class MediaCountError(StudioError):
    """A user has more or fewer unshared media than `transfer_media` was to expect. Nothing was transferred.

    Attributes:
        expected: How many were expected.
        media_ids: The ids of those that there are.
    """

    expected: int
    media_ids: tuple[int, ...]


class ListingChangedError(StudioError):
    """The list may be incomplete: it changed each time it was read, has no end, or lacks items.

    The message says how many items came, and how many should have come. You got all that came.
    """


class APIConnectionError(StudioError, ConnectionError):
    """The connection failed or broke.

    Attributes:
        method: The HTTP method.
        url: The URL of the request; without its query if it is signed.
        outcome_unknown: Whether the server may have processed the request although no answer came.
    """

    method: str
    url: str
    outcome_unknown: bool


class APITimeoutError(StudioError, TimeoutError):
    """The connection, the next byte, or the whole call took too long.

    Attributes:
        method: The HTTP method.
        url: The URL of the request; without its query if it is signed.
        outcome_unknown: Whether the server may have processed the request although no answer came.
    """

    method: str
    url: str
    outcome_unknown: bool


class APIStatusError(StudioError):
    """The server answered with an error status.

    Attributes:
        status_code: The HTTP status.
        method: The HTTP method.
        url: The URL of the request; without its query if it is signed.
        headers: The headers of the answer, with lower-case names, without cookies. Tokens and the queries of URLs in
            them are masked.
        body: The body, parsed if it was JSON, otherwise as text. Tokens and signatures in it are masked.
        request_id: The server's name for the request, if it gave one.
        retry_after: Seconds to wait before the next attempt, if the server said so.
        outcome_unknown: Whether the server may have processed the request all the same, as after a 504.
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
    """400: bad request. With permissions: one to change does not exist, or one to create exists already."""


class AuthenticationError(APIStatusError):
    """401: the token is missing, expired or wrong."""


class PermissionDeniedError(APIStatusError):
    """403: the user of the token is not allowed to do that."""


class NotFoundError(APIStatusError):
    """404: not found."""


class ConflictError(APIStatusError):
    """409: conflict, it is already in this state."""


class UnprocessableEntityError(APIStatusError):
    """422: the arguments were not accepted, or the media to download is external."""


class RateLimitError(APIStatusError):
    """429: too many requests."""


class InternalServerError(APIStatusError):
    """500 and above: the server failed."""


class ResponseDecodeError(StudioError):
    """The server answered with something that the operation does not expect.

    Attributes:
        status_code: The HTTP status.
        method: The HTTP method.
        url: The URL of the request; without its query if it is signed.
        json_path: Where in the JSON the problem is, such as `media[3].owner.id`.
        body: The first 500 characters of the body.
    """

    status_code: int
    method: str
    url: str
    json_path: str | None
    body: str


class SignInError(StudioError):
    """Signing in failed.

    Attributes:
        reason: OAuth's word for it, such as `access_denied`, `invalid_client` or `invalid_grant`.
        status_code: The HTTP status, if Studio answered.
        body: The body of the answer, parsed if it was JSON. Secrets in it are masked.
    """

    reason: str
    status_code: int | None
    body: object


class LoginRequiredError(SignInError):
    """There are no valid tokens. A person has to log in (again).

    The `reason` is `no_tokens` if the token store is empty, `no_refresh_token` if the token has expired and cannot be
    refreshed, `other_school` if the tokens belong to another school, or else Studio's word for why it rejects the
    refresh token, mostly `invalid_grant`.
    """


class TokenStoreError(StudioError):
    """The token store could not be read or written. The cause is the exception that the store raised.

    New tokens that could not be written stay in memory. The next request writes them before it uses them.
    """


_classes = {
    name: value for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__
}
globals().update(_core._first_classes(__name__, _classes))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
