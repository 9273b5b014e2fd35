"""Writes the overloads of `StudioClient.map` into the generated stub: two for each method of `CallBuilder`.

`make stubs` runs it. The types of the arguments and of the result are those of the client's method of the same name.
"""

from __future__ import annotations

import ast
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


def main(path: Path) -> None:
    """Rewrite the stub."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    client, lines = methods(tree, "StudioClient"), text.splitlines()
    plain = client["map"]
    new = [each for name in sorted(methods(tree, "CallBuilder")) for each in overloads(client[name])]
    # The first one has the docstring.
    new[0] = new[0].removesuffix(" ...") + "\n" + "\n".join(lines[plain.body[0].lineno - 1 : plain.body[0].end_lineno])
    lines[plain.lineno - 1 : plain.end_lineno] = [
        "    " * (not line.startswith("    ")) + line for each in new for line in each.splitlines()
    ]
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
