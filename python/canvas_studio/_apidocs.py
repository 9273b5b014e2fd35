"""Reads a Studio's description of its API, compares it with another one, and takes out what is of the school."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import urlsplit

from canvas_studio._core import Collection, Media, StudioClient
from canvas_studio.models import Caption, Perspective, Source, User

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PATH: Final = "/api/public/apidocs"
"""Where Studio describes its API. Observed."""

API: Final = "/api/public/v1"
LARGEST: Final = 16 * 1024 * 1024
# No answer of Studio's is nested deeper, and a reference can lead back to itself.
DEEPEST: Final = 8
METHODS: Final = ("get", "put", "post", "delete", "patch", "head", "options")
ANYWHERE: Final = {"schemas", "definitions", "paths", "properties", "responses", "content", "headers", "requestBodies"}
"""Objects whose keys are names of the vendor's, and not words of the format."""

WORDS: Final = """
swagger openapi basePath consumes produces components parameters summary description operationId tags deprecated in name
required type format enum default items schema requestBody allOf anyOf oneOf $ref nullable x-nullable minimum maximum
minLength maxLength minItems maxItems pattern uniqueItems collectionFormat additionalProperties readOnly writeOnly style
explode
"""
KEPT: Final = {*WORDS.split(), *ANYWHERE, *METHODS}
"""The words of the format that are kept. Examples, contacts, servers and extensions are not among them."""

URL: Final = re.compile(r"https?://[^\s\"'<>)]+", re.IGNORECASE)
ADDRESS: Final = re.compile(r"[^\s@<>\"'(]+@[^\s@<>\"')]+")
SECRET: Final = re.compile(r"(?=[\w.~+/=-]*\d)(?=[\w.~+/=-]*[A-Za-z])[\w.~+/=-]{24,}")
VERB: Final = "|".join(METHODS).upper()
SENT: Final = re.compile(rf"[\w ]+ page, (?:(?P<verb>{VERB}) )?(?P<path>/[\w/{{}}]+)(?: \([^)]*?(?P<unsure>{VERB})\b)?")
"""What the last line of a docstring says of an operation; a method that is not sure stands in parentheses."""

KINDS: Final[dict[str, type]] = {
    "media": Media,
    "collection": Collection,
    "collections": Collection,
    "course": Collection,
    "courses": Collection,
    "perspectives": Perspective,
    "sources": Source,
    "caption_file": Caption,
    "caption_files": Caption,
    "user": User,
    "users": User,
}
"""The client's class of what an answer has under a key."""


