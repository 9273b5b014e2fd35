"""Records with methods are frozen dataclasses: the client that their methods need is no part of their value."""

from __future__ import annotations

import copy
import dataclasses
import gc
import inspect
import pickle
import weakref
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import canvas_studio
import fastapi
import pydantic
import pytest
from canvas_studio import (
    Caption,
    Course,
    DetachedError,
    Group,
    GroupUser,
    Owner,
    Perspective,
    StudioClient,
    StudioError,
    Tokens,
    User,
    models,
)
from canvas_studio.sandbox import Sandbox
from fastapi.testclient import TestClient
from support.fault_server import TOKEN, FaultServer, json_answer, media_item, person, text_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.forms import Form

URL = "/files/1?token=planted"
SENT = {"id": 5940, "srclang": "pt", "status": "published", "url": URL, "mood": "new"}
SRT = "1\n00:00:00,000 --> 00:00:02,000\nBom dia.\n"
CLASSES: list[Any] = [
    value
    for name in models.__all__
    if issubclass(value := getattr(models, name), models.RecordWithMethods)
]  # fmt: skip
# What the core makes.
FROM_CORE = [cls for name in models.__all__ if "extra" in getattr(cls := getattr(models, name), "__match_args__", ())]
# What a method is called with.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "download": ("caption.srt",),
    "change_users": ([{"action": "add", "user_id": 7}],),
}


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 (the test made it)


def caption_of(server: FaultServer) -> Caption:
    return server.client().list_captions(42).collect()[0]


def of_client(cls: type, server: FaultServer) -> Any:
    """A record of a class, as a client of the server gives it."""
    if cls is Caption:
        return caption_of(server)
    if cls is Perspective:
        return server.client().list_course_perspectives(1).first()
    if cls is Course:
        return server.client().list_media_courses(1).first()
    if cls is GroupUser:
        return server.client().list_group_users(11).collect()[0]
    if cls is Group:
        return server.client().get_media_permissions(1).groups[0]
    return server.client().get_user(1) if cls is User else server.client().get_media(1).owner


ANSWERS: dict[type, Any] = {
    Caption: {"caption_files": [SENT]},
    Course: {"courses": [{"id": 7, "course_id": 1301}]},
    Perspective: {"perspectives": [{"uuid": "7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77"}]},
    User: {"user": person(1)},
    Owner: {"media": media_item(1)},
    GroupUser: {"group_users": [person(1)]},
    Group: {"groups": [{"id": 11}]},
}


def own_methods(cls: type) -> list[str]:
    """The methods of a record that need its client."""
    own = [name for name, _ in inspect.getmembers(cls, inspect.isfunction) if not name.startswith("_")]
    return [name for name in own if not hasattr(models.Record, name) and not name.endswith("_async")]


def methods(cls: type) -> list[str]:
    """Those with an async form, which is all but the listings."""
    return [name for name in own_methods(cls) if hasattr(cls, f"{name}_async")]


ALL = [(cls, name) for cls in CLASSES for name in methods(cls)]
LISTINGS = [(cls, name) for cls in CLASSES for name in own_methods(cls) if name not in methods(cls)]


def test_there_are_records_with_methods() -> None:
    assert {(Caption, "text"), (User, "library"), (Owner, "library")} <= set(ALL)
    person = ("media", "collections")
    listings: dict[type, tuple[str, ...]] = {
        **dict.fromkeys((User, Owner, GroupUser), person),
        Course: ("media", "perspectives"),
        Group: ("users",),
        Perspective: ("insights_users",),
    }
    assert {(cls, name) for cls, names in listings.items() for name in names} == set(LISTINGS)
    assert set(CLASSES) == set(ANSWERS)


@pytest.mark.parametrize(("cls", "name"), ALL)
def test_both_forms_of_a_method_have_one_signature_and_one_docstring(cls: type, name: str) -> None:
    method, method_async = getattr(cls, name), getattr(cls, f"{name}_async")
    assert inspect.iscoroutinefunction(method_async)
    assert not inspect.iscoroutinefunction(method)
    assert inspect.signature(method) == inspect.signature(method_async)
    assert method.__doc__ == method_async.__doc__
    assert "DetachedError" in method.__doc__


def call(form: Form, record: Any, name: str) -> Any:
    if (type(record), name) in LISTINGS:
        return getattr(record, name)()
    return form.call(record, name, *ARGUMENTS.get(name, ()))


def by_hand(record: Any) -> Any:
    return record.__class__(getattr(record, record.__match_args__[0]))


def through_pydantic(record: Any) -> Any:
    return pydantic.TypeAdapter(record.__class__).validate_python(record.to_dict())


AS_DATA: list[Any] = [dataclasses.asdict, dataclasses.astuple, Caption.to_dict, pickle.dumps]
DETACHED: list[Any] = [pickled, copy.copy, copy.deepcopy, dataclasses.replace, by_hand, through_pydantic]


