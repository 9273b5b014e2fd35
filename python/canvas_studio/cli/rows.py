"""Rows that are made of Studio's answers, for commands whose answer is no list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from canvas_studio.models import Permissions

LISTED_MEDIA: Final = "id,title,owner.full_name,duration,size,created_at,last_viewed"
LISTED_COLLECTION: Final = "id,name,type,owner.full_name,course_id,created_at"
GRANT: Final = ("type", "id", "name", "email", "permission")


def grants(permissions: Permissions) -> list[dict[str, Any]]:
    """Return with whom something is shared.

    Args:
        permissions: The permissions.

    Returns:
        A row for each person and each group.
    """
    people = [
        {
            "type": "user",
            "id": user.id,
            "name": user.full_name or user.display_name,
            "email": user.email,
            "permission": user.permission,
        }
        for user in permissions.users
    ]
    groups = [
        {"type": "group", "id": each.id, "name": each.name, "email": None, "permission": each.permission}
        for each in permissions.groups
    ]
    return people + groups
