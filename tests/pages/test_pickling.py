"""Clients, listings, checkpoints and items can be pickled; a pickle says where a secret is, and never holds it."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import FileTokenStore, MemoryTokenStore, OAuth, ResponseDecodeError, StudioClient
from canvas_studio.sandbox import Sandbox
from support.fault_server import TOKEN, FaultServer, library_of, media_item, paged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from canvas_studio import Listing
    from support.forms import Form

VARIABLES = ("URL", "TOKEN", "CLIENT_ID", "CLIENT_SECRET", "TOKEN_FILE", "PROFILE")
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own variables decide about a test."""
    for name in VARIABLES:
        monkeypatch.delenv(f"CANVAS_STUDIO_{name}", raising=False)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A library of 45 media."""
    with FaultServer(paged(library_of(45))) as server:
        yield server


def load(data: bytes) -> Any:
    """What is in a pickle of our own."""
    return pickle.loads(data)  # noqa: S301 - of our own


def again(value: Any) -> Any:
    """A value as it comes out of its pickle, in which no token is."""
    data = pickle.dumps(value)
    assert TOKEN.encode() not in data
    return load(data)


def tokens_sent(server: FaultServer) -> set[str]:
    return {request.headers["authorization"].removeprefix("Bearer ") for request in server.requests}


def progress_of_the_tests(_done: int, _total: int | None) -> None:
    """A callable that pickles."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_whose_token_is_in_the_environment_pickles_without_it(
    form: Form, server: FaultServer, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    data = pickle.dumps(StudioClient(server.url, token=TOKEN), protocol)
    assert TOKEN.encode() not in data
    with load(data) as studio:
        assert studio.url == server.url
        assert form.call(studio.search_media(), "total") == 45
    assert tokens_sent(server) == {TOKEN}


