"""Every scalar parameter of every route of the sandbox is taken from the query, a form and a JSON body alike."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from canvas_studio.sandbox import Sandbox
from support.plain_http import FORM, Answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WAYS = ("query", "form", "multipart", "json")
COURSE = 1301
BOUNDARY = "x1"
WRONG: dict[str, object] = {"integer": "abc", "boolean": "maybe", "string": ""}
# The reference lists 400 for what is missing there, or 404 for an id that is none.
NO_ID = {"unarchiveMedia": 404}
DESCRIPTION = "/api/public/apidocs"


@dataclass(frozen=True, slots=True)
class School:
    """A box with one of everything that a path may name."""

    box: Sandbox
    ids: dict[str, Any]

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        """What the administrator is answered."""
        return ask(self.box.url, method, path, token=self.box.token, **more)


def multipart(fields: Mapping[str, object], file: str | None) -> bytes:
    """The fields and the file, each as a part."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    if file is not None:
        parts.append(f'Content-Disposition: form-data; name="{file}"; filename="a.srt"\r\n\r\n1\r\n')
    return "".join(f"--{BOUNDARY}\r\n{part}\r\n" for part in parts).encode() + f"--{BOUNDARY}--\r\n".encode()


def sent(way: str, fields: Mapping[str, object], file: str | None = None) -> dict[str, Any]:
    """The same fields, sent in one of four ways."""
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}
    as_parts = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    match way:
        case "query" if file is None:
            return {"query": texts}
        case "query":
            return {"query": texts, "headers": as_parts, "body": multipart({}, file)}
        case "form":
            return {"headers": FORM, "body": urlencode(texts)}
        case "multipart":
            return {"headers": as_parts, "body": multipart(texts, file)}
        case _:
            return {"headers": {"Content-Type": "application/json; charset=utf-8"}, "body": json.dumps(fields)}


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


@pytest.fixture
def open_school(shared: Sandbox) -> Callable[[], School]:
    """Opens the same school as often as one likes: with the same ids each time."""

    def opened() -> School:
        shared.reset()
        ada, bo = shared.add_user("Ada Park", "ada.park@example.edu"), shared.add_user("Bo Lind", "bo@example.edu")
        course = shared.add_collection("Biology", owner=ada, course_id=COURSE)
        media = shared.add_media("Mitosis", owner=ada, collection_id=course, tags=["exam"], last_viewed="2026-08-30")
        shared.add_media("Meiosis", owner=bo, size=5, source="vimeo", last_viewed="2024-01-01")
        share = [{"action": "create", "id": bo, "share_type": "user"}]
        ask(shared.url, "POST", f"/media/{media}/permissions", token=shared.token, json_body=share)
        second = shared.add_collection("Second", owner=ada)
        upload = ask(shared.url, "POST", "/media/uploads", token=shared.token).json["upload"]["id"]
        [place] = ask(shared.url, "GET", f"/courses/{COURSE}/perspectives", token=shared.token).json["perspectives"]
        ids = {
            "media_id": media,
            "collection_id": course,
            "user_id": ada,
            "course_id": COURSE,
            "upload": upload,
            "second": second,
        }
        return School(shared, {**ids, "other": bo, "perspective_uuid": place["uuid"]})

    return opened


def path_of(path: str, school: School) -> str:
    ids = {**school.ids, "media_id": school.ids["upload"]} if "uploads" in path else school.ids
    return path.format(**ids)


