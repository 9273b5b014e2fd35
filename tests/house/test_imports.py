"""No circle between files: the tool finds every circle in small examples, and none in this checkout."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.imports import Graph, circles, house_graph, through_faces, without_tests

HOUSE = Path(__file__).parent.parent.parent


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def edges(root: Path) -> set[str]:
    return {
        f"{file} -> {target}: {name}"
        for file, targets in house_graph(root).items()
        for target, names in targets.items()
        for name in names
    }


@pytest.fixture(scope="module")
def graph() -> Graph:
    return house_graph(HOUSE)


def test_no_circle_between_files(graph: Graph) -> None:
    found = circles(graph)
    assert not found, "\n" + "\n".join(found)


def test_no_file_imports_the_face_of_its_folder(graph: Graph) -> None:
    found = through_faces(graph)
    assert not found, "\n" + "\n".join(found)


def test_the_graph_has_every_file_of_ours(graph: Graph) -> None:
    ours = {*without_tests(HOUSE / "src"), *(HOUSE / "python").rglob("*.py")}
    table = "python/canvas_studio/_imported_by_core.py"
    assert {file.relative_to(HOUSE).as_posix() for file in ours} - {table} | {"_core"} == set(graph)
    assert sum(map(len, graph.values())) > 300


# Every way in which a name of src/b/y.rs can be written in src/a.rs.
@pytest.mark.parametrize(
    "line",
    [
        "use crate::b::y::Y;",
        "pub(crate) use crate::b::y::Y as Z;",
        "use super::b::y::Y;",
        "use self::super::b::y::{self, Y};",
        "use crate::{b::{self, y::{Y, Other}}, d::D};",
        "use crate::b::Y;",  # through the face of b
        "use crate::b::Renamed;",
        "use crate::b::y::*;",
        "use crate::b;\nfn late() { b::y::Y::new() }",
        "use crate::b::y;\nfn late() -> y::Y {}",
        "fn late() { use crate::b::y::Y; }",
        "fn late() -> crate::b::y::Y {}",
        "fn late() -> Vec<crate::b::Y> {}",
        "mod inner { use super::super::b::y::Y; }",
        "macro_rules! made { () => { $crate::b::y::Y } }",
        "made_in_y! {}",
    ],
)
def test_a_circle_in_rust_is_found(tmp_path: Path, line: str) -> None:
    root = tree(
        tmp_path,
        {
            "src/lib.rs": "mod a; mod b; mod c;",
            "src/a.rs": f"pub struct A;\n{line}\n",
            "src/b/mod.rs": "mod y;\npub use self::y::{Y, Y as Renamed};",
            "src/b/y.rs": "use crate::a::A;\npub struct Y;\npub struct Other;\nmacro_rules! made_in_y { () => {} }",
            "src/c.rs": "use crate::a::A; use crate::b::Y;",
        },
    )
    (found,) = circles(house_graph(root))
    assert "circle of 2 files: src/a.rs, src/b/y.rs\n" in found
    assert "  src/b/y.rs -> src/a.rs: A" in found
    assert "  src/a.rs -> src/b/y.rs: " in found


@pytest.mark.parametrize(
    "line",
    [
        "// use crate::b::y::Y;",
        "/* use crate::b::y::Y; */",
        'const TEXT: &str = "use crate::b::y::Y;";',
        'const TEXT: &str = r#"use crate::b::y::Y; " "#;',
        "#[cfg(test)]\nmod tests { use crate::b::y::Y; }",
        "#[cfg(test)]\nmod tests;",
        "use other::b::y::Y;",
        "use std::b;\nfn late() { b::y::Y }",
        "use url::url;\nfn late() { url::Y }",
        "use crate::b;",  # a folder that is only named
    ],
)
def test_what_is_no_import_in_rust_is_none(tmp_path: Path, line: str) -> None:
    root = tree(
        tmp_path,
        {
            "src/lib.rs": "mod a; mod b;",
            "src/a.rs": f"pub struct A;\n{line}\n",
            "src/a/tests.rs": "use crate::b::y::Y;",
            "src/b/mod.rs": "mod y;\npub use self::y::Y;",
            "src/b/y.rs": "use crate::a::A;\npub struct Y;",
            "python/canvas_studio/__init__.py": "",
        },
    )
    assert circles(house_graph(root)) == []


@pytest.mark.parametrize(
    "line",
    [
        "from canvas_studio.b import B",
        "from canvas_studio import b",
        "import canvas_studio.b",
        "from . import b",
        "from .b import B",
        "def late():\n    from canvas_studio.b import B",
        "if TYPE_CHECKING:\n    from canvas_studio.b import B",
        'def late():\n    import_module("canvas_studio.b")',
    ],
)
def test_a_circle_in_python_is_found(tmp_path: Path, line: str) -> None:
    root = tree(
        tmp_path,
        {
            "python/canvas_studio/__init__.py": "from canvas_studio._core import X",
            "python/canvas_studio/a.py": line,
            "python/canvas_studio/b.py": "from canvas_studio.c import C",
            "python/canvas_studio/c.py": "from canvas_studio.a import A",
        },
    )
    (found,) = circles(house_graph(root))
    assert found.startswith("circle of 3 files: ")
    assert "  python/canvas_studio/c.py -> python/canvas_studio/a.py: A" in found


def test_a_face_that_is_imported_in_its_folder_is_found(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "src/lib.rs": "mod b; mod c; pub struct Top;",
            "src/b/mod.rs": "mod y; mod z; pub use self::z::Z; pub struct Here;",
            "src/b/y.rs": "use super::{Here, Z};",
            "src/b/z.rs": "pub struct Z;",
            "src/c.rs": "use crate::b::{Here, Z};",
            "python/canvas_studio/__init__.py": "from canvas_studio.a import A",
            "python/canvas_studio/a.py": "",
            "python/canvas_studio/_core.pyi": "",
            "python/canvas_studio/cli/__init__.py": "",
            "python/canvas_studio/cli/b.py": "from canvas_studio import A, _core, a",
        },
    )
    assert through_faces(house_graph(root)) == [
        "python/canvas_studio/cli/b.py imports the face of its folder, python/canvas_studio/__init__.py: A",
        "src/b/y.rs imports the face of its folder, src/b/mod.rs: Here",
    ]


def test_what_rust_imports_by_name_is_an_edge_from_the_core(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "python/canvas_studio/__init__.py": "if TYPE:\n    from canvas_studio import _imported_by_core",
            "python/canvas_studio/_imported_by_core.py": "def f():\n    import json\n    import canvas_studio.auth",
            "python/canvas_studio/auth.py": "from canvas_studio._core import Tokens",
        },
    )
    assert edges(root) == {"_core -> python/canvas_studio/auth.py: auth"}
