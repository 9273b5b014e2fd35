"""Makes a captured HAR fit to be published: `python tests/redact_har.py captured.har > clean.har`."""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REDACTED = "REDACTED"
STUDIO_HOST = "tw.instructuremedia.com"
CANVAS_HOST = "canvas.example.edu"

# All other headers are left out: nobody has to know what each of them may tell.
KEPT_HEADER = re.compile(
    r"accept|accept-encoding|accept-ranges|content-range|content-type|etag|if-range|link|range|retry-after|x-request-id"
)
# Names whose values are secret wherever they stand: in JSON, forms, queries, and in texts such as `code=...`.
SECRET_NAMES = (
    r"[\w-]*(?:token|secret|password|passwd|signature|credential|cookie|session|session_?id)"
    r"|authorization|client_?id|code|code_verifier|assertion|api[_-]?key"
)
# Names whose values are secret in queries, where they sign a URL or belong to a login.
SIGNATURE_NAMES = r"x-(?:amz|goog)-[\w-]+|awsaccesskeyid|policy|key-pair-id|expires|sig|state|nonce|hdnts|hmac"
PERSON_FIELD = re.compile(r"(?:full|display|sortable|short|first|last|user)_?name|login|login_id", re.IGNORECASE)
SECRET_FIELD = re.compile(SECRET_NAMES, re.IGNORECASE)
SECRET_PARAMETER = re.compile(f"{SECRET_NAMES}|{SIGNATURE_NAMES}", re.IGNORECASE)
TEXT_RULES = [
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\b(Bearer)\s+(?:user_id=\"[^\"]*\",\s*token=\"[^\"]*\"|[\w.~+/=-]+)", rf"\1 {REDACTED}"),
        # What a JSON Web Token begins with, whatever is around it.
        (r"\beyJ[\w-]+\.[\w-]+\.[\w-]*", REDACTED),
        (rf"(?<![\w-])({SECRET_NAMES}|{SIGNATURE_NAMES})(=|%3D)[^&\s\"'<>,;]+", rf"\1\2{REDACTED}"),
        (rf"([\"'])({SECRET_NAMES})\1(\s*:\s*)([\"'])[^\"']*\4", rf"\1\2\1\3\4{REDACTED}\4"),
        (r"(?<![\w.-])(?:[\w-]+\.)+instructure\.com\b", CANVAS_HOST),
    )
]
URL = re.compile(r"\bhttps?://[^\s\"'<>\\]+", re.IGNORECASE)
EMAIL = re.compile(r"[\w.+'-]+(?:@|%40)(?:[\w-]+\.)+[\w-]+")
TEXTUAL = re.compile(r"text/|json|xml|javascript|x-www-form-urlencoded|^$", re.IGNORECASE)


class Pseudonyms:
    """Gives each value a numbered stand-in, always the same one; a value that is a stand-in already stays."""

    def __init__(self, pattern: str, text: str) -> None:
        self._pattern = pattern
        self._stand_in = re.compile(re.escape(pattern).replace(r"\{\}", "{}").replace("{}", r"(\d+)"))
        self.known: dict[str, str] = {}
        self._last = max((int(number) for number in self._stand_in.findall(text)), default=0)

    def of(self, value: str) -> str:
        """The stand-in of a value."""
        if not value.strip() or self._stand_in.fullmatch(value):
            return value
        key = value.casefold()
        if key not in self.known:
            self._last += 1
            self.known[key] = self._pattern.format(self._last)
        return self.known[key]


