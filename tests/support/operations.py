"""The table of every documented operation, docs/operations.md: `python tests/support/operations.py` writes it.

The list of operations is the vendor's. All else is read from the package: the methods from `StudioClient`, their
requests from the tables of the pages in docs, the recordings from tests/recordings, the routes from the description
that a sandbox gives of itself.
"""

from __future__ import annotations

import inspect
import json
import re
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from canvas_studio import StudioClient
from canvas_studio.sandbox import Sandbox

HOUSE = Path(__file__).parents[2]
DOCS = HOUSE / "docs"
RECORDINGS = HOUSE / "tests/recordings"
TARGET = DOCS / "operations.md"

# Pages of the vendor's reference, and their operations. `{}` stands for an id.
DOCUMENTED = {
    "Captions": [
        "GET /media/{}/caption_files",
        "POST /media/{}/caption_files",
        "GET /caption_files/{}/download",
    ],
    "Collection": [
        "GET /collections",
        "POST /collections",
        "GET /collections/{}",
        "DELETE /collections/{}",
        "POST /collections/{}/archive",
        "POST /collections/{}/unarchive",
        "GET /collections/{}/media",
        "GET /collections/{}/permissions",
        "POST /collections/{}/permissions",
    ],
    "Courses": ["GET /courses/{}", "GET /courses/{}/perspectives"],
    "Group": ["GET /groups/{}/users", "POST /groups/{}/users/batch_update"],
    "Insights": ["GET /perspectives/{}/insights/overview", "GET /perspectives/{}/insights/users"],
    "Media": [
        "GET /media/search",
        "GET /media/{}",
        "DELETE /media/{}",
        "POST /media/{}/archive",
        "POST /media/{}/unarchive",
        "GET /media/{}/courses",
        "POST /media/{}/create_embed",
        "GET /media/{}/download",
        "GET /media/{}/permissions",
        "POST /media/{}/permissions",
        "GET /media/{}/perspectives",
        "GET /media/{}/sources",
        "GET /media/{}/users",
    ],
    "Media Upload": [
        "POST /collections/{}/media",
        "POST /media",
        "POST /media/uploads",
        "PUT to the storage host",
        "POST /media/uploads/{}/complete",
    ],
    "Ping": ["GET /ping"],
    "Professional Captioning": [
        "GET /caption_file_requests",
        "PATCH /caption_file_requests/{}",
        "GET /captioning_service_types",
        "PUT /captioning_service_types/{}",
        "DELETE /captioning_service_types/{}",
    ],
    "Tags": ["GET /media/{}/tags", "POST /media/{}/tags", "DELETE /media/{}/tags/{}"],
    "Transfer Media": ["POST /transfer_media"],
    "User": [
        "GET /users/search",
        "GET /users/{}",
        "GET /users/{}/media",
        "GET /users/{}/collections",
        "GET /users/{}/library",
        "Add or remove roles",
    ],
}
STORAGE = "PUT to the storage host"
WITHOUT_METHOD = {
    "Add or remove roles": "no public page prints its method, its path or its body, so there is no method for it",
}
HEAD = """\
# Operations

Every operation that Instructure documents, in the order of its reference, and what this package has for it.
`python tests/support/operations.py` writes this table from the package, and a test compares it.

A method without an async form of its own lists: read the `Listing` with `for` or `async for`. A recording is an
exchange that the tests replay, in both forms; those of errors are not counted. *How sure* says what is not documented
of the operation, in [these words](media.md).

| Page | Operation | Methods | Recordings | Sandbox | How sure |
|---|---|---|---|---|---|
"""


class Row(NamedTuple):
    """A documented operation, and what the package has for it."""

    page: str
    operation: str
    methods: list[str]
    recordings: list[str]
    has_route: bool
    mark: str

    def __str__(self) -> str:
        if reason := WITHOUT_METHOD.get(self.operation):
            return f"| {self.page} | {self.operation} | none: {reason} | | | unknown |"
        route = "storage host" if self.operation == STORAGE else "route"
        return (
            f"| {self.page} | `{self.operation}` | {', '.join(map(forms, self.methods))} | {len(self.recordings)} "
            f"| {route if self.has_route else ''} | {self.mark or 'documented'} |"
        )


