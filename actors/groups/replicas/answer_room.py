"""`AnswerRoom`: bounds the large answers that wait for the links of all clients of one node together.

A leader makes answers faster than clients read them, and each client may leave its own unread. One may leave as much
as is free of the whole (the dynamic threshold, as for the replies of sessions), so that those that read nothing leave
room for the others. A command of a client that has used its part is refused as `overloaded` before it is in the log:
the handle sends it again. An answer that does not fit any more has markers in place of its replies (`fit_reply`): the
handle asks again. So nothing is lost, and nobody's answers take the memory of a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

__all__ = ["ALL_ANSWER_BYTES", "FREE_BYTES", "AnswerRoom", "UnsentBytes"]

ALL_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""How many bytes may wait for all links of a node together, small answers apart."""

FREE_BYTES: Final = 64 * 1024
"""An answer up to this size is always given, and a client for which no more waits is always served: what this adds is
bounded for each connection (`outbound_limit_bytes`)."""


class UnsentBytes(Protocol):
    """Tells how many bytes wait for the links of this node."""

    def unsent_bytes(self, node: str) -> int:
        """Return how many wait for the link to `node`; 0 without one."""
        ...

    def all_unsent_bytes(self) -> Iterable[int]:
        """Return how many wait for each link."""
        ...


class AnswerRoom:
    """The room of one node.

    Args:
        links: returns the links of this node; None: it has no network yet.
        link_bytes: how many bytes may wait for one link.
    """

    def __init__(self, links: Callable[[], UnsentBytes | None], link_bytes: int) -> None:
        self._links = links
        self._link_bytes = link_bytes

    def is_used_up(self, asker: str | None) -> bool:
        """Return whether a command of `asker` must wait until it has read more; None: an actor of this node."""
        unsent = None if asker is None else self._links()
        if unsent is None or asker is None or unsent.unsent_bytes(asker) <= FREE_BYTES:
            return False
        return self._left_bytes(unsent, asker) <= FREE_BYTES

    def bytes_for(self, asker: str | None, answer_bytes: int) -> int:
        """Return how many bytes an answer of `answer_bytes` to `asker` may have: that many, or fewer."""
        unsent = None if asker is None or answer_bytes <= FREE_BYTES else self._links()
        if unsent is None or asker is None:
            return answer_bytes
        return max(FREE_BYTES, min(answer_bytes, self._left_bytes(unsent, asker)))

    def _left_bytes(self, unsent: UnsentBytes, asker: str) -> int:
        """Return how many more bytes may wait for `asker`: so many that it has no more than is free afterwards."""
        own_bytes = unsent.unsent_bytes(asker)
        free_bytes = ALL_ANSWER_BYTES - sum(unsent.all_unsent_bytes())
        return min((free_bytes - own_bytes) // 2, self._link_bytes - own_bytes)
