"""Stored groups: compares the groups in a node's store with the topology, and forgets groups on request.

A group that the topology lacks refuses the start: it was renamed or removed, and its acknowledged commands
would be left behind in silence. A forgotten group never begins again in this store: the other nodes may still know the
store as one of its voters, and the store has lost that voter's promises.

The store remembers which groups topologies have declared and which were forgotten, in metadata of its own. So what a
program writes into the store by itself is not taken for a group.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coterie.actors.topology.parts import Part, RaftPart, SynodPart
from coterie.errors import InvariantViolated, TopologyError
from coterie.runtime.storage.log_store import LogStore, Write

__all__ = ["TOPOLOGY_GROUP", "is_forgotten", "settle_stored_groups", "stored_group_mistakes", "undeclared_mistakes"]

TOPOLOGY_GROUP: Final = "#topology"
"""The group in the store whose metadata has the names; no part of a topology can be named like it."""

_SEPARATOR: Final = "#"
_FORMAT: Final = 1


async def settle_stored_groups(
    store: LogStore, parts: Sequence[Part], *, topology: str, node: str, data: str, forget: Sequence[str]
) -> None:
    """Forget the groups named in `forget`, then check that every group in the store is declared on `node`.

    Raises:
        TopologyError: a group to forget is declared, or unknown to the store: nothing was changed. Or a group in the
            store is not declared on this node, or one that is declared was forgotten here.
    """
    groups, declared = _groups_of(parts), _declared_on(node, parts, store)
    known = await _read(store)
    mistakes = [_declared_mistake(name) for name in forget if name in groups]
    mistakes += [_unknown_mistake(name, data, known) for name in forget if name not in [*known.all, *groups]]
    _raise(topology, mistakes)
    for name in forget:
        known = await _forget(store, name, known)
    _raise(topology, [*_mistakes(store, known, parts, node, data).values()])
    if known.declared != declared:
        await _write(store, _KnownGroups(declared, known.forgotten))


async def stored_group_mistakes(store: LogStore, parts: Sequence[Part], *, node: str, data: str) -> dict[str, str]:
    """Return by group why the topology would refuse the start of `node` with this store; nothing is changed.

    Raises:
        InvariantViolated: the names in the store cannot be decoded.
    """
    return _mistakes(store, await _read(store), parts, node, data)


async def is_forgotten(store: LogStore, group: str) -> bool:
    """Return whether a group of this name was forgotten in the store. InvariantViolated: that cannot be decoded."""
    return group in (await _read(store)).forgotten


def undeclared_mistakes(nodes_by_group: Mapping[str, Sequence[str]], parts: Sequence[Part]) -> dict[str, str]:
    """Return by group which nodes hold it although the topology does not declare it there: they would not start again.

    `nodes_by_group`: the groups that running nodes hold, each with all its nodes.
    """
    found, groups = {}, _groups_of(parts)
    anywhere = [part.name for part in parts if isinstance(part, RaftPart)]
    for name, nodes in nodes_by_group.items():
        undeclared = [node for node in nodes if node not in groups.get(name, ())]
        if undeclared and name not in anywhere:
            holder = f"node {undeclared[0]} holds" if len(undeclared) == 1 else f"nodes {', '.join(undeclared)} hold"
            found[name] = _undeclared_mistake(name, holder, undeclared, groups)
    return found


def _groups_of(parts: Sequence[Part]) -> dict[str, tuple[str, ...]]:
    return {part.name: part.nodes for part in parts if isinstance(part, RaftPart | SynodPart)}


def _declared_on(node: str, parts: Sequence[Part], store: LogStore) -> tuple[str, ...]:
    """Return the groups that run on `node`: `nodes` of a Raft group are its founders, other nodes may have joined."""
    joined = [part.name for part in parts if isinstance(part, RaftPart) and part.name in store.groups()]
    return tuple(name for name, nodes in _groups_of(parts).items() if node in nodes or name in joined)


@dataclass(frozen=True, slots=True)
class _KnownGroups:
    """The groups that the topology of the last start declared on this node, and all that were forgotten here."""

    declared: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.declared, *self.forgotten)


async def _read(store: LogStore) -> _KnownGroups:
    if TOPOLOGY_GROUP not in store.groups():
        return _KnownGroups()
    metadata = (await store.state(TOPOLOGY_GROUP)).metadata or b""
    try:
        fields = json.loads(metadata)
        if fields["format"] == _FORMAT:
            return _KnownGroups(tuple(map(str, fields["declared"])), tuple(map(str, fields["forgotten"])))
    except (ValueError, KeyError, TypeError) as error:
        raise InvariantViolated(f"the groups in {TOPOLOGY_GROUP!r} cannot be decoded: {metadata!r:.80}") from error
    raise InvariantViolated(f"the groups in {TOPOLOGY_GROUP!r} have format {fields['format']}, expected {_FORMAT}")


async def _write(store: LogStore, known: _KnownGroups) -> None:
    """Write the names; durable on return."""
    fields = {"format": _FORMAT, "declared": known.declared, "forgotten": known.forgotten}
    store.write(Write(TOPOLOGY_GROUP, metadata=json.dumps(fields, sort_keys=True).encode()), lambda: None)
    await store.state(TOPOLOGY_GROUP)


async def _forget(store: LogStore, name: str, known: _KnownGroups) -> _KnownGroups:
    """Forget a group, and all that belongs to it (`store#stores` belongs to `store`)."""
    if name not in known.forgotten:
        known = _KnownGroups(tuple(each for each in known.declared if each != name), (*known.forgotten, name))
        await _write(store, known)  # before anything is removed: from now on the name cannot begin again
    for each in store.groups():
        if each.partition(_SEPARATOR)[0] == name:
            await store.forget(each)
    return known


def _mistakes(store: LogStore, known: _KnownGroups, parts: Sequence[Part], node: str, data: str) -> dict[str, str]:
    groups, declared = _groups_of(parts), _declared_on(node, parts, store)
    undeclared = [name for name in known.declared if name in store.groups() and name not in declared]
    found = {name: _undeclared_mistake(name, f"the store in {data!r} holds", [node], groups) for name in undeclared}
    return found | {name: _forgotten_mistake(name, data) for name in declared if name in known.forgotten}


def _raise(topology: str, mistakes: Sequence[str]) -> None:
    if mistakes:
        raise TopologyError(topology, tuple(mistakes))


def _declared_mistake(name: str) -> str:
    return f"group {name!r} is declared: it cannot be forgotten (--forget-group); remove it from the topology first"


def _unknown_mistake(name: str, data: str, known: _KnownGroups) -> str:
    held = ", ".join(map(repr, known.declared)) or "no group"
    return f"group {name!r} cannot be forgotten: the store in {data!r} holds {held}"


def _undeclared_mistake(name: str, holder: str, nodes: Sequence[str], groups: dict[str, tuple[str, ...]]) -> str:
    lacks = "does not declare"
    drop = f", or give up what it holds, for good, with --forget-group {name} (forget_groups=)"
    if name in groups:
        lacks, drop = f"declares only on {', '.join(groups[name])}", ""
    return (
        f"{holder} group {name!r}, which the topology {lacks}: was it renamed, moved or removed? "
        f"declare it on {', '.join(map(repr, nodes))} again{drop}"
    )


def _forgotten_mistake(name: str, data: str) -> str:
    return (
        f"group {name!r} was forgotten in the store in {data!r} (--forget-group), with the promises of its voter: it "
        f"cannot begin there again; give the new group another name"
    )
