"""Finds circles between files: reads `use` and `import` lines in src/ and python/canvas_studio/.

Run it from anywhere: `python tests/support/imports.py [checkout] [--all]`. It exits 1 and prints every circle that it
finds, with the names that tie it; `--all` also prints every edge inside each group of files that reach each other.

- A path is followed to the file that defines the name, through re-exports.
- Late imports and those under `TYPE_CHECKING` count. Unit tests (`#[cfg(test)]`) do not.
- A face (`mod.rs`, `__init__.py`) is imported by no file in its folder: import from the file that defines the name.
- `_core` is src/, seen from Python. Its edges are the imports in `_imported_by_core.py`. No edge leads to it, since its
  stub is generated.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

# From file to file, by the names that the first imports from the second.
Graph: TypeAlias = dict[str, dict[str, set[str]]]
Segments: TypeAlias = tuple[str, ...]

# A token that ends a search for an item's end, and what blanks it.
COMMENT_OR_TEXT = re.compile(
    r"""//[^\n]*
    | /\*.*?\*/
    | b?r(?P<hashes>\#*)".*?"(?P=hashes)
    | b?c?"(?:\\.|[^"\\])*"
    | b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])'
    """,
    re.DOTALL | re.VERBOSE,
)
USE = re.compile(r"\buse\s+([^;]+);")
TEST_MODULE = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*mod\s+(\w+);")
INLINE_MODULE = re.compile(r"\bmod\s+(\w+)\s*\{")
DEFINITION = re.compile(r"\b(?:fn|struct|enum|union|trait|type|const|static)\s+(\w+)|\bmacro_rules!\s*(\w+)")
PATH = re.compile(r"(?<![\w:])(?:\$\s*)?([A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+)")
MACRO_DEFINITION = re.compile(r"\bmacro_rules!\s*\w+\s*\{")
MACRO_CALL = re.compile(r"(?<![\w:])(\w+)!\s*[({\[]")


@dataclass
class Module:
    """One Rust module: its file, the modules in it, and what its `use` lines bring in."""

    path: Segments
    file: str
    children: set[str] = field(default_factory=set[str])
    bindings: dict[str, Segments] = field(default_factory=dict[str, Segments])
    globs: list[Segments] = field(default_factory=list[Segments])
    definitions: set[str] = field(default_factory=set[str])


@dataclass(frozen=True)
class Found:
    """Where a Rust path leads: the module that defines the name, or the module itself if `name` is empty."""

    module: Module
    name: str


def blank(text: str, start: int, end: int) -> str:
    """Replaces a part of a text by spaces, and keeps its lines."""
    return text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]


def closing(text: str, opening: int) -> int:
    """Returns where the bracket that opens here is closed."""
    depth = 0
    for found in re.compile(r"[{}]").finditer(text, opening):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.end()
    return len(text)


def rust_code(text: str) -> str:
    """Returns the code of a Rust file at the same places, without comments, texts and unit tests."""
    text = COMMENT_OR_TEXT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    while attribute := re.search(r"#\[cfg\(test\)\]", text):
        end = re.compile(r"[{;]").search(text, attribute.end())
        stop = end.end() if end else len(text)
        text = blank(text, attribute.start(), closing(text, stop - 1) if text[stop - 1] == "{" else stop)
    return text


def without_tests(source: Path) -> list[Path]:
    """Returns the Rust files below a folder, but for those that hold unit tests alone."""
    files = sorted(source.rglob("*.rs"))
    tests = {
        (file.parent if file.stem in {"mod", "lib"} else file.with_suffix("")) / f"{name}.rs"
        for file in files
        for name in TEST_MODULE.findall(file.read_text(encoding="utf-8"))
    }
    return [file for file in files if file not in tests]


def use_tree(tree: str, before: Segments = ()) -> list[tuple[str, Segments]]:
    """Returns what `use` brings in: each name with its path; `*` for everything in a module."""
    tree = tree.strip()
    if "{" in tree:
        start, _, inner = tree.partition("{")
        before += tuple(part.strip() for part in start.split("::") if part.strip())
        inner = inner.rpartition("}")[0]
        parts, depth, part = list[str](), 0, ""
        for letter in inner:
            depth += (letter == "{") - (letter == "}")
            if letter == "," and depth == 0:
                parts.append(part)
                part = ""
            else:
                part += letter
        return [found for part in [*parts, part] if part.strip() for found in use_tree(part, before)]
    path, _, alias = (word.strip() for word in re.sub(r"\s+as\s+", "\0", tree).partition("\0"))
    segments = [*before, *(part.strip() for part in path.split("::") if part.strip())]
    if len(segments) > 1 and segments[-1] == "self":
        segments.pop()
    return [(alias or segments[-1], tuple(segments))]


class Crate:
    """The Rust modules of src/, and how their paths resolve."""

    def __init__(self, root: Path) -> None:
        """Reads every file below `root`/src."""
        self.modules: dict[Segments, Module] = {}
        self.macros: dict[str, str] = {}
        self.code: dict[str, str] = {}
        source = root / "src"
        for file in without_tests(source):
            parts = file.relative_to(source).with_suffix("").parts
            parts = parts[:-1] if parts[-1] in {"mod", "lib", "main"} else parts
            name = file.relative_to(root).as_posix()
            self.code[name] = rust_code(file.read_text(encoding="utf-8"))
            self._add(("crate", *parts), name)
        for path in list(self.modules):
            if len(path) > 1 and path[:-1] in self.modules:
                self.modules[path[:-1]].children.add(path[-1])
        self._spans = {file: self._read_modules(file) for file in self.code}
        self._paths: dict[str, list[tuple[Module, Segments]]] = {file: self._read_paths(file) for file in self.code}

    def _add(self, path: Segments, file: str) -> Module:
        return self.modules.setdefault(path, Module(path, file))

    def _read_modules(self, file: str) -> list[tuple[int, int, Module]]:
        """Returns the modules written inside this file with where they stand, the file's own first."""
        code = self.code[file]
        (own,) = (module for module in self.modules.values() if module.file == file)
        spans = [(0, len(code), own)]
        for found in INLINE_MODULE.finditer(code):
            outer = self._innermost(spans, found.start())
            outer.children.add(found[1])
            spans.append((found.end() - 1, closing(code, found.end() - 1), self._add((*outer.path, found[1]), file)))
        for found in DEFINITION.finditer(code):
            self._innermost(spans, found.start()).definitions.add(found[1] or found[2])
            if found[2]:
                self.macros[found[2]] = file
        return spans

    @staticmethod
    def _innermost(spans: list[tuple[int, int, Module]], place: int) -> Module:
        return max((span for span in spans if span[0] <= place < span[1]), key=lambda span: span[0])[2]

    def _read_paths(self, file: str) -> list[tuple[Module, Segments]]:
        """Notes what the `use` lines of a file bring in; returns every path in it, each with its module."""
        code = self.code[file]
        paths = list[tuple[Module, Segments]]()
        for found in USE.finditer(code):
            module = self._innermost(self._spans[file], found.start())
            for name, path in use_tree(found[1]):
                if name == "*":
                    module.globs.append(path[:-1])
                else:
                    module.bindings[name] = path
                paths.append((module, path))
        rest = USE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), code)
        for found in PATH.finditer(rest):
            path = tuple(part.strip() for part in found[1].split("::"))
            paths.append((self._innermost(self._spans[file], found.start()), path))
        return paths

    def resolve(self, module: Module, path: Segments, seen: frozenset[tuple[Segments, Segments]]) -> Found | None:
        """Follows a path from a module to what defines its last name; None if that is not ours."""
        key = (module.path, path)
        if key in seen:
            return None
        seen |= {key}
        at = module
        for index, name in enumerate(path):
            inner = self._inside(at, name)
            if inner is None:
                return self._found(at, path[index:], seen, is_first=index == 0)
            at = inner
        return Found(at, "")

    def _inside(self, at: Module, name: str) -> Module | None:
        if name == "self":
            return at
        if name == "crate":
            return self.modules["crate",]
        if name == "super":
            return self.modules[at.path[:-1]]
        return self.modules[*at.path, name] if name in at.children else None

    def _found(
        self, at: Module, path: Segments, seen: frozenset[tuple[Segments, Segments]], *, is_first: bool
    ) -> Found | None:
        """Follows a path whose first name is no module in this one."""
        name = path[0]
        if name in at.bindings and at.bindings[name][0] != name:
            return self.resolve(at, (*at.bindings[name], *path[1:]), seen)
        if name in at.definitions:
            return Found(at, name)
        for glob in at.globs:
            inner = self.resolve(at, glob, seen)
            if inner and not inner.name and (found := self.resolve(inner.module, path, seen)):
                return found
        # Another crate's, if it begins the path; else what a macro defines here.
        return None if is_first or name in at.bindings else Found(at, name)

    def macro_calls(self) -> list[tuple[str, str, str]]:
        """Returns each call in braces of a macro of ours: the file, the macro, and what stands in the braces."""
        calls = list[tuple[str, str, str]]()
        for file, code in self.code.items():
            for definition in MACRO_DEFINITION.finditer(code):
                code = blank(code, definition.start(), closing(code, definition.end() - 1))  # noqa: PLW2901
            calls += [
                (file, call[1], code[call.end() : closing(code, call.end() - 1)])
                for call in MACRO_CALL.finditer(code)
                if call[1] in self.macros and call[0].endswith("{")
            ]
        return calls

    def graph(self) -> Graph:
        """Returns which file imports which, by what names."""
        edges: Graph = defaultdict(lambda: defaultdict(set))
        for file, paths in self._paths.items():
            edges[file] = defaultdict(set)
            for module, path in paths:
                everything = path[-1] == "*"
                found = self.resolve(module, path[:-1] if everything else path, frozenset())
                if found is None or found.module.file == file:
                    continue
                # A folder that is named only to say what is in it is no import of its face.
                if found.name or everything or not found.module.file.endswith(("/mod.rs", "/lib.rs")):
                    name = "*" if everything else found.name or found.module.path[-1]
                    edges[file][found.module.file].add(name)
            for macro in MACRO_CALL.findall(self.code[file]):
                home = self.macros.get(macro, file)
                if home != file:
                    edges[file][home].add(f"{macro}!")
        return edges


