"""What a run logs, kept for people who look at its failure."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["MOST_KEPT", "kept_log"]

MOST_KEPT = 10_000
"""Records; a failure is at the end, so the last ones stay."""

OURS = "coterie"
FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


@contextmanager
def kept_log(*, most: int = MOST_KEPT) -> Iterator[Sequence[str]]:
    """Keep the last `most` records that are logged at level INFO or above while the block runs; nobody else gets them.

    Gives the sequence that they are added to, each as a line (an error's traceback makes it several).
    """
    ours, root = logging.getLogger(OURS), logging.getLogger()
    before = logging.root.manager.disable, root.handlers, root.level, ours.level
    keeper = _Keeper(most)
    root.handlers = [keeper]
    root.setLevel(logging.INFO)
    ours.setLevel(logging.INFO)
    logging.disable(logging.NOTSET)
    try:
        yield keeper.lines
    finally:
        disabled, root.handlers, level, our_level = before
        root.setLevel(level)
        ours.setLevel(our_level)
        logging.disable(disabled)


class _Keeper(logging.Handler):
    """Puts records into words and keeps the last of them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT))
        self.lines = deque[str](maxlen=most)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
