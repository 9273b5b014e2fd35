"""Files stay short, and code stands where rustfmt, grep and an editor see it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.imports import Crate

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUSE = Path(__file__).parent.parent.parent
MOST_LINES = 600
FILES = sorted(
    file
    for folder in ("src", "python", "benches", "examples")
    for ending in ("rs", "py")
    for file in (HOUSE / folder).rglob(f"*.{ending}")
)


def lines_of_rust(text: str) -> int:
    """How many lines there are, those of docstrings not counted."""
    return sum(not line.lstrip().startswith(("///", "//!")) for line in text.splitlines())


def lines_of_python(text: str) -> int:
    """How many lines there are, those of docstrings not counted."""
    lines = len(text.splitlines())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())) as docstring, *_]:
                    lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
                case _:
                    pass
    return lines


def code_in(calls: Iterable[tuple[str, str, str]]) -> list[str]:
    """The functions and statements that stand in calls of macros."""
    return [
        f"{file}: {found} in {macro}!"
        for file, macro, text in calls
        for found in re.findall(r"\b(?:fn|let) +\w+", text)
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(HOUSE).as_posix())
def test_no_file_of_ours_has_over_600_lines(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines = lines_of_rust(text) if file.suffix == ".rs" else lines_of_python(text)
    assert lines <= MOST_LINES


def test_docstrings_are_not_counted() -> None:
    assert lines_of_rust("//! For a test.\n\n/// One.\n    /// Two.\nfn one() {} // three\n") == 2
    assert (
        lines_of_python(
            '"""For a test."""\n\ndef one():\n    """One.\n\n    Two.\n    """\n    return """no\ndocstring"""\n'
        )
        == 4
    )


def test_no_function_and_no_statement_stands_in_a_call_of_a_macro_of_ours() -> None:
    calls = Crate(HOUSE).macro_calls()
    assert {"operations", "lists", "object", "model"} <= {macro for _, macro, _ in calls}
    assert code_in(calls) == []


def test_code_in_a_call_of_a_macro_is_found(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/lib.rs").write_text(
        "macro_rules! ours { ($($code:tt)*) => { fn of_the_macro() { let it = 1; } $($code)* } }\n"
        "ours! { A { get (id) = { // fn in_a_comment\n let late = 1; late }; fn hidden(&self) {} } }\n"
        "vec! { let of_another = 1; }\nfn plain() { let it = 1; }\n"
    )
    assert code_in(Crate(tmp_path).macro_calls()) == ["src/lib.rs: let late in ours!", "src/lib.rs: fn hidden in ours!"]
