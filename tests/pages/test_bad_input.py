"""Bad input is refused before anything is sent, with a message that names the argument."""

from __future__ import annotations

import enum
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import Collection, InvalidArgumentError, Media, PermissionChange, StudioClient, StudioError
from support.fault_server import TOKEN, FaultServer, collection_item, json_answer, media_item, page_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.forms import Form

CHANGE = {"action": "create", "id": 7, "share_type": "user"}
MEDIA = Media.from_dict(media_item(1))
COLLECTION = Collection.from_dict(collection_item(1))

# A value of the wrong Python type may also be a TypeError; a bad value of the right type may not.
WRONG_TYPE = (InvalidArgumentError, TypeError)


class Untouched:
    """A client whose server has to stay without a single request."""

    def __init__(self, server: FaultServer) -> None:
        self.url = server.url
        self.studio = server.client()

    def refuses(self, form: Form, argument: str, method: str, *arguments: Any, **named: Any) -> None:
        """Assert that the call is refused for its value."""
        self._refuses(form, InvalidArgumentError, argument, method, *arguments, **named)

    def refuses_type(self, form: Form, argument: str, method: str, *arguments: Any, **named: Any) -> None:
        """Assert that the call is refused for the type of its value."""
        self._refuses(form, WRONG_TYPE, argument, method, *arguments, **named)

    def _refuses(self, form: Form, kinds: Any, argument: str, method: str, *arguments: Any, **named: Any) -> None:
        def call() -> Any:
            if method in LISTINGS:
                # A listing may be refused when it is made, or at the latest when it is read.
                return form.first(getattr(self.studio, method)(*arguments, **named))
            return form.call(self.studio, method, *arguments, **named)

        with pytest.raises(kinds, match=rf"\b{re.escape(argument)}\b"):
            call()


LISTINGS = {
    "list_collections",
    "list_collection_media",
    "search_media",
    "list_course_perspectives",
    "list_media_courses",
    "list_media_perspectives",
    "list_media_sources",
    "list_media_users",
    "paginate",
}


@pytest.fixture
def untouched() -> Iterator[Untouched]:
    with FaultServer(json_answer({})) as server:
        yield Untouched(server)
        assert server.requests == []


BY_ID: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
    ("get_collection", "id", (), {}),
    ("delete_collection", "id", (), {}),
    ("archive_collection", "id", (), {}),
    ("unarchive_collection", "id", (), {}),
    ("list_collection_media", "id", (), {}),
    ("get_collection_permissions", "id", (), {}),
    ("change_collection_permissions", "id", ([CHANGE],), {}),
    ("get_course", "course_id", (), {}),
    ("list_course_perspectives", "course_id", (), {}),
    ("get_media", "id", (), {}),
    ("delete_media", "id", (), {}),
    ("archive_media", "id", (), {}),
    ("unarchive_media", "id", (), {}),
    ("list_media_courses", "id", (), {}),
    ("list_media_perspectives", "id", (), {}),
    ("list_media_sources", "id", (), {}),
    ("list_media_users", "id", (), {}),
    ("create_embed", "media_id", (), {"course_id": 1}),
    ("get_download_url", "id", (), {}),
    ("download_media", "id", ("file.mp4",), {}),
    ("get_media_permissions", "id", (), {}),
    ("change_media_permissions", "id", ([CHANGE],), {}),
]


@pytest.mark.parametrize(("method", "argument", "rest", "named"), BY_ID)
def test_an_id_below_one_is_refused(
    untouched: Untouched, form: Form, method: str, argument: str, rest: tuple[Any, ...], named: dict[str, Any]
) -> None:
    for bad in (0, -1):
        untouched.refuses(form, argument, method, bad, *rest, **named)


@pytest.mark.parametrize(("method", "argument", "rest", "named"), BY_ID)
def test_an_id_of_the_wrong_type_is_refused(
    untouched: Untouched, form: Form, method: str, argument: str, rest: tuple[Any, ...], named: dict[str, Any]
) -> None:
    other = MEDIA if argument == "course_id" or "collection" in method else COLLECTION
    for bad in (True, "1", 1.0, None, other):
        untouched.refuses_type(form, argument, method, bad, *rest, **named)


@pytest.mark.parametrize("huge", [2**63, 2**64, 10**30, -(2**63) - 1])
def test_an_id_that_no_64_bits_hold_is_refused(untouched: Untouched, form: Form, huge: int) -> None:
    untouched.refuses(form, "id", "get_media", huge)
    untouched.refuses(form, "id", "list_collection_media", huge)


