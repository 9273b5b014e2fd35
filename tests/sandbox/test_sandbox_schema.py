"""The sandbox's answers match its OpenAPI description, for whatever requests schemathesis generates."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.sandbox import Assumptions, Sandbox, SeenRequest
from support.plain_http import API, ask

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FEWEST_CASES = 2_000
DESCRIPTION = "/api/public/apidocs"
# What an administrator does not meet, and what a school with automatic captions does not answer.
UNMET = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_IMPLEMENTED}
# What only a school without a captioning service answers.
WITHOUT_SERVICE = {
    ("GET", "/captioning_service_types", HTTPStatus.NOT_FOUND),
    ("PUT", "/captioning_service_types/{key}", HTTPStatus.NOT_FOUND),
}
# A bound that no healthy run comes near and that a hang exceeds.
SOON = 480.0
# Real ids, so that not everything is a 404, and what the reference says of requests that are right as such.
CONFIGURATION = """
[cache]
enabled = false

[generation]
deterministic = true
database = "none"
max-examples = {examples}
dictionaries.integer = {{ dictionary = "people", probability = 0.2 }}

{dictionaries}

[parameters]
"path.media_id" = {{ dictionary = "media", probability = 0.7 }}
"path.collection_id" = {{ dictionary = "collections", probability = 0.7 }}
"path.course_id" = {{ dictionary = "courses", probability = 0.7 }}
"path.perspective_uuid" = {{ dictionary = "perspectives", probability = 0.7 }}
"path.caption_file_id" = {{ dictionary = "captions", probability = 0.7 }}
"path.tag_id" = {{ dictionary = "tags", probability = 0.7 }}
"path.user_id" = {{ dictionary = "people", probability = 0.7 }}
"path.group_id" = {{ dictionary = "groups", probability = 0.7 }}
"path.caption_file_request_id" = {{ dictionary = "requests", probability = 0.7 }}
"path.key" = {{ dictionary = "services", probability = 0.7 }}

[checks]
enabled = true
response_schema_conformance.validate-formats = true

[[operations]]
include-path = "/media/uploads/{{media_id}}/complete"
parameters."path.media_id" = {{ dictionary = "uploads", probability = 0.7 }}

[[operations]]
include-path = "/media/{{media_id}}/tags/{{tag_id}}"
parameters."path.media_id" = {{ dictionary = "tagged", probability = 0.7 }}

# A permission that cannot be changed as asked.
[[operations]]
include-operation-id = ["changeCollectionPermissions", "changeMediaPermissions"]
checks.positive_data_acceptance.expected-statuses = ["200", "400", "401", "403", "404"]

# A media of which Studio has no file.
[[operations]]
include-path = "/media/{{media_id}}/download"
checks.positive_data_acceptance.expected-statuses = ["302", "401", "403", "404", "422"]

# Members who cannot be changed as asked.
[[operations]]
include-operation-id = ["changeGroupUsers"]
checks.positive_data_acceptance.expected-statuses = ["200", "401", "403", "404", "422"]

# Users whom it does not know, or twice the same.
[[operations]]
include-operation-id = ["transferMedia"]
checks.positive_data_acceptance.expected-statuses = ["200", "400", "401", "403", "422"]

# A result without a file, of another form, or a second one.
[[operations]]
include-operation-id = ["updateCaptionFileRequest"]
checks.positive_data_acceptance.expected-statuses = ["202", "400", "401", "403", "404", "422"]
checks.negative_data_rejection.expected-statuses = ["202", "400", "401", "403", "404", "413", "422"]

# An answer without a body has no content type, which Swagger 2 cannot say.
[[operations]]
include-operation-id = ["updateCaptionFileRequest", "deleteCaptioningServiceType"]
checks.content_type_conformance.enabled = false

# A form with a field that it does not know.
[[operations]]
include-operation-id = ["createCaptionFile"]
checks.negative_data_rejection.expected-statuses = ["201", "400", "401", "403", "404", "413", "422"]

