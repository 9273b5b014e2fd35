"""Pages that only the sandbox has, not the client: captions, tags, courses, insights, uploads and users."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from canvas_studio.sandbox import Assumptions, Sandbox
from support.plain_http import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNKNOWN = 10**12
COURSE = 1301
SUBRIP = "1\n00:00:00,000 --> 00:00:01,000\nZellkern é\n"
TEXT = "text/plain; charset=utf-8"
PEOPLE = ("administrator", "owner", "editor", "viewer", "stranger")
SEE, EDIT, OWN = PEOPLE[:4], PEOPLE[:3], PEOPLE[:2]


@dataclass(frozen=True, slots=True)
class School:
    """A course with one media of one owner, which is shared with an editor and a viewer and not with a stranger."""

    box: Sandbox
    people: dict[str, int]
    course: int
    media: int

    def ask(self, method: str, path: str, *, who: str = "administrator", **more: Any) -> Answer:
        """What the sandbox answers to one of the people."""
        return ask(self.box.url, method, path, token=self.box.token_for(self.people[who]), **more)

    def get(self, path: str, who: str = "administrator", **query: object) -> Any:
        """What comes, as JSON."""
        answer = self.ask("GET", path, who=who, query=query)
        assert answer.status == 200, answer.text
        return answer.json

    def add_captions(self, content: bytes | str = SUBRIP, name: str = "lecture.srt", **more: Any) -> Answer:
        """Upload captions as real clients do: the part has no content type of its own."""
        body = f'--x1\r\nContent-Disposition: form-data; name="caption_file"; filename="{name}"\r\n\r\n'.encode()
        body += (content.encode() if isinstance(content, str) else content) + b"\r\n--x1--\r\n"
        sent: dict[str, Any] = {
            "query": {"srclang": "de"},
            "headers": {"Content-Type": "multipart/form-data; boundary=x1", "Accept": "application/json"},
            "body": body,
        }
        return self.ask("POST", f"/media/{self.media}/caption_files", **(sent | more))

    def perspective(self) -> str:
        """The id of the media's place in the course."""
        [found] = self.get(f"/courses/{COURSE}/perspectives")["perspectives"]
        uuid: str = found["uuid"]
        return uuid


def open_school(box: Sandbox) -> School:
    people = {name: box.add_user(name.title(), f"{name}@example.edu") for name in PEOPLE[1:]}
    people["administrator"] = box.users[0].id
    course = box.add_collection("Cell biology", owner=people["owner"], course_id=COURSE)
    captions = [{"srclang": "en", "provider": "notorious", "text": SUBRIP}, {"srclang": "es", "status": "unpublished"}]
    media = box.add_media(
        "Mitosis", collection_id=course, tags=["cells"], captions=captions, duration=600.0, last_viewed="2026-08-30"
    )
    school = School(box, people, course, media)
    shares = [
        {"action": "create", "id": people[who], "share_type": "user", "permission_type": permission}
        for who, permission in (("editor", "edit"), ("viewer", "view"))
    ]
    assert school.ask("POST", f"/collections/{course}/permissions", json_body=shares).status == 200
    return school


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


@pytest.fixture
def school(shared: Sandbox) -> School:
    """A school in a sandbox that is as it was at its start."""
    shared.reset()
    return open_school(shared)


def assert_refused(answer: Answer, status: int) -> None:
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert isinstance(answer.json["error"], str)


def fill(path: str, school: School) -> str:
    """A path with the ids of the school in it."""
    caption = school.get(f"/media/{school.media}/caption_files")["caption_files"][0]["id"]
    tag = school.get(f"/media/{school.media}/tags")["tags"][0]["id"]
    known = {"caption": caption, "tag": tag, "course": COURSE, "perspective": school.perspective()}
    return path.format(media=school.media, owner=school.people["owner"], **known)


