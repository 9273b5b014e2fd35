"""`UserNotFoundError` and `SeveralUsersError`: the exceptions of `find_user`.

This file is apart from `errors.py`, since these hold records of `models.py`, which imports that.
"""

from __future__ import annotations

from canvas_studio import _core
from canvas_studio.errors import StudioError
from canvas_studio.models import User  # noqa: TC001 - type hints are read at run time, too

__all__ = ["SeveralUsersError", "UserNotFoundError"]


class UserNotFoundError(StudioError, LookupError):
    """No user has this e-mail address. This person never opened Studio, or Studio holds another address or a login id.

    Attributes:
        users: The users that Studio found in spite of their other addresses; mostly none.
    """

    users: tuple[User, ...]


class SeveralUsersError(StudioError, LookupError):
    """Several users have this e-mail address.

    Attributes:
        users: All of them.
    """

    users: tuple[User, ...]


_classes = {
    name: value for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__
}
globals().update(_core._first_classes(__name__, _classes))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
