"""Finds out when media were last viewed where Studio's answers do not say it, by searching periods."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from canvas_studio.errors import BadRequestError, UnprocessableEntityError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Generator, Sequence

    from canvas_studio._core import StudioClient

FIELDS: Final = ("last_viewed", "last_viewed_by_student")
"""Each is a field of a media, and with `_start_date` or `_end_date` behind it a filter of the search."""

MOST_EXTRA: Final = 10_000
"""The most requests for each field that are spent on media that were never viewed, where each search brings those."""

PER_PAGE: Final = 50
BETWEEN_COMMITS: Final = 100

DAY: Final = timedelta(days=1)
EARLIEST: Final = date(2005, 1, 1)
"""No Studio is older, so what is older is not told apart."""
NOBODY: Final = date(1970, 1, 1)
"""On that day nobody viewed anything, so a search for it brings what was never viewed, or nothing."""
LATEST: Final = timedelta(days=3_650)
"""A clock of Studio's that is ahead of ours by less does no harm."""

Period: TypeAlias = tuple[date, date]
"""The first and the last day."""

TABLES: Final = """
create table if not exists period(
    field text, first text, last text, found integer, primary key(field, first, last)
) without rowid;
create table if not exists viewed(
    field text, media_id integer, first text, last text, primary key(field, media_id)
) without rowid
"""
"""The periods that were searched, with how many media; and of each media the latest and then the shortest period."""

WRITE_VIEW: Final = """
insert into viewed values (?, ?, ?, ?) on conflict(field, media_id) do update set first = excluded.first,
last = excluded.last where (excluded.first, viewed.last) > (viewed.first, excluded.last)
"""


def read_last_viewed(
    studio: StudioClient,
    connection: sqlite3.Connection,
    started: date,
    report: Callable[[str, int, int | None], object],
) -> dict[str, Any]:
    """Find out how far Studio says when media were last viewed, and reconstruct it where its answers do not.

    Args:
        studio: The client.
        connection: The file, in which the lists are.
        started: The day on which the reading began, in UTC.
        report: What is told how far it has come.

    Returns:
        For `SnapshotAbout.calibration`: whether the answers have `last_viewed` and `last_viewed_by_student`,
        `last_viewed_from`, and `never_viewed`.

    Raises:
        StudioError: If Studio cannot be asked.
    """
    found: dict[str, Any] = _in_answers(studio, connection)
    sources: dict[str, str | None] = dict.fromkeys(FIELDS)
    for field in FIELDS:
        if _has_any(connection, field):
            sources[field] = "answers"
        elif found[field] is not None:
            # A Studio that has no such filter may say so.
            with suppress(BadRequestError, UnprocessableEntityError):
                sources[field] = _Search(studio, connection, field, report).reconstruct(started)
            # Null for every media may mean that nobody has viewed any, or that these answers never say it. If a search
            # finds nothing either, it is the first.
            if found[field] and sources[field] is not None and not _has_any(connection, field):
                sources[field] = "answers"
    connection.execute("drop table if exists period")
    connection.execute("drop table if exists viewed")
    return found | {"last_viewed_from": sources, "never_viewed": _never_viewed(studio, connection, sources)}


def _in_answers(studio: StudioClient, connection: sqlite3.Connection) -> dict[str, bool | None]:
    """Whether the answers have the fields. One that lacks them may be of a media that was never viewed."""
    items = _page(studio, per_page=PER_PAGE)[0]
    return {
        field: True if _has_any(connection, field) else any(field in item for item in items) if items else None
        for field in FIELDS
    }


def _has_any(connection: sqlite3.Connection, field: str) -> bool:
    query = f"select 1 from media where {field} is not null limit 1"  # noqa: S608 - of these
    return connection.execute(query).fetchone() is not None


def _never_viewed(
    studio: StudioClient, connection: sqlite3.Connection, sources: dict[str, str | None]
) -> dict[str, bool] | None:
    """Whether a search by the last view brings what was never viewed: with both ends of a period, or with one.

    Returns:
        `None` if that cannot be known: nothing was never viewed, or Studio ignores these filters.
    """
    is_any = connection.execute("select 1 from media where last_viewed is null limit 1").fetchone() is not None
    if sources["last_viewed"] is None or not is_any:
        return None
    start, end = "last_viewed_start_date", "last_viewed_end_date"
    before, after = NOBODY.isoformat(), (_tomorrow() + LATEST).isoformat()
    total = _page(studio)[1]
    periods = {"both": {start: before, end: before}, "start": {start: after}, "end": {end: before}}
    answers: dict[str, bool] = {}
    try:
        for ends, period in periods.items():
            items, count = _page(studio, period)
            if items and (items[0].get("last_viewed") is not None or (count == total and total is not None)):
                return None
            answers[ends] = bool(items)
    except (BadRequestError, UnprocessableEntityError):
        return None
    return answers


def _page(
    studio: StudioClient, filters: dict[str, str] | None = None, per_page: int = 1
) -> tuple[list[dict[str, Any]], int | None]:
    """Ask for the first media of a search. The list was read just before, so the answer has its form."""
    answer = studio.request("GET", "/media/search", params={"per_page": per_page} | (filters or {}))
    body = cast("dict[str, Any]", answer)
    meta = body.get("meta")
    return body["media"], cast("dict[str, Any]", meta).get("total_count") if isinstance(meta, dict) else None


