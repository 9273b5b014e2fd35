"""The examples work: the programs in `examples/` and the code in the documentation are run."""

from __future__ import annotations

import ast
import asyncio
import csv
import json
import os
import re
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from canvas_studio import FileTokenStore, OAuth
from canvas_studio.sandbox import Assumptions, Fault, Faults, Sandbox
from support.html_pages import check_accessible, check_self_contained
from support.plain_http import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

HOUSE = Path(__file__).parents[2]
EXAMPLES = HOUSE / "examples"
INVENTED = "An invented library, in a sandbox"
PAGE = (HOUSE / "docs/sandbox.md").read_text(encoding="utf-8")


def environment(box: Sandbox | None) -> dict[str, str]:
    """That of somebody whose school is this sandbox; or who has no school, and has never signed in anywhere."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CANVAS_STUDIO_")}
    own["CANVAS_STUDIO_HOME"] = str(HOUSE / "nowhere")
    school = {"CANVAS_STUDIO_URL": box.url, "CANVAS_STUDIO_TOKEN": box.token} if box else {}
    return own | school


def run(
    *command: object, cwd: Path, box: Sandbox | None = None, more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    words, surroundings = [sys.executable, "-W", "error", *map(str, command)], environment(box) | (more or {})
    return subprocess.run(words, cwd=cwd, env=surroundings, capture_output=True, encoding="utf-8", check=False)


def profile_of(box: Sandbox, home: Path) -> dict[str, str]:
    """The environment of somebody who has signed in at a sandbox, with a profile `myschool`."""
    profile = home / "profiles/myschool.toml"
    profile.parent.mkdir(parents=True)
    profile.touch(mode=0o600)
    key = f'client_id = "{box.client_id}"\nclient_secret = "{box.client_secret}"\n'
    profile.write_text(f'url = "{box.url}"\n{key}')
    box.oauth(store=FileTokenStore(home / "tokens/myschool.json"))
    return {"CANVAS_STUDIO_HOME": str(home)}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=120) as box:
        yield box


def test_every_example_is_run_here_and_is_in_the_list_of_them() -> None:
    here, readme = Path(__file__).read_text(encoding="utf-8"), (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for file in EXAMPLES.iterdir():
        if file.suffix in {".py", ".ipynb"}:
            assert f"| `{file.name}` |" in readme
            assert f'EXAMPLES / "{file.name}"' in here or f'"{file.stem}:' in here, file.name


def test_the_inventory_adds_up(tmp_path: Path, box: Sandbox) -> None:
    studio = box.client()
    media = studio.search_media().collect()
    largest = max(media, key=lambda item: item.size or 0)

    ended = run(EXAMPLES / "inventory.py", "lists/media.csv", cwd=tmp_path, box=box)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0] == box.url
    assert f"\n{studio.list_collections().total()} collections\n" in ended.stdout
    assert f"120 media, {sum(item.size or 0 for item in media) / 1e9:,.2f} GB" in ended.stdout
    assert f"{largest.id}" in ended.stdout.partition("The ten largest")[2].splitlines()[3]
    assert [int(row["id"]) for row in rows(tmp_path / "lists/media.csv")] == [item.id for item in media]


def test_without_a_school_the_inventory_is_that_of_a_sandbox(tmp_path: Path) -> None:
    ended = run(EXAMPLES / "inventory.py", cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0] == INVENTED
    assert len(rows(tmp_path / "demo-output/media.csv")) == 500


def test_the_inventory_says_in_one_line_what_went_wrong(tmp_path: Path, box: Sandbox) -> None:
    box.faults.add(status=401)
    ended = run(EXAMPLES / "inventory.py", cwd=tmp_path, box=box)

    assert (ended.returncode, ended.stdout) == (1, f"{box.url}\n")
    assert re.fullmatch(r"inventory: 401 for GET .*\n", ended.stderr)


@pytest.mark.parametrize("program", ["inventory.py", "inventory_async.py", "upload.py", "nightly.py"])
def test_an_example_uses_the_only_profile_there_is_and_says_which_school_that_is(
    program: str, tmp_path: Path, box: Sandbox
) -> None:
    (tmp_path / "lecture.mp4").write_bytes(b"x" * 1000)
    arguments = ["lecture.mp4"] if program == "upload.py" else []
    signed_in = profile_of(box, tmp_path / "home")

    ended = run(EXAMPLES / program, *arguments, cwd=tmp_path, more=signed_in)

    assert (ended.returncode, ended.stderr) == (1 if program == "nightly.py" else 0, "")
    first = ended.stdout.splitlines()[0]
    assert first == box.url or (program == "nightly.py" and first.startswith(f"{box.url}: "))
    assert {request.headers["authorization"] for request in box.requests if request.host == "api"} == {"Bearer ***"}


def test_the_connection_test_says_whether_studio_answers(tmp_path: Path, box: Sandbox) -> None:
    for school in (box, None):
        ended = run(EXAMPLES / "connection_test.py", cwd=tmp_path, box=school)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.splitlines() == [school.url if school else INVENTED, "connected"]

    box.faults.add(status=401)
    ended = run(EXAMPLES / "connection_test.py", cwd=tmp_path, box=box)
    assert (ended.returncode, ended.stdout) == (1, f"{box.url}\n")
    assert re.fullmatch(r"connection_test: 401 for GET /ping.*\n", ended.stderr)


def test_the_media_details_are_those_of_the_library(tmp_path: Path, box: Sandbox) -> None:
    studio = box.client()
    ada = box.add_user("Ada Park", "ada.park@example.edu")
    course = box.add_collection("Biology 101", owner=ada, course_id=1301)
    captions = [{"srclang": "en"}]
    media = studio.get_media(box.add_media("Mitosis", owner=ada, collection_id=course, captions=captions))
    media.add_tag("cells")

    ended = run(EXAMPLES / "media_details.py", media.id, cwd=tmp_path, box=box)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        box.url,
        f"{media.id}: Mitosis, {media.duration} s, {media.size} bytes",
        f"captions: {[(caption.srclang, caption.status) for caption in media.captions()]}",
        f"tags: {[tag.name for tag in media.tags()]}",
        f"users: {[(user.full_name, user.permission) for user in media.users()]}",
        f"courses: {[course.name for course in media.courses()]}",
    ]
    assert "'en'" in ended.stdout
    assert "'cells'" in ended.stdout
    assert "'Biology 101'" in ended.stdout
    assert run(EXAMPLES / "media_details.py", cwd=tmp_path).stdout.startswith(INVENTED)


def test_the_insights_of_a_course_are_one_row_for_each_media_of_it(tmp_path: Path, box: Sandbox) -> None:
    course = box.add_collection("Biology 101", course_id=1301)
    titles = {"Mitosis, part 1", 'The "cell"'}
    for title in titles:
        box.add_media(title, collection_id=course, last_viewed="2026-08-30")
    box.add_media("Unseen", collection_id=course)

    ended = run(EXAMPLES / "course_insights.py", "insights.csv", 1301, cwd=tmp_path, box=box)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [box.url, "Course 1301: 3 media in insights.csv"]
    found = {row["title"]: row for row in rows(tmp_path / "insights.csv")}
    assert found.keys() == titles | {"Unseen"}
    studio = box.client()
    for perspective in studio.list_course_perspectives(1301):
        overview, row = perspective.insights_overview(), found[perspective.title or ""]
        assert int(row["views"]) == overview.views
        assert int(row["viewers"]) == overview.unique_viewers
        assert (overview.views == 0) == (perspective.title == "Unseen")
    ended = run(EXAMPLES / "course_insights.py", "first.csv", cwd=tmp_path)
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, INVENTED)
    assert rows(tmp_path / "first.csv")
    ended = run(EXAMPLES / "course_insights.py", "none.csv", 999, cwd=tmp_path, box=box)
    assert (ended.returncode, (tmp_path / "none.csv").exists()) == (1, False)
    assert "Studio knows a course only after" in ended.stderr


VENDORS = {
    "docs/ping.md": "connection_test",
    "docs/media.md": "media_details",
    "docs/insights.md": "course_insights",
    "docs/media_upload.md": "upload",
}


@pytest.mark.parametrize(("page", "program"), VENDORS.items())
def test_each_example_of_the_vendor_is_a_script_and_a_recipe_of_at_most_15_lines(page: str, program: str) -> None:
    assert "vendor's" in (EXAMPLES / f"{program}.py").read_text(encoding="utf-8").partition('"""\n')[0]
    _, named, after = (HOUSE / page).read_text(encoding="utf-8").partition(f"`examples/{program}.py`")
    assert named
    code = after.partition("```python\n")[2].partition("\n```")[0].splitlines()
    assert 2 <= len(code) < 15


