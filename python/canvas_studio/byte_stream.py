"""`ByteStream`: the file of a media, read in chunks, in both forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from canvas_studio._core import ByteReader

__all__ = ["ByteStream"]


class ByteStream:
    """The bytes of a file, in order, in chunks of one size; the last one may be shorter.

    `StudioClient.iter_media_bytes` and `Media.iter_bytes` make it. Read it once, with `for` or `async for`. If you may
    leave the loop early, read it in a `with` or an `async with` block, or close it: that ends the request at once.

    After an error, the next chunk raises the error again. What has been read is then only the beginning of the file.
    """

    __slots__ = ("__weakref__", "_is_closed", "_reader")

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader
        self._is_closed = False

    @property
    def length(self) -> int | None:
        """The length of the file in bytes; `None` before the first chunk, or if the storage host does not say it."""
        return self._reader.length

    def __iter__(self) -> Self:
        """Read it."""
        return self

    def __next__(self) -> bytes:
        """Return the next chunk."""
        self._check()
        while not (chunk := self._reader.next_chunk()):
            if chunk is None:
                raise StopIteration
        return chunk

    def __aiter__(self) -> Self:
        """Read it."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk."""
        self._check()
        while not (chunk := await self._reader.next_chunk_async()):
            if chunk is None:
                raise StopAsyncIteration
        return chunk

    def close(self) -> None:
        """End the request. Reading on is a `ValueError`."""
        self._is_closed = True
        self._reader.close()

    async def aclose(self) -> None:
        """End the request. Reading on is a `ValueError`."""
        self.close()

    def __enter__(self) -> Self:
        """Begin a block at whose end the stream is closed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    async def __aenter__(self) -> Self:
        """Begin a block at whose end the stream is closed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Say how long it is, as far as that is known."""
        length = "of unknown length" if self.length is None else f"of {self.length:,} bytes"
        return f"<ByteStream {length}{', closed' * self._is_closed}>"

    def _check(self) -> None:
        if self._is_closed:
            raise ValueError("the stream is closed: begin a new one with iter_bytes()")
