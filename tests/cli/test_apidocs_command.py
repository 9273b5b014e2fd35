"""The commands `apidocs diff` and `apidocs save`: what they find, what they refuse, and what a saved file holds."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import _apidocs
from canvas_studio.cli.app import app
from canvas_studio.sandbox import Sandbox
from support.fault_server import FaultServer, json_answer, text_answer
from support.plain_http import ask
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


@pytest.fixture
def box(shared: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    """A sandbox, which the environment names as the school."""
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CANVAS_STUDIO_URL", shared.url)
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", shared.token)
    shared.faults.clear()
    shared.forget_requests()
    return shared


@pytest.fixture(scope="module")
def described(shared: Sandbox) -> dict[str, Any]:
    document: dict[str, Any] = ask(shared.url + _apidocs.PATH).json
    return document


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["apidocs", *map(str, arguments)])


def test_a_studio_that_is_described_as_the_sandbox_differs_in_nothing(box: Sandbox) -> None:
    ended = run("diff")
    assert (ended.exit_code, ended.stdout) == (0, "Nothing differs: this Studio is described as the sandbox is.\n")
    [request] = box.requests
    assert (request.path, request.headers["authorization"]) == (_apidocs.PATH, "Bearer ***")
    ended = run("diff", "--json")
    assert (ended.exit_code, json.loads(ended.stdout)) == (0, {"differences": []})


def new_operation(document: dict[str, Any]) -> None:
    document["paths"]["/users/roles"] = {"post": {"responses": {"200": {"description": "The users."}}}}


def other_method(document: dict[str, Any]) -> None:
    item = document["paths"]["/media/{media_id}/archive"]
    item["put"] = item.pop("post")


def new_field(document: dict[str, Any]) -> None:
    document["definitions"]["MediaDetail"]["properties"]["width"] = {"type": "integer"}


def other_field(document: dict[str, Any]) -> None:
    document["definitions"]["MediaDetail"]["properties"]["duration"] = {"type": "string"}


def query(document: dict[str, Any], name: str) -> dict[str, Any]:
    parameters = document["paths"]["/media/search"]["get"]["parameters"]
    found: dict[str, Any] = next(each for each in parameters if each["name"] == name)
    return found


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], dict[str, str | None]]] = {
    "an operation that only Studio has": (
        new_operation,
        {
            "kind": "operation",
            "operation": "POST /users/roles",
            "studio": "described",
            "sandbox": None,
            "client": "StudioClient.request() reaches it",
        },
    ),
    "an operation with another method": (
        other_method,
        {
            "kind": "operation",
            "operation": "PUT /media/{}/archive",
            "studio": "described",
            "client": "StudioClient.archive_media() sends POST /media/{}/archive",
        },
    ),
    "an operation that Studio lacks": (
        lambda document: document["paths"].pop("/ping"),
        {"kind": "operation", "operation": "GET /ping", "studio": None, "client": "StudioClient.ping() sends it"},
    ),
    "a parameter that only Studio has": (
        lambda document: document["paths"]["/ping"]["get"]["parameters"].append(
            {"name": "deep", "in": "query", "type": "boolean"}
        ),
        {
            "kind": "parameter",
            "operation": "GET /ping",
            "where": "query deep",
            "studio": "boolean",
            "sandbox": None,
            "client": "StudioClient.ping() has no such argument",
        },
    ),
    "a parameter in another place": (
        lambda document: query(document, "tag").update({"in": "formData"}),
        {"kind": "parameter", "operation": "GET /media/search", "where": "form tag", "studio": "string"},
    ),
    "a parameter that is required": (
        lambda document: query(document, "tag").update({"required": True}),
        {
            "kind": "parameter",
            "where": "query tag",
            "studio": "string, required",
            "sandbox": "string",
            "client": "StudioClient.search_media(tag=)",
        },
    ),
    "other words": (
        lambda document: query(document, "source").update({"enum": ["upload", "notorious"]}),
        {
            "kind": "enum",
            "operation": "GET /media/search",
            "where": "query source",
            "studio": "notorious, upload",
            "client": "StudioClient.search_media(source=)",
        },
    ),
    "words in a body": (
        lambda document: document["paths"]["/groups/{group_id}/users/batch_update"]["post"]["parameters"][1]["schema"][
            "items"
        ]["properties"]["action"].update({"enum": ["add", "update", "destroy"]}),
        {
            "kind": "enum",
            "where": "body[] action",
            "studio": "add, destroy, update",
            "sandbox": "add, remove, update",
            "client": "StudioClient.change_group_users() may send it",
        },
    ),
    "a status that Studio lacks": (
        lambda document: document["paths"]["/ping"]["get"]["responses"].pop("401"),
        {"kind": "status", "operation": "GET /ping", "where": "401", "studio": None, "sandbox": "described"},
    ),
    "a field that only Studio has": (
        new_field,
        {"kind": "shape", "where": "media.width", "studio": "integer", "client": "Media.extra['width']"},
    ),
    "a field of another type": (
        other_field,
        {"kind": "shape", "where": "media.duration", "studio": "string", "sandbox": "number"},
    ),
    "a list under another key": (
        lambda document: document["paths"]["/media/{media_id}/tags"]["get"]["responses"]["200"].update(
            {"schema": {"type": "object", "properties": {"labels": {"type": "array"}}}}
        ),
        {"kind": "shape", "operation": "GET /media/{}/tags", "where": "labels", "studio": "array", "sandbox": None},
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_differs_is_found_and_the_exit_code_is_1(
    what: str, described: dict[str, Any], tmp_path: Path, box: Sandbox
) -> None:
    change, expected = CHANGES[what]
    document = copy.deepcopy(described)
    change(document)
    path = tmp_path / "studio.json"
    path.write_text(json.dumps(document))
    ended = run("diff", path, "--json")
    found = json.loads(ended.stdout)["differences"]
    assert ended.exit_code == 1
    assert [each for each in found if each.items() >= expected.items()], found
    assert box.requests == ()
    shown = run("diff", path)
    assert shown.exit_code == 1
    assert found[0]["operation"] in shown.stdout
    assert "/issues/new?template=studio-differs.yml" in shown.stderr


def test_every_described_operation_names_the_methods_of_the_client_that_send_it(described: dict[str, Any]) -> None:
    known = _apidocs.client_methods()
    assert known.keys() == _apidocs.Reader(described).operations().keys()
    assert known["POST /media/{}/archive"] == ["archive_media"]
    assert sorted(known["GET /users/search"]) == ["find_user", "search_users"]


def as_openapi_3(document: dict[str, Any]) -> dict[str, Any]:
    """The same description in the other format, so far as the comparison looks at it."""

    def body(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"content": {media_type: {"schema": schema}}}

    paths: dict[str, Any] = {}
    for path, methods in document["paths"].items():
        for method, old in methods.items():
            new: dict[str, Any] = {"parameters": []}
            form: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
            for each in old["parameters"]:
                schema = {key: value for key, value in each.items() if key in {"type", "format", "enum"}}
                if each["in"] == "body":
                    new["requestBody"] = body("application/json", each["schema"])
                elif each["in"] == "formData":
                    file = {"type": "string", "format": "binary"}
                    form["properties"][each["name"]] = file if each["type"] == "file" else schema
                    form["required"] += [each["name"]] if each["required"] else []
                else:
                    new["parameters"].append(
                        {**{key: each[key] for key in ("name", "in", "required")}, "schema": schema}
                    )
            if form["properties"]:
                new["requestBody"] = body("multipart/form-data", form)
            new["responses"] = {
                status: body("application/json", answer["schema"]) if "schema" in answer else {}
                for status, answer in old["responses"].items()
            }
            paths.setdefault(path, {})[method] = new
    text = json.dumps({"openapi": "3.0.3", "paths": paths, "components": {"schemas": document["definitions"]}})
    found: dict[str, Any] = json.loads(text.replace("#/definitions/", "#/components/schemas/"))
    return found | {"servers": [{"url": "https://north.instructuremedia.com/api/public/v1"}]}


def test_openapi_3_is_read_as_swagger_2_is(described: dict[str, Any]) -> None:
    other = as_openapi_3(described)
    assert _apidocs.differences(other, described) == []
    del other["paths"]["/ping"]
    assert [each.operation for each in _apidocs.differences(other, described)] == ["GET /ping"]


@pytest.mark.parametrize("base", ["", "/api/public", "/api/public/v1/"])
def test_the_base_path_may_be_part_of_the_paths(base: str, described: dict[str, Any]) -> None:
    prefix = "/api/public/v1".removeprefix(base.rstrip("/"))
    paths = {prefix + path: methods for path, methods in described["paths"].items()}
    assert _apidocs.differences(described | {"basePath": base, "paths": paths}, described) == []


def nested(depth: int) -> bytes:
    return b'{"swagger": "2.0", "paths": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf  \n", "it is empty"),
        (b"<!doctype html><title>Sign in</title>", "it is an HTML or XML page, not JSON"),
        (b"swagger: 2.0", "it is not JSON"),
        (b'{"swagger": "2.0", "paths": {', "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"[1, 2]", "it is JSON, but no description of an API (Swagger 2 or OpenAPI 3): a list"),
        (b'{"media": []}', "it is JSON, but no description of an API (Swagger 2 or OpenAPI 3): an object with media"),
        (b'{"swagger": "2.0", "paths": []}', "it is JSON, but no description of an API"),
        (b'{"swagger": "1.2", "paths": {}}', "it says neither swagger 2 nor openapi 3, but 1.2"),
        (b'{"paths": {}}', "it says neither swagger 2 nor openapi 3, but nothing"),
        (nested(200_000), "it is nested too deeply"),
        (b" " * (16 * 1024 * 1024 + 1), "it has 16,777,217 bytes, and the largest that is read has 16,777,216"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_description_is_exit_code_2_and_says_what_it_is(text: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "studio.json"
    path.write_bytes(text)
    ended = run("diff", path, "--json")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert problem in ended.stderr


@pytest.mark.parametrize(
    "definitions",
    [
        {"Media": {"$ref": "#/definitions/Media"}},
        {"Media": {"allOf": [{"$ref": "#/definitions/Media"}, {"$ref": "#/definitions/Media"}]}},
        {"Media": {"properties": {"media": {"$ref": "#/definitions/Media"}, "more": {"$ref": "#/definitions/Media"}}}},
        {"Media": {"type": "array", "items": {"$ref": "#/definitions/Media"}}},
        {"Media": {"$ref": "https://evil.example/schema.json"}},
        {"Media": 7, "": None},
        {"Media": {"properties": [1], "allOf": {"a": 1}, "type": {"b": 2}, "enum": 3, "required": 4}},
        [],
    ],
)
def test_references_that_lead_in_a_circle_or_nowhere_end(definitions: Any, described: dict[str, Any]) -> None:
    document = described | {"definitions": definitions}
    assert _apidocs.differences(document, described)
    assert _apidocs.differences(_apidocs.cleaned(document), document) == []


@pytest.mark.parametrize(
    "paths", [{"/ping": 7}, {"/ping": {"get": 7}}, {"/ping": {"get": {"parameters": 7, "responses": []}}}]
)
def test_parts_that_are_no_objects_are_read_as_empty(paths: Any, described: dict[str, Any]) -> None:
    assert _apidocs.differences({"swagger": "2.0", "paths": paths}, described)


def test_a_file_that_is_not_there_and_two_schools_are_asked_wrongly(box: Sandbox, tmp_path: Path) -> None:
    ended = run("diff", tmp_path / "missing.json")
    assert (ended.exit_code, "No such file" in ended.stderr) == (2, True)
    ended = run("diff", tmp_path / "missing.json", "--profile", "north")
    assert (ended.exit_code, "not both" in ended.stderr) == (2, True)
    assert run("diff", tmp_path).exit_code == 2
    assert box.requests == ()


def test_a_school_that_answers_something_else_is_exit_code_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", "t")
    for answer, problem in (
        (text_answer("<html>Sign in</html>", "text/html"), "HTML"),
        (json_answer({"error": "Not found"}, status=404), "HTTP 404"),
        (json_answer({}), "no description of an API"),
    ):
        with FaultServer(answer) as server:
            monkeypatch.setenv("CANVAS_STUDIO_URL", server.url)
            ended = run("diff")
            assert (ended.exit_code, problem in ended.stderr) == (2, True), ended.stderr


SECRETS = (
    "north.instructuremedia.com",
    "NORTH.instructuremedia.com",
    "north",
    "ada.park",
    "+1 555 0100",
    "eyJhbGciOiJIUzI1NiJ9abcdef0123456789",
    "internal.example",
    "Mitosis",
)


def of_a_school(described: dict[str, Any]) -> dict[str, Any]:
    """The description as a school's Studio may give it, with all that must not leave the school."""
    document = copy.deepcopy(described)
    document["host"] = "north.instructuremedia.com"
    document["info"] |= {"contact": {"name": "Ada Park", "email": "ada.park@north.example", "phone": "+1 555 0100"}}
    document["info"]["description"] = "Of north"
    document["x-token"] = document["securityDefinitions"]["token"]["x"] = SECRETS[5]
    ping = document["paths"]["/ping"]["get"]
    ping["summary"] = (
        "See https://internal.example/wiki?u=1 or NORTH.instructuremedia.com, or ask ada.park@north.example"
    )
    ping["description"] = f"curl -H 'Authorization: Bearer {SECRETS[5]}' at north"
    ping["responses"]["200"]["examples"] = {"text/plain": "Mitosis"}
    document["definitions"]["Media"]["properties"]["title"]["example"] = "Mitosis"
    document["definitions"]["Media"]["properties"]["title"]["default"] = SECRETS[5]
    return document


