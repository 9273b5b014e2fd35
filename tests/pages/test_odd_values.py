"""One odd value in an answer loses neither the other items nor the other fields."""

from __future__ import annotations

import csv
import json
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import Checkpoint, Media, NotFoundError, Perspective, ResponseDecodeError
from support.fault_server import (
    Answer,
    FaultServer,
    collection_item,
    json_answer,
    library_of,
    media_answer,
    media_item,
    paged,
    person,
    text_answer,
)

if TYPE_CHECKING:
    from pathlib import Path

    from support.forms import Form

MARK = b"\xef\xbb\xbf"
CREATED = datetime(2020, 9, 18, 14, 27, 40, tzinfo=UTC)


META = {"last_page": 1}


def json_text(text: str) -> Answer:
    return text_answer(text, "application/json")


def again(media: Any) -> list[Media]:
    """The media, and what comes of it by way of a dict and of a pickle."""
    return [media, Media.from_dict(media.to_dict()), pickle.loads(pickle.dumps(media))]  # noqa: S301 - our own


def listed(form: Form, *items: str) -> list[Media]:
    """Media of these JSON texts, as a search gives them."""
    with FaultServer(json_text(f'{{"media": [{", ".join(items)}], "meta": {{"last_page": 1}}}}')) as server:
        return form.items(server.client(max_retries=0).search_media())


# Lists of nothing, marks and numbers in another form


@pytest.mark.parametrize(
    ("method", "arguments", "key"),
    [
        ("search_media", (), "media"),
        ("list_collections", (), "collections"),
        ("list_collection_media", (1,), "media"),
        ("list_media_courses", (1,), "courses"),
        ("list_media_perspectives", (1,), "perspectives"),
        ("list_media_sources", (1,), "sources"),
        ("list_media_users", (1,), "user_permissions"),
        ("list_captions", (1,), "caption_files"),
    ],
)
def test_null_is_a_list_of_nothing(form: Form, method: str, arguments: tuple[Any, ...], key: str) -> None:
    with FaultServer(json_answer({key: None, "meta": {"last_page": 1, "total_count": 0}})) as server:
        listing = getattr(server.client(), method)(*arguments)
        assert form.items(listing) == []
        assert form.call(listing, "to_arrow").num_rows == 0


def test_null_is_a_list_of_nothing_in_permissions_and_in_what_has_no_method(form: Form) -> None:
    with FaultServer(json_answer({"users": None, "groups": None}), json_answer({"things": None})) as server:
        studio = server.client()
        permissions = form.call(studio, "get_media_permissions", 1)
        assert (permissions.users, permissions.groups) == ((), ())
        assert form.items(studio.paginate("/things", key="things")) == []


def test_null_in_place_of_one_media_is_an_error(form: Form) -> None:
    with FaultServer(json_answer({"media": None})) as server, pytest.raises(ResponseDecodeError) as caught:
        form.call(server.client(), "get_media", 1)
    assert caught.value.json_path == "media"


def test_a_byte_order_mark_does_no_harm(form: Form) -> None:
    answers = [
        media_answer(1),
        json_answer({"media": [media_item(2)], "meta": META}),
        media_answer(3),
        text_answer("pong", "text/plain"),
        Answer(),
        json_answer({"error": "not here"}, 404),
    ]
    marked = [Answer(status=answer.status, headers=answer.headers, body=MARK + answer.body) for answer in answers]
    with FaultServer(*marked) as server:
        studio = server.client()
        assert form.call(studio, "get_media", 1).id == 1
        assert [media.id for media in form.items(studio.search_media())] == [2]
        assert form.call(studio, "request", "GET", "/media/3")["media"]["id"] == 3
        assert form.call(studio, "request", "GET", "/ping") == "pong"
        assert form.call(studio, "request", "GET", "/nothing") is None
        with pytest.raises(NotFoundError) as caught:
            form.call(studio, "get_media", 1)
    assert caught.value.body == {"error": "not here"}


