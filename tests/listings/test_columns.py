"""Listings become columns: every value in its type, for Arrow, pandas and polars; and Parquet files."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import stat
import subprocess
import sys
import textwrap
from datetime import UTC, date, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from canvas_studio import InternalServerError, InvalidArgumentError, _frames
from canvas_studio.sandbox import Sandbox
from support.fault_server import (
    Answer,
    FaultServer,
    Handler,
    Received,
    collection_item,
    json_answer,
    library_of,
    media_item,
    page_answer,
    paged,
    person,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from canvas_studio import Listing, Media
    from support.forms import Form

# What they make is looked at here, and not typed.
duckdb: Any = import_module("duckdb")
pa: Any = import_module("pyarrow")
parquet: Any = import_module("pyarrow.parquet")
pd: Any = import_module("pandas")

WORD = pa.dictionary(pa.int32(), pa.string())
OWNER = pa.struct(
    [
        pa.field("id", pa.int64()),
        pa.field("full_name", pa.string()),
        pa.field("display_name", pa.string()),
        pa.field("email", pa.string()),
    ]
)
MEDIA: dict[str, Any] = {
    "id": pa.int64(),
    "title": pa.string(),
    "description": pa.string(),
    "duration": pa.float64(),
    "created_at": pa.timestamp("us", "UTC"),
    "last_viewed": pa.date32(),
    "last_viewed_by_student": pa.date32(),
    "thumbnail_url": pa.string(),
    "transcoding_status": WORD,
    "owner": OWNER,
    "size": pa.int64(),
    "source": WORD,
    "embed_id": pa.string(),
    "lti_launch_id": pa.string(),
    "archived_at": pa.timestamp("us", "UTC"),
    "permission": WORD,
}
# In a stream these are plain texts.
WORDS = ("transcoding_status", "source", "permission")
# So many items become columns at once.
FIRST_BATCH = 8192
FAILURE = json_answer({"error": "down"}, 500)


def failing_at(page: str) -> Handler:
    """A library of a hundred media of which this page fails."""
    return lambda request: FAILURE if request.parameters["page"] == page else page_answer(request, library_of(100))


def plain(column: str, value: Any) -> Any:
    """A value of a column as `to_dict()` has it."""
    if isinstance(value, datetime):
        assert value.tzinfo is not None
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if column == "owner" and value is not None:
        assert set(value) == {OWNER.field(position).name for position in range(OWNER.num_fields)}
    return value


def as_dicts(table: Any) -> list[dict[str, Any]]:
    """The rows as `to_dicts()` gives them, with what is not documented in its place again."""
    rows: list[dict[str, Any]] = []
    for row in table.to_pylist():
        extra = json.loads(row.pop("extra") or "{}")
        rows.append({column: plain(column, value) for column, value in row.items()} | extra)
    return rows


def in_one_form(row: dict[str, Any]) -> dict[str, Any]:
    """A dict with its moments in one form, and without what is missing."""
    moments = {
        key: datetime.fromisoformat(row[key]).astimezone(UTC).isoformat().replace("+00:00", "Z")
        for key in ("created_at", "archived_at")
        if row.get(key) is not None
    }
    return {key: value for key, value in (row | moments).items() if value is not None}


def same(table: Any, dicts: list[dict[str, Any]]) -> bool:
    """Whether they hold the same."""
    found = [in_one_form(row) for row in as_dicts(table)]
    expected = [in_one_form(row) for row in dicts]
    assert found == expected
    return True


def suffixes(folder: Path) -> list[str]:
    return [file.suffix for file in folder.iterdir()]


def types_of(table: Any) -> dict[str, Any]:
    return {field.name: field.type for field in table.schema}


def test_columns_hold_every_value_of_every_item_in_its_type(form: Form) -> None:
    items = [
        media_item(1, title="Übung 🎬 日本語", description='"quoted"\n\tline'),
        media_item(2, duration=0.1, size=2**53 + 1, source="something_new", transcoding_status="on_the_moon"),
        media_item(3, last_viewed_by_student="1999-12-31", created_at="2024-02-29T23:59:59.999999Z"),
    ]
    with FaultServer(paged(items)) as server:
        listing = server.client().search_media()
        table = form.call(listing, "to_arrow")
        assert same(table, form.call(listing, "to_dicts"))
    columns = types_of(table)
    assert list(columns)[-1] == "extra"
    assert columns.pop("extra") == pa.string()
    assert {name: columns[name] for name in MEDIA} == MEDIA
    assert list(columns)[: len(MEDIA)] == list(MEDIA)


def test_columns_of_a_whole_library_are_its_items(form: Form) -> None:
    with Sandbox(media=1200, seed=5) as box, box.client() as studio:
        for listing in (studio.search_media(per_page=20), studio.list_collections()):
            assert same(form.call(listing, "to_arrow"), form.call(listing, "to_dicts"))


@pytest.mark.parametrize(
    ("method", "key", "items"),
    [
        (
            "list_media_courses",
            "courses",
            [collection_item(1, course_id=1301), collection_item(2, archived_at="2026-06-30T09:15:00Z", views=3)],
        ),
        ("list_media_perspectives", "perspectives", [{"uuid": "a", "title": "A"}, {"uuid": "b", "kind": "x"}]),
        ("list_media_sources", "sources", [{"url": "https://files.example/1", "definition": "low"}, {"height": 720}]),
        ("list_media_users", "user_permissions", [person(1, permission="edit"), person(2, email=None)]),
        ("list_user_media", "media", [media_item(1, permission="edit"), media_item(2, permission="a_new_word")]),
        ("list_user_collections", "collections", [collection_item(1), collection_item(2, permission="owner")]),
    ],
)
def test_every_list_has_columns(form: Form, method: str, key: str, items: list[Any]) -> None:
    with FaultServer(json_answer({key: items})) as server:
        listing = getattr(server.client(), method)(1)
        assert same(form.call(listing, "to_arrow"), form.call(listing, "to_dicts"))


def test_roles_are_a_column_of_lists_and_json_in_csv(form: Form, tmp_path: Path) -> None:
    roles: list[Any] = [["Teacher", "Subaccount admin"], [], None, "Dean"]
    users = [person(number, role_names=names) for number, names in enumerate(roles, start=1)]
    with FaultServer(json_answer({"users": users})) as server:
        listing = server.client().search_users(role="Teacher")
        table = form.call(listing, "to_arrow")
        form.call(listing, "to_csv", tmp_path / "users.csv")
    assert types_of(table)["role_names"] == pa.list_(pa.string())
    assert table["role_names"].to_pylist() == [*roles[:3], None]
    assert [json.loads(extra or "{}") for extra in table["extra"].to_pylist()] == [{}, {}, {}, {"role_names": "Dean"}]
    with (tmp_path / "users.csv").open(encoding="utf-8", newline="") as file:
        cells = [row["role_names"] for row in csv.DictReader(file)]
    assert cells == ['["Teacher", "Subaccount admin"]', "[]", "", "Dean"]


FLAT = ("owner_id", "owner_full_name", "owner_display_name", "owner_email")
ODD_OWNERS: list[Any] = [
    person(7),
    person(8, email=None, mood="calm"),
    {"id": 9},
    {"id": 10, "full_name": "=1+1"},
    None,
    "nobody",
    [1],
]


def odd_media() -> list[dict[str, Any]]:
    """Media with every kind of owner, some in a collection."""
    items = [media_item(number, owner=owner) for number, owner in enumerate(ODD_OWNERS, 1)]
    items[0]["collection"] = collection_item(4, views=3, name='Biology "101" 🎬')
    items[1] |= {"collection": None, "views": 3}
    return items


def is_cell(text: str, value: Any) -> bool:
    """Whether a cell of CSV holds this value."""
    if isinstance(value, datetime):
        return datetime.fromisoformat(text) == value
    return text == ("" if value is None else str(plain("", value)))


def test_flat_columns_have_the_names_and_the_values_of_the_csv(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged(odd_media())) as server:
        listing = server.client().search_media()
        with form.call(listing, "to_csv", tmp_path / "media.csv").open(encoding="utf-8", newline="") as file:
            expected = list(csv.DictReader(file))
        table = form.call(listing, "to_arrow", flatten=True)
        polars = form.call(listing, "to_polars", flatten=True)
        pandas = form.call(listing, "to_pandas", flatten=True)
        written = parquet.read_table(form.call(listing, "to_parquet", tmp_path / "media.parquet", flatten=True))
    names = list(expected[0])
    assert names[9:14] == [*FLAT, "size"]
    assert table.column_names == polars.columns == list(pandas.columns) == written.column_names == names
    assert table.to_pylist() == polars.to_dicts() == written.to_pylist()
    json_columns = ("collection", "extra")
    for row, found in zip(expected, table.to_pylist(), strict=True):
        for name in names:
            if name in json_columns:
                want, have = (json.loads(text or "null") for text in (row[name], found[name]))
                # CSV names the fields of a collection that were not sent, too.
                if name == "collection" and want:
                    want = {key: value for key, value in want.items() if value is not None}
                assert have == want
            else:
                assert is_cell(row[name], found[name])


def test_flat_columns_have_types_with_which_pandas_can_count(form: Form) -> None:
    with FaultServer(paged(odd_media())) as server:
        frame = form.call(server.client().search_media(), "to_pandas", flatten=True)
    assert [str(frame[name].dtype) for name in ("owner_id", "size")] == ["Int64", "Int64"]
    assert frame["owner_id"].tolist() == [7, 8, 9, 10, pd.NA, pd.NA, pd.NA]
    by_owner = frame.groupby("owner_id", dropna=False)["size"].sum()
    assert by_owner.sum() == frame["size"].sum()
    assert len(by_owner) == 5
    assert not frame.drop_duplicates().empty  # no cell holds what cannot be hashed


def test_flat_columns_of_lists_are_json(form: Form) -> None:
    users = [person(1, role_names=["Teacher", "Subaccount admin"]), person(2, role_names=[]), person(3)]
    with FaultServer(json_answer({"users": users})) as server:
        table = form.call(server.client().search_users(role="Teacher"), "to_arrow", flatten=True)
    assert types_of(table)["role_names"] == pa.string()
    assert [json.loads(text or "null") for text in table["role_names"].to_pylist()] == [
        ["Teacher", "Subaccount admin"],
        [],
        None,
    ]


def test_flat_columns_of_an_empty_list_are_there(form: Form) -> None:
    with FaultServer(paged([], "collections")) as server:
        listing = server.client().list_collections()
        assert (
            form.call(listing, "to_polars", flatten=True).columns
            == form.call(listing, "to_arrow", flatten=True).column_names
        )
        assert set(FLAT) < set(form.call(listing, "to_pandas", flatten=True).columns)


def test_dicts_of_paginate_are_flat_already(form: Form) -> None:
    with FaultServer(rows_of({"id": 1, "owner": {"id": 2}, "tags": [1]})) as server:
        listing = server.client().paginate("/rows", key="rows")
        assert form.call(listing, "to_arrow", flatten=True).equals(form.call(listing, "to_arrow"))


@pytest.mark.parametrize("method", ["to_arrow", "to_pandas", "to_polars", "to_parquet"])
def test_flatten_of_the_wrong_type_is_refused_before_anything_is_sent(form: Form, method: str, tmp_path: Path) -> None:
    arguments = [tmp_path / "media.parquet"] if method == "to_parquet" else []
    with FaultServer(paged([])) as server, pytest.raises(TypeError, match="flatten"):
        form.call(server.client().search_media(), method, *arguments, flatten="owner")
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_null(form: Form) -> None:
    items: list[dict[str, Any]] = [{"id": 1}, media_item(2, owner=None, size=None, created_at=None, source=None)]
    with FaultServer(paged(items)) as server:
        table = form.call(server.client().search_media(), "to_arrow")
    rows = table.to_pylist()
    assert {name for name, value in rows[0].items() if value is not None} == {"id"}
    assert all(rows[1][name] is None for name in ("owner", "size", "created_at", "source", "extra"))


def test_an_owner_is_a_struct_whose_fields_may_be_missing(form: Form) -> None:
    items = [media_item(1, owner={"id": 5}), media_item(2, owner=person(6, email=None)), media_item(3, owner=None)]
    with FaultServer(paged(items)) as server:
        table = form.call(server.client().search_media(), "to_arrow")
    assert table["owner"].to_pylist() == [
        {"id": 5, "full_name": None, "display_name": None, "email": None},
        {"id": 6, "full_name": "Person 6", "display_name": "Person 6", "email": None},
        None,
    ]


def test_what_is_not_documented_is_json_in_the_last_column(form: Form) -> None:
    items = [media_item(1, views=3, tags=["ä", None, {"deep": 0.1}]), media_item(2)]
    with FaultServer(paged(items)) as server:
        table = form.call(server.client().search_media(), "to_arrow")
    assert table.column_names[-1] == "extra"
    first, second = table["extra"].to_pylist()
    assert json.loads(first) == {"views": 3, "tags": ["ä", None, {"deep": 0.1}]}
    assert second is None


def test_what_is_not_documented_stands_in_its_own_row_also_when_it_is_inside_of_an_owner(form: Form) -> None:
    items = [media_item(number, owner=person(number)) for number in range(120)]
    items[7] |= {"owner": person(7, mood="calm")}
    items[70] |= {"owner": person(70, mood=[1]), "views": 3}
    items[71] |= {"views": 4, "owner": None}
    with FaultServer(paged(items)) as server:
        table = form.call(server.client().search_media(), "to_arrow")
    found = {row: json.loads(text) for row, text in enumerate(table["extra"].to_pylist()) if text}
    assert found == {7: {"owner": {"mood": "calm"}}, 70: {"views": 3, "owner": {"mood": [1]}}, 71: {"views": 4}}


def test_moments_are_in_utc_whatever_zone_they_were_sent_in(form: Form) -> None:
    items = [
        media_item(1, created_at="2024-05-16T02:36:46Z"),
        media_item(2, created_at="2024-05-16T02:36:46.696+02:00"),
        media_item(3, created_at="1969-12-31T23:59:59.999999Z"),
    ]
    with FaultServer(paged(items)) as server:
        table = form.call(server.client().search_media(), "to_arrow")
    assert table["created_at"].to_pylist() == [
        datetime(2024, 5, 16, 2, 36, 46, tzinfo=UTC),
        datetime(2024, 5, 16, 0, 36, 46, 696_000, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]


def test_words_of_an_enum_mean_the_same_in_every_batch(form: Form) -> None:
    sources = ["upload", *["youtube"] * 2 * FIRST_BATCH, "record", "youtube", None, "brand_new", "upload"]
    items = [{"id": number, "source": source} for number, source in enumerate(sources, 1)]
    with FaultServer(paged(items)) as server:
        listing = server.client().search_media()
        column = form.call(listing, "to_arrow")["source"]
        assert column.type == WORD
        assert column.to_pylist() == sources
        assert column.num_chunks > 1
        assert column.chunk(0).dictionary == column.chunk(1).dictionary
        frame = form.call(listing, "to_pandas")
        assert [None if pd.isna(source) else source for source in frame["source"]] == sources
        assert form.call(listing, "to_polars")["source"].to_list() == sources


@pytest.mark.parametrize("count", [0, 1, 20, 21, 345])
def test_columns_have_a_row_for_every_item_once_and_in_order(form: Form, count: int) -> None:
    with FaultServer(paged(library_of(count))) as server:
        listing = server.client().search_media(per_page=20)
        expected = list(range(1, count + 1))
        assert form.call(listing, "to_arrow")["id"].to_pylist() == expected
        assert form.call(listing, "to_pandas")["id"].tolist() == expected
        assert form.call(listing, "to_polars")["id"].to_list() == expected


def test_an_empty_list_still_has_its_columns(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged([])) as server:
        listing = server.client().search_media()
        written = parquet.read_table(form.call(listing, "to_parquet", tmp_path / "media.parquet"))
        for table in (form.call(listing, "to_arrow"), written):
            assert table.num_rows == 0
            assert {name: types_of(table)[name] for name in MEDIA} == MEDIA
        streamed = types_of(pa.table(listing))
        assert {name: streamed[name] for name in MEDIA} == MEDIA | dict.fromkeys(WORDS, pa.string())
        assert list(form.call(listing, "to_pandas"))[:3] == ["id", "title", "description"]
        assert form.call(listing, "to_polars").schema["created_at"] == pl.Datetime("us", "UTC")


def test_columns_end_at_the_limit(form: Form) -> None:
    with FaultServer(paged(library_of(345))) as server:
        listing = server.client().search_media(per_page=20).limit(47)
        assert form.call(listing, "to_arrow").num_rows == 47
        assert pa.table(listing).num_rows == 47


def read_by_pyarrow(listing: Listing[Media]) -> list[int]:
    ids: list[int] = pa.table(listing)["id"].to_pylist()
    return ids


def read_by_pyarrow_in_batches(listing: Listing[Media]) -> list[int]:
    return [number for batch in pa.RecordBatchReader.from_stream(listing) for number in batch["id"].to_pylist()]


def read_by_polars(listing: Listing[Media]) -> list[int]:
    return pl.DataFrame(listing)["id"].to_list()


def read_by_pandas(listing: Listing[Media]) -> list[int]:
    if not hasattr(pd.DataFrame, "from_arrow"):
        pytest.skip("pandas reads Arrow itself since its version 3")
    ids: list[int] = pd.DataFrame.from_arrow(listing)["id"].tolist()
    return ids


def read_by_duckdb(listing: Listing[Media]) -> list[int]:
    assert listing is not None  # DuckDB finds it by its name
    return [number for (number,) in duckdb.sql("select id from listing order by id").fetchall()]


@pytest.mark.parametrize(
    "read", [read_by_pyarrow, read_by_pyarrow_in_batches, read_by_polars, read_by_pandas, read_by_duckdb]
)
def test_what_reads_arrow_reads_the_listing_itself_and_asks_for_each_page_once(
    read: Callable[[Listing[Media]], list[int]],
) -> None:
    with FaultServer(paged(library_of(345))) as server:
        listing = server.client().search_media(per_page=20)
        assert read(listing) == list(range(1, 346))
        assert sorted(int(request.parameters["page"]) for request in server.requests) == list(range(1, 19))
        drift = listing.drift
        assert drift is not None
        assert drift.readings == 1


def test_duckdb_asks_the_listing_as_if_it_were_a_table() -> None:
    items = [media_item(number, owner=person(number % 3), size=number) for number in range(1, 101)]
    with FaultServer(paged(items)) as server:
        media = server.client().search_media()
        assert media is not None  # DuckDB finds it by its name
        found = duckdb.sql("select owner.id, count(*), sum(size) from media group by all order by all").fetchall()
    assert found == [(0, 33, 1683), (1, 34, 1717), (2, 33, 1650)]


def test_nothing_is_asked_before_a_stream_is_read() -> None:
    with FaultServer(paged(library_of(345))) as server:
        reader = pa.RecordBatchReader.from_stream(server.client().search_media())
        assert reader.schema.names[:3] == ["id", "title", "description"]
        assert server.requests == []


def test_a_stream_that_is_left_asks_for_no_more() -> None:
    with FaultServer(paged(library_of(3 * FIRST_BATCH))) as server:
        reader = pa.RecordBatchReader.from_stream(server.client().search_media(per_page=50))
        reader.read_next_batch()
        del reader
        assert len(server.requests) < 2 * FIRST_BATCH / 50


def test_a_page_that_fails_is_an_error_of_the_stream_that_says_why() -> None:
    with FaultServer(failing_at("2")) as server, pytest.raises(Exception, match="500"):
        pa.table(server.client(max_retries=0).search_media(per_page=20))


def test_a_page_that_fails_is_the_error_that_it_always_is(form: Form) -> None:
    with FaultServer(failing_at("2")) as server:
        listing = server.client(max_retries=0).search_media(per_page=20)
        for method in ("to_arrow", "to_pandas", "to_polars"):
            with pytest.raises(InternalServerError):
                form.call(listing, method)


def test_pandas_keeps_whole_numbers_whole_and_dates_dates(form: Form) -> None:
    items = [media_item(1, size=None, last_viewed=None), media_item(2, size=2**53 + 1, last_viewed="2024-06-01")]
    with FaultServer(paged(items)) as server:
        frame = form.call(server.client().search_media(), "to_pandas")
    assert frame["id"].dtype == "int64"
    assert frame["size"].dtype == "Int64"
    assert frame["size"].tolist() == [pd.NA, 2**53 + 1]
    assert str(frame["created_at"].dtype).startswith("datetime64[")
    assert str(frame["created_at"].dtype).endswith("UTC]")
    assert frame["last_viewed"].dt.year.tolist()[1] == 2024
    assert frame["source"].dtype == "category"
    assert frame["owner"][1] == person()


def test_polars_has_structs_moments_and_categories(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        frame = form.call(server.client().search_media(per_page=20), "to_polars")
    assert frame.schema["created_at"] == pl.Datetime("us", "UTC")
    assert frame.schema["last_viewed"] == pl.Date
    assert isinstance(frame.schema["source"], pl.Categorical)
    assert frame["owner"].struct.field("email").unique().to_list() == ["person7@example.edu"]


def test_dicts_of_paginate_have_the_columns_of_the_first_batch(form: Form) -> None:
    things: list[dict[str, Any]] = [{"id": 1, "name": "one", "deep": {"a": [1]}}, {"id": 2, "name": None, "good": True}]
    things += [{"id": number, "name": "more"} for number in range(3, FIRST_BATCH + 1)]
    things += [{"id": 10_000, "name": "last", "late": [1]}, {"id": 10_001, "name": 7, "good": "perhaps"}]
    with FaultServer(paged(things, "things")) as server:
        listing = server.client().paginate("/things", key="things", per_page=32)
        for table in (form.call(listing, "to_arrow"), pa.table(listing)):
            rows = table.to_pylist()
            assert table.column_names == ["id", "name", "deep", "good", "extra"]
            assert [row["id"] for row in rows] == [thing["id"] for thing in things]
            assert [rows[0]["name"], json.loads(rows[0]["deep"])] == ["one", {"a": [1]}]
            assert [row["good"] for row in rows[:3]] == [None, True, None]
            assert [row["name"] for row in rows[-2:]] == ["last", "7"]  # a text is a text of anything
            assert {row["extra"] for row in rows[:-2]} == {None}
            assert [json.loads(row["extra"]) for row in rows[-2:]] == [{"late": [1]}, {"good": "perhaps"}]


def rows_of(*rows: dict[str, Any]) -> Answer:
    """One page of rows, and no other."""
    return json_answer({"rows": list(rows), "meta": {"last_page": 1, "total_count": len(rows)}})


def test_whole_numbers_of_any_length_lose_no_digit_in_columns(form: Form, tmp_path: Path) -> None:
    first: dict[str, Any] = {"id": 1, "some": 1, "big": 2**64 + 1, "bigger": 10**38, "float": 0.5}
    rows = [first, {"id": 2, "some": 2, "big": -(10**37), "bigger": -7, "float": 2**53 + 1}]
    rows += [{"id": number} for number in range(3, FIRST_BATCH + 1)]
    rows += [{"id": 10_000, "some": 2**63, "big": 10**38, "bigger": 10**50, "float": 3}]
    with FaultServer(paged(rows, "rows")) as server:
        listing = server.client().paginate("/rows", key="rows", per_page=32)
        table = form.call(listing, "to_arrow")
        path = form.call(listing, "to_parquet", tmp_path / "rows.parquet")
        frame, columns = form.call(listing, "to_pandas"), form.call(listing, "to_polars")
    whole = pa.decimal128(38, 0)
    wanted = {"id": pa.int64(), "some": pa.int64(), "big": whole, "bigger": pa.string(), "float": pa.float64()}
    for read in (table, parquet.read_table(path)):
        assert types_of(read) == {**wanted, "extra": pa.string()}
        found = read.to_pylist()
        assert [found[0][name] for name in first] == [1, 1, 2**64 + 1, str(10**38), 0.5]
        assert [found[1][name] for name in first] == [2, 2, -(10**37), "-7", None]
        assert [found[-1][name] for name in first] == [10_000, None, None, str(10**50), 3.0]
        assert json.loads(found[1]["extra"]) == {"float": 2**53 + 1}
        assert json.loads(found[-1]["extra"]) == {"some": 2**63, "big": 10**38}
    assert (int(frame["big"][0]), int(columns["big"][0])) == (2**64 + 1, 2**64 + 1)


def test_a_float_that_is_too_large_for_one_stands_in_extra(form: Form) -> None:
    page = Answer(
        headers={"Content-Type": "application/json"},
        body=b'{"rows": [{"id": 1, "n": 1e400}], "meta": {"last_page": 1}}',
    )
    with FaultServer(page) as server:
        [row] = form.call(server.client().paginate("/rows", key="rows"), "to_arrow").to_pylist()
    assert (row["n"], json.loads(row["extra"])) == (None, {"n": float("inf")})


@pytest.mark.parametrize(
    ("keys", "last"),
    [
        (("extra",), "extra_"),
        (("Extra", "EXTRA_"), "extra__"),
        (("extra", "extra_", "id", "ID", ""), "extra__"),
        (("extras",), "extra"),
    ],
)
def test_every_column_has_a_name_of_its_own(form: Form, tmp_path: Path, keys: tuple[str, ...], last: str) -> None:
    row = {key: f"value of {key!r}" for key in keys}
    with FaultServer(rows_of(row)) as server:
        listing = server.client().paginate("/rows", key="rows")
        whole = {**row, last: None}
        assert form.call(listing, "to_arrow").to_pylist() == [whole]
        assert form.call(listing, "to_polars").to_dicts() == [whole]
        assert form.call(listing, "to_pandas").iloc[0][list(keys)].tolist() == list(row.values())
        assert parquet.read_table(form.call(listing, "to_parquet", tmp_path / "rows.parquet")).to_pylist() == [whole]
        with form.call(listing, "to_csv", tmp_path / "rows.csv").open(newline="") as file:
            assert list(csv.DictReader(file)) == [{**row, last: ""}]
        [found] = duckdb.sql("select * from listing").fetchall()
        assert found == (*row.values(), None)


def write_with_arrow(listing: Listing[Any]) -> Any:
    return pa.table(listing)


def write_with_batches(listing: Listing[Any]) -> Any:
    reader = pa.RecordBatchReader.from_stream(listing)
    return pa.Table.from_batches(list(reader), reader.schema)


@pytest.mark.parametrize("read", [write_with_arrow, write_with_batches])
def test_a_listing_of_many_batches_can_be_written_as_an_arrow_file(read: Callable[[Listing[Any]], Any]) -> None:
    words = [f"word {number % 7}" for number in range(2 * FIRST_BATCH + 5)]
    collections = [{"id": number, "type": words[number]} for number in range(1, len(words))]
    items = [{"id": item["id"], "source": item["type"], "collection": item} for item in collections]
    with FaultServer(paged(items)) as server:
        table = read(server.client().search_media(per_page=50))
        # The methods that put batches together keep the words as categories, and can be written too.
        whole = server.client().search_media(per_page=50).to_arrow()
    assert (table["source"].num_chunks > 1, table["source"].type, whole["source"].type) == (True, pa.string(), WORD)
    for each in (table, whole):
        out = io.BytesIO()
        with pa.ipc.new_file(out, each.schema) as file:
            file.write_table(each)
        written = pa.ipc.open_file(out.getvalue()).read_all()
        assert written["source"].to_pylist() == words[1:]
        assert [collection["type"] for collection in written["collection"].to_pylist()] == words[1:]


def test_an_empty_paginate_is_an_empty_table(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged([], "things")) as server:
        listing = server.client().paginate("/things", key="things")
        assert form.call(listing, "to_arrow").num_rows == 0
        assert len(form.call(listing, "to_pandas")) == 0
        assert len(form.call(listing, "to_polars")) == 0
        assert parquet.read_table(form.call(listing, "to_parquet", tmp_path / "things.parquet")).num_rows == 0


def test_columns_are_a_reading_like_any_other(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        studio = server.client()
        listing = studio.search_media(per_page=20)
        form.call(listing, "to_arrow")
        drift = listing.drift
        assert drift is not None
        assert (drift.readings, drift.last_total) == (1, 45)
        assert listing.checkpoint().items == 45
        assert form.items(studio.resume(listing.checkpoint())) == []


def test_parquet_holds_what_the_table_holds(form: Form, tmp_path: Path) -> None:
    with Sandbox(media=345) as box, box.client() as studio:
        listing = studio.search_media(per_page=20)
        path = form.call(listing, "to_parquet", str(tmp_path / "media.parquet"))
        assert path == tmp_path / "media.parquet"
        assert same(parquet.read_table(path), form.call(listing, "to_dicts"))
        assert pl.read_parquet(path).height == 345
        assert duckdb.sql("select count(*) from parquet_scan(?)", params=[str(path)]).fetchall() == [(345,)]


@pytest.mark.parametrize(("rows", "groups"), [(65_536, 1), (FIRST_BATCH, 3), (1, 3)])
def test_parquet_has_few_large_groups_of_rows(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, groups: int
) -> None:
    monkeypatch.setattr(_frames, "ROWS", rows)
    items = [{"id": number} for number in range(1, 2 * FIRST_BATCH + 400)]
    with FaultServer(paged(items)) as server:
        path = form.call(server.client().search_media(), "to_parquet", tmp_path / "media.parquet")
    assert parquet.ParquetFile(path).metadata.num_row_groups == groups
    assert parquet.read_table(path)["id"].to_pylist() == list(range(1, 2 * FIRST_BATCH + 400))


def test_parquet_is_written_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_frames, "ROWS", FIRST_BATCH)
    sizes: list[int] = []

    def note(_done: int, _total: int | None) -> None:
        sizes.extend(part.stat().st_size for part in tmp_path.glob("*.part"))

    with FaultServer(paged(library_of(3 * FIRST_BATCH))) as server:
        server.client().search_media().with_options(progress=note).to_parquet(tmp_path / "media.parquet")
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3  # the file grows with each group


def test_an_interrupted_parquet_leaves_the_existing_file_as_it_was(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "media.parquet"
    path.write_bytes(b"last week's")
    for rows in (20, 65_536):
        monkeypatch.setattr(_frames, "ROWS", rows)
        with FaultServer(failing_at("3")) as server, pytest.raises(InternalServerError):
            form.call(server.client(max_retries=0).search_media(per_page=20), "to_parquet", path)
        assert path.read_bytes() == b"last week's"
        assert list(tmp_path.iterdir()) == [path]


def test_a_cancelled_parquet_leaves_nothing_behind(tmp_path: Path) -> None:
    async def start_and_cancel() -> None:
        writing = asyncio.create_task(server.client().search_media().to_parquet_async(tmp_path / "media.parquet"))
        assert await asyncio.to_thread(server.wait_for_requests)
        assert suffixes(tmp_path) == [".part"]
        writing.cancel()
        await writing

    with FaultServer(Answer(silent=True, end="hang")) as server, pytest.raises(asyncio.CancelledError):
        asyncio.run(start_and_cancel())
    assert list(tmp_path.iterdir()) == []


def test_parquet_onto_a_folder_is_refused_before_anything_is_sent(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged(library_of(2))) as server, pytest.raises(InvalidArgumentError, match=r"\bpath\b"):
        form.call(server.client().search_media(), "to_parquet", tmp_path)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_parquet_onto_what_is_no_file_is_refused_before_anything_is_sent(form: Form, no_file: Path) -> None:
    kind = stat.S_IFMT(no_file.stat().st_mode)
    with FaultServer(paged(library_of(2))) as server, pytest.raises(InvalidArgumentError, match=r"\bpath\b"):
        form.call(server.client().search_media(), "to_parquet", no_file)
    assert server.requests == []
    assert stat.S_IFMT(no_file.stat().st_mode) == kind


def test_parquet_in_a_folder_that_is_not_there_is_refused_before_anything_is_sent(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged(library_of(2))) as server, pytest.raises(FileNotFoundError):
        form.call(server.client().search_media(), "to_parquet", tmp_path / "nowhere/media.parquet")
    assert server.requests == []


def test_a_disk_that_is_full_is_an_os_error_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from canvas_studio.sandbox import Sandbox

        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        with Sandbox(media=1_000) as box, box.client() as studio:
            try:
                studio.search_media().to_parquet(sys.argv[1])
            except OSError as error:
                print(error.strerror or error)
    """
    words = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(tmp_path / "media.parquet")]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "large" in ended.stdout
    assert ended.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "package", "to_install"),
    [
        ("to_arrow", "pyarrow", "pyarrow"),
        ("to_parquet", "pyarrow", "pyarrow"),
        ("to_pandas", "pandas", "pandas pyarrow"),
        ("to_pandas", "pyarrow", "pandas pyarrow"),
        ("to_polars", "polars", "polars"),
    ],
)
def test_a_package_that_is_missing_is_named_with_what_to_install_before_anything_is_sent(
    form: Form, method: str, package: str, to_install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    arguments = [tmp_path / "media.parquet"] if method == "to_parquet" else []
    wanted = re.escape(f"{method}() needs {package}: pip install {to_install}") + "$"
    with FaultServer(paged(library_of(2))) as server:
        with pytest.raises(ImportError, match=wanted):
            form.call(server.client().search_media(), method, *arguments)
        assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_cannot_be_imported_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "polars.py").write_text("import numpy_of_another_age", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "polars")
    with FaultServer(paged(library_of(2))) as server:
        with pytest.raises(ModuleNotFoundError, match="numpy_of_another_age"):
            server.client().search_media().to_polars()
        assert server.requests == []