def test_with_several_profiles_an_example_asks_which_and_touches_no_school(tmp_path: Path, box: Sandbox) -> None:
    signed_in = profile_of(box, tmp_path / "home")
    profile = tmp_path / "home/profiles/myschool.toml"
    profile.with_name("other.toml").write_bytes(profile.read_bytes())
    box.forget_requests()

    ended = run(EXAMPLES / "inventory.py", cwd=tmp_path, more=signed_in)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "profile is missing, and there are 2: choose myschool or other" in ended.stderr
    assert box.requests == ()


def test_the_async_inventory_comes_to_the_same(tmp_path: Path, box: Sandbox) -> None:
    for school, media in ((box, 120), (None, 500)):
        ended = run(EXAMPLES / "inventory_async.py", cwd=tmp_path, box=school)

        assert (ended.returncode, ended.stderr) == (0, "")
        first, second, _ = ended.stdout.splitlines()
        assert first == (school.url if school else INVENTED)
        assert second.endswith(f" {media} media")


def test_the_script_for_cron_tells_of_what_is_new_and_only_of_that(tmp_path: Path) -> None:
    def nightly(box: Sandbox) -> tuple[int, str, str]:
        ended = run(EXAMPLES / "nightly.py", "unviewed.csv", cwd=tmp_path, box=box)
        return ended.returncode, ended.stdout, ended.stderr

    with Sandbox(media=0) as box:
        box.add_media("Viewed", created_at="2019-03-01T12:00:00Z", last_viewed="2999-01-01")
        box.add_media("Too young")
        assert nightly(box) == (0, "", "")
        assert rows(tmp_path / "unviewed.csv") == []

        ada = box.add_user("Ada Park", "ada.park@example.edu")
        never = box.add_media("Никогда", created_at="2019-03-01T12:00:00Z", owner=ada, size=1_500_000_000)
        long_ago = box.add_media("Long ago", created_at="2019-03-01T12:00:00Z", last_viewed="2019-04-02")
        code, told, complained = nightly(box)
        assert (code, complained) == (1, "")
        assert told.startswith(f"{box.url}: ")
        told = told.removeprefix(f"{box.url}: ")
        assert re.fullmatch(r"2 new of 2 media \(1\.50 GB\) not viewed since \d{4}-\d\d-\d\d: unviewed\.csv\n", told)
        found = {int(row["id"]): row for row in rows(tmp_path / "unviewed.csv")}
        assert found.keys() == {never, long_ago}
        assert (found[never]["title"], found[never]["email"]) == ("Никогда", "ada.park@example.edu")
        assert found[long_ago]["last_viewed"] == "2019-04-02"

        assert nightly(box) == (0, "", "")
        another = box.add_media("Another", created_at="2020-03-01T12:00:00Z")
        code, told, complained = nightly(box)
        assert (code, complained) == (1, "")
        assert told.startswith(f"{box.url}: 1 new of 3 media ")
        assert another in {int(row["id"]) for row in rows(tmp_path / "unviewed.csv")}
        assert {request.method for request in box.requests} == {"GET"}


