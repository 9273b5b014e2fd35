"""Tests the exchange of a code for tokens: the URL that a person opens, what they paste back, and what is saved."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import pytest
from canvas_studio import (
    APIConnectionError,
    InternalServerError,
    InvalidArgumentError,
    LoginRequiredError,
    MemoryTokenStore,
    OAuth,
    ResponseDecodeError,
    SignInError,
    StudioClient,
    StudioError,
    Tokens,
    TokenStoreError,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import RESET, TOKEN, Answer, FaultServer, Received, json_answer, media_answer, text_answer
from support.school import CLIENT_ID, CLIENT_SECRET, HOUR, TOKEN_PATH, eventually
from support.token_stores import BlockingStore

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from support.forms import Form

CALLBACK = "https://app.example.edu/studio/callback"
OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
CODE = "code-of-the-tests-3141592653"
GRANTED = {
    "access_token": "access-of-the-tests-1618033988",
    "token_type": "Bearer",
    "expires_in": 7200,
    "refresh_token": "refresh-of-the-tests-1414213562",
    "created_at": 1_700_000_000,
}
WRONG_TYPE = (InvalidArgumentError, TypeError)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


def oauth_of(server: FaultServer, **changes: Any) -> OAuth:
    given: dict[str, Any] = {"url": server.url, "redirect_uri": CALLBACK, **changes}
    return OAuth(CLIENT_ID, CLIENT_SECRET, **given)


def key_of(box: Sandbox, **changes: Any) -> OAuth:
    """The sandbox's key, for the web application that it is registered for."""
    given: dict[str, Any] = {"url": box.url, "redirect_uri": CALLBACK, **changes}
    return OAuth(box.client_id, given.pop("client_secret", box.client_secret), **given)


def asked_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)


def test_the_authorization_url_asks_studio_for_a_code() -> None:
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, url="myschool", redirect_uri=CALLBACK)
    url = oauth.authorization_url(state="state-7")
    assert url.partition("?")[0] == "https://myschool.instructuremedia.com/api/public/oauth/authorize"
    assert asked_of(url) == {
        "client_id": [CLIENT_ID],
        "response_type": ["code"],
        "redirect_uri": [CALLBACK],
        "state": ["state-7"],
    }


def test_the_authorization_url_needs_no_state_and_no_redirect_uri() -> None:
    asked = asked_of(OAuth(CLIENT_ID, CLIENT_SECRET, url="myschool").authorization_url())
    assert asked == {"client_id": [CLIENT_ID], "response_type": ["code"], "redirect_uri": [OUT_OF_BAND]}


@pytest.mark.parametrize("value", ["a b&c=d#e?f", "Übung/+%20", "😀", "x" * 553])
def test_the_authorization_url_keeps_what_has_to_be_encoded(value: str) -> None:
    redirect_uri = f"https://app.example.edu/cb?to={quote(value)}"
    oauth = OAuth("key&of=the#tests?+%20", CLIENT_SECRET, url="myschool", redirect_uri=redirect_uri)
    url = oauth.authorization_url(state=value)
    assert url.isascii()
    assert "#" not in url
    assert asked_of(url) == {
        "client_id": ["key&of=the#tests?+%20"],
        "response_type": ["code"],
        "redirect_uri": [redirect_uri],
        "state": [value],
    }


def test_the_authorization_url_holds_no_secret_and_sends_nothing() -> None:
    with FaultServer(json_answer({})) as server:
        url = oauth_of(server).authorization_url(state="state-7")
        assert url.startswith(f"{server.url}/api/public/oauth/authorize?")
        assert CLIENT_SECRET not in url
    assert server.requests == []


def test_without_a_school_nobody_can_sign_in(form: Form) -> None:
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET)
    with pytest.raises(InvalidArgumentError, match=r"\burl\b"):
        oauth.authorization_url()
    with pytest.raises(InvalidArgumentError, match=r"\burl\b"):
        form.call(oauth, "exchange", CODE)


