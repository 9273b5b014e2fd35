"""Uploads of folders: each file once, whatever ended the runs before, and a report that says what became of it."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ClientClosedError,
    FileChangedError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    StudioClient,
    UploadReport,
    UploadResult,
)
from canvas_studio.sandbox import Assumptions, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.forms import Form

JOURNAL = ".canvas-studio-uploads.jsonl"
CREATE = "/v1/media/uploads"
COMPLETE = "/v1/media/uploads/*/complete"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


@pytest.fixture
def studio(box: Sandbox) -> Iterator[StudioClient]:
    with box.client(retry_delay=0.01) as studio:
        yield studio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    return folder


def fill(folder: Path, *names: str) -> dict[str, bytes]:
    """Make files, each with a content of its own."""
    contents = {name: f"film of {name} ".encode() * 5_000 for name in names}
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return contents


def uploaded(box: Sandbox) -> Counter[bytes]:
    """The contents of all media, from the eyes of the sandbox."""
    with box.client() as studio:
        files = [box.uploaded_file(media.id) for media in studio.search_media()]
    return Counter(file.content or b"" for file in files if file is not None)


def sent(box: Sandbox) -> list[str]:
    return [request.path for request in box.requests if request.method in {"POST", "PUT"}]


def puts(box: Sandbox) -> int:
    return sum(request.method == "PUT" for request in box.requests)


def steps(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / JOURNAL).read_text(encoding="utf-8").splitlines()[1:]
    return [(line["path"], line["step"]) for line in map(json.loads, lines)]


def names(results: tuple[UploadResult, ...]) -> list[str]:
    return [result.path.name for result in results]


def test_a_folder_is_uploaded_and_a_second_run_sends_nothing(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    contents = fill(folder, "Lecture 10.mp4", "Lecture 2.mp4", "Lecture 1.MOV")
    report: UploadReport = form.call(studio, "upload_folder", folder)

    assert names(report.done) == ["Lecture 1.MOV", "Lecture 2.mp4", "Lecture 10.mp4"]
    assert uploaded(box) == Counter(contents.values())
    for result in report.done:
        assert result.path == folder / result.path.name
        assert result.media_id is not None
        assert studio.get_media(result.media_id).title == result.path.stem
    assert (report.failed, report.unfinished, report.dry_run) == ((), (), False)
    assert [(result.path.name, result.reason) for result in report.skipped] == [(JOURNAL, "journal")]
    assert str(report) == "3 uploaded, 0 skipped, 0 failed, 0 unfinished"

    box.forget_requests()
    again: UploadReport = form.call(studio, "upload_folder", folder)
    assert (again.done, again.failed, again.unfinished) == ((), (), ())
    assert box.requests == ()
    kept = [(result.path, result.media_id, result.reason) for result in again.skipped[1:]]
    assert kept == [(result.path, result.media_id, "uploaded already") for result in report.done]


def test_the_journal_is_private_has_every_step_and_no_secret(box: Sandbox, studio: StudioClient, folder: Path) -> None:
    contents = fill(folder, "a.mp4")
    report = studio.upload_folder(folder, collection_id=box.add_collection("Biology"), jobs=1)
    assert steps(folder) == [("a.mp4", "created"), ("a.mp4", "sent"), ("a.mp4", "completed")]
    text = (folder / JOURNAL).read_text(encoding="utf-8")
    first, line = map(json.loads, text.splitlines()[:2])
    assert first == {"canvas_studio_uploads": 1, "url": box.url}
    assert (line["sha256"], line["size"]) == (sha256(contents["a.mp4"]).hexdigest(), len(contents["a.mp4"]))
    for secret in (box.token, "Signature", "X-Amz", box.storage_url + "/"):
        assert secret not in text
        assert secret not in f"{report!r} {report}"
    if os.name == "posix":
        assert (folder / JOURNAL).stat().st_mode & 0o777 == 0o600


def test_what_is_passed_over_is_in_the_report_with_its_reason(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    contents = fill(folder, "a.mp4", "notes.txt", ".hidden.mp4", "Week 1/b.mp4")
    (folder / "empty.mp4").touch()
    (folder / "copy of a.mp4").write_bytes(contents["a.mp4"])
    (folder / "link.mp4").symlink_to(folder / "a.mp4")
    report: UploadReport = form.call(studio, "upload_folder", folder)

    assert {result.path.name: result.reason for result in report.skipped} == {
        JOURNAL: "journal",
        ".hidden.mp4": "hidden",
        "copy of a.mp4": f"same content: as {folder / 'a.mp4'}",
        "link.mp4": "link",
        "notes.txt": "unknown kind: txt",
        "Week 1": "folder",
    }
    [empty] = report.failed
    assert isinstance(empty.error, InvalidArgumentError)
    assert "empty" in str(empty.error)
    assert uploaded(box) == Counter([contents["a.mp4"]])
    first, second = str(report).splitlines()
    assert first.startswith("1 uploaded, 5 skipped (1 hidden, ")
    assert second.startswith(f"failed: {empty.path}: ")


def test_a_pattern_and_folders_inside_decide_which_files(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    contents = fill(folder, "a.mp4", "a.mov", "Week 2/b.mp4", "Week 10/c.mp4", "Week 10/.old/d.mp4")
    paths: UploadReport = form.call(studio, "upload_folder", folder, pattern="Week */*.mp4", recursive=True)
    assert [result.path.parent.name for result in paths.done] == ["Week 2", "Week 10"]
    every: UploadReport = form.call(studio, "upload_folder", folder, pattern="*.mp4", recursive=True)
    assert names(every.done) == ["a.mp4"]
    assert "does not match the pattern" in {result.reason for result in every.skipped}
    assert "1 that does not match the pattern" in str(every)
    expected = [content for name, content in contents.items() if name not in {"a.mov", "Week 10/.old/d.mp4"}]
    assert uploaded(box) == Counter(expected)


def test_changed_content_is_a_new_media_and_a_renamed_file_is_none(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    fill(folder, "a.mp4", "b.mp4")
    before: UploadReport = form.call(studio, "upload_folder", folder)
    (folder / "a.mp4").write_bytes(b"another film")
    (folder / "b.mp4").rename(folder / "c.mp4")
    after: UploadReport = form.call(studio, "upload_folder", folder)

    [changed] = after.done
    assert changed.reason == f"changed: media {before.done[0].media_id} has the earlier content"
    [renamed] = (result for result in after.skipped if result.path.name == "c.mp4")
    assert (renamed.media_id, renamed.reason) == (before.done[1].media_id, "uploaded already: as b.mp4")
    assert sum(uploaded(box).values()) == 3


def test_another_destination_is_said_and_uploads_nothing_twice(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    fill(folder, "a.mp4", "b.mp4")
    form.call(studio, "upload_folder", folder)
    biology = box.add_collection("Biology")
    report: UploadReport = form.call(studio, "upload_folder", folder, collection_id=biology)
    assert report.done == ()
    place = f"into the user's own library, not to collection {biology}; to upload there too, give another journal="
    reason = f"uploaded already, but to another place: {place}"
    assert [result.reason for result in report.skipped if result.media_id] == [reason] * 2
    assert str(report).splitlines() == [
        "0 uploaded, 2 skipped (2 uploaded already, but to another place), 0 failed, 0 unfinished",
        f"2 files: {reason}",
    ]
    for_ada: UploadReport = form.call(studio, "upload_folder", folder, user_id=box.add_user("Ada Park"), dry_run=True)
    assert re.search(r"into the user's own library, not for user \d+;", str(for_ada))
    (folder / "b.mp4").rename(folder / "c.mp4")
    renamed: UploadReport = form.call(studio, "upload_folder", folder, pattern="c.mp4", collection_id=biology)
    assert f"c.mp4 (media {renamed.skipped[-1].media_id}): {reason}; as b.mp4" in str(renamed)
    assert sum(uploaded(box).values()) == 2


def test_a_file_that_is_sent_and_completed_later_keeps_its_place_and_that_is_said(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    fill(folder, "a.mp4")
    fault = box.faults.add(path=COMPLETE, status=500)
    form.call(studio, "upload_folder", folder)
    box.faults.remove(fault)
    biology = box.add_collection("Biology")
    report: UploadReport = form.call(studio, "upload_folder", folder, collection_id=biology)
    [done] = report.done
    assert f"completed, but to another place: into the user's own library, not to collection {biology}" in str(report)
    found = studio.get_media(done.media_id or 0).collection
    assert found is None or found.id != biology


def test_capitals_do_not_count_in_a_pattern_and_none_means_all(form: Form, studio: StudioClient, folder: Path) -> None:
    fill(folder, "A.MP4", "b.mov")
    report: UploadReport = form.call(studio, "upload_folder", folder, pattern="*.mp4", dry_run=True)
    assert names(report.done) == ["A.MP4"]
    every: UploadReport = form.call(studio, "upload_folder", folder, pattern=None, dry_run=True)
    assert names(every.done) == ["A.MP4", "b.mov"]


def test_a_collection_uploads_a_folder_into_itself(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    fill(folder, "a.mp4")
    biology = studio.get_collection(box.add_collection("Biology"))
    report: UploadReport = form.call(biology, "upload_folder", folder)
    [done] = report.done
    assert studio.get_media(done.media_id or 0).collection == biology


def test_a_dry_run_sends_nothing_leaves_nothing_and_says_what_the_run_does(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    contents = fill(folder, "a.mp4", "b.mp4", "notes.txt")
    (folder / "c.mp4").write_bytes(contents["a.mp4"])
    before = sorted(folder.iterdir())
    said: UploadReport = form.call(studio, "upload_folder", folder, dry_run=True)
    assert box.requests == ()
    assert sorted(folder.iterdir()) == before
    assert said.dry_run
    assert str(said).startswith("2 would be uploaded, ")

    done: UploadReport = form.call(studio, "upload_folder", folder)
    assert names(said.done) == names(done.done)
    assert [result.reason for result in said.skipped] == [result.reason for result in done.skipped[1:]]


def test_a_file_that_fails_ends_no_other_and_is_uploaded_by_the_next_run(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    contents = fill(folder, "a.mp4", "b.mp4", "c.mp4")
    box.faults.add(method="PUT", status=400, times=1)
    first: UploadReport = form.call(studio, "upload_folder", folder, jobs=1)
    [failed] = first.failed
    assert (failed.path.name, names(first.done)) == ("a.mp4", ["b.mp4", "c.mp4"])
    assert isinstance(failed.error, BadRequestError)
    [left] = first.unfinished
    assert (left.path, left.media_id) == (failed.path, failed.media_id)
    assert f"unfinished: {left.path} (upload {left.media_id}): not sent" in str(first)

    second: UploadReport = form.call(studio, "upload_folder", folder)
    assert names(second.done) == ["a.mp4"]
    # The slot of the first run was never completed, and nothing can be done about it.
    assert [(each.media_id, (each.reason or "")[:8]) for each in second.unfinished] == [(left.media_id, "replaced")]
    assert str(second).splitlines() == ["1 uploaded, 2 skipped (2 uploaded already), 0 failed, 0 unfinished"]
    assert uploaded(box) == Counter(contents.values())
    completed = [path for path in sent(box) if path.endswith("/complete")]
    assert f"/api/public/v1/media/uploads/{left.media_id}/complete" not in completed


def test_a_file_that_was_sent_is_only_completed(form: Form, box: Sandbox, studio: StudioClient, folder: Path) -> None:
    contents = fill(folder, "a.mp4")
    fault = box.faults.add(path=COMPLETE, status=500)
    first: UploadReport = form.call(studio, "upload_folder", folder)
    [failed] = first.failed
    assert isinstance(failed.error, APIStatusError)
    assert [(each.media_id, (each.reason or "")[:4]) for each in first.unfinished] == [(failed.media_id, "sent")]
    box.faults.remove(fault)

    said: UploadReport = form.call(studio, "upload_folder", folder, dry_run=True)
    assert [result.media_id for result in said.done] == [failed.media_id]
    second: UploadReport = form.call(studio, "upload_folder", folder)
    [done] = second.done
    assert (done.media_id, done.reason) == (failed.media_id, "completed: an earlier run had sent the file")
    assert (puts(box), second.unfinished) == (1, ())
    assert uploaded(box) == Counter(contents.values())


@pytest.mark.parametrize("listed", [False, True])
def test_a_completion_that_was_carried_out_unseen_is_found_by_the_next_run(
    form: Form, folder: Path, *, listed: bool
) -> None:
    contents = fill(folder, "a.mp4")
    with Sandbox(media=0, assumptions=Assumptions(uploads_in_lists=listed)) as box:
        # The answer of the completion is lost, and then Studio cannot be reached at all.
        box.faults.add(path=COMPLETE, reset="after", times=1)
        lost = box.faults.add(path="/v1/media/*", host="api", status=503, after=2)
        with box.client(max_retries=0) as studio:
            first: UploadReport = form.call(studio, "upload_folder", folder)
            assert len(first.failed) == 1
            box.faults.remove(lost)
            second: UploadReport = form.call(studio, "upload_folder", folder)
        assert [result.media_id for result in second.done] == [first.failed[0].media_id]
        assert (puts(box), uploaded(box)) == (1, Counter(contents.values()))


def test_a_media_that_studio_no_longer_knows_is_uploaded_again_and_that_is_said(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    contents = fill(folder, "a.mp4")
    fault = box.faults.add(path=COMPLETE, status=500)
    first: UploadReport = form.call(studio, "upload_folder", folder)
    box.faults.remove(fault)
    box.faults.add(path=COMPLETE, status=404, times=1)
    second: UploadReport = form.call(studio, "upload_folder", folder)
    [done] = second.done
    assert (done.reason or "").startswith(f"sent again: Studio does not know media {first.failed[0].media_id}")
    assert uploaded(box) == Counter(contents.values())


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5])
def test_a_rejected_token_ends_the_run_and_the_next_one_goes_on(
    after: int, form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    contents = fill(folder, *(f"{number}.mp4" for number in range(6)))
    fault = box.faults.add(host="api", status=401, after=after)
    with pytest.raises(AuthenticationError):
        form.call(studio, "upload_folder", folder, jobs=2)
    # At most one file of each job was begun after that.
    assert len(sent(box)) <= after + 6
    box.faults.remove(fault)
    report: UploadReport = form.call(studio, "upload_folder", folder)
    assert report.failed == ()
    assert uploaded(box) == Counter(contents.values())


def test_a_destination_that_is_refused_is_raised_and_asked_for_no_second_file(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    fill(folder, "a.mp4", "b.mp4", "c.mp4")
    with pytest.raises(NotFoundError, match="no collection with this collection_id"):
        form.call(studio, "upload_folder", folder, collection_id=999_999, jobs=1)
    teacher = box.add_user("Ben Osei", role="teacher")
    with box.client(user=teacher) as theirs, pytest.raises(PermissionDeniedError):
        form.call(theirs, "upload_folder", folder, user_id=box.add_user("Ada Park"), jobs=1)
    assert len(sent(box)) == 2


def test_a_file_that_changes_on_the_way_is_never_completed(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    fill(folder, "a.mp4")
    # It changes once its PUT was refused and is going to be repeated.
    box.faults.add(method="PUT", status=503, retry_after=1, times=1)

    def change(_done: int, _total: int | None) -> None:
        if puts(box):
            (folder / "a.mp4").write_bytes(b"another film")

    report: UploadReport = form.call(studio, "upload_folder", folder, progress=change)
    [failed] = report.failed
    assert isinstance(failed.error, FileChangedError)
    assert not any(path.endswith("/complete") for path in sent(box))
    assert names(form.call(studio, "upload_folder", folder).done) == ["a.mp4"]
    assert uploaded(box) == Counter([b"another film"])


def test_a_second_run_at_once_is_refused_and_the_first_goes_on(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    contents = fill(folder, "a.mp4", "b.mp4")
    # For longer than the second run waits for the first one to end.
    box.faults.add(method="PUT", delay=2)
    refusals: list[OSError] = []

    def meanwhile(_done: int, _total: int | None) -> None:
        if sent(box) and not refusals:
            with pytest.raises(OSError, match="another upload is using this journal") as refused:
                studio.upload_folder(folder)
            refusals.append(refused.value)

    report: UploadReport = form.call(studio, "upload_folder", folder, progress=meanwhile)
    assert len(report.done) == 2
    assert [(error.errno, error.filename) for error in refusals] == [(errno.EBUSY, str(folder / JOURNAL))]
    assert uploaded(box) == Counter(contents.values())


class StopError(Exception):
    """What a progress callable raises to end a run."""


@pytest.mark.parametrize("how", ["exception", "close", "cancel"])
def test_a_run_that_is_ended_leaves_a_journal_by_which_the_next_one_goes_on(
    how: str, form: Form, box: Sandbox, folder: Path
) -> None:
    contents = fill(folder, *(f"{number}.mp4" for number in range(6)))
    slow = box.faults.add(method="PUT", delay=0.2)
    studio = box.client()
    tasks: list[asyncio.Task[Any]] = []

    def end(_done: int, _total: int | None) -> None:
        if puts(box) < 2:
            return
        if how == "exception":
            raise StopError
        if how == "close":
            studio.close()
        elif tasks:
            tasks[0].cancel()
        else:
            raise KeyboardInterrupt

    async def run() -> None:
        tasks.append(asyncio.ensure_future(studio.upload_folder_async(folder, jobs=2, progress=end)))
        await tasks[0]

    expected = {"exception": StopError, "close": ClientClosedError, "cancel": asyncio.CancelledError}[how]
    if form.name == "blocking":
        with pytest.raises(KeyboardInterrupt if how == "cancel" else expected):
            studio.upload_folder(folder, jobs=2, progress=end)
    else:
        with pytest.raises(expected):
            asyncio.run(run())
    assert len(uploaded(box)) < 6
    box.faults.remove(slow)
    with box.client() as another:
        report: UploadReport = form.call(another, "upload_folder", folder)
    assert report.failed == ()
    assert uploaded(box) == Counter(contents.values())


def test_a_journal_of_another_school_and_one_that_is_none_are_refused_before_anything_is_sent(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    fill(folder, "a.mp4")
    journal = folder / JOURNAL
    foreign = json.dumps({"canvas_studio_uploads": 1, "url": "https://myschool.instructuremedia.com"}) + "\n"
    for text in (foreign, "all my work\n", '{"canvas_studio_uploads": 2, "url": ""}\n'):
        journal.write_text(text)
        for dry_run in (False, True):
            with pytest.raises(InvalidArgumentError) as refused:
                form.call(studio, "upload_folder", folder, dry_run=dry_run)
            assert refused.value.argument == "journal"
            assert str(journal) in str(refused.value)
        assert journal.read_text() == text
    assert box.requests == ()


def test_a_journal_of_ones_own_may_be_anywhere(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path, tmp_path: Path
) -> None:
    fill(folder, "a.mp4")
    for _ in range(2):
        form.call(studio, "upload_folder", folder, journal=tmp_path / "uploads.jsonl")
    assert [path.name for path in folder.iterdir()] == ["a.mp4"]
    assert sum(uploaded(box).values()) == 1


# It may write this many bytes into a file: the journal ends in the middle of a line.
LITTLE_ROOM = """
import resource, sys
from canvas_studio import StudioClient
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
StudioClient(sys.argv[1], token=sys.argv[2]).upload_folder(sys.argv[3], jobs=1)
"""


@pytest.mark.parametrize("room", [20, 100, 300, 450, 700, 1000])
def test_a_journal_that_cannot_be_written_ends_the_run_and_nothing_is_uploaded_twice(
    room: int, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    contents = fill(folder, "a.mp4", "b.mp4", "c.mp4")
    ended = subprocess.run(
        [sys.executable, "-c", LITTLE_ROOM, box.url, box.token, str(folder), str(room)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "OSError" in ended.stderr
    assert JOURNAL in ended.stderr
    assert (folder / JOURNAL).stat().st_size <= room
    begun = sum(path.endswith("/media/uploads") for path in sent(box))
    assert begun < 3
    report = studio.upload_folder(folder)
    assert report.failed == ()
    assert uploaded(box) == Counter(contents.values())


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems take no names that are not UTF-8")
def test_a_name_that_is_not_utf_8_is_uploaded_once(form: Form, studio: StudioClient, folder: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp4"))
    path.write_bytes(b"film")
    report: UploadReport = form.call(studio, "upload_folder", folder)
    assert [result.path for result in report.done] == [path]
    again: UploadReport = form.call(studio, "upload_folder", folder)
    assert [result.reason for result in again.skipped if result.path == path] == ["uploaded already"]
    path.write_bytes(b"another film")
    changed: UploadReport = form.call(studio, "upload_folder", folder)
    assert [(result.reason or "")[:7] for result in changed.done] == ["changed"]
    assert [media.title for media in studio.search_media()] == ["caf\ufffd"] * 2


def test_progress_is_that_of_all_files_in_bytes(form: Form, box: Sandbox, studio: StudioClient, folder: Path) -> None:
    contents = fill(folder, "a.mp4", "b.mp4", "c.mp4", "d.mp4")
    whole = sum(map(len, contents.values()))
    studio.upload_folder(folder, pattern="a.mp4")
    box.faults.add(method="PUT", delay=0.1)
    box.faults.add(method="PUT", status=400, times=1)
    seen: list[tuple[int, int | None]] = []

    def see(done: int, total: int | None) -> None:
        seen.append((done, total))

    report: UploadReport = form.call(studio, "upload_folder", folder, jobs=1, progress=see)
    [failed] = report.failed
    # A file that was uploaded before counts as done, and one that failed leaves the total.
    rest = whole - len(contents[failed.path.name])
    assert seen[-1] == (rest, rest)
    assert all(total in {None, whole, rest} and done <= (total or 0) for done, total in seen)
    assert len(seen) > 2


def test_a_report_can_be_read_compared_and_pickled(folder: Path) -> None:
    report = UploadReport(
        done=(UploadResult(folder / "a.mp4", 7),),
        skipped=(UploadResult(folder / "b", reason="hidden"), UploadResult(folder / "c", 3, "uploaded already: as d")),
        failed=(UploadResult(folder / "e.mp4", 8, error=InvalidArgumentError("no good", argument="path")),),
        unfinished=(UploadResult(folder / "e.mp4", 8, "not sent: try again"),),
    )
    assert str(report).splitlines() == [
        "1 uploaded, 2 skipped (1 hidden, 1 uploaded already), 1 failed, 1 unfinished",
        f"failed: {folder / 'e.mp4'} (upload 8): no good",
        f"unfinished: {folder / 'e.mp4'} (upload 8): not sent: try again",
    ]
    copy = pickle.loads(pickle.dumps(report))  # noqa: S301 - made here
    assert (copy.done, copy.skipped, str(copy)) == (report.done, report.skipped, str(report))
    assert bool(UploadReport())


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"folder": "nowhere"}, "folder"),
        ({"pattern": "[a"}, "pattern"),
        ({"jobs": 0}, "jobs"),
        ({"jobs": 65}, "jobs"),
        ({"collection_id": 0}, "collection_id"),
        ({"user_id": -1}, "user_id"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sent(
    arguments: dict[str, Any], argument: str, form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    fill(folder, "a.mp4")
    with pytest.raises(InvalidArgumentError) as refused:
        form.call(studio, "upload_folder", **({"folder": folder} | arguments))
    assert refused.value.argument == argument
    assert (box.requests, [path.name for path in folder.iterdir()]) == ((), ["a.mp4"])


class Interrupted(BaseException):
    """As Ctrl-C, which a test would rather not be ended by."""


def test_what_ends_a_run_from_outside_has_a_note_of_what_it_leaves_behind(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    fill(folder, *(f"{number}.mp4" for number in range(6)))
    held = box.faults.add(delay=20, path="/v1/media/uploads")

    def interrupt(_done: int, total: int | None) -> None:
        if total is not None and box.faults.hits(held) == 2:
            raise Interrupted

    with pytest.raises(Interrupted) as raised:
        form.call(studio, "upload_folder", folder, jobs=2, progress=interrupt)
    [note] = raised.value.__notes__
    assert note.endswith("The journal has what was done: the same call continues")
    box.faults.clear()
    assert len(form.call(studio, "upload_folder", folder).done) == 6