# The method, the path, whom it is for, what it answers them, and what it answers to what is no id.
OPERATIONS = [
    ("GET", "/media/{media}/caption_files", SEE, 200, 422),
    ("GET", "/caption_files/{caption}/download", OWN, 200, 422),
    ("GET", "/media/{media}/tags", SEE, 200, 404),
    ("POST", "/media/{media}/tags?name=new", EDIT, 201, 404),
    ("DELETE", "/media/{media}/tags/{tag}", EDIT, 200, 404),
    ("GET", "/courses/{course}", SEE, 200, 422),
    ("GET", "/courses/{course}/perspectives", SEE, 200, 422),
    ("GET", "/perspectives/{perspective}/insights/overview", EDIT, 200, 422),
    ("GET", "/perspectives/{perspective}/insights/users", EDIT, 200, 422),
    ("POST", "/media/uploads?user_id={owner}", OWN, 201, 422),
    ("GET", "/users/{owner}", OWN, 200, 422),
    ("GET", "/users/{owner}/media", OWN, 200, 422),
    ("GET", "/users/{owner}/collections", OWN, 200, 422),
    ("GET", "/users/{owner}/library", OWN, 200, 422),
    ("GET", "/users/search?role=Teacher", PEOPLE[:1], 200, 422),
]
each_operation = pytest.mark.parametrize(("method", "path", "allowed", "status", "no_id"), OPERATIONS)


@each_operation
def test_an_operation_is_for_those_who_may_and_403_for_all_others(
    method: str, path: str, allowed: tuple[str, ...], status: int, no_id: int, shared: Sandbox
) -> None:
    del no_id
    for who in PEOPLE:
        shared.reset()
        school = open_school(shared)
        answer = school.ask(method, fill(path, school), who=who)
        if who in allowed:
            assert answer.status == status, (who, answer.text)
        else:
            assert_refused(answer, 403)


@each_operation
def test_an_id_that_leads_nowhere_is_refused_as_documented(
    method: str, path: str, allowed: tuple[str, ...], status: int, no_id: int, school: School
) -> None:
    del allowed, status
    before, brace, after = path.partition("{")
    if not brace:
        return
    _, _, after = after.partition("}")
    unknown = str(uuid4()) if path.startswith("/perspectives") else UNKNOWN
    assert_refused(school.ask(method, f"{before}{unknown}{after}".format(tag=1)), 404)
    for wrong in ("abc", "0", "-1"):
        assert_refused(school.ask(method, f"{before}{wrong}{after}".format(tag=1)), no_id)


@each_operation
def test_without_a_good_token_everything_is_401(
    method: str, path: str, allowed: tuple[str, ...], status: int, no_id: int, school: School
) -> None:
    del allowed, status, no_id
    assert_refused(ask(school.box.url, method, fill(path, school), token="nobody's"), 401)


def test_captions_are_listed_as_real_clients_need_them(school: School) -> None:
    first, second = school.get(f"/media/{school.media}/caption_files")["caption_files"]
    url = first.pop("url")
    assert first.pop("created_at").endswith("Z")
    assert first == {
        "id": first["id"],
        "srclang": "en",
        "label": "English",
        "subtitle_format": "srt",
        "status": "published",
        "provider": "notorious",
        "is_empty": False,
        "number_of_errors": 0,
    }
    assert second["status"] == "unpublished"
    assert "url" not in second
    # Relative, and open to whoever has it.
    assert re.match(rf"/api/media_management/caption_files/[0-9a-f-]{{36}}-{first['id']}\?", url)
    opened = ask(school.box.url + url)
    assert (opened.status, opened.headers["content-type"], opened.text) == (200, TEXT, SUBRIP)
    assert ask(school.box.url + url.replace("Expires=", "Expires=1")).status == 403
    [for_a_viewer, _] = school.get(f"/media/{school.media}/caption_files", "viewer")["caption_files"]
    assert "url" not in for_a_viewer


