"""What a snapshot leaves out or replaces: signatures in URLs always; names, addresses and titles on request."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

URL: Final = re.compile(r"(https?://[^\s?#\"'<>]*)\?[^\s\"'<>]*", re.IGNORECASE)
SIGNED: Final = re.compile(
    r"[?&;](?:[\w.-]*(?:signature|token|credential|secret|password|policy)[\w.-]*"
    r"|sig|jwt|code|expires|key-pair-id|verifier|hdn\w+|access_key\w*)=",
    re.IGNORECASE,
)
"""The names of parameters that make a URL work for whoever has it. A guess; `extra` loses the query of every URL."""

LETTERS: Final = 12
"""Of a pseudonym: 48 bits, so that two of a million names hardly ever fall together."""


def without_signatures(text: str | None) -> str | None:
    """Cut the query off URLs in a text that are signed.

    Args:
        text: The text.

    Returns:
        The text, with `?***` in place of such a query.
    """
    if text is None or "?" not in text:
        return text
    return URL.sub(lambda found: f"{found[1]}?***" if SIGNED.search(found[0]) else found[0], text)


def extra_as_text(extra: Mapping[str, Any]) -> str | None:
    """Write the fields that nobody knows as JSON, without the query of any URL, and without a thumbnail.

    Args:
        extra: The fields.

    Returns:
        The JSON; `None` if there are none.
    """
    kept = {name: _without_queries(value) for name, value in extra.items() if name != "thumbnail_url"}
    return json.dumps(kept) if kept else None


def _without_queries(value: object) -> object:
    match value:
        case str():
            return URL.sub(r"\1?***", value)
        case dict():
            return {name: _without_queries(each) for name, each in cast("dict[str, object]", value).items()}
        case list():
            return [_without_queries(each) for each in cast("list[object]", value)]
        case _:
            return value


class Names:
    """Names, titles and addresses as they are, or each replaced by a pseudonym.

    Equal texts have equal pseudonyms in one snapshot. The key is thrown away with the reading, so nobody can try names.
    """

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    def name(self, kind: str, text: str | None) -> str | None:
        """Return the name of something, or its pseudonym.

        Args:
            kind: What it is, such as `media`.
            text: Its name.
        """
        if self._key is None or text is None:
            return without_signatures(text)
        digest = hmac.new(self._key, f"{kind}\0{text}".encode(errors="surrogatepass"), hashlib.sha256)
        return f"{kind}-{digest.hexdigest()[:LETTERS]}"

    def address(self, text: str | None) -> str | None:
        """Return an e-mail address, or its pseudonym.

        Args:
            text: The address.
        """
        name = self.name("person", text)
        return name if self._key is None or name is None else f"{name}@example.invalid"

    def other(self, text: str | None) -> str | None:
        """Return a text, or nothing if names are replaced: it may hold anything.

        Args:
            text: Such as a description.
        """
        return without_signatures(text) if self._key is None else None

    def unknown(self, extra: Mapping[str, Any]) -> str | None:
        """Return the fields that nobody knows, or nothing if names are replaced.

        Args:
            extra: The fields.
        """
        return extra_as_text(extra) if self._key is None else None
