"""No local variable of a frame of this package holds a secret when an error leaves it: error services print them."""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import canvas_studio
import pytest
from canvas_studio import OAuth, StudioClient, Tokens, _pickles, profiles
from canvas_studio._tracebacks import clear_locals
from canvas_studio.auth import FileTokenStore, KeyringTokenStore
from canvas_studio.cli.app import app
from canvas_studio.profiles import Profile
from support.keyrings import FakeKeyring
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator
    from types import FrameType

SECRET = "secret-in-frames-2718281828"
PACKAGE = str(Path(canvas_studio.__file__).parent)
NORTH = Profile(name="north", url="https://north.instructuremedia.com", client_id="key-of-north", client_secret=SECRET)


class SomebodyElsesError(Exception):
    """What no code of this package expects."""


class Room:
    """What the actions below have at hand."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, keyring: FakeKeyring) -> None:
        self.home = home
        self.monkeypatch = monkeypatch
        self.keyring = keyring

    def set(self, **variables: str) -> None:
        """Set variables of the environment."""
        for name, value in variables.items():
            self.monkeypatch.setenv(f"CANVAS_STUDIO_{name}", value)

    def write(self, text: str, mode: int = 0o600) -> None:
        """Write the profile by hand."""
        path = self.home / "profiles/north.toml"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def fail(self, owner: object, name: str) -> None:
        """Make a function raise what nobody expects."""

        def fails(*_: object, **__: object) -> None:
            raise SomebodyElsesError

        self.monkeypatch.setattr(owner, name, fails)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    for name in [name for name in os.environ if name.startswith("CANVAS_STUDIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    keyring = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", keyring.errors)
    return Room(tmp_path / "home", monkeypatch, keyring)


TOML = f'url = "https://a.example"\nclient_id = "x"\nclient_secret = "{SECRET}"\n'


def unknown_setting(room: Room) -> None:
    room.write(f'{TOML}timeuot = "3"\n')
    StudioClient.from_env("north")


def setting_of_another_type(room: Room) -> None:
    room.write(f"{TOML}proxy = 3\n")
    profiles.load("north")


def no_toml(room: Room) -> None:
    room.write(f"{TOML}=\n")
    profiles.load("north")


def url_of_no_school(room: Room) -> None:
    room.write(TOML.replace("https", "ftp"))
    profiles.load("north")


def profile_that_others_can_read(room: Room) -> None:
    room.write(TOML, 0o644)
    profiles.find(profile="north")


def profile_of_another_school(room: Room) -> None:
    room.write(TOML)
    profiles.find(profile="north", url="south")


def key_that_cannot_be_right(room: Room) -> None:
    room.write(f'{TOML}redirect_uri = "no URI"\n')
    profiles.find(profile="north")


def token_without_url(_: Room) -> None:
    StudioClient.from_env(token=SECRET)


def token_and_auth(_: Room) -> None:
    profiles.find(token=SECRET, auth=OAuth("id", SECRET))


def token_with_a_wrong_url(_: Room) -> None:
    profiles.find(url="ftp://a.example", token=SECRET)


def variable_without_url(room: Room) -> None:
    room.set(TOKEN=SECRET)
    StudioClient.from_env()


def variables_that_exclude_each_other(room: Room) -> None:
    room.set(TOKEN=SECRET, CLIENT_SECRET=SECRET)
    profiles.find()


def variable_that_is_missing(room: Room) -> None:
    room.set(URL="north", CLIENT_SECRET=SECRET)
    profiles.find()


def variable_that_cannot_be_right(room: Room) -> None:
    room.set(URL="north", CLIENT_ID="no id", CLIENT_SECRET=SECRET, TOKEN_FILE=str(room.home / "tokens.json"))
    StudioClient.from_env()


def variables_of_two_schools(room: Room) -> None:
    room.set(URL="north", TOKEN=SECRET)
    profiles.find(url="south")


def token_file_that_others_can_read(room: Room) -> None:
    path = room.home / "tokens.json"
    FileTokenStore(path).save(Tokens(SECRET))
    path.chmod(0o644)
    room.set(URL="north", CLIENT_ID="id", CLIENT_SECRET=SECRET, TOKEN_FILE=str(path))
    profiles.find()


def save_under_no_name(_: Room) -> None:
    profiles.save(replace(NORTH, name="no name"), Tokens(SECRET))


def save_what_cannot_be_written(_: Room) -> None:
    profiles.save(replace(NORTH, ca_bundle="\udc80"), Tokens(SECRET))


def save_where_nothing_can_be_written(room: Room) -> None:
    room.fail(profiles, "replace_file")
    profiles.save(NORTH, Tokens(SECRET))


def save_when_going_back_fails(room: Room) -> None:
    room.fail(profiles, "_put")
    room.fail(profiles, "replace_file")
    profiles.save(NORTH, Tokens(SECRET))


def save_into_a_locked_keyring(room: Room) -> None:
    room.keyring.locked = True
    profiles.save(replace(NORTH, store="keyring"))


def save_tokens_into_a_locked_keyring(room: Room) -> None:
    room.keyring.locked = True
    KeyringTokenStore("north").save(Tokens(SECRET))


def load_garbage_from_a_keyring(room: Room) -> None:
    room.keyring.kept["canvas-studio", "north"] = f"{SECRET}, but no JSON"
    KeyringTokenStore("north").load()


def delete_with_a_locked_keyring(room: Room) -> None:
    profiles.save(replace(NORTH, store="keyring"), Tokens(SECRET))
    room.write(f"{TOML}=\n".replace("client_secret", "secret"))
    room.keyring.locked = True
    profiles.delete("north")


def secret_from_a_locked_keyring(room: Room) -> None:
    profiles.save(replace(NORTH, store="keyring"))
    room.keyring.locked = True
    profiles.load("north").secret()


def client_with_a_wrong_option(room: Room) -> None:
    room.set(URL="north", TOKEN=SECRET)
    profiles.find().client(timeout=-1)


def pickle_a_token(_: Room) -> None:
    pickle.dumps(StudioClient("north", token=SECRET))


def pickle_a_secret(room: Room) -> None:
    room.write(TOML)
    pickle.dumps(OAuth("other", SECRET, store=FileTokenStore(room.home / "tokens.json")))


def unpickle_with_a_wrong_option(room: Room) -> None:
    room.set(TOKEN=SECRET)
    _pickles.client("north", "CANVAS_STUDIO_TOKEN", None, {"timeout": -1})


def log_in(*options: str) -> None:
    lines = f"{SECRET}\nhttps://app.example.edu/?code=code-{SECRET}&state=another\n"
    arguments = ["login", "north", "--client-id", "key", "--client-secret-stdin", *options]
    result = CliRunner().invoke(app, arguments, input=lines)
    assert result.exception is not None
    raise result.exception.with_traceback(result.exception.__traceback__)


def log_in_with_a_wrong_redirect_uri(_: Room) -> None:
    log_in("--redirect-uri", "no URI")


def log_in_without_an_end(_: Room) -> None:
    log_in()


def signed_in(wanted: Profile, *, browser: bool) -> Tokens:
    del wanted, browser
    return Tokens(SECRET)


def log_in_when_something_breaks(room: Room) -> None:
    room.fail(profiles, "save")
    room.monkeypatch.setattr("canvas_studio.cli.commands.login._sign_in", signed_in)
    log_in()


class RefusingStore:
    """A store of a user that does not save."""

    def load(self) -> Tokens:
        """Read tokens that do not say of which school they are, so that they are to be saved."""
        return Tokens(SECRET)

    def save(self, tokens: Tokens | None, /) -> None:
        """Refuse."""
        del tokens
        raise SomebodyElsesError

    @contextmanager
    def lock(self) -> Generator[None]:
        """Keep nobody away."""
        yield


class AwaitedStore:
    """The same for asyncio."""

    async def load(self) -> Tokens:
        """Read them."""
        return Tokens(SECRET)

    async def save(self, tokens: Tokens | None, /) -> None:
        """Refuse."""
        del tokens
        raise SomebodyElsesError

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Keep nobody away."""
        yield


