"""What a snapshot leaves out or replaces: secrets always; names, addresses and titles on request."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

MASK: Final = "***"

SECRET: Final = (
    "(?:signature|token|credential|secret|passw|policy|api_?key|access_?key|private_?key|authorization|cookie)"  # noqa: S105 - names
)
"""A part of the names under which secrets stand. A guess, as are the shorter names below."""

PARAMETER: Final = re.compile(
    rf"[?&;#](?:[\w.\[\]-]{{0,64}}{SECRET}[\w.\[\]-]{{0,64}}|sig|jwt|code|auth|pwd|sid|expires|key-pair-id|verifier|hdn\w+)=",
    re.IGNORECASE,
)
USER: Final = re.compile(r"//[^\s/?#@]+@")
"""A user, and maybe a password, in front of a host."""

SECRET_NAME: Final = re.compile(SECRET, re.IGNORECASE)
SECRET_FIELD: Final = re.compile(
    rf"""((["'])[\w.-]{{0,64}}{SECRET}[\w.-]{{0,64}}\2\s*:\s*)(?!"\*\*\*")("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,}}\]]+)""",
    re.IGNORECASE,
)
"""A field of JSON, in a text."""

WORD: Final = re.compile(r"[^\s\"'<>]+")
MAY_HOLD_SECRETS: Final = re.compile(r"[=@%\\&]|[\"']\s*:")
"""Most texts have none of this, and are looked at no further."""

ESCAPED: Final = re.compile(r"\\+(?:u00|x)([0-9a-f]{2})|\\+([/\"'\\])", re.IGNORECASE)
LAYERS: Final = 3
"""How many layers of escapes are undone, as of a URL in JSON inside JSON."""

LETTERS: Final = 12
"""Of a pseudonym: 48 bits, so that two of a million names hardly ever fall together."""


def without_secrets(text: str | None, *, is_known: bool = True) -> str | None:
    """Cut the secrets off a text: what makes a URL work for whoever has it, and what stands under a telling name.

    Args:
        text: The text.
        is_known: Whether it stands in a documented field. If not, every URL loses its query.

    Returns:
        The text, with `***` in place of each secret; only that, if it cannot be told where a secret ends.
    """
    if text is None or (is_known and not MAY_HOLD_SECRETS.search(text)):
        return text
    text = SECRET_FIELD.sub(rf'\1"{MASK}"', text)
    text = WORD.sub(lambda found: _without_query(found[0], is_known=is_known), text)
    return MASK if _holds_secret(text) else text


def _without_query(word: str, *, is_known: bool) -> str:
    plain = _unescaped(word)
    if not _has_secret(plain) and (is_known or not ("//" in plain and "?" in plain)):
        return word
    kept = re.split(r"[?#]", word, maxsplit=1)[0]
    return MASK if kept == word or _has_secret(_unescaped(kept)) else f"{kept}?{MASK}"


def _holds_secret(text: str) -> bool:
    plain = _unescaped(text)
    return _has_secret(plain) or SECRET_FIELD.search(plain) is not None


def _has_secret(plain: str) -> bool:
    return PARAMETER.search(plain) is not None or USER.search(plain) is not None


def _unescaped(text: str) -> str:
    for _ in range(LAYERS):
        below = html.unescape(unquote(ESCAPED.sub(lambda found: found[2] or chr(int(found[1], 16)), text)))
        if below == text:
            break
        text = below
    return text


def extra_as_text(extra: Mapping[str, Any]) -> str | None:
    """Write the fields that nobody knows as JSON, without secrets, queries of URLs, and thumbnails.

    Args:
        extra: The fields.

    Returns:
        The JSON; `None` if there are none.
    """
    kept = _unknown({name: value for name, value in extra.items() if name != "thumbnail_url"})
    return json.dumps(kept) if kept else None


def _unknown(value: object) -> object:
    match value:
        case str():
            return without_secrets(value, is_known=False)
        case dict():
            return {
                without_secrets(name, is_known=False): MASK if SECRET_NAME.search(name) else _unknown(each)
                for name, each in cast("dict[str, object]", value).items()
            }
        case list():
            return [_unknown(each) for each in cast("list[object]", value)]
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
            return without_secrets(text)
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
        return without_secrets(text) if self._key is None else None

    def unknown(self, extra: Mapping[str, Any]) -> str | None:
        """Return the fields that nobody knows, or nothing if names are replaced.

        Args:
            extra: The fields.
        """
        return extra_as_text(extra) if self._key is None else None
