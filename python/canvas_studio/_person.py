"""Infers the person and the role behind a token, since Studio documents no operation that returns them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from canvas_studio.errors import (
    APIStatusError,
    AuthenticationError,
    PermissionDeniedError,
    ResponseDecodeError,
    StudioError,
)
from canvas_studio.models import Owner, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from canvas_studio._core import StudioClient

T = TypeVar("T")

# The type of a collection that is somebody's own library. Observed.
LIBRARY: Final = "user"
# An address that nobody has, so that the search finds nobody.
NOBODY: Final = "nobody@canvas-studio.invalid"
# How the search for users calls administrators. Typed by a public client; the words of this filter are not documented.
ADMINISTRATORS: Final = "Admin"
# How many collections are looked at, and how many owners of libraries; with more of either it stays unknown.
MOST_COLLECTIONS: Final = 1_000
MOST_OWNERS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The probable person.

    Attributes:
        person: The person; `None` if that is not known.
        reason: What this is inferred from, or why it is unknown.
        administrator: Whether they probably are an administrator; `None` if that is not known.
        roles: What Studio calls their roles; `None` if it does not say.
    """

    person: Owner | None
    reason: str
    administrator: bool | None
    roles: tuple[str, ...] | None


def identify(studio: StudioClient) -> Identity:
    """Infer the person behind the token of a client. Nothing is changed.

    Args:
        studio: The client.

    Returns:
        What is known.

    Raises:
        StudioError: If Studio cannot be asked, or the token is not good.
    """
    administrator = probably_administrator(studio)
    person, reason = probable_person(studio, administrator=administrator)
    roles = None if person is None else role_names(studio, person.id)
    return Identity(person=person, reason=reason, administrator=administrator, roles=roles)


def probably_administrator(studio: StudioClient) -> bool | None:
    """Say whether the person is probably an administrator.

    That only administrators may search users is a guess: the reference lists a 403, and not for whom.

    Args:
        studio: The client.

    Returns:
        Whether the search is allowed; `None` if Studio says something else.
    """
    answer = _answer(studio.search_users(email=NOBODY, per_page=1).first)
    if isinstance(answer, StudioError):
        return False if isinstance(answer, PermissionDeniedError) else None
    return True


def probable_person(studio: StudioClient, *, administrator: bool | None) -> tuple[Owner | None, str]:
    """Find the person, if only one is possible.

    Everybody has a library of their own, which is a collection of the type "user" (observed). Who sees only one of them
    probably owns it (inferred). An administrator may see those of others (a guess); then it is the one whom the search
    finds as the only administrator (a guess). Others may see some that are shared with them; then it is the one of the
    owners whom they may look up (a guess).

    Args:
        studio: The client.
        administrator: Whether the person probably is an administrator.

    Returns:
        The person or `None`, and the reason.
    """
    owners, whole = library_owners(studio)
    if len(owners) == 1 and whole:
        return owners[0], "the owner of the only personal library that the token sees"
    if administrator:
        if (only := only_administrator(studio)) is not None:
            return only, "the only administrator that the search for users finds"
        return None, "an administrator sees all personal libraries, and Studio does not say which one is theirs"
    if not whole:
        return None, "the token sees too many collections to check them all"
    found = [owner for owner in owners if isinstance(_answer(partial(studio.get_user, owner)), User)]
    if len(found) == 1:
        return found[0], "the only owner of a personal library that the token is allowed to look up"
    return None, f"the token sees {'the personal libraries of several people' if owners else 'no personal library'}"


def library_owners(studio: StudioClient) -> tuple[list[Owner], bool]:
    """List the owners of the personal libraries that the token sees.

    Args:
        studio: The client.

    Returns:
        The owners, and whether all collections were looked at: it ends early when there are too many of either.
    """
    owners: dict[int, Owner] = {}
    for number, collection in enumerate(studio.list_collections().limit(MOST_COLLECTIONS + 1)):
        if number == MOST_COLLECTIONS or len(owners) > MOST_OWNERS:
            return list(owners.values()), False
        if collection.type == LIBRARY and collection.owner is not None:
            owners[collection.owner.id] = collection.owner
    return list(owners.values()), True


def only_administrator(studio: StudioClient) -> Owner | None:
    """Search for the administrators.

    Args:
        studio: The client.

    Returns:
        The administrator, if the search finds exactly one; otherwise `None`.
    """
    found = _answer(studio.search_users(role=ADMINISTRATORS, per_page=2).limit(2).collect)
    if isinstance(found, StudioError) or len(found) != 1:
        return None
    return Owner(found[0].id, full_name=found[0].full_name, email=found[0].email)


def role_names(studio: StudioClient, user_id: int) -> tuple[str, ...] | None:
    """Return Studio's names of a person's roles. The field is documented, its values are not.

    Args:
        studio: The client.
        user_id: Studio's id of the person.

    Returns:
        The words; `None` if Studio does not say.
    """
    answer = _answer(partial(studio.get_user, user_id))
    return None if isinstance(answer, StudioError) else answer.role_names


def _answer(ask: Callable[[], T]) -> T | StudioError:
    """Return what a call returns. An error is an answer too, unless the token is rejected or there is no answer."""
    try:
        return ask()
    except AuthenticationError:
        raise
    except (APIStatusError, ResponseDecodeError) as error:
        return error