def test_a_code_that_was_asked_for_with_a_verifier_is_good_only_with_it(form: Form, box: Sandbox) -> None:
    oauth, verifier = (
        OAuth(box.client_id, box.client_secret, url=box.url),
        "a-verifier-of-forty-three-letters.or~more_00",
    )
    page = oauth.authorization_url(code_verifier=verifier)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = asked_of(page)
    assert (asked["code_challenge"], asked["code_challenge_method"]) == ([challenge], ["S256"])
    assert verifier not in page
    for wrong in ({}, {"code_verifier": verifier.swapcase()}):
        with pytest.raises(SignInError) as caught:
            form.call(oauth, "exchange", box.authorize(page), **wrong)
        assert (caught.value.reason, verifier in str(vars(caught.value))) == ("invalid_grant", False)
    assert form.call(oauth, "exchange", box.authorize(page), code_verifier=verifier).access_token
    with pytest.raises(SignInError):  # somebody else's code, to this one's verifier
        form.call(oauth, "exchange", box.authorize(oauth.authorization_url()), code_verifier=verifier)


@pytest.mark.parametrize("verifier", ["", "short", "x" * 129, "x" * 42 + "/", "ü" * 43])
def test_what_is_no_verifier_is_refused_unquoted(form: Form, verifier: str) -> None:
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, url="myschool")
    for act in (
        lambda: oauth.authorization_url(code_verifier=verifier),
        lambda: form.call(oauth, "exchange", CODE, code_verifier=verifier),
    ):
        with pytest.raises(InvalidArgumentError, match=r"code_verifier must be 43 to 128") as caught:
            act()
        assert not verifier or verifier not in str(caught.value)


def test_signing_in_by_hand_from_the_url_to_the_first_request(form: Form, box: Sandbox) -> None:
    teacher = box.add_user("Ada Park")
    media_id = box.add_media("Mitosis", owner=teacher)
    box.add_media("Of the administrator")
    oauth = OAuth(box.client_id, box.client_secret, url=box.url)
    code = box.authorize(oauth.authorization_url(), user=teacher)
    form.call(oauth, "exchange", code)
    with box.client(auth=oauth) as studio:
        assert [media.id for media in form.items(studio.search_media())] == [media_id]


@pytest.mark.parametrize("state", [None, "state-7", "a state & more=1"])
def test_signing_in_with_the_url_that_the_browser_shows(form: Form, box: Sandbox, state: str | None) -> None:
    oauth = key_of(box)
    shown = box.authorize(oauth.authorization_url(state=state))
    tokens = form.call(oauth, "exchange", shown, state)
    with StudioClient(box.url, token=tokens.access_token) as studio:
        assert form.call(studio, "request", "GET", "/ping") == "pong"


def test_a_code_is_exchanged_by_one_form_that_is_posted(form: Form) -> None:
    with FaultServer(json_answer(GRANTED)) as server:
        form.call(oauth_of(server), "exchange", CODE)
    [request] = server.requests
    assert (request.method, request.path, request.query) == ("POST", TOKEN_PATH, ())
    assert request.headers["content-type"].partition(";")[0] == "application/x-www-form-urlencoded"
    assert sorted(parse_qsl(request.body.decode(), strict_parsing=True)) == [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("code", CODE),
        ("grant_type", "authorization_code"),
        ("redirect_uri", CALLBACK),
    ]


def test_what_is_sent_for_a_code_is_encoded_as_a_form_is(form: Form) -> None:
    odd = "a+b/c=d&e%20f#"
    redirect_uri = f"https://app.example.edu/cb?to={quote('Übung + more', safe='')}"
    with FaultServer(json_answer(GRANTED)) as server:
        oauth = OAuth(f"key-{odd}", f"secret-{odd}", url=server.url, redirect_uri=redirect_uri)
        form.call(oauth, "exchange", f"{redirect_uri}&code={quote(odd, safe='')}")
    sent = dict(parse_qsl(server.requests[0].body.decode(), strict_parsing=True))
    assert (sent["client_id"], sent["client_secret"], sent["code"]) == (f"key-{odd}", f"secret-{odd}", odd)
    assert sent["redirect_uri"] == redirect_uri


def test_exchange_returns_what_came_and_when_it_ends(form: Form) -> None:
    before = datetime.now(UTC)
    with FaultServer(json_answer({**GRANTED, "created_at": int(before.timestamp())})) as server:
        tokens = form.call(oauth_of(server), "exchange", CODE)
    assert isinstance(tokens, Tokens)
    assert tokens.access_token == GRANTED["access_token"]
    assert tokens.refresh_token == GRANTED["refresh_token"]
    assert tokens.url == server.url
    assert tokens.expires_at is not None
    assert tokens.expires_at.utcoffset() == timedelta(0)
    assert abs(tokens.expires_at - before - timedelta(seconds=7200)) < timedelta(seconds=30)


