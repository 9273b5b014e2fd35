"""In a notebook a listing shows its first rows: one request, everything escaped, never an exception."""

from __future__ import annotations

import re
import threading
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import Collection, Drift, Media, StudioClient, _notebook
from canvas_studio.auth import MemoryTokenStore, OAuth
from canvas_studio.models import Caption, Group, Perspective, Source, UploadSlot
from canvas_studio.sandbox import Sandbox
from support.fault_server import (
    HANG,
    TOKEN,
    Answer,
    FaultServer,
    Received,
    collection_item,
    json_answer,
    library_of,
    media_item,
    paged,
    person,
)

if TYPE_CHECKING:
    from canvas_studio import Listing

SCRIPT = "<script>alert('&')</script>"


class Reader(HTMLParser):
    """The tags of a page, its rows of cells, and its text; it fails if tags are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called for `<tag>`."""
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Called for `</tag>`."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Called for text."""
        self.text += data
        if self._open and self._open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all tags of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


def html_of(value: Any) -> str:
    """What a notebook asks a value for."""
    html: str = value._repr_html_()
    return html


def shown(listing: Listing[Any] | Media) -> Reader:
    return Reader(html_of(listing))


def test_a_listing_shows_its_first_rows_and_its_total_for_one_request() -> None:
    with FaultServer(paged(library_of(5001))) as server:
        table = shown(server.client().search_media())
        assert server.wait_for_requests(2, timeout=0.2) is False
    assert len(server.requests) == 1
    assert table.rows[0] == ["id", "title", "owner", "duration", "size", "created_at"]
    assert table.rows[1] == ["1", "Lecture 1", "Person 7", "12:16", "1.0 kB", "2024-05-16 02:36"]
    assert [row[0] for row in table.rows[1:]] == [str(number) for number in range(1, 11)]
    assert table.text.startswith("Media, the first 10 of 5,001")


@pytest.mark.parametrize(
    ("count", "limit", "told"),
    [
        (0, None, "none"),
        (1, None, "1"),
        (7, None, "7"),
        (10, None, "10"),
        (11, None, "the first 10 of 11"),
        (345, 3, "3"),
        (345, 30, "the first 10 of 30"),
        (345, 0, "none"),
    ],
)
def test_a_listing_tells_how_much_there_is(count: int, limit: int | None, told: str) -> None:
    with FaultServer(paged(library_of(count))) as server:
        listing = server.client().search_media(per_page=20)
        table = shown(listing if limit is None else listing.limit(limit))
    rows = min(count, 10 if limit is None else limit, 10)
    assert table.text.startswith(f"Media, {told}" + ("id" if rows else ""))
    assert len(table.rows) == (rows + 1 if rows else 0)


def test_a_listing_that_studio_does_not_count_says_so() -> None:
    with FaultServer(paged(library_of(45), meta=False)) as server:
        assert (
            "Media, the first 10; Studio does not say how many there are" in shown(server.client().search_media()).text
        )


def test_everything_is_escaped() -> None:
    item = media_item(1, title=SCRIPT, owner=person(display_name=SCRIPT), thumbnail_url=f'https://x.example/"{SCRIPT}')
    body = {"media": [item], "few": [{"id": 1, SCRIPT: SCRIPT}], "meta": {"last_page": 1, "total_count": 1}}
    with FaultServer(json_answer(body)) as server:
        studio = server.client()
        for listing in (
            studio.search_media(title=SCRIPT).with_options(thumbnails=True),
            studio.paginate("/things", key="media", params={"<b>": "<i>"}),
            studio.paginate("/only", key="few"),
        ):
            html = html_of(listing)
            assert "<script" not in html
            assert SCRIPT in Reader(html).text
            assert {tag for tag, _ in Reader(html).tags} <= {
                *("div", "table", "caption", "code", "thead", "tbody", "tr", "th", "td", "img")
            }


def test_numbers_stand_below_each_other_and_text_begins_where_its_script_does() -> None:
    with FaultServer(paged([media_item(1, title="مراجعة"), media_item(22, size=None)])) as server:
        table = shown(server.client().search_media())
    columns = ["id", "title", "owner", "duration", "size", "created_at"]
    heads, cells = table.named("th"), table.named("td")
    for styles in (heads, cells[:6], cells[6:]):
        right = [name for name, tag in zip(columns, styles, strict=True) if "right" in (tag["style"] or "")]
        assert [name for name in right if name != "size"] == ["id", "duration", "created_at"]
    assert "right" in (heads[4]["style"] or "")
    assert {cell["dir"] for cell in cells} == {"auto"}


def test_what_is_missing_is_an_empty_cell_and_no_column_if_it_is_always_missing() -> None:
    items = [{"id": 1, "title": None, "owner": None}, media_item(2, duration=None, size=None, created_at=None)]
    with FaultServer(paged(items)) as server:
        table = shown(server.client().search_media())
    assert table.rows == [["id", "title", "owner"], ["1", "", ""], ["2", "Lecture 2", "Person 7"]]


