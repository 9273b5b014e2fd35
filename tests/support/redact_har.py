"""Makes a captured HAR fit to be published: `python tests/support/redact_har.py captured.har > clean.har`.

It keeps only what is known to be harmless, since secrets come in more forms than anybody can list: the names of keys,
the types and lengths of values, the words and paths that Studio's reference documents, and counts. Everything else gets
a stand-in, the same one throughout, so that a recording tells the same story. It looks at each value once.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REDACTED = "REDACTED"
STUDIO_HOST = "tw.instructuremedia.com"
CREATOR = {"name": "redact_har.py", "version": "2"}
# The longest text whose length a stand-in keeps, and the longest that is looked at to find out its kind.
LONGEST = 400
# A count has fewer digits.
LONG_NUMBER = 8

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# The parts of Studio's paths that the reference documents.
PATH_WORDS = {
    "accept",
    "all",
    "api",
    "apidocs",
    "archive",
    "authorize",
    "batch_update",
    "caption_files",
    "caption_requests",
    "captioning_service_types",
    "collections",
    "complete",
    "courses",
    "create_embed",
    "docs",
    "download",
    "files",
    "groups",
    "insights",
    "library",
    "media",
    "oauth",
    "overview",
    "permissions",
    "perspectives",
    "ping",
    "public",
    "roles",
    "search",
    "sources",
    "tags",
    "token",
    "transfer_media",
    "unarchive",
    "upload",
    "uploads",
    "users",
    "v1",
}
# The words that the reference documents or that clients have seen, which stand for themselves.
WORDS = {
    "Admin",
    "Basic",
    "Bearer",
    "Observer",
    "Student",
    "Subaccount",
    "Teacher",
    "access",
    "add",
    "application/dash+xml",
    "audio/mp3",
    "authorization_code",
    "bare_embed",
    "bearer",
    "course_wide",
    "create",
    "destroy",
    "edit",
    "embed",
    "en",
    "failed",
    "featured_collection",
    "fulfilled",
    "group",
    "high",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "low",
    "manager",
    "medium",
    "member",
    "notorious",
    "owner",
    "processing",
    "professional",
    "published",
    "refresh_token",
    "requested",
    "srt",
    "student",
    "teacher",
    "text",
    "transcoding",
    "transcoding_finished",
    "uncaptioned",
    "unpublished",
    "update",
    "uploaded",
    "urn:ietf:wg:oauth:2.0:oob",
    "user",
    "video/mp4",
    "view",
    "vtt",
}
# Numbers that count or measure something. All others get a stand-in: they may be codes.
COUNTS = {
    "created_at",
    "current_page",
    "duration",
    "expires_in",
    "last_page",
    "max_size",
    "min_size",
    "number_of_errors",
    "page",
    "per_page",
    "size",
    "total_count",
    "total_views",
}
PERSON = re.compile(r"(?:full|display|sortable|short|first|last|user)_?name|login|login_id", re.IGNORECASE)
# Names of secrets. Their values would get a stand-in anyway; this says to the reader what stood there.
SECRET = re.compile(
    r"token|secret|password|passwd|signature|credential|cookie|session|authorization|api_?key|^code$", re.IGNORECASE
)
# A name as programs write it, in lower case or with humps: a token has digits, or is longer.
KEY = re.compile(r"[a-z]{1,14}(?:[_-][a-z]{1,14}){0,5}(?:_v?\d{1,2})?|[a-z]{2,14}(?:[A-Z][a-z]{1,14}){1,4}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)?")
MOMENT_DIGITS = re.compile(r"\d+")
# The digits of a date by how many there are of them.
STAND_IN_DIGITS = {4: "2026", 2: "01", 3: "000"}
MOMENT_OF_CAPTURE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{5,18}(?:Z|[+-]\d\d:\d\d)?")
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,253}")
NUMBER = re.compile(r"\d{1,18}")
SUFFIX = re.compile(r"\.(?:mp4|mp3|mov|webm|m4v|mpd|srt|vtt|png|jpg|jpeg)")
HARMLESS_HOST = re.compile(
    r"(?:127\.0\.0\.1|localhost|(?:(?:host\d{1,6}|app|cdn|storage|www)\.)?example\.(?:edu|com|org|net))(?::\d{1,5})?"
)
# What a header may say; other headers are left out, and other values get a stand-in.
TYPE = r"[a-z]{1,20}/[a-z0-9.+*-]{1,60}"
HEADERS = {
    "accept": re.compile(rf"(?:(?:{TYPE}|\*/\*)(?:;q=[\d.]{{1,4}})?(?:, ?|$)){{1,8}}"),
    "accept-encoding": re.compile(r"(?:(?:gzip|deflate|br|zstd|identity)(?:, ?|$)){1,5}"),
    "accept-ranges": re.compile(r"bytes|none"),
    "authorization": re.compile(rf"(?:Bearer|Basic) {REDACTED}"),
    "content-range": re.compile(r"bytes (?:\d{1,15}-\d{1,15}|\*)/(?:\d{1,15}|\*)"),
    "content-type": re.compile(rf"{TYPE}(?:; ?charset=[a-zA-Z0-9-]{{1,20}})?"),
    "etag": None,
    "if-range": None,
    "range": re.compile(r"bytes=\d{1,15}-\d{0,15}"),
    "retry-after": re.compile(r"\d{1,6}"),
    "x-request-id": None,
}
TEXTUAL = re.compile(r"text/|json|xml|javascript|x-www-form-urlencoded|^$", re.IGNORECASE)


class StandIns:
    """Gives each value a numbered stand-in, always the same one; a value that is a stand-in already stays."""

    def __init__(self, pattern: str, har: str) -> None:
        self._pattern = pattern
        self._own = re.compile(re.escape(pattern).replace(r"\{\}", r"(\d{1,6})"))
        self._known: dict[str, str] = {}
        self._last = max((int(number) for number in self._own.findall(har)), default=0)

    def of(self, value: str) -> str:
        """The stand-in of a value."""
        if self._own.fullmatch(value):
            return value
        key = value.casefold()
        if key not in self._known:
            self._last += 1
            self._known[key] = self._pattern.format(self._last)
        return self._known[key]


class Redactor:
    """Redacts one HAR, with the same stand-ins throughout."""

    def __init__(self, har: dict[str, Any]) -> None:
        self._log = har["log"]
        text = unquote(json.dumps(har, ensure_ascii=False))
        self._emails = StandIns("person{}@example.edu", text)
        self._people = StandIns("Person {}", text)
        self._hosts = StandIns("host{}.example.com", text)
        self._keys = StandIns("key_{}", text)
        self._texts = StandIns("text{}", text)
        self._segments = StandIns("segment{}", text)
        self._uuids = StandIns("00000000-0000-4000-8000-{:0>12}", text)
        self._numbers: dict[int, int] = {}
        urls = [_parts(entry["request"]["url"]) for entry in self._log["entries"]]
        self._studio_hosts = {_host(url) for url in urls if url and url.path.startswith("/api/public/")} | {STUDIO_HOST}

    def har(self) -> dict[str, Any]:
        """A new HAR of what may be published; what is not named here is left out."""
        entries = [
            {
                "startedDateTime": _matching(MOMENT_OF_CAPTURE, entry.get("startedDateTime"), "2026-01-01T00:00:00Z"),
                "time": _number(entry.get("time")),
                "request": self._request(entry["request"]),
                "response": self._response(entry["response"], str(entry["request"]["url"])),
                "cache": {},
                "timings": {name: _number(entry["timings"].get(name)) for name in ("send", "wait", "receive")},
            }
            for entry in self._log["entries"]
        ]
        return {"log": {"version": "1.2", "creator": CREATOR, "entries": entries}}

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        url = self.url(str(request["url"]))
        query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        clean = {
            "method": request["method"] if request["method"] in METHODS else REDACTED,
            "url": url,
            "httpVersion": _matching(r"(?i:HTTP)/\d(?:\.\d)?|h[23]", request.get("httpVersion"), "HTTP/1.1"),
            "cookies": [],
            "headers": self._headers(request["headers"], str(request["url"])),
            "queryString": [{"name": name, "value": value} for name, value in query],
        }
        body = b""
        if data := request.get("postData"):
            mime_type = str(data.get("mimeType", ""))
            fields = [(str(field["name"]), str(field.get("value", ""))) for field in data.get("params", [])]
            text = self.body(str(data.get("text") or urlencode(fields, errors="replace")), mime_type)
            body = text.encode()
            clean["postData"] = {"mimeType": _type(mime_type), "text": text}
        return {**clean, "headersSize": -1, "bodySize": len(body)}

    def _response(self, response: dict[str, Any], url: str) -> dict[str, Any]:
        content = response["content"]
        mime_type, text = str(content.get("mimeType", "")), str(content.get("text", ""))
        if content.get("encoding") == "base64":
            # What is not text is left out by `body` anyway.
            text = base64.b64decode(text).decode(errors="replace")
        text = self.body(text, mime_type)
        size = len(text.encode())
        location = str(response.get("redirectURL", ""))
        status = int(response["status"])
        known = status in HTTPStatus.__members__.values()
        return {
            "status": status,
            "statusText": HTTPStatus(status).phrase if known and response.get("statusText") else "",
            "httpVersion": _matching(r"(?i:HTTP)/\d(?:\.\d)?|h[23]", response.get("httpVersion"), "HTTP/1.1"),
            "cookies": [],
            "headers": self._headers(response["headers"], url),
            "content": {"size": size, "mimeType": _type(mime_type), "text": text},
            "redirectURL": self.url(_joined(url, location)) if location else "",
            "headersSize": -1,
            "bodySize": size,
        }

    def _headers(self, headers: Iterable[dict[str, str]], url: str) -> list[dict[str, str]]:
        kept: list[dict[str, str]] = []
        for header in headers:
            name, value = str(header["name"]), str(header["value"])
            lower = name.lower()
            if lower == "location":
                value = self.url(_joined(url, value))
            elif lower not in HEADERS:
                continue
            elif lower == "authorization":
                scheme = value.partition(" ")[0]
                value = f"{scheme} {REDACTED}" if scheme in {"Bearer", "Basic"} else REDACTED
            elif lower in {"etag", "if-range"}:
                value = f'"{self._texts.of(value.strip(chr(34)))}"'
            elif not (pattern := HEADERS[lower]) or not pattern.fullmatch(value):
                value = self._texts.of(value) if value else ""
            kept.append({"name": name, "value": value})
        return kept

    def body(self, text: str, mime_type: str) -> str:
        """A body that is JSON or a form; of any other only its length."""
        media_type = mime_type.partition(";")[0]
        if not text or not TEXTUAL.search(media_type):
            return ""
        if "x-www-form-urlencoded" in media_type.lower():
            return urlencode(self._pairs(text))
        try:
            return json.dumps(self.value(json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            # Half of a JSON text, a page, captions: nobody can say which part of it is harmless.
            return text if re.fullmatch(rf"{REDACTED} \(\d{{1,12}} characters\)", text) else _left_out(text)

    def value(self, value: Any, name: str = "") -> Any:
        """A value of JSON with the same shape."""
        match value:
            case dict():
                fields = cast("dict[str, Any]", value)
                return {self._key(key): self.value(field, key) for key, field in fields.items()}
            case [*items]:
                return [self.value(item, name) for item in items]
            case str():
                return self._text(value, name)
            case bool() | None:
                return value
            case int():
                return value if name in COUNTS else self._integer(value)
            case _:
                return value if name in COUNTS else 1.5

    def _key(self, key: str) -> str:
        return key if KEY.fullmatch(key) or key in WORDS else self._keys.of(key)

    def _integer(self, number: int) -> int:
        return self._numbers.setdefault(number, len(self._numbers) + 1)

    def _text(self, text: str, name: str) -> str:
        """A stand-in that is of the same kind."""
        if text in WORDS or text in {"", REDACTED}:
            return text
        if SECRET.search(name):
            return REDACTED
        if text.startswith(("https://", "http://")):
            return self.url(text)
        kind = self._of_a_kind(text, name) if len(text) <= LONGEST else None
        return kind or self._texts.of(text.rstrip(".")).ljust(min(len(text), LONGEST), ".")

    def _of_a_kind(self, text: str, name: str) -> str | None:
        """A stand-in for a number, a date, an id, an address or a name, if the text is one."""
        if NUMBER.fullmatch(text):
            return text if name in COUNTS and len(text) < LONG_NUMBER else str(self._integer(int(text)))
        if MOMENT.fullmatch(text):
            return MOMENT_DIGITS.sub(lambda digits: STAND_IN_DIGITS.get(len(digits[0]), "0"), text)
        for pattern, stand_ins in ((UUID, self._uuids), (EMAIL, self._emails)):
            if pattern.fullmatch(text):
                return stand_ins.of(text)
        return self._people.of(text) if PERSON.fullmatch(name) else None

    def _pairs(self, query: str) -> list[tuple[str, str]]:
        return [(self._key(name), self._text(value, name)) for name, value in parse_qsl(query, keep_blank_values=True)]

    def url(self, url: str) -> str:
        """A URL with the same shape; of one that is not Studio's, no query."""
        parts = _parts(url)
        if parts is None or parts.scheme not in {"http", "https"}:
            return REDACTED
        host = _host(parts)
        if host in self._studio_hosts:
            path = "/".join(self._segment(unquote(segment)) for segment in parts.path.split("/"))
            query = urlencode(self._pairs(parts.query), quote_via=quote)
            return f"https://{STUDIO_HOST}{path}{'?' if query else ''}{query}"
        if not HARMLESS_HOST.fullmatch(host):
            host = self._hosts.of(host)
        path = "/".join(self._segment(unquote(segment)) for segment in parts.path.split("/"))
        return f"{parts.scheme}://{host}{path}{f'?{REDACTED}' if parts.query else ''}"

    def _segment(self, segment: str) -> str:
        if segment in PATH_WORDS or not segment:
            return segment
        if NUMBER.fullmatch(segment):
            return str(self._integer(int(segment)))
        if UUID.fullmatch(segment):
            return self._uuids.of(segment)
        stem, dot, suffix = segment.rpartition(".")
        if dot and SUFFIX.fullmatch(f".{suffix}"):
            return f"{self._segments.of(stem)}.{suffix}"
        return self._segments.of(segment)