def test_the_tokens_are_in_the_store_before_exchange_returns(form: Form) -> None:
    store = MemoryTokenStore()
    with FaultServer(json_answer(GRANTED)) as server:
        tokens = form.call(oauth_of(server, store=store), "exchange", CODE)
    assert store.load() == tokens


def test_tokens_are_used_at_once_and_without_a_refresh(form: Form) -> None:
    with FaultServer(json_answer(GRANTED), media_answer(1)) as server:
        oauth = oauth_of(server)
        form.call(oauth, "exchange", CODE)
        with StudioClient(server.url, auth=oauth) as studio:
            assert form.call(studio, "get_media", 1).id == 1
    assert server.requests[1].headers["authorization"] == f"Bearer {GRANTED['access_token']}"
    assert len(server.requests) == 2


def test_signing_in_anew_replaces_the_tokens(form: Form) -> None:
    again = {**GRANTED, "access_token": "access-of-somebody-else", "refresh_token": "refresh-of-somebody-else"}
    with FaultServer(json_answer(GRANTED), media_answer(1), json_answer(again), media_answer(1)) as server:
        oauth = oauth_of(server)
        with StudioClient(server.url, auth=oauth) as studio:
            for _ in range(2):
                form.call(oauth, "exchange", CODE)
                form.call(studio, "get_media", 1)
    assert server.requests[3].headers["authorization"] == "Bearer access-of-somebody-else"


PASTED = {
    "the bare code": "{code}",
    "the URL": "{callback}?code={code}",
    "with state": "{callback}?code={code}&state=state-7",
    "with state in front": "{callback}?state=a%26code%3Dno&code={code}",
    "with more": "{callback}?session_state=1&code={code}&scope=&iss=https%3A%2F%2Fmyschool",
    "with a fragment": "{callback}?code={code}#_=_",
    "with an empty fragment": "{callback}?code={code}#",
    "white space around the URL": " \t{callback}?code={code} \r\n",
    "white space around the code": "\n  {code}\n\n",
    "angle brackets": "<{callback}?code={code}>",
    "quotes": '"{callback}?code={code}"',
    "apostrophes": "'{code}'",
    "broken by the terminal": "{callback}?co\nde={code}&state=\nstate-7",
}


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
def test_what_people_paste_is_taken(form: Form, pasted: str) -> None:
    with FaultServer(json_answer(GRANTED)) as server:
        form.call(oauth_of(server), "exchange", pasted.format(callback=CALLBACK, code=CODE))
    assert dict(parse_qsl(server.requests[0].body.decode()))["code"] == CODE


@pytest.mark.parametrize(
    "pasted",
    [
        "app.example.edu/studio/callback?code={code}",
        "//app.example.edu/studio/callback?code={code}&state=7",
        "/studio/callback?code={code}",
        "?code={code}&state=7",
        "code={code}&state=7",
        "code={code}",
        "{code}&state=7",
    ],
)
def test_a_part_of_the_url_is_understood_or_refused_but_not_sent_as_the_code(form: Form, pasted: str) -> None:
    with FaultServer(json_answer(GRANTED)) as server, contextlib.suppress(InvalidArgumentError):
        form.call(oauth_of(server), "exchange", pasted.format(code=CODE))
    assert [dict(parse_qsl(request.body.decode()))["code"] for request in server.requests] in ([], [CODE])


# What a registered URI becomes in the address line of a browser.
SHOWN = {
    "without a path": ("https://app.example.edu", "https://app.example.edu/"),
    "capitals in the host": ("https://App.Example.edu/cb", "https://app.example.edu/cb"),
    "the usual port": ("https://app.example.edu:443/cb", "https://app.example.edu/cb"),
    "a host that is not ASCII": ("https://übung.example.edu/cb", "https://xn--bung-zra.example.edu/cb"),
    "a query of its own": ("https://app.example.edu/cb?tenant=7", "https://app.example.edu/cb?tenant=7"),
}


