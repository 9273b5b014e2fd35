"""Caption triage: which media that are in courses and watched by students lack captions, or have a machine's only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast
from urllib.parse import urlsplit

from canvas_studio._core import StudioClient
from canvas_studio.errors import (
    APIStatusError,
    AuthenticationError,
    ClientClosedError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    SignInError,
    StudioError,
)
from canvas_studio.workflows.errors import SnapshotError
from canvas_studio.workflows.report import Column, Report, Section, Table, check_jinja2, write_report
from canvas_studio.workflows.rows import Rows

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from canvas_studio.models import Caption
    from canvas_studio.workflows.about import SnapshotAbout

__all__ = ["CLASSES", "CaptionWords", "Triage", "classify", "triage_captions"]

CLASSES: Final = ("none", "not published", "machine only", "published")
"""What a media has, from the least to the most."""

OLD: Final = timedelta(days=7)
"""An older snapshot is said to be old: students have watched other media since."""

MOST_FAILURES: Final = 20
"""So many errors in a row that are not about one media, such as lost connections, end it."""

LARGEST_ID: Final = 2**63 - 2

MEDIA: Final = """
select id, title, owner_id, owner_name, owner_email, last_viewed_by_student, duration
from library where courses > 0 and last_viewed_by_student >= ? order by id
"""

COURSES: Final = """
select distinct placement.media_id, collection.course_id, collection.name
from placement
join collection on collection.id = placement.collection_id
join media on media.id = placement.media_id
where collection.course_id is not null and media.last_viewed_by_student >= ? order by 1, 2
"""

COLUMNS: Final = (
    *("id", "title", "captions", "languages", "course_ids", "courses", "owner_id", "owner_name", "owner_email"),
    *("last_viewed_by_student", "duration", "error"),
)

COUNTED: Final = (*(name.replace(" ", "_") for name in CLASSES), "unknown")
GROUPS: Final = {"course": ("course_id", "course"), "owner": ("owner_id", "owner_name")}


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class CaptionWords:
    """What Studio's words for captions mean. The words are observed at one school: nobody documents them.

    Attributes:
        published: The statuses of captions that viewers can use.
        machine: The providers that are machines. Any other, or none, counts as a person.
    """

    published: tuple[str, ...] = ("published", "uploaded")
    machine: tuple[str, ...] = ("notorious",)

    def __post_init__(self) -> None:
        for each in fields(self):
            words = cast("object", getattr(self, each.name))
            if not isinstance(words, tuple) or not all(isinstance(word, str) for word in cast("tuple[object]", words)):
                raise TypeError(f"{each.name} must be a tuple of words, such as ('published',), not {words!r}")


WORDS: Final = CaptionWords()


class _Library(Protocol):
    """What is needed of a snapshot."""

    about: SnapshotAbout

    def sql(self, query: str, *params: object) -> Rows: ...


class Triage:
    """Which of the media that are in courses and watched by students have captions: `Snapshot.captions`.

    Attributes:
        about: What the snapshot says of itself.
        watched_since: The first day that counts.
        asked_at: When Studio was asked for the captions, in UTC.
        media: One row for each media, those with the least first. `captions` is `none`, `not published`, `machine only`
            or `published`, or `None` if it is not known; `error` says why. `languages` are those of the published
            captions, `course_ids` and `courses` the courses in Canvas that the media is in.
        counts: How many media there are of each kind, and how many of which it is `unknown`.
        words: The statuses and providers of the captions, with how many there are, and what they were taken for.
        notes: What to know before relying on it.
    """

    def __init__(
        self,
        about: SnapshotAbout,
        watched_since: date,
        asked_at: datetime,
        media: Rows,
        placed: Sequence[tuple[int, int, str | None]],
        words: Rows,
        meaning: CaptionWords,
        notes: tuple[str, ...],
    ) -> None:
        self.about = about
        self.watched_since = watched_since
        self.asked_at = asked_at
        self.media = media
        self.words = words
        self.notes = notes
        self.counts: dict[str, int] = dict.fromkeys((*CLASSES, "unknown"), 0)
        self.counts |= Counter(row["captions"] or "unknown" for row in media)
        self._placed = placed
        self._meaning = meaning

    @property
    def failed(self) -> Rows:
        """The media whose captions could not be read, with the `error` of each."""
        return self._where(lambda row: row["captions"] is None)

    @property
    def complete(self) -> bool:
        """Whether the captions of every media could be read."""
        return not self.counts["unknown"]

    def _where(self, holds: Callable[[dict[str, Any]], bool]) -> Rows:
        return Rows(COLUMNS, [tuple(row.values()) for row in self.media if holds(row)])

    def by(self, what: Literal["course", "owner"]) -> Rows:
        """Count the media of each course or owner, those with the most work left first.

        A media that is in two courses counts in both.

        Args:
            what: `course` or `owner`.

        Returns:
            A row for each, with its id and name; how many are `left` without published captions of a person; how many
            there are of each kind, and of all `media`; and how many `hours` those that are left have together.

        Raises:
            InvalidArgumentError: If it is neither.
        """
        if what not in GROUPS:
            raise InvalidArgumentError(f"what must be 'course' or 'owner', not {what!r}", argument="what")
        rows = {row["id"]: row for row in self.media}
        keyed: Iterable[tuple[Any, Any, dict[str, Any]]]
        if what == "course":
            keyed = [(course, name, rows[media]) for media, course, name in self._placed if media in rows]
        else:
            keyed = [(row["owner_id"], row["owner_name"], row) for row in rows.values()]
        groups: dict[Any, tuple[Any, dict[int, dict[str, Any]]]] = {}
        for key, name, row in keyed:
            groups.setdefault(key, (name, {}))[1][row["id"]] = row
        counted = [(key, name, *_count(media.values())) for key, (name, media) in groups.items()]
        counted.sort(key=lambda row: (-row[2], -row[3], str(row[1]), str(row[0])))
        return Rows((*GROUPS[what], "left", *COUNTED, "media", "hours"), counted)

    def to_csv(self, path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Path:
        """Write all media to a CSV file, which only this user can read.

        A text that a spreadsheet may take for a formula gets an apostrophe in front.

        Args:
            path: The file; an existing one is replaced.
            encoding: `utf-8`, or `utf-8-sig` for a spreadsheet that would otherwise take it for something else.

        Returns:
            The path.

        Raises:
            InvalidArgumentError: If `path` exists and is not a file.
            OSError: If the file cannot be written.
        """
        return self.media.to_csv(path, encoding=encoding)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write it to an HTML file that needs no other one and no network, and that only this user can read.

        Tables with more than 200 rows are whole in CSV files beside it.

        Args:
            path: The file, such as `captions.html`; an existing one is replaced.

        Returns:
            The path.

        Raises:
            ImportError: If jinja2 is missing.
            InvalidArgumentError: If `path` exists and is not a file.
            OSError: If a file cannot be written.
        """
        check_jinja2("report()")
        return write_report(self.to_report(), path)[0]

    def to_report(self) -> Report:
        """Return it as a report: what `report` writes and the command line prints.

        Returns:
            The report.
        """
        about = self.about
        facts = (
            ("School", about.studio),
            ("Snapshot", f"{about.taken_at:%Y-%m-%d %H:%M} UTC"),
            ("Captions read", f"{self.asked_at:%Y-%m-%d %H:%M} UTC"),
            ("Watched since", f"{self.watched_since}, by students"),
            ("Media", f"{len(self.media):,} of {about.counts['media']:,}: those in courses and watched"),
        )
        title = f"Caption triage of {urlsplit(about.studio).hostname or about.studio}"
        sections = [self._kinds(), self._courses(), self._media()]
        return Report(title, facts, self.notes, tuple(sections))

    def _kinds(self) -> Section:
        total = len(self.media)
        seconds: Counter[str] = Counter()
        for row in self.media:
            seconds[row["captions"] or "unknown"] += row["duration"] or 0
        rows = [
            (name, count, count / total if total else None, seconds[name])
            for name, count in self.counts.items()
            if name in CLASSES or count
        ]
        columns = (
            Column("captions", "Captions"),
            Column("media", "Media", "count"),
            Column("share", "Share", "share"),
            Column("seconds", "Hours", "hours"),
        )
        published, machine = (" or ".join(words) for words in (self._meaning.published, self._meaning.machine))
        text = (
            f"Published: a caption that no machine has made has the status {published}. Machine only: every caption "
            f"with such a status is by the provider {machine}. Not published: there are captions, and none has such a "
            "status. A caption that Studio calls empty is left out. Languages are not compared, and nobody has read "
            "the captions."
        )
        seen = (
            Column("status", "Status"),
            Column("provider", "Provider"),
            Column("captions", "Captions", "count"),
            Column("taken_for", "Taken for"),
        )
        return Section(
            "Captions",
            (text,),
            (
                Table("kinds", "Media by their captions", columns, _rows(columns, rows), chart="media"),
                Table("words", "The words of Studio that were seen", seen, self.words),
            ),
        )

    def _courses(self) -> Section:
        rows = self.by("course")
        columns = (
            Column("course", "Course"),
            Column("course_id", "Id in Canvas", "id"),
            Column("left", "Left to do", "count"),
            *(Column(name, name.replace("_", " ").capitalize(), "count") for name in COUNTED),
            Column("seconds", "Hours left", "hours"),
            Column("media", "Media", "count"),
        )
        tuples = [
            (
                *(row["course"], row["course_id"], row["left"], *(row[name] for name in COUNTED)),
                *(row["hours"] * 3600, row["media"]),
            )
            for row in rows
        ]
        text = (
            "Left to do is what has no published captions by a person. A media that is in two courses counts in both."
        )
        table = Table("courses", "Courses, most left to do first", columns, _rows(columns, tuples), chart="left")
        return Section("Courses", (text,), (table,))

    def _media(self) -> Section:
        columns = (
            Column("title", "Title"),
            Column("id", "Id", "id"),
            Column("captions", "Captions"),
            Column("duration", "Hours", "hours"),
            Column("last_viewed_by_student", "Last watched"),
            Column("owner_name", "Owner"),
            Column("courses", "Courses"),
        )
        left = self._where(lambda row: row["captions"] in CLASSES[:3])
        tables = [
            Table("media", "Media without published captions by a person, those with the least first", columns, left)
        ]
        if self.failed:
            error = (*columns[:2], Column("error", "What Studio said"), *columns[5:])
            tables.append(Table("failed", "Media whose captions could not be read", error, self.failed))
        return Section("Media", (), tuple(tables))

    def _summary(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items() if name in CLASSES or count)
        return f"{len(self.media):,} media in courses and watched by students since {self.watched_since}: {counts}"

    def __repr__(self) -> str:
        return "\n".join([f"<Triage: {self._summary()}>", *self.notes])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(text)}</p>" for text in (self._summary(), *self.notes))
        kinds = Rows(("captions", "media"), list(self.counts.items()))
        return f"<div>{said}{kinds._repr_html_()}</div>"  # pyright: ignore[reportPrivateUsage] - a notebook's name


