"""The Collection page: every operation sends the recorded request and returns every documented field."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import Collection, Owner, PermissionChange, User
from support.fault_server import FaultServer, json_answer
from support.recorded_objects import (
    NEW_SHARE,
    assert_is_ada,
    assert_is_cell_biology,
    assert_is_mitosis,
    assert_is_shared_as_recorded,
)

if TYPE_CHECKING:
    from support.forms import Connect, Form, Reach, Serve


def test_list_collections_gives_collections_with_every_documented_field(
    form: Form, recorded: Serve, connect: Connect
) -> None:
    [collection] = form.items(connect(recorded("collections/list_collections").url).list_collections())
    assert_is_cell_biology(collection)


def test_list_collections_reads_as_many_pages_as_meta_says(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("collections/list_collections_two_pages").url)
    pages = form.pages(studio.list_collections(per_page=2))
    assert [[(collection.id, collection.type) for collection in page] for page in pages] == [
        [(7, "course_wide"), (8, "course_wide")],
        [(9, "user")],
    ]


def test_list_collections_without_meta_reads_until_a_page_is_empty(
    form: Form, recorded: Serve, connect: Connect
) -> None:
    studio = connect(recorded("collections/list_collections_without_meta").url)
    [collection] = form.items(studio.list_collections())
    assert_is_cell_biology(collection)


def test_list_collections_of_somebody_without_collections_is_empty(
    form: Form, recorded: Serve, connect: Connect
) -> None:
    studio = connect(recorded("collections/list_collections_empty").url)
    assert form.items(studio.list_collections()) == []


def test_the_first_collection_costs_one_request(form: Form, recorded: Serve, connect: Connect) -> None:
    assert_is_cell_biology(form.first(connect(recorded("collections/list_collections").url).list_collections()))


def test_there_is_no_first_collection_where_there_is_none(form: Form, recorded: Serve, connect: Connect) -> None:
    assert form.first(connect(recorded("collections/list_collections_empty").url).list_collections()) is None


def test_the_number_of_collections_costs_one_small_request(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("collections/list_collections_total").url)
    assert form.total(studio.list_collections()) == 3


def test_the_number_of_collections_regards_the_page_to_begin_with(form: Form) -> None:
    meta = {"current_page": 2, "last_page": 2, "total_count": 3}
    with FaultServer(json_answer({"collections": [{"id": 9}], "meta": meta})) as server, server.client() as studio:
        assert form.total(studio.list_collections(page=2, per_page=2)) == 1
    [asked] = server.requests
    assert asked.query == (("page", "2"), ("per_page", "2"))


def test_create_collection_sends_its_name_as_query_and_gives_the_collection(
    form: Form, recorded: Serve, connect: Connect
) -> None:
    studio = connect(recorded("collections/create_collection").url)
    collection = form.call(studio, "create_collection", "Field trips & “notes”")
    assert type(collection) is Collection
    assert (collection.id, collection.name, collection.type) == (10, "Field trips & “notes”", "user")
    assert (collection.permission, collection.course_id) == ("edit", None)
    assert_is_ada(collection.owner)


@pytest.mark.parametrize(
    "user",
    [
        4,
        Owner(id=4, full_name="Jonas Lindqvist", display_name="Jonas", email=None),
        User(id=4, full_name="Jonas Lindqvist", display_name="Jonas", email=None, permission="view"),
    ],
    ids=["id", "Owner", "User"],
)
def test_create_collection_for_somebody_else_takes_an_id_or_a_person(
    user: int | Owner | User, form: Form, recorded: Serve, connect: Connect
) -> None:
    studio = connect(recorded("collections/create_collection_for_a_user").url)
    collection = form.call(studio, "create_collection", "Field trips", user_id=user)
    assert (collection.id, collection.owner.id) == (10, 4)


def test_get_collection_gives_every_documented_field(reach: Reach) -> None:
    assert_is_cell_biology(reach("collections/get_collection", "get_collection", "refresh").call())


def test_get_collection_takes_what_real_collections_look_like(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("collections/get_collection_real_shapes").url)
    collection = form.call(studio, "get_collection", 8)
    assert (collection.id, collection.name, collection.type) == (8, None, "course_wide")
    assert (collection.permission, collection.course_id) == ("manage", None)
    assert collection.created_at == datetime(2020, 9, 18, 14, 27, 40, tzinfo=UTC)
    assert (collection.owner.full_name, collection.owner.email) == ("Registrar", None)
    assert collection.extra == {"archived": False, "media_count": 3}


def test_an_archived_collection_says_when_it_was_archived(reach: Reach) -> None:
    collection = reach("collections/get_collection_archived", "get_collection", "refresh").call()
    assert collection.archived_at == datetime(2026, 6, 30, 9, 15, tzinfo=UTC)
    assert_is_cell_biology(collection)


def test_delete_collection_gives_the_collection_that_was_deleted(reach: Reach) -> None:
    assert_is_cell_biology(reach("collections/delete_collection", "delete_collection", "delete").call())


def test_delete_collection_gives_none_when_there_is_no_answer(reach: Reach) -> None:
    assert reach("collections/delete_collection_no_content", "delete_collection", "delete").call() is None


@pytest.mark.parametrize("verb", ["archive", "unarchive"])
def test_archiving_and_unarchiving_a_collection_give_the_collection(verb: str, reach: Reach) -> None:
    cases = {"archive": "collections/archive_collection", "unarchive": "collections/unarchive_collection"}
    assert_is_cell_biology(reach(cases[verb], f"{verb}_collection", verb).call())


@pytest.mark.parametrize(
    ("verb", "case"),
    [
        ("archive", "collections/archive_collection_empty"),
        ("archive", "collections/archive_collection_message"),
        ("unarchive", "collections/unarchive_collection_empty"),
    ],
)
def test_archiving_and_unarchiving_give_none_when_the_answer_holds_no_collection(
    verb: str, case: str, reach: Reach
) -> None:
    assert reach(case, f"{verb}_collection", verb).call() is None


def test_list_collection_media_gives_media_with_every_documented_field(reach: Reach) -> None:
    [media] = reach("collections/list_collection_media", "list_collection_media", "media").items()
    assert_is_mitosis(media)


def test_list_collection_media_reads_as_many_pages_as_meta_says(reach: Reach) -> None:
    subject = reach("collections/list_collection_media_two_pages", "list_collection_media", "media")
    assert [media.id for media in subject.items(per_page=1)] == [42, 44]


def test_list_collection_media_without_meta_reads_until_a_page_is_empty(reach: Reach) -> None:
    [media] = reach("collections/list_collection_media_without_meta", "list_collection_media", "media").items()
    assert_is_mitosis(media)


def test_get_collection_permissions_gives_users_and_groups(reach: Reach) -> None:
    subject = reach("collections/get_collection_permissions", "get_collection_permissions", "permissions")
    assert_is_shared_as_recorded(subject.call())


def test_get_collection_permissions_of_what_nobody_shares_is_empty(reach: Reach) -> None:
    subject = reach("collections/get_collection_permissions_nobody", "get_collection_permissions", "permissions")
    permissions = subject.call()
    assert (permissions.users, permissions.groups) == ((), ())


@pytest.mark.parametrize(
    "changes",
    [
        [
            NEW_SHARE,
            PermissionChange("update", id=11, share_type="group", permission_type="edit"),
            PermissionChange("destroy", id=6, share_type="user"),
        ],
        (
            {"action": "create", "id": 4, "share_type": "user"},
            {"action": "update", "id": 11, "share_type": "group", "permission_type": "edit"},
            {"action": "destroy", "id": 6, "share_type": "user"},
        ),
    ],
    ids=["objects", "mappings"],
)
def test_change_collection_permissions_sends_a_bare_array_and_gives_the_new_state(changes: Any, reach: Reach) -> None:
    subject = reach("collections/change_collection_permissions", "change_collection_permissions", "change_permissions")
    assert_is_shared_as_recorded(subject.call(changes))


def test_a_collection_as_a_dict_holds_what_was_received(form: Form, recorded: Serve, connect: Connect) -> None:
    server = recorded("collections/get_collection_real_shapes")
    collection = form.call(connect(server.url), "get_collection", 8)
    received = json.loads(server.entries[0].answer.body)["collection"]
    received["owner"]["email"] = None
    received["archived_at"] = None
    assert collection.to_dict() == received
    assert Collection.from_dict(collection.to_dict()) == collection
    assert json.loads(json.dumps(collection.to_dict())) == received