class DescriptionError(ValueError):
    """What was read is no description of an API."""


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Difference:
    """One thing in which two descriptions differ.

    Attributes:
        kind: What differs.
        operation: The method and the path.
        where: Which parameter, status or field; empty if it is the operation.
        studio: What Studio's description says; `None` if it is not there.
        sandbox: What the sandbox's says; `None` if it is not there.
        client: What that means for this client, if it is known.
    """

    kind: Literal["operation", "parameter", "enum", "status", "shape"]
    operation: str
    where: str
    studio: str | None
    sandbox: str | None
    client: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return the fields.

        Returns:
            The fields by name.
        """
        return asdict(self)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Operation:
    """An operation as both versions of the format describe it.

    Attributes:
        parameters: The type of each parameter, by its place and name, and whether it is required.
        enums: The words of each parameter and field that has a list of them.
        statuses: The statuses of its answers.
        shapes: The type of each field of a successful answer.
    """

    parameters: dict[str, str]
    enums: dict[str, frozenset[str]]
    statuses: frozenset[str]
    shapes: dict[str, str]


def read(text: bytes) -> dict[str, Any]:
    """Read a description.

    Args:
        text: The file or the answer.

    Returns:
        The document.

    Raises:
        DescriptionError: If it is none; the message says what it is instead.
    """
    if len(text) > LARGEST:
        raise DescriptionError(f"it has {len(text):,} bytes, and the largest that is read has {LARGEST:,}")
    start = text[:80].decode(errors="replace").lstrip("\ufeff \t\r\n")
    if not start:
        raise DescriptionError("it is empty")
    if start.startswith("<"):
        raise DescriptionError(f"it is an HTML or XML page, not JSON: it begins with {start[:60]!r}")
    try:
        document: Any = json.loads(text.decode("utf-8-sig"))
    except RecursionError:
        raise DescriptionError("it is nested too deeply") from None
    except ValueError as error:
        raise DescriptionError(f"it is not JSON ({error}): it begins with {start[:60]!r}") from None
    described = _object(document)
    if not isinstance(described.get("paths"), dict):
        raise DescriptionError(f"it is JSON, but no description of an API (Swagger 2 or OpenAPI 3): {_kind(document)}")
    version = str(described.get("swagger", described.get("openapi", "")))
    if not version.startswith(("2.", "3.")):
        raise DescriptionError(f"it says neither swagger 2 nor openapi 3, but {version[:20] or 'nothing'}")
    return described


def _kind(value: object) -> str:
    if isinstance(value, dict):
        keys = ", ".join(sorted(map(str, cast("dict[object, object]", value)))[:8])
        return f"an object with {keys or 'nothing in it'}"[:120]
    return f"a {type(value).__name__}"


class Reader:
    """Reads the operations of one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def operations(self) -> dict[str, Operation]:
        """Read all operations.

        Returns:
            The operations by method and path, without the names of what stands in the path.
        """
        prefix = self._prefix()
        found: dict[str, Operation] = {}
        for path, item in _object(self._document.get("paths")).items():
            whole = f"{prefix}/{path.lstrip('/')}".replace("//", "/")
            name = re.sub(r"\{[^}]*\}", "{}", whole.removeprefix(API)).rstrip("/") or "/"
            methods = self._resolved(item)
            for method in METHODS:
                if isinstance(methods.get(method), dict):
                    found[f"{method.upper()} {name}"] = self._operation(methods, _object(methods[method]))
        return found

    def _prefix(self) -> str:
        base = self._document.get("basePath")
        servers = self._document.get("servers")
        if base is None and isinstance(servers, list) and servers:
            base = _path_of(str(_object(cast("list[object]", servers)[0]).get("url", "")))
        return str(base or "").rstrip("/")

    def _resolved(self, value: object, seen: frozenset[str] = frozenset()) -> dict[str, Any]:
        """An object, or what its reference leads to; an empty one if that leads to itself or nowhere."""
        found = _object(value)
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        if reference in seen or not reference.startswith("#/"):
            return {}
        target: object = self._document
        for step in reference[2:].split("/"):
            target = _object(target).get(step.replace("~1", "/").replace("~0", "~"))
        return self._resolved(target, seen | {reference})

    def _operation(self, item: dict[str, Any], operation: dict[str, Any]) -> Operation:
        parameters: dict[str, str] = {}
        enums: dict[str, frozenset[str]] = {}
        position = 0
        for each in [*_list(item.get("parameters")), *_list(operation.get("parameters"))]:
            parameter = self._resolved(each)
            place, name = str(parameter.get("in", "")), str(parameter.get("name", ""))
            schema = self._resolved(parameter.get("schema")) if "schema" in parameter else parameter
            if place == "header":
                continue
            if place == "body":
                self._body(schema, "body", parameters, enums)
                continue
            if place == "path":
                position += 1
                name = str(position)
            place = "form" if place == "formData" else place
            self._parameter(f"{place} {name}", schema, parameters, enums, required=parameter.get("required") is True)
        for media_type, content in _object(self._resolved(operation.get("requestBody")).get("content")).items():
            place = "form" if "form" in media_type else "body"
            self._body(self._resolved(_object(content).get("schema")), place, parameters, enums)
        responses = _object(operation.get("responses"))
        shapes: dict[str, str] = {}
        for status, response in responses.items():
            if status.startswith("2"):
                self._shape(self._answer(self._resolved(response)), "", shapes, enums)
        statuses = frozenset(status for status in responses if status.isdigit())
        return Operation(parameters, enums, statuses, shapes)

    @staticmethod
    def _answer(response: dict[str, Any]) -> object:
        """The schema of an answer, which OpenAPI 3 has for each media type."""
        if "schema" in response:
            return response["schema"]
        content = _object(response.get("content"))
        return next((_object(each).get("schema") for name, each in content.items() if "json" in name), None)

    def _parameter(
        self,
        name: str,
        schema: dict[str, Any],
        parameters: dict[str, str],
        enums: dict[str, frozenset[str]],
        *,
        required: bool,
    ) -> None:
        schema = self._resolved(schema)
        parameters[name] = _type(schema) + (", required" if required else "")
        _add_words(name, schema if "enum" in schema else self._resolved(schema.get("items")), enums)

    def _body(
        self, schema: dict[str, Any], place: str, parameters: dict[str, str], enums: dict[str, frozenset[str]]
    ) -> None:
        """The fields of a body, or of the items of a body that is an array."""
        if _type(schema) == "array":
            parameters[place] = "array"
            schema, place = self._resolved(schema.get("items")), f"{place}[]"
        fields, required = self._fields(schema)
        for name, field in fields.items():
            self._parameter(f"{place} {name}", field, parameters, enums, required=name in required)

    def _fields(self, schema: dict[str, Any], depth: int = 0) -> tuple[dict[str, dict[str, Any]], set[str]]:
        """The fields of an object, those of all parts of `allOf` included, and the names of the required ones."""
        fields: dict[str, dict[str, Any]] = {}
        required = {str(name) for name in _list(schema.get("required"))}
        if depth < DEEPEST:
            for part in _list(schema.get("allOf")):
                more, names = self._fields(self._resolved(part), depth + 1)
                fields |= more
                required |= names
        for name, field in _object(schema.get("properties")).items():
            fields[name] = self._resolved(field)
        return fields, required

    def _shape(
        self, schema: object, where: str, shapes: dict[str, str], enums: dict[str, frozenset[str]], depth: int = 0
    ) -> None:
        """The type of each field of an answer, such as `media[].owner.id`."""
        found = self._resolved(schema)
        if not found or depth > DEEPEST:
            return
        fields, _ = self._fields(found)
        kind = "object" if fields else _type(found)
        if where:
            shapes[where] = kind
            _add_words(f"answer {where}", found, enums)
        if kind == "array":
            self._shape(found.get("items"), f"{where}[]", shapes, enums, depth + 1)
        for name, field in fields.items():
            self._shape(field, f"{where}.{name}" if where else name, shapes, enums, depth + 1)


