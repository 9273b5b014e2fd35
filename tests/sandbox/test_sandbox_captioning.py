"""Professional captioning in the sandbox: requests for captions, their results, and the types of a service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.sandbox import Assumptions, Sandbox
from support.plain_http import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNKNOWN = 10**12
SUBRIP = "1\n00:00:00,000 --> 00:00:01,000\nZellkern é\n"
REQUESTED = {"provider": "professional", "status": "requested"}
VERBATIM = {"label": "Verbatim", "description": "Written by people", "is_asr": False, "languages": ["en", "pt-BR"]}


class School:
    """A media that waits for captions, in a school with a captioning service."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        assert self.ask("PUT", "/captioning_service_types/verbatim", json_body=VERBATIM).status == 200
        self.media = box.add_media("Mitosis")
        self.request = box.add_caption_request(self.media, srclang="de", service_type="verbatim")

    def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> Answer:
        """What the sandbox answers to the administrator, or to whose token it is."""
        return ask(self.box.url, method, path, token=token or self.box.token, **more)

    def requests(self) -> list[int]:
        """The ids of what is requested."""
        found = self.ask("GET", "/caption_file_requests", query=REQUESTED)
        assert found.status == 200, found.text
        return [request["id"] for request in found.json["caption_file_requests"]]

    def report(self, *, name: str | None = None, request: int | None = None, token: str = "", **fields: str) -> Answer:
        """Report a result as a captioning service does, in a multipart form."""
        parts = [
            f'--x1\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
        ]
        if name is not None:
            head = f'--x1\r\nContent-Disposition: form-data; name="caption_file"; filename="{name}"\r\n\r\n'
            parts.append(f"{head}{SUBRIP}\r\n")
        body = ("".join(parts) + "--x1--\r\n").encode()
        headers = {"Content-Type": "multipart/form-data; boundary=x1"}
        path = f"/caption_file_requests/{self.request if request is None else request}"
        return self.ask("PATCH", path, token or None, headers=headers, body=body)

    def captions(self) -> list[dict[str, Any]]:
        """The captions of the media."""
        found: list[dict[str, Any]] = self.ask("GET", f"/media/{self.media}/caption_files").json["caption_files"]
        return found


@pytest.fixture
def school() -> Iterator[School]:
    with Sandbox(media=0) as box:
        yield School(box)


def test_a_service_finds_what_is_requested_and_delivers_it_once(school: School) -> None:
    [request] = school.ask("GET", "/caption_file_requests", query=REQUESTED).json["caption_file_requests"]
    assert (
        request.items()
        >= {
            "id": school.request,
            "media_id": school.media,
            "srclang": "de",
            "captioning_service_type_key": "verbatim",
            "provider": "professional",
            "status": "requested",
        }.items()
    )
    assert (school.report(status="processing").status, school.requests(), school.captions()) == (202, [], [])
    done = school.report(status="fulfilled", name="Captions.SRT")
    assert (done.status, done.body) == (202, b"")
    assert "content-type" not in done.headers
    [caption] = school.captions()
    assert (caption["srclang"], caption["label"], caption["provider"]) == ("de", "Deutsch", "professional")
    text = school.ask("GET", f"/caption_files/{caption['id']}/download")
    assert text.body.decode() == SUBRIP
    for again in ("processing", "fulfilled", "failed"):
        assert school.report(status=again, name="captions.srt").status == 422
    assert len(school.captions()) == 1


def test_a_request_that_failed_stays_so(school: School) -> None:
    assert school.report(status="failed", message="The sound is missing").status == 202
    assert (school.requests(), school.captions()) == ([], [])
    assert school.report(status="fulfilled", name="captions.srt").status == 422


def test_a_result_that_cannot_be_taken_changes_nothing(school: School) -> None:
    assert school.report().status == 400
    assert school.report(name="captions.srt").status == 400
    assert school.report(status="fulfilled").status == 400
    assert school.report(status="requested").status == 422
    assert school.report(status="done").status == 422
    assert school.report(status="fulfilled", name="captions.vtt").status == 422
    assert school.report(status="fulfilled", name="captions").status == 422
    assert school.report(status="failed", request=UNKNOWN).status == 404
    assert (school.requests(), school.captions()) == ([school.request], [])


@pytest.mark.parametrize(
    ("query", "status"),
    [({}, 422), ({"provider": "professional"}, 422), (REQUESTED | {"status": "failed"}, 422), (REQUESTED, 200)],
)
def test_requests_are_listed_by_provider_and_status_and_both_are_required(
    school: School, query: dict[str, object], status: int
) -> None:
    assert school.ask("GET", "/caption_file_requests", query=query).status == status