def test_a_checkpoint_may_have_a_byte_order_mark() -> None:
    with FaultServer(paged(library_of(2))) as server:
        checkpoint = server.client().search_media().checkpoint()
    assert Checkpoint.from_json("\ufeff" + checkpoint.to_json()) == checkpoint


@pytest.mark.parametrize("sent", ["42", "42.0", "4.2e1", '"42"'])
def test_an_id_may_be_written_in_any_way_that_leaves_no_doubt(form: Form, sent: str) -> None:
    inner = f'{{"id": {sent}, "course_id": {sent}}}'
    item = f'{{"id": {sent}, "size": {sent}, "owner": {inner}, "collection": {inner}}}'
    with FaultServer(
        json_text(f'{{"media": {item}}}'),
        json_text(f'{{"media": [{item}], "meta": {{"last_page": 1}}}}'),
        json_text(f'{{"users": [{inner}], "groups": [{inner}]}}'),
        json_text(f'{{"courses": [{inner}]}}'),
        json_text(f'{{"perspectives": [{{"uuid": {sent}}}]}}'),
    ) as server:
        studio = server.client(max_retries=0)
        for media in (form.call(studio, "get_media", 42), *form.items(studio.search_media())):
            assert media.owner is not None
            assert media.collection is not None
            assert (media.id, media.size, media.owner.id, media.collection.id) == (42, 42, 42, 42)
            assert media.collection.course_id == 42
            assert type(media.id) is int
            assert media.extra == {}
        permissions = form.call(studio, "get_media_permissions", 42)
        assert [one.id for one in (*permissions.users, *permissions.groups)] == [42, 42]
        assert [(course.id, course.course_id) for course in form.items(studio.list_media_courses(42))] == [(42, 42)]
        [perspective] = form.items(studio.list_media_perspectives(42))
    assert isinstance(perspective, Perspective)
    assert perspective.uuid == "42"


def text_of_a_float(number: int) -> str:
    return f"{number}.0"


@pytest.mark.parametrize("written", [str, float, text_of_a_float])
def test_what_meta_counts_may_be_written_in_any_way_that_leaves_no_doubt(form: Form, written: Any) -> None:
    meta = {"last_page": written(3), "total_count": written(5)}

    def answer(request: Any) -> Answer:
        page = int(request.parameters["page"])
        return json_answer({"media": library_of(5)[page * 2 - 2 : page * 2], "meta": meta})

    with FaultServer(answer) as server:
        listing = server.client().search_media(per_page=2)
        assert [media.id for media in form.items(listing)] == [1, 2, 3, 4, 5]
        assert form.total(listing) == 5


# A field that cannot be read

ODD: list[tuple[str, Any]] = [
    ("title", 5),
    ("title", ["a"]),
    ("description", {"text": "a"}),
    ("duration", "long"),
    ("duration", True),
    ("created_at", "yesterday"),
    ("created_at", 1600439260),
    ("created_at", "0000-00-00 00:00:00"),
    ("created_at", "+10000-01-01T00:00:00Z"),
    ("created_at", "9999-12-31T23:59:59-01:00"),
    ("last_viewed", "09/18/2020"),
    ("last_viewed", 5.5),
    ("size", 1.5),
    ("size", "big"),
    ("size", 2**63),
    ("source", 1),
    ("owner", "Ada"),
    ("owner", []),
    ("owner", {"full_name": "nameless"}),
    ("owner", {"id": "seven"}),
    ("collection", {"id": None, "name": "x"}),
]


@pytest.mark.parametrize(("name", "value"), ODD)
def test_a_field_that_cannot_be_read_is_none_and_stands_in_extra_as_it_was_sent(
    form: Form, name: str, value: Any
) -> None:
    odd = media_item(2, views=3, **{name: value})
    with FaultServer(
        json_answer({"media": odd}), json_answer({"media": [media_item(1), odd, media_item(3)]})
    ) as server:
        studio = server.client(max_retries=0)
        alone = form.call(studio, "get_media", 2)
        before, media, after = form.items(studio.search_media())
    assert (before.id, after.id, before.title) == (1, 3, media_item(1)["title"])
    for found in (alone, *again(media)):
        assert found.id == 2
        assert getattr(found, name) is None
        assert found.extra == {"views": 3, name: value}
        assert found.to_dict() == {**dict.fromkeys(("collection",)), **odd}