def test_durations_and_sizes_are_told_as_people_do() -> None:
    items = [
        media_item(1, duration=59.6, size=999),
        media_item(2, duration=3599.0, size=20_000_000),
        media_item(3, duration=36_000.0, size=1_234_567_890),
    ]
    with FaultServer(paged(items)) as server:
        table = shown(server.client().search_media())
    assert [row[3:5] for row in table.rows[1:]] == [["1:00", "999 B"], ["59:59", "20.0 MB"], ["10:00:00", "1.2 GB"]]


@pytest.mark.parametrize(
    ("method", "key", "items", "rows"),
    [
        (
            "list_media_users",
            "user_permissions",
            [person(1, permission="edit", email=None)],
            [["id", "full_name", "permission"], ["1", "Person 1", "edit"]],
        ),
        (
            "list_media_perspectives",
            "perspectives",
            [{"uuid": "a", "title": "A", "collection": collection_item(7)}],
            [["uuid", "title", "collection"], ["a", "A", "Collection 7"]],
        ),
        (
            "list_media_sources",
            "sources",
            [{"url": "https://files.example/1?signature=secret", "mime_type": "video/mp4", "definition": "low"}],
            [["definition", "mime_type", "url"], ["low", "video/mp4", "https://files.example/1?***"]],
        ),
    ],
)
def test_every_list_shows_what_its_items_are_known_by(
    method: str, key: str, items: list[Any], rows: list[list[str]]
) -> None:
    with FaultServer(json_answer({key: items})) as server:
        table = shown(getattr(server.client(), method)(1))
    assert table.rows == rows
    assert table.text.startswith(f"{method.rpartition('_')[2].capitalize()}, {len(items)}")


def test_dicts_are_shown_by_their_own_fields_without_the_query_of_a_url() -> None:
    things = [{"id": 1, "tags": ["a"], "url": "https://x.example/y?token=secret"}, {"id": 2, "name": "x" * 200}]
    with FaultServer(paged(things, "things")) as server:
        html = html_of(server.client().paginate("/things", key="things"))
    table = Reader(html)
    assert table.rows[0] == ["id", "tags", "url", "name"]
    assert table.rows[1] == ["1", '["a"]', "https://x.example/y?***", ""]
    assert table.rows[2][3] == "x" * 79 + "…"
    assert "secret" not in html


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (json_answer({"error": "No such owner"}, 422), "No such owner"),
        (json_answer({"error": SCRIPT}, 403), SCRIPT),
        (json_answer({"error": "Unauthorized"}, 401), "AuthenticationError"),
        (json_answer({"nothing": []}), "ResponseDecodeError"),
        (Answer(silent=True, end="reset"), "APIConnectionError"),
    ],
    ids=["422", "403", "401", "no list", "reset"],
)
def test_what_cannot_be_read_is_told_and_not_raised(answer: Answer, reason: str) -> None:
    with FaultServer(answer) as server:
        html = html_of(server.client().search_media(title="mitosis"))
    table = Reader(html)
    assert "GET /media/search?title=mitosis" in table.text
    assert reason in table.text
    assert "<script" not in html
    assert TOKEN not in html


def test_a_studio_that_cannot_be_reached_is_told_and_not_raised() -> None:
    with FaultServer(listening=False) as server:
        assert "APIConnectionError" in shown(server.client().search_media()).text


def test_a_studio_that_does_not_answer_is_waited_for_a_few_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_notebook, "SECONDS", 0.2)
    with FaultServer(HANG) as server:
        assert "APITimeoutError" in shown(server.client(timeout=50, read_timeout=50).search_media()).text
        assert len(server.requests) == 1


def test_a_closed_client_is_told_and_not_raised() -> None:
    with FaultServer(paged([])) as server:
        studio = server.client()
        listing = studio.search_media()
        studio.close()
        assert "ClientClosedError" in shown(listing).text


def test_pictures_are_only_shown_if_somebody_asks_for_them() -> None:
    with FaultServer(paged(library_of(2))) as server:
        listing = server.client().search_media()
        without, with_them = html_of(listing), shown(listing.with_options(thumbnails=True))
        assert "thumbnails.example" not in without
        assert "<img" not in without
        assert "<img" not in html_of(listing.with_options(thumbnails=True).with_options(thumbnails=False))
    pictures = with_them.named("img")
    assert [picture["src"] for picture in pictures] == [f"https://thumbnails.example/{number}.png" for number in (1, 2)]
    assert all(picture["loading"] == "lazy" and picture["referrerpolicy"] == "no-referrer" for picture in pictures)
    assert with_them.rows[1][:3] == ["", "1", "Lecture 1"]