def _object(value: object) -> dict[str, Any]:
    return {str(key): each for key, each in cast("dict[object, Any]", value).items()} if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return list(cast("list[object]", value)) if isinstance(value, list) else []


def _type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):  # OpenAPI 3.1 writes ["string", "null"].
        kind = next((each for each in cast("list[object]", kind) if each != "null"), "")
    if not isinstance(kind, str) or not kind:
        kind = "object" if "properties" in schema or "allOf" in schema else "any type"
    # An upload is a file in Swagger 2, and a text of bytes in OpenAPI 3.
    return "file" if kind == "string" and schema.get("format") == "binary" else kind


def _add_words(name: str, schema: dict[str, Any], enums: dict[str, frozenset[str]]) -> None:
    if words := _list(schema.get("enum")):
        enums[name] = frozenset(str(word) for word in words if word is not None)


def differences(studio: dict[str, Any], sandbox: dict[str, Any]) -> list[Difference]:
    """Compare the description of a Studio with the sandbox's.

    Args:
        studio: The one.
        sandbox: The other.

    Returns:
        All differences, operation by operation.
    """
    theirs, ours = Reader(studio).operations(), Reader(sandbox).operations()
    found: list[Difference] = []
    for name in sorted(theirs.keys() | ours.keys(), key=lambda name: (name.partition(" ")[2], name)):
        there, here = theirs.get(name), ours.get(name)
        if there is None or here is None:
            client = _sender(name, theirs) if here is None else f"{_names(client_methods()[name])} sends it"
            said = [None if each is None else "described" for each in (there, here)]
            found.append(
                Difference(kind="operation", operation=name, where="", studio=said[0], sandbox=said[1], client=client)
            )
        else:
            found += _of_operation(name, there, here)
    return found


def _of_operation(name: str, there: Operation, here: Operation) -> Iterator[Difference]:
    for where, one, other in _pairs(there.parameters, here.parameters):
        client = _argument(name, where, is_known=other is not None)
        yield Difference(kind="parameter", operation=name, where=where, studio=one, sandbox=other, client=client)
    words, own = _joined(there.enums), _joined(here.enums)
    for where, one, other in _pairs(words, own):
        # A parameter or a field that only one of them has is a difference by itself.
        field = where.removeprefix("answer ")
        if (where in there.parameters and where in here.parameters) or (field in there.shapes and field in here.shapes):
            client = _argument(name, where, is_known=True) if field == where else None
            yield Difference(kind="enum", operation=name, where=where, studio=one, sandbox=other, client=client)
    for status in sorted(there.statuses ^ here.statuses):
        said = ["described" if status in each.statuses else None for each in (there, here)]
        yield Difference(kind="status", operation=name, where=status, studio=said[0], sandbox=said[1])
    shapes = list(_pairs(there.shapes, here.shapes))
    missing = {where for where, one, other in shapes if one is None or other is None}
    for where, one, other in shapes:
        parents = {where[: match.start()] for match in re.finditer(r"\[\]|\.", where)}
        if not parents & missing:
            client = _reading(where) if other is None else None
            yield Difference(kind="shape", operation=name, where=where, studio=one, sandbox=other, client=client)


