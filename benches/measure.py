"""One measurement in a fresh process: `python -m benches.measure '{"work": "crawl", ...}'` prints a line of JSON.

Everybody makes a client and a request before the watch starts; what comes is kept, in order, until it has stopped.
"""

from __future__ import annotations

import asyncio
import csv
import inspect
import json
import os
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benches import decoders, peers, uploads

if TYPE_CHECKING:
    from collections.abc import Callable

PER_PAGE = 50
OURS = "canvas-studio"
WARM = 100
# From when on memory must not grow.
SETTLED = 100_000
SAMPLED = 10_000


class Watch:
    """Wall time and the computing time of all threads."""

    def __init__(self) -> None:
        self.memory = memory("VmRSS")
        self.began, self.computed = time.perf_counter(), time.process_time()

    def stop(self, count: int, **more: float) -> dict[str, float]:
        """What it took."""
        wall, cpu = time.perf_counter() - self.began, time.process_time() - self.computed
        peak = memory("VmHWM")
        return {"wall": wall, "cpu": cpu, "count": count, "peak": peak, "grown": peak - self.memory, **more}


def memory(what: str) -> int:
    """Bytes of memory: VmRSS now, VmHWM at the most so far."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{what}:")[1].split()[0]) * 1024


def studio(spec: dict[str, Any]) -> Any:
    """Our client."""
    client = peers.module("canvas_studio").StudioClient
    options = {"max_concurrency": spec["in_flight"]} if spec.get("in_flight") else {}
    known = inspect.signature(client).parameters
    return client(spec["url"], token=spec["token"], **{name: options[name] for name in options if name in known})


def page_urls(spec: dict[str, Any]) -> list[str]:
    """Where the pages are."""
    base = f"{spec['url']}/api/public/v1/media/search?per_page={PER_PAGE}&page="
    return [f"{base}{number}" for number in range(1, spec["pages"] + 1)]


def timed(ask: Callable[[], Any], count: int) -> dict[str, float]:
    """Do it again and again, and look at the clock each time."""
    clock, took = time.perf_counter, list[float]()
    for _ in range(WARM):
        ask()
    watch = Watch()
    for _ in range(count):
        began = clock()
        ask()
        took.append(clock() - began)
    return watch.stop(count, median=statistics.median(took))


async def timed_async(ask: Callable[[], Any], count: int) -> dict[str, float]:
    """Await it again and again, and look at the clock each time."""
    clock, took = time.perf_counter, list[float]()
    for _ in range(WARM):
        await ask()
    watch = Watch()
    for _ in range(count):
        began = clock()
        await ask()
        took.append(clock() - began)
    return watch.stop(count, median=statistics.median(took))


def get(spec: dict[str, Any]) -> dict[str, float]:
    """A small thing, asked for again and again."""
    client, _, decoding = spec["row"].partition(" + ")
    media, count = spec["media"], spec["count"]
    if client == OURS:
        ours = studio(spec)
        return timed(lambda: ours.get_media(media), count)
    if client == f"{OURS} async":

        async def ours_async() -> dict[str, float]:
            ours = studio(spec)
            return await timed_async(lambda: ours.get_media_async(media), count)

        return asyncio.run(ours_async())
    url, decode = f"{spec['url']}/api/public/v1/media/{media}", decoders.single(decoding)
    if client in peers.BLOCKING:
        fetch = peers.blocking(client, spec["token"])
        return timed(lambda: decode(fetch(url)), count)

    async def peer_async() -> dict[str, float]:
        async with peers.asynchronous(client, spec["token"]) as fetch:

            async def ask() -> Any:
                return decode(await fetch(url))

            return await timed_async(ask, count)

    return asyncio.run(peer_async())


def crawl(spec: dict[str, Any]) -> dict[str, float]:
    """All media as objects in a list, each read as the row says."""
    client, _, decoding = spec["row"].partition(" + ")
    kept: list[Any] = []
    if client.startswith(OURS):
        read = decoders.reader(spec["touch"], OURS)
        ours = studio(spec)
        if client == OURS:
            ours.get_media(spec["media"])
            listing = ours.search_media()
            listing = listing.limit(spec["limit"]) if "limit" in spec else listing
            watch = Watch()
            if read is None:
                kept = listing.to_dicts() if spec["touch"] == "to_dicts" else listing.collect()
            else:
                for item in listing:
                    read(item)
                    kept.append(item)
            return watch.stop(len(kept))
        return asyncio.run(_crawl_ours_async(spec, ours, read))
    decode, read = decoders.decoder(decoding), decoders.reader(spec["touch"], decoding)

    def take(body: Any) -> list[Any]:
        items = decode(body)
        if read is not None:
            for item in items:
                read(item)
        return items

    watch, pages = _fetch(client, spec, take)
    for page in pages:
        kept.extend(page)
    return watch.stop(len(kept))


async def _crawl_ours_async(spec: dict[str, Any], ours: Any, read: Callable[[Any], Any] | None) -> dict[str, float]:
    await ours.get_media_async(spec["media"])
    kept: list[Any] = []
    listing = ours.search_media()
    watch = Watch()
    if read is None:
        kept = await listing.collect_async()
    else:
        async for item in listing:
            read(item)
            kept.append(item)
    return watch.stop(len(kept))


def _fetch(client: str, spec: dict[str, Any], take: Callable[[Any], Any]) -> tuple[Watch, list[Any]]:
    """What a peer's fastest way takes from the pages; the watch runs since before the first page."""
    urls, token, in_flight = page_urls(spec), spec["token"], spec["in_flight"]
    if client in peers.ASYNC:

        async def run() -> tuple[Watch, list[Any]]:
            async with peers.asynchronous(client, token, in_flight) as fetch:
                await fetch(urls[0])
                watch = Watch()
                return watch, await peers.in_tasks(fetch, urls, in_flight, take)

        return asyncio.run(run())
    if in_flight == 1:
        fetch = peers.blocking(client, token)
        fetch(urls[0])
        watch = Watch()
        return watch, [take(fetch(url)) for url in urls]
    if client == "pycurl":
        run_all = peers.in_multi(token, urls, in_flight, take)
    else:
        run_all = peers.in_threads(client, token, urls, in_flight, take)
    watch = Watch()
    return watch, run_all()