@pytest.mark.parametrize(
    ("content", "name", "subtitle_format"),
    [
        (SUBRIP, "lecture.srt", "srt"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\nx\n", "lecture.VTT", "vtt"),
        (b"WEBVTT\n", "", "vtt"),
        (b"\xff\xfe\r\n--x\r\n\r\n", "b.srt", "srt"),
        (b"", "c.txt", "srt"),
    ],
)
def test_captions_that_were_added_are_listed_and_come_back_as_they_were(
    content: bytes | str, name: str, subtitle_format: str, school: School
) -> None:
    added = school.add_captions(content, name)
    assert added.status == 201, added.text
    made = added.json["caption_file"]
    assert (made["srclang"], made["label"], made["subtitle_format"]) == ("de", "Deutsch", subtitle_format)
    assert school.get(f"/media/{school.media}/caption_files")["caption_files"][2] == made
    answer = school.ask("GET", f"/caption_files/{made['id']}/download", headers={"Accept": "application/json"})
    assert (answer.status, answer.headers["content-type"]) == (200, TEXT)
    assert answer.body == (content.encode() if isinstance(content, str) else content)


def test_captions_that_cannot_be_added_are_refused(school: School) -> None:
    path = f"/media/{school.media}/caption_files"
    before = school.get(path)
    assert_refused(school.add_captions(query={}), 422)
    assert_refused(school.add_captions(body=b""), 422)
    assert_refused(school.add_captions(body=b'--x1\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--x1--'), 422)
    assert_refused(school.add_captions(headers={"Content-Type": "text/plain"}), 422)
    assert_refused(school.add_captions(who="viewer"), 403)
    assert school.get(path).keys() == before.keys()
    assert len(school.get(path)["caption_files"]) == 2


def test_tags_come_and_go_and_media_are_found_by_them(school: School) -> None:
    path = f"/media/{school.media}/tags"
    added = school.ask("POST", path, query={"name": "exam prep & Übung"}).json["tag"]
    assert added["name"] == "exam prep & Übung"
    assert school.ask("POST", path, query={"name": added["name"]}).json["tag"] == added
    assert [tag["name"] for tag in school.get(path)["tags"]] == ["cells", added["name"]]
    assert [media["id"] for media in school.get("/media/search", tag=added["name"])["media"]] == [school.media]
    assert school.ask("DELETE", f"{path}/{added['id']}").status == 200
    assert school.get("/media/search", tag=added["name"])["media"] == []
    assert_refused(school.ask("DELETE", f"{path}/{added['id']}"), 404)
    assert_refused(school.ask("POST", path), 422)


def test_a_tag_has_the_same_id_wherever_it_stands(school: School) -> None:
    another = school.box.add_media("Meiosis", tags=["cells"])
    assert school.get(f"/media/{another}/tags") == school.get(f"/media/{school.media}/tags")


def test_a_course_of_canvas_leads_to_its_collection_and_what_is_in_it(school: School) -> None:
    course = school.get(f"/courses/{COURSE}")["course"]
    assert course == school.get(f"/collections/{school.course}")["collection"]
    assert (course["id"], course["course_id"]) == (school.course, COURSE)
    archived = school.box.add_media("Old", collection_id=school.course)
    school.ask("POST", f"/media/{archived}/archive")
    [found] = school.get(f"/courses/{COURSE}/perspectives")["perspectives"]
    [same] = school.get(f"/media/{school.media}/perspectives")["perspectives"]
    assert found == {"uuid": same["uuid"], "title": "Mitosis"}


def insights(school: School, kind: str, **query: object) -> list[list[str]]:
    answer = school.ask("GET", f"/perspectives/{school.perspective()}/insights/{kind}", query=query)
    assert (answer.status, answer.headers["content-type"]) == (200, TEXT)
    return list(csv.reader(answer.text.splitlines()))


def test_insights_agree_with_each_other_and_with_when_it_was_last_viewed(school: School) -> None:
    overview, people = insights(school, "overview"), insights(school, "users")
    assert [row[0] for row in overview[1:4]] == ["Views", "Time Viewed [min]", "Unique Viewers"]
    assert people[0][:4] == ["Name", "Email", "Role", "Completion rate [%]"]
    assert ["Owner", "owner@example.edu", "Teacher"] in [row[:3] for row in people[1:]]
    assert "Stranger" not in [row[0] for row in people]
    assert int(overview[3][1]) == len(people) - 1 >= 1
    assert int(overview[1][1]) >= int(overview[3][1])
    assert sum(int(row[1]) for row in overview[4:]) == sum(int(cell) for row in people[1:] for cell in row[4:])
    assert insights(school, "users", role="Student") == people[:1]
    assert insights(school, "users") == people
    assert_refused(school.ask("GET", f"/perspectives/{school.perspective()}/insights/users?role=dean"), 422)


@pytest.mark.parametrize("name", ["Park, Ada", 'Ada "the eye" Park', "Ada\nPark", "Ada\r\nPark", " Ada  Park "])
def test_insights_quote_names_as_rfc_4180_does_and_hold_several_roles_in_a_cell(name: str, school: School) -> None:
    owner = school.box.add_user(name, "ada@example.edu", other_roles=["student", "observer"])
    media = school.box.add_media("Talk", owner=owner, last_viewed="2026-08-30")
    [uuid] = [each["uuid"] for each in school.get(f"/media/{media}/perspectives")["perspectives"]]
    text = school.ask("GET", f"/perspectives/{uuid}/insights/users", query={"role": "Observer"}).text
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[:3] for row in rows[1:]] == [[name, "ada@example.edu", "Teacher, Student, Observer"]]
    assert {len(row) for row in rows} == {14}


