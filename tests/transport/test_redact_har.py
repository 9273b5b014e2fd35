"""Recordings that are made fit to be published: whatever a capture holds and wherever, no secret is left in it."""

from __future__ import annotations

import base64
import json
import string
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote, urlencode

import pytest
from canvas_studio.testing.redaction import COUNTS, HEADERS, PATH_WORDS, WORDS, redact
from support.fuzzing import fuzz

if TYPE_CHECKING:
    from random import Random

# A secret is looked for in pieces of this length, every few characters.
PIECE = 8
NAMES = [
    *sorted(COUNTS),
    *sorted(WORDS)[:20],
    "access_token",
    "id",
    "title",
    "full_name",
    "email",
    "url",
    "x-y",
    "ü",
    "",
]
MIME_TYPES = [
    "application/json",
    "application/json; charset=utf-8",
    "application/x-www-form-urlencoded",
    "text/html",
    "text/vtt",
    "image/png",
    "application/octet-stream",
    "",
    "odd",
]
TELLING = [
    '"',
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "%",
    "%2",
    "&",
    "=",
    "?",
    "#",
    "/",
    "//",
    "@",
    "://",
    ";",
    " ",
    "\n",
    "\x00",
    "é",
    "\ud800",
]


class Capture:
    """Makes a HAR at random, and knows the secrets that it has put into it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.secrets: list[str] = []

    def secret(self) -> str:
        """A new secret: a token, a JWT, an address, a name, a number, an id, or one that was there before."""
        random = self._random
        if self.secrets and random.random() < 0.3:
            return random.choice(self.secrets)

        def letters(alphabet: str, least: int, most: int) -> str:
            return "".join(random.choices(alphabet, k=random.randint(least, most)))

        everything = string.ascii_letters + string.digits
        match random.randint(0, 5):
            case 0:
                # A digit in front, so that it is no name of a key.
                made = letters(string.digits, 3, 3) + letters(everything + "-._~+/=", 12, 60)
            case 1:
                made = "eyJ" + ".".join(letters(everything + "-_", 20, 40) for _ in range(3))
            case 2:
                made = f"{letters(string.ascii_lowercase, 9, 12)}.{letters(string.digits, 4, 8)}@lyzeum.test"
            case 3:
                made = letters(string.hexdigits.lower(), 32, 64)
            case 4:
                made = letters(string.digits[1:], 12, 18)
            case _:
                made = letters(everything + " 'äöüéß", 30, 30)
        self.secrets.append(made)
        return made

    def text(self) -> str:
        """Some text, with a secret or without, written in some way."""
        random = self._random
        found = random.choice([self.secret(), self.secret(), random.choice(NAMES), self.broken()])
        plain = found.encode(errors="replace").decode()
        match random.randint(0, 5):
            case 0:
                return quote(plain)
            case 1:
                return quote(plain, safe="")
            case 2:
                return json.dumps(plain)
            case 3:
                return f"Bearer {plain}"
            case _:
                return plain

    def broken(self) -> str:
        """Pieces that mean something where texts are read."""
        return "".join(
            self._random.choices([*TELLING, *sorted(PATH_WORDS), self.secret()], k=self._random.randint(0, 8))
        )

    def url(self) -> str:
        """A URL of Studio, of a storage host, or of nobody."""
        random = self._random
        host = random.choice(
            ["myschool.instructuremedia.com", "storage.example.com", f"{random.randint(1, 9)}.example.edu", self.text()]
        )
        words = [random.choice([*sorted(PATH_WORDS), self.text(), "42"]) for _ in range(random.randint(0, 4))]
        path = random.choice(["/api/public/v1/", "/"]) + "/".join(words)
        query = f"?{urlencode(self.pairs(), errors='replace')}" if random.random() < 0.5 else ""
        user = f"{quote(self.text(), safe='')}@" if random.random() < 0.1 else ""
        fragment = f"#{self.text()}" if random.random() < 0.1 else ""
        return random.choice(
            [f"https://{user}{host}{path}{query}{fragment}", f"http://{host}{path}{query}", self.broken()]
        )

    def pairs(self) -> list[tuple[str, str]]:
        """Names and values of a query or a form."""
        return [(self._random.choice([*NAMES, self.text()]), self.text()) for _ in range(self._random.randint(0, 4))]

    def value(self, depth: int = 0) -> Any:
        """Any JSON."""
        random = self._random
        if depth > 3 or random.random() < 0.6:
            others: list[Any] = [None, True, 1.5, random.randint(-3, 10**6)]
            return random.choice([self.text(), self.text(), self.url(), *others])
        if random.random() < 0.3:
            return [self.value(depth + 1) for _ in range(random.randint(0, 3))]
        return {random.choice([*NAMES, self.text()]): self.value(depth + 1) for _ in range(random.randint(0, 5))}

    def body(self) -> dict[str, Any]:
        """A body, as HAR has it."""
        random = self._random
        text = random.choice(
            [
                lambda: json.dumps(self.value()),
                lambda: json.dumps(self.value())[: random.randint(0, 60)],
                lambda: urlencode(self.pairs(), errors="replace"),
                lambda: f"<p>{self.text()}</p>",
                self.broken,
            ]
        )()
        body: dict[str, Any] = {"mimeType": random.choice([*MIME_TYPES, self.text()]), "text": text, "size": len(text)}
        if random.random() < 0.2:
            body |= {"encoding": "base64", "text": base64.b64encode(text.encode(errors="replace")).decode()}
        return body

    def headers(self) -> list[dict[str, str]]:
        """Headers that are known and others."""
        names = [*HEADERS, "Location", "Cookie", "Set-Cookie", "X-Api-Key", "Referer", self.text()]
        return [
            {"name": self._random.choice(names), "value": self._random.choice([self.text, self.url])()}
            for _ in range(self._random.randint(0, 5))
        ]

    def entry(self) -> dict[str, Any]:
        """One exchange, with secrets everywhere that HAR has a place for."""
        random = self._random
        request: dict[str, Any] = {
            "method": random.choice(["GET", "POST", self.text()]),
            "url": self.url(),
            "httpVersion": random.choice(["HTTP/1.1", "h2", self.text()]),
            "headers": self.headers(),
            "cookies": [{"name": self.text(), "value": self.secret()}],
            "queryString": [{"name": name, "value": value} for name, value in self.pairs()],
            "comment": self.text(),
        }
        if random.random() < 0.5:
            request["postData"] = self.body()
            if random.random() < 0.3:
                request["postData"] = {
                    "mimeType": "application/x-www-form-urlencoded",
                    "params": [{"name": name, "value": value} for name, value in self.pairs()],
                }
        response = {
            "status": random.choice([200, 302, 401, 999, 0]),
            "statusText": random.choice(["OK", self.text()]),
            "httpVersion": "HTTP/1.1",
            "headers": self.headers(),
            "cookies": [],
            "content": self.body(),
            "redirectURL": random.choice(["", self.url(), self.text()]),
        }
        return {
            "startedDateTime": random.choice(["2026-11-22T12:00:00Z", self.text()]),
            "time": random.choice([1, 2.5, self.text()]),
            "request": request,
            "response": response,
            "timings": {"send": 1, "wait": random.choice([1, self.text()]), "receive": 1, self.text(): 1},
            "serverIPAddress": self.text(),
            f"_{self.text()}": self.value(),
        }

    def har(self) -> dict[str, Any]:
        """The whole capture."""
        log = {"version": "1.2", "creator": {"name": self.text()}, "comment": self.text(), "pages": [self.value()]}
        return {
            "log": {**log, "entries": [self.entry() for _ in range(self._random.randint(1, 4))]},
            self.text(): self.value(),
        }


def readings(text: str) -> list[str]:
    """A text as it is, with its percent-encoding undone, and with that of JSON in JSON."""
    once, plainer = unquote(text), text.replace("\\", "")
    return [reading.casefold() for reading in (text, once, unquote(once), plainer, unquote(plainer))]


def redact_one(random: Random) -> None:
    """One capture, made at random: nothing of its secrets is left."""
    capture = Capture(random)
    har = capture.har()
    clean = json.dumps(redact(har), ensure_ascii=False)
    shown = "\n".join(readings(clean))
    for secret in map(str.casefold, capture.secrets):
        for start in range(0, len(secret) - PIECE + 1, PIECE // 2):
            assert secret[start : start + PIECE] not in shown, secret
    # It can be redacted again.
    redact(json.loads(clean))


def redact_broken(random: Random) -> None:
    """A capture with a value in it that is none: it is redacted, or refused without quoting it."""
    capture = Capture(random)
    har = capture.har()
    parent: Any = har
    key: Any = "log"
    while random.random() < 0.85:
        inner = parent[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        parent = cast("Any", inner)
        key = random.choice(list(parent.keys() if isinstance(inner, dict) else range(len(parent))))
    odd: list[Any] = [None, [], {}, [[]], 7, -1.5, capture.secret(), {"name": []}, True, "\ud800"]
    if random.random() < 0.3:
        del parent[key]
    else:
        parent[key] = random.choice(odd)
    clean, refused = "", None
    try:
        clean = json.dumps(redact(har))
    except ValueError as error:
        clean, refused = f"{error}", error
    for secret in capture.secrets:
        assert secret not in clean
    # What it was made from stands in no traceback.
    assert refused is None or (clean.startswith("not a HAR as browsers write it") and refused.__suppress_context__)


def test_fuzz_no_secret_survives_redaction() -> None:
    fuzz(redact_one, cases=60)


def test_fuzz_a_broken_capture_is_refused_without_quoting_it() -> None:
    fuzz(redact_broken, cases=60)


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_fuzz_redaction_for_two_minutes() -> None:
    fuzz(lambda random: (redact_one, redact_broken)[random.random() < 0.3](random), seconds=120)


def test_redaction_looks_at_each_character_once() -> None:
    # Each of them would not end if it were quadratic.
    size = 1 << 18
    url = "https://myschool.instructuremedia.com/api/public/v1/"
    for piece in [
        "a",
        "%",
        "%25",
        "\\u0041",
        "@",
        "https://",
        "a@",
        "_a",
        "aA",
        "-1",
        "2026-01-01T",
        ".mp4",
        "/",
        "&a=",
        "text1",
        "\\",
    ]:
        text = piece * (size // len(piece))
        entry: dict[str, Any] = {
            "request": {"method": "GET", "url": f"{url}{text}?{text}", "headers": [{"name": "accept", "value": text}]},
            "response": {
                "status": 200,
                "headers": [],
                "content": {"mimeType": "application/json", "text": json.dumps({text: text})},
            },
            "timings": {},
        }
        redact({"log": {"entries": [entry]}})
