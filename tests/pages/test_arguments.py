"""Arguments are sent as they are meant, or refused with a message that names them and says what to do."""

from __future__ import annotations

import enum
import json
import re
from collections import UserDict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from canvas_studio import (
    Checkpoint,
    Collection,
    FileTokenStore,
    Media,
    MemoryTokenStore,
    OAuth,
    PermissionChange,
    StudioClient,
    Tokens,
    User,
    profiles,
)
from canvas_studio.sandbox import Fault, Faults, Sandbox, SandboxUser
from support.fault_server import (
    TOKEN,
    Answer,
    FaultServer,
    Received,
    collection_item,
    json_answer,
    media_answer,
    media_item,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.forms import Form


class Word(enum.StrEnum):
    """The usual way to have a choice of words."""

    LECTURE = "lecture"


class OldWord(str, enum.Enum):  # noqa: UP042 - the older way, whose str() is not its value
    """As it was done before StrEnum."""

    LECTURE = "lecture"


class Choice(enum.Enum):
    """A choice of anything."""

    LECTURE = "lecture"
    SEVEN = 7
    YES = True
    LATE = np.int64(7)


class Level(enum.Enum):
    """Words that are documented."""

    VIEW = "view"
    CREATE = "create"


class Number(enum.IntEnum):
    """A choice of numbers."""

    SEVEN = 7


class Disguised(str):
    """A text that shows itself as another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


LECTURES = [Word.LECTURE, OldWord.LECTURE, Choice.LECTURE, Disguised("lecture"), np.str_("lecture")]
SEVENS = [Number.SEVEN, Choice.SEVEN, Choice.LATE, np.int64(7), np.uint8(7), np.array(7), pd.Series([7]).iloc[0]]
LONE_SURROGATE = "half \ud83d"
MISSING = [pd.NaT, pd.NA, np.datetime64("NaT"), float("nan"), np.float32("nan"), Decimal("NaN")]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    def answer(request: Received) -> Answer:
        if request.path.endswith("/permissions"):
            # A change is believed only if the list shows it.
            users = [{"id": each["id"], "permission": each["permission_type"]} for each in request.json()]
            return json_answer({"users": users, "groups": []})
        return json_answer({"media": media_item(7), "collection": collection_item(7), "url": "https://example.edu/x"})

    with FaultServer(answer) as server:
        yield server


def refusal(call: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """What a call says that refuses its arguments, without the notes that Python shows beside it."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*arguments, **named)
    return str(caught.value)


def query(server: FaultServer, form: Form, value: object) -> str | None:
    """How a value of params arrives."""
    form.call(server.client(), "request", "GET", "/things", params={"value": value})
    return server.requests[-1].parameters.get("value")


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        *((value, "lecture") for value in LECTURES),
        *((value, "7") for value in SEVENS),
        *((value, "true") for value in (True, np.True_, Choice.YES)),
        (np.False_, "false"),
        (0.1, "0.1"),
        (np.float64(0.1), "0.1"),
        (np.float32(0.5), "0.5"),
        (np.longdouble(0.5), "0.5"),
        (10**30, "1" + "0" * 30),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12), "2026-01-31T12:00:00"),  # noqa: DTZ001 - without a zone
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00+00:00"),
        (pd.Timestamp("2026-01-31 12:00"), "2026-01-31T12:00:00"),
        (np.datetime64("2026-01-31"), "2026-01-31"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (None, None),
        ([], None),
    ],
)
def test_a_value_of_params_is_sent_as_what_it_means(
    server: FaultServer, form: Form, value: object, sent: str | None
) -> None:
    assert query(server, form, value) == sent


