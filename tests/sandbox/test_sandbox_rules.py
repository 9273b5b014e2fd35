"""Rules of the sandbox that were broken once; each test fails if its rule breaks again."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from canvas_studio import APITimeoutError
from canvas_studio.sandbox import Fault, Faults, Sandbox
from support.plain_http import Answer, ask, send_form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CALLBACK = "https://app.example.edu/studio/callback"
OTHER_CALLBACK = "https://app.example.edu/elsewhere"
AUTHORIZE = "/api/public/oauth/authorize"
LARGEST = 2**63 - 1
MOST_BYTES = 128 * 1024 * 1024
COURSE, FOREIGN_COURSE, UNKNOWN_COURSE = 1301, 1302, 1303


@dataclass(frozen=True, slots=True)
class School:
    """What a teacher has, with a student who may view it, and a course of another teacher."""

    box: Sandbox
    people: dict[str, int]
    ids: dict[str, int]

    def ask(self, method: str, path: str, who: str = "administrator", **more: Any) -> Answer:
        """What is answered to one of the people; ids stand by their names in the path."""
        token = self.box.token_for(self.people[who])
        return ask(self.box.url, method, path.format(**self.ids, **self.people), token=token, **more)

    def do(self, method: str, path: str, who: str = "administrator", **more: Any) -> Any:
        """What comes of something that is allowed, as JSON."""
        answer = self.ask(method, path, who, **more)
        assert answer.status in (200, 201), answer.text
        return answer.json

    def statuses(self, method: str, path: str, *people: str, **more: Any) -> list[int]:
        """The status for each of the people."""
        return [self.ask(method, path, who, **more).status for who in people]

    def found(self, who: str) -> list[int]:
        """The ids of the media that somebody finds."""
        return [media["id"] for media in self.do("GET", "/media/search?per_page=50", who)["media"]]


def share(id: int, permission: str = "view", share_type: str = "user") -> list[dict[str, object]]:
    return [{"action": "create", "id": id, "share_type": share_type, "permission_type": permission}]


def embed(course_id: int) -> dict[str, object]:
    return {"course_id": course_id, "embed_type": "embed"}


def open_school(box: Sandbox) -> School:
    people = {name: box.add_user(name.title(), f"{name}@example.edu") for name in ("owner", "other")}
    people["student"] = box.add_user("Student", "student@example.edu", "student")
    people["member"] = box.add_user("Member", "member@example.edu", "student")
    people["administrator"] = box.users[0].id
    owner = people["owner"]
    ids = {
        "collection": box.add_collection("Cell biology", owner=owner),
        "archived_collection": box.add_collection("Of last year", owner=owner),
        "course": box.add_collection("Biology", owner=owner, course_id=COURSE),
        "foreign": box.add_collection("History", owner=people["other"], course_id=FOREIGN_COURSE),
        "media": box.add_media("Mitosis", owner=owner, tags=["cells"]),
        "archived": box.add_media("Meiosis", owner=owner),
        "group": box.add_group("Assistants", [people["member"]]),
    }
    ids["inside"] = box.add_media("Inside", owner=owner, collection_id=ids["collection"])
    school = School(box, people, ids)
    for path in ("/collections/{collection}", "/collections/{archived_collection}", "/collections/{course}"):
        school.do("POST", f"{path}/permissions", json_body=share(people["student"]))
    for path in ("/media/{media}", "/media/{archived}"):
        school.do("POST", f"{path}/permissions", json_body=share(people["student"]))
    school.do("POST", "/media/{archived}/archive")
    school.do("POST", "/collections/{archived_collection}/archive")
    ids["tag"] = school.do("GET", "/media/{media}/tags")["tags"][0]["id"]
    ids["upload"] = school.do("POST", "/media/uploads", "owner")["upload"]["id"]
    return school


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """One sandbox for all tests that do not close it; each begins with the state of the start."""
    with Sandbox(media=0, redirect_uris=[CALLBACK, OTHER_CALLBACK]) as box:
        yield box


@pytest.fixture
def box(shared: Sandbox) -> Sandbox:
    shared.reset()
    return shared


@pytest.fixture
def school(box: Sandbox) -> School:
    return open_school(box)


def state_of(box: Sandbox, path: Path) -> dict[str, Any]:
    """Everything that a sandbox knows but for the tokens that it gave out."""
    state: dict[str, Any] = json.loads(box.snapshot(path).read_bytes())
    del state["credentials"]
    return state


def eventually(holds: Callable[[], object]) -> bool:
    """Whether something becomes true within five seconds."""
    end = time.monotonic() + 5
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_a_client_that_leaves_during_a_delay_has_been_served_and_written_down(box: Sandbox) -> None:
    fault = box.faults.add(delay=1, times=1, method="POST")
    with box.client(read_timeout=0.15, max_retries=0) as studio, pytest.raises(APITimeoutError) as raised:
        studio.create_collection("Made all the same")
    assert raised.value.outcome_unknown
    assert [(request.method, request.status, request.fault) for request in box.requests] == [("POST", 201, fault)]
    assert box.faults.hits(fault) == 1
    made = ask(box.url, "GET", "/collections", token=box.token).json["collections"]
    assert [collection["name"] for collection in made].count("Made all the same") == 1


def test_a_repetition_after_a_timeout_is_there_twice(box: Sandbox) -> None:
    media = box.add_media("Mitosis")
    fault = box.faults.add(delay=1, times=1)
    with box.client(read_timeout=0.15, retry_delay=0) as studio:
        assert studio.get_media(media).title == "Mitosis"
    assert [(request.status, request.fault) for request in box.requests] == [(200, fault), (200, None)]


def test_a_client_that_leaves_as_soon_as_a_fault_strikes_has_been_served(box: Sandbox) -> None:
    media = box.add_media("Mitosis")
    fault = box.faults.add(delay=0.3, method="DELETE")
    with socket.create_connection(("127.0.0.1", box.port), timeout=5) as connection:
        head = f"DELETE /api/public/v1/media/{media} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {box.token}\r\n\r\n"
        connection.sendall(head.encode())
        assert eventually(lambda: box.faults.hits(fault) == 1)
    assert eventually(lambda: [(request.method, request.status) for request in box.requests] == [("DELETE", 200)])
    assert ask(box.url, "GET", f"/media/{media}", token=box.token).status == 404


def test_of_two_faults_that_strike_the_second_still_delays_and_lets_media_vanish(box: Sandbox) -> None:
    for number in range(5):
        box.add_media(f"Lecture {number}")
    first = box.faults.add(html=True, path="/v1/ping")
    second = box.faults.add(status=503, delay=0.25, vanish=2, appear=0, path="/v1/ping")
    third = box.faults.add(status=500, path="/v1/ping")
    begin = time.monotonic()
    answer = ask(box.url, "GET", "/ping", token=box.token)
    assert time.monotonic() - begin >= 0.25
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert len(ask(box.url, "GET", "/media/search", token=box.token).json["media"]) == 3
    assert [box.faults.hits(fault) for fault in (first, second, third)] == [1, 1, 0]
    assert box.requests[0].fault == first


def test_of_two_faults_that_strike_the_second_still_revokes_and_lets_media_appear(box: Sandbox) -> None:
    token = box.token_for(box.users[0])
    first = box.faults.add(status=503, times=1)
    second = box.faults.add(reset="before", revoke=True, appear=3, times=1)
    assert ask(box.url, "GET", "/ping", token=token).status == 503
    assert ask(box.url, "GET", "/ping", token=token).status == 401
    assert len(ask(box.url, "GET", "/media/search", token=box.token).json["media"]) == 3
    assert [box.faults.hits(fault) for fault in (first, second)] == [1, 1]


def strikes(box: Sandbox, fault: Fault, before: tuple[Fault, ...] = (), after: tuple[Fault, ...] = ()) -> list[bool]:
    """Which of sixty requests a fault strikes that stands between others."""
    box.reset()
    for other in before:
        box.faults.add(other)
    watched = box.faults.add(fault)
    for other in after:
        box.faults.add(other)
    struck: list[bool] = []
    connection = http.client.HTTPConnection("127.0.0.1", box.port, timeout=10)
    for _ in range(60):
        hits = box.faults.hits(watched)
        connection.request("GET", "/api/public/v1/ping", headers={"Authorization": f"Bearer {box.token}"})
        try:
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection.close()
        struck.append(box.faults.hits(watched) > hits)
    connection.close()
    return struck


OTHERS = (
    Fault(status=500, probability=0.3, seed=1),
    Fault(reset="body", probability=0.2, seed=2),
    Fault(truncate=True, probability=0.2, seed=5),
    Fault(appear=1, probability=0.3, seed=3),
    Fault(throttle=1000, burst=1, probability=0.5, seed=4),
)


@pytest.mark.parametrize("what", [{"status": 503}, {"reset": "body"}, {"malformed": True}], ids=str)
def test_the_same_seed_strikes_the_same_requests_whatever_other_faults_there_are(
    box: Sandbox, what: dict[str, Any]
) -> None:
    # The delay lets it strike although another has the word.
    fault = Fault(probability=0.3, seed=5, delay=0, **what)
    alone = strikes(box, fault)
    assert 5 < sum(alone) < 40
    assert strikes(box, fault, before=OTHERS) == alone
    assert strikes(box, fault, before=OTHERS[:1], after=OTHERS[1:]) == alone
    assert strikes(box, Fault(probability=0.3, seed=6, delay=0, **what)) != alone


@pytest.mark.parametrize("seed", [0, 1, 239807672958224171, 2**62, LARGEST - 1, LARGEST])
def test_chaos_works_for_any_seed(box: Sandbox, seed: int) -> None:
    faults = Faults.chaos(seed)
    assert len(faults) >= 10
    assert all(0 <= fault.seed <= LARGEST for fault in faults)
    assert len({fault.seed for fault in faults}) == len(faults)
    box.chaos(seed)
    assert list(box.faults) == faults
    with box.client(retry_delay=0, max_retries=10) as studio:
        assert studio.search_media().collect() == []


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"throttle": 10, "burst": 0.5}, "burst"),
    ({"throttle": 10, "burst": 0}, "burst"),
    ({"throttle": 10, "burst": -1}, "burst"),
    ({"throttle": 10, "burst": float("nan")}, "burst"),
    ({"appear": 10_001}, "appear"),
    ({"appear": 2**31}, "appear"),
    ({"vanish": 10_001}, "(appear, )?vanish"),
    *(
        ({"status": 500, name: value}, name)
        for name in ("seed", "times", "after")
        for value in (2**63, 2**70, 10**400, -1)
    ),
    *(({name: 10**400}, name) for name in ("delay", "throttle", "bandwidth", "appear", "status")),
    ({"status": 429, "retry_after": 10**400}, "retry_after"),
    ({"status": 500, "body": {"deep": [2**70]}}, "body"),
]


@pytest.mark.parametrize(("fields", "named"), FAULTS, ids=lambda value: str(value)[:40])
def test_a_fault_out_of_bounds_is_a_value_error_that_names_the_field(
    box: Sandbox, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=f"^{named}"):
        Fault(**fields)
    with pytest.raises(ValueError, match=f"^{named}"):
        box.faults.add(**fields)
    assert len(box.faults) == 0


def test_a_fault_at_its_bounds_is_taken(box: Sandbox) -> None:
    for fields in ({"throttle": 10, "burst": 1}, {"appear": 10_000}, {"vanish": 10_000}, {"delay": 0, "seed": LARGEST}):
        bounded: dict[str, Any] = {"path": "/v1/nowhere"} | fields
        box.faults.add(**bounded)
    assert len(box.faults) == 4


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        *(({name: value}, name) for name in ("media", "seed", "port") for value in (2**63, 2**70, 10**400, -(2**70))),
        *(
            ({name: value}, name)
            for name in ("token_lifetime", "url_lifetime")
            for value in (float("nan"), float("inf"), 1e300, 10**400)
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_argument_out_of_bounds_is_a_value_error_that_names_it(wrong: dict[str, Any], named: str) -> None:
    options: dict[str, Any] = {"media": 0} | wrong
    with pytest.raises(ValueError, match=f"^{named}") as raised:
        Sandbox(**options)
    if wrong[named] == 1e300:
        assert "at most" in str(raised.value)


@pytest.mark.parametrize("number", [2**63, 2**70, 10**400, -1])
def test_a_number_out_of_bounds_is_a_value_error_that_names_it(box: Sandbox, number: int) -> None:
    uses: list[tuple[str, Callable[[], object]]] = [
        ("size", lambda: box.add_media(size=number)),
        ("course_id", lambda: box.add_collection("Biology", course_id=number)),
        ("owner", lambda: box.add_media(owner=number)),
        ("collection_id", lambda: box.add_media(collection_id=number)),
        ("user_ids", lambda: box.add_group("Assistants", [number])),
        ("user", lambda: box.token_for(number)),
        ("user", lambda: box.client(user=number)),
        ("user", lambda: box.oauth_token(user=number)),
        ("id", lambda: box.media_file(number)),
        ("id", lambda: box.faults.hits(number)),
        ("seed", lambda: Faults.chaos(number)),
        ("seed", lambda: box.chaos(number)),
    ]
    for named, use in uses:
        with pytest.raises(ValueError, match=f"^{named}"):
            use()


def test_a_token_together_with_a_user_is_a_value_error(box: Sandbox) -> None:
    with pytest.raises(ValueError, match=r"token.*user"):
        box.client(token="another", user=box.users[0])
    with box.client(token=box.token_for(box.users[0])) as studio:
        assert studio.search_media().collect() == []


@pytest.mark.parametrize(
    ("method", "fields", "named"),
    [
        ("add_collection", {"name": "Again", "course_id": COURSE}, "course_id"),
        ("add_collection", {"name": "A library", "type": "user"}, "type"),
        ("add_collection", {"name": "Custom", "type": "custom", "course_id": 99}, "course_id"),
        ("add_collection", {"name": "Group", "type": "group", "course_id": 99}, "course_id"),
        ("add_user", {"full_name": "Ada Park", "email": ""}, "email"),
    ],
    ids=str,
)
def test_what_could_not_be_in_a_studio_is_not_added(
    school: School, method: str, fields: dict[str, Any], named: str, tmp_path: Path
) -> None:
    before = state_of(school.box, tmp_path / "before.json")
    with pytest.raises(ValueError, match=f"^{named}"):
        getattr(school.box, method)(**fields)
    assert state_of(school.box, tmp_path / "after.json") == before


def test_what_is_asked_of_a_closed_sandbox_is_a_runtime_error(tmp_path: Path) -> None:
    box = Sandbox(media=0)
    fault = box.faults.add(delay=0)
    authorization_url = authorize_url(box)
    box.close()
    uses: list[Callable[[], object]] = [
        lambda: box.users,
        lambda: box.requests,
        box.forget_requests,
        box.reset,
        box.chaos,
        box.oauth_token,
        box.add_media,
        box.add_user,
        box.faults.clear,
        lambda: box.add_collection("Biology"),
        lambda: box.add_group("Assistants"),
        lambda: box.client(user=1),
        lambda: box.token_for(1),
        lambda: box.authorize(authorization_url),
        lambda: box.media_file(1),
        lambda: box.snapshot(tmp_path / "snapshot.json"),
        lambda: box.faults.add(status=500),
        lambda: box.faults.remove(fault),
        lambda: box.faults.hits(fault),
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match="closed"):
            use()
    assert list(tmp_path.iterdir()) == []


def test_what_is_overtaken_by_a_close_is_a_runtime_error() -> None:
    wrong: list[BaseException] = []

    def work(box: Sandbox) -> None:
        uses: tuple[Callable[[], object], ...] = (lambda: box.users, box.add_media, box.oauth_token, box.reset)
        try:
            while True:
                for use in uses:
                    use()
        except RuntimeError:
            return
        except BaseException as error:  # noqa: BLE001 - it is what must not be
            wrong.append(error)

    for _ in range(15):
        with Sandbox(media=0) as box:
            threads = [threading.Thread(target=work, args=(box,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.01)
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
    assert wrong == []


def test_ordinary_words_are_not_masked(box: Sandbox) -> None:
    words = (
        "sandbox-test lectures",
        "sandbox-",
        "sandbox-token-of-our-appreciation",
        "sandbox-secret-santa",
        "my-sandbox-access-road",
        "sandbox-code-" + "a" * 39,
        "sandbox-sandbox-refresh-" + "é" * 40,
    )
    path = "/api/public/v1/media/sandbox-token-7"
    for word in words:
        ask(box.url, "POST", path, query={"name": word, word: "x"}, headers={"X-Note": word.replace("é", "e")})
        ask(box.url, "POST", path, json_body={"name": word, "client_secret": "x"})
        ask(box.url, "POST", path, body=word.encode())
        query, body, plain = box.requests
        assert query.query == (("name", word), (word, "x"))
        assert query.headers["x-note"] == word.replace("é", "e") or len(word) > 60
        assert query.path == path
        assert json.loads(body.body) == {"name": word, "client_secret": "***"}
        assert plain.body == word
        box.forget_requests()


def test_secrets_are_masked_wherever_they_stand(box: Sandbox) -> None:
    tokens = box.oauth_token()
    code = parse_qs(urlsplit(box.authorize(authorize_url(box))).query)["code"][0]
    secrets = [box.token, box.client_secret, tokens["access_token"], tokens["refresh_token"], code]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for secret in secrets:
        for text in (secret, f"before{secret}", f"sandbox-test {secret} behind", f"sandbox-token-{secret}"):
            path = f"/media/{text.replace(' ', '+')}"
            ask(box.url, "GET", path, query={"title": text, text: "x"})
            ask(box.url, "GET", "/ping", token=text, headers={"X-Note": text, "Cookie": text, "Referer": f"/?{text}"})
            ask(box.url, "POST", "/collections", json_body={"note": [{"deep": text, text: 1}], "token": [text]})
            ask(box.url, "POST", "/collections", body=urlencode({"note": text, "code": text, text: "x"}), headers=form)
            ask(box.url, "POST", "/collections", body=b"\xff\x00" + text.encode() + b"\xff")
            ask(box.storage_url, "GET", f"/{text.replace(' ', '+')}", query={"Signature": text})
    shown = repr(box.requests)
    assert len(box.requests) == len(secrets) * 4 * 6
    assert [secret for secret in secrets if secret[-40:] in shown] == []
    assert shown.count("***") >= len(box.requests)


def test_requests_are_listed_in_their_order_also_when_the_first_is_delayed(box: Sandbox) -> None:
    box.faults.add(delay=0.3, path="/v1/ping")
    answered: list[str] = []

    def first() -> None:
        ask(box.url, "GET", "/ping", token=box.token)
        answered.append("/ping")

    thread = threading.Thread(target=first)
    thread.start()
    assert eventually(lambda: box.requests)
    ask(box.url, "GET", "/collections", token=box.token)
    answered.append("/collections")
    thread.join(10)
    assert answered == ["/collections", "/ping"]
    seen = box.requests
    assert [request.path.rpartition("/")[2] for request in seen] == ["ping", "collections"]
    assert seen[0].at <= seen[1].at


@pytest.mark.parametrize(("byte", "times", "size"), [(b"x", 150, 1), (b"\xff", 50, 3)], ids=["text", "no text"])
def test_of_many_large_bodies_no_more_than_128_mib_are_kept(box: Sandbox, byte: bytes, times: int, size: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", box.port, timeout=10)
    box.faults.add(status=503, method="POST")
    body = byte * 1_000_000
    for number in range(times):
        connection.request("POST", f"/api/public/v1/nowhere/{number}", body)
        connection.getresponse().read()
    connection.close()
    seen = box.requests
    kept = sum(len(request.body.encode()) for request in seen)
    assert MOST_BYTES - size * 1_000_000 < kept <= MOST_BYTES
    # What is kept is whole, and the latest.
    assert {len(request.body) for request in seen} == {1_000_000}
    assert [request.path.rpartition("/")[2] for request in seen] == [str(n) for n in range(times - len(seen), times)]
    box.forget_requests()
    ask(box.url, "POST", "/nowhere", body=body)
    assert len(box.requests) == 1


FORKS = """
import ctypes, os, signal, sys, threading, time
from canvas_studio.sandbox import Sandbox