def python_graph(root: Path) -> Graph:
    """Returns which file of the Python package imports which, by what names."""
    package = root / "python/canvas_studio"
    files = {
        ".".join(file.relative_to(root / "python").with_suffix("").parts).removesuffix(".__init__"): file
        for file in sorted(package.rglob("*.py"))
    }
    names = {module: file.relative_to(root).as_posix() for module, file in files.items()}
    edges: Graph = defaultdict(lambda: defaultdict(set))
    for module, file in files.items():
        start = "_core" if module.endswith("._imported_by_core") else names[module]
        edges[start] = defaultdict(set)
        for target, name in python_imports(
            ast.parse(file.read_text(encoding="utf-8")), module, file.stem == "__init__"
        ):
            if f"{target}.{name}" in {*names, "canvas_studio._core"}:
                target = f"{target}.{name}"  # noqa: PLW2901 - a module of a package, not a name in it
            if target in names and names[target] != names[module] and not target.endswith("._imported_by_core"):
                edges[start][names[target]].add(name or target.rpartition(".")[2])
    return edges


def python_imports(tree: ast.Module, module: str, is_face: bool) -> list[tuple[str, str]]:  # noqa: FBT001
    """Returns each import of a file, late ones too: the module, and the name taken from it."""
    found = list[tuple[str, str]]()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                found += [(alias.name, "") for alias in aliases]
            case ast.ImportFrom(module=target, names=aliases, level=level):
                if level:
                    parts = module.split(".")
                    parts = parts[: len(parts) - level + (1 if is_face else 0)]
                    target = ".".join([*parts, target] if target else parts)
                found += [(target or "", alias.name) for alias in aliases]
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(target)), *_],
            ):
                found.append((target, ""))
            case _:
                pass
    return found


