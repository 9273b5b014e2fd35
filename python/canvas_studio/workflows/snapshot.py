"""`Snapshot`: a Studio's library in one SQLite file, to be queried, kept, and compared with a later one."""

from __future__ import annotations

import re
import sqlite3
import weakref
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, cast

from canvas_studio._core import read_path
from canvas_studio.errors import InvalidArgumentError
from canvas_studio.workflows.about import connect, read_about
from canvas_studio.workflows.captions import WORDS, triage_captions
from canvas_studio.workflows.difference import compare
from canvas_studio.workflows.errors import SnapshotError
from canvas_studio.workflows.inventory import inventory
from canvas_studio.workflows.report import check_jinja2, write_report
from canvas_studio.workflows.rows import Rows
from canvas_studio.workflows.schema import MEDIA
from canvas_studio.workflows.taking import take

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from datetime import date
    from pathlib import Path
    from typing import Self

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from canvas_studio._core import StudioClient
    from canvas_studio.workflows.about import SnapshotAbout
    from canvas_studio.workflows.captions import CaptionWords, Triage
    from canvas_studio.workflows.difference import Difference
    from canvas_studio.workflows.taking import Level

__all__ = ["Snapshot"]

READS: Final = re.compile(
    r"(?:\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*(?:select|with|values|explain)\b", re.IGNORECASE | re.DOTALL
)
"""How a query begins that reads, behind comments."""

PRIMARY: Final = 0xFF
"""The bits of an extended code of SQLite that say what kind of error it is."""

BROKEN: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR}


