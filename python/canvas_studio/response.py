"""`Response`: what `StudioClient.request(..., raw=True)` returns."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from canvas_studio import _core
from canvas_studio._frozen import frozen

__all__ = ["Response"]


@frozen
@dataclass(frozen=True, slots=True, repr=False, weakref_slot=True)
class Response:
    """An answer as it came, whatever its status.

    Attributes:
        status_code: The HTTP status.
        headers: The headers, with lower-case names; several of one name are joined by commas. Cookies are left out.
        content: The body, decompressed and otherwise unchanged.
    """

    status_code: int
    headers: dict[str, str] = field(hash=False)
    content: bytes

    def text(self) -> str:
        """Return the body as text.

        Returns:
            The text, decoded by its byte order mark, or else by the `charset` of its `Content-Type`. Without them, and
            if the charset is unknown, it is UTF-8. Bytes that are not in that encoding become U+FFFD.
        """
        return _core._text(self.headers.get("content-type", ""), self.content)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def json(self) -> Any:  # noqa: ANN401 - as `json.loads`
        """Return the body as parsed JSON.

        Returns:
            What `json.loads` returns.

        Raises:
            ValueError: If it is not JSON.
        """
        return json.loads(self.content)

    def __repr__(self) -> str:
        """Show no header and nothing of the body, since both may hold secrets."""
        media_type = self.headers.get("content-type", "no content type")
        media_type = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in media_type)
        return f"<Response {self.status_code}, {media_type}, {len(self.content)} bytes>"


_classes = {
    name: value for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__
}
globals().update(_core._first_classes(__name__, _classes))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