def test_insights_of_what_nobody_viewed_lack_their_values(school: School) -> None:
    unseen = school.box.add_media("Unseen", collection_id=school.course)
    [uuid] = [each["uuid"] for each in school.get(f"/media/{unseen}/perspectives")["perspectives"]]
    overview = school.ask("GET", f"/perspectives/{uuid}/insights/overview").text.splitlines()
    assert overview[1:4] == ["Views", "Time Viewed [min]", "Unique Viewers"]
    assert len(school.ask("GET", f"/perspectives/{uuid}/insights/users").text.splitlines()) == 1


def test_a_file_is_uploaded_in_three_steps(school: School) -> None:
    started = school.ask("POST", "/media/uploads", who="owner", query={"collection_id": school.course})
    assert started.status == 201
    upload = started.json["upload"]
    assert upload["url"].startswith(school.box.storage_url)
    assert_refused(school.ask("GET", f"/media/{upload['id']}"), 404)
    # More than any JSON body may have.
    content = b"\0" * 3_000_000
    assert ask(upload["url"], "PUT", body=content).status == 200
    complete = f"/media/uploads/{upload['id']}/complete"
    assert_refused(school.ask("POST", complete, who="owner"), 400)
    assert_refused(school.ask("POST", complete, who="editor", query={"title": "x"}), 403)
    done = school.ask("POST", complete, who="owner", query={"title": "lecture-ü2.mp4"})
    assert done.status == 200
    media = done.json["media"]
    assert (media["id"], media["title"], media["size"]) == (upload["id"], "lecture-ü2.mp4", len(content))
    assert (media["owner"]["id"], media["duration"]) == (school.people["owner"], 24.0)
    assert media["id"] in [each["id"] for each in school.get(f"/collections/{school.course}/media")["media"]]
    assert len(school.box.media_file(media["id"])) == len(content)
    assert school.get(f"/media/{media['id']}/caption_files") == {"caption_files": []}
    assert_refused(school.ask("POST", complete, who="owner", query={"title": "again"}), 409)
    assert_refused(school.ask("POST", f"/media/uploads/{UNKNOWN}/complete", query={"title": "x"}), 404)


def test_what_the_reference_puts_into_a_body_is_taken_there_too(school: School) -> None:
    owner = school.people["owner"]
    upload = school.ask("POST", "/media/uploads", json_body={"user_id": owner}).json["upload"]
    ask(upload["url"], "PUT", body=b"x" * 1000)
    said = {"title": "Mitosis 2", "description": "More of it", "auto_caption": None}
    media = school.ask("POST", f"/media/uploads/{upload['id']}/complete", json_body=said).json["media"]
    assert (media["title"], media["description"], media["owner"]["id"]) == ("Mitosis 2", "More of it", owner)
    home = school.get(f"/media/{media['id']}")["media"]["collection"]
    assert home == school.get(f"/users/{owner}/library")["collection"]