@pytest.mark.parametrize(("registered", "shown"), SHOWN.values(), ids=SHOWN)
def test_a_redirect_uri_is_known_as_browsers_write_it(form: Form, registered: str, shown: str) -> None:
    with FaultServer(json_answer(GRANTED)) as server:
        oauth = oauth_of(server, redirect_uri=registered)
        form.call(oauth, "exchange", f"{shown}{'&' if '?' in shown else '?'}code={CODE}")
    sent = dict(parse_qsl(server.requests[0].body.decode()))
    # Studio compares it with what the authorize page was opened with.
    assert (sent["code"], sent["redirect_uri"]) == (CODE, registered)


NOT_OURS = {
    "another host": f"https://evil.example.com/studio/callback?code={CODE}",
    "a longer host": f"https://app.example.edu.evil.example.com/studio/callback?code={CODE}",
    "our URI in a query": f"https://evil.example.com/?to={CALLBACK}?code={CODE}",
    "our URI as a user": f"https://app.example.edu@evil.example.com/studio/callback?code={CODE}",
    "another path": f"https://app.example.edu/other?code={CODE}",
    "a longer path": f"{CALLBACK}/more?code={CODE}",
    "the path as a prefix": f"{CALLBACK}-two?code={CODE}",
    "another port": f"https://app.example.edu:8443/studio/callback?code={CODE}",
    "http": f"http://app.example.edu/studio/callback?code={CODE}",
    "another scheme": f"ftp://app.example.edu/studio/callback?code={CODE}",
}


@pytest.mark.parametrize("pasted", NOT_OURS.values(), ids=NOT_OURS)
def test_a_url_of_another_place_is_refused_and_nothing_is_sent(form: Form, pasted: str) -> None:
    with FaultServer(json_answer(GRANTED)) as server, pytest.raises(InvalidArgumentError) as caught:
        form.call(oauth_of(server), "exchange", pasted)
    assert server.requests == []
    assert caught.value.argument == "code"
    assert CALLBACK in str(caught.value)
    assert CODE not in str(caught.value)


def test_the_page_that_was_opened_is_not_the_page_that_it_led_to(form: Form) -> None:
    with FaultServer(json_answer(GRANTED)) as server:
        oauth = oauth_of(server)
        with pytest.raises(InvalidArgumentError, match=r"\bcode\b") as caught:
            form.call(oauth, "exchange", oauth.authorization_url())
    assert server.requests == []
    assert CALLBACK in str(caught.value)


NO_CODE = {
    "nothing": "",
    "white space": " \n\t ",
    "empty angle brackets": "<>",
    "a URL without a code": CALLBACK,
    "a URL with state alone": f"{CALLBACK}?state=state-7",
    "an empty code": f"{CALLBACK}?code=",
    "an empty code and state": f"{CALLBACK}?code=&state=7",
    "a code in the fragment": f"{CALLBACK}#code={CODE}",
}


@pytest.mark.parametrize("pasted", NO_CODE.values(), ids=NO_CODE)
def test_what_holds_no_code_is_refused_and_nothing_is_sent(form: Form, pasted: str) -> None:
    with FaultServer(json_answer(GRANTED)) as server, pytest.raises(InvalidArgumentError) as caught:
        form.call(oauth_of(server), "exchange", pasted)
    assert server.requests == []
    assert caught.value.argument == "code"
    assert CODE not in str(caught.value)


@pytest.mark.parametrize("reason", ["access_denied", "server_error", "temporarily_unavailable", "invalid_scope"])
def test_a_person_who_did_not_allow_it_is_an_error_with_the_reason(form: Form, reason: str) -> None:
    url = f"{CALLBACK}?{urlencode({'error': reason, 'error_description': 'The user said no', 'state': '7'})}"
    with FaultServer(json_answer(GRANTED)) as server, pytest.raises(SignInError) as caught:
        form.call(oauth_of(server), "exchange", f" <{url}>\n")
    assert server.requests == []
    assert type(caught.value) is SignInError
    assert (caught.value.reason, caught.value.status_code) == (reason, None)
    assert "The user said no" in str(caught.value)