def components(graph: Graph) -> list[set[str]]:
    """Returns the groups of files that all reach each other, largest first."""

    def reach(edges: dict[str, set[str]], start: str) -> set[str]:
        reached, waiting = set[str](), [start]
        while waiting:
            for target in edges.get(waiting.pop(), set()) - reached:
                reached.add(target)
                waiting.append(target)
        return reached

    forward = {file: set(targets) for file, targets in graph.items()}
    backward: dict[str, set[str]] = defaultdict(set)
    for file, targets in forward.items():
        for target in targets:
            backward[target].add(file)
    groups = {frozenset(reach(forward, file) & reach(backward, file)) for file in forward}
    return sorted((set(group) for group in groups if group), key=lambda group: (-len(group), sorted(group)))


def shortest_circle(graph: Graph, group: set[str]) -> list[str]:
    """Returns the shortest way from a file of the group back to itself, with that file at both ends."""
    best = list[str]()
    for start in sorted(group):
        ways = deque([[start]])
        seen = set[str]()
        while ways and not (best and len(ways[0]) >= len(best)):
            way = ways.popleft()
            for target in sorted(set(graph.get(way[-1], {})) & group):
                if target == start:
                    best = [*way, start]
                    ways.clear()
                    break
                if target not in seen:
                    seen.add(target)
                    ways.append([*way, target])
    return best