def _pairs(one: dict[str, str], other: dict[str, str]) -> Iterator[tuple[str, str | None, str | None]]:
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            yield name, one.get(name), other.get(name)


def _joined(enums: dict[str, frozenset[str]]) -> dict[str, str]:
    return {name: ", ".join(sorted(words)) for name, words in enums.items()}


@cache
def client_methods() -> dict[str, list[str]]:
    """Find the client's methods that send each operation, from the last line of their docstrings.

    Returns:
        The names of the methods, by the method and the path of the operation.
    """
    found: dict[str, list[str]] = {}
    for name, method in vars(StudioClient).items():
        reference = "" if name.endswith("_async") else (method.__doc__ or "").rpartition("Reference: ")[2]
        if match := SENT.match(" ".join(reference.split())):
            path, verb = re.sub(r"\{\w+\}", "{}", match["path"]), match["verb"] or match["unsure"]
            if verb:
                found.setdefault(f"{verb} {path}", []).append(name)
    return found


def _names(methods: list[str], argument: str = "") -> str:
    return "StudioClient." + ", ".join(f"{name}({argument})" for name in sorted(methods))


def _sender(operation: str, theirs: Iterable[str]) -> str:
    """What the client sends in place of an operation that only Studio describes: the same path, with another method."""
    path = operation.partition(" ")[2]
    for other, methods in client_methods().items():
        if other.partition(" ")[2] == path and other not in theirs:
            return f"{_names(methods)} sends {other}"
    return "StudioClient.request() reaches it"


def _argument(operation: str, where: str, *, is_known: bool) -> str | None:
    """The argument of the client's methods that is sent as a parameter."""
    methods = client_methods().get(operation, [])
    place, _, name = where.partition(" ")
    if not methods or place == "path":
        return None
    having = [each for each in methods if name in signature(getattr(StudioClient, each)).parameters]
    if having:
        return _names(having, f"{name}=")
    return f"{_names(methods)} may send it" if is_known else f"{_names(methods)} has no such argument"


def _reading(where: str) -> str | None:
    """Where the client has a field that the sandbox does not know."""
    key, _, name = where.partition(".")
    kind = KINDS.get(key.removesuffix("[]"))
    if kind is None or not name or "." in name or "[" in name:
        return None
    if name in cast("Any", kind).__match_args__:
        return f"{kind.__name__}.{name}"
    return f"{kind.__name__}.extra[{name!r}]"


def cleaned(document: dict[str, Any]) -> dict[str, Any]:
    """Take out of a description what is of the school: only words of the format and names of the vendor's are kept.

    Args:
        document: The description.

    Returns:
        Another document, without hosts, contacts, examples, addresses and anything that looks like a token.
    """
    hosts = {str(document.get("host", "")).lower()}
    for server in _list(document.get("servers")):
        hosts.add((_host_of(str(_object(server).get("url", ""))) or "").lower())
    hosts |= {host.partition(".")[0] for host in hosts if host.endswith("instructuremedia.com")}
    cleaner = _Cleaner(sorted((host for host in hosts if len(host) > 2), key=len, reverse=True))  # noqa: PLR2004
    base = Reader(document)._prefix()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    kept = cast("dict[str, Any]", cleaner.node(document))
    if "openapi" in kept:
        return kept | {"info": {"title": "Studio", "version": ""}, "servers": [{"url": base or "/"}]}
    return kept | {"info": {"title": "Studio", "version": ""}, "basePath": base}


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return None


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


class _Cleaner:
    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = [re.compile(rf"(?<![\w-]){re.escape(host)}(?![\w-])", re.IGNORECASE) for host in hosts]

    def node(self, value: object, *, names: bool = False) -> object:
        """A value with what is kept of it; `names` if its keys are names."""
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {
                self._text(key): self.node(each, names=key in ANYWHERE and not names)
                for key, each in items
                if names or key in KEPT
            }
        if isinstance(value, list):
            return [self.node(each) for each in cast("list[object]", value)]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        if text.startswith("#/"):
            return text
        text = ADDRESS.sub("person@example.edu", URL.sub("https://school.example.edu", text))
        for host in self._hosts:
            text = host.sub("school.example.edu", text)
        # The names of fields and operations are longer, but have no digits among letters.
        return SECRET.sub("REDACTED", text)
