"""How the peers' users turn the bytes of a page into objects or into a frame, the fastest ways among them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from pathlib import Path
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from benches.peers import module

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIELDS = (
    "id", "title", "description", "duration", "created_at", "last_viewed", "last_viewed_by_student", "thumbnail_url",
    "transcoding_status", "owner", "size", "source", "embed_id", "lti_launch_id",
    "archived_at",
)  # fmt: skip
OWNER = ("id", "full_name", "display_name", "email")
THREE = ("id", "title", "size")


@dataclass(slots=True)
class Owner:
    """As in the answer; times and dates stay text, which is less work than the package does."""

    id: int
    full_name: str | None = None
    display_name: str | None = None
    email: str | None = None


@dataclass(slots=True)
class Media:
    """As in the answer."""

    id: int
    title: str | None = None
    description: str | None = None
    duration: float | None = None
    created_at: str | None = None
    last_viewed: str | None = None
    last_viewed_by_student: str | None = None
    thumbnail_url: str | None = None
    transcoding_status: str | None = None
    owner: Owner | None = None
    size: int | None = None
    source: str | None = None
    embed_id: str | None = None
    lti_launch_id: str | None = None
    archived_at: str | None = None


def _media(item: dict[str, Any]) -> Media:
    owner = item.pop("owner")
    return Media(**item, owner=Owner(**owner) if owner else None)


def decoder(name: str) -> Callable[[Any], list[Any]]:
    """Make the function from the bytes of a page to its items."""
    if name.startswith("orjson") or name == "canvasapi":
        loads = module("orjson").loads
    elif name == "msgspec":
        return _msgspec()
    else:
        loads = json.loads
    if name == "canvasapi":
        wrap = module("canvasapi.canvas_object").CanvasObject
        return lambda body: [wrap(None, item) for item in loads(body)["media"]]
    if name.endswith("dataclass"):
        return lambda body: [_media(item) for item in loads(body)["media"]]
    return lambda body: loads(body)["media"]


def captions(name: str) -> Callable[[Any], list[Any]]:
    """Make the function from the bytes of an answer to its captions."""
    loads = module("orjson").loads if name == "orjson" else json.loads
    return lambda body: loads(body)["caption_files"]


def single(name: str) -> Callable[[Any], Any]:
    """Make the function from the bytes of one media to it."""
    if name == "msgspec":
        msgspec = module("msgspec")
        decode = msgspec.json.Decoder(msgspec.defstruct("Answer", [("media", _struct(msgspec))])).decode
        return lambda body: decode(body).media
    loads = module("orjson").loads if name == "orjson" else json.loads
    return lambda body: loads(body)["media"]


def _msgspec() -> Callable[[Any], list[Any]]:
    msgspec = module("msgspec")
    decode = msgspec.json.Decoder(
        msgspec.defstruct("Page", [("media", GenericAlias(list, (_struct(msgspec),)))])
    ).decode
    return lambda body: decode(body).media


def _struct(msgspec: Any) -> Any:
    owner = msgspec.defstruct("Owner", [("id", int)] + [(name, str | None, None) for name in OWNER[1:]])
    kinds: dict[str, Any] = {"duration": float | None, "size": int | None, "owner": owner | None}
    fields = [(name, kinds.get(name, str | None), None) for name in FIELDS[1:]]
    return msgspec.defstruct("Media", [("id", int), *fields])


def reader(touch: str, decoding: str) -> Callable[[Any], Any] | None:
    """Make the function that reads from an item what the row says; None if it reads nothing."""
    is_dict = decoding in {"json", "orjson"}
    getter: Callable[..., Callable[[Any], Any]] = itemgetter if is_dict else attrgetter
    if touch in {"nothing", "to_dicts"}:
        return None
    if touch == "three":
        return getter(*THREE)
    if touch == "every":
        every, of_owner = getter(*FIELDS), getter(*OWNER)
        place = FIELDS.index("owner")

        def read(item: Any) -> None:
            owner = every(item)[place]
            if owner is not None:
                of_owner(owner)

        return read
    if touch == "to_dict" and not is_dict:
        return lambda item: item.to_dict()
    raise ValueError(f"{touch} {decoding}")


def csv_file(decoding: str, path: str) -> tuple[Callable[[Any], Any], Callable[[Sequence[Any]], None]]:
    """Make what is done with the bytes of each page, and what writes all of that to a CSV file."""
    getter: Callable[..., Callable[[Any], Any]] = attrgetter if decoding == "msgspec" else itemgetter
    every, of_owner, place = getter(*FIELDS), getter(*OWNER), FIELDS.index("owner")
    nobody = (None,) * len(OWNER)

    def row(item: Any) -> tuple[Any, ...]:
        cells = every(item)
        owner = nobody if cells[place] is None else of_owner(cells[place])
        return (*cells[:place], *owner, *cells[place + 1 :])

    def write(pages: Sequence[Any]) -> None:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow([*FIELDS[:place], *(f"owner_{name}" for name in OWNER), *FIELDS[place + 1 :]])
            rows.writerows(map(row, (item for page in pages for item in page)))

    return decoder(decoding), write


def frame(name: str) -> tuple[Callable[[Any], Any], Callable[[Sequence[Any]], Any]]:
    """Make what is done with the bytes of each page, and what makes the frame of all of that."""
    return FRAMES[name]()


def _polars_text() -> tuple[Callable[[Any], Any], Callable[[Sequence[Any]], Any]]:
    pl = module("polars")
    owner = pl.Struct({name: pl.Int64 if name == "id" else pl.String for name in OWNER})
    kinds: dict[str, Any] = {"id": pl.Int64, "size": pl.Int64, "duration": pl.Float64, "owner": owner}
    page = pl.Struct({"media": pl.List(pl.Struct({name: kinds.get(name, pl.String) for name in FIELDS}))})

    def make(pages: Sequence[Any]) -> Any:
        media = pl.col("page").str.json_decode(page).struct.field("media")
        return pl.DataFrame({"page": pages}).select(media.explode().struct.unnest())

    return lambda body: str(body, "utf-8"), make


def _polars_dicts() -> tuple[Callable[[Any], Any], Callable[[Sequence[Any]], Any]]:
    pl = module("polars")
    return decoder("orjson"), lambda pages: pl.DataFrame(
        [item for page in pages for item in page], infer_schema_length=None
    )


def _pandas_dicts() -> tuple[Callable[[Any], Any], Callable[[Sequence[Any]], Any]]:
    pd = module("pandas")
    return decoder("orjson"), lambda pages: pd.DataFrame([item for page in pages for item in page])


def _pandas_json() -> tuple[Callable[[Any], Any], Callable[[Sequence[Any]], Any]]:
    pd = module("pandas")
    return decoder("json"), lambda pages: pd.json_normalize([item for page in pages for item in page])


def _pyarrow_table() -> tuple[Callable[[Any], Any], Callable[[Sequence[Any]], Any]]:
    pa, pc, read_json = module("pyarrow"), module("pyarrow.compute"), module("pyarrow.json").read_json

    def make(pages: Sequence[Any]) -> Any:
        # One page is one line, since JSON in one line is what the server sends.
        table = read_json(io.BytesIO(b"\n".join(pages)))
        return pa.Table.from_struct_array(pc.list_flatten(table["media"]))

    # The buffer of the client does not outlive the answer.
    return bytes, make


def _pyarrow_polars() -> tuple[Callable[[Any], Any], Callable[[Sequence[Any]], Any]]:
    take, make = _pyarrow_table()
    from_arrow = module("polars").from_arrow
    return take, lambda pages: from_arrow(make(pages))


FRAMES: dict[str, Callable[[], tuple[Callable[[Any], Any], Callable[[Sequence[Any]], Any]]]] = {
    "pyarrow.json": _pyarrow_table,
    "pyarrow.json, polars": _pyarrow_polars,
    "polars json_decode": _polars_text,
    "orjson, polars": _polars_dicts,
    "orjson, pandas": _pandas_dicts,
    "json_normalize": _pandas_json,
}
