"""Everything that writes files accepts the longest names, names the file in errors, and touches no other file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from canvas_studio import FileTokenStore, InvalidArgumentError, Tokens, TokenStoreError, profiles
from canvas_studio._core import replace_file
from canvas_studio.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.forms import Form

TOKENS = Tokens("made-up-token", refresh_token="r" * 5_000)
LONGEST = {
    "ascii": "L" * 255,
    "umlauts": "x" + "Ü" * 127,
    "kanji": "講" * 85,
    "emoji": "xyz" + "🎬" * 63,
    "no utf-8": b"\xff".decode("utf-8", "surrogateescape") + "L" * 254,
}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A library of one film."""
    with Sandbox(media=0) as box:
        box.add_media("film", size=50_000)
        yield box


def download(form: Form, box: Sandbox, path: Path) -> None:
    with box.client() as studio:
        film = next(media.id for media in studio.search_media(title="film"))
        form.call(studio, "download_media", film, path)


def csv(form: Form, box: Sandbox, path: Path) -> None:
    with box.client() as studio:
        form.call(studio.search_media(), "to_csv", path)


def parquet(form: Form, box: Sandbox, path: Path) -> None:
    with box.client() as studio:
        form.call(studio.search_media(), "to_parquet", path)


def tokens(_form: Form, _box: Sandbox, path: Path) -> None:
    store = FileTokenStore(path)
    with store.lock():
        store.save(TOKENS)
    assert store.load() == TOKENS


def snapshot(_form: Form, box: Sandbox, path: Path) -> None:
    box.snapshot(path)


def profile(_form: Form, _box: Sandbox, path: Path) -> None:
    replace_file(path, b"p" * 5_000)


WRITERS: list[Callable[[Form, Sandbox, Path], None]] = [download, csv, parquet, tokens, snapshot, profile]
each_writer = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)


@pytest.mark.parametrize("name", LONGEST.values(), ids=LONGEST)
@each_writer
def test_every_writer_takes_a_name_of_255_bytes(
    write: Callable[[Form, Sandbox, Path], None], form: Form, box: Sandbox, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    for _ in range(2):  # the second time there is an old file to replace
        write(form, box, path)
        assert path.stat().st_size > 0
        left = {each.name for each in tmp_path.iterdir()} - {name}
        # The lock of tokens stays, under a name of its own.
        assert len(left) == (write is tokens)
        assert all(each.endswith(".lock") for each in left)


@each_writer
def test_a_name_of_256_bytes_is_an_error_with_that_name_and_leaves_nothing(
    write: Callable[[Form, Sandbox, Path], None], form: Form, box: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / ("L" * 256)
    with pytest.raises((OSError, TokenStoreError)) as raised:
        write(form, box, path)
    error = raised.value.__cause__ if isinstance(raised.value, TokenStoreError) else raised.value
    assert isinstance(error, OSError)
    assert str(error.filename) == str(path)
    assert str(path) in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the size of files")
def test_a_full_disk_names_the_file_whoever_writes(tmp_path: Path) -> None:
    program = f"""
        import pathlib, resource, sys
        sys.path[:0] = {[str(Path(__file__).parents[up]) for up in (0, 1)]!r}
        from support.forms import Form
        from canvas_studio.sandbox import Sandbox
        from test_files import WRITERS

        folder = pathlib.Path(sys.argv[1])
        with Sandbox(media=1_000) as box:
            box.add_media("film", size=50_000)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
            for write in WRITERS:
                path = folder / write.__name__
                for form in (Form("blocking"), Form("async")):
                    try:
                        write(form, box, path)
                    except Exception as error:
                        cause = error.__cause__ if type(error).__name__ == "TokenStoreError" else error
                        named = str(cause.filename).removesuffix(".part") == str(path)
                        print(write.__name__, type(cause).__name__, cause.strerror, named, str(path) in str(error))
    """
    words = [sys.executable, "-B", "-W", "error", "-c", textwrap.dedent(program), str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == ""
    expected = [f"{write.__name__} OSError File too large True True" for write in WRITERS for _ in range(2)]
    assert ended.stdout.splitlines() == expected
    # What came of a download stays for the next one.
    left = ["download.part", "download.part.json", "tokens.lock"]
    assert sorted(each.name for each in tmp_path.iterdir()) == left


posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


@posix_only
@pytest.mark.parametrize("kind", ["link", "hard link", "pipe"])
def test_a_part_that_is_another_file_is_left_alone(form: Form, box: Sandbox, tmp_path: Path, kind: str) -> None:
    precious, part = tmp_path / "precious", tmp_path / "film.mp4.part"
    precious.write_text("precious")
    match kind:
        case "link":
            part.symlink_to(precious)
        case "hard link":
            os.link(precious, part)
        case _:
            os.mkfifo(part)
    with pytest.raises(FileExistsError, match="second name" if kind == "hard link" else "not a file"):
        download(form, box, tmp_path / "film.mp4")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only an administrator can give a file away")
def test_a_part_of_another_user_is_left_alone(form: Form, box: Sandbox, tmp_path: Path) -> None:
    part = tmp_path / "film.mp4.part"
    part.write_text("theirs")
    os.chown(part, 65_534, 65_534)
    with pytest.raises(PermissionError, match="belongs to another user: remove it"):
        download(form, box, tmp_path / "film.mp4")
    assert part.read_text() == "theirs"


@posix_only
def test_a_folder_that_is_shared_takes_downloads(form: Form, box: Sandbox, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "film.mp4.part").write_text("left by a process that was killed")
    (tmp_path / "film.mp4.part").chmod(0o666)
    download(form, box, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").stat().st_size == 50_000


@posix_only
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_snapshot_is_for_its_owner_alone_whatever_the_umask(box: Sandbox, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = box.snapshot(tmp_path / "state.json")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


@posix_only
def test_a_configuration_that_others_can_change_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "config" / "canvas-studio"
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(home))
    before = os.umask(0)
    try:
        profiles.save(
            profiles.Profile(name="north", url="https://north.example", client_id="1", client_secret="made-up")
        )
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_dir()} == {0o700}
    path = home / "profiles" / "north.toml"
    for changed, mode in ((path, 0o622), (path.parent, 0o777)):
        kept = stat.S_IMODE(changed.stat().st_mode)
        changed.chmod(mode)
        with pytest.raises(InvalidArgumentError, match="not private: others can change"):
            profiles.load("north")
        changed.chmod(kept)
    assert profiles.load("north").client_id == "1"
