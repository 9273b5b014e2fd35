"""Nothing is sent to a host that is not the school's: URLs, tokens, downloads, token stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme
from canvas_studio import InvalidArgumentError, OAuth, StudioClient, StudioError, Tokens, profiles
from support.fault_server import FaultServer, media_answer, redirect
from support.gateways import Proxy, TlsFront

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.forms import Form

PASSWORD = "hunter22"
SCHOOL = "https://myschool.instructuremedia.com"
TOKEN = "s3cretT0kenOfAdaLovelace0123456789"


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(tmp_path / "home"))
    for name in ("URL", "TOKEN", "PROFILE", "CLIENT_ID", "CLIENT_SECRET", "TOKEN_FILE"):
        monkeypatch.delenv(f"CANVAS_STUDIO_{name}", raising=False)


def with_profile(url: str) -> None:
    path = profiles.home() / "profiles" / "north.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'url = "{url}"\nclient_id = "x"\nclient_secret = "the-secret"\n')
    path.chmod(0o600)
    StudioClient.from_env("north")


def with_variable(url: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANVAS_STUDIO_URL", url)
        patch.setenv("CANVAS_STUDIO_TOKEN", "a-token")
        StudioClient.from_env()


TAKERS: dict[str, Callable[[str], object]] = {
    "StudioClient": lambda url: StudioClient(url, token="a-token"),
    "from_env(url=)": lambda url: StudioClient.from_env(url=url, token="a-token"),
    "from_env(profile)": StudioClient.from_env,
    "OAuth": lambda url: OAuth("id", "secret", url=url),
    "Tokens": lambda url: Tokens("a-token", url=url),
    "Tokens.from_dict": lambda url: Tokens.from_dict({"access_token": "a-token", "url": url}),
    "school_url": profiles.school_url,
    "CANVAS_STUDIO_URL": with_variable,
    "a profile": with_profile,
}


@pytest.mark.parametrize(
    "url",
    [
        f"https://me:{PASSWORD}@myschool.instructuremedia.com",
        f"https://me:{PASSWORD}@myschool.instructuremedia.com:99999",
        f"https://me:{PASSWORD}@[myschool",
        f"https://me:{PASSWORD}@my school",
        f"http://me:{PASSWORD}@myschool.example.edu",
        f"ftp://me:{PASSWORD}@myschool.example.edu",
        f"me:{PASSWORD}@myschool:99999",
        f"{PASSWORD}://myschool.example.edu",
        f"https://myschool:99999/?access_token={PASSWORD}",
        f"https://myschool.example.edu#{PASSWORD}",
        f"//{PASSWORD}@:",
    ],
)
@pytest.mark.parametrize("taker", TAKERS)
def test_a_url_that_is_refused_is_not_quoted(taker: str, url: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        TAKERS[taker](url)
    assert PASSWORD not in str(raised.value)
    assert PASSWORD not in repr(raised.value)


@pytest.mark.parametrize("name", ["a" * 64, "a" * 300, f"{'b' * 64}.example.edu", "my_school", "t0ken~!", "-a"])
def test_what_the_dns_cannot_know_is_refused_as_a_school_and_not_quoted(name: str) -> None:
    for taker in ("StudioClient", "OAuth", "Tokens", "school_url"):
        with pytest.raises(InvalidArgumentError, match="url is not a host") as raised:
            TAKERS[taker](name)
        assert name not in str(raised.value)


@pytest.mark.parametrize(
    "url", [SCHOOL, SCHOOL.upper(), "http://127.0.0.1:1", f" {SCHOOL}\n", "x.instructuremedia.com"]
)
def test_a_url_is_no_token_and_what_stands_in_its_place_is_not_quoted(url: str) -> None:
    for act in (
        lambda: StudioClient(TOKEN, token=url),
        lambda: StudioClient.from_env(url=TOKEN, token=url),
        lambda: OAuth("the-id", url, url=TOKEN),
        lambda: OAuth(url, "the-secret", url=TOKEN),
        lambda: Tokens(url, url=TOKEN),
        lambda: Tokens("a-token", refresh_token=url, url=TOKEN),
        lambda: Tokens.from_dict({"access_token": url, "url": TOKEN}),
    ):
        with pytest.raises(InvalidArgumentError, match="mixed up") as raised:
            act()
        assert TOKEN.lower() not in str(raised.value).lower()
        assert url.strip() not in str(raised.value)


def test_a_redirect_uri_is_quoted_without_its_query() -> None:
    uri = f"https://me:{PASSWORD}@app.example.edu/callback?key={PASSWORD}"
    signing_in = OAuth("id", "secret", url="myschool", redirect_uri=uri)
    with pytest.raises(InvalidArgumentError, match=r"https://app\.example\.edu/callback$") as raised:
        signing_in.exchange("https://elsewhere.example.edu/callback?code=x")
    assert PASSWORD not in str(raised.value)


PLAIN = [
    "http://storage.example.com/f.mp4?Signature=x",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://127.0.0.1.example.com/",
]


@pytest.mark.parametrize("location", PLAIN)
def test_no_download_url_is_given_that_a_download_would_refuse(form: Form, location: str, tmp_path: Path) -> None:
    with FaultServer(redirect(location), media_answer(1), redirect(location), redirect(location)) as server:
        studio = StudioClient(server.url, token="a-token", max_retries=0)
        with pytest.raises(StudioError, match="which is not https") as raised:
            form.call(studio, "get_download_url", 1)
        assert "Signature" not in str(raised.value)
        media = form.call(studio, "get_media", 1)
        with pytest.raises(StudioError, match="which is not https"):
            form.call(media, "download_url")
        with pytest.raises(StudioError, match="which is not https"):
            form.call(studio, "download_media", 1, tmp_path / "file.mp4")


def test_a_download_url_on_this_machine_is_given_for_a_school_on_this_machine(form: Form) -> None:
    location = "http://127.0.0.1:1/file.mp4?Signature=x"
    with FaultServer(redirect(location)) as server:
        assert form.call(StudioClient(server.url, token="a-token"), "get_download_url", 1) == location


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
@pytest.mark.parametrize("hops", [0, 1])
def test_a_school_elsewhere_does_not_lead_to_this_machine(form: Form, tmp_path: Path, host: str, hops: int) -> None:
    authority = trustme.CA()
    bundle, path = tmp_path / "ca.pem", tmp_path / "file.mp4"
    authority.cert_pem.write_to_path(bundle)
    certificate = authority.issue_cert("school.example.edu", "storage.example.edu")
    with FaultServer(media_answer(1)) as local:
        here = redirect(f"http://{host}:{local.url.rpartition(':')[2]}/admin?do=it")
        there = [redirect("https://storage.example.edu/file.mp4")] * hops
        with (
            FaultServer(*there, here, *there, here) as server,
            TlsFront(certificate, server.url) as front,
            Proxy({"school.example.edu:443": front, "storage.example.edu:443": front}) as proxy,
        ):
            studio = StudioClient(
                "https://school.example.edu", token="a-token", proxy=proxy.url, ca_bundle=bundle, max_retries=0
            )
            with pytest.raises(StudioError, match="which is not https"):
                form.call(studio, "download_media", 1, path)
            if not hops:
                with pytest.raises(StudioError, match="which is not https"):
                    form.call(studio, "get_download_url", 1)
            assert not any(":443" not in place for place in proxy.places)
        assert local.requests == []
    assert not path.exists()
