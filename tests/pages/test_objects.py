"""Objects are plain values: frozen, comparable, picklable, readable in a notebook, without network or secrets."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from unittest.mock import ANY

import pytest
from canvas_studio import (
    Collection,
    DetachedError,
    Drift,
    Media,
    PermissionChange,
    Response,
    StudioClient,
    models,
    profiles,
    response,
    sandbox,
)
from canvas_studio.models import Course, Group, Owner, Permissions, Perspective, Source, User
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fault_server import TOKEN, FaultServer, collection_item, json_answer, media_item, paged, person
from support.programs import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.forms import Form

COLLECTION_FIELDS = ("id", "name", "type", "permission", "owner", "created_at", "course_id", "archived_at")
MEDIA_FIELDS = (
    "id",
    "title",
    "description",
    "duration",
    "created_at",
    "last_viewed",
    "last_viewed_by_student",
    "thumbnail_url",
    "transcoding_status",
    "owner",
    "size",
    "source",
    "embed_id",
    "lti_launch_id",
    "archived_at",
    "permission",
    "collection",
)
SIGNED = "Expires=1&Signature=SignedSecret"


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 (the test made it)


def a_media(**changes: Any) -> Media:
    return Media.from_dict(media_item(1, **{"collection": collection_item(4), "views": 3, **changes}))


def a_collection(**changes: Any) -> Collection:
    return Collection.from_dict(collection_item(1, **{"color": "red", **changes}))


def test_the_attributes_of_a_media_have_their_types() -> None:
    media = a_media()
    assert (media.id, media.title, media.description, media.duration) == (1, "Lecture 1", None, 735.5)
    assert media.created_at == datetime(2024, 5, 16, 2, 36, 46, 696_000, tzinfo=UTC)
    assert media.last_viewed == date(2024, 6, 1)
    assert type(media.last_viewed) is date
    assert media.last_viewed_by_student is None
    assert media.owner == Owner(7, "Person 7", "Person 7", "person7@example.edu")
    assert (media.size, media.source, media.embed_id) == (1001, "upload", "embed-1")
    assert media.collection is not None
    assert (media.collection.id, media.collection.name) == (4, "Collection 4")
    assert media.archived_at is None
    assert media.extra == {"views": 3}


def test_the_attributes_of_a_collection_have_their_types() -> None:
    collection = a_collection(course_id=9)
    assert (collection.id, collection.name, collection.type, collection.permission) == (
        1,
        "Collection 1",
        "user",
        "edit",
    )
    assert collection.created_at == datetime(2024, 5, 16, 2, 36, 46, tzinfo=UTC)
    assert isinstance(collection.owner, Owner)
    assert collection.course_id == 9
    assert collection.extra == {"color": "red"}


@pytest.mark.parametrize(
    "sent",
    ["2024-05-16T04:36:46+02:00", "2024-05-16T02:36:46.000Z", "2024-05-16T02:36:46Z", "2024-05-16 02:36:46 UTC"],
)
def test_a_time_is_aware_whatever_its_notation(sent: str) -> None:
    for made in a_media, a_collection:
        value = made(created_at=sent, archived_at=sent)
        for moment in value.created_at, value.archived_at:
            assert moment == datetime(2024, 5, 16, 2, 36, 46, tzinfo=UTC)
            assert moment is not None
            assert moment.tzinfo is UTC


@pytest.mark.parametrize("sent", ["2024-06-01", "2024-06-01T05:00:00Z", "2024-06-01T02:00:00+02:00"])
def test_a_day_is_a_day_whatever_its_notation(sent: str) -> None:
    last_viewed = a_media(last_viewed=sent).last_viewed
    assert last_viewed == date(2024, 6, 1)
    assert type(last_viewed) is date


@settings(deadline=None, max_examples=500)
@given(
    st.datetimes(datetime(1899, 12, 1), datetime(2100, 2, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as it wants them
    | st.datetimes(timezones=st.just(UTC)),
    st.sampled_from((0, 1, 1000)),
)
def test_every_moment_and_every_day_is_read_as_it_is_written(moment: datetime, unit: int) -> None:
    """Usual ones of two centuries are read by Python itself, and the rest by the core; both are of one opinion."""
    moment = moment.replace(microsecond=moment.microsecond // unit * unit if unit else 0)
    written = moment.isoformat(timespec="milliseconds" if unit == 1000 else "auto").replace("+00:00", "Z")
    media = a_media(created_at=written, last_viewed=written[:10])
    assert (media.created_at, media.last_viewed) == (moment, moment.date())


@pytest.mark.parametrize("made", [a_media, a_collection])
@pytest.mark.parametrize("name", ["id", "owner", "title", "name", "extra", "brand_new"])
def test_an_object_is_frozen(made: Callable[[], Any], name: str) -> None:
    value = made()
    with pytest.raises(AttributeError):
        setattr(value, name, 5)
    with pytest.raises(AttributeError):
        delattr(value, name)


def test_changing_what_an_object_gave_away_does_not_change_it() -> None:
    media = a_media(tags=["one"])
    media.to_dict()["owner"]["id"] = 99
    media.to_dict()["tags"].append("two")
    assert media.to_dict()["owner"]["id"] == 7
    assert media.to_dict()["tags"] == ["one"]


@pytest.mark.parametrize(("kind", "fields"), [(Media, MEDIA_FIELDS), (Collection, COLLECTION_FIELDS)])
def test_to_dict_has_every_documented_key(kind: type[Media | Collection], fields: tuple[str, ...]) -> None:
    assert kind.from_dict({"id": 5}).to_dict() == {**dict.fromkeys(fields), "id": 5}
    assert tuple(kind.from_dict({"id": 5}).to_dict()) == fields


def test_to_dict_is_ready_for_json_and_holds_what_was_sent() -> None:
    sent = media_item(1, collection=collection_item(4), views={"deep": [1, None, "ä"]}, description="Ü")
    given_back = json.loads(json.dumps(Media.from_dict(sent).to_dict()))
    assert given_back["views"] == {"deep": [1, None, "ä"]}
    assert given_back["owner"] == person()
    assert datetime.fromisoformat(given_back.pop("created_at")) == datetime.fromisoformat(sent.pop("created_at"))
    created_at = given_back["collection"].pop("created_at")
    assert datetime.fromisoformat(created_at) == datetime.fromisoformat(sent["collection"].pop("created_at"))
    assert given_back == sent


@pytest.mark.parametrize("made", [a_media, a_collection])
def test_from_dict_takes_back_what_to_dict_gave(made: Callable[[], Any]) -> None:
    value = made()
    twin = value.from_dict(value.to_dict())
    assert twin == value
    assert twin.to_dict() == value.to_dict()


def test_equality_is_by_kind_and_id() -> None:
    assert Media.from_dict({"id": 1, "title": "old"}) == Media.from_dict({"id": 1, "title": "new"})
    assert Media.from_dict({"id": 1}) != Media.from_dict({"id": 2})
    assert Collection.from_dict({"id": 1}) == Collection.from_dict({"id": 1, "name": "x"})
    media: object = Media.from_dict({"id": 1})
    assert media != Collection.from_dict({"id": 1})
    assert media != 1
    assert media != "1"
    assert media is not None


@pytest.mark.parametrize("made", [a_media, a_collection])
def test_an_object_leaves_it_to_others_whether_they_are_equal_to_it(made: Callable[[], Any]) -> None:
    assert made() == ANY
    assert made().__eq__(ANY) is NotImplemented
    assert (made() != ANY) is False


def test_equal_objects_are_one_in_a_set() -> None:
    kinds: list[Any] = [Media, Collection]
    values = {kind.from_dict({"id": number}) for kind in kinds for number in (1, 2, 1)}
    assert len(values) == 4
    assert {Media.from_dict({"id": 1}): "found"}[a_media()] == "found"


Copied: TypeAlias = "Callable[[Any], Any]"
COPIES = pytest.mark.parametrize("copied", [pickled, copy.copy, copy.deepcopy])


@COPIES
@pytest.mark.parametrize("made", [a_media, a_collection])
def test_a_copy_has_the_same_values(made: Callable[[], Any], copied: Copied) -> None:
    value = made()
    twin = copied(value)
    assert type(twin) is type(value)
    assert twin == value
    assert twin.to_dict() == value.to_dict()
    assert twin.extra == value.extra


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_works(protocol: int) -> None:
    twin = pickle.loads(pickle.dumps(a_media(), protocol))  # noqa: S301 (the test made it)
    assert twin.to_dict() == a_media().to_dict()


def test_an_object_of_a_client_pickles_without_the_token(form: Form) -> None:
    with FaultServer(json_answer({"media": media_item(1)})) as server:
        text = pickle.dumps(form.call(server.client(), "get_media", 1))
    assert TOKEN.encode() not in text
    assert pickle.loads(text).title == "Lecture 1"  # noqa: S301 (the test made it)


MEDIA_OPERATIONS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("refresh", (), {}),
    ("archive", (), {}),
    ("unarchive", (), {}),
    ("delete", (), {}),
    ("permissions", (), {}),
    ("change_permissions", ([{"action": "create", "id": 7, "share_type": "user"}],), {}),
    ("create_embed", (), {"course_id": 1}),
    ("download_url", (), {}),
    ("download", ("file.mp4",), {}),
]


@pytest.mark.parametrize("made", [a_media, lambda: pickled(a_media())], ids=["from_dict", "pickle"])
@pytest.mark.parametrize(("method", "arguments", "named"), MEDIA_OPERATIONS)
def test_a_detached_media_says_so(
    form: Form,
    made: Callable[[], Media],
    method: str,
    arguments: tuple[Any, ...],
    named: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DetachedError):
        form.call(made(), method, *arguments, **named)


@pytest.mark.parametrize("method", ["refresh", "archive", "unarchive", "delete", "permissions"])
def test_a_detached_collection_says_so(form: Form, method: str) -> None:
    with pytest.raises(DetachedError):
        form.call(pickled(a_collection()), method)


@pytest.mark.parametrize("method", ["courses", "perspectives", "sources", "users"])
def test_a_list_of_a_detached_media_says_so(method: str) -> None:
    with pytest.raises(DetachedError):
        getattr(a_media(), method)().collect()


def test_a_list_of_a_detached_collection_says_so() -> None:
    with pytest.raises(DetachedError):
        a_collection().media().collect()


def test_an_object_of_a_listing_is_not_detached(form: Form) -> None:
    fresh = json_answer({"media": media_item(1, title="fresh")})
    with FaultServer(paged([media_item(1)]), fresh) as server:
        (media,) = form.items(server.client().search_media())
        assert form.call(media, "refresh").title == "fresh"
        assert media.title == "Lecture 1"


def test_no_attribute_asks_the_server(form: Form) -> None:
    with FaultServer(json_answer({"media": {"id": 1}})) as server:
        media = form.call(server.client(), "get_media", 1)
        assert [getattr(media, name) for name in MEDIA_FIELDS] == [1, *[None] * (len(MEDIA_FIELDS) - 1)]
        assert all([repr(media), media._repr_html_(), media.to_dict(), hash(media), media.extra == {}])
    assert len(server.requests) == 1


def test_repr_reads_like_a_constructor() -> None:
    assert repr(a_media()).startswith("Media(id=1, title='Lecture 1'")
    assert repr(a_collection()).startswith("Collection(id=1, name='Collection 1'")
    assert "it's" in repr(a_media(title="it's"))
    assert "\n" not in repr(a_media(title="two\nlines"))


def test_repr_hides_a_signed_query() -> None:
    assert "SignedSecret" not in repr(a_media(thumbnail_url=f"https://thumbnails.example/1.png?{SIGNED}"))


def test_match_takes_the_documented_fields_in_their_order() -> None:
    assert Media.__match_args__ == MEDIA_FIELDS
    assert Collection.__match_args__ == COLLECTION_FIELDS
    match a_media():
        case Media(1, title, duration=seconds, owner=Owner(7, name)):
            assert (title, seconds, name) == ("Lecture 1", 735.5, "Person 7")
        case _:
            pytest.fail("did not match")
    match a_collection():
        case Collection(id, name, "user"):
            assert (id, name) == (1, "Collection 1")
        case _:
            pytest.fail("did not match")


NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;"


def assert_harmless(html: str) -> None:
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "\"'>" not in html
    assert "&lt;script&gt;" in html


def test_the_html_of_a_media_is_escaped() -> None:
    text = ("title", "description", "source", "transcoding_status", "embed_id", "lti_launch_id")
    nasty = a_media(**dict.fromkeys(text, NASTY), owner=person(7, full_name=NASTY, display_name=NASTY, email=NASTY))
    assert_harmless(nasty._repr_html_())


def test_the_html_of_a_collection_is_escaped() -> None:
    text = ("name", "type", "permission")
    nasty = a_collection(
        **dict.fromkeys(text, NASTY), owner=person(7, full_name=NASTY, display_name=NASTY, email=NASTY)
    )
    assert_harmless(nasty._repr_html_())


@pytest.mark.parametrize("url", ["javascript:alert(1)", f'https://x.example/"{NASTY}'])
def test_the_html_of_a_media_links_to_no_script(url: str) -> None:
    html = a_media(thumbnail_url=url)._repr_html_()
    assert "javascript:" not in html
    assert "<script" not in html


def test_the_html_of_an_empty_object_is_html() -> None:
    assert "<" in Media.from_dict({"id": 1})._repr_html_()
    assert "<" in Collection.from_dict({"id": 1})._repr_html_()


def records(form: Form) -> list[Any]:
    """One record of every kind, as the client makes them."""
    user = {**person(1), "permission": "view", "role_names": None, "new": 1}
    group = {"id": 2, "name": "Group", "permission": "edit", "new": 1}
    sent: dict[str, Any] = {
        "users": [user],
        "groups": [group],
        "courses": [collection_item(5, course_id=77, new=1)],
        "perspectives": [{"uuid": "a-b", "title": "Copy", "collection": collection_item(4), "new": 1}],
        "sources": [source_item()],
        "user_permissions": [user],
    }
    with FaultServer(json_answer(sent)) as server:
        studio = server.client()
        permissions: Permissions = form.call(studio, "get_media_permissions", 1)
        lists: list[Any] = [
            studio.list_media_courses(1),
            studio.list_media_perspectives(1),
            studio.list_media_sources(1),
            studio.list_media_users(1),
        ]
        return [permissions.users[0], permissions.groups[0], *(form.items(listing)[0] for listing in lists)]


def source_item() -> dict[str, Any]:
    url = f"https://files.example/1.mp4?{SIGNED}"
    return {"url": url, "mime_type": "video/mp4", "definition": "low", "download_url": f"{url}&dl=1", "new": 1}


def test_records_are_of_their_kinds(form: Form) -> None:
    assert [type(record) for record in records(form)] == [User, Group, Course, Perspective, Source, User]


def test_records_are_frozen_and_slotted(form: Form) -> None:
    for record in [*records(form), a_media().owner]:
        assert dataclasses.is_dataclass(record)
        assert not hasattr(record, "__dict__")
        assert_frozen(record, "id", "extra")


def assert_frozen(value: object, *fields: str) -> None:
    """Every assignment and deletion is refused, of a field and of any other name."""
    for name in (*fields, "brand_new"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, 5)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(value, name)


def test_every_public_dataclass_is_frozen_for_every_name() -> None:
    classes = {
        value
        for module in (models, profiles, response, sandbox)
        for value in vars(module).values()
        if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__.startswith("canvas_studio")
    }
    assert {Response, User, PermissionChange, Drift, sandbox.Fault, sandbox.SandboxUser, profiles.Profile} <= classes
    for kind in classes:
        value = kind.__new__(kind)
        assert_frozen(value, *(field.name for field in dataclasses.fields(kind)))


@COPIES
def test_records_can_be_copied(form: Form, copied: Copied) -> None:
    for record in records(form):
        twin = copied(record)
        assert twin == record
        assert twin.to_dict() == record.to_dict()
        assert twin.extra == {"new": 1}


def test_records_give_back_what_was_sent(form: Form) -> None:
    user, group, course, perspective, source, _ = (record.to_dict() for record in records(form))
    assert user == {**person(1), "permission": "view", "role_names": None, "new": 1}
    assert group == {"id": 2, "name": "Group", "permission": "edit", "new": 1}
    assert course == collection_item(5, course_id=77, new=1)
    assert (perspective["uuid"], perspective["collection"]["id"], perspective["new"]) == ("a-b", 4, 1)
    assert source == source_item()
    json.dumps([user, group, course, perspective, source])


def test_records_have_the_documented_fields() -> None:
    fields = {kind: [field.name for field in dataclasses.fields(kind)] for kind in (Owner, User, Group, Permissions)}
    assert fields[Owner] == ["id", "full_name", "display_name", "email", "extra"]
    assert fields[User] == ["id", "full_name", "display_name", "email", "permission", "role_names", "extra"]
    assert fields[Group] == ["id", "name", "permission", "extra"]
    assert fields[Permissions] == ["users", "groups", "extra"]
    assert Course.__match_args__[: len(COLLECTION_FIELDS)] == COLLECTION_FIELDS


def test_permissions_are_tuples(form: Form) -> None:
    with FaultServer(json_answer({"users": [person(1)], "groups": []})) as server:
        permissions = form.call(server.client(), "get_media_permissions", 1)
    assert isinstance(permissions, Permissions)
    assert permissions.groups == ()
    assert [user.id for user in permissions.users] == [1]
    assert pickled(permissions) == permissions
    assert hash(permissions) == hash(pickled(permissions))


def test_a_source_hides_signed_queries_from_view_and_keeps_them_for_use(form: Form) -> None:
    with FaultServer(json_answer({"sources": [source_item()]})) as server:
        (source,) = form.items(server.client().list_media_sources(1))
    assert "SignedSecret" not in repr(source)
    assert "SignedSecret" not in str(source)
    assert "files.example/1.mp4" in repr(source)
    assert source.url == source_item()["url"]
    assert source.download_url == source_item()["download_url"]


def test_a_client_shows_its_host_and_never_its_token() -> None:
    with StudioClient("myschool", token=TOKEN) as studio:
        assert repr(studio) == "StudioClient('https://myschool.instructuremedia.com')"
        assert TOKEN not in f"{studio} {studio!r} {studio.with_options(timeout=1)!r} {vars_of(studio)}"


def vars_of(value: object) -> list[str]:
    return [repr(getattr(value, name, None)) for name in dir(value)]


def test_a_listing_shows_no_token() -> None:
    with StudioClient("myschool", token=TOKEN) as studio:
        assert TOKEN not in repr(studio.search_media(title="x"))


@pytest.mark.parametrize("kind", [Media, Collection])
@pytest.mark.parametrize(
    "bad", [None, [], "x", 5, {}, {"id": None}, {"id": "one"}, {"id": 1, "x": {5}}, {"id": 1, 5: 5}]
)
def test_from_dict_refuses_what_is_no_object(kind: Any, bad: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        kind.from_dict(bad)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.none() | st.text()
SIZE = st.none() | st.integers(0, 2**63 - 1)
TIMES = st.none() | st.datetimes(timezones=st.just(UTC)).map(lambda time: time.isoformat().replace("+00:00", "Z"))
DATES = st.none() | st.dates().map(str)
OWNERS = st.none() | st.fixed_dictionaries(
    {"id": st.integers(1, 2**63 - 1)}, optional={"full_name": TEXT, "display_name": TEXT, "email": TEXT}
)


def extras(documented: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.text().filter(lambda key: key not in documented), JSON, max_size=4)


@st.composite
def sent_collections(draw: st.DrawFn) -> dict[str, Any]:
    fields: dict[str, st.SearchStrategy[Any]] = {"name": TEXT, "type": TEXT, "permission": TEXT, "owner": OWNERS}
    fields |= {"created_at": TIMES, "course_id": st.none() | st.integers(1, 2**63 - 1)}
    known = draw(st.fixed_dictionaries({"id": st.integers(1, 2**63 - 1)}, optional=fields))
    return draw(extras(COLLECTION_FIELDS)) | known


@st.composite
def sent_media(draw: st.DrawFn) -> dict[str, Any]:
    texts = ("title", "description", "thumbnail_url", "transcoding_status", "source", "embed_id", "lti_launch_id")
    fields: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(texts, TEXT)
    fields |= {"duration": st.none() | st.floats(0, 1e9), "size": SIZE, "created_at": TIMES, "owner": OWNERS}
    fields |= {"last_viewed": DATES, "last_viewed_by_student": DATES, "collection": st.none() | sent_collections()}
    known = draw(st.fixed_dictionaries({"id": st.integers(1, 2**63 - 1)}, optional=fields))
    return draw(extras(MEDIA_FIELDS)) | known


def assert_round_trip(kind: Any, sent: dict[str, Any]) -> None:
    value = kind.from_dict(sent)
    twin = kind.from_dict(value.to_dict())
    assert twin == value
    assert twin.to_dict() == value.to_dict() == pickled(value).to_dict()
    assert json.loads(json.dumps(value.to_dict())) == value.to_dict()
    # What was sent is still there, but for the notation of times.
    kept = {name: content for name, content in value.to_dict().items() if name in sent}
    times = {"created_at", "collection"}
    assert {name: kept[name] for name in kept.keys() - times} == {name: sent[name] for name in sent.keys() - times}
    assert value.extra == {name: sent[name] for name in sent.keys() - set(kind.__match_args__)}


@settings(deadline=None, max_examples=50)
@given(sent_media())
def test_any_media_survives_the_round_trip(sent: dict[str, Any]) -> None:
    if sent.get("owner") is not None:
        sent["owner"] = dict.fromkeys(("id", "full_name", "display_name", "email")) | sent["owner"]
    assert_round_trip(Media, sent)


@settings(deadline=None, max_examples=50)
@given(sent_collections())
def test_any_collection_survives_the_round_trip(sent: dict[str, Any]) -> None:
    if sent.get("owner") is not None:
        sent["owner"] = dict.fromkeys(("id", "full_name", "display_name", "email")) | sent["owner"]
    assert_round_trip(Collection, sent)


def test_a_record_whose_dataclass_differs_from_its_model_is_named() -> None:
    program = """
        from canvas_studio import Media, models
        models.Owner.__match_args__ = ("id", "email", "extra")
        try:
            Media.from_dict({"id": 1, "owner": {"id": 7}}).owner
        except TypeError as error:
            print(error)
    """
    fields = "id, full_name, display_name, email, and then extra"
    said = f"the dataclass Owner has the fields id, email, extra; its model has {fields}"
    assert run(program, begin="").stdout == f"{said}\n"