# What comes back where `state-7` was sent.
OTHER_STATES = {
    "another": f"{CALLBACK}?code={CODE}&state=state-8",
    "a longer one": f"{CALLBACK}?code={CODE}&state=state-77",
    "in other letters": f"{CALLBACK}?code={CODE}&state=State-7",
    "none in it": f"{CALLBACK}?code={CODE}&state=",
    "a second one": f"{CALLBACK}?code={CODE}&state=state-7&state=state-8",
    "without a URL": f"code={CODE}&state=state-8",
    "with an error": f"{CALLBACK}?error=access_denied&state=state-8",
    "without a code": f"{CALLBACK}?state=state-8",
}


@pytest.mark.parametrize("shown", OTHER_STATES.values(), ids=OTHER_STATES)
def test_an_answer_with_another_state_is_refused_and_nothing_is_sent(form: Form, shown: str) -> None:
    with FaultServer(json_answer(GRANTED)) as server, pytest.raises(SignInError) as caught:
        form.call(oauth_of(server), "exchange", shown, "state-7")
    assert server.requests == []
    assert type(caught.value) is SignInError
    assert (caught.value.reason, caught.value.status_code) == ("other_state", None)
    assert all(secret not in str(caught.value) for secret in (CODE, "state-7", "state-8"))


@pytest.mark.parametrize(
    "shown", [CODE, f"code={CODE}", f"{CALLBACK}?code={CODE}", f"{CALLBACK}?code={CODE}&state=state-7"]
)
def test_an_answer_with_the_state_that_was_sent_or_without_one_is_taken(form: Form, shown: str) -> None:
    with FaultServer(json_answer(GRANTED)) as server:
        form.call(oauth_of(server), "exchange", shown, state="state-7")
    assert dict(parse_qsl(server.requests[0].body.decode()))["code"] == CODE


def test_an_empty_state_is_one_that_was_sent(form: Form) -> None:
    with FaultServer(json_answer(GRANTED)) as server, pytest.raises(SignInError, match="the state differs"):
        form.call(oauth_of(server), "exchange", f"{CALLBACK}?code={CODE}&state=state-8", "")
    assert server.requests == []


def test_an_error_of_another_place_is_no_word_of_studio(form: Form) -> None:
    with FaultServer(json_answer(GRANTED)) as server, pytest.raises(InvalidArgumentError):
        form.call(oauth_of(server), "exchange", "https://evil.example.com/?error=access_denied")
    assert server.requests == []


def refused(form: Form, oauth: OAuth, code: str) -> SignInError:
    with pytest.raises(SignInError) as caught:
        form.call(oauth, "exchange", code)
    # There is nothing to refresh yet, so nobody is told to log in again.
    assert not isinstance(caught.value, LoginRequiredError)
    assert len(str(caught.value)) > len(caught.value.reason) + 20
    assert code not in str(caught.value)
    return caught.value


def test_a_code_is_good_once(form: Form, box: Sandbox) -> None:
    oauth = key_of(box)
    code = parse_qs(urlsplit(box.authorize(oauth.authorization_url())).query)["code"][0]
    tokens = form.call(oauth, "exchange", code)
    error = refused(form, oauth, code)
    assert (error.reason, error.status_code) == ("invalid_grant", 400)
    assert vars(error)["body"]["error"] == "invalid_grant"
    # What was there before stays.
    assert oauth.store.load() == tokens


def test_a_made_up_code_is_refused(form: Form, box: Sandbox) -> None:
    store = MemoryTokenStore()
    assert refused(form, key_of(box, store=store), "made-up-code").reason == "invalid_grant"
    assert store.load() is None


def test_a_wrong_client_secret_is_refused(form: Form, box: Sandbox) -> None:
    oauth = key_of(box, client_secret="wrong-secret-0123456789")
    error = refused(form, oauth, box.authorize(oauth.authorization_url()))
    assert (error.reason, error.status_code) == ("invalid_client", 401)
    assert "wrong-secret-0123456789" not in str(error)


def test_another_redirect_uri_than_the_page_was_opened_with_is_refused(form: Form, box: Sandbox) -> None:
    opened = key_of(box).authorization_url()
    code = parse_qs(urlsplit(box.authorize(opened)).query)["code"][0]
    assert refused(form, key_of(box, redirect_uri=OUT_OF_BAND), code).reason == "invalid_grant"


