"""The Insights page: two tables of CSV, read by header and label, over the recordings and the sandbox."""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import InsightsUser, InvalidArgumentError, Media, NotFoundError, Perspective, ResponseDecodeError
from canvas_studio.sandbox import Sandbox
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fault_server import FaultServer, json_answer, media_item, text_answer

if TYPE_CHECKING:
    from support.forms import Form

UUID = "7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77"
PLAIN = "text/plain"
HEADER = ["Name", "Email", "Role", "Completion rate [%]"]


def written(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def users_of(form: Form, text: str) -> list[InsightsUser]:
    with FaultServer(text_answer(text, PLAIN)) as server, server.client() as studio:
        return form.items(studio.list_insights_users(UUID))


def overview_of(form: Form, text: str) -> Any:
    with FaultServer(text_answer(text, PLAIN)) as server, server.client() as studio:
        return form.call(studio, "get_insights_overview", UUID)


@pytest.mark.parametrize("given", [UUID, uuid.UUID(UUID), Perspective(UUID)], ids=["str", "UUID", "Perspective"])
def test_a_perspective_is_a_uuid_its_text_or_the_object(given: Any, form: Form) -> None:
    with FaultServer(text_answer(written([HEADER]), PLAIN), text_answer("Views\n", PLAIN)) as server:
        studio = server.client()
        assert form.items(studio.list_insights_users(given, "Dean")) == []
        assert form.call(studio, "get_insights_overview", given, role="Dean").views == 0
    assert [(request.path.partition("/v1")[2], request.parameters) for request in server.requests] == [
        (f"/perspectives/{UUID}/insights/{table}", {"role": "Dean"}) for table in ("users", "overview")
    ]


def test_what_is_no_uuid_is_refused_before_anything_is_sent(form: Form) -> None:
    wrong: list[Any] = [7, None, b"x", Media.from_dict(media_item(1)), Perspective(None)]  # type: ignore[arg-type]
    with FaultServer(json_answer({})) as server, server.client() as studio:
        for given in wrong:
            with pytest.raises(TypeError, match=r"perspective must (be a UUID or a Perspective|have an id)"):
                form.call(studio, "get_insights_overview", given)
        for text in ("", "../users", UUID[:-1], UUID.replace("-", ""), f"{{{UUID}}}"):
            for given in (text, Perspective(text)):
                with pytest.raises(InvalidArgumentError, match="perspective must be a UUID such as"):
                    studio.list_insights_users(given)
        assert server.requests == []


def test_a_moved_layout_changes_nothing(form: Form) -> None:
    """A8: the vendor's example reads rows by position, and dies if the layout moves."""
    usual = "Mitosis\nViews,12\nTime Viewed [min],49\nUnique Viewers,5\n0:00,3\n"
    moved = "Unique Viewers,5\r\n0:00,3\r\n\r\nMood,good\r\nTime Viewed [min],49\r\nViews,12"
    first, second = overview_of(form, usual), overview_of(form, moved)
    for each in (first, second):
        assert (each.views, each.minutes_viewed, each.unique_viewers) == (12, 49.0, 5)
        assert each.viewership == {"0:00": 3}
    assert (first.extra, second.extra) == ({}, {"Mood": "good"})
    assert (first.csv, second.csv) == (usual, moved)


def test_a_row_without_its_value_is_zero_and_a_missing_row_is_none(form: Form) -> None:
    overview = overview_of(form, "Views\nTime Viewed [min],\n")
    assert (overview.views, overview.minutes_viewed, overview.unique_viewers) == (0, 0.0, None)


def test_columns_may_move_be_missing_or_be_new(form: Form) -> None:
    [user] = users_of(form, '\ufeffTeam,0:10,Role,Email,0:00\nred,4,"Student, Observer",a@example.edu,\n')
    assert (user.name, user.email, user.completion_rate) == (None, "a@example.edu", None)
    assert user.roles == ("Student", "Observer")
    assert list(user.viewership.items()) == [("0:10", 4), ("0:00", None)]
    assert user.extra == {"Team": "red"}
    assert user.to_dict()["viewership"] == {"0:10": 4, "0:00": None}


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        ("<!doctype html><title>Sign in</title>", "text/html"),
        ("<html>Sign in", PLAIN),
        ('{"error": "no"}', "application/json"),
        ("Nom,Courriel\nAda,a@example.edu\n", PLAIN),
        ('Name,Email\n"Ada,a@example.edu\nBo,b@example.edu\n', PLAIN),
        ("", PLAIN),
    ],
)
def test_what_is_no_such_table_is_an_error(text: str, content_type: str, form: Form) -> None:
    with FaultServer(text_answer(text, content_type)) as server, server.client(max_retries=0) as studio:
        with pytest.raises(ResponseDecodeError) as raised:
            form.items(studio.list_insights_users(UUID))
        with pytest.raises(ResponseDecodeError) as of_overview:
            form.call(studio, "get_insights_overview", UUID)
    for said in (str(raised.value), str(of_overview.value)):
        assert "instead of JSON" not in said
        assert ("came back instead of CSV" in said) == ("html" in text)
        # Of a page the title is shown; of anything else the start, in quotes.
        shown = "The body is an HTML page" if "html" in text else json.dumps(text[:10])[1:-1]
        assert shown in said
        assert ("Sign in" in said) == ("<title>" in text)


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8) | st.text(
    ',"\r\n ;', max_size=6
)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=6))
@settings(max_examples=50, deadline=None)
def test_every_cell_that_python_writes_is_read_back(rows: list[tuple[str, str]]) -> None:
    text = written([["Mood", "Email"], *([mood, f"x{email}x"] for mood, email in rows)])
    with FaultServer(text_answer(text, f"{PLAIN}; charset=utf-8")) as server, server.client() as studio:
        users = studio.list_insights_users(UUID).collect()
    assert [(user.extra["Mood"], user.email) for user in users] == [(mood, f"x{email}x") for mood, email in rows]


