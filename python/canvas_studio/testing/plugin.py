"""The pytest plugin: fixtures for a sandbox and its client. They start when a test uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_studio._core import StudioClient
    from canvas_studio.sandbox import Sandbox

__all__ = ["studio_client", "studio_sandbox"]

MARKER = "studio_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, for `--strict-markers`."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(media=..., seed=..., ...): options of canvas_studio.sandbox.Sandbox for the fixture {MARKER}.",
    )


@pytest.fixture
def studio_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Start a sandbox for one test, and close it after the test.

    `@pytest.mark.studio_sandbox(media=50, seed=7)` gives it options; those of a test win over those of its class, and
    those over the ones of the module.
    """
    from canvas_studio.sandbox import Sandbox  # noqa: PLC0415 - not needed to start pytest

    options: dict[str, Any] = {}
    for marker in request.node.iter_markers(MARKER):  # the closest first
        if marker.args:
            raise pytest.UsageError(f"the marker {MARKER} takes keywords, such as media=50, not {marker.args[0]!r}")
        options = {**marker.kwargs, **options}
    with Sandbox(**options) as box:
        yield box


@pytest.fixture
def studio_client(studio_sandbox: Sandbox) -> Iterator[StudioClient]:
    """Make a client of the sandbox with the administrator's token. It retries without waiting."""
    with studio_sandbox.client(retry_delay=0) as client:
        yield client