def test_the_script_for_cron_runs_on_a_profile_and_refreshes_its_tokens(tmp_path: Path, box: Sandbox) -> None:
    signed_in = profile_of(box, tmp_path / "home") | {"CANVAS_STUDIO_PROFILE": "myschool"}
    box.faults.add(revoke=True, times=1)

    ended = run(EXAMPLES / "nightly.py", "unviewed.csv", cwd=tmp_path, more=signed_in)

    assert (ended.returncode, ended.stderr) == (1, "")
    assert [request.path for request in box.requests].count("/api/public/oauth/token") == 1


def test_the_script_for_cron_that_fails_leaves_the_file_as_it_was(tmp_path: Path, box: Sandbox) -> None:
    path = tmp_path / "unviewed.csv"
    assert run(EXAMPLES / "nightly.py", path, cwd=tmp_path, box=box).returncode == 1
    before = path.read_bytes()

    box.faults.add(status=401, after=1)
    ended = run(EXAMPLES / "nightly.py", path, cwd=tmp_path, box=box)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(r"nightly: 401 for GET .*\n", ended.stderr)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_script_for_cron_does_not_replace_a_file_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "thesis.csv"
    path.write_text("all,my,work\n1,2,3\n")

    ended = run(EXAMPLES / "nightly.py", path, cwd=tmp_path)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert path.read_text() == "all,my,work\n1,2,3\n"


