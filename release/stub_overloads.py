"""Writes overloads into the generated stub. `make stubs` runs it.

`StudioClient.map` gets two for each method of `CallBuilder`: the types of the arguments and of the result are those of
the client's method of the same name. Each method whose `path` may be a file object gets one for a path and one for a
file object.
"""

from __future__ import annotations

import ast
import copy
import sys
from pathlib import Path

WIDTH = "max_concurrency: int | None = None"
CONSISTENT = "consistent: bool = False"
PROGRESS = "progress: bool | Callable[[int, int | None], object] | None = None"
IMPORTS = {
    "collections.abc": {"AsyncIterable", "Callable", "Iterable"},
    "typing": {"Any", "Literal", "overload"},
    "canvas_studio.errors": {"StudioError"},
}


def methods(tree: ast.Module, name: str) -> dict[str, ast.FunctionDef]:
    """The methods of a class."""
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def overloads(method: ast.FunctionDef) -> list[str]:
    """The two overloads of `map` for a method: one that raises errors, and one that returns them."""
    positional = [ast.unparse(each.annotation) for each in method.args.args if each.annotation]
    required = len(positional) - len(method.args.defaults)
    several = f"tuple[{', '.join(positional)}]"
    item = " | ".join([*positional[:1], *[several] * (len(positional) > 1)][required > 1 :]) or "dict[str, Any]"
    keywords = [
        ast.unparse(each) + (f" = {ast.unparse(default)}" if default else "")
        for each, default in zip(method.args.kwonlyargs, method.args.kw_defaults, strict=True)
    ]
    result = ast.unparse(method.returns or ast.Constant(None)).removeprefix("Listing")
    options = [PROGRESS]
    if result.startswith("["):
        result, options = f"list{result}", [CONSISTENT, PROGRESS]
    items = f"Iterable[{item}] | AsyncIterable[{item}]"
    start = f"@overload\ndef map(self, /, operation: Literal[{method.name!r}], items: {items}, *, {WIDTH}"
    return [
        f"{start}, {', '.join([errors, *options, *keywords])}) -> Map[{returned}]: ..."
        for errors, returned in (
            ("errors: Literal['raise'] = 'raise'", result),
            ("errors: Literal['return']", f"{result} | StudioError"),
        )
    ]


def alternatives(node: ast.expr | None) -> list[ast.expr]:
    """The types of a union."""
    if isinstance(node, ast.BinOp):
        return [*alternatives(node.left), *alternatives(node.right)]
    return [] if node is None else [node]


def union(types: list[ast.expr]) -> ast.expr:
    """A type for several."""
    return ast.parse(" | ".join(map(ast.unparse, types)), mode="eval").body


def downloads(tree: ast.Module, lines: list[str]) -> list[tuple[int, int, list[str]]]:
    """The lines to replace, and the overloads of a method for a path and for a file object in their place."""
    replaced: list[tuple[int, int, list[str]]] = []
    for owner in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        for method in [node for node in owner.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]:
            index = next((index for index, each in enumerate(method.args.args) if each.arg == "path"), None)
            types = [] if index is None else alternatives(method.args.args[index].annotation)
            of_files = [each for each in types if "SupportsWrite" in ast.unparse(each)]
            if index is None or not of_files:
                continue
            returned = alternatives(method.returns)
            new: list[str] = []
            for targets, results in (
                (
                    [each for each in types if each not in of_files],
                    [each for each in returned if "Path" in ast.unparse(each)],
                ),
                (of_files, [each for each in returned if "Path" not in ast.unparse(each)]),
            ):
                one = copy.deepcopy(method)
                one.args.args[index].annotation, one.returns = union(targets), union(results)
                one.body, one.decorator_list = [ast.Expr(ast.Constant(...))], [ast.Name("overload")]
                text = ast.unparse(one).splitlines()
                if not new:
                    text[-1:] = [
                        line.removeprefix("    ")
                        for line in lines[method.body[0].lineno - 1 : method.body[0].end_lineno]
                    ]
                new += ["    " + line if line else line for line in text]
            replaced.append((method.lineno - 1, method.end_lineno or method.lineno, new))
    return replaced


def main(path: Path) -> None:
    """Rewrite the stub."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    client, lines = methods(tree, "StudioClient"), text.splitlines()
    plain = client["map"]
    new = [each for name in sorted(methods(tree, "CallBuilder")) for each in overloads(client[name])]
    # The first one has the docstring.
    new[0] = new[0].removesuffix(" ...") + "\n" + "\n".join(lines[plain.body[0].lineno - 1 : plain.body[0].end_lineno])
    of_map = ["    " * (not line.startswith("    ")) + line for each in new for line in each.splitlines()]
    replaced = [*downloads(tree, lines), (plain.lineno - 1, plain.end_lineno or plain.lineno, of_map)]
    for start, end, instead in sorted(replaced, key=lambda each: each[0], reverse=True):
        lines[start:end] = instead
    missing = dict(IMPORTS)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names = sorted({each.name for each in node.names} | missing.pop(node.module or "", set()))
            lines[node.lineno - 1] = f"from {node.module} import {', '.join(names)}"
    first = next(node.lineno for node in tree.body if isinstance(node, ast.ImportFrom)) - 1
    lines[first:first] = [f"from {module} import {', '.join(sorted(names))}" for module, names in missing.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
