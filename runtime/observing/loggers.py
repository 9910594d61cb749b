"""Loggers: passes log events to the standard library's `coterie.*` loggers, repeated warnings folded.

They add no handler: as with any library, a program that configures no logging sees warnings and errors on stderr.

Facts may come from peers. In the text of a record each is printable (`printable_text.py`), so a record is one line, and
the lines of its traceback are indented, for every formatter of the standard library that does not format exceptions
itself. The facts in `extra`, and the exception, are as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import structlog
from structlog.typing import FilteringBoundLogger

from coterie.runtime.observing.error_texts import FACT_CHARS_MAX, loggable, plain_text, traceback_text
from coterie.runtime.observing.log_folding import LogFolding
from coterie.runtime.observing.printable_text import printable

__all__ = ["logger"]


def logger(
    name: str, monotonic: Callable[[], float] | None = None, *, needs_handler: bool = False
) -> FilteringBoundLogger:
    """Return a logger that passes events to the stdlib logger `coterie.<name>`, with the facts as `extra`.

    `monotonic`: the host's clock (s), by which repeated warnings are folded; None: they are not. `needs_handler`:
    nothing is logged without a handler of the program, not even to stderr: in a simulated world failures are wanted.
    """
    own: list[Any] = [] if monotonic is None else [LogFolding(monotonic)]
    if needs_handler:
        own.insert(0, _if_handled)
    stdlib_logger = logging.getLogger(f"coterie.{name}")
    stdlib_logger.addFilter(_format_traceback)  # once: it is the same object each time
    wrapped = structlog.wrap_logger(
        stdlib_logger,
        processors=[structlog.stdlib.filter_by_level, *own, _to_stdlib],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return cast("FilteringBoundLogger", wrapped)


def _if_handled(target: logging.Logger, _: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if not target.hasHandlers():
        raise structlog.DropEvent
    return event


def _to_stdlib(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Render `event key=value …` as the message, and pass the facts as `extra` for structured handlers."""
    exc_info = event.pop("exc_info", None)
    if isinstance(exc_info, BaseException):
        exc_info = loggable(exc_info)  # handlers of the host program format it in their own way
    name = event.pop("event")
    facts = [f"{printable(key)}={_text(value)}" for key, value in event.items()]
    return {"msg": " ".join([_text(name), *facts]), "extra": {"facts": dict(event)}, "exc_info": exc_info}


def _text(value: object) -> str:
    return printable(value if type(value) is str else plain_text(value), FACT_CHARS_MAX)


def _format_traceback(record: logging.LogRecord) -> bool:
    """Format the traceback of a record, before a handler would do it with line breaks and controls as they are."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and not record.exc_text and _is_handled(logging.getLogger(record.name)):
        record.exc_text = traceback_text(error)
    return True


def _is_handled(start: logging.Logger) -> bool:
    """Return whether a handler that does anything gets the records of a logger: a traceback costs time.

    Without any handler that is the standard library's last resort, stderr.
    """
    found: logging.Logger | None = start
    has_any = False
    while found is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in found.handlers):
            return True
        has_any = has_any or bool(found.handlers)
        found = found.parent if found.propagate else None
    return not has_any