def test_a_code_can_be_tried_again_with_the_right_secret(form: Form, box: Sandbox) -> None:
    code = box.authorize(key_of(box).authorization_url())
    refused(form, key_of(box, client_secret="wrong-secret-0123456789"), code)
    assert form.call(key_of(box), "exchange", code).access_token


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (json_answer({"error": "sorry"}, 500), InternalServerError),
        (json_answer({"error": "sorry"}, 503), InternalServerError),
        (RESET, APIConnectionError),
        (text_answer("<html>Sign in to the network</html>", "text/html"), ResponseDecodeError),
        (json_answer({**GRANTED, "access_token": ""}), ResponseDecodeError),
        (json_answer({**GRANTED, "access_token": None}), ResponseDecodeError),
        (json_answer({**GRANTED, "access_token": 7}), ResponseDecodeError),
        (json_answer({**GRANTED, "access_token": "two words\n"}), ResponseDecodeError),
        (json_answer({"token_type": "Bearer"}), ResponseDecodeError),
        (json_answer([]), ResponseDecodeError),
        (Answer(status=204), ResponseDecodeError),
    ],
    ids=["500", "503", "reset", "html", "empty", "null", "number", "unsendable", "missing", "list", "nothing"],
)
def test_an_exchange_that_failed_otherwise_names_the_endpoint(
    form: Form, answer: Answer, kind: type[StudioError]
) -> None:
    store = MemoryTokenStore()
    with FaultServer(answer) as server, pytest.raises(kind) as caught:
        form.call(oauth_of(server, store=store), "exchange", CODE)
    assert getattr(caught.value, "method", None) == "POST"
    assert getattr(caught.value, "url", None) == f"{server.url}{TOKEN_PATH}"
    assert store.load() is None


def test_a_refusal_that_is_not_oauths_is_an_error_all_the_same(form: Form) -> None:
    for status in (400, 401, 403, 404, 418):
        for answer in (text_answer("<html>no</html>", "text/html", status), json_answer(["no"], status)):
            with FaultServer(answer) as server, pytest.raises(StudioError) as caught:
                form.call(oauth_of(server), "exchange", CODE)
            assert getattr(caught.value, "status_code", None) == status
            assert not isinstance(caught.value, LoginRequiredError)


def test_a_code_is_not_sent_twice_if_it_may_have_been_used(form: Form) -> None:
    """A second try of a code that was used is refused, and some servers then take the tokens of the first back."""
    with FaultServer(RESET, json_answer(GRANTED)) as server, pytest.raises(APIConnectionError) as caught:
        form.call(oauth_of(server), "exchange", CODE)
    assert len(server.requests) == 1
    assert caught.value.outcome_unknown is True


async def test_a_web_application_has_one_oauth_for_each_person(box: Sandbox) -> None:
    people = [box.add_user(f"Teacher {number}") for number in range(5)]
    theirs = {person: box.add_media(f"Of {person}", owner=person) for person in people}
    stores = {person: MemoryTokenStore() for person in people}

    async def sign_in(person: int) -> None:
        oauth = key_of(box, store=stores[person])
        await oauth.exchange_async(box.authorize(oauth.authorization_url(state=str(person)), user=person))

    async def work(person: int) -> list[int]:
        async with StudioClient(box.url, auth=key_of(box, store=stores[person])) as studio:
            return [media.id async for media in studio.search_media()]

    await asyncio.gather(*map(sign_in, people))
    found = await asyncio.gather(*map(work, people))
    assert found == [[theirs[person]] for person in people]


def test_two_oauths_have_nothing_in_common_by_default() -> None:
    first, second = OAuth(CLIENT_ID, CLIENT_SECRET), OAuth(CLIENT_ID, CLIENT_SECRET)
    assert isinstance(first.store, MemoryTokenStore)
    assert first.store is not second.store
    first.store.save(Tokens("access-of-the-first"))
    assert second.store.load() is None


