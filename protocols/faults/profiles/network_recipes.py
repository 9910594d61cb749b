"""Network recipes: choose network faults at random (delay, loss, partition …), with their links and durations."""

from __future__ import annotations

from collections.abc import Mapping

from coterie.protocols.faults.kinds.fault_kinds import (
    Bandwidth,
    Clog,
    Corrupt,
    Delay,
    Duplicate,
    Fault,
    Flap,
    HalfOpen,
    Loss,
    Partition,
    Reorder,
    Reset,
    ResetMidFrame,
    Shape,
)
from coterie.protocols.faults.profiles.random_draws import ELECTION_TIMEOUT_S, RandomDraws, Recipe

__all__ = ["NETWORK_RECIPES"]


def _storm(draws: RandomDraws) -> tuple[Fault, ...]:
    """Draw delay, loss, duplicates and reordering together, on all links.

    In the slowest a round trip takes as long as an election time-out.
    """
    rng, duration_s = draws.rng, draws.duration_s()
    delay_s, tail_s = draws.one_of(0.001, 0.01, 0.12), draws.one_of(0.01, 0.05)
    return (
        Delay(draws.at_s, duration_s, delay_s, tail=draws.one_of(0.05, 0.3), tail_s=tail_s),
        Loss(draws.at_s, duration_s, draws.one_of(0.05, 0.2)),
        Duplicate(draws.at_s, duration_s, draws.one_of(0.05, 0.3)),
        Reorder(draws.at_s, duration_s, draws.one_of(0.05, 0.2), rng.uniform(0.005, 0.05)),
    )


def _delay(draws: RandomDraws) -> tuple[Fault, ...]:
    delay_s, tail_s = draws.one_of(0.002, 0.02, 0.12), draws.one_of(0.01, 0.05)
    return (Delay(draws.at_s, draws.duration_s(), delay_s, *draws.link(), tail=draws.one_of(0.0, 0.3), tail_s=tail_s),)


def _loss(draws: RandomDraws) -> tuple[Fault, ...]:
    return (Loss(draws.at_s, draws.duration_s(), draws.one_of(0.05, 0.2, 0.5), *draws.link()),)


def _duplicate(draws: RandomDraws) -> tuple[Fault, ...]:
    return (Duplicate(draws.at_s, draws.duration_s(), draws.one_of(0.1, 0.5), *draws.link()),)


def _reorder(draws: RandomDraws) -> tuple[Fault, ...]:
    hold_s = draws.one_of(0.01, 0.1, ELECTION_TIMEOUT_S[1])
    return (Reorder(draws.at_s, draws.duration_s(), draws.one_of(0.1, 0.5), hold_s, *draws.link()),)


def _reset(draws: RandomDraws) -> tuple[Fault, ...]:
    return (Reset(draws.at_s, *draws.link()),)


def _reset_mid_frame(draws: RandomDraws) -> tuple[Fault, ...]:
    return (ResetMidFrame(draws.at_s, *draws.link()),)


def _half_open(draws: RandomDraws) -> tuple[Fault, ...]:
    return (HalfOpen(draws.at_s, draws.duration_s(), *draws.link()),)


def _corrupt(draws: RandomDraws) -> tuple[Fault, ...]:
    return (Corrupt(draws.at_s, draws.duration_s(), draws.one_of(0.01, 0.1), *draws.link()),)


def _bandwidth(draws: RandomDraws) -> tuple[Fault, ...]:
    return (Bandwidth(draws.at_s, draws.duration_s(), draws.one_of(1_000, 20_000), *draws.link()),)


def _partition(draws: RandomDraws) -> tuple[Fault, ...]:
    if len(draws.nodes) < 2:
        return ()
    shape, target = draws.one_of(*_shapes(draws)), draws.node_keeping_state()
    rest = [node for node in draws.nodes if node != target]
    others = tuple(draws.rng.sample(rest, (len(draws.nodes) - 1) // 2)) if shape is Shape.HALVES else ()
    return (Partition(draws.at_s, draws.duration_s(), shape, target, others),)


def _leader_partition(draws: RandomDraws) -> tuple[Fault, ...]:
    shape = draws.one_of(*[shape for shape in (Shape.LEADER, Shape.RING) if shape in _shapes(draws)])
    return (
        (Partition(draws.at_s, draws.duration_s(), shape, draws.node_keeping_state()),) if len(draws.nodes) > 1 else ()
    )


def _shapes(draws: RandomDraws) -> list[Shape]:
    # Three nodes are all neighbours on a ring: its one broken link might carry nothing.
    return [shape for shape in Shape if shape is not Shape.RING or len(draws.nodes) > 3]


def _clog(draws: RandomDraws) -> tuple[Fault, ...]:
    if len(draws.nodes) < 2:
        return ()
    links = draws.links()
    return (Clog(draws.at_s, draws.duration_s(), links, tuple(draws.shuffled(links))),)


def _flap(draws: RandomDraws) -> tuple[Fault, ...]:
    # Near the election time-out: long enough to start an election, short enough to disturb the one that follows.
    period_s = draws.rng.uniform(0.5, 2.0) * draws.one_of(*ELECTION_TIMEOUT_S)
    return (Flap(draws.at_s, max(draws.duration_s(), 2 * period_s), period_s, *draws.link()),)


NETWORK_RECIPES: Mapping[str, Recipe] = {
    "bandwidth": _bandwidth,
    "clog": _clog,
    "corrupt": _corrupt,
    "delay": _delay,
    "duplicate": _duplicate,
    "flap": _flap,
    "half_open": _half_open,
    "leader_partition": _leader_partition,
    "loss": _loss,
    "partition": _partition,
    "reorder": _reorder,
    "reset": _reset,
    "reset_mid_frame": _reset_mid_frame,
    "storm": _storm,
}
