"""The Collection and Media pages of the sandbox keep their state and refuse requests as documented."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from canvas_studio import BadRequestError, NotFoundError, PermissionChange, StudioClient
from canvas_studio.sandbox import Assumptions, Sandbox
from support.plain_http import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.forms import Form

UNKNOWN = 10**12
NO_IDS = ("abc", "0", "-1", "1.5", "9" * 30)
PEOPLE = ("administrator", "owner", "editor", "viewer", "stranger")
# Whom an operation is allowed to: those who may see, those who may edit, and the owner alone. Administrators may all.
SEE, EDIT, OWN = PEOPLE[:4], PEOPLE[:3], PEOPLE[:2]


@dataclass(frozen=True, slots=True)
class School:
    """A collection and a media of one owner, both shared with an editor and a viewer and not with a stranger."""

    box: Sandbox
    people: dict[str, int]
    collection: int
    media: int

    def ask(self, method: str, path: str, *, who: str = "administrator", **more: Any) -> Answer:
        """What the sandbox answers to one of the people."""
        return ask(self.box.url, method, path, token=self.box.token_for(self.people[who]), **more)

    def find(self, path: str, who: str = "administrator", **query: object) -> list[int]:
        """The ids of a list, in its order."""
        answer = self.ask("GET", path, who=who, query=query)
        assert answer.status == 200, answer.text
        key = path.rpartition("/")[2].replace("search", "media")
        return [item["id"] for item in answer.json[key]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the reference: how it is asked, whom it is for, and which refusals are documented."""

    method: str
    path: str
    allowed: tuple[str, ...]
    refusals: tuple[int, ...]
    status: int = 200
    json_body: object = None

    def perform(self, school: School, who: str = "administrator", id: object = None) -> Answer:
        """Ask for it on the collection or media of the school, or on another id."""
        known = school.collection if self.path.startswith("/collections") else school.media
        path = self.path.format(id=known if id is None else id)
        return school.ask(self.method, path, who=who, json_body=self.json_body)


EMBED = {"course_id": 1301, "embed_type": "embed"}
NO_CHANGES: list[object] = []
# The refusals are those that the reference lists; 401 applies to all.
OPERATIONS = {
    "get_collection": Operation("GET", "/collections/{id}", SEE, (403, 404, 422)),
    "delete_collection": Operation("DELETE", "/collections/{id}", OWN, (403, 404, 422)),
    "archive_collection": Operation("POST", "/collections/{id}/archive", OWN, (403, 404, 422)),
    "unarchive_collection": Operation("POST", "/collections/{id}/unarchive", OWN, (403, 404, 422)),
    "list_collection_media": Operation("GET", "/collections/{id}/media", SEE, (403, 404)),
    "get_collection_permissions": Operation("GET", "/collections/{id}/permissions", EDIT, (403, 404, 422)),
    "change_collection_permissions": Operation(
        "POST", "/collections/{id}/permissions", EDIT, (400, 403, 404, 422), json_body=NO_CHANGES
    ),
    "get_media": Operation("GET", "/media/{id}", SEE, (403, 404)),
    "delete_media": Operation("DELETE", "/media/{id}", OWN, (403, 404)),
    "archive_media": Operation("POST", "/media/{id}/archive", OWN, (403, 404)),
    "unarchive_media": Operation("POST", "/media/{id}/unarchive", OWN, (403, 404)),
    "list_media_courses": Operation("GET", "/media/{id}/courses", SEE, (403, 404, 422)),
    "create_embed": Operation("POST", "/media/{id}/create_embed", EDIT, (403, 404, 422), json_body=EMBED),
    "get_download_url": Operation("GET", "/media/{id}/download", OWN, (403, 404, 422), 302),
    "get_media_permissions": Operation("GET", "/media/{id}/permissions", EDIT, (403, 404, 422)),
    "change_media_permissions": Operation(
        "POST", "/media/{id}/permissions", EDIT, (400, 403, 404, 422), json_body=NO_CHANGES
    ),
    "list_media_perspectives": Operation("GET", "/media/{id}/perspectives", SEE, (403, 404, 422)),
    "list_media_sources": Operation("GET", "/media/{id}/sources", SEE, (403, 404)),
    "list_media_users": Operation("GET", "/media/{id}/users", SEE, (403, 404, 422)),
}
# What takes no id.
OTHERS = [("GET", "/collections"), ("POST", "/collections"), ("GET", "/media/search"), ("GET", "/ping")]
each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)

Shared: TypeAlias = tuple[Sandbox, StudioClient]


def share(id: int, permission: str = "view", share_type: str = "user", action: str = "create") -> dict[str, object]:
    return {"action": action, "id": id, "share_type": share_type, "permission_type": permission}


def open_school(box: Sandbox) -> School:
    people = {name: box.add_user(name.title(), f"{name}@example.edu") for name in PEOPLE[1:]}
    people["administrator"] = box.users[0].id
    collection = box.add_collection("Cell biology", owner=people["owner"])
    media = box.add_media("Mitosis", owner=people["owner"])
    school = School(box, people, collection, media)
    shares = [share(people["editor"], "edit"), share(people["viewer"], "view")]
    for path in (f"/collections/{collection}/permissions", f"/media/{media}/permissions"):
        assert school.ask("POST", path, json_body=shares).status == 200
    return school


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    """One sandbox and one client for all tests; each begins with the state of the start."""
    with Sandbox(media=0) as box, box.client(retry_delay=0) as studio:
        yield box, studio


@pytest.fixture
def box(shared: Shared) -> Sandbox:
    box, _ = shared
    box.reset()
    return box


@pytest.fixture
def studio(shared: Shared, box: Sandbox) -> StudioClient:
    """The administrator's client of `box`."""
    del box
    return shared[1]


@pytest.fixture
def school(box: Sandbox) -> School:
    return open_school(box)


Assume: TypeAlias = Callable[..., School]


@pytest.fixture
def assume() -> Iterator[Assume]:
    """`assume(list_meta=False)` is a school where that is assumed."""
    boxes: list[Sandbox] = []

    def open_under(**switches: Any) -> School:
        boxes.append(Sandbox(media=0, assumptions=Assumptions(**switches)))
        return open_school(boxes[-1])

    yield open_under
    for each in boxes:
        each.close()


