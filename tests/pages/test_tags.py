"""The Tags page: its operations over the recordings, a server with faults and the sandbox, in both forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    InternalServerError,
    InvalidArgumentError,
    Media,
    NotFoundError,
    ResponseDecodeError,
    Tag,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import RESET, FaultServer, json_answer, media_answer, text_answer

if TYPE_CHECKING:
    from support.forms import Connect, Form, Serve

ONE = json_answer({"tag": {"id": 21, "name": "cells"}}, status=201)


@pytest.mark.parametrize("case", ["list_tags", "list_tags_created"])
def test_tags_come_with_status_200_and_with_201(case: str, form: Form, recorded: Serve, connect: Connect) -> None:
    tags = form.items(connect(recorded(f"tags/{case}").url).list_tags(42))
    assert tags == [Tag(id=21, name="cell division"), Tag(id=22, name="Übung 1")]
    assert [(type(tag), tag.extra) for tag in tags] == [(Tag, {}), (Tag, {})]


def test_a_tag_keeps_what_nobody_documented(form: Form) -> None:
    with FaultServer(json_answer({"tags": [{"id": 1, "name": None, "used": 3}]})) as server:
        (tag,) = form.items(server.client().list_tags(42))
    assert (tag.name, tag.extra) == (None, {"used": 3})
    assert tag.to_dict() == {"id": 1, "name": None, "used": 3}


def test_a_media_has_methods_for_its_tags_that_send_the_same_requests(form: Form) -> None:
    tags = json_answer({"tags": [{"id": 21, "name": "cells"}]})
    with FaultServer(media_answer(42), tags, tags, ONE, ONE, *[json_answer({})] * 3) as server:
        studio = server.client()
        media: Media = form.call(studio, "get_media", 42)
        (tag,) = form.items(media.tags())
        assert form.items(studio.list_tags(media)) == [tag]
        assert form.call(media, "add_tag", "cells & co") == form.call(studio, "add_tag", media, "cells & co")
        assert form.call(media, "remove_tag", tag) is None
        assert form.call(media, "remove_tag", tag.id) is None
        assert form.call(studio, "remove_tag", media, tag) is None
    sent = [
        (asked.method, asked.path.removeprefix("/api/public/v1/media/42"), asked.parameters, asked.body)
        for asked in server.requests
    ]
    assert sent[1:] == [
        *[("GET", "/tags", {}, b"")] * 2,
        *[("POST", "/tags", {"name": "cells & co"}, b"")] * 2,
        *[("DELETE", "/tags/21", {}, b"")] * 3,
    ]


def test_a_tag_that_cannot_be_right_is_refused_before_anything_is_sent(form: Form) -> None:
    with FaultServer(ONE) as server, server.client() as studio:
        for name in ("", " \n"):
            with pytest.raises(InvalidArgumentError, match="name must not be empty"):
                form.call(studio, "add_tag", 42, name)
        for tag in (0, -1):
            with pytest.raises(InvalidArgumentError, match="tag must be a whole number of 1 or more"):
                form.call(studio, "remove_tag", 42, tag)
        with pytest.raises(TypeError, match="tag must be an int or a Tag, not str"):
            form.call(studio, "remove_tag", 42, "cells")
        with pytest.raises(TypeError, match="name must be a str, not int"):
            form.call(studio, "add_tag", 42, 7)
        assert server.requests == []


@pytest.mark.parametrize(
    ("failure", "error"), [(RESET, APIConnectionError), (json_answer({}, 502), InternalServerError)]
)
def test_a_tag_that_may_have_been_added_is_not_added_again(form: Form, failure: Any, error: type[Exception]) -> None:
    with FaultServer(failure, ONE) as server, server.client(retry_delay=0) as studio:
        with pytest.raises(error) as raised:
            form.call(studio, "add_tag", 42, "cells")
        assert getattr(raised.value, "outcome_unknown") is True  # noqa: B009 - of either class
        assert len(server.requests) == 1


def test_a_page_in_place_of_an_answer_to_a_removal_is_an_error_with_its_start(form: Form) -> None:
    page = "<html><title>Sign in</title></html>"
    with (
        FaultServer(text_answer(page, "text/html")) as server,
        server.client() as studio,
        pytest.raises(ResponseDecodeError, match="HTML page") as raised,
    ):
        form.call(studio, "remove_tag", 42, 21)
    assert raised.value.body == page


def test_tags_are_added_found_and_removed_on_a_sandbox(form: Form) -> None:
    with Sandbox(media=0) as box, box.client() as studio:
        media = form.call(studio, "get_media", box.add_media("Mitosis"))
        before = form.items(media.tags())
        tag = form.call(media, "add_tag", "Übung: cells & more / 1")
        assert form.items(media.tags()) == [*before, tag]
        assert [each.id for each in form.items(studio.search_media(tag=tag.name))] == [media.id]
        assert form.call(media, "remove_tag", tag) is None
        assert form.items(media.tags()) == before
        with pytest.raises(NotFoundError, match="or it has no such tag"):
            form.call(media, "remove_tag", tag)
        results = form.call(studio.map("list_tags", [media, media]), "collect") if form.name == "blocking" else None
        assert results in (None, [before, before])
