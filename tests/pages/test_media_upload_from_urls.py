"""The Media Upload page: media from a URL. A call makes one media at most, and what cannot be right is not sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    InternalServerError,
    InvalidArgumentError,
    Media,
    NotFoundError,
    Owner,
    PermissionDeniedError,
    ResponseDecodeError,
    StudioError,
    UnprocessableEntityError,
    User,
)
from canvas_studio.sandbox import Assumptions, Sandbox
from support.fault_server import FaultServer, json_answer, media_item, text_answer
from support.recorded_objects import assert_is_ada

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from canvas_studio import StudioClient
    from support.forms import Connect, Form, Serve

FILE = "https://files.example.edu/lectures/mitosis.mp4"
VIDEO = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
SIGNED = f"{FILE}?X-Amz-Expires=600&X-Amz-Signature=5ca1ab1e5ca1ab1e5ca1ab1e"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=0) as box:
        yield box


@pytest.fixture
def studio(box: Sandbox) -> Iterator[StudioClient]:
    with box.client(retry_delay=0) as studio:
        yield studio


def into_library(form: Form, studio: StudioClient, url: str, _collection: int = 7, **given: Any) -> Any:
    return form.call(studio, "create_media", url, **given)


def into_collection(form: Form, studio: StudioClient, url: str, collection: int = 7, **given: Any) -> Any:
    return form.call(studio, "create_collection_media", collection, url, **given)


BOTH = pytest.mark.parametrize("create", [into_library, into_collection])


@pytest.mark.parametrize("case", ["create_media", "create_media_in_a_collection"])
def test_a_media_from_a_url_comes_back_as_studio_made_it(
    case: str, form: Form, recorded: Serve, connect: Connect
) -> None:
    collection = {"collection_id": 7} if case.endswith("collection") else {}
    studio = connect(recorded(f"media_upload/{case}").url)
    media = form.call(studio, "create_media", FILE, title="Mitosis", **collection)
    assert type(media) is Media
    assert (media.id, media.title, media.transcoding_status, media.extra) == (61, "Mitosis", "transcoding_queued", {})
    assert_is_ada(media.owner)


def test_a_user_and_a_collection_may_be_what_studio_gave(form: Form, studio: StudioClient, box: Sandbox) -> None:
    ada = box.add_user("Ada Park", "ada.park@example.edu")
    collection = form.call(studio, "get_collection", box.add_collection("Biology", owner=ada))
    user = form.call(studio, "find_user", "ada.park@example.edu")
    for who in (user, User(id=ada), Owner(id=ada), ada):
        assert form.call(studio, "create_media", FILE, title="Mitosis", user_id=who).owner.id == ada
    made = [
        form.call(studio, "create_media", FILE, title="One", collection_id=collection),
        form.call(studio, "create_collection_media", collection, FILE, title="Two", user_id=user),
        form.call(collection, "create_media", FILE, title="Three", description="3", user_id=user, auto_caption=True),
    ]
    inside = form.items(studio.list_collection_media(collection))
    assert {media.id for media in inside} == {media.id for media in made}
    assert [media.owner.id for media in made[1:]] == [ada, ada]
    assert made[2].description == "3"


def test_a_video_elsewhere_needs_no_title(form: Form, studio: StudioClient, box: Sandbox) -> None:
    collection = form.call(studio, "get_collection", box.add_collection("Biology"))
    media = [
        form.call(studio, "create_media", VIDEO, is_external=True),
        form.call(collection, "create_media", "https://vimeo.com/76979871", is_external=True),
    ]
    assert [each.source for each in media] == ["youtube", "vimeo"]


@BOTH
@pytest.mark.parametrize(
    "url",
    ["", " ", "mitosis.mp4", "/mitosis.mp4", "ftp://files.example.edu/1.mp4", "file:///1.mp4", "https://", "https:/x"],
)
def test_what_is_no_url_is_refused_before_anything_is_sent(create: Callable[..., Any], url: str, form: Form) -> None:
    with FaultServer(json_answer({})) as server, server.client() as studio:
        with pytest.raises(InvalidArgumentError, match=r"^url must be a URL that begins with http:// or https://$"):
            create(form, studio, url, title="Mitosis")
        assert server.requests == []


@BOTH
def test_a_refusal_does_not_show_a_signed_url(create: Callable[..., Any], form: Form) -> None:
    with FaultServer(json_answer({})) as server, server.client() as studio:
        for given in ({}, {"title": " "}, {"title": "x", "user_id": 0}):
            with pytest.raises(InvalidArgumentError) as raised:
                create(form, studio, SIGNED, **given)
            assert "5ca1ab1e" not in f"{raised.value} {vars(raised.value)}"
        assert server.requests == []


@BOTH
@pytest.mark.parametrize("given", [{}, {"is_external": False}, {"title": None}])
def test_a_file_without_a_title_is_refused_before_anything_is_sent(
    create: Callable[..., Any], given: dict[str, Any], form: Form
) -> None:
    with FaultServer(json_answer({})) as server, server.client() as studio:
        with pytest.raises(
            InvalidArgumentError, match="title is missing: Studio requires it, unless is_external is True"
        ):
            create(form, studio, FILE, **given)
        for title in ("", "  "):
            with pytest.raises(InvalidArgumentError, match="title must not be empty"):
                create(form, studio, FILE, title=title)
        assert server.requests == []


@BOTH
@pytest.mark.parametrize("host", ["www.youtube.com", "YouTube.com", "youtu.be", "player.vimeo.com", "vimeo.com"])
def test_of_youtube_and_vimeo_it_must_be_said_whether_the_video_stays_there(
    create: Callable[..., Any], host: str, form: Form
) -> None:
    url = f"https://{host}/1"
    with FaultServer(json_answer({"media": media_item(1)}, 201)) as server, server.client() as studio:
        with pytest.raises(InvalidArgumentError, match="is_external must be given for a URL of YouTube or Vimeo"):
            create(form, studio, url, title="Mitosis")
        assert server.requests == []
        for is_external in (True, False):
            assert create(form, studio, url, title="Mitosis", is_external=is_external).id == 1
        for elsewhere in ("https://notyoutube.com/1", "https://vimeo.com.example.edu/1"):
            assert create(form, studio, elsewhere, title="Mitosis").id == 1


def test_create_media_refuses_a_user_with_a_collection_before_anything_is_sent(form: Form) -> None:
    with FaultServer(json_answer({"media": media_item(1)}, 201)) as server, server.client() as studio:
        with pytest.raises(InvalidArgumentError, match="user_id cannot be given with collection_id here") as raised:
            form.call(studio, "create_media", FILE, title="Mitosis", user_id=3, collection_id=7)
        assert "create_collection_media takes both" in str(raised.value)
        assert server.requests == []
        assert form.call(studio, "create_collection_media", 7, FILE, title="Mitosis", user_id=3).id == 1


@BOTH
@pytest.mark.parametrize(
    "fault",
    [
        *({"status": status, "carried_out": True} for status in (500, 502, 504)),
        {"status": 500},
        {"reset": "after"},
        {"reset": "body"},
        {"reset": "before"},
    ],
    ids=str,
)
def test_a4_a_5xx_or_a_broken_connection_of_create_media_makes_one_media_at_most(
    create: Callable[..., Any], fault: dict[str, Any], form: Form, box: Sandbox, studio: StudioClient
) -> None:
    collection = box.add_collection("Biology")
    box.faults.add(path="/v1/media" if create is into_library else "/v1/collections/*/media", method="POST", **fault)
    with pytest.raises(StudioError) as raised:
        create(form, studio, FILE, collection, title="Mitosis")
    assert getattr(raised.value, "outcome_unknown", None) is True
    assert "it may still have been carried out: check before you repeat it" in str(raised.value)
    assert [seen.method for seen in box.requests] == ["POST"]
    made = len(form.items(studio.search_media(title="Mitosis")))
    assert made == (1 if fault.get("carried_out") or fault.get("reset") in {"after", "body"} else 0)


@BOTH
def test_a_success_that_cannot_be_read_is_an_error_and_is_not_repeated(create: Callable[..., Any], form: Form) -> None:
    for answer in (text_answer("<title>Hello</title>", "text/html", 201), json_answer({"error": "no"}, 201)):
        with FaultServer(answer) as server, server.client() as studio:
            with pytest.raises(ResponseDecodeError):
                create(form, studio, FILE, title="Mitosis")
            assert len(server.requests) == 1


def test_captions_that_the_account_does_not_have_are_explained_and_nothing_is_made(form: Form) -> None:
    with Sandbox(media=0, assumptions=Assumptions(auto_captions=False)) as box, box.client() as studio:
        collection = form.call(studio, "get_collection", box.add_collection("Biology"))
        for owner in (studio, collection):
            with pytest.raises(InternalServerError, match="create the media without auto_caption") as raised:
                form.call(owner, "create_media", FILE, title="Mitosis", auto_caption=True)
            assert (raised.value.status_code, raised.value.outcome_unknown) == (501, False)
        assert form.items(studio.search_media()) == []


def test_what_studio_refuses_is_explained(form: Form, studio: StudioClient, box: Sandbox) -> None:
    ada = box.add_user("Ada Park", "ada.park@example.edu")
    bo, not_allowed = box.add_user("Bo Lind"), "only an administrator may create one for another user"
    with box.client(user=ada) as own, pytest.raises(PermissionDeniedError, match=not_allowed):
        form.call(own, "create_media", FILE, title="Mitosis", user_id=bo)
    for given in ({"user_id": 999_999}, {"collection_id": 999_999}):
        with pytest.raises(NotFoundError, match="both are Studio's ids, not those in Canvas"):
            form.call(studio, "create_media", FILE, title="Mitosis", **given)
    with pytest.raises(UnprocessableEntityError):
        form.call(studio, "create_media", FILE, is_external=True)
