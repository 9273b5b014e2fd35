"""Proxies and certificates: which route a request takes, whom the client trusts, and how it reports failures."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import trustme
from canvas_studio import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InvalidArgumentError,
    OAuth,
    StudioClient,
    StudioError,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.fault_server import (
    TOKEN,
    Answer,
    FaultServer,
    file_answer,
    json_answer,
    media_answer,
    media_named_in_path,
    redirect,
)
from support.gateways import Gateway, Proxy, TlsFront, forget_network_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.forms import Form

# Invented, and with all that a URL does not take as it is.
PASSWORD = "h:u/n#t?e r%2@2é"
WRITTEN = "h%3Au%2Fn%23t%3Fe%20r%252%402%C3%A9"
HOST = "studio.example.edu"
CONNECT = f"{HOST}:443"

Front: TypeAlias = "Callable[..., TlsFront]"
Connect: TypeAlias = "Callable[..., StudioClient]"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the network of the machine on which it runs."""
    forget_network_variables(monkeypatch)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of a school's own."""
    return trustme.CA(organization_name="Example Proxy CA")


@pytest.fixture(scope="module")
def good(authority: trustme.CA) -> trustme.LeafCert:
    """A certificate that is right for every server of the tests."""
    return authority.issue_cert(HOST, "storage.example.edu", "127.0.0.1", "localhost", common_name=HOST)


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority's certificate in a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def studio(good: trustme.LeafCert) -> Iterator[TlsFront]:
    """A Studio that speaks TLS."""
    with FaultServer(media_named_in_path) as server, TlsFront(good, server.url) as front:
        yield front


@pytest.fixture
def open_client() -> Iterator[Connect]:
    """`open_client(url, ...)` is a client that is closed after the test and does not wait before it tries again."""
    with contextlib.ExitStack() as stack:

        def opened(url: str, **options: Any) -> StudioClient:
            given: dict[str, Any] = {"token": TOKEN, "retry_delay": 0, "connect_timeout": 20, **options}
            return stack.enter_context(StudioClient(url, **given))

        yield opened


def told(error: BaseException) -> str:
    """All that an exception says, in whatever way."""
    return " ".join([*traceback.format_exception(error), repr(error), repr(vars(error))])


def refused(form: Form, client: StudioClient) -> str:
    """The message of the connection error that a call ends with; it holds no secret, and nothing was carried out."""
    with pytest.raises(APIConnectionError) as caught:
        form.call(client, "get_media", 1)
    assert not caught.value.outcome_unknown
    for secret in (TOKEN, PASSWORD, WRITTEN):
        assert secret not in told(caught.value)
    return str(caught.value)


