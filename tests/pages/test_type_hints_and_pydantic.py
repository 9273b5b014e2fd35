"""Other libraries read our classes: type hints resolve, and pydantic and FastAPI take and give our objects."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import typing
from typing import Annotated, Any, cast
from unittest.mock import AsyncMock, create_autospec

import canvas_studio
import fastapi
import pydantic
import pytest
from canvas_studio import Collection, Course, Media, Owner, PermissionChange, Permissions, StudioClient
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
        "assert typing.get_type_hints(Listing.to_polars) == {'return': typing.Any}\n"
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
