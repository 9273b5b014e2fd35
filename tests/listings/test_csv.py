"""CSV is byte for byte what Python's `csv` and `json` write of the dicts, in any encoding, and safe on demand."""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, cast

import pytest
from canvas_studio._core import without_formula
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fault_server import (
    FaultServer,
    collection_item,
    json_answer,
    library_of,
    media_item,
    paged,
    person,
    text_answer,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.forms import Form

OWNER = ("id", "full_name", "display_name", "email")
TEXTS = [
    *(
        "",
        " ",
        "plain",
        "a,b",
        'say "hi"',
        '"',
        "a\nb",
        "a\rb",
        "a\r\nb",
        "\r",
        "\n",
        "\t",
        ";",
        "'",
        "a\x00b",
        "\x1f\x7f",
    ),
    *("Übung 🎬 日本語", "\u2028\u2029", "\ufeff", "e\u0301", "\\", "\\n", "NULL", "None", "1.50", "{}", "</script>"),
    *("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "a;=1", "a\n-b, c", "\uff1d1", 'x;"=1"', "\ta", "1-1", "'=1"),
]
# Numbers as a server may write them.
NUMBERS = [
    *("0", "-0", "1", "-5", "9007199254740993", "9223372036854775808", "-123456789012345678901234567890"),
    *(
        "0.0",
        "-0.0",
        "1.0",
        "1.50",
        "0.1",
        "0.0001",
        "0.00001",
        "1e5",
        "1E+5",
        "1e15",
        "1e16",
        "1.5e16",
        "123456789012345680",
    ),
    *(
        "1e22",
        "1e-7",
        "2.5e-300",
        "5e-324",
        "1.7976931348623157e308",
        "1e400",
        "-1e400",
        "13.700000000000001",
        "1" * 4301,
    ),
]


def fields_of(listing: Any) -> list[str]:
    """The documented fields of a listing's items; none for dicts."""
    fields: list[str] = listing._source.fields
    return fields


def owner_cells(value: Any, extra: dict[str, Any]) -> list[Any]:
    """The cells of an owner. What does not fit there goes into `extra`."""
    owner = dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else {}
    if value is not None and not isinstance(value, dict):
        extra["owner"] = value
    cells = [owner.pop(part, None) for part in OWNER]
    if owner:
        extra["owner"] = owner
    return cells


def by_csv(dicts: Sequence[dict[str, Any]], fields: Sequence[str], *, safe: bool = False) -> str:
    """What Python's `csv` and `json` write of the dicts. Without documented fields, the first page's keys are taken."""

    def cell(value: Any) -> Any:
        if isinstance(value, (dict, list)):
            value = json.dumps(value, ensure_ascii=False)
        return without_formula(value) if safe and isinstance(value, str) else value

    has_owner = "owner" in fields
    fields = fields or list(dict.fromkeys(field for item in dicts[:50] for field in item))
    header: list[str] = []
    for field in fields:
        header += [f"owner_{part}" for part in OWNER] if has_owner and field == "owner" else [field]
    last = "extra"
    while last in {name.casefold() for name in header}:
        last += "_"
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(map(cell, [*header, last]))
    for item in dicts:
        extra = {field: value for field, value in item.items() if field not in fields}
        cells: list[Any] = []
        for field in fields:
            value = item.get(field)
            cells += owner_cells(value, extra) if has_owner and field == "owner" else [value]
        rows.writerow(map(cell, [*cells, extra or None]))
    return text.getvalue()


def odd_media() -> list[dict[str, Any]]:
    """Media with everything odd in them that a server may send."""
    values = [*TEXTS, None, 0, 5, 1.5, 1e300, True, [], ["a", None, {"b": 0.1}], {}, {"a": "b,c"}, 2**70]
    fields = [field for field in media_item(1) if field != "id"]
    items = [media_item(number, title=text, description=text, source=text) for number, text in enumerate(TEXTS, 1)]
    items += [media_item(1000 + number, **{field: value}) for field in fields for number, value in enumerate(values)]
    parts = [*OWNER[1:], "mood"]
    items += [media_item(3000, owner=person(1, **{part: value})) for part in parts for value in values]
    owners: list[Any] = [{"id": value, "full_name": value} for value in values]
    items += [media_item(4000, owner=owner) for owner in [*owners, {"id": "5"}, {"id": 5, "id ": 6}, {"email": "x"}]]
    items += [media_item(5000, **{key: value}) for key in ("extra", "Owner", "a,b", "=1") for value in values]
    items += [media_item(6000, collection=value) for value in [*values, collection_item(3, name="a,b", odd=[0.1])]]
    items += [
        media_item(7000, created_at=text)
        for text in ("2024-05-16T02:36:46.696+02:00", "2024-05-16", "2024-05-16 02:36:46", "", "soon", "0000-00-00")
    ]
    items += [{"id": "7001", "size": "5", "duration": "1.50", "last_viewed": "2026-06-30T09:15:00Z"}, {"id": 7002}]
    # Once each, and in this order.
    return [item | {"id": number} for number, item in enumerate(items, 1)]


ODD = odd_media()


@pytest.mark.parametrize("safe", [False, True])
def test_a_csv_is_byte_for_byte_what_pythons_csv_writes_of_a_library_with_everything_odd(
    form: Form, tmp_path: Path, *, safe: bool
) -> None:
    with FaultServer(paged(ODD)) as server:
        listing = server.client().search_media()
        path = form.call(listing, "to_csv", tmp_path / "media.csv", safe=safe)
        dicts = form.call(listing, "to_dicts")
    assert len(dicts) == len(ODD)
    assert path.read_bytes() == by_csv(dicts, fields_of(listing), safe=safe).encode()


def test_numbers_are_written_as_python_writes_them(form: Form, tmp_path: Path) -> None:
    items = [f'{{"id": {index}, "duration": {text}, "more": {text}}}' for index, text in enumerate(NUMBERS, 1)]
    for key in ("media", "things"):
        answer = text_answer(f'{{"{key}": [{",".join(items)}]}}', "application/json")
        with FaultServer(answer) as server:
            studio = server.client()
            listing: Any = studio.search_media() if key == "media" else studio.paginate("/things", key=key)
            path = form.call(listing, "to_csv", tmp_path / "numbers.csv")
            dicts = form.call(listing, "to_dicts")
        assert len(dicts) == len(NUMBERS)
        assert path.read_bytes() == by_csv(dicts, fields_of(listing)).encode()


@pytest.mark.parametrize(
    ("method", "key", "items"),
    [
        (
            "list_media_courses",
            "courses",
            [
                collection_item(1, course_id=1301, created_at="2026-06-30T09:15:00.5+02:00"),
                collection_item(2, archived_at="2026-06-30T09:15:00Z", views=3, created_at="soon", owner="x"),
                collection_item(3, owner=person(4, mood="calm"), created_at="0001-01-01T00:00:00.0000019Z"),
            ],
        ),
        (
            "list_media_perspectives",
            "perspectives",
            [{"uuid": "a", "collection": collection_item(2)}, {"uuid": 7, "x": 1}],
        ),
        ("list_media_sources", "sources", [{"url": "https://files.example/1", "definition": "low"}, {"height": 720}]),
        ("list_captions", "caption_files", [{"id": 1, "is_empty": True, "number_of_errors": 0}, {"id": 2}]),
        ("list_media_users", "user_permissions", [person(1, permission="edit"), person(2, email=None)]),
        ("search_users", "users", [person(1, role_names=["Teacher", "a,b"]), person(2, role_names="Dean")]),
        ("list_user_collections", "collections", [collection_item(1), collection_item(2, owner=None, name='"')]),
    ],
)
def test_every_list_is_written_as_its_dicts_say(
    form: Form, tmp_path: Path, method: str, key: str, items: list[Any]
) -> None:
    argument: dict[str, Any] = {"role": "Teacher"} if method == "search_users" else {}
    with FaultServer(json_answer({key: items})) as server:
        listing = getattr(server.client(), method)(*([] if argument else [1]), **argument)
        path = form.call(listing, "to_csv", tmp_path / "items.csv")
        dicts = form.call(listing, "to_dicts")
    assert len(dicts) == len(items)
    assert path.read_bytes() == by_csv(dicts, fields_of(listing)).encode()


THINGS: dict[str, list[dict[str, Any]]] = {
    "texts": [{"id": number, "text": text, text: number} for number, text in enumerate(TEXTS)],
    "values": [{"id": 1, "a": None, "b": True, "c": [1, {"d": 0.1}], "owner": {"id": 5}}, {"id": 2, "e": "x", "a": {}}],
    "extra": [{"EXTRA": 1, "extra_": 2}],
    "no keys": [{}, {}],
    "one key": [{"a": None}, {"a": ""}, {"b": 1}],
    "later keys": [*({"id": number} for number in range(60)), {"id": 61, "late": [1]}],
}


@pytest.mark.parametrize("things", THINGS.values(), ids=THINGS)
def test_dicts_are_written_with_the_keys_of_the_first_page_as_columns(
    form: Form, tmp_path: Path, things: list[dict[str, Any]]
) -> None:
    with FaultServer(paged(things, "things")) as server:
        listing = server.client().paginate("/things", key="things", per_page=50)
        path = form.call(listing, "to_csv", tmp_path / "things.csv")
    assert path.read_bytes() == by_csv(things, []).encode()


def test_no_dicts_have_no_columns(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged([], "things")) as server:
        path = form.call(server.client().paginate("/things", key="things"), "to_csv", tmp_path / "things.csv")
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "encoding", ["utf8", "UTF-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "gb18030", "utf-7"]
)
def test_other_encodings_hold_the_same_text(form: Form, tmp_path: Path, encoding: str) -> None:
    with FaultServer(paged(ODD[:60])) as server:
        listing = server.client().search_media()
        path = form.call(listing, "to_csv", tmp_path / "media.csv", encoding=encoding)
        text = by_csv(form.call(listing, "to_dicts"), fields_of(listing))
    assert path.read_bytes() == text.encode(encoding)


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13"])
def test_an_encoding_that_is_none_is_refused_before_anything_is_sent(form: Form, tmp_path: Path, encoding: str) -> None:
    with FaultServer(paged(library_of(2))) as server, pytest.raises(LookupError):
        form.call(server.client().search_media(), "to_csv", tmp_path / "media.csv", encoding=encoding)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_safe_is_true_or_false_and_nothing_else(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged(library_of(2))) as server, pytest.raises(TypeError, match=r"\bsafe\b"):
        form.call(server.client().search_media(), "to_csv", tmp_path / "media.csv", safe="yes")
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_safe_csv_has_no_formula_and_its_numbers_stay_numbers(form: Form, tmp_path: Path) -> None:
    sent = ["=1+1", "+1", "-1", "@x", "\t1", "\r1", " =1", "\uff1d1", "1-1", "plain", ""]
    things = [{"text": text, "number": -5, "list": [text]} for text in sent]
    with FaultServer(paged(things, "things")) as server:
        listing = server.client().paginate("/things", key="things")
        path = form.call(listing, "to_csv", tmp_path / "things.csv", safe=True)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [*(f"'{text}" for text in sent[:8]), *sent[8:]]
    assert [(row["number"], json.loads(row["list"])) for row in rows] == [("-5", [text]) for text in sent]


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a;=1", "a;'=1"),  # where a semicolon separates, it is a cell of its own
        ('a;"=1', "a;'\"=1"),
        ("a\tb\t@c", "a\tb\t'@c"),
        ("a\r\n - b\nc", "a\r\n' - b\nc"),
        ("a, =1", "a, =1"),  # a comma separates nothing there, and here the text has quotes around it
        ("\t=1", "'\t'=1"),
        ("\x00\u200b\ufeff=1", "'\x00\u200b\ufeff=1"),
    ],
)
def test_an_apostrophe_stands_wherever_a_cell_may_begin(text: str, safe: str) -> None:
    assert without_formula(text) == safe


def test_every_sign_that_looks_like_one_of_a_formula_is_taken_for_it() -> None:
    letters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    signs = ("=", "+", "-", "@", "\N{MINUS SIGN}")
    looks = [letter for letter in letters if unicodedata.normalize("NFKC", letter).startswith(signs)]
    shows_nothing = [letter for letter in letters if letter.isspace() or unicodedata.category(letter) in {"Cc", "Cf"}]
    assert [letter for letter in letters if not letter.isspace() and without_formula(letter) != letter] == looks
    assert [letter for letter in shows_nothing if "'" not in without_formula(f"{letter}=1")] == []


@given(st.text(st.sampled_from("=+-@;\t\r\n \"'a1,\u200b\uff1d")))
@settings(deadline=None, max_examples=300)
def test_a_text_that_is_safe_holds_the_same_letters_and_no_cell_that_begins_with_a_sign(text: str) -> None:
    safe = without_formula(text)
    assert safe.replace("'", "") == text.replace("'", "")
    for separator in ("\n", "\r", "\t", ";"):
        cells = (cell.strip(' "\u200b\t\r\n') for cell in safe.split(separator))
        assert not any(cell.startswith(("=", "+", "-", "@", "\uff1d")) for cell in cells)
