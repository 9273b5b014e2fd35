"""Every operation that the vendor documents is there, or the table of operations says why not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support import operations
from support.recordings import TABLE, call_of

if TYPE_CHECKING:
    from support.operations import Row


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return operations.rows()


def test_the_table_of_operations_is_that_of_the_package(rows: list[Row]) -> None:
    assert operations.TARGET.read_text(encoding="utf-8") == operations.page_of(rows), "run tests/support/operations.py"
    assert len(rows) == len({row.operation for row in rows}) == 52


def test_every_documented_operation_has_a_method_a_recording_and_a_route_but_for_the_roles_of_users(
    rows: list[Row],
) -> None:
    without = [row.operation for row in rows if not (row.methods and row.recordings and row.has_route)]
    assert without == [*operations.WITHOUT_METHOD] == ["Add or remove roles"]


def test_the_sandbox_has_no_route_that_is_not_documented(rows: list[Row]) -> None:
    assert operations.routes() <= {row.operation for row in rows}


def test_the_table_of_requests_in_the_tests_of_the_core_has_every_operation() -> None:
    table = (operations.HOUSE / "tests/core/requests.rs").read_text(encoding="utf-8")
    names = {call_of(name)["method"] for name in TABLE["operations"]}
    assert len(names) > 40
    assert {name for name in names if not re.search(rf'^ {{4,8}}\(?"{name}",', table, re.MULTILINE)} == set()