def test_an_oauth_says_what_it_is_and_not_its_secret() -> None:
    store = MemoryTokenStore(Tokens("access-of-the-tests-1618033988", refresh_token="refresh-of-the-tests-1414213562"))
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, store=store, url="myschool", redirect_uri=CALLBACK)
    assert oauth.client_id == CLIENT_ID
    assert oauth.url == "https://myschool.instructuremedia.com"
    assert oauth.redirect_uri == CALLBACK
    assert oauth.store is store
    assert not hasattr(oauth, "client_secret")
    assert CLIENT_ID in repr(oauth)
    assert oauth.url in repr(oauth)
    for secret in (CLIENT_SECRET, "1618033988", "1414213562"):
        assert secret not in f"{oauth!r} {oauth}"
    bare = OAuth(CLIENT_ID, CLIENT_SECRET)
    assert (bare.url, bare.redirect_uri) == (None, OUT_OF_BAND)


def test_an_oauth_is_frozen() -> None:
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET)
    for name in ("client_id", "url", "redirect_uri", "store", "client_secret", "anything"):
        with pytest.raises(AttributeError):
            setattr(oauth, name, "other")


def test_forgetting_the_tokens_is_logging_out(form: Form) -> None:
    with FaultServer(json_answer(GRANTED), media_answer(1)) as server:
        oauth = oauth_of(server)
        form.call(oauth, "exchange", CODE)
        with StudioClient(server.url, auth=oauth) as studio:
            form.call(studio, "get_media", 1)
            assert form.call(oauth, "forget") is None
            assert oauth.store.load() is None
            with pytest.raises(LoginRequiredError) as caught:
                form.call(studio, "get_media", 1)
    assert caught.value.reason == "no_tokens"
    assert len(server.requests) == 2


def test_forgetting_what_is_not_there_does_nothing(form: Form) -> None:
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET)
    form.call(oauth, "forget")
    form.call(oauth, "forget")
    assert oauth.store.load() is None


@pytest.mark.parametrize("url", ["myschool", "https://myschool.instructuremedia.com/", " MySchool "])
def test_a_client_of_the_same_school_is_taken(url: str) -> None:
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, url="myschool.instructuremedia.com")
    with StudioClient(url, auth=oauth) as studio:
        assert studio.url == "https://myschool.instructuremedia.com"


@pytest.mark.parametrize("url", ["otherschool", "myschool.us-west-2.instructuremedia.com", "http://127.0.0.1:8080"])
def test_a_client_of_another_school_is_refused(url: str) -> None:
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, url="myschool")
    with pytest.raises(InvalidArgumentError, match="myschool") as caught:
        StudioClient(url, auth=oauth)
    assert caught.value.argument in {"auth", "url"}


def test_an_oauth_without_a_school_goes_with_any() -> None:
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET)
    with StudioClient("myschool", auth=oauth), StudioClient("otherschool", auth=oauth):
        pass


def test_a_client_takes_a_token_or_an_oauth_and_not_both() -> None:
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET)
    with pytest.raises(InvalidArgumentError, match=r"\btoken\b") as caught:
        StudioClient("myschool", token=TOKEN, auth=oauth)
    assert TOKEN not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match=r"\bauth\b"):
        StudioClient("myschool")
    with pytest.raises(InvalidArgumentError, match=r"\btoken\b"):
        StudioClient("myschool", token=None, auth=None)


def test_auth_has_to_be_an_oauth() -> None:
    wrong: list[Any] = [TOKEN, 7, object(), OAuth, Tokens("access-of-the-tests"), MemoryTokenStore(), (CLIENT_ID,)]
    for value in wrong:
        with pytest.raises(WRONG_TYPE, match=r"\bauth\b") as caught:
            StudioClient("myschool", auth=value)
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("client_id", ""),
        ("client_id", "  "),
        ("client_secret", ""),
        ("client_secret", "  "),
        ("url", ""),
        ("url", "http://studio.example.edu"),
        ("url", "https://user:pa55word@studio.example.edu"),
        ("redirect_uri", ""),
        ("redirect_uri", "callback"),
        ("redirect_uri", "https://app.example.edu/cb#fragment"),
        ("redirect_uri", "javascript:alert(1)"),
    ],
)
def test_an_oauth_that_cannot_work_is_refused(argument: str, value: str) -> None:
    given: dict[str, Any] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, argument: value}
    with pytest.raises(InvalidArgumentError, match=rf"\b{argument}\b") as caught:
        OAuth(**given)
    assert caught.value.argument == argument
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    "argument", ["client_id", "client_secret", "store", "url", "redirect_uri", "proxy", "ca_bundle"]
)
def test_an_oauth_of_wrong_types_is_refused(argument: str) -> None:
    for value in (7, object(), ["x"], True):
        given: dict[str, Any] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, argument: value}
        with pytest.raises(WRONG_TYPE, match=rf"\b{argument}\b"):
            OAuth(**given)


