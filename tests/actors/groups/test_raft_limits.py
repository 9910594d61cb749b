"""`RaftLimits`: whatever a group's configuration, its messages fit into frames and its writes into the store."""

from __future__ import annotations

import random

import pytest

from coterie.actors.groups.raft_limits import REGISTER_BYTES, RaftLimits
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.replicated_log import ENTRY_OVERHEAD_BYTES
from coterie.runtime.storage.storage_config import StorageConfig
from coterie.runtime.transport.transport_config import TransportConfig

VOTERS = (NodeId("n1"), NodeId("n2"))
FRAME, STORE = TransportConfig().frame_cap_bytes, StorageConfig().max_write_bytes


def test_defaults_fit() -> None:
    limits = RaftLimits.fitted(RaftConfig(VOTERS), TransportConfig(), STORE)

    assert (limits.config, limits.lowered) == (RaftConfig(VOTERS), {})
    assert limits.max_command_bytes == FRAME - 4096


@pytest.mark.parametrize("seed", range(200))
def test_no_configuration_makes_a_message_or_a_write_too_large(seed: int) -> None:
    rng = random.Random(seed)
    config = RaftConfig(
        VOTERS,
        max_append_bytes=rng.choice((1, 1 << 10, 1 << 20, 1 << 40)),
        max_append_entries=rng.choice((1, 1 << 10, 1 << 30)),
        max_inflight_bytes=rng.choice((1, 1 << 40)),
        max_write_bytes=rng.choice((1, 1 << 20, 1 << 40)),
    )
    frame, store = rng.choice((5000, 1 << 18, 1 << 22)), rng.choice((1 << 17, 1 << 20, 1 << 26))

    transport = TransportConfig(frame_cap_bytes=frame, frame_soft_bytes=1000)

    limits = RaftLimits.fitted(config, transport, store)

    fitted, command = limits.config, limits.max_command_bytes
    message = max(fitted.max_append_bytes + fitted.max_append_entries * ENTRY_OVERHEAD_BYTES, command)
    assert message + 4096 <= frame
    assert max(fitted.max_write_bytes, command + ENTRY_OVERHEAD_BYTES) + REGISTER_BYTES <= store
    assert 2 * fitted.max_inflight_bytes <= transport.outbound_limit_bytes
    assert limits.lowered == {
        name: getattr(fitted, name) for name in limits.lowered if getattr(fitted, name) < getattr(config, name)
    }


def test_store_that_takes_less_than_one_entry_is_refused_by_name_and_value() -> None:
    with pytest.raises(ValueError, match=r"writes of 65536 bytes .*max_write_bytes.* at least 69632"):
        RaftLimits.fitted(RaftConfig(VOTERS), TransportConfig(), 1 << 16)