def test_the_vendors_upload_example_uploads_on_behalf_of_a_user_into_a_collection(tmp_path: Path, box: Sandbox) -> None:
    ada = box.add_user("Ada Park", "ada.park@example.edu")
    collection = box.add_collection("Biology", owner=ada)
    files = {f"lecture {number}.mp4": bytes([number]) * 100_000 for number in range(3)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    ended = run(EXAMPLES / "upload.py", *files, "--user-id", ada, "--collection-id", collection, cwd=tmp_path, box=box)

    assert (ended.returncode, ended.stderr) == (0, "")
    media = {item.title: item for item in box.client().list_collection_media(collection)}
    assert media.keys() == files.keys()
    assert all(item.owner is not None and item.owner.id == ada for item in media.values())
    told = [f"Uploaded {name}: media {media[name].id}" for name in files]
    assert ended.stdout.splitlines() == [box.url, *told]
    for name, content in files.items():
        box.client().download_media(media[name], tmp_path / "again.mp4")
        assert (tmp_path / "again.mp4").read_bytes() == content


def test_the_vendors_upload_example_completes_nothing_that_was_not_sent(tmp_path: Path, box: Sandbox) -> None:
    (tmp_path / "lecture.mp4").write_bytes(b"x" * 1000)
    box.faults.add(method="PUT", status=403)

    ended = run(EXAMPLES / "upload.py", "lecture.mp4", cwd=tmp_path, box=box)

    assert (ended.returncode, ended.stdout) == (1, f"{box.url}\n")
    assert re.fullmatch(r"upload: 403 for PUT .*\n", ended.stderr)
    assert [seen.path for seen in box.requests if seen.path.endswith("/complete")] == []
    assert box.client().search_media(title="lecture.mp4").collect() == []


def test_without_a_school_files_are_uploaded_to_a_sandbox(tmp_path: Path) -> None:
    (tmp_path / "lecture.mp4").write_bytes(b"x" * 1000)

    ended = run(EXAMPLES / "upload.py", "lecture.mp4", cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.fullmatch(rf"{INVENTED}\nUploaded lecture\.mp4: media \d+\n", ended.stdout)


def executed(notebook: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Run a notebook by nbclient; the outputs of its cells."""
    stored = json.loads(notebook.read_text(encoding="utf-8"))
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code), "stored without outputs"

    copy = folder / notebook.name
    copy.write_text(json.dumps(stored))
    jupyter = Path(sys.executable).with_name("jupyter-execute")
    subprocess.run([jupyter, "--inplace", copy], cwd=folder, env=environment(None), capture_output=True, check=True)
    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: cell["outputs"] for cell in cells if cell["cell_type"] == "code"}


def test_the_notebook_goes_from_a_listing_to_a_plot(tmp_path: Path) -> None:
    outputs = executed(EXAMPLES / "listing.ipynb", tmp_path)
    assert outputs["connect"][0]["text"] == [f"{INVENTED}\n"]
    assert outputs["total"][0]["text"][0].startswith("2000 media at http://127.0.0.1:")
    assert outputs["to-csv"][0]["text"] == ["2000 rows in media.csv\n"]
    assert [output["data"]["image/png"][:4] for output in outputs["plot"]] == ["iVBO"]
    assert len(rows(tmp_path / "media.csv")) == 2000


def test_the_notebook_of_the_inventory_has_under_30_lines_and_ends_with_a_report(tmp_path: Path) -> None:
    stored = json.loads((EXAMPLES / "inventory.ipynb").read_text(encoding="utf-8"))
    lines = [line for cell in stored["cells"] if cell["cell_type"] == "code" for line in cell["source"] if line.strip()]
    assert len(lines) < 30

    outputs = executed(EXAMPLES / "inventory.ipynb", tmp_path)
    assert outputs["connect"][0]["text"] == [f"{INVENTED}\n"]
    for cell in ("take", "sources", "years", "owners", "copies"):
        [shown] = outputs[cell]
        assert "<table" in "".join(shown["data"]["text/html"]), cell
    assert "20 rows" in "".join(outputs["owners"][0]["data"]["text/html"])
    page = (tmp_path / "inventory.html").read_text(encoding="utf-8")
    check_self_contained(page)
    check_accessible(page)


def test_the_notebook_of_captions_has_under_30_lines_and_ends_with_a_csv_and_a_report(tmp_path: Path) -> None:
    stored = json.loads((EXAMPLES / "captions.ipynb").read_text(encoding="utf-8"))
    lines = [line for cell in stored["cells"] if cell["cell_type"] == "code" for line in cell["source"] if line.strip()]
    assert len(lines) < 30

    outputs = executed(EXAMPLES / "captions.ipynb", tmp_path)
    assert outputs["connect"][0]["text"] == [f"{INVENTED}\n"]
    for cell in ("triage", "by-course", "seen"):
        [shown] = outputs[cell]
        assert "<table" in "".join(shown["data"]["text/html"]), cell
    assert "machine only" in "".join(outputs["triage"][0]["data"]["text/html"])
    assert {row["captions"] for row in rows(tmp_path / "captions.csv")} == {
        *("none", "not published", "machine only", "published")
    }
    page = (tmp_path / "captions.html").read_text(encoding="utf-8")
    check_self_contained(page)
    check_accessible(page)


@pytest.mark.timeout(180)  # the workers are processes, which import Dask first
def test_the_workers_of_dask_download_every_file_once_and_share_one_rate(tmp_path: Path) -> None:
    with Sandbox(media=0) as box:
        sizes = {box.add_media(f"Lecture {number}", size=5_000 + number): 5_000 + number for number in range(60)}
        box.add_media("Elsewhere", source="youtube")

        ended = run(EXAMPLES / "dask_downloads.py", "files", cwd=tmp_path, box=box)

        assert ended.returncode == 0, ended.stderr
        where, first, second = ended.stdout.splitlines()
        assert where == box.url
        assert re.fullmatch(r"60 files \(0\.3 MB\) by 2 workers in \d+\.\d s: files", first)
        assert second == "61 media, each once; 1 of them are not at Studio and have no file"
        saved = {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()}
        assert saved == {f"{media_id}.mp4": box.media_file(media_id) for media_id in sizes}
        came = [request.at for request in box.requests if request.path.endswith("/download")]
        assert len([request for request in box.requests if request.host == "storage"]) == 60
        assert len(came) == 61
        # A hundred a second for both together. It may look a little faster where the first one was late.
        assert (max(came) - min(came)).total_seconds() > 0.4


@pytest.mark.timeout(180)
def test_without_a_school_the_workers_of_dask_download_from_a_sandbox(tmp_path: Path) -> None:
    ended = run(EXAMPLES / "dask_downloads.py", cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"{INVENTED}\n")
    assert "120 media, each once" in ended.stdout
    assert len(list((tmp_path / "demo-output/downloads").iterdir())) == 117


@contextmanager
def serving(app: str, surroundings: dict[str, str]) -> Generator[str, None, None]:
    """Run a web service as its docstring says; its URL."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), app, "--port", "0", "--no-access-log"]
    with subprocess.Popen(command, env=surroundings, stderr=subprocess.PIPE, encoding="utf-8") as service:
        told: list[str] = []
        for line in service.stderr or ():
            told.append(line)
            if found := re.search(r"running on (http://\S+)", line):
                try:
                    yield found[1]
                finally:
                    service.terminate()
                    service.communicate(timeout=10)
                return
    raise AssertionError("".join(told))


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[str, Sandbox]]:
    with Sandbox(media=120) as box, serving("web_app:app", environment(box)) as url:
        yield url, box


def test_the_web_service_lists_collections_and_gives_a_url(service: tuple[str, Sandbox]) -> None:
    url, box = service
    ada = box.add_user("Ada Park")
    mine = [box.add_collection(f"Biology {number}", owner=ada) for number in range(3)]
    media_id = box.add_media("Mitosis", owner=ada, size=5_000)

    listed = ask(f"{url}/users/{ada}/collections").json
    assert {each["id"] for each in listed if each["type"] == "custom"} == set(mine)
    signed = ask(f"{url}/media/{media_id}/download-url").json["url"]
    assert signed.startswith(box.storage_url)
    assert ask(signed).body == box.media_file(media_id)


@pytest.mark.parametrize(
    ("media_id", "fault", "answer"),
    [
        ("999999", None, (404, None)),
        ("external", None, (422, None)),
        ("0", None, (422, None)),
        ("mitosis", None, (422, None)),
        ("1", Fault(status=403), (403, None)),
        ("1", Fault(status=401), (502, None)),
        ("1", Fault(status=500), (502, None)),
        ("1", Fault(html=True), (502, None)),
        ("1", Fault(status=429, retry_after=300), (503, "300")),
    ],
)
def test_the_web_service_says_with_a_status_what_went_wrong(
    media_id: str, fault: Fault | None, answer: tuple[int, str | None], service: tuple[str, Sandbox]
) -> None:
    url, box = service
    if media_id == "external":
        media_id = str(box.add_media("Elsewhere", source="youtube"))
    box.faults.clear()
    if fault is not None:
        box.faults.add(fault)

    got = ask(f"{url}/media/{media_id}/download-url")

    assert (got.status, got.headers.get("retry-after")) == answer
    assert got.json["detail"]


def test_without_a_school_the_web_service_runs_on_a_sandbox() -> None:
    with serving("web_app:app", environment(None)) as url:
        assert ask(f"{url}/users/1/collections").json[0]["type"] == "user"


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Sandbox, Path]]:
    """The web service in which people sign in, their school, and the folder of their tokens."""
    tokens = tmp_path_factory.mktemp("everybody") / "tokens"
    with Sandbox(media=0) as box:
        key = {
            "CANVAS_STUDIO_URL": box.url,
            "CANVAS_STUDIO_CLIENT_ID": box.client_id,
            "CANVAS_STUDIO_CLIENT_SECRET": box.client_secret,
            "REDIRECT_URI": box.redirect_uris[0],
            "TOKENS": str(tokens),
        }
        with serving("web_login:app", environment(None) | key) as url:
            yield url, box, tokens