def named_by(way: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options of a client that trusts a bundle, named in one of the ways in which it can be."""
    if way == "ca_bundle":
        return {"ca_bundle": path}
    monkeypatch.setenv(way, str(path))
    return {}


@pytest.mark.parametrize("way", ["ca_bundle", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_authority_of_the_schools_own_is_trusted_when_it_is_named(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_client(studio.url, **named_by(way, bundle, monkeypatch))
    assert form.call(client, "get_media", 5).id == 5


def test_a_folder_of_certificates_and_a_path_as_text_do_too(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path
) -> None:
    (bundle.parent / "README").write_text("no certificate")
    for named in (bundle.parent, str(bundle)):
        assert form.call(open_client(studio.url, ca_bundle=named), "get_media", 5).id == 5


def test_the_argument_comes_before_requests_and_that_before_openssl(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert f"not in {other} (SSL_CERT_FILE)" in refused(form, open_client(studio.url))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert form.call(open_client(studio.url), "get_media", 5).id == 5
    message = refused(form, open_client(studio.url, ca_bundle=other))
    assert f"not in {other} (ca_bundle)" in message
    assert "add that authority's certificate to it" in message


def test_openssls_folder_is_read_besides_its_file(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    folder = tmp_path / "folder"
    folder.mkdir()
    bundle.rename(folder / "a1b2c3d4.0")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert form.call(open_client(studio.url), "get_media", 5).id == 5


def test_an_unknown_authority_is_named_with_what_to_do(form: Form, open_client: Connect, studio: TlsFront) -> None:
    message = refused(form, open_client(studio.url))
    assert message.startswith('no connection to 127.0.0.1: its certificate "CN=studio.example.edu,')
    assert 'O=Example Proxy CA", comes from an authority that is not in the trust store of this machine' in message
    assert 'ca_bundle="/path/to/ca.pem" or REQUESTS_CA_BUNDLE' in message
    assert studio.connections == 1


def dated(authority: trustme.CA, begin: timedelta, end: timedelta) -> trustme.LeafCert:
    """A certificate that is good between two moments, counted from now."""
    now = datetime.now(UTC)
    return authority.issue_cert("127.0.0.1", common_name=HOST, not_before=now + begin, not_after=now + end)


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [(-30, -2, "expired on {end:%Y-%m-%d}"), (2, 30, "is valid only from {begin:%Y-%m-%d}")],
    ids=["expired", "not yet valid"],
)
def test_a_certificate_out_of_its_time_says_when_that_was_and_what_the_clock_says(
    form: Form, open_client: Connect, authority: trustme.CA, bundle: Path, begin: int, end: int, words: str
) -> None:
    certificate = dated(authority, timedelta(days=begin), timedelta(days=end))
    now = datetime.now(UTC)
    with FaultServer(media_answer(1)) as server, TlsFront(certificate, server.url) as front:
        message = refused(form, open_client(front.url, ca_bundle=bundle))
        assert front.connections == 1
    assert 'its certificate "CN=studio.example.edu,' in message
    assert words.format(begin=now + timedelta(days=begin), end=now + timedelta(days=end)) in message
    assert f"this machine's clock says {now:%Y-%m-%d}" in message


def test_of_a_chain_the_certificate_that_expired_is_named(
    form: Form, open_client: Connect, authority: trustme.CA, bundle: Path
) -> None:
    """As in 2021, when one between the servers and their authority expired, and not the servers' own."""
    between = trustme.CA(authority, organization_name="Example Department")
    certificate = between.issue_cert("127.0.0.1", common_name=HOST)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = x509.load_pem_x509_certificate(between.cert_pem.bytes())
    builder = x509.CertificateBuilder(
        expired.issuer, expired.subject, expired.public_key(), 1, datetime(2000, 1, 1, tzinfo=UTC), yesterday
    )
    for extension in expired.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    chain = [builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)]
    certificate = trustme.LeafCert(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes(), chain)
    with FaultServer(media_answer(1)) as server, TlsFront(certificate, server.url) as front:
        message = refused(form, open_client(front.url, ca_bundle=bundle))
    assert f"expired on {yesterday:%Y-%m-%d}" in message
    assert 'its certificate "OU=Testing CA' in message
    assert 'O=Example Department", issued by' in message


def test_a_certificate_for_another_host_says_for_which(
    form: Form, open_client: Connect, authority: trustme.CA, bundle: Path
) -> None:
    certificate = authority.issue_cert("login.example.edu", "10.0.0.1", common_name="Login page")
    with FaultServer(media_answer(1)) as server, TlsFront(certificate, server.url) as front:
        message = refused(form, open_client(front.url, ca_bundle=bundle))
        assert front.connections == 1
    assert 'is for "login.example.edu", "10.0.0.1", not for "127.0.0.1"' in message


def test_an_authoritys_certificate_is_no_servers(
    form: Form, open_client: Connect, authority: trustme.CA, bundle: Path
) -> None:
    # trustme's own have no name of a host; that is looked at later.
    between = trustme.CA(authority, organization_name="Example Department")
    itself = trustme.LeafCert(between.private_key_pem.bytes(), between.cert_pem.bytes(), [])
    with FaultServer(media_answer(1)) as server, TlsFront(itself, server.url) as front:
        message = refused(form, open_client(front.url, ca_bundle=bundle))
    assert "belongs to an authority, and no server may use such a certificate" in message


