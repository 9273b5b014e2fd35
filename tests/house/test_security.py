"""Each statement of SECURITY.md is held by tests that it names; here are those that stand nowhere else."""

from __future__ import annotations

import copy
import csv
import inspect
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trustme
from canvas_studio import APIStatusError, OAuth, StudioClient
from canvas_studio.cli.commands import login
from canvas_studio.profiles import Profile
from canvas_studio.sandbox import Sandbox
from support.fault_server import (
    TOKEN,
    Answer,
    FaultServer,
    json_answer,
    media_item,
    media_named_in_path,
    paged,
    person,
    redirect,
)
from support.gateways import Proxy, TlsFront
from support.statements import is_defined, statements

if TYPE_CHECKING:
    from canvas_studio import Source
    from support.forms import Form

HOUSE = Path(__file__).parent.parent.parent
SECURITY = (HOUSE / "SECURITY.md").read_text(encoding="utf-8")
API = "/api/public/v1"
ROW = re.compile(r"^\| (.+?) … \| (.+) \|$", re.MULTILINE)


def section(title: str) -> str:
    return SECURITY.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows() -> list[tuple[str, list[str]]]:
    return [
        (start, re.findall(r"`([^`]+)`", tests))
        for start, tests in ROW.findall(section("Which test holds which statement"))
    ]


def test_each_statement_has_a_row_with_its_tests() -> None:
    promised, not_promised = (statements(section(f"What is {what}")) for what in ("promised", "not promised"))
    assert len(promised) >= 30
    assert len(not_promised) >= 10
    for sentence, (start, _) in zip([*promised, *not_promised], rows(), strict=True):
        assert sentence.startswith(start), f"{sentence!r} stands beside {start!r}"


def test_only_a_statement_that_says_so_has_no_test() -> None:
    for start, tests in rows():
        assert bool(tests) is not start.endswith("not tried"), start


@pytest.mark.parametrize("test", sorted({test for _, tests in rows() for test in tests}))
def test_a_test_that_holds_a_statement_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert is_defined(name, (HOUSE / file).read_text(encoding="utf-8")), test


@pytest.mark.parametrize("maker", [StudioClient, StudioClient.from_env, StudioClient.with_options, OAuth])
def test_no_argument_turns_the_check_of_certificates_off(maker: object) -> None:
    assert callable(maker)
    parameters = set(inspect.signature(maker).parameters)
    assert not {name for name in parameters if re.search("verif|insecure|trust|ssl|tls|check|unsafe", name)}
    if "ca_bundle" in parameters and maker is StudioClient:
        # Requests takes False for that.
        for none in (False, 0, ""):
            with pytest.raises((TypeError, ValueError)):
                StudioClient("https://school.example.edu", token=TOKEN, ca_bundle=none)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_nothing_is_sent_but_what_is_asked_for(form: Form, tmp_path: Path) -> None:
    with Sandbox(media=45) as box:

        def asked() -> list[tuple[str, str]]:
            new = [(request.method, request.path) for request in box.requests]
            box.forget_requests()
            return new

        with StudioClient(box.url, token=box.token, max_retries=0) as studio:
            assert asked() == []
            media = form.items(studio.search_media(per_page=20))
            assert len(media) == 45
            assert asked() == [("GET", f"{API}/media/search")] * 3
            of_a_file = min((each.size, each.id) for each in media if each.size)[1]
            form.call(studio, "get_media", of_a_file)
            assert asked() == [("GET", f"{API}/media/{of_a_file}")]
            form.call(studio, "download_media", of_a_file, tmp_path / "file.mp4")
            of_studio, of_storage = asked()
            assert of_studio == ("GET", f"{API}/media/{of_a_file}/download")
            assert of_storage[1].startswith(f"/media/{of_a_file}/")
        assert asked() == []


@pytest.mark.parametrize("name", ["evil.sh", "../evil.sh", "/tmp/evil.sh", "..\\evil.sh"])  # noqa: S108
def test_a_download_is_written_under_no_name_that_a_server_gives(form: Form, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    headers = {"Content-Type": "video/mp4", "Content-Disposition": f'attachment; filename="{name}"'}
    file = Answer(headers=headers, body=b"\0" * 1000)
    with (
        FaultServer(file) as storage,
        FaultServer(redirect(f"{storage.url}/{quote(name, safe='')}")) as server,
        StudioClient(server.url, token=TOKEN) as studio,
    ):
        form.call(studio, "download_media", 1, folder / "mine.mp4")
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()] == [
        "folder/mine.mp4"
    ]


