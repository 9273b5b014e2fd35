"""Takes a snapshot: reads a Studio into a file beside the old one, which it replaces when it is whole."""

from __future__ import annotations

import errno
import json
import os
import secrets
import sqlite3
import stat
import sys
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from canvas_studio._core import Checkpoint, StudioClient, __version__, read_bool, read_path
from canvas_studio._logs import ATTRIBUTES, logger
from canvas_studio.errors import InvalidArgumentError, NotFoundError, PermissionDeniedError, StudioError
from canvas_studio.models import Drift
from canvas_studio.workflows.about import (
    HEADER_BYTES,
    SnapshotAbout,
    connect,
    is_of_a_snapshot,
    read_about,
    write_about,
)
from canvas_studio.workflows.calibration import ASKABLE, calibrate, see_the_same, viewer
from canvas_studio.workflows.errors import SnapshotError, SnapshotRefusedError
from canvas_studio.workflows.last_viewed import read_last_viewed
from canvas_studio.workflows.private import Names, without_secrets
from canvas_studio.workflows.progress import Reporter
from canvas_studio.workflows.schema import APPLICATION_ID, INDEX, LAST_TOUCHED, PROGRESS, TABLES, VERSION, VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from canvas_studio._core import Collection, Media
    from canvas_studio.listing import Listing
    from canvas_studio.many_calls import Map
    from canvas_studio.models import Owner, Permissions

__all__ = ["Level", "take"]

Level: TypeAlias = Literal["lists", "courses", "grants"]
LEVELS: Final = ("lists", "courses", "grants")

GOES_ON_FOR: Final = timedelta(hours=24)
"""What was read longer ago is read again: a snapshot is of one time."""

COMMIT_AFTER: Final = 1_000
"""A crash costs so many rows at most, or a twentieth of those that are there: then all commits together cost as much as
writing the checkpoint some twenty times, however large the library is."""

CALLS_BETWEEN_COMMITS: Final = 100

COUNTED: Final = ("media", "collections", "owners", "placements", "permissions")

NO_LISTS: Final = Drift(readings=1, appeared=0, vanished=0, first_total=0, last_total=0)

SMALLER: Final = 2
"""A snapshot with less than this part of the old one's media is refused."""

CACHE_KIB: Final = 16_384

NOT_WRITTEN: Final = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
}
"""What SQLite calls the errors of the system."""


def take(
    studio: StudioClient,
    path: str | os.PathLike[str],
    *,
    level: Level,
    consistent: bool,
    anonymize: bool,
    allow_smaller: bool,
    progress: bool | Callable[[str, int, int | None], object] | None,
) -> Path:
    """Take a snapshot; `Snapshot.take` says how.

    Returns:
        The path of the file, links resolved.
    """
    if not isinstance(studio, StudioClient):  # pyright: ignore[reportUnnecessaryIsInstance] - it may be anything
        raise TypeError(f"studio must be a StudioClient, not {type(studio).__name__}")
    if level not in LEVELS:
        raise InvalidArgumentError(
            f"level must be one of {', '.join(map(repr, LEVELS))}, not {level!r}", argument="level"
        )
    settings = {
        "studio": studio.url,
        "level": level,
        "consistent": read_bool("consistent", consistent),
        "anonymized": read_bool("anonymize", anonymize),
        "tool": f"canvas-studio {__version__}",
    }
    insists = read_bool("allow_smaller", allow_smaller)
    target = Path(os.path.realpath(read_path("path", path)))
    replaced = _what_is_replaced(target, studio.url)
    part = target.with_name(f"{target.name}.part")
    with Reporter(progress) as report, _naming(part), closing(_open(part)) as connection:
        reading = _Reading(studio, connection, settings, report)
        reading.begin(part)
        media = reading.read_list("media")
        if replaced is not None and media * SMALLER < replaced.counts["media"] and not insists:
            _throw_away(part, connection)
            raise SnapshotRefusedError(
                f"this snapshot has {media:,} media, and {target} has {replaced.counts['media']:,}: less than half. "
                "The old file is as it was, and what was read now is thrown away. Is it the same token, and has it "
                "kept its role (canvas-studio whoami)? If so, and the library has really shrunk, replace the old file "
                "with allow_smaller=True (--smaller), or choose another name",
                reason="smaller",
            )
        reading.read_list("collections")
        if level != "lists":
            reading.sweep()
        if level == "grants":
            reading.read_grants()
        reading.finish()
        if sys.platform == "win32":
            connection.close()
        # Elsewhere the lock is held until the file has its name, so that nobody else goes on with it.
        part.replace(target)
    return target


