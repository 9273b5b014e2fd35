"""`Response`: what `StudioClient.request(..., raw=True)` returns."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from canvas_studio import _core

__all__ = ["Response"]


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
            The text. Bytes that are not UTF-8 become U+FFFD.
        """
        return self.content.decode("utf-8-sig", errors="replace")

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
        return f"<Response {self.status_code}, {media_type}, {len(self.content)} bytes>"


_classes = {
    name: value for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__
}
globals().update(_core._first_classes(__name__, _classes))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
