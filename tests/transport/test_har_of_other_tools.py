"""HAR files of browsers, Playwright, mitmproxy and Insomnia are replayed; what cannot be is refused by name."""

from __future__ import annotations

import base64
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio.testing import HarError, ReplayError, replay

if TYPE_CHECKING:
    from pathlib import Path

SCHOOL = "https://myschool.instructuremedia.com"
MEDIA = {"id": 42, "title": "Mitosis", "owner": {"id": 3, "full_name": "Ada Park", "email": "ada.park@example.edu"}}
GET_MEDIA = f"{SCHOOL}/api/public/v1/media/42"


def pairs(fields: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in fields.items()]


def entry(
    url: str = GET_MEDIA,
    method: str = "GET",
    asked: dict[str, str] | None = None,
    query: list[dict[str, str]] | None = None,
    body: dict[str, Any] | None = None,
    status: int = 200,
    content: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    text = json.dumps({"media": MEDIA})
    request: dict[str, Any] = {
        "method": method,
        "url": url,
        "httpVersion": "http/2.0",
        "headers": pairs(asked or {}),
        "queryString": query or [],
        "cookies": [],
        "headersSize": -1,
        "bodySize": 0,
    }
    if body is not None:
        request["postData"] = body
    return {
        "startedDateTime": "2026-11-29T12:00:00.000Z",
        "time": 30,
        "request": request,
        "response": {
            "status": status,
            "statusText": "",
            "httpVersion": "http/2.0",
            "headers": pairs({"content-type": "application/json; charset=utf-8", "content-encoding": "gzip"}),
            "cookies": [],
            "content": content or {"size": len(text), "mimeType": "application/json", "text": text},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 30, "receive": 0},
        **more,
    }


def har(creator: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"log": {"version": "1.2", "creator": {"name": creator, "version": "1"}, "entries": list(entries)}}


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


# As the developer tools of Chrome export it; without sensitive data is the default, and leaves out the token.
BROWSER = {
    ":authority": "myschool.instructuremedia.com",
    ":method": "GET",
    ":path": "/api/public/v1/media/42",
    "accept": "*/*",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-US,en;q=0.9",
    "sec-ch-ua": '"Chromium";v="146"',
    "user-agent": "Mozilla/5.0",
}


@pytest.mark.parametrize("token", [None, "Bearer of-a-page"])
def test_an_export_of_a_browser_is_replayed_with_and_without_its_token(tmp_path: Path, token: str | None) -> None:
    asked = BROWSER if token is None else BROWSER | {"authorization": token, "cookie": "session=1"}
    of_chrome = entry(asked=asked, _resourceType="fetch", _initiator={"type": "script"}, _priority="High")
    path = tmp_path / "myschool.har"
    # Firefox and others begin a file with a byte order mark.
    path.write_text(json.dumps(har("WebInspector", of_chrome)), encoding="utf-8-sig")
    with replay(path) as studio:
        media = studio.get_media(42)
    assert (media.id, media.title) == (42, "Mitosis")


def test_a_query_in_another_order_is_the_same_to_other_tools(tmp_path: Path) -> None:
    page = json.dumps({"media": [MEDIA], "meta": {"current_page": 1, "last_page": 1, "total_count": 1}})
    url = f"{SCHOOL}/api/public/v1/media/search?per_page=50&page=1"
    listed = entry(url, content={"size": len(page), "mimeType": "application/json", "text": page})
    with replay(write(tmp_path / "x.har", har("WebInspector", listed))) as studio:
        assert [media.id for media in studio.search_media()] == [42]


def test_a_form_whose_text_a_tool_leaves_out_is_read_from_its_fields(tmp_path: Path) -> None:
    fields = {"mimeType": "application/x-www-form-urlencoded", "params": pairs({"name": "a b"})}
    posted = entry(f"{SCHOOL}/api/public/v1/odd", "POST", body=fields)
    with replay(write(tmp_path / "x.har", har("WebInspector", posted))) as studio:
        studio.request("POST", "/odd", data={"name": "a b"})
    with pytest.raises(ReplayError, match="body: recorded"), replay(tmp_path / "x.har") as studio:
        studio.request("POST", "/odd", data={"name": "a"})


def test_what_a_browser_has_recorded_is_still_compared(tmp_path: Path) -> None:
    path = write(tmp_path / "x.har", har("WebInspector", entry(asked=BROWSER)))
    with pytest.raises(ReplayError, match="GET .*/media/43.* not in the recording"), replay(path) as studio:  # noqa: RUF043
        studio.get_media(43)


def test_a_har_of_mitmproxy_is_replayed(tmp_path: Path) -> None:
    asked = {"accept": "application/json", "accept-encoding": "gzip", "authorization": "Bearer x"}
    encoded = base64.b64encode(json.dumps({"media": MEDIA}).encode()).decode()
    content = {"size": 9, "compression": 0, "mimeType": "application/json", "encoding": "base64", "text": encoded}
    of_mitmproxy = entry(asked=asked, content=content, serverIPAddress="192.0.2.1")
    with replay(write(tmp_path / "flows.har", har("mitmproxy", of_mitmproxy))) as studio:
        assert studio.get_media(42).title == "Mitosis"


# As Playwright writes it with content="attach", which is its default for a ZIP file.
ATTACHED: dict[str, Any] = {"size": 99, "mimeType": "application/json", "_file": "3f0c.json"}
POSTED: dict[str, Any] = {"mimeType": "application/json", "text": "", "params": [], "_file": "77aa.json"}


def of_playwright() -> tuple[dict[str, Any], dict[str, bytes]]:
    posted = entry(f"{SCHOOL}/api/public/v1/media/42/permissions", "POST", body=POSTED, content=ATTACHED)
    return har("Playwright", entry(content=ATTACHED), posted), {
        "3f0c.json": json.dumps({"media": MEDIA}).encode(),
        "77aa.json": b'[{"id": 4}]',
    }


def check_playwright(path: Path) -> None:
    with replay(path) as studio:
        assert studio.get_media(42).title == "Mitosis"
        answer = studio.request("POST", "/media/42/permissions", json=[{"id": 4}])
        assert answer["media"]["id"] == 42


def test_bodies_that_playwright_leaves_in_files_are_read(tmp_path: Path) -> None:
    document, files = of_playwright()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    check_playwright(write(tmp_path / "calls.har", document))


def test_a_zip_of_playwright_is_read(tmp_path: Path) -> None:
    document, files = of_playwright()
    path = tmp_path / "calls.har.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("har.har", json.dumps(document))
        for name, content in files.items():
            archive.writestr(name, content)
    check_playwright(path)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "..", "", "a\\b", "C:x"])