def through_faces(graph: Graph) -> list[str]:
    """Returns a line for each file that imports the face of a folder that it is in."""
    lines = list[str]()
    for file, targets in sorted(graph.items()):
        for target, names in sorted(targets.items()):
            folder, _, face = target.rpartition("/")
            if face in {"mod.rs", "__init__.py", "lib.rs"} and file.startswith(f"{folder}/"):
                lines.append(f"{file} imports the face of its folder, {target}: {', '.join(sorted(names))}")
    return lines


def tied(graph: Graph, file: str, target: str) -> str:
    """Returns a line that says by which names a file imports another."""
    return f"  {file} -> {target}: {', '.join(sorted(graph[file][target]))}"


def circles(graph: Graph, *, every_edge: bool = False) -> list[str]:
    """Returns a text for each group of files that import each other: its files, a circle, and the names that tie it."""
    texts = list[str]()
    for group in components(graph):
        way = shortest_circle(graph, group)
        lines = [f"circle of {len(group)} files: {', '.join(sorted(group))}"]
        lines += [tied(graph, *step) for step in pairwise(way)]
        if every_edge and len(group) > len(way) - 1:
            lines.append("  and every import among them:")
            lines += [
                tied(graph, file, target) for file in sorted(group) for target in sorted(set(graph[file]) & group)
            ]
        texts.append("\n".join(lines))
    return texts


def house_graph(root: Path) -> Graph:
    """Returns the graph of a checkout, Rust and Python."""
    return {**Crate(root).graph(), **python_graph(root)}


def main(arguments: list[str]) -> int:
    """Prints what is wrong with a checkout; returns 1 if anything is."""
    places = [argument for argument in arguments if not argument.startswith("--")]
    root = Path(places[0] if places else Path(__file__).resolve().parent.parent.parent)
    graph = house_graph(root)
    wrong = circles(graph, every_edge="--all" in arguments) + through_faces(graph)
    sys.stdout.write("".join(f"{text}\n" for text in wrong))
    sys.stdout.write(
        f"{len(graph)} files, {len(components(graph))} circles, {len(through_faces(graph))} imports of faces\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