def test_a_listing_of_users_can_do_what_every_listing_can(form: Form, tmp_path: Any) -> None:
    rows = [[f"User {number}", "", "Student", str(number), str(number)] for number in range(3)]
    answer = text_answer(written([[*HEADER, "0:00"], *rows, rows[0]]), PLAIN)
    with FaultServer(answer) as server, server.client() as studio:
        listing = studio.list_insights_users(UUID)
        assert form.total(listing) == 4
        frame = form.call(listing, "to_arrow")
        assert frame.column_names == ["name", "email", "roles", "completion_rate", "viewership", "extra"]
        assert frame.column("completion_rate").to_pylist() == [0.0, 1.0, 2.0, 0.0]
        assert [json.loads(cell) for cell in frame.column("viewership").to_pylist()] == [
            {"0:00": number} for number in (0, 1, 2, 0)
        ]
        form.call(listing, "to_csv", tmp_path / "users.csv")
        read = list(csv.DictReader((tmp_path / "users.csv").read_text(encoding="utf-8").splitlines()))
        assert [json.loads(row["viewership"]) for row in read] == [{"0:00": number} for number in (0, 1, 2, 0)]
        checkpoint = studio.list_insights_users(UUID).checkpoint()
        resumed = form.items(studio.resume(checkpoint))
        assert [(type(user), user.name) for user in resumed[:1]] == [(InsightsUser, "User 0")]
        assert [len(users) for users in studio.map("list_insights_users", [UUID, UUID])] == [4, 4]
    assert {request.headers["accept"] for request in server.requests} == {"*/*"}


def test_the_text_of_the_users_comes_by_a_raw_request(form: Form) -> None:
    text = written([HEADER, ["Ada", "", "", ""]])
    with FaultServer(text_answer(text, PLAIN)) as server, server.client() as studio:
        assert form.call(studio, "request", "GET", f"/perspectives/{UUID}/insights/users", raw=True).text() == text


NAMES = [
    "Park, Ada",
    'Ada "the eye" Park',
    "Ada\nPark",
    "Ada\r\nPark, Dr.",
    "Ada\rPark",
    '"',
    '",\n"',
    " Ada  Park ",
    "=Ada;Park|Ben",
    "Ada Park",
]


def test_whatever_a_name_is_made_of_and_however_many_roles_there_are_the_users_of_a_sandbox_are_read(
    form: Form,
) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        for name in NAMES:
            media = box.add_media("Talk", owner=box.add_user(name, other_roles=["student"]), last_viewed="2026-08-30")
            [perspective] = form.items(studio.list_media_perspectives(media))
            for users in (perspective.insights_users(), perspective.insights_users(role="Student")):
                owner = next(user for user in form.items(users) if user.name == name)
                assert owner.roles == ("Teacher", "Student")
                assert owner.extra == {}
        media = box.add_media("Talk", owner=box.add_user("Ben", email='"a, b"@example.edu'), last_viewed="2026-08-30")
        [perspective] = form.items(studio.list_media_perspectives(media))
        assert ('"a, b"@example.edu', ("Teacher",)) in [
            (user.email, user.roles) for user in form.items(perspective.insights_users())
        ]


def test_all_of_it_works_on_a_sandbox(form: Form) -> None:
    with Sandbox(media=40) as box, box.client() as studio:
        unseen = box.add_media("Unseen")
        viewed = next(media for media in studio.search_media() if media.last_viewed)
        [perspective, *_] = form.items(viewed.perspectives())
        overview, users = form.call(perspective, "insights_overview"), form.items(perspective.insights_users())
        assert overview.unique_viewers == len(users) >= 1
        assert overview.views >= len(users)
        assert list(users[0].viewership) == list(overview.viewership)
        [perspective] = form.items(studio.list_media_perspectives(unseen))
        assert form.items(perspective.insights_users()) == []
        assert form.call(perspective, "insights_overview").views == 0
        with pytest.raises(NotFoundError, match="there is no such perspective"):
            form.call(studio, "get_insights_overview", UUID)
