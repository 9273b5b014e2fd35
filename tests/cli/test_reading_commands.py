"""The commands that read: what they put out in each form, their help, and how each of them fails."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.cli.command_table import COMMANDS, INSTEAD, full_help
from support.programs import posix_only
from support.shell import COMMAND, School, commands, school

if TYPE_CHECKING:
    from collections.abc import Iterator

# 42 is the media, 43 a collection, 44 a person, 45 captions, 46 a course, 47 a group.
LISTS = (
    "media list",
    "media users 42",
    "media courses 42",
    "media perspectives 42",
    "media sources 42",
    "media tags 42",
    "media permissions 42",
    "collections list",
    "collections media 43",
    "collections permissions 43",
    "courses perspectives 46",
    "captions list 42",
    "groups users 47",
    "insights overview --course 46",
    "insights users --course 46",
    "users find --role Teacher",
    "users media 44",
    "api GET /media/search --paginate",
)
ITEMS = ("media show 42", "collections show 43", "users show 44", "users library 44", "courses show 46")
OTHERS = ("captions download 45", "api GET /media/42")
CLEAN = re.compile(r"\x1b\[\d*m")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    with school(tmp_path, monkeypatch) as found:
        with found.box.client() as studio:
            in_course = studio.get_course(found.course).id
        found.box.add_media("Meiosis", owner=found.user, collection_id=in_course, last_viewed=found.box.now.date())
        found.box.forget_requests()
        yield found


def words(here: School, line: str) -> list[str]:
    return shlex.split(here.with_ids(line))


def without_urls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.endswith("url")}


@pytest.mark.parametrize("line", LISTS)
def test_a_list_goes_out_in_each_form(line: str, here: School) -> None:
    given = words(here, line)
    array, lines, table, shown = (here.run(*given, *form) for form in (["--json"], ["--jsonl"], ["--csv"], []))
    for ended in (array, lines, table, shown):
        assert (ended.exit_code, ended.stderr) == (0, "")
    assert array.stdout.startswith("[")
    rows: list[dict[str, Any]] = json.loads(array.stdout)
    # URLs of sources are signed anew each time.
    assert [without_urls(json.loads(each)) for each in lines.stdout.splitlines()] == [*map(without_urls, rows)]
    assert len(list(csv.DictReader(io.StringIO(table.stdout, newline="")))) == len(rows)
    if "--paginate" not in line:  # which prints JSON, unless something else is chosen
        assert len(shown.stdout.splitlines()) == 1 + len(rows)


@pytest.mark.parametrize("line", ITEMS)
def test_one_item_goes_out_in_each_form(line: str, here: School) -> None:
    given = words(here, line)
    item = json.loads(here.run(*given, "--json").stdout)
    assert isinstance(item["id"], int)
    assert json.loads(here.run(*given, "--jsonl").stdout) == item
    [row] = csv.DictReader(io.StringIO(here.run(*given, "--csv").stdout, newline=""))
    assert row["id"] == str(item["id"])
    assert re.search(rf"^id +{item['id']}$", here.run(*given).stdout, re.MULTILINE)


def test_fields_are_chosen_by_name_and_those_of_the_owner_with_a_dot(here: School) -> None:
    given = ("media", "list", "--title", "Mitosis", "--owner", "ada.park@example.edu", "--fields", "id,owner.email")
    assert json.loads(here.run(*given, "--json").stdout) == [{"id": here.media, "owner.email": "ada.park@example.edu"}]
    assert here.run(*given, "--csv").stdout == f"id,owner.email\n{here.media},ada.park@example.edu\n"
    assert here.run(*given).stdout.split() == ["id", "owner.email", str(here.media), "ada.park@example.edu"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--fields", "titel"], "--fields: there is no field 'titel': did you mean title?"),
        (["--fields", "ID,Title"], "--fields: there is no field 'ID': did you mean id?"),
        (["--output", "/"], "must name a file"),
        (["--sort", "-sizes"], "--sort: there is no field 'sizes': did you mean size?"),
        (["--fields", ","], "--fields names no field"),
        (["--json", "--csv"], "--json and --csv exclude each other"),
        (["--keep-formulas"], "--keep-formulas is about --csv"),
        (["--output", "nowhere/media.csv"], "there is no folder 'nowhere'"),
        (["--output", "."], "must name a file"),
        (["--min-size", "big"], "--min-size takes a size such as 500MB"),
        (["--in-no-course", "--snapshot", "none.db"], "'none.db' does not exist"),
        (["--start-date", "yesterday"], "start_date"),
        (["--limit", "-1"], "--limit"),
        (["--nothing"], "No such option"),
    ],
)
def test_what_is_asked_wrongly_is_told_before_anything_is_sent(given: list[str], told: str, here: School) -> None:
    ended = here.run("media", "list", *given)
    assert ended.exit_code == 2
    assert told in ended.stderr
    assert here.box.requests == ()
    assert list(Path().iterdir()) == []


def test_formulas_are_defused_in_csv_unless_they_are_kept(here: School) -> None:
    here.box.add_media("=HYPERLINK(1)")
    given = ("media", "list", "--title", "HYPERLINK", "--fields", "title", "--csv")
    assert here.run(*given).stdout == "title\n'=HYPERLINK(1)\n"
    assert here.run(*given, "--keep-formulas").stdout == "title\n=HYPERLINK(1)\n"


def test_sort_keeps_the_rows_and_puts_what_has_no_value_last(here: School) -> None:
    given = ("media", "list", "--json", "--fields", "size,last_viewed")
    sizes = [each["size"] for each in json.loads(here.run(*given, "--sort", "-size", "--limit", "5").stdout)]
    everything = [media.size or 0 for media in here.box.client().search_media()]
    assert sizes == sorted(everything, reverse=True)[:5]
    for sign in ("", "-"):
        viewed = [each["last_viewed"] for each in json.loads(here.run(*given, "--sort", f"{sign}last_viewed").stdout)]
        known = [each for each in viewed if each]
        assert viewed == sorted(known, reverse=bool(sign)) + [None] * (len(viewed) - len(known))


def test_a_file_is_whole_or_not_there(here: School) -> None:
    ended = here.run("media", "list", "--csv", "--output", "media.csv")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", "")
    before = Path("media.csv").read_bytes()
    assert before.startswith(b"id,title,")
    assert before.count(b"\r\n") == 63
    here.box.faults.add(path="/v1/media/search", after=1, status=403)
    ended = here.run("media", "list", "--csv", "--output", "media.csv")
    assert ended.exit_code == 1
    assert "403" in ended.stderr
    assert Path("media.csv").read_bytes() == before
    assert [path.name for path in Path().iterdir()] == ["media.csv"]


def test_a_json_array_that_is_not_whole_is_not_closed(here: School) -> None:
    here.box.faults.add(path="/v1/media/search", after=1, status=403)
    ended = here.run("media", "list", "--json")
    assert ended.exit_code == 1
    with pytest.raises(json.JSONDecodeError):
        json.loads(ended.stdout)


@posix_only
def test_the_first_row_appears_with_the_first_page(here: School) -> None:
    """The second page never comes, and the rows of the first are there."""
    here.box.faults.add(path="/v1/media/search", after=1, delay=600)
    with subprocess.Popen(
        [COMMAND, "media", "list", "--jsonl"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout
        rows = [json.loads(process.stdout.readline()) for _ in range(50)]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert len({row["id"] for row in rows}) == 50
    assert (process.returncode, said) == (130, "canvas-studio: stopped\n")


@posix_only
@pytest.mark.parametrize("form", ["--json", "--csv", "--jsonl", "--quiet"])
def test_a_reader_that_has_enough_is_no_error(form: str, here: School) -> None:
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {COMMAND} media list {form} | head -n 1"],  # noqa: S607
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 1
    assert here.box.requests


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "401": ({"status": 401}, "The token comes from CANVAS_STUDIO_TOKEN: put a new one there."),
    "403": ({"status": 403}, "403"),
    "404": ({"status": 404}, "404"),
    "429": ({"status": 429, "retry_after": 600}, "429"),
    "a page in place of JSON": ({"html": True}, ""),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("line", [*LISTS, *ITEMS, *OTHERS])
def test_a_fault_is_told_ends_with_1_and_leaves_nothing(line: str, fault: str, here: School) -> None:
    how, told = FAULTS[fault]
    here.box.faults.add(host="api", **how)
    if (line, fault) == ("api GET /media/42", "a page in place of JSON"):
        return  # it shows whatever comes
    ended = here.run(*words(here, line), "--output", "out")
    assert ended.exit_code == 1, ended.output
    assert ended.stdout == ""
    assert ended.stderr.startswith("canvas-studio: ")
    assert told in ended.stderr
    assert here.box.token not in ended.stderr
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("line", [*LISTS, *ITEMS, *OTHERS])
def test_without_a_network_the_next_step_is_told(line: str, here: School, monkeypatch: pytest.MonkeyPatch) -> None:
    given = words(here, line)
    monkeypatch.setenv("CANVAS_STUDIO_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("CANVAS_STUDIO_URL", "myschool")
    monkeypatch.setenv("CANVAS_STUDIO_TIMEOUT", "0.01")
    ended = here.run(*given, "--output", "out")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.endswith("To find out why: canvas-studio ping\n")
    assert list(Path().iterdir()) == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["CANVAS_STUDIO_TIMEOUT", "CANVAS_STUDIO_MAX_RATE"])
@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan"])
def test_a_variable_that_is_no_number_is_named(
    name: str, value: str, here: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    ended = here.run("media", "list")
    assert ended.exit_code == 2
    assert f"{name} must be a number above zero" in ended.stderr


def test_only_a_get_is_sent_without_expect(here: School) -> None:
    target = f"/media/{here.media}"
    for expect in ([], ["--expect", "DELETE /media/1"], ["--expect", f"PUT {target}"]):
        ended = here.run("api", "DELETE", target, *expect)
        assert ended.exit_code == 3
        assert ended.stdout == ""
    assert here.box.requests == ()
    assert here.run("api", "delete", f"/api/public/v1{target}", "--expect", f"DELETE {target}").exit_code == 0
    assert here.run("media", "show", here.media).exit_code == 1


def test_a_path_is_taken_as_it_is_copied(here: School) -> None:
    plain = here.run("api", "GET", "/media/search", "-f", "title=Mitosis", "-f", "per_page=1").stdout
    assert json.loads(plain)["media"]
    for path in (
        "/media/search",
        "media/search",
        "/api/public/v1/media/search",
        f"{here.box.url}/api/public/v1/media/search",
    ):
        assert here.run("api", "get", f"{path}?title=Mitosis&per_page=1").stdout == plain
    assert here.run("api", "GET", "/media/search?title=Mitosis", "--paginate", "--csv", "--fields", "id").stdout == (
        f"id\n{here.media}\n"
    )


def test_the_ending_of_the_file_chooses_the_form(here: School) -> None:
    for ending, option in (
        (".csv", "--csv"),
        (".JSON", "--json"),
        (".jsonl", "--jsonl"),
        (".ndjson", "--jsonl"),
        (".txt", "--quiet"),
    ):
        for name, given in ((f"a{ending}", []), ("b", [option]), (f"c{ending}", ["--csv"])):
            assert here.run("media", "list", "--output", name, *given).exit_code == 0
        assert Path(f"a{ending}").read_bytes() == Path("b").read_bytes()
        assert Path(f"c{ending}").read_bytes().startswith(b"id,title,")


def test_raw_prints_the_body_whatever_the_status(here: School) -> None:
    ended = here.run("api", "GET", "/media/999999999", "--raw")
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["error"]
    assert ended.stderr == "canvas-studio: GET /media/999999999: HTTP 404\n"
    found = here.run("api", "GET", "/media/search", "-f", "title=Mitosis", "-f", "per_page=1")
    assert json.loads(found.stdout)["media"][0]["title"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["GET", "/media/1", "--paginate"], "no list of pages"),
        (["GET", "/media/search", "-f", "title"], "--field takes KEY=VALUE"),
        (["GET", "/media/search", "--paginate", "--raw"], "--paginate reads a list"),
        (["GET", "/media/search", "--paginate", "-f", "per_page=100"], "leave them out"),
        (["GET", "https://other.example.edu/api/public/v1/media/1"], "PATH is the part after"),
        (["GET", "/media/1", "--csv"], "--csv is about the rows of a list: add --paginate"),
        (["GET", "/media/1", "--fields", "id"], "--fields is about the rows of a list"),
        (["GET", "/media/search", "--limit", "0"], "--limit is about the rows of a list"),
        (["POST", "/media/1", "-f", "a=1", "-f", "a=2"], "--field a is given twice"),
    ],
)
def test_what_api_cannot_do_is_told(given: list[str], told: str, here: School) -> None:
    given = [str(here.media) if each == "1" else each.replace("/media/1", f"/media/{here.media}") for each in given]
    ended = here.run("api", *given)
    assert ended.exit_code in {1, 2}
    assert told in ended.stderr


@pytest.mark.usefixtures("here")
def test_caption_files_are_checked_without_a_request(here: School) -> None:
    Path("good.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nMitosis\n", encoding="utf-8")
    Path("bad.srt").write_text("1\n00:00:05,000 --> 00:00:03,000\nMitosis\n", encoding="utf-8")
    assert here.run("captions", "check", "good.srt").stdout == "good.srt: ok\n"
    ended = here.run("captions", "check", "good.srt", "bad.srt", "none.srt")
    assert ended.exit_code == 1
    assert ended.stdout == "good.srt: ok\n"
    assert "bad.srt, line 2: this cue does not end after it has begun" in ended.stderr
    assert "none.srt" in ended.stderr
    assert here.box.requests == ()


def test_a_person_is_named_by_id_or_address(here: School) -> None:
    for who in (here.user, "ada.park@example.edu"):
        assert json.loads(here.run("users", "show", who, "--json").stdout)["id"] == here.user
    assert here.run("users", "show", "Ada").exit_code == 2
    assert here.run("users", "find").exit_code == 2


def test_insights_are_of_a_course_of_a_media_and_of_perspectives(here: School) -> None:
    with here.box.client() as studio:
        [perspective] = studio.list_course_perspectives(here.course)
        overview = perspective.insights_overview()
        [media] = [each.id for each in studio.search_media(title="Meiosis")]
    assert overview.views
    given = ("insights", "overview", "--json", "--course", here.course)
    [row] = json.loads(here.run(*given).stdout)
    assert row | {"collection": None} == {
        "course_id": here.course,
        "uuid": perspective.uuid,
        "title": "Meiosis",
        "collection": None,
        "views": overview.views,
        "minutes_viewed": overview.minutes_viewed,
        "unique_viewers": overview.unique_viewers,
        "viewership": dict(overview.viewership),
    }
    fields = ("--fields", "course_id,uuid,views")
    by_id = here.run("insights", "overview", perspective.uuid, "--media", media, "--csv", *fields).stdout
    same = f"{perspective.uuid},{overview.views}"
    assert by_id == f"course_id,uuid,views\n,{same}\n{here.course},{same}\n"
    people = json.loads(here.run("insights", "users", "--course", here.course, "--json").stdout)
    assert len(people) == overview.unique_viewers
    assert all(each["uuid"] == perspective.uuid and each["completion_rate"] > 0 for each in people)


@pytest.mark.parametrize("verb", ["overview", "users"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "give the UUIDs of perspectives, --course or --media"),
        (["42", "--course", "46"], "perspective must be a UUID"),
        (["--course", "Biology"], "--course"),
        (["--course", "46", "--role", ""], "role"),
    ],
)
def test_insights_of_nothing_are_refused_before_anything_is_sent(
    verb: str, given: list[str], told: str, here: School
) -> None:
    ended = here.run("insights", verb, *given)
    assert ended.exit_code == 2
    assert told in ended.stderr
    assert here.box.requests == ()


def test_the_insights_of_a_list_stop_at_the_first_that_fails(here: School) -> None:
    here.box.faults.add(path="/v1/perspectives/*", status=403)
    for verb in ("overview", "users"):
        ended = here.run("insights", verb, "--course", here.course, "--csv", "--output", "views.csv")
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert "403" in ended.stderr
        assert not Path("views.csv").exists()


def test_no_command_that_reads_is_left_out_here() -> None:
    known = {name for name, command in commands().items() if any("--jsonl" in each.opts for each in command.params)}
    tested = {
        line.partition(" ")[0] if line.startswith("api") else " ".join(line.split()[:2]) for line in LISTS + ITEMS
    }
    assert tested == known


def test_each_command_has_help_that_ends_with_an_example_of_it(here: School) -> None:
    for name, command in commands().items():
        short, long = (here.run(*name.split(), option) for option in ("-h", "--help"))
        assert (short.exit_code, long.exit_code) == (0, 0), name
        assert short.stdout == long.stdout
        assert command.epilog.startswith(f"Example: canvas-studio {name}"), name
        assert " ".join(short.stdout.split()).endswith(" ".join(command.epilog.split())), name
    assert here.box.requests == ()


def test_the_examples_of_the_commands_that_read_work(here: School) -> None:
    Path("mitosis.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nMitosis\n", encoding="utf-8")
    elsewhere = {name for name, module, _ in COMMANDS if module in {"login", "sandbox", "demo", "record"}}
    ended_by: dict[str, tuple[int, str]] = {}
    for name, command in commands().items():
        if name not in elsewhere:
            line = here.with_ids(command.epilog.removeprefix("Example: canvas-studio "))
            ended = here.run(*shlex.split(line))
            ended_by[line] = (ended.exit_code, ended.stderr if ended.exit_code else "")
    assert len(ended_by) > 20
    assert set(ended_by.values()) == {(0, "")}, ended_by


@pytest.mark.parametrize(
    ("given", "near"),
    [
        (["medai"], "Did you mean media?"),
        (["media", "lsit"], "Did you mean list?"),
        (["Media"], "Did you mean media?"),
        (["frobnicate"], "The commands are login, logout, "),
        (["users", "frobnicate"], "The commands are find, show, media, library."),
        (["configure"], "See login."),
        (["version"], "See --version."),
        (["--profile", "west", "media", "list"], "`canvas-studio media list --profile west`"),
    ],
)
def test_an_unknown_command_says_what_is_near(given: list[str], near: str, here: School) -> None:
    ended = here.run(*given)
    assert ended.exit_code == 2
    assert near in ended.stderr


def test_the_words_of_other_programs_lead_to_commands_that_there_are(here: School) -> None:
    for name, instead in INSTEAD.items():
        for each in instead.replace(" and ", ", ").split(", "):
            assert here.run(*each.split(), "--help").exit_code == 0, name
        assert f"See {instead}." in here.run(name).stderr


def test_help_is_a_command_too(here: School) -> None:
    assert here.start("help").stdout == full_help()
    assert here.start("help", "media", "list").stdout == here.start("media", "list", "--help").stdout


def test_the_quick_help_is_that_of_typer(here: School) -> None:
    assert here.run("--help").stdout == here.start("-h").stdout == full_help()
    shown = subprocess.run(
        [sys.executable, "-m", "canvas_studio", "--help"], capture_output=True, encoding="utf-8", check=True
    )
    assert shown.stdout == full_help()
    assert here.start("--version").stdout == here.run("--version").stdout
    for option in ("--version", "--log-json"):
        assert option in full_help()
    assert all(len(line) <= 80 for line in full_help().splitlines())


def test_only_what_is_named_is_imported() -> None:
    script = (
        "import sys, canvas_studio.cli as c; sys.argv[1:] = {arguments}\ntry: c.main()\n"
        "except SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    )
    for arguments, imported in (
        (["--help"], set[str]()),
        (["--version"], set[str]()),
        (["media", "--help"], {"media"}),
    ):
        code = script.format(arguments=arguments)
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
        modules = ended.stderr.split()
        groups = {name.rpartition(".")[2] for name in modules if name.startswith("canvas_studio.cli.commands.")}
        assert groups == imported
        assert ("typer" in modules) == bool(imported)
        assert "rich.console" not in modules


def test_no_command_needs_a_terminal_or_leaves_colours_in_a_pipe(here: School) -> None:
    assert "\x1b" not in here.start("media", "list").stdout
    coloured = here.start("media", "list", env={**os.environ, "FORCE_COLOR": "1"}).stdout
    assert coloured.startswith("\x1b[1m")
    assert CLEAN.sub("", coloured) == here.start("media", "list").stdout
    both = here.start("media", "list", env={**os.environ, "FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout
    assert both == here.start("media", "list").stdout