def test_the_other_ids_are_checked_as_well(untouched: Untouched, form: Form) -> None:
    for bad in (0, -5, 2**64):
        untouched.refuses(form, "user_id", "create_collection", "New", user_id=bad)
        untouched.refuses(form, "collection_id", "unarchive_media", 1, collection_id=bad)
        untouched.refuses(form, "course_id", "create_embed", 1, course_id=bad)
    for wrong in (True, "1", MEDIA):
        untouched.refuses_type(form, "user_id", "create_collection", "New", user_id=wrong)
        untouched.refuses_type(form, "collection_id", "unarchive_media", 1, collection_id=wrong)
        untouched.refuses_type(form, "course_id", "create_embed", 1, course_id=wrong)


PAGED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("list_collections", (), {}),
    ("list_collection_media", (1,), {}),
    ("search_media", (), {}),
    ("paginate", ("/things",), {"key": "things"}),
]


@pytest.mark.parametrize(("method", "arguments", "named"), PAGED)
def test_a_page_size_outside_1_to_50_is_refused(
    untouched: Untouched, form: Form, method: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    for bad in (0, 51, -1, 10**30):
        untouched.refuses(form, "per_page", method, *arguments, **named, per_page=bad)
    for wrong in ("20", None, 2.5):
        untouched.refuses_type(form, "per_page", method, *arguments, **named, per_page=wrong)


@pytest.mark.parametrize(("method", "arguments", "named"), PAGED)
def test_a_page_below_one_is_refused(
    untouched: Untouched, form: Form, method: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    for bad in (0, -1):
        untouched.refuses(form, "page", method, *arguments, **named, page=bad)
    for wrong in ("1", None, True):
        untouched.refuses_type(form, "page", method, *arguments, **named, page=wrong)


@pytest.mark.parametrize(("method", "arguments", "named"), PAGED)
def test_a_page_beyond_any_list_is_refused(
    untouched: Untouched, form: Form, method: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    for bad in (2**63 - 1, 2**63, 2**70):
        untouched.refuses(form, "page", method, *arguments, **named, page=bad)


def test_a_negative_limit_is_refused(untouched: Untouched) -> None:
    with pytest.raises(InvalidArgumentError):
        untouched.studio.search_media().limit(-1).collect()


PREFIXES = ["", "last_viewed_", "last_viewed_by_student_"]
DATES = [f"{prefix}{end}_date" for prefix in PREFIXES for end in ("start", "end")]


MALFORMED_DATES = [
    "2024-13-01",
    "2024-02-30",
    "2023-02-29",
    "01/02/2024",
    "2024-1-1",
    "20240101",
    "2024-W01-1",
    "20240101T0",
    "2024-01-01T00:00:00Z",
    "2024-01-01 ",
    "-024-01-01",
    "",
    "today",
]


@pytest.mark.parametrize("argument", DATES)
def test_a_malformed_date_is_refused(untouched: Untouched, form: Form, argument: str) -> None:
    for bad in MALFORMED_DATES:
        untouched.refuses(form, argument, "search_media", **{argument: bad})
    untouched.refuses_type(form, argument, "search_media", **{argument: 20240101})


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-02-01", "2024-01-31"),
        (date(2024, 2, 1), date(2024, 1, 31)),
        ("2024-02-01", date(2023, 12, 31)),
    ],
)
def test_an_end_before_its_start_is_refused(
    untouched: Untouched, form: Form, prefix: str, start: date | str, end: date | str
) -> None:
    dates = {f"{prefix}start_date": start, f"{prefix}end_date": end}
    untouched.refuses(form, f"{prefix}end_date", "search_media", **dates)


def test_a_smallest_size_above_the_largest_is_refused(untouched: Untouched, form: Form) -> None:
    untouched.refuses(form, "max_size", "search_media", min_size=2, max_size=1)


def test_equal_ends_are_fine(form: Form) -> None:
    with FaultServer(lambda request: page_answer(request, [])) as server:
        same: dict[str, Any] = {"start_date": "2024-02-29", "end_date": date(2024, 2, 29), "min_size": 5, "max_size": 5}
        assert form.items(server.client().search_media(**same)) == []
    assert server.requests[0].parameters["start_date"] == server.requests[0].parameters["end_date"] == "2024-02-29"


@pytest.mark.parametrize("argument", ["min_size", "max_size"])
def test_a_negative_size_is_refused(untouched: Untouched, form: Form, argument: str) -> None:
    for bad in (-1, 2**63, 2**70, -(2**70)):
        untouched.refuses(form, argument, "search_media", **{argument: bad})
    for wrong in ("5", True, 1.5):
        untouched.refuses_type(form, argument, "search_media", **{argument: wrong})


@pytest.mark.parametrize("bad", ["jane", "jane@", "@example.edu", "jane doe@example.edu", "a@b@c", ""])
def test_an_owner_that_is_no_address_is_refused(untouched: Untouched, form: Form, bad: str) -> None:
    untouched.refuses(form, "owner", "search_media", owner=bad)


@pytest.mark.parametrize("argument", ["title", "tag", "source", "owner"])
def test_an_empty_criterion_is_refused(untouched: Untouched, form: Form, argument: str) -> None:
    untouched.refuses(form, argument, "search_media", **{argument: ""})
    untouched.refuses_type(form, argument, "search_media", **{argument: 5})


def test_an_empty_name_is_refused(untouched: Untouched, form: Form) -> None:
    untouched.refuses(form, "name", "create_collection", "")
    untouched.refuses_type(form, "name", "create_collection", None)


def test_an_empty_quality_is_refused(untouched: Untouched, form: Form, tmp_path: Path) -> None:
    untouched.refuses(form, "quality", "get_download_url", 1, quality="")
    untouched.refuses(form, "quality", "download_media", 1, tmp_path / "file.mp4", quality="")


@pytest.mark.parametrize("bad", ["owner", "", "VIEW"])
def test_an_unknown_permission_is_refused(untouched: Untouched, form: Form, bad: str) -> None:
    untouched.refuses(form, "min_permission", "list_media_users", 1, min_permission=bad)


@pytest.mark.parametrize("bad", ["learn_embed", "", "EMBED"])
def test_an_unknown_embed_type_is_refused(untouched: Untouched, form: Form, bad: str) -> None:
    untouched.refuses(form, "embed_type", "create_embed", 1, course_id=1, embed_type=bad)


def test_a_downloadable_that_is_no_bool_is_refused(untouched: Untouched, form: Form) -> None:
    untouched.refuses_type(form, "downloadable", "create_embed", 1, course_id=1, downloadable="yes")


@pytest.mark.parametrize("method", ["change_media_permissions", "change_collection_permissions"])
@pytest.mark.parametrize(
    ("argument", "changes"),
    [
        ("changes", []),
        ("changes", ()),
        ("action", [{**CHANGE, "action": "erase"}]),
        ("action", [CHANGE, {**CHANGE, "action": ""}]),
        ("action", [{"id": 7, "share_type": "user"}]),
        ("share_type", [{**CHANGE, "share_type": "course"}]),
        ("share_type", [{"action": "create", "id": 7}]),
        ("permission_type", [{**CHANGE, "permission_type": ""}]),
        ("id", [{"action": "create", "share_type": "user"}]),
        ("id", [CHANGE, CHANGE, {"action": "destroy", "share_type": "group"}]),
        ("id", [{**CHANGE, "id": 0}]),
        ("id", [{**CHANGE, "id": -7}]),
        ("permision_type", [{**CHANGE, "permision_type": "edit"}]),
    ],
)
def test_a_bad_change_is_refused(untouched: Untouched, form: Form, method: str, argument: str, changes: Any) -> None:
    untouched.refuses(form, argument, method, 1, changes)


@pytest.mark.parametrize("method", ["change_media_permissions", "change_collection_permissions"])
@pytest.mark.parametrize(
    ("argument", "changes"),
    [
        ("changes", None),
        ("changes", "create"),
        ("changes", CHANGE),
        ("changes", PermissionChange("create", id=7, share_type="user")),
        ("changes", [("create", 7, "user")]),
        ("id", [{**CHANGE, "id": "7"}]),
        ("id", [{**CHANGE, "id": True}]),
        ("id", [{**CHANGE, "id": None}]),
        ("action", [{**CHANGE, "action": None}]),
    ],
)
def test_a_change_of_the_wrong_type_is_refused(
    untouched: Untouched, form: Form, method: str, argument: str, changes: Any
) -> None:
    untouched.refuses_type(form, argument, method, 1, changes)


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("action", {"action": "erase", "id": 7, "share_type": "user"}),
        ("id", {"action": "create", "id": 0, "share_type": "user"}),
        ("share_type", {"action": "create", "id": 7, "share_type": "course"}),
        ("permission_type", {"action": "create", "id": 7, "share_type": "user", "permission_type": ""}),
    ],
)
def test_a_bad_permission_change_is_refused(untouched: Untouched, argument: str, values: dict[str, Any]) -> None:
    # Refused when it is made, or at the latest when it is used.
    with pytest.raises(InvalidArgumentError, match=argument):
        untouched.studio.change_media_permissions(1, [PermissionChange(**values)])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "my school",
        "https://",
        "https://myschool.instructuremedia.com/api",
        "https://myschool.instructuremedia.com/api/public/v1",
        "myschool.instructuremedia.com/api",
        "https://myschool.instructuremedia.com?tenant=1",
        "https://myschool.instructuremedia.com#top",
        "https://jane:hunter2@myschool.instructuremedia.com",
        "jane@myschool.instructuremedia.com",
        "ftp://myschool.instructuremedia.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://myschool.instructuremedia.com",
        "http://192.168.0.1",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://127.example",
        "http://evil.localhost",
        "https://myschool.instructuremedia.com:99999",
        "https://my_school\n.instructuremedia.com",
    ],
)
def test_a_url_that_is_not_a_host_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\burl\b") as caught:
        StudioClient(url, token=TOKEN)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("myschool", "https://myschool.instructuremedia.com"),
        ("myschool.instructuremedia.com", "https://myschool.instructuremedia.com"),
        ("https://myschool.instructuremedia.com", "https://myschool.instructuremedia.com"),
        ("https://myschool.us-west-2.instructuremedia.com", "https://myschool.us-west-2.instructuremedia.com"),
        ("https://studio.example:8443", "https://studio.example:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_school_a_host_or_a_url_is_accepted(url: str, base: str) -> None:
    with StudioClient(url, token=TOKEN) as studio:
        assert studio.url == base


@pytest.mark.parametrize("token", ["", " ", "\t", f"{TOKEN}\r\nX-Evil: 1", f"{TOKEN}\x00"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgumentError, match="token"):
        StudioClient("myschool", token=token)


NO_TEXT: list[Any] = [None, 5, b"text"]


def test_arguments_of_the_client_of_the_wrong_type_are_refused() -> None:
    for wrong in NO_TEXT:
        with pytest.raises(WRONG_TYPE, match="token"):
            StudioClient("myschool", token=wrong)
        with pytest.raises(WRONG_TYPE, match="url"):
            StudioClient(wrong, token=TOKEN)


BAD_OPTIONS: list[tuple[str, Any]] = [
    *((name, bad) for name in ("timeout", "connect_timeout", "read_timeout") for bad in (0, -1, float("nan"))),
    *((name, timedelta(0)) for name in ("timeout", "connect_timeout", "read_timeout")),
    *((name, bad) for name in ("retry_delay", "max_retry_wait") for bad in (-1, float("nan"), timedelta(seconds=-1))),
    ("max_retries", -1),
]
WRONG_OPTIONS: list[tuple[str, Any]] = [
    *((name, "5") for name in ("timeout", "connect_timeout", "read_timeout", "retry_delay", "max_retry_wait")),
    *(("max_retries", wrong) for wrong in (1.5, "2", None)),
]


@pytest.mark.parametrize(("option", "bad"), BAD_OPTIONS)
def test_an_option_out_of_its_range_is_refused(option: str, bad: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"\b{option}\b"):
        StudioClient("myschool", token=TOKEN, **{option: bad})
    with (
        StudioClient("myschool", token=TOKEN) as studio,
        pytest.raises(InvalidArgumentError, match=rf"\b{option}\b"),
    ):
        studio.with_options(**{option: bad})


@pytest.mark.parametrize(("option", "wrong"), WRONG_OPTIONS)
def test_an_option_of_the_wrong_type_is_refused(option: str, wrong: Any) -> None:
    with pytest.raises(WRONG_TYPE, match=rf"\b{option}\b"):
        StudioClient("myschool", token=TOKEN, **{option: wrong})


def test_a_missing_environment_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANVAS_STUDIO_URL", raising=False)
    monkeypatch.delenv("CANVAS_STUDIO_TOKEN", raising=False)
    with pytest.raises(InvalidArgumentError, match="CANVAS_STUDIO_URL"):
        StudioClient.from_env(token=TOKEN)
    with pytest.raises(InvalidArgumentError, match="CANVAS_STUDIO_TOKEN"):
        StudioClient.from_env(url="myschool")


def test_the_environment_is_read_and_an_argument_wins(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(json_answer({"fine": True})) as server:
        monkeypatch.setenv("CANVAS_STUDIO_URL", server.url)
        monkeypatch.setenv("CANVAS_STUDIO_TOKEN", "from-the-environment")
        with StudioClient.from_env() as first, StudioClient.from_env(token="from-the-call") as second:
            form.call(first, "request", "GET", "/x")
            form.call(second, "request", "GET", "/x")
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer from-the-environment", "Bearer from-the-call"]


class Kind(str, enum.Enum):  # noqa: UP042 (the older way to write StrEnum, whose str() is not its value)
    """What a caller may have for a fixed choice of texts."""

    LECTURE = "lecture & more"


class Number:
    """A whole number that is no int, such as numpy's."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


def test_a_member_of_an_enumeration_of_texts_is_its_value(form: Form) -> None:
    with FaultServer(json_answer({"media": []})) as server:
        studio = server.client()
        form.call(studio, "request", "GET", "/things", params={"kind": Kind.LECTURE})
        form.items(studio.paginate("/things", key="media", params={"kind": Kind.LECTURE}))
        form.items(studio.search_media(title=Kind.LECTURE))
        form.call(studio, "request", "POST", "/things", json={"kind": Kind.LECTURE})
    assert [request.parameters.get("kind") for request in server.requests[:2]] == ["lecture & more"] * 2
    assert server.requests[2].parameters["title"] == "lecture & more"
    assert server.requests[3].json() == {"kind": "lecture & more"}


def test_a_number_that_is_no_int_is_an_id(form: Form) -> None:
    content: dict[str, Any] = {"media": media_item(7), "collection": collection_item(7)}
    with FaultServer(json_answer(content)) as server:
        studio = server.client()
        form.call(studio, "get_media", Number(7))
        form.call(studio, "unarchive_media", Number(7), collection_id=Number(8))
        form.call(studio, "create_collection", "New", user_id=Number(9))
        form.call(studio, "change_media_permissions", Number(7), [{**CHANGE, "id": Number(10)}])
    assert [request.path.rpartition("/v1/")[2] for request in server.requests] == [
        "media/7",
        "media/7/unarchive",
        "collections",
        "media/7/permissions",
    ]
    assert server.requests[1].parameters == {"collection_id": "8"}
    assert server.requests[2].parameters["user_id"] == "9"
    assert server.requests[3].json()[0]["id"] == 10


def test_a_number_that_is_no_int_is_checked_as_well(untouched: Untouched, form: Form) -> None:
    for bad in (0, -1, 2**63):
        untouched.refuses(form, "id", "get_media", Number(bad))


BAD_PATHS = [
    "",
    "media/1",
    "//other.example/media",
    "https://other.example/media",
    "/\\other.example",
    "/..",
    "/../../oauth/token",
    "/media/../../../oauth/token",
    "/media/%2e%2e/%2E%2e/oauth",
    "/media/.%2e/x",
    "/media\\..\\..\\x",
    "/media/.\n./x",
    "/media/.\t./x",
    "/media/\x00",
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_leads_elsewhere_is_refused(untouched: Untouched, form: Form, path: str) -> None:
    untouched.refuses(form, "path", "request", "GET", path)
    untouched.refuses(form, "path", "paginate", path, key="things")


def test_a_path_of_the_wrong_type_is_refused(untouched: Untouched, form: Form) -> None:
    untouched.refuses_type(form, "path", "request", "GET", None)
    untouched.refuses_type(form, "path", "paginate", 5, key="things")


@pytest.mark.parametrize("method", ["FETCH", "", "GET\r\nX-Evil: 1", "GET /x"])
def test_an_unknown_method_is_refused(untouched: Untouched, form: Form, method: str) -> None:
    untouched.refuses(form, "method", "request", method, "/media/1")


def test_an_empty_key_is_refused(untouched: Untouched, form: Form) -> None:
    untouched.refuses(form, "key", "paginate", "/things", key="")


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", float("nan"), float("inf"), {"deep": [object()]}])
def test_a_body_that_is_not_json_is_refused(untouched: Untouched, form: Form, value: object) -> None:
    untouched.refuses_type(form, "json", "request", "POST", "/things", json=value)


def test_a_body_that_contains_itself_is_refused(untouched: Untouched, form: Form) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises((StudioError, TypeError, ValueError, RecursionError)):
        form.call(untouched.studio, "request", "POST", "/things", json=endless)


@pytest.mark.parametrize("params", [5, "a=b", {"a": object()}])
def test_parameters_of_the_wrong_type_are_refused(untouched: Untouched, form: Form, params: Any) -> None:
    untouched.refuses_type(form, "params", "request", "GET", "/things", params=params)


def test_a_lone_surrogate_is_refused(untouched: Untouched, form: Form) -> None:
    with pytest.raises((StudioError, UnicodeError, TypeError)):
        form.call(untouched.studio, "create_collection", "half \ud83d")
