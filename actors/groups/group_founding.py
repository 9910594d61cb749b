"""Group founding: makes the register of a founder, and tells where a topology and its group differ later."""

from __future__ import annotations

from coterie.actors.groups.raft_limits import RaftLimits
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import HardState
from coterie.protocols.replicated_log import Term
from coterie.runtime.actor import Context
from coterie.runtime.storage.log_store import LogStore

__all__ = ["fit_limits", "founding_register", "warn_of_other_members"]


def founding_register(cluster: str, group: str, config: RaftConfig) -> HardState:
    """Return the register of a group that does not exist yet: the same on each of its founders."""
    founders = Membership.founding(config.voters, config.quorum)
    return HardState(Term(0), None, GroupFacts.founding(cluster, group, founders))


def warn_of_other_members(context: Context, group: str, membership: Membership | None, config: RaftConfig) -> None:
    """Warn if the topology, from which `config` is, says something else than the log, which counts."""
    configured = Membership.founding(config.voters, config.quorum)
    if membership is None or (membership.voters, membership.quorum) == (configured.voters, configured.quorum):
        return
    system = context.system
    without_address = [
        member.node
        for member in membership.members
        if member.node != system.node
        and member.address is None
        and system.remoting.network().address_of(member.node) is None
    ]
    context.log.warning(
        "group.members_differ",
        group=group,
        members=str(membership),
        configured=str(configured),
        without_address=", ".join(without_address),
        advice="the members in the log count: keep them in the topology, with their addresses",
    )


def fit_limits(config: RaftConfig, context: Context, store: LogStore) -> RaftLimits:
    """Return the sizes with which a node of the group works; log those that its frames or its store make smaller."""
    transport, write_bytes = context.system.config.transport, store.max_write_bytes
    limits = RaftLimits.fitted(config, transport, write_bytes)
    if limits.lowered:
        sizes = {"frame_cap_bytes": transport.frame_cap_bytes, "store_write_bytes": write_bytes, **limits.lowered}
        context.log.info("raft.limits_lowered", **sizes)
    return limits
