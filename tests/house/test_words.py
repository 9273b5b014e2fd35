"""The words of Studio's enumerations: one list each, in the core; type hints offer them, and any other word is kept."""

from __future__ import annotations

import ast
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, assert_type

import pydantic
import pytest
from canvas_studio import Caption, Collection, Course, Group, Media, PermissionChange, User
from support.fault_server import FaultServer, json_answer, media_item

if TYPE_CHECKING:
    from support.forms import Form

HOUSE = Path(__file__).parents[2]
CORE = (HOUSE / "src/api/words.rs").read_text()
STUB = ast.parse((HOUSE / "python/canvas_studio/_core.pyi").read_text())
MADE_UP = "a_word_that_nobody_knows"


def core(name: str) -> list[str]:
    """The words of a list in the core."""
    constants = dict(re.findall(r'const (\w+): &str = "(\w+)";', CORE))
    listed = re.search(rf"const {name}: &\[&str\] = &\[(.*?)\];", CORE, re.DOTALL)
    assert listed is not None, name
    return [constants.get(word) or ast.literal_eval(word) for word in re.findall(r'"[^"]+"|\w+', listed[1])]


def literals(hint: object) -> tuple[list[str], bool]:
    """The words in a type hint, and whether any other text is allowed too."""
    members = typing.get_args(hint) if typing.get_origin(hint) is not Literal else (hint,)
    words = [word for member in members if typing.get_origin(member) is Literal for word in typing.get_args(member)]
    return words, str in members


@pytest.mark.parametrize(
    ("cls", "field", "words"),
    [
        (User, "permission", "PERMISSIONS"),
        (Group, "permission", "LEVELS"),
        (Course, "type", "COLLECTION_TYPES"),
        (Course, "permission", "PERMISSIONS"),
        (PermissionChange, "permission_type", "LEVELS"),
        (Caption, "status", "CAPTION_STATUSES"),
        (Caption, "provider", "CAPTION_PROVIDERS"),
    ],
)
def test_hints_of_a_record_offer_the_words_of_the_core_and_take_others(cls: type, field: str, words: str) -> None:
    assert literals(typing.get_type_hints(cls)[field]) == (core(words), True)


def test_hints_of_roles_offer_the_words_of_the_core_and_take_others() -> None:
    roles, _ = typing.get_args(typing.get_type_hints(User)["role_names"])
    word, _ = typing.get_args(roles)
    assert (typing.get_origin(roles), literals(word)) == (tuple, (core("ROLE_NAMES"), True))
    arguments = [node for node in ast.walk(STUB) if isinstance(node, ast.arg) and node.arg == "role"]
    hints = {ast.unparse(node.annotation) for node in arguments if node.annotation is not None}
    assert hints == {f"Literal[{', '.join(map(repr, core('ROLES')))}] | str | None"}


@pytest.mark.parametrize(("field", "words"), [("action", "ACTIONS"), ("share_type", "SHARE_TYPES")])
def test_hints_of_a_change_have_the_words_that_are_not_refused(field: str, words: str) -> None:
    assert literals(typing.get_type_hints(PermissionChange)[field]) == (core(words), False)


@pytest.mark.parametrize(
    ("argument", "words", "times"), [("embed_type", "EMBED_TYPES", 4), ("min_permission", "MIN_PERMISSIONS", 5)]
)
def test_hints_of_an_argument_have_the_words_that_are_not_refused(argument: str, words: str, times: int) -> None:
    arguments = [node for node in ast.walk(STUB) if isinstance(node, ast.arg) and node.arg == argument]
    hints = [ast.literal_eval(node.annotation) for node in arguments if node.annotation is not None]
    assert hints == [f"Literal[{', '.join(map(repr, core(words)))}]"] * times


def properties(cls: str) -> dict[str, str]:
    """The type hints of a class's properties in the stub."""
    found = next(node for node in STUB.body if isinstance(node, ast.ClassDef) and node.name == cls)
    return {
        node.name: ast.unparse(node.returns)
        for node in found.body
        if isinstance(node, ast.FunctionDef) and node.decorator_list and node.returns
    }


@pytest.mark.parametrize(
    ("cls", "field", "words"),
    [
        ("Media", "transcoding_status", "TRANSCODING_STATUSES"),
        ("Media", "permission", "PERMISSIONS"),
        ("Collection", "type", "COLLECTION_TYPES"),
        ("Collection", "permission", "PERMISSIONS"),
    ],
)
def test_hints_of_an_object_offer_the_words_of_the_core_and_take_others(cls: str, field: str, words: str) -> None:
    assert properties(cls)[field] == f"Literal[{', '.join(map(repr, core(words)))}] | str | None"


def test_type_checkers_read_the_words_and_take_others() -> None:
    """What these lines say is checked by mypy and pyright, which `make test` runs over the tests."""
    media, collection = Media.from_dict({"id": 1}), Collection.from_dict({"id": 1})
    assert_type(media.transcoding_status, Literal["transcoding_finished"] | str | None)
    assert_type(collection.type, Literal["user", "course_wide"] | str | None)
    assert_type(User(1).permission, Literal["access", "view", "edit", "owner"] | str | None)
    assert PermissionChange("create", id=1, share_type="user", permission_type=MADE_UP).permission_type == MADE_UP


def test_a_made_up_word_of_the_server_is_kept(form: Form) -> None:
    item = media_item(1, transcoding_status=MADE_UP, collection={"id": 2, "type": MADE_UP, "permission": MADE_UP})
    with FaultServer(json_answer({"media": item})) as server:
        media = form.call(server.client(), "get_media", 1)
    assert (media.transcoding_status, media.collection.type, media.collection.permission) == (MADE_UP,) * 3
    assert media.to_dict()["transcoding_status"] == MADE_UP
    answer = {"users": [{"id": 1, "permission": MADE_UP}], "groups": [{"id": 2, "permission": MADE_UP}]}
    with FaultServer(json_answer(answer)) as server:
        permissions = form.call(server.client(), "get_media_permissions", 1)
    assert [each.permission for each in (*permissions.users, *permissions.groups)] == [MADE_UP] * 2


@pytest.mark.parametrize("cls", [User, Group, Course])
def test_a_made_up_word_is_kept_by_pydantic(cls: Any) -> None:
    assert pydantic.TypeAdapter(cls).validate_python({"id": 1, "permission": MADE_UP}).permission == MADE_UP
