"""Loggers: passes log events to the standard library's `coterie.*` loggers; silent until a handler is added."""

from __future__ import annotations

import logging
from typing import cast

import structlog
from structlog.typing import FilteringBoundLogger

__all__ = ["logger"]


def logger(name: str) -> FilteringBoundLogger:
    """Return a logger that passes events to the stdlib logger `coterie.<name>`, with the facts as `extra`.

    Nothing is printed unless the host program added a handler: the `coterie` logger itself has a NullHandler.
    """
    root = logging.getLogger("coterie")
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    wrapped = structlog.wrap_logger(
        logging.getLogger(f"coterie.{name}"),
        processors=[structlog.stdlib.filter_by_level, _to_stdlib],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return cast("FilteringBoundLogger", wrapped)


def _to_stdlib(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Render `event key=value …` as the message, and pass the facts as `extra` for structured handlers."""
    exc_info = event.pop("exc_info", None)
    name = event.pop("event")
    facts = " ".join(f"{key}={value}" for key, value in event.items())
    return {"msg": f"{name} {facts}".rstrip(), "extra": {"facts": dict(event)}, "exc_info": exc_info}