class _Search:
    """Searches periods for one field.

    What happens meanwhile errs towards a later view. Periods are searched from the oldest on, and the days on which the
    reading went on at the end, so what is viewed meanwhile is found once more. A media has the last day of the latest
    period that it was found in.
    """

    def __init__(
        self,
        studio: StudioClient,
        connection: sqlite3.Connection,
        field: str,
        report: Callable[[str, int, int | None], object],
    ) -> None:
        self._studio = studio
        self._connection = connection
        self._field = field
        self._report = report
        self._tomorrow = _tomorrow()
        self._done = self._total = 0

    def reconstruct(self, started: date) -> str | None:
        """Write the field of each media.

        Args:
            started: The day on which the reading began.

        Returns:
            Of how many days a view is known: `day`, `month` or `year`; `None` if it cannot be found out.
        """
        never = self._ids(NOBODY, NOBODY)
        if {row[0] for row in self._connection.execute("select id from media")} <= never:
            return None  # the filter does nothing, or nobody has viewed anything: which of the two is unknown
        [created] = self._connection.execute("select min(created_at) from media").fetchone()
        first = EARLIEST if created is None else max(EARLIEST, date.fromisoformat(created[:10]))
        first = min(first, self._tomorrow)  # whatever Studio's clock says
        cuts = {"day": _days, "month": _months, "year": _years}
        extra = len(never) // PER_PAGE
        unit = next((unit for unit, cut in cuts.items() if len(cut(first, self._tomorrow)) * extra <= MOST_EXTRA), None)
        if unit is None:
            return None
        for statement in TABLES.split(";\n"):
            self._connection.execute(statement)
        periods = cuts["month" if unit == "day" else unit](first, self._tomorrow)
        self._read([(NOBODY + DAY, periods[0][0] - DAY), *periods], never)
        if unit == "day":
            found = self._connection.execute("select first, last from period where field = ? and found", (self._field,))
            viewed = {(date.fromisoformat(begin), date.fromisoformat(end)) for begin, end in found}
            self._read([day for month in periods if month in viewed for day in _days(*month)], never)
        # One after the other, since a media that is viewed again leaves a period for a later one.
        recent = [
            (period, self._ids(*period))
            for period in [*_days(started - DAY, self._tomorrow - DAY), (self._tomorrow, self._tomorrow + LATEST)]
        ]
        still_never = self._ids(NOBODY, NOBODY) if never else never
        with self._transaction():
            for period, ids in recent:
                self._write(period, ids - still_never)
            self._connection.execute(
                f"update media set {self._field} = "  # noqa: S608 - of these
                "(select last from viewed where field = ? and media_id = media.id)",
                (self._field,),
            )
        return unit

    def _read(self, periods: Sequence[Period], never: set[int]) -> None:
        """Search periods and write what was found, but for those that an earlier reading has searched."""
        rows = self._connection.execute("select first, last from period where field = ?", (self._field,))
        known = set(rows.fetchall())
        left = [period for period in periods if (period[0].isoformat(), period[1].isoformat()) not in known]
        self._total += len(periods)
        self._done += len(periods) - len(left)
        results = zip(left, self._studio.map("search_media", map(self._filters, left)), strict=True)
        while some := list(islice(results, BETWEEN_COMMITS)):
            with self._transaction():
                for (first, last), media in some:
                    ids = {each.id for each in media} - never
                    self._write((first, last), ids)
                    self._connection.execute(
                        "insert into period values (?, ?, ?, ?)",
                        (self._field, first.isoformat(), last.isoformat(), len(ids)),
                    )
            self._done += len(some)
            self._report(self._field, self._done, self._total)

    def _write(self, period: Period, ids: set[int]) -> None:
        first, last = period[0].isoformat(), min(period[1], self._tomorrow).isoformat()
        self._connection.executemany(WRITE_VIEW, [(self._field, each, first, last) for each in ids])

    def _ids(self, first: date, last: date) -> set[int]:
        return {media.id for media in self._studio.search_media(**self._filters((first, last)))}

    def _filters(self, period: Period) -> dict[str, Any]:
        return {f"{self._field}_start_date": period[0], f"{self._field}_end_date": period[1]}

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._connection.execute("begin")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")


def _tomorrow() -> date:
    """What is viewed now is viewed tomorrow, at the latest, in whichever zone Studio counts its days."""
    return datetime.now(UTC).date() + DAY


def _days(first: date, last: date) -> list[Period]:
    return [(day, day) for day in map(date.fromordinal, range(first.toordinal(), last.toordinal() + 1))]


def _months(first: date, last: date) -> list[Period]:
    months = [
        divmod(number, 12) for number in range(first.year * 12 + first.month - 1, last.year * 12 + last.month + 1)
    ]
    begins = [date(year, month + 1, 1) for year, month in months]
    return [(begin, after - DAY) for begin, after in pairwise(begins)]


def _years(first: date, last: date) -> list[Period]:
    return [(date(year, 1, 1), date(year, 12, 31)) for year in range(first.year, last.year + 1)]
