"""Values that would end the process, be lost or be read as something else raise an error that says so."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from canvas_studio import InvalidArgumentError, Media, NotFoundError, ResponseDecodeError
from support.fault_server import Answer, FaultServer, json_answer, media_item

if TYPE_CHECKING:
    from support.forms import Form

KEY = "$serde_json::private::Number"
ESCAPED = KEY.replace("$", r"\u0024").replace("N", r"\u004E")

SMALL_STACK = """
import threading
from canvas_studio import StudioClient
from canvas_studio.sandbox import Sandbox

def deep(levels):
    value = "x"
    for _ in range(levels):
        value = [value]
    return value

def run():
    for call in (lambda: studio.request("POST", "/x", json=deep(900)), lambda: box.add_media(title=deep(900))):
        try:
            call()
        except ValueError as error:
            print(error)

with Sandbox() as box:
    studio = box.client()
    threading.stack_size(64 << 10)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("key", [KEY, ESCAPED])
@pytest.mark.parametrize("value", ['"12"', '"x"', "1", "[]"])
def test_a_key_that_would_be_a_number_is_an_error(form: Form, key: str, value: str) -> None:
    """Of an object with this key serde_json makes a number, whatever else is in it."""
    note = f'{{"{key}": {value}}}'
    for item in (f'{{"id": 1, "note": {note}}}', f'{{"id": {note}}}', f'{{"id": 1, "{key}": {value}}}'):
        for body, name, *arguments in ((f'{{"media": {item}}}', "get_media", 1), (item, "request", "GET", "/x")):
            answer = Answer(headers={"Content-Type": "application/json"}, body=body.encode())
            with FaultServer(answer) as server, pytest.raises(ResponseDecodeError, match=r"\$serde_json::private"):
                form.call(server.client(), name, *arguments)


def test_a_dict_with_a_key_that_would_be_a_number_is_refused() -> None:
    for fields in ({"id": 1, "note": {KEY: "12"}}, {"id": {KEY: "12"}}, {"id": 1, KEY: "x"}):
        with pytest.raises(InvalidArgumentError, match=r"\$serde_json::private"):
            Media.from_dict(fields)


def test_the_body_of_a_refusal_with_such_a_key_stays_text(form: Form) -> None:
    with FaultServer(json_answer({"error": {KEY: "12"}}, 404)) as server, pytest.raises(NotFoundError) as caught:
        form.call(server.client(), "get_media", 1)
    assert json.loads(str(caught.value.body)) == {"error": {KEY: "12"}}


def test_a_value_that_only_looks_like_it_is_read(form: Form) -> None:
    item = media_item(1, title="$serde_json::private: a number", note="\u00fc \u003c")
    with FaultServer(json_answer({"media": item})) as server:
        assert form.call(server.client(), "get_media", 1).to_dict()["note"] == item["note"]


def test_a_value_nested_deeply_is_refused_also_on_a_small_stack() -> None:
    ended = subprocess.run([sys.executable, "-c", SMALL_STACK], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 2, ended.stdout
    assert all("nested more than 127 deep, or holds itself" in line for line in lines)


def test_the_id_of_a_request_holds_no_control_characters(form: Form) -> None:
    headers = {"X-Request-Id": "one\u009b2J\u202etwo"}
    with FaultServer(json_answer({"error": "no"}, 404, headers)) as server, pytest.raises(NotFoundError) as caught:
        form.call(server.client(), "get_media", 1)
    found = caught.value.request_id
    assert found is not None
    assert found.isprintable(), ascii(found)
