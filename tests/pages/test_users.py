"""The User page: every operation sends the recorded request, and one person is found or not, never guessed."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    Collection,
    InvalidArgumentError,
    Media,
    Owner,
    PermissionChange,
    PermissionDeniedError,
    ResponseDecodeError,
    SeveralUsersError,
    StudioError,
    User,
    UserNotFoundError,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import Answer, FaultServer, Received, json_answer, person
from support.recorded_objects import assert_is_ada, assert_is_cell_biology, assert_is_mitosis

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.forms import Connect, Form, Reach, Serve

ADA = "ada.park@example.edu"
MEANINGS_OF_NO_HIT = (
    "this person never opened Studio (ask them to open it once from Canvas), or Studio holds another address or their "
    "Canvas login id (search for that)"
)


def hits(*emails: str | None, per_page: int = 50) -> Callable[[Received], Answer]:
    """A Studio whose search finds users with these addresses, whatever it is asked for."""
    users = [person(number, email=email, role_names=["Student"]) for number, email in enumerate(emails, start=1)]

    def answer(asked: Received) -> Answer:
        page = int(asked.parameters["page"])
        shown = users[(page - 1) * per_page : page * per_page]
        last = max(1, -(-len(users) // per_page))
        return json_answer(
            {"users": shown, "meta": {"current_page": page, "last_page": last, "total_count": len(users)}}
        )

    return answer


def test_get_user_gives_every_documented_field(form: Form, recorded: Serve, connect: Connect) -> None:
    user = form.call(connect(recorded("users/get_user").url), "get_user", 3)
    assert type(user) is User
    assert (user.id, user.full_name, user.display_name, user.email) == (3, "Ada Park", "Ada", ADA)
    assert (user.permission, user.role_names, user.extra) == (None, ("Admin", "Teacher"), {})


@pytest.mark.parametrize("who", [Owner(id=3, email=ADA), User(id=3, role_names=("Admin",))], ids=["Owner", "User"])
@pytest.mark.parametrize("method", ["get_user", "get_user_library"])
def test_a_user_may_be_named_by_what_studio_gave(
    method: str, who: Owner | User, form: Form, recorded: Serve, connect: Connect
) -> None:
    assert form.call(connect(recorded(f"users/{method}").url), method, who) is not None


@pytest.mark.parametrize("case", ["get_user_library", "get_user_library_without_wrapper"])
def test_the_library_of_a_user_is_a_collection(case: str, reach: Reach) -> None:
    library = reach(f"users/{case}", "get_user_library", "library").call()
    assert type(library) is Collection
    assert (library.id, library.type, library.permission) == (9, "user", "owner")
    assert_is_ada(library.owner)


def test_the_media_of_a_user_come_with_the_permission_of_that_user(reach: Reach) -> None:
    media = reach("users/list_user_media", "list_user_media", "media").items(per_page=2)
    assert_is_mitosis(media[0])
    assert [(type(each), each.id, each.permission) for each in media] == [
        (Media, 42, "edit"),
        (Media, 44, "view"),
        (Media, 45, "view"),
    ]
    assert media[0].to_dict()["permission"] == "edit"


def test_the_collections_of_a_user_come_with_the_permission_of_that_user(reach: Reach) -> None:
    shared, library = reach("users/list_user_collections", "list_user_collections", "collections").items()
    assert_is_cell_biology(shared)
    assert (library.type, library.permission) == ("user", "owner")


def test_a_search_reads_every_page_of_hits(form: Form, recorded: Serve, connect: Connect) -> None:
    studio = connect(recorded("users/search_users_by_role").url)
    users = form.items(studio.search_users(role="Teacher", per_page=2))
    assert [(user.id, user.email) for user in users] == [(3, ADA), (4, "jonas.lindqvist@example.edu"), (6, None)]
    assert users[2].role_names == ("Teacher", "Subaccount admin")


def test_a_search_without_a_filter_is_refused_before_anything_is_sent() -> None:
    with FaultServer(hits()) as server, server.client() as studio:
        with pytest.raises(InvalidArgumentError, match="email or role is missing: give at least one") as raised:
            studio.search_users()
        assert raised.value.argument == "email"
        refused: list[dict[str, Any]] = [{"email": ""}, {"role": "  "}, {"email": ADA, "role": ""}]
        for keywords in refused:
            with pytest.raises(InvalidArgumentError, match="must not be empty"):
                studio.search_users(**keywords)
        assert server.requests == []


def test_find_user_without_an_address_is_refused_before_anything_is_sent(form: Form) -> None:
    with FaultServer(hits()) as server, server.client() as studio:
        for given in ("", "  "):
            with pytest.raises(InvalidArgumentError, match="email must not be empty"):
                form.call(studio, "find_user", given)
        assert server.requests == []


def test_a_role_that_nobody_knows_is_sent_and_kept(form: Form) -> None:
    user = person(1, role_names=["Dean", "Teacher"])
    with FaultServer(json_answer({"users": [user]})) as server, server.client() as studio:
        [found] = form.items(studio.search_users(role="Dean"))
    assert found.role_names == ("Dean", "Teacher")
    assert server.requests[0].parameters["role"] == "Dean"


@pytest.mark.parametrize("sent", ["Teacher", [1], [["Teacher"]], {"name": "Teacher"}])
def test_roles_of_another_form_stay_as_they_were_sent(sent: object, form: Form) -> None:
    with FaultServer(json_answer({"user": person(1, role_names=sent)})) as server, server.client() as studio:
        user = form.call(studio, "get_user", 1)
    assert (user.role_names, user.extra) == (None, {"role_names": sent})


@pytest.mark.parametrize("sent", [{}, {"role_names": None}])
def test_roles_that_are_not_sent_are_none_and_no_roles_are_an_empty_tuple(sent: dict[str, Any], form: Form) -> None:
    users: list[dict[str, Any]] = [{"id": 1, **sent}, {"id": 2, "role_names": []}]
    with FaultServer(json_answer({"users": users})) as server, server.client() as studio:
        found = form.items(studio.search_users(role="Student"))
    assert [(user.role_names, user.extra) for user in found] == [(None, {}), ((), {})]


def test_find_user_gives_the_one_with_the_whole_address_whatever_its_case(form: Form) -> None:
    emails = ("veda.park@example.edu", None, "", "ADA.Park@example.EDU", "ada.park@example.edu.example")
    with FaultServer(hits(*emails)) as server, server.client() as studio:
        user = form.call(studio, "find_user", " ada.PARK@example.edu ")
    assert type(user) is User
    assert (user.id, user.email, user.role_names) == (4, "ADA.Park@example.EDU", ("Student",))
    [asked] = server.requests
    assert asked.parameters["email"] == "ada.PARK@example.edu"


def test_find_user_takes_a_login_id_without_an_at(form: Form) -> None:
    with FaultServer(hits("apark70", "apark7", "xapark7")) as server, server.client() as studio:
        assert form.call(studio, "find_user", "APark7").id == 2
        with pytest.raises(UserNotFoundError, match='"apark"'):
            form.call(studio, "find_user", "apark")


def test_a_person_whom_nobody_knows_is_an_error_that_says_what_that_can_mean(form: Form) -> None:
    with FaultServer(hits()) as server, server.client() as studio, pytest.raises(UserNotFoundError) as raised:
        form.call(studio, "find_user", ADA)
    error = raised.value
    assert isinstance(error, StudioError)
    assert isinstance(error, LookupError)
    assert error.users == ()
    assert str(error).startswith(f'no user has the e-mail address "{ADA}": ')
    assert MEANINGS_OF_NO_HIT in str(error)
    assert "another address, see" not in str(error)


def test_hits_with_other_addresses_are_nobody_and_are_shown(form: Form) -> None:
    with (
        FaultServer(hits("veda.park@example.edu", None)) as server,
        server.client() as studio,
        pytest.raises(UserNotFoundError, match="Studio found 2 users with other addresses") as raised,
    ):
        form.call(studio, "find_user", "a.park@example.edu")
    assert [(type(user), user.id) for user in raised.value.users] == [(User, 1), (User, 2)]
    assert MEANINGS_OF_NO_HIT in str(raised.value)


def test_of_several_with_one_address_none_is_taken_and_all_are_shown(form: Form) -> None:
    with (
        FaultServer(hits(ADA, "veda.park@example.edu", ADA.upper(), ADA)) as server,
        server.client() as studio,
        pytest.raises(SeveralUsersError, match=r"^3 users have the e-mail .* by its id \(1, 3, 4\)$") as raised,
    ):
        form.call(studio, "find_user", ADA)
    error = raised.value
    assert isinstance(error, StudioError)
    assert isinstance(error, LookupError)
    assert [user.id for user in error.users] == [1, 3, 4]


def test_the_users_of_an_error_have_the_client_that_looked_for_them(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        first, second = (box.add_user(f"Ada Park {number}", ADA) for number in range(2))
        with pytest.raises(SeveralUsersError) as raised:
            form.call(studio, "find_user", ADA)
        libraries = {user.id: form.call(user, "library") for user in raised.value.users}
    assert {owner: library.owner.id for owner, library in libraries.items()} == {first: first, second: second}


def test_the_owner_of_a_media_has_methods_too(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        ada = box.add_user("Ada Park", ADA)
        media = form.call(studio, "get_media", box.add_media("Mitosis", owner=ada))
        assert [each.id for each in form.items(media.owner.media())] == [media.id]
        library = form.call(media.owner, "library")
        assert [each.id for each in form.items(media.owner.collections(per_page=1))] == [library.id]
        assert form.call(library.owner, "library") == library


@pytest.mark.parametrize("emails", [(), (ADA, ADA)])
def test_an_error_about_users_can_be_pickled(emails: tuple[str, ...]) -> None:
    with (
        FaultServer(hits(*emails)) as server,
        server.client() as studio,
        pytest.raises((UserNotFoundError, SeveralUsersError)) as raised,
    ):
        studio.find_user(ADA)
    error: Any = raised.value
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - it is our own
    assert (type(again), str(again), again.users) == (type(error), str(error), error.users)


@pytest.mark.parametrize("last", [ADA, "someone@example.edu"])
def test_a_second_hit_on_a_later_page_is_not_missed(last: str, form: Form) -> None:
    others = [f"person{number}@example.edu" for number in range(118)]
    with FaultServer(hits(ADA, *others, last)) as server, server.client() as studio:
        if last == ADA:
            with pytest.raises(SeveralUsersError) as raised:
                form.call(studio, "find_user", ADA)
            assert [user.id for user in raised.value.users] == [1, 120]
        else:
            assert form.call(studio, "find_user", ADA).id == 1
    assert {asked.parameters["page"] for asked in server.requests} == {"1", "2", "3"}


@pytest.mark.parametrize("answer", [{"error": "no such thing"}, {"people": []}, {"users": [], "error": "down"}, []])
def test_an_answer_without_the_list_is_an_error_and_not_nobody(answer: object, form: Form) -> None:
    with FaultServer(json_answer(answer)) as server, server.client(max_retries=0) as studio:
        with pytest.raises(ResponseDecodeError):
            form.call(studio, "find_user", ADA)
        with pytest.raises(ResponseDecodeError):
            form.items(studio.search_users(email=ADA))


def test_a_search_that_fails_is_its_own_error_and_not_nobody(form: Form) -> None:
    def second_page_fails(asked: Received) -> Answer:
        if asked.parameters["page"] == "1":
            return hits(*([None] * 60))(asked)
        return json_answer({"error": "down"}, status=500)

    with (
        FaultServer(second_page_fails) as server,
        server.client(max_retries=0) as studio,
        pytest.raises(StudioError) as raised,
    ):
        form.call(studio, "find_user", ADA)
    assert not isinstance(raised.value, LookupError)


def test_the_media_of_a_user_are_also_those_shared_with_them_and_the_owner_tells_them_apart(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        ada, bo = box.add_user("Ada Park", ADA), box.add_user("Bo Lind", "bo@example.edu")
        own, shared = box.add_media("Mitosis", owner=ada), box.add_media("Meiosis", owner=bo)
        form.call(studio, "change_media_permissions", shared, [PermissionChange("create", id=ada, share_type="user")])
        media = form.items(studio.list_user_media(ada))
        assert {each.id for each in media} == {own, shared}
        assert [each.id for each in media if each.owner and each.owner.id == ada] == [own]
        assert [each.id for each in form.items(studio.search_media(owner=ADA))] == [own]


def test_who_may_not_search_users_is_told_so_once(form: Form) -> None:
    with Sandbox(media=0) as box:
        bo = box.add_user("Bo Lind", role="teacher")
        with box.client(user=bo) as studio, pytest.raises(PermissionDeniedError) as raised:
            form.call(studio, "find_user", ADA)
    assert str(raised.value).count("may search users") == 1


def test_all_of_it_works_on_a_sandbox(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        ada = box.add_user("Ada Park", ADA, role="teacher")
        login = box.add_user("Bo Lind", "blind7")
        three = [box.add_user(f"Cy Ode {number}", "CY@example.edu") for number in range(3)]
        media = box.add_media("Mitosis", owner=ada)
        assert form.call(studio, "find_user", ADA.upper()) == form.call(studio, "get_user", ada)
        assert form.call(studio, "find_user", "BLIND7").id == login
        with pytest.raises(SeveralUsersError) as raised:
            form.call(studio, "find_user", "cy@example.edu")
        assert sorted(user.id for user in raised.value.users) == three
        with pytest.raises(UserNotFoundError):
            form.call(studio, "find_user", "d@example.edu")
        found = form.items(studio.search_users(role="Teacher", per_page=1))
        assert ada in {user.id for user in found}
        assert {user.role_names for user in found} == {("Teacher",)}
        [mine] = form.items(studio.list_user_media(ada))
        library = form.call(studio, "get_user_library", ada)
        assert (mine.id, mine.permission, library.type) == (media, "edit", "user")
        assert [each.id for each in form.items(studio.list_user_collections(ada))] == [library.id]
