"""Signing in at the sandbox: the consent page, the token endpoint, and tokens that expire."""

from __future__ import annotations

import base64
import re
import time
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from canvas_studio import AuthenticationError, StudioClient
from canvas_studio.sandbox import Assumptions, Sandbox
from support.plain_http import Answer, ask, send_form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AUTHORIZE = "/api/public/oauth/authorize"
TOKEN = "/api/public/oauth/token"
CALLBACK = "https://app.example.edu/studio/callback"
OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
# That of RFC 7636, appendix B.
S256 = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


def wish(box: Sandbox, **changes: str | None) -> dict[str, str]:
    """What an application sends a person to the authorize page with."""
    fields: dict[str, str | None] = {
        "client_id": box.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "state": "state-of-the-application",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def authorization_url(box: Sandbox, **changes: str | None) -> str:
    return f"{box.url}{AUTHORIZE}?{urlencode(wish(box, **changes))}"


def code_of(box: Sandbox, user: int | None = None) -> str:
    [code] = parse_qs(urlsplit(box.authorize(authorization_url(box), user=user)).query)["code"]
    return code


def exchange(box: Sandbox, credentials: str = "form", **fields: str) -> Answer:
    """Ask the token endpoint, with the credentials in one of the two ways that are observed."""
    secret = {"client_id": box.client_id, "client_secret": box.client_secret}
    if credentials == "form":
        return send_form(box.url, TOKEN, secret | fields)
    return send_form(box.url, TOKEN, fields, {"Authorization": basic(box.client_id, box.client_secret, credentials)})


def basic(client_id: str, client_secret: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(f'{client_id}:{client_secret}'.encode()).decode()}"


def for_code(box: Sandbox, code: str | None = None, **fields: str) -> dict[str, str]:
    asked = {"grant_type": "authorization_code", "code": code or code_of(box), "redirect_uri": CALLBACK}
    return asked | fields


def assert_tokens(answer: Answer, lifetime: int = 7200) -> dict[str, Any]:
    """A token set has the fields that were observed, and no others."""
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"
    tokens: dict[str, Any] = answer.json
    assert {name: type(value) for name, value in tokens.items()} == {
        "access_token": str,
        "token_type": str,
        "expires_in": int,
        "refresh_token": str,
        "created_at": int,
    }
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", lifetime)
    assert abs(tokens["created_at"] - time.time()) < 10
    return tokens


def assert_token_error(answer: Answer, status: int, error: str) -> None:
    """RFC 6749, section 5.2."""
    assert (answer.status, answer.json["error"]) == (status, error), answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert isinstance(answer.json["error_description"], str)


def ping(box: Sandbox, token: str | None) -> int:
    return ask(box.url, "GET", "/ping", token=token).status


def assert_error_page(answer: Answer) -> None:
    assert answer.status == 400, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "location" not in answer.headers


def test_the_authorize_page_asks_and_its_form_leads_back_with_a_code(box: Sandbox) -> None:
    teacher = box.add_user("Ada <Park> & Söhne")
    page = ask(authorization_url(box))
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    hidden = dict(re.findall(r'<input type=hidden name="(\w+)" value="([^"]*)">', page.text))
    assert {name: unescape(value) for name, value in hidden.items()} == wish(box)
    names = [unescape(name) for name in re.findall(r"<option value=\d+>([^<]+)</option>", page.text)]
    assert "Ada <Park> & Söhne" in names
    answer = send_form(box.url, AUTHORIZE, hidden | {"user_id": str(teacher)})
    assert answer.status == 302
    back = urlsplit(answer.headers["location"])
    assert back._replace(query="").geturl() == CALLBACK
    [code] = parse_qs(back.query)["code"]
    tokens = assert_tokens(exchange(box, **for_code(box, code)))
    made = ask(box.url, "POST", "/collections", token=tokens["access_token"], query={"name": "x"}).json
    assert made["collection"]["owner"]["id"] == teacher


def test_the_authorize_page_escapes_what_it_is_sent(box: Sandbox) -> None:
    page = ask(authorization_url(box, state='"><script>alert(1)</script>'))
    assert page.status == 200
    assert "<script>" not in page.text


WRONG_WISHES: dict[str, dict[str, str | None]] = {
    "no client_id": {"client_id": None},
    "unknown client_id": {"client_id": "somebody-else"},
    "no redirect_uri": {"redirect_uri": None},
    "http": {"redirect_uri": "http://app.example.edu/studio/callback"},
    "localhost": {"redirect_uri": "https://localhost/callback"},
    "localhost with a port": {"redirect_uri": "https://localhost:8443/callback"},
    "loopback": {"redirect_uri": "https://127.0.0.1/callback"},
    "loopback in IPv6": {"redirect_uri": "https://[::1]/callback"},
    "not registered": {"redirect_uri": "https://evil.example.com/callback"},
    "longer than registered": {"redirect_uri": f"{CALLBACK}/more"},
    "another query": {"redirect_uri": f"{CALLBACK}?a=b"},
    "no URL": {"redirect_uri": "callback"},
    "no response_type": {"response_type": None},
    "implicit": {"response_type": "token"},
    "a method of PKCE that is none": {**S256, "code_challenge_method": "S512"},
    "a method of PKCE without a challenge": {"code_challenge_method": "S256"},
    "a challenge that is too short": {"code_challenge": "short"},
    "a challenge with other letters": {"code_challenge": "+" * 43},
    "with markup": {"redirect_uri": "<script>alert(1)</script>"},
}


@pytest.mark.parametrize("changes", WRONG_WISHES.values(), ids=WRONG_WISHES)
def test_a_wish_that_cannot_be_granted_is_an_error_page_and_never_a_redirect(
    box: Sandbox, changes: dict[str, str | None]
) -> None:
    page = ask(authorization_url(box, **changes))
    assert_error_page(page)
    assert "<script>" not in page.text
    assert_error_page(send_form(box.url, AUTHORIZE, wish(box, **changes)))
    with pytest.raises(ValueError, match=r"\w"):
        box.authorize(authorization_url(box, **changes))


def test_nobody_signs_in_who_is_not_there(box: Sandbox) -> None:
    assert_error_page(send_form(box.url, AUTHORIZE, wish(box) | {"user_id": "1000000"}))
    with pytest.raises(ValueError, match="no user"):
        box.authorize(authorization_url(box), user=1_000_000)


@pytest.mark.parametrize("wrong", ["http://127.0.0.1:1/api/public/oauth/authorize?x=1", "/api/public/oauth/authorize"])
def test_authorize_opens_only_the_page_of_its_own_sandbox(box: Sandbox, wrong: str) -> None:
    with pytest.raises(ValueError, match="authorization_url must begin"):
        box.authorize(wrong)
    with pytest.raises(ValueError, match="authorization_url must begin"):
        box.authorize(authorization_url(box).replace("/oauth/authorize", "/oauth/token"))


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example.edu/cb",
        "https://localhost/cb",
        "https://app.localhost/",
        "https://127.0.0.1/",
        "callback",
        "",
    ],
)
def test_a_key_takes_no_redirect_uri_that_studio_refuses(uri: str) -> None:
    with pytest.raises(ValueError, match="redirect_uris"):
        Sandbox(media=0, redirect_uris=[CALLBACK, uri])