def frame(spec: dict[str, Any]) -> dict[str, float]:
    """All media in a frame, or in a CSV file."""
    client, _, way = spec["row"].partition(" + ")
    if client == OURS:
        ours = studio(spec)
        ours.get_media(spec["media"])
        listing = ours.search_media()
        if way.endswith("csv"):
            watch = Watch()
            listing.to_csv(spec["path"], safe=way == "safe csv")
            return _with_rows(watch.stop(0), spec["path"])
        if way == "polars":
            make: Callable[[], Any] = lambda: peers.module("polars").DataFrame(listing)  # noqa: E731
            peers.module("polars")
        else:
            make = getattr(listing, f"to_{way}")
            # No row pays for imports, also not for that of pandas by `pyarrow.table`.
            peers.module("pyarrow")
            peers.module("pandas")
        watch = Watch()
        return watch.stop(len(make()))
    if way.endswith(", csv"):
        take, write = decoders.csv_file(way.removesuffix(", csv"), spec["path"])
        watch, pages = _fetch(client, spec, take)
        write(pages)
        return _with_rows(watch.stop(0), spec["path"])
    take, make_frame = decoders.frame(way)
    watch, pages = _fetch(client, spec, take)
    return watch.stop(len(make_frame(pages)))


def _with_rows(figures: dict[str, float], path: str) -> dict[str, float]:
    """What a CSV file took, with the rows that it has. They are counted when the watch has stopped."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return figures | {"count": sum(1 for _ in csv.DictReader(file))}


def snapshot(spec: dict[str, Any]) -> dict[str, float]:
    """A snapshot of the whole library, with how many requests it takes at least."""
    from canvas_studio.workflows import Snapshot  # noqa: PLC0415 - the other rows do without

    ours = studio(spec)
    watch = Watch()
    with Snapshot.take(ours, spec["path"]) as taken:
        counts = taken.about.counts
        pages = sum(-(-counts[what] // PER_PAGE) for what in ("media", "collections"))
        requests = pages + counts["collections"] + taken.about.calibration["checked"]
        return watch.stop(counts["media"], requests=requests)


def map_captions(spec: dict[str, Any]) -> dict[str, float]:
    """The captions of many media, one request for each."""
    client, _, decoding = spec["row"].partition(" + ")
    ours, count, in_flight = studio(spec), spec["count"], spec["in_flight"]
    media = [each.id for each in ours.search_media().limit(count)]
    if client == OURS:
        watch = Watch()
        return watch.stop(sum(map(bool, ours.map("list_captions", media))))

    async def run() -> dict[str, float]:
        if client.startswith(OURS):
            watch = Watch()
            return watch.stop(sum([bool(each) async for each in ours.map("list_captions", media)]))
        urls = [f"{spec['url']}/api/public/v1/media/{number}/caption_files" for number in media]
        decode = decoders.captions(decoding)
        async with peers.asynchronous(client, spec["token"], in_flight) as fetch:
            await fetch(urls[0])
            watch = Watch()
            return watch.stop(sum(map(bool, await peers.in_tasks(fetch, urls, in_flight, decode))))

    return asyncio.run(run())


def download(spec: dict[str, Any]) -> dict[str, float]:
    """A large file onto the disk."""
    path = Path(spec["path"])
    if spec["row"] == OURS:
        ours = studio(spec)
        ours.get_media(spec["media"])
        watch = Watch()
        ours.download_media(spec["file"], path)
    else:
        url = f"{spec['url']}/api/public/v1/media/{spec['file']}/download"
        run = peers.download(spec["row"], spec["token"], url, path)
        watch = Watch()
        run()
    return watch.stop(path.stat().st_size)


def upload(spec: dict[str, Any]) -> dict[str, float]:
    """All files of a folder, as media."""
    paths = sorted(Path(spec["folder"]).iterdir())
    size = sum(path.stat().st_size for path in paths)
    if spec["row"] == OURS:
        ours = studio(spec)
        ours.get_media(spec["media"])
        watch = Watch()
        if spec["jobs"] == 1:
            for path in paths:
                ours.upload_media(path)
        else:
            # The journal stands beside the folder, so that every round uploads all of it.
            journal = Path(spec["path"])
            report = ours.upload_folder(paths[0].parent, jobs=spec["jobs"], journal=journal)
            assert len(report.done) == len(paths), report
        return watch.stop(size)
    run = uploads.upload(spec["row"], spec["url"], spec["token"], paths, spec["jobs"])
    watch = Watch()
    run()
    return watch.stop(size)


def many(spec: dict[str, Any]) -> dict[str, float]:
    """A million media, of which none is kept: how memory grows after the first hundred thousand.

    What is written in groups goes up and down, so the most of the last hundred thousand is held against the most of the
    second hundred thousand; `swing` is the most of all against what it was at the beginning.
    """
    ours = studio(spec)
    listing = ours.search_media()
    seen: list[tuple[int, int]] = []
    watch = Watch()
    if spec["row"] == "iterating":
        count = 0
        for count, media in enumerate(listing, 1):
            _ = media.title
            if count % SAMPLED == 0:
                seen.append((count, memory("VmRSS")))
    else:
        # What pyarrow takes by itself is there before.
        peers.module("pyarrow.parquet")

        def progress(done: int, _: int | None) -> None:
            seen.append((done, memory("VmRSS")))

        path = Path(spec["path"])
        listing.with_options(progress=progress).to_parquet(path)
        count = int(peers.module("pyarrow.parquet").read_metadata(path).num_rows)
    settled = [(done, each) for done, each in seen if done >= SETTLED]
    first = max(each for done, each in settled if done <= 2 * SETTLED)
    last = max(each for done, each in settled if done >= count - SETTLED)
    return watch.stop(count, growth=last - first, swing=max(each for _, each in settled) - settled[0][1])


def leave(spec: dict[str, Any]) -> dict[str, float]:
    """Leave the interpreter while 64 requests are in flight, as soon as a line comes in."""
    client, in_flight = spec["row"], spec["in_flight"]
    url = f"{spec['url']}/api/public/v1/media/{spec['media']}"
    if client == OURS:
        ours = studio(spec)
        for _ in range(in_flight):
            threading.Thread(target=ours.get_media, args=(spec["media"],), daemon=True).start()
        sys.stdin.readline()
        return {}

    async def until_told(fetch: Callable[[], Any]) -> None:
        tasks = [asyncio.ensure_future(fetch()) for _ in range(in_flight)]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        # Nobody cancels them, and nobody awaits them: the program ends where it stands.
        asyncio.get_running_loop().set_exception_handler(_ignore)
        _kept.extend(tasks)

    async def main() -> None:
        if client == f"{OURS} async":
            ours = studio(spec)
            await until_told(lambda: ours.get_media_async(spec["media"]))
        else:
            manager = peers.asynchronous(client, spec["token"], in_flight)
            _kept.append(manager)
            fetch = await manager.__aenter__()
            await until_told(lambda: fetch(url))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    _kept.append(loop)
    return {}


_kept: list[Any] = []


def _ignore(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """Say nothing of tasks that nobody has awaited."""


def same(spec: dict[str, Any]) -> dict[str, float]:
    """Not a measurement: whether everybody reads from every media what json.loads reads."""
    pages = [json.loads(peers.blocking("requests", spec["token"])(url))["media"] for url in page_urls(spec)]
    expected = [item for page in pages for item in page]
    ours = studio(spec).search_media().collect()
    assert len(ours) == len(expected)
    for media, item in zip(ours, expected, strict=True):
        plain = media.to_dict()
        assert {name: plain[name] for name in item} == item, (plain, item)
        assert all(value is None for name, value in plain.items() if name not in item and name != "extra"), plain
        for name in decoders.FIELDS:
            value = getattr(media, name)
            read = value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value
            read = {part: getattr(read, part) for part in decoders.OWNER} if name == "owner" and read else read
            assert read == item[name], (name, read, item[name])
    for way in ("orjson", "json", "msgspec", "orjson dataclass"):
        decode = decoders.decoder(way)
        fetch = peers.blocking("requests", spec["token"])
        media = decode(fetch(page_urls(spec)[0]))
        get_id = decoders.reader("three", way)
        assert get_id is not None
        assert [get_id(item)[0] for item in media] == [item["id"] for item in expected[:PER_PAGE]]
    return {"count": len(ours)}


WORK: dict[str, Callable[[dict[str, Any]], dict[str, float]]] = {
    "get": get,
    "crawl": crawl,
    "frame": frame,
    "map": map_captions,
    "snapshot": snapshot,
    "download": download,
    "upload": upload,
    "many": many,
    "leave": leave,
    "same": same,
}


def main() -> None:
    """Measure what the argument says."""
    spec = cast("dict[str, Any]", json.loads(sys.argv[1]))
    if spec.get("core") is not None:
        os.sched_setaffinity(0, {spec["core"]})
    print(json.dumps(WORK[spec["work"]](spec)))


if __name__ == "__main__":
    main()
