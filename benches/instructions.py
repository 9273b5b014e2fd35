"""Counts the instructions from the bytes of a page to objects, against orjson: `make instructions`.

The count does not depend on what else the machine does, so a limit can be held to. It is what callgrind counts for 105
pages less what it counts for 5, divided by the media in 100 pages.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PER_PAGE = 50
PAGES = "pages.json"
FEW, MORE = 5, 105
# Touching nothing: the share of orjson's instructions that is allowed.
LIMIT = 0.6
# What is counted: so many pages into objects, which are dropped page by page.
PROGRAM = """
import sys
with open(sys.argv[1], "rb") as file:
    pages = file.read().splitlines()
{decoder}
for number in range(int(sys.argv[2])):
    media = decode(pages[number % len(pages)])
    {touch}
"""
OURS = "from canvas_studio._core import _decode_media_page as decode"
ROWS = {
    "orjson": {"decoder": "from orjson import loads as decode", "touch": ""},
    "nothing": {"decoder": OURS, "touch": ""},
    "three fields": {"decoder": OURS, "touch": "for each in media: each.id, each.title, each.size"},
    "to_dict": {"decoder": OURS, "touch": "[each.to_dict() for each in media]"},
}
WORDS = ("Mitosis", "Einführung", "Fall 2026", "cinéma", "MATH 330", "历史", "week 12", '"quoted"', "Überblick", "lab")


def page(seed: int) -> bytes:
    """Make a page as Studio's reference has them; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - it is no secret
    media: list[dict[str, Any]] = []
    for number in range(PER_PAGE):
        who = chance.randrange(5000)
        owner = {"id": who, "full_name": f"Ada Park {who}", "display_name": "Ada", "email": f"ada{who}@example.edu"}
        viewed = f"2026-0{chance.randint(1, 9)}-{chance.randint(10, 28)}"
        id = seed * PER_PAGE + number  # noqa: A001 - the vendor's name
        media.append(
            {
                "id": id,
                "title": " ".join(chance.choices(WORDS, k=4)),
                "description": " ".join(chance.choices(WORDS, k=12)) if chance.random() < 0.3 else None,
                "duration": round(chance.uniform(10, 5000), 3),
                "created_at": f"{viewed}T08:{chance.randint(10, 59)}:00Z",
                "last_viewed": viewed,
                "last_viewed_by_student": None,
                "thumbnail_url": f"https://school.instructuremedia.com/thumbnails/{id}.svg",
                "transcoding_status": "transcoding_finished",
                "owner": owner,
                "size": chance.randrange(10**9),
                "source": chance.choice(("upload", "screen_capture", "webcam")),
                "embed_id": f"{chance.getrandbits(128):032x}",
                "lti_launch_id": f"{chance.getrandbits(128):032x}-{id}",
            }
        )
    answer = {"media": media, "meta": {"current_page": seed, "last_page": 400, "total_count": 20_000}}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def instructions(row: str, count: int, folder: Path) -> int:
    """Let callgrind count."""
    out = folder / f"{row}-{count}".replace(" ", "-")
    counter = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
    program = [sys.executable, "-s", "-c", PROGRAM.format(**ROWS[row]), str(folder / PAGES), str(count)]
    # The order of a set of strings would otherwise differ between two runs.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run([*counter, *program], capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"callgrind failed for {row}: {done.stderr[-2000:]}")
    total = re.search(r"^(?:summary|totals): (\d+)", out.read_text(encoding="utf-8"), re.MULTILINE)
    assert total is not None, "callgrind has written no total"
    return int(total[1])


def main() -> None:
    """Count, print, and fail if it is too much."""
    if shutil.which("valgrind") is None:
        print("   skipped: there is no valgrind on this machine")
        return
    runs = [(row, count) for row in ROWS for count in (FEW, MORE)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        (Path(folder) / PAGES).write_bytes(b"\n".join(page(seed) for seed in range(1, 11)))
        counting = {run: pool.submit(instructions, *run, Path(folder)) for run in runs}
        counted = {run: count.result() for run, count in counting.items()}
    items = (MORE - FEW) * PER_PAGE
    each = {row: (counted[row, MORE] - counted[row, FEW]) / items for row in ROWS}
    for row in ROWS:
        print(
            f"   {row:<12} {each[row]:>8,.0f} instructions for each media, {each[row] / each['orjson']:.3f} of orjson"
        )
    if each["nothing"] / each["orjson"] > LIMIT:
        sys.exit(f"more than {LIMIT} of orjson's instructions")


if __name__ == "__main__":
    main()
