"""The other HTTP clients, each as somebody would use it who wants it to be fast.

A module is imported by name when its row is measured, so that no row pays for the imports of another one, and so that
the linters need none of the peers.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

OK = 200


def module(name: str) -> Any:
    """Import a module that may be absent where nothing is measured."""
    return importlib.import_module(name)


def checked(status: int) -> None:
    """Every client looks at the status."""
    if status != OK:
        raise RuntimeError(f"status {status}")


def blocking(client: str, token: str, connections: int = 1) -> Callable[[str], Any]:
    """Make a client, and return its function from a URL to the bytes that it answers."""
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    return BLOCKING[client](headers, connections)


def _requests(headers: dict[str, str], connections: int) -> Callable[[str], Any]:
    session = module("requests").Session()
    session.mount("http://", module("requests.adapters").HTTPAdapter(pool_maxsize=connections))
    session.headers.update(headers)

    def get(url: str) -> Any:
        response = session.get(url)
        checked(response.status_code)
        return response.content

    return get


def _httpx(headers: dict[str, str], connections: int) -> Callable[[str], Any]:
    limits = module("httpx").Limits(max_connections=connections, max_keepalive_connections=connections)
    client = module("httpx").Client(headers=headers, limits=limits)

    def get(url: str) -> Any:
        response = client.get(url)
        checked(response.status_code)
        return response.content

    return get


def _curl(headers: dict[str, str]) -> Any:
    curl = module("pycurl").Curl()
    curl.setopt(curl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
    curl.setopt(curl.NOSIGNAL, 1)
    return curl


def _pycurl(headers: dict[str, str], _: int) -> Callable[[str], Any]:
    curl = _curl(headers)

    def get(url: str) -> Any:
        curl.setopt(curl.URL, url)
        body = curl.perform_rb()
        checked(curl.getinfo(curl.RESPONSE_CODE))
        return body

    return get


def _pyreqwest(headers: dict[str, str], connections: int) -> Callable[[str], Any]:
    builder = module("pyreqwest.client").SyncClientBuilder()
    client = builder.default_headers(headers).pool_max_idle_per_host(connections).build()

    def get(url: str) -> Any:
        response = client.get(url).build().send()
        checked(response.status)
        return memoryview(response.bytes())

    return get


def _primp(headers: dict[str, str], _: int) -> Callable[[str], Any]:
    client = module("primp").Client(headers=headers, cookie_store=False, referer=False)

    def get(url: str) -> Any:
        response = client.get(url)
        checked(response.status_code)
        return response.content

    return get


def _wreq(headers: dict[str, str], connections: int) -> Callable[[str], Any]:
    client = module("wreq.blocking").Client(headers=headers, pool_max_idle_per_host=connections)

    def get(url: str) -> Any:
        response = client.get(url)
        checked(response.status.as_int())
        return response.bytes()

    return get


BLOCKING: dict[str, Callable[[dict[str, str], int], Callable[[str], Any]]] = {
    "requests": _requests,
    "httpx": _httpx,
    "pycurl": _pycurl,
    "pyreqwest": _pyreqwest,
    "primp": _primp,
    "wreq": _wreq,
}


@contextlib.asynccontextmanager
async def asynchronous(
    client: str, token: str, connections: int = 1
) -> AsyncGenerator[Callable[[str], Awaitable[Any]]]:
    """Make a client of the running loop, and give its coroutine function from a URL to the bytes that it answers."""
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    async with ASYNC[client](headers, connections) as get:
        yield get


@contextlib.asynccontextmanager
async def _aiohttp(headers: dict[str, str], connections: int) -> AsyncGenerator[Callable[[str], Awaitable[Any]]]:
    connector = module("aiohttp").TCPConnector(limit=connections)
    async with module("aiohttp").ClientSession(headers=headers, connector=connector) as session:

        async def get(url: str) -> Any:
            async with session.get(url) as response:
                checked(response.status)
                return await response.read()

        yield get


@contextlib.asynccontextmanager
async def _httpx_async(headers: dict[str, str], connections: int) -> AsyncGenerator[Callable[[str], Awaitable[Any]]]:
    limits = module("httpx").Limits(max_connections=connections, max_keepalive_connections=connections)
    async with module("httpx").AsyncClient(headers=headers, limits=limits, timeout=60) as client:

        async def get(url: str) -> Any:
            response = await client.get(url)
            checked(response.status_code)
            return response.content

        yield get


@contextlib.asynccontextmanager
async def _pyreqwest_async(
    headers: dict[str, str], connections: int
) -> AsyncGenerator[Callable[[str], Awaitable[Any]]]:
    builder = module("pyreqwest.client").ClientBuilder()
    async with builder.default_headers(headers).pool_max_idle_per_host(connections).build() as client:

        async def get(url: str) -> Any:
            response = await client.get(url).build().send()
            checked(response.status)
            return memoryview(await response.bytes())

        yield get


@contextlib.asynccontextmanager
async def _primp_async(headers: dict[str, str], _: int) -> AsyncGenerator[Callable[[str], Awaitable[Any]]]:
    client = module("primp").AsyncClient(headers=headers, cookie_store=False, referer=False)

    async def get(url: str) -> Any:
        response = await client.get(url)
        checked(response.status_code)
        return response.content

    yield get


@contextlib.asynccontextmanager
async def _wreq_async(headers: dict[str, str], connections: int) -> AsyncGenerator[Callable[[str], Awaitable[Any]]]:
    client = module("wreq").Client(headers=headers, pool_max_idle_per_host=connections)

    async def get(url: str) -> Any:
        response = await client.get(url)
        checked(response.status.as_int())
        return await response.bytes()

    yield get


ASYNC: dict[str, Callable[[dict[str, str], int], contextlib.AbstractAsyncContextManager[Callable[[str], Any]]]] = {
    "aiohttp": _aiohttp,
    "httpx async": _httpx_async,
    "pyreqwest async": _pyreqwest_async,
    "primp async": _primp_async,
    "wreq async": _wreq_async,
}


def in_threads(
    client: str, token: str, urls: Sequence[str], in_flight: int, take: Callable[[Any], Any]
) -> Callable[[], list[Any]]:
    """Prepare to ask for the URLs from so many threads; what is taken of the answers comes in their order."""
    get = blocking(client, token, in_flight)
    get(urls[0])

    def ask(url: str) -> Any:
        return take(get(url))

    def run() -> list[Any]:
        with ThreadPoolExecutor(in_flight) as pool:
            return list(pool.map(ask, urls))

    return run


def in_multi(token: str, urls: Sequence[str], in_flight: int, take: Callable[[Any], Any]) -> Callable[[], list[Any]]:
    """Prepare to ask for the URLs with so many handles of curl on one thread."""
    pycurl = module("pycurl")
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    multi = pycurl.CurlMulti()
    handles: list[Any] = [_curl(headers) for _ in range(in_flight)]
    curl = handles[0]
    curl.setopt(curl.URL, urls[0])
    curl.perform_rb()

    def run() -> list[Any]:
        taken: list[Any] = [None] * len(urls)
        waiting = iter(enumerate(urls))
        at_work = sum(_begin(multi, handle, waiting) for handle in handles)
        while at_work:
            multi.perform()
            _, done, failed = multi.info_read(in_flight)
            if failed:
                raise RuntimeError(str(failed))
            for handle in done:
                checked(handle.getinfo(pycurl.RESPONSE_CODE))
                multi.remove_handle(handle)
                taken[handle.number] = take(handle.body.getbuffer())
                at_work += _begin(multi, handle, waiting) - 1
            if not done:
                multi.select(1.0)
        return taken

    return run


def _begin(multi: Any, handle: Any, waiting: Iterable[tuple[int, str]]) -> int:
    for number, url in waiting:
        handle.number, handle.body = number, io.BytesIO()
        handle.setopt(handle.URL, url)
        handle.setopt(handle.WRITEDATA, handle.body)
        multi.add_handle(handle)
        return 1
    return 0


async def in_tasks(
    get: Callable[[str], Awaitable[Any]], urls: Sequence[str], in_flight: int, take: Callable[[Any], Any]
) -> list[Any]:
    """Ask for the URLs with so many tasks, each of which takes the next URL: no task for each URL, no semaphore."""
    taken: list[Any] = [None] * len(urls)
    waiting = iter(enumerate(urls))

    async def work() -> None:
        for number, url in waiting:
            taken[number] = take(await get(url))

    await asyncio.gather(*(work() for _ in range(in_flight)))
    return taken


def download(client: str, token: str, url: str, path: Path) -> Callable[[], None]:
    """Prepare to save what is behind a redirect, which is asked for without the token; a request has been made."""
    headers = {"authorization": f"Bearer {token}"}
    return DOWNLOADS[client](headers, url, path)


CHUNK = 1 << 18


def _download_requests(headers: dict[str, str], url: str, path: Path) -> Callable[[], None]:
    session = module("requests").Session()
    session.get(url, headers=headers, allow_redirects=False)

    def run() -> None:
        location = session.get(url, headers=headers, allow_redirects=False).headers["location"]
        with session.get(location, stream=True) as response, path.open("wb") as file:
            checked(response.status_code)
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)

    return run


def _download_httpx(headers: dict[str, str], url: str, path: Path) -> Callable[[], None]:
    client = module("httpx").Client()
    client.get(url, headers=headers)

    def run() -> None:
        location = client.get(url, headers=headers).headers["location"]
        with client.stream("GET", location) as response, path.open("wb") as file:
            checked(response.status_code)
            for chunk in response.iter_bytes(CHUNK):
                file.write(chunk)

    return run


def _download_aiohttp(headers: dict[str, str], url: str, path: Path) -> Callable[[], None]:
    runner = asyncio.Runner()

    async def open_session() -> Any:
        session = module("aiohttp").ClientSession()
        async with session.get(url, headers=headers, allow_redirects=False):
            return session

    session = runner.run(open_session())

    async def fetch() -> None:
        async with session.get(url, headers=headers, allow_redirects=False) as response:
            location = response.headers["location"]
        async with session.get(location) as response:
            checked(response.status)
            with path.open("wb") as file:
                async for chunk in response.content.iter_chunked(CHUNK):
                    file.write(chunk)
        await session.close()

    return lambda: runner.run(fetch())


def _download_pycurl(headers: dict[str, str], url: str, path: Path) -> Callable[[], None]:
    curl, storage = _curl(headers), _curl({})
    curl.setopt(curl.URL, url)
    curl.perform_rb()

    def run() -> None:
        curl.perform_rb()
        storage.setopt(storage.URL, curl.getinfo(curl.REDIRECT_URL))
        storage.setopt(storage.BUFFERSIZE, CHUNK)
        with path.open("wb") as file:
            storage.setopt(storage.WRITEDATA, file)
            storage.perform()
        checked(storage.getinfo(storage.RESPONSE_CODE))

    return run


def _download_pyreqwest(headers: dict[str, str], url: str, path: Path) -> Callable[[], None]:
    client = module("pyreqwest.client").SyncClientBuilder().follow_redirects(enable=False).build()
    client.get(url).headers(headers).build().send()

    def run() -> None:
        location = client.get(url).headers(headers).build().send().headers["location"]
        with client.get(location).build_streamed() as response, path.open("wb") as file:
            checked(response.status)
            while chunk := response.body_reader.read(CHUNK):
                file.write(memoryview(chunk))

    return run


def _download_primp(headers: dict[str, str], url: str, path: Path) -> Callable[[], None]:
    client = module("primp").Client(follow_redirects=False)
    client.get(url, headers=headers)

    def run() -> None:
        location = client.get(url, headers=headers).headers["location"]
        with client.get(location, stream=True) as response, path.open("wb") as file:
            checked(response.status_code)
            for chunk in response.iter_bytes(CHUNK):
                file.write(chunk)

    return run


def _download_wreq(headers: dict[str, str], url: str, path: Path) -> Callable[[], None]:
    client = module("wreq.blocking").Client()
    client.get(url, headers=headers).bytes()

    def run() -> None:
        with client.get(url, headers=headers) as response:
            location = str(response.headers["location"], "ascii")
        with client.get(location) as response, path.open("wb") as file:
            checked(response.status.as_int())
            for chunk in response.stream():
                file.write(chunk)

    return run


DOWNLOADS: dict[str, Callable[[dict[str, str], str, Path], Callable[[], None]]] = {
    "requests": _download_requests,
    "httpx": _download_httpx,
    "aiohttp": _download_aiohttp,
    "pycurl": _download_pycurl,
    "pyreqwest": _download_pyreqwest,
    "primp": _download_primp,
    "wreq": _download_wreq,
}
