"""`share`, `unshare` and `set_permissions` reach what was asked for, from whatever was there, and however often."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from canvas_studio import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    Group,
    InvalidArgumentError,
    NotFoundError,
    Owner,
    Permissions,
    ResponseDecodeError,
    StudioClient,
    User,
)
from canvas_studio.sandbox import Assumptions, Sandbox
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fault_server import RESET, Answer, FaultServer, Received, json_answer, person, text_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.forms import Form

# Who has which level: "user 7", "group 11".
Rows: TypeAlias = dict[str, str | None]


def row(share_type: str, id: int) -> str:
    return f"{share_type} {id}"


def levels_of(permissions: Permissions) -> Rows:
    """What a call returned, in the words of the tests."""
    users = {row("user", user.id): user.permission for user in permissions.users}
    return users | {row("group", group.id): group.permission for group in permissions.groups}


@dataclass
class Studio:
    """A Studio with the permissions of one thing, which refuses what the reference says that Studio refuses.

    Attributes:
        rows: The permissions.
        is_atomic: Whether a change that is refused keeps the others of its call from being made.
        makes_nothing: Whether it says yes to a change and does not make it.
        access_is_none: Whether the level `access` is no permission: it is created, and cannot be updated.
        after_look: What others do once the permissions were read, one for each time.
        fails: How changes end in place of the answer, one for each; made before, unless it is a status below 500.
        requests: The requests: `GET`, or the changes of a call.
    """

    rows: Rows = field(default_factory=dict[str, "str | None"])
    is_atomic: bool = True
    makes_nothing: bool = False
    access_is_none: bool = False
    after_look: list[Callable[[Rows], object]] = field(default_factory=list["Callable[[Rows], object]"])
    fails: list[Answer | None] = field(default_factory=list["Answer | None"])
    requests: list[str] = field(default_factory=list[str])

    def __call__(self, request: Received) -> Answer:
        """Answer a request."""
        if not request.path.endswith("/permissions"):
            return json_answer({"media": {"id": 1}, "collection": {"id": 1}})
        if request.method == "GET":
            self.requests.append("GET")
            answer = self.answer()
            if self.after_look:
                self.after_look.pop(0)(self.rows)
            return answer
        body: Any = request.json()
        changes: list[dict[str, Any]] = body if request.body.startswith(b"[") else body["permissions"]
        self.requests.append(", ".join(self.shown(change) for change in changes))
        fails = self.fails.pop(0) if self.fails else None
        if fails is not None and 400 <= fails.status < 500:
            return fails
        refusal = self.make(changes)
        return fails or refusal or self.answer()

    @staticmethod
    def shown(change: dict[str, Any]) -> str:
        """One change in words."""
        who = row(change["share_type"], change["id"])
        level = change.get("permission_type")
        return f"{change['action']} {who}" + (f" as {level}" if level else "")

    def make(self, changes: list[dict[str, Any]]) -> Answer | None:
        """Make changes, or refuse them."""
        if self.makes_nothing:
            return None
        rows = dict(self.rows)
        for change in changes:
            who = row(change["share_type"], change["id"])
            is_there = who in rows and not (self.access_is_none and rows[who] == "access")
            if (change["action"] == "create") == is_there or change["id"] == 999:
                self.rows = self.rows if self.is_atomic else rows
                said = "One ore more permission was not found or can not be created, because already exists."
                return json_answer({"error": said}, 400)
            if change["action"] == "destroy":
                del rows[who]
            else:
                rows[who] = change["permission_type"]
        self.rows = rows
        return None

    def answer(self) -> Answer:
        """Answer with the list of permissions."""
        found: dict[str, list[object]] = {"user": [], "group": []}
        for who, level in self.rows.items():
            share_type, _, number = who.partition(" ")
            found[share_type].append(person(int(number), permission=level))
        return json_answer({"users": found["user"], "groups": found["group"]})


@dataclass(frozen=True)
class Thing:
    """A media or a collection, by its client or as an object, in one of both forms."""

    form: Form
    kind: str
    is_object: bool

    def call(self, studio: StudioClient, method: str, *args: Any, **kwargs: Any) -> Rows:
        """Call `share`, `unshare` or `set_permissions` on thing 1."""
        if self.is_object:
            found = self.form.call(getattr(studio, f"get_{self.kind}")(1), method, *args, **kwargs)
        else:
            name = f"set_{self.kind}_permissions" if method == "set_permissions" else f"{method}_{self.kind}"
            found = self.form.call(studio, name, 1, *args, **kwargs)
        assert isinstance(found, Permissions)
        return levels_of(found)


@pytest.fixture(params=["media", "collection"])
def kind(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture(params=[True, False], ids=["object", "client"])
def thing(request: pytest.FixtureRequest, form: Form, kind: str) -> Thing:
    return Thing(form, kind, request.param)


ADA, ASSISTANTS = User(7), Group(11, "Assistants")
LOST = RESET
BUSY = Answer(status=500)
NO = json_answer({"error": "No user or group 7 was found"}, 400)

# What is there, what is asked for; the changes that are sent, and what is there then.
CASES: dict[str, tuple[Rows, tuple[Any, ...], str | None, Rows]] = {
    "nothing, view": ({}, ("share", 7), "create user 7 as view", {"user 7": "view"}),
    "nothing, edit": ({}, ("share", 7, "edit"), "create user 7 as edit", {"user 7": "edit"}),
    "view, view": ({"user 7": "view"}, ("share", 7), None, {"user 7": "view"}),
    "view, edit": ({"user 7": "view"}, ("share", 7, "edit"), "update user 7 as edit", {"user 7": "edit"}),
    "edit, view": ({"user 7": "edit"}, ("share", 7, "view"), "update user 7 as view", {"user 7": "view"}),
    "edit, edit": ({"user 7": "edit"}, ("share", 7, "edit"), None, {"user 7": "edit"}),
    "owner, view": ({"user 7": "owner"}, ("share", 7, "view"), None, {"user 7": "owner"}),
    "owner, edit": ({"user 7": "owner"}, ("share", 7, "edit"), None, {"user 7": "owner"}),
    "access, view": ({"user 7": "access"}, ("share", 7, "view"), "update user 7 as view", {"user 7": "view"}),
    "another word, view": ({"user 7": "comment"}, ("share", 7, "view"), "update user 7 as view", {"user 7": "view"}),
    "no word, view": ({"user 7": None}, ("share", 7, "view"), "update user 7 as view", {"user 7": "view"}),
    "nothing, none": ({}, ("unshare", 7), None, {}),
    "view, none": ({"user 7": "view"}, ("unshare", 7), "destroy user 7", {}),
    "edit, none": ({"user 7": "edit"}, ("unshare", 7), "destroy user 7", {}),
    "owner, none": ({"user 7": "owner"}, ("unshare", 7), None, {"user 7": "owner"}),
    "access, none": ({"user 7": "access"}, ("unshare", 7), None, {"user 7": "access"}),
    "another word, none": ({"user 7": "comment"}, ("unshare", 7), "destroy user 7", {}),
    "no word, none": ({"user 7": None}, ("unshare", 7), "destroy user 7", {}),
    "a user as an object": ({}, ("share", ADA), "create user 7 as view", {"user 7": "view"}),
    "an owner as an object": ({}, ("share", Owner(7)), "create user 7 as view", {"user 7": "view"}),
    "a group": ({}, ("share", ASSISTANTS), "create group 11 as view", {"group 11": "view"}),
    "a group by hand": (
        {"group 11": "view"},
        ("share", Group(11), "edit"),
        "update group 11 as edit",
        {"group 11": "edit"},
    ),
    "a group with the id of a user": (
        {"user 7": "view"},
        ("share", Group(7)),
        "create group 7 as view",
        {"user 7": "view", "group 7": "view"},
    ),
    "others stay": (
        {"user 3": "edit", "group 11": "view"},
        ("unshare", ASSISTANTS),
        "destroy group 11",
        {"user 3": "edit"},
    ),
    "several": (
        {"user 3": "edit", "user 4": "view", "user 5": "view"},
        ("set_permissions", {3: "view", User(4): None, ASSISTANTS: "edit", 6: None}),
        "update user 3 as view, destroy user 4, create group 11 as edit",
        {"user 3": "view", "user 5": "view", "group 11": "edit"},
    ),
    "nobody, and others stay": ({"user 3": "edit"}, ("set_permissions", {}), None, {"user 3": "edit"}),
}


@pytest.mark.parametrize("is_atomic", [True, False])
def test_where_access_is_no_permission_to_update_one_is_created(thing: Thing, *, is_atomic: bool) -> None:
    school = Studio({"user 7": "access", "group 11": "access"}, access_is_none=True, is_atomic=is_atomic)
    with FaultServer(school) as server:
        studio = server.client()
        assert thing.call(studio, "share", 7)["user 7"] == "view"
        assert school.requests[-4:] == ["GET", "update user 7 as view", "GET", "create user 7 as view"]
        wanted = {7: "edit", ASSISTANTS: "view", 8: "view"}
        after = {"user 7": "edit", "user 8": "view", "group 11": "view"}
        for _ in range(2):
            assert thing.call(studio, "set_permissions", wanted) == after
        # A refusal for another reason is one all the same.
        school.rows["user 999"] = "access"
        with pytest.raises(BadRequestError):
            thing.call(studio, "share", 999)
        assert school.requests[-1] == "GET"
        assert school.requests.count("create user 999 as view") == 1


@pytest.mark.parametrize("case", CASES)
def test_what_is_sent_and_what_stands_then_is_this_table_and_twice_is_as_once(case: str, thing: Thing) -> None:
    before, (method, *args), sent, after = CASES[case]
    school = Studio(dict(before))
    with FaultServer(school) as server:
        studio = server.client()
        for _ in range(2):
            assert thing.call(studio, method, *args) == after
            assert school.rows == after
    assert school.requests == ["GET", *([sent] if sent else []), "GET"]


def test_with_keep_others_false_only_who_is_named_the_owner_and_access_stay(thing: Thing) -> None:
    others: Rows = {"user 1": "owner", "user 2": "access", "user 3": "edit", "user 4": "view", "group 12": "access"}
    school = Studio(others | {"group 13": "view", "group 14": "comment"})
    with FaultServer(school) as server:
        for _ in range(2):
            found = thing.call(server.client(), "set_permissions", {3: "view", ASSISTANTS: "view"}, keep_others=False)
            kept: Rows = {"user 1": "owner", "user 2": "access", "user 3": "view", "group 12": "access"}
            assert found == school.rows == kept | {"group 11": "view"}
        assert thing.call(server.client(), "set_permissions", {}, keep_others=False) == {
            "user 1": "owner",
            "user 2": "access",
            "group 12": "access",
        }
    changes = "update user 3 as view, create group 11 as view, destroy user 4, destroy group 13, destroy group 14"
    assert school.requests == ["GET", changes, "GET", "GET", "destroy user 3, destroy group 11"]


# ---------------------------------------------------------------- others at the same time


def test_a_create_that_comes_back_400_is_done_if_the_level_is_there_by_then(thing: Thing) -> None:
    school = Studio(after_look=[lambda rows: rows.update({"user 7": "view"})])
    with FaultServer(school) as server:
        assert thing.call(server.client(), "share", 7) == {"user 7": "view"}
    assert school.requests == ["GET", "create user 7 as view", "GET"]


def test_a_create_that_comes_back_400_becomes_an_update_if_another_level_is_there_by_then(thing: Thing) -> None:
    school = Studio(after_look=[lambda rows: rows.update({"user 7": "view"})])
    with FaultServer(school) as server:
        assert thing.call(server.client(), "share", 7, "edit") == {"user 7": "edit"}
    assert school.requests == ["GET", "create user 7 as edit", "GET", "update user 7 as edit"]


def test_a_destroy_that_comes_back_400_is_done_if_nothing_is_there_by_then(thing: Thing) -> None:
    school = Studio({"user 7": "view"}, after_look=[lambda rows: rows.clear()])
    with FaultServer(school) as server:
        assert thing.call(server.client(), "unshare", 7) == {}
    assert school.requests == ["GET", "destroy user 7", "GET"]


def test_who_was_added_meanwhile_goes_too_if_others_are_not_kept(thing: Thing) -> None:
    school = Studio({"user 3": "edit"}, after_look=[lambda rows: rows.update({"user 4": "view"})])
    with FaultServer(school) as server:
        assert thing.call(server.client(), "set_permissions", {7: "view"}, keep_others=False) == {"user 7": "view"}
    assert school.requests == ["GET", "create user 7 as view, destroy user 3", "GET", "destroy user 4"]


def test_somebody_who_takes_it_back_each_time_does_not_keep_it_asking_for_ever(thing: Thing) -> None:
    toggle: list[Callable[[Rows], object]] = [lambda rows: rows.update({"user 7": "view"}), lambda rows: rows.clear()]
    school = Studio(after_look=toggle * 10)
    with FaultServer(school) as server, pytest.raises(BadRequestError, match="already exists"):
        thing.call(server.client(), "share", 7, "edit")
    create, update = "create user 7 as edit", "update user 7 as edit"
    assert school.requests == ["GET", create, "GET", update, "GET", create, "GET"]


@pytest.mark.parametrize("is_atomic", [True, False], ids=["atomic", "one by one"])
def test_two_at_once_both_reach_what_they_ask_for(form: Form, kind: str, *, is_atomic: bool) -> None:
    both = threading.Barrier(2, timeout=20)
    school = Studio(is_atomic=is_atomic, after_look=[lambda _: both.wait()] * 2)
    with FaultServer(school) as server, server.client() as studio:
        name = f"set_{kind}_permissions"
        wanted: list[dict[Any, Any]] = [{7: "view", 8: "view"}, {8: "view", 7: "view", 9: "edit"}]
        results: list[Permissions] = []
        if form.name == "async":

            async def run() -> list[Permissions]:
                method = getattr(studio, f"{name}_async")
                return list(await asyncio.gather(*[method(1, each) for each in wanted]))

            results += asyncio.run(run())
        else:

            def set_permissions(each: dict[Any, Any]) -> None:
                results.append(getattr(studio, name)(1, each))

            threads = [threading.Thread(target=set_permissions, args=(each,)) for each in wanted]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
    assert school.rows == {"user 7": "view", "user 8": "view", "user 9": "edit"}
    for each in results:
        assert {"user 7": "view", "user 8": "view"}.items() <= levels_of(each).items()
    assert len(results) == 2


# ---------------------------------------------------------------- what fails


def test_a_change_that_studio_refuses_for_good_is_looked_at_once_more_and_raised(thing: Thing) -> None:
    school = Studio(fails=[NO, NO])
    with FaultServer(school) as server, pytest.raises(BadRequestError) as caught:
        thing.call(server.client(), "share", 7)
    assert "No user or group 7 was found (the permissions were read again, and the change is still to be" in str(
        caught.value
    )
    assert school.requests == ["GET", "create user 7 as view", "GET"]


@pytest.mark.parametrize("is_atomic", [True, False], ids=["atomic", "one by one"])
def test_of_several_changes_the_others_are_not_lost_where_studio_makes_them_one_by_one(
    thing: Thing, *, is_atomic: bool
) -> None:
    school = Studio(is_atomic=is_atomic)
    with FaultServer(school) as server, pytest.raises(BadRequestError):
        thing.call(server.client(), "set_permissions", {7: "view", 999: "view"})
    first = "create user 7 as view, create user 999 as view"
    if is_atomic:
        assert (school.requests, school.rows) == (["GET", first, "GET"], {})
    else:
        assert school.requests == ["GET", first, "GET", "create user 999 as view", "GET"]
        assert school.rows == {"user 7": "view"}


@pytest.mark.parametrize("lost", [LOST, BUSY, text_answer("<html>", "text/html")], ids=["lost", "500", "HTML"])
def test_after_a_lost_answer_it_is_done_if_the_level_is_there(lost: Answer, thing: Thing) -> None:
    school = Studio(fails=[lost])
    with FaultServer(school) as server:
        assert thing.call(server.client(), "share", 7) == {"user 7": "view"}
    assert school.requests == ["GET", "create user 7 as view", "GET"]


@pytest.mark.parametrize(
    ("lost", "error"),
    [(LOST, APIConnectionError), (BUSY, APIStatusError), (text_answer("<html>", "text/html"), ResponseDecodeError)],
    ids=["lost", "500", "HTML"],
)
def test_after_a_lost_answer_nothing_is_sent_again_if_the_level_is_missing(
    lost: Answer, error: type[Exception], thing: Thing
) -> None:
    school = Studio(fails=[lost], makes_nothing=True)
    with FaultServer(school) as server, pytest.raises(error) as caught:
        thing.call(server.client(max_retries=5), "share", 7)
    assert getattr(caught.value, "outcome_unknown", True)
    assert school.requests == ["GET", "create user 7 as view", "GET"]


def test_if_looking_again_fails_too_the_first_error_is_raised(thing: Thing) -> None:
    def handle(request: Received) -> Answer:
        looks = sum(seen.path.endswith("/permissions") and seen.method == "GET" for seen in server.requests)
        if request.path.endswith("/permissions") and request.method == "GET" and looks > 1:
            return Answer(status=503)
        return school(request)

    school = Studio(fails=[LOST])
    with FaultServer(handle) as server, pytest.raises(APIConnectionError) as caught:
        thing.call(server.client(max_retries=0), "share", 7)
    assert caught.value.outcome_unknown


def test_a_studio_that_accepts_and_does_not_make_it_is_found_out(thing: Thing) -> None:
    school = Studio({"user 7": "view"}, makes_nothing=True)
    with FaultServer(school) as server, pytest.raises(ResponseDecodeError, match="did not make it") as caught:
        thing.call(server.client(), "share", 7, "edit")
    assert "update user 7 as edit" in str(caught.value)


@pytest.mark.parametrize("silent", [{}, {"groups": []}, {"users": None, "groups": None}], ids=str)
def test_what_an_answer_does_not_say_is_looked_up(silent: dict[str, Any], thing: Thing) -> None:
    school = Studio({"user 3": "view"}, fails=[json_answer(silent)])
    with FaultServer(school) as server:
        assert thing.call(server.client(), "share", 7) == {"user 3": "view", "user 7": "view"}
    assert school.requests[-1] == "GET"


def test_a_level_that_studio_tells_in_other_words_counts_as_made_once_it_was_accepted(thing: Thing) -> None:
    school = Studio({"user 7": "comment"}, makes_nothing=True)
    with FaultServer(school) as server:
        assert thing.call(server.client(), "share", 7) == {"user 7": "comment"}
    assert school.requests == ["GET", "update user 7 as view"]


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_what_may_not_be_seen_is_not_changed(status: int, thing: Thing) -> None:
    def handle(request: Received) -> Answer:
        if request.path.endswith("/permissions"):
            return json_answer({"error": "No"}, status)
        return json_answer({thing.kind: {"id": 1}})

    with FaultServer(handle) as server, pytest.raises(APIStatusError) as caught:
        thing.call(server.client(), "share", 7)
    assert (caught.value.status_code, caught.value.method) == (status, "GET")
    assert all(request.method == "GET" for request in server.requests)


@pytest.mark.parametrize("status", [403, 404, 422, 429])
def test_any_other_refusal_of_a_change_is_raised(status: int, thing: Thing) -> None:
    refusal = json_answer({"error": "Invalid media_id is provided."}, status)
    school = Studio(fails=[refusal, refusal])
    with FaultServer(school) as server, pytest.raises(APIStatusError) as caught:
        thing.call(server.client(max_retries=0), "share", 7)
    assert (caught.value.status_code, caught.value.method) == (status, "POST")
    assert school.requests == ["GET", "create user 7 as view"]


BAD: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("share", (0,), InvalidArgumentError, "who must be a whole number of 1 or more"),
    ("share", (User(0),), InvalidArgumentError, "who must be a whole number of 1 or more"),
    ("share", ("7",), TypeError, r"who must be an int, an Owner, a User, a GroupUser or a Group, not str: use int\("),
    ("share", ("ada.park@example.edu",), TypeError, r"who must be .*, not str: use studio.find_user\("),
    ("share", ([7, 8],), TypeError, "who must be .*, not list"),
    ("share", (True,), TypeError, "who must be .*, not bool"),
    ("share", (None,), TypeError, "who must be .*, not None"),
    ("share", (Permissions(),), TypeError, "who must be .*, not Permissions"),
    ("share", (7, "owner"), InvalidArgumentError, 'level must be one of "view", "edit", not "owner"'),
    ("share", (7, "access"), InvalidArgumentError, "level must be one of"),
    ("share", (7, ""), InvalidArgumentError, "level must be one of"),
    ("share", (7, None), TypeError, "level must be a str, not None"),
    ("unshare", (-1,), InvalidArgumentError, "who must be a whole number of 1 or more"),
    ("set_permissions", ({7: "owner"},), InvalidArgumentError, r"permissions\[7\] must be one of"),
    ("set_permissions", ({7: "view", User(7): "view"},), InvalidArgumentError, "permissions names user 7 twice"),
    ("set_permissions", ({0: "view"},), InvalidArgumentError, "each id in permissions must be a whole number"),
    ("set_permissions", ({"7": "view"},), TypeError, r"each key of permissions must be .*: use int\("),
    ("set_permissions", ({7: 1},), TypeError, r"permissions\[7\] must be a str, not int"),
    ("set_permissions", ([(7, "view")],), TypeError, "permissions must be a dict from users and groups to levels"),
    ("set_permissions", (None,), TypeError, "permissions must be a dict"),
]


@pytest.mark.parametrize(("method", "args", "error", "problem"), BAD, ids=[f"{bad[0]} {bad[1]}" for bad in BAD])
def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    method: str, args: tuple[Any, ...], error: type[Exception], problem: str, form: Form
) -> None:
    school, thing = Studio(), Thing(form, "media", is_object=False)
    with FaultServer(school) as server:
        studio = server.client()
        with pytest.raises(error, match=problem):
            thing.call(studio, method, *args)
    assert school.requests == []


# ---------------------------------------------------------------- on a sandbox


@pytest.fixture(scope="module")
def school() -> Iterator[tuple[Sandbox, list[int | Group]]]:
    """A sandbox with three users and three groups."""
    with Sandbox(media=0) as box:
        users = [box.add_user(f"Person {number}") for number in range(3)]
        yield box, [*users, *(Group(box.add_group(f"Group {number}")) for number in range(3))]


LEVELS = st.sampled_from(["view", "edit", None])


@given(
    before=st.lists(LEVELS, min_size=6, max_size=6), wanted=st.lists(LEVELS, min_size=6, max_size=6), keep=st.booleans()
)
@settings(max_examples=40, deadline=None)
def test_whatever_was_there_a_sandbox_has_what_was_asked_for(
    school: tuple[Sandbox, list[int | Group]], *, before: list[Any], wanted: list[Any], keep: bool
) -> None:
    box, people = school
    names = [row("group", who.id) if isinstance(who, Group) else row("user", who) for who in people]
    with box.client() as studio:
        media = studio.get_media(box.add_media())
        media.set_permissions(dict(zip(people, before, strict=True)))
        named = dict(zip(people[::2], wanted[::2], strict=True))
        expected = dict(zip(names, before, strict=True)) if keep else {}
        expected |= dict(zip(names[::2], wanted[::2], strict=True))
        there = {name: level for name, level in expected.items() if level}
        assert levels_of(media.set_permissions(named, keep_others=keep)) == there
        assert levels_of(media.permissions()) == there
        sent = len(box.requests)
        assert levels_of(media.set_permissions(named, keep_others=keep)) == there
        assert [request.method for request in box.requests[sent:]] == ["GET"]


@pytest.mark.parametrize("bodies", ["array", "object"])
@pytest.mark.parametrize("is_atomic", [True, False], ids=["atomic", "one by one"])
def test_it_works_at_a_sandbox_of_either_form(bodies: Any, form: Form, kind: str, *, is_atomic: bool) -> None:
    assumptions = Assumptions(permission_bodies=bodies, batch_atomic=is_atomic)
    with Sandbox(media=0, assumptions=assumptions) as box, box.client() as studio:
        ada, item = box.add_user("Ada Park", "ada.park@example.edu"), getattr(box, f"add_{kind}")("Biology")
        thing = getattr(studio, f"get_{kind}")(item)
        who = studio.find_user("ada.park@example.edu")
        for _ in range(2):
            assert levels_of(form.call(thing, "share", who)) == {row("user", ada): "view"}
        assert levels_of(form.call(thing, "share", ada, "edit")) == {row("user", ada): "edit"}
        for _ in range(2):
            assert levels_of(form.call(thing, "unshare", who)) == {}
        with pytest.raises(BadRequestError, match="No user or group 999999 was found"):
            form.call(thing, "share", 999_999)
        with pytest.raises(NotFoundError):
            form.call(studio, f"share_{kind}", 999_999, who)