@pytest.mark.parametrize(
    ("address", "is_shown"),
    [
        ("https://thumbnails.example/1.png?signature=x&y", True),
        ("http://127.0.0.1:8080/1.svg", True),
        ("http://localhost:8080/1.svg", True),
        ("http://thumbnails.example/1.png", False),
        ("http://127.0.0.1.example/1.png", False),
        ("http://localhost@thumbnails.example/1.png", False),
        ("javascript:alert(1)", False),
        ("data:image/svg+xml,<svg onload=alert(1)>", False),
        ("file:///etc/passwd", False),
        ("//thumbnails.example/1.png", False),
        ("https:///1.png", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_pictures_come_over_https_or_from_this_machine(address: str, *, is_shown: bool) -> None:
    with FaultServer(paged([media_item(1, thumbnail_url=address), media_item(2)])) as server:
        table = shown(server.client().search_media().with_options(thumbnails=True))
    sources = [picture["src"] for picture in table.named("img")]
    assert sources == [*([address] if is_shown else []), "https://thumbnails.example/2.png"]


def test_the_table_takes_its_colours_from_the_notebook() -> None:
    with FaultServer(paged(library_of(20))) as server:
        html = html_of(server.client().search_media().with_options(thumbnails=True))
    assert not re.search(r"color|background|<style|<script|#[0-9a-f]{3}", html, re.IGNORECASE)
    assert "tabular-nums" in html


def test_the_table_is_no_reading_of_the_listing() -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media()
        html_of(listing)
        assert listing.drift is None
        assert listing.checkpoint().items == 0


def test_the_table_can_be_shown_from_several_threads() -> None:
    results: list[str] = []
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media()
        threads = [threading.Thread(target=lambda: results.append(html_of(listing))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(results)) == 1
    assert len(results) == 4


def test_a_media_shows_a_card_in_which_everything_is_escaped() -> None:
    media = Media.from_dict(media_item(1, title=SCRIPT, owner=person(display_name=SCRIPT)))
    card = shown(media)
    assert card.rows[0] == [SCRIPT]
    assert ["owner", SCRIPT] in card.rows
    assert "<script" not in html_of(media)
    assert unescape(html_of(media)).count(SCRIPT) == 2
    assert card.named("img") == []


def test_the_cards_of_people_and_of_what_is_shared_show_who_may_do_what() -> None:
    answers = {
        "/users/3": {"user": person(3, display_name=SCRIPT, role_names=["Admin", "Teacher"])},
        "/permissions": {
            "users": [person(4, display_name="Ada", permission="edit")],
            "groups": [{"id": 5, "name": SCRIPT, "permission": "view"}],
        },
    }

    def answer(request: Received) -> Answer:
        return json_answer(next(body for path, body in answers.items() if request.path.endswith(path)))

    with FaultServer(answer) as server:
        studio = server.client()
        user, permissions = studio.get_user(3), studio.get_media_permissions(1)
    html = html_of(user) + html_of(permissions)
    assert "<script" not in html
    assert Reader(html_of(user)).rows[0] == [SCRIPT]
    assert ["role_names", "Admin, Teacher"] in Reader(html_of(user)).rows
    assert Reader(html_of(permissions)).rows == [
        ["Permissions"],
        ["users", "Ada (edit)"],
        ["groups", f"{SCRIPT} (view)"],
    ]


SIGNED = "https://files.example/1.mp4?Signature=SignedSecret"


@pytest.mark.parametrize(
    "value",
    [
        Source(url=SIGNED, download_url=SIGNED),
        UploadSlot(id=1, url=SIGNED),
        Caption(id=1, url="/caption_files/1/download?token=SignedSecret"),
        Media.from_dict(media_item(1, thumbnail_url=SIGNED)),
        Collection.from_dict(collection_item(1, owner=person(7, email=None))),
        Group(id=1, name=SCRIPT),
        Perspective(uuid="a", title=SCRIPT, collection=Collection.from_dict(collection_item(1, name=SCRIPT))),
        Drift(readings=1, appeared=0, vanished=0, first_total=500, last_total=None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_record_shows_a_card_without_secrets(value: Any) -> None:
    html = html_of(value)
    assert Reader(html).rows[0][0] in {type(value).__name__, SCRIPT, "Lecture 1", "Collection 1"}
    assert "Secret" not in html
    assert "<script" not in html


def test_a_client_and_a_sandbox_show_their_school_and_no_secret() -> None:
    with Sandbox(media=3) as box, box.client(max_rate=5) as studio:
        client, sandbox = html_of(studio), html_of(box)
        assert ["School", box.url] in Reader(client).rows
        assert ["Signed in with", "a token"] in Reader(client).rows
        assert ["Requests a second", "5.0"] in Reader(client).rows
        assert ["School", box.url] in Reader(sandbox).rows
        for secret in (box.token, box.client_secret):
            assert secret not in client + sandbox
        auth = OAuth(box.client_id, box.client_secret, store=MemoryTokenStore())
        assert ["Signed in with", "OAuth"] in Reader(html_of(StudioClient(box.url, auth=auth))).rows
    proxied = StudioClient("myschool", token=TOKEN, proxy="http://ada:Secret@proxy.example.edu:8080")
    assert "Secret" not in html_of(proxied)
    assert TOKEN not in html_of(proxied)
