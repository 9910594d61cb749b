"""`CutGroup`: a directed group in which messages over some links are lost, and every node is ticked when it is due."""

from __future__ import annotations

from collections.abc import Collection

from coterie.protocols.raft import RaftRole
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

Link = tuple[str, str]


class CutGroup:
    """`group`, from now on, without the links `cut`, each from one node to another."""

    def __init__(self, group: DirectedGroup, cut: Collection[Link] = ()) -> None:
        self.group = group
        self.cut = set(cut)
        self.began = group.now

    @property
    def periods(self) -> float:
        """How long ago the links were cut (longest election time-outs)."""
        return (self.group.now - self.began) / self.group.config.election_timeout_max_s

    def step(self) -> None:
        """Tick the node that is due next, and let all that follows from it happen at once."""
        group = self.group
        group.tick(min(self.up(), key=lambda name: group[name].deadline or 0.0))
        self.settle()

    def settle(self) -> None:
        """Let all nodes work and exchange messages until nothing is left."""
        group, is_busy = self.group, True
        while is_busy:
            is_busy = sum([group.work(name) for name in self.up()]) > 0 or bool(group.network)
            for sender, to in self.cut:
                group.drop(sender=sender, to=to)
            group.deliver()

    def go_on(self, periods: float) -> None:
        """Go on until that long after the cut."""
        while self.periods < periods:
            self.step()

    def up(self) -> list[str]:
        return [name for name, record in self.group.nodes.items() if record.raft is not None]

    def leaders(self) -> list[str]:
        return [name for name in self.up() if self.group[name].role is RaftRole.LEADER]


def star(size: int, hub: str) -> set[Link]:
    """Return all links but those of `hub`."""
    names = [f"n{number}" for number in range(1, size + 1)]
    return {(one, other) for one in names for other in names if one != other and hub not in (one, other)}
