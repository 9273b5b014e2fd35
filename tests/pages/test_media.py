"""The Media page: every operation sends the recorded request and returns every documented field."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import Collection, Course, Media, PermissionChange, Perspective, Source, User
from support.fault_server import FaultServer, json_answer
from support.recorded_objects import NEW_SHARE, assert_is_ada, assert_is_cell_biology, assert_is_shared_as_recorded

if TYPE_CHECKING:
    from pathlib import Path

    from support.forms import Connect, Form, RaisesAsRecorded, Reach, Serve

EMBED = (
    "https://tw.instructuremedia.com/lti/launch?custom_arc_launch_type=embed"
    "&custom_arc_media_id=5f9c1f3a-7f52-4a0e-8f6a-0a6d2a3c9b41-42"
)


def assert_is_mitosis(media: Any) -> None:
    assert type(media) is Media
    assert (media.id, media.title) == (42, "Mitosis in four minutes")
    assert media.description == "A time lapse of a dividing cell."
    assert (media.duration, type(media.duration)) == (245.0, float)
    assert media.created_at == datetime(2025, 5, 16, 2, 36, 46, 696000, tzinfo=UTC)
    assert (media.last_viewed, media.last_viewed_by_student) == (date(2025, 8, 1), date(2025, 7, 30))
    assert media.thumbnail_url == "https://tw.instructuremedia.com/thumbnails/42.jpg"
    assert (media.transcoding_status, media.source, media.size) == ("transcoding_finished", "upload", 18874368)
    assert media.embed_id == "b7b6e3c2-2f0e-4d86-9a55-6f6d6d0f3a10"
    assert media.lti_launch_id == "5f9c1f3a-7f52-4a0e-8f6a-0a6d2a3c9b41-42"
    assert_is_ada(media.owner)
    assert media.extra == {}


def test_search_media_without_criteria_lists_everything_with_every_documented_field(
    form: Form, recorded: Serve, connect: Connect
) -> None:
    [media] = form.items(connect(recorded("media/search_media").url).search_media())
    assert_is_mitosis(media)
    assert media.collection is None


@pytest.mark.parametrize("as_dates", [True, False], ids=["dates", "texts"])
def test_search_media_sends_all_fourteen_parameters(
    *, as_dates: bool, form: Form, recorded: Serve, connect: Connect
) -> None:
    def day(month: int, day: int) -> date | str:
        value = date(2025, month, day)
        return value if as_dates else value.isoformat()

    studio = connect(recorded("media/search_media_all_parameters").url)
    [media] = form.items(
        studio.search_media(
            title="mitosis & meiosis",
            min_size=0,
            max_size=5368709120,
            start_date=day(1, 1),
            end_date=day(12, 31),
            last_viewed_start_date=day(2, 1),
            last_viewed_end_date=day(11, 30),
            last_viewed_by_student_start_date=day(3, 1),
            last_viewed_by_student_end_date=day(10, 31),
            owner="ada.park+lectures@example.edu",
            tag="première année / 生物",
            source="upload",
            page=2,
            per_page=20,
        )
    )
    assert_is_mitosis(media)


def test_search_media_sends_only_what_is_given(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("media/search_media_by_title").url)
    assert_is_mitosis(form.first(studio.search_media(title="mitosis")))


def test_search_media_reads_as_many_pages_as_meta_says(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("media/search_media_two_pages").url)
    pages = form.pages(studio.search_media(per_page=2))
    assert [[media.id for media in page] for page in pages] == [[42, 44], [43]]


def test_the_number_of_media_costs_one_small_request(form: Form, recorded: Serve, connect: Connect) -> None:
    assert form.total(connect(recorded("media/search_media_total").url).search_media()) == 1234


def test_get_media_gives_every_documented_field_and_the_collection(reach: Reach) -> None:
    media = reach("media/get_media", "get_media", "refresh").call()
    assert_is_mitosis(media)
    assert_is_cell_biology(media.collection)


def test_get_media_takes_what_real_media_look_like(form: Form, recorded: Serve, connect: Connect) -> None:
    media = form.call(connect(recorded("media/get_media_real_shapes").url), "get_media", 43)
    assert (media.id, media.title, media.description) == (43, "Zellteilung, 減数分裂 🔬", None)
    assert (media.duration, media.size) == (3.042, 5368709120)
    assert media.created_at == datetime(2020, 9, 18, 14, 27, 40, tzinfo=UTC)
    assert (media.last_viewed, media.last_viewed_by_student, media.thumbnail_url) == (None, None, None)
    assert (media.transcoding_status, media.source) == ("transcoding_queued_v2", "hologram")
    assert (media.owner.id, media.owner.full_name, media.owner.email) == (5, "Registrar", None)
    assert type(media.collection) is Collection
    assert (media.collection.id, media.collection.name, media.collection.type) == (8, None, "user")
    assert (media.collection.owner, media.collection.created_at) == (None, None)
    assert media.extra == {"captioned": True, "renditions": [{"height": 720}]}


def test_every_field_of_a_media_but_its_id_may_be_missing(form: Form, recorded: Serve, connect: Connect) -> None:
    media = form.call(connect(recorded("media/get_media_only_id").url), "get_media", 42)
    fields = media.to_dict()
    assert fields.pop("id") == 42
    assert set(fields) == {
        *("title", "description", "duration", "created_at", "last_viewed", "last_viewed_by_student", "thumbnail_url"),
        *("transcoding_status", "owner", "size", "source", "embed_id", "lti_launch_id", "archived_at", "permission"),
        "collection",
    }
    assert {getattr(media, name) for name in fields} == {None}
    assert set(fields.values()) == {None}


def test_an_archived_media_says_when_it_was_archived(reach: Reach) -> None:
    media = reach("media/get_media_archived", "get_media", "refresh").call()
    assert media.archived_at == datetime(2026, 6, 30, 9, 15, tzinfo=UTC)
    assert media.collection.archived_at is None
    assert_is_mitosis(media)


def test_a_media_as_a_dict_holds_what_was_received(form: Form, recorded: Serve, connect: Connect) -> None:
    server = recorded("media/get_media_archived")
    media = form.call(connect(server.url), "get_media", 42)
    # Only the media of a user come with a permission.
    assert media.to_dict() == json.loads(server.entries[0].answer.body)["media"] | {"permission": None}
    assert Media.from_dict(media.to_dict()) == media


def test_delete_media_gives_the_media_that_was_deleted(reach: Reach) -> None:
    media = reach("media/delete_media", "delete_media", "delete").call()
    assert_is_mitosis(media)
    assert_is_cell_biology(media.collection)


@pytest.mark.parametrize("case", ["media/archive_media", "media/archive_media_without_wrapper"])
def test_archive_media_gives_the_media(case: str, reach: Reach) -> None:
    assert_is_mitosis(reach(case, "archive_media", "archive").call())


def test_unarchive_media_gives_the_media(reach: Reach) -> None:
    assert_is_mitosis(reach("media/unarchive_media", "unarchive_media", "unarchive").call())


@pytest.mark.parametrize("collection", [7, Collection.from_dict({"id": 7})], ids=["id", "Collection"])
def test_unarchive_media_puts_it_into_a_collection(collection: int | Collection, reach: Reach) -> None:
    subject = reach("media/unarchive_media_into_collection", "unarchive_media", "unarchive")
    media = subject.call(collection_id=collection)
    assert_is_mitosis(media)
    assert_is_cell_biology(media.collection)


def test_list_media_courses_gives_courses_with_both_ids(reach: Reach) -> None:
    courses = reach("media/list_media_courses", "list_media_courses", "courses").items()
    assert [(type(course), course.id, course.name, course.course_id) for course in courses] == [
        (Course, 7, "Cell biology", 1301),
        (Course, 8, "Genetics", 1302),
    ]
    for course in courses:
        assert (course.type, course.permission, course.extra) == ("course_wide", "edit", {})
        assert course.created_at == datetime(2025, 5, 16, 2, 36, 46, 696000, tzinfo=UTC)
        assert_is_ada(course.owner)


def test_list_media_perspectives_gives_each_with_its_collection(reach: Reach) -> None:
    subject = reach("media/list_media_perspectives", "list_media_perspectives", "perspectives")
    first, second = subject.items()
    assert (type(first), type(second)) == (Perspective, Perspective)
    assert (first.uuid, first.title) == ("7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77", "Mitosis in four minutes")
    assert (second.uuid, second.title) == ("c1b4f0aa-93a5-4a3c-8f0e-3d8a4d9e2b10", "Mitosis (evening class)")
    assert_is_cell_biology(first.collection)
    assert (second.collection.id, second.collection.name, second.extra) == (8, "Genetics", {})


def test_list_media_sources_gives_files_and_manifests(reach: Reach) -> None:
    sources = reach("media/list_media_sources", "list_media_sources", "sources").items()
    assert [
        (type(source), source.url, source.mime_type, source.definition, source.download_url, source.extra)
        for source in sources
    ] == [
        (Source, "https://storage.example.com/42/low.mp4", "video/mp4", "low", None, {}),
        (
            Source,
            "https://storage.example.com/42/manifest.mpd",
            "application/dash+xml",
            None,
            "https://storage.example.com/42/best.mp4",
            {},
        ),
    ]


def test_list_media_users_gives_everybody_with_access(reach: Reach) -> None:
    users = reach("media/list_media_users", "list_media_users", "users").items()
    assert [(type(user), user.id, user.full_name, user.email, user.permission) for user in users] == [
        (User, 3, "Ada Park", "ada.park@example.edu", "edit"),
        (User, 4, "Jonas Lindqvist", "jonas.lindqvist@example.edu", "view"),
        (User, 6, "Mwangi Otieno", None, "access"),
    ]


def test_list_media_users_can_ask_for_a_higher_permission(reach: Reach) -> None:
    subject = reach("media/list_media_users_who_may_edit", "list_media_users", "users")
    assert [user.id for user in subject.items(min_permission="edit")] == [3]


@pytest.mark.parametrize(
    "case",
    [
        "media/create_embed",
        "media/create_embed_json_text",
        "media/create_embed_url",
        "media/create_embed_plain_text",
    ],
)
def test_create_embed_finds_the_url_in_whatever_wraps_it(case: str, reach: Reach) -> None:
    assert reach(case, "create_embed", "create_embed").call(course_id=1301) == EMBED


def test_create_embed_takes_the_key_that_is_observed_before_others(form: Form) -> None:
    with FaultServer(json_answer({"url": f"{EMBED}&other", "embed_url": EMBED})) as server:
        assert form.call(server.client(), "create_embed", 42, course_id=1301) == EMBED


def test_a_404_of_create_embed_says_that_studio_may_not_have_met_the_course(
    raises_as_recorded: RaisesAsRecorded,
) -> None:
    error = raises_as_recorded("media/create_embed_404")
    assert "open Studio from the course" in str(error)


def test_create_embed_sends_the_type_and_whether_it_can_be_downloaded(reach: Reach) -> None:
    subject = reach("media/create_embed_bare_player", "create_embed", "create_embed")
    url = subject.call(course_id=1301, embed_type="bare_embed", downloadable=False)
    assert url == EMBED.replace("type=embed", "type=bare_embed")


def test_get_download_url_gives_the_location_and_does_not_go_there(reach: Reach) -> None:
    subject = reach("media/get_download_url", "get_download_url", "download_url")
    assert subject.call() == "https://storage.example.com/42/mitosis.mp4?REDACTED"


def test_get_download_url_can_ask_for_a_quality(reach: Reach) -> None:
    subject = reach("media/get_download_url_in_low_quality", "get_download_url", "download_url")
    assert subject.call(quality="low") == "https://storage.example.com/42/mitosis-low.mp4?REDACTED"


def test_the_download_url_of_an_external_media_is_refused_with_the_reason(
    raises_as_recorded: RaisesAsRecorded,
) -> None:
    error = raises_as_recorded("media/get_download_url_422")
    assert "YouTube" in str(error)


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_a_refused_download_raises_the_documented_error_and_leaves_no_file(
    status: int, form: Form, raises_as_recorded: RaisesAsRecorded, tmp_path: Path
) -> None:
    raises_as_recorded(
        f"media/get_download_url_{status}",
        lambda studio: form.call(studio, "download_media", 42, tmp_path / "mitosis.mp4"),
    )
    assert list(tmp_path.iterdir()) == []


def test_download_media_saves_the_bytes_without_showing_the_token_to_the_storage_host(
    reach: Reach, tmp_path: Path
) -> None:
    saved = reach("media/download_media", "download_media", "download").call(tmp_path / "mitosis.mp4")
    assert saved == tmp_path / "mitosis.mp4"
    assert saved.read_bytes()[4:12] == b"ftypmp42"
    assert saved.read_bytes()[24:] == bytes(range(256))
    assert list(tmp_path.iterdir()) == [saved]


def test_download_media_can_ask_for_a_quality(reach: Reach, tmp_path: Path) -> None:
    subject = reach("media/download_media_in_low_quality", "download_media", "download")
    saved = subject.call(str(tmp_path / "low.mp4"), quality="low")
    assert (saved, saved.stat().st_size) == (tmp_path / "low.mp4", 100)


def test_get_media_permissions_gives_users_and_groups(reach: Reach) -> None:
    subject = reach("media/get_media_permissions", "get_media_permissions", "permissions")
    assert_is_shared_as_recorded(subject.call())


def test_change_media_permissions_sends_a_bare_array_and_gives_the_new_state(reach: Reach) -> None:
    subject = reach("media/change_media_permissions", "change_media_permissions", "change_permissions")
    changes = [
        NEW_SHARE,
        PermissionChange("update", id=11, share_type="group", permission_type="edit"),
        PermissionChange("destroy", id=6, share_type="user"),
    ]
    assert_is_shared_as_recorded(subject.call(changes))


def test_request_gives_csv_as_text(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("media/request_insights_csv").url)
    path = "/perspectives/7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77/insights/overview"
    text = form.call(studio, "request", "GET", path, params={"role": "student"})
    assert text.splitlines()[1:] == ["Views,12", "Time Viewed [min],49", "Unique Viewers,"]


def test_request_sends_parameters_as_query(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("media/request_create_tag").url)
    tag = form.call(studio, "request", "POST", "/media/42/tags", params={"name": "cell division"})
    assert tag == {"tag": {"id": 21, "name": "cell division"}}


def test_request_sends_json_as_the_body(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("media/request_transfer_media").url)
    moved = form.call(studio, "request", "POST", "/transfer_media", json={"from_user_id": 3, "to_user_id": 4})
    assert moved == {"not_transferred_perspective_ids": [], "not_transferred_collection_ids": [8]}


def test_request_gives_none_for_an_empty_answer(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("media/request_without_answer").url)
    assert form.call(studio, "request", "DELETE", "/captioning_service_types/fast") is None


def test_paginate_reads_lists_that_have_no_method(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("media/paginate_user_media").url)
    items = form.items(studio.paginate("/users/3/media", key="media", per_page=2))
    assert [(item["id"], item["permission"]) for item in items] == [(42, "edit"), (44, "view"), (45, "view")]
    assert items[0]["duration"] == 245


def test_paginate_sends_the_given_parameters_first(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("media/paginate_users_search").url)
    listing = studio.paginate("/users/search", key="users", params={"email": "ada.park@example.edu"})
    assert [user["id"] for user in form.items(listing)] == [3]
