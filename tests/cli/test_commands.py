"""Tests the commands `login`, `logout`, `whoami` and `ping`, at a terminal and in a script."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import OAuth, StudioClient, _person, profiles
from canvas_studio.auth import FileTokenStore, Tokens
from canvas_studio.cli.app import app
from canvas_studio.sandbox import Sandbox
from support.fault_server import HANG, Answer, FaultServer, json_answer, text_answer
from support.terminal import ANSI, Terminal
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from typer.testing import Result

CALLBACK = "https://app.example.edu/studio/callback"
OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
COMMAND = Path(sys.executable).with_name("canvas-studio")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for profiles that is empty, and an environment that says nothing else."""
    kept = ("CANVAS_STUDIO_", "SSH_", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "FORCE_COLOR", "NO_COLOR", "TTY_")
    for name in [name for name in os.environ if name.startswith(kept) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(folder))
    return folder


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


def run(*arguments: str, pasted: str = "") -> Result:
    # With color=True nothing is taken out that a terminal would act upon.
    return CliRunner().invoke(app, list(arguments), input=pasted, color=True)


def login(box: Sandbox, *arguments: str, pasted: str, secret: str | None = None) -> Result:
    """Log in as a script does: the secret and what is pasted come on standard input."""
    given = ("--client-id", box.client_id) if "--client-id" not in arguments else ()
    lines = f"{secret or box.client_secret}\n{pasted}"
    return run("login", box.url, "--profile", "north", *given, "--client-secret-stdin", *arguments, pasted=lines)


def allowed(box: Sandbox, redirect_uri: str = OUT_OF_BAND, user: int | None = None) -> str:
    """What Studio gives to somebody who allows it."""
    key = OAuth(box.client_id, box.client_secret, url=box.url, redirect_uri=redirect_uri)
    return box.authorize(key.authorization_url(), user=user)


def signed_in(box: Sandbox, user: int | None = None, name: str = "north", **tokens: Any) -> profiles.Profile:
    """As it is after a login."""
    profile = profiles.Profile(name=name, url=box.url, client_id=box.client_id, client_secret=box.client_secret)
    profiles.save(profile)
    profile.token_store().save(Tokens.from_dict(box.oauth_token(user=user) | {"url": box.url} | tokens))
    return profile


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def secrets_of(box: Sandbox, home: Path) -> set[str]:
    """Everything that nobody may be shown."""
    found = {box.client_secret, box.token}
    for file in home.glob("tokens/*.json"):
        tokens = FileTokenStore(file).load()
        if tokens is not None:
            found |= {tokens.access_token, tokens.refresh_token or box.token}
    return found


def assert_shows_none_of(secrets: set[str], *texts: str) -> None:
    for text in texts:
        assert not [secret for secret in secrets if secret in text]


def page_in(screen: str) -> str:
    """The URL that the program wants to be opened, which stands on a line of its own."""
    [page] = re.findall(r"^(http\S+/oauth/authorize\?\S+)\r?$", ANSI.sub("", screen), re.MULTILINE)
    return str(page)


def test_a_person_at_a_terminal_signs_in(box: Sandbox, home: Path) -> None:
    with Terminal([str(COMMAND), "login", box.url, "--profile", "north"], columns=40) as terminal:
        terminal.read_until("Client id: ")
        terminal.type(f"{box.client_id}\n")
        terminal.read_until("(hidden): ")
        terminal.type(f"{box.client_secret}\n")
        terminal.read_until("Redirect URI")
        terminal.type(f"{CALLBACK}\n")
        terminal.read_until("The whole address")
        terminal.type(box.authorize(page_in(terminal.screen)) + "\n")
        assert terminal.end() == 0
    assert "Signed in" in terminal.screen
    assert "probably Sandbox Administrator" in terminal.screen
    assert_shows_none_of(secrets_of(box, home), terminal.screen)
    assert profiles.load("north").redirect_uri == CALLBACK
    with StudioClient.from_env() as studio:
        assert studio.request("GET", "/ping") == "pong"


def test_the_second_time_only_the_code_is_asked_for(box: Sandbox) -> None:
    before = signed_in(box)
    with Terminal([str(COMMAND), "login"]) as terminal:
        terminal.read_until("The code: ")
        terminal.type(box.authorize(page_in(terminal.screen)) + "\n")
        assert terminal.end() == 0
    assert profiles.load("north") == before
    assert "Client" not in terminal.screen