def test_a_key_has_the_redirect_uris_that_it_was_given() -> None:
    uris = ("https://one.example.edu/cb?tenant=7", OUT_OF_BAND)
    with Sandbox(media=0, redirect_uris=uris) as box:
        assert box.redirect_uris == uris
        back = urlsplit(box.authorize(authorization_url(box, redirect_uri=uris[0])))
        # What the URI already says stays.
        assert set(parse_qs(back.query)) == {"tenant", "code", "state"}
        assert_error_page(ask(authorization_url(box)))


def test_out_of_band_shows_the_code_instead_of_redirecting(box: Sandbox) -> None:
    page = send_form(box.url, AUTHORIZE, wish(box, redirect_uri=OUT_OF_BAND))
    assert page.status == 200
    assert "location" not in page.headers
    [shown] = re.findall(r"<pre>([^<]+)</pre>", page.text)
    bare = box.authorize(authorization_url(box, redirect_uri=OUT_OF_BAND))
    for code in (shown, bare):
        assert_tokens(exchange(box, **for_code(box, code, redirect_uri=OUT_OF_BAND)))


@pytest.mark.parametrize("echoed", [False, True])
def test_state_echoed_decides_whether_the_redirect_brings_state_back(echoed: bool) -> None:  # noqa: FBT001
    state = "a state & more=1"
    with Sandbox(media=0, assumptions=Assumptions(state_echoed=echoed)) as box:
        posted = send_form(box.url, AUTHORIZE, wish(box, state=state)).headers["location"]
        for url in (posted, box.authorize(authorization_url(box, state=state))):
            query = parse_qs(urlsplit(url).query)
            assert query.get("state") == ([state] if echoed else None)
            assert len(query["code"]) == 1
        assert "state" not in box.authorize(authorization_url(box, state=None))


