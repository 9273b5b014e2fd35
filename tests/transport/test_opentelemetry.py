"""The recipe for OpenTelemetry on the page about logging makes a span of each request, under that of the caller."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from canvas_studio import NotFoundError
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_studio import StudioClient
    from canvas_studio.sandbox import Sandbox

PAGE = Path(__file__).parents[2] / "docs/logging.md"


@pytest.fixture
def provider() -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    """Run the recipe, with spans that stay in memory."""
    section = PAGE.read_text(encoding="utf-8").partition("## OpenTelemetry\n")[2].partition("\n## ")[0]
    found = re.search(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None
    exporter, made = InMemorySpanExporter(), TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(exporter))
    logger = logging.getLogger("canvas_studio")
    handlers, level = list(logger.handlers), logger.level
    # A process has one provider for good, so the recipe gets this one in another way.
    exec(found[1].replace("trace.get_tracer(", "made.get_tracer("), {"made": made})  # noqa: S102
    try:
        yield made, exporter
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)


def of_requests(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.kind is trace.SpanKind.CLIENT]


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_each_request_is_a_span_under_that_of_its_caller(
    provider: tuple[TracerProvider, InMemorySpanExporter],
    studio_sandbox: Sandbox,
    studio_client: StudioClient,
    form: str,
) -> None:
    made, exporter = provider
    studio_sandbox.faults.add(status=503, times=1)
    media = studio_sandbox.add_media("Mitosis")
    with made.get_tracer("program").start_as_current_span("nightly") as caller:
        if form == "blocking":
            studio_client.get_media(media)
        else:

            async def go() -> None:
                await studio_client.get_media_async(media)

            asyncio.run(go())
    first, second = of_requests(exporter)
    for span in (first, second):
        assert span.parent is not None
        assert span.parent.span_id == caller.get_span_context().span_id
        assert span.name == "GET"
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
    assert first.status.status_code is trace.StatusCode.ERROR
    assert dict(first.attributes or {}) == {
        "http.request.method": "GET",
        "url.path": f"/media/{media}",
        "http.request.resend_count": 0,
        "http.response.status_code": 503,
        "error.type": "503",
    }
    assert second.status.status_code is trace.StatusCode.UNSET
    assert (second.attributes or {})["http.request.resend_count"] == 1


def test_a_failure_is_a_span_with_an_error_and_without_a_secret(
    provider: tuple[TracerProvider, InMemorySpanExporter], studio_sandbox: Sandbox, studio_client: StudioClient
) -> None:
    with pytest.raises(NotFoundError):
        studio_client.get_media(999_999)
    studio_client.search_media(title="exam").collect()
    spans = of_requests(provider[1])
    assert (spans[0].attributes or {})["error.type"] == "404"
    text = "".join(span.to_json() for span in spans)
    assert studio_sandbox.token not in text
    assert "exam" not in text