def test_a_field_of_an_owner_or_of_a_collection_that_cannot_be_read_stands_in_its_extra(form: Form) -> None:
    owner = person(7, email=5)
    collection = collection_item(4, owner=owner, created_at="never")
    with FaultServer(json_answer({"media": media_item(1, owner=owner, collection=collection)})) as server:
        media = form.call(server.client(), "get_media", 1)
    assert (media.owner.id, media.owner.email, media.owner.extra) == (7, None, {"email": 5})
    assert media.owner.to_dict()["email"] == 5
    assert (media.collection.created_at, media.collection.extra) == (None, {"created_at": "never"})
    assert media.collection.owner == media.owner
    assert media.to_dict()["collection"]["owner"]["email"] == 5


@pytest.mark.parametrize(
    ("method", "key", "item", "odd"),
    [
        ("list_media_courses", "courses", {"id": 1, "name": 5, "created_at": "x"}, {"name": 5, "created_at": "x"}),
        ("list_media_perspectives", "perspectives", {"uuid": "a", "collection": 5}, {"collection": 5}),
        ("list_media_sources", "sources", {"url": [], "definition": "low"}, {"url": []}),
        ("list_media_users", "user_permissions", {"id": 1, "email": {}}, {"email": {}}),
    ],
)
def test_a_field_of_a_record_that_cannot_be_read_stands_in_its_extra(
    form: Form, method: str, key: str, item: dict[str, Any], odd: dict[str, Any]
) -> None:
    with FaultServer(json_answer({key: [item]})) as server:
        [record] = form.items(getattr(server.client(), method)(1))
    assert record.extra == odd
    assert {name: getattr(record, name) for name in odd} == dict.fromkeys(odd)
    assert {name: value for name, value in record.to_dict().items() if value is not None} == item


def test_what_cannot_be_read_is_null_in_its_column_and_stands_in_extra(form: Form, tmp_path: Path) -> None:
    items = [media_item(1), media_item(2, created_at="never", size=2**63, owner=person(7, email=5)), media_item(3)]
    items[2] |= {"owner": "Ada", "title": 5}
    with FaultServer(paged(items)) as server:
        listing = server.client().search_media()
        rows = form.call(listing, "to_arrow").to_pylist()
        path = form.call(listing, "to_csv", tmp_path / "media.csv")
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert (rows[1]["created_at"], rows[1]["size"], rows[1]["owner"]["email"]) == (None, None, None)
    assert json.loads(rows[1]["extra"]) == {"created_at": "never", "size": 2**63, "owner": {"email": 5}}
    assert (rows[2]["owner"], json.loads(rows[2]["extra"])) == (None, {"owner": "Ada", "title": 5})
    with path.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["id"] for row in written] == ["1", "2", "3"]
    assert (written[1]["created_at"], written[1]["size"], written[1]["owner_email"]) == ("never", str(2**63), "5")
    assert json.loads(written[2]["extra"]) == {"owner": "Ada"}


# Dates


@pytest.mark.parametrize(
    "sent",
    [
        "2020-09-18 14:27:40 +0000",
        "2020-09-18 16:27:40 +0200",
        "2020-09-18 14:27:40 UTC",
        "2020-09-18T14:27:40,000z",
        "2020-09-18T14:27:40.000000000Z",
        "2020-09-18T16:27:40+02",
        "Fri, 18 Sep 2020 14:27:40 GMT",
        "Fri, 18 Sep 2020 16:27:40 +0200",
        "Fri Sep 18 14:27:40 UTC 2020",
    ],
)
def test_a_moment_is_read_in_every_usual_form(form: Form, sent: str) -> None:
    [media, _] = listed(form, f'{{"id": 1, "created_at": "{sent}"}}', '{"id": 2}')
    assert media.created_at is not None
    assert media.created_at == CREATED
    assert media.created_at.utcoffset() == CREATED.utcoffset()
    assert (media.to_dict()["created_at"], media.extra) == (sent, {})


