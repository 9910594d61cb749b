"""Group founding: founds a group in a node's store, and compares what its log has with what the topology says."""

from __future__ import annotations

from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import HardState
from coterie.protocols.replicated_log import Term
from coterie.runtime.actor import Context

__all__ = ["founding_register", "warn_if_members_differ"]


def founding_register(cluster: str, group: str, config: RaftConfig) -> HardState:
    """Return the register of a group that begins: its members are those of the configuration."""
    return HardState(Term(0), None, GroupFacts.founding(cluster, group, _configured(config)))


def warn_if_members_differ(context: Context, group: str, config: RaftConfig, membership: Membership) -> None:
    """Warn if the topology says something else than the log, which counts."""
    system, configured = context.system, _configured(config)
    if (membership.voters, membership.quorum) == (configured.voters, configured.quorum):
        return
    others = [node for node in membership.nodes if node != system.node]
    context.log.warning(
        "group.members_differ",
        group=group,
        members=str(membership),
        configured=str(configured),
        without_address=", ".join(node for node in others if system.address_of(node) is None),
        advice="the members in the log count; nodes= names only the founders of a new group",
    )


def _configured(config: RaftConfig) -> Membership:
    return Membership.founding(config.voters, config.quorum)
