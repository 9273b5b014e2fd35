"""Compares a snapshot with the lists that it was made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canvas_studio import StudioClient
    from canvas_studio.workflows import Snapshot

DATES = ("created_at", "archived_at")


def moment(text: str | None) -> str | None:
    """A moment as a snapshot writes it."""
    if text is None or not text.endswith("Z"):
        return text
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<6}Z"


def in_the_lists(studio: StudioClient) -> dict[str, list[dict[str, Any]]]:
    """The media and the collections as the lists have them, in the order of their ids."""
    found = {"media": studio.search_media().to_dicts(), "collection": studio.list_collections().to_dicts()}
    for items in found.values():
        for item in items:
            item.pop("thumbnail_url", None)
            item |= {name: moment(item[name]) for name in DATES}
        items.sort(key=lambda item: item["id"])
    return found


def in_the_file(snapshot: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """The same from a snapshot, put together from its tables."""
    owners = {row.pop("id"): row for row in snapshot.sql("select * from owner").to_dicts()}
    found: dict[str, list[dict[str, Any]]] = {}
    queries = {"media": "select * from media order by id", "collection": "select * from collection order by id"}
    for table, query in queries.items():
        found[table] = []
        for item in snapshot.sql(query).to_dicts():
            owner_id, extra, _ = item.pop("owner_id"), item.pop("extra"), item.pop("grants")
            item["owner"] = None
            if owner_id is not None:
                owner = {"id": owner_id} | owners[owner_id]
                owner_extra = owner.pop("extra")
                item["owner"] = owner | json.loads(owner_extra or "{}")
            if table == "media":
                home = item.pop("home_id")
                item["collection"] = None if home is None else {"id": home}
            else:
                del item["sweep"]
            found[table].append(item | json.loads(extra or "{}"))
    return found


def grants(snapshot: Snapshot) -> set[tuple[Any, ...]]:
    """Who may see what, by the file, with their names."""
    rows = snapshot.sql(
        "select kind, permission.id, share_type, to_id, level, name from permission "
        "left join grantee using (share_type) where grantee.id = to_id"
    )
    return {tuple(row.values()) for row in rows}


def grants_by_single_calls(studio: StudioClient) -> set[tuple[Any, ...]]:
    """Who may see what, asked one by one."""
    found: set[tuple[Any, ...]] = set()
    media: list[Any] = list(studio.search_media())
    collections: list[Any] = list(studio.list_collections())
    for kind, items in (("media", media), ("collection", collections)):
        make: Any = studio.map
        for item, permissions in zip(items, make(f"get_{kind}_permissions", items), strict=True):
            found |= {(kind, item.id, "user", user.id, user.permission, user.full_name) for user in permissions.users}
            found |= {(kind, item.id, "group", group.id, group.permission, group.name) for group in permissions.groups}
    return found


def placements(snapshot: Snapshot) -> set[tuple[int, int]]:
    """Which media is in which collection, by the file."""
    return {(row["collection_id"], row["media_id"]) for row in snapshot.sql("select * from placement")}


def placements_in_the_lists(studio: StudioClient) -> set[tuple[int, int]]:
    """Which media is in which collection, by the lists."""
    return {
        (collection.id, media.id)
        for collection in studio.list_collections().collect()
        for media in studio.list_collection_media(collection.id)
    }
