"""Uploads of a folder that are killed at random moments under chaos: each file is completed once, and none is lost."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from canvas_studio.sandbox import SeenRequest

# `make test` kills a few times, `make torture` as often as the promise says.
KILLS = [pytest.param(5, id="5-kills"), pytest.param(40, id="40-kills", marks=pytest.mark.torture)]
FILES = 12
# Nine tries of a PUT are all in vain once in many millions.
RUN = """
import asyncio, sys
from canvas_studio import StudioClient
url, token, folder, form = sys.argv[1:]
studio = StudioClient(url, token=token, max_retries=8, retry_delay=0.01)
if form == "blocking":
    report = studio.upload_folder(folder)
else:
    report = asyncio.run(studio.upload_folder_async(folder))
print(report)
sys.exit(1 if report.failed else 0)
"""
COMPLETE = re.compile(r"/api/public/v1/media/uploads/(\d+)/complete")
PUT = re.compile(r"/uploads/(\d+)")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


def make_trouble(box: Sandbox, seed: int) -> None:
    """Chaos, and what happens to the steps of an upload that cannot simply be repeated."""
    box.chaos(seed)
    create, complete = "/v1/media/uploads", "/v1/media/uploads/*/complete"
    faults: list[dict[str, Any]] = [
        {"path": create, "reset": "before"},
        {"path": create, "status": 503, "retry_after": 0},
        {"path": complete, "reset": "after"},
        {"path": complete, "reset": "before"},
        {"path": complete, "status": 500},
        {"path": complete, "status": 500, "carried_out": True},
    ]
    for number, fault in enumerate(faults):
        box.faults.add(method="POST", probability=0.08, seed=seed * 100 + number, **fault)
    # So that there are moments between the steps.
    box.faults.add(delay=0.01)


def run(box: Sandbox, folder: Path, form: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, box.url, box.token, str(folder), form]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_at(process: subprocess.Popen[str], box: Sandbox, requests: int, chance: random.Random) -> bool:
    """Kill a run once it has sent so many requests, or let it end; whether it was killed."""
    goal = len(box.requests) + requests
    while process.poll() is None and len(box.requests) < goal:
        time.sleep(0.001)
    # Between two steps, too.
    time.sleep(chance.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    assert process.returncode in {0, 1, -signal.SIGKILL}, output
    return process.returncode == -signal.SIGKILL


def completed(box: Sandbox) -> Counter[str]:
    """The hashes of the files of all media."""
    box.faults.clear()
    with box.client() as studio:
        files = [box.uploaded_file(media.id) for media in studio.search_media()]
    assert all(files)
    return Counter(file.sha256 for file in files if file is not None)


def check_order(requests: tuple[SeenRequest, ...]) -> None:
    """See that no completion was asked for whose PUT had not succeeded before."""
    there: set[str] = set()
    asked = 0
    for request in requests:
        if (put := PUT.fullmatch(request.path)) and request.host == "storage" and request.status == 200:
            there.add(put[1])
        elif complete := COMPLETE.fullmatch(request.path):
            asked += 1
            assert complete[1] in there, f"{complete[1]} was completed, but not sent"
    assert asked >= FILES


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", KILLS)
def test_a_folder_upload_killed_at_random_moments_completes_each_file_once_and_loses_none(
    kills: int, box: Sandbox, tmp_path: Path
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder = tmp_path / "recordings"
    (folder / "Week 1").mkdir(parents=True)
    make_trouble(box, seed)
    count, expected = 0, Counter[str]()

    def add_files() -> None:
        nonlocal count
        for _ in range(FILES):
            count += 1
            content = chance.randbytes(chance.choice([1, 5_000, 300_000]) + count)
            (folder / f"Lecture {count}.mp4").write_bytes(content)
            expected[sha256(content).hexdigest()] += 1

    add_files()
    killed = 0
    while killed < kills:
        form = chance.choice(["blocking", "async"])
        was_killed = kill_at(run(box, folder, form), box, chance.randrange(1, 20), chance)
        killed += was_killed
        if not was_killed:
            # All is uploaded, so there is nothing left to be killed in.
            add_files()
    # What failed, since Studio's answer was lost, is done by the next run.
    outputs: list[str] = []
    is_done = False
    while not is_done and len(outputs) < 20:
        last = run(box, folder, "blocking")
        outputs.append(last.communicate(timeout=120)[0])
        is_done = last.returncode == 0
    assert is_done, f"seed {seed}: {outputs}"
    requests = box.requests
    assert completed(box) == expected, f"seed {seed}"
    check_order(requests)
