"""Other libraries read our classes: type hints resolve, and pydantic and FastAPI take and give our objects."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
import typing
from datetime import UTC, datetime
from typing import Annotated, Any, cast
from unittest.mock import AsyncMock, create_autospec

import canvas_studio
import fastapi
import pydantic
import pytest
from canvas_studio import (
    Collection,
    Course,
    Group,
    Media,
    Owner,
    PermissionChange,
    Permissions,
    Perspective,
    Source,
    StudioClient,
    User,
)
from canvas_studio.sandbox import Sandbox
from fastapi.testclient import TestClient

CLASSES = [value for name in canvas_studio.__all__ if inspect.isclass(value := getattr(canvas_studio, name))]


def functions(cls: type) -> list[Any]:
    return [value for name, value in vars(cls).items() if inspect.isfunction(value) and not name.startswith("_")]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_type_hints_of_every_public_class_and_its_methods_can_be_read(cls: type) -> None:
    for what in [cls, *functions(cls)]:
        hints = typing.get_type_hints(what)
        assert all(isinstance(name, str) for name in hints)


def test_type_hints_can_be_read_without_the_extras() -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('polars', 'pandas', 'pyarrow')))\n"
        "import typing\nfrom canvas_studio import Listing\n"
        "assert typing.get_type_hints(Listing.to_polars) == {'flatten': bool, 'return': typing.Any}\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_importing_the_package_still_imports_neither_typing_nor_dataclasses() -> None:
    program = (
        "import sys, canvas_studio\n"
        "print(sorted({'typing', 'dataclasses', 'pathlib', 'canvas_studio.listing'} & set(sys.modules)))\n"
    )
    bare = [sys.executable, "-I", "-S", "-c", program]
    path = str(canvas_studio.__path__[0]).removesuffix("/canvas_studio")
    bare[-1] = f"import sys; sys.path.insert(0, {path!r})\n" + program
    assert subprocess.run(bare, check=True, timeout=60, capture_output=True, text=True).stdout == "[]\n"


JSON = {
    "id": 7,
    "title": "Mitosis",
    "created_at": "2026-09-14T08:30:00Z",
    "owner": {"id": 3, "nick": "Ada"},
    "new": [1],
}


class Lesson(pydantic.BaseModel):
    """A model of a user's."""

    media: Media
    collection: Collection | None = None
    owner: Owner | None = None
    course: Course | None = None
    permissions: Permissions | None = None
    change: PermissionChange | None = None


def test_objects_and_records_are_fields_of_a_pydantic_model() -> None:
    media = Media.from_dict(JSON)
    given: dict[str, Any] = {
        "collection": {"id": 1, "name": "Biology"},
        "owner": {"id": 3, "nick": "Ada"},
        "course": {"id": 5, "owner": {"id": 3, "nick": "Ada"}, "created_at": "2026-09-14T08:30:00Z"},
        "permissions": {"users": [{"id": 3, "permission": "view", "nick": "Ada"}]},
        "change": {"action": "create", "id": 3, "share_type": "user"},
    }
    lesson = Lesson(media=media, **given)
    assert lesson.media is media
    assert lesson.collection == Collection.from_dict({"id": 1})
    assert lesson.owner == Owner(3, extra={"nick": "Ada"})
    assert lesson.course is not None
    assert lesson.course.owner is not None
    assert lesson.course.owner.extra == {"nick": "Ada"}
    dumped = lesson.model_dump()
    assert dumped["media"] == media.to_dict()
    assert dumped["media"]["new"] == [1]
    assert dumped["permissions"]["users"][0]["nick"] == "Ada"
    again = Lesson.model_validate_json(lesson.model_dump_json())
    assert again == lesson
    assert again.media.to_dict() == media.to_dict()
    assert again.model_dump_json() == lesson.model_dump_json()


@pytest.mark.parametrize("wrong", [{"id": "seven"}, {"title": "no id"}, 7, None, "Mitosis"])
def test_what_is_no_media_is_a_validation_error_that_names_the_field(wrong: object) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Lesson.model_validate({"media": wrong})
    assert [error["loc"] for error in caught.value.errors()] == [("media",)]


