"""Makes a command of a function that reads: it adds the options of what goes out, and puts out what it returns."""

from __future__ import annotations

import dataclasses
import inspect
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from canvas_studio._core import Collection
from canvas_studio.cli.connection import connected
from canvas_studio.cli.options import ProfileOption
from canvas_studio.cli.output import Answer, Wanted, write_bytes, write_one, write_rows
from canvas_studio.cli.terminal import errors_as_text, fail
from canvas_studio.models import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FORM: Final = "What goes out"
Fields = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", help="These fields only, with commas between them.", show_default=False, rich_help_panel=FORM
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one array, or one object.", rich_help_panel=FORM)]
AsJsonLines = Annotated[
    bool, typer.Option("--jsonl", help="Print JSON Lines: one object in each line.", rich_help_panel=FORM)
]
AsCsv = Annotated[
    bool, typer.Option("--csv", help="Print CSV. Formulas get an apostrophe in front.", rich_help_panel=FORM)
]
KeepFormulas = Annotated[
    bool,
    typer.Option("--keep-formulas", help="Leave what a spreadsheet may run as it is in CSV.", rich_help_panel=FORM),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write to a file, which appears when it is whole: CSV or JSON by its ending, unless you choose.",
        show_default=False,
        rich_help_panel=FORM,
    ),
]
Sort = Annotated[
    str | None,
    typer.Option(
        metavar="FIELD", help="Sort by a field; -FIELD for the largest first.", show_default=False, rich_help_panel=FORM
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="At most N rows.", show_default=False, rich_help_panel=FORM),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.", rich_help_panel=FORM)]

OF_ONE: Final = {
    "fields": Fields,
    "as_json": AsJson,
    "as_json_lines": AsJsonLines,
    "as_csv": AsCsv,
    "keep_formulas": KeepFormulas,
    "output": OutputFile,
    "quiet": Quiet,
    "profile_option": ProfileOption,
}
OF_MANY: Final = {"limit": Limit, "sort": Sort} | OF_ONE
OFF: Final = {"as_json": False, "as_json_lines": False, "as_csv": False, "keep_formulas": False, "quiet": False}

ENDINGS: Final = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""What a file holds by its ending, if nobody chooses."""

NESTED: Final[dict[str, type]] = {"owner": Owner, "collection": Collection}
"""Fields that are records themselves."""

Record = type[Any] | tuple[str, ...]


def reads(
    app: typer.Typer,
    name: str,
    record: Record | None,
    *,
    show: str,
    example: str,
    one: bool = False,
    form: str = "table",
    lists_with: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a command of a function that takes a client and returns what to put out: items, or an `Answer`.

    Args:
        app: The group.
        name: The name of the command.
        record: The class of what comes; `None` for dicts of any keys.
        show: The fields of the table, with commas between them.
        example: A line that works.
        one: Whether one item comes, and not several.
        form: What goes out if nobody chooses.
        lists_with: The option without which an `Answer` comes, which has no rows.

    Returns:
        A decorator, which leaves the function as it is.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        added = OF_ONE if one else OF_MANY

        @errors_as_text()
        def command(**given: Any) -> None:  # noqa: ANN401 - what typer has read
            if lists_with and not given[lists_with]:
                _check_no_rows(given, lists_with)
            wanted = _wanted({key: given.pop(key) for key in added if key != "profile_option"}, record, show, form)
            with connected(given.pop("profile_option")) as studio:
                found = function(studio, **given)
                if isinstance(found, Answer):
                    write_bytes(found.content, wanted)
                    raise typer.Exit(found.code)
                if one:
                    write_one(found, wanted)
                else:
                    write_rows(found, wanted)

        options = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=OFF.get(key), annotation=hint)
            for key, hint in added.items()
        ]
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own] + options
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        command.__doc__ = f"{inspect.getdoc(function)}{_fields_help(record)}"
        app.command(name, epilog=f"Example: {example}")(command)
        return function

    return register


def _check_no_rows(given: dict[str, Any], option: str) -> None:
    names = {"as_csv": "csv", "as_json_lines": "jsonl", "fields": "fields", "sort": "sort", "limit": "limit"}
    for key, name in names.items():
        if given[key] is not None and given[key] is not False:
            fail(f"--{name} is about the rows of a list: add --{option}", 2)


def _fields_help(record: Record | None) -> str:
    names = documented(record)
    return f"\n\nFields: {', '.join(names)}." if names else ""


def _wanted(given: dict[str, Any], record: Record | None, show: str, default: str) -> Wanted:
    """Read the options of what goes out. What is wrong is an error before anything is sent."""
    forms = [name for name in ("json", "jsonl", "csv") if given[{"jsonl": "as_json_lines"}.get(name, f"as_{name}")]]
    if len(forms) > 1:
        fail(f"--{forms[0]} and --{forms[1]} exclude each other: choose one", 2)
    output = cast("Path | None", given["output"])
    form = forms[0] if forms else ENDINGS.get("" if output is None else output.suffix.casefold(), default)
    if given["keep_formulas"] and form != "csv":
        fail("--keep-formulas is about --csv: give both, or neither", 2)
    if output is not None and output.is_dir():
        fail(f"--output must name a file; {str(output)!r} is a folder", 2)
    if output is not None and not output.parent.is_dir():
        fail(f"--output: there is no folder '{output.parent}'", 2)
    known = documented(record)
    fields = cast("str | None", given["fields"])
    chosen = None if fields is None else [name.strip() for name in fields.split(",") if name.strip()]
    if chosen is not None and not chosen:
        fail("--fields names no field: give names with commas between them, such as id,title", 2)
    sort = cast("str | None", given.get("sort"))
    for option, names in (("--fields", chosen or []), ("--sort", [sort.removeprefix("-")] if sort else [])):
        for name in names:
            _check_field(option, name, known)
    columns: Sequence[str] | None = chosen
    if columns is None:
        columns = (show.split(",") if form == "table" and show else known) or None
    return Wanted(
        form=form,
        columns=columns,
        whole=chosen is None,
        output=output,
        sort=sort,
        limit=given.get("limit"),
        keep_formulas=given["keep_formulas"],
        quiet=given["quiet"],
    )


def _check_field(option: str, name: str, known: Sequence[str]) -> None:
    whole = {each.partition(".")[0] for each in known}
    if not known or name in known or name in whole or name.startswith("extra."):
        return
    near = get_close_matches(name.casefold(), known)
    fail(
        f"{option}: there is no field {name!r}: "
        + (f"did you mean {' or '.join(near)}?" if near else f"the fields are {', '.join(known)}")
        + " (extra.NAME for one that is not documented)",
        2,
    )


def documented(record: Record | None) -> list[str]:
    """Return the documented fields of a class.

    Args:
        record: A class of objects or records, or the names of the keys of dicts.

    Returns:
        Their names, with dots for those of the owner and the collection.
    """
    if record is None:
        return []
    if isinstance(record, tuple):
        return list(record)
    if dataclasses.is_dataclass(record):
        names = [field.name for field in dataclasses.fields(record) if field.name != "extra"]
    else:
        names = list(record.from_dict({"id": 1}).to_dict())
    found: list[str] = []
    for name in names:
        inner = NESTED.get(name)
        found += [name] if inner is None else [f"{name}.{each}" for each in documented(inner) if "." not in each]
    return found