# A URL without a title, an external one of somebody else than YouTube and Vimeo, or both an owner and a collection.
[[operations]]
include-operation-id = ["createMedia", "createCollectionMedia"]
checks.positive_data_acceptance.expected-statuses = ["201", "401", "403", "404", "422"]

# Neither an address nor a role.
[[operations]]
include-path = "/users/search"
checks.positive_data_acceptance.expected-statuses = ["200", "400", "401", "403"]
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What schemathesis said, and what the sandbox was asked."""

    report: dict[str, Any]
    text: str
    requests: tuple[SeenRequest, ...]


def description(box: Sandbox) -> dict[str, Any]:
    found: dict[str, Any] = ask(box.url, "GET", DESCRIPTION).json
    return found


def things(box: Sandbox) -> dict[str, list[int] | list[str]]:
    """Ids of what is in the sandbox, and of some that is put there, by the names of their dictionaries."""
    tagged = [box.add_media(f"Practice {number}", tags=["exam"]) for number in range(40)]
    captioned = [box.add_media("Talk", captions=[{"srclang": "en"}]) for _ in range(5)]
    groups = [box.add_group(f"Group {number}", [user], manager_ids=[user]) for number, user in enumerate(box.users[:5])]
    services = ["verbatim", "machine", *(f"type-{number}" for number in range(20))]
    for key in services[2:]:
        said = {"label": key, "description": key, "is_asr": False}
        ask(box.url, "PUT", f"/captioning_service_types/{key}", token=box.token, json_body=said)
    requests = [box.add_caption_request(one, service_type="verbatim") for one in captioned * 10]
    with box.client() as studio:
        media = [found.id for found in studio.search_media().limit(200)]
        collections = list(studio.list_collections())
        perspectives = [found for one in media[60:70] for found in studio.list_media_perspectives(one)]
        uploads = [studio.request("POST", "/media/uploads")["upload"]["id"] for _ in range(40)]
        [tag] = studio.request("GET", f"/media/{tagged[0]}/tags")["tags"]
        captions = [studio.request("GET", f"/media/{one}/caption_files")["caption_files"] for one in captioned]
    return {
        "media": media,
        "collections": [collection.id for collection in collections[:100]],
        "courses": [collection.course_id for collection in collections if collection.course_id is not None][:50],
        "perspectives": [found.uuid for found in perspectives],
        "captions": [caption["id"] for found in captions for caption in found],
        "uploads": uploads,
        "tags": [tag["id"]],
        "tagged": tagged,
        "groups": groups,
        "services": services,
        "requests": requests,
        "people": [user.id for user in box.users][:30],
    }


def examine(box: Sandbox, token: str, folder: Path, *, examples: int, without: str | None = None) -> Run:
    """Let schemathesis loose on the sandbox."""
    dictionaries = "\n".join(
        f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n" for name, values in things(box).items()
    )
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION.format(examples=examples, dictionaries=dictionaries))
    report = folder / "report.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run"]
    command += ["--header", f"Authorization: Bearer {token}", "--report-json-path", str(report), "--no-color"]
    command += ["--exclude-checks", without] if without else []
    box.forget_requests()
    done = subprocess.run(
        [*command, box.url + DESCRIPTION],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )
    text = done.stdout + done.stderr
    assert report.exists(), text
    return Run(json.loads(report.read_text()), text, box.requests)


def met(operations: Iterable[tuple[str, str]], requests: Iterable[SeenRequest]) -> Counter[tuple[str, str, int | None]]:
    """How often every operation gave which status."""
    # `/media/search` before `/media/{media_id}`.
    patterns = [
        (method, path, re.compile(API + re.sub(r"\{\w+\}", "[^/]+", path)))
        for method, path in sorted(operations, key=lambda operation: operation[1].count("{"))
    ]
    found: Counter[tuple[str, str, int | None]] = Counter()
    for request in requests:
        for method, path, pattern in patterns:
            if request.method == method and pattern.fullmatch(request.path):
                found[method, path, request.status] += 1
                break
    return found


def assert_sound(box: Sandbox, run: Run) -> None:
    assert run.report["failures"] == [], run.text
    assert run.report["exit_code"] == 0, run.text
    assert run.report["operations"]["tested"] == run.report["operations"]["total"]
    statuses = Counter(request.status for request in run.requests)
    assert None not in statuses, "some request was not answered"
    assert not [status for status in statuses if status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR]
    assert box._server.panics == 0  # pyright: ignore[reportPrivateUsage]


@pytest.mark.timeout(SOON)
def test_no_answer_breaks_the_description_in_at_least_2000_cases(tmp_path: Path) -> None:
    with Sandbox(media=500, seed=1) as box:
        operations = {
            (method.upper(), path): [int(status) for status in operation["responses"]]
            for path, methods in description(box)["paths"].items()
            for method, operation in methods.items()
        }
        run = examine(box, box.token, tmp_path, examples=20)
        assert_sound(box, run)
        assert run.report["test_cases"]["generated"] >= FEWEST_CASES
        assert len(run.requests) >= FEWEST_CASES
        # Cases that are all refused would prove little: everything documented was met, but for what only others get.
        # A stranger's id that is right as such is unlikely in a body, where no dictionary of ids can be given.
        said = {"url": "https://example.edu/a.mp4", "title": "x", "user_id": 10**12}
        ask(box.url, "POST", "/media", token=box.token, json_body=said)
        people = {"from_user_id": box.users[1].id, "to_user_id": box.users[2].id}
        ask(box.url, "POST", "/transfer_media", token=box.token, json_body=people)
        found = met(operations, box.requests)
        missed = [
            f"{method} {path}: {status}"
            for (method, path), statuses in operations.items()
            for status in statuses
            if status not in UNMET and (method, path, status) not in WITHOUT_SERVICE and not found[method, path, status]
        ]
        assert not missed, "; ".join(missed)


@pytest.mark.timeout(SOON)
def test_no_answer_to_somebody_without_rights_breaks_the_description(tmp_path: Path) -> None:
    with Sandbox(media=500, seed=1) as box:
        student = box.add_user("Ben Ode", email="ben@example.edu", role="student")
        run = examine(box, box.token_for(student), tmp_path, examples=5)
        assert_sound(box, run)
        refused = [request for request in run.requests if request.status == HTTPStatus.FORBIDDEN]
        assert len(refused) >= 50


@pytest.mark.timeout(SOON)
def test_no_answer_breaks_the_description_whatever_is_assumed(tmp_path: Path) -> None:
    other = Assumptions(
        archived_in_lists=True,
        archived_readable=False,
        per_page_clamped=True,
        newest_first=False,
        batch_atomic=False,
        collection_changes_answer=False,
        permission_bodies="object",
        embed_url_key="url",
        list_meta=False,
        captioning_service=False,
        archive_keeps_courses=True,
        archive_keeps_shares=True,
    )
    with Sandbox(media=500, seed=1, assumptions=other) as box:
        # The description says that per_page is at most 50, and this sandbox takes more.
        run = examine(box, box.token, tmp_path, examples=5, without="negative_data_rejection")
        assert_sound(box, run)
        found = met({(method, path) for method, path, _ in WITHOUT_SERVICE}, run.requests)
        assert all(found[missed] for missed in WITHOUT_SERVICE)


def test_the_description_is_swagger_2_that_anybody_may_read() -> None:
    with Sandbox(media=0) as box:
        answer = ask(box.url, "GET", DESCRIPTION)
        assert answer.headers["content-type"].startswith("application/json")
        found = answer.json
        assert found["swagger"] == "2.0"
        assert f"{found['schemes'][0]}://{found['host']}" == box.url
        assert found["basePath"] == API
        names = [operation["operationId"] for methods in found["paths"].values() for operation in methods.values()]
        assert len(names) == len(set(names)) == 50
