"""Keyrings that do not protect what they are given are refused; what is in them can be removed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import KeyringTokenStore, OAuth, Tokens, TokenStoreError, profiles
from canvas_studio._keyring import Keyring
from canvas_studio.cli.app import app
from canvas_studio.profiles import Profile
from canvas_studio.sandbox import Sandbox
from support.fault_server import FaultServer, json_answer
from support.keyrings import FakeKeyring
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.forms import Form

SECRET = "secret-of-the-keyrings-2718281828"
TOKEN = "token-of-the-keyrings-1618033988"
NORTH = Profile(
    name="north",
    url="https://north.instructuremedia.com",
    client_id="key-of-north",
    client_secret=SECRET,
    store="keyring",
)
REMEDY = "--no-keyring`, or FileTokenStore"


def backend(module: str, name: str, **attributes: Any) -> Any:
    made = type(name, (), {"__module__": module})()
    vars(made).update(attributes)
    return made


PLAIN = backend("keyrings.alt.file", "PlaintextKeyring")
GOOD = backend("keyring.backends.SecretService", "Keyring")
NONE = backend("keyring.backends.fail", "Keyring")
NULL = backend("keyring.backends.null", "Keyring")


class PlaintextKeyring:
    """A keyring of somebody else's in plain text."""


class Derived(PlaintextKeyring):
    """Under another name."""


REFUSED = {
    "plain": PLAIN,
    "derived": Derived(),
    "chained": backend("keyring.backends.chainer", "ChainerBackend", backends=[GOOD, PLAIN]),
    "empty chain": backend("keyring.backends.chainer", "ChainerBackend", backends=[]),
    "wrapped": backend("keyrings.alt.multi", "MultipartKeyringWrapper", _keyring=PLAIN),
    "none": NONE,
    "null": NULL,
}
ACCEPTED = {
    "secret service": GOOD,
    "encrypted": backend("keyrings.alt.file", "EncryptedKeyring"),
    "chained": backend(
        "keyring.backends.chainer", "ChainerBackend", backends=[GOOD, backend("keyring.backends.macOS", "Keyring")]
    ),
}


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    fake = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    return fake


def use(keyring: FakeKeyring, chosen: object) -> None:
    vars(keyring)["get_keyring"] = lambda: chosen


USES: dict[str, Callable[[], object]] = {
    "store.save": lambda: KeyringTokenStore("ada").save(Tokens(TOKEN)),
    "store.load": lambda: KeyringTokenStore("ada").load(),
    "check_keyring": profiles.check_keyring,
    "token_store": NORTH.token_store,
    "secret": lambda: replace(NORTH, client_secret=None).secret(),
    "save": lambda: profiles.save(NORTH),
    "save with tokens": lambda: profiles.save(NORTH, Tokens(TOKEN)),
}


