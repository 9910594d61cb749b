"""Fencing: decides which node is killed because it hangs: its process lives, but does nothing. Pure.

A hung process holds its ports, its links and its locks, and nothing replaces it: only its end makes room for a new one.
The rules, in this order:

1. Only a node that was up is fenced: one that still starts, or replays its log, may be slow.
2. A node that answers is not fenced, whatever the others say: two nodes that cannot hear each other both run.
3. One node at a time: while a fenced node is not up again, no other is fenced.
4. It is fenced if a majority of the other nodes that answer have declared it failed, or if it has been silent for
   `hang_timeout_s`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

__all__ = ["Fence", "NodeState", "choose_fence"]


@dataclass(frozen=True, slots=True)
class NodeState:
    """What is known of one node.

    Attributes:
        node: its name.
        is_running: its process has not ended.
        was_up: this process has reported that it is up.
        is_returning: it was fenced, and the new process is not up yet.
        silent_s: how long it has not answered, s; 0: it answered just now.
    """

    node: str
    is_running: bool
    was_up: bool
    is_returning: bool
    silent_s: float


@dataclass(frozen=True, slots=True)
class Fence:
    """Kill the process of `node`; `reason` is a sentence for the operator."""

    node: str
    reason: str


def choose_fence(
    states: Sequence[NodeState], failed_by_observer: Mapping[str, AbstractSet[str]], *, hang_timeout_s: float
) -> Fence | None:
    """Return the node to fence now, or None.

    Args:
        states: all nodes.
        failed_by_observer: by each node that answered and has a failure detector: the nodes that it has declared
            failed.
        hang_timeout_s: how long a node may be silent, s.
    """
    if any(state.is_returning for state in states):
        return None
    hung = [state for state in states if state.is_running and state.was_up and state.silent_s > 0]
    for state in hung:
        if (reason := _verdict(state.node, failed_by_observer)) is not None:
            return Fence(state.node, reason)
    for state in sorted(hung, key=lambda state: (-state.silent_s, state.node)):
        if state.silent_s >= hang_timeout_s:
            return Fence(state.node, f"it has not answered for {state.silent_s:.1f} s")
    return None


def _verdict(node: str, failed_by_observer: Mapping[str, AbstractSet[str]]) -> str | None:
    """Return the verdict of the other nodes if a majority of those that answer has declared `node` failed."""
    observers = [observer for observer in failed_by_observer if observer != node]
    accusers = sorted(observer for observer in observers if node in failed_by_observer[observer])
    if 2 * len(accusers) <= len(observers):
        return None
    return f"{len(accusers)} of the {len(observers)} other nodes that answer say that it has failed"