ADDRESS = "ada@example.edu"
SIGNED = "https://files.example.edu/1.mp4?Signature=s1gnature-2718281828"


def source_of(form: Form) -> Source:
    """A source as Studio lists it, with two signed URLs."""
    with FaultServer(paged([{"url": SIGNED, "download_url": SIGNED}], "sources", meta=False)) as server:
        [source] = form.items(server.client().list_media_sources(1))
    return source


def test_a_source_shows_no_query_of_its_signed_url(form: Form) -> None:
    source = source_of(form)
    for shown in (repr(source), str(source), repr([source]), f"{source}"):
        assert "files.example.edu/1.mp4" in shown
        assert "s1gnature" not in shown


def test_sources_hold_signed_urls_wherever_they_go(form: Form, tmp_path: Path) -> None:
    source = source_of(form)
    assert source.url == source.download_url == SIGNED
    assert pickle.loads(pickle.dumps(source)).url == copy.copy(source).url == source.to_dict()["url"] == SIGNED  # noqa: S301 - our own
    with FaultServer(paged([source.to_dict()], "sources", meta=False)) as server:
        sources = server.client().list_media_sources(1)
        assert SIGNED in form.call(sources, "to_csv", tmp_path / "sources.csv").read_text()
        assert form.call(sources, "to_arrow")["url"].to_pylist() == [SIGNED]


def test_an_upload_slot_is_not_pickled(form: Form) -> None:
    with Sandbox() as box, box.client() as studio:
        slot = form.call(studio, "create_upload")
    assert "?" in slot.url
    with pytest.raises(TypeError, match="UploadSlot"):
        pickle.dumps(slot)


def test_addresses_are_not_masked(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged([media_item(1, owner=person(email=ADDRESS))])) as server:
        listing = server.client().search_media()
        [media] = form.items(listing)
        assert media.owner is not None
        assert media.owner.email == ADDRESS
        assert ADDRESS in form.call(listing, "to_csv", tmp_path / "media.csv").read_text()
    with FaultServer(json_answer({"error": "No."}, 403)) as server:
        studio = server.client()
        with pytest.raises(APIStatusError) as raised:
            form.items(studio.search_media(owner=ADDRESS))
        assert quote(ADDRESS) in raised.value.url
        with pytest.raises(APIStatusError) as raised:
            form.items(studio.search_users(email=ADDRESS))
        assert quote(ADDRESS) in raised.value.url


def test_a_csv_file_holds_titles_as_they_are(form: Form, tmp_path: Path) -> None:
    title = '=HYPERLINK("https://evil.example","grades")'
    with FaultServer(paged([media_item(1, title=title)])) as server:
        for safe in (False, True):
            path = form.call(server.client().search_media(), "to_csv", tmp_path / "media.csv", safe=safe)
            with path.open(newline="") as file:
                assert [row["title"] for row in csv.DictReader(file)] == [f"'{title}" if safe else title]


def test_a_client_keeps_its_token(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(media_named_in_path) as server:
        monkeypatch.setenv("CANVAS_STUDIO_URL", server.url)
        monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
        with StudioClient.from_env() as studio:
            monkeypatch.delenv("CANVAS_STUDIO_TOKEN")
            assert form.call(studio, "get_media", 1).id == 1
        assert TOKEN in server.requests[0].headers["authorization"]


def test_the_code_of_a_login_is_read_from_what_the_terminal_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def recorded(_question: str, *, hidden: bool = False) -> str:
        asked.append(hidden)
        raise EOFError

    monkeypatch.setattr(login, "ask", recorded)
    wanted = Profile(name="north", url="https://north.example.edu", client_id="id", client_secret="secret")
    with pytest.raises(EOFError):
        login._sign_in(wanted, browser=False)  # pyright: ignore[reportPrivateUsage]
    assert asked == [False]


def test_whoever_sets_the_proxy_and_the_certificates_reads_the_token(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "studio.example.edu"
    theirs = trustme.CA()
    bundle = tmp_path / "theirs.pem"
    theirs.cert_pem.write_to_path(bundle)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "NO_PROXY", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with (
        FaultServer(media_named_in_path) as reads,
        TlsFront(theirs.issue_cert(place), reads.url) as front,
        Proxy({f"{place}:443": front}) as proxy,
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with StudioClient(place, token=TOKEN) as studio:
            assert form.call(studio, "get_media", 1).id == 1
    assert TOKEN in reads.requests[0].headers["authorization"]