def test_the_values_in_a_list_are_read_as_single_ones_are(server: FaultServer, form: Form) -> None:
    form.call(server.client(), "request", "GET", "/things", params={Word.LECTURE: [np.True_, Number.SEVEN]})
    assert server.requests[-1].path.endswith("/things")
    assert server.requests[-1].raw.split()[1].endswith(b"?lecture=true&lecture=7")


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (b"x", 'params["value"].decode()'),
        ({1}, 'list(params["value"])'),
        ((number for number in [1]), 'list(params["value"])'),
        (np.array([1, 2]), 'list(params["value"])'),
        (Path("x"), 'str(params["value"])'),
        (Fraction(1, 3), 'float(params["value"])'),
        (timedelta(seconds=1), 'params["value"].total_seconds()'),
        (time(12), 'params["value"].isoformat()'),
        (object(), ""),
        ({"a": 1}, ""),
        ([None], ""),
        *((value, "") for value in [*MISSING, float("inf"), Decimal("1E-999999"), LONE_SURROGATE]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_params_that_means_nothing_is_refused_by_name(
    server: FaultServer, form: Form, value: object, remedy: str
) -> None:
    said = refusal(query, server, form, value)
    assert said.startswith('params["value"]')
    assert said.endswith(remedy)
    paginated = refusal(server.client().paginate, "/things", key="things", params={"value": value})
    assert paginated.startswith('params["value"]')
    assert server.requests == []


def test_a_missing_value_is_called_one(server: FaultServer, form: Form) -> None:
    for value in MISSING:
        assert "missing value" in refusal(query, server, form, value)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (1e20, b"1e+20"),
        (2**64, b"18446744073709551616"),
        (-(10**30), b"-1" + b"0" * 30),
        (LONE_SURROGATE, b'"half \\ud83d"'),
        ("Übung", b'"\\u00dcbung"'),
        *((value, b'"lecture"') for value in LECTURES),
        *((value, b"7") for value in SEVENS if not isinstance(value, np.ndarray)),
        (np.True_, b"true"),
        (np.float32(0.5), b"0.5"),
        (np.longdouble(0.5), b"0.5"),
        (date(2026, 1, 31), b'"2026-01-31"'),
        (pd.Timestamp("2026-01-31"), b'"2026-01-31T00:00:00"'),
        (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        ([None, (True, {"deep": [1.5]})], b'[null,[true,{"deep":[1.5]}]]'),
    ],
)
def test_a_body_is_sent_to_the_digit_as_json_writes_it(
    server: FaultServer, form: Form, value: object, sent: bytes
) -> None:
    form.call(server.client(), "request", "POST", "/things", json={"value": value})
    assert server.requests[-1].body == b'{"value":' + sent + b"}"
    assert server.requests[-1].headers["content-type"] == "application/json"
    assert json.loads(server.requests[-1].body) == server.requests[-1].json()


@pytest.mark.parametrize(
    "value",
    [*MISSING, float("inf"), {1}, b"x", Decimal(1), np.array([1]), object(), {np.int64(1): 1}, 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_a_body_that_json_has_no_form_for_is_refused_by_name(server: FaultServer, form: Form, value: object) -> None:
    for body in (value, {"deep": [value]}):
        said = refusal(form.call, server.client(), "request", "POST", "/x", json=body)
        assert said.startswith("json must be what JSON can hold")
        assert said.count("json must be") == 1
    assert server.requests == []


def test_an_id_is_any_whole_number(server: FaultServer, form: Form) -> None:
    for seven in SEVENS:
        form.call(server.client(), "get_media", seven)
        form.call(server.client(), "change_media_permissions", seven, [{**CHANGE, "id": seven}])
        assert server.requests[-1].path.endswith("/media/7/permissions")
        assert server.requests[-1].json()[0]["id"] == 7


CHANGE: dict[str, Any] = {"action": "create", "id": 7, "share_type": "user"}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("42", 'not str: use int("42")'),
        (" 42 ", 'not str: use int("42")'),
        ("abc", "not str"),
        (np.str_("42"), 'not str_: use int("42")'),
        (7.0, "not float: use int(7.0)"),
        (7.5, "not float"),
        (Decimal(7), "not Decimal: use int(7.0)"),
        (True, "not bool"),
        (np.True_, "not bool"),
        (None, "not None"),
        (float("nan"), "not float, which stands for a missing value"),
        (pd.NA, "not NAType, which stands for a missing value"),
        (np.array([1, 2]), "not ndarray"),
    ],
    ids=str,
)
def test_what_is_no_id_is_refused_in_one_sentence(server: FaultServer, form: Form, value: object, problem: str) -> None:
    studio: Any = server.client()
    assert refusal(form.call, studio, "get_media", value) == f"id must be an int or a Media, {problem}"
    assert refusal(studio.list_collection_media, value) == f"id must be an int or a Collection, {problem}"
    if value is not None:
        said = refusal(form.call, studio, "create_collection", "New", user_id=value)
        assert said == f"user_id must be an int, an Owner, a User or a GroupUser, {problem}"
    said = refusal(form.call, studio, "create_embed", 1, course_id=value)
    assert said == f"course_id must be an int, a Course or a Collection, {problem}"
    change = {**CHANGE, "id": value}
    said = refusal(form.call, studio, "change_media_permissions", 1, [change])
    assert said == f"changes[0].id must be an int, {problem}"
    assert server.requests == []


