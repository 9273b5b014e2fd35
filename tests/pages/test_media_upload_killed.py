"""An upload that is killed in the middle leaves one media or none, and goes on where it was."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import ConflictError, StudioClient, StudioError
from canvas_studio.sandbox import Assumptions, Sandbox
from support.programs import posix_only

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 3_000_000
COMPLETE = "/v1/media/uploads/*/complete"

# Uploads a file in one call, whatever happens.
ONE_CALL = """
    import sys
    from canvas_studio import StudioClient
    url, token, film, title, journal = sys.argv[1:]
    with StudioClient(url, token=token, retry_delay=0.01, max_retries=6) as studio:
        print("begins", flush=True)
        studio.upload_media(film, title=title)
"""

# Uploads a file in three steps, and writes down each of them before the next one.
BY_HAND = """
    import json, os, sys
    from canvas_studio import StudioClient
    url, token, film, title, journal = sys.argv[1:]

    def record(step, id):
        with open(journal, "a") as file:
            file.write(json.dumps([step, id]) + "\\n")
            file.flush()
            os.fsync(file.fileno())

    with StudioClient(url, token=token, retry_delay=0.01, max_retries=6) as studio:
        print("begins", flush=True)
        slot = studio.create_upload()
        record("created", slot.id)
        studio.send_upload(slot, film)
        record("sent", slot.id)
        studio.complete_upload(slot, title=title)
        record("completed", slot.id)
"""


def go_on(studio: StudioClient, film: Path, title: str, journal: Path) -> None:
    """Finish an upload whose journal says how far it came: as often as chaos makes it fail, but never twice."""
    for _ in range(50):
        steps = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("]")] or [["", 0]]
        step, number = steps[-1]
        with suppress(StudioError):
            if step == "completed":
                return
            if step != "sent":
                slot = studio.create_upload()
                number = slot.id
                studio.send_upload(slot, film)
                with journal.open("a") as file:
                    file.write(f'["sent", {number}]\n')
            with suppress(ConflictError):
                studio.complete_upload(number, title=title)
            with journal.open("a") as file:
                file.write(f'["completed", {number}]\n')
    raise AssertionError("it never came to its end")


def killed(program: str, box: Sandbox, film: Path, title: str, journal: Path, moment: float) -> None:
    """Run a program, and kill it so many seconds after it has begun."""
    command = [sys.executable, "-c", textwrap.dedent(program), box.url, box.token, str(film), title, str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        time.sleep(moment)
        process.kill()


def completions_without_a_file(box: Sandbox) -> list[str]:
    """The completions that came although no PUT of their file had succeeded."""
    sent: set[str] = set()
    early: list[str] = []
    for seen in box.requests:
        steps = seen.path.split("/")
        if seen.method == "PUT" and seen.status == 200:
            sent.add(steps[-1])
        elif steps[-1] == "complete" and steps[-2] not in sent:
            early.append(seen.path)
    return early


@posix_only
@pytest.mark.timeout(300)
@pytest.mark.parametrize("listed", [False, True], ids=["not_listed", "listed"])
@pytest.mark.parametrize(
    "kills", [pytest.param(3, id="3-kills"), pytest.param(20, id="20-kills", marks=pytest.mark.torture)]
)
def test_an_upload_that_is_killed_makes_no_second_media_and_completes_nothing_that_was_not_sent(
    kills: int, tmp_path: Path, *, listed: bool
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(random.Random(1).randbytes(SIZE))
    chance = random.Random(f"{kills} {listed}")
    with Sandbox(media=0, assumptions=Assumptions(uploads_in_lists=listed)) as box, box.client() as studio:
        box.chaos(seed=kills)
        faults: list[dict[str, Any]] = [
            {"status": 500, "carried_out": True},
            {"status": 502},
            {"reset": "after"},
            {"delay": 0.05},
        ]
        for number, fault in enumerate(faults):
            box.faults.add(path=COMPLETE, probability=0.2, seed=number, **fault)
        # Some files are refused for good, so that not every upload may be completed.
        box.faults.add(host="storage", method="PUT", probability=0.2, seed=8, status=403)
        box.faults.add(path="/v1/media/uploads", method="POST", probability=0.1, seed=9, status=500, carried_out=True)
        for number in range(kills):
            journal = tmp_path / f"{number}.jsonl"
            journal.touch()
            program, title = (ONE_CALL, f"one call {number}") if number % 2 else (BY_HAND, f"by hand {number}")
            killed(program, box, film, title, journal, chance.uniform(0, 0.15))
            if program is BY_HAND:
                patient = box.client(retry_delay=0.01, max_retries=6)
                go_on(patient, film, title, journal)
                patient.close()
        assert completions_without_a_file(box) == []
        box.faults.clear()
        media = [each for each in studio.search_media().collect() if each.title]
        titles = [each.title or "" for each in media]
        assert len(titles) == len(set(titles))
        assert sorted(title for title in titles if title.startswith("by hand")) == sorted(
            f"by hand {number}" for number in range(0, kills, 2)
        )
        assert {each.size for each in media} == {SIZE}