def cookie(answer: Answer) -> dict[str, str]:
    """What a browser sends after an answer that sets a cookie; the last one, if there are several."""
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def signed_in(url: str, box: Sandbox, user: int) -> dict[str, str]:
    """Sign in as a person does in the browser; the cookie of the session."""
    sent = ask(f"{url}/login")
    back = box.authorize(sent.headers["location"], user=user)
    assert "state" in back
    come_back = ask(f"{url}/studio/callback?{urlsplit(back).query}", headers=cookie(sent))
    assert (come_back.status, come_back.headers["location"]) == (303, "/collections")
    for answer in (sent, come_back):
        assert {"HttpOnly", "Secure", "SameSite=lax"} <= set(answer.headers["set-cookie"].split("; "))
    return cookie(come_back)


def test_whoever_signs_in_at_the_web_service_sees_what_is_theirs(everybody: tuple[str, Sandbox, Path]) -> None:
    url, box, tokens = everybody
    people = {name: box.add_user(name, role="student") for name in ("Ada Park", "Ben Osei")}
    theirs = {box.add_collection(f"Of {name}", owner=user): name for name, user in people.items()}
    assert ask(f"{url}/collections").headers["location"] == "/login"
    sessions = {name: signed_in(url, box, user) for name, user in people.items()}
    box.forget_requests()

    for name, session in sessions.items():
        box.faults.add(path="/v1/collections", revoke=True, times=1)
        listed = ask(f"{url}/collections", headers=session)
        assert [theirs.get(each["id"]) for each in listed.json if each["type"] != "user"] == [name]
    assert [request.status for request in box.requests] == 2 * [401, 200, 200]
    kept = [*tokens.iterdir()]
    assert sum(file.suffix == ".json" for file in kept) == len(people)
    for file in [tokens, *kept]:
        assert file.stat().st_mode & 0o077 == 0
    assert not any(
        session.partition("=")[2] in file.name
        for session in (each["Cookie"] for each in sessions.values())
        for file in kept
    )

    assert ask(f"{url}/logout", "POST", headers=sessions["Ada Park"]).status == 200
    assert ask(f"{url}/collections", headers=sessions["Ada Park"]).headers["location"] == "/login"
    assert ask(f"{url}/collections", headers=sessions["Ben Osei"]).status == 200


