"""Which certificates a CA bundle may vouch for: the same as with OpenSSL; ignored ones are named."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import trustme
from canvas_studio import APIConnectionError, InvalidArgumentError, StudioClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.fault_server import FaultServer, media_answer
from support.gateways import TlsFront

if TYPE_CHECKING:
    from pathlib import Path

    from support.forms import Form

Issued: TypeAlias = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]

AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
SERVER = x509.BasicConstraints(ca=False, path_length=None)
HOST = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])


@pytest.fixture(autouse=True)
def _nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def issue(name: str, *extensions: Any, issuer: Issued | None = None, days: tuple[int, int] = (-1, 9)) -> Issued:
    """A certificate with just these extensions, signed by the issuer or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer[0].subject if issuer else subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now + timedelta(days=days[0]),
        not_valid_after=now + timedelta(days=days[1]),
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def pem(issued: Issued) -> bytes:
    return issued[0].public_bytes(serialization.Encoding.PEM)


def shown_by_server(issued: Issued, *between: Issued) -> trustme.LeafCert:
    key = issued[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return trustme.LeafCert(key, pem(issued), [pem(each) for each in between])


def key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def reach(form: Form, certificate: trustme.LeafCert, **options: Any) -> str:
    """Call a server that shows a certificate; what went wrong, or nothing."""
    with FaultServer(media_answer(1)) as server, TlsFront(certificate, server.url) as front:
        client = StudioClient(front.url, token="a-token", max_retries=0, **options)
        try:
            assert form.call(client, "get_media", 1).id == 1
        except APIConnectionError as error:
            return str(error)
        return ""


def bundle_of(folder: Path, *issued: Issued) -> Path:
    path = folder / "bundle.pem"
    path.write_bytes(b"".join(pem(each) for each in issued))
    return path


# Each is a certificate that must not vouch for a server, and what is said of it.
UNFIT: dict[str, tuple[dict[str, Any], list[Any], str]] = {
    "expired": ({"days": (-9, -1)}, [AUTHORITY], "expired on"),
    "not good yet": ({"days": (1, 9)}, [AUTHORITY], "is valid only from"),
    "for clients": ({}, [AUTHORITY, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])], "is not for servers"),
    "may not sign": (
        {"issuer": issue("Root", AUTHORITY)},
        [AUTHORITY, key_usage(signs=False)],
        "is the certificate of a server, not of an authority",
    ),
    "of a server": (
        {"issuer": issue("Root", AUTHORITY)},
        [SERVER, HOST],
        "is the certificate of a server, not of an authority",
    ),
}


@pytest.mark.parametrize(("how", "extensions", "said"), UNFIT.values(), ids=UNFIT)
def test_what_is_no_authority_vouches_for_nothing_and_is_named_in_one_warning(
    form: Form, tmp_path: Path, how: dict[str, Any], extensions: list[Any], said: str
) -> None:
    unfit, good = issue("Unfit", *extensions, **how), issue("Good", AUTHORITY)
    both = bundle_of(tmp_path, unfit, good)
    with pytest.warns(UserWarning, match=f'1 certificate is left out: "CN=Unfit" {said}') as warned:
        refused = reach(form, shown_by_server(issue("Studio", SERVER, HOST, issuer=unfit)), ca_bundle=both)
    assert len(warned) == 1
    assert f'cannot be trusted: "CN=Unfit" {said}' in refused
    with pytest.warns(UserWarning, match="CN=Unfit"):
        assert reach(form, shown_by_server(issue("Studio", SERVER, HOST, issuer=good)), ca_bundle=both) == ""


@pytest.mark.parametrize(("how", "extensions", "said"), UNFIT.values(), ids=UNFIT)
def test_a_bundle_in_which_nothing_can_serve_is_refused(
    tmp_path: Path, how: dict[str, Any], extensions: list[Any], said: str
) -> None:
    path = bundle_of(tmp_path, issue("Unfit", *extensions, **how))
    with pytest.raises(InvalidArgumentError, match=f"ca_bundle .*none of its certificates can verify .*{said}"):
        StudioClient("myschool", token="a-token", ca_bundle=path)


