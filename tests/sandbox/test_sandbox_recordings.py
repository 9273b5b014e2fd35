"""The sandbox's answers have the same fields and types as the recorded answers to the same requests."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from canvas_studio.sandbox import Sandbox
from support.plain_http import API, Answer, ask
from support.recordings import FILES, call_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Recordings of what is unknown or odd, made to see that our client takes it; the sandbox does one thing of several.
ODD = {
    "captions/list_captions_without_any": "the media of the sandbox have captions",
    "collections/archive_collection_empty": "an empty body, where the sandbox answers the collection",
    "collections/archive_collection_message": "a message, where the sandbox answers the collection",
    "collections/unarchive_collection_empty": "an empty body, where the sandbox answers the collection",
    "collections/delete_collection_no_content": "204 without a body, where the sandbox answers the collection",
    "collections/get_collection_real_shapes": "fields and a permission that nobody documented, and an owner of three",
    "collections/list_collections_empty": "nobody of the sandbox is without a collection: everybody has a library",
    "media/archive_media_without_wrapper": "a media without its wrapper, against the other answers about one media",
    "media/create_embed_json_text": "the URL by itself; assumptions.embed_url_key, in test_sandbox_pages.py",
    "media/create_embed_url": "another key; assumptions.embed_url_key, in test_sandbox_pages.py",
    "media/create_embed_plain_text": "the URL as plain text, which only a server before a JSON API would send",
    "media/get_media_only_id": "a media without any other field",
    "media/get_media_real_shapes": "fields that nobody documented, and a null thumbnail_url",
    "media/search_media_two_pages": "the same media on its second page",
    "ping/ping_json_text": "pong as JSON, where the sandbox answers plain text",
    "tags/list_tags_created": "the documented status, where the sandbox answers the observed one",
    "tags/list_tags_none": "a media without tags, where this one has some",
    "tags/remove_tag_empty": "an empty body, where the sandbox answers the tag",
    "courses/list_course_perspectives_without_any": "a course that this Studio does not know",
    "groups/list_group_users_nobody": "a group without users",
    "professional_captioning/list_caption_requests_none": "no requests, where there is one",
    "professional_captioning/put_captioning_service_empty": "an empty body, where the sandbox answers the type",
    "transfer_media/transfer_media_whole": "a transfer that leaves nothing behind, where this one does",
    "users/find_user": "another user with a similar address, where the sandbox compares whole addresses",
    "users/get_user_library_without_wrapper": "a collection without its wrapper, where the sandbox has one",
}
# The caption whose text is recorded.
CAPTION = call_of("captions/get_caption_text")["gives"]
# The perspective whose insights are recorded.
PERSPECTIVE = call_of("insights/list_insights_users")["arguments"][0]
# Requests of methods for which the client has a method by now.
OTHER_PAGES = {
    "media/paginate_user_media",
    "media/paginate_users_search",
    "media/request_create_tag",
    "media/request_insights_csv",
    "media/request_transfer_media",
    "media/request_without_answer",
}
# Null is allowed where the reference says or infers so (section 5), and nowhere else.
NULLABLE = {"name", "description", "email", "course_id", "archived_at", "last_viewed", "last_viewed_by_student"}
# What the reference calls optional, so that it may be in an answer without being recorded; `meta` is observed on lists
# whose documented example does not show it, and `archived_at` is younger than most examples.
OPTIONAL = {"meta", "last_viewed", "last_viewed_by_student", "archived_at"}
# That the answer to these shows the collection, too, is recorded of one of them and not of the others.
OPTIONAL_AFTER = {"archive": {"collection"}, "unarchive": {"collection"}}
# Fields that only one side has, and why.
ONLY_ONE = {
    # What is in a request is not documented: each side has fields of its own, and both what the query names.
    "professional_captioning/list_caption_requests": {"media", "service"}
    | {"media_id", "srclang", "captioning_service_type_key", "created_at"},
    # Observed in lists of captions, and not in what an upload answers.
    "captions/add_caption": {"provider", "is_empty", "number_of_errors", "url"},
}
# Recorded with some of the fields only; the first media of a list has the most.
PARTIAL = {"transfer_media/transfer_media", "users/list_user_media"}
# A number of seconds, which the documentation prints as a whole one.
FRACTIONAL = {"duration"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer as they are recorded."""

    case: str
    method: str
    path: str
    query: dict[str, str]
    json_body: Any
    # The media type and the body, if it is not JSON.
    body: tuple[str, str] | None
    status: int
    content_type: str
    headers: dict[str, str]
    text: str


