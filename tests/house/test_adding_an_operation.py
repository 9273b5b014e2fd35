"""A new operation with a new kind of record is added to a copy of the tree, in the places that CONTRIBUTING names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HOUSE / "target"))
# Always the same folder, since cargo keeps a build for each.
COPY = TARGET / "with-an-operation"

GIVEN = {"id": 42, "stars": 4, "note": "clear", "votes": 12}
# Each place: the file, the line that the new text stands before, and the new text. A file that is new stands alone.
OPERATION = [
    (
        "src/api/media.rs",
        "/// Lists everyone with access.",
        """/// What people think of a media. Invented, for a test.
pub fn rating(id: i64) -> Result<Request<Rating>, InvalidArgument> {
    Ok(Call::get("get_media_rating", path(id, "/rating")?).at_key("rating"))
}

""",
    ),
    ("src/api/media.rs", "Source, User};", "Rating, "),
    (
        "src/python/pages/media.rs",
        "    /// Get the users and groups with whom a media is shared directly.",
        """    /// Get the rating of a media.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///
    /// Returns:
    ///     The rating.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see it.
    ///     NotFoundError: 404, if there is no such media.
    ///
    /// Reference: Media page, GET /media/{media_id}/rating.
    #[pyo3(signature = (id))]
    get_media_rating / get_media_rating_async (studio, id: Id<OfMedia>) -> models::Rating = media::rating(id);

""",
    ),
    (
        "src/sandbox/routes/media.rs",
        '        Operation::get("/media/{media_id}/perspectives"',
        """        Operation::get("/media/{media_id}/rating", "getMediaRating", "Get the rating of a media", rating)
            .answers(200, "The rating.", json!({"type": "object", "required": ["rating"]}))
            .refuses(&[403, 404]),
""",
    ),
    (
        "src/sandbox/routes/media.rs",
        "fn sources(state: &mut State",
        """fn rating(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::View)?;
    Reply::json(200, &json!({"rating": {"id": media.id, "stars": 5, "note": null, "votes": 1}}))
}

""",
    ),
    (
        "docs/media.md",
        "| `get_media_permissions(id)`",
        "| `get_media_rating(id)` | | `GET /media/{id}/rating` | `Rating` | |\n",
    ),
    (
        "tests/recordings/errors.json",
        '    "media/list_media_courses"',
        '    "media/get_media_rating": ["no_token", "no_permission", "no_media"],\n',
    ),
]
RECORD = [
    (
        "src/api/models.rs",
        "/// The users and groups that a collection or a media is shared with.",
        """model! {
    /// What people think of a media. Invented, for a test.
    Rating by id: i64;
    stars: i64,
    note: String,
}

""",
    ),
    (
        "python/canvas_studio/models.py",
        "@dataclass(frozen=True, slots=True)\nclass Source(Record):",
        '''@dataclass(frozen=True, slots=True)
class Rating(Record):
    """What people think of a media.

    Attributes:
        id: The media's id.
        stars: How many.
        note: What they say.
        extra: Fields that are not documented, as they were sent.
    """

    id: int
    stars: int | None = None
    note: str | None = None
    extra: Mapping[str, Any] = _extra()


''',
    ),
    ("python/canvas_studio/models.py", '    "Source",\n    "Tag",', '    "Rating",\n'),
]
PLACES = sorted({name for name, _, _ in RECORD} - {name for name, _, _ in OPERATION})
RECORDING = "tests/recordings/media/get_media_rating.har"

PROGRAM = """
import asyncio
from canvas_studio import Rating, StudioClient
from canvas_studio.sandbox import Sandbox

with Sandbox(media=3) as box, StudioClient(box.url, token=box.token) as studio:
    media = studio.search_media().first()
    blocking = studio.get_media_rating(media.id)
    in_tasks = asyncio.run(studio.get_media_rating_async(media))
    assert blocking == in_tasks == Rating(media.id, 5, None, {"votes": 1}), (blocking, in_tasks)
    print(blocking)
"""


def copy_tree() -> None:
    """Copies what git has, with the times of its files, so that cargo builds no more than it must."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=HOUSE, capture_output=True, check=True)  # noqa: S607
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (HOUSE / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HOUSE / name, COPY / name)


def add() -> None:
    """Makes the changes that CONTRIBUTING asks for, and no others."""
    for name, before, text in OPERATION + RECORD:
        file = COPY / name
        there = file.read_text(encoding="utf-8")
        assert there.count(before) == 1, f"{before!r} stands {there.count(before)} times in {name}"
        file.write_text(there.replace(before, text + before), encoding="utf-8")
    har = json.loads((COPY / "tests/recordings/media/get_media.har").read_text(encoding="utf-8"))
    har["log"]["comment"] = "documentation: invented, for a test"
    har["log"]["_call"] = {"method": "get_media_rating", "arguments": [42], "gives": GIVEN}
    (entry,) = har["log"]["entries"]
    entry["request"]["url"] += "/rating"
    content = json.dumps({"rating": GIVEN})
    entry["response"]["content"] |= {"text": content, "size": len(content)}
    entry["response"]["bodySize"] = len(content)
    (COPY / RECORDING).write_text(json.dumps(har, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def run(*command: str, path: Path | None = None) -> str:
    """Runs a program in the copy; `path` is where it finds the package."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
    if path:
        environment["PYTHONPATH"] = str(path)
    ended = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def test_contributing_names_each_place_that_a_new_operation_touches() -> None:
    text = (HOUSE / "CONTRIBUTING.md").read_text(encoding="utf-8")
    steps = text.partition("## How to add an operation\n")[2].partition("\n## ")[0]
    for name in {name for name, _, _ in OPERATION + RECORD} | {RECORDING}:
        # Its example is of the User page.
        page = name.replace("media/get_media_rating", "users/get_user").replace("/media.", "/users.")
        assert f"`{page}`" in steps, page


def test_in_each_room_a_new_record_touches_one_place_beside_the_page() -> None:
    rooms = [room for room in ("src/api/", "src/python/", "python/") for name in PLACES if name.startswith(room)]
    assert rooms == ["src/api/", "python/"]


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_a_new_operation_with_a_new_record_works_in_both_forms(tmp_path: Path) -> None:
    copy_tree()
    add()
    maturin = str(Path(sys.executable).with_name("maturin"))
    run(maturin, "build", "--quiet", "--out", str(tmp_path / "wheels"))
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    package = tmp_path / "package"
    zipfile.ZipFile(wheel).extractall(package)
    assert "Rating(" in run(sys.executable, "-c", PROGRAM, path=package)
    pytest_of_copy = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    replayed = run(*pytest_of_copy, "tests/pages/test_recordings.py", "-k", "get_media_rating", path=package)
    # The answer and three refusals, in both forms at least.
    assert int(replayed.rpartition(" passed")[0].split()[-1]) >= 8, replayed
    run(*pytest_of_copy, "tests/house/test_house.py", "tests/house/test_imports.py", path=package)
