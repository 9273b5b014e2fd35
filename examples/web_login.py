"""A web service on FastAPI, async, in which people sign in with Studio: each sees the collections that they may see.

Usage: uvicorn --app-dir examples web_login:app, and then http://127.0.0.1:8000/collections

With CANVAS_STUDIO_URL, CANVAS_STUDIO_CLIENT_ID, CANVAS_STUDIO_CLIENT_SECRET and REDIRECT_URI set, people sign in at
that school. Studio redirects to https only, and not to localhost (observed), so a proxy with a certificate stands in
front of this service, and REDIRECT_URI is its address: https://app.example.edu/studio/callback, say. Without them, it
is a sandbox, at which a teacher signs in as soon as somebody comes.

The tokens are in a folder, TOKENS: a file for each session, with a lock of its own, so that nobody waits for the
refresh of somebody else. They are passwords: only this service's user can read them.
"""

import logging
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from canvas_studio import (
    FileTokenStore,
    LoginRequiredError,
    OAuth,
    SignInError,
    StudioClient,
    StudioError,
    TokenStore,
    TokenStoreError,
)
from canvas_studio.sandbox import Sandbox
from fastapi import Cookie, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

CALLBACK = "/studio/callback"
SENT, SESSION = "studio_sent", "studio_session"
ASK = """<!doctype html><title>Sign in</title>
<p>Did you just ask to sign in here with Studio, and allow it there? If not, close this page.
<form method="post"><button>Yes, sign me in</button></form>"""
# What a person can mend by signing in again; all else is this service's own trouble, such as a wrong client secret.
FOR_THE_PERSON = ("access_denied", "invalid_grant", "other_state")


@dataclass(frozen=True, slots=True)
class School:
    """Where people sign in, with which developer key, and where their tokens are kept."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    tokens: Path

    def oauth(self, store: TokenStore | None = None) -> OAuth:
        """Make the sign-in of one person."""
        key = self.client_id, self.client_secret
        return OAuth(*key, store=store, url=self.url, redirect_uri=self.redirect_uri)

    def tokens_of(self, session: str) -> Path:
        """Return where the tokens of a session are. Its name is a secret, so it is no name of a file."""
        return self.tokens / f"{sha256(session.encode()).hexdigest()}.json"


@lru_cache(maxsize=1000)
def person(school: School, session: str) -> tuple[OAuth, StudioClient]:
    """Keep one `OAuth` and one client for each person, so that requests that come at once refresh once."""
    oauth = school.oauth(FileTokenStore(school.tokens_of(session)))
    # Somebody waits for each answer.
    return oauth, StudioClient(school.url, auth=oauth, timeout=20, max_retries=1)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Find out where people sign in."""
    tokens = Path(os.environ.get("TOKENS", "demo-output/web_login"))
    async with nullcontext() if os.environ.get("CANVAS_STUDIO_URL") else Sandbox() as box:
        if box:
            school = School(box.url, box.client_id, box.client_secret, box.redirect_uris[0], tokens)
        else:
            url, redirect_uri = os.environ["CANVAS_STUDIO_URL"], os.environ["REDIRECT_URI"]
            key = os.environ["CANVAS_STUDIO_CLIENT_ID"], os.environ["CANVAS_STUDIO_CLIENT_SECRET"]
            school = School(url, *key, redirect_uri, tokens)
        print("An invented library, in a sandbox" if box else school.url, flush=True)
        yield {"box": box, "school": school}


def school_of(request: Request) -> School:
    """Return where people sign in."""
    school: School = request.state.school
    return school


Where = Annotated[School, Depends(school_of)]


def session_of(school: Where, session: Annotated[str | None, Cookie(alias=SESSION)] = None) -> str:
    """Return the session of whoever asks. One that nobody has begun gets no files."""
    if session is None or not school.tokens_of(session).exists():
        raise LoginRequiredError("nobody has signed in", reason="no_session")
    return session


Session = Annotated[str, Depends(session_of)]
app = FastAPI(title="Studio for everybody", lifespan=lifespan)


@app.get("/login")
async def login(request: Request, school: Where) -> RedirectResponse:
    """Send the browser to Studio's page, and let it remember that it was sent."""
    state, verifier = secrets.token_urlsafe(), secrets.token_urlsafe(48)
    page = school.oauth().authorization_url(state=state, code_verifier=verifier)
    box: Sandbox | None = request.state.box
    if box:
        # Nobody is there to press the button, and nothing leads from its redirect URI to here.
        teacher = next(user for user in box.users if user.role == "teacher")
        page = f"{CALLBACK}?{urlsplit(box.authorize(page, user=teacher)).query}"
    answer = RedirectResponse(page, 303)
    kept = f"{state}.{verifier}"
    answer.set_cookie(SENT, kept, max_age=600, path=CALLBACK, secure=box is None, httponly=True, samesite="lax")
    return answer


@app.api_route(CALLBACK, methods=["GET", "POST"])
async def come_back(
    request: Request, school: Where, sent: Annotated[str | None, Cookie(alias=SENT)] = None
) -> Response:
    """Turn the code with which Studio sends the browser back into tokens, and begin a session."""
    if sent is None:
        raise HTTPException(403, "This browser was not sent to Studio: begin at /login.")
    if request.method == "GET" and "code" in request.query_params and "state" not in request.query_params:
        # Studio may send no state back (observed in 2024). Then somebody else's page could have sent this browser here,
        # with a code of its own, so the person is asked; a stranger's page cannot press this button, nor frame it.
        return HTMLResponse(ASK, headers={"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"})
    state, _, verifier = sent.partition(".")
    session = secrets.token_urlsafe()
    oauth, _ = person(school, session)
    # The proxy's address, since that is where Studio redirected to.
    await oauth.exchange_async(f"{school.redirect_uri}?{request.url.query}", state, code_verifier=verifier)
    answer = RedirectResponse("/collections", 303)
    answer.delete_cookie(SENT, path=CALLBACK)
    is_secure = request.state.box is None
    answer.set_cookie(SESSION, session, max_age=30 * 86_400, secure=is_secure, httponly=True, samesite="lax")
    return answer


@app.get("/collections")
async def list_collections(school: Where, session: Session) -> list[dict[str, Any]]:
    """List the collections that whoever asks may see."""
    _, studio = person(school, session)
    return [
        {"id": collection.id, "name": collection.name, "type": collection.type}
        async for collection in studio.list_collections()
    ]


@app.post("/logout")
async def logout(school: Where, session: Session) -> JSONResponse:
    """Forget the tokens. Studio has no documented way to revoke them."""
    oauth, _ = person(school, session)
    await oauth.forget_async()
    answer = JSONResponse({"detail": "Signed out."})
    answer.delete_cookie(SESSION)
    return answer


@app.exception_handler(LoginRequiredError)
async def ask_to_sign_in(_request: Request, _error: LoginRequiredError) -> RedirectResponse:
    """Send whoever is not signed in, or not any more, to Studio."""
    return RedirectResponse("/login", 303)


@app.exception_handler(StudioError)
async def answer_error(request: Request, error: StudioError) -> JSONResponse:
    """Say what went wrong as an HTTP status."""
    if isinstance(error, SignInError) and error.reason in FOR_THE_PERSON:
        return JSONResponse({"detail": f"{error}: begin again at /login"}, 403)
    logging.getLogger(__name__).error("%s: %s", request.url.path, error)
    if isinstance(error, TokenStoreError):
        return JSONResponse({"detail": "The tokens cannot be kept."}, 500)
    return JSONResponse({"detail": "Studio did not answer as expected."}, 502)
