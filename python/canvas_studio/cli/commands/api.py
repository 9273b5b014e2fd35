"""The command `api`: any request to Studio's API, with the token, the retries and the errors of every other one."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final, cast
from urllib.parse import parse_qsl

import typer

from canvas_studio._core import StudioClient
from canvas_studio.cli.apps import plain
from canvas_studio.cli.exit_codes import ASKED_WRONGLY, FAILED, REFUSED
from canvas_studio.cli.output import Answer, as_json
from canvas_studio.cli.reading import reads
from canvas_studio.cli.terminal import fail, print_error
from canvas_studio.listing import Listing

app = plain()

PREFIX: Final = re.compile(r"/?(api/)?public/v1(?=/)")
"""What the vendor's pages have in front of a path."""

FIRST_ERROR: Final = 400
"""The first status that is an error."""


@reads(
    app,
    "api",
    None,
    show="",
    form="json",
    example="canvas-studio api GET /media/search -f title=mitosis --paginate",
    lists_with="paginate",
)
def api(
    studio: StudioClient,
    *,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, PUT, PATCH or DELETE.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="The part after /api/public/v1, such as /media/42.")],
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            "-f",
            metavar="KEY=VALUE",
            help="A parameter of the query; for a change, a field of the JSON body; repeatable.",
            show_default=False,
        ),
    ] = None,
    paginate: Annotated[bool, typer.Option("--paginate", help="Read a list to its end.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the body as it came, whatever the status.")] = False,
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="'METHOD PATH'",
            help="For what is not a GET: the same method and path once more, as in --expect 'DELETE /media/42'.",
            show_default=False,
        ),
    ] = None,
) -> Listing[dict[str, Any]] | Answer:
    """Send any request to Studio's API. Without --expect, only a GET, which changes nothing.

    Studio's answer is printed as JSON. With --paginate, the items of all pages are printed as by any list.
    """
    method = method.upper()
    path, query = _path_and_query(studio.url, method, path)
    fields = _fields([*query, *map(_pair, field or [])], method)
    if method != "GET":
        _check_expected(method, path, expect)
    if paginate:
        if method != "GET" or raw:
            fail("--paginate reads a list: it goes with GET, and not with --raw", ASKED_WRONGLY)
        if not fields.keys().isdisjoint({"page", "per_page"}):
            fail("--paginate chooses page and per_page: leave them out", ASKED_WRONGLY)
        return studio.paginate(path, key=_key(studio, path, fields), params=fields)
    given: dict[str, Any] = {"params": fields} if method == "GET" else {"json": _typed(fields)} if fields else {}
    answer = studio.request(method, path, raw=raw, **given)
    if raw:
        if answer.status_code < FIRST_ERROR:
            return Answer(answer.content)
        print_error(f"canvas-studio: {method} {path}: HTTP {answer.status_code}")
        return Answer(answer.content, FAILED)
    if isinstance(answer, str):
        return Answer(answer.encode())
    if answer is None or isinstance(answer, bytes):
        return Answer(answer or b"")
    return Answer(f"{as_json(answer, 2)}\n".encode())


def _path_and_query(url: str, method: str, path: str) -> tuple[str, list[tuple[str, str]]]:
    """Read a path as people copy it: with the URL, with what the vendor's pages have in front, or with a query."""
    path = path.removeprefix(f"{url}/")
    if "://" in path:
        fail(f"PATH is the part after {url}/api/public/v1, such as /media/42: not {path!r}", ASKED_WRONGLY)
    query = ""
    if method == "GET":
        path, _, query = path.partition("?")
    return "/" + PREFIX.sub("", path).lstrip("/"), parse_qsl(query, keep_blank_values=True)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        fail(f"--field takes KEY=VALUE, not {text!r}", ASKED_WRONGLY)
    return name, value


def _fields(pairs: list[tuple[str, str]], method: str) -> dict[str, Any]:
    """Return the fields; one that is given several times is a list in a query."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    if twice := [name for name, values in found.items() if len(values) > 1 and method != "GET"]:
        fail(f"--field {twice[0]} is given twice: a body has each field once", ASKED_WRONGLY)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _typed(fields: dict[str, str]) -> dict[str, Any]:
    """Read the fields of a body: whole numbers, true, false and null are what they are in JSON."""
    literal = re.compile(r"-?(0|[1-9]\d{0,17})|true|false|null")
    return {name: json.loads(value) if literal.fullmatch(value) else value for name, value in fields.items()}


def _check_expected(method: str, path: str, expect: str | None) -> None:
    wanted = f"{method} {path}"
    if expect is None:
        fail(f"{wanted} may change something. If you mean it, add --expect '{wanted}'", REFUSED)
    given_method, _, given_path = expect.strip().partition(" ")
    if f"{given_method.upper()} /{PREFIX.sub('', given_path.strip()).lstrip('/')}" != wanted:
        fail(f"--expect {expect!r} is not what was asked for, which is {wanted!r}: nothing was sent", REFUSED)


def _key(studio: StudioClient, path: str, fields: dict[str, Any]) -> str:
    """Ask for one item, to find out under which key the items are."""
    answer = studio.request("GET", path, params=fields | {"page": "1", "per_page": "1"})
    lists = (
        [key for key, value in cast("dict[str, Any]", answer).items() if isinstance(value, list)]
        if (isinstance(answer, dict))
        else []
    )
    if len(lists) != 1:
        fail(f"the answer to GET {path} is no list of pages, so leave out --paginate", FAILED)
    return lists[0]