def without(*packages: str) -> str:
    """A program that reads a sandbox into a frame of polars although these packages cannot be imported."""
    return textwrap.dedent(f"""
        import sys
        for name in {packages!r}:
            sys.modules[name] = None
        from canvas_studio.sandbox import Sandbox
        with Sandbox(media=120) as box, box.client() as studio:
            frame = studio.search_media(per_page=20).to_polars()
            print(frame.height, frame["owner"].struct.field("id").null_count(), frame["source"].dtype)
    """)


def test_polars_needs_no_pyarrow() -> None:
    words = [sys.executable, "-W", "error", "-c", without("pyarrow", "pandas")]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("120 0 Categorical")


def test_a_table_of_pyarrow_needs_no_pandas() -> None:
    script = """
        import sys
        from canvas_studio.sandbox import Sandbox
        with Sandbox(media=20) as box, box.client() as studio:
            assert studio.search_media().to_arrow().num_rows == 20
            print("pyarrow" in sys.modules, "pandas" in sys.modules)
    """
    words = [sys.executable, "-c", textwrap.dedent(script)]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.split() == ["True", "False"]


def test_reading_a_listing_imports_none_of_these_packages() -> None:
    script = """
        import sys
        from canvas_studio.sandbox import Sandbox
        with Sandbox(media=20) as box, box.client() as studio:
            listing = studio.search_media()
            listing.collect(), listing._repr_html_(), listing.checkpoint(), listing.drift
            print(*sorted(sys.modules))
    """
    words = [sys.executable, "-c", textwrap.dedent(script)]
    imported = set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    assert "canvas_studio.listing" in imported
    assert not imported & {"pyarrow", "pandas", "polars", "numpy", "tqdm", "csv", "asyncio"}


def test_columns_of_a_library_that_changes_are_whole(form: Form) -> None:
    items = library_of(60)

    def answer(request: Received) -> Answer:
        page = page_answer(request, items)
        if len(items) == 60:
            del items[:20]
        return page

    with FaultServer(answer) as server:
        table = form.call(server.client(max_concurrency=1).search_media(per_page=20), "to_arrow")
    assert sorted(table["id"].to_pylist()) == list(range(1, 61))
