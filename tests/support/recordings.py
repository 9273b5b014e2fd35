"""Finds the recordings: success recordings and captured errors are files, other errors are rows of `errors.json`."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canvas_studio import StudioClient
    from support.forms import Form

RECORDINGS = Path(__file__).parents[1] / "recordings"
FILES = sorted(RECORDINGS.glob("*/*.har"))
TABLE: dict[str, Any] = json.loads((RECORDINGS / "errors.json").read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """The name of a recording: its page and its case, as in `media/get_media`."""
    return path.relative_to(RECORDINGS).with_suffix("").as_posix()


def success_of(name: str) -> str:
    """The success recording that an error recording belongs to: `media/get_media` for `media/get_media_404`."""
    return re.sub(r"_\d{3}$", "", name)


def _error(success: str, answer: str) -> dict[str, Any]:
    """The HAR of the first request of a success recording with an answer of the table."""
    row = TABLE["answers"][answer]
    log = copy.deepcopy(recording(success)["log"])
    del log["_call"], log["entries"][1:]
    log["comment"] = f"{row['comment']}; {TABLE['comment']}"
    body = json.dumps(row["body"], ensure_ascii=False)
    size = len(body.encode())
    log["entries"][0]["response"] |= {
        "status": row["status"],
        "statusText": HTTPStatus(row["status"]).phrase,
        "headers": [{"name": "Content-Type", "value": "application/json"}],
        "content": {"size": size, "mimeType": "application/json", "text": body},
        "redirectURL": "",
        "bodySize": size,
    }
    return {"log": log}


ERRORS = {
    f"{success}_{TABLE['answers'][answer]['status']}": (success, answer)
    for success, answers in TABLE["operations"].items()
    for answer in answers
}
NAMES = [*map(name_of, FILES), *ERRORS]
SUCCESSES = [name for name in NAMES if success_of(name) == name]
REFUSALS = [name for name in NAMES if success_of(name) != name]


@cache
def recording(name: str) -> dict[str, Any]:
    """The HAR of a recording, by its name; not to be changed."""
    if name in ERRORS:
        return _error(*ERRORS[name])
    har: dict[str, Any] = json.loads((RECORDINGS / f"{name}.har").read_text(encoding="utf-8"))
    return har


def call_of(name: str) -> dict[str, Any]:
    """The call that a recording answers: `method`, `arguments`, `keywords`, and how a list is `read`.

    A file among the arguments is `{"file": its name, "text": its content}`.
    """
    call: dict[str, Any] = recording(success_of(name))["log"]["_call"]
    return call


def _argument(given: Any) -> Any:
    match given:
        case {"file": name, "text": text, **rest} if not rest:
            return name, text.encode()
        case _:
            return given


def replay(form: Form, studio: StudioClient, name: str) -> Any:
    """Make the call that a recording answers."""
    call = call_of(name)
    method, arguments = call["method"], map(_argument, call["arguments"])
    keywords = {keyword: _argument(given) for keyword, given in call.get("keywords", {}).items()}
    if hasattr(studio, f"{method}_async"):
        return form.call(studio, method, *arguments, **keywords)
    listing = getattr(studio, method)(*arguments, **keywords)
    return getattr(form, call.get("read", "items"))(listing)
