"""The diagnosis behind `canvas-studio ping`: each step, and each way in which it fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from canvas_studio import StudioClient, StudioError
from support.fault_server import HANG, Answer, FaultServer, json_answer, text_answer
from support.gateways import Gateway, Proxy, TlsFront, forget_network_variables

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

HOST = "studio.example.edu"
REFUSED = json_answer({"error": "no"}, 401)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the network of the machine on which it runs."""
    forget_network_variables(monkeypatch)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of a school's own."""
    return trustme.CA(organization_name="Example CA")


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority's certificate in a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def front(authority: trustme.CA) -> Iterator[TlsFront]:
    """A Studio that speaks TLS, and rejects every token."""
    with FaultServer(lambda _: REFUSED) as server, TlsFront(authority.issue_cert(HOST, "127.0.0.1"), server.url) as it:
        yield it


def diagnosed(url: str, **options: Any) -> list[tuple[str, str, str]]:
    """What is found; no step shows the token, and each failure ends the steps."""
    given: dict[str, Any] = {"connect_timeout": 10, **options}
    with StudioClient(url, token="planted-2718281828", **given) as studio:
        steps = studio._diagnose()
    assert "planted" not in str(steps)
    return [(name, state, detail) for name, state, detail, _ in steps]


def names(steps: list[tuple[str, str, str]]) -> list[str]:
    """The steps that are ok, and the failed ones with a mark."""
    return [name if state == "ok" else f"{name}!" for name, state, _ in steps]


def test_each_step_is_named_if_all_goes_well(front: TlsFront, bundle: Path) -> None:
    steps = diagnosed(front.url, ca_bundle=bundle)
    assert names(steps)[:4] == ["DNS", "connection", "certificate", "API"]
    assert f"{bundle} (ca_bundle)" in steps[2][2]
    assert 'issued by "' in steps[2][2]
    assert steps[3][2] == "Studio answers (HTTP/1.1)"


def test_a_name_that_does_not_exist_fails_at_dns() -> None:
    steps = diagnosed("https://north.invalid")
    assert names(steps) == ["DNS!"]
    assert steps[0][2].startswith("no connection to north.invalid: ")


def test_a_closed_port_fails_at_the_connection() -> None:
    with FaultServer(REFUSED) as server:
        url = server.url
    assert names(diagnosed(url)) == ["DNS", "connection!"]


def test_a_name_is_looked_up_as_calls_do() -> None:
    with FaultServer(REFUSED) as server:
        steps = diagnosed(server.url.replace("127.0.0.1", "localhost"))
    assert steps[0][:2] == ("DNS", "ok")
    assert "127.0.0.1" in steps[0][2]


class Silent(Gateway):
    """Takes what comes and says nothing."""

    def converse(self, near: socket.socket) -> None:
        """Read until the other side has enough."""
        while self._ready(near) and near.recv(65_536):
            pass


def test_a_server_that_never_ends_the_handshake_fails_at_tls() -> None:
    with Silent() as server:
        steps = diagnosed(server.url.replace("http:", "https:"), connect_timeout=1)
    assert names(steps) == ["DNS", "connection", "TLS!"]
    assert "within 1 s" in steps[-1][2]


def test_a_server_without_tls_fails_at_tls() -> None:
    with FaultServer(text_answer("no", "text/plain")) as server:
        steps = diagnosed(server.url.replace("http:", "https:"), connect_timeout=2)
    assert names(steps) == ["DNS", "connection", "TLS!"]


@pytest.mark.parametrize("kind", ["unknown", "expired", "another name"])
def test_a_certificate_that_cannot_be_right_fails_at_the_certificate(
    kind: str, authority: trustme.CA, bundle: Path
) -> None:
    past: dict[str, Any] = {
        "not_before": datetime.now(UTC) - timedelta(days=9),
        "not_after": datetime.now(UTC) - timedelta(days=2),
    }
    issuer = trustme.CA() if kind == "unknown" else authority
    host = "login.example.edu" if kind == "another name" else "127.0.0.1"
    certificate = issuer.issue_cert(host, **(past if kind == "expired" else {}))
    with FaultServer(REFUSED) as server, TlsFront(certificate, server.url) as front:
        steps = diagnosed(front.url, ca_bundle=bundle)
        assert server.requests == []
    assert names(steps) == ["DNS", "connection", "certificate!"]
    said = {"unknown": "comes from an authority that is not in", "expired": "expired on", "another name": "is for"}
    assert said[kind] in steps[-1][2]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (text_answer("<html><title>Wi-Fi</title></html>", "text/html"), "an HTML page"),
        (json_answer({"error": "not you"}, 403), "403"),
        (json_answer({"error": "maintenance"}, 503), "try again later"),
        (json_answer({"error": "no such page"}, 404), "404"),
        (Answer(status=302, headers={"Location": "https://login.example.edu"}), "login.example.edu"),
        (HANG, "0.5 s without a byte from the server"),
    ],
    ids=["portal", "403", "503", "404", "redirect", "hang"],
)
def test_an_answer_that_is_not_studios_fails_at_the_api(answer: Answer, said: str) -> None:
    with FaultServer(lambda _: answer) as server:
        steps = diagnosed(server.url, read_timeout=0.5 if answer is HANG else 20)
        assert len(server.requests) == 1
    assert names(steps)[:3] == ["DNS", "connection", "API!"]
    assert said in steps[2][2]


def test_a_proxy_takes_the_place_of_the_connection(front: TlsFront, bundle: Path) -> None:
    with Proxy({f"{HOST}:443": front}) as proxy:
        steps = diagnosed(HOST, ca_bundle=bundle, proxy=proxy.url)
    assert names(steps)[:4] == ["DNS", "proxy", "certificate", "API"]
    assert steps[1][2] == f"127.0.0.1, port {proxy.port} of the proxy (given), answers"


def test_a_proxy_with_tls_has_a_handshake_of_its_own(front: TlsFront, bundle: Path, authority: trustme.CA) -> None:
    with Proxy({f"{HOST}:443": front}, certificate=authority.issue_cert("127.0.0.1")) as proxy:
        steps = diagnosed(HOST, ca_bundle=bundle, proxy=proxy.url)
        assert names(steps)[:4] == ["DNS", "proxy", "certificate", "API"]
        rejected = diagnosed(HOST, proxy=proxy.url)
    assert names(rejected) == ["DNS", "certificate!"]
    assert "of the proxy" in rejected[-1][2]


def test_a_proxy_that_refuses_fails_at_the_proxy() -> None:
    with Proxy() as proxy:
        steps = diagnosed(HOST, proxy=proxy.url)
    assert names(steps) == ["DNS", "proxy!"]
    assert "refuses to connect" in steps[-1][2]


def test_a_proxy_that_wants_a_password_fails_at_the_proxy_and_shows_none() -> None:
    with Proxy(user="me", password="right") as proxy:
        steps = diagnosed(HOST, proxy=proxy.url.replace("http://", "http://me:planted-wrong@"))
    assert names(steps) == ["DNS", "proxy!"]
    assert "rejects the user and password" in steps[-1][2]


def test_a_variable_that_cannot_be_a_proxy_is_an_error_and_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:planted/x@127.0.0.1:1")
    with pytest.raises(StudioError, match="HTTPS_PROXY") as caught:
        diagnosed(HOST)
    assert "planted" not in str(caught.value)
