"""Compares requests with recorded ones, and says how they differ without saying a secret."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote_plus, urlencode

from canvas_studio.testing.har import Entry, Request, origin_of
from canvas_studio.testing.redaction import LEFT_OUT, REDACTED, SECRET, STUDIO_HOST, Redactor, left_out, text_of_body

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["comparable_body", "differences_between", "har_of", "is_near", "redacted", "shown", "text_of"]

# Headers that are compared if the recording has them; other tools and browsers send their own.
COMPARED = ("accept", "accept-encoding", "content-type", "range", "if-range")
COMPARED_IF_FOREIGN = ("range", "if-range")
STUDIO = f"https://{STUDIO_HOST}"
# How many characters of a body a message shows.
LONGEST_SHOWN = 500


def is_near(recorded: Request, asked: Request) -> bool:
    """Whether a request may be the recorded one, with stand-ins in its path."""
    if (recorded.origin, recorded.method) != (asked.origin, asked.method):
        return False
    return recorded.path == asked.path or recorded.path.count("/") == asked.path.count("/")


def differences_between(recorded: Request, asked: Request, *, is_ours: bool, has_token: bool) -> Iterator[str]:
    """Say in which ways a request is not the recorded one."""
    if recorded.path != asked.path:
        yield f"path: recorded {recorded.path}, asked {asked.path}"
    if asked.query != recorded.query and (is_ours or sorted(asked.query) != sorted(recorded.query)):
        yield f"query: recorded {shown_pairs(recorded.query)}, asked {shown_pairs(asked.query)}"
    if comparable_body(asked) != comparable_body(recorded):
        yield f"body: recorded {shown_body(recorded) or 'none'}, asked {shown_body(asked) or 'none'}"
    for name in COMPARED if is_ours else COMPARED_IF_FOREIGN:
        if name in recorded.headers and comparable_header(asked, name) != comparable_header(recorded, name):
            yield f"{name}: recorded {recorded.headers[name]!r}, asked {asked.headers.get(name)!r}"
    if has_token:
        yield from _differences_of_tokens(recorded, asked)
    if "transfer-encoding" in asked.headers:
        yield "body: chunked, so that its length was not announced"


def _differences_of_tokens(recorded: Request, asked: Request) -> Iterator[str]:
    # The token itself is neither compared nor shown.
    authorization = asked.headers.get("authorization")
    if "authorization" not in recorded.headers:
        if authorization is not None:
            yield "authorization: recorded none, asked with one"
    elif not re.fullmatch(r"Bearer \S+", authorization or ""):
        yield f"authorization: recorded 'Bearer ...', asked with {'none' if authorization is None else 'another form'}"


def _boundary_of(request: Request) -> str | None:
    found = re.match(r"multipart/form-data; boundary=(\S+)$", request.headers.get("content-type", ""))
    return found[1] if found else None


def comparable_header(request: Request, name: str) -> str | None:
    """A header; of parts without their boundary, which is another one each time."""
    value = request.headers.get(name)
    boundary = _boundary_of(request) if name == "content-type" else None
    return "multipart/form-data" if boundary else value


def comparable_body(request: Request) -> str:
    """A body, written so that equal JSON values are equal texts, and parts equal under any boundary."""
    try:
        return json.dumps(json.loads(request.body), sort_keys=True)
    except (ValueError, RecursionError):
        text = request.body.decode(errors="backslashreplace")
    boundary = _boundary_of(request)
    return text.replace(boundary, "BOUNDARY") if boundary else text


def shown(request: Request) -> str:
    """A request as messages show it: without the values of secrets."""
    return f"{request.method} {request.origin}{request.path} {shown_pairs(request.query)}"


def shown_pairs(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of a query, without the values of secrets."""
    return [(name, REDACTED if SECRET.search(name) else value) for name, value in pairs]


def shown_body(request: Request) -> str:
    """The start of a body, without the values of secrets."""
    try:
        text = json.dumps(_shown(json.loads(request.body)), sort_keys=True)
    except (ValueError, RecursionError):
        if not _is_text(request.body):
            return f"a file ({len(request.body)} bytes)"
        text = comparable_body(request)
        if "x-www-form-urlencoded" in request.headers.get("content-type", ""):
            text = urlencode(shown_pairs(parse_qsl(text, keep_blank_values=True)))
    text = text if text.isprintable() else repr(text[: 2 * LONGEST_SHOWN])
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}... ({len(request.body)} bytes)"


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(value: Any) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            return {name: REDACTED if SECRET.search(name) else _shown(field) for name, field in fields.items()}
        case [*items]:
            return [_shown(item) for item in items]
        case _:
            return value


def har_of(entries: list[Entry]) -> dict[str, Any]:
    """What a redactor has to know of a recording: its URLs, and the stand-ins that it has."""
    requests = [{"request": {"url": _url_of(entry.request)}, "text": text_of(entry.request)} for entry in entries]
    answers = [entry.answer.body.decode(errors="replace") for entry in entries]
    return {"log": {"entries": requests, "answers": answers}}


def _url_of(request: Request) -> str:
    return f"{request.origin}{request.path}{f'?{urlencode(request.query)}' if request.query else ''}"


def text_of(request: Request) -> str:
    """The parts of a recorded request in the order in which they are redacted."""
    query = " ".join(f"{name} {value}" for name, value in request.query)
    headers = " ".join(request.headers.values())
    return f"{unquote_plus(request.path)} {query} {headers} {unquote_plus(request.body.decode(errors='replace'))}"


def _as_recorded(asked: Request, mime_type: str) -> str:
    """A body as the recorder keeps it: of a file, which is not sent to Studio itself, the length, whatever its type."""
    if LEFT_OUT.fullmatch(asked.body[:LONGEST_SHOWN].decode(errors="replace")):
        return asked.body.decode()  # The server has left out a long one already.
    return text_of_body(asked.body, mime_type) if asked.origin == STUDIO else left_out(len(asked.body), "bytes")


def redacted(asked: Request, redactor: Redactor) -> Request:
    """A request as it would stand in a redacted recording."""
    request: dict[str, Any] = {
        "method": asked.method,
        "url": _url_of(asked),
        "headers": [{"name": name, "value": value} for name, value in asked.headers.items()],
    }
    if asked.body:
        mime_type = asked.headers.get("content-type", "")
        request["postData"] = {"mimeType": mime_type, "text": _as_recorded(asked, mime_type)}
    clean = redactor.request(request)
    return Request(
        method=asked.method,
        origin=asked.origin,
        path=clean["url"].removeprefix(origin_of(clean["url"])).partition("?")[0],
        query=[(pair["name"], pair["value"]) for pair in clean["queryString"]],
        headers={header["name"]: header["value"] for header in clean["headers"]},
        body=clean.get("postData", {}).get("text", "").encode(),
    )