def test_a_script_signs_in_through_pipes(box: Sandbox, home: Path) -> None:
    teacher = box.add_user("Ada Park", "ada.park@example.edu")
    command = [str(COMMAND), "login", box.url, "--client-id", box.client_id, "--client-secret-stdin"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{box.client_secret}\n")
        process.stdin.flush()
        told = ""
        for line in process.stdout:
            told += line
            if "Studio shows an error" in line:
                break
        code = box.authorize(page_in(told), user=teacher)
        output, errors = process.communicate(f"{code}\n", timeout=20)
    assert process.returncode == 0, errors
    assert "probably Ada Park <ada.park@example.edu>" in output
    assert "probably not an administrator" in output
    assert "an administrator of Studio has to sign in" in output
    [name] = profiles.names()
    assert name == box.url.removeprefix("http://").replace(":", "-")
    assert_shows_none_of({*secrets_of(box, home), code}, told, output, errors)
    assert "\x1b" not in told + output + errors


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_secrets_are_in_private_files_only(box: Sandbox, home: Path, tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        assert login(box, pasted=allowed(box)).exit_code == 0
    finally:
        os.umask(previous)
    secrets = secrets_of(box, home)
    holding = [file for file in tmp_path.rglob("*") if file.is_file() and any(s in file.read_text() for s in secrets)]
    assert {str(file.relative_to(home)) for file in holding} == {"profiles/north.toml", "tokens/north.json"}
    assert {oct(file.stat().st_mode & 0o777) for file in home.rglob("*") if file.is_file()} == {"0o600"}
    assert {oct(each.stat().st_mode & 0o777) for each in (home, *home.rglob("*")) if each.is_dir()} == {"0o700"}


PASTED: dict[str, Callable[[Sandbox], str]] = {
    "the bare code": allowed,
    "the code in quotes and spaces": lambda box: f"  '{allowed(box)}' ",
    "the page that shows the code": lambda box: f"{box.url}/api/public/oauth/authorize/native?code={allowed(box)}",
}
REDIRECTED: dict[str, Callable[[str], str]] = {
    "the whole address": lambda back: back,
    "the address in brackets": lambda back: f"<{back}>",
    "the code out of the address": lambda back: back.partition("code=")[2].partition("&")[0],
    "an address without state, as of 2024": lambda back: back.partition("&state=")[0],
}


@pytest.mark.parametrize("case", PASTED)
def test_what_studio_shows_can_be_pasted(case: str, box: Sandbox) -> None:
    result = login(box, pasted=PASTED[case](box))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("case", REDIRECTED)
def test_where_studio_redirects_to_can_be_pasted(case: str, box: Sandbox) -> None:
    result = login(box, "--redirect-uri", CALLBACK, pasted=REDIRECTED[case](allowed(box, CALLBACK)))
    assert result.exit_code == 0, result.output
    assert "only the address matters" in result.output


@pytest.mark.parametrize(
    ("redirect_uri", "pasted"),
    [
        ("https://north.instructuremedia.com", "https://north.instructuremedia.com/?code=the-code"),
        ("https://north.instructuremedia.com/", "https://north.instructuremedia.com?code=the-code"),
        ("https://App.Example.edu:443/cb", "https://app.example.edu/cb?code=the-code"),
        (OUT_OF_BAND, "https://north.instructuremedia.com/api/public/oauth/authorize/native?code=the-code"),
        (OUT_OF_BAND, "https://north.instructuremedia.com/api/public/oauth/authorize?code=the-code"),
    ],
)
def test_an_address_at_the_schools_own_host_can_be_pasted(
    redirect_uri: str, pasted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Studio itself is no sandbox, so that only the way to the token endpoint is shown."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    lines = f"secret\n{pasted}\n"
    given = ("--client-id", "x", "--client-secret-stdin", "--redirect-uri", redirect_uri)
    result = run("login", "north", *given, pasted=lines)
    assert result.exit_code == 1
    assert "no connection to north.instructuremedia.com" in result.stderr
    assert "Signing in failed" not in result.stderr
    assert "the-code" not in result.output + result.stderr


# What is pasted; what is said to that, at first and in the end.
MISTAKES: dict[str, tuple[str, str]] = {
    "nothing": ("", "nothing was pasted"),
    "another school": ("https://south.instructuremedia.com/x?code=c", f"south.instructuremedia.com.*{CALLBACK}"),
    "another host": ("https://elsewhere.example.edu/studio/callback?code=c", f"elsewhere.example.edu.*{CALLBACK}"),
    "another path": ("https://app.example.edu/other?code=c", f"app.example.edu.*{CALLBACK}"),
    "no address": ("https://[app.example.edu/cb?code=c", "must be the code, or the whole URL"),
    "no code": (f"{CALLBACK}?state=x1", "another attempt"),
    "no code and no state": (CALLBACK, "must be the code, or the whole URL"),
    "an empty code": (f"{CALLBACK}?code=", "must be the code, or the whole URL"),
    "another state": (f"{CALLBACK}?code=c&state=somebody-elses", "another attempt"),
    "a code that is none": ("made-up-code-3141592653", "has expired, was used before, is incomplete"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_pasting_is_explained_and_can_be_made_twice(case: str, box: Sandbox, home: Path) -> None:
    wrong, told = MISTAKES[case]
    right = allowed(box, CALLBACK)
    result = login(box, "--redirect-uri", CALLBACK, pasted=f"{wrong}\n{wrong}\n{right}\n")
    assert result.exit_code == 0, result.output
    assert len(re.findall(told, result.stderr)) == 2
    assert "Try again (2 left)" in result.stderr
    assert profiles.names() == ["north"]
    assert_shows_none_of(secrets_of(box, home), result.output, result.stderr)


@pytest.mark.parametrize("case", MISTAKES)
def test_after_three_mistakes_it_ends_and_nothing_is_kept(case: str, box: Sandbox, home: Path) -> None:
    wrong, told = MISTAKES[case]
    result = login(box, "--redirect-uri", CALLBACK, pasted=f"{wrong}\n" * 4)
    assert result.exit_code == 1
    assert re.search(told, result.stderr.splitlines()[-1])
    assert "not signed in" in result.stderr
    assert files(home) == set()
    assert_shows_none_of({box.client_secret, "made-up-code-3141592653"}, result.output, result.stderr)


def test_the_page_itself_is_not_what_is_to_be_pasted(box: Sandbox) -> None:
    page = OAuth(box.client_id, "x", url=box.url, redirect_uri=CALLBACK).authorization_url()
    result = login(box, "--redirect-uri", CALLBACK, pasted=f"{page}\n")
    assert "that is the page on which you allow access" in result.stderr
    assert result.exit_code == 1


def test_a_code_works_once(box: Sandbox) -> None:
    code = allowed(box)
    assert login(box, pasted=code).exit_code == 0
    before = profiles.load("north").token_store().load()
    result = login(box, pasted=f"{code}\n{code}\n{code}\n")
    assert result.exit_code == 1
    assert "was used before" in result.stderr
    assert code not in result.output + result.stderr
    assert profiles.load("north").token_store().load() == before


@pytest.mark.parametrize(
    ("arguments", "secret", "pasted", "told"),
    [
        (("--client-id", "another"), None, None, "rejects this client id with this client secret"),
        ((), "wrong-secret-2718281828", None, "rejects this client id with this client secret"),
        ((), None, f"{CALLBACK}?error=access_denied", "access was denied in the browser"),
        ((), None, f"{CALLBACK}?error=access_denied&error_description=No", "access was denied in the browser"),
        ((), None, f"{CALLBACK}?error=strange%1b[31m", "strange"),
    ],
)
def test_what_cannot_be_put_right_by_pasting_again_ends_it(
    arguments: tuple[str, ...], secret: str | None, pasted: str | None, told: str, box: Sandbox, home: Path
) -> None:
    result = login(box, "--redirect-uri", CALLBACK, *arguments, pasted=pasted or allowed(box, CALLBACK), secret=secret)
    assert result.exit_code == 1
    assert told in result.stderr
    assert "Try again" not in result.stderr
    assert "\x1b" not in result.stderr
    assert files(home) == set()
    assert_shows_none_of({box.client_secret, "wrong-secret-2718281828"}, result.output, result.stderr)


def test_another_redirect_uri_than_the_code_was_made_for_is_told(box: Sandbox) -> None:
    result = login(box, pasted=f"{allowed(box, CALLBACK).partition('code=')[2]}\n")
    assert "belongs to another redirect URI" in result.stderr
    assert result.exit_code == 1


def test_what_has_to_be_registered_is_told_before_it_fails(box: Sandbox) -> None:
    """Of a wrong key or redirect URI Studio tells the browser only."""
    result = login(box, "--redirect-uri", CALLBACK, pasted="")
    assert re.search(
        rf"error instead.*client id must be {box.client_id},.*redirect URIs must include {CALLBACK}", result.output
    )
    assert result.exit_code == 1
    assert "nothing was entered" in result.stderr


@pytest.mark.parametrize(
    "uri", ["http://app.example.edu/x", "https://localhost/x", "http://localhost:8000", "callback", "https://[app/x"]
)
def test_a_redirect_uri_that_studio_refuses_is_refused_at_once(uri: str, box: Sandbox, home: Path) -> None:
    result = login(box, "--redirect-uri", uri, pasted=f"{allowed(box)}\n")
    assert result.exit_code == 2
    assert "redirect_uri" in result.stderr
    assert "oauth/authorize" not in result.output
    assert files(home) == set()


def test_if_studio_is_not_there_nothing_is_kept(home: Path) -> None:
    box = Sandbox(media=0)
    code = allowed(box)
    box.close()
    result = login(box, pasted=f"{code}\n")
    assert result.exit_code == 1
    assert "no connection to 127.0.0.1" in result.stderr
    assert files(home) == set()
    assert_shows_none_of({box.client_secret, code}, result.output, result.stderr)


def test_if_studio_fails_after_it_gave_tokens_they_are_kept(box: Sandbox) -> None:
    box.faults.add(path="/v1/ping", status=501)
    result = login(box, pasted=allowed(box))
    assert result.exit_code == 1
    assert "Signed in" in result.output
    assert "501" in result.stderr
    box.faults.clear()
    assert run("whoami").exit_code == 0


def test_tokens_that_cannot_be_kept_leave_no_new_profile(
    box: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> FileTokenStore:
        return FileTokenStore(home / "file" / "tokens.json")

    home.mkdir()
    (home / "file").write_text("no folder")

    monkeypatch.setattr(profiles.Profile, "token_store", broken)
    result = login(box, pasted=allowed(box))
    assert result.exit_code == 1
    assert profiles.names() == []


def test_a_client_id_in_quotation_marks_is_refused_before_anything_is_saved(home: Path) -> None:
    result = run("login", "north", "--client-id", "'x'", "--client-secret-stdin", pasted="a-secret\n")
    assert result.exit_code == 2, result.output
    assert "client_id is in quotation marks: leave them out" in result.stderr
    assert not home.exists()


def test_a_folder_that_is_none_is_told(box: Sandbox, home: Path) -> None:
    home.write_text("a file")
    result = login(box, pasted=allowed(box))
    assert result.exit_code == 1
    assert str(home) in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("login",), "the school is missing"),
        (("login", "ftp://north"), "url must begin with https"),
        (("login", "http://north.example.edu"), "url must begin with https"),
        (("login", "north.instructure.com"), "url is an address of Canvas, but Studio has a host of its own"),
        (("login", "https://north.instructure.com/courses/7"), "url is an address of Canvas"),
        (("login", "'north'"), "url is in quotation marks"),
        (("login", "north", "--profile", "../north"), "is not a valid name"),
        (("login", "north"), "the client id is missing: --client-id, or CANVAS_STUDIO_CLIENT_ID"),
        (
            ("login", "north", "--client-id", "x"),
            "the client secret is missing: --client-secret-stdin, or CANVAS_STUDIO",
        ),
        (("login", "north", "--url", "north", "--profile", "x"), "give two of"),
        (("login", "north", "--client-secret", "value-2718281828"), "No such option"),
        (("login", "north", "--token", "value-2718281828"), "No such option"),
        (("login", "north", "--ca-bundle", "/nowhere"), "does not exist"),
        (("logout",), "profile is missing, and there are none"),
        (("logout", "north"), "profile 'north' does not exist"),
        (("logout", "north", "--all"), "profile 'north' does not exist"),
        (("whoami",), "url is missing"),
        (("whoami", "north"), "profile 'north' does not exist"),
        (("whoami", "north", "--profile", "south"), "'north' and 'south' are different profiles"),
        (("ping",), "url is missing"),
        (("ping", "no rth"), "white space"),
    ],
)
def test_what_is_asked_for_wrongly_ends_with_2_and_a_sentence(
    arguments: tuple[str, ...], told: str, home: Path
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert told in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert "value-2718281828" not in result.stderr + result.output
    assert files(home) == set()


@pytest.mark.parametrize("secret", ['"value-2718281828"', "Bearer value-2718281828"])
def test_a_secret_that_was_copied_with_its_quotation_marks_or_its_scheme_is_explained(
    secret: str, box: Sandbox, home: Path
) -> None:
    result = login(box, secret=secret, pasted="x")
    assert result.exit_code == 2
    assert "client_secret is in quotation marks" in result.stderr or 'client_secret holds "Bearer"' in result.stderr
    assert "value-2718281828" not in result.stderr + result.output
    assert files(home) == set()


def test_an_empty_secret_is_refused(box: Sandbox) -> None:
    result = login(box, secret=" ", pasted="x")
    assert (result.exit_code, "the client secret is empty" in result.stderr) == (2, True)


def test_the_key_can_come_from_the_environment(box: Sandbox, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_URL", box.url)
    monkeypatch.setenv("CANVAS_STUDIO_CLIENT_ID", box.client_id)
    monkeypatch.setenv("CANVAS_STUDIO_CLIENT_SECRET", box.client_secret)
    result = run("login", "--profile", "north", pasted=f"{allowed(box)}\n")
    assert result.exit_code == 0, result.output + result.stderr
    assert_shows_none_of(secrets_of(box, home), result.output, result.stderr)


def test_the_key_in_the_environment_is_not_tried_at_another_school(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_URL", "https://south.instructuremedia.com")
    monkeypatch.setenv("CANVAS_STUDIO_CLIENT_ID", "key-of-south")
    monkeypatch.setenv("CANVAS_STUDIO_CLIENT_SECRET", "secret-of-south")
    result = run("login", box.url)
    assert (result.exit_code, "the client id is missing" in result.stderr) == (2, True)
    signed_in(box)
    result = run("login", "north", pasted=f"{allowed(box)}\n")
    assert result.exit_code == 0, result.stderr


def test_the_key_of_one_school_is_not_used_for_another_of_the_same_name(box: Sandbox) -> None:
    signed_in(box)
    result = run("login", "north", "--url", "https://south.instructuremedia.com")
    assert (result.exit_code, "the client id is missing" in result.stderr) == (2, True)
    result = run("login", "north", "--url", "south", "--client-id", box.client_id)
    assert (result.exit_code, "the client secret is missing" in result.stderr) == (2, True)


def test_the_secret_of_one_key_is_not_used_for_another(box: Sandbox) -> None:
    signed_in(box)
    result = run("login", "north", "--client-id", "another")
    assert (result.exit_code, "the client secret is missing" in result.stderr) == (2, True)


def test_a_profile_is_not_taken_over_by_a_school_of_a_like_name(box: Sandbox) -> None:
    signed_in(box, name="south")
    result = run("login", "https://south.instructuremedia.com", "--client-id", "x")
    assert result.exit_code == 2
    assert "the profile 'south' exists already" in result.stderr
    assert "--profile" in result.stderr


@pytest.mark.parametrize(
    ("school", "name"),
    [
        ("myschool", "myschool"),
        ("https://myschool.us-west-2.instructuremedia.com", "myschool.us-west-2"),
        ("studio.example.edu:8443", "studio.example.edu-8443"),
        ("http://[::1]:80", "1"),
        ("con", "school-con"),
    ],
)
def test_a_profile_is_named_after_its_school(school: str, name: str) -> None:
    from canvas_studio.cli.commands.login import name_for  # noqa: PLC0415

    assert name_for(profiles.school_url(school)) == name


def test_secrets_can_be_kept_in_the_keyring(box: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.keyrings import FakeKeyring  # noqa: PLC0415

    fake = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    result = login(box, "--keyring", pasted=allowed(box))
    assert result.exit_code == 0, result.output + result.stderr
    assert set(fake.kept) == {("canvas-studio", "north"), ("canvas-studio", "north/client_secret")}
    for file in home.rglob("*"):
        assert file.is_dir() or box.client_secret not in file.read_text()
    assert run("whoami").exit_code == 0
    assert profiles.load("north").store == "keyring"
    # It stays there, unless something else is said.
    assert run("login", pasted=f"{allowed(box)}\n").exit_code == 0
    assert profiles.load("north").store == "keyring"
    assert run("login", "--no-keyring", pasted=f"{allowed(box)}\n").exit_code == 0
    assert fake.kept == {}
    assert run("whoami").exit_code == 0


def test_a_keyring_that_refuses_leaves_the_profile_in_files_as_it_was(
    box: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.keyrings import Refusing  # noqa: PLC0415

    fake = Refusing()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    before = signed_in(box)
    tokens = before.token_store().load()
    for fake.refused in ("north", "north/client_secret"):
        assert run("login", "--keyring", pasted=f"{allowed(box)}\n").exit_code == 1
        assert profiles.load("north") == before
        assert before.token_store().load() == tokens
        assert fake.kept == {}
    fake.refused = ""
    assert run("login", "--keyring", pasted=f"{allowed(box)}\n").exit_code == 0
    assert profiles.load("north").store == "keyring"
    assert not (home / "tokens/north.json").exists()


def test_what_an_old_keyring_does_not_give_up_is_told_after_the_login(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.keyrings import FakeKeyring  # noqa: PLC0415

    fake = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    assert login(box, "--keyring", pasted=allowed(box)).exit_code == 0
    fake.locked = True
    monkeypatch.setenv("CANVAS_STUDIO_CLIENT_ID", box.client_id)
    monkeypatch.setenv("CANVAS_STUDIO_CLIENT_SECRET", box.client_secret)
    result = run("login", "--no-keyring", pasted=f"{allowed(box)}\n")
    assert result.exit_code == 0, result.stderr
    assert "could not be deleted" in result.stderr
    assert profiles.load("north").store == "file"


def test_logging_out_with_all_says_what_may_be_left_in_the_keyring(
    box: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.keyrings import FakeKeyring  # noqa: PLC0415

    fake = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    assert login(box, "--keyring", pasted=allowed(box)).exit_code == 0
    (home / "profiles/north.toml").write_text("not TOML")
    fake.locked = True
    result = run("logout", "north", "--all")
    assert result.exit_code == 1
    assert "may still hold 'north' and 'north/client_secret'" in result.stderr
    assert profiles.names() == []


def test_a_keyring_that_is_not_there_is_told_before_anybody_opens_a_browser(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    result = login(box, "--keyring", pasted=allowed(box))
    assert result.exit_code == 1
    assert "pip install keyring" in result.stderr
    assert "oauth/authorize" not in result.output


def browser_that_writes(file: Path) -> Path:
    """A browser that writes what it opens into a file."""
    browser = file.with_name("browser")
    browser.write_text(f'#!/bin/sh\necho "$1" > "{file}"\n')
    browser.chmod(0o700)
    return browser


@pytest.mark.parametrize(
    ("environment", "arguments", "opened"),
    [
        ({}, (), True),
        ({}, ("--no-browser",), False),
        ({"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, (), False),
        ({"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22", "DISPLAY": ":10"}, (), True),
    ],
)
def test_a_browser_is_opened_where_somebody_would_see_it(
    environment: dict[str, str], arguments: tuple[str, ...], *, opened: bool, box: Sandbox, tmp_path: Path
) -> None:
    signed_in(box)
    browser = browser_that_writes(tmp_path / "opened")
    environment = {"BROWSER": f"{browser} %s", **environment}
    with Terminal([str(COMMAND), "login", *arguments], environment) as terminal:
        terminal.read_until("The code: ")
        page = page_in(terminal.screen)
        terminal.type("\x03")
        assert terminal.end() == 130
    found = tmp_path / "opened"
    assert found.exists() == opened
    assert not opened or found.read_text() == f"{page}\n"


def test_no_browser_is_opened_for_a_script(box: Sandbox, tmp_path: Path) -> None:
    signed_in(box)
    browser = browser_that_writes(tmp_path / "opened")
    environment = {**os.environ, "BROWSER": f"{browser} %s", "DISPLAY": ":0"}
    subprocess.run([COMMAND, "login"], env=environment, input="", capture_output=True, text=True, check=False)
    assert not (tmp_path / "opened").exists()


def test_ctrl_c_ends_a_question_with_130(box: Sandbox, home: Path) -> None:
    with Terminal([str(COMMAND), "login", box.url, "--client-id", box.client_id]) as terminal:
        terminal.read_until("(hidden): ")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "stopped" in terminal.screen
    assert "Traceback" not in terminal.screen
    assert files(home) == set()


@pytest.mark.parametrize("command", ["login", "whoami", "ping"])
def test_ctrl_c_ends_a_request_with_130(command: str) -> None:
    with FaultServer(HANG) as server:
        profiles.save(profiles.Profile(name="north", url=server.url, client_id="x", client_secret="y"))
        profiles.load("north").token_store().save(Tokens("t", url=server.url))
        with subprocess.Popen(
            [COMMAND, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        ) as process:
            assert process.stdin
            if command == "login":
                process.stdin.write("code-of-the-tests\n")
                process.stdin.flush()
            assert server.wait_for_requests()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, "canvas-studio: stopped\n")


def test_logging_out_forgets_the_tokens_and_keeps_the_key(box: Sandbox, home: Path) -> None:
    signed_in(box)
    secrets = secrets_of(box, home)
    result = run("logout")
    assert result.exit_code == 0
    assert "no documented way to revoke" in result.output
    assert profiles.names() == ["north"]
    assert profiles.load("north").token_store().load() is None
    assert_shows_none_of(
        secrets - {box.client_secret}, *(file.read_text() for file in home.rglob("*") if file.is_file())
    )
    assert_shows_none_of(secrets, result.output)
    result = run("whoami")
    assert result.exit_code == 1
    assert "canvas-studio login north" in result.stderr
    assert run("logout").exit_code == 0


def test_logging_out_with_all_removes_the_key_too(box: Sandbox, home: Path) -> None:
    signed_in(box)
    signed_in(box, name="south")
    assert run("logout", "north", "--all").exit_code == 0
    assert profiles.names() == ["south"]
    assert not [file for file in files(home) if "north" in file and not file.endswith(".lock")]
    assert run("whoami").exit_code == 0


def test_several_schools_are_named(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(box)
    signed_in(box, name="south")
    result = run("whoami")
    assert (result.exit_code, "north or south" in result.stderr) == (2, True)
    for arguments in (("south",), ("--profile", "south"), ("south", "--profile", "south")):
        assert "Profile   south" in run("whoami", *arguments).output
    monkeypatch.setenv("CANVAS_STUDIO_PROFILE", "north")
    assert "Profile   north" in run("whoami").output


def told_by(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    told: dict[str, Any] = json.loads(result.output)
    return told


@pytest.mark.parametrize("role", ["admin", "teacher", "student"])
@pytest.mark.parametrize("media", [0, 500])
def test_the_person_and_the_role_are_right_at_a_school(role: str, media: int) -> None:
    with Sandbox(media=media) as box:
        if not media:
            box.add_user("Ada Park", role="teacher")
            box.add_user("Bo Lind", "bo@example.edu", role="student")
        somebody = next(user for user in box.users if user.role == role)
        signed_in(box, user=somebody.id)
        told = told_by("whoami")
    assert told["person"] == {"id": somebody.id, "full_name": somebody.full_name, "email": somebody.email}
    assert told["administrator"] is (role == "admin")
    assert told["roles"] == [role.title()]
    assert told["token"]["refreshable"] is True
    assert told["profile"] == "north"


def test_a_library_that_is_shared_does_not_make_somebody_else_of_me(box: Sandbox) -> None:
    ada, bo = box.add_user("Ada Park"), box.add_user("Bo Lind")
    library = box.client(user=ada).request("GET", f"/users/{ada}/library")["collection"]["id"]
    change = [{"action": "create", "id": bo, "share_type": "user", "permission_type": "edit"}]
    box.client(user=ada).request("POST", f"/collections/{library}/permissions", json=change)
    with box.client(user=bo) as studio:
        assert len(_person.library_owners(studio)[0]) == 2
        found = _person.identify(studio)
    assert found.person is not None
    assert found.person.id == bo


def test_who_cannot_be_known_is_not_guessed(box: Sandbox) -> None:
    box.add_user("Second Administrator", role="admin")
    signed_in(box)
    result = run("whoami")
    assert result.exit_code == 0
    assert "You are   unknown" in result.output
    assert "Studio does not say which" in result.output
    assert "probably an administrator" in result.output
    told = told_by("whoami")
    assert (told["person"], told["roles"], told["administrator"]) == (None, None, True)


@pytest.mark.parametrize(
    "fault", [{"status": 422}, {"status": 404}, {"status": 500}, {"html": True}, {"body": {}, "status": 200}]
)
def test_a_studio_that_answers_otherwise_is_not_a_failure(fault: dict[str, Any], box: Sandbox) -> None:
    teacher = box.add_user("Ada Park")
    for path in ("/v1/users/search", "/v1/users/*"):
        box.faults.add(path=path, **fault)
    with box.client(user=teacher, retry_delay=0) as studio:
        found = _person.identify(studio)
    assert found.person is not None
    assert found.roles is None
    assert found.administrator is None


def test_a_token_that_dies_meanwhile_is_a_failure(box: Sandbox) -> None:
    signed_in(box)
    for path in ("/v1/users/search", "/v1/collections", "/v1/users/*"):
        box.faults.clear()
        box.faults.add(path=path, status=401)
        result = run("whoami")
        assert (result.exit_code, "canvas-studio login north" in result.stderr) == (1, True), path
    told = told_by("ping")
    assert (states(told)["token"], states(told)["person"]) == ("ok", "failed")


def test_many_collections_are_not_all_read(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_person, "MOST_COLLECTIONS", 60)
    teacher = box.add_user("Ada Park")
    for number in range(120):
        box.add_collection(f"Course {number}", owner=teacher)
    box.forget_requests()
    with box.client(user=teacher) as studio:
        found = _person.identify(studio)
    assert found.person is None
    assert "too many" in found.reason
    assert len([request for request in box.requests if request.path.endswith("/collections")]) == 2


def test_a_name_cannot_play_with_the_terminal(box: Sandbox) -> None:
    teacher = box.add_user("Ada\x1b[2J\x07\u202ePark [bold]x[/bold]")
    signed_in(box, user=teacher)
    for arguments in (("whoami",), ("ping",)):
        output = run(*arguments).output
        assert "Ada\\x1b[2J\\x07\\u202ePark [bold]x[/bold]" in output


def test_whoami_shows_no_secret(box: Sandbox, home: Path) -> None:
    signed_in(box)
    for arguments in (("whoami",), ("whoami", "--json"), ("ping",), ("ping", "--json")):
        result = run(*arguments)
        assert_shows_none_of(secrets_of(box, home), result.output, result.stderr)


def states(told: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["state"] for step in told["steps"]}


def step(told: dict[str, Any], name: str) -> dict[str, str]:
    [found] = [step for step in told["steps"] if step["name"] == name]
    return dict(found)


def test_ping_says_that_all_is_well_and_where_it_came_from(box: Sandbox, home: Path) -> None:
    signed_in(box)
    result = run("ping")
    assert result.exit_code == 0, result.output
    assert "Everything is fine." in result.output
    assert f"the profile 'north' ({home / 'profiles/north.toml'})" in result.output
    told = told_by("ping")
    assert told["ok"] is True
    assert (told["url"], told["profile"]) == (box.url, "north")
    assert states(told) == dict.fromkeys(
        ("school", "credentials", "DNS", "connection", "API", "token", "person", "role", "clock"), "ok"
    )


def test_ping_needs_no_login_for_the_network(box: Sandbox) -> None:
    result = run("ping", box.url)
    assert result.exit_code == 0, result.output
    assert f"canvas-studio login {box.url}" in result.output
    told = told_by("ping", box.url)
    assert states(told)["API"] == "ok"
    assert states(told)["token"] == "skipped"


def test_ping_looks_at_the_network_even_if_the_key_is_missing(
    box: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = signed_in(box)
    (home / "tokens/north.json").chmod(0o644)
    told = told_by("ping")
    assert (states(told)["credentials"], states(told)["API"]) == ("failed", "ok")
    assert "chmod 600" in step(told, "credentials")["detail"]
    profiles.delete(profile.name)
    monkeypatch.setenv("CANVAS_STUDIO_URL", box.url)
    told = told_by("ping")
    assert (states(told)["credentials"], states(told)["API"]) == ("failed", "ok")
    assert "CANVAS_STUDIO_TOKEN" in step(told, "credentials")["detail"]


def test_ping_with_a_token_of_the_environment(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_URL", box.url)
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", box.token)
    result = run("ping")
    assert result.exit_code == 0, result.output
    assert "cannot be refreshed" in result.output
    assert_shows_none_of({box.token}, result.output)
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", "made-up-token-1618033988")
    told = told_by("ping")
    assert states(told)["token"] == "failed"
    assert "CANVAS_STUDIO_TOKEN" in step(told, "token")["next"]
    assert "made-up-token-1618033988" not in json.dumps(told)


def test_ping_tells_who_has_to_log_in_again(box: Sandbox) -> None:
    signed_in(box, refresh_token="made-up-refresh", access_token="made-up-access")
    told = told_by("ping")
    assert states(told)["token"] == "failed"
    assert "canvas-studio login north" in step(told, "token")["next"]
    assert "made-up" not in json.dumps(told)
    assert run("ping").exit_code == 1


def test_ping_tells_what_a_role_means(box: Sandbox) -> None:
    signed_in(box, user=box.add_user("Ada Park"))
    result = run("ping")
    assert result.exit_code == 0
    assert "needs an administrator" in result.output


def test_ping_tells_that_a_name_is_not_known() -> None:
    told = told_by("ping", "https://nroth.invalid")
    assert states(told)["DNS"] == "failed"
    assert step(told, "DNS")["detail"].startswith("no connection to nroth.invalid: ")
    assert "check the school's name" in step(told, "DNS")["next"]
    assert "API" not in states(told)
    assert run("ping", "https://nroth.invalid").exit_code == 1


def test_ping_says_where_an_endless_wait_was() -> None:
    with FaultServer(HANG) as server, StudioClient(server.url, token="t", read_timeout=0.3) as studio:
        steps = {name: (state, detail) for name, state, detail, _ in studio._diagnose()}
    assert (steps["DNS"][0], steps["connection"][0]) == ("ok", "ok")
    assert steps["API"][0] == "failed"
    assert "0.3 s without a byte from the server" in steps["API"][1]


def test_ping_tells_that_nobody_listens() -> None:
    with Sandbox(media=0) as box:
        url = box.url
    told = told_by("ping", url)
    assert states(told)["connection"] == "failed"
    assert "refused" in step(told, "connection")["detail"].lower()
    assert states(told)["token"] == "skipped"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (text_answer("<html>Please log in to the Wi-Fi</html>", "text/html"), "an HTML page"),
        (json_answer({"error": "no such page"}, 404), "404"),
        (json_answer({"error": "maintenance"}, 503), "try again later"),
        (Answer(status=302, headers={"Location": "https://login.example.edu"}), "check the host"),
    ],
    ids=["hotel", "another host", "trouble", "redirect"],
)
def test_ping_tells_that_it_is_no_studio(answer: Answer, told: str) -> None:
    with FaultServer(answer) as server:
        found = told_by("ping", server.url)
    assert states(found)["API"] == "failed"
    assert told in f"{step(found, 'API')['detail']} {step(found, 'API')['next']}"


@pytest.mark.parametrize(("seconds", "state"), [(0, "ok"), (30, "ok"), (-30, "ok"), (4000, "note"), (-4000, "note")])
def test_ping_tells_that_a_clock_is_wrong(seconds: int, state: str) -> None:
    date = {"Date": formatdate(time.time() - seconds, usegmt=True)}
    with FaultServer(json_answer({"error": "no"}, 401, date)) as server:
        told = told_by("ping", server.url)
    assert states(told)["clock"] == state
    if state == "note":
        assert ("ahead of" if seconds > 0 else "behind") in step(told, "clock")["detail"]
        assert "set the clock" in step(told, "clock")["next"]


def test_ping_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(media=0) as box:
        closed = box.url
    monkeypatch.setenv("HTTPS_PROXY", closed.replace("http://", "http://me:secret-2718281828@"))
    told = told_by("ping", "north")
    assert states(told)["proxy"] == "failed"
    assert "cannot be reached: " in step(told, "proxy")["detail"]
    assert step(told, "proxy")["detail"].endswith("check HTTPS_PROXY")
    assert "HTTPS_PROXY" in step(told, "proxy")["next"]
    assert "secret-2718281828" not in json.dumps(told)
    monkeypatch.setenv("NO_PROXY", "north.invalid")
    told = told_by("ping", "https://north.invalid")
    assert step(told, "DNS")["detail"].startswith("no connection to north.invalid: ")
    assert "proxy" not in states(told)


@pytest.mark.parametrize(
    ("variables", "is_used"),
    [
        ({"HTTPS_PROXY": "http://127.0.0.1:1"}, True),
        ({"ALL_PROXY": "http://127.0.0.1:1"}, True),
        ({"HTTP_PROXY": "http://127.0.0.1:1"}, False),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "*.invalid"}, False),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "example.edu north.invalid"}, False),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "south.invalid"}, True),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "REQUEST_METHOD": "GET"}, False),
        ({"HTTPS_PROXY": "u:planted@", "NO_PROXY": "*.invalid"}, False),
    ],
)
def test_ping_goes_through_a_proxy_if_the_client_does(
    variables: dict[str, str], *, is_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told = states(told_by("ping", "https://north.invalid"))
    assert (told.get("proxy"), told.get("DNS")) == (("failed", "ok") if is_used else (None, "failed"))


@pytest.mark.parametrize(
    "proxy",
    [
        "http://127.0.0.1:notaport",
        "http://",
        "http://u:planted-2718281828@[bad",
        "http://u:planted-2718281828/x@127.0.0.1:1",
        "http://planted-2718281828/x@127.0.0.1:1",
        "http://u:1414/planted-2718281828@127.0.0.1:1",
        "u:planted-2718281828#@127.0.0.1:1",
        "u:planted-2718281828?@127.0.0.1:1",
    ],
)
@pytest.mark.parametrize("given", [True, False])
def test_a_proxy_that_is_no_url_ends_ping_with_2_and_is_not_quoted(
    proxy: str, *, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not given:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    for json_too in ((), ("--json",)):
        result = run("ping", "north", *(("--proxy", proxy) if given else ()), *json_too)
        assert result.exit_code == 2, result.output + result.stderr
        assert f"{'proxy' if given else 'the environment variable HTTPS_PROXY'} " in result.stderr
        assert 'give "http://host:port"' in result.stderr
        for secret in ("planted", "1414", "Traceback"):
            assert secret not in result.output + result.stderr


def test_a_proxy_that_is_no_url_ends_login_with_2_and_is_not_quoted(box: Sandbox, home: Path) -> None:
    result = login(box, "--proxy", "http://u:planted-2718281828@[bad", pasted="x\n")
    assert result.exit_code == 2
    assert "proxy" in result.stderr
    for secret in ("planted", "Traceback"):
        assert secret not in result.output + result.stderr
    assert files(home) == set()


@contextlib.contextmanager
def listener(answer: bytes) -> Generator[tuple[str, list[bytes]]]:
    """A server that speaks no HTTP of its own, and what it was sent."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    with connection:
                        connection.settimeout(1)
                        heard.append(connection.recv(65536))
                        connection.sendall(answer)

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", heard
        finally:
            over.set()
            thread.join()


def test_the_password_of_an_https_proxy_is_not_sent_before_tls() -> None:
    with listener(b"") as (address, heard):
        result = run("ping", "north", "--proxy", f"https://me:planted-2718281828@{address}")
    assert result.exit_code == 1
    assert any(heard)
    assert not [sent for sent in heard if b"Proxy-Authorization" in sent]


def test_ping_stands_what_is_no_http() -> None:
    with listener(b"220 mail.example.edu\r\n") as (address, _):
        result = run("ping", f"http://{address}")
    assert result.exit_code == 1
    assert "failed" in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


@contextlib.contextmanager
def https_server(folder: Path) -> Generator[tuple[str, list[str]]]:
    """A server on this machine whose certificate nobody trusts, and what it was asked for."""
    asked: list[str] = []
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(401)

        def log_message(self, format: str, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Server(HTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_ping_tells_that_a_certificate_is_not_trusted(tmp_path: Path) -> None:
    with https_server(tmp_path) as (url, _):
        told = told_by("ping", url)
    assert states(told)["connection"] == "ok"
    assert states(told)["certificate"] == "failed"
    assert "issued by itself" in step(told, "certificate")["detail"]
    assert "--ca-bundle" in step(told, "certificate")["next"]
    assert "clock of this machine" in step(told, "certificate")["next"]


def test_ping_asks_nothing_of_a_server_that_is_not_trusted(tmp_path: Path) -> None:
    with https_server(tmp_path) as (url, asked):
        told = told_by("ping", url)
    assert asked == []
    assert "clock" not in states(told)


def test_ping_follows_no_redirect() -> None:
    with listener(b"HTTP/1.1 204 No Content\r\n\r\n") as (stranger, heard):
        headers = {"Location": f"http://{stranger}/", "Date": formatdate(usegmt=True)}
        redirect = Answer(status=302, headers=headers)
        with FaultServer(redirect) as server:
            told = told_by("ping", server.url)
        assert heard == []
    assert states(told)["clock"] == "ok"


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
def test_ping_leaves_the_clock_out_if_the_server_tells_no_time(date: str) -> None:
    with FaultServer(json_answer({"error": "no"}, 401, {"Date": date})) as server:
        told = told_by("ping", server.url)
    assert "clock" not in states(told)


def test_ping_tells_that_tls_is_not_spoken(box: Sandbox) -> None:
    told = told_by("ping", box.url.replace("http://127.0.0.1", "https://localhost"))
    assert (states(told)["connection"], states(told)["TLS"]) == ("ok", "failed")
    assert "does not speak TLS there" in step(told, "TLS")["detail"]


def test_colours_are_for_terminals_only(box: Sandbox) -> None:
    signed_in(box)
    with Terminal([str(COMMAND), "ping"]) as terminal:
        assert terminal.end() == 0
    assert "\x1b[" in terminal.screen
    environment = {**os.environ, "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "CLICOLOR_FORCE": "1"}
    for arguments in (["ping"], ["whoami"], ["logout"]):
        found = subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, check=True)
        assert "\x1b" not in found.stdout + found.stderr


def test_a_screen_that_cannot_show_a_name_shows_something_else(box: Sandbox) -> None:
    signed_in(box, user=box.add_user("Людмила"))
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    found = subprocess.run([COMMAND, "whoami"], env=environment, capture_output=True, text=True, check=True)
    assert "probably ???????, id" in found.stdout


@pytest.mark.parametrize("command", ["login", "logout", "whoami", "ping"])
def test_the_help_of_a_command_says_what_it_does(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "client-secret TEXT" not in result.output
