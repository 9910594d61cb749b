"""`RaftLimits`: fits a group's sizes to the frames and the store of its node: no message or write is too large.

The sizes of a `RaftConfig` are lengths of commands; frames and writes hold headers, too. A group whose configuration
allows more than its node can send or store would stop at the first large burst, so each size is lowered to what fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from coterie.actors.groups.group_messages import ENVELOPE_BYTES
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.replicated_log import ENTRY_OVERHEAD_BYTES
from coterie.runtime.transport.transport_config import TransportConfig

__all__ = ["REGISTER_BYTES", "RaftLimits"]

REGISTER_BYTES: Final = 64 * 1024
"""Upper bound of what a write takes in addition to its entries: the group's register, a truncation, headers."""

SHARE_IN_FLIGHT: Final = 2
"""One part in so many of what may wait for a connection is for the entries of one group: what is more would be lost."""

FITTED: Final = ("max_append_bytes", "max_append_entries", "max_inflight_bytes", "max_write_bytes")

SHARE_OF_OVERHEAD: Final = 4
"""At most one part in so many of a frame is for what entries take in addition to their commands."""


@dataclass(frozen=True, slots=True)
class RaftLimits:
    """The sizes that one node of a group works with.

    Attributes:
        config: the group's configuration, with `max_append_bytes`, `max_append_entries`, `max_inflight_bytes` and
            `max_write_bytes` lowered to what fits.
        max_command_bytes: the longest command that can be replicated: it fits into one frame and into one write.
        lowered: what was lowered: the new value by the name of the field.
    """

    config: RaftConfig
    max_command_bytes: int
    lowered: Mapping[str, int]

    @classmethod
    def fitted(cls, config: RaftConfig, transport: TransportConfig, store_write_bytes: int) -> RaftLimits:
        """Return the limits of a node with this `transport`, whose store takes `store_write_bytes` at once.

        Raises:
            ValueError: the store takes too little for one entry.
        """
        room_in_write = store_write_bytes - REGISTER_BYTES
        if room_in_write < ENVELOPE_BYTES:
            raise ValueError(
                f"the store takes writes of {store_write_bytes} bytes (its max_write_bytes): a Raft group needs at "
                f"least {REGISTER_BYTES + ENVELOPE_BYTES}"
            )
        room_in_frame = transport.frame_cap_bytes - ENVELOPE_BYTES
        entries = max(1, min(config.max_append_entries, room_in_frame // SHARE_OF_OVERHEAD // ENTRY_OVERHEAD_BYTES))
        fitted = replace(
            config,
            max_append_entries=entries,
            max_append_bytes=min(config.max_append_bytes, max(1, room_in_frame - entries * ENTRY_OVERHEAD_BYTES)),
            max_inflight_bytes=min(config.max_inflight_bytes, transport.outbound_limit_bytes // SHARE_IN_FLIGHT),
            max_write_bytes=min(config.max_write_bytes, room_in_write),
        )
        lowered = {name: getattr(fitted, name) for name in FITTED if getattr(fitted, name) < getattr(config, name)}
        return cls(fitted, min(room_in_frame, room_in_write - ENTRY_OVERHEAD_BYTES), lowered)