@contextmanager
def _naming(part: Path) -> Generator[None]:
    """Turn what SQLite says of the file that is written into errors that name it, and say what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code not in NOT_WRITTEN:
            raise SnapshotError(f"{part} is broken: {error}. Delete it, and take the snapshot again") from error
        said = f"{error}: the snapshot cannot be written. Is there room? The same call goes on where it was"
        raise OSError(NOT_WRITTEN[code], said, str(part)) from error


def _throw_away(part: Path, connection: sqlite3.Connection) -> None:
    """Delete the file that is written, and its journal."""
    connection.execute("pragma journal_mode = memory").fetchall()
    if sys.platform == "win32":
        connection.close()
    part.unlink()


def _what_is_replaced(target: Path, studio: str) -> SnapshotAbout | None:
    """Look at the file that a snapshot would replace, before anything is sent."""
    if not target.exists():
        return None
    if not target.is_file():
        raise InvalidArgumentError(f"path must name a file; {str(target)!r} is something else", argument="path")
    if target.stat().st_size == 0:
        return None
    try:
        with closing(connect(target)) as connection:
            found = read_about(connection, target)
    except SnapshotError as error:
        raise SnapshotRefusedError(
            f"{error}. It is not replaced: choose another name, or delete it", reason="not_a_snapshot"
        ) from error
    if found.studio != studio:
        raise SnapshotRefusedError(
            f"{target} is a snapshot of {found.studio}, and this is {studio}: choose another name, or delete it",
            reason="other_school",
        )
    return found


def _open(part: Path) -> sqlite3.Connection:
    """Open or make the file that is written, which nobody else can read or write meanwhile."""
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        found = part.lstat()
        if not stat.S_ISREG(found.st_mode) or (sys.platform != "win32" and found.st_uid != os.getuid()):
            raise SnapshotError(f"{part} is not a file of this user: remove it") from None
        with part.open("rb") as file:
            header = file.read(HEADER_BYTES)
        if header and not is_of_a_snapshot(header):
            raise SnapshotRefusedError(
                f"{part} is not a part of a snapshot, and would be replaced: choose another name, or move it away",
                reason="not_a_snapshot",
            ) from None
        if sys.platform != "win32":
            part.chmod(0o600)
    except FileNotFoundError:
        raise FileNotFoundError(2, "there is no such folder", str(part.parent)) from None
    try:
        return _lock(part)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise SnapshotRefusedError(
                f"another process is writing {part}: wait for it, or choose another name", reason="busy"
            ) from None
        if error.sqlite_errorcode not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
    # What was left is no use. Its journal goes first: it must never be applied to a new file.
    part.with_name(f"{part.name}-journal").unlink(missing_ok=True)
    part.unlink()
    return _open(part)


def _lock(part: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(part, timeout=0, isolation_level=None)
    try:
        for setting in (
            "locking_mode = exclusive",
            "auto_vacuum = incremental",
            # What was there and is deleted, such as the key of the pseudonyms, is overwritten.
            "secure_delete = on",
            "synchronous = normal",
            "temp_store = memory",
            f"cache_size = -{CACHE_KIB}",
        ):
            connection.execute(f"pragma {setting}").fetchall()
        # An exclusive transaction takes the lock of the system, which ends with the process; it stays taken.
        connection.execute("begin exclusive")
        # From the first byte on, the file says what it is.
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute("create table if not exists locked(it)")
        connection.execute("drop table locked")
        connection.execute("commit")
    except BaseException:
        connection.close()
        raise
    if not part.exists():
        connection.close()
        raise SnapshotRefusedError(f"another process has just finished {part}: look at its snapshot", reason="busy")
    return connection


class _Reading:
    """One reading of a Studio into a file."""

    def __init__(
        self, studio: StudioClient, connection: sqlite3.Connection, settings: dict[str, Any], report: Reporter
    ) -> None:
        self._studio = studio
        self._connection = connection
        self._settings = settings
        self._report = report
        self._names = Names(None)
        self._administrator: bool | None = None

    def begin(self, part: Path) -> None:
        """Go on with what the file holds, or begin anew.

        Args:
            part: The file, for the log.
        """
        now = datetime.now(UTC)
        found = self._found(now)
        sees = viewer(self._studio)
        self._administrator = sees["administrator"]
        if found is not None and not see_the_same(found["viewer"], sees):
            logger.warning(
                "%s: the reading begins anew, and does not go on with what an earlier call read: the token seems to be "
                "another person's, or to see another part of the school (%s then, and %s now)",
                *(part, _seen(found["viewer"]), _seen(sees)),
                extra=ATTRIBUTES,
            )
            found = None
        if found is not None:
            self._keep(resumed=found["resumed"] + 1)
        else:
            self._empty()
            self._connection.executescript(
                f"begin exclusive; {TABLES} {PROGRESS} pragma application_id = {APPLICATION_ID};"
                f"pragma user_version = {VERSION}; commit;"
            )
            key = secrets.token_hex(32) if self._settings["anonymized"] else None
            self._keep(started_at=now.isoformat(), resumed=0, key=key, drift={}, settings=self._settings, viewer=sees)
        key = self._progress()["key"]
        self._names = Names(None if key is None else bytes.fromhex(key))

    def _found(self, now: datetime) -> dict[str, Any] | None:
        """Return what an earlier reading left, if this one could go on with it."""
        try:
            found = self._progress()
            is_recent = timedelta() <= now - datetime.fromisoformat(found["started_at"]) < GOES_ON_FOR
            is_whole = found.keys() >= {"resumed", "key", "drift", "viewer"}
            return found if found["settings"] == self._settings and is_recent and is_whole else None
        except (KeyError, TypeError, ValueError):
            return None

    def _empty(self) -> None:
        self._connection.execute("begin exclusive")
        tables = self._connection.execute("select type, name from sqlite_schema where type in ('table', 'view')")
        for kind, name in tables.fetchall():
            if not name.startswith("sqlite_"):
                self._connection.execute(f'drop {kind} "{name}"')
        self._connection.execute("commit")

    def _progress(self) -> dict[str, Any]:
        try:
            found = self._connection.execute("select key, value from progress").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            return {}  # there is no such table
        return {key: json.loads(value) for key, value in found}

    def _keep(self, **values: Any) -> None:  # noqa: ANN401 - whatever JSON says
        rows = [(key, json.dumps(value)) for key, value in values.items()]
        is_own = not self._connection.in_transaction
        if is_own:
            self._connection.execute("begin")
        self._connection.executemany("insert or replace into progress values (?, ?)", rows)
        if is_own:
            self._connection.execute("commit")

    def read_list(self, what: Literal["media", "collections"]) -> int:
        """Read a list to its end, from where an earlier reading was ended.

        Returns:
            How many there are.
        """
        kept = self._progress().get(what)
        if kept != "whole":
            listing: Listing[Any]
            if kept is None:
                fresh: Listing[Any] = (
                    self._studio.search_media() if what == "media" else self._studio.list_collections()
                )
                listing = fresh.with_options(consistent=self._settings["consistent"])
            else:
                listing = self._studio.resume(Checkpoint.from_json(kept))
            self._connection.execute("begin")
            try:
                self._read(what, listing)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise
            self._connection.execute("commit")
        return self._count(what)

    def _read(self, what: Literal["media", "collections"], listing: Listing[Any]) -> None:
        done = self._count(what)
        pages = iter(listing.pages())
        pending = 0
        while True:
            try:
                page = next(pages, None)
            except StudioError:
                # Not after Ctrl-C: it may have come when the page was counted as read, and before it was written.
                self._keep(**{what: listing.checkpoint().to_json()})
                self._connection.execute("commit")
                raise
            if page is None:
                break
            if what == "media":
                self._write_media(page)
            else:
                self._write_collections(page)
            done, pending = done + len(page), pending + len(page)
            self._report(what, done, None if listing.drift is None else listing.drift.last_total)
            if pending >= max(COMMIT_AFTER, done // 20):
                pending = 0
                self._keep(**{what: listing.checkpoint().to_json()})
                self._connection.execute("commit")
                self._connection.execute("begin")
        drift = self._progress()["drift"]
        if listing.drift is not None:
            drift[what] = asdict(listing.drift)
        self._keep(**{what: "whole", "drift": drift})
        self._report(what, done, done)

    def _count(self, what: str) -> int:
        # The tables are named for one, and media is both.
        count: int = self._connection.execute(f"select count(*) from {what.removesuffix('s')}").fetchone()[0]  # noqa: S608 - of ours
        return count

    def _write_media(self, page: Sequence[Media]) -> None:
        names = self._names
        self._write_owners([media.owner for media in page])
        self._connection.executemany(
            "insert or replace into media values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null)",
            [
                (
                    media.id,
                    names.name("media", media.title),
                    names.other(media.description),
                    media.duration,
                    _moment(media.created_at),
                    None if media.last_viewed is None else media.last_viewed.isoformat(),
                    None if media.last_viewed_by_student is None else media.last_viewed_by_student.isoformat(),
                    without_secrets(media.transcoding_status),
                    None if media.owner is None else media.owner.id,
                    media.size,
                    without_secrets(media.source),
                    names.other(media.embed_id),
                    names.other(media.lti_launch_id),
                    _moment(media.archived_at),
                    without_secrets(media.permission),
                    None if media.collection is None else media.collection.id,
                    names.unknown(media.extra),
                )
                for media in page
            ],
        )

    def _write_collections(self, page: Sequence[Collection]) -> None:
        self._write_owners([collection.owner for collection in page])
        self._connection.executemany(
            "insert or replace into collection values (?, ?, ?, ?, ?, ?, ?, ?, ?, null, null)",
            [
                (
                    each.id,
                    self._names.name("collection", each.name),
                    without_secrets(each.type),
                    without_secrets(each.permission),
                    None if each.owner is None else each.owner.id,
                    _moment(each.created_at),
                    each.course_id,
                    _moment(each.archived_at),
                    self._names.unknown(each.extra),
                )
                for each in page
            ],
        )

    def _write_owners(self, owners: Sequence[Owner | None]) -> None:
        names = self._names
        rows = {
            owner.id: (
                owner.id,
                names.name("person", owner.full_name),
                names.name("person", owner.display_name),
                names.address(owner.email),
                names.unknown(owner.extra),
            )
            for owner in owners
            if owner is not None
        }
        # One answer may say less of a person than another.
        self._connection.executemany(
            "insert into owner values (?, ?, ?, ?, ?) on conflict(id) do update set "
            "full_name = coalesce(excluded.full_name, full_name), "
            "display_name = coalesce(excluded.display_name, display_name), "
            "email = coalesce(excluded.email, email), extra = coalesce(excluded.extra, extra)",
            list(rows.values()),
        )

    def sweep(self) -> None:
        """Read which media is in which collection, with the collections that were not read yet."""
        drift = self._progress()["drift"]
        self._keep(drift={"courses": asdict(NO_LISTS)} | drift)
        self._ask_each(
            *("courses", "collection", "sweep", "list_collection_media", self._write_placements),
            total=self._count("collections"),
            consistent=self._settings["consistent"],
        )

    def read_grants(self) -> None:
        """Read who may see which media and which collection, with those that were not asked for yet."""
        total = self._count("media") + self._count("collections")
        for kind, operation in (("media", "get_media_permissions"), ("collection", "get_collection_permissions")):
            self._ask_each("grants", kind, "grants", operation, partial(self._write_grants, kind), total=total)

    def _ask_each(
        self,
        stage: str,
        table: str,
        column: str,
        operation: str,
        write: Callable[[int, Any], None],
        *,
        total: int,
        **options: Any,  # noqa: ANN401 - those of `StudioClient.map`
    ) -> None:
        """Make a call for each row whose column is null, and note in the row what came of it."""
        run = self._connection.execute
        # There is nothing with such an id, so it is not asked for.
        run(f"update {table} set {column} = 'gone' where id not between ? and ?", ASKABLE)  # noqa: S608 - of these
        tables = {"courses": ("collection",), "grants": ("media", "collection")}[stage]
        begun = sum(run(f"select count({column}) from {each}").fetchone()[0] for each in tables)  # noqa: S608 - likewise
        drift = self._progress()["drift"]
        noted, asked = tee(self._left(table, column))
        make: Any = self._studio.map
        calls: Map[Any] = make(operation, asked, errors="return", **options)
        run("begin")
        try:
            for done, (number, answer) in enumerate(zip(noted, calls, strict=True), begun + 1):
                match answer:
                    case NotFoundError():
                        state = "gone"
                    case PermissionDeniedError():
                        state = "not_allowed"
                    case StudioError():
                        # What came before it is kept.
                        self._commit_calls(stage, drift, calls.drift)
                        raise answer
                    case _:
                        state = "read"
                        write(number, answer)
                run(f"update {table} set {column} = ? where id = ?", (state, number))  # noqa: S608 - likewise
                self._report(stage, done, total)
                if done % CALLS_BETWEEN_COMMITS == 0:
                    self._commit_calls(stage, drift, calls.drift)
            self._commit_calls(stage, drift, calls.drift)
        finally:
            if self._connection.in_transaction:
                run("rollback")

    def _left(self, table: str, column: str) -> Generator[int]:
        """Bring the ids of the rows whose column is null, some at a time: there may be a million."""
        last = 0
        query = f"select id from {table} where {column} is null and id > ? order by id limit {COMMIT_AFTER}"  # noqa: S608 - of these
        while rows := self._connection.execute(query, (last,)).fetchall():
            for (last,) in rows:
                yield last

    def _commit_calls(self, stage: str, before: dict[str, Any], since: Drift | None) -> None:
        if since is not None:
            self._keep(drift=before | {stage: asdict(Drift(**before[stage]) + since)})
        self._connection.execute("commit")
        self._connection.execute("begin")

    def _write_placements(self, collection_id: int, media: list[Media]) -> None:
        self._connection.executemany(
            "insert or ignore into placement values (?, ?)", [(collection_id, each.id) for each in media]
        )

    def _write_grants(self, kind: str, id: int, permissions: Permissions) -> None:
        names = self._names
        grants = [
            *(("user", user.id, names.name("person", user.full_name), user.permission) for user in permissions.users),
            *(("group", group.id, names.name("group", group.name), group.permission) for group in permissions.groups),
        ]
        self._connection.executemany(
            "insert or replace into permission values (?, ?, ?, ?, ?)",
            [(kind, id, share_type, to_id, without_secrets(level)) for share_type, to_id, _, level in grants],
        )
        self._connection.executemany(
            "insert into grantee values (?, ?, ?) on conflict(share_type, id) do update set "
            "name = coalesce(excluded.name, name)",
            [(share_type, to_id, name) for share_type, to_id, name, _ in grants],
        )

    def finish(self) -> None:
        """Find out what has to be known of this Studio, and make the file whole."""
        self._connection.execute(INDEX)
        kept = self._progress()
        started = datetime.fromisoformat(kept["started_at"])
        views = read_last_viewed(self._studio, self._connection, started.date(), self._report)
        calibration = views | calibrate(
            self._studio, self._connection, self._settings["level"], self._administrator, self._report
        )
        not_read = self._not_read("select sweep as state from collection")
        if self._settings["level"] == "grants":
            grants = "select grants as state from media union all select grants from collection"
            not_read |= {f"grants_{state}": number for state, number in self._not_read(grants).items()}
        about = SnapshotAbout(
            **self._settings,
            started_at=started,
            taken_at=datetime.now(UTC),
            counts={what: self._count(what) for what in COUNTED},
            # SQLite's sum ends at 2**63.
            bytes=sum(row[0] for row in self._connection.execute("select size from media where size is not null")),
            drift={name: Drift(**each) for name, each in kept["drift"].items()},
            calibration=calibration,
            not_read=not_read,
            resumed=kept["resumed"],
            version=VERSION,
        )
        self._connection.execute("begin")
        knows_views = calibration["last_viewed_from"]["last_viewed"] is not None
        for statement in VIEWS.format(last_touched=LAST_TOUCHED if knows_views else "null").split(";\n"):
            self._connection.execute(statement)
        write_about(self._connection, about)
        self._connection.execute("drop table progress")
        self._connection.execute("commit")
        self._connection.execute("pragma incremental_vacuum").fetchall()
        # Takes the journal away, whose name belongs to that of the file.
        self._connection.execute("pragma journal_mode = memory").fetchall()

    def _not_read(self, states: str) -> dict[str, int]:
        query = f"select state, count(*) from ({states}) where state in ('gone', 'not_allowed') group by 1"  # noqa: S608 - of ours
        return {"gone": 0, "not_allowed": 0} | dict(self._connection.execute(query).fetchall())


def _moment(moment: datetime | None) -> str | None:
    """Write a moment so that texts compare as moments do: always with six digits after the second."""
    return None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _seen(viewer: dict[str, Any]) -> str:
    kind = {True: "an administrator", False: "no administrator", None: "a role that is unknown"}
    counts = ", ".join(
        f"{'an unknown number of' if viewer[what] is None else viewer[what]} {what}"
        for what in ("media", "collections")
    )
    return f"{kind[viewer['administrator']]}, {counts}"
