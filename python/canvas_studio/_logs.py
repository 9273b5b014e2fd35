"""The logger `canvas_studio`: turns the core's log lines into records, and writes them as text or JSON."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from logging import DEBUG
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

__all__ = ["DEBUG", "handle", "is_handing_over", "json_lines", "listen", "logger", "to_stderr"]

logger = logging.getLogger("canvas_studio")
is_handing_over = ContextVar("canvas_studio.is_handing_over", default=False)

PACKAGE = __file__.removesuffix("_logs.py")
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
# A record has all of them, so that a format may name them.
ATTRIBUTES = {"method": None, "path": None, "status": None, "ms": None, "attempt": None, "error": None}
OF_EVERY_RECORD = {*vars(logging.makeLogRecord({})), "asctime", "message", "taskName"}


def handle(level: int, nanoseconds: int, message: str, fields: dict[str, Any]) -> None:
    """Pass a log line of the core to the logger.

    Args:
        level: Its level.
        nanoseconds: Its time, since 1970.
        message: The line.
        fields: The attributes of the record.

    Raises:
        Exception: What a handler or a filter raised, unless `logging.raiseExceptions` says that nobody wants to know.
    """
    token = is_handing_over.set(True)
    try:
        logger.handle(_record(level, nanoseconds, message, fields))
    except Exception:
        if logging.raiseExceptions:
            raise
    finally:
        is_handing_over.reset(token)


def _record(level: int, nanoseconds: int, message: str, fields: dict[str, Any]) -> logging.LogRecord:
    # The core has no Python frames, so the first frame outside of this package is the caller.
    frame = logging.currentframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    code = frame.f_code
    record = logger.makeRecord(logger.name, level, code.co_filename, frame.f_lineno, message, (), None, code.co_name)
    record.relativeCreated += nanoseconds / 1e6 - record.created * 1e3
    record.created = nanoseconds / 1e9
    record.msecs = nanoseconds // 1_000_000 % 1000 + 0.0
    vars(record).update(ATTRIBUTES | fields)
    return record


class Stderr(logging.Handler):
    """Writes records that no handler of the program takes to the current standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if sys.stderr is None or any(record.levelno >= handler.level for handler in self._others()):
            return
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - as every handler does
            self.handleError(record)

    def _others(self) -> list[logging.Handler]:
        handlers = list(logger.handlers)
        if logger.propagate:
            handlers += logging.getLogger().handlers
        return [handler for handler in handlers if not isinstance(handler, (Stderr, logging.NullHandler))]


def to_stderr(level: str) -> None:
    """Write the log to the standard error from a level on, which `CANVAS_STUDIO_LOG` names.

    Args:
        level: `debug`, `info` or `warning`; for any other word there is a warning.
    """
    wanted = LEVELS.get(level.strip().lower())
    if not any(isinstance(handler, Stderr) for handler in logger.handlers):
        handler = Stderr()
        handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(handler)
    if wanted is None:
        logger.warning("CANVAS_STUDIO_LOG is %r: say debug, info or warning", level)
    else:
        logger.setLevel(wanted)


def json_lines(stream: TextIO) -> logging.Handler:
    """Return a handler that writes each record as a JSON object on a line of its own.

    It holds the `time` in UTC, the `level`, the `message`, and every attribute that has been added to the record.

    Args:
        stream: Where it writes.

    Returns:
        The handler; it is for the caller to add it to a logger.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLine())
    return handler


class JsonLine(logging.Formatter):
    """Formats a record as a JSON object, without empty attributes."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        added = {name: value for name, value in vars(record).items() if name not in OF_EVERY_RECORD}
        line |= {name: value for name, value in added.items() if value is not None and name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def listen(handler: logging.Handler, level: int) -> Callable[[], None]:
    """Add a handler to the log.

    Args:
        handler: The handler.
        level: The level that the log is set to.

    Returns:
        What undoes that.
    """
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)

    def undo() -> None:
        logger.removeHandler(handler)
        logger.setLevel(before)

    return undo
