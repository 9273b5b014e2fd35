"""Under the chaos preset, listings stay complete and downloads arrive byte for byte."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.sandbox import Assumptions, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from canvas_studio import StudioClient
    from support.forms import Form

# Five seeds in `make test`, fifteen more in `make torture`.
SEEDS = [
    pytest.param(range(1, 6), id="5-seeds"),
    pytest.param(range(6, 21), id="15-more-seeds", marks=pytest.mark.torture),
]
ITEMS = 5_000
FILE_SIZE = 20_000_000
PARTIAL_CONTENT = 206
# Of chaos, one request in eight fails: nine tries are all in vain once in a hundred million requests.
PERSISTENT: dict[str, Any] = {"max_retries": 8, "retry_delay": 0.01}


@dataclass(frozen=True, slots=True)
class Library:
    """A sandbox with as many media as are read, and their ids."""

    box: Sandbox
    ids: frozenset[int]


@pytest.fixture(scope="module", params=SEEDS)
def libraries(request: pytest.FixtureRequest) -> Iterator[dict[int, Library]]:
    """A sandbox for every seed, so that all can be read side by side: most of the time is spent waiting."""
    with ExitStack() as stack:
        boxes = {seed: stack.enter_context(Sandbox(media=0)) for seed in request.param}
        yield {
            seed: Library(box, frozenset(box.add_media(f"Lecture {number}") for number in range(ITEMS)))
            for seed, box in boxes.items()
        }


def read(form: Form, clients: dict[int, StudioClient]) -> dict[int, list[int]]:
    """The ids of all media in the order in which they come, by the seed of the sandbox."""
    if form.name == "blocking":

        def ids(studio: StudioClient) -> list[int]:
            return [media.id for media in studio.search_media()]

        with ThreadPoolExecutor(len(clients)) as pool:
            return dict(zip(clients, pool.map(ids, clients.values()), strict=True))

    async def ids_async(studio: StudioClient) -> list[int]:
        return [media.id async for media in studio.search_media()]

    async def run() -> list[list[int]]:
        return await asyncio.gather(*map(ids_async, clients.values()))

    return dict(zip(clients, asyncio.run(run()), strict=True))


@pytest.mark.timeout(300)
def test_a_listing_of_5000_under_chaos_has_each_exactly_once(form: Form, libraries: dict[int, Library]) -> None:
    with ExitStack() as stack:
        clients: dict[int, StudioClient] = {}
        for seed, library in libraries.items():
            library.box.faults.clear()
            library.box.forget_requests()
            library.box.chaos(seed)
            clients[seed] = stack.enter_context(library.box.client(**PERSISTENT))
        found = read(form, clients)
    for seed, library in libraries.items():
        assert len(found[seed]) == ITEMS, f"seed {seed}"
        assert set(found[seed]) == library.ids, f"seed {seed}"
        struck = [request for request in library.box.requests if request.fault is not None]
        assert len(struck) >= 5, f"seed {seed} was too kind"
        assert len({request.status for request in struck}) >= 3, f"seed {seed} was too even"


# What a storage host and the way to it do to a file: no download may differ by a byte, whatever the host can.
RESETS = {"reset": "body", "probability": 0.8, "times": 6}
TRUNCATIONS = {"truncate": True, "probability": 0.8, "times": 6}
FEW_RESETS = {"reset": "body", "times": 3}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("trouble", "seed", "range_honoured"),
    [
        pytest.param(RESETS, 1, True, id="resets-1"),
        *(pytest.param(RESETS, seed, True, id=f"resets-{seed}", marks=pytest.mark.torture) for seed in range(2, 5)),
        pytest.param(TRUNCATIONS, 1, True, id="truncations"),
        pytest.param(FEW_RESETS, 1, False, id="resets-without-ranges"),
    ],
)
def test_a_download_of_20_megabytes_arrives_whole_byte_for_byte(
    form: Form, trouble: dict[str, Any], seed: int, *, range_honoured: bool, tmp_path: Path
) -> None:
    assumptions = Assumptions(range_honoured=range_honoured)
    with Sandbox(media=0, assumptions=assumptions) as box, box.client(**PERSISTENT) as studio:
        media = box.add_media("Field trip", size=FILE_SIZE)
        fault = box.faults.add(host="storage", seed=seed, **trouble)
        path = tmp_path / "film.mp4"
        form.call(studio, "download_media", media, path)
        content = box.media_file(media)
        assert len(content) == FILE_SIZE
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]
        assert box.faults.hits(fault) >= 1
        resumed = [request for request in box.requests if request.status == PARTIAL_CONTENT]
        assert bool(resumed) == range_honoured


def test_downloads_under_chaos_arrive_whole_byte_for_byte(form: Form, tmp_path: Path) -> None:
    with Sandbox(media=0) as box, box.client(**PERSISTENT) as studio:
        media = [box.add_media(f"Clip {number}", size=50_000 + number) for number in range(40)]
        box.chaos(7)
        for one in media:
            form.call(studio, "download_media", one, tmp_path / f"{one}.mp4")
        struck = {request.host for request in box.requests if request.fault is not None}
        assert struck == {"api", "storage"}
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
            f"{one}.mp4": box.media_file(one) for one in media
        }