def test_the_storage_takes_a_file_only_with_the_signed_url_and_nothing_else(school: School) -> None:
    url = school.ask("POST", "/media/uploads").json["upload"]["url"]
    assert ask(url, "GET").status == 405
    assert ask(url, "PUT", token=school.box.token, body=b"x").status == 400
    assert ask(url.replace("Signature=", "Signature=0"), "PUT", body=b"x").status == 403
    assert ask(url.partition("?")[0], "PUT", body=b"x").status == 403
    chunked = {"Transfer-Encoding": "chunked"}
    assert ask(url, "PUT", headers=chunked, body=b"2\r\nab\r\n0\r\n\r\n").status == 411
    assert [request.body for request in school.box.requests if request.method == "PUT"] == [""] * 4


@pytest.mark.parametrize(
    ("who", "query", "status"),
    [
        ("owner", {"collection_id": UNKNOWN}, 404),
        ("owner", {"collection_id": "x"}, 422),
        ("administrator", {"user_id": UNKNOWN}, 404),
    ],
)
def test_an_upload_that_cannot_be_started_is_refused(
    who: str, query: dict[str, object], status: int, school: School
) -> None:
    assert_refused(school.ask("POST", "/media/uploads", who=who, query=query), status)


def test_into_a_collection_uploads_who_may_change_it(school: School) -> None:
    into = {"collection_id": school.course}
    assert {who: school.ask("POST", "/media/uploads", who=who, query=into).status for who in PEOPLE} == {
        **dict.fromkeys(EDIT, 201),
        **dict.fromkeys(PEOPLE[3:], 403),
    }


def test_users_are_found_by_address_or_role(school: School) -> None:
    [found] = school.get("/users/search", email="Owner@example.edu")["users"]
    assert found == school.get(f"/users/{school.people['owner']}")["user"]
    assert found == {
        "id": school.people["owner"],
        "full_name": "Owner",
        "display_name": "Owner",
        "email": "owner@example.edu",
        "role_names": ["Teacher"],
    }
    assert school.get("/users/search", email="nobody@example.edu")["users"] == []
    teachers = school.get("/users/search", role="Teacher", per_page=3)
    assert len(teachers["users"]) == 3
    assert teachers["meta"] == {"current_page": 1, "last_page": 2, "total_count": 4}
    assert_refused(school.ask("GET", "/users/search"), 400)
    assert_refused(school.ask("GET", "/users/search?role=dean"), 422)


def test_what_a_user_sees_comes_with_the_permission_of_that_user(school: School) -> None:
    people = school.people
    own = school.box.add_media("Notes", owner=people["viewer"])
    seen = school.get(f"/users/{people['viewer']}/media")
    assert {each["id"]: each["permission"] for each in seen["media"]} == {school.media: "view", own: "edit"}
    assert seen["meta"]["total_count"] == 2
    library = school.get(f"/users/{people['viewer']}/library")["collection"]
    collections = school.get(f"/users/{people['viewer']}/collections")["collections"]
    assert {each["id"]: each["permission"] for each in collections} == {school.course: "view", library["id"]: "edit"}
    assert (library["type"], library["owner"]["id"]) == ("user", people["viewer"])
    assert len(school.get(f"/users/{people['viewer']}/media", per_page=1, page=2)["media"]) == 1


def test_the_library_has_captions_for_some_media_and_none_where_they_cannot_be() -> None:
    with Sandbox(media=300, seed=1) as box, box.client() as studio:
        captions = {
            media.id: studio.request("GET", f"/media/{media.id}/caption_files")["caption_files"]
            for media in studio.search_media()
        }
        captioned = [media for media in studio.search_media() if captions[media.id]]
        assert 60 <= len(captioned) <= 180
        assert all(media.transcoding_status == "transcoding_finished" for media in captioned)
        assert not {"youtube", "vimeo"} & {media.source for media in captioned}
        everything = [caption for found in captions.values() for caption in found]
        assert len({caption["id"] for caption in everything}) == len(everything)
        assert {caption["status"] for caption in everything} == {"published", "uploaded", "unpublished"}
        assert {caption["provider"] for caption in everything} == {"notorious", "upload"}
        for caption in everything[:5]:
            text = ask(box.url, "GET", f"/caption_files/{caption['id']}/download", token=box.token).text
            assert text.startswith("1\n00:00:00,000 --> 00:00:05,000\n")