box = Sandbox(media=400)
port = box.port
inside = vars(box)["_server"]
path = sys.argv[1]

def ask():
    while True:
        inside.snapshot(path)

for _ in range(3):
    threading.Thread(target=ask, daemon=True).start()
time.sleep(0.1)
hung = 0
for number in range(36):
    child = os.fork()
    if not child:
        if number % 2:
            inside.close()
            box.close()
        # What the threads held that are not here; `inside`, `box`, its faults and the call itself are the four others.
        for _ in range(sys.getrefcount(inside) - 4):
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(inside))
        del box
        assert sys.getrefcount(inside) == 2
        del inside
        os._exit(0)
    end = time.monotonic() + 3
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            hung += 1
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.001)
    else:
        assert ended[1] == 0, ended
    if hung > 1:
        break
print("hung:", hung, "of", number + 1, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
def test_a_forked_child_ends_at_once_while_a_thread_of_the_parent_is_inside(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", FORKS, str(tmp_path / "box.json")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("hung: 0 of 36\n", "", 0)


def test_being_put_into_a_course_gives_its_people_at_most_view(school: School) -> None:
    box, people = school.box, school.people
    editor = people["editor"] = box.add_user("Editor", "editor@example.edu")
    school.do("POST", "/collections/{foreign}/permissions", json_body=share(editor, "edit"))
    school.do("POST", "/collections/{foreign}/permissions", json_body=share(school.ids["group"], "edit", "group"))
    everyone = ("other", "editor", "member")
    assert school.statuses("GET", "/media/{inside}", *everyone) == [403] * 3
    school.do("POST", "/media/{inside}/create_embed", "owner", json_body=embed(FOREIGN_COURSE))
    inside = school.ids["inside"]
    assert [inside in school.found(who) for who in everyone] == [True] * 3
    for who in everyone:
        shown = school.do("GET", "/media/{inside}", who)["media"]
        assert shown["collection"] is None
        assert shown["title"] == "Inside"
    assert school.statuses("GET", "/media/{inside}/sources", *everyone) == [200] * 3
    for method, path, more in (
        ("GET", "permissions", {}),
        ("POST", "permissions", {"json_body": share(people["student"])}),
        ("POST", "create_embed", {"json_body": embed(FOREIGN_COURSE)}),
        ("POST", "tags?name=new", {}),
        ("POST", "archive", {}),
        ("GET", "download", {}),
    ):
        assert school.statuses(method, f"/media/{{inside}}/{path}", *everyone, **more) == [403] * 3
    assert school.statuses("GET", "/collections/{collection}", *everyone) == [403] * 3
    listed = school.do("GET", "/media/{inside}/users", "owner")["user_permissions"]
    permissions = {user["id"]: user["permission"] for user in listed}
    assert [permissions[people[who]] for who in everyone] == ["view"] * 3
    assert permissions[people["owner"]] == "edit"


def test_a_share_of_its_own_gives_more_than_the_course(school: School) -> None:
    school.do("POST", "/media/{inside}/create_embed", "owner", json_body=embed(FOREIGN_COURSE))
    school.do("POST", "/media/{inside}/permissions", "owner", json_body=share(school.people["other"], "edit"))
    assert school.ask("GET", "/media/{inside}/permissions", "other").status == 200


@pytest.mark.parametrize("who", ["owner", "student"])
def test_who_embeds_into_a_course_does_not_own_its_collection(school: School, who: str) -> None:
    mine = school.box.add_media("Mine", owner=school.people[who])
    school.box.add_collection(None, course_id=UNKNOWN_COURSE)
    school.do("POST", f"/media/{mine}/create_embed", who, json_body=embed(UNKNOWN_COURSE))
    course = school.do("GET", f"/courses/{UNKNOWN_COURSE}")["course"]
    assert course["owner"]["id"] == school.people["administrator"]
    school.do("POST", "/media/{inside}/create_embed", json_body=embed(UNKNOWN_COURSE))
    for path in (f"/courses/{UNKNOWN_COURSE}", f"/collections/{course['id']}", f"/collections/{course['id']}/media"):
        assert school.ask("GET", path, who).status == 403
    assert school.ask("POST", f"/collections/{course['id']}/archive", who).status == 403
    assert school.ask("GET", "/media/{inside}", "member").status == 403


def test_archiving_the_course_ends_what_it_gave(school: School) -> None:
    school.do("POST", "/media/{inside}/create_embed", "owner", json_body=embed(FOREIGN_COURSE))
    assert school.ask("GET", "/media/{inside}", "other").status == 200
    assert school.ids["inside"] in school.found("other")
    school.do("POST", "/collections/{foreign}/archive", "other")
    assert school.ask("GET", "/media/{inside}", "other").status == 403
    assert school.found("other") == []
    listed = school.do("GET", "/media/{inside}/users", "owner")["user_permissions"]
    assert school.people["other"] not in [user["id"] for user in listed]
    school.do("POST", "/collections/{foreign}/unarchive", "other")
    assert school.ask("GET", "/media/{inside}", "other").status == 200
    assert school.ids["inside"] in school.found("other")


def test_sources_have_a_download_url_only_for_the_owner_or_an_administrator(school: School) -> None:
    student = [{**share(school.people["student"], "edit")[0], "action": "update"}]
    for more in (None, student):
        if more:
            school.do("POST", "/media/{media}/permissions", json_body=more)
        given = {
            who: school.do("GET", "/media/{media}/sources", who)["sources"]
            for who in ("administrator", "owner", "student")
        }
        having = {who: sum("download_url" in source for source in sources) for who, sources in given.items()}
        assert having == {"administrator": 1, "owner": 1, "student": 0}
        assert {len(sources) for sources in given.values()} == {4}
        assert school.ask("GET", "/media/{media}/download", "student").status == 403


def test_nothing_is_brought_into_what_is_archived(school: School, tmp_path: Path) -> None:
    archived = school.ids["archived_collection"]
    school.do("POST", "/collections/{course}/archive")
    before = state_of(school.box, tmp_path / "before.json")
    path = f"/media/{{archived}}/unarchive?collection_id={archived}"
    assert school.statuses("POST", path, "owner", "administrator") == [404, 404]
    answers = school.statuses("POST", "/media/{media}/create_embed", "owner", "administrator", json_body=embed(COURSE))
    assert answers == [404, 404]
    assert state_of(school.box, tmp_path / "after.json") == before
    school.do("POST", "/collections/{course}/unarchive")
    school.do("POST", "/media/{media}/create_embed", "owner", json_body=embed(COURSE))
    school.do("POST", "/media/{archived}/unarchive?collection_id={collection}", "owner")


@pytest.mark.parametrize("path", ["/media/%ff", "/media/%FF/archive", "/media/%c3%28/tags"])
def test_an_id_that_is_not_even_text_is_not_found(box: Sandbox, path: str) -> None:
    method = "POST" if path.endswith("archive") else "GET"
    answer = ask(box.url, method, path, token=box.token)
    assert answer.status == 404
    assert isinstance(answer.json["error"], str)


REFUSED: list[tuple[str, str, str, Any]] = [
    ("student", "POST", "/collections?name=New&user_id={owner}", None),
    ("student", "DELETE", "/collections/{collection}", None),
    ("student", "POST", "/collections/{collection}/archive", None),
    ("student", "POST", "/collections/{archived_collection}/unarchive", None),
    ("student", "POST", "/collections/{collection}/permissions", "share"),
    ("student", "DELETE", "/media/{media}", None),
    ("student", "DELETE", "/media/{inside}", None),
    ("student", "POST", "/media/{media}/archive", None),
    ("student", "POST", "/media/{archived}/unarchive", None),
    ("owner", "POST", "/media/{archived}/unarchive?collection_id={foreign}", None),
    ("student", "POST", "/media/{media}/create_embed", embed(COURSE)),
    ("student", "POST", "/media/{media}/permissions", "share"),
    ("student", "POST", "/media/{media}/caption_files?srclang=de", "captions"),
    ("student", "POST", "/media/{media}/tags?name=new", None),
    ("student", "DELETE", "/media/{media}/tags/{tag}", None),
    ("student", "POST", "/media/uploads?user_id={owner}", None),
    ("student", "POST", "/media/uploads?collection_id={collection}", None),
    ("student", "POST", "/media/uploads/{upload}/complete?title=Stolen", None),
]


@pytest.mark.parametrize(
    ("who", "method", "path", "body"),
    REFUSED,
    ids=[f"{case[1]} {case[2]} {number}" for number, case in enumerate(REFUSED)],
)
def test_a_call_that_is_refused_leaves_the_state_as_it_was(
    school: School, tmp_path: Path, who: str, method: str, path: str, body: Any
) -> None:
    more: dict[str, Any] = {"json_body": body}
    if body == "share":
        more = {"json_body": share(school.people["member"])}
    elif body == "captions":
        head = 'Content-Disposition: form-data; name="caption_file"; filename="lecture.srt"'
        text = f"--x1\r\n{head}\r\n\r\n1\n00:00:00,000 --> 00:00:01,000\nx\n\r\n--x1--\r\n"
        more = {"headers": {"Content-Type": "multipart/form-data; boundary=x1"}, "body": text}
    before = state_of(school.box, tmp_path / "before.json")
    assert school.ask(method, path, who, **more).status == 403
    assert state_of(school.box, tmp_path / "after.json") == before
    # The same is carried out for those who may, so there was something to refuse.
    assert school.ask(method, path, **more).status in (200, 201)
    assert state_of(school.box, tmp_path / "changed.json") != before


def test_a_file_that_is_refused_leaves_the_state_as_it_was(school: School, tmp_path: Path) -> None:
    url = school.do("POST", "/media/uploads", "owner")["upload"]["url"]
    before = state_of(school.box, tmp_path / "before.json")
    assert ask(url.replace("Signature=", "Signature=0"), "PUT", body=b"x").status == 403
    assert state_of(school.box, tmp_path / "after.json") == before
    assert ask(url, "PUT", body=b"x").status == 200
    assert state_of(school.box, tmp_path / "changed.json") != before


LISTS = (
    "/collections",
    "/collections/{course}/media",
    "/collections/{collection}/media",
    "/courses/1301/perspectives",
    "/media/search",
    "/media/search?tag=new",
    "/users/search?role=Teacher",
    "/users/{student}/media",
    "/users/{student}/collections",
    "/users/{member}/media",
)
Lists: TypeAlias = dict[tuple[str, str], object]


def lists_of(school: School) -> Lists:
    """All lists as some people see them, but for what is another in another sandbox: the URLs."""
    shown: Lists = {}
    for who in ("administrator", "owner", "student", "member"):
        token = school.box.token_for(school.people[who])
        for path in LISTS:
            answer = ask(school.box.url, "GET", path.format(**school.ids, **school.people), token=token)
            assert answer.status in (200, 403, 404), answer.text
            [key] = {"collections", "media", "perspectives", "users", "error"} & answer.json.keys()
            items: list[dict[str, Any]] = answer.json[key] if answer.status == 200 else []
            told = [[item.get(name) for name in ("id", "uuid", "permission")] for item in items]
            shown[who, path] = (answer.status, told, answer.json.get("meta"))
    return shown


def upload(school: School) -> object:
    return school.do("POST", "/media/uploads/{upload}/complete?title=Uploaded", "owner")


def strike(school: School, **fields: Any) -> object:
    school.box.faults.add(path="/v1/ping", times=1, **fields)
    return school.ask("GET", "/ping")


def give(school: School, path: str, who: str, permission: str) -> object:
    kind = "group" if who == "group" else "user"
    whom = school.ids["group"] if who == "group" else school.people[who]
    return school.do("POST", f"{path}/permissions", json_body=share(whom, permission, kind))


def take(school: School, path: str) -> object:
    change = {"action": "destroy", "id": school.people["student"], "share_type": "user"}
    return school.do("POST", f"{path}/permissions", json_body=[change])


CHANGES: dict[str, Callable[[School], object]] = {
    "a user": lambda school: school.box.add_user("New", "new@example.edu"),
    "a collection": lambda school: school.box.add_collection("New", owner=school.people["owner"]),
    "a media": lambda school: school.box.add_media("New", collection_id=school.ids["course"]),
    "a collection that is asked for": lambda school: school.do("POST", "/collections?name=New", "owner"),
    "a collection is deleted": lambda school: school.do("DELETE", "/collections/{collection}"),
    "a collection is archived": lambda school: school.do("POST", "/collections/{collection}/archive"),
    "a collection is unarchived": lambda school: school.do("POST", "/collections/{archived_collection}/unarchive"),
    "a collection is shared": lambda school: give(school, "/collections/{collection}", "member", "view"),
    "a collection is shared with a group": lambda school: give(school, "/collections/{collection}", "group", "edit"),
    "a collection is shared no more": lambda school: take(school, "/collections/{collection}"),
    "a media is deleted": lambda school: school.do("DELETE", "/media/{inside}"),
    "a media is archived": lambda school: school.do("POST", "/media/{media}/archive"),
    "a media is unarchived": lambda school: school.do("POST", "/media/{archived}/unarchive"),
    "a media is unarchived elsewhere": lambda school: school.do(
        "POST", "/media/{archived}/unarchive?collection_id={course}"
    ),
    "a media is put into a course": lambda school: school.do(
        "POST", "/media/{media}/create_embed", json_body=embed(COURSE)
    ),
    "a course is met": lambda school: school.box.add_collection(None, course_id=UNKNOWN_COURSE),
    "a media is shared": lambda school: give(school, "/media/{media}", "member", "edit"),
    "a media is shared with a group": lambda school: give(school, "/media/{media}", "group", "view"),
    "a media is shared no more": lambda school: take(school, "/media/{media}"),
    "a tag": lambda school: school.do("POST", "/media/{media}/tags?name=new"),
    "an upload": upload,
    "media appear": lambda school: strike(school, appear=2),
    "media vanish": lambda school: strike(school, vanish=1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_list_that_was_read_before_is_right_after_every_change(
    school: School, tmp_path: Path, change: Callable[[School], object]
) -> None:
    before = lists_of(school)
    change(school)
    after = lists_of(school)
    assert after != before
    # One that remembers nothing tells what is right.
    with Sandbox.load(school.box.snapshot(tmp_path / "box.json")) as fresh:
        assert lists_of(School(fresh, school.people, school.ids)) == after


def test_a_tag_that_was_taken_off_is_found_no_more(school: School) -> None:
    assert len(school.do("GET", "/media/search?tag=cells")["media"]) == 1
    school.do("DELETE", "/media/{media}/tags/{tag}")
    assert school.do("GET", "/media/search?tag=cells")["media"] == []


def test_a_reset_leaves_no_list_that_was_read(school: School) -> None:
    path, token = "/media/search?title=Mitosis", school.box.token
    assert len(ask(school.box.url, "GET", path, token=token).json["media"]) == 1
    school.box.reset()
    assert ask(school.box.url, "GET", path, token=token).json["media"] == []


def test_what_is_put_into_a_collection_is_in_its_list_at_once(school: School) -> None:
    def inside(path: str) -> list[int]:
        return [media["id"] for media in school.do("GET", path, "owner")["media"]]

    assert inside("/collections/{course}/media") == []
    assert inside("/collections/{collection}/media") == [school.ids["inside"]]
    school.do("POST", "/media/{media}/create_embed", "owner", json_body=embed(COURSE))
    added = school.box.add_media("New", collection_id=school.ids["collection"])
    assert inside("/collections/{course}/media") == [school.ids["media"]]
    assert inside("/collections/{collection}/media") == [added, school.ids["inside"]]
    assert len(school.do("GET", f"/courses/{COURSE}/perspectives", "owner")["perspectives"]) == 1


def test_after_a_reset_of_a_loaded_sandbox_the_tokens_of_the_snapshot_are_good(school: School, tmp_path: Path) -> None:
    box = school.box
    tokens = box.oauth_token(user=school.people["owner"])
    permanent = box.token_for(school.people["student"])
    given = (box.token, permanent, tokens["access_token"])
    with Sandbox.load(box.snapshot(tmp_path / "box.json")) as loaded:
        later = loaded.token_for(school.people["owner"])
        assert [ask(loaded.url, "GET", "/ping", token=token).status for token in (*given, later)] == [200] * 4
        key = {"client_id": box.client_id, "client_secret": box.client_secret}
        form = {**key, "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert send_form(loaded.url, "/api/public/oauth/token", form).status == 200
        assert send_form(loaded.url, "/api/public/oauth/token", form).status == 400
        loaded.reset()
        assert [ask(loaded.url, "GET", "/ping", token=token).status for token in (*given, later)] == [200] * 3 + [401]
        assert send_form(loaded.url, "/api/public/oauth/token", form).status == 200


Edit: TypeAlias = "Callable[[dict[str, Any], School], object]"


def shift(state: dict[str, Any], kind: str, id: int) -> None:
    state[kind][str(10**6)] = state[kind].pop(str(id))


BAD_SNAPSHOTS: dict[str, tuple[Edit, str]] = {
    "another version": (lambda state, _: state.update(version=2), "version.*2"),
    "version 0": (lambda state, _: state.update(version=0), "version.*0"),
    "no version": (lambda state, _: state.pop("version"), "version"),
    "a user's key": (lambda state, school: shift(state, "users", school.people["owner"]), "user.*1000000"),
    "a group's key": (lambda state, school: shift(state, "groups", school.ids["group"]), "group.*1000000"),
    "a collection's key": (
        lambda state, school: shift(state, "collections", school.ids["collection"]),
        "collection.*1000000",
    ),
    "a media's key": (lambda state, school: shift(state, "media", school.ids["media"]), "media.*1000000"),
    "a media's owner": (
        lambda state, school: state["media"][str(school.ids["media"])].update(owner=10**6),
        r"media \d+ .*owner",
    ),
    "a media's collection": (
        lambda state, school: state["media"][str(school.ids["media"])].update(collection=10**6),
        r"media \d+ .*collection",
    ),
    "a media's place": (
        lambda state, school: state["media"][str(school.ids["media"])].update(placed=[10**6]),
        r"media \d+ .*collection",
    ),
    "a collection's owner": (
        lambda state, school: state["collections"][str(school.ids["collection"])].update(owner=10**6),
        r"collection \d+ .*owner 1000000",
    ),
    "a user's library": (
        lambda state, school: state["users"][str(school.people["owner"])].update(library=10**6),
        r"user \d+ .*library 1000000",
    ),
    "the library": (
        lambda state, school: state["collections"].pop(str(state["users"][str(school.people["owner"])]["library"])),
        r"user \d+ .*library",
    ),
    "no administrator": (
        lambda state, school: state["users"][str(school.people["administrator"])].update(role="teacher"),
        "administrator",
    ),
}


@pytest.mark.parametrize(("edit", "said"), BAD_SNAPSHOTS.values(), ids=BAD_SNAPSHOTS)
def test_a_snapshot_that_hangs_together_badly_is_refused_and_says_why(
    school: School, tmp_path: Path, edit: Edit, said: str
) -> None:
    path = school.box.snapshot(tmp_path / "box.json")
    state = json.loads(path.read_bytes())
    path.write_text(json.dumps(state))
    Sandbox.load(path).close()
    edit(state, school)
    path.write_text(json.dumps(state))
    with pytest.raises(ValueError, match=f"snapshot.*{said}|{said}.*snapshot|snapshot has no {said}"):
        Sandbox.load(path)


@pytest.mark.parametrize("next_id", [0, 1, 2])
def test_a_next_id_that_is_too_small_does_no_harm(school: School, tmp_path: Path, next_id: int) -> None:
    path = school.box.snapshot(tmp_path / "box.json")
    state = json.loads(path.read_bytes())
    taken = {int(key) for kind in ("users", "groups", "collections", "media", "uploads") for key in state[kind]}
    path.write_text(json.dumps(state | {"next_id": next_id}))
    with Sandbox.load(path) as loaded:
        added = [loaded.add_media("New"), loaded.add_user("New"), loaded.add_collection("New"), loaded.add_group("New")]
        answer = ask(loaded.url, "POST", "/media/uploads", token=loaded.token)
        added.append(answer.json["upload"]["id"])
        assert len(set(added)) == 5
        assert not taken & set(added)
        after = state_of(loaded, tmp_path / "after.json")
        for kind in ("users", "groups", "collections", "media", "uploads"):
            assert state[kind].items() <= after[kind].items()


def test_a_failed_snapshot_leaves_no_part_and_keeps_what_was_there(box: Sandbox, tmp_path: Path) -> None:
    directory = tmp_path / "directory"
    directory.mkdir()
    (directory / "kept").touch()
    with pytest.raises(OSError, match="directory") as raised:
        box.snapshot(directory)
    assert raised.value.filename in (directory, str(directory))
    assert list(tmp_path.iterdir()) == [directory]
    with pytest.raises(FileNotFoundError):
        box.snapshot(tmp_path / "missing" / "box.json")
    assert list(tmp_path.iterdir()) == [directory]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the size of files")
def test_a_snapshot_that_is_not_written_whole_leaves_no_part_and_keeps_what_was_there(tmp_path: Path) -> None:
    program = """
        import pathlib, resource, sys
        from canvas_studio.sandbox import Sandbox
        path = pathlib.Path(sys.argv[1])
        with Sandbox(media=200) as box:
            box.snapshot(path)
            size = path.stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
            try:
                box.snapshot(path)
            except OSError as error:
                print("refused", error.filename == str(path))
            print(path.stat().st_size == size, [each.name for each in path.parent.iterdir()])
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "box.json")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.stdout, ended.stderr) == ("refused True\nTrue ['box.json']\n", "")


def test_threads_that_write_the_same_snapshot_leave_a_whole_file(tmp_path: Path) -> None:
    path, wrong, tokens = tmp_path / "box.json", list[object](), list[str]()
    done = threading.Event()

    def write(box: Sandbox) -> None:
        try:
            for _ in range(40):
                box.snapshot(path)
        except OSError as error:
            wrong.append(error)

    def read() -> None:
        while not done.is_set():
            try:
                tokens.append(json.loads(path.read_bytes())["credentials"]["token"])
            except ValueError as error:
                wrong.append(error)

    # Two of one sandbox wait for each other for most of the time, those of several do not.
    with Sandbox(media=20) as one, Sandbox(media=60) as two, Sandbox(media=100) as three:
        one.snapshot(path)
        reader = threading.Thread(target=read)
        writers = [threading.Thread(target=write, args=(box,)) for box in (one, two, three, three)]
        for thread in (reader, *writers):
            thread.start()
        for thread in writers:
            thread.join(20)
        done.set()
        reader.join(20)
        assert wrong == []
        assert set(tokens) <= {one.token, two.token, three.token}
        assert list(tmp_path.iterdir()) == [path]
        Sandbox.load(path).close()


def authorize_url(box: Sandbox, *pairs: tuple[str, str]) -> str:
    """The URL of the page, with a redirect URI unless others are given."""
    query = [("client_id", box.client_id), ("response_type", "code"), *(pairs or [("redirect_uri", CALLBACK)])]
    return f"{box.url}{AUTHORIZE}?{urlencode(query)}"


@pytest.mark.parametrize("user_id", ["abc", "", "-1", "1.5", " 1", "1" * 40, "0", "1000000"])
def test_a_user_id_that_is_nobodys_shows_an_error_page_and_gives_no_code(box: Sandbox, user_id: str) -> None:
    key = {"client_id": box.client_id, "redirect_uri": CALLBACK, "response_type": "code"}
    answer = send_form(box.url, AUTHORIZE, {**key, "user_id": user_id})
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "location" not in answer.headers
    assert "sandbox-code" not in answer.text
    assert send_form(box.url, AUTHORIZE, key).status == 302


@pytest.mark.parametrize("name", ["redirect_uri", "client_id", "response_type"])
def test_authorize_takes_a_doubled_parameter_as_the_page_does(box: Sandbox, name: str) -> None:
    good = {"redirect_uri": CALLBACK, "client_id": box.client_id, "response_type": "code"}[name]
    other = [] if name == "redirect_uri" else [("redirect_uri", CALLBACK)]
    last_is_good = authorize_url(box, *other, (name, "wrong"), (name, good))
    assert ask(last_is_good).status == 200
    assert box.authorize(last_is_good).startswith(f"{CALLBACK}?code=")
    last_is_wrong = authorize_url(box, *other, (name, good), (name, "wrong"))
    assert ask(last_is_wrong).status == 400
    with pytest.raises(ValueError, match=r"developer key|wrong"):
        box.authorize(last_is_wrong)


def test_authorize_goes_to_the_last_of_two_redirect_uris_as_the_page_does(box: Sandbox) -> None:
    url = authorize_url(box, ("redirect_uri", CALLBACK), ("redirect_uri", OTHER_CALLBACK))
    page = ask(url).text
    assert (OTHER_CALLBACK in page, CALLBACK in page) == (True, False)
    assert box.authorize(url).startswith(f"{OTHER_CALLBACK}?code=")


@pytest.mark.parametrize("status", ["transcoding_started", "transcoding_queued", "transcoding_failed", "other"])
def test_the_file_of_an_unfinished_media_is_a_value_error(box: Sandbox, status: str) -> None:
    media = box.add_media("Unfinished", size=1000, transcoding_status=status)
    for quality in (None, "low"):
        with pytest.raises(ValueError, match="transcoding"):
            box.media_file(media, quality)
    assert ask(box.url, "GET", f"/media/{media}/download", token=box.token).status == 404
    finished = box.add_media("Finished", size=1000)
    assert len(box.media_file(finished)) == 1000


@pytest.mark.parametrize(
    ("count", "size", "status"), [(100, 10, 401), (101, 10, 431), (3, 100_000, 401), (3, 300_000, 431)]
)
def test_a_request_with_too_many_or_too_long_headers_is_refused_and_not_logged(
    count: int, size: int, status: int
) -> None:
    headers = "".join(f"x-{number}: {'a' * size}\r\n" for number in range(count - 1))
    with Sandbox() as box:
        address = urlsplit(box.url)
        with socket.create_connection((str(address.hostname), int(address.port or 0))) as connection:
            with contextlib.suppress(OSError):  # the answer may come before all was sent
                connection.sendall(f"GET /api/public/v1/ping HTTP/1.1\r\n{headers}Host: x\r\n\r\n".encode())
            answer = connection.recv(100)
        assert answer.startswith(f"HTTP/1.1 {status}".encode())
        assert len(box.requests) == (status == 401)
