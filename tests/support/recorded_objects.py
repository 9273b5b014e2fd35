"""Checks the objects in the recordings, field by field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from canvas_studio import Collection, Group, Media, Owner, PermissionChange, Permissions, User

NEW_SHARE = PermissionChange("create", id=4, share_type="user", permission_type="view")


def assert_is_cell_biology(collection: Any) -> None:
    assert type(collection) is Collection
    assert (collection.id, collection.name, collection.type) == (7, "Cell biology", "course_wide")
    assert (collection.permission, collection.course_id) == ("edit", 1301)
    assert collection.created_at == datetime(2025, 5, 16, 2, 36, 46, 696000, tzinfo=UTC)
    assert_is_ada(collection.owner)
    assert collection.extra == {}


def assert_is_ada(owner: Any) -> None:
    assert type(owner) is Owner
    assert (owner.id, owner.full_name, owner.display_name) == (3, "Ada Park", "Ada")
    assert (owner.email, owner.extra) == ("ada.park@example.edu", {})


def assert_is_mitosis(media: Any) -> None:
    assert type(media) is Media
    assert (media.id, media.title) == (42, "Mitosis in four minutes")
    assert media.description == "A time lapse of a dividing cell."
    assert (media.duration, type(media.duration)) == (245.0, float)
    assert media.created_at == datetime(2025, 5, 16, 2, 36, 46, 696000, tzinfo=UTC)
    assert (media.last_viewed, media.last_viewed_by_student) == (None, None)
    assert media.thumbnail_url == "https://tw.instructuremedia.com/thumbnails/42.jpg"
    assert (media.transcoding_status, media.source, media.size) == ("transcoding_finished", "upload", 18874368)
    assert media.embed_id == "b7b6e3c2-2f0e-4d86-9a55-6f6d6d0f3a10"
    assert media.lti_launch_id == "5f9c1f3a-7f52-4a0e-8f6a-0a6d2a3c9b41-42"
    assert media.collection is None
    assert media.extra == {}
    assert_is_ada(media.owner)


def assert_is_shared_as_recorded(permissions: Any) -> None:
    assert type(permissions) is Permissions
    assert [
        (type(user), user.id, user.full_name, user.display_name, user.email, user.permission, user.extra)
        for user in permissions.users
    ] == [
        (User, 3, "Ada Park", "Ada", "ada.park@example.edu", "edit", {}),
        (User, 4, "Jonas Lindqvist", "Jonas", "jonas.lindqvist@example.edu", "view", {}),
    ]
    [group] = permissions.groups
    assert type(group) is Group
    assert (group.id, group.name, group.permission, group.extra) == (11, "Teaching assistants", "edit", {})
    assert isinstance(permissions.users, tuple)
    assert isinstance(permissions.groups, tuple)
    assert permissions.extra == {}