@pytest.mark.parametrize(
    ("sent", "moment"),
    [
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999999Z", datetime.max.replace(tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime.min.replace(tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2020-09-18T24:00:00Z", datetime(2020, 9, 19, tzinfo=UTC)),
        ("1969-12-31T23:59:59.9999999Z", datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_the_ends_of_the_calendar_are_moments_in_objects_records_and_columns(
    form: Form, sent: str, moment: datetime
) -> None:
    with FaultServer(json_answer({"media": [media_item(1, created_at=sent)]})) as server:
        listing = server.client().search_media()
        [media] = form.items(listing)
        table = form.call(listing, "to_arrow")
        frame = form.call(listing, "to_pandas")
    with FaultServer(json_answer({"courses": [{"id": 1, "created_at": sent}]})) as server:
        [course] = form.items(server.client().list_media_courses(1))
    assert (media.created_at, course.created_at) == (moment, moment)
    assert table["created_at"].to_pylist() == [moment]
    assert frame["created_at"].dt.year.tolist() == [moment.year]
    assert "<table" in media._repr_html_()


def test_a_day_at_the_end_of_the_calendar_is_a_day(form: Form) -> None:
    days = {"last_viewed": "9999-12-31", "last_viewed_by_student": "0001-01-01"}
    with FaultServer(json_answer({"media": [media_item(1, **days)]})) as server:
        listing = server.client().search_media()
        [media] = form.items(listing)
        [row] = form.call(listing, "to_arrow").to_pylist()
    assert (media.last_viewed, media.last_viewed_by_student) == (date.max, date.min)
    assert (row["last_viewed"], row["last_viewed_by_student"]) == (date.max, date.min)


# Texts


def test_half_of_an_emoji_in_a_dict_becomes_one_replacement_sign_as_in_an_answer() -> None:
    media = Media.from_dict({"id": 1, "title": "cut \ud83d", "\udc00key": "\ude00\ud83d\ude00"})
    assert media.title == "cut \ufffd"
    assert media.extra == {"\ufffdkey": "\ufffd\U0001f600"}


def test_half_of_an_emoji_becomes_a_replacement_sign(form: Form, tmp_path: Path) -> None:
    cut = r'{"id": 1, "title": "cut \ud83d", "\udc00key": "\ude00\ud83d\ude00"}'
    page = f'{{"media": [{cut}, {{"id": 2}}], "meta": {{"last_page": 1}}}}'
    with FaultServer(
        json_text(f'{{"media": {cut}}}'),
        json_text(page),
        json_text(page),
        json_text(page),
        json_text(cut),
        Answer(status=404, headers={"Content-Type": "application/json"}, body=rb'{"error": "no \ud83d"}'),
    ) as server:
        studio = server.client(max_retries=0)
        one = form.call(studio, "get_media", 1)
        several = form.items(studio.search_media())
        rows = form.items(studio.paginate("/media", key="media"))
        path = form.call(studio.search_media(), "to_csv", tmp_path / "media.csv")
        raw = form.call(studio, "request", "GET", "/x")
        with pytest.raises(NotFoundError, match="no \ufffd") as caught:
            form.call(studio, "get_media", 1)
    whole = {"id": 1, "title": "cut \ufffd", "\ufffdkey": "\ufffd\U0001f600"}
    assert [media.id for media in several] == [1, 2]
    for media in (one, several[0]):
        assert (media.title, media.extra) == ("cut \ufffd", {"\ufffdkey": "\ufffd\U0001f600"})
    assert (rows, raw) == ([whole, {"id": 2}], whole)
    assert "cut \ufffd" in path.read_text(encoding="utf-8")
    assert caught.value.body == {"error": "no \ufffd"}


# Numbers

WHOLE = (2**63, 2**64 + 1, -(2**63) - 1, 10**38, -(10**300), 10**4299)


def test_a_whole_number_of_any_length_keeps_its_digits(form: Form) -> None:
    numbers = [*WHOLE, {"deep": list(WHOLE)}]
    with FaultServer(
        json_answer(numbers),
        json_answer({"rows": [{"id": 1, "n": numbers}], "meta": META}),
        json_answer({"media": media_item(1, n=numbers, owner=person(7, n=numbers))}),
        json_answer({"error": numbers}, 404),
    ) as server:
        studio = server.client()
        assert form.call(studio, "request", "GET", "/x") == numbers
        assert form.items(studio.paginate("/rows", key="rows")) == [{"id": 1, "n": numbers}]
        media = form.call(studio, "get_media", 1)
        with pytest.raises(NotFoundError) as caught:
            form.call(studio, "get_media", 1)
    for found in again(media):
        assert found.owner is not None
        assert (found.extra, found.owner.extra) == ({"n": numbers}, {"n": numbers})
        assert found.to_dict()["n"] == numbers
    assert caught.value.body == {"error": numbers}


def test_a_number_of_a_million_digits_is_a_text_of_them(form: Form) -> None:
    digits = "7" * 1_000_000
    with FaultServer(json_text(f'{{"media": {{"id": 1, "n": {digits}, "title": "x"}}}}'), json_text(digits)) as server:
        studio = server.client()
        media = form.call(studio, "get_media", 1)
        assert (media.title, media.extra) == ("x", {"n": digits})
        assert form.call(studio, "request", "GET", "/x") == digits


def test_a_float_that_is_too_large_is_infinite_as_in_python(form: Form) -> None:
    text = '{"a": 1e400, "b": -1e400, "c": NaN, "d": Infinity, "e": -Infinity, "f": 1e-400, "g": -0.0, "h": "NaN"}'
    expected = {"a": inf, "b": -inf, "c": None, "d": inf, "e": -inf, "f": 0.0, "g": 0.0, "h": "NaN"}
    with FaultServer(json_text(text), json_text(f'{{"media": {{"id": 1, "duration": 1e400, "x": {text}}}}}')) as server:
        studio = server.client()
        assert form.call(studio, "request", "GET", "/x") == expected
        media = form.call(studio, "get_media", 1)
    for found in again(media):
        assert (found.duration, found.extra) == (None, {"duration": inf, "x": expected})


def test_of_a_name_that_comes_twice_the_last_counts_as_in_python(form: Form) -> None:
    twice = '{"id": 1, "title": "a", "x": 1, "title": "b", "x": 2, "id": 5}'
    [media, _] = listed(form, twice, '{"id": 2}')
    assert (media.id, media.title, media.extra) == (5, "b", {"x": 2})
    with FaultServer(json_text(twice)) as server:
        assert form.call(server.client(), "request", "GET", "/x") == json.loads(twice)


def test_from_dict_refuses_what_holds_itself() -> None:
    itself: list[Any] = []
    itself.append(itself)
    with pytest.raises(ValueError, match="holds itself"):
        Media.from_dict({"id": 1, "x": itself})


ON_A_SMALL_STACK = """
import json, threading
from canvas_studio import Collection, InvalidArgumentError, Media, Tokens

threading.stack_size(128 * 1024)
itself = []
itself.append(itself)
values = [itself, json.loads("[" * 900 + "]" * 900), json.loads('{"a":' * 900 + "1" + "}" * 900)]

def act():
    for value in values:
        for make, fields in [
            (Media, {"id": 1, "x": value}),
            (Collection, {"id": 1, "x": value}),
            (Tokens, {"access_token": value}),
        ]:
            try:
                make.from_dict(fields)
            except InvalidArgumentError:
                print("refused")
    deep = json.loads("[" * 120 + "]" * 120)
    print(Media.from_dict({"id": 1, "x": deep}).to_dict()["x"] == deep)

thread = threading.Thread(target=act)
thread.start()
thread.join()
"""


def test_from_dict_stands_any_depth_on_a_small_stack() -> None:
    found = subprocess.run([sys.executable, "-c", ON_A_SMALL_STACK], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["refused"] * 9 + ["True"]