CHALLENGES: dict[str, dict[str, str]] = {
    "S256": S256,
    "plain": {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
    "plain unless it says so": {"code_challenge": VERIFIER},
}
with_challenge = pytest.mark.parametrize("challenge", CHALLENGES.values(), ids=CHALLENGES)


def challenged(box: Sandbox, challenge: dict[str, str]) -> str:
    [code] = parse_qs(urlsplit(box.authorize(authorization_url(box, **challenge))).query)["code"]
    return code


@with_challenge
def test_a_code_with_a_challenge_is_exchanged_with_its_verifier(box: Sandbox, challenge: dict[str, str]) -> None:
    assert_tokens(exchange(box, **for_code(box, challenged(box, challenge), code_verifier=VERIFIER)))


def test_the_page_in_the_browser_takes_a_challenge_along(box: Sandbox) -> None:
    page = ask(authorization_url(box, **S256))
    hidden = dict(re.findall(r'<input type=hidden name="(\w+)" value="([^"]*)">', page.text))
    assert {name: unescape(value) for name, value in hidden.items()} == wish(box, **S256)
    [code] = parse_qs(urlsplit(send_form(box.url, AUTHORIZE, hidden).headers["location"]).query)["code"]
    assert_token_error(exchange(box, **for_code(box, code)), 400, "invalid_grant")


@with_challenge
@pytest.mark.parametrize(
    "verifier", [None, "", "short", VERIFIER[::-1], S256["code_challenge"], VERIFIER + "a", "é" * 43]
)
def test_a_code_with_a_challenge_is_not_exchanged_without_its_verifier(
    box: Sandbox, challenge: dict[str, str], verifier: str | None
) -> None:
    asked = for_code(box, challenged(box, challenge))
    if verifier is not None:
        asked["code_verifier"] = verifier
    assert_token_error(exchange(box, **asked), 400, "invalid_grant")


def test_a_verifier_without_a_challenge_is_refused(box: Sandbox) -> None:
    """RFC 9700, 4.8.2: else somebody could have taken the challenge off."""
    assert_token_error(exchange(box, **for_code(box, code_verifier=VERIFIER)), 400, "invalid_grant")


def test_a_challenge_is_in_the_snapshot(box: Sandbox, tmp_path: Path) -> None:
    code = challenged(box, S256)
    with Sandbox.load(box.snapshot(tmp_path / "box.json")) as loaded:
        assert_token_error(exchange(loaded, **for_code(loaded, code)), 400, "invalid_grant")
    assert_tokens(exchange(box, **for_code(box, code, code_verifier=VERIFIER)))


credentials_in = pytest.mark.parametrize("credentials", ["form", "Basic", "basic"])


@credentials_in
def test_a_code_is_exchanged_for_tokens_of_whoever_allowed_it(box: Sandbox, credentials: str) -> None:
    teacher = box.add_user("Ada Park")
    own = box.add_media(owner=teacher)
    box.add_media("Of the administrator")
    tokens = assert_tokens(exchange(box, credentials, **for_code(box, code_of(box, teacher))))
    found = ask(box.url, "GET", "/media/search", token=tokens["access_token"]).json["media"]
    assert [media["id"] for media in found] == [own]


@credentials_in
def test_a_refresh_brings_a_new_pair_and_ends_the_refresh_token(box: Sandbox, credentials: str) -> None:
    teacher = box.add_user("Ada Park")
    first = box.oauth_token(user=teacher)
    second = assert_tokens(exchange(box, credentials, grant_type="refresh_token", refresh_token=first["refresh_token"]))
    assert len({first["access_token"], first["refresh_token"], second["access_token"], second["refresh_token"]}) == 4
    again = exchange(box, credentials, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert_token_error(again, 400, "invalid_grant")
    third = assert_tokens(exchange(box, credentials, grant_type="refresh_token", refresh_token=second["refresh_token"]))
    made = ask(box.url, "POST", "/collections", token=third["access_token"], query={"name": "x"}).json
    assert made["collection"]["owner"]["id"] == teacher


def test_a_refresh_may_bring_the_redirect_uri_along(box: Sandbox) -> None:
    refresh = {"grant_type": "refresh_token", "refresh_token": box.oauth_token()["refresh_token"]}
    assert_tokens(exchange(box, **refresh, redirect_uri=CALLBACK))


def test_without_refresh_tokens_rotate_a_refresh_token_stays_good() -> None:
    with Sandbox(media=0, assumptions=Assumptions(refresh_tokens_rotate=False)) as box:
        refresh = {"grant_type": "refresh_token", "refresh_token": box.oauth_token()["refresh_token"]}
        for _ in range(2):
            tokens = assert_tokens(exchange(box, **refresh))
            assert ping(box, tokens["access_token"]) == 200


def test_a_code_is_good_once(box: Sandbox) -> None:
    asked = for_code(box)
    assert_tokens(exchange(box, **asked))
    assert_token_error(exchange(box, **asked), 400, "invalid_grant")


@pytest.mark.parametrize("uri", [None, OUT_OF_BAND, "https://evil.example.com/"])
def test_a_code_is_good_with_the_redirect_uri_that_it_was_asked_for_with(box: Sandbox, uri: str | None) -> None:
    asked = for_code(box)
    del asked["redirect_uri"]
    if uri is not None:
        asked["redirect_uri"] = uri
    assert_token_error(exchange(box, **asked), 400, "invalid_grant")


REFUSED_GRANTS: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, "invalid_request"),
    "no code": ({"grant_type": "authorization_code", "redirect_uri": CALLBACK}, "invalid_request"),
    "a made-up code": (
        {"grant_type": "authorization_code", "code": "made-up", "redirect_uri": CALLBACK},
        "invalid_grant",
    ),
    "no refresh token": ({"grant_type": "refresh_token"}, "invalid_request"),
    "a made-up refresh token": ({"grant_type": "refresh_token", "refresh_token": "made-up"}, "invalid_grant"),
    "another grant": ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    "a password": ({"grant_type": "password", "username": "x", "password": "y"}, "unsupported_grant_type"),
}