class Mumbling(Gateway):
    """Answers everything in the clear."""

    def converse(self, near: socket.socket) -> None:
        """Answer."""
        near.recv(65_536)
        near.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Hasty(Gateway):
    """Leaves as soon as it knows what the client wants to speak."""

    spoken: str | None = None

    def converse(self, near: socket.socket) -> None:
        """Look, and leave."""
        if isinstance(near, ssl.SSLSocket):
            self.spoken = near.selected_alpn_protocol()
        else:
            near.recv(65_536)


def test_a_server_without_tls_is_told_from_one_with_a_wrong_certificate(form: Form, open_client: Connect) -> None:
    with Mumbling() as server:
        message = refused(form, open_client(f"https://127.0.0.1:{server.port}"))
        assert server.connections == 1
    assert "the server 127.0.0.1 does not speak TLS there: check the host and the port" in message
    with Hasty() as server:
        message = refused(form, open_client(f"https://127.0.0.1:{server.port}"))
        assert server.connections == 3
    assert "the server 127.0.0.1 ended the TLS handshake" in message


def test_http2_is_offered(open_client: Connect, bundle: Path, good: trustme.LeafCert) -> None:
    with Hasty(good, ("h2", "http/1.1")) as server:
        with pytest.raises(StudioError):
            open_client(server.url, ca_bundle=bundle, max_retries=0).get_media(1)
        assert server.spoken == "h2"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("content", [None, "", "no certificate"], ids=["missing", "empty", "text"])
