"""`coterie raft recover`: lets a group that has lost its quorum begin anew from the log of one store; offline.

    coterie raft recover totals --data data/n1
    coterie raft recover totals --data data/n1 --accept-loss 5c1e0b7a

The first call changes nothing: it shows what there is, what may be lost, and the token with which exactly that is
accepted. Prefer to bring back a majority of the members, with their disks: then nothing is lost. Else compare all
directories that are left, and recover the one with the highest last term; of those with the same term, the one with the
highest last entry. The node must not run.

The second call gives the group another incarnation, in which this store is the only voter. All entries in its log count
from then on, also those that were not committed. Sessions of clients end. The other nodes join with new directories:
they must never start again with what they hold of the group as it was.

Exit code: 5: nothing was changed, since no loss was accepted. 1: the token does not stand for what there is now, or the
directory cannot be used. 3: there is no such group.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from coterie.actors.recovery.quorum_recovery import RecoveredGroup, acceptance_token, recover_group
from coterie.cli.command_loop import NameNotFound, run_async
from coterie.cli.commands.offline.log_inspection import InspectedGroup, InspectedStore, inspect_store, members_text
from coterie.cli.commands.recovering.restore_command import joining_lines
from coterie.cli.node_queries import DEGRADED
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems
from coterie.errors import CoterieError
from coterie.protocols.raft.membership.membership import MemberRole
from coterie.protocols.raft.raft_messages import HardState
from coterie.runtime.hosts.real_host import RealHost

__all__ = ["add_action", "recover"]

ENTRIES: Final = 100_000
"""In so many of the last entries a checkpoint is searched: it shows how far the log was committed."""


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A group in a store, as an operator has to judge it.

    `last_term`, `last_index`: of its last entry; of the snapshot if the log is empty. `committed_index`: up to here it
    is known to be committed. `token`: stands for all this.
    """

    store: InspectedStore
    group: InspectedGroup
    register: HardState
    last_term: int
    last_index: int
    committed_index: int
    token: str


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `recover` to the actions of `coterie raft`."""
    action = actions.add_parser(
        "recover",
        help="let a group that has lost its quorum begin anew in a data directory, offline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action.add_argument("group", help="the Raft group")
    action.add_argument("--data", required=True, metavar="DIR", help="the data directory from which it goes on")
    action.add_argument("--accept-loss", metavar="TOKEN", help="do it: the token that the first call has shown")
    add_output(action)
    action.set_defaults(run=recover)


def recover(args: argparse.Namespace) -> int:
    """Carry out `coterie raft recover`; return the exit code."""
    out: CommandOutput = args.out
    found = _found(args.data, args.group)
    out.cluster = found.store.meta.cluster
    if args.accept_loss is None:
        text = f"nothing was changed: to accept this loss, add --accept-loss {found.token}"
        out.show(
            _facts(found),
            [*_lines(args.data, found), text],
            verdict="degraded",
            errors=problems(Code.DEGRADED, [text]),
        )
        return DEGRADED
    recovered = run_async(_recover(args.data, args.group, args.accept_loss))
    out.show(
        _facts(found)
        | {"incarnation_before": recovered.former_incarnation.hex()}
        | {"incarnation": recovered.incarnation.hex()},
        _recovered_lines(args.data, recovered),
        verdict="done",
    )
    return 0


async def _recover(data: str, group: str, token: str) -> RecoveredGroup:
    host = RealHost()
    try:
        return await recover_group(host, data, group, token=token)
    finally:
        host.executor.close()


def _found(data: str, name: str) -> FoundGroup:
    """Return what is in the store of the group; nothing is changed.

    Raises:
        NameNotFound: there is no such group.
        CoterieError: the store is damaged, or the group is no Raft group that was founded.
    """
    store = inspect_store(data, entries_max=ENTRIES)
    if store.damage is not None:
        raise store.damage
    group = store.groups.get(name)
    if group is None:
        there_are = ", ".join(repr(each) for each in store.groups if "#" not in each) or "none"
        raise NameNotFound(f"there is no group {name!r} in {data!r}: the groups are {there_are}")
    register = group.register
    if register is None or not register.facts.is_founded:
        raise CoterieError(f"{name!r} in {data!r} is no Raft group that was founded: there is nothing to recover")
    facts, state = register.facts, group.state
    position = facts.base if facts.snapshot is None else max(facts.base, facts.snapshot.position)
    last_term = group.entries[-1].term if group.entries else position.term
    confirmed = [entry.confirmed_index or 0 for entry in group.entries]
    committed_index = max(position.index, facts.committed_schema, *confirmed)
    token = acceptance_token(store.meta.store_id, register, state.last)
    return FoundGroup(store, group, register, last_term, state.last, committed_index, token)


def _lines(data: str, found: FoundGroup) -> Iterator[str]:
    meta, facts = found.store.meta, found.register.facts
    yield f"group {found.group.name!r} in {data!r}: node {meta.node!r} of cluster {meta.cluster!r}"
    yield f"  store {meta.store_id}, incarnation {facts.incarnation.hex()}"
    yield f"  last entry {found.last_index} of term {found.last_term}; the present term is {found.register.term}"
    yield f"  known to be committed: entries up to {found.committed_index}"
    known = facts.known_membership
    yield f"  members: {'not known' if known is None else members_text(known)}"
    if not _is_voter(found):
        yield "  this store is no voter of the group: a voter may hold more"
    if found.store.lost is not None:
        yield f"  the store went back in time: {found.store.lost}"
    yield "if the group begins anew here:"
    yield f"  lost is what other stores acknowledged after entry {found.last_index}, or never sent to this one"
    if found.last_index > found.committed_index:
        yield f"  entries {found.committed_index + 1} to {found.last_index} count from then on, committed or not"
    yield "  the sessions of all clients end: what they have sent, and is not in this log, is never executed"
    yield "  no other node may ever start again with what it holds of this group: it would go on with the old one"


def _is_voter(found: FoundGroup) -> bool:
    known = found.register.facts.known_membership
    members = () if known is None else known.members
    node, store_id = found.store.meta.node, found.store.meta.store_id
    return any(
        each.node == node and each.store_id in (store_id, None) and each.role is not MemberRole.LEARNER
        for each in members
    )


def _recovered_lines(data: str, recovered: RecoveredGroup) -> Iterator[str]:
    yield f"group {recovered.group!r} begins anew in {data!r}, behind entry {recovered.last_index}"
    yield f"  incarnation {recovered.incarnation.hex()}, before it {recovered.former_incarnation.hex()}"
    yield f"  its only member is node {recovered.node}, store {recovered.store_id[:8]}"
    yield from joining_lines(recovered.group, recovered.node)


def _facts(found: FoundGroup) -> dict[str, object]:
    meta, facts, known = found.store.meta, found.register.facts, found.register.facts.known_membership
    return {
        "group": found.group.name,
        "node": meta.node,
        "store": meta.store_id,
        "incarnation": facts.incarnation.hex(),
        "term": found.register.term,
        "last_term": found.last_term,
        "last_index": found.last_index,
        "committed_index": found.committed_index,
        "members": [
            {"node": each.node, "store": each.store_id, "role": each.role.value}
            for each in (() if known is None else known.members)
        ],
        "is_voter": _is_voter(found),
        "lost": found.store.lost,
        "token": found.token,
    }
