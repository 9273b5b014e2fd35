"""The other HTTP clients upload files, each as somebody would write it who knows the three steps of the reference."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from benches.peers import CHUNK, module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

API = "/api/public/v1/media/uploads"


def upload(client: str, base: str, token: str, paths: Sequence[Path], jobs: int) -> Callable[[], None]:
    """Prepare to upload the files, so many at once; a request has been made."""
    return UPLOADS[client](base + API, {"authorization": f"Bearer {token}", "accept": "application/json"}, paths, jobs)


def checked(status: int) -> None:
    """Everybody looks at the status of each step."""
    if status not in {200, 201}:
        raise RuntimeError(f"status {status}")


def in_threads(work: Callable[[Path], None], paths: Sequence[Path], jobs: int) -> Callable[[], None]:
    """Do it for each file, in threads if there is more than one job."""

    def run() -> None:
        if jobs == 1:
            for path in paths:
                work(path)
            return
        with ThreadPoolExecutor(jobs) as executor:
            for _ in executor.map(work, paths):
                pass

    return run


def _requests(url: str, headers: dict[str, str], paths: Sequence[Path], jobs: int) -> Callable[[], None]:
    session = module("requests").Session()
    session.mount("http://", module("requests.adapters").HTTPAdapter(pool_maxsize=jobs))

    def work(path: Path) -> None:
        started = session.post(url, headers=headers)
        checked(started.status_code)
        slot = started.json()["upload"]
        with path.open("rb") as file:
            checked(session.put(slot["url"], data=file).status_code)
        done = session.post(f"{url}/{slot['id']}/complete", headers=headers, json={"title": path.stem})
        checked(done.status_code)

    return in_threads(work, paths, jobs)


def pieces(path: Path) -> Iterator[bytes]:
    """The file, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


def _httpx(url: str, headers: dict[str, str], paths: Sequence[Path], jobs: int) -> Callable[[], None]:
    client = module("httpx").Client(timeout=60)

    def work(path: Path) -> None:
        started = client.post(url, headers=headers)
        checked(started.status_code)
        slot = started.json()["upload"]
        length = {"content-length": str(path.stat().st_size)}
        checked(client.put(slot["url"], content=pieces(path), headers=length).status_code)
        done = client.post(f"{url}/{slot['id']}/complete", headers=headers, json={"title": path.stem})
        checked(done.status_code)

    return in_threads(work, paths, jobs)


def _pycurl(url: str, headers: dict[str, str], paths: Sequence[Path], jobs: int) -> Callable[[], None]:
    pycurl = module("pycurl")
    lines = [f"{name}: {value}" for name, value in headers.items()]

    def post(curl: Any, where: str, body: str) -> Any:
        curl.reset()
        curl.setopt(curl.URL, where)
        curl.setopt(curl.HTTPHEADER, [*lines, "content-type: application/json"])
        curl.setopt(curl.POSTFIELDS, body)
        answer = json.loads(curl.perform_rb())
        checked(curl.getinfo(curl.RESPONSE_CODE))
        return answer

    def work(path: Path) -> None:
        curl = pycurl.Curl()
        slot = post(curl, url, "{}")["upload"]
        curl.reset()
        curl.setopt(curl.URL, slot["url"])
        curl.setopt(curl.UPLOAD, 1)
        curl.setopt(curl.UPLOAD_BUFFERSIZE, CHUNK)
        curl.setopt(curl.INFILESIZE_LARGE, path.stat().st_size)
        with path.open("rb") as file:
            curl.setopt(curl.READDATA, file)
            curl.perform_rb()
        checked(curl.getinfo(curl.RESPONSE_CODE))
        post(curl, f"{url}/{slot['id']}/complete", json.dumps({"title": path.stem}))

    return in_threads(work, paths, jobs)


def _aiohttp(url: str, headers: dict[str, str], paths: Sequence[Path], jobs: int) -> Callable[[], None]:
    async def run_all() -> None:
        slots = asyncio.Semaphore(jobs)
        async with module("aiohttp").ClientSession() as session:

            async def work(path: Path) -> None:
                async with slots:
                    async with session.post(url, headers=headers) as started:
                        checked(started.status)
                        slot = (await started.json())["upload"]
                    with path.open("rb") as file:
                        length = {"content-length": str(os.fstat(file.fileno()).st_size)}
                        async with session.put(slot["url"], data=file, headers=length) as sent:
                            checked(sent.status)
                    complete = f"{url}/{slot['id']}/complete"
                    async with session.post(complete, headers=headers, json={"title": path.stem}) as done:
                        checked(done.status)

            await asyncio.gather(*(work(path) for path in paths))

    return lambda: asyncio.run(run_all())


UPLOADS: dict[str, Callable[[str, dict[str, str], Sequence[Path], int], Callable[[], None]]] = {
    "requests": _requests,
    "httpx": _httpx,
    "aiohttp": _aiohttp,
    "pycurl": _pycurl,
}