def exchanges(path: Path) -> Iterator[Exchange]:
    case = name_of(path)
    for entry in json.loads(path.read_text(encoding="utf-8"))["log"]["entries"]:
        request, response = entry["request"], entry["response"]
        body = request.get("postData", {})
        url = urlsplit(str(request["url"]))
        # What is asked of the storage host has no shape of Studio's.
        if response["status"] < 400 and url.path.startswith(API):
            yield Exchange(
                case,
                request["method"],
                url.path.removeprefix(API),
                dict(parse_qsl(url.query)),
                json.loads(body["text"]) if body.get("mimeType") == "application/json" else None,
                (body["mimeType"], body["text"]) if body and body["mimeType"] != "application/json" else None,
                response["status"],
                response["content"]["mimeType"],
                {header["name"].lower(): header["value"] for header in response["headers"]},
                response["content"].get("text", ""),
            )


RECORDED = [each for path in FILES for each in exchanges(path)]
COMPARED = [each for each in RECORDED if each.case not in ODD and each.case not in OTHER_PAGES]


def changes_in(body: Any) -> list[dict[str, Any]] | None:
    """The changes of permissions in either of their bodies."""
    if isinstance(body, dict):
        body = cast("dict[str, Any]", body).get("permissions")
    return cast("list[dict[str, Any]] | None", body)