class Redactor:
    """Redacts one HAR, with the same stand-ins throughout."""

    def __init__(self, har: dict[str, Any]) -> None:
        self._log = har["log"]
        text = json.dumps(har, ensure_ascii=False)
        self._emails = Pseudonyms("person{}@example.edu", text)
        self._names = Pseudonyms("Person {}", text)
        urls = [urlsplit(str(entry["request"]["url"])) for entry in self._log["entries"]]
        self._studio_hosts = {_host(url) for url in urls if url.path.startswith("/api/public/")} | {STUDIO_HOST}
        # Also inside of longer names: `cdn.myschool.instructuremedia.com` tells the school too.
        self._studio = re.compile("|".join(map(re.escape, self._studio_hosts)), re.IGNORECASE)
        self._people: re.Pattern[str] | None = None

    def har(self) -> dict[str, Any]:
        """A new HAR of what may be published; what is not named here is left out."""
        self._entries()
        # The names of the people are known now, so that they are found in titles and descriptions too.
        names = sorted((name for name in self._names.known if " " in name), key=len, reverse=True)
        self._people = (
            re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE) if names else None
        )
        log: dict[str, Any] = {"version": "1.2", "creator": _only(self._log["creator"], "name", "version")}
        if "comment" in self._log:
            log["comment"] = self.text(self._log["comment"])
        return {"log": {**log, "entries": self._entries()}}

    def _entries(self) -> list[dict[str, Any]]:
        return [
            {
                **_only(entry, "startedDateTime", "time"),
                "request": self._request(entry["request"]),
                "response": self._response(entry["response"], entry["request"]["url"]),
                "cache": {},
                "timings": _only(entry["timings"], "send", "wait", "receive"),
            }
            for entry in self._log["entries"]
        ]

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        url = self.url(request["url"])
        query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        clean = {
            **_only(request, "method"),
            "url": url,
            **_only(request, "httpVersion"),
            "cookies": [],
            "headers": self._headers(request["headers"], request["url"]),
            "queryString": [{"name": name, "value": value} for name, value in query],
        }
        body = b""
        if data := request.get("postData"):
            mime_type = data.get("mimeType", "")
            fields = [(field["name"], field.get("value", "")) for field in data.get("params", [])]
            text = self.body(data.get("text") or urlencode(fields), mime_type)
            body = text.encode()
            clean["postData"] = {"mimeType": self.text(mime_type), "text": text}
        return {**clean, "headersSize": -1, "bodySize": len(body)}

    def _response(self, response: dict[str, Any], url: str) -> dict[str, Any]:
        content = response["content"]
        mime_type = content.get("mimeType", "")
        text = content.get("text", "")
        if content.get("encoding") == "base64":
            # What is not text is left out by `body` anyway.
            text = base64.b64decode(text).decode(errors="replace")
        text = self.body(text, mime_type)
        size = len(text.encode())
        location = response.get("redirectURL", "")
        return {
            **_only(response, "status"),
            "statusText": self.text(response.get("statusText", "")),
            **_only(response, "httpVersion"),
            "cookies": [],
            "headers": self._headers(response["headers"], url),
            "content": {"size": size, "mimeType": self.text(mime_type), "text": text},
            "redirectURL": self.url(urljoin(url, location)) if location else "",
            "headersSize": -1,
            "bodySize": size,
        }

    def _headers(self, headers: Iterable[dict[str, str]], url: str) -> list[dict[str, str]]:
        kept: list[dict[str, str]] = []
        for header in headers:
            name, value = header["name"], header["value"]
            match name.lower():
                case "authorization":
                    scheme = value.split(" ", 1)[0]
                    value = f"{scheme} {REDACTED}" if scheme.lower() in {"bearer", "basic"} else REDACTED
                case "location":
                    value = self.url(urljoin(url, value))
                case lower if KEPT_HEADER.fullmatch(lower):
                    value = self.text(value)
                case _:
                    continue
            kept.append({"name": name, "value": value})
        return kept

    def body(self, text: str, mime_type: str) -> str:
        """A body, by what it is: JSON, a form or other text; a file or a multipart form is left out."""
        if not TEXTUAL.search(mime_type.partition(";")[0]):
            return ""
        if "x-www-form-urlencoded" in mime_type.lower():
            return urlencode(self._pairs(parse_qsl(text, keep_blank_values=True)))
        return self._json_or_text(text)

    def _json_or_text(self, text: str) -> str:
        if text.lstrip()[:1] in {"{", "["}:
            try:
                return json.dumps(self._value(json.loads(text)), ensure_ascii=False)
            except ValueError:
                pass
        return self.text(text)

    def _value(self, value: Any, name: str = "") -> Any:
        if value is not None and SECRET_FIELD.fullmatch(name):
            return REDACTED
        match value:
            case dict():
                fields = cast("dict[str, Any]", value)
                return {self.text(key): self._value(field, key) for key, field in fields.items()}
            case [*items]:
                return [self._value(item, name) for item in items]
            case str() if PERSON_FIELD.fullmatch(name):
                return self.text(self._names.of(value))
            case str():
                return self._json_or_text(value)
            case _:
                return value

    def _pairs(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        return [
            (self.text(name), REDACTED if SECRET_PARAMETER.fullmatch(name) else self._value(value, name))
            for name, value in pairs
        ]

    def url(self, url: str) -> str:
        """A URL of Studio with its secrets redacted, or another one with its whole query redacted."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return REDACTED
        host = _host(parts)
        if host in self._studio_hosts:
            query = urlencode(self._pairs(parse_qsl(parts.query, keep_blank_values=True)), quote_via=quote)
            parts = parts._replace(scheme="https", netloc=STUDIO_HOST, query=query)
        else:
            parts = parts._replace(netloc=host, query=REDACTED if parts.query else "")
        return self._text_without_urls(urlunsplit(parts._replace(fragment="")))

    def text(self, text: str) -> str:
        """A text without secrets, e-mail addresses and known names."""
        return self._text_without_urls(URL.sub(lambda url: self.url(url[0]), text))

    def _text_without_urls(self, text: str) -> str:
        text = self._studio.sub(STUDIO_HOST, text)
        for pattern, replacement in TEXT_RULES:
            text = pattern.sub(replacement, text)
        text = EMAIL.sub(lambda email: self._email(email[0]), text)
        return self._people.sub(lambda person: self._names.of(person[0]), text) if self._people else text

    def _email(self, email: str) -> str:
        stand_in = self._emails.of(email.replace("%40", "@"))
        return stand_in.replace("@", "%40") if "%40" in email else stand_in


def _host(url: SplitResult) -> str:
    """The host with its port, without a user and without the port that https has anyway."""
    return url.netloc.rpartition("@")[2].lower().removesuffix(":443")


def _only(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: fields[name] for name in names if name in fields}


def redact(har: dict[str, Any]) -> dict[str, Any]:
    """A HAR that tells the same story without secrets and without people."""
    return Redactor(har).har()


def main(arguments: Sequence[str] | None = None) -> None:
    """Redact a file, or what comes in, to what goes out."""
    parser = argparse.ArgumentParser(description="Redact a captured HAR; what is fit to be published goes to stdout.")
    parser.add_argument("captured", nargs="?", type=Path, help="default: standard input")
    path: Path | None = parser.parse_args(arguments).captured
    captured = path.read_bytes() if path else sys.stdin.buffer.read()
    clean = redact(json.loads(captured.decode("utf-8-sig")))
    sys.stdout.buffer.write(json.dumps(clean, indent=2, ensure_ascii=False).encode() + b"\n")
    sys.stderr.write(
        "Titles, descriptions and other free text stay as they are: read the result before you share it.\n"
    )


if __name__ == "__main__":
    main()
