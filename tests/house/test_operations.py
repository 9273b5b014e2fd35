"""Every operation that the vendor documents is there, or the table of operations says why not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

DOCS = Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS))

import make_operations  # noqa: E402 - it is found there

if TYPE_CHECKING:
    from make_operations import Row


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return make_operations.rows()


def test_the_table_of_operations_is_that_of_the_package(rows: list[Row]) -> None:
    written = (DOCS / "operations.md").read_text(encoding="utf-8")
    assert written == make_operations.HEAD + "".join(f"{row}\n" for row in rows), "python docs/make_operations.py"
    assert len(rows) == len({row.operation for row in rows}) == 52


def test_every_documented_operation_has_a_method_a_recording_and_a_route_but_for_the_roles_of_users(
    rows: list[Row],
) -> None:
    without = [row.operation for row in rows if not (row.methods and row.recordings and row.has_route)]
    assert without == [*make_operations.WITHOUT_METHOD] == ["Add or remove roles"]


def test_the_sandbox_has_no_route_that_is_not_documented(rows: list[Row]) -> None:
    assert make_operations.routes() <= {row.operation for row in rows}
