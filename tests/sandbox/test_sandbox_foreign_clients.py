"""Clients of others run through the sandbox: their requests are recordings, and each is answered as it is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import pytest
from canvas_studio.sandbox import Sandbox
from support.plain_http import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).with_name("foreign_clients")
STUDIO = "https://tw.instructuremedia.com"


class Playback:
    """Replays recorded requests with what the sandbox has in the place of the recorded ids, tokens and URLs."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        ada = box.add_user("Ada Park", "apark")
        ben = box.add_user("Ben Ode", "ben.ode@example.edu")
        box.add_collection("Cell biology", owner=ada, course_id=1301)
        self.texts: dict[str, str] = {
            STUDIO: box.url,
            "REDACTED-id": box.client_id,
            "REDACTED-secret": box.client_secret,
            "REDACTED-session": box.token_for(ada),
            # The first request names them; later ones may also learn ids from answers.
            "/users/3": f"/users/{ada}",
            "user_id=3": f"user_id={ada}",
            'user_id="3"': f'user_id="{ada}"',
            '"id": 4,': f'"id": {ben},',
        }

    def here(self, text: str) -> str:
        """A recorded text, with what stands for it here."""
        for recorded in sorted(self.texts, key=len, reverse=True):
            text = text.replace(recorded, self.texts[recorded])
        return text

    def play(self, entry: dict[str, Any]) -> None:
        """Send a recorded request, and compare what is answered."""
        request, response = entry["request"], entry["response"]
        url = self.here(request["url"])
        if response["redirectURL"]:
            code = self.box.authorize(url)
            self.learn(response["redirectURL"], code, "REDACTED-code")
            assert code == self.here(response["redirectURL"])
            return
        headers = {header["name"]: self.here(header["value"]) for header in request["headers"]}
        sent = self.here(request["postData"]["text"]) if "postData" in request else None
        answer = ask(url, request["method"], headers=headers, body=sent)
        assert answer.status == response["status"], f"{entry['comment']}: {answer.text}"
        recorded = response["content"]
        if not recorded["text"]:
            return
        assert answer.headers["content-type"] == recorded["mimeType"]
        if not recorded["mimeType"].startswith("application/json"):
            assert answer.text == recorded["text"]
            return
        wanted = json.loads(recorded["text"])
        assert shape(wanted) <= shape(answer.json), entry["comment"]
        if "upload" in wanted:
            self.texts[wanted["upload"]["url"]] = answer.json["upload"]["url"]
            self.texts["/uploads/42/"] = f"/uploads/{answer.json['upload']['id']}/"
            self.texts["/media/42"] = f"/media/{answer.json['upload']['id']}"
        if "access_token" in wanted:
            self.texts |= {f"REDACTED-{kind}": answer.json[f"{kind}_token"] for kind in ("access", "refresh")}
        for name in ("title", "description", "email", "full_name", "embed_type", "permission"):
            assert values(wanted, name) == values(answer.json, name), entry["comment"]

    def learn(self, recorded: str, here: str, name: str) -> None:
        """Learn what stands for a value in a query."""
        before, after = recorded.split(name)
        self.texts[name] = here.removeprefix(before).removesuffix(after)


def shape(value: object, where: str = "$") -> set[tuple[str, str]]:
    """The keys of an answer and the JSON types of their values; null is any type."""
    found: set[tuple[str, str]] = set()
    if isinstance(value, dict):
        for key, each in cast("dict[str, object]", value).items():
            found |= {(f"{where}.{key}", "")} | shape(each, f"{where}.{key}")
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            found |= shape(each, f"{where}[]")
    elif value is not None:
        found.add((where, "number" if isinstance(value, float | int) else type(value).__name__))
    return found


def values(value: object, name: str) -> list[object]:
    """All values under a key, in order."""
    if isinstance(value, list):
        return [found for each in cast("list[object]", value) for found in values(each, name)]
    if not isinstance(value, dict):
        return []
    fields = cast("dict[str, object]", value)
    own = [fields[name]] if name in fields else []
    return own + [found for key, each in fields.items() if key != "owner" for found in values(each, name)]


@pytest.fixture
def playback() -> Iterator[Playback]:
    with Sandbox(media=0) as box:
        yield Playback(box)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.har")), ids=lambda path: path.stem)
def test_a_client_of_others_runs_through(path: Path, playback: Playback) -> None:
    entries = json.loads(path.read_text(encoding="utf-8"))["log"]["entries"]
    for entry in entries:
        playback.play(entry)
    answered = [request.status for request in playback.box.requests]
    sent = [entry for entry in entries if not entry["response"]["redirectURL"]]
    assert answered == [entry["response"]["status"] for entry in sent]


def test_there_are_recordings_of_both_clients_and_they_hold_no_secret() -> None:
    paths = sorted(FOLDER.glob("*.har"))
    assert [path.stem for path in paths] == ["migration_2026", "ruby_2018"]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for entry in json.loads(text)["log"]["entries"]:
            assert urlsplit(str(entry["request"]["url"])).hostname in {"tw.instructuremedia.com", "storage.example.edu"}
        assert "sandbox-" not in text


@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        ('Bearer user_id="{ada}", token="{token}"', 200),
        ('Bearer user_id="{ada}",token="{token}"', 200),
        ('Bearer user_id="{ben}", token="{token}"', 401),
        ('Bearer user_id="{ada}", token="x"', 401),
        ('Bearer user_id="{ada}", token="{token}', 401),
        ('Bearer user_id="{ada}"', 401),
        ('Basic user_id="{ada}", token="{token}"', 401),
    ],
)
def test_the_session_scheme_is_taken_if_the_token_is_of_that_user(credentials: str, status: int) -> None:
    with Sandbox(media=0) as box:
        ada, ben = box.add_user("Ada Park"), box.add_user("Ben Ode")
        header = credentials.format(ada=ada, ben=ben, token=box.token_for(ada))
        answer = ask(box.url, "GET", f"/users/{ada}", headers={"Authorization": header})
        assert answer.status == status
        [request] = box.requests
        assert request.user_id == (ada if status == 200 else None)
        assert box.token_for(ada) not in str(request)
