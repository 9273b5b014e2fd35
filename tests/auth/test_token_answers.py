"""Odd answers of the token endpoint: new tokens are never lost because of another field of the answer."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIStatusError,
    LoginRequiredError,
    MemoryTokenStore,
    OAuth,
    ResponseDecodeError,
    SignInError,
    StudioClient,
    Tokens,
)
from support.fault_server import Answer, FaultServer, Received, json_answer, media_answer, redirect

if TYPE_CHECKING:
    from support.forms import Form

ACCESS, REFRESH = "new-access-of-it", "new-refresh-of-it"
OLD = Tokens("old-access-of-it", refresh_token="old-refresh-of-it")


def school(token_answer: Answer) -> FaultServer:
    """A Studio that takes the new access token alone."""

    def answered(request: Received) -> Answer:
        if request.path.endswith("/oauth/token"):
            return token_answer
        is_new = request.headers["authorization"] == f"Bearer {ACCESS}"
        return media_answer(1) if is_new else json_answer({"error": "expired"}, 401)

    return FaultServer(answered)


def refreshed(form: Form, answer: Answer) -> Tokens:
    """What is in the store after a refresh with this answer; the call that needed it has worked."""
    store = MemoryTokenStore(OLD)
    with school(answer) as server:
        auth = OAuth("key-of-it", "secret-of-it", store=store)
        with StudioClient(server.url, auth=auth, max_retries=0) as studio:
            assert form.call(studio, "get_media", 1).id == 1
    tokens = store.load()
    assert tokens is not None
    return tokens


def exchanged(form: Form, answer: Answer) -> Tokens:
    with school(answer) as server:
        tokens = form.call(OAuth("key-of-it", "secret-of-it", url=server.url), "exchange", "code-of-it")
    assert isinstance(tokens, Tokens)
    return tokens


@pytest.mark.parametrize("odd", ["", " \n", None, 7, 1.5, True, [], {"a": 1}, "two words", "Grüße"], ids=repr)
def test_a_refresh_token_that_is_none_leaves_the_old_one(form: Form, odd: object) -> None:
    answer = json_answer({"access_token": ACCESS, "refresh_token": odd, "expires_in": 7200})
    tokens = refreshed(form, answer)
    assert (tokens.access_token, tokens.refresh_token) == (ACCESS, "old-refresh-of-it")
    assert exchanged(form, answer).refresh_token is None


ODD_FIELDS = [
    '"expires_in": ""',
    '"expires_in": "soon"',
    '"expires_in": -5',
    '"expires_in": 0',
    '"expires_in": null',
    '"expires_in": 1e999',
    '"expires_in": 1e300',
    '"expires_in": [7200]',
    '"token_type": null',
    '"token_type": 7',
    '"token_type": ""',
    '"created_at": "yesterday"',
    '"created_at": {"deep": 1}',
    '"scope": ["a", null]',
    '"scope": "\\ud800"',
    '"\\udfff": 1',
    '"id": 123456789012345678901234567890',
    f'"nest": {"[" * 500}{"]" * 500}',
    '"error": null',
    '"error": ""',
    '"error": "none"',
]


@pytest.mark.parametrize("field", ODD_FIELDS)
def test_no_odd_field_loses_new_tokens(form: Form, field: str) -> None:
    for text in (
        f'{{"access_token": "{ACCESS}", "refresh_token": "{REFRESH}", {field}}}',
        f'{{{field}, "refresh_token": "{REFRESH}\\n", "access_token": " {ACCESS}"}}',
    ):
        for take in (refreshed, exchanged):
            tokens = take(form, Answer(headers={"Content-Type": "application/json"}, body=text.encode()))
            assert (tokens.access_token, tokens.refresh_token) == (ACCESS, REFRESH)


@pytest.mark.parametrize("written", [7200, 7200.0, "7200", " 7200.0 "], ids=repr)
def test_a_lifetime_is_read_however_it_is_written(form: Form, written: object) -> None:
    answer = json_answer({"access_token": ACCESS, "expires_in": written})
    for take in (refreshed, exchanged):
        assert take(form, answer).expires_at is not None


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/javascript; charset=iso-8859-1", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tokens_are_read_under_any_label_and_after_a_mark(form: Form, content_type: str, encoding: str) -> None:
    body = json.dumps({"access_token": ACCESS, "refresh_token": REFRESH}).encode(encoding)
    answer = Answer(headers={"Content-Type": content_type} if content_type else {}, body=body)
    for take in (refreshed, exchanged):
        assert take(form, answer).refresh_token == REFRESH


@pytest.mark.parametrize("odd", ["two words", "Grüße", 7, [], "\x00", "a\nb"], ids=repr)
def test_an_access_token_that_cannot_be_sent_is_an_error_that_does_not_quote_it(form: Form, odd: object) -> None:
    answer = json_answer({"access_token": odd, "refresh_token": REFRESH})
    for take in (refreshed, exchanged):
        with pytest.raises(ResponseDecodeError, match="no token of visible ASCII") as caught:
            take(form, answer)
        for secret in ("words", "Grüße", REFRESH):
            assert secret not in f"{caught.value} {vars(caught.value)}"


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 409, 422])
def test_a_refusal_means_to_log_in_under_any_status(form: Form, status: int) -> None:
    answer = json_answer({"error": "invalid_grant", "error_description": "revoked", "was": REFRESH}, status)
    with pytest.raises(LoginRequiredError, match="revoked") as caught:
        refreshed(form, answer)
    assert (caught.value.reason, caught.value.status_code) == ("invalid_grant", status)
    with pytest.raises(SignInError, match="revoked") as exchanging:
        exchanged(form, answer)
    assert (exchanging.value.reason, exchanging.value.status_code) == ("invalid_grant", status)
    if status < 400:
        assert REFRESH not in f"{caught.value} {vars(caught.value)}"


@pytest.mark.parametrize("status", [200, 403])
def test_another_word_of_oauth_is_no_matter_of_logging_in(form: Form, status: int) -> None:
    with pytest.raises(SignInError) as caught:
        refreshed(form, json_answer({"error": "invalid_client"}, status))
    assert type(caught.value) is SignInError
    assert caught.value.reason == "invalid_client"


def test_a_word_that_is_not_oauths_is_the_error_that_its_status_means(form: Form) -> None:
    with pytest.raises(APIStatusError, match="Not Found"):
        refreshed(form, json_answer({"error": "Not Found", "status": 404}, 404))


def test_a_moved_token_endpoint_says_where_to(form: Form) -> None:
    for take in (refreshed, exchanged):
        with pytest.raises(APIStatusError, match=r"redirected to https://new\.example\.edu/api/public/oauth/token "):
            take(form, redirect("https://new.example.edu/api/public/oauth/token?code=x", 308))


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n"])
def test_white_space_around_a_secret_is_no_part_of_it(form: Form, around: str, monkeypatch: Any) -> None:
    """As a file of a secret has it, or a Windows `.env`."""
    with school(json_answer({})) as server:
        with StudioClient(around.format(server.url), token=around.format(ACCESS), max_retries=0) as studio:
            assert form.call(studio, "get_media", 1).id == 1
        monkeypatch.setenv("CANVAS_STUDIO_URL", around.format(server.url))
        monkeypatch.setenv("CANVAS_STUDIO_TOKEN", around.format(ACCESS))
        with StudioClient.from_env(max_retries=0) as studio:
            assert form.call(studio, "get_media", 1).id == 1
            assert pickle.loads(pickle.dumps(studio)) is not None  # noqa: S301 (it is our own)
    auth = OAuth(around.format("key-of-it"), around.format("secret-of-it"))
    assert auth.client_id == "key-of-it"
    tokens = Tokens(around.format(ACCESS), refresh_token=around.format(REFRESH))
    assert (tokens.access_token, tokens.refresh_token) == (ACCESS, REFRESH)
