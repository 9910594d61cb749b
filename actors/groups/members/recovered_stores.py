"""Recovered stores: remembers for which incarnation of a group a store counts again that has lost promises.

A store that went back in time has lost what it promised to the group as it was. If it is all that is left, an operator
may let the group begin anew in it (`coterie.actors.recovery.quorum_recovery`): to another incarnation it has promised
nothing. Its other groups still take no part.

This is metadata beside the group (`<group>#recovered`). It names the incarnation for which it holds: so it is written
before the register of the group, and begins to count with that.
"""

from __future__ import annotations

import json

from coterie.errors import InvariantViolated
from coterie.runtime.storage.log_store import LogStore, Write

__all__ = ["forgive", "lost_promises"]

_FORMAT = 1


def forgive(store: LogStore, group: str, incarnation: bytes) -> None:
    """Let the group count in this store again as `incarnation`, although the store has lost promises, if it has."""
    if store.lost_promises is not None:
        record = {"format": _FORMAT, "incarnation": incarnation.hex(), "lost": store.lost_promises}
        store.write(Write(_name(group), metadata=json.dumps(record, sort_keys=True).encode()), lambda: None)


async def lost_promises(store: LogStore, group: str, incarnation: bytes) -> str | None:
    """Return what the store has lost of its promises to the group in this incarnation; None: nothing, as far as known.

    Raises:
        InvariantViolated: what is remembered cannot be decoded.
    """
    lost = store.lost_promises
    if lost is None or _name(group) not in store.groups():
        return lost
    metadata = (await store.state(_name(group))).metadata or b""
    try:
        record = json.loads(metadata)
        found = (record["format"], bytes.fromhex(record["incarnation"]), record["lost"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvariantViolated(f"{_name(group)!r} cannot be decoded: {metadata!r:.80}") from error
    return None if found == (_FORMAT, incarnation, lost) else lost


def _name(group: str) -> str:
    return f"{group}#recovered"