def triage_captions(
    library: _Library,
    studio: StudioClient,
    watched_since: date | str,
    words: CaptionWords,
    progress: bool | Callable[[int, int | None], object] | None,  # noqa: FBT001 - it is no option
) -> Triage:
    """Ask Studio for the captions of media that are in courses and watched by students; `Snapshot.captions` says how.

    Returns:
        The triage.
    """
    since = read_day("watched_since", watched_since)
    _check(library.about, studio, since)
    if not isinstance(words, CaptionWords):  # pyright: ignore[reportUnnecessaryIsInstance] - it may be anything
        raise TypeError(f"words must be CaptionWords, not {type(words).__name__}")
    media = library.sql(MEDIA, since.isoformat())
    placed = [(row["media_id"], row["course_id"], row["name"]) for row in library.sql(COURSES, since.isoformat())]
    courses: dict[int, dict[int, str | None]] = {}
    for media_id, course, name in placed:
        courses.setdefault(media_id, {})[course] = name
    asked_at = datetime.now(UTC)
    seen: Counter[tuple[str | None, str | None, str]] = Counter()
    tuples: list[tuple[Any, ...]] = []
    for row, captions in _captions(studio, media, progress):
        kind, languages, error = None, None, None
        if isinstance(captions, StudioError):
            error = _said(captions)
        else:
            kind, languages = classify(captions, words), _languages(captions, words)
            seen.update((each.status, each.provider, _taken_for(each, words)) for each in captions)
        placed_in = courses.get(row["id"], {})
        tuples.append(
            (
                *(row["id"], row["title"], kind, languages),
                *(", ".join(map(str, placed_in)), ", ".join(name for name in placed_in.values() if name)),
                *(row["owner_id"], row["owner_name"], row["owner_email"], row["last_viewed_by_student"]),
                *(row["duration"], error),
            )
        )
    order = {kind: number for number, kind in enumerate(CLASSES)}
    # The latest watched first, in each class.
    tuples.sort(key=lambda each: each[COLUMNS.index("last_viewed_by_student")], reverse=True)
    tuples.sort(key=lambda each: order.get(each[COLUMNS.index("captions")], len(order)))
    counted = [(status, provider, count, taken) for (status, provider, taken), count in seen.most_common()]
    return Triage(
        library.about,
        since,
        asked_at,
        Rows(COLUMNS, tuples),
        placed,
        Rows(("status", "provider", "captions", "taken_for"), counted),
        words,
        tuple(_notes(library.about, asked_at)),
    )