def test_an_object_of_another_kind_is_named(server: FaultServer, form: Form) -> None:
    collection = Collection.from_dict(collection_item(1))
    said = refusal(form.call, server.client(), "get_media", collection)
    assert said == "id must be an int or a Media, not Collection"


def test_an_enum_that_is_its_own_value_is_refused_and_does_not_end_the_process(server: FaultServer, form: Form) -> None:
    class Endless(enum.Enum):
        A = 1

    setattr(Endless.A, "_value_", Endless.A)  # noqa: B010 - the type checkers know it as an int
    assert "must be" in refusal(form.call, server.client(), "get_media", Endless.A)
    assert server.requests == []


def test_a_text_is_the_value_of_an_enum_and_never_its_name(server: FaultServer, form: Form) -> None:
    studio: Any = server.client()
    for word in LECTURES:
        for argument in ("title", "tag", "source"):
            assert f"?{argument}=lecture&" in repr(studio.search_media(**{argument: word}))
        form.call(studio, "create_collection", word)
        assert server.requests[-1].parameters == {"name": "lecture"}
        form.call(studio, "change_media_permissions", 1, [{**CHANGE, "permission_type": word}])
        assert server.requests[-1].json()[0]["permission_type"] == "lecture"
    for action in (Level.CREATE, np.str_("create")):
        form.call(studio, "change_media_permissions", 1, [{**CHANGE, "action": action}])
        assert server.requests[-1].json()[0]["action"] == "create"
    assert "min_permission=view" in repr(studio.list_media_users(1, min_permission=Level.VIEW))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (5, "must be a str, not int: use str({})"),
        (b"x", "must be a str, not bytes: use {}.decode()"),
        (Path("x"), "must be a str, not PosixPath: use str({})"),
        (["x"], "must be a str, not list"),
        (pd.NA, "must be a str, not NAType, which stands for a missing value"),
        (LONE_SURROGATE, "cannot be sent, since it holds a lone surrogate: was it a file name that Python could not"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_text_is_refused_by_name(server: FaultServer, form: Form, value: Any, problem: str) -> None:
    studio: Any = server.client()
    said = {
        "title": refusal(studio.search_media, title=value),
        "owner": refusal(studio.search_media, owner=value),
        "key": refusal(studio.paginate, "/things", key=value),
        "name": refusal(form.call, studio, "create_collection", value),
        "quality": refusal(form.call, studio, "get_download_url", 1, quality=value),
        "method": refusal(form.call, studio, "request", value, "/x"),
        "embed_type": refusal(form.call, studio, "create_embed", 1, course_id=1, embed_type=value),
        "min_permission": refusal(studio.list_media_users, 1, min_permission=value),
        "changes[0].share_type": refusal(
            form.call, studio, "change_media_permissions", 1, [{**CHANGE, "share_type": value}]
        ),
        "url": refusal(StudioClient, value, token=TOKEN),
        "token": refusal(StudioClient, "myschool", token=value),
        "proxy": refusal(StudioClient, "myschool", token=TOKEN, proxy=value),
        "profile": refusal(StudioClient.from_env, value),
        "client_id": refusal(OAuth, value, "secret"),
        "client_secret": refusal(OAuth, "key", value),
        "redirect_uri": refusal(OAuth, "key", "secret", redirect_uri=value),
        "access_token": refusal(Tokens, value),
        "refresh_token": refusal(Tokens, "access", refresh_token=value),
        "code": refusal(form.call, OAuth("key", "secret", url="myschool"), "exchange", value),
        "state": refusal(OAuth("key", "secret", url="myschool").authorization_url, state=value),
        "text": refusal(Checkpoint.from_json, value),
    }
    for name, words in said.items():
        assert words.startswith(f"{name} {problem.format(name)}"), name
    assert server.requests == []


DATES = [
    f"{prefix}{end}_date" for prefix in ("", "last_viewed_", "last_viewed_by_student_") for end in ("start", "end")
]


@pytest.mark.parametrize("argument", DATES)
def test_a_day_of_numpy_is_a_date_and_a_moment_is_not(server: FaultServer, argument: str) -> None:
    studio: Any = server.client()

    def refused(value: object) -> str:
        return refusal(studio.search_media, **{argument: value})

    assert f"?{argument}=2026-01-31&" in repr(studio.search_media(**{argument: np.datetime64("2026-01-31")}))
    expected = f'{argument} must be a date or a str such as "2026-01-31", not'
    midnight = datetime(2026, 1, 31)  # noqa: DTZ001 - as they stand in data frames
    assert refused(midnight) == f"{expected} datetime: use {argument}.date()"
    assert refused(pd.Timestamp(midnight)) == f"{expected} Timestamp: use {argument}.date()"
    assert refused(np.datetime64(midnight)) == f'{expected} datetime64: use {argument}.astype("datetime64[D]")'
    for missing in MISSING:
        assert refused(missing).startswith(expected)
        assert refused(missing).endswith(", which stands for a missing value")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (np.float64(2.5), 2.5),
        (Decimal("2.5"), 2.5),
        (Fraction(5, 2), 2.5),
        (timedelta(seconds=2.5), 2.5),
        (pd.Timedelta(seconds=2.5), 2.5),
        (np.timedelta64(2500, "ms"), 2.5),
        (np.timedelta64(2_500_000_000, "ns"), 2.5),
        (Number.SEVEN, 7),
        (10**400, float("inf")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_length_of_time_is_read_in_whatever_unit_it_is(
    value: Any, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    # A pickle is the one place where the options can be seen.
    for made in (
        StudioClient("myschool", token=TOKEN, retry_delay=value),
        StudioClient("myschool", token=TOKEN).with_options(retry_delay=value),
    ):
        assert options_of(made)["retry_delay"] == pytest.approx(min(seconds, 2.0**64))


def options_of(studio: StudioClient) -> dict[str, Any]:
    options: dict[str, Any] = cast("Any", studio).__reduce__()[1][-1]
    return options


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("5", 'must be a number of seconds or a timedelta, not str: use float("5")'),
        (True, "must be a number of seconds or a timedelta, not bool"),
        (np.True_, "must be a number of seconds or a timedelta, not bool"),
        (np.datetime64("2026-01-31"), "must be a number of seconds or a timedelta, not datetime64"),
        (
            np.timedelta64("NaT"),
            "must be a number of seconds or a timedelta, not timedelta64, which stands for a missing",
        ),
        (pd.NaT, "must be a number of seconds or a timedelta, not NaTType, which stands for a missing value"),
        (Decimal("NaN"), "must be 0 seconds or more, not NaN"),
    ],
    ids=str,
)
def test_what_is_no_length_of_time_is_refused_by_name(value: Any, problem: str) -> None:
    with StudioClient("myschool", token=TOKEN) as studio:
        for name in ("retry_delay", "max_retry_wait"):
            for said in (
                refusal(StudioClient, "myschool", token=TOKEN, **{name: value}),
                refusal(StudioClient.from_env, url="myschool", token=TOKEN, **{name: value}),
                refusal(studio.with_options, **{name: value}),
            ):
                assert said.startswith(f"{name} {problem}")


# What other libraries read as "no limit" is refused: with an option left out, it could also mean "as it is".
TIMEOUTS = ("timeout", "connect_timeout", "read_timeout")
OPTIONS = (*TIMEOUTS, "max_retries", "retry_delay", "max_retry_wait", "max_concurrency", "max_connections")


@pytest.mark.parametrize("name", [*OPTIONS, "max_rate"])
def test_none_is_no_value_of_an_option(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    with StudioClient("myschool", token=TOKEN) as studio:
        said = [refusal(studio.with_options, **{name: None})]
        # Without max_rate there is no limit, so that `None` and left out are the same.
        if name in OPTIONS:
            settings = profiles.find(url="myschool")
            said.append(refusal(StudioClient, "myschool", token=TOKEN, **{name: None}))
            said.append(refusal(StudioClient.from_env, url="myschool", **{name: None}))
            said.append(refusal(settings.client, **{name: None}))
        for each in said:
            assert re.match(f"{name} must be .*, not None", each), each
            assert ('use float("inf") for no limit' in each) == (name in {*TIMEOUTS, "max_rate"})


def test_a_timeout_without_end_is_infinity(form: Form) -> None:
    limits: dict[str, Any] = dict.fromkeys(TIMEOUTS, float("inf"))
    with FaultServer(media_answer(5, transcoding_status="transcoding_finished")) as server:
        for studio in (server.client(**limits), server.client().with_options(**limits)):
            assert form.call(studio, "get_media", 5).id == 5
            assert form.call(studio, "wait_until_ready", 5, timeout=float("inf")).id == 5
        assert "not None: use float" in refusal(form.call, studio, "wait_until_ready", 5, timeout=None)


def test_a_number_of_an_option_is_read_as_ids_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    given: dict[str, Any] = {"max_retries": np.int64(7), "max_rate": Decimal("0.5")}
    with StudioClient("myschool", token=TOKEN, **given) as studio:
        assert (options_of(studio)["max_retries"], options_of(studio)["max_rate"]) == (7, 0.5)
        for said in (
            refusal(StudioClient, "myschool", token=TOKEN, max_retries="3"),
            refusal(studio.with_options, max_retries="3"),
        ):
            assert said == 'max_retries must be an int, not str: use int("3")'
        said = refusal(studio.with_options, max_rate="3")
        assert said == 'max_rate must be a number, not str: use float("3")'
        assert refusal(studio.with_options, max_rate=True) == "max_rate must be a number, not bool"


def test_a_flag_is_true_or_false_and_no_other_word(server: FaultServer, form: Form, tmp_path: Path) -> None:
    studio: Any = server.client()
    listing: Any = studio.search_media()
    for flag in (np.True_, Choice.YES):
        form.call(studio, "create_embed", 1, course_id=1, downloadable=flag)
        assert server.requests[-1].json()["downloadable"] is True
        changed = listing.with_options(consistent=flag, thumbnails=flag)
        assert repr(changed).endswith(".with_options(consistent=True, thumbnails=True)")
    asked = len(server.requests)
    for wrong, remedy in (("no", "not str"), (0, "not int: use bool({})"), (pd.NA, "not NAType, which stands for")):
        for name in ("consistent", "thumbnails"):
            said = refusal(listing.with_options, **{name: wrong})
            assert said.startswith(f"{name} must be True or False, {remedy.format(name)}")
        said = refusal(form.call, studio, "create_embed", 1, course_id=1, downloadable=wrong)
        assert said.startswith(f"downloadable must be True or False, {remedy.format('downloadable')}")
    for said in (
        refusal(listing.with_options, progress="yes"),
        refusal(form.call, studio, "download_media", 1, tmp_path / "x", progress="yes"),
    ):
        assert said == "progress must be True, False or a callable, not str"
    assert len(server.requests) == asked


def test_a_count_of_a_listing_is_read_as_ids_are(server: FaultServer) -> None:
    listing: Any = server.client().search_media()
    assert repr(listing.limit(np.int64(7))).endswith(".limit(7)")
    for count, problem in (("7", 'not str: use int("7")'), (7.0, "not float: use int(7.0)"), (True, "not bool")):
        for call in (listing.limit, listing.split):
            said = refusal(call, count)
            assert said == f"count must be an int, {problem}"
    assert server.requests == []


def test_a_path_may_be_bytes_and_anything_else_is_refused_by_name(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "Übung.json"
    paths: list[Any] = [path, str(path), bytes(path)]
    assert [FileTokenStore(each).path for each in paths] == [path] * 3
    assert refusal(FileTokenStore, 5) == "path must be a str or a path, not int"
    with StudioClient("myschool", token=TOKEN) as studio:
        said = refusal(form.call, studio, "download_media", 1, None)
        assert refusal(form.call, studio, "download_media", 1, "a\0b") == "path must hold no NUL character"
    assert said == "path must be a str, a path or a binary file object, not None"
    said = refusal(StudioClient, "myschool", token=TOKEN, ca_bundle=5)
    assert said == "ca_bundle must be a str or a path, not int"
    with FaultServer(json_answer({"media": []})) as server:
        listing: Any = server.client().search_media()
        assert form.call(listing, "to_csv", bytes(path)) == path
        assert refusal(form.call, listing, "to_csv", 5) == "path must be a str or a path, not int"
        assert refusal(form.call, listing, "to_parquet", 5) == "path must be a str or a path, not int"
    for call in (FileTokenStore, Faults.from_toml, Sandbox.load):
        assert refusal(call, "a\0b") == "path must hold no NUL character"
        assert refusal(call, 5) == "path must be a str or a path, not int"


def test_an_object_of_the_package_is_asked_for_by_its_class() -> None:
    wrong: Any = "text"
    with StudioClient("myschool", token=TOKEN) as studio:
        assert refusal(studio.resume, wrong) == "checkpoint must be a Checkpoint, not str"
    assert refusal(StudioClient, "myschool", auth=wrong) == "auth must be an OAuth, not str"
    assert refusal(MemoryTokenStore, wrong) == "tokens must be a Tokens, not str"
    assert refusal(MemoryTokenStore().save, wrong) == "tokens must be a Tokens, not str"
    assert refusal(Tokens.from_dict, wrong) == "values must be a dict, not str"
    assert refusal(Tokens, "access", expires_at=wrong) == "expires_at must be a datetime, not str"
    store = refusal(OAuth, "key", "secret", store=MemoryTokenStore)
    assert store.startswith("store must be a token store, with load(), save() and lock(), not type")


@pytest.mark.parametrize("changes", [None, "create", CHANGE, 5])
def test_changes_that_are_no_list_are_refused_by_name(server: FaultServer, form: Form, changes: object) -> None:
    said = refusal(form.call, server.client(), "change_media_permissions", 1, changes)
    assert said.startswith("changes must be a list of PermissionChange, not ")
    assert said.endswith(": use [changes]") == isinstance(changes, dict)


class Headed(UserDict[str, Any]):
    """A mapping that is no dict."""


class Field(enum.StrEnum):
    """Names of fields."""

    ACTION = "action"


def test_a_record_is_given_as_its_class_or_as_any_mapping(server: FaultServer, form: Form) -> None:
    given = [
        PermissionChange("create", id=7, share_type="user"),
        CHANGE,
        Headed(CHANGE),
        MappingProxyType(CHANGE),
        {**CHANGE, "permission_type": "view"},
        {Field.ACTION: "create", "id": np.int64(7), "share_type": "user"},
    ]
    form.call(server.client(), "change_media_permissions", 1, given)
    assert server.requests[-1].json() == [{**CHANGE, "permission_type": "view"}] * len(given)
    form.call(server.client(), "change_media_permissions", 1, (change for change in given))
    assert len(server.requests[-1].json()) == len(given)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            {**CHANGE, "id": SandboxUser(7, "Ada Park", "Ada", "ada.park@example.edu", "teacher")},
            "id must be an int, not SandboxUser: use .id",
        ),
        ({**CHANGE, "id": Media.from_dict({"id": 7})}, "id must be an int, not Media: use .id"),
        ({**CHANGE, "id": "x"}, "id must be an int, not str"),
        ({**CHANGE, "action": b"create"}, "action must be a str, not bytes: use changes[1].action.decode()"),
        (
            {**CHANGE, "sharetype": "user"},
            "sharetype is not known; the fields are action, id, share_type, permission_type",
        ),
        ({5: 5}, "5 is not known; the fields are action, id, share_type, permission_type"),
        ({"action": "create", "share_type": "user"}, "id is missing"),
        ({"id": 7, "share_type": "user"}, "action is missing"),
        ({}, "action is missing"),
    ],
    ids=str,
)
def test_an_error_in_a_record_names_the_path(server: FaultServer, form: Form, record: Any, said: str) -> None:
    assert refusal(form.call, server.client(), "change_media_permissions", 1, [CHANGE, record]) == f"changes[1].{said}"
    assert server.requests == []


