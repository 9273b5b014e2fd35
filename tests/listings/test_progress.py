"""Progress is reported once per batch, on the reader's thread, and the last report equals the total."""

from __future__ import annotations

import asyncio
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import InternalServerError, PermissionDeniedError, StudioError
from canvas_studio._progress import Items
from support.fault_server import Answer, FaultServer, Received, json_answer, library_of, page_answer, paged
from support.programs import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from canvas_studio import Listing, Media
    from support.forms import Form

pa: Any = import_module("pyarrow")  # what it makes is not typed here

Call = tuple[int, int | None]

BEGIN_WITH_HELPERS = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"


class Enough(Exception):  # noqa: N818 (it is not an error)
    """What a caller raises to end a reading."""


class Told:
    """What a callable was told, and on which threads."""

    def __init__(self, until: int = 0) -> None:
        self.calls: list[Call] = []
        self.threads: set[int] = set()
        self.until = until
        self.has_told = threading.Event()

    def __call__(self, done: int, total: int | None) -> None:
        """Note it."""
        self.calls.append((done, total))
        self.threads.add(threading.get_ident())
        if done >= self.until:
            self.has_told.set()


def read_items(form: Form, listing: Listing[Any], _: Path) -> None:
    form.items(listing)


def read_pages(form: Form, listing: Listing[Any], _: Path) -> None:
    form.pages(listing)


def collect(form: Form, listing: Listing[Any], _: Path) -> None:
    form.call(listing, "collect")


def to_dicts(form: Form, listing: Listing[Any], _: Path) -> None:
    form.call(listing, "to_dicts")


def to_csv(form: Form, listing: Listing[Any], folder: Path) -> None:
    form.call(listing, "to_csv", folder / "media.csv")


def to_arrow(form: Form, listing: Listing[Any], _: Path) -> None:
    form.call(listing, "to_arrow")


def to_parquet(form: Form, listing: Listing[Any], folder: Path) -> None:
    form.call(listing, "to_parquet", folder / "media.parquet")


def to_polars(form: Form, listing: Listing[Any], _: Path) -> None:
    form.call(listing, "to_polars")


def to_pandas(form: Form, listing: Listing[Any], _: Path) -> None:
    form.call(listing, "to_pandas")


def stream(_form: Form, listing: Listing[Any], _: Path) -> None:
    pa.table(listing)


COLUMNS = [to_arrow, to_polars, to_pandas, to_parquet, stream]


@pytest.mark.parametrize("read", [read_items, read_pages, collect, to_dicts, to_csv, *COLUMNS])
def test_progress_rises_to_the_total_on_the_calling_thread(
    form: Form, read: Callable[[Form, Listing[Media], Path], None], tmp_path: Path
) -> None:
    told = Told()
    with FaultServer(paged(library_of(345))) as server:
        read(form, server.client().search_media(per_page=20).with_options(progress=told), tmp_path)
    assert [done for done, _ in told.calls] == sorted({done for done, _ in told.calls})
    assert told.calls[-1] == (345, 345)
    assert {total for _, total in told.calls} == {345}
    assert told.threads == {threading.get_ident()}


def waits_at_page_4(told: Told, *, meta: bool = True) -> Callable[[Received], Answer]:
    """A list whose fourth page comes when its first three have been told."""
    items = library_of(100)

    def answer(request: Received) -> Answer:
        if request.parameters["page"] == "4":
            assert told.has_told.wait(timeout=20)
        return page_answer(request, items, meta=meta)

    return answer


@pytest.mark.parametrize("read", COLUMNS)
def test_columns_tell_the_pages_that_have_come_while_others_are_under_way(
    form: Form, read: Callable[[Form, Listing[Media], Path], None], tmp_path: Path
) -> None:
    told = Told(until=60)
    with FaultServer(waits_at_page_4(told)) as server:
        read(form, server.client().search_media(per_page=20).with_options(progress=told), tmp_path)
    assert (60, 100) in told.calls
    assert [done for done, _ in told.calls] == sorted({done for done, _ in told.calls})
    assert told.calls[-1] == (100, 100)
    assert told.threads == {threading.get_ident()}


@pytest.mark.parametrize("read", COLUMNS)
def test_columns_of_a_list_that_is_not_counted_have_no_total_until_their_end(
    form: Form, read: Callable[[Form, Listing[Media], Path], None], tmp_path: Path
) -> None:
    told = Told(until=60)
    with FaultServer(waits_at_page_4(told, meta=False)) as server:
        read(form, server.client().search_media(per_page=20).with_options(progress=told), tmp_path)
    assert (60, None) in told.calls
    assert {total for _, total in told.calls[:-1]} == {None}
    assert told.calls[-1] == (100, 100)


