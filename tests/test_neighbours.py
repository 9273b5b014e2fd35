"""Other libraries read our classes: `typing.get_type_hints` works on them, as FastAPI, pydantic and cattrs need."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from typing import Any

import canvas_studio
import pytest

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