def classify(captions: Iterable[Caption], words: CaptionWords = WORDS) -> str:
    """Say what the captions of a media are: one of `CLASSES`.

    Args:
        captions: The captions of one media.
        words: What Studio's words mean.
    """
    taken = {_taken_for(caption, words) for caption in captions} - {"none"}
    if not taken:
        return "none"
    return max(taken, key=CLASSES.index)


def _taken_for(caption: Caption, words: CaptionWords) -> str:
    if caption.is_empty:
        return "none"
    if caption.status not in words.published:
        return "not published"
    return "machine only" if caption.provider in words.machine else "published"


def _languages(captions: Iterable[Caption], words: CaptionWords) -> str:
    usable = (each for each in captions if _taken_for(each, words) in {"machine only", "published"})
    return ", ".join(sorted({each.srclang or "?" for each in usable}))


def _captions(
    studio: StudioClient,
    media: Rows,
    progress: bool | Callable[[int, int | None], object] | None,  # noqa: FBT001 - it is no option
) -> Iterable[tuple[dict[str, Any], list[Caption] | StudioError]]:
    """Ask for the captions of each media. An error that is not about one media is raised."""
    asked = [row for row in media if 0 < row["id"] <= LARGEST_ID]
    ids = [row["id"] for row in asked]
    failures = 0
    for row, result in zip(asked, studio.map("list_captions", ids, errors="return", progress=progress), strict=True):
        match result:
            case AuthenticationError() | SignInError() | ClientClosedError():
                raise result
            case NotFoundError() | PermissionDeniedError():
                failures = 0
            case StudioError():
                failures += 1
                if failures == MOST_FAILURES:
                    raise result
            case _:
                failures = 0
        yield row, result
    for row in media:
        if not 0 < row["id"] <= LARGEST_ID:
            yield row, InvalidArgumentError("nobody can ask for this id", argument="id")


