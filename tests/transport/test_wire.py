"""How a request looks on the wire, where servers and gateways are strict about it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from canvas_studio import OAuth
from canvas_studio.sandbox import Sandbox
from support.fault_server import FaultServer, json_answer, media_item
from support.plain_http import ask

if TYPE_CHECKING:
    from support.forms import Form

ODD = "a b+c%20d&e=é"


def sent(server: FaultServer) -> str:
    """The first line of the only request."""
    [request] = server.requests
    return request.raw.split(b"\r\n", 1)[0].decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_request_that_could_have_a_body_and_has_none_says_so(form: Form, method: str) -> None:
    with FaultServer(json_answer({})) as server:
        form.call(server.client(), "request", method, "/things")
    [request] = server.requests
    assert request.headers["content-length"] == "0"
    assert "transfer-encoding" not in request.headers


def test_an_operation_without_a_body_says_so(form: Form) -> None:
    with FaultServer(json_answer({"media": media_item(1)})) as server:
        form.call(server.client(), "archive_media", 1)
    [request] = server.requests
    assert request.raw.lower().count(b"content-length: 0\r\n") == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_request_whose_body_means_nothing_has_no_length(form: Form, method: str) -> None:
    with FaultServer(json_answer({})) as server:
        form.call(server.client(), "request", method, "/things")
    [request] = server.requests
    assert "content-length" not in request.headers


def test_a_body_has_its_own_length_and_no_other(form: Form) -> None:
    with FaultServer(json_answer({})) as server:
        form.call(server.client(), "request", "POST", "/things", json=[1])
    [request] = server.requests
    assert request.raw.lower().count(b"content-length") == 1
    assert (request.headers["content-length"], request.body) == ("3", b"[1]")


def test_a_space_in_a_query_is_sent_as_percent_20(form: Form) -> None:
    with FaultServer(json_answer({})) as server:
        form.call(server.client(), "request", "GET", "/things", params={"a name": ODD})
    assert "?a%20name=a%20b%2Bc%2520d%26e%3D%C3%A9 " in sent(server)
    assert server.requests[0].parameters == {"a name": ODD}


def test_a_space_in_what_a_list_searches_for_is_sent_as_percent_20(form: Form) -> None:
    with FaultServer(json_answer({"media": [], "meta": {"last_page": 1, "total_count": 0}})) as server:
        assert form.items(server.client().search_media(title="cell division")) == []
    assert "title=cell%20division&" in sent(server)


def test_a_space_in_the_url_of_the_sign_in_page_is_percent_20() -> None:
    page = OAuth("id", "secret", url="myschool").authorization_url(state=ODD)
    assert "+" not in page
    assert parse_qs(urlsplit(page).query)["state"] == [ODD]


def test_a_form_keeps_the_plus_of_forms(form: Form) -> None:
    with FaultServer(json_answer({"access_token": "a"})) as server:
        oauth = OAuth("id", "secret", url=server.url, redirect_uri="https://app.example.edu/a b")
        form.call(oauth, "exchange", "code")
    [request] = server.requests
    assert b"redirect_uri=https%3A%2F%2Fapp.example.edu%2Fa+b" in request.body


@pytest.mark.parametrize("written", ["cell%20division", "cell+division"])
def test_the_sandbox_reads_a_space_in_either_notation(written: str) -> None:
    with Sandbox(media=0) as box:
        media_id = box.add_media("Cell division")
        answer = ask(f"{box.url}/api/public/v1/media/search?title={written}", token=box.token)
    assert [media["id"] for media in answer.json["media"]] == [media_id]
