"""Stored groups: compares the groups in a node's store with the topology, and forgets groups on request.

A group that the topology lacks on this node refuses the start: it was renamed or removed, and its acknowledged commands
would be left behind in silence. A forgotten group never begins again in this store: the other nodes may still know the
store as one of its voters, and the store has lost that voter's promises.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from coterie.actors.topology.parts import Part, RaftPart, SynodPart
from coterie.errors import InvariantViolated, TopologyError
from coterie.runtime.storage.log_store import LogStore, Write

__all__ = ["FORGOTTEN_GROUP", "settle_stored_groups"]

FORGOTTEN_GROUP: Final = "#forgotten"
"""Where a store keeps the names of its forgotten groups: as metadata of this group, which no part can be named like."""

_SEPARATOR: Final = "#"


async def settle_stored_groups(
    store: LogStore, parts: Sequence[Part], *, topology: str, node: str, data: str, forget: Sequence[str]
) -> None:
    """Forget the groups named in `forget`, then check that every group in the store is declared on `node`.

    Raises:
        TopologyError: a group to forget is declared, or unknown to the store: nothing was changed. Or a group in the
            store is not declared on this node, or one that is declared was forgotten here.
    """
    groups = [part for part in parts if isinstance(part, RaftPart | SynodPart)]
    declared = [part.name for part in groups if node in part.nodes]
    forgotten = await _read_forgotten(store)
    stored = _stored(store)
    mistakes = [_declared_mistake(name) for name in forget if name in [part.name for part in groups]]
    mistakes += [
        _unknown_mistake(name, data, stored) for name in forget if name not in [*stored, *forgotten, *declared]
    ]
    _raise(topology, mistakes)
    for name in [each for each in forget if each in stored]:
        forgotten = [*forgotten, name]
        await _forget(store, name, forgotten)
    mistakes = [_undeclared_mistake(name, data, node, groups) for name in _stored(store) if name not in declared]
    mistakes += [_forgotten_mistake(name, data) for name in declared if name in forgotten]
    _raise(topology, mistakes)


def _stored(store: LogStore) -> list[str]:
    """Return the names of the groups in the store: `store#stores` belongs to the group `store`."""
    names = (name.partition(_SEPARATOR)[0] for name in store.groups() if name != FORGOTTEN_GROUP)
    return list(dict.fromkeys(names))


async def _read_forgotten(store: LogStore) -> list[str]:
    if FORGOTTEN_GROUP not in store.groups():
        return []
    found = json.loads((await store.state(FORGOTTEN_GROUP)).metadata or b"[]")
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise InvariantViolated(f"the forgotten groups cannot be decoded: found {found!r:.80}")
    return found


async def _forget(store: LogStore, name: str, forgotten: Sequence[str]) -> None:
    store.write(Write(FORGOTTEN_GROUP, metadata=json.dumps(forgotten).encode()), lambda: None)
    await store.state(FORGOTTEN_GROUP)  # durable before anything is removed
    for each in store.groups():
        if each.partition(_SEPARATOR)[0] == name:
            await store.forget(each)


def _raise(topology: str, mistakes: Sequence[str]) -> None:
    if mistakes:
        raise TopologyError(topology, tuple(mistakes))


def _declared_mistake(name: str) -> str:
    return f"group {name!r} is declared: it cannot be forgotten (--forget-group); remove it from the topology first"


def _unknown_mistake(name: str, data: str, stored: Sequence[str]) -> str:
    held = ", ".join(map(repr, stored)) or "no group"
    return f"group {name!r} cannot be forgotten: the store in {data!r} holds {held}"


def _undeclared_mistake(name: str, data: str, node: str, groups: Sequence[RaftPart | SynodPart]) -> str:
    elsewhere = [part.nodes for part in groups if part.name == name]
    lacks = f"declares only on {', '.join(elsewhere[0])}" if elsewhere else "does not declare"
    drop = "" if elsewhere else f", or give up what it holds with --forget-group {name} (forget_groups=)"
    return (
        f"the store in {data!r} holds group {name!r}, which the topology {lacks}: was it renamed, moved or removed? "
        f"declare it on {node!r} again{drop}"
    )


def _forgotten_mistake(name: str, data: str) -> str:
    return (
        f"group {name!r} was forgotten in the store in {data!r} (--forget-group), with the promises of its voter: it "
        f"cannot begin there again; give the new group another name"
    )