def test_types_are_added_changed_and_removed(school: School) -> None:
    path = "/captioning_service_types"
    [first] = school.ask("GET", path).json["captioning_service_types"]
    assert first == VERBATIM | {"id": 1, "key": "verbatim"}
    changed = {"label": "Word by word", "description": "", "is_asr": True}
    answer = school.ask("PUT", f"{path}/verbatim", json_body=changed)
    assert answer.json == {"captioning_service_type": changed | {"id": 1, "key": "verbatim", "languages": []}}
    assert school.ask("PUT", f"{path}/fast%20%2F%20ASR", json_body=VERBATIM).status == 200
    found = school.ask("GET", path).json["captioning_service_types"]
    assert [(each["id"], each["key"]) for each in found] == [(2, "fast / ASR"), (1, "verbatim")]
    gone = school.ask("DELETE", f"{path}/verbatim")
    assert (gone.status, gone.body) == (204, b"")
    assert school.ask("DELETE", f"{path}/verbatim").status == 404
    assert len(school.ask("GET", path).json["captioning_service_types"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": None},
        {"label": ""},
        {"description": 1},
        {"is_asr": "no"},
        {"languages": "en"},
        {"languages": ["english language"]},
        {"languages": ["e"]},
    ],
)
def test_a_type_that_is_not_valid_is_422(school: School, wrong: dict[str, Any]) -> None:
    assert school.ask("PUT", "/captioning_service_types/verbatim", json_body=VERBATIM | wrong).status == 422
    assert school.ask("GET", "/captioning_service_types").json["captioning_service_types"][0]["label"] == "Verbatim"


def test_only_administrators_see_or_change_anything_of_it(school: School) -> None:
    token = school.box.token_for(school.box.add_user("Ada Park"))
    assert school.ask("GET", "/caption_file_requests", token, query=REQUESTED).status == 403
    assert school.report(status="processing", token=token).status == 403
    assert school.ask("GET", "/captioning_service_types", token).status == 403
    assert school.ask("PUT", "/captioning_service_types/x", token, json_body=VERBATIM).status == 403
    assert school.ask("DELETE", "/captioning_service_types/verbatim", token).status == 403


def test_without_an_active_service_there_are_no_types() -> None:
    with Sandbox(media=300, seed=1, assumptions=Assumptions(captioning_service=False)) as box:
        for method, path, body in (("GET", "", None), ("PUT", "/verbatim", VERBATIM), ("DELETE", "/verbatim", None)):
            found = ask(box.url, method, f"/captioning_service_types{path}", token=box.token, json_body=body)
            assert (found.status, list(found.json)) == (404, ["error"])


def test_a_library_has_types_and_requests_for_media_that_need_captions() -> None:
    with Sandbox(media=2000, seed=1) as box, box.client() as studio:
        types = studio.request("GET", "/captioning_service_types")["captioning_service_types"]
        assert {found["is_asr"] for found in types} == {True, False}
        found = studio.request("GET", "/caption_file_requests", params=REQUESTED)["caption_file_requests"]
        assert 0 < len(found) <= 20
        for request in found:
            assert request["captioning_service_type_key"] in {found["key"] for found in types}
            tags = studio.request("GET", f"/media/{request['media_id']}/tags")["tags"]
            assert "captions needed" in {tag["name"] for tag in tags}


def test_a_request_goes_with_its_media(school: School) -> None:
    school.ask("DELETE", f"/media/{school.media}")
    assert school.requests() == []


def test_a_request_for_what_is_not_there_cannot_be_added(school: School) -> None:
    with pytest.raises(ValueError, match="media_id: there is no media"):
        school.box.add_caption_request(UNKNOWN, service_type="verbatim")
    with pytest.raises(ValueError, match="service_type: the captioning service has no type slow"):
        school.box.add_caption_request(school.media, service_type="slow")


def test_a_snapshot_keeps_requests_and_types_and_one_of_an_older_version_has_none(
    school: School, tmp_path: Path
) -> None:
    path = school.box.snapshot(tmp_path / "box.json")
    with Sandbox.load(path) as again:
        assert School.requests(school) == [school.request]
        found = ask(again.url, "GET", "/caption_file_requests", token=again.token, query=REQUESTED).json
        assert found == school.ask("GET", "/caption_file_requests", query=REQUESTED).json
        types = ask(again.url, "GET", "/captioning_service_types", token=again.token).json
        assert types == school.ask("GET", "/captioning_service_types").json
    state = json.loads(path.read_text())
    for name in ("caption_requests", "captioning_service_types"):
        del state[name]
    for group in state["groups"].values():
        group.pop("managers", None)
    path.write_text(json.dumps(state))
    with Sandbox.load(path) as older:
        found = ask(older.url, "GET", "/caption_file_requests", token=older.token, query=REQUESTED).json
        assert found == {"caption_file_requests": []}
    state["caption_requests"] = {"1": {"id": 1, "media": UNKNOWN, "srclang": "en", "service_type": "x"}}
    state["caption_requests"]["1"] |= {"status": "requested", "created_at": "2026-09-01T00:00:00Z"}
    path.write_text(json.dumps(state))
    with pytest.raises(ValueError, match="the caption request 1 is of a media that is not there"):
        Sandbox.load(path)
