"""The command `media download`: which media, under which names, again after a crash, and with checksums."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from canvas_studio import Media
from canvas_studio.cli.downloads import MOST_BYTES, file_name, safe
from canvas_studio.cli.id_lists import read_ids
from support.programs import posix_only
from support.shell import COMMAND, School, school
from typer import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    with school(tmp_path, monkeypatch, media=0) as found:
        yield found


def names(folder: str = "out") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_files_are_whole_named_after_their_media_and_left_alone_the_next_time(here: School) -> None:
    other = here.box.add_media("Cell: part 1/2?", size=2000)
    given = ("media", "download", here.media, other, here.media, "--dir", "out")
    ended = here.run(*given)
    assert ended.exit_code == 0, ended.stderr
    expected = sorted([f"Mitosis ({here.media}).mp4", f"Cell_ part 1_2_ ({other}).mp4"])
    assert names() == expected
    assert ended.stderr == "2 downloaded, 0 were there, 0 failed\n"
    assert Path("out", f"Mitosis ({here.media}).mp4").read_bytes() == here.box.media_file(here.media)
    here.box.forget_requests()
    again = here.run(*given)
    assert (again.exit_code, again.stderr) == (0, "0 downloaded, 2 were there, 0 failed\n")
    assert not [request for request in here.box.requests if request.path.endswith("/download")]
    assert names() == expected


def test_what_fails_is_told_by_its_id_and_the_rest_is_downloaded(here: School) -> None:
    ended = here.run("media", "download", here.media, 999_999, "--dir", "out", "--jobs", 2)
    assert ended.exit_code == 4
    assert "canvas-studio: media 999999: 404" in ended.stderr
    assert names() == [f"Mitosis ({here.media}).mp4"]
    assert here.run("media", "download", 999_999, "--dir", "out").exit_code == 1


def test_checksums_are_written_as_sha256sum_does_and_checked_the_next_time(here: School) -> None:
    given = ("media", "download", here.media, "--dir", "out", "--checksums", "SHA256")
    name = f"Mitosis ({here.media}).mp4"
    whole = here.box.media_file(here.media)
    assert here.run(*given).exit_code == 0
    assert Path("SHA256").read_text() == f"{hashlib.sha256(whole).hexdigest()}  {name}\n"
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--quiet", "../SHA256"], cwd="out", check=True)  # noqa: S607
    Path("out", name).write_bytes(b"something else")
    ended = here.run(*given)
    assert ended.exit_code == 0
    assert "is not what --checksums says: downloading it again" in ended.stderr
    assert Path("out", name).read_bytes() == whole
    # Where Studio has another file now, nothing is replaced.
    Path("SHA256").write_text(f"{'0' * 64}  {name}\n")
    ended = here.run(*given)
    assert ended.exit_code == 1
    assert Path("out", name).read_bytes() == whole


@pytest.mark.parametrize(
    "content",
    [
        b"id,title\r\n{a},x\r\n{b},y\r\n",
        b"\xef\xbb\xbfTitle;ID\r\nMitosis;{a}\r\n;{b}\r\n",
        "id\ttitle\r\n{a}\tx\r\n{b}\ty\r\n".encode("utf-16"),
        b'title,id\n\xe9tude,{a}\n\n"a\nb",{b}\n',
        b"{a}\n{b}\n{a}\n",
    ],
)
def test_ids_are_read_from_the_csv_files_that_there_are(content: bytes, tmp_path: Path) -> None:
    for name, number in (("a", "12"), ("b", "7")):
        content = content.replace(f"{{{name}}}".encode(), number.encode())
        content = content.replace(f"{{{name}}}".encode("utf-16-le"), number.encode("utf-16-le"))
    file = tmp_path / "ids.csv"
    file.write_bytes(content)
    assert read_ids(str(file)) == [12, 7]


@pytest.mark.parametrize("content", [b"", b"title\nx\n", b"id\nx\n", b"id,title\n,x\n"])
def test_a_file_without_ids_is_told(content: bytes, here: School) -> None:
    Path("ids.csv").write_bytes(content)
    ended = here.run("media", "download", "--from", "ids.csv", "--dir", "out")
    assert ended.exit_code == 2
    assert "ids.csv" in ended.stderr
    assert here.box.requests == ()
    assert not Path("out").exists()


def test_a_list_leads_to_a_download_through_a_pipe(here: School) -> None:
    other = here.box.add_media("Meiosis")
    listed = here.run("media", "list", "--csv", "--fields", "id").stdout
    ended = here.run("media", "download", "--from", "-", "--dir", "out", "--quiet", pasted=listed)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", "")
    assert names() == sorted([f"Mitosis ({here.media}).mp4", f"Meiosis ({other}).mp4"])


@pytest.mark.parametrize(
    ("template", "told"), [("{title}", "must have {id}"), ("{id} {titel}", "there is no field 'titel'")]
)
def test_a_name_that_cannot_be_right_is_told(template: str, told: str, here: School) -> None:
    ended = here.run("media", "download", here.media, "--name", template)
    assert (ended.exit_code, here.box.requests) == (2, ())
    assert told in ended.stderr
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "_._.._etc_passwd (7)"),
        ("CON", "CON (7)"),
        ("a\x00b\nc", "a_b_c (7)"),
        ("  dots...  ", "dots... (7)"),
        (".hidden", "_hidden (7)"),
        ("", "(7)"),
        ("\u0627\u0644 \u0915\u094d\u200d\u0937", "\u0627\u0644 \u0915\u094d\u200d\u0937 (7)"),
    ],
)
def test_names_are_safe_on_every_system(title: str, name: str) -> None:
    assert file_name("{title} ({id})", Media.from_dict({"id": 7, "title": title})) == name


def test_a_long_title_is_cut_and_the_id_stays() -> None:
    for title in ("x" * 500, "\u7d30" * 500, "\U0001f52c" * 500):
        name = file_name("{title} ({id})", Media.from_dict({"id": 7, "title": title}))
        assert len(name.encode()) <= MOST_BYTES
        assert name.endswith("(7)")
        assert len(name.encode()) > MOST_BYTES - 20
    assert safe("con.txt") == "_con.txt"
    assert safe("x. . ") == "x"


@posix_only
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_second_run_goes_on_where_the_first_was_ended(how: signal.Signals, here: School) -> None:
    here.box.change_media(here.media, size=4_000_000)
    here.box.faults.add(host="storage", bandwidth=400_000)
    command = [str(COMMAND), "media", "download", str(here.media), "--dir", "out"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8") as process:
        part = Path("out", f"Mitosis ({here.media}).download.part")
        while not part.exists() or part.stat().st_size == 0:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
    if how == signal.SIGINT:
        assert (process.returncode, said) == (130, "canvas-studio: stopped\n")
    assert part.stat().st_size > 0
    here.box.faults.clear()
    here.box.forget_requests()
    assert here.run("media", "download", here.media, "--dir", "out").exit_code == 0
    assert names() == [f"Mitosis ({here.media}).mp4"]
    assert Path("out", names()[0]).read_bytes() == here.box.media_file(here.media)
    assert [request.headers["range"] for request in here.box.requests if "range" in request.headers]


def test_a_file_that_got_no_ending_yet_is_not_downloaded_again(here: School) -> None:
    Path("out").mkdir()
    Path("out", f"Mitosis ({here.media}).download").write_bytes(b"\x1aE\xdf\xa3 webm")
    assert here.run("media", "download", here.media, "--dir", "out").exit_code == 0
    assert names() == [f"Mitosis ({here.media}).webm"]


def test_a_token_that_is_refused_ends_it_at_once(here: School) -> None:
    here.box.faults.add(status=401)
    ended = here.run("media", "download", here.media, "--dir", "out")
    assert ended.exit_code == 1
    assert "put a new one there" in ended.stderr
    assert not Path("out").exists()


def test_without_ids_it_is_told(here: School) -> None:
    with pytest.raises(Exit):
        read_ids("/dev/null")
    for given in ([], ["--from", "none.csv"], ["7", "--checksums", "."], ["7", "--dir", __file__]):
        assert here.run("media", "download", *given).exit_code == 2
    assert here.box.requests == ()