@pytest.mark.parametrize("detached", DETACHED, ids=lambda made: made.__name__)
@pytest.mark.parametrize(("cls", "name"), [*ALL, *LISTINGS])
def test_a_record_without_a_client_says_so_and_what_to_call(
    form: Form, cls: type, name: str, detached: Callable[[Any], Any]
) -> None:
    with FaultServer(json_answer(ANSWERS[cls])) as server:
        record = detached(of_client(cls, server))
        assert type(record) is cls
        with pytest.raises(DetachedError) as caught:
            call(form, record, name)
    assert len(server.requests) == 1
    assert isinstance(caught.value, StudioError)
    called = str(caught.value).rpartition("studio.")[2].partition("(")[0]
    assert hasattr(StudioClient, called)


def test_a_record_of_a_client_calls_that_client_with_its_options(form: Form) -> None:
    with FaultServer(json_answer({"caption_files": [SENT]}), text_answer(SRT, "text/plain")) as server:
        caption = form.items(server.client(app_name="planner/1").list_captions(42))[0]
        assert form.call(caption, "text") == SRT
    assert server.requests[1].path.endswith("/caption_files/5940/download")
    assert server.requests[1].headers["user-agent"].startswith("planner/1 ")


def test_the_client_is_no_part_of_the_value_of_a_record() -> None:
    with FaultServer(json_answer({"caption_files": [SENT]})) as server:
        caption = caption_of(server)
    twin = Caption(5940, URL, "pt", status="published", extra={"mood": "new"})
    assert (caption, hash(caption), repr(caption)) == (twin, hash(twin), repr(twin))
    assert {caption, twin} == {caption}
    for as_data in AS_DATA:
        assert as_data(caption) == as_data(twin)
    assert [field.name for field in dataclasses.fields(caption)] == list(Caption.__match_args__)
    assert "client" not in f"{dataclasses.fields(caption)} {Caption.__match_args__} {inspect.signature(Caption)}"
    for copied in (pickled, copy.copy, copy.deepcopy, dataclasses.replace):
        assert copied(caption) == caption
    assert TOKEN.encode() not in pickle.dumps(caption)
    match caption:
        case Caption(5940, _, "pt"):
            pass
        case _:
            pytest.fail("did not match")


@pytest.mark.parametrize("cls", FROM_CORE)
def test_the_core_can_fill_a_record_of_every_class_and_freeze_it(cls: Any) -> None:
    values = range(len(cls.__match_args__))
    twin: Any = models.unfrozen_twin(cls)
    record = twin(*values, *([None] if hasattr(cls, "_client") else []))
    record.__class__ = cls
    assert [getattr(record, name) for name in cls.__match_args__] == list(values)
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.extra = {}


def test_a_record_with_methods_is_frozen() -> None:
    with FaultServer(json_answer({"caption_files": [SENT]})) as server:
        caption: Any = caption_of(server)
    for name in ("id", "extra", "_client", "brand_new"):
        # For what is no field, older Pythons raise a TypeError in frozen dataclasses with slots.
        with pytest.raises((AttributeError, TypeError)):
            setattr(caption, name, 5)
        with pytest.raises((AttributeError, TypeError)):
            delattr(caption, name)
    assert not hasattr(caption, "__dict__")
    assert weakref.ref(caption)() is caption


def test_repr_of_a_caption_does_not_show_its_url() -> None:
    assert "planted" not in repr(Caption(5940, URL))


def test_pydantic_and_fastapi_take_a_record_of_a_client_and_keep_it() -> None:
    with FaultServer(json_answer({"caption_files": [SENT]}), text_answer(SRT, "text/plain")) as server:
        caption = caption_of(server)

        class Lesson(pydantic.BaseModel):
            caption: Caption

        app = fastapi.FastAPI()

        @app.get("/caption")
        def one() -> Caption:
            return caption

        lesson = Lesson(caption=caption)
        assert lesson.caption is caption
        assert lesson.model_dump()["caption"] == caption.to_dict() == TestClient(app).get("/caption").json()
        assert Lesson.model_validate_json(lesson.model_dump_json()) == lesson
        assert set(Lesson.model_json_schema()["$defs"]["Caption"]["properties"]) == set(Caption.__match_args__)
        assert lesson.caption.text() == SRT


def test_a_store_that_keeps_its_own_client_and_records_of_it_is_collected() -> None:
    class Store:
        """It makes circles: store, captions, client, `OAuth`, store."""

        tokens: Tokens | None = None
        kept: object = None

        def load(self) -> Tokens | None:
            return self.tokens

        def save(self, tokens: Tokens | None, /) -> None:
            self.tokens = tokens

        def lock(self) -> AbstractContextManager[object]:
            return nullcontext()

    with Sandbox(media=0) as box:
        media_id = box.add_media("Mitosis", captions=[{"srclang": "pt"}, {"srclang": "en"}])
        store = Store()
        studio = StudioClient(box.url, auth=box.oauth(store=store))
        captions = studio.list_captions(media_id).collect()
        assert len(captions) == 2
        store.kept = (studio, captions)
        there = weakref.ref(store)
        del store, studio, captions
        gc.collect()
        assert there() is None


def test_records_with_methods_are_exported() -> None:
    assert all(getattr(canvas_studio, cls.__name__) is cls for cls in CLASSES)
