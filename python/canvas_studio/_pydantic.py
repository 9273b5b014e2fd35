"""How pydantic reads and writes our classes, so that they can be fields of a model and return values of FastAPI."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import core_schema as schemas

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import CoreSchema


def _to_dict(value: Any) -> dict[str, Any]:  # noqa: ANN401 - one of our classes
    # A default or an assigned value may be anything else.
    return cast("dict[str, Any]", value.to_dict() if hasattr(value, "to_dict") else value)


def of_object(cls: Any) -> CoreSchema:  # noqa: ANN401 - a class of the core
    """Describe `Collection` or `Media`: an object of it, or a dict as Studio sends it; written as `to_dict` does.

    Args:
        cls: The class.

    Returns:
        The schema.
    """

    def read(value: object) -> object:
        return value if isinstance(value, cls) else cls.from_dict(value)

    def describe(_schema: object, _handler: object) -> dict[str, Any]:
        properties: dict[str, dict[str, Any]] = {name: {} for name in cls.__match_args__}
        properties["id"] = {"type": "integer"}
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

    def gather(given: object) -> object:
        if not isinstance(given, Mapping) or "extra" not in names:
            return given  # pyright: ignore[reportUnknownVariableType]
        values = dict(cast("Mapping[str, Any]", given))
        extra = {name: values.pop(name) for name in [*values] if name not in names}
        named = values.get("extra", {})
        if not isinstance(named, Mapping):
            return values  # which pydantic refuses
        both = {**cast("Mapping[str, Any]", named), **extra}
        if documented := sorted(names & set(both)):
            raise ValueError(f"extra holds {', '.join(documented)}: these are fields of {cls.__name__} itself")
        return {**values, "extra": both}

    # Into the schema itself, not around it: pydantic refers to it by name where the record occurs again.
    schema["schema"] = schemas.no_info_before_validator_function(gather, schema["schema"])
    schema["serialization"] = schemas.plain_serializer_function_ser_schema(_to_dict)
    return cast("CoreSchema", schema)
