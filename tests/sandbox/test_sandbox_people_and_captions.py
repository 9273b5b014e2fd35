"""Users of the sandbox as they are found, and captions in several languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
from canvas_studio.sandbox import Assumptions, Role, Sandbox
from support.plain_http import Answer, ask

if TYPE_CHECKING:
    from pathlib import Path

ROLES = {
    "admin": "Admin",
    "subaccount_admin": "Subaccount admin",
    "teacher": "Teacher",
    "student": "Student",
    "observer": "Observer",
}


def get(box: Sandbox, path: str, **query: object) -> Answer:
    return ask(box.url, "GET", path, token=box.token, query=query)


def found(box: Sandbox, **query: object) -> list[int]:
    answer = get(box, "/users/search", **query)
    assert answer.status == 200, answer.text
    return [user["id"] for user in answer.json["users"]]


def test_a_search_has_no_hit_one_or_three() -> None:
    with Sandbox(media=0) as box:
        alone = box.add_user("Ada Park", "ada.park@example.edu")
        three = [box.add_user(f"Bo Lind {number}", "BO@example.edu") for number in range(3)]
        nobody = box.add_user("Cy Ode")
        assert found(box, email="nobody@example.edu") == []
        assert found(box, email="ada.park@example.edu") == [alone]
        assert found(box, email="bo@EXAMPLE.edu") == three[::-1]
        assert found(box, email="bo@example.edu", role="Student") == []
        assert nobody not in found(box, email="None")
        media = [box.add_media(owner=owner) for owner in three]
        answer = get(box, "/media/search", owner="bo@example.edu")
        assert [each["id"] for each in answer.json["media"]] == media[::-1]


def test_a_login_id_without_an_at_is_found_like_an_address() -> None:
    with Sandbox(media=0) as box:
        ada = box.add_user("Ada Park", "apark7")
        assert next(user for user in box.users if user.id == ada).email == "apark7"
        assert found(box, email="APARK7") == [ada]
        assert found(box, email="apark") == []
        media = box.add_media(owner=ada)
        assert [each["id"] for each in get(box, "/media/search", owner="apark7").json["media"]] == [media]


def test_roles_have_the_words_of_studio() -> None:
    assert set(get_args(Role)) == ROLES.keys()
    with Sandbox(media=0) as box:
        for role, word in ROLES.items():
            user = box.add_user(role, role=role)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            assert get(box, f"/users/{user}").json["user"]["role_names"] == [word]
            assert next(each for each in box.users if each.id == user).role == role
        for word in ("Admin", "Teacher", "Student", "Observer"):
            users = get(box, "/users/search", role=word).json["users"]
            assert {name for user in users for name in user["role_names"]} == {word}
        for word in ("Subaccount admin", "teacher", "TEACHER"):
            assert get(box, "/users/search", role=word).status == 422


def test_somebody_may_have_other_roles_which_are_named_and_found_and_allow_nothing(tmp_path: Path) -> None:
    with Sandbox(media=0) as box:
        ada = box.add_user("Ada Park", role="student", other_roles=("teacher", "admin"))
        media = box.add_media()
        for wrong in (["boss"], ["teacher"], ["observer", "observer"], "student", [None]):
            with pytest.raises(ValueError, match="role"):
                box.add_user(other_roles=wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with Sandbox.load(box.snapshot(tmp_path / "box.json")) as again:
            for each in (box, again):
                user = next(user for user in each.users if user.id == ada)
                assert (user.role, user.other_roles) == ("student", ("teacher", "admin"))
                assert get(each, f"/users/{ada}").json["user"]["role_names"] == ["Student", "Teacher", "Admin"]
                for word in ("Student", "Teacher", "Admin"):
                    assert ada in found(each, role=word)
                assert ada not in found(each, role="Observer")
                assert ask(each.url, "GET", f"/media/{media}", token=each.token_for(ada)).status == 403


def test_an_administrator_of_a_part_may_less_than_one_of_all() -> None:
    with Sandbox(media=0) as box:
        part = box.add_user("Ada Park", role="subaccount_admin")
        media = box.add_media()
        assert ask(box.url, "GET", f"/media/{media}", token=box.token_for(part)).status == 403
        assert ask(box.url, "GET", "/users/search?role=Admin", token=box.token_for(part)).status == 403


def captions_of(box: Sandbox) -> dict[int, list[dict[str, Any]]]:
    with box.client() as studio:
        return {
            media.id: studio.request("GET", f"/media/{media.id}/caption_files")["caption_files"]
            for media in studio.search_media()
        }


def test_the_library_has_captions_in_several_languages_with_all_statuses_and_providers() -> None:
    with Sandbox(media=500, seed=1) as box:
        captions = captions_of(box)
        languages = [[caption["srclang"] for caption in each] for each in captions.values()]
        assert all(len(set(each)) == len(each) for each in languages)
        assert {len(each) for each in languages} >= {0, 1, 2, 4}
        assert {language for each in languages for language in each} >= {"en", "es", "de", "fr"}
        every = [caption for each in captions.values() for caption in each]
        assert {caption["status"] for caption in every} == {"published", "uploaded", "unpublished"}
        assert all(("url" in caption) == (caption["status"] == "published") for caption in every)
        german = next(caption for caption in every if caption["srclang"] == "de")
        assert german["label"] == "Deutsch"
        assert "Schauen wir" in get(box, f"/caption_files/{german['id']}/download").text


def test_the_captions_of_a_seed_are_the_same_each_time() -> None:
    def shown(box: Sandbox) -> list[Any]:
        every = [caption for each in captions_of(box).values() for caption in each]
        return [{name: value for name, value in caption.items() if name != "url"} for caption in every]

    with Sandbox(media=120, seed=3) as one, Sandbox(media=120, seed=3) as other, Sandbox(media=120, seed=4) as third:
        assert shown(one) == shown(other) != shown(third)


def test_captions_without_a_cue_are_empty() -> None:
    texts = {"": True, "WEBVTT\n\n": True, "\n \n": True, "1\n00:00:00,000 --> 00:00:01,000\nx\n": False}
    with Sandbox(media=0) as box:
        media = box.add_media(captions=[{"srclang": "en", "text": text} for text in texts])
        answer = get(box, f"/media/{media}/caption_files").json["caption_files"]
        assert [caption["is_empty"] for caption in answer] == list(texts.values())


@pytest.mark.parametrize("is_json", [False, True])
def test_the_url_of_captions_leads_to_their_file_or_to_json(*, is_json: bool) -> None:
    with Sandbox(media=0, assumptions=Assumptions(caption_url_is_json=is_json)) as box:
        media = box.add_media(captions=[{"srclang": "en", "text": "1\n"}])
        [caption] = get(box, f"/media/{media}/caption_files").json["caption_files"]
        opened = ask(box.url + caption["url"])
        assert opened.headers["content-type"].startswith("application/json" if is_json else "text/plain")
        assert (opened.text == "1\n") is not is_json
        assert get(box, f"/caption_files/{caption['id']}/download").text == "1\n"


def test_the_language_of_captions_may_stand_in_the_form_with_the_file() -> None:
    with Sandbox(media=0) as box:
        media = box.add_media()
        body = (
            '--x1\r\nContent-Disposition: form-data; name="srclang"\r\n\r\nja\r\n'
            '--x1\r\nContent-Disposition: form-data; name="caption_file"; filename="a.vtt"\r\n\r\nWEBVTT\r\n--x1--\r\n'
        )
        headers = {"Content-Type": "multipart/form-data; boundary=x1"}
        answer = ask(box.url, "POST", f"/media/{media}/caption_files", token=box.token, headers=headers, body=body)
        made = answer.json["caption_file"]
        assert (answer.status, made["srclang"], made["label"], made["status"]) == (201, "ja", "日本語", "uploaded")


def test_faults_strike_the_routes_of_captions_and_users() -> None:
    with Sandbox(media=0) as box:
        media = box.add_media(captions=[{"srclang": "en"}])
        [caption] = get(box, f"/media/{media}/caption_files").json["caption_files"]
        fault = box.faults.add(method="GET", status=503)
        for path in (f"/media/{media}/caption_files", f"/caption_files/{caption['id']}/download", "/users/search"):
            assert get(box, path).status == 503
        assert ask(box.url + caption["url"]).status == 503
        assert box.faults.hits(fault) == 4