class Snapshot:
    """A Studio's library at one time, in one SQLite file: `Snapshot.take` or `Snapshot.open` makes one.

    It stays what it was when it was opened, also while a newer snapshot takes the place of the file. Several threads
    can use it. Its pickle holds the path only.

    Attributes:
        path: The file.
        about: What the snapshot says of itself: when, of which school, how many.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, about: SnapshotAbout) -> None:
        self.path = path
        self.about = about
        self._connection = connection
        self._lock = Lock()
        self._close = weakref.finalize(self, connection.close)

    @classmethod
    def take(
        cls,
        studio: StudioClient,
        path: str | os.PathLike[str],
        *,
        level: Level = "courses",
        consistent: bool = False,
        anonymize: bool = False,
        allow_smaller: bool = False,
        progress: bool | Callable[[str, int, int | None], object] | None = None,
    ) -> Self:
        """Read a Studio into a file. Nothing is changed in Studio.

        The file gets its name when it is whole, in place of an older snapshot; until then it has `.part` behind it.
        Only this user can read it. After an error, Ctrl-C or a crash, the same call within 24 hours goes on with it. If
        the token seems to be another person's by then, or sees another number of media or collections, the reading
        begins anew, and the log says so.

        Args:
            studio: The client. An administrator's sees the whole school.
            path: The file, such as `library.db`.
            level: `lists` reads all media and collections; `courses` also which media is in which collection, with one
                request for each collection; `grants` also with whom each media and each collection is shared, with one
                request more for each of both.
            consistent: Whether to read each list until two readings agree; at least twice the requests.
            anonymize: Whether to replace names, addresses and titles by pseudonyms, and to leave out descriptions,
                embed ids and fields that nobody knows.
            allow_smaller: Whether to replace a snapshot that has more than twice as many media.
            progress: `True` for bars (the extra `progress`), or a callable with the stage (`media`, `collections`,
                `courses`, `grants`, `calibration`, and `last_viewed` and `last_viewed_by_student` where answers lack
                these), how many are done, and how many there are, or `None` if that is not known.

        Returns:
            The snapshot, opened.

        Raises:
            SnapshotRefusedError: If the snapshot would be less than half of the one that it replaces; if `path`, or
                `path` with `.part` behind it, is something else or a snapshot of another school; or if another process
                is writing it.
            ListingChangedError: If a list changed during each of ten readings.
            InvalidArgumentError: If an argument is invalid.
            StudioError: If Studio cannot be read.
            OSError: If the file cannot be written.
        """
        taken = take(
            studio,
            path,
            level=level,
            consistent=consistent,
            anonymize=anonymize,
            allow_smaller=allow_smaller,
            progress=progress,
        )
        return cls.open(taken)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a snapshot, read only.

        Args:
            path: The file.

        Returns:
            The snapshot.

        Raises:
            SnapshotError: If the file is no snapshot, of a newer version, broken or not whole.
            OSError: If it cannot be read.
        """
        file = read_path("path", path)
        connection = connect(file)
        try:
            return cls(file, connection, read_about(connection, file))
        except BaseException:
            connection.close()
            raise

    def __repr__(self) -> str:
        return f"<Snapshot {self.path}: {self._summary()}>"

    def _repr_html_(self) -> str:
        return self.about._repr_html_()  # pyright: ignore[reportPrivateUsage] - a notebook's name

    def _summary(self) -> str:
        about = self.about
        return (
            f"{about.counts['media']:,} media ({about.bytes / 1e9:,.1f} GB) and {about.counts['collections']:,} "
            f"collections of {about.studio}, {about.taken_at:%Y-%m-%d %H:%M} UTC, level {about.level}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).open, (self.path.absolute(),)

    def close(self) -> None:
        """Close the file. That happens by itself when nothing refers to the snapshot."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sql(self, query: str, *params: object) -> Rows:
        """Query the snapshot. The page on snapshots lists its tables and views; `library` has most of it.

        Args:
            query: One SELECT of SQLite's SQL.
            *params: What stands for each `?` in it; or one dict for names such as `:since`.

        Returns:
            The rows.

        Raises:
            InvalidArgumentError: If SQLite refuses the query, or it would change the file.
            SnapshotError: If the file is broken or closed.
        """
        if not READS.match(query):
            problem = "query must be one SELECT: a snapshot is read only; copy the file to change it"
            raise InvalidArgumentError(problem, argument="query")
        given: Any = params
        if len(params) == 1 and isinstance(params[0], Mapping):
            given = cast("Mapping[str, object]", params[0])
        with self._lock:
            try:
                cursor = self._connection.execute(query, given)
                columns = [column[0] for column in cursor.description or ()]
                return Rows(columns, cursor.fetchall())
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise self._translated(error) from error
            except UnicodeEncodeError as error:
                problem = f"query: {error.object[error.start]!r} is half of a character, which no file can hold"
                raise InvalidArgumentError(problem, argument="query") from error
            except OverflowError as error:
                problem = "params: SQLite's numbers end at 2**63 - 1 and -2**63"
                raise InvalidArgumentError(problem, argument="params") from error
            except sqlite3.Warning as error:  # Python 3.11, of two statements
                raise InvalidArgumentError(f"query: {error}", argument="query") from error

    def _translated(self, error: sqlite3.Error | UnicodeDecodeError) -> SnapshotError | InvalidArgumentError:
        if not self._close.alive:
            return SnapshotError(f"{self.path} was closed: open it again")
        code = (getattr(error, "sqlite_errorcode", None) or 0) & PRIMARY
        if code in BROKEN or isinstance(error, UnicodeDecodeError):
            return SnapshotError(f"{self.path} is broken: {error}. Copy it or take it again")
        if "Could not decode" in str(error):
            return SnapshotError(f"{self.path} is broken, or the query makes a text that is not UTF-8: {error}")
        if code == sqlite3.SQLITE_READONLY:
            return InvalidArgumentError("query: a snapshot is read only; copy the file to change it", argument="query")
        if isinstance(error, sqlite3.ProgrammingError) and "binding" in str(error):
            advice = "write one value for each ? behind the query, as in sql(query, 42, 7), or one dict for names"
            return InvalidArgumentError(f"params: {error} ({advice})", argument="params")
        return InvalidArgumentError(f"query: {error}", argument="query")

    def connect(self) -> sqlite3.Connection:
        """Open another connection to the file, read only, such as for pandas or for rows that come one by one.

        Returns:
            The connection, of Python's `sqlite3`. You close it.

        Raises:
            SnapshotError: If the file is no snapshot any longer.
            OSError: If it cannot be read.
        """
        return connect(self.path)

    def to_arrow(self) -> pa.Table:
        """Return all media as a pyarrow table: the view `library`.

        Returns:
            The table.

        Raises:
            ImportError: If pyarrow is missing.
        """
        return self._library().to_arrow()

    def to_pandas(self) -> pd.DataFrame:
        """Return all media as a pandas data frame: the view `library`.

        Returns:
            The frame.

        Raises:
            ImportError: If pandas is missing.
        """
        return self._library().to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """Return all media as a polars data frame: the view `library`.

        Returns:
            The frame.

        Raises:
            ImportError: If polars is missing.
        """
        return self._library().to_polars()

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write all media to a Parquet file: the view `library`.

        Args:
            path: The file; an existing one is replaced.

        Returns:
            The path.

        Raises:
            ImportError: If pyarrow is missing.
            OSError: If the file cannot be written.
        """
        return self._library().to_parquet(path)

    def to_csv(self, path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Path:
        """Write all media to a CSV file: the view `library`.

        Args:
            path: The file; an existing one is replaced.
            encoding: `utf-8`, or `utf-8-sig` for a spreadsheet that would otherwise take it for something else.

        Returns:
            The path.

        Raises:
            OSError: If the file cannot be written.
        """
        return self._library().to_csv(path, encoding=encoding)

    def _library(self) -> Rows:
        return self.sql("select * from library order by id")

    def diff(self, older: Snapshot) -> Difference:
        """Compare with an older snapshot of the same school.

        Args:
            older: The older one.

        Returns:
            What was added, what is gone, and what has changed.

        Raises:
            InvalidArgumentError: If `older` is of another school, or newer.
            SnapshotError: If one of the files is broken or closed.
            TypeError: If it is no snapshot.
        """
        _check_snapshot(older)
        return compare(older._media(), older.about, self._media(), self.about)

    def captions(
        self,
        studio: StudioClient,
        *,
        watched_since: date | str,
        words: CaptionWords = WORDS,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> Triage:
        """Ask Studio for the captions of the media that are in courses and that students have watched.

        That is one list of captions for each of these media, through `StudioClient.map`. Media of which they cannot be
        read are listed with the error. Nothing is changed in Studio.

        Args:
            studio: A client of the same school. An administrator's sees the captions of all media.
            watched_since: The first day that counts, as a `date` or as text such as `2026-08-20`.
            words: What Studio's words for captions mean, if not what was seen at one school.
            progress: `True` for a bar (the extra `progress`), or a callable with how many are done, and how many there
                are.

        Returns:
            The triage: which media have no captions, none that are published, those of a machine only, or published
            ones.

        Raises:
            SnapshotError: If the snapshot does not say which media are in courses, or which ones students have watched.
            InvalidArgumentError: If `watched_since` is no day, or after the snapshot was taken; or if `studio` is of
                another school.
            StudioError: If Studio cannot be asked: the token is rejected, or 20 media in a row fail for another reason
                than that they are gone or not allowed.
        """
        return triage_captions(self, studio, watched_since, words, progress)

    def report(self, path: str | os.PathLike[str], *, older: Snapshot | None = None) -> Path:
        """Write the inventory to an HTML file: storage by owner, source, year and course, and what is likely waste.

        The file needs no other one and no network, and only this user can read it. Tables with more than 200 rows are
        whole in CSV files beside it.

        Args:
            path: The file, such as `inventory.html`; an existing one is replaced.
            older: An older snapshot of the same school, for the growth since then.

        Returns:
            The path.

        Raises:
            ImportError: If jinja2 is missing.
            InvalidArgumentError: If `older` is of another school, or newer; or if `path` exists and is not a file.
            SnapshotError: If a snapshot is broken or closed.
            TypeError: If `older` is no snapshot.
            OSError: If a file cannot be written.
        """
        check_jinja2("report()")
        if older is not None:
            _check_snapshot(older)
        return write_report(inventory(self, older), path)[0]

    def _media(self) -> Iterator[tuple[Any, ...]]:
        """Bring all media, some at a time, so that two snapshots can be compared without having both in memory."""
        try:
            # `yield from` would close the cursor when the comparison ends early, which fails on a closed file.
            for row in self._connection.execute(MEDIA):  # noqa: UP028
                yield row
        except (sqlite3.Error, UnicodeDecodeError) as error:
            broken = self._translated(error)
            raise (
                broken if isinstance(broken, SnapshotError) else SnapshotError(f"{self.path} is broken: {error}")
            ) from error


def _check_snapshot(older: object) -> None:
    if not isinstance(older, Snapshot):
        raise TypeError(f"older must be a Snapshot, not {type(older).__name__}: use Snapshot.open(...)")