# A value for each parameter, such that the answer shows whether it was taken.
FROM_URL = {"url": "https://vimeo.com/1", "title": "Zellkern é", "is_external": True, "auto_caption": False}
GOOD: dict[str, Any] = {
    "createCollectionMedia": {**FROM_URL, "description": "two\nlines", "user_id": "other"},
    "createMedia": {**FROM_URL, "description": "two\nlines", "collection_id": "collection_id"},
    "listCollections": {"page": 2, "per_page": 1},
    "createCollection": {"name": "Field trips & more: ü", "user_id": "other"},
    "listCollectionMedia": {"page": 2, "per_page": 1},
    "searchMedia": {
        "title": "M",
        "min_size": 1,
        "max_size": 10,
        "start_date": "2000-01-01",
        "end_date": "2999-01-01",
        "last_viewed_start_date": "2023-12-31",
        "last_viewed_end_date": "2024-01-02",
        "owner": "bo@example.edu",
        "source": "vimeo",
        "page": 1,
        "per_page": 7,
    },
    "unarchiveMedia": {"collection_id": "second"},
    "createEmbed": {"course_id": COURSE, "embed_type": "bare_embed", "downloadable": True},
    "downloadMedia": {"quality": "low"},
    "listMediaUsers": {"min_permission": "edit"},
    "createUpload": {"user_id": "user_id", "collection_id": "collection_id"},
    "completeUpload": {"title": "Zellkern é", "description": "two\nlines", "auto_caption": True},
    "createMediaTag": {"name": "a tag"},
    "searchUsers": {"role": "Teacher", "email": "bo@example.edu", "page": 1, "per_page": 3},
    "listUserMedia": {"page": 2, "per_page": 1},
    "listUserCollections": {"page": 2, "per_page": 1},
    "getInsightsOverview": {"role": "Student"},
    "getInsightsUsers": {"role": "Student"},
    "createCaptionFile": {"srclang": "pt"},
    "listCaptionFileRequests": {"provider": "professional", "status": "requested"},
    "transferMedia": {"from_user_id": "user_id", "to_user_id": "other"},
}


def scalars(operation: Mapping[str, Any]) -> dict[str, str]:
    """The names and types of the parameters outside of the path, but for files and documents."""
    found: dict[str, str] = {}
    for parameter in operation["parameters"]:
        if parameter["in"] == "query":
            found[parameter["name"]] = parameter["type"]
        elif parameter["in"] == "body":
            fields = {name: field["type"] for name, field in parameter["schema"].get("properties", {}).items()}
            if "array" not in fields.values():  # a list in it: the body is a document, which only JSON can say
                found |= fields
    return found


def file_of(operation: Mapping[str, Any]) -> str | None:
    return next((each["name"] for each in operation["parameters"] if each.get("type") == "file"), None)