@pytest.mark.parametrize("chosen", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("call", USES.values(), ids=USES)
def test_a_keyring_that_does_not_protect_is_refused_with_what_to_do(
    chosen: object, call: Callable[[], object], keyring: FakeKeyring, tmp_path: Path
) -> None:
    use(keyring, chosen)
    with pytest.raises(TokenStoreError, match=REMEDY) as raised:
        call()
    assert keyring.kept == {}
    assert SECRET not in str(raised.value)
    assert not any(TOKEN in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_a_plain_text_keyring_is_refused_before_the_code_is_exchanged(form: Form, keyring: FakeKeyring) -> None:
    """The code works once, so it would be lost."""
    use(keyring, PLAIN)
    with FaultServer(json_answer({})) as server:
        oauth = OAuth("key", SECRET, store=KeyringTokenStore("ada"), url=server.url)
        with pytest.raises(TokenStoreError, match="plain text") as raised:
            form.call(oauth, "exchange", "code-of-the-keyrings")
        assert server.requests == []
    assert REMEDY in str(raised.value)


def test_a_plain_text_keyring_is_named(keyring: FakeKeyring) -> None:
    use(keyring, REFUSED["chained"])
    with pytest.raises(TokenStoreError, match=r"PlaintextKeyring \(keyrings.alt.file\) stores secrets in plain text"):
        profiles.check_keyring()


@pytest.mark.parametrize("module", ["keyring.backends.Windows", "keyring.backends.SecretService"])
def test_tokens_that_the_credential_store_of_windows_cannot_hold_are_refused_with_what_to_do(
    module: str, keyring: FakeKeyring
) -> None:
    use(keyring, backend("keyring.backends.chainer", "ChainerBackend", backends=[backend(module, "WinVaultKeyring")]))
    store = Keyring("canvas-studio")
    store.set("north", "x" * 1280)
    if module.endswith("Windows"):
        for secret in ("x" * 1281, "\N{CLAPPER BOARD}" * 641):
            with pytest.raises(TokenStoreError, match="takes 1,280: keep them in a file"):
                store.set("south", secret)
    else:
        store.set("south", "x" * 1281)
    assert ("canvas-studio", "south") in keyring.kept or module.endswith("Windows")


@pytest.mark.parametrize("chosen", ACCEPTED.values(), ids=ACCEPTED)
def test_a_keyring_that_encrypts_is_used(chosen: object, keyring: FakeKeyring) -> None:
    use(keyring, chosen)
    profiles.save(NORTH, Tokens(TOKEN, url=NORTH.url))
    found = profiles.load("north")
    assert found.secret() == SECRET
    tokens = found.token_store().load()
    assert tokens is not None
    assert tokens.access_token == TOKEN


def test_what_an_earlier_version_put_into_a_plain_text_keyring_can_be_removed(
    keyring: FakeKeyring, tmp_path: Path
) -> None:
    def fill() -> None:
        use(keyring, GOOD)
        profiles.save(NORTH, Tokens(TOKEN, url=NORTH.url))
        KeyringTokenStore("ada").save(Tokens(TOKEN))
        use(keyring, PLAIN)

    fill()
    profiles.forget_tokens(profiles.load("north"))
    assert set(keyring.kept) == {("canvas-studio", "north/client_secret"), ("canvas-studio", "ada")}
    KeyringTokenStore("ada").save(None)
    profiles.delete("north")
    assert keyring.kept == {}
    assert profiles.names() == []
    fill()
    (tmp_path / "home/profiles/north.toml").write_text("not TOML")
    profiles.delete("north")
    assert set(keyring.kept) == {("canvas-studio", "ada")}


def test_a_profile_in_a_plain_text_keyring_can_be_moved_into_files(keyring: FakeKeyring) -> None:
    with Sandbox(media=0) as box:
        north = replace(NORTH, url=box.url, client_id=box.client_id, client_secret=box.client_secret)
        profiles.save(north, Tokens(TOKEN, url=north.url))
        use(keyring, PLAIN)
        page = OAuth(box.client_id, box.client_secret, url=box.url).authorization_url()
        arguments = ["login", "north", "--no-keyring", "--client-secret-stdin"]
        result = CliRunner().invoke(app, arguments, input=f"{box.client_secret}\n{box.authorize(page)}\n")
        assert result.exit_code == 0, result.output
        assert profiles.load("north").store == "file"
        assert keyring.kept == {}


def test_a_secret_in_a_plain_text_keyring_is_asked_for_again(keyring: FakeKeyring) -> None:
    profiles.save(NORTH)
    use(keyring, PLAIN)
    result = CliRunner().invoke(app, ["login", "north", "--no-keyring"])
    assert result.exit_code == 2
    assert "plain text" in result.output
    assert "--client-secret-stdin" in result.output


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keyrings.alt.file", "PlaintextKeyring"),
        ("keyring.backends.fail", "Keyring"),
        ("keyring.backends.null", "Keyring"),
    ],
)
def test_the_real_keyrings_that_do_not_protect_are_refused(
    module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = pytest.importorskip("keyring")
    chosen = getattr(pytest.importorskip(module), name)()
    for variable in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "CANVAS_STUDIO_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(keyring, "get_keyring", lambda: chosen)
    monkeypatch.setattr("keyring.core.get_keyring", lambda: chosen)
    for call in USES.values():
        with pytest.raises(TokenStoreError, match=REMEDY):
            call()
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert TOKEN not in json.dumps(written)
