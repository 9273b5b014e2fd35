"""An answer that cannot be read takes no more memory than one that can be read, and not many times as long."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import NamedTuple

import pytest
from support.fault_server import Answer, FaultServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak of this program alone")

PROGRAM = """
import json, re, sys, time
from canvas_studio import ResponseDecodeError, StudioClient

url, method = sys.argv[1:]
studio = StudioClient(url, token="a-token", max_retries=0)
def ask():
    if method == "get_media":
        return studio.get_media(1)
    return next(iter(getattr(studio, method)(*[1] * method.startswith("list_media"))))
def peak():
    return int(re.search("VmHWM: *([0-9]+)", open("/proc/self/status").read().replace("\\t", " "))[1])
ask()  # what the first call makes is no part of it
open("/proc/self/clear_refs", "w").write("5")  # begins the peak anew
before, began = peak(), time.process_time()
try:
    ask()
    error = False
except ResponseDecodeError as raised:
    error = raised.json_path
print(json.dumps([error, peak() - before, time.process_time() - began]))
"""


class Cost(NamedTuple):
    """What an answer cost: the `json_path` of the error (`False`: none), peak kilobytes, CPU seconds."""

    error: str | bool | None
    memory: int
    seconds: float


def cost(method: str, body: str) -> Cost:
    """Have a process of its own read an answer."""
    small = '{"media":[{"id":1}],"courses":[{"id":1}]}' if method != "get_media" else '{"media":{"id":1}}'
    answers = [Answer(headers={"Content-Type": "application/json"}, body=text.encode()) for text in (small, body)]
    with FaultServer(*answers) as server:
        command = [sys.executable, "-c", PROGRAM, server.url, method]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return Cost(*json.loads(ended.stdout))


class Case(NamedTuple):
    """The same answer, so that it can be read and so that it cannot, and where the latter is wrong."""

    method: str
    readable: str
    unreadable: str
    json_path: str | None


def cases(many: int) -> dict[str, Case]:
    """Answers with so many items, or with a value of ten times as many parts."""
    items, parts = '{"id":1},' * many, "[" + "0," * (10 * many) + "0]"
    page = f'{{"media":[{items}{{"id":9}}]}}'
    last = f"media[{many}]"
    return {
        "id": Case("search_media", page, page.replace("9", '"x"'), f"{last}.id"),
        "no id": Case("search_media", page, page.replace('"id":9', '"ix":9'), last),
        "an id that is a list": Case(
            "search_media", page.replace("9", f'9,"x":{parts}'), page.replace("9", parts), f"{last}.id"
        ),
        "cut off in an item": Case("search_media", page, page[:-4], f"{last}.id"),
        "cut off behind an item": Case("search_media", page, page[:-2], "media"),
        "cut off behind the list": Case("search_media", page, page[:-1], None),
        "no comma": Case("search_media", page, page.replace(',{"id":9', '{"id":9'), "media"),
        "more behind the end": Case("search_media", page, page + "}", None),
        "an odd item before": Case(
            "search_media", page.replace("1", '"1"', 1), page.replace("1", '"1"', 1).replace("9", '"x"'), f"{last}.id"
        ),
        "half of an emoji before": Case(
            "search_media",
            page.replace("1", r'1,"title":"\ud83d"', 1),
            page.replace("1", r'1,"title":"\ud83d"', 1).replace("9", '"x"'),
            f"{last}.id",
        ),
        "a long item": Case(
            "search_media",
            f'{{"media":[{{"x":{parts},"id":9}}]}}',
            f'{{"media":[{{"x":{parts},"id":"x"}}]}}',
            "media[0].id",
        ),
        "a long item that is cut off": Case(
            "search_media", f'{{"media":[{{"id":9,"x":{parts}}}]}}', f'{{"media":[{{"id":9,"x":{parts}', "media[0]"
        ),
        "an error that is cut off": Case(
            "search_media",
            f'{{"media":[{{"id":9}}],"errors":{parts}}}',
            f'{{"media":[{{"id":9}}],"errors":{parts[:-1]}',
            "errors",
        ),
        "no list": Case(
            "search_media", f'{{"x":{parts},"media":[{{"id":9}}]}}', f'{{"x":{parts},"mediums":[{{"id":9}}]}}', None
        ),
        "a list of another type": Case(
            "list_media_courses",
            f'{{"courses":[{items}{{"id":9}}]}}',
            f'{{"courses":[{items}{{"id":"x"}}]}}',
            f"courses[{many}].id",
        ),
        "one object": Case(
            "get_media", f'{{"media":{{"x":{parts},"id":9}}}}', f'{{"media":{{"x":{parts},"id":"x"}}}}', "media.id"
        ),
        "one object that is cut off": Case(
            "get_media", f'{{"media":{{"id":9,"x":{parts}}}}}', f'{{"media":{{"id":9,"x":{parts}', "media"
        ),
    }


@pytest.mark.parametrize("name", cases(1))
def test_an_unreadable_answer_takes_no_more_memory_than_a_readable_one(name: str) -> None:
    method, *bodies, json_path = cases(100_000)[name]
    readable, unreadable = (cost(method, body) for body in bodies)
    assert readable.error is False
    assert unreadable.error == json_path
    # The part of the text that is read again is copied, since the rest is left out of it.
    allowed = readable.memory * 1.1 + 2 * len(bodies[1]) / 1_000 + 2_000
    assert unreadable.memory < allowed, (readable.memory, unreadable.memory)


@pytest.mark.torture  # it measures time, so it repeats what it measures
@pytest.mark.parametrize("name", cases(1))
def test_an_unreadable_answer_takes_no_more_than_ten_times_as_long_as_a_readable_one(name: str) -> None:
    """The shortest of five runs each, in turn. Most took one to three times as long, a cut-off error 4.1 times."""
    method, *bodies, _ = cases(200_000)[name]
    pairs = [[cost(method, body).seconds for body in bodies] for _ in range(5)]
    readable, unreadable = (min(seconds) for seconds in zip(*pairs, strict=True))
    assert unreadable < 10 * readable, (readable, unreadable)