def routes() -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation that has parameters outside of its path, but for those whose body is a document of its own."""
    with Sandbox(media=0) as box:
        paths = ask(box.url, "GET", DESCRIPTION).json["paths"]
    every = [(method.upper(), path, found) for path, methods in paths.items() for method, found in methods.items()]
    return [(method, path, found) for method, path, found in every if scalars(found)]


ROUTES = routes()
each_route = pytest.mark.parametrize(
    ("method", "path", "operation"), ROUTES, ids=[operation["operationId"] for _, _, operation in ROUTES]
)


def comparable(answer: Answer) -> tuple[int, str, str]:
    """An answer without what differs from one moment to the next."""
    text = f"{answer.headers.get('location')} {answer.text}"
    changing = r"(Expires|Signature|X-Amz-\w+)=\w+|\d{4}-\d\d-\d\dT[\d:]+Z"
    return answer.status, answer.headers["content-type"], re.sub(changing, "", text)


@each_route
def test_what_a_request_says_is_taken_from_a_query_a_form_and_json_alike(
    method: str, path: str, operation: dict[str, Any], open_school: Callable[[], School]
) -> None:
    file = file_of(operation)
    answers: dict[str, Any] = {}
    for way in ("query", "multipart") if file else WAYS:
        school = open_school()
        fields = {name: school.ids.get(value, value) for name, value in GOOD[operation["operationId"]].items()}
        answer = school.ask(method, path_of(path, school), **sent(way, fields, file))
        assert answer.status < 400, (way, answer.text)
        answers[way] = comparable(answer)
    assert len(set(answers.values())) == 1, answers
    if operation["operationId"] == "createUpload":  # whose answer does not say whom it is for; see below
        return
    school = open_school()
    nothing = school.ask(method, path_of(path, school), **sent("multipart", {}, file))
    assert comparable(nothing) != answers["query"], "the values do not show whether they were taken"


@each_route
def test_what_cannot_be_right_is_refused_wherever_it_stands(
    method: str, path: str, operation: dict[str, Any], open_school: Callable[[], School]
) -> None:
    school, file = open_school(), file_of(operation)
    good = {name: school.ids.get(value, value) for name, value in GOOD[operation["operationId"]].items()}
    for name, kind in scalars(operation).items():
        for way in ("query", "multipart") if file else WAYS:
            fields = {**good, name: WRONG[kind]}
            answer = school.ask(method, path_of(path, school), **sent(way, fields, file))
            wanted = NO_ID.get(operation["operationId"], 422)
            assert answer.status == wanted, (way, name, answer.status, answer.text)


def test_every_route_has_values_in_the_table() -> None:
    assert {operation["operationId"] for _, _, operation in ROUTES} == GOOD.keys()


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_for_somebody_belongs_to_them_however_it_is_said(way: str, open_school: Callable[[], School]) -> None:
    school = open_school()
    upload = school.ask("POST", "/media/uploads", **sent(way, {"user_id": school.ids["other"]})).json["upload"]["id"]
    done = school.ask("POST", f"/media/uploads/{upload}/complete", **sent(way, {"title": "Theirs"}))
    assert done.json["media"]["owner"]["id"] == school.ids["other"]


def test_of_a_parameter_that_is_sent_twice_the_query_counts_and_of_one_place_the_last(
    open_school: Callable[[], School],
) -> None:
    school = open_school()
    both = sent("form", {"name": "Form"}) | {"query": {"name": "Query"}}
    assert school.ask("POST", "/collections", **both).json["collection"]["name"] == "Query"
    twice = {"headers": FORM, "body": "name=First&name=Last"}
    assert school.ask("POST", "/collections", **twice).json["collection"]["name"] == "Last"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/json"}, '{"name": "x"', 422),
        ({"Content-Type": "application/json"}, '["name"]', 422),
        ({"Content-Type": "application/json"}, '{"name": ["x"]}', 422),
        ({"Content-Type": "application/json"}, '{"name": 5}', 422),
        ({"Content-Type": "application/json"}, '{"name": "x", "user_id": "1"}', 422),
        ({"Content-Type": "application/json"}, '{"name": "x", "user_id": null}', 201),
        ({"Content-Type": "application/json"}, "", 422),
        ({"Content-Type": "Application/JSON ; charset=utf-8"}, '{"name": "x"}', 201),
        # JSON under the name of a form, as curl -d sends it.
        (FORM, '{"name": "x"}', 422),
        ({"Content-Type": "text/plain"}, '{"name": "x"}', 422),
        ({}, '{"name": "x"}', 422),
        ({"Content-Type": "multipart/form-data"}, "", 422),
        ({"Content-Type": "multipart/form-data; boundary=x1"}, "--x1", 422),
    ],
)
def test_a_body_counts_for_what_its_content_type_says(
    headers: dict[str, str], body: str, status: int, open_school: Callable[[], School]
) -> None:
    answer = open_school().ask("POST", "/collections", headers=headers, body=body)
    assert answer.status == status, answer.text


MULTIPART = {"Content-Type": "multipart/form-data; boundary=x1"}
PART = b'--x1\r\nContent-Disposition: form-data; name="name"\r\n\r\n%b\r\n--x1--\r\n'


@pytest.mark.parametrize(
    ("query", "headers", "body"),
    [
        ("name=%ED%A0%BD", {}, ""),
        ("name=%FF", {}, ""),
        ("", FORM, "name=%ED%A0%BD"),
        ("", FORM, b"name=\xff"),
        ("", MULTIPART, PART % b"\xed\xa0\xbd"),
        ("", {"Content-Type": "application/json"}, '{"name": "\\ud83d"}'),
        ("", {"Content-Type": "application/json"}, b'{"name": "\xed\xa0\xbd"}'),
    ],
    ids=str,
)
def test_a_text_that_is_not_utf_8_is_refused_and_not_stored_as_something_else(
    query: str, headers: dict[str, str], body: str | bytes, open_school: Callable[[], School]
) -> None:
    school = open_school()
    answer = school.ask("POST", f"/collections?{query}", headers=headers, body=body)
    assert answer.status == 422, answer.text
    whole = {"headers": MULTIPART, "body": PART % "grün".encode()}
    assert school.ask("POST", "/collections", **whole).json["collection"]["name"] == "grün"


def test_a_title_that_is_missing_is_400_at_the_end_of_an_upload(open_school: Callable[[], School]) -> None:
    school = open_school()
    for way in WAYS:
        answer = school.ask(
            "POST", f"/media/uploads/{school.ids['upload']}/complete", **sent(way, {"description": "x"})
        )
        assert (answer.status, answer.json) == (400, {"error": "title is missing"})
