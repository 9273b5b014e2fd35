"""Nothing is sent to, or said of, a place that is not the school's: URLs, tokens in their place, downloads, stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from canvas_studio import InvalidArgumentError, OAuth, StudioClient, Tokens, profiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
