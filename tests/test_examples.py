"""What is shown to users works: the programs in `examples/`, and the code on the pages about the sandbox, are run."""

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

import pytest
from canvas_studio.sandbox import Assumptions, Fault, Faults, Sandbox
from plain_http import ask

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

HOUSE = Path(__file__).parent.parent
EXAMPLES = HOUSE / "examples"
PAGE = (HOUSE / "docs/sandbox.md").read_text(encoding="utf-8")


def environment(box: Sandbox | None) -> dict[str, str]:
    """That of somebody whose school is this sandbox; or who has no school."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CANVAS_STUDIO_")}
    school = {"CANVAS_STUDIO_URL": box.url, "CANVAS_STUDIO_TOKEN": box.token} if box else {}
    return own | school


def run(*command: object, cwd: Path, box: Sandbox | None = None) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-W", "error", *map(str, command)]
    return subprocess.run(words, cwd=cwd, env=environment(box), capture_output=True, encoding="utf-8", check=False)


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
    assert f"{studio.list_collections().total()} collections" in ended.stdout
    assert f"120 media, {sum(item.size or 0 for item in media) / 1e9:,.2f} GB" in ended.stdout
    assert f"{largest.id}" in ended.stdout.partition("The ten largest")[2].splitlines()[3]
    assert [int(row["id"]) for row in rows(tmp_path / "lists/media.csv")] == [item.id for item in media]


def test_without_a_school_the_inventory_is_that_of_a_sandbox(tmp_path: Path) -> None:
    ended = run(EXAMPLES / "inventory.py", cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(rows(tmp_path / "demo-output/media.csv")) == 500


def test_the_inventory_says_in_one_line_what_went_wrong(tmp_path: Path, box: Sandbox) -> None:
    box.faults.add(status=401)
    ended = run(EXAMPLES / "inventory.py", cwd=tmp_path, box=box)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"inventory: 401 for GET .*\n", ended.stderr)


def test_the_async_inventory_comes_to_the_same(tmp_path: Path, box: Sandbox) -> None:
    for school, media in ((box, 120), (None, 500)):
        ended = run(EXAMPLES / "inventory_async.py", cwd=tmp_path, box=school)

        assert (ended.returncode, ended.stderr) == (0, "")
        assert f" {media} media at http://127.0.0.1:" in ended.stdout


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
        assert re.fullmatch(r"2 new of 2 media \(1\.50 GB\) not viewed since \d{4}-\d\d-\d\d: unviewed\.csv\n", told)
        found = {int(row["id"]): row for row in rows(tmp_path / "unviewed.csv")}
        assert found.keys() == {never, long_ago}
        assert (found[never]["title"], found[never]["email"]) == ("Никогда", "ada.park@example.edu")
        assert found[long_ago]["last_viewed"] == "2019-04-02"

        assert nightly(box) == (0, "", "")
        another = box.add_media("Another", created_at="2020-03-01T12:00:00Z")
        code, told, complained = nightly(box)
        assert (code, complained) == (1, "")
        assert told.startswith("1 new of 3 media ")
        assert another in {int(row["id"]) for row in rows(tmp_path / "unviewed.csv")}
        assert {request.method for request in box.requests} == {"GET"}


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


def test_the_notebook_goes_from_a_listing_to_a_plot(tmp_path: Path) -> None:
    stored = json.loads((EXAMPLES / "inventory.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code), "stored without outputs"

    copy = tmp_path / "inventory.ipynb"
    copy.write_text(json.dumps(stored))
    jupyter = Path(sys.executable).with_name("jupyter-execute")
    subprocess.run([jupyter, "--inplace", copy], cwd=tmp_path, env=environment(None), capture_output=True, check=True)

    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    outputs = {cell["id"]: cell["outputs"] for cell in cells if cell["cell_type"] == "code"}
    assert outputs["total"][0]["text"][0].startswith("2000 media at http://127.0.0.1:")
    assert outputs["to-csv"][0]["text"] == ["2000 rows in media.csv\n"]
    assert [output["data"]["image/png"][:4] for output in outputs["plot"]] == ["iVBO"]
    assert len(rows(tmp_path / "media.csv")) == 2000


@contextmanager
def web_app(box: Sandbox | None) -> Generator[str, None, None]:
    """Run the web service as its docstring says, for a school or for none; its URL."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "web_app:app", "--port", "0"]
    with subprocess.Popen(command, env=environment(box), stderr=subprocess.PIPE, encoding="utf-8") as service:
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
    with Sandbox(media=120) as box, web_app(box) as url:
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
    with web_app(None) as url:
        assert ask(f"{url}/users/1/collections").json[0]["type"] == "user"


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
    defaults = re.findall(r"^\| `(\w+)` \| `(\w+)`: ", section("Assumptions"), re.MULTILINE)
    assert defaults == [(field.name, repr(field.default)) for field in fields(Assumptions)]