@pytest.mark.parametrize(
    "wrong",
    [SandboxUser(7, "Ada Park", "Ada", "ada.park@example.edu", "teacher"), User(id=7), "7", None, True],
    ids=str,
)
def test_a_change_whose_id_is_no_number_cannot_be_made(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^id must be an int, not") as raised:
        PermissionChange("create", id=wrong, share_type="user")
    assert str(raised.value).endswith(": use .id") == hasattr(wrong, "id")


@pytest.mark.parametrize(("record", "kind"), [("create", "str"), (5, "int"), (None, "None"), ([CHANGE], "list")])
def test_what_is_no_record_is_refused_by_its_path(server: FaultServer, form: Form, record: Any, kind: str) -> None:
    said = refusal(form.call, server.client(), "change_media_permissions", 1, [CHANGE, record])
    assert said == f"changes[1] must be a PermissionChange or a dict, not {kind}"
    assert server.requests == []


def test_a_keyword_that_is_misspelt_is_named(server: FaultServer, form: Form) -> None:
    studio: Any = server.client()
    for said in (
        refusal(studio.with_options, timeot=5),
        refusal(studio.search_media, timeot=5),
        refusal(studio.search_media().with_options, timeot=5),
        refusal(form.call, studio, "get_media", 1, timeot=5),
        refusal(StudioClient, "myschool", token=TOKEN, timeot=5),
    ):
        assert "unexpected keyword argument 'timeot'" in said


def test_a_media_of_a_dict_is_an_id(server: FaultServer, form: Form) -> None:
    form.call(server.client(), "get_media", Media.from_dict(media_item(7)))
    assert server.requests[-1].path.endswith("/media/7")


def test_an_object_is_made_of_what_a_data_frame_holds() -> None:
    fields = {**media_item(7), "id": np.int64(7), "title": np.str_("x"), "size": np.int32(5), "tags": [Level.VIEW]}
    media = Media.from_dict(fields)
    assert (media.id, media.title, media.size, media.extra["tags"]) == (7, "x", 5, ["view"])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: Fault(status=99_999),
            "status: invalid value: integer `99999`, expected a whole number from 0 to 65535",
        ),
        (
            lambda: Fault(status=500, after=-1),
            "after: invalid value: integer `-1`, expected a whole number of 0 or more",
        ),
        (lambda: Fault(delay=float("inf")), "delay must be what JSON can hold, not NaN or infinity: use None"),
        (lambda: Sandbox(port=99_999), "port: invalid value: integer `99999`, expected a whole number from 0 to 65535"),
        (lambda: Sandbox(token_lifetime=float("nan")), "token_lifetime must be a finite number of seconds, not nan"),
        (lambda: Sandbox(faults=cast("Any", [1])), "fault must be a Fault, not int: use Fault(...)"),
    ],
)
def test_an_argument_of_the_sandbox_is_refused_with_what_was_expected(call: Callable[[], object], said: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value) == said


def test_the_sandbox_takes_what_a_data_frame_holds() -> None:
    given: dict[str, Any] = {"media": np.int64(3), "seed": np.int8(1), "token_lifetime": np.float32(9)}
    with Sandbox(**given) as box:
        owner: Any = np.int64(box.users[0].id)
        media = box.add_media("x", owner=owner, size=cast("Any", np.int32(5)))
        assert box.client().get_media(media).size == 5
        for wrong in ("1", 1.0, True, None):
            assert refusal(box.token_for, wrong).startswith("user must be an id above 0 or an object that has one, not")
