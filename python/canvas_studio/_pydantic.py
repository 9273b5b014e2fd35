"""How pydantic reads and writes our classes, so that they can be fields of a model and return values of FastAPI."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import ValidationError
from pydantic_core import core_schema as schemas

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import CoreSchema

# How deep an error shows what was given.
_SHOWN = 4


def _to_dict(value: Any) -> dict[str, Any]:  # noqa: ANN401 - one of our classes
    # A default or an assigned value may be anything else.
    return cast("dict[str, Any]", value.to_dict() if hasattr(value, "to_dict") else value)


def _shown(given: object, depth: int = _SHOWN) -> object:
    """Return what an error may show of a value: pydantic quotes it, and the query of a signed URL is a secret."""
    match given:
        case str():
            address, mark, _ = given.partition("?")
            return f"{address}?***" if mark and "://" in address else given
        case Mapping() | list() | tuple() if depth == 0:
            return "..."
        case Mapping():
            items = cast("Mapping[object, object]", given).items()
            return {name: _shown(value, depth - 1) for name, value in items}
        case list() | tuple():
            return [_shown(item, depth - 1) for item in cast("list[object]", given)]
        case _:
            return given


def _refusal(cls: Any, problem: Exception, given: object) -> ValidationError:  # noqa: ANN401 - a class of ours
    problem = ValueError(str(problem)) if not isinstance(problem, ValueError) else problem
    error: Any = {"type": "value_error", "loc": (), "input": _shown(given), "ctx": {"error": problem}}
    return ValidationError.from_exception_data(cls.__name__, [error])


def of_object(cls: Any, properties: dict[str, Any]) -> CoreSchema:  # noqa: ANN401 - a class of the core
    """Describe `Collection` or `Media`: an object of it, or a dict as Studio sends it; written as `to_dict` does.

    Args:
        cls: The class.
        properties: The JSON Schema of each documented field.

    Returns:
        The schema.
    """

    def read(given: object) -> object:
        if isinstance(given, cls):
            return given
        try:
            return cls.from_dict(given)
        except (TypeError, ValueError) as problem:
            raise _refusal(cls, problem, given) from None

    def describe(_schema: object, _handler: object) -> dict[str, Any]:
        return {"title": cls.__name__, "type": "object", "properties": properties, "required": ["id"]}

    return schemas.no_info_plain_validator_function(
        read,
        serialization=schemas.plain_serializer_function_ser_schema(_to_dict),
        metadata={"pydantic_js_functions": [describe]},
    )


def of_record(cls: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:  # noqa: ANN401 - a record's class
    """Describe a record: as the dataclass that it is, with undocumented fields in `extra`; written as `to_dict` does.

    Args:
        cls: The class.
        handler: What pydantic makes of a dataclass.

    Returns:
        The schema.
    """
    schema: Any = handler(cls)
    if schema["type"] != "dataclass":  # a reference to what stands below
        return cast("CoreSchema", schema)
    names = {field.name for field in dataclasses.fields(cls)}

    def gather(read: tuple[dict[str, Any], object]) -> tuple[dict[str, Any], object]:
        fields, other = read
        values: dict[str, Any] = {name: _in_utc(value) for name, value in fields.items() if name in names}
        both = {**values["extra"], **{name: value for name, value in fields.items() if name not in names}}
        if documented := sorted(names & set(both)):
            problem = f"extra holds {', '.join(documented)}: these are fields of {cls.__name__} itself"
            raise _refusal(cls, ValueError(problem), both)
        return {**values, "extra": both}, other

    if "extra" in names:
        # Into the schema itself, not around it: pydantic refers to it by name where the record occurs again. After the
        # fields are read and not before: a function that stands before would take JSON's strict mode for Python's.
        arguments: Any = {**schema["schema"], "extra_behavior": "allow"}
        schema["schema"] = schemas.no_info_after_validator_function(gather, arguments)
    schema["serialization"] = schemas.plain_serializer_function_ser_schema(_to_dict)
    return cast("CoreSchema", schema)


def _in_utc(value: object) -> object:
    """Return a time as the client has it: in UTC, also if no zone is written."""
    if not isinstance(value, datetime):
        return value
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return value  # on the first or the last day of Python's calendar