@pytest.mark.parametrize("credentials", ["form", "Basic"])
@pytest.mark.parametrize(("fields", "error"), REFUSED_GRANTS.values(), ids=REFUSED_GRANTS)
def test_a_grant_that_is_none_is_400_with_its_error(
    box: Sandbox, credentials: str, fields: dict[str, str], error: str
) -> None:
    assert_token_error(exchange(box, credentials, **fields), 400, error)


def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(box: Sandbox) -> None:
    tokens = box.oauth_token()
    wrong = exchange(box, grant_type="refresh_token", refresh_token=tokens["access_token"])
    assert_token_error(wrong, 400, "invalid_grant")
    assert ping(box, tokens["refresh_token"]) == 401


def test_without_the_key_nothing_is_given_out_and_nothing_is_used_up(box: Sandbox) -> None:
    asked = for_code(box)
    key = {"client_id": box.client_id, "client_secret": box.client_secret}
    wrong_forms: list[dict[str, str]] = [
        {},
        {"client_id": box.client_id},
        {"client_secret": box.client_secret},
        key | {"client_secret": "wrong"},
        key | {"client_id": "wrong"},
        key | {"client_secret": ""},
    ]
    for wrong in wrong_forms:
        assert_token_error(send_form(box.url, TOKEN, asked | wrong), 401, "invalid_client")
    for header in (
        basic(box.client_id, "wrong"),
        basic("wrong", box.client_secret),
        "Basic",
        "Basic !!!",
        f"Basic {base64.b64encode(b'no colon').decode()}",
        f"Bearer {box.token}",
    ):
        answer = send_form(box.url, TOKEN, asked, {"Authorization": header})
        assert_token_error(answer, 401, "invalid_client")
        # RFC 6749, section 5.2: to whom came with this header, the answer says which scheme is taken.
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert_token_error(ask(box.url, "POST", TOKEN, json_body=asked | key), 401, "invalid_client")
    assert_tokens(exchange(box, **asked))


