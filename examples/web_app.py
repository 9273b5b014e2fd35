"""A web service on FastAPI, async: the collections of a user, and a URL from which a media can be downloaded.

Usage: uvicorn --app-dir examples web_app:app, and then http://127.0.0.1:8000/docs

It asks the school that `canvas-studio login` or CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN have set up; without one, a
sandbox. The first line of its output says which. Whoever reaches this service acts with the rights of that token:
before it leaves this machine, it needs a sign-in of its own.
"""

import logging
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from typing import Annotated, Any

from canvas_studio import (
    APIStatusError,
    APITimeoutError,
    InvalidArgumentError,
    RateLimitError,
    StudioClient,
    StudioError,
    profiles,
)
from canvas_studio.sandbox import Sandbox
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

# What the caller asked for is wrong; any other status of Studio's is this service's own trouble.
FOR_THE_CALLER = (403, 404, 422)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, StudioClient]]:
    """Keep one client for the whole application: it holds the connections, and serves any number of requests."""
    async with nullcontext() if profiles.is_set_up() else Sandbox() as box:
        studio = box.client() if box else StudioClient.from_env()
        print("An invented library, in a sandbox" if box else studio.url, flush=True)
        # Somebody waits for each answer.
        async with studio.with_options(timeout=20, max_retries=1) as client:
            yield {"studio": client}


def studio_of(request: Request) -> StudioClient:
    """Return the application's client."""
    client: StudioClient = request.state.studio
    return client


Studio = Annotated[StudioClient, Depends(studio_of)]
app = FastAPI(title="Studio at our school", lifespan=lifespan)


@app.get("/users/{user_id}/collections")
async def list_collections(user_id: int, studio: Studio) -> list[dict[str, Any]]:
    """List the collections that a user owns."""
    return [
        {"id": collection.id, "name": collection.name, "type": collection.type}
        async for collection in studio.list_collections()
        if collection.owner is not None and collection.owner.id == user_id
    ]


@app.get("/media/{media_id}/download-url")
async def get_download_url(media_id: int, studio: Studio) -> dict[str, str]:
    """Give a signed URL: whoever has it can read the file for 24 hours."""
    return {"url": await studio.get_download_url_async(media_id)}


@app.exception_handler(StudioError)
async def answer_error(request: Request, error: StudioError) -> JSONResponse:
    """Say what went wrong as an HTTP status: the caller's mistakes as they are, all else as that of a gateway."""
    headers: dict[str, str] = {}
    if isinstance(error, APIStatusError) and error.status_code in FOR_THE_CALLER:
        status, detail = error.status_code, str(error)
    elif isinstance(error, InvalidArgumentError):
        status, detail = 422, str(error)
    else:
        logging.getLogger(__name__).error("%s: %s", request.url.path, error)
        status, detail = 502, "Studio did not answer as expected."
        if isinstance(error, RateLimitError):
            status, detail = 503, "Studio is busy."
            headers = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
        elif isinstance(error, APITimeoutError):
            status, detail = 504, "Studio took too long."
    return JSONResponse({"detail": detail}, status, headers)
