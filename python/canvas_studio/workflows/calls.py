"""Makes many calls in threads, for the lists of a snapshot: `StudioClient.map` does not return the drift of a list."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeVar

from canvas_studio.errors import RateLimitError, StudioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

WIDTH: Final = 16
"""As many as a listing asks for at once."""

MOST_REFUSALS: Final = 8
"""In a row without a call that was answered between them, each after the client's own retries."""

LONGEST_WAIT: Final = 60.0
USUAL_WAIT: Final = 1.0
SHORTEST_WAIT: Final = 0.01


def call_each(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result | StudioError]]:
    """Call a function with each item, up to 16 at once.

    A call that Studio refuses with 429 is made again, and fewer run at once from then on.

    Args:
        function: What to call. It runs in threads.
        items: The items.

    Yields:
        Each item with what the function returned or raised, in the order in which they come.
    """
    again: deque[Item] = deque()
    fresh = iter(items)
    under_way: dict[Future[Result], Item] = {}
    width, refusals, hold = WIDTH, 0, 0.0
    pool = ThreadPoolExecutor(WIDTH, thread_name_prefix="canvas-studio-calls")
    try:
        while True:
            # After a refusal, those under way end first.
            if not hold:
                for item in chain(_pop_each(again), fresh):
                    under_way[pool.submit(function, item)] = item
                    if len(under_way) >= width:
                        break
            if not under_way:
                if not hold:
                    return
                time.sleep(min(hold, LONGEST_WAIT))
                width, refusals, hold = max(1, width // 2), refusals + 1, 0.0
                continue
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                item = under_way.pop(future)
                outcome = _outcome(future)
                if isinstance(outcome, RateLimitError) and refusals < MOST_REFUSALS:
                    again.append(item)
                    hold = max(hold, USUAL_WAIT if outcome.retry_after is None else outcome.retry_after, SHORTEST_WAIT)
                    continue
                if not isinstance(outcome, StudioError):
                    width, refusals = min(WIDTH, width + 1), 0
                yield item, outcome
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(future: Future[Result]) -> Result | StudioError:
    try:
        return future.result()
    except StudioError as error:
        return error


def _pop_each(queue: deque[Item]) -> Iterator[Item]:
    while queue:
        yield queue.popleft()
