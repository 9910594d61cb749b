"""Fencing: decides which node is killed because it hangs: its process lives, but does nothing. Pure.

A hung process holds its ports, its links and its locks, and nothing replaces it: only its end makes room for a new one.
The rules, in this order:

1. Only a node that was up is fenced: one that still starts, or replays its log, may be slow.
2. A node that answers is not fenced, whatever the others say: two nodes that cannot hear each other both run. To
   refuse our link, because clients have taken every place, is an answer.
3. One node at a time: while a fenced node has not answered again, no other is fenced, but for `RETURN_LIMIT_S` at most.
   It may itself be fenced again.
4. It is fenced if it has been silent for `hang_timeout_s`, or, sooner, if a majority of the other nodes that answer
   have declared it failed. Their verdict may be about a former process, or a short pause: it counts only if the present
   process is the first or has answered, and has been silent for `VERDICT_SILENCE_S`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

__all__ = ["RETURN_LIMIT_S", "VERDICT_SILENCE_S", "Fence", "NodeState", "choose_fence"]

VERDICT_SILENCE_S: Final = 2.0
"""How long a node must be silent before a verdict counts, s: several questions, and a link that is made anew."""

RETURN_LIMIT_S: Final = 30.0
"""How long a fenced node that does not answer again keeps the others from being fenced, s: its longest back-off (10 s),
and its start. If it hangs again and again, or replays a long log, the others shall not wait for it."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """What is known of one node.

    Attributes:
        node: its name.
        is_running: its process has not ended.
        was_up: this process has reported that it is up.
        is_accusable: a verdict can be about this process: it has answered, or it is the first.
        silent_s: how long it has not answered, or has been up without an answer, s.
        returning_s: how long ago it was fenced, if it has not answered since, s.
    """

    node: str
    is_running: bool
    was_up: bool
    is_accusable: bool
    silent_s: float
    returning_s: float | None = None


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
    returning = [state for state in states if state.returning_s is not None]
    is_one_awaited = any((state.returning_s or 0.0) < RETURN_LIMIT_S for state in returning)
    fenceable = [state for state in (returning if is_one_awaited else states) if state.is_running and state.was_up]
    for state in fenceable:
        if not state.is_accusable or state.silent_s < VERDICT_SILENCE_S:
            continue
        if (reason := _verdict(state.node, failed_by_observer)) is not None:
            return Fence(state.node, reason)
    for state in sorted(fenceable, key=lambda state: (-state.silent_s, state.node)):
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