def assert_refused(answer: Answer, status: int) -> None:
    """A refusal is a JSON object with a text under `error`, and nothing else. Observed."""
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert list(answer.json) == ["error"]
    assert isinstance(answer.json["error"], str)
    assert answer.json["error"]


@each_operation
def test_an_operation_is_for_those_who_may_and_403_for_all_others(operation: Operation, box: Sandbox) -> None:
    for who in PEOPLE:
        box.reset()
        school = open_school(box)
        box.add_collection(None, course_id=1301)
        answer = operation.perform(school, who)
        if who in operation.allowed:
            assert answer.status == operation.status, (who, answer.text)
        else:
            assert_refused(answer, 403)


@each_operation
def test_an_operation_on_something_unknown_is_404(operation: Operation, school: School) -> None:
    for who in ("administrator", "stranger"):
        assert_refused(operation.perform(school, who, UNKNOWN), 404)


@each_operation
def test_an_invalid_id_is_422_where_the_reference_lists_422_and_else_404(operation: Operation, school: School) -> None:
    for wrong in NO_IDS:
        assert_refused(operation.perform(school, id=wrong), 422 if 422 in operation.refusals else 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [(each.method, each.path.format(id=1)) for each in OPERATIONS.values()] + OTHERS,
)
def test_without_a_good_token_everything_is_401(method: str, path: str, box: Sandbox) -> None:
    with Sandbox(media=0) as another:
        of_another = another.token
    for authorization in (None, "", "Bearer", "Bearer x", f"Basic {box.token}", box.token, f"Bearer {of_another}"):
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = ask(box.url, method, path, headers=headers)
        assert_refused(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_scheme_of_a_token_may_be_written_in_any_case(box: Sandbox) -> None:
    assert ask(box.url, "GET", "/collections", headers={"Authorization": f"bearer {box.token}"}).status == 200


def test_an_unknown_path_is_404_and_an_unknown_method_405(box: Sandbox) -> None:
    for path in ("/nothing", "/media/1/nothing", "/api/public/v2/collections", "/api/other"):
        assert_refused(ask(box.url, "GET", path, token=box.token), 404)
    for method, path in (
        ("GET", "/media"),
        ("PUT", "/collections/1"),
        ("PATCH", "/media/1"),
        ("DELETE", "/media/search/1/download"),
    ):
        answer = ask(box.url, method, path, token=box.token)
        assert_refused(answer, 404 if "search/" in path else 405)


@pytest.mark.parametrize("path", ["/collections/", "//collections", "/collections//"])
def test_slashes_too_many_are_taken(path: str, school: School) -> None:
    listed = school.ask("GET", "/collections").json
    assert school.ask("GET", f"/api/public/v1{path}").json == listed
    assert school.ask("GET", f"/api/public/v1{path}", query={"per_page": 1}).json["meta"]["last_page"] > 1


def test_an_administrator_sees_everything_and_others_what_is_theirs_or_shared(school: School) -> None:
    box, people = school.box, school.people
    private = box.add_media("Notes", owner=people["stranger"])
    inside = box.add_media("Meiosis", owner=people["owner"], collection_id=school.collection)
    seen = {who: set(school.find("/media/search", who)) for who in PEOPLE}
    everything = {school.media, inside, private}
    assert seen == {
        "administrator": everything,
        "owner": {school.media, inside},
        "editor": {school.media, inside},
        "viewer": {school.media, inside},
        "stranger": {private},
    }
    collections = {who: set(school.find("/collections", who)) for who in PEOPLE}
    # Beside those that are shared, everybody has a library of their own.
    assert school.collection not in collections["stranger"]
    assert {len(collections[who]) for who in ("owner", "editor", "viewer")} == {2}
    assert len(collections["stranger"]) == 1
    assert collections["administrator"] == set().union(*collections.values())
    assert len(collections["administrator"]) == 6


def test_the_permission_that_an_answer_names_is_the_callers(school: School) -> None:
    def permission(who: str) -> str:
        named: str = school.ask("GET", f"/collections/{school.collection}", who=who).json["collection"]["permission"]
        return named

    assert {who: permission(who) for who in SEE} == {
        "administrator": "edit",
        "owner": "edit",
        "editor": "edit",
        "viewer": "view",
    }


def test_a_share_with_a_group_reaches_its_members_until_it_ends(school: School) -> None:
    box, people = school.box, school.people
    group = box.add_group("Assistants", [people["stranger"]])
    member, path = "stranger", f"/media/{school.media}"
    assert school.ask("POST", f"{path}/permissions", json_body=[share(group, "view", "group")]).status == 200
    assert school.ask("GET", path, who=member).status == 200
    assert school.find("/media/search", member) == [school.media]
    assert_refused(school.ask("GET", f"{path}/permissions", who=member), 403)
    changed = school.ask("POST", f"{path}/permissions", json_body=[share(group, "edit", "group", "update")])
    assert changed.json["groups"] == [{"id": group, "name": "Assistants", "permission": "edit"}]
    assert school.ask("GET", f"{path}/permissions", who=member).status == 200
    ended = school.ask("POST", f"{path}/permissions", json_body=[share(group, "edit", "group", "destroy")])
    assert ended.json["groups"] == []
    assert_refused(school.ask("GET", path, who=member), 403)
    assert school.find("/media/search", member) == []


def test_of_several_shares_the_highest_counts(school: School) -> None:
    people = school.people
    group = school.box.add_group("Assistants", [people["viewer"]])
    school.ask("POST", f"/media/{school.media}/permissions", json_body=[share(group, "edit", "group")])
    assert school.ask("GET", f"/media/{school.media}/permissions", who="viewer").status == 200


def test_a_new_collection_is_the_callers_and_can_be_read_at_once(
    form: Form, studio: StudioClient, school: School
) -> None:
    made = form.call(studio, "create_collection", "Field trips & „Notizen“")
    assert (made.name, made.type, made.permission, made.course_id) == (
        "Field trips & „Notizen“",
        "custom",
        "edit",
        None,
    )
    assert made.owner.id == school.people["administrator"]
    assert made.to_dict() == form.call(studio, "get_collection", made.id).to_dict()
    assert made.id in [each.id for each in form.items(studio.list_collections())]
    assert form.items(studio.list_collection_media(made)) == []


def test_an_administrator_makes_collections_for_others(form: Form, studio: StudioClient, school: School) -> None:
    made = form.call(studio, "create_collection", "Field trips", user_id=school.people["viewer"])
    assert made.owner.id == school.people["viewer"]
    assert made.id in school.find("/collections", "viewer")
    assert made.id not in school.find("/collections", "owner")


def test_others_make_collections_for_themselves_only(school: School) -> None:
    own = {"name": "Field trips", "user_id": school.people["owner"]}
    assert school.ask("POST", "/collections", who="owner", query=own).status == 201
    assert_refused(school.ask("POST", "/collections", who="viewer", query=own), 403)


def test_a_collection_that_cannot_be_made_is_refused(school: School) -> None:
    before = school.find("/collections")
    assert_refused(school.ask("POST", "/collections", query={"name": "x", "user_id": UNKNOWN}), 404)
    for wrong in ({}, {"name": ""}, *({"name": "x", "user_id": no_id} for no_id in NO_IDS)):
        assert_refused(school.ask("POST", "/collections", query=wrong), 422)
    assert school.find("/collections") == before


def test_an_archived_collection_takes_its_media_out_of_the_lists_and_back(
    form: Form, studio: StudioClient, school: School
) -> None:
    inside = school.box.add_media("Meiosis", collection_id=school.collection)
    assert form.call(studio, "get_collection", school.collection).archived_at is None
    before = datetime.now(UTC).replace(microsecond=0)
    archived = form.call(studio, "archive_collection", school.collection)
    assert archived.id == school.collection
    assert before <= archived.archived_at <= datetime.now(UTC)
    assert form.call(studio, "get_media", inside).archived_at == archived.archived_at
    assert school.collection not in school.find("/collections")
    assert school.find("/media/search") == [school.media]
    assert form.call(studio, "get_media", inside).id == inside
    assert form.call(studio, "unarchive_collection", school.collection).archived_at is None
    assert form.call(studio, "get_media", inside).archived_at is None
    assert school.collection in school.find("/collections")
    assert school.find(f"/collections/{school.collection}/media") == [inside]
    assert set(school.find("/media/search")) == {school.media, inside}


def test_unarchiving_a_collection_brings_back_only_what_left_with_it(school: School) -> None:
    first, second = (school.box.add_media(title, collection_id=school.collection) for title in ("one", "two"))
    school.ask("POST", f"/media/{first}/archive")
    school.ask("POST", f"/collections/{school.collection}/archive")
    school.ask("POST", f"/collections/{school.collection}/unarchive")
    assert school.find(f"/collections/{school.collection}/media") == [second]


def test_archiving_a_collection_leaves_media_that_live_elsewhere(school: School) -> None:
    course = school.box.add_collection("Biology 1", course_id=1301)
    assert school.ask("POST", f"/media/{school.media}/create_embed", json_body=EMBED).status == 200
    assert school.find(f"/collections/{course}/media") == [school.media]
    school.ask("POST", f"/collections/{course}/archive")
    assert school.find("/media/search") == [school.media]
    # Their perspectives in it are archived with it.
    assert school.find(f"/media/{school.media}/courses") == []
    assert len(school.ask("GET", f"/media/{school.media}/perspectives").json["perspectives"]) == 1
    assert school.find(f"/collections/{course}/media") == []
    school.ask("POST", f"/collections/{course}/unarchive")
    assert school.find(f"/media/{school.media}/courses") == [course]


def test_a_deleted_collection_takes_along_what_lives_in_it_and_nothing_else(
    form: Form, studio: StudioClient, school: School
) -> None:
    course = school.box.add_collection("Biology 1", course_id=1301)
    inside = school.box.add_media("Meiosis", collection_id=course)
    form.call(studio, "create_embed", school.media, course_id=1301, embed_type="embed")
    deleted = form.call(studio, "delete_collection", course)
    assert (deleted.id, deleted.name, deleted.course_id) == (course, "Biology 1", 1301)
    for method, gone in (("get_collection", course), ("get_media", inside)):
        with pytest.raises(NotFoundError):
            form.call(studio, method, gone)
    assert school.find("/media/search") == [school.media]
    assert form.items(studio.list_media_courses(school.media)) == []
    assert len(form.items(studio.list_media_perspectives(school.media))) == 1
    assert course not in school.find("/collections")


def test_a_media_has_a_home_whatever_became_of_its_owners_library(school: School) -> None:
    home = school.ask("GET", f"/media/{school.media}").json["media"]["collection"]["id"]
    school.ask("DELETE", f"/collections/{home}", who="owner")
    later = school.box.add_media("Later", owner=school.people["owner"])
    assert school.ask("GET", f"/media/{later}").json["media"]["collection"]["owner"]["id"] == school.people["owner"]
    assert len(school.ask("GET", f"/media/{later}/perspectives").json["perspectives"]) == 1


each_page = pytest.mark.parametrize("page", ["collection", "media"])


def permissions_of(school: School, page: str) -> tuple[int, str]:
    subject = school.collection if page == "collection" else school.media
    return subject, f"/{page.replace('collection', 'collections')}/{subject}/permissions"


@each_page
def test_permissions_are_created_changed_and_ended(page: str, form: Form, studio: StudioClient, school: School) -> None:
    subject, _ = permissions_of(school, page)
    people = school.people
    group = school.box.add_group("Assistants")

    def change(*changes: PermissionChange) -> tuple[dict[int, str], dict[int, str]]:
        after = form.call(studio, f"change_{page}_permissions", subject, list(changes))
        assert after == form.call(studio, f"get_{page}_permissions", subject)
        return (
            {user.id: user.permission for user in after.users},
            {each.id: each.permission for each in after.groups},
        )

    before = {people["editor"]: "edit", people["viewer"]: "view"}
    assert change(
        PermissionChange("create", id=people["stranger"], share_type="user", permission_type="view"),
        PermissionChange("create", id=group, share_type="group", permission_type="edit"),
    ) == (before | {people["stranger"]: "view"}, {group: "edit"})
    assert change(
        PermissionChange("update", id=people["stranger"], share_type="user", permission_type="edit"),
        PermissionChange("destroy", id=group, share_type="group"),
        PermissionChange("destroy", id=people["editor"], share_type="user"),
    ) == ({people["viewer"]: "view", people["stranger"]: "edit"}, {})


@each_page
def test_a_new_permission_is_to_view_if_nothing_else_is_said(page: str, school: School) -> None:
    _, path = permissions_of(school, page)
    change = {"action": "create", "id": school.people["stranger"], "share_type": "user"}
    shown = school.ask("POST", path, json_body=[change]).json["users"][-1]
    assert (shown["full_name"], shown["email"], shown["permission"]) == ("Stranger", "stranger@example.edu", "view")


@each_page
def test_a_permission_that_exists_or_that_nobody_can_have_is_400(page: str, school: School) -> None:
    _, path = permissions_of(school, page)
    people, before = school.people, school.ask("GET", path).json
    group = school.box.add_group("Assistants")
    wrong = [
        share(people["viewer"], "view"),
        share(people["viewer"], "edit"),
        share(people["stranger"], "edit", action="update"),
        share(people["stranger"], action="destroy"),
        share(UNKNOWN),
        share(UNKNOWN, share_type="group"),
        share(group),
        share(people["stranger"], share_type="group"),
        share(UNKNOWN, action="destroy"),
    ]
    for change in wrong:
        assert_refused(school.ask("POST", path, json_body=[change]), 400)
    assert school.ask("GET", path).json == before


@each_page
def test_our_client_raises_what_400_says(page: str, form: Form, studio: StudioClient, school: School) -> None:
    subject, _ = permissions_of(school, page)
    again = PermissionChange("create", id=school.people["viewer"], share_type="user")
    with pytest.raises(BadRequestError, match="already exists"):
        form.call(studio, f"change_{page}_permissions", subject, [again])


@each_page
def test_changes_that_are_none_are_422(page: str, school: School) -> None:
    _, path = permissions_of(school, page)
    stranger = school.people["stranger"]
    good, before = share(stranger), school.ask("GET", path).json
    bodies: list[object] = [
        good,
        "create",
        None,
        [None],
        *([{name: value for name, value in good.items() if name != left_out}] for left_out in ("action", "id")),
        [{name: value for name, value in good.items() if name != "share_type"}],
        *([good | wrong] for wrong in ({"action": "add"}, {"share_type": "role"}, {"permission_type": "owner"})),
        *([good | {"id": wrong}] for wrong in (str(stranger), -1, 1.5, None)),
    ]
    for body in bodies:
        assert_refused(school.ask("POST", path, json_body=body), 422)
    for text in ("", "[", "[{]", "\xff"):
        assert_refused(school.ask("POST", path, body=text.encode("latin-1")), 422)
    assert school.ask("GET", path).json == before


@each_page
@pytest.mark.parametrize("atomic", [True, False])
def test_batch_atomic_decides_whether_half_a_batch_is_carried_out(page: str, atomic: bool, assume: Assume) -> None:  # noqa: FBT001
    school = assume(batch_atomic=atomic)
    _, path = permissions_of(school, page)
    stranger, owner = school.people["stranger"], school.people["owner"]
    batch = [share(stranger), share(UNKNOWN), share(owner)]
    assert_refused(school.ask("POST", path, json_body=batch), 400)
    shared_with = {user["id"] for user in school.ask("GET", path).json["users"]}
    assert (stranger in shared_with) is not atomic
    assert owner not in shared_with


def test_a_list_is_read_page_by_page_and_says_how_long_it_is(school: School) -> None:
    library = school.box.add_collection("Long")
    ids = [school.box.add_media(f"{number}", collection_id=library) for number in range(45)][::-1]
    path = f"/collections/{library}/media"

    def page(**query: object) -> tuple[list[int], dict[str, int]]:
        answer = school.ask("GET", path, query=query).json
        assert set(answer) == {"media", "meta"}
        return [media["id"] for media in answer["media"]], answer["meta"]

    meta = {"current_page": 1, "last_page": 3, "total_count": 45}
    assert page() == (ids[:20], meta)
    assert page(page=3) == (ids[40:], meta | {"current_page": 3})
    assert page(per_page=50) == (ids, meta | {"last_page": 1})
    assert page(per_page=45) == (ids, meta | {"last_page": 1})
    assert page(page=2, per_page=44) == (ids[44:], {"current_page": 2, "last_page": 2, "total_count": 45})
    assert page(page=4) == ([], meta | {"current_page": 4})
    assert page(page=2**62)[0] == []
    nothing = school.box.add_collection("Empty")
    empty = school.ask("GET", f"/collections/{nothing}/media").json
    assert empty == {"media": [], "meta": {"current_page": 1, "last_page": 1, "total_count": 0}}


def test_our_client_reads_every_list_whole(form: Form, studio: StudioClient, school: School) -> None:
    ids = {school.box.add_media(f"{number}", collection_id=school.collection) for number in range(120)}
    found = [media.id for media in form.items(studio.list_collection_media(school.collection))]
    assert (len(found), set(found)) == (120, ids)
    assert form.total(studio.search_media()) == 121
    assert len(form.pages(studio.search_media(per_page=25))) == 5


@pytest.mark.parametrize("path", ["/collections", "/media/search", "/collections/{collection}/media"])
def test_wrong_paging_is_422(path: str, school: School) -> None:
    path = path.format(collection=school.collection)
    for query in [{"page": wrong} for wrong in NO_IDS] + [{"per_page": wrong} for wrong in (*NO_IDS, 51, 10_000)]:
        assert_refused(school.ask("GET", path, query=query), 422)


def test_per_page_clamped_takes_too_many_for_50(assume: Assume) -> None:
    school = assume(per_page_clamped=True)
    for number in range(60):
        school.box.add_media(f"{number}", collection_id=school.collection)
    for per_page in (50, 51, 10**15):
        assert len(school.find(f"/collections/{school.collection}/media", per_page=per_page)) == 50
    assert_refused(school.ask("GET", "/collections", query={"per_page": 0}), 422)


def test_newest_first_decides_the_order_of_lists(assume: Assume) -> None:
    for newest_first in (True, False):
        school = assume(newest_first=newest_first)
        media = [school.media, *(school.box.add_media(f"{number}") for number in range(3))]
        collections = [school.collection, school.box.add_collection("Second")]
        assert school.find("/media/search") == (media[::-1] if newest_first else media)
        found = [each for each in school.find("/collections") if each in collections]
        assert found == (collections[::-1] if newest_first else collections)


def test_without_list_meta_no_list_says_how_long_it_is(form: Form, assume: Assume) -> None:
    school = assume(list_meta=False)
    ids = {school.media, *(school.box.add_media(f"{number}") for number in range(60))}
    for path in ("/collections", "/media/search", f"/collections/{school.collection}/media"):
        assert set(school.ask("GET", path).json) < {"collections", "media"}
    with school.box.client() as studio:
        assert {media.id for media in form.items(studio.search_media())} == ids


SEARCHED: dict[str, dict[str, Any]] = {
    "film": {
        "title": "Mitosis, the film",
        "size": 100,
        "created_at": "2025-01-10T00:00:00Z",
        "last_viewed": "2025-02-01",
        "last_viewed_by_student": "2025-01-20",
        "tags": ["biology"],
        "source": "upload",
    },
    "both": {
        "title": "Mitosis & meiosis",
        "size": 200,
        "created_at": "2025-01-20T23:59:59Z",
        "last_viewed": "2025-02-10",
        "tags": ["biology", "exam"],
        "source": "webcam",
    },
    "cell": {
        "title": "細胞分裂, Zellteilung",
        "size": 300,
        "created_at": "2025-02-01T12:00:00Z",
        "tags": ["exam 1"],
        "source": "screen_capture",
    },
    "salt": {
        "title": "Osmosis",
        "size": 400,
        "created_at": "2025-03-01T12:00:00Z",
        "last_viewed": "2025-03-02",
        "last_viewed_by_student": "2025-03-02",
        "source": "youtube",
    },
    "none": {"title": "100 %", "size": 0, "created_at": "2024-12-31T23:59:59.999Z", "source": "vimeo"},
}
OWNED = {"ada@example.edu": ("film", "both"), "ben@example.edu": ("cell", "salt"), None: ("none",)}
CRITERIA: dict[str, tuple[object, set[str]]] = {
    "title": ("itosis", {"film", "both"}),
    "min_size": (200, {"both", "cell", "salt"}),
    "max_size": (200, {"film", "both", "none"}),
    "start_date": ("2025-01-20", {"both", "cell", "salt"}),
    "end_date": ("2025-01-20", {"film", "both", "none"}),
    "last_viewed_start_date": ("2025-02-10", {"both", "salt"}),
    "last_viewed_end_date": ("2025-02-10", {"film", "both"}),
    "last_viewed_by_student_start_date": ("2025-03-02", {"salt"}),
    "last_viewed_by_student_end_date": ("2025-01-20", {"film"}),
    "owner": ("ada@example.edu", {"film", "both"}),
    "tag": ("exam", {"both"}),
    "source": ("webcam", {"both"}),
}


@pytest.fixture
def searched(box: Sandbox) -> dict[int, str]:
    """The media of `SEARCHED` by their ids."""
    found: dict[int, str] = {}
    for email, names in OWNED.items():
        owner = box.add_user("Somebody", email)
        for name in names:
            found[box.add_media(owner=owner, **SEARCHED[name])] = name
    return found


def search(box: Sandbox, searched: dict[int, str], query: dict[str, object], token: str | None = None) -> set[str]:
    answer = ask(box.url, "GET", "/media/search", token=token or box.token, query=query)
    assert answer.status == 200, answer.text
    assert answer.json["meta"]["total_count"] == len(answer.json["media"])
    return {searched[media["id"]] for media in answer.json["media"]}


@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_finds_what_it_asks_for_alone_and_with_any_other(
    name: str, box: Sandbox, searched: dict[int, str]
) -> None:
    value, expected = CRITERIA[name]
    assert search(box, searched, {name: value}) == expected
    for other, (other_value, other_expected) in CRITERIA.items():
        if other != name:
            assert search(box, searched, {name: value, other: other_value}) == expected & other_expected, other


def test_pairs_of_criteria_tell_and_from_or(searched: dict[int, str]) -> None:
    """The test above could not fail if one of each two criteria said nothing."""
    del searched
    pairs = [(first[1], second[1]) for first, second in combinations(CRITERIA.values(), 2)]
    assert sum(first & second not in (first, second) for first, second in pairs) > 20


WORDS: list[tuple[dict[str, object], set[str]]] = [
    ({}, set(SEARCHED)),
    ({"title": "細胞"}, {"cell"}),
    ({"title": "100 %"}, {"none"}),
    ({"title": "& mei"}, {"both"}),
    ({"title": "mitosis film"}, set()),
    ({"title": "MITOSIS"}, {"film", "both"}),
    ({"min_size": 0, "max_size": 0}, {"none"}),
    ({"min_size": 300, "max_size": 200}, set()),
    ({"start_date": "2025-01-20", "end_date": "2025-01-20"}, {"both"}),
    ({"start_date": "2024-12-31", "end_date": "2024-12-31"}, {"none"}),
    # What nobody ever viewed was viewed in no period, however long.
    ({"last_viewed_start_date": "1000-01-01"}, {"film", "both", "salt"}),
    ({"last_viewed_by_student_end_date": "9999-12-31"}, {"film", "salt"}),
    ({"owner": "nobody@example.edu"}, set()),
    ({"owner": "ADA@example.edu"}, {"film", "both"}),
    # The full name of a tag, not a part of it.
    ({"tag": "bio"}, set()),
    ({"tag": "exam 1"}, {"cell"}),
]


@pytest.mark.parametrize(("query", "expected"), WORDS)
def test_a_search_takes_its_criteria_at_their_word(
    query: dict[str, object], expected: set[str], box: Sandbox, searched: dict[int, str]
) -> None:
    assert search(box, searched, query) == expected


@pytest.mark.parametrize("whose", ["", "_by_student"])
@pytest.mark.parametrize("ends", [("start",), ("end",), ("start", "end")])
def test_what_was_never_viewed_is_in_each_period_if_assumed(ends: tuple[str, ...], whose: str) -> None:
    with Sandbox(media=0, assumptions=Assumptions(never_viewed_in_periods=True)) as box:
        never = box.add_media("Never viewed")
        viewed = box.add_media("Viewed", last_viewed="2025-02-01", last_viewed_by_student="2025-02-01")
        day = {"start": "2025-01-01", "end": "2025-01-31"}
        query: dict[str, Any] = {f"last_viewed{whose}_{end}_date": day[end] for end in ends}
        found = {media.id for media in box.client().search_media(**query)}
        assert found == ({never, viewed} if ends == ("start",) else {never})


def test_media_in_answers_lack_the_last_view_if_assumed() -> None:
    with Sandbox(media=0, assumptions=Assumptions(last_viewed_in_answers=False)) as box:
        media = box.add_media("Viewed", last_viewed="2025-02-01")
        [listed] = ask(box.url, path="/media/search", token=box.token).json["media"]
        single = ask(box.url, path=f"/media/{media}", token=box.token).json["media"]
        for answer in (listed, single):
            assert "created_at" in answer
            assert not {"last_viewed", "last_viewed_by_student"} & answer.keys()


@pytest.mark.parametrize(
    "query",
    [{name: value} for name in ("min_size", "max_size") for value in ("-1", "big", "1.5", "", "9" * 30)]
    + [
        {name: value}
        for name in CRITERIA
        if name.endswith("_date")
        for value in ("01/09/2026", "2026-9-1", "2026-02-30", "2026-09-01T00:00:00Z", "today", "")
    ]
    + [{"source": "no_such_source"}, {"source": ""}],
)
def test_a_criterion_that_is_none_is_422(query: dict[str, object], box: Sandbox) -> None:
    assert_refused(ask(box.url, "GET", "/media/search", token=box.token, query=query), 422)


def test_our_client_finds_one_media_by_all_criteria_together(form: Form, studio: StudioClient, box: Sandbox) -> None:
    owner = box.add_user("Ada Park", "ada.park+lectures@example.edu")
    wanted: dict[str, Any] = {
        "title": "A talk on mitosis & meiosis",
        "owner": owner,
        "size": 500,
        "created_at": "2025-05-16T02:36:46.696Z",
        "last_viewed": "2025-08-01",
        "last_viewed_by_student": "2025-07-30",
        "tags": ["première année / 生物"],
    }
    media_id = box.add_media(**wanted)
    others: dict[str, Any] = {
        "title": "A talk",
        "owner": None,
        "size": 499,
        "created_at": "2025-05-15T23:59:59Z",
        "last_viewed": "2025-07-31",
        "last_viewed_by_student": "2025-07-29",
        "tags": ["première année"],
    }
    for field, other in others.items():
        box.add_media(**{**wanted, field: other})
    box.add_media(**wanted, source="webcam")
    found = form.items(
        studio.search_media(
            title="mitosis & meiosis",
            min_size=500,
            max_size=500,
            start_date="2025-05-16",
            end_date="2025-05-16",
            last_viewed_start_date="2025-08-01",
            last_viewed_end_date="2025-08-01",
            last_viewed_by_student_start_date="2025-07-30",
            last_viewed_by_student_end_date="2025-07-30",
            owner="ada.park+lectures@example.edu",
            tag="première année / 生物",
            source="upload",
        )
    )
    assert [media.id for media in found] == [media_id]


def test_a_search_finds_of_others_what_the_caller_may_see(box: Sandbox, searched: dict[int, str]) -> None:
    ada = next(user for user in box.users if user.email == "ada@example.edu")
    token = box.token_for(ada)
    assert search(box, searched, {}, token) == {"film", "both"}
    assert search(box, searched, {"max_size": 100}, token) == {"film"}
    assert search(box, searched, {"owner": "ben@example.edu"}, token) == set()
    salt = next(media for media, name in searched.items() if name == "salt")
    shared = ask(box.url, "POST", f"/media/{salt}/permissions", token=box.token, json_body=[share(ada.id)])
    assert shared.status == 200
    assert search(box, searched, {"owner": "ben@example.edu"}, token) == {"salt"}


def test_a_media_has_every_documented_field(form: Form, studio: StudioClient, school: School) -> None:
    media_id = school.box.add_media(
        "Meiosis",
        description="A time lapse.",
        collection_id=school.collection,
        size=7,
        duration=3.042,
        source="webcam",
        transcoding_status="transcoding_started",
        created_at="2025-05-16T02:36:46.696Z",
        last_viewed="2025-08-01",
        last_viewed_by_student="2025-07-30",
    )
    raw = school.ask("GET", f"/media/{media_id}").json["media"]
    # Observed: whole seconds, and Z.
    assert raw["created_at"] == "2025-05-16T02:36:46Z"
    assert re.fullmatch(rf"[0-9a-f-]{{36}}-{media_id}", raw["lti_launch_id"])
    assert (raw["description"], raw["duration"], raw["size"]) == ("A time lapse.", 3.042, 7)
    assert (raw["source"], raw["transcoding_status"]) == ("webcam", "transcoding_started")
    assert (raw["last_viewed"], raw["last_viewed_by_student"]) == ("2025-08-01", "2025-07-30")
    assert raw["owner"]["id"] == school.people["owner"]
    assert raw["collection"]["id"] == school.collection
    media = form.call(studio, "get_media", media_id)
    assert (media.title, media.extra) == ("Meiosis", {})
    assert media.collection.to_dict() == form.call(studio, "get_collection", school.collection).to_dict()


def test_what_is_not_known_of_a_media_is_null(school: School) -> None:
    owner = school.box.add_user("Nobody")
    raw = school.ask("GET", f"/media/{school.box.add_media(owner=owner)}").json["media"]
    assert [name for name, value in raw.items() if value is None] == [
        "description",
        "last_viewed",
        "last_viewed_by_student",
        "archived_at",
    ]
    assert raw["owner"]["email"] is None


def test_an_archived_media_leaves_the_lists_and_comes_back(form: Form, studio: StudioClient, school: School) -> None:
    inside = school.box.add_media("Meiosis", collection_id=school.collection)
    before = datetime.now(UTC).replace(microsecond=0)
    archived = form.call(studio, "archive_media", inside)
    assert archived.id == inside
    assert before <= archived.archived_at <= datetime.now(UTC)
    assert school.find("/media/search") == [school.media]
    assert school.find(f"/collections/{school.collection}/media") == []
    assert form.call(studio, "get_media", inside).title == "Meiosis"
    unarchived = form.call(studio, "unarchive_media", inside)
    assert (unarchived.collection.id, unarchived.archived_at) == (school.collection, None)
    assert school.find(f"/collections/{school.collection}/media") == [inside]


def test_a_media_is_unarchived_into_the_collection_that_is_named(
    form: Form, studio: StudioClient, school: School
) -> None:
    before = form.call(studio, "get_media", school.media).collection.id
    form.call(studio, "archive_media", school.media)
    media = form.call(studio, "unarchive_media", school.media, collection_id=school.collection)
    assert media.collection.id == school.collection
    assert school.find(f"/collections/{school.collection}/media") == [school.media]
    assert school.find(f"/collections/{before}/media") == []
    assert len(form.items(studio.list_media_perspectives(school.media))) == 1


def test_a_media_is_unarchived_only_into_a_collection_that_the_caller_may_edit(school: School) -> None:
    foreign = school.box.add_collection("Foreign")
    path = f"/media/{school.media}/unarchive"
    school.ask("POST", f"/media/{school.media}/archive")
    assert_refused(school.ask("POST", path, who="owner", query={"collection_id": foreign}), 403)
    assert_refused(school.ask("POST", path, query={"collection_id": UNKNOWN}), 404)
    assert school.find("/media/search") == []
    school.ask("POST", f"/collections/{foreign}/permissions", json_body=[share(school.people["owner"], "edit")])
    assert school.ask("POST", path, who="owner", query={"collection_id": foreign}).status == 200
    assert school.find(f"/collections/{foreign}/media") == [school.media]


def test_unarchiving_into_what_is_no_collection_is_404_as_no_422_is_listed(school: School) -> None:
    school.ask("POST", f"/media/{school.media}/archive")
    for wrong in NO_IDS:
        answer = school.ask("POST", f"/media/{school.media}/unarchive", query={"collection_id": wrong})
        assert_refused(answer, 404)
    assert school.find("/media/search") == []


def test_a_media_of_an_archived_collection_comes_back_to_its_owners_library(school: School) -> None:
    inside = school.box.add_media("Meiosis", collection_id=school.collection)
    school.ask("POST", f"/collections/{school.collection}/archive")
    home = school.ask("POST", f"/media/{inside}/unarchive").json["media"]["collection"]
    assert (home["type"], home["name"], home["owner"]["id"]) == ("user", "", school.people["owner"])
    assert inside in school.find("/media/search", "owner")
    assert inside in school.find(f"/collections/{home['id']}/media")


def test_a_deleted_media_is_gone_from_everywhere(form: Form, studio: StudioClient, school: School) -> None:
    school.box.add_collection(None, course_id=1301)
    form.call(studio, "create_embed", school.media, course_id=1301, embed_type="embed")
    [course] = form.items(studio.list_media_courses(school.media))
    home = form.call(studio, "get_media", school.media).collection
    deleted = form.call(studio, "delete_media", school.media)
    assert (deleted.id, deleted.title, deleted.collection.id) == (school.media, "Mitosis", home.id)
    for method in ("get_media", "delete_media", "get_download_url", "get_media_permissions"):
        with pytest.raises(NotFoundError):
            form.call(studio, method, school.media)
    for path in ("/media/search", f"/collections/{home.id}/media", f"/collections/{course.id}/media"):
        assert school.find(path) == []
    assert school.box.add_media("Another") != school.media


def test_an_embed_puts_the_media_into_the_collection_of_the_course(
    form: Form, studio: StudioClient, school: School
) -> None:
    course = school.box.add_collection("Biology 1", course_id=1301, owner=school.people["owner"])
    for _ in range(2):
        form.call(studio, "create_embed", school.media, course_id=1301, embed_type="embed")
    [listed] = form.items(studio.list_media_courses(school.media))
    assert (listed.id, listed.course_id, listed.name) == (course, 1301, "Biology 1")
    assert school.find(f"/collections/{course}/media") == [school.media]
    perspectives = form.items(studio.list_media_perspectives(school.media))
    assert {each.collection and each.collection.type for each in perspectives} == {"user", "course_wide"}
    # It lives where it lived.
    assert form.call(studio, "get_media", school.media).collection.type == "user"


def test_an_embed_into_a_course_that_studio_has_not_met_is_404_and_makes_nothing(
    form: Form, studio: StudioClient, school: School
) -> None:
    before = school.find("/collections")
    with pytest.raises(NotFoundError, match="does not know this course yet"):
        form.call(studio, "create_embed", school.media, course_id=1301)
    assert school.find("/collections") == before
    course = school.box.add_collection(None, course_id=1301)
    assert form.call(studio, "create_embed", school.media, course_id=1301).startswith(school.box.url)
    assert school.find(f"/collections/{course}/media") == [school.media]


@pytest.mark.parametrize("key", [None, "url", "embed_url"])
@pytest.mark.parametrize(("embed_type", "downloadable"), [("embed", True), ("bare_embed", False)])
def test_the_url_of_an_embed_launches_the_media_under_whatever_key_it_comes(
    key: str | None,
    embed_type: str,
    downloadable: bool,  # noqa: FBT001
    form: Form,
    assume: Assume,
) -> None:
    school = assume(embed_url_key=key)
    school.box.add_collection(None, course_id=1301)
    body = {"course_id": 1301, "embed_type": embed_type, "downloadable": downloadable}
    answer = school.ask("POST", f"/media/{school.media}/create_embed", json_body=body).json
    url: str = answer if key is None else answer[key]
    launch = parse_qs(urlsplit(url).query)
    assert url.startswith(school.box.url)
    assert launch["custom_arc_launch_type"] == [embed_type]
    raw = school.ask("GET", f"/media/{school.media}").json["media"]
    assert launch["custom_arc_media_id"] == [raw["lti_launch_id"]]
    with school.box.client() as studio:
        made = form.call(
            studio, "create_embed", school.media, course_id=1301, embed_type=embed_type, downloadable=downloadable
        )
    assert made == url


@pytest.mark.parametrize(
    "body",
    [
        {"course_id": 1301},
        {"embed_type": "embed"},
        {"course_id": 1301, "embed_type": "thumbnail_embed"},
        *({"course_id": wrong, "embed_type": "embed"} for wrong in (0, -1, 1.5, "x", None)),
        {"course_id": 1301, "embed_type": "embed", "downloadable": "yes"},
        [],
        "embed",
        None,
    ],
)
def test_an_embed_that_is_none_is_422_and_makes_nothing(body: object, school: School) -> None:
    before = school.find("/collections")
    answer = school.ask("POST", f"/media/{school.media}/create_embed", body=b"", json_body=body)
    assert_refused(answer, 422)
    assert school.find("/collections") == before


def test_perspectives_have_a_uuid_that_stays_and_is_theirs_alone(school: School) -> None:
    other = school.box.add_media("Meiosis", owner=school.people["owner"])
    for course_id in (1301, 1302):
        school.box.add_collection(None, course_id=course_id)
        for media in (school.media, other):
            school.ask("POST", f"/media/{media}/create_embed", json_body=EMBED | {"course_id": course_id})

    def uuids(media: int) -> list[str]:
        listed = school.ask("GET", f"/media/{media}/perspectives").json["perspectives"]
        return [str(UUID(each["uuid"])) for each in listed]

    assert len({*uuids(school.media), *uuids(other)}) == 6
    assert uuids(school.media) == uuids(school.media)


def test_courses_and_perspectives_name_only_collections_that_the_caller_may_know(school: School) -> None:
    school.box.add_collection("Biology 1", course_id=1301)
    school.ask("POST", f"/media/{school.media}/create_embed", json_body=EMBED)
    seen = {who: len(school.find(f"/media/{school.media}/courses", who)) for who in SEE}
    assert seen == {"administrator": 1, "owner": 0, "editor": 0, "viewer": 0}
    perspectives = {
        who: len(school.ask("GET", f"/media/{school.media}/perspectives", who=who).json["perspectives"]) for who in SEE
    }
    assert perspectives == {"administrator": 2, "owner": 1, "editor": 0, "viewer": 0}


def test_the_sources_of_a_media_are_its_versions_and_a_manifest(
    form: Form, studio: StudioClient, school: School
) -> None:
    sources = form.items(studio.list_media_sources(school.media))
    files = [source for source in sources if source.mime_type == "video/mp4"]
    assert [source.definition for source in files] == ["high", "medium", "low"]
    [manifest] = [source for source in sources if source.mime_type == "application/dash+xml"]
    assert ask(manifest.url or "").headers["content-type"] == "application/dash+xml"
    for source in files:
        assert ask(source.url or "").body == school.box.media_file(school.media, source.definition)
    assert ask(manifest.download_url or "").body == school.box.media_file(school.media)


def test_external_media_have_one_source_elsewhere_and_unfinished_ones_none(school: School) -> None:
    external = school.box.add_media(source="youtube")
    [source] = school.ask("GET", f"/media/{external}/sources").json["sources"]
    assert set(source) == {"url", "mime_type"}
    assert not source["url"].startswith((school.box.url, school.box.storage_url))
    unfinished = school.box.add_media(transcoding_status="transcoding_queued")
    assert school.ask("GET", f"/media/{unfinished}/sources").json["sources"] == []


def test_the_users_of_a_media_are_all_who_reach_it_with_the_most_they_may(
    form: Form, studio: StudioClient, school: School
) -> None:
    box, people = school.box, school.people
    member, inside = box.add_user("Member"), box.add_user("Inside")
    group = box.add_group("Assistants", [member, people["viewer"]])
    course = box.add_collection("Biology 1", course_id=1301, owner=people["owner"])
    school.ask("POST", f"/media/{school.media}/create_embed", json_body=EMBED)
    school.ask("POST", f"/media/{school.media}/permissions", json_body=[share(group, "edit", "group")])
    school.ask("POST", f"/collections/{course}/permissions", json_body=[share(inside)])

    def users(**least: Any) -> dict[int, Any]:
        listed = form.items(studio.list_media_users(school.media, **least))
        return {user.id: user.permission for user in listed}

    editors = dict.fromkeys((people["owner"], people["editor"], people["viewer"], member), "edit")
    assert users(min_permission="edit") == editors
    assert users(min_permission="view") == editors | {inside: "view"}
    assert users() == users(min_permission="access") == editors | {inside: "view"}


def test_the_key_of_a_medias_users_is_user_permissions_and_an_unknown_level_is_422(school: School) -> None:
    path = f"/media/{school.media}/users"
    assert list(school.ask("GET", path).json) == ["user_permissions"]
    for level in ("owner", "", "EDIT"):
        assert_refused(school.ask("GET", path, query={"min_permission": level}), 422)


def test_archived_in_lists_keeps_them_in_the_lists(assume: Assume) -> None:
    school = assume(archived_in_lists=True)
    inside = school.box.add_media("Meiosis", collection_id=school.collection)
    school.ask("POST", f"/media/{school.media}/archive")
    school.ask("POST", f"/collections/{school.collection}/archive")
    assert school.collection in school.find("/collections")
    assert set(school.find("/media/search")) == {school.media, inside}
    assert school.find(f"/collections/{school.collection}/media") == [inside]


def test_without_archived_readable_the_archived_is_404_until_it_comes_back(assume: Assume) -> None:
    school = assume(archived_readable=False)
    inside = school.box.add_media("Meiosis", collection_id=school.collection)
    school.ask("POST", f"/media/{school.media}/archive")
    school.ask("POST", f"/collections/{school.collection}/archive")
    hidden = [f"/media/{school.media}{end}" for end in ("", "/download", "/sources", "/users", "/permissions")]
    hidden += [f"/media/{inside}", f"/collections/{school.collection}", f"/collections/{school.collection}/media"]
    for path in hidden:
        assert_refused(school.ask("GET", path), 404)
    assert school.ask("POST", f"/media/{school.media}/unarchive").status == 200
    assert school.ask("POST", f"/collections/{school.collection}/unarchive").status == 200
    for path in hidden:
        assert school.ask("GET", path).status in {200, 302}


@pytest.mark.parametrize("answers", [True, False])
def test_collection_changes_answer_decides_what_a_change_of_a_collection_answers(
    answers: bool,  # noqa: FBT001
    form: Form,
    assume: Assume,
) -> None:
    school = assume(collection_changes_answer=answers)
    for method, change in (("POST", "/archive"), ("POST", "/unarchive"), ("DELETE", "")):
        made = school.box.add_collection("Field trips")
        answer = school.ask(method, f"/collections/{made}{change}").json
        assert answer["collection"]["id"] == made if answers else answer == {}
    with school.box.client() as studio:
        for method in ("archive_collection", "unarchive_collection", "delete_collection"):
            changed = form.call(studio, method, school.collection)
            assert (changed and changed.id) == (school.collection if answers else None)
