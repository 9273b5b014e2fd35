"""Profiles: what is stored about a school, who can read it, and where a client looks for missing settings."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    InvalidArgumentError,
    LoginRequiredError,
    OAuth,
    StudioClient,
    StudioError,
    Tokens,
    TokenStoreError,
    profiles,
)
from canvas_studio.auth import FileTokenStore, KeyringTokenStore
from canvas_studio.profiles import Profile, Settings, StoreKind
from canvas_studio.sandbox import Sandbox
from hypothesis import given
from hypothesis import strategies as st
from support.keyrings import FakeKeyring, Refusing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "secret-of-the-profiles-2718281828"
TOKEN = "token-of-the-profiles-1618033988"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")

NORTH = Profile(name="north", url="https://north.instructuremedia.com", client_id="key-of-north", client_secret=SECRET)
SOUTH = replace(NORTH, name="south", url="https://south.instructuremedia.com", client_id="key-of-south")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for profiles that is empty, and an environment that says nothing else."""
    for name in [name for name in os.environ if name.startswith("CANVAS_STUDIO_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(folder))
    return folder


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    fake = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    return fake


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def everything_in(error: BaseException | None) -> str:
    """What a traceback would show, and what hangs on the errors that led to this one."""
    text = ""
    while error is not None:
        text += f"{error!r} {error} {vars(error)!r} "
        error = error.__cause__ or error.__context__
    return text


def test_a_profile_comes_back_as_it_was_saved() -> None:
    whole = replace(
        NORTH,
        redirect_uri="https://app.example.edu/studio/callback",
        proxy='http://me:pass"word\\@proxy.example.edu:3128',
        ca_bundle="/etc/ssl/Ümläut 🎓.pem",
    )
    for profile in (NORTH, whole):
        profiles.save(profile)
        assert profiles.load("north") == profile


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_can_be_written_down(text: str) -> None:
    profile = replace(NORTH, client_secret=text, ca_bundle=text)
    profiles.save(profile)
    assert profiles.load("north") == profile


def test_what_cannot_be_written_down_is_refused(home: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="ca_bundle"):
        profiles.save(replace(NORTH, ca_bundle="\udc80"))
    assert files(home) == set()


@POSIX
def test_only_its_owner_can_read_a_profile(home: Path) -> None:
    previous = os.umask(0)
    try:
        profiles.save(NORTH)
        profiles.save(NORTH)
    finally:
        os.umask(previous)
    assert mode(home / "profiles/north.toml") == 0o600
    assert [mode(folder) for folder in (home, home / "profiles", home / "tokens")] == [0o700] * 3


@POSIX
def test_a_folder_that_was_there_keeps_its_permissions_but_what_is_made_in_it_is_private(home: Path) -> None:
    home.mkdir(mode=0o755)
    (home / "profiles").mkdir(mode=0o755)
    profiles.save(NORTH)
    assert (mode(home), mode(home / "profiles")) == (0o755, 0o700)


@POSIX
def test_a_profile_that_cannot_be_replaced_stays_whole(home: Path) -> None:
    import resource  # noqa: PLC0415 - not on Windows

    profiles.save(NORTH)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(OSError, match=r"north\.toml"):
            profiles.save(replace(NORTH, client_id="another"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert profiles.load("north") == NORTH
    assert files(home) == {"profiles/north.toml"}


BAD_NAMES = [
    *("", ".", "..", "../north", "a/b", "a\\b", "C:north", "/etc/passwd", "~", "-x", ".hidden", "_x"),
    *("no rth", "north\n", "no\0rth", "nörth", "con", "NUL", "nul.old", "Com1", "a" * 65, "*"),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_cannot_lead_elsewhere(name: str, tmp_path: Path) -> None:
    calls: list[Callable[[], object]] = [
        lambda: profiles.load(name),
        lambda: profiles.save(replace(NORTH, name=name)),
        lambda: profiles.delete(name),
        lambda: profiles.find(profile=name),
        lambda: replace(NORTH, name=name).path,
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError, match="is not a valid name") as raised:
            call()
        assert raised.value.argument == "profile"
    assert files(tmp_path) == set()


@pytest.mark.parametrize("name", ["north", "North.2", "a", "0", "my-school_2.us-west-2", "a" * 64, "console", "a.."])
def test_names_of_letters_digits_dots_dashes_and_underscores_are_taken(name: str) -> None:
    profiles.save(replace(NORTH, name=name))
    assert profiles.load(name).name == name
    assert profiles.names() == [name]


def test_only_profiles_are_listed(home: Path) -> None:
    assert profiles.names() == []
    for profile in (SOUTH, NORTH):
        profiles.save(profile)
    for stranger in ("notes.txt", ".north.toml", "con.toml", "north.toml.new-1234"):
        (home / "profiles" / stranger).write_text("")
    assert profiles.names() == ["north", "south"]


def test_a_profile_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'west' does not exist.*none yet.*canvas-studio login west"):
        profiles.load("west")
    profiles.save(NORTH)
    profiles.save(SOUTH)
    with pytest.raises(InvalidArgumentError, match=r"'west' does not exist.*north and south"):
        profiles.load("west")


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "no TOML": (f'url = "x\nclient_secret = "{SECRET}"', "line 1"),
    "no text": (b'url = "\xff"', "UTF-8"),
    "not text": (f'url = 7\nclient_id = "x"\nclient_secret = "{SECRET}"', "url must be a string"),
    "empty text": (f'url = "north"\nclient_id = ""\nclient_secret = "{SECRET}"', "client_id must be a string"),
    "a table": (f'[url]\nx = "{SECRET}"', "url must be a string"),
    "unknown setting": (f'urI = "north"\nclient_secret = "{SECRET}"', "'urI' is no setting; the settings are url"),
    "no url": (f'client_id = "x"\nclient_secret = "{SECRET}"', "has no url"),
    "no key": ('url = "north"', "has no client_id or client_secret"),
    "wrong url": (f'url = "http://north.example.edu"\nclient_id = "x"\nclient_secret = "{SECRET}"', "https"),
    "wrong store": (f'url = "north"\nclient_id = "x"\nclient_secret = "{SECRET}"\nstore = "cloud"', '"keyring"'),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_profile_is_told_without_its_secret(case: str, home: Path) -> None:
    text, told = BROKEN[case]
    profiles.save(NORTH)
    (home / "profiles/north.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidArgumentError, match=told) as raised:
        profiles.load("north")
    assert str(home / "profiles/north.toml") in str(raised.value)
    assert "logout --all north" in str(raised.value)
    assert SECRET not in everything_in(raised.value)


def test_a_profile_can_be_written_by_hand(home: Path) -> None:
    (home / "profiles").mkdir(parents=True)
    path = home / "profiles/north.toml"
    path.write_text(f"# mine\nclient_secret = '{SECRET}'\nclient_id = 'key-of-north'\nurl = 'north'\n")
    path.chmod(0o600)
    assert profiles.load("north") == NORTH
    with pytest.raises(LoginRequiredError), StudioClient.from_env() as studio:
        studio.request("GET", "/ping")


@POSIX
@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_what_others_can_read_or_change_is_not_used(bits: int, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ssh does with keys."""
    profiles.save(NORTH)
    path, tokens = home / "profiles/north.toml", home / "tokens/north.json"
    path.chmod(bits)
    with pytest.raises(InvalidArgumentError, match=f"'north' is not private.*chmod 600 '{path}'"):
        profiles.find()
    path.chmod(0o600)
    FileTokenStore(tokens).save(Tokens(TOKEN, url=NORTH.url))
    assert profiles.find().auth is not None
    tokens.chmod(bits)
    with pytest.raises(TokenStoreError, match=f"'north' are not private.*chmod 600 '{tokens}'"):
        profiles.find()

    set_environment(monkeypatch, URL="north", CLIENT_ID="x", CLIENT_SECRET=SECRET, TOKEN_FILE=str(tokens))
    with pytest.raises(InvalidArgumentError, match=f"CANVAS_STUDIO_TOKEN_FILE is not private.*chmod 600 '{tokens}'"):
        profiles.find()


@POSIX
def test_who_may_read_the_file_of_somebody_else_is_theirs_to_say(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is mounted into a container belongs to root."""
    profiles.save(NORTH)
    (home / "profiles/north.toml").chmod(0o644)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    assert profiles.load("north") == NORTH


def always(answer: object) -> Callable[[object], object]:
    def function(_: object) -> object:
        return answer

    return function


@POSIX
def test_what_cannot_be_made_private_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is mounted read-only, and a drive on which everything is open."""
    profiles.save(NORTH)
    path = home / "profiles/north.toml"
    path.chmod(0o644)
    real = os.statvfs(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", always(types.SimpleNamespace(f_flag=real.f_flag | os.ST_RDONLY)))
        assert profiles.load("north") == NORTH
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", always(types.SimpleNamespace(st_mode=0o100777)))
        assert profiles.load("north") == NORTH
    with pytest.raises(InvalidArgumentError, match="not private"):
        profiles.load("north")
    assert files(home) == {"profiles/north.toml"}


def test_deleting_leaves_neither_key_nor_tokens(home: Path) -> None:
    for profile in (NORTH, SOUTH):
        profiles.save(profile)
        profile.token_store().save(Tokens(TOKEN, url=profile.url))
    profiles.delete("north")
    assert profiles.names() == ["south"]
    assert files(home) - {"tokens/north.json.lock"} == {"profiles/south.toml", "tokens/south.json"}
    profiles.delete("north")


def test_a_profile_that_cannot_be_read_can_be_deleted(home: Path) -> None:
    profiles.save(NORTH)
    FileTokenStore(home / "tokens/north.json").save(Tokens(TOKEN))
    (home / "profiles/north.toml").write_text(f"client_secret = {SECRET}")
    profiles.delete("north")
    assert files(home) == set()


def saved_in_keyring(path: Path) -> None:
    profile = replace(NORTH, store="keyring")
    profiles.save(profile, Tokens(TOKEN, url=NORTH.url))
    assert profile.path == path


@pytest.mark.parametrize("text", ["not TOML", "client_secret = not TOML", ""])
def test_deleting_a_broken_profile_leaves_nothing_in_the_keyring(text: str, home: Path, keyring: FakeKeyring) -> None:
    path = home / "profiles/north.toml"
    saved_in_keyring(path)
    path.write_text(text)
    profiles.delete("north")
    assert keyring.kept == {}
    assert profiles.names() == []


@POSIX
def test_deleting_a_profile_that_others_can_read_leaves_nothing_in_the_keyring(
    home: Path, keyring: FakeKeyring
) -> None:
    path = home / "profiles/north.toml"
    saved_in_keyring(path)
    path.chmod(0o644)
    profiles.delete("north")
    assert keyring.kept == {}


def test_deleting_a_profile_in_files_leaves_the_keyring_alone(keyring: FakeKeyring) -> None:
    """It is one for all values of CANVAS_STUDIO_HOME, and it may be locked."""
    profiles.save(NORTH, Tokens(TOKEN, url=NORTH.url))
    keyring.kept["canvas-studio", "north"] = "of another home"
    keyring.locked = True
    profiles.delete("north")
    assert set(keyring.kept) == {("canvas-studio", "north")}


@pytest.mark.parametrize("text", ["not TOML", None])
def test_what_may_be_left_in_a_keyring_is_told(text: str | None, home: Path, keyring: FakeKeyring) -> None:
    path = home / "profiles/north.toml"
    saved_in_keyring(path)
    if text is not None:
        path.write_text(text)
    keyring.locked = True
    with pytest.raises(
        TokenStoreError, match=r"removed, but .* still hold 'north' and 'north/client_secret'"
    ) as raised:
        profiles.delete("north")
    assert not {SECRET, TOKEN} & set(everything_in(raised.value).split("'"))
    assert profiles.names() == []


def test_nothing_that_can_be_printed_shows_a_secret() -> None:
    shown = repr(replace(NORTH, proxy=f"http://me:{SECRET}@proxy")) + repr(
        Settings(url=NORTH.url, token=TOKEN, proxy=SECRET, profile=NORTH, url_from="here", credentials_from="there")
    )
    assert SECRET not in shown
    assert TOKEN not in shown


def test_with_a_keyring_no_secret_is_in_a_file(home: Path, keyring: FakeKeyring) -> None:
    profiles.save(replace(NORTH, store="keyring"))
    store = profiles.load("north").token_store()
    assert isinstance(store, KeyringTokenStore)
    store.save(Tokens(TOKEN, url=NORTH.url))
    assert keyring.kept["canvas-studio", "north/client_secret"] == SECRET
    assert TOKEN in keyring.kept["canvas-studio", "north"]
    for file in files(home):
        assert not {SECRET, TOKEN} & set((home / file).read_text().split('"'))

    settings = profiles.find()
    assert settings.auth is not None
    assert profiles.load("north").secret() == SECRET
    assert profiles.load("north").client_secret is None
    profiles.delete("north")
    assert keyring.kept == {}
    assert profiles.names() == []


def test_a_keyring_without_the_secret_says_to_log_in(keyring: FakeKeyring) -> None:
    profiles.save(replace(NORTH, store="keyring"))
    keyring.kept.clear()
    with pytest.raises(TokenStoreError, match=r"'north'.*canvas-studio login north"):
        profiles.find()
    profiles.delete("north")


def test_a_keyring_that_does_not_work_is_told_without_the_secret(home: Path, keyring: FakeKeyring) -> None:
    keyring.locked = True
    with pytest.raises(TokenStoreError, match="unlock it") as raised:
        profiles.save(replace(NORTH, store="keyring"))
    assert SECRET not in everything_in(raised.value)
    assert files(home) == set()


def tokens_and_profiles(home: Path) -> dict[str, bytes]:
    return {file: (home / file).read_bytes() for file in files(home) if not file.endswith(".lock")}


@pytest.mark.parametrize("before", [None, "file", "keyring"])
@pytest.mark.parametrize("refused", ["north", "north/client_secret"])
def test_a_keyring_that_refuses_leaves_the_profile_as_it_was(
    before: StoreKind | None, refused: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Refusing()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    if before is not None:
        profiles.save(replace(NORTH, store=before), Tokens(TOKEN, url=NORTH.url))
    kept, there = dict(fake.kept), tokens_and_profiles(home)
    fake.refused = refused
    wanted = replace(NORTH, store="keyring", client_id="another", client_secret="another")
    with pytest.raises((TokenStoreError, RuntimeError), match=r"could not be changed|keyring failed|denied"):
        profiles.save(wanted, Tokens("another", url=NORTH.url))
    assert (fake.kept, tokens_and_profiles(home)) == (kept, there)


@pytest.mark.parametrize("store", ["file", "keyring"])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_profile_that_cannot_be_written_leaves_everything_as_it_was(
    store: StoreKind, *, is_there: bool, home: Path, keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = replace(NORTH, store=store)
    if is_there:
        profiles.save(wanted, Tokens(TOKEN, url=NORTH.url))
    kept, there = dict(keyring.kept), tokens_and_profiles(home)
    monkeypatch.setattr(profiles, "replace_file", interrupted)
    with pytest.raises(InterruptedError):
        profiles.save(replace(wanted, client_secret="another"), Tokens("another", url=NORTH.url))
    assert (keyring.kept, tokens_and_profiles(home)) == (kept, there)


def interrupted(*_: object) -> None:
    raise InterruptedError


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    for call in (
        profiles.check_keyring,
        replace(NORTH, store="keyring").token_store,
        lambda: profiles.save(replace(NORTH, store="keyring")),
    ):
        with pytest.raises(TokenStoreError, match="pip install keyring"):
            call()


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "{home}/.config/canvas-studio"),
        ("linux", {"XDG_CONFIG_HOME": "{home}/xdg"}, "{home}/xdg/canvas-studio"),
        ("linux", {"XDG_CONFIG_HOME": "relative"}, "{home}/.config/canvas-studio"),
        ("linux", {"XDG_CONFIG_HOME": ""}, "{home}/.config/canvas-studio"),
        ("darwin", {"XDG_CONFIG_HOME": "{home}/xdg"}, "{home}/Library/Application Support/canvas-studio"),
        ("win32", {"APPDATA": "{home}/Roaming"}, "{home}/Roaming/canvas-studio"),
        ("win32", {}, "{home}/AppData/Roaming/canvas-studio"),
        ("linux", {"CANVAS_STUDIO_HOME": "{home}/mine"}, "{home}/mine"),
        ("linux", {"CANVAS_STUDIO_HOME": "~/mine"}, "{home}/mine"),
        ("darwin", {"CANVAS_STUDIO_HOME": "{home}/mine"}, "{home}/mine"),
        ("win32", {"CANVAS_STUDIO_HOME": "{home}/mine", "APPDATA": "x"}, "{home}/mine"),
    ],
)
def test_profiles_are_where_the_system_wants_them(
    platform: str, variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CANVAS_STUDIO_HOME", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", platform)
        found = profiles.home()
    assert found == Path(expected.format(home=tmp_path))


def test_without_a_home_the_variable_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANVAS_STUDIO_HOME")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    def nobody(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.setattr(Path, "expanduser", nobody)
    with pytest.raises(InvalidArgumentError, match="CANVAS_STUDIO_HOME is missing"):
        profiles.names()


def test_importing_the_package_does_not_import_profiles() -> None:
    script = "import sys, canvas_studio; print('canvas_studio.profiles' in sys.modules, 'tomllib' in sys.modules)"
    found = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def set_environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"CANVAS_STUDIO_{name}", value)


def found_as(settings: Settings) -> str:
    """In one word each: the school, and what authorizes."""
    school = settings.url.removeprefix("https://").partition(".")[0]
    return f"{school} {settings.token or (settings.auth and settings.auth.client_id)}"


KEY = {"CLIENT_ID": "key-of-env", "CLIENT_SECRET": SECRET, "TOKEN_FILE": "/nowhere/tokens.json"}
# What is given, which variables are set, which profiles there are; what is found, or what is refused and how.
PRECEDENCE: list[tuple[dict[str, Any], dict[str, str], str, str]] = [
    # arguments
    ({"url": "east", "token": "t"}, {}, "", "east t"),
    ({"url": "east", "token": "t"}, {"URL": "west", "TOKEN": "e"}, "", "east t"),
    ({"url": "east", "token": "t"}, {"URL": "west", "TOKEN": "e", "PROFILE": "north"}, "north south", "east t"),
    ({"url": "east", "token": "t"}, KEY, "north", "east t"),
    ({"token": "t"}, {"URL": "west"}, "north", "west t"),
    ({"token": "t"}, {"URL": "west", "TOKEN": "e"}, "", "west t"),
    ({"token": "t", "profile": "north"}, {"URL": "west", "TOKEN": "e"}, "north south", "north t"),
    ({"token": "t"}, {"PROFILE": "north"}, "north south", "north t"),
    ({"auth": "east"}, {"URL": "west", "TOKEN": "e"}, "north", "east key-of-argument"),
    ({"auth": ""}, {"URL": "west", "TOKEN": "e"}, "north", "west key-of-argument"),
    ({"auth": "", "url": "east"}, {"URL": "west"}, "", "east key-of-argument"),
    ({"profile": "north"}, {}, "north south", "north key-of-north"),
    ({"profile": "north"}, {"URL": "west", "TOKEN": "e"}, "north south", "north key-of-north"),
    ({"profile": "north"}, {"PROFILE": "south", **KEY}, "north south", "north key-of-north"),
    ({"profile": "north", "url": "north"}, {}, "north south", "north key-of-north"),
    # the environment
    ({}, {"URL": "west", "TOKEN": "e"}, "", "west e"),
    ({}, {"URL": "west", "TOKEN": "e"}, "north", "west e"),
    ({}, {"URL": "west", "TOKEN": "e", "PROFILE": "north"}, "north", "west e"),
    ({}, {"URL": "west", **KEY}, "north south", "west key-of-env"),
    ({"url": "east"}, {"TOKEN": "e"}, "", "east e"),
    ({"url": "west"}, {"URL": "https://west.instructuremedia.com/", "TOKEN": "e"}, "", "west e"),
    ({}, {"URL": "west", "TOKEN": "e", "CLIENT_ID": "", "PROFILE": ""}, "", "west e"),
    # the profile
    ({}, {}, "north", "north key-of-north"),
    ({}, {"URL": "north"}, "north", "north key-of-north"),
    ({}, {"PROFILE": "south"}, "north south", "south key-of-south"),
    ({"url": "https://south.instructuremedia.com"}, {"PROFILE": "south"}, "north south", "south key-of-south"),
    ({}, {"TOKEN": "", "URL": ""}, "north", "north key-of-north"),
]
REFUSED: list[tuple[dict[str, Any], dict[str, str], str, str]] = [
    # nothing, or not all
    ({}, {}, "", "url is missing: pass it, set CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN, or .*canvas-studio login"),
    ({}, {"URL": "west"}, "", "token is missing: pass it, set CANVAS_STUDIO_TOKEN, or sign in"),
    ({"url": "east"}, {}, "", "token is missing: pass it, set CANVAS_STUDIO_TOKEN, or sign in"),
    ({"token": "t"}, {}, "", "url is missing: pass it, or set CANVAS_STUDIO_URL"),
    ({"token": "t"}, {}, "north", "url is missing: pass it, or set CANVAS_STUDIO_URL"),
    ({}, {"TOKEN": "e"}, "", "url is missing: pass it, or set CANVAS_STUDIO_URL"),
    ({"token": "t", "auth": "east"}, {}, "", "token and auth exclude each other"),
    ({}, {"URL": "west", "TOKEN": "e", **KEY}, "", "CANVAS_STUDIO_TOKEN and CANVAS_STUDIO_CLIENT_ID, .* exclude"),
    ({}, {"URL": "west", "CLIENT_ID": "x"}, "north", "CANVAS_STUDIO_CLIENT_SECRET is missing, and "),
    (
        {},
        {"URL": "west", "CLIENT_ID": "x", "CLIENT_SECRET": SECRET},
        "",
        "CANVAS_STUDIO_TOKEN_FILE is missing, and CANVAS_STUDIO_CLIENT_ID and CANVAS_STUDIO_CLIENT_SECRET",
    ),
    ({}, {"URL": "west", "TOKEN_FILE": "/x"}, "", "CANVAS_STUDIO_CLIENT_ID is missing, and .*TOKEN_FILE"),
    # which profile
    ({}, {}, "north south", "profile is missing, and there are 2: choose north or south, or set CANVAS_STUDIO_PROFILE"),
    ({"url": "north"}, {}, "north south", "profile is missing, and there are 2"),
    ({"profile": "west"}, {}, "north", "profile 'west' does not exist"),
    ({}, {"PROFILE": "west"}, "north", "profile 'west' does not exist"),
    ({}, {"PROFILE": "west"}, "", "profile 'west' does not exist"),
    # what belongs together comes from one place
    ({}, {"TOKEN": "e"}, "north", "url is missing.*CANVAS_STUDIO_TOKEN is not sent to .* 'north'"),
    ({}, {"TOKEN": "e", "PROFILE": "south"}, "north south", "CANVAS_STUDIO_TOKEN is not sent to .* 'south'"),
    ({}, KEY, "north", "CANVAS_STUDIO_CLIENT_ID is not sent to .* 'north'"),
    ({"url": "east"}, {}, "north", "url is https://east.*, but the profile 'north' is of https://north"),
    ({"url": "east", "profile": "north"}, {}, "north", "url is https://east.*, but the profile 'north' is of"),
    ({}, {"URL": "west"}, "north", "CANVAS_STUDIO_URL is https://west.*, but the profile 'north' is of https://north"),
    (
        {"url": "east"},
        {"URL": "west", "TOKEN": "e"},
        "",
        "url is https://east.*, but CANVAS_STUDIO_URL is https://west",
    ),
    ({"url": "east"}, {"URL": "west", **KEY}, "", "CANVAS_STUDIO_CLIENT_ID belongs to that"),
    # what cannot be right is named after where it stands
    ({}, {"URL": "http://west.example.edu", "TOKEN": "e"}, "", "CANVAS_STUDIO_URL is invalid: .*https"),
    ({"url": "ftp://east", "token": "t"}, {}, "", "url must begin with https"),
    ({}, {"URL": "west.instructure.com", "TOKEN": "e"}, "", "CANVAS_STUDIO_URL is invalid: .*address of Canvas"),
    ({"url": "west.instructure.com", "token": "t"}, {}, "", "url is an address of Canvas"),
    # what a shell or a .env file has left around it
    ({}, {"URL": '"west"', "TOKEN": "e"}, "", "CANVAS_STUDIO_URL is in quotation marks: set it without them"),
    ({}, {"URL": "west", "TOKEN": "'e'"}, "", "CANVAS_STUDIO_TOKEN is in quotation marks: set it without them"),
    ({}, {"URL": "west", **KEY, "CLIENT_SECRET": f'"{SECRET}"'}, "", "CANVAS_STUDIO_CLIENT_SECRET is in quotation"),
    ({}, {"PROFILE": '"north"'}, "north", "CANVAS_STUDIO_PROFILE is in quotation marks"),
    ({"url": "'east'", "token": "t"}, {}, "", "url is in quotation marks"),
]


def arguments(given: dict[str, Any]) -> dict[str, Any]:
    if "auth" not in given:
        return given
    return given | {"auth": OAuth("key-of-argument", SECRET, url=given["auth"] or None)}


def prepare(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], there: str) -> None:
    for profile in (NORTH, SOUTH):
        if profile.name in there:
            profiles.save(profile)
    set_environment(monkeypatch, **variables)


@pytest.mark.parametrize(("given", "variables", "there", "expected"), PRECEDENCE)
def test_an_argument_wins_over_a_variable_and_a_variable_over_a_profile(
    given: dict[str, Any], variables: dict[str, str], there: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(monkeypatch, variables, there)
    found = profiles.find(**arguments(given))
    assert found_as(found) == expected
    assert (found.token is None) != (found.auth is None)
    with StudioClient.from_env(**arguments(given)) as studio:
        assert studio.url == found.url


@pytest.mark.parametrize(("given", "variables", "there", "told"), REFUSED)
def test_what_is_missing_or_does_not_fit_together_is_named(
    given: dict[str, Any], variables: dict[str, str], there: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(monkeypatch, variables, there)
    for call in (profiles.find, StudioClient.from_env):
        with pytest.raises(InvalidArgumentError, match=told) as raised:
            call(**arguments(given))
        assert str(raised.value).startswith(raised.value.argument)
        assert SECRET not in everything_in(raised.value)


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        (f'"{TOKEN}"', "is in quotation marks"),
        (f"\N{LEFT DOUBLE QUOTATION MARK}{TOKEN}\N{RIGHT DOUBLE QUOTATION MARK}", "is in quotation marks"),
        (f"Bearer {TOKEN}", 'token holds "Bearer"'),
        (f"authorization: bearer {TOKEN}", 'token holds "Bearer"'),
    ],
)
def test_a_token_that_was_copied_with_more_is_explained_and_never_shown(
    token: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, URL="north", TOKEN=token)

    def make() -> StudioClient:
        return StudioClient("north", token=token)

    for call in (StudioClient.from_env, make, lambda: profiles.find().client()):
        with pytest.raises(InvalidArgumentError, match=problem) as raised:
            call()
        assert TOKEN not in everything_in(raised.value)
    with pytest.raises(InvalidArgumentError, match="access_token") as raised:
        Tokens(token)
    assert TOKEN not in everything_in(raised.value)


def test_a_profile_of_a_canvas_is_explained(home: Path) -> None:
    profiles.save(NORTH)
    path = home / "profiles/north.toml"
    path.write_text(path.read_text().replace("instructuremedia", "instructure"))
    for call in (profiles.find, StudioClient.from_env):
        with pytest.raises(InvalidArgumentError, match=r"'north' cannot be read: .* is an address of Canvas"):
            call()


@pytest.mark.parametrize("name", ["URL", "TOKEN", "PROFILE", *KEY])
def test_whether_anything_is_set_up_is_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not profiles.is_set_up()
    set_environment(monkeypatch, **{name: " "})
    assert not profiles.is_set_up()
    set_environment(monkeypatch, **{name: "x"})
    assert profiles.is_set_up()
    set_environment(monkeypatch, **{name: ""})
    profiles.save(NORTH)
    assert profiles.is_set_up()


def test_it_is_known_where_each_came_from(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    profiles.save(NORTH)
    found = profiles.find()
    assert found.url_from == f"the profile 'north' ({home / 'profiles/north.toml'})"
    assert found.credentials_from == f"the profile 'north', tokens in {home / 'tokens/north.json'}"
    assert found.profile == NORTH
    set_environment(monkeypatch, TOKEN="e")
    found = profiles.find(url="east")
    assert (found.url_from, found.credentials_from) == ("the argument url", "CANVAS_STUDIO_TOKEN")
    assert found.profile is None


def test_the_network_of_a_profile_is_used_with_it_and_only_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles.save(replace(NORTH, proxy="http://proxy.example.edu:3128", ca_bundle="/etc/ssl/own.pem"))
    found = profiles.find(profile="north", token=TOKEN)
    assert (found.proxy, found.ca_bundle) == ("http://proxy.example.edu:3128", "/etc/ssl/own.pem")
    found = profiles.find(profile="north", token=TOKEN, proxy="http://other", ca_bundle=Path("/other.pem"))
    assert (found.proxy, found.ca_bundle) == ("http://other", "/other.pem")
    set_environment(monkeypatch, URL="west", TOKEN="e")
    found = profiles.find()
    assert (found.proxy, found.ca_bundle) == (None, None)


def test_a_client_of_a_profile_takes_the_way_of_the_profile() -> None:
    profiles.save(replace(NORTH, proxy="http://127.0.0.1:9"))
    with (
        StudioClient.from_env("north", token=TOKEN, max_retries=0) as studio,
        pytest.raises(APIConnectionError, match=r"127\.0\.0\.1:9"),
    ):
        studio.request("GET", "/ping")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


def save_for(box: Sandbox) -> Profile:
    profile = replace(NORTH, url=box.url, client_id=box.client_id, client_secret=box.client_secret)
    profiles.save(profile)
    tokens = box.oauth_token() | {"url": box.url}
    profile.token_store().save(Tokens.from_dict(tokens))
    return profile


def test_a_client_made_from_a_profile_works_and_refreshes_into_it(box: Sandbox, home: Path) -> None:
    save_for(box)
    before = (home / "tokens/north.json").read_text()
    box.faults.add(revoke=True, times=1)
    with StudioClient.from_env("north") as studio:
        assert studio.request("GET", "/ping") == "pong"
    assert (home / "tokens/north.json").read_text() != before
    with StudioClient.from_env() as studio:
        assert studio.request("GET", "/ping") == "pong"
    assert [request.path for request in box.requests].count("/api/public/oauth/token") == 1


def test_a_key_from_the_environment_keeps_its_tokens_in_the_file_that_is_named(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tokens.json"
    set_environment(
        monkeypatch,
        URL=box.url,
        CLIENT_ID=box.client_id,
        CLIENT_SECRET=box.client_secret,
        TOKEN_FILE=str(file),
    )
    with StudioClient.from_env() as studio, pytest.raises(LoginRequiredError):
        studio.request("GET", "/ping")
    FileTokenStore(file).save(Tokens.from_dict(box.oauth_token() | {"url": box.url}))
    with StudioClient.from_env() as studio:
        assert studio.request("GET", "/ping") == "pong"


def test_tokens_of_one_school_are_not_sent_to_another(box: Sandbox) -> None:
    """Somebody has changed the URL in the file."""
    profile = save_for(box)
    with Sandbox(media=0) as other:
        profiles.save(replace(profile, url=other.url))
        with StudioClient.from_env() as studio, pytest.raises(StudioError):
            studio.request("GET", "/ping")
        assert other.requests == ()
