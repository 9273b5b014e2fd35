"""The Ping page: pong is true, and whatever else comes is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from canvas_studio import APIConnectionError, AuthenticationError, ResponseDecodeError
from canvas_studio.sandbox import Sandbox
from support.fault_server import Answer, FaultServer, json_answer, text_answer

if TYPE_CHECKING:
    from support.forms import Form

SIGN_IN = "<!DOCTYPE html><html><head><title>Sign in to the library</title></head></html>"


@pytest.mark.parametrize(
    "answer",
    [
        text_answer("pong", "text/plain"),
        text_answer("pong\n", "text/html; charset=utf-8"),
        text_answer(' "pong" ', "application/json"),
        Answer(body="\ufeffpong".encode()),
    ],
)
def test_pong_is_true_under_any_label_between_quotes_and_white_space(form: Form, answer: Answer) -> None:
    with FaultServer(answer) as server, server.client() as studio:
        assert form.call(studio, "ping") is True
    assert [(asked.method, asked.path) for asked in server.requests] == [("GET", "/api/public/v1/ping")]


@pytest.mark.parametrize("content_type", ["text/html", "text/plain"])
def test_a_page_with_status_200_is_no_pong_and_the_error_has_its_start(form: Form, content_type: str) -> None:
    with (
        FaultServer(text_answer(SIGN_IN, content_type)) as server,
        server.client() as studio,
        pytest.raises(ResponseDecodeError, match="an HTML page came back instead of") as raised,
    ):
        form.call(studio, "ping")
    assert raised.value.body == SIGN_IN
    assert "Sign in to the library" in str(raised.value)


@pytest.mark.parametrize(
    "answer", [text_answer("", "text/plain"), text_answer("OK", "text/plain"), json_answer({"pong": True})]
)
def test_anything_but_pong_is_an_error_and_never_false(form: Form, answer: Answer) -> None:
    with (
        FaultServer(answer) as server,
        server.client() as studio,
        pytest.raises(ResponseDecodeError, match='expected "pong"') as raised,
    ):
        form.call(studio, "ping")
    assert raised.value.body == answer.body.decode()


def test_a_ping_with_a_wrong_token_or_to_nobody_is_an_error(form: Form) -> None:
    with Sandbox(media=0) as box:
        with box.client() as studio:
            assert form.call(studio, "ping") is True
        with box.client(token="wrong") as studio, pytest.raises(AuthenticationError):
            form.call(studio, "ping")
        closed = box.client(max_retries=0)
    with closed, pytest.raises(APIConnectionError):
        form.call(closed, "ping")