def test_what_is_saved_holds_nothing_of_the_school_and_everything_that_is_compared(
    described: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    document = of_a_school(described)
    document["paths"]["/users/roles"] = {"post": {"responses": {"200": {"description": "The users."}}}}
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", "a-token-of-the-school-0123456789")
    path = tmp_path / "saved.json"
    with FaultServer(json_answer(document)) as server:
        monkeypatch.setenv("CANVAS_STUDIO_URL", server.url)
        ended = run("save", path)
    assert ended.exit_code == 0, ended.stderr
    assert "/issues/new?template=studio-differs.yml" in ended.stdout
    text = path.read_text(encoding="utf-8")
    assert not [secret for secret in (*SECRETS, "a-token-of", server.url) if secret in text]
    assert _apidocs.differences(json.loads(text), document) == []
    [found] = _apidocs.differences(json.loads(text), described)
    assert found.operation == "POST /users/roles"


def test_a_saved_file_is_compared_and_never_overwritten(box: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    assert run("save", path).exit_code == 0
    text = path.read_text(encoding="utf-8")
    assert box.url.removeprefix("http://") not in text
    assert run("diff", path).exit_code == 0
    ended = run("save", path)
    assert (ended.exit_code, "is there already" in ended.stderr) == (2, True)
    assert path.read_text(encoding="utf-8") == text
    assert run("save", tmp_path / "missing" / "saved.json").exit_code != 0


def test_what_quotes_a_server_moves_no_cursor(described: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "studio.json"
    paths = described["paths"] | {"/\x1b[2Jx": {"get": {"responses": {"200": {}}}}}
    path.write_text(json.dumps(described | {"paths": paths}))
    ended = run("diff", path)
    assert ended.exit_code == 1
    assert "\x1b" not in ended.stdout + ended.stderr