def forms(method: str) -> str:
    """The names of both forms of a method."""
    has_async = hasattr(StudioClient, f"{method}_async")
    return f"`{method}`, `{method}_async`" if has_async else f"`{method}`"


def plain(method: str, path: str) -> str:
    """An operation as in the list above: `{}` for each id."""
    return f"{method} {re.sub(r'{[^}]*}', '{}', path.partition('?')[0])}"


def requests_of_methods() -> dict[str, list[tuple[str, str]]]:
    """The methods that send each operation, with what is said of how sure it is, from the tables of the pages."""
    found: dict[str, list[tuple[str, str]]] = {}
    for page in sorted(DOCS.glob("*.md")):
        columns: dict[str, int] = {}
        before = ""
        for line in page.read_text(encoding="utf-8").splitlines() if page != TARGET else []:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if "HTTP" in cells and "How sure" in cells:
                columns = {name: cells.index(name) for name in ("HTTP", "How sure")}
            elif not cells:
                columns = {}
            elif columns and len(cells) > columns["How sure"] and (name := re.match(r"`(\w+)\(", cells[0])):
                asked = cells[columns["HTTP"]]
                if request := re.fullmatch(r"`([A-Z]+) (/[^`]*)`", asked):
                    before = plain(*request.groups())
                elif asked.startswith("`PUT`"):
                    before = STORAGE
                elif not asked.startswith("the same"):
                    before = ""  # it sends several operations, as do those that are "the same"
                if before:
                    mark = re.sub(r"\[([^]]*)\]\(#", rf"[\1]({page.name}#", cells[columns["How sure"]])
                    found.setdefault(before, []).append((name[1], mark))
    return found


def recordings() -> dict[str, list[tuple[str, str]]]:
    """The method and the path of each request of each recording."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(RECORDINGS.glob("*/*.har")):
        log: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["log"]
        requests: list[dict[str, str]] = [entry["request"] for entry in log["entries"]]
        asked = [(request["method"], urlsplit(request["url"]).path) for request in requests]
        found[path.relative_to(RECORDINGS).with_suffix("").as_posix()] = asked
    return found


def is_of(operation: str, method: str, path: str, all_operations: list[str]) -> bool:
    """Whether a recorded request is one of the operation. A word in a path stands above an id."""
    if not path.startswith("/api/"):
        return method == "PUT" and operation == STORAGE

    def fits(one: str) -> bool:
        verb, _, template = one.partition(" ")
        pattern = re.escape(template).replace(re.escape("{}"), "[^/]+")
        return verb == method and re.fullmatch(rf"/api/public/v1{pattern}", path) is not None

    fitting = sorted(filter(fits, all_operations), key=lambda one: one.count("{}"))
    return fitting[:1] == [operation]


def routes() -> set[str]:
    """The operations that a sandbox describes."""
    with Sandbox(media=0) as box:
        asked = urllib.request.Request(  # noqa: S310 - to the sandbox
            f"{box.url}/api/public/apidocs", headers={"Authorization": f"Bearer {box.token}"}
        )
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - likewise
            paths: dict[str, dict[str, Any]] = json.load(answer)["paths"]
    return {plain(verb.upper(), path) for path, verbs in paths.items() for verb in verbs}


def rows() -> list[Row]:
    """All rows of the table."""
    everything = [operation for operations in DOCUMENTED.values() for operation in operations]
    methods, recorded, known = requests_of_methods(), recordings(), routes() | {STORAGE}
    made: list[Row] = []
    for page, operations in DOCUMENTED.items():
        for operation in operations:
            named = methods.get(operation, [])
            of_it = [found for found in named if inspect.isroutine(getattr(StudioClient, found[0]))]
            names = [
                name for name, asked in recorded.items() if any(is_of(operation, *one, everything) for one in asked)
            ]
            mark = of_it[0][1] if of_it else ""
            made.append(Row(page, operation, [name for name, _ in of_it], names, operation in known, mark))
    return made


def page_of(rows: list[Row]) -> str:
    """The page of the documentation."""
    return HEAD + "".join(f"{row}\n" for row in rows)


if __name__ == "__main__":
    TARGET.write_text(page_of(rows()), encoding="utf-8")