def store_that_refuses(_: Room) -> None:
    StudioClient("north", auth=OAuth("id", SECRET, store=RefusingStore())).get_media(1)


def async_store_that_refuses(_: Room) -> None:
    asyncio.run(StudioClient("north", auth=OAuth("id", SECRET, store=AwaitedStore())).get_media_async(1))


ACTIONS = [
    value
    for name, value in list(globals().items())
    if inspect.isfunction(value) and value.__module__ == __name__ and name not in {"room", "log_in", "signed_in"}
]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and not any(error is each for each in seen):
        seen.append(error)
        yield error
        yield from (each for each in chain(error.__cause__) if not any(each is other for other in seen))
        error = error.__context__


def frames(error: BaseException) -> Iterator[FrameType]:
    for each in chain(error):
        traceback = each.__traceback__
        while traceback is not None:
            yield traceback.tb_frame
            traceback = traceback.tb_next


def holds(value: Any, depth: int = 6) -> bool:
    """Whether a value shows the secret, or leads to it."""
    if SECRET in repr(value):
        return True
    if not depth:
        return False
    inner: list[Any] = []
    if isinstance(value, (list, tuple)):
        inner = list(cast("list[Any]", value))
    elif isinstance(value, dict):
        inner = [*value.values()]
    elif type(value).__module__.startswith("canvas_studio"):
        inner = [getattr(value, name) for name in dir(value) if not name.startswith("__")]
    return any(holds(each, depth - 1) for each in inner)


