"""Uploads of tables: all rows are checked first, then each video goes to its owner or collection, with its caption."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    SeveralUsersError,
    StudioClient,
    UploadReport,
    UserNotFoundError,
)
from canvas_studio.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.forms import Form

SRT = "1\n00:00:01,000 --> 00:00:02,000\nHello\n"
JOURNAL = ".canvas-studio-uploads.jsonl"
CAPTIONS = "/v1/media/*/caption_files"


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
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (folder / name).write_bytes(f"film of {name}".encode() * 100)
    (folder / "a.srt").write_text(SRT)
    return folder


def table(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "videos.csv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def captions(studio: StudioClient) -> dict[str | None, list[str | None]]:
    return {media.title: [caption.srclang for caption in media.captions()] for media in studio.search_media()}


def test_each_row_goes_to_its_owner_or_collection_with_its_title_and_caption(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    ada = box.add_user("Ada Park", "ada.park@example.edu")
    biology = box.add_collection("Biology")
    path = table(
        folder,
        "video,caption,srclang,owner,collection,title,description",
        "a.mp4,a.srt,en,Ada.Park@example.edu,,Mitosis,In two parts",
        f"b.mp4,,,,{biology},,",
        ",,,,,,",
        '"c.mp4",,,ada.park@example.edu,,"Cells, and\nmore",',
    )
    report: UploadReport = form.call(studio, "upload_rows", path)

    assert report.failed == ()
    assert [result.path for result in report.done] == [folder / name for name in ("a.mp4", "b.mp4", "c.mp4")]
    first, second, third = (studio.get_media(result.media_id or 0) for result in report.done)
    assert (first.title, first.description) == ("Mitosis", "In two parts")
    assert first.owner is not None
    assert first.owner.id == ada
    assert second.title == "b"
    assert second.collection is not None
    assert second.collection.id == biology
    assert third.title == "Cells, and\nmore"
    assert captions(studio) == {"Mitosis": ["en"], "b": [], "Cells, and\nmore": []}
    assert sum(request.path.endswith("/users/search") for request in box.requests) == 2

    box.forget_requests()
    again: UploadReport = form.call(studio, "upload_rows", path)
    assert (again.done, {result.reason for result in again.skipped}) == ((), {"uploaded already"})
    assert not any(request.method in {"POST", "PUT"} for request in box.requests)


def test_all_faults_of_all_rows_are_told_at_once_and_nothing_is_sent(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    (folder / "empty.mp4").touch()
    (folder / "bad.srt").write_text("no captions at all")
    path = table(
        folder,
        "video,caption,srclang,collection",
        "missing.mp4,,,",
        "empty.mp4,,,Biology",
        "a.mp4,missing.srt,en,",
        "./a.mp4,a.srt,,",
        "b.mp4,bad.srt,en,",
        ",a.srt,en,",
        "c.mp4,a.srt,english,0,more",
    )
    with pytest.raises(InvalidArgumentError) as refused:
        form.call(studio, "upload_rows", path)
    assert refused.value.argument == "rows"
    first, *faults = re.split(r";? \(\d+\) ", str(refused.value))
    assert first == "rows cannot be uploaded, and nothing was sent:"
    assert "; (11) line 8: " in str(refused.value)
    assert [fault.partition(": ")[0] for fault in faults] == [
        *("line 2", "line 3", "line 3", "line 4", "line 5", "line 5", "line 6", "line 7"),
        *("line 8", "line 8", "line 8"),
    ]
    for number, part in enumerate(
        (
            "missing.mp4",
            "collection must be the id of a collection, not 'Biology'",
            "empty",
            "missing.srt",
            "srclang",
            "the same video as in line 4",
            "bad.srt",
            "video is missing",
            "collection must be the id",
            "it has 5 fields, and the first line only 4",
            "srclang",
        )
    ):
        assert part in faults[number]
    assert box.requests == ()
    assert not (folder / JOURNAL).exists()


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["Vidoe,title", "a.mp4,x"], "line 1: unknown column 'Vidoe': the columns are video, caption, "),
        (["title", "x"], "line 1: there is no column 'video'"),
        (["video,video", "a.mp4,a.mp4"], "line 1: the column 'video' is there twice"),
        ([""], "line 1: it is empty"),
        (["video", '"a.mp4'], "line 2: it is no CSV"),
    ],
)
def test_a_table_that_is_none_is_refused(
    lines: list[str], fault: str, form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"nothing was sent") as refused:
        form.call(studio, "upload_rows", table(folder, *lines))
    assert fault in str(refused.value)
    assert box.requests == ()


def test_a_table_of_a_spreadsheet_is_read_and_one_that_is_not_utf_8_is_refused(
    form: Form, studio: StudioClient, folder: Path
) -> None:
    path = table(folder, "Video;Title", "a.mp4;Übung", encoding="utf-8-sig")
    assert len(form.call(studio, "upload_rows", path).done) == 1
    assert [media.title for media in studio.search_media()] == ["Übung"]
    table(folder, "video,title", "a.mp4,x", "b.mp4,Übung", encoding="cp1252")
    with pytest.raises(InvalidArgumentError, match=r"line 3 of .*videos\.csv is not UTF-8"):
        form.call(studio, "upload_rows", path)


def test_rows_may_be_dicts_with_what_data_frames_have_in_empty_cells(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path, tmp_path: Path
) -> None:
    biology = studio.get_collection(box.add_collection("Biology"))
    rows: list[dict[str, Any]] = [
        {"video": folder / "a.mp4", "caption": None, "collection": biology, "title": float("nan")},
        {"video": str(folder / "b.mp4"), "collection": float(biology.id), "owner": ""},
    ]
    report: UploadReport = form.call(studio, "upload_rows", iter(rows), journal=tmp_path / "uploads.jsonl")
    assert len(report.done) == 2
    assert {studio.get_media(result.media_id or 0).collection for result in report.done} == {biology}


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (7, TypeError, "rows must be the path of a CSV file or a list of dicts, not int"),
        ({"video": "a.mp4"}, TypeError, "rows must be the path of a CSV file or a list of dicts, not dict"),
        (["a.mp4"], TypeError, r"rows\[0\] must be a dict, not str"),
        ([{"video": 7}], InvalidArgumentError, r"rows\[0\]: video must be a str, not int"),
        (
            [{"video": "a.mp4", "owner": 0}],
            InvalidArgumentError,
            r"rows\[0\]: owner must be the e-mail address or the St",
        ),
        ([{"video": "a.mp4", "owner": True}], InvalidArgumentError, r"rows\[0\]: owner must be .*, not True"),
        ([{"vidoe": "a.mp4"}], InvalidArgumentError, r"rows\[0\]: unknown column 'vidoe'"),
        ([{"video": "nowhere.mp4"}], InvalidArgumentError, r"rows\[0\]: video .*nowhere\.mp4"),
    ],
)
def test_rows_that_are_none_are_refused(
    rows: Any, error: type[Exception], message: str, form: Form, box: Sandbox, studio: StudioClient, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        form.call(studio, "upload_rows", rows, journal=tmp_path / "uploads.jsonl")
    assert box.requests == ()


def test_dicts_need_a_journal(form: Form, box: Sandbox, studio: StudioClient, folder: Path) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        form.call(studio, "upload_rows", [{"video": folder / "a.mp4"}])
    assert refused.value.argument == "journal"
    assert box.requests == ()


def test_an_owner_who_is_nobody_or_several_people_fails_alone(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    for name in ("Cleo Ito", "Cleo I. Ito"):
        box.add_user(name, "cleo.ito@example.edu")
    path = table(folder, "video,owner", "a.mp4,nobody@example.edu", "b.mp4,cleo.ito@example.edu", "c.mp4,")
    report: UploadReport = form.call(studio, "upload_rows", path)
    assert [result.path.name for result in report.done] == ["c.mp4"]
    nobody, several = (result.error for result in report.failed)
    assert isinstance(nobody, UserNotFoundError)
    assert isinstance(several, SeveralUsersError)
    assert [result.row for result in report.failed] == ["line 2", "line 3"]
    assert f"failed: line 2 ({folder / 'a.mp4'}): no user has " in str(report)
    assert "nobody@example.edu" in str(report)


def test_an_owner_may_be_given_by_id_and_one_of_several_is_chosen_so(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path, tmp_path: Path
) -> None:
    ids = [box.add_user(name, "cleo.ito@example.edu") for name in ("Cleo Ito", "Cleo I. Ito")]
    path = table(folder, "video,owner", f"a.mp4,{ids[1]}", "b.mp4,999999")
    box.forget_requests()
    said: UploadReport = form.call(studio, "upload_rows", path, dry_run=True)
    report: UploadReport = form.call(studio, "upload_rows", path)
    for each in (said, report):
        assert [result.path.name for result in each.done] == ["a.mp4"]
        assert isinstance(each.failed[0].error, NotFoundError)
        assert "; user 999999 does not exist, or you may not upload for them" in str(each)
    assert not any(request.path.endswith("/users/search") for request in box.requests)
    rows: list[dict[str, Any]] = [
        {"video": folder / "b.mp4", "owner": ids[0]},
        {"video": folder / "c.mp4", "owner": studio.get_user(ids[1])},
    ]
    dicts: UploadReport = form.call(studio, "upload_rows", rows, journal=tmp_path / "uploads.jsonl")
    owners = [studio.get_media(result.media_id or 0).owner for result in (*report.done, *dicts.done)]
    assert [owner and owner.id for owner in owners] == [ids[1], *ids]


def test_an_unknown_collection_fails_for_its_row_alone(form: Form, studio: StudioClient, folder: Path) -> None:
    path = table(folder, "video,collection", "a.mp4,777777", "b.mp4,")
    report: UploadReport = form.call(studio, "upload_rows", path)
    [failed] = report.failed
    assert isinstance(failed.error, NotFoundError)
    assert str(failed).startswith(f"line 2 ({folder / 'a.mp4'}): ")
    assert str(failed).endswith("; collection 777777 does not exist, or you may not upload there")
    assert [result.path.name for result in report.done] == ["b.mp4"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("notes.pdf,,", 'video has the ending "pdf", which the vendor\'s guide does not name'),
        ("a.srt,,", 'video has the ending "srt"'),
        ("notes,,", "video has no ending"),
        ("a.mp4,,en", "it has srclang, but no caption"),
    ],
)
def test_a_video_that_is_none_and_a_language_without_a_caption_are_faults(
    line: str, fault: str, form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    for name in ("notes.pdf", "notes"):
        (folder / name).write_text("notes")
    path = table(folder, "video,caption,srclang", line)
    with pytest.raises(InvalidArgumentError) as refused:
        form.call(studio, "upload_rows", path)
    assert f": (1) line 2: {fault}" in str(refused.value)
    assert box.requests == ()


def test_a_changed_row_is_not_carried_out_and_the_report_names_its_fields(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    biology = box.add_collection("Biology")
    head = "video,caption,srclang,title,description,collection"
    form.call(studio, "upload_rows", table(folder, head, "a.mp4,a.srt,en,Mitosis,,", "b.mp4,,,,,", "c.mp4,,,,,"))
    box.forget_requests()
    (folder / "a.srt").write_text(SRT.replace("Hello", "Good day"))
    (folder / "b.srt").write_text(SRT)
    path = table(folder, head, "a.mp4,a.srt,de,Meiosis,In two parts,", f"b.mp4,,,Cells,,{biology}", "c.mp4,,,,,")
    report: UploadReport = form.call(studio, "upload_rows", path)
    media = {result.path.name: result.media_id for result in report.skipped}
    but = "uploaded already, but"
    counts, first, second = str(report).splitlines()
    assert counts == (
        f"0 uploaded, 3 skipped (1 {but} the row has changed, 1 {but} to another place, 1 uploaded already), 0 failed, "
        "0 unfinished"
    )
    assert first == (
        f"line 2 ({folder / 'a.mp4'}, media {media['a.mp4']}): {but} the row has changed: "
        "title, description, caption and srclang differ from what was sent and were not applied; "
        "change the media in Studio; media.add_caption(...) adds a caption"
    )
    assert second == (
        f"line 3 ({folder / 'b.mp4'}, media {media['b.mp4']}): {but} to another place: "
        f"into the user's own library, not to collection {biology}; to upload there too, give another journal=; "
        "title differs from what was sent and was not applied; change the media in Studio"
    )
    assert not any(request.method in {"POST", "PUT"} for request in box.requests)
    without = table(folder, "video,title", "a.mp4,Mitosis")
    again: UploadReport = form.call(studio, "upload_rows", without)
    assert "the row has changed: caption differs from what was sent and was not applied; media.add" in str(again)
    # A new caption is added, and the other changes are still said.
    added: UploadReport = form.call(studio, "upload_rows", table(folder, head, "b.mp4,b.srt,en,Cells,,"))
    assert str(added).splitlines()[0] == "0 uploaded, 1 caption added, 0 skipped, 0 failed, 0 unfinished"
    assert "caption added; uploaded already, but the row has changed: title differs" in str(added)


def test_a_journal_of_an_older_version_says_nothing_of_changed_rows(
    form: Form, studio: StudioClient, folder: Path
) -> None:
    form.call(studio, "upload_rows", table(folder, "video,title", "a.mp4,Mitosis"))
    journal = folder / JOURNAL
    journal.write_text(journal.read_text(encoding="utf-8").replace(',"title":"Mitosis"', ""), encoding="utf-8")
    report: UploadReport = form.call(studio, "upload_rows", table(folder, "video,title", "a.mp4,Meiosis"))
    assert [result.reason for result in report.skipped] == ["uploaded already"]


def test_a_copy_of_a_video_for_another_owner_is_said(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    ada = box.add_user("Ada Park", "ada.park@example.edu")
    (folder / "b.mp4").write_bytes((folder / "a.mp4").read_bytes())
    path = table(folder, "video,owner", "a.mp4,", "b.mp4,ada.park@example.edu")
    report: UploadReport = form.call(studio, "upload_rows", path)
    [copy] = report.skipped
    said = f"as {folder / 'a.mp4'}, which goes into the user's own library, not for user {ada}"
    assert copy.reason == f"same content, but to another place: {said}"
    assert f"same content, but to another place: {said}" in str(report)


def test_who_may_not_search_users_is_told_before_anything_is_uploaded(form: Form, box: Sandbox, folder: Path) -> None:
    path = table(folder, "video,owner", "a.mp4,ada.park@example.edu")
    box.faults.add(path="/v1/users/search", status=403)
    with box.client() as studio, pytest.raises(PermissionDeniedError):
        form.call(studio, "upload_rows", path)
    assert not any(request.method in {"POST", "PUT"} for request in box.requests)


def test_a_dry_run_checks_the_rows_and_sends_nothing(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    box.add_user("Ada Park", "ada.park@example.edu")
    biology = box.add_collection("Biology")
    path = table(
        folder,
        "video,caption,srclang,owner,collection",
        f"a.mp4,a.srt,en,ada.park@example.edu,{biology}",
        "b.mp4,,,nobody@example.edu,",
        "c.mp4,,,,777777",
    )
    report: UploadReport = form.call(studio, "upload_rows", path, dry_run=True)
    assert [result.path.name for result in report.done] == ["a.mp4"]
    assert [type(result.error) for result in report.failed] == [UserNotFoundError, NotFoundError]
    assert "collection 777777 does not exist, or you may not upload there" in str(report)
    assert report.dry_run
    assert ({request.method for request in box.requests}, (folder / JOURNAL).exists()) == ({"GET"}, False)
    (folder / "a.srt").unlink()
    with pytest.raises(InvalidArgumentError):
        form.call(studio, "upload_rows", path, dry_run=True)


def test_a_caption_that_failed_is_added_by_the_next_run_and_the_video_is_not_sent_again(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    path = table(folder, "video,caption,srclang", "a.mp4,a.srt,en")
    fault = box.faults.add(method="POST", path=CAPTIONS, status=422)
    first: UploadReport = form.call(studio, "upload_rows", path)
    [failed] = first.failed
    assert (failed.reason or "").startswith("caption missing: ")
    assert failed.media_id is not None
    assert first.unfinished == ()
    assert str(first).startswith("0 uploaded, 0 skipped, 1 failed")
    assert f", media {failed.media_id}): {failed.error}; caption missing: the file was uploaded; the next" in str(first)
    box.faults.remove(fault)

    second: UploadReport = form.call(studio, "upload_rows", path)
    [done] = second.done
    assert (done.media_id, (done.reason or "")[:13]) == (failed.media_id, "caption added")
    assert str(second) == "0 uploaded, 1 caption added, 0 skipped, 0 failed, 0 unfinished"
    assert captions(studio) == {"a": ["en"]}
    assert sum(request.method == "PUT" for request in box.requests) == 1
    assert form.call(studio, "upload_rows", path).done == ()


def test_a_caption_that_was_added_unseen_is_not_added_again(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    path = table(folder, "video,caption,srclang", "a.mp4,a.srt,en")
    box.faults.add(method="POST", path=CAPTIONS, reset="after", times=1)
    first: UploadReport = form.call(studio, "upload_rows", path)
    assert len(first.failed) == 1
    second: UploadReport = form.call(studio, "upload_rows", path)
    assert (len(second.done), captions(studio)) == (1, {"a": ["en"]})


def test_a_caption_for_a_video_that_a_folder_upload_had_sent_is_added(
    form: Form, studio: StudioClient, folder: Path
) -> None:
    form.call(studio, "upload_folder", folder, pattern="*.mp4")
    path = table(folder, "video,caption,srclang", "a.mp4,a.srt,en", "b.mp4,,")
    report: UploadReport = form.call(studio, "upload_rows", path)
    assert [(result.path.name, (result.reason or "")[:13]) for result in report.done] == [("a.mp4", "caption added")]
    assert [result.path.name for result in report.skipped] == ["b.mp4"]
    assert Counter(media.title for media in studio.search_media()) == Counter(["a", "b", "c"])


def test_a_missing_file_of_a_table_is_an_error_of_the_system(
    form: Form, box: Sandbox, studio: StudioClient, folder: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        form.call(studio, "upload_rows", folder / "none.csv")
    assert box.requests == ()