@pytest.mark.parametrize("read", COLUMNS)
def test_an_exception_of_progress_between_two_pages_ends_the_columns(
    form: Form, read: Callable[[Form, Listing[Media], Path], None], tmp_path: Path
) -> None:
    reached = threading.Event()

    def answer(request: Received) -> Answer:
        if request.parameters["page"] == "4":
            reached.wait(timeout=20)  # until the exception
            return Answer(silent=True, end="hang")
        return page_answer(request, library_of(100))

    def stop(done: int, _total: int | None) -> None:
        if done == 60:
            reached.set()
            raise Enough("of the callable")

    with FaultServer(answer) as server:
        listing = server.client().search_media(per_page=20).with_options(progress=stop)
        with pytest.raises(Exception, match="of the callable"):
            read(form, listing, tmp_path)
        # Nothing of the unfinished batch was given out, so a checkpoint is in front of it.
        assert listing.checkpoint().items == 0
    assert list(tmp_path.iterdir()) == []


def test_the_bar_is_there_before_the_first_page_and_counts_its_time(
    form: Form, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def answer(request: Received) -> Answer:
        shown.append(capsys.readouterr().err)
        return page_answer(request, library_of(45))

    with FaultServer(answer) as server:
        studio = server.client()
        form.items(studio.search_media().with_options(progress=True))
        form.call(studio.search_media().with_options(progress=True), "to_arrow")
        form.call(studio.search_media().with_options(progress=True), "to_csv", tmp_path / "media.csv")
        list(studio.map("list_collection_media", [1], progress=True))
    assert len(shown) == 4
    assert all("0 items [00:00" in each for each in shown[:3])
    assert "0/1 [00:00" in shown[3]


@pytest.mark.parametrize("read", [read_items, to_arrow])
def test_a_bar_of_nothing_leaves_no_line(
    form: Form, read: Callable[[Form, Listing[Media], Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer(json_answer({"error": "no"}, 403)) as server, pytest.raises(PermissionDeniedError):
        read(form, server.client().search_media().with_options(progress=True), tmp_path)
    assert capsys.readouterr().err.rpartition("\r")[2] == ""


def test_the_rate_of_a_bar_that_goes_on_counts_what_came_since(capsys: pytest.CaptureFixture[str]) -> None:
    bar: Any = Items()
    bar.begin(1_000_000, None)
    bar(1_000_001, None)
    assert bar._bar.initial == 1_000_000
    bar.close()
    assert "1000001 items" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["to_arrow", "to_parquet"])
def test_ctrl_c_between_two_pages_closes_the_bar_and_leaves_no_file(method: str, tmp_path: Path) -> None:
    script = f"""
        import os, signal, sys, threading
        from support.fault_server import Answer, FaultServer, library_of, page_answer

        def answer(request):
            if request.parameters["page"] == "3":
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
                return Answer(silent=True, end="hang")
            return page_answer(request, library_of(100))

        with FaultServer(answer) as server:
            listing = server.client().search_media(per_page=20).with_options(progress=True)
            try:
                listing.{method}(*sys.argv[1:])
            except KeyboardInterrupt:
                print(listing.checkpoint().items)
    """
    arguments = [str(tmp_path / "media.parquet")] if method == "to_parquet" else []
    ended = run(script, *arguments, begin=BEGIN_WITH_HELPERS)
    assert ended.stdout.split() == ["0"]
    assert "40/100" in ended.stderr
    assert ended.stderr.endswith("\n")
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told_for_batches_and_not_for_items(form: Form) -> None:
    told = Told()
    with FaultServer(paged(library_of(345))) as server:
        form.items(server.client().search_media(per_page=50).with_options(progress=told))
    assert 1 <= len(told.calls) <= 8  # seven pages, and the end


def test_progress_knows_of_a_limit(form: Form) -> None:
    told = Told()
    with FaultServer(paged(library_of(345))) as server:
        form.items(server.client().search_media(per_page=20).limit(47).with_options(progress=told))
    assert told.calls[-1] == (47, 47)
    assert {total for _, total in told.calls} == {47}


def test_progress_of_a_list_that_is_not_counted_has_no_total_until_its_end(form: Form) -> None:
    told = Told()
    with FaultServer(paged(library_of(45), meta=False)) as server:
        form.items(server.client().search_media(per_page=20).with_options(progress=told))
    assert told.calls[:-1] == [(20, None), (40, None), (45, None)]
    assert told.calls[-1] == (45, 45)


def test_progress_of_an_empty_list_is_none_of_none(form: Form) -> None:
    told = Told()
    with FaultServer(paged([])) as server:
        form.items(server.client().search_media().with_options(progress=told))
    assert told.calls == [(0, 0)]


def test_progress_never_has_more_than_there_are(form: Form) -> None:
    told, items, lock = Told(), library_of(60), threading.Lock()

    def answer(request: Received) -> Answer:
        with lock:
            page = page_answer(request, items)
            if len(items) == 60:
                del items[:25]
            return page

    with FaultServer(answer) as server:
        form.items(server.client().search_media(per_page=20).with_options(progress=told))
    assert all(total is not None and done <= total for done, total in told.calls)
    assert told.calls[-1][0] == told.calls[-1][1]


def test_an_exception_of_progress_ends_the_reading_and_comes_out(form: Form) -> None:
    def stop(_done: int, _total: int | None) -> None:
        raise Enough

    with FaultServer(paged(library_of(5001))) as server:
        listing = server.client().search_media(per_page=20)
        with pytest.raises(Enough):
            form.items(listing.with_options(progress=stop))
        assert len(server.requests) < 30


def test_an_async_callable_is_refused_since_a_list_does_not_await_it() -> None:
    async def show(done: int, total: int | None) -> None:
        """Never called."""

    class Shown:
        async def __call__(self, done: int, total: int | None) -> None:
            """Never called."""

    with FaultServer() as server:
        for progress in (show, Shown()):
            with pytest.raises(TypeError, match="must be a plain callable"):
                server.client().search_media().with_options(progress=progress)
    assert server.requests == []


def test_an_exception_of_progress_comes_out_of_a_stream_of_columns() -> None:
    def stop(_done: int, _total: int | None) -> None:
        raise Enough("of the callable")

    with FaultServer(paged(library_of(345))) as server, pytest.raises(Exception, match="of the callable"):
        pa.table(server.client().search_media().with_options(progress=stop))


def test_false_takes_progress_away_and_none_leaves_it(form: Form) -> None:
    told = Told()
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20).with_options(progress=told)
        form.items(listing.with_options(progress=False))
        assert told.calls == []
        form.items(listing.with_options(consistent=False).limit(30))
    assert told.calls[-1] == (30, 30)


def test_with_options_leaves_the_listing_as_it_is(form: Form) -> None:
    told = Told()
    with FaultServer(paged(library_of(5))) as server:
        listing = server.client().search_media()
        listing.with_options(progress=told)
        form.items(listing)
    assert told.calls == []


@pytest.mark.parametrize("wrong", ["bar", 1, 0.5, []])
def test_progress_of_the_wrong_type_is_refused_at_once(wrong: Any) -> None:
    with FaultServer(paged(library_of(5))) as server, pytest.raises(TypeError, match="progress"):
        server.client().search_media().with_options(progress=wrong)


def test_progress_can_be_a_bar(form: Form, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer(paged(library_of(345))) as server:
        form.items(server.client().search_media(per_page=20).with_options(progress=True))
    shown = capsys.readouterr()
    assert "345/345" in shown.err
    assert shown.err.endswith("\n")  # as the last line of a bar that is closed
    assert shown.out == ""


def test_the_bar_of_a_stream_of_columns_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer(paged(library_of(345))) as server:
        listing = server.client().search_media(per_page=20).with_options(progress=True)
        pa.table(listing)
        shown = capsys.readouterr().err
        assert listing.checkpoint().items == 345  # it is still there
    assert "345/345" in shown
    assert shown.endswith("\n")


def test_the_bar_is_closed_when_the_reading_is_left(form: Form, capsys: pytest.CaptureFixture[str]) -> None:
    async def leave(listing: Listing[Media]) -> None:
        async for media in listing:
            if media.id == 25:
                break

    with FaultServer(paged(library_of(5001))) as server:
        listing = server.client().search_media(per_page=20).with_options(progress=True)
        if form.name == "async":
            asyncio.run(leave(listing))
        else:
            for media in listing:
                if media.id == 25:
                    break
    shown = capsys.readouterr().err
    assert "/5001" in shown
    assert shown.endswith("\n")


def test_the_bar_is_closed_when_the_reading_fails(form: Form, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(request: Received) -> Answer:
        if request.parameters["page"] == "3":
            return json_answer({"error": "down"}, 500)
        return page_answer(request, library_of(345))

    with FaultServer(answer) as server, pytest.raises(InternalServerError):
        form.items(server.client(max_retries=0).search_media(per_page=20).with_options(progress=True))
    shown = capsys.readouterr().err
    assert "/345" in shown
    assert shown.endswith("\n")


def test_a_bar_without_tqdm_says_what_to_install_before_anything_is_sent(
    form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tqdm"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with FaultServer(paged(library_of(5))) as server:
        with pytest.raises((ImportError, StudioError), match=r"pip install tqdm"):
            form.items(server.client().search_media().with_options(progress=True))
        assert server.requests == []