def test_a_body_is_read_from_beside_the_har_only(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "secret").write_text("{}")
    document = har("Playwright", entry(content={"size": 9, "mimeType": "application/json", "_file": name}))
    with pytest.raises(HarError, match="no file beside the HAR"), replay(write(folder / "calls.har", document)):
        pass


def test_a_query_that_insomnia_writes_beside_the_url_is_read(tmp_path: Path) -> None:
    page = json.dumps({"media": [MEDIA], "meta": {"current_page": 1, "last_page": 1, "total_count": 1}})
    of_insomnia = entry(
        f"{SCHOOL}/api/public/v1/media/search",
        query=pairs({"page": "1", "per_page": "50"}),
        content={"size": len(page), "mimeType": "application/json", "text": page},
    )
    path = write(tmp_path / "x.har", har("Insomnia REST Client", of_insomnia))
    with replay(path) as studio:
        assert [media.id for media in studio.search_media()] == [42]
    with pytest.raises(ReplayError, match="query: recorded"), replay(path) as studio:
        studio.search_media(title="cells").collect()


CANNOT = {
    "a WebSocket of Chrome": (entry("wss://x.example.com/live", _webSocketMessages=[]), "WebSocket.*remove the entry"),
    "a WebSocket by its type": (entry(_resourceType="websocket"), "WebSocket"),
    "a changed protocol": (entry(status=101), "WebSocket"),
    "a request that was cancelled": (entry(status=0), r"no answer \(status 0\).*record it again"),
    "one that failed in Playwright": (entry(status=-1), r"no answer \(status -1\)"),
    "data in a URL": (entry("data:text/plain,x"), "no request to a server"),
    "a missing body": (entry(content={"size": 99, "mimeType": "application/json"}), "body of its answer is missing"),
    "an omitted body": (entry(content={"size": -1, "mimeType": "application/json"}), 'content="embed"'),
    "a missing file": (entry(content=ATTACHED), "file '3f0c.json', which is missing"),
    "base64 that is none": (entry(content={"size": 9, "text": "?", "encoding": "base64"}), "not base64"),
    "another encoding": (entry(content={"size": 9, "text": "x", "encoding": "br"}), "encoded as 'br'"),
    "parts without text": (
        entry(method="POST", body={"mimeType": "multipart/form-data; boundary=x", "params": pairs({"a": "b"})}),
        "in parts whose text is missing",
    ),
}


