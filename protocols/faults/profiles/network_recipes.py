"""How faults of the network are drawn."""

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
from coterie.protocols.faults.profiles.random_draws import ELECTION_TIMEOUT_S, Draw, Recipe

__all__ = ["NETWORK_RECIPES"]


def _storm(draw: Draw) -> tuple[Fault, ...]:
    """Everything at once, on all links. The slowest takes a round trip as long as an election time-out."""
    rng, lasting_s = draw.rng, draw.lasting_s()
    delay_s, tail_s = draw.among(0.001, 0.01, 0.12), draw.among(0.01, 0.05)
    return (
        Delay(draw.at_s, lasting_s, delay_s, tail=draw.among(0.05, 0.3), tail_s=tail_s),
        Loss(draw.at_s, lasting_s, draw.among(0.05, 0.2)),
        Duplicate(draw.at_s, lasting_s, draw.among(0.05, 0.3)),
        Reorder(draw.at_s, lasting_s, draw.among(0.05, 0.2), rng.uniform(0.005, 0.05)),
    )


def _delay(draw: Draw) -> tuple[Fault, ...]:
    delay_s, tail_s = draw.among(0.002, 0.02, 0.12), draw.among(0.01, 0.05)
    return (Delay(draw.at_s, draw.lasting_s(), delay_s, *draw.link(), tail=draw.among(0.0, 0.3), tail_s=tail_s),)


def _loss(draw: Draw) -> tuple[Fault, ...]:
    return (Loss(draw.at_s, draw.lasting_s(), draw.among(0.05, 0.2, 0.5), *draw.link()),)


def _duplicate(draw: Draw) -> tuple[Fault, ...]:
    return (Duplicate(draw.at_s, draw.lasting_s(), draw.among(0.1, 0.5), *draw.link()),)


def _reorder(draw: Draw) -> tuple[Fault, ...]:
    hold_s = draw.among(0.01, 0.1, ELECTION_TIMEOUT_S[1])
    return (Reorder(draw.at_s, draw.lasting_s(), draw.among(0.1, 0.5), hold_s, *draw.link()),)


def _reset(draw: Draw) -> tuple[Fault, ...]:
    return (Reset(draw.at_s, *draw.link()),)


def _reset_mid_frame(draw: Draw) -> tuple[Fault, ...]:
    return (ResetMidFrame(draw.at_s, *draw.link()),)


def _half_open(draw: Draw) -> tuple[Fault, ...]:
    return (HalfOpen(draw.at_s, draw.lasting_s(), *draw.link()),)


def _corrupt(draw: Draw) -> tuple[Fault, ...]:
    return (Corrupt(draw.at_s, draw.lasting_s(), draw.among(0.01, 0.1), *draw.link()),)


def _bandwidth(draw: Draw) -> tuple[Fault, ...]:
    return (Bandwidth(draw.at_s, draw.lasting_s(), draw.among(1_000, 20_000), *draw.link()),)


def _partition(draw: Draw) -> tuple[Fault, ...]:
    if len(draw.nodes) < 2:
        return ()
    shape, target = draw.among(*_shapes(draw)), draw.staying()
    rest = [node for node in draw.nodes if node != target]
    others = tuple(draw.rng.sample(rest, (len(draw.nodes) - 1) // 2)) if shape is Shape.HALVES else ()
    return (Partition(draw.at_s, draw.lasting_s(), shape, target, others),)


def _leader_partition(draw: Draw) -> tuple[Fault, ...]:
    shape = draw.among(*[shape for shape in (Shape.LEADER, Shape.RING) if shape in _shapes(draw)])
    return (Partition(draw.at_s, draw.lasting_s(), shape, draw.staying()),) if len(draw.nodes) > 1 else ()


def _shapes(draw: Draw) -> list[Shape]:
    # Three nodes are all neighbours on a ring: its one broken link might carry nothing.
    return [shape for shape in Shape if shape is not Shape.RING or len(draw.nodes) > 3]


def _clog(draw: Draw) -> tuple[Fault, ...]:
    if len(draw.nodes) < 2:
        return ()
    links = draw.links()
    return (Clog(draw.at_s, draw.lasting_s(), links, tuple(draw.shuffled(links))),)


def _flap(draw: Draw) -> tuple[Fault, ...]:
    # Near the election time-out: long enough to start an election, short enough to disturb the one that follows.
    period_s = draw.rng.uniform(0.5, 2.0) * draw.among(*ELECTION_TIMEOUT_S)
    return (Flap(draw.at_s, max(draw.lasting_s(), 2 * period_s), period_s, *draw.link()),)


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
