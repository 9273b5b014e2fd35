"""What a snapshot says of itself, and opening a file as one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from canvas_studio import _notebook
from canvas_studio.models import Drift
from canvas_studio.workflows.errors import SnapshotError
from canvas_studio.workflows.schema import APPLICATION_ID, FORMAT, MEDIA, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SnapshotAbout", "connect", "is_of_a_snapshot", "read_about", "write_about"]

HEADER: Final = b"SQLite format 3\x00"
HEADER_BYTES: Final = 100
APPLICATION_ID_AT: Final = slice(68, 72)


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class SnapshotAbout:
    """What a snapshot says of itself: `Snapshot.about`.

    Attributes:
        studio: The URL of the school.
        level: What was read: `lists`, `courses` (also which media is in which collection) or `grants` (also who may
            see what).
        started_at: When the reading began, in UTC.
        taken_at: When it ended, in UTC.
        counts: How many media, collections, owners, placements of a media in a collection, and permissions: grants to
            a person or a group.
        bytes: The size of all media together.
        drift: How each list changed while it was read.
        calibration: What was found out about this Studio and this token. `checked`: of how many media the courses were
            asked for singly; `same`: for how many the collections gave the same; `gone`: how many were deleted
            meanwhile; `different`: the others, with both answers. `administrator`: whether the token probably is an
            administrator's. `last_viewed`, `last_viewed_by_student`, `archived_at`: whether Studio's answers have this
            field of a media. `last_viewed_from`: for each of the first two, `answers`; or `day`, `month` or `year`, if
            it was found out by searching periods of that length. `never_viewed`: whether a search by the last view
            brings what was never viewed, with `both` ends of a period, a `start` only, an `end` only. `None` stands for
            what could not be found out.
        not_read: How many collections were `gone` (404) when their media were read, and for how many the token was
            `not_allowed` (403). At the level `grants`, `grants_gone` and `grants_not_allowed` say of how many media and
            collections the permissions could not be read.
        consistent: Whether each list was read until two readings brought the same.
        anonymized: Whether names, addresses and titles are replaced.
        resumed: How often the reading was ended and went on later.
        tool: What wrote the file.
        version: The version of the format.
    """

    studio: str
    level: Literal["lists", "courses", "grants"]
    started_at: datetime
    taken_at: datetime
    counts: Mapping[str, int]
    bytes: int
    drift: Mapping[str, Drift]
    calibration: Mapping[str, Any]
    not_read: Mapping[str, int]
    consistent: bool
    anonymized: bool
    resumed: int
    tool: str
    version: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that `json.dumps` takes.

        Returns:
            Every attribute, with moments as text.
        """
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

    def _repr_html_(self) -> str:
        return _notebook.card("Snapshot", self.to_dict())


def write_about(connection: sqlite3.Connection, about: SnapshotAbout) -> None:
    """Write what a snapshot says of itself.

    Args:
        connection: The file.
        about: What.
    """
    values = {"format": FORMAT} | about.to_dict()
    rows = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in values.items()]
    connection.executemany("insert or replace into about values (?, ?)", rows)


def connect(path: Path) -> sqlite3.Connection:
    """Open a snapshot, read only, after a look at whether it is one.

    Args:
        path: The file.

    Returns:
        The connection.

    Raises:
        SnapshotError: If it is no snapshot, of a newer version, cut short or not whole.
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        header, size = file.read(HEADER_BYTES), file.seek(0, 2)
    if len(header) < HEADER_BYTES or not header.startswith(HEADER):
        raise SnapshotError(f"{path} is not a snapshot: it is no SQLite file")
    version = int.from_bytes(header[60:64], "big")
    if not is_of_a_snapshot(header):
        raise SnapshotError(f"{path} is not a snapshot: it is another SQLite file")
    if version > VERSION:
        raise SnapshotError(
            f"{path} has version {version} of the format, and this package reads up to {VERSION}: "
            "update canvas-studio, or take the snapshot again"
        )
    page = int.from_bytes(header[16:18], "big")
    page = 65_536 if page == 1 else page
    if size != page * int.from_bytes(header[28:32], "big"):
        raise SnapshotError(f"{path} is broken: it was cut short or changed. Copy it or take it again")
    address = f"{path.absolute().as_uri()}?mode=ro"
    # A reading is short, and the caller's lock keeps two threads from one connection.
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    try:
        for setting in ("query_only = on", "temp_store = memory", "trusted_schema = off"):
            connection.execute(f"pragma {setting}")
        # `attach` would make a file, and so would `vacuum into`, which attaches it. An authorizer in Python could wait
        # for the interpreter's lock while it holds SQLite's, and another thread for the other one.
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        is_whole = connection.execute("select count(*) from about where key = 'taken_at'").fetchone()[0]
        # That a table or a column is missing is the fault of the file, and not of the first query.
        for query in ("select * from library", "select * from courses", MEDIA) if is_whole else ():
            connection.execute(f"select * from ({query}) limit 0").close()  # noqa: S608 - of these
    except (sqlite3.Error, UnicodeDecodeError) as error:
        connection.close()
        raise SnapshotError(f"{path} is broken: {error}. Copy it or take it again") from error
    except BaseException:
        connection.close()
        raise
    if not is_whole:
        connection.close()
        raise SnapshotError(f"{path} is not whole: its reading was ended. Take the snapshot again, and it goes on")
    return connection


def is_of_a_snapshot(header: bytes) -> bool:
    """Whether a file that begins so is a snapshot, or a part of one.

    Args:
        header: The first 100 bytes.
    """
    return header.startswith(HEADER) and header[APPLICATION_ID_AT] == APPLICATION_ID.to_bytes(4, "big")


def read_about(connection: sqlite3.Connection, path: Path) -> SnapshotAbout:
    """Read what a snapshot says of itself.

    Args:
        connection: The file, opened.
        path: Its name, for errors.

    Returns:
        What it says.

    Raises:
        SnapshotError: If that cannot be read.
    """
    try:
        with closing(connection.execute("select key, value from about")) as found:
            said: dict[str, str] = dict(found)
        if said["format"] != FORMAT:
            raise SnapshotError(f"{path} is not a snapshot: it calls itself {said['format']!r}")
        plain = {each.name: said[each.name] for each in fields(SnapshotAbout)}
        values: dict[str, Any] = {
            name: value if name in {"studio", "level", "tool"} or name.endswith("_at") else json.loads(value)
            for name, value in plain.items()
        }
        values["drift"] = {name: Drift(**each) for name, each in values["drift"].items()}
        for name in ("started_at", "taken_at"):
            values[name] = datetime.fromisoformat(values[name])
        return SnapshotAbout(**values)
    except (KeyError, TypeError, ValueError, AttributeError, sqlite3.DatabaseError) as error:
        raise SnapshotError(f"{path} is broken: what it says of itself cannot be read ({error!r})") from error


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat(timespec="seconds").replace("+00:00", "Z")
        case Drift():
            return {each.name: getattr(value, each.name) for each in fields(value)}
        case dict():
            return {key: _plain(each) for key, each in cast("dict[str, object]", value).items()}
        case _:
            return value
