"""The layout holds: layers depend one way only, every fact is written once, and both forms match."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import canvas_studio
import pytest
from canvas_studio import Collection, Media, OAuth, StudioClient
from canvas_studio.listing import Listing

HOUSE = Path(__file__).parents[2]
CORE = sorted(file for room in ("api", "client", "sandbox") for file in (HOUSE / "src" / room).rglob("*.rs"))
CLASSES = [StudioClient, Collection, Media, Listing, OAuth]
PAGES = [page for page in (HOUSE / "src/api").glob("*.rs") if "-> Result<Request<" in page.read_text()]
OPERATIONS = sorted(set(re.findall(r'Call::\w+\(\s*"(\w+)"', "".join(page.read_text() for page in PAGES))))
# What reads a list has one form, since the `Listing` that it returns is read both ways; these do no I/O at all.
WITHOUT_TWIN = {
    "authorization_url",
    "checkpoint",
    "close",
    "extra",
    "from_dict",
    "from_env",
    "limit",
    "map",
    "pages",
    "resume",
    "to_dict",
    "url",
    "with_options",
}


def methods(cls: type) -> dict[str, Any]:
    return {name: getattr(cls, name) for name in vars(cls) if not name.startswith("_") and callable(getattr(cls, name))}


def blocking_methods() -> list[tuple[type, str]]:
    return [(cls, name) for cls in CLASSES for name in methods(cls) if not name.endswith("_async")]


def returns_listing(cls: type, name: str) -> bool:
    """Whether a method returns what is read in both forms."""
    stub = (HOUSE / "python/canvas_studio/_core.pyi").read_text()
    body = stub.partition(f"\nclass {cls.__name__}:")[2].partition("\nclass ")[0]
    return re.search(rf"    def {name}\((?:[^()]|\([^()]*\))*\) -> (?:Listing\[|ByteStream:)", body) is not None


@pytest.mark.parametrize("file", CORE, ids=lambda file: str(file.relative_to(HOUSE)))
def test_the_core_does_not_know_python(file: Path) -> None:
    assert not re.search(r"pyo3|pythonize", file.read_text(), re.IGNORECASE)


def test_arrows_go_one_way() -> None:
    api = "".join(file.read_text() for file in CORE if "api" in file.relative_to(HOUSE).parts)
    client = "".join(file.read_text() for file in CORE if "client" in file.relative_to(HOUSE).parts)
    sandbox = "".join(file.read_text() for file in CORE if "sandbox" in file.relative_to(HOUSE).parts)
    assert not re.search(r"crate::(client|python|sandbox)", api)
    assert not re.search(r"crate::(python|sandbox)", client)
    assert not re.search(r"(crate|canvas_studio)::(api|client|python)|super::(api|client|python)\b", sandbox)
    assert not re.search(r"std::(fs|net)|tokio|reqwest", api)


def test_one_place_sends() -> None:
    sending = [
        line for file in (HOUSE / "src").rglob("*.rs") for line in file.read_text().splitlines() if ".send()" in line
    ]
    assert len(sending) == 1


def test_an_operation_is_written_once() -> None:
    api = "".join(page.read_text() for page in PAGES)
    client = {page.stem: page.read_text() for page in (HOUSE / "src/python/pages").glob("*.rs")}
    assert len(OPERATIONS) >= 24
    for operation in OPERATIONS:
        assert len(re.findall(rf'"{operation}"', api)) == 1, operation
        line = rf"^\s*{operation} (?:/ {operation}_async )?\(studio"
        found = [page for page, text in client.items() for _ in re.findall(line, text, re.MULTILINE)]
        # On the page of the same name, and nowhere else.
        assert found == [page.stem for page in PAGES if f'"{operation}"' in page.read_text()], operation


def test_a_macro_call_holds_no_ordinary_code() -> None:
    macros = re.compile(
        r"^(?:operations|reads|lists|object|ids|record|arguments)! ?[{(].*?^[)}]", re.MULTILINE | re.DOTALL
    )
    calls = [
        (file, call)
        for file in (HOUSE / "src/python").rglob("*.rs")
        for call in macros.findall(file.read_text(encoding="utf-8"))
    ]
    assert len(calls) >= 20
    for file, call in calls:
        assert not re.search(r"\bfn \w+|\blet ", call), f"{file}: rustfmt, grep and editors do not see this:\n{call}"


def test_every_file_opens_with_what_it_is_for() -> None:
    for file in (HOUSE / "src").rglob("*.rs"):
        assert file.read_text().startswith("//! "), file
    for folder in ("python", "tests", "examples"):
        for file in (HOUSE / folder).rglob("*.py"):
            assert file.read_text().startswith('"""'), file