def test_the_web_service_signs_in_only_who_was_sent_to_studio(everybody: tuple[str, Sandbox, Path]) -> None:
    url, box, _ = everybody
    sent = ask(f"{url}/login")
    query = urlsplit(box.authorize(sent.headers["location"])).query
    box.forget_requests()

    for words, headers in [
        (query, {}),
        (f"{query}&state=another", cookie(sent)),
        (re.sub("state=[^&]+", "state=another", query), cookie(sent)),
        ("error=access_denied", cookie(sent)),
    ]:
        assert ask(f"{url}/studio/callback?{words}", headers=headers).status == 403
    assert box.requests == ()
    invented = ask(f"{url}/studio/callback?code=invented", "POST", headers=cookie(sent))
    assert (invented.status, "begin again" in invented.json["detail"]) == (403, True)


def test_a_strangers_page_signs_nobody_in_at_the_web_service(everybody: tuple[str, Sandbox, Path]) -> None:
    """It sends the browser to /login in a hidden frame, and then to the callback with a code of its own."""
    url, box, _ = everybody
    sent = ask(f"{url}/login")
    stranger = OAuth(box.client_id, "x", url=box.url, redirect_uri=box.redirect_uris[0])
    code = urlsplit(box.authorize(stranger.authorization_url())).query
    box.forget_requests()
    asked = ask(f"{url}/studio/callback?{code}", headers=cookie(sent))
    assert (asked.status, "set-cookie" in asked.headers) == (200, False)
    assert asked.headers["x-frame-options"] == "DENY"
    assert box.requests == ()
    # Whoever presses the button all the same: the code does not fit the verifier that this browser was sent with.
    pressed = ask(f"{url}/studio/callback?{code}", "POST", headers=cookie(sent))
    assert (pressed.status, "set-cookie" in pressed.headers) == (403, False)