def test_the_search_finds_secrets() -> None:
    for value in (SECRET, SECRET.encode(), {"a": [f"x{SECRET}"]}, NORTH, Tokens(SECRET), ("", [NORTH])):
        assert holds(value)
    assert not holds([replace(NORTH, client_secret="other"), "text", 1])


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
def test_no_frame_of_the_package_holds_a_secret_when_it_raises(action: Callable[[Room], None], room: Room) -> None:
    with pytest.raises((Exception, SystemExit)) as raised:
        action(room)
    own = [frame for frame in frames(raised.value) if frame.f_code.co_filename.startswith(PACKAGE)]
    assert own
    shown = {
        f"{frame.f_code.co_name}: {name}" for frame in own for name, value in frame.f_locals.items() if holds(value)
    }
    assert not shown


def test_the_locals_of_callers_stay(room: Room) -> None:
    with pytest.raises(canvas_studio.InvalidArgumentError) as raised:
        token_with_a_wrong_url(room)
    [caller] = [frame for frame in frames(raised.value) if frame.f_code.co_name == "token_with_a_wrong_url"]
    assert caller.f_locals == {"_": room}


async def test_the_arguments_of_an_async_call_that_never_started_stay() -> None:
    """They are locals of a frame that did not run, so nothing of this package could clear it."""
    oauth = OAuth("id", "secret", url="https://a.example.edu")
    task = asyncio.create_task(oauth.exchange_async(SECRET))
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    [own] = [frame for frame in frames(raised.value) if frame.f_code.co_filename.startswith(PACKAGE)]
    assert holds(own.f_locals)


def test_no_frame_behind_a_group_of_errors_holds_a_secret() -> None:
    names: dict[str, Any] = {}
    exec(compile("def work(secret):\n    raise ValueError", f"{PACKAGE}/work.py", "exec"), names)  # noqa: S102
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - it says nothing
        names["work"](SECRET)
    clear_locals(BaseExceptionGroup("", [ExceptionGroup("", [raised.value])]))
    found = [frame for frame in frames(raised.value) if frame.f_code.co_name == "work"]
    assert found
    assert not any(frame.f_locals for frame in found)


@pytest.mark.parametrize("action", [save_into_a_locked_keyring, save_tokens_into_a_locked_keyring])
def test_no_frame_of_a_keyring_holds_a_secret_when_it_raises(action: Callable[[Room], None], room: Room) -> None:
    room.monkeypatch.setattr(FakeKeyring, "get_password", nothing)
    room.monkeypatch.setattr(FakeKeyring, "set_password", refuses)
    with pytest.raises(canvas_studio.TokenStoreError) as raised:
        action(room)
    found = [frame for frame in frames(raised.value) if frame.f_code.co_name in {"refuses", "denies"}]
    assert {frame.f_code.co_name for frame in found} == {"refuses", "denies"}
    assert not any(frame.f_locals for frame in found)


def nothing(*_: object) -> None:
    pass


def refuses(_: FakeKeyring, service: str, name: str, password: str) -> None:
    del service, name
    try:
        denies(password)
    except OSError as error:
        raise RuntimeError("the backend failed") from error


def denies(password: str) -> None:
    raise OSError(f"denied, {len(password)} characters")


def test_what_clears_its_locals_keeps_its_name_and_signature() -> None:
    for function in (profiles.load, profiles.find, profiles.save, Profile.oauth, KeyringTokenStore.save):
        assert function.__doc__
        assert function.__module__.startswith("canvas_studio.")
        assert "args" not in inspect.signature(function).parameters
