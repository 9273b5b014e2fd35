"""Redacts HAR recordings: what may be in a file, and the stand-ins of everything else.

It keeps only what is known to be harmless, since secrets come in more forms than anybody can list: the names of keys,
the types and lengths of values, the words and paths that Studio's reference documents, and counts. Everything else gets
a stand-in, the same one throughout, so that a recording tells the same story. It looks at each value once.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urljoin, urlsplit

from canvas_studio._core import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["redact"]

REDACTED = "REDACTED"
STUDIO_HOST = "tw.instructuremedia.com"
CREATOR = {"name": "canvas-studio", "version": __version__}
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
    "caption_file_requests",
    "caption_files",
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
    "false",
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
    "true",
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
# Numbers in texts that are ids of Studio, where ids stay. Ids of a key, of a login and of another system are none.
IDS = re.compile(
    r"(?:(?:user|media|collection|course|group|owner|perspective|caption(?:_file)?|from_user|to_user)_)?ids?(?:\[\])?"
)
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
# What stands in place of a body of which nothing is kept.
LEFT_OUT = re.compile(rf"{REDACTED} \((\d{{1,15}}) (bytes|characters)\)")
TEXTUAL = re.compile(r"text/|json|xml|javascript|x-www-form-urlencoded|^$", re.IGNORECASE)


class StandIns:
    """Gives each value a numbered stand-in, always the same one; a value that is a stand-in already stays."""

    def __init__(self, pattern: str, har: str) -> None:
        self._pattern = pattern
        before, _, after = re.split(r"(\{.*?\})", pattern)
        self._own = re.compile(rf"(?<![A-Za-z0-9]){re.escape(before)}(\d{{1,12}}){re.escape(after)}")
        self._known: dict[str, str] = {}
        self._offered: list[str] = []
        self._last = max(self._numbers(har), default=0)

    def _numbers(self, text: str) -> list[int]:
        return [int(number) for number in self._own.findall(text)]

    def of(self, value: str) -> str:
        """The stand-in of a value."""
        if self._own.fullmatch(value):
            return value
        key = value.casefold()
        if key not in self._known:
            if not self._offered:
                self._last += 1
            self._known[key] = self._offered.pop(0) if self._offered else self._pattern.format(self._last)
        return self._known[key]

    def offered(self, recorded: str) -> StandIns:
        """A copy that gives a new value the first stand-in in a recorded text that stands for no value yet."""
        copy = StandIns(self._pattern, "")
        copy._known, copy._last = {**self._known}, self._last
        found = dict.fromkeys(self._pattern.format(number) for number in self._numbers(recorded))
        taken = set(self._known.values())
        copy._offered = [stand_in for stand_in in found if stand_in not in taken]
        return copy


class Redactor:
    """Redacts one HAR, with the same stand-ins throughout.

    Args:
        har: The HAR.
        keep_ids: Whether whole numbers stay, so that a program which names an id finds it in its recording.
    """

    def __init__(self, har: dict[str, Any], *, keep_ids: bool = False) -> None:
        self._log = har["log"]
        self._keep_ids = keep_ids
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

    def offered(self, recorded: str) -> Redactor:
        """A copy that gives new values the stand-ins in a recorded text that stand for no value yet, in their order."""
        copy = Redactor({"log": {"entries": []}}, keep_ids=self._keep_ids)
        for name, value in vars(self).items():
            setattr(copy, name, value.offered(recorded) if isinstance(value, StandIns) else value)
        return copy

    def har(self) -> dict[str, Any]:
        """A new HAR of what may be published; what is not named here is left out."""
        entries = [
            {
                "startedDateTime": _matching(MOMENT_OF_CAPTURE, entry.get("startedDateTime"), "2026-01-01T00:00:00Z"),
                "time": _number(entry.get("time")),
                "request": self.request(entry["request"]),
                "response": self._response(entry["response"], str(entry["request"]["url"])),
                "cache": {},
                "timings": {name: _number(entry["timings"].get(name)) for name in ("send", "wait", "receive")},
            }
            for entry in self._log["entries"]
        ]
        return {"log": {"version": "1.2", "creator": CREATOR, "entries": entries}}

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """A request of a HAR."""
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
            text = self.body(_bytes(str(data.get("text") or urlencode(fields, errors="replace"))), mime_type)
            body = text.encode()
            clean["postData"] = {"mimeType": _type(mime_type), "text": text}
        return {**clean, "headersSize": -1, "bodySize": len(body)}

    def _response(self, response: dict[str, Any], url: str) -> dict[str, Any]:
        content = response["content"]
        mime_type, text = str(content.get("mimeType", "")), str(content.get("text", ""))
        is_encoded = content.get("encoding") == "base64"
        text = self.body(base64.b64decode(text) if is_encoded else _bytes(text), mime_type)
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
            elif lower == "content-type":
                # The boundary of parts is another one each time.
                value = _type(value) or self._texts.of(value)
            elif not (pattern := HEADERS[lower]) or not pattern.fullmatch(value):
                value = self._texts.of(value) if value else ""
            kept.append({"name": name, "value": value})
        return kept

    def body(self, body: bytes, mime_type: str) -> str:
        """A body that is JSON or a form; of any other only its length."""
        media_type = mime_type.partition(";")[0]
        text = body.decode(errors="replace")
        if not text or (len(text) < LONGEST and LEFT_OUT.fullmatch(text)):
            return text
        if not TEXTUAL.search(media_type):
            return left_out(len(body), "bytes")
        if "x-www-form-urlencoded" in media_type.lower():
            return urlencode(self._pairs(text))
        try:
            return json.dumps(self.value(json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            # Half of a JSON text, a page, captions: nobody can say which part of it is harmless.
            return left_out(len(text), "characters")

    def value(self, value: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON
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
                is_secret = self._keep_ids and SECRET.search(name)
                return value if name in COUNTS else 0 if is_secret else self._integer(value)
            case _:
                return value if name in COUNTS else 1.5

    def _key(self, key: str) -> str:
        return key if KEY.fullmatch(key) or key in WORDS else self._keys.of(key)

    def _integer(self, number: int) -> int:
        return number if self._keep_ids else self._numbers.setdefault(number, len(self._numbers) + 1)

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
        if NUMBER.fullmatch(text) and not (self._keep_ids and PERSON.fullmatch(name)):
            if name in COUNTS and len(text) < LONG_NUMBER:
                return text
            if not self._keep_ids or IDS.fullmatch(name):
                return str(self._integer(int(text)))
            return None
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
        is_of_studio = host in self._studio_hosts
        path = "/".join(self._segment(unquote(part), is_of_studio=is_of_studio) for part in parts.path.split("/"))
        if is_of_studio:
            query = urlencode(self._pairs(parts.query), quote_via=quote)
            return f"https://{STUDIO_HOST}{path}{'?' if query else ''}{query}"
        if not HARMLESS_HOST.fullmatch(host):
            host = self._hosts.of(host)
        return f"{parts.scheme}://{host}{path}{f'?{REDACTED}' if parts.query else ''}"

    def _segment(self, segment: str, *, is_of_studio: bool) -> str:
        if segment in PATH_WORDS or not segment:
            return segment
        if NUMBER.fullmatch(segment) and (is_of_studio or not self._keep_ids):
            return str(self._integer(int(segment)))
        if UUID.fullmatch(segment):
            return self._uuids.of(segment)
        stem, dot, suffix = segment.rpartition(".")
        if dot and SUFFIX.fullmatch(f".{suffix}"):
            return f"{self._segments.of(stem)}.{suffix}"
        return self._segments.of(segment)


def left_out(length: int, unit: str) -> str:
    """What stands in place of a body."""
    return f"{REDACTED} ({length} {unit})"


def text_of_body(body: bytes, mime_type: str) -> str:
    """A body as a HAR has it; of one that is no text, its length."""
    if TEXTUAL.search(mime_type.partition(";")[0]):
        with contextlib.suppress(UnicodeDecodeError):
            return body.decode()
    return left_out(len(body), "bytes") if body else ""


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")


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


def redact(har: dict[str, Any], *, keep_ids: bool = False) -> dict[str, Any]:
    """Return a HAR that tells the same story without secrets and without people.

    Args:
        har: The HAR.
        keep_ids: Whether whole numbers stay as they are, but for those under the name of a secret.

    Returns:
        A new HAR.

    Raises:
        ValueError: If it is no HAR. The message quotes nothing of it.
    """
    try:
        return Redactor(har, keep_ids=keep_ids).har()
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as problem:
        lacking = (
            f"it lacks {problem}" if isinstance(problem, KeyError) else "a value is not of the kind that it should be"
        )
        raise ValueError(f"not a HAR as browsers write it: {lacking}") from None