def test_a_code_of_a_wrong_type_is_refused(form: Form) -> None:
    with FaultServer(json_answer(GRANTED)) as server:
        for value in (7, None, CODE.encode(), [CODE]):
            with pytest.raises(WRONG_TYPE, match=r"\bcode\b"):
                form.call(oauth_of(server), "exchange", value)
    assert server.requests == []


def test_the_secret_is_not_sent_where_it_is_not_asked_for(form: Form) -> None:
    """Only the token endpoint gets it; a request to the API carries the token alone."""
    with FaultServer(json_answer(GRANTED), media_answer(1)) as server:
        oauth = oauth_of(server)
        form.call(oauth, "exchange", CODE)
        with StudioClient(server.url, auth=oauth) as studio:
            form.call(studio, "get_media", 1)
    asked: Received = server.requests[1]
    encoded = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode())
    for secret in (CLIENT_SECRET.encode(), encoded, str(GRANTED["refresh_token"]).encode()):
        assert secret not in asked.raw


def test_a_sandbox_makes_an_oauth_that_is_signed_in(form: Form, box: Sandbox) -> None:
    teacher = box.add_user("Ada Park")
    media_id = box.add_media("Mitosis", owner=teacher)
    box.add_media("Of the administrator")
    store = MemoryTokenStore()
    oauth = box.oauth(user=teacher, store=store)
    assert (oauth.url, oauth.client_id, oauth.store) == (box.url, box.client_id, store)
    assert store.load() is not None
    with box.client(auth=oauth) as studio:
        assert [media.id for media in form.items(studio.search_media())] == [media_id]
    with box.client(auth=box.oauth()) as studio:
        assert form.total(studio.search_media()) == 2


class SlowThenBrokenStore(BlockingStore):
    """A store of which the first save takes until somebody resumes it, and the second fails."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self.resume = threading.Event()
        self.own_lock = threading.Lock()
        self.is_broken = threading.Event()
        self.offered: list[Tokens | None] = []

    def save(self, tokens: Tokens | None) -> None:
        """Keep them."""
        self.offered.append(tokens)
        if len(self.offered) == 1:
            assert self.resume.wait(20)
        elif len(self.offered) == 2:
            self.is_broken.set()
            raise OSError("away for a moment")
        self.tokens = tokens

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """Keep the others away, in the order in which they come."""
        self.note("lock")
        if self.calls.count("lock") > 2:
            assert self.is_broken.wait(20)
        with self.own_lock:
            yield


def test_a_sign_in_during_a_refresh_is_saved_before_it_is_used(form: Form) -> None:
    with Sandbox(media=1) as box, ThreadPoolExecutor(2) as threads:
        granted = Tokens.from_dict(box.oauth_token())
        ended = datetime.now(UTC) - HOUR
        old = Tokens(granted.access_token, refresh_token=granted.refresh_token, expires_at=ended, url=box.url)
        store = SlowThenBrokenStore(old)
        oauth = OAuth(box.client_id, box.client_secret, store=store, url=box.url)
        with box.client(auth=oauth, retry_delay=0, timeout=30) as studio:
            refresh = threads.submit(form.call, studio, "request", "GET", "/ping")
            assert eventually(lambda: len(store.offered) == 1)
            sign_in = threads.submit(form.call, oauth, "exchange", box.authorize(oauth.authorization_url()))
            # Its code is used up then, and it waits for the refresh.
            assert eventually(lambda: store.calls.count("lock") == 2)
            store.resume.set()
            assert refresh.result(20) == "pong"
            with pytest.raises(TokenStoreError):
                sign_in.result(20)
            assert form.call(studio, "request", "GET", "/ping") == "pong"
        refreshed, signed_in, saved = store.offered
        assert refreshed != signed_in
        assert saved == signed_in == store.tokens
        assert [request.path for request in box.requests].count("/api/public/oauth/token") == 2
