"""Downloads on a Dask cluster: its workers take a part of the list each, and share one rate.

Usage: python examples/dask_downloads.py [folder]

It downloads the first media of the school that `canvas-studio login` or CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN
have set up; without one, those of a sandbox. The first line says which. The workers are processes of this machine,
which find the token where this one does, in the environment or in the profile; it is in no task. On other machines,
it has to be there, too, and the folder has to be one that all of them see.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from canvas_studio import StudioClient, StudioError, UnprocessableEntityError, profiles
from canvas_studio.sandbox import Sandbox
from distributed import LocalCluster

if TYPE_CHECKING:
    from canvas_studio import Listing, Media

WORKERS = 2
# Requests a second, of all workers together.
RATE = 100
# How many media at the most; without `limit` below it is the whole library.
MOST = 120


def main(folder: Path) -> None:
    """Download media in parallel, and check that each came once."""
    folder.mkdir(parents=True, exist_ok=True)
    with nullcontext() if profiles.is_set_up() else small_school() as box:
        studio = box.client() if box else StudioClient.from_env()
        print("An invented library, in a sandbox" if box else studio.url)
        # Each worker is a process, with a client of its own that knows nothing of the others: so each gets its share.
        shared = studio.with_options(max_rate=RATE / WORKERS)
        listing = shared.search_media(per_page=10).limit(MOST)

        # With one thread, a worker has one part in hand, and with it one client. Any other cluster of Dask's would do.
        cluster: Any = LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=":0"
        )
        with cluster, cluster.get_client() as dask:
            began = perf_counter()
            parts = listing.split(WORKERS)
            reports: list[list[Fetched]] = dask.gather(dask.map(download, parts, folder=folder, pure=False))
            seconds = perf_counter() - began

        fetched = [each for report in reports for each in report]
        if Counter(each.id for each in fetched) != Counter(media.id for media in listing):
            sys.exit("dask_downloads: the list changed meanwhile, and an item may have moved from one part to another")
    sizes = [each.size for each in fetched if each.size is not None]
    print(f"{len(sizes)} files ({sum(sizes) / 1e6:,.1f} MB) by {len(parts)} workers in {seconds:.1f} s: {folder}")
    print(f"{len(fetched)} media, each once; {len(fetched) - len(sizes)} of them are not at Studio and have no file")


class Fetched(NamedTuple):
    """A media, and how many bytes its file has, or `None` if Studio has no file of it."""

    id: int
    size: int | None


def download(part: Listing[Media], folder: Path) -> list[Fetched]:
    """Download one part of the list. That is what a worker does, with the client that came with the part."""
    fetched: list[Fetched] = []
    for media in part:
        try:
            path = media.download(folder / f"{media.id}.mp4")
        except UnprocessableEntityError:
            fetched.append(Fetched(media.id, None))
        else:
            fetched.append(Fetched(media.id, path.stat().st_size))
    return fetched


def small_school() -> Sandbox:
    """Make a sandbox with small files, whose token the workers find in their environment."""
    box = Sandbox(media=0)
    for number in range(MOST):
        box.add_media(f"Lecture {number + 1}", source="youtube" if number % 40 == 0 else "upload", size=20_000 + number)
    os.environ["CANVAS_STUDIO_TOKEN"] = box.token
    return box


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output/downloads"))
    except StudioError as error:
        sys.exit(f"dask_downloads: {error}")
