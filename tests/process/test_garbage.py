"""Objects are collected when nothing needs them, and weak references to them work."""

from __future__ import annotations

import contextlib
import gc
import inspect
import weakref
from typing import TYPE_CHECKING, Any

import canvas_studio
import canvas_studio.models
import canvas_studio.sandbox
import pytest
from canvas_studio import Listing, OAuth, ResponseDecodeError, StudioClient, Tokens
from support.school import School

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.forms import Form

PUBLIC = {
    value
    for module in (canvas_studio, canvas_studio.models, canvas_studio.sandbox)
    for value in (getattr(module, name) for name in module.__all__)
    if inspect.isclass(value) and not getattr(value, "_is_protocol", False)
}


class Store:
    """A token store over the session of a web application, say, which knows who uses it."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens: Tokens | None = tokens
        self.knows: tuple[Any, ...] = ()

    def load(self) -> Tokens | None:
        """Read the tokens."""
        return self.tokens

    def save(self, tokens: Tokens | None, /) -> None:
        """Keep tokens."""
        self.tokens = tokens

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keep nobody out."""
        return contextlib.nullcontext()


def used(client: StudioClient, form: Form) -> StudioClient:
    assert form.call(client, "get_media", 7).id == 7
    return client


WAYS: dict[str, Callable[[StudioClient, OAuth, Form], tuple[Any, ...]]] = {
    "its OAuth": lambda _client, oauth, _form: (oauth,),
    "its client": lambda client, _oauth, _form: (client,),
    "a client that was used": lambda client, _oauth, form: (used(client, form),),
    "a client with other options": lambda client, _oauth, form: (used(client.with_options(max_retries=0), form),),
    "all of them": lambda client, oauth, form: (oauth, used(client, form), client.with_options(timeout=9)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_token_store_that_knows_its_client_is_collected(way: str, form: Form) -> None:
    with School() as school:

        def visit() -> weakref.ref[Store]:
            store = Store(school.expired())
            oauth = school.oauth(store)
            store.knows = WAYS[way](school.client(oauth), oauth, form)
            return weakref.ref(store)

        visitor = visit()
        gc.collect()
        assert visitor() is None


def test_a_store_that_holds_a_media_of_its_client_stays(form: Form) -> None:
    with School() as school:
        store = Store(school.expired())
        store.knows = (form.call(school.client(school.oauth(store)), "get_media", 1),)
        visitor = weakref.ref(store)
        del store
        gc.collect()
        found = visitor()
        assert found is not None
        found.knows = ()
        del found
        gc.collect()
        assert visitor() is None


def test_whoever_needs_a_token_store_keeps_it(form: Form) -> None:
    def unknown(school: School) -> Any:
        return school.client(school.oauth(Store(school.expired())))

    with School() as school:
        client = unknown(school)
        gc.collect()
        media = form.call(client, "get_media", 7)
        listing: Listing[Any] = client.search_media()
        del client
        gc.collect()
        school.end_access()
        assert len(form.items(listing)) == 90
        del listing
        gc.collect()
        school.end_access()
        with pytest.raises(ResponseDecodeError):  # it was signed in for that
            form.call(media, "archive")
        assert len(school.refreshes) == 3


@pytest.mark.parametrize("cls", sorted(PUBLIC, key=str), ids=lambda cls: cls.__name__)
def test_every_public_object_can_be_referred_to_weakly(cls: type) -> None:
    assert cls.__weakrefoffset__ != 0