@pytest.mark.parametrize("extra", [None, 5, "ab", [["a", 1]], {"id": 5}, {"full_name": "other"}])
def test_an_extra_that_is_no_dict_or_that_holds_a_field_is_a_validation_error(extra: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        pydantic.TypeAdapter(Owner).validate_python({"id": 1, "extra": extra})


STRICT: list[tuple[type, dict[str, Any], Any]] = [
    (
        Course,
        {"id": 5, "owner": {"id": 3, "nick": "Ada"}, "created_at": "2026-09-14T08:30:00Z", "new": [1]},
        Course(
            5,
            owner=Owner(3, extra={"nick": "Ada"}),
            created_at=datetime(2026, 9, 14, 8, 30, tzinfo=UTC),
            extra={"new": [1]},
        ),
    ),
    (
        Permissions,
        {"users": [{"id": 3, "permission": "view"}], "groups": [{"id": 4, "name": "All"}], "new": None},
        Permissions((User(3, permission="view"),), (Group(4, "All"),), {"new": None}),
    ),
    (
        Perspective,
        {"uuid": "a-1", "collection": {"id": 1}},
        Perspective("a-1", collection=Collection.from_dict({"id": 1})),
    ),
    (Source, {"url": "https://x.example.edu/1", "new": {}}, Source("https://x.example.edu/1", extra={"new": {}})),
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("cls", "given", "read"), STRICT, ids=lambda value: getattr(value, "__name__", ""))
def test_json_of_a_record_is_read_strictly_too(cls: type, given: dict[str, Any], read: Any, *, strict: bool) -> None:
    adapter = pydantic.TypeAdapter[Any](cls)
    again = adapter.validate_json(json.dumps(given), strict=strict)
    assert (again, again.extra) == (read, read.extra)
    assert adapter.validate_json(adapter.dump_json(again), strict=strict) == read
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_json("5", strict=strict)
    if "id" in given:
        wrong = json.dumps({**given, "id": "7"})
        assert strict or adapter.validate_json(wrong).id == 7
        if strict:
            with pytest.raises(pydantic.ValidationError, match="valid integer"):
                adapter.validate_json(wrong, strict=True)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-09-14T08:30:00", "2026-09-14T08:30:00+00:00"),
        ("2026-09-14T10:30:00+02:00", "2026-09-14T08:30:00+00:00"),
        (datetime(2026, 9, 14, 8, 30), "2026-09-14T08:30:00+00:00"),  # noqa: DTZ001 - it is the test
        ("0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00+02:00"),
    ],
)
def test_a_time_that_pydantic_reads_is_in_utc_as_the_client_reads_it(written: object, read: str) -> None:
    made = pydantic.TypeAdapter(Course).validate_python({"id": 1, "created_at": written}).created_at
    assert made is not None
    assert made.isoformat() == read


SIGNED = "https://storage.example.edu/1.mp4?Signature=planted-2718281828"


@pytest.mark.parametrize(
    ("cls", "given"),
    [
        (Media, {"id": "seven", "thumbnail_url": SIGNED}),
        (Media, {"id": {"deep": [[[SIGNED]]]}}),
        (Media, {"id": SIGNED}),
        (Media, SIGNED),
        (Media, [SIGNED]),
        (Media, {"id": 1, "object": object(), "url": SIGNED}),
        (Collection, {"name": SIGNED}),
        (Owner, {"id": 1, "extra": {"id": 2, "url": SIGNED}}),
        (Source, {"url": SIGNED, "extra": {"url": SIGNED}}),
    ],
)
def test_a_validation_error_shows_no_signed_url_of_an_object_or_an_extra(cls: Any, given: Any) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(cls).validate_python(given)
    shown = [str(caught.value), repr(caught.value.errors()), repr(caught.value.errors(include_context=False))]
    assert not [text for text in shown if "planted" in text]


def test_from_dict_of_a_signed_url_does_not_show_it() -> None:
    with pytest.raises(canvas_studio.InvalidArgumentError) as caught:
        Media.from_dict(cast("Any", SIGNED))
    assert "planted" not in str(caught.value)
    assert "https://storage.example.edu/1.mp4?***" in str(caught.value)