def test_the_token_endpoint_takes_nothing_but_post(box: Sandbox) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert ask(box.url, method, TOKEN, query={"grant_type": "refresh_token"}).status == 405


def test_tokens_are_good_in_their_own_sandbox_only(box: Sandbox) -> None:
    with Sandbox(media=0) as another:
        assert ping(box, another.token) == 401
        refresh = {"grant_type": "refresh_token", "refresh_token": another.oauth_token()["refresh_token"]}
        assert_token_error(exchange(box, **refresh), 400, "invalid_grant")
        assert box.client_id != another.client_id
        assert box.client_secret != another.client_secret


def test_an_access_token_ends_and_its_refresh_token_brings_another() -> None:
    with Sandbox(media=0, token_lifetime=1) as box:
        asked = time.monotonic()
        tokens = assert_tokens(exchange(box, **for_code(box)), lifetime=1)
        assert box.oauth_token()["expires_in"] == 1
        # A machine that stood still meanwhile says nothing.
        assert ping(box, tokens["access_token"]) == 200 or time.monotonic() - asked > 1
        time.sleep(max(0.0, asked + 1.2 - time.monotonic()))
        with StudioClient(box.url, token=tokens["access_token"]) as studio, pytest.raises(AuthenticationError):
            studio.get_media(1)
        assert ping(box, tokens["access_token"]) == 401
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        asked = time.monotonic()
        assert ping(box, exchange(box, **refresh).json["access_token"]) == 200 or time.monotonic() - asked > 1
        # What the sandbox itself hands out does not end.
        assert ping(box, box.token) == ping(box, box.token_for(box.users[0])) == 200


def test_oauth_token_is_what_the_token_endpoint_answers(box: Sandbox) -> None:
    answered = assert_tokens(exchange(box, **for_code(box)))
    made = box.oauth_token()
    assert {name: type(value) for name, value in made.items()} == {name: type(v) for name, v in answered.items()}
    assert made["access_token"] != answered["access_token"]


def token_of(box: Sandbox, name: str) -> str | None:
    tokens: dict[str, Callable[[], str | None]] = {
        "the administrator's": lambda: box.token,
        "a user's": lambda: box.token_for(box.add_user("Ada Park")),
        "from the token endpoint": lambda: exchange(box, **for_code(box)).json["access_token"],
        "fresh": lambda: box.oauth_token()["access_token"],
        "none": lambda: None,
        "made up": lambda: "made-up",
        "the client's secret": lambda: box.client_secret,
        "a code": lambda: code_of(box),
        "empty": lambda: "",
    }
    return tokens[name]()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *((name, 200) for name in ("the administrator's", "a user's", "from the token endpoint", "fresh")),
        *((name, 401) for name in ("none", "made up", "the client's secret", "a code", "empty")),
    ],
)
def test_ping_answers_a_good_token_and_no_other(box: Sandbox, name: str, status: int) -> None:
    answer = ask(box.url, "GET", "/ping", token=token_of(box, name))
    assert answer.status == status
    if status == 200:
        # Observed: text, not JSON.
        assert (answer.text, answer.headers["content-type"]) == ("pong", "text/plain; charset=utf-8")
    else:
        assert isinstance(answer.json["error"], str)