@pytest.mark.parametrize(("odd", "told"), CANNOT.values(), ids=CANNOT)
def test_what_cannot_be_replayed_is_refused_by_name(tmp_path: Path, odd: dict[str, Any], told: str) -> None:
    odd["request"]["url"] += "?signature=s3cret"
    path = write(tmp_path / "x.har", har("WebInspector", entry(), odd))
    with pytest.raises(HarError, match=told) as raised, replay(path):
        pytest.fail("it is replayed")
    assert f"x.har cannot be replayed:\nentry 2, {odd['request']['method']} " in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_a_file_that_was_sent_but_is_missing_is_refused(tmp_path: Path) -> None:
    sent = entry("https://storage.example.com/uploads/43", "PUT")
    sent["request"]["bodySize"] = 20_000
    path = write(tmp_path / "x.har", har("WebInspector", sent))
    with pytest.raises(HarError, match=r"body of its request \(20000 bytes\) is missing"), replay(path):
        pass


def test_all_that_cannot_be_replayed_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.har", har("WebInspector", entry(status=0), entry(), entry(status=-1)))
    with pytest.raises(HarError, match=r"(?s)entry 1.*entry 3"), replay(path):
        pass


def test_answers_without_a_body_need_none(tmp_path: Path) -> None:
    nothing = {"size": 0, "mimeType": "x-unknown"}
    gone = entry(f"{SCHOOL}/api/public/v1/odd", "DELETE", status=204, content=nothing)
    with replay(write(tmp_path / "x.har", har("WebInspector", gone))) as studio:
        assert studio.request("DELETE", "/odd") is None


NO_HAR: list[Any] = [
    {},
    [],
    None,
    {"log": {}},
    {"log": {"entries": 7}},
    {"log": {"entries": [{}]}},
    {"log": {"entries": [None]}},
    {"log": {"entries": [{"request": [], "response": {}}]}},
    har("x", {**entry(), "response": {"status": "none"}}),
    {"log": {"creator": 7, "entries": []}},
    {"log": {"version": "2.0", "entries": []}},
    {"log": {"version": 2, "entries": []}},
]


@pytest.mark.parametrize("document", NO_HAR)
def test_what_is_no_har_is_refused(tmp_path: Path, document: object) -> None:
    with pytest.raises(HarError, match="x.har"), replay(write(tmp_path / "x.har", document)):  # noqa: RUF043
        pass


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    path.write_bytes(b"\x89PNG")
    with pytest.raises(HarError, match="not JSON"), replay(path):
        pass


def test_a_file_that_is_cut_or_empty_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.har", har("x", entry()))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(HarError, match="not JSON"), replay(path):
        pass
    path.write_bytes(b"\n")
    with pytest.raises(HarError, match="it is empty"), replay(path):
        pass


@pytest.mark.parametrize("version", ["1.1", "1.2", "", None])
def test_a_har_of_version_1_is_replayed(tmp_path: Path, version: str | None) -> None:
    document = har("x", entry())
    document["log"]["version"] = version
    with replay(write(tmp_path / "x.har", document)) as studio:
        assert studio.get_media(42).id == 42


def test_a_har_of_two_schools_is_refused(tmp_path: Path) -> None:
    other = entry(GET_MEDIA.replace("myschool", "another"))
    with pytest.raises(HarError, match="2 schools"), replay(write(tmp_path / "x.har", har("x", entry(), other))):
        pass


def test_a_secret_of_a_har_is_in_no_message(tmp_path: Path) -> None:
    secret = entry(
        f"{SCHOOL}/api/public/v1/odd?access_token=t0ken",
        "POST",
        body={"mimeType": "application/json", "text": '{"password": "hunter22"}'},
    )
    path = write(tmp_path / "x.har", har("WebInspector", secret))
    with pytest.raises(ReplayError) as raised, replay(path) as studio:
        studio.request("POST", "/odd", params={"access_token": "another"}, json={"password": "12345678"})
    for text in ("t0ken", "hunter22", "another", "12345678"):
        assert text not in str(raised.value)