def _said(error: StudioError) -> str:
    if isinstance(error, NotFoundError):
        return "404: it was deleted or archived meanwhile, or this token may not see it"
    if isinstance(error, PermissionDeniedError):
        return "403: this token may not see its captions"
    return f"{error.status_code}: {error}" if isinstance(error, APIStatusError) else str(error)


def read_day(name: str, value: date | str) -> date:
    """Read a day.

    Args:
        name: What the argument is called.
        value: The day, or its text.

    Returns:
        The day.

    Raises:
        InvalidArgumentError: If it is none.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except (TypeError, ValueError):
        problem = f"{name} must be a day such as 2026-08-20, not {value!r}"
        raise InvalidArgumentError(problem, argument=name) from None


def _check(about: SnapshotAbout, studio: StudioClient, since: date) -> None:
    """Raise if the snapshot, the client and the day do not fit together."""
    if not isinstance(studio, StudioClient):  # pyright: ignore[reportUnnecessaryIsInstance] - it may be anything
        raise TypeError(f"studio must be a StudioClient, not {type(studio).__name__}")
    if studio.url != about.studio:
        problem = f"studio must be of the school of the snapshot, {about.studio}; it is of {studio.url}"
        raise InvalidArgumentError(problem, argument="studio")
    if about.level == "lists":
        raise SnapshotError(
            "the snapshot does not say which media are in courses: it has the level lists. Take it with the level "
            "courses, which is the default"
        )
    if about.counts["media"] and _viewed_from(about) in {None, False}:
        raise SnapshotError(
            "the snapshot does not say what students have watched: it could not be found out when it was taken. "
            "Take it again; if that does not help, this Studio does not tell"
        )
    if since > about.taken_at.date():
        raise InvalidArgumentError(
            f"watched_since is {since}, and the snapshot was taken on {about.taken_at:%Y-%m-%d}, before that: take it "
            "again, or give an earlier day",
            argument="watched_since",
        )


def _viewed_from(about: SnapshotAbout) -> Any:  # noqa: ANN401 - a text, `None`, or what an older package wrote
    found: dict[str, Any] = about.calibration.get("last_viewed_from") or {}
    return found.get("last_viewed_by_student", about.calibration.get("last_viewed"))


def _notes(about: SnapshotAbout, now: datetime) -> Iterable[str]:
    age = now - about.taken_at
    if age > OLD:
        yield (
            f"The snapshot is {age.days} days old: media that students have watched, and that came into courses, since "
            "then are missing. Take it again."
        )
    if (unit := _viewed_from(about)) in {"month", "year"}:
        yield f"Views are known to the {unit}: media of the whole first {unit} are here, whatever the day."
    if about.calibration.get("administrator") is False:
        yield "The snapshot's token was probably not an administrator's: this is what it saw, and not the whole school."
    for state, reason in (("gone", "were deleted meanwhile"), ("not_allowed", "could not be read with that token")):
        if count := about.not_read.get(state):
            yield f"{count:,} collections {reason}: media that are in no other course are missing."
    if about.anonymized:
        yield "Names, addresses and titles are pseudonyms."


def _count(media: Iterable[dict[str, Any]]) -> tuple[Any, ...]:
    kinds: Counter[str] = Counter()
    seconds = 0.0
    for row in media:
        kinds[(row["captions"] or "unknown").replace(" ", "_")] += 1
        if row["captions"] in CLASSES[:3]:
            seconds += row["duration"] or 0
    left = sum(kinds[name] for name in COUNTED[:3])
    return (left, *(kinds[name] for name in COUNTED), kinds.total(), round(seconds / 3600, 2))


def _rows(columns: Sequence[Column], tuples: Sequence[tuple[Any, ...]]) -> Rows:
    return Rows([column.name for column in columns], tuples)
