"""Protocol versions: lists the versions of the wire protocol, and chooses the highest one that two systems share.

    1   no longer supported: every message named its actor and its type
    2   numbers instead of names (see `coterie.runtime.remote`); each item in one frame
    3   large items in chunks (see `chunks`)
    4   with a shared key each frame has a code (see `frames`); refs and routes with the rights of a client (see `rows`)

Each end sends the lowest and the highest version it supports; the acceptor chooses the highest common one. So a cluster
is upgraded node by node: a release supports at least the newest version of the release before.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CHUNKS_SINCE", "CODES_SINCE", "RIGHTS_SINCE", "VERSION_MAX", "VERSION_MIN", "Versions", "highest_common"]

VERSION_MIN: Final = 2
VERSION_MAX: Final = 4

CHUNKS_SINCE: Final = 3
"""The first version in which an item may be larger than a frame."""

CODES_SINCE: Final = 4
"""The first version in which a shared key protects each frame, and not the handshake alone; with keys the lowest."""

RIGHTS_SINCE: Final = 4
"""The first version that knows rights of clients in refs and routes."""

Versions = tuple[int, int]
"""The lowest and the highest version that an end supports."""


def highest_common(ours: Versions, theirs: Versions) -> int | None:
    """Return the highest common version; None if there is none."""
    version = min(ours[1], theirs[1])
    return version if version >= max(ours[0], theirs[0]) else None