def test_a_snapshot_keeps_captions_tags_and_uploads(school: School, tmp_path: Path) -> None:
    caption = school.add_captions().json["caption_file"]["id"]
    upload = school.ask("POST", "/media/uploads").json["upload"]["id"]
    paths = [f"/media/{school.media}/tags", f"/caption_files/{caption}/download", f"/users/{school.people['owner']}"]
    with Sandbox.load(school.box.snapshot(tmp_path / "box.json")) as again:
        for path in paths:
            assert ask(again.url, "GET", path, token=again.token).body == school.ask("GET", path).body
        query = {"title": "Late"}
        completed = ask(again.url, "POST", f"/media/uploads/{upload}/complete", token=again.token, query=query)
        assert completed.json["media"]["transcoding_status"] == "transcoding_failed"


def test_what_is_archived_is_hidden_where_that_is_assumed() -> None:
    with Sandbox(media=0, assumptions=Assumptions(archived_readable=False)) as box:
        school = open_school(box)
        caption = school.get(f"/media/{school.media}/caption_files")["caption_files"][0]["id"]
        uuid = school.perspective()
        school.ask("POST", f"/collections/{school.course}/archive")
        for path in (
            f"/media/{school.media}/caption_files",
            f"/media/{school.media}/tags",
            f"/caption_files/{caption}/download",
            f"/courses/{COURSE}",
            f"/perspectives/{uuid}/insights/overview",
        ):
            assert_refused(school.ask("GET", path), 404)


def test_captions_of_a_media_go_with_it(school: School) -> None:
    caption = school.add_captions().json["caption_file"]["id"]
    school.ask("DELETE", f"/media/{school.media}")
    assert_refused(school.ask("GET", f"/caption_files/{caption}/download"), 404)


def singular(operation: dict[str, Any], path: str, method: str) -> bool:
    """Whether the vendor's command line takes an operation to be about one thing."""
    if method == "post":
        return not path.endswith("permissions")
    if method != "get" or "schema" not in operation["responses"].get("200", {}):
        return False
    schema = operation["responses"]["200"]["schema"]
    properties = schema.get("properties") or schema["allOf"][0]["properties"]
    return any(field.get("type") != "array" for field in properties.values())


def test_the_vendors_command_line_can_make_a_command_of_every_operation(school: School) -> None:
    """Its rules are narrow: it takes the description apart without looking whether something is there."""
    verbs = {"delete": "delete", "get": "show", "post": "add", "put": "update"}
    first = {"search", "download", "complete", "ping", "transfer_media"}
    names: list[str] = []
    for path, methods in ask(school.box.url + "/api/public/apidocs").json["paths"].items():
        for method, operation in methods.items():
            if method == "patch":  # It is older than this operation, and has no word for its method.
                continue
            *rest, last = [part for part in path.split("/") if part and not part.startswith("{")]
            name = "_".join([last, *rest] if last in first else [verbs[method], *rest, last])
            if last not in first and name.endswith("s") and singular(operation, path, method):
                name = name[:-1]
            names.append(name)
            assert "%" not in json.dumps(operation)
            wanted = {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert wanted <= {parameter["name"] for parameter in operation["parameters"]}
            for parameter in operation["parameters"]:
                assert parameter["description"]
                assert parameter.get("type", "string") in {"integer", "string", "object", "array", "file", "boolean"}
    assert len(names) == len(set(names)) >= 40
    assert {"show_perspectives_insights_overview", "show_perspectives_insights_users", "show_course"} <= set(names)


def test_an_e_mail_address_may_come_as_real_clients_write_it(school: School) -> None:
    path = "/users/search?email=owner@example.edu&" + urlencode({"page": 1})
    assert [user["id"] for user in school.ask("GET", path).json["users"]] == [school.people["owner"]]
