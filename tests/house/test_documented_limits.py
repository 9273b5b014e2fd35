"""Each statement about limits on a page of the docs is held by a test that is named here, or says that it has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.statements import is_defined, statements

HOUSE = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^(?:#+ Limits$|Limits:$|One limit: )(.*?)(?=^#+ |\Z)", re.MULTILINE | re.DOTALL)
CALLERS = "tests/process/test_callers_thread.py::"
INTERPRETERS = "tests/process/test_interpreters.py::"
MEMORY = "tests/process/test_limits.py::"
LIFECYCLE = "tests/sandbox/test_sandbox_lifecycle.py::"
RULES = "tests/sandbox/test_sandbox_rules.py::"
NOT_TESTED, ADVICE, MEASURED = "not tested", "advice", "make bench-sandbox"
# How each statement begins, in the order of the page, and what holds it.
HELD = {
    "processes.md": [
        (
            "The async methods need",
            f"{CALLERS}test_without_asyncio_an_async_method_says_what_it_needs_and_warns_of_nothing",
        ),
        (
            "On trio they raise",
            f"{CALLERS}test_without_asyncio_an_async_method_says_what_it_needs_and_warns_of_nothing",
        ),
        (
            "Use the blocking methods",
            f"{CALLERS}test_without_asyncio_an_async_method_says_what_it_needs_and_warns_of_nothing",
        ),
        ("Python 3.11 tells", f"{INTERPRETERS}test_a_subinterpreter_is_refused_before_the_core_is_there"),
        ("A Python built without it", NOT_TESTED),
        ("A program that embeds Python", NOT_TESTED),
        ("Import the package in one", ADVICE),
        ("Rust ends the process", NOT_TESTED),
        ("So each call, and each page", f"{MEMORY}test_memory_that_runs_out_while_lists_are_read_is_a_memory_error"),
        ("If other threads use up", NOT_TESTED),
        ("Where memory is short", ADVICE),
        (
            "the collector does not look",
            "tests/process/test_garbage.py::test_a_store_that_holds_a_media_of_its_client_stays",
        ),
        (
            "A store that holds one",
            "tests/process/test_garbage.py::test_a_store_that_holds_a_media_of_its_client_stays",
        ),
    ],
    "sandbox.md": [
        ("It listens on", f"{LIFECYCLE}test_a_sandbox_listens_on_no_other_address"),
        ("The files are at", f"{LIFECYCLE}test_a_sandbox_runs_from_the_moment_it_is_made_until_it_is_closed"),
        ("`requests` keeps the latest", f"{RULES}test_of_many_large_bodies_no_more_than_128_mib_are_kept"),
        ("It is made anew", f"{LIFECYCLE}test_requests_is_made_anew_each_time"),
        ("A request's body has", "tests/sandbox/test_sandbox_fuzz.py::test_a_body_that_is_too_large_is_refused"),
        (
            "A request with more than",
            f"{RULES}test_a_request_with_too_many_or_too_long_headers_is_refused_and_not_logged",
        ),
        ("One thread answers", f"{LIFECYCLE}test_one_thread_answers_all_connections"),
        ("After a fork, the child can use", f"{LIFECYCLE}test_a_forked_child_cannot_close_the_parents_sandbox"),
        ("The child holds the port", f"{LIFECYCLE}test_a_forked_child_holds_the_port"),
        ("With 500 media", MEASURED),
        ("On one core", MEASURED),
        ("A client does not keep it", f"{LIFECYCLE}test_a_client_does_not_keep_a_sandbox_running"),
    ],
}
PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted((HOUSE / "docs").glob("*.md"))}


def limits(page: str) -> list[str]:
    return [statement for block in BLOCK.findall(PAGES[page]) for statement in statements(block)]


@pytest.mark.parametrize("page", PAGES)
def test_each_limit_on_a_page_has_a_test_or_says_that_it_has_none(page: str) -> None:
    held = HELD.get(page, [])
    for statement, (start, holder) in zip(limits(page), held, strict=True):
        assert statement.startswith(start), f"{statement!r} stands beside {start!r}"
        assert (NOT_TESTED in statement) is (holder == NOT_TESTED), statement


@pytest.mark.parametrize("holder", sorted({holder for held in HELD.values() for _, holder in held}))
def test_what_holds_a_limit_is_there(holder: str) -> None:
    file, _, name = holder.partition("::")
    if name:
        assert is_defined(name, (HOUSE / file).read_text(encoding="utf-8"))
    elif holder == MEASURED:
        assert "\nbench-sandbox:" in (HOUSE / "Makefile").read_text(encoding="utf-8")
    else:
        assert holder in {NOT_TESTED, ADVICE}
