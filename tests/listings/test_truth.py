"""Whether there is something in a list is not known before it is read, so nothing may seem to know it."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import StudioClient

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING_IS_SENT = StudioClient("http://127.0.0.1:1", token="token-of-the-tests")
UNREAD: dict[str, tuple[Callable[[], Any], str]] = {
    "a listing": (NOTHING_IS_SENT.search_media, r"first\(\) is not None.*total\(\) > 0"),
    "a limited one": (lambda: NOTHING_IS_SENT.search_media().limit(0), r"first\(\).*total\(\)"),
    "its pages": (lambda: NOTHING_IS_SENT.search_media().pages(), r"first\(\).*total\(\)"),
    "a map": (lambda: NOTHING_IS_SENT.map("get_media", []), r"collect\(\)"),
}
each = pytest.mark.parametrize(("make", "remedy"), UNREAD.values(), ids=UNREAD)


@each
def test_what_is_not_read_is_neither_true_nor_false_and_says_what_to_ask_instead(
    make: Callable[[], Any], remedy: str
) -> None:
    for ask in (bool, operator.not_):
        with pytest.raises(TypeError, match=remedy):
            ask(make())
    with pytest.raises(TypeError, match=remedy):
        print(make() or [])


@each
def test_what_is_not_read_has_no_length_and_no_index(make: Callable[[], Any], remedy: str) -> None:
    del remedy
    unread = make()
    assert not hasattr(unread, "__len__")
    assert not hasattr(unread, "__getitem__")
    for ask in (len, operator.itemgetter(0), operator.itemgetter(slice(5))):
        with pytest.raises(TypeError):
            ask(unread)
    assert unread is not None
    assert unread == unread  # noqa: PLR0124 - that it compares as any object