def test_openapi_says_the_type_of_every_field_of_an_object() -> None:
    schema = pydantic.TypeAdapter(Media).json_schema()
    fields = schema["properties"]
    assert list(fields) == list(Media.__match_args__)
    assert (schema["required"], fields["id"]) == (["id"], {"type": "integer"})
    null = {"type": "null"}
    for name, expected in {
        "title": {"type": "string"},
        "transcoding_status": {"type": "string"},
        "size": {"type": "integer"},
        "duration": {"type": "number"},
        "created_at": {"type": "string", "format": "date-time"},
        "last_viewed": {"type": "string", "format": "date"},
    }.items():
        assert fields[name] == {"anyOf": [expected, null]}, name
    owner = fields["collection"]["anyOf"][0]["properties"]["owner"]["anyOf"][0]
    assert owner["properties"]["email"] == {"anyOf": [{"type": "string"}, null]}


def test_a_default_that_is_none_of_ours_can_be_dumped() -> None:
    class Draft(pydantic.BaseModel):
        media: Media = cast("Media", None)
        owner: Owner = cast("Owner", None)

    assert Draft().model_dump() == {"media": None, "owner": None}
    assert Draft().model_dump_json() == '{"media":null,"owner":null}'


def test_fastapi_returns_and_takes_objects_and_records_and_describes_them() -> None:
    media = Media.from_dict(JSON)
    app = fastapi.FastAPI()

    @app.get("/media")
    def one() -> Media:
        return media

    @app.get("/all")
    async def everything() -> list[Media]:
        return [media]

    @app.get("/owner")
    def owner() -> Owner:
        return Owner(3, extra={"nick": "Ada"})

    @app.post("/title")
    def title(given: Annotated[Media, fastapi.Body()]) -> str | None:
        return given.title

    client = TestClient(app)
    assert client.get("/media").json() == media.to_dict()
    assert client.get("/all").json() == [media.to_dict()]
    assert client.get("/owner").json() == {
        "id": 3, "full_name": None, "display_name": None, "email": None, "nick": "Ada"
    }  # fmt: skip
    assert client.post("/title", json=JSON).json() == "Mitosis"
    assert client.post("/title", json={"id": "seven"}).status_code == 422
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert "title" in str(client.get("/openapi.json").json()["paths"]["/media"])
    assert "Owner" in schemas


def test_pydantic_is_not_imported_until_it_asks() -> None:
    program = "import sys, canvas_studio.models; print('pydantic' in sys.modules or 'pydantic_core' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout == "False\n"


async_methods = pytest.mark.parametrize(
    "method",
    [
        method
        for cls in CLASSES
        for name, method in vars(cls).items()
        if name.endswith("_async") and not name.startswith("_")
    ],
    ids=lambda method: method.__qualname__,
)


@async_methods
def test_each_async_method_is_a_coroutine_function_with_the_parameters_of_its_twin(method: Any) -> None:
    assert inspect.iscoroutinefunction(method)
    assert method.__doc__
    cls = getattr(canvas_studio, method.__qualname__.partition(".")[0])
    twin = getattr(cls, method.__name__.removesuffix("_async"))
    parameters = [str(parameter) for parameter in inspect.signature(method).parameters.values()]
    assert parameters == [str(parameter) for parameter in inspect.signature(twin).parameters.values()]


def test_a_bound_async_method_and_that_of_a_mock_are_coroutine_functions() -> None:
    studio = StudioClient("https://school.example.edu", token="invented")
    assert inspect.iscoroutinefunction(studio.get_media_async)
    assert str(inspect.signature(studio.get_media_async)) == "(id)"
    mock = create_autospec(StudioClient, instance=True)
    assert isinstance(mock.get_media_async, AsyncMock)
    with pytest.raises(TypeError):
        mock.get_media_async(1, 2)


def test_fastapi_carries_an_async_method_out_in_the_background() -> None:
    with Sandbox(media=3) as box:
        studio = box.client()
        media = studio.search_media().first()
        assert media is not None
        app = fastapi.FastAPI()

        @app.post("/delete")
        def delete(tasks: fastapi.BackgroundTasks) -> None:
            tasks.add_task(studio.delete_media_async, media)

        assert TestClient(app).post("/delete").status_code == 200
        assert studio.search_media().total() == 2


def test_bad_arguments_of_an_async_method_are_refused_when_it_is_awaited() -> None:
    studio = StudioClient("https://school.example.edu", token="invented")
    call = studio.get_media_async(-1)
    with pytest.raises(canvas_studio.InvalidArgumentError):
        asyncio.run(call)
    call = cast("Any", studio).get_media_async()
    with pytest.raises(TypeError, match="get_media_async"):
        asyncio.run(call)