def test_a_client_with_a_token_of_its_own_says_what_to_do(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = server.client()
    for held in (None, "another-token"):
        if held:
            monkeypatch.setenv("CANVAS_STUDIO_TOKEN", held)
        for value in (studio, studio.search_media(), studio.search_media().limit(3)):
            with pytest.raises(TypeError, match="CANVAS_STUDIO_TOKEN") as raised:
                pickle.dumps(value)
            assert TOKEN not in str(raised.value)
            assert "another-token" not in str(raised.value)


def test_a_client_of_the_environment_is_found_there_again(
    form: Form, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_URL", server.url)
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    data = pickle.dumps(StudioClient.from_env())
    assert TOKEN.encode() not in data
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", "the-token-of-tomorrow")
    with load(data) as studio:
        form.call(studio.search_media(), "first")
    assert tokens_sent(server) == {"the-token-of-tomorrow"}


def test_a_client_of_the_environment_whose_token_is_gone_says_so_when_it_is_loaded(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    data = pickle.dumps(StudioClient(server.url, token=TOKEN))
    monkeypatch.delenv("CANVAS_STUDIO_TOKEN")
    with pytest.raises(Exception, match="CANVAS_STUDIO_TOKEN"):
        load(data)


def test_the_options_of_a_client_come_along(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_URL", server.url)
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    options: dict[str, Any] = {"timeout": 7.5, "max_retries": 4, "retry_delay": 0.25, "max_concurrency": 3}
    options["max_connections"] = 5
    for studio in (StudioClient(server.url, token=TOKEN, **options), StudioClient.from_env(**options)):
        for one in (studio, studio.with_options(read_timeout=3.5, max_rate=100.0)):
            assert repr(again(one)) == repr(one)
            assert pickle.dumps(again(one)) == pickle.dumps(one)
    quick, slow = (again(StudioClient(server.url, token=TOKEN, timeout=seconds)) for seconds in (7.5, 8.5))
    assert pickle.dumps(quick) != pickle.dumps(slow)


def signed_in(box: Sandbox, home: Path) -> tuple[str, ...]:
    """A profile `myschool` of a sandbox, and what of it is secret."""
    profile = home / "profiles/myschool.toml"
    profile.parent.mkdir(parents=True)
    profile.touch(mode=0o600)
    key = f'client_id = "{box.client_id}"\nclient_secret = "{box.client_secret}"\n'
    profile.write_text(f'url = "{box.url}"\n{key}')
    store = FileTokenStore(home / "tokens/myschool.json")
    box.oauth(store=store)
    return secrets_of(box, store)


def secrets_of(box: Sandbox, store: FileTokenStore | MemoryTokenStore) -> tuple[str, ...]:
    tokens = store.load()
    assert tokens is not None
    assert tokens.refresh_token is not None
    return box.client_secret, tokens.access_token, tokens.refresh_token


def test_a_client_of_a_profile_pickles_as_its_name(form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path))
    with Sandbox(media=45) as box:
        secrets = signed_in(box, tmp_path)
        studio = StudioClient.from_env("myschool")
        for value in (studio, studio.search_media()):
            data = pickle.dumps(value)
            assert b"myschool" in data
            assert not [secret for secret in secrets if secret.encode() in data]
        assert form.call(again(studio).search_media(), "total") == 45
        assert len(form.items(again(studio.search_media()))) == 45


def test_oauth_pickles_with_its_store_and_without_its_secret(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(media=45) as box:
        store = FileTokenStore(tmp_path / "tokens.json")
        box.oauth(store=store)
        monkeypatch.setenv("CANVAS_STUDIO_CLIENT_SECRET", box.client_secret)
        studio = StudioClient(box.url, auth=OAuth(box.client_id, box.client_secret, store=store))
        data = pickle.dumps(studio)
        assert not [secret for secret in secrets_of(box, store) if secret.encode() in data]
        assert form.call(load(data).search_media(), "total") == 45


def test_oauth_whose_secret_is_not_in_the_environment_says_what_to_do(tmp_path: Path) -> None:
    with Sandbox(media=5) as box:
        studio = StudioClient(box.url, auth=box.oauth(store=FileTokenStore(tmp_path / "tokens.json")))
        with pytest.raises(TypeError, match="CANVAS_STUDIO_CLIENT_SECRET") as raised:
            pickle.dumps(studio)
        assert box.client_secret not in str(raised.value)


def test_tokens_in_memory_do_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(media=5) as box:
        monkeypatch.setenv("CANVAS_STUDIO_CLIENT_SECRET", box.client_secret)
        store = MemoryTokenStore()
        studio = StudioClient(box.url, auth=box.oauth(store=store))
        with pytest.raises(TypeError):
            pickle.dumps(studio)


def test_a_listing_comes_along_with_its_options_and_without_what_was_read_of_it(
    form: Form, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    listing = server.client().search_media(title="algebra", page=2, per_page=10).limit(25)
    listing = listing.with_options(consistent=True, progress=progress_of_the_tests, thumbnails=True)
    form.items(listing)
    loaded = again(listing)
    assert repr(loaded) == repr(listing)
    assert loaded.drift is None
    assert loaded.checkpoint().items == 0
    assert [media.id for media in form.items(loaded)] == list(range(11, 36))
    assert {request.parameters["title"] for request in server.requests} == {"algebra"}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("list_collections", {}),
        ("list_collection_media", {"id": 7}),
        ("list_media_users", {"id": 7, "min_permission": "edit"}),
        ("paginate", {"path": "/things", "key": "things", "params": {"kind": "new"}}),
        ("search_media", {"owner": "ada@example.edu", "page": 2}),
    ],
)
def test_every_listing_asks_the_same_when_it_was_pickled(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, method: str, arguments: dict[str, Any]
) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    listing: Listing[Any] = getattr(server.client(), method)(**arguments)
    loaded = again(listing)
    assert repr(loaded) == repr(listing)
    for one in (listing, loaded):
        with suppress(ResponseDecodeError):
            one.first()
    asked, asked_again = server.requests
    assert (asked.path, asked.query) == (asked_again.path, asked_again.query)


def test_the_parts_of_a_listing_ask_the_same_when_they_were_pickled(
    form: Form, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    for part in server.client().search_media(per_page=10).split(3):
        loaded = again(part)
        assert repr(loaded) == repr(part)
        assert form.items(loaded) == form.items(part) != []


def test_a_listing_is_read_in_another_process(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    script = """
        import pickle, sys
        listing = pickle.load(sys.stdin.buffer)
        reader = iter(listing)
        found = [next(reader).id for _ in range(12)]
        sys.stdout.buffer.write(pickle.dumps((found, listing.checkpoint())))
    """
    studio = server.client()
    data = pickle.dumps(studio.search_media(per_page=10))
    words = [sys.executable, "-c", textwrap.dedent(script)]
    found, checkpoint = load(subprocess.run(words, input=data, capture_output=True, check=True).stdout)
    assert found == list(range(1, 13))
    assert [media.id for media in studio.resume(checkpoint)] == list(range(13, 46))


def test_an_item_pickles_without_the_page_that_it_came_on(form: Form) -> None:
    items = [media_item(number, views=number, owner={"id": number, "email": None}) for number in range(1, 51)]
    with FaultServer(paged(items)) as server:
        found = form.items(server.client().search_media())
    one = pickle.dumps(found[7])
    assert len(one) < 2_000
    assert b"Lecture 9" not in one
    assert load(one).to_dict() == found[7].to_dict()
    assert [media.to_dict() for media in load(pickle.dumps(found))] == [media.to_dict() for media in found]
