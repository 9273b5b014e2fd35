"""Error messages name the cause that the evidence shows, say what to do next, and show nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIStatusError,
    InternalServerError,
    InvalidArgumentError,
    NotFoundError,
    OAuth,
    RateLimitError,
    ResponseDecodeError,
    StudioClient,
    UnprocessableEntityError,
)
from support.fault_server import Answer, FaultServer, json_answer, redirect, text_answer

if TYPE_CHECKING:
    from pathlib import Path

    from support.forms import Form

LOOK_FIRST = "it may still have been carried out: check before you repeat it"
PAGE = """<!DOCTYPE html>
<HTML lang="en"><head><meta charset="utf-8"><Title class="x">
  Sign in &amp; go
</Title></head><body><p>jane@example.edu</p></body></html>"""
PERSON = "jane@example.edu"


def refusal(form: Form, answer: Answer, method: str, *arguments: Any, **named: Any) -> APIStatusError:
    """The error that an answer becomes."""
    with FaultServer(answer) as server, pytest.raises(APIStatusError) as caught:
        form.call(server.client(max_retries=0), method, *arguments, **named)
    return caught.value


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_change_that_may_have_been_made_is_not_to_be_repeated_blindly(form: Form, status: int) -> None:
    for method, arguments in (("create_collection", ("New",)), ("delete_media", (1,)), ("request", ("PUT", "/x"))):
        error = refusal(form, json_answer({"error": "oops"}, status), method, *arguments)
        assert error.outcome_unknown
        assert str(error).endswith(f": oops ({LOOK_FIRST})")
    error = refusal(form, json_answer({"error": "oops"}, status), "get_media", 1)
    assert not error.outcome_unknown
    assert "try again" in str(error)
    assert "carried out" not in str(error)


def test_a_change_that_was_told_to_come_back_was_not_made(form: Form) -> None:
    error = refusal(form, json_answer({}, 503, {"Retry-After": "1"}), "create_collection", "New")
    assert not error.outcome_unknown
    assert "carried out" not in str(error)
    assert "Studio asks to wait 1 s" in str(error)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "options", "said"),
    [
        (90, {}, "Studio asks to wait 90 s; max_retry_wait is 60 s)"),
        (90, {"max_retry_wait": 0.5}, "Studio asks to wait 90 s; max_retry_wait is 0.5 s)"),
        (30, {"timeout": 5}, "Studio asks to wait 30 s; timeout leaves less time than that)"),
        (30, {"max_retries": 0}, "Studio asks to wait 30 s; max_retries is 0)"),
        (0, {"max_retries": 2}, "Studio asks to wait 0 s; retried 2 times, the most that max_retries allows)"),
    ],
)
def test_a_wait_that_was_asked_for_is_said_and_why_nobody_waited(
    form: Form, status: int, asked: int, options: dict[str, Any], said: str
) -> None:
    answer = json_answer({"error": "slow down"}, status, {"Retry-After": str(asked)})
    with FaultServer(answer) as server, pytest.raises(APIStatusError, match="slow down") as caught:
        form.call(server.client(**options), "get_media", 1)
    assert str(caught.value).endswith(said)
    with FaultServer(answer) as server, pytest.raises(APIStatusError) as caught:
        form.items(server.client(**options).search_media())
    assert str(caught.value).endswith(said)


def test_what_was_not_asked_for_is_not_said(form: Form) -> None:
    error = refusal(form, json_answer({}, 429), "get_media", 1)
    assert isinstance(error, RateLimitError)
    assert str(error).endswith("(too many requests: set max_rate, or lower max_concurrency)")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
def test_a_page_is_cut_to_its_title_and_asked_for_the_host(form: Form, status: int) -> None:
    for content_type in ("text/html", "text/html; charset=utf-8", "application/json"):
        error = refusal(form, text_answer(PAGE, content_type, status), "get_media", 1)
        assert error.body == PAGE
        said = str(error)
        assert said.startswith(f'{status} for GET /media/1: an HTML page, "Sign in &amp; go" (')
        assert "check that the host given to StudioClient is a Studio" in said
        assert PERSON not in said


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<html><body><h1>Bad  gateway</h1></body></html>", 'an HTML page, "Bad gateway" ('),
        ("\n <html><body>nothing</body></html>", "an HTML page ("),
        ("<html><title></title></html>", "an HTML page ("),
        ("<html><title>never closed", "an HTML page ("),
        ("<html><title", "an HTML page ("),
        (f"<html><title>{'x' * 500}</title>", f'an HTML page, "{"x" * 100}" ('),
        (f"<html><title>{'Ä' * 5000}</title>", "an HTML page ("),
    ],
)
def test_a_page_of_any_shape_is_called_one(form: Form, page: str, said: str) -> None:
    error = refusal(form, text_answer(page, "text/html", 502), "get_media", 1)
    assert str(error) == f"502 for GET /media/1: {said}an error on Studio's side; try again later)"


def test_that_a_media_is_external_is_said_once(form: Form) -> None:
    """The body is the documented one."""
    answer = json_answer({"error": "Invalid media_id is provided or the media is external."}, 422)
    with FaultServer(answer) as server, pytest.raises(UnprocessableEntityError) as caught:
        form.call(server.client(), "get_download_url", 1)
    assert str(caught.value).count("external") == 1
    assert "YouTube or Vimeo" in str(caught.value)


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
def test_a_page_with_200_is_cut_to_its_title_too(form: Form, content_type: str) -> None:
    answer = text_answer(PAGE, content_type)
    with FaultServer(answer) as server:
        studio = server.client(max_retries=0)
        for read in (
            lambda: form.call(studio, "get_media", 1),
            lambda: form.items(studio.search_media()),
            lambda: form.call(studio, "request", "GET", "/users/1"),
        ):
            with pytest.raises(ResponseDecodeError) as caught:
                read()
            assert str(caught.value).endswith(' The body is an HTML page, "Sign in &amp; go"')
            assert "?." not in str(caught.value)
            assert caught.value.body == PAGE[:500]


def test_a_page_of_a_gateway_is_a_fault_and_no_wrong_host(form: Form) -> None:
    error = refusal(form, text_answer(PAGE, "text/html", 504), "get_media", 1)
    assert "try again later" in str(error)
    assert "check that the host" not in str(error)


@pytest.mark.parametrize(
    ("method", "arguments", "advice"),
    [
        ("get_media", (1,), "check that it is a Studio id, not a Canvas id"),
        ("create_collection", ("New",), "check the host given to StudioClient"),
        ("request", ("GET", "/users/7"), "check the path and the ids in it"),
        ("request", ("GET", "/usres"), "check the path and the ids in it"),
    ],
)
def test_a_404_says_what_may_be_missing_there(
    form: Form, method: str, arguments: tuple[object, ...], advice: str
) -> None:
    error = refusal(form, json_answer({"error": "Not found"}, 404), method, *arguments)
    assert isinstance(error, NotFoundError)
    assert advice in str(error)


def test_a_404_of_two_ids_names_both(form: Form) -> None:
    answer = json_answer({"error": "Not found"}, 404)
    assert "no user with this user_id" in str(refusal(form, answer, "create_collection", "New", user_id=3))
    assert "or no such collection" in str(refusal(form, answer, "unarchive_media", 1, collection_id=3))
    assert "or no such collection" not in str(refusal(form, answer, "unarchive_media", 1))


def test_a_403_speaks_of_another_user_only_if_there_is_one(form: Form) -> None:
    answer = json_answer({"error": "Forbidden"}, 403)
    assert "for another user" in str(refusal(form, answer, "create_collection", "New", user_id=3))
    assert "for another user" not in str(refusal(form, answer, "create_collection", "New"))


def test_a_conflict_says_that_it_is_in_this_state_already(form: Form) -> None:
    error = refusal(form, json_answer({}, 409), "archive_media", 1)
    assert str(error) == "409 for POST /media/1/archive: {} (conflict: it is already in this state)"


@pytest.mark.parametrize(
    ("status", "advice"),
    [(404, "the storage host does not have the file"), (500, "an error of the storage host; try again later")],
)
def test_a_refusal_of_the_storage_host_is_not_put_down_to_studio(
    form: Form, tmp_path: Path, status: int, advice: str
) -> None:
    with (
        FaultServer(text_answer("<Error/>", "application/xml", status)) as storage,
        FaultServer(redirect(f"{storage.url}/file.mp4")) as server,
        pytest.raises(APIStatusError) as caught,
    ):
        form.call(server.client(max_retries=0), "download_media", 1, tmp_path / "file.mp4")
    assert str(caught.value).endswith(f"({advice})")


@pytest.mark.parametrize(
    ("status", "advice"), [(404, "no tokens are issued here: check the school's URL"), (403, "check the client id")]
)
def test_a_refusal_to_give_out_tokens_is_not_put_down_to_a_media(form: Form, status: int, advice: str) -> None:
    with FaultServer(json_answer({"message": "no"}, status)) as server, pytest.raises(APIStatusError) as caught:
        form.call(OAuth("key", "secret", url=server.url), "exchange", "code")
    assert advice in str(caught.value)


def test_a_fault_while_tokens_are_given_out_says_that_it_may_have_happened(form: Form) -> None:
    with FaultServer(json_answer({}, 500)) as server, pytest.raises(InternalServerError) as caught:
        form.call(OAuth("key", "secret", url=server.url), "exchange", "code")
    assert LOOK_FIRST in str(caught.value)


def test_a_wrong_key_shows_the_keys_there_are_and_no_person(form: Form) -> None:
    body = {"users": [{"id": 1, "email": PERSON}], "meta": {"last_page": 1}}
    with FaultServer(json_answer(body)) as server:
        studio = server.client()
        for read, keys in (
            (lambda: form.items(studio.paginate("/x", key="things")), ("things", '"users", "meta"')),
            (lambda: form.items(studio.search_media()), ("media", '"users", "meta"')),
            (lambda: form.call(studio, "get_media", 1), ("media", '"users", "meta"')),
            (lambda: form.call(studio, "archive_media", 1), ("media", '"users", "meta"')),
        ):
            with pytest.raises(ResponseDecodeError) as caught:
                read()
            assert str(caught.value).endswith(f'could not be read: the answer has no "{keys[0]}"; it has {keys[1]}')
            assert PERSON not in str(caught.value)
            assert PERSON in caught.value.body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "it is empty"),
        ({PERSON * 10: 1}, f'it has "{(PERSON * 10)[:40]}"'),
        ({f"key {number}": 1 for number in range(20)}, '"key 11", and more'),
    ],
)
def test_the_keys_that_are_shown_are_few_and_short(form: Form, body: dict[str, object], said: str) -> None:
    with FaultServer(json_answer(body)) as server, pytest.raises(ResponseDecodeError) as caught:
        form.items(server.client().paginate("/x", key="things"))
    assert str(caught.value).endswith(said)


def test_ends_out_of_order_are_named_with_both_values() -> None:
    with StudioClient("myschool", token="made-up") as studio:
        with pytest.raises(InvalidArgumentError) as caught:
            studio.search_media(start_date="2026-02-01", end_date="2026-01-31")
        assert str(caught.value) == "end_date must be at least start_date (2026-02-01), not 2026-01-31"
        with pytest.raises(InvalidArgumentError) as caught:
            studio.search_media(min_size=2, max_size=1)
        assert str(caught.value) == "max_size must be at least min_size (2), not 1"