def test_a_server_in_the_bundle_is_no_authority_for_others(form: Form, tmp_path: Path) -> None:
    printer = issue("Printer", SERVER, x509.SubjectAlternativeName([x509.DNSName("printer.example.edu")]))
    forged, path = issue("Forged", SERVER, HOST, issuer=printer), bundle_of(tmp_path, printer)
    assert "not accepted: EndEntityUsedAsCa" in reach(form, shown_by_server(forged, printer), ca_bundle=path)
    refused = reach(form, shown_by_server(forged), ca_bundle=path)
    assert 'cannot be trusted: "CN=Printer" is a server\'s own certificate' in refused


@pytest.mark.parametrize("constraints", [AUTHORITY, SERVER, None], ids=["CA:TRUE", "CA:FALSE", "without"])
def test_a_self_signed_server_is_good_for_its_own_host_alone(
    form: Form, tmp_path: Path, constraints: x509.BasicConstraints | None
) -> None:
    """`openssl req -x509` makes them with CA:TRUE."""
    rest = [constraints] if constraints else []
    own = issue("Studio", *rest, HOST)
    path = bundle_of(tmp_path, own)
    assert reach(form, shown_by_server(own), ca_bundle=path) == ""
    other = issue("Other", *rest, x509.SubjectAlternativeName([x509.DNSName("other.example.edu")]))
    assert 'not for "127.0.0.1"' in reach(form, shown_by_server(other), ca_bundle=bundle_of(tmp_path, own, other))
    assert reach(form, shown_by_server(issue("Studio", *rest, HOST)), ca_bundle=path) != ""


def test_an_authority_signs_no_further_than_it_may(form: Form, tmp_path: Path) -> None:
    root = issue("Root", x509.BasicConstraints(ca=True, path_length=0))
    between = issue("Between", AUTHORITY, issuer=root)
    path = bundle_of(tmp_path, root)
    assert reach(form, shown_by_server(issue("Studio", SERVER, HOST, issuer=root)), ca_bundle=path) == ""
    below = shown_by_server(issue("Studio", SERVER, HOST, issuer=between), between)
    assert "PathLenConstraintViolated" in reach(form, below, ca_bundle=path)


def test_an_authority_signs_for_no_names_but_its_own(form: Form, tmp_path: Path) -> None:
    ours = x509.NameConstraints([x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))], None)
    root = issue("Root", AUTHORITY, ours)
    refused = reach(
        form, shown_by_server(issue("Studio", SERVER, HOST, issuer=root)), ca_bundle=bundle_of(tmp_path, root)
    )
    assert "NameConstraintViolation" in refused


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_environment_and_the_machine_go_by_the_same_rules(
    form: Form, tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    printer, good = issue("Printer", SERVER), issue("Good", AUTHORITY)
    path = bundle_of(tmp_path, printer, good)
    monkeypatch.setenv(variable, str(tmp_path if variable == "SSL_CERT_DIR" else path))
    assert reach(form, shown_by_server(issue("Studio", SERVER, HOST, issuer=good))) == ""
    assert reach(form, shown_by_server(issue("Studio", SERVER, HOST, issuer=printer))) != ""


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_variable_counts_as_not_set(form: Form, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", empty)
    monkeypatch.setenv("SSL_CERT_DIR", empty)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", empty)
    said = reach(form, shown_by_server(issue("Studio", SERVER, HOST, issuer=issue("Nobody", AUTHORITY))))
    assert "not in the trust store of this machine" in said


def test_an_ipv6_school_behind_a_proxy_is_refused_by_name(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP library cannot reach it: https://github.com/seanmonstar/reqwest/issues/3094."""
    with pytest.raises(InvalidArgumentError, match=r"proxy cannot lead to .* IPv6 address: name the school's host"):
        StudioClient("https://[2001:db8::1]", token="a-token", proxy="http://proxy.example.edu:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(APIConnectionError):
        form.call(StudioClient("https://[2001:db8::1]", token="a-token", max_retries=0), "get_media", 1)
