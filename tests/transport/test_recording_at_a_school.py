"""A program is recorded at a school with https, behind a proxy with a password, and is led nowhere else by it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme
from canvas_studio import APIStatusError, StudioClient, StudioError
from canvas_studio.testing import RecordingWarning, record, replay
from support.fault_server import Answer, FaultServer, media_answer, redirect
from support.gateways import Proxy, TlsFront

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.forms import Form

FILM = b"\0\0\0\x18ftypisom" + b"film" * 1000
PASSWORD = "p@ss/word"
STORAGE = "https://storage.example.edu/file.mp4?Signature=s1gnature"


@contextmanager
def school(folder: Path, *answers: Answer) -> Generator[tuple[StudioClient, FaultServer, Proxy]]:
    """A client of a school that answers so, with all that a network may want."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("school.example.edu", "storage.example.edu")
    with (
        FaultServer(*answers) as server,
        TlsFront(certificate, server.url) as front,
        Proxy(
            {"school.example.edu:443": front, "storage.example.edu:443": front}, user="me", password=PASSWORD
        ) as proxy,
        StudioClient(
            "https://school.example.edu",
            token="a-token",
            proxy=proxy.url.replace("://", "://me:p%40ss%2Fword@"),
            ca_bundle=folder / "ca.pem",
            max_retries=0,
        ) as studio,
    ):
        yield studio, server, proxy


def test_a_download_behind_a_proxy_is_recorded(tmp_path: Path, form: Form) -> None:
    film = Answer(body=FILM, headers={"Content-Type": "video/mp4"})
    har = tmp_path / "calls.har"
    with school(tmp_path, redirect(STORAGE), film) as (client, server, proxy):
        with record(har, client) as studio:
            form.call(studio, "download_media", 1, tmp_path / "film.mp4")
        assert set(proxy.places) == {"school.example.edu:443", "storage.example.edu:443"}
        assert [request.headers.get("authorization") for request in server.requests] == ["Bearer a-token", None]
        assert not any("proxy" in name for request in server.requests for name in request.headers)
    assert (tmp_path / "film.mp4").read_bytes() == FILM
    text = har.read_text()
    for secret in ("s1gnature", "a-token", PASSWORD, "school.example.edu", "storage.example.edu/file"):
        assert secret not in text
    with replay(har) as studio:
        form.call(studio, "download_media", 1, tmp_path / "again.mp4")
    assert (tmp_path / "again.mp4").stat().st_size == len(FILM)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "storage.example.edu"])
def test_a_school_elsewhere_leads_a_recorded_program_to_no_plain_url(tmp_path: Path, host: str) -> None:
    with FaultServer(media_answer(1)) as local:
        here = redirect(f"http://{host}:{local.url.rpartition(':')[2]}/admin?do=it")
        with (
            school(tmp_path, here) as (client, _, _),
            record(tmp_path / "calls.har", client) as studio,
            pytest.raises(StudioError, match="not https"),
        ):
            studio.download_media(1, tmp_path / "film.mp4")
        assert local.requests == []
    assert not (tmp_path / "film.mp4").exists()


def test_a_storage_host_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    elsewhere = redirect("https://unknown.example.edu/file.mp4?Signature=s1gnature")
    with (
        school(tmp_path, elsewhere) as (client, _, _),
        pytest.warns(RecordingWarning, match=r"GET /file\.mp4: no answer from unknown\.example\.edu") as told,
        record(tmp_path / "calls.har", client) as studio,
        pytest.raises(APIStatusError, match=r"no answer from unknown\.example\.edu"),
    ):
        studio.download_media(1, tmp_path / "film.mp4")
    assert "s1gnature" not in str(told[0].message)
    assert PASSWORD not in str(told[0].message)


def test_a_download_that_breaks_off_is_told(tmp_path: Path) -> None:
    half = Answer(body=FILM, headers={"Content-Type": "video/mp4", "ETag": '"1"'}, send=1000, end="close")
    rest = Answer(
        status=206,
        body=FILM[1000:],
        headers={
            "Content-Type": "video/mp4",
            "ETag": '"1"',
            "Content-Range": f"bytes 1000-{len(FILM) - 1}/{len(FILM)}",
        },
    )
    har = tmp_path / "calls.har"
    with (
        school(tmp_path, redirect(STORAGE), half, rest, rest, rest) as (client, _, _),
        pytest.warns(RecordingWarning, match=f"GET /file.mp4: it broke off after 1000 of {len(FILM)} bytes"),
        record(har, client.with_options(max_retries=2, retry_delay=0)) as studio,
    ):
        studio.download_media(1, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM


def test_a_program_that_leaves_a_download_is_recorded(tmp_path: Path) -> None:
    film = Answer(body=FILM * 500, headers={"Content-Type": "video/mp4"})
    har = tmp_path / "calls.har"

    def program(studio: StudioClient) -> int:
        with studio.iter_media_bytes(1) as chunks:
            return len(next(iter(chunks)))

    with school(tmp_path, redirect(STORAGE), film) as (client, _, _), record(har, client) as studio:
        length = program(studio)
    with replay(har) as studio:
        assert program(studio) == length