def test_what_the_core_imports_by_name_is_written_down_where_tools_see_it() -> None:
    core = "".join(file.read_text(encoding="utf-8") for file in (HOUSE / "src/python").rglob("*.rs"))
    by_name = set(re.findall(r'import\((?:py, )?"([\w.]+)"\)', core))
    # Ids are of classes that stand in a table of their own.
    by_name |= set(re.findall(r'\("(canvas_studio\.\w+)", "\w+", "\w+"\)', core)) - {"canvas_studio._core"}
    # Asked for only where the program has imported it already.
    by_name -= {"numpy"}
    table = (HOUSE / "python/canvas_studio/_imported_by_core.py").read_text(encoding="utf-8")
    assert by_name == set(re.findall(r"^    import ([\w.]+)$", table, re.MULTILINE))
    face = (HOUSE / "python/canvas_studio/__init__.py").read_text(encoding="utf-8")
    assert re.search(r"^    from canvas_studio import (\(\n +)?_imported_by_core\b", face, re.MULTILINE)


def test_wheels_are_built_from_the_locked_crates() -> None:
    settings = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["maturin"]["locked"] is True
    assert (HOUSE / "Cargo.lock").is_file()


def test_the_clever_macro_stays_small() -> None:
    code = (HOUSE / "src/python/operations.rs").read_text().partition("macro_rules! operations")[2]
    assert len(code.splitlines()) < 80


@pytest.mark.parametrize(("cls", "name"), blocking_methods(), ids=lambda value: getattr(value, "__name__", value))
def test_both_forms_have_one_signature_and_one_docstring(cls: type, name: str) -> None:
    blocking = methods(cls)[name]
    twin = methods(cls).get(f"{name}_async")
    if twin is None:
        assert name in WITHOUT_TWIN or returns_listing(cls, name), f"{cls.__name__}.{name} has no async form"
        return
    # What a coroutine returns is written alike, so the whole signature is compared.
    assert inspect.signature(twin) == inspect.signature(blocking)
    assert inspect.getdoc(twin) == inspect.getdoc(blocking)


@pytest.mark.parametrize(("cls", "name"), blocking_methods(), ids=lambda value: getattr(value, "__name__", value))
def test_every_docstring_says_what_there_is_to_know(cls: type, name: str) -> None:
    method = methods(cls)[name]
    documentation = inspect.getdoc(method) or ""
    assert documentation.splitlines()[0].endswith("."), name
    for parameter in inspect.signature(method).parameters:
        if parameter != "self":
            assert f"    {parameter}: " in documentation, f"{name} does not say what {parameter} is"
    if name != "close":
        assert "\nReturns:\n" in documentation, name
    if cls is not Listing and name not in WITHOUT_TWIN:
        assert "\nReference: " in documentation, name


def test_every_operation_is_on_its_page_of_the_documentation() -> None:
    for page in PAGES:
        documentation = (HOUSE / f"docs/{ {'raw': 'raw-requests'}.get(page.stem, page.stem) }.md").read_text()
        for operation in OPERATIONS:
            if f'"{operation}"' in page.read_text():
                assert re.search(rf"\b{operation}\(", documentation), f"docs/{page.stem}.md does not name {operation}"


def test_every_public_name_is_there() -> None:
    for name in canvas_studio.__all__:
        assert getattr(canvas_studio, name) is not None
    assert set(canvas_studio.__all__) <= set(dir(canvas_studio))
    with pytest.raises(AttributeError, match="nothing_like_that"):
        _ = canvas_studio.nothing_like_that
    with pytest.raises(AttributeError, match="'NothingLikeThat'"):
        _ = canvas_studio.NothingLikeThat


def test_a_star_brings_the_records_too() -> None:
    script = "from canvas_studio import *; print(Owner(7), StudioClient.__name__, Listing.__name__)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.split() == [
        "Owner(id=7,",
        *["full_name=None,", "display_name=None,", "email=None)"],
        "StudioClient",
        "Listing",
    ]


def test_importing_it_imports_nothing_slow() -> None:
    script = "import sys; before = set(sys.modules); import canvas_studio; print(*sorted(set(sys.modules) - before))"
    found = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    imported = set(found.stdout.split())
    assert "canvas_studio._core" in imported
    assert not imported & {"asyncio", "concurrent", "csv", "dataclasses", "inspect", "json", "logging", "typing"}