@dataclass(frozen=True, slots=True)
class Stage:
    """A sandbox that holds what the recordings are about, and by kind which id it has here in place of the recorded."""

    box: Sandbox
    ids: dict[str, dict[str, int | str]]

    def ask(self, recorded: Exchange) -> Answer:
        """Ask what was recorded, of the things that are here in the place of the recorded ones."""
        steps = recorded.path.split("/")
        if recorded.path.endswith("/complete"):
            upload = ask(self.box.url, "POST", "/media/uploads", token=self.box.token).json["upload"]
            steps[3] = str(upload["id"])
        for kind, index in zip(steps[1::2], range(2, len(steps), 2), strict=False):
            steps[index] = str(self.ids.get(kind, {}).get(steps[index], steps[index]))
        query: dict[str, object] = dict(recorded.query)
        for name, kind in (("collection_id", "collections"), ("user_id", "user")):
            if name in query:
                query[name] = self.ids[kind][str(query[name])]
        body = recorded.json_body
        if isinstance(body, dict):
            body = self._here(cast("dict[str, Any]", body))
        if recorded.path.startswith("/groups/"):
            body = [self._here(change) for change in cast("list[dict[str, Any]]", body or [])] or None
        elif changes := changes_in(body):
            here = [change | {"id": self.ids[change["share_type"]][str(change["id"])]} for change in changes]
            body = here if isinstance(body, list) else {"permissions": here}
        sent: dict[str, Any] = {"json_body": body}
        if recorded.body is not None:
            media_type, text = recorded.body
            sent = {"headers": {"Content-Type": media_type}, "body": text.encode()}
        return ask(self.box.url, recorded.method, "/".join(steps), token=self.box.token, query=query, **sent)

    def _here(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a body, with the ids that are here."""
        kinds = {"collection_id": "collections", "user_id": "user", "from_user_id": "user", "to_user_id": "user"}
        return {name: self.ids[kinds[name]][str(value)] if name in kinds else value for name, value in fields.items()}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Sandbox(media=0) as box:
        ada, jonas = (
            box.add_user("Ada Park", "ada.park+lectures@example.edu"),
            box.add_user("Jonas", "jonas@example.edu"),
        )
        helper = box.add_user("Helper", "helper@example.edu")
        assistants = box.add_group("Teaching assistants", [ada, helper], manager_ids=[ada])
        course = box.add_collection("Cell biology", owner=ada, course_id=1301)
        media = [
            box.add_media(
                "Mitosis & meiosis, mitosis & meiosis",
                description="A time lapse of a dividing cell.",
                collection_id=course,
                tags=["première année / 生物"],
                created_at="2025-05-16T02:36:46.696Z",
                last_viewed="2025-08-01",
                last_viewed_by_student="2025-07-30",
                captions=[{"srclang": "pt", "text": CAPTION}],
            )
            for _ in range(21)
        ]
        put = {"label": "Fast captions", "description": "Within an hour", "is_asr": True, "languages": ["en"]}
        ask(box.url, "PUT", "/captioning_service_types/fast", token=box.token, json_body=put)
        request = box.add_caption_request(media[0], service_type="fast")
        tags = ask(box.url, "GET", f"/media/{media[0]}/tags", token=box.token).json["tags"]
        captions = ask(box.url, "GET", f"/media/{media[0]}/caption_files", token=box.token).json["caption_files"]
        perspectives = ask(box.url, "GET", f"/media/{media[0]}/perspectives", token=box.token).json["perspectives"]
        yield Stage(
            box,
            {
                "perspectives": {PERSPECTIVE: perspectives[0]["uuid"]},
                "caption_files": {"5940": captions[0]["id"]},
                "caption_file_requests": {"71": request},
                "tags": {"21": tags[0]["id"]},
                "collections": {"7": course},
                # Those of Canvas, which are chosen here.
                "courses": {},
                "media": {"42": media[0]},
                "user": {"3": ada, "4": jonas, "6": helper},
                "users": {"3": ada},
                "group": {"11": assistants},
                "groups": {"11": assistants},
            },
        )


def share(stage: Stage, recorded: Exchange) -> None:
    """Share beforehand what the recorded request changes, or what its answer shows."""
    if not recorded.path.endswith(("/permissions", "/users")) or recorded.text == '{"users": [], "groups": []}':
        return
    if recorded.path.startswith(("/perspectives/", "/groups/")):
        return
    changes: list[dict[str, Any]] = changes_in(recorded.json_body) or []
    if changes:
        shares = [(change["share_type"], str(change["id"])) for change in changes if change["action"] != "create"]
    else:
        shares = [("user", "3"), ("user", "4"), ("group", "11")]
    page, old_id = recorded.path.split("/")[1:3]
    batch = [{"action": "create", "id": stage.ids[kind][old], "share_type": kind} for kind, old in shares]
    path = f"/{page}/{stage.ids[page][old_id]}/permissions"
    answer = ask(stage.box.url, "POST", path, token=stage.box.token, json_body=batch)
    assert answer.status == 200, answer.text


def kind_of(value: object, name: str) -> str:
    """The JSON type of a field."""
    if isinstance(value, float) or (name in FRACTIONAL and type(value) is int):
        return "number"
    return "whole number" if type(value) is int else type(value).__name__


def differences(recorded: Any, answered: Any, optional: set[str], where: str = "$", name: str = "") -> Iterator[str]:
    """In what the shape of an answer differs from the recorded one, but for optional fields that it has besides."""
    if recorded is None or answered is None:
        if name not in NULLABLE:
            yield f"{where}: null"
        return
    before, after = kind_of(recorded, name), kind_of(answered, name)
    if before != after:
        yield f"{where}: {after} instead of {before}"
    elif isinstance(recorded, dict):
        old, new = cast("dict[str, Any]", recorded), cast("dict[str, Any]", answered)
        yield from (f"{where}.{key}: missing" for key in old.keys() - new.keys())
        yield from (f"{where}.{key}: not recorded" for key in new.keys() - old.keys() - optional)
        for key in old.keys() & new.keys():
            yield from differences(old[key], new[key], optional, f"{where}.{key}", key)
    elif isinstance(recorded, list):
        items, others = cast("list[object]", recorded), cast("list[object]", answered)
        if bool(items) != bool(others):
            yield f"{where}: {len(others)} items instead of {len(items)}"
        for item in others:
            # Items of one list may differ (a source and a manifest): each has to look like one that is recorded.
            found = [list(differences(like, item, optional, f"{where}[]")) for like in items]
            if found:
                yield from min(found, key=len)


def labels(text: str, path: str) -> set[str]:
    """The columns of a table of users, or the rows of an overview below its title; all times are one label."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    names = rows[0] if path.endswith("/users") else [row[0] for row in rows[1:]]
    return {re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", name) for name in names}


@pytest.mark.parametrize("recorded", COMPARED, ids=[f"{each.case} {each.query.get('page', '')}" for each in COMPARED])
def test_an_answer_has_the_shape_of_the_recorded_one(stage: Stage, recorded: Exchange) -> None:
    share(stage, recorded)
    answer = stage.ask(recorded)
    assert answer.status == recorded.status, answer.text
    if recorded.status == 302:
        assert answer.headers["location"]
        assert urlsplit(answer.headers["location"]).query
        return
    if not recorded.text:
        assert answer.body == b""
        return
    assert answer.headers["content-type"].partition(";")[0] == recorded.content_type.partition(";")[0]
    if recorded.path.startswith("/perspectives/"):
        assert labels(answer.text, recorded.path) >= labels(recorded.text, recorded.path) > set()
    elif recorded.content_type.startswith("text/plain"):
        assert answer.text == recorded.text
    else:
        optional = OPTIONAL | OPTIONAL_AFTER.get(recorded.path.rpartition("/")[2], set())
        assert shape_differences(recorded, answer.json, optional) == []


def shape_differences(recorded: Exchange, answered: Any, optional: set[str]) -> list[str]:
    """In what an answer differs from the recorded one, but for what is recorded as partial or as only on one side."""
    like: Any = json.loads(recorded.text)
    if recorded.case in PARTIAL:
        fields: dict[str, list[object]] = like
        like = {key: value[:1] if key == "media" else value for key, value in fields.items()}
    alone = ONLY_ONE.get(recorded.case, set())
    kinds = ["not recorded"] if recorded.case in PARTIAL else []
    return [
        each
        for each in differences(like, answered, optional)
        if each.rpartition(": ")[2] not in kinds and each.rpartition(": ")[0].rpartition(".")[2] not in alone
    ]


@pytest.mark.parametrize(
    ("recorded", "answered", "expected"),
    [
        ({"id": 1, "email": "x"}, {"id": 2, "email": None}, []),
        ({"duration": 245}, {"duration": 1.5}, []),
        ({"size": 245}, {"size": 1.5}, ["$.size: number instead of whole number"]),
        ({"id": 1}, {"id": "1"}, ["$.id: str instead of whole number"]),
        ({"id": 1}, {"id": True}, ["$.id: bool instead of whole number"]),
        ({"title": "x"}, {"title": None}, ["$.title: null"]),
        ({"media": []}, {"media": [], "meta": {}}, []),
        ({"meta": {}}, {}, ["$.meta: missing"]),
        ({"media": []}, {"items": []}, ["$.items: not recorded", "$.media: missing"]),
        ({"media": [{"id": 1}]}, {"media": []}, ["$.media: 0 items instead of 1"]),
        ({"media": [{"id": 1}]}, {"media": [{"id": 1}, {"id": 2, "x": 3}]}, ["$.media[].x: not recorded"]),
        ({"owner": {"id": 1}}, {"owner": 1}, ["$.owner: whole number instead of dict"]),
        ("https://x", {"url": "https://x"}, ["$: dict instead of str"]),
    ],
)
def test_a_difference_of_shape_is_found(recorded: object, answered: object, expected: list[str]) -> None:
    assert sorted(differences(recorded, answered, OPTIONAL)) == expected


def operation_of(recorded: Exchange, described: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The operation that a recorded request is of. A word in a path stands above an id."""
    fitting = [
        (method, path)
        for method, path in described
        if method == recorded.method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), recorded.path)
    ]
    return min(fitting, key=lambda operation: operation[1].count("{"), default=None)


def described_with_a_shape(box: Sandbox) -> set[tuple[str, str]]:
    """The operations in the description of the sandbox whose success has a body that is described."""
    paths: dict[str, dict[str, Any]] = ask(box.url, "GET", "/api/public/apidocs").json["paths"]
    return {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if any(status < "4" and "schema" in answer for status, answer in operation["responses"].items())
    }


def test_no_described_operation_is_left_out_of_the_comparison_of_the_two_readings() -> None:
    with Sandbox(media=0) as box:
        described = described_with_a_shape(box)
    assert len(described) > 40
    compared = {operation_of(each, described) for each in COMPARED if each.status != 302}
    left_out = [f"{method} {path}" for method, path in sorted(described) if (method, path) not in compared]
    assert left_out == [], "record an answer of each, in tests/recordings, and do not name it in ODD"


def test_what_is_left_out_is_there_and_what_is_compared_is_most() -> None:
    cases = {each.case for each in RECORDED}
    assert (set(ODD) | OTHER_PAGES) - cases == set()
    assert len({each.case for each in COMPARED}) > 30
