"""Membership start: makes a node of a topology with `Members` a member of its cluster's view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from coterie.actors.membership.cluster_membership import ClusterMembership
from coterie.actors.membership.cluster_nodes import MEMBERSHIP_GROUP, Members, Role
from coterie.actors.membership.member_addresses import MemberAddresses
from coterie.actors.membership.member_health import MemberHealth
from coterie.actors.membership.membership_actor import MembershipActor
from coterie.actors.membership.membership_feed import MembershipFeed
from coterie.actors.membership.membership_requests import MEMBERSHIP_PATH
from coterie.actors.membership.receptionist.receptionist import Receptionist
from coterie.actors.membership.receptionist.receptionist_actor import ReceptionistActor
from coterie.actors.membership.receptionist.service_board import ServiceBoard
from coterie.actors.membership.receptionist.service_messages import RECEPTIONIST_PATH
from coterie.actors.membership.view_machine import ViewMachine
from coterie.actors.network_addresses import format_address, parse_address
from coterie.actors.node import Node
from coterie.actors.topology.parts import DetectorPart, RaftPart
from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Incarnation, Member, sorted_labels
from coterie.protocols.membership.partition_policy import KeepRole
from coterie.protocols.raft.raft_config import RaftConfig

__all__ = ["membership_part", "own_member", "spawn_membership", "wildcard_mistake"]

HAND_OVER_S: Final = 1.0
"""For so long a node that leaves, or is stopped, waits until its services are out of the registry."""

_WILDCARDS = ("0.0.0.0", "::", "")


def membership_part(members: Members) -> RaftPart:
    """Return the group that holds the view, which is no part that a user declares."""
    return RaftPart(MEMBERSHIP_GROUP, ViewMachine, tuple(members.founders), _view_group, exported="operators")


def _view_group(voters: tuple[NodeId, ...]) -> RaftConfig:
    """Return the settings of the group: views change seldom, and leases outlast an election of a second or two."""
    return RaftConfig(voters, heartbeat_interval_s=0.2, election_timeout_min_s=0.6, election_timeout_max_s=1.0)


def wildcard_mistake(listen: str, advertise: str | None) -> str | None:
    """Return why other members could not reach this node; None if they can."""
    host, _ = parse_address(listen if advertise is None else advertise)
    if host not in _WILDCARDS:
        return None
    return f"other members cannot dial {host or 'an empty host'}: give advertise=HOST:PORT, where they reach this node"


def own_member(
    node: Node, members: Members, *, advertise: str | None, roles: Sequence[str], labels: Mapping[str, str]
) -> Member:
    """Return the node as a member."""
    system = node.system
    address = node.address if advertise is None else format_address(parse_address(advertise))
    all_roles = members.roles_of(node.name) | frozenset(roles)
    incarnation = Incarnation(system.identity.incarnation)
    return Member(NodeId(node.name), incarnation, address, all_roles, sorted_labels(labels), store=node.store.store_id)


def _warn_of_roles(node: Node, members: Members, me: Member) -> None:
    """Warn of roles that no part of the topology and no policy names: they may be misspelt."""
    selectors = [getattr(part, "where", None) for part in node.topology.parts]
    named = {selector.name for selector in selectors if isinstance(selector, Role)}
    if isinstance(members.policy, KeepRole):
        named.add(members.policy.role)
    unused = sorted(role for role in me.roles if role not in named)
    if unused:
        node.system.log.warning(
            "membership.roles_unnamed", roles=", ".join(unused), named=", ".join(sorted(named)) or "none"
        )


def spawn_membership(node: Node, members: Members, me: Member, seeds: Sequence[str]) -> None:
    """Make `node` the member `me`: spawn its `MembershipActor` and `ReceptionistActor`, and set its handles."""
    node.system.remoting.network().keep_first_processes()
    _warn_of_roles(node, members, me)
    feed = MembershipFeed(node.system, me)
    node.membership = membership = ClusterMembership(feed)
    group = node.group(MEMBERSHIP_GROUP, ViewMachine)
    has_detector = any(isinstance(part, DetectorPart) for part in node.topology.parts)
    make = partial(
        MembershipActor,
        feed,
        members,
        group,
        MemberAddresses(node.system, seeds),
        None if has_detector else MemberHealth(node.health, node.name, node.system.remoting.network().known_peer),
        node.topology.singleton_names,
    )
    node.system.spawn(make, name=MEMBERSHIP_PATH, exported="operators")
    desk = partial(ReceptionistActor, ServiceBoard(me.identity), membership, group)
    receptionist = node.system.spawn(desk, name=RECEPTIONIST_PATH, exported=True)
    node.receptionist = services = Receptionist(node.system, membership, receptionist)
    membership.at_handover(lambda: services.unregister_all(timeout_s=HAND_OVER_S))
