"""Quorum records: encode and decode the quorum of a group as JSON data, so that it is remembered with the members."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Grid, Majority, Quorum, Weighted

__all__ = ["decode_quorum", "encode_quorum"]


def encode_quorum(quorum: Quorum | None) -> dict[str, object] | None:
    """Return `quorum` as JSON data. ValueError if it is of a kind that cannot be recorded."""
    match quorum:
        case None:
            return None
        case Majority(members):
            return {"majority": list(members)}
        case Weighted():
            return {"weights": dict(quorum.weight_by_member), "threshold": quorum.threshold}
        case Grid():
            return {"rows": [list(row) for row in quorum.rows]}
        case _:
            raise ValueError(f"{quorum!r} cannot be recorded with the members of a group: use Majority, Weighted, Grid")


def decode_quorum(record: object) -> Quorum | None:
    """Return the quorum that `encode_quorum` made `record` of. ValueError, KeyError or TypeError if it is none."""
    match record:
        case None:
            return None
        case {"majority": list(members)}:
            return Majority(tuple(map(_node, members)))
        case {"weights": dict(weights), "threshold": int(threshold)}:
            return Weighted({_node(node): _whole(weight) for node, weight in weights.items()}, threshold=threshold)
        case {"rows": list(rows)}:
            return Grid([[_node(node) for node in row] for row in rows])
        case _:
            raise ValueError(f"{record!r:.80} is no quorum")


def _node(name: object) -> NodeId:
    if type(name) is not str:
        raise TypeError(f"{name!r:.60} is no node")
    return NodeId(name)


def _whole(number: object) -> int:
    if type(number) is not int:
        raise TypeError(f"{number!r:.60} is no whole number")
    return number