def _left_out(text: str) -> str:
    return f"{REDACTED} ({len(text)} characters)"


def _matching(pattern: str | re.Pattern[str], value: object, otherwise: str) -> str:
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else otherwise


def _number(value: object) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _type(mime_type: str) -> str:
    pattern = HEADERS["content-type"]
    if pattern and pattern.fullmatch(mime_type):
        return mime_type
    media_type = mime_type.partition(";")[0].strip()
    return media_type if re.fullmatch(TYPE, media_type) else ""


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return REDACTED


def _parts(url: object) -> SplitResult | None:
    try:
        return urlsplit(str(url))
    except ValueError:
        return None


def _host(url: SplitResult) -> str:
    """The host with its port, without a user and without the port that https has anyway."""
    return url.netloc.rpartition("@")[2].lower().removesuffix(":443")


def redact(har: dict[str, Any]) -> dict[str, Any]:
    """A HAR that tells the same story without secrets and without people.

    Raises:
        ValueError: It is no HAR. The message quotes nothing of it.
    """
    try:
        return Redactor(har).har()
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as problem:
        lacking = (
            f"it lacks {problem}" if isinstance(problem, KeyError) else "a value is not of the kind that it should be"
        )
        raise ValueError(f"not a HAR as browsers write it: {lacking}") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Redact a file, or what comes in, to what goes out."""
    parser = argparse.ArgumentParser(description="Redact a captured HAR; what is fit to be published goes to stdout.")
    parser.add_argument("captured", nargs="?", type=Path, help="default: standard input")
    path: Path | None = parser.parse_args(arguments).captured
    captured = path.read_bytes() if path else sys.stdin.buffer.read()
    clean = redact(json.loads(captured.decode("utf-8-sig")))
    sys.stdout.buffer.write(json.dumps(clean, indent=2, ensure_ascii=False).encode() + b"\n")
    sys.stderr.write("The names of keys and the counts stay as they are: read the result before you share it.\n")


if __name__ == "__main__":
    main()