def test_without_a_school_people_sign_in_at_a_sandbox(tmp_path: Path) -> None:
    with serving("web_login:app", environment(None) | {"TOKENS": str(tmp_path / "people")}) as url:
        sent = ask(f"{url}/login")
        come_back = ask(f"{url}{sent.headers['location']}", headers=cookie(sent))
        listed = ask(f"{url}{come_back.headers['location']}", headers=cookie(come_back))
        assert "user" in {each["type"] for each in listed.json}


def blocks(language: str) -> list[Any]:
    """The code on the pages: all of it where they are about the sandbox, elsewhere what uses it."""
    wanted: list[Any] = []
    for page in [HOUSE / "README.md", *sorted((HOUSE / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
            code = textwrap.dedent(found[2])
            if page.name in {"sandbox.md", "testing.md"} or "canvas_studio.sandbox" in code:
                line = text[: found.start()].count("\n") + 1
                wanted.append(pytest.param(code, id=f"{page.relative_to(HOUSE)}:{line}"))
    return wanted


def blocks_at_a_school() -> list[Any]:
    """The code about signing in, which is for a school; but for the stores that need a database."""
    wanted: list[Any] = []
    for page in (HOUSE / "docs/tour.md", HOUSE / "docs/from-postman.md", HOUSE / "docs/signing-in.md"):
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"^( *)```python\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
            code = textwrap.dedent(found[2])
            is_of_them = page.name != "tour.md" or "OAuth(" in code
            if is_of_them and not re.search("canvas_studio.sandbox|import psycopg|from sqlalchemy", code):
                line = text[: found.start()].count("\n") + 1
                wanted.append(pytest.param(code, id=f"{page.relative_to(HOUSE)}:{line}"))
    return wanted


def is_test(code: str) -> bool:
    return "def test_" in code


@pytest.mark.parametrize("code", [code for code in blocks("python") if not is_test(code.values[0])])
def test_the_code_on_the_pages_does_what_it_says(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox() as box, box.client(retry_delay=0) as studio:
        # A program, or what can stand in a cell of a notebook, after the two names that the page gives.
        names = {"__name__": "__main__", "box": box, "studio": studio}
        program = compile(code, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if (running := eval(program, names)) is not None:  # noqa: S307 - it is our own code
            asyncio.run(running)
    printed = capsys.readouterr().out.splitlines()
    said = re.findall(r"^ *print\(.*\)  # (.+)$", code, re.MULTILINE)
    assert [line for line in printed if line in said] == said


@pytest.mark.parametrize("code", blocks_at_a_school())
def test_the_code_about_signing_in_works_at_a_school_that_is_a_sandbox(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox() as box:
        (tmp_path / "postman.json").write_text(json.dumps(box.oauth_token()))
        for name, value in profile_of(box, tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        here = re.sub(r'(StudioClient\(|url=)"myschool"', rf'\1"{box.url}"', code)
        here = here.replace("https://myschool.instructuremedia.com", box.url)
        here = here.replace("the-client-id", box.client_id).replace("the-client-secret", box.client_secret)
        names: dict[str, Any] = {"__name__": "__main__"}

        def person(_question: str) -> str:
            return box.authorize(names["oauth"].authorization_url())

        monkeypatch.setattr("builtins.input", person)
        program = compile(here, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if (running := eval(program, names)) is not None:  # noqa: S307 - it is our own code
            asyncio.run(running)
    printed = capsys.readouterr().out
    said = re.findall(r"^ *print\(.*\)  # (.+)$", code, re.MULTILINE)
    assert [line for line in printed.splitlines() if line in said] == said
    assert ("500 media" in printed) == ('"media")' in code)
    assert box.client_secret not in printed


def test_the_tests_on_the_pages_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [code.values[0] for code in blocks("python") if is_test(code.values[0])]
    for number, code in enumerate(codes):
        (tmp_path / f"test_page_{number}.py").write_text(code, encoding="utf-8")

    # The plugin as users have it, by the name under which the package brings it, and no other.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    ended = run("-m", "pytest", "--strict-markers", "-p", "canvas_studio", cwd=tmp_path)

    assert ended.returncode == 0, ended.stdout
    assert f" {sum(code.count('def test_') for code in codes)} passed" in ended.stdout


@pytest.mark.parametrize("code", blocks("toml"))
def test_the_files_of_faults_on_the_pages_are_good(code: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(code, encoding="utf-8")
    assert len(Faults.from_toml(path)) == code.count("[[fault]]")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_page_about_the_sandbox_has_every_field_of_a_fault_with_an_example_that_is_good() -> None:
    named = re.findall(r"^\| `(\w+)` \|", section("Faults"), re.MULTILINE)
    assert named == [field.name for field in fields(Fault)]
    examples: list[str] = re.findall(r"`(Fault\(.+?\))` \|$", section("Faults"), re.MULTILINE)
    assert len(examples) >= len(named)
    for example in examples:
        assert isinstance(eval(example, {"Fault": Fault}), Fault)  # noqa: S307 - likewise
    assert all(f"{name}=" in " ".join(examples) for name in named)


def test_the_page_about_the_sandbox_has_every_assumption_with_its_default() -> None:
    defaults = re.findall(r"^\| `(\w+)` \| `([\w\"]+)`: ", section("Assumptions"), re.MULTILINE)
    assert defaults == [(field.name, repr(field.default).replace("'", '"')) for field in fields(Assumptions)]
