"""The command `snapshot`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from canvas_studio import profiles
from canvas_studio.cli.library import taken
from canvas_studio.cli.options import AsJson, ProfileOption, one_of
from canvas_studio.cli.terminal import echo, errors_as_text, fail

if TYPE_CHECKING:
    from canvas_studio.models import Drift
    from canvas_studio.workflows.about import SnapshotAbout
    from canvas_studio.workflows.snapshot import Snapshot

EXAMPLES = {"snapshot": "canvas-studio snapshot library.db"}


class Level(StrEnum):
    """What is read, as written in a shell."""

    LISTS = "lists"
    COURSES = "courses"
    GRANTS = "grants"


@errors_as_text()
def snapshot(
    *,
    names: Annotated[
        list[str],
        typer.Argument(metavar="[PROFILE] FILE", help="The profile, and the file.", show_default=False),
    ],
    profile_option: ProfileOption = None,
    level: Annotated[
        Level,
        typer.Option(
            help="lists: media and collections; courses: also which media is in which; grants: also with whom each is "
            "shared, at one request for each."
        ),
    ] = Level.COURSES,
    grants: Annotated[bool, typer.Option("--grants", help="The same as --level grants.")] = False,
    consistent: Annotated[bool, typer.Option("--consistent", help="Read each list until two readings agree.")] = False,
    anonymize: Annotated[
        bool, typer.Option("--anonymize", help="Replace names, addresses and titles by pseudonyms.")
    ] = False,
    smaller: Annotated[
        bool, typer.Option("--smaller", help="Replace a file that has more than twice as many media.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read a school's library into one SQLite file. Nothing is changed in Studio."""
    if len(names) > 2:  # noqa: PLR2004
        fail(f"expected [PROFILE] FILE, not {len(names)} arguments", 2)
    settings = profiles.find(profile=one_of(names[0] if len(names) > 1 else None, profile_option))
    with taken(
        settings,
        names[-1],
        level="grants" if grants else level.value,
        consistent=consistent,
        anonymize=anonymize,
        allow_smaller=smaller,
    ) as library:
        if as_json:
            typer.echo(json.dumps({"path": str(library.path)} | library.about.to_dict(), indent=2))
        else:
            _describe(library)


def _describe(taken: Snapshot) -> None:
    about = taken.about
    for name in ("media", "collections"):
        echo(f"{name:<13}{about.counts[name]:>9,}   {_drift(about.drift.get(name))}")
    if about.level != "lists":
        [row] = taken.sql(
            "select count(*) courses, (select count(*) from library where courses > 0) media from courses"
        )
        echo(f"{'in courses':<13}{row['media']:>9,}   in {row['courses']:,} courses; {_checked(about)}")
    if about.level == "grants":
        [row] = taken.sql("select count(*) grantees from grantee")
        echo(f"{'grants':<13}{about.counts['permissions']:>9,}   to {row['grantees']:,} people and groups")
    _describe_views(taken)
    for state, reason in (("gone", "were deleted meanwhile"), ("not_allowed", "may not be read by this token")):
        if about.not_read[state]:
            echo(f"{'':<13}{about.not_read[state]:>9,}   collections {reason}: what is in them is not known", "yellow")
        if number := about.not_read.get(f"grants_{state}"):
            echo(f"{'':<13}{number:>9,}   media or collections {reason}: their grants are not known", "yellow")
    if about.calibration["administrator"] is False:
        echo(
            "The token is probably not an administrator's: this is what it may see, and not the whole school.", "yellow"
        )
    size = taken.path.stat().st_size / 1e6
    names = (
        "It holds pseudonyms, and ids." if about.anonymized else "It names people: keep it as you keep student records."
    )
    echo(f"{taken.path}: {size:,.1f} MB. {names}", "bold")


def _describe_views(taken: Snapshot) -> None:
    calibration = taken.about.calibration
    for name, field in (("viewed", "last_viewed"), ("by students", "last_viewed_by_student")):
        source = calibration["last_viewed_from"][field]
        if source is None:
            echo(f"{name:<13}{'?':>9}   when, is unknown: neither Studio's answers nor its search say it", "yellow")
            continue
        [row] = taken.sql(f"select count({field}) media from media")  # noqa: S608 - of these
        how = "by Studio's answers" if source == "answers" else f"found by searching each {source}"
        nulls = _never_viewed(calibration["never_viewed"]) if field == "last_viewed" else ""
        echo(f"{name:<13}{row['media']:>9,}   {how}{nulls}")


def _never_viewed(found: dict[str, bool] | None) -> str:
    if found is None:
        return ""
    kinds = {"both": "two ends", "start": "a start only", "end": "an end only"}
    inside = [kinds[ends] for ends, is_inside in found.items() if is_inside]
    where = f"is in each period with {' or '.join(inside)}" if inside else "is in no period"
    return f"; what was never viewed {where}"


def _drift(drift: Drift | None) -> str:
    if drift is None or (drift.appeared == drift.vanished == 0 and drift.first_total == drift.last_total):
        return "nothing changed while they were read"
    return f"changed while they were read: {drift.appeared:,} appeared, {drift.vanished:,} vanished"


def _checked(about: SnapshotAbout) -> str:
    checked, same, gone = (about.calibration[name] for name in ("checked", "same", "gone"))
    if checked == same + gone:
        meanwhile = f", but for {gone} that were deleted meanwhile" if gone else ""
        return f"checked {checked} media one by one: all agree{meanwhile}"
    return (
        f"checked {checked} media one by one: {checked - same - gone} are in other courses than the collections say; "
        "check media.courses() before you rely on it"
    )
