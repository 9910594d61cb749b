"""Log capture: keeps the last records that a simulation run logs with `logging`, to save them if the run fails."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["RECORDS_MAX", "capture_log"]

RECORDS_MAX = 10_000
"""Number of records; the last ones are kept, since the failure is at the end."""

LOGGER = "coterie"
FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


@contextmanager
def capture_log(*, records_max: int = RECORDS_MAX) -> Iterator[Sequence[str]]:
    """Capture the last `records_max` records logged at level INFO or above in the block; no other handler gets them.

    Yields the sequence they are appended to, each as formatted text (several lines if it has a traceback).
    """
    logger, root = logging.getLogger(LOGGER), logging.getLogger()
    before = logging.root.manager.disable, root.handlers, root.level, logger.level
    handler = _CapturingHandler(records_max)
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logger.setLevel(logging.INFO)
    logging.disable(logging.NOTSET)
    try:
        yield handler.lines
    finally:
        disabled, root.handlers, level, logger_level = before
        root.setLevel(level)
        logger.setLevel(logger_level)
        logging.disable(disabled)


class _CapturingHandler(logging.Handler):
    """Formats records and keeps the last `records_max` of them."""

    def __init__(self, records_max: int) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT))
        self.lines = deque[str](maxlen=records_max)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