def test_a_variable_that_names_no_certificates_is_named_itself(
    form: Form,
    open_client: Connect,
    studio: TlsFront,
    tmp_path: Path,
    variable: str,
    content: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "named.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(StudioError, match=f"the environment variable {variable} names {path}: it ") as caught:
        form.call(open_client(studio.url), "get_media", 1)
    assert type(caught.value) is StudioError
    assert studio.connections == 1


def test_what_is_not_encrypted_needs_no_certificates(
    form: Form, open_client: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing"))
    with FaultServer(media_answer(1)) as server:
        assert form.call(open_client(server.url), "get_media", 1).id == 1


@pytest.mark.parametrize("written", ["argument", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"])
def test_a_proxy_is_given_its_password_and_nothing_else(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy({CONNECT: studio}, user="me", password=PASSWORD) as proxy:
        url = f"http://me:{WRITTEN}@127.0.0.1:{proxy.port}"
        if written != "argument":
            monkeypatch.setenv(written, url)
        client = open_client(HOST, ca_bundle=bundle, proxy=url if written == "argument" else None)
        assert form.call(client, "get_media", 5).id == 5
        assert form.call(client.with_options(connect_timeout=21), "get_media", 6).id == 6
        assert proxy.places == [CONNECT, CONNECT]
        assert all("\r\nauthorization" not in head.lower() for head in proxy.heads)
        for secret in (TOKEN, "/media/5"):
            assert secret.encode() not in proxy.seen
        for secret in ("127.0.0.1", "me:", PASSWORD, WRITTEN):
            assert secret not in repr(client)


@pytest.mark.parametrize("is_argument", [True, False], ids=["argument", "HTTPS_PROXY"])
@pytest.mark.parametrize(
    ("user", "words"),
    [("", "requires a user and a password: give them as"), ("me:wrong-password@", "rejects the user and password")],
    ids=["none", "wrong"],
)
def test_a_proxy_that_wants_a_password_says_how_it_is_given(
    form: Form, open_client: Connect, user: str, words: str, monkeypatch: pytest.MonkeyPatch, *, is_argument: bool
) -> None:
    with Proxy(user="me", password=PASSWORD) as proxy:
        url = f"http://{user}127.0.0.1:{proxy.port}"
        if not is_argument:
            monkeypatch.setenv("HTTPS_PROXY", url)
        message = refused(form, open_client(HOST, proxy=url if is_argument else None))
        assert message.startswith(f"no connection to {HOST}: the proxy http://127.0.0.1:{proxy.port} {words}")
        place = "proxy=" if is_argument else "HTTPS_PROXY="
        assert f'{place}"http://user:password@host:port"' in message
        assert "wrong-password" not in message
        assert proxy.connections == 1


def test_a_download_takes_the_same_way(
    form: Form, open_client: Connect, good: trustme.LeafCert, bundle: Path, tmp_path: Path
) -> None:
    storage_place = "storage.example.edu:8443"
    with contextlib.ExitStack() as stack:
        storage = stack.enter_context(FaultServer(lambda request: file_answer(request, b"video")))
        server = stack.enter_context(FaultServer(redirect(f"https://{storage_place}/file?Signature=s1gnature")))
        routes = {
            CONNECT: stack.enter_context(TlsFront(good, server.url)),
            storage_place: stack.enter_context(TlsFront(good, storage.url)),
        }
        proxy = stack.enter_context(Proxy(routes, user="me", password=PASSWORD))
        client = open_client(HOST, ca_bundle=bundle, proxy=f"http://me:{WRITTEN}@127.0.0.1:{proxy.port}")
        path = form.call(client, "download_media", 1, tmp_path / "lecture.mp4")
        assert path.read_bytes() == b"video"
        assert proxy.places == [CONNECT, storage_place]
        assert "authorization" not in storage.requests[0].headers
        assert b"s1gnature" not in proxy.seen


def test_a_storage_hosts_certificate_is_told_as_its_own(
    form: Form, open_client: Connect, good: trustme.LeafCert, bundle: Path, tmp_path: Path
) -> None:
    other = trustme.CA().issue_cert("localhost", common_name="storage.example.edu")
    with (
        FaultServer(media_answer(1)) as storage,
        TlsFront(other, storage.url) as storage_front,
        FaultServer(redirect(f"https://localhost:{storage_front.port}/file?Signature=s1gnature")) as server,
        TlsFront(good, server.url) as front,
        pytest.raises(APIConnectionError) as caught,
    ):
        form.call(open_client(front.url, ca_bundle=bundle), "download_media", 1, tmp_path / "lecture.mp4")
    assert str(caught.value).startswith('no connection to localhost: its certificate "CN=storage.example.edu,')
    assert "s1gnature" not in told(caught.value)


def test_signing_in_takes_the_same_way(
    form: Form, open_client: Connect, good: trustme.LeafCert, bundle: Path, tmp_path: Path
) -> None:
    given = {"access_token": TOKEN, "refresh_token": "refresh-token-of-the-tests", "expires_in": 7200}
    with (
        FaultServer(json_answer(given), media_answer(1)) as server,
        TlsFront(good, server.url) as front,
        Proxy({CONNECT: front}, user="me", password=PASSWORD) as proxy,
    ):
        url = f"http://me:{WRITTEN}@127.0.0.1:{proxy.port}"
        oauth = OAuth("client-of-the-tests", "secret-of-the-tests", url=HOST, proxy=url, ca_bundle=bundle)
        assert form.call(oauth, "exchange", "code-of-the-tests").access_token == TOKEN
        assert proxy.places == [CONNECT]
        assert PASSWORD not in repr(oauth)
        client = open_client(HOST, token=None, auth=oauth, proxy=url, ca_bundle=bundle)
        assert form.call(client, "get_media", 1).id == 1
    with pytest.raises(InvalidArgumentError, match=r"^proxy must"):
        OAuth("client-of-the-tests", "secret-of-the-tests", proxy="proxy.example.edu")
    with pytest.raises(InvalidArgumentError, match=r"^ca_bundle is"):
        OAuth("client-of-the-tests", "secret-of-the-tests", ca_bundle=tmp_path / "nothing")


PROXY_VARIABLES = ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy")


@pytest.mark.parametrize("written", ["argument", *PROXY_VARIABLES])
@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "  {}\t"])
def test_white_space_around_a_proxy_is_no_part_of_it(
    form: Form,
    open_client: Connect,
    studio: TlsFront,
    bundle: Path,
    written: str,
    around: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Proxy({CONNECT: studio}, user="me", password=PASSWORD) as proxy:
        url = around.format(f"http://me:{WRITTEN}@127.0.0.1:{proxy.port}/")
        if written != "argument":
            monkeypatch.setenv(written, url)
        client = open_client(HOST, ca_bundle=around.format(bundle), proxy=url if written == "argument" else None)
        assert form.call(client, "get_media", 5).id == 5
        assert proxy.places == [CONNECT]


@pytest.mark.parametrize("written", ["argument", *PROXY_VARIABLES])
@pytest.mark.parametrize(
    ("password", "sent"),
    [
        ("p@ss", "p@ss"),
        ("@", "@"),
        ("a@b@127.0.0.1:9", "a@b@127.0.0.1:9"),
        ("p:w", "p:w"),
        ("%40ä", "@ä"),
        ("50%", "50%"),
    ],
)
def test_a_password_goes_to_the_last_at_sign_and_to_no_other_host(
    form: Form,
    open_client: Connect,
    studio: TlsFront,
    bundle: Path,
    written: str,
    password: str,
    sent: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Proxy({CONNECT: studio}, user="ada", password=sent) as proxy:
        url = f"http://ada:{password}@127.0.0.1:{proxy.port}"
        if written != "argument":
            monkeypatch.setenv(written, url)
        client = open_client(HOST, ca_bundle=bundle, proxy=url if written == "argument" else None)
        assert form.call(client, "get_media", 5).id == 5
        assert proxy.places == [CONNECT]


def test_a_variable_may_name_a_proxy_by_its_host_alone(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy({CONNECT: studio}, user="me", password=PASSWORD) as proxy:
        for url in (f"me:{WRITTEN}@127.0.0.1:{proxy.port}", f"http://me:{WRITTEN}@127.0.0.1:{proxy.port}/proxy.pac"):
            monkeypatch.setenv("HTTPS_PROXY", url)
            assert form.call(open_client(HOST, ca_bundle=bundle), "get_media", 5).id == 5


@pytest.mark.parametrize("variable", PROXY_VARIABLES)
@pytest.mark.parametrize(
    "value",
    [
        "http://",
        "http://me:hunter22@127.0.0.1:port",
        "http://me:hunter/22@127.0.0.1:9",
        "http://127.0.0.1:9/hunter@proxy.example.edu",
        "http://me:hunter#22@127.0.0.1:9",
        "http://CORP\\me:hunter22@127.0.0.1:9",
        "http://me:hunter 22@127.0.0.1:9",
        "ftp://me:hunter22@127.0.0.1:9",
        "\udcff",
    ],
)
def test_a_variable_with_a_proxy_that_cannot_be_right_is_named_and_not_passed_over(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, variable: str, value: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv(variable, value)
    for call in (("get_media", 1), ("get_download_url", 1)):
        message = f"^no connection to {HOST}: the environment variable {variable} (must|has) "
        with pytest.raises(APIConnectionError, match=message) as caught:
            form.call(open_client(HOST, ca_bundle=bundle), *call)
        assert "hunter" not in told(caught.value)
    # It is no matter for those that are not behind it.
    assert form.call(open_client(studio.url, ca_bundle=bundle), "get_media", 5).id == 5
    monkeypatch.setenv("NO_PROXY", HOST)
    with pytest.raises((APIConnectionError, APITimeoutError)):
        form.call(open_client(HOST, ca_bundle=bundle, max_retries=0, connect_timeout=2), "get_media", 1)


def test_an_empty_variable_is_as_if_it_were_not_set(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy({CONNECT: studio}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", " \n")
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, " \n")
        assert form.call(open_client(HOST, ca_bundle=bundle), "get_media", 5).id == 5


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_white_space_around_the_name_of_a_bundle_is_no_part_of_it(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f" {bundle}\r\n")
    assert form.call(open_client(studio.url), "get_media", 5).id == 5


@pytest.mark.parametrize(
    "no_proxy",
    [
        "127.0.0.1,example.edu",
        f".other.edu, {HOST}",
        "*",
        f"localhost {HOST}",
        f"{HOST}\n",
        "localhost , .example.edu ,",
        "*.example.edu",
        f"localhost\n{HOST}\n",
        HOST.upper(),
    ],
)
def test_no_proxy_is_heeded(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy({CONNECT: studio}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        # There is no such host, so that without the proxy there is no way.
        with pytest.raises((APIConnectionError, APITimeoutError), match="the network and the proxy"):
            form.call(open_client(HOST, ca_bundle=bundle, max_retries=0, connect_timeout=2), "get_media", 1)
        assert proxy.connections == 0


def test_a_proxy_that_is_given_is_always_used(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever NO_PROXY and the other variables say, and although the server is on this machine."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*,127.0.0.1")
    with Proxy() as proxy, FaultServer(media_named_in_path) as server:
        for url in (studio.url, server.url):
            assert form.call(open_client(url, ca_bundle=bundle, proxy=proxy.url), "get_media", 5).id == 5
        assert proxy.places == [studio.url.removeprefix("https://"), f"{server.url}/api/public/v1/media/5"]


def test_a_server_on_this_machine_is_behind_no_proxy(
    form: Form, open_client: Connect, studio: TlsFront, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy() as proxy, FaultServer(media_named_in_path) as server:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for url in (studio.url, server.url):
            assert form.call(open_client(url, ca_bundle=bundle), "get_media", 5).id == 5
        assert proxy.connections == 0


def test_a_proxy_that_wants_a_password_for_plain_http_says_how_it_is_given(form: Form, open_client: Connect) -> None:
    with (
        FaultServer(media_named_in_path) as server,
        Proxy(user="me", password=PASSWORD) as proxy,
        pytest.raises(APIStatusError, match="the proxy requires a user and a password") as caught,
    ):
        form.call(open_client(server.url, proxy=proxy.url), "get_media", 1)
    assert caught.value.status_code == 407
    assert proxy.connections == 1


def test_a_proxy_that_echoes_its_password_is_masked(form: Form, open_client: Connect) -> None:
    def echo(request: Any) -> Answer:
        return Answer(status=400, body=request.raw)

    with FaultServer(echo) as server, Proxy(user="me", password=PASSWORD) as proxy:
        client = open_client(server.url, proxy=f"http://me:{WRITTEN}@127.0.0.1:{proxy.port}")
        with pytest.raises(APIStatusError) as caught:
            form.call(client, "get_media", 1)
        sent = proxy.heads[0].split("Basic ")[1].split("\r\n")[0]
    assert "Basic ***" in told(caught.value)
    for secret in (sent, TOKEN):
        assert secret not in told(caught.value)


def test_a_proxy_that_does_not_connect_is_named(form: Form, open_client: Connect) -> None:
    with Proxy() as proxy:
        message = refused(form, open_client(HOST, proxy=proxy.url))
        assert f"the proxy http://127.0.0.1:{proxy.port} refuses to connect" in message
        assert proxy.connections == 3


@pytest.mark.parametrize("is_argument", [True, False], ids=["argument", "HTTPS_PROXY"])
def test_a_proxy_that_is_not_there_is_named(
    form: Form, open_client: Connect, monkeypatch: pytest.MonkeyPatch, *, is_argument: bool
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
        url = f"http://me:{WRITTEN}@{place}"
        if not is_argument:
            monkeypatch.setenv("HTTPS_PROXY", url)
        message = refused(form, open_client(HOST, proxy=url if is_argument else None))
    named = "proxy=" if is_argument else "HTTPS_PROXY"
    assert f"{HOST}: the proxy http://{place} cannot be reached: " in message
    assert message.endswith(f"check {named}")


def test_a_kind_of_proxy_that_cannot_be_used_is_named(
    form: Form, open_client: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"socks5://me:{WRITTEN}@127.0.0.1:1080")
    message = refused(form, open_client(HOST))
    assert "the proxy socks5://127.0.0.1:1080 cannot be used: only http and https proxies can" in message


def test_a_proxy_with_a_certificate_of_its_own_is_checked_like_a_server(
    form: Form, open_client: Connect, studio: TlsFront, good: trustme.LeafCert, bundle: Path
) -> None:
    with Proxy({CONNECT: studio}, certificate=good) as proxy:
        assert form.call(open_client(HOST, ca_bundle=bundle, proxy=proxy.url), "get_media", 5).id == 5
        message = refused(form, open_client(HOST, proxy=proxy.url))
        assert f'of the proxy https://127.0.0.1:{proxy.port}, the certificate "CN={HOST},' in message
    with Mumbling() as proxy:
        message = refused(form, open_client(HOST, proxy=f"https://127.0.0.1:{proxy.port}"))
        assert f"the proxy https://127.0.0.1:{proxy.port} does not speak TLS there" in message
        assert "use http://, not https://" in message


@pytest.mark.parametrize(
    "proxy",
    [
        "",
        "proxy.example.edu:3128",
        "socks5://hunter22@proxy.example.edu",
        "http://",
        "http://me:hunter22@proxy.example.edu/path",
        "http://me:hunter/22@proxy.example.edu",
        "http://me:hunter22@proxy.example.edu?x=1",
        "http://me:hunter22@{host}",
        "http://me:hunter 22@proxy.example.edu",
        "http://me:hunter22/@proxy.example.edu",
        "http://22/hunter@proxy.example.edu",
        "http://CORP\\me:hunter22@proxy.example.edu",
    ],
)
def test_a_proxy_that_cannot_be_right_is_refused(proxy: str) -> None:
    for make in (StudioClient, StudioClient.from_env):
        with pytest.raises(InvalidArgumentError, match=r"^proxy ") as caught:
            make(url=HOST, token=TOKEN, proxy=proxy)
        assert "hunter" not in told(caught.value)


def test_a_token_is_sent_in_the_clear_to_no_proxy() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^proxy must .*in the clear"):
        StudioClient("http://127.0.0.1:8080", token=TOKEN, proxy="http://proxy.example.edu:3128")


@pytest.mark.parametrize("content", [None, b"", b"text", b"-----BEGIN CERTIFICATE-----\nAAAA\n", b"0\x82\x01"])
def test_a_bundle_that_cannot_be_right_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    for make in (StudioClient, StudioClient.from_env):
        with pytest.raises(InvalidArgumentError, match=f"^ca_bundle is {path}: it "):
            make(url=HOST, token=TOKEN, ca_bundle=path)


def test_an_empty_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="it holds no certificate"):
        StudioClient(HOST, token=TOKEN, ca_bundle=tmp_path)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("user", ["localhost:planted/x", "localhost:planted#x", "localhost:planted?x", "planted/x"])
def test_a_proxy_that_is_no_url_is_not_quoted(
    form: Form, variable: str, user: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, f"http://{user}@127.0.0.1:1")
    caplog.set_level(logging.DEBUG)
    with (
        StudioClient("https://studio.invalid", token="token-of-the-tests", max_retries=0, timeout=10) as studio,
        pytest.raises((APIConnectionError, APITimeoutError)) as caught,
    ):
        form.call(studio, "request", "GET", "/ping")
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert "studio.invalid" in caplog.text
    assert "planted" not in told
