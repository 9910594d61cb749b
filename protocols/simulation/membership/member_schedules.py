"""`MemberSchedule`: random faults for a `MemberWorld`, from a seed: crashes, pauses, cuts, loss, leaves, impostors.

A schedule is *bounded* or not. In a bounded one all faults concern a few hosts, less than half of the members and never
a majority of the voters; then no other member may be taken out of the view. In an unbounded one they hit everybody.
After the faults everything heals, processes that had crashed are started again, and the members must converge.
"""

from __future__ import annotations

from typing import Final

from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.membership.member_links import HostLoss
from coterie.protocols.simulation.membership.member_world import MemberWorld
from coterie.protocols.simulation.membership.simulated_member import SimulatedMember
from coterie.protocols.simulation.membership.world_config import WorldConfig

__all__ = ["MemberSchedule", "run_members"]

STARTED_S: Final = 12.0
"""When all members have joined, s."""

CONVERGED_S: Final = 40.0
"""How long the members have to converge after the last fault, s."""


class MemberSchedule:
    """Faults of one run.

    Args:
        seed: determines the run.
        faults_s: for how long there are faults, s.
        hashed: whether the world's trace is hashed.
    """

    def __init__(self, seed: int, *, faults_s: float = 40.0, hashed: bool = False) -> None:
        self._rng = rng = stream(f"members/{seed}", "schedule")
        self.is_bounded = rng.random() < 0.6
        voters = [f"n{number}" for number in range(1, rng.choice((3, 3, 5)) + 1)]
        self.names = [*voters, *(f"n{number}" for number in range(len(voters) + 1, len(voters) + rng.randrange(6)))]
        world = WorldConfig(
            timeout_s=rng.choice((0.3, 0.6, 0.7, 2.0)),
            answer_loss=rng.choice((0.0, 0.05, 0.2)),
            late_proposal=rng.choice((0.0, 0.1, 0.3)),
        )
        self.world = MemberWorld(f"members/{seed}", voters, world=world, hashed=hashed)
        self.world.on_ended = self._start_again
        self.world.checks_healthy = self.is_bounded
        self._voters = voters
        self._ends_at = STARTED_S + faults_s
        self._home = dict.fromkeys(self.names, "")
        self._wanted = dict.fromkeys(self.names)
        self._impostors: list[SimulatedMember] = []
        self._hit = self._draw_hit()

    def run(self) -> MemberWorld:
        """Run all of it, and check that the members converge.

        Raises:
            Violation: a promise is broken.
        """
        world, rng = self.world, self._rng
        for name in self.names:
            world.heap.at(rng.uniform(0.0, 3.0), world.start, name)
        world.links.loss = rng.choice((0.0, 0.01, 0.03))
        world.links.late = rng.choice((0.0, 0.01))
        world.run(STARTED_S)
        while world.now < self._ends_at:
            self._fault()
            world.run(world.now + rng.choice((0.1, 0.5, 1.0, 3.0, 6.0)) * rng.random())
        self._heal_all()
        world.run(world.now + 10.0)
        self._help()
        if not world.run(world.now + CONVERGED_S, until=self._is_settled):
            self._not_settled()
        return world

    def _draw_hit(self) -> list[str]:
        """Return the names of the hosts that faults concern."""
        rng = self._rng
        if not self.is_bounded:
            return list(self.names)
        voters = rng.sample(self._voters, (len(self._voters) - 1) // 2)
        others = [name for name in self.names if name not in self._voters]
        found = [*voters, *others]
        return rng.sample(found, min(len(found), max(1, (len(self.names) - 1) // 2)))

    # --- faults -----------------------------------------------------------------------------------------------------

    def _fault(self) -> None:
        kinds = (
            self._crash,
            self._crash,
            self._pause,
            self._pause,
            self._partition,
            self._lose,
            self._cut_one_way,
            self._leave,
            self._take_down,
            self._impostor,
            self._heal_links,
            self._heal_links,
            self._isolate_leader,
        )
        name = self._rng.choice(self._hit)
        life = self.world.life_of(name)
        if life is None:
            if name in self._wanted:
                self._restart(name)
            return
        self._rng.choice(kinds)(life)

    def _crash(self, life: SimulatedMember) -> None:
        world, rng = self.world, self._rng
        world.crash(life)
        is_voter = life.name in self._voters
        if not is_voter and rng.random() < 0.3:
            self._home[life.name] = f"{life.name}:{rng.randrange(2, 9)}"
        if rng.random() < 0.7:
            world.heap.after(rng.choice((0.05, 1.0, 8.0)) * rng.random(), self._restart, life.name)

    def _restart(self, name: str) -> None:
        if name in self._wanted and self.world.life_of(name) is None:
            self.world.start(name, self._home[name])

    def _start_again(self, life: SimulatedMember) -> None:
        if life in self._impostors:
            return
        if life.ended is not None and life.ended.is_wanted:
            if life.name in self._voters:  # operators replace a voter first; here it returns
                self.world.heap.after(1.0, self._restart, life.name)
            else:
                self._wanted.pop(life.name, None)
        else:
            self.world.heap.after(self._rng.uniform(0.3, 2.0), self._restart, life.name)

    def _pause(self, life: SimulatedMember) -> None:
        self.world.pause(life, self._rng.choice((0.3, 1.0, 3.0, 8.0)) * self._rng.random())

    def _side(self, life: SimulatedMember) -> list[str]:
        hit = [other.address for name in self._hit if (other := self.world.life_of(name)) is not None]
        side = {life.address, *self._rng.sample(hit, self._rng.randrange(len(hit)))}
        self.world.faulty |= side
        return sorted(side)

    def _partition(self, life: SimulatedMember) -> None:
        side = self._side(life)
        self.world.trace.record(None, "partition", side)
        self.world.links.partition(side)

    def _isolate_leader(self, life: SimulatedMember) -> None:
        leader = self.world.group.leader
        if leader in self._hit and (found := self.world.life_of(leader or "")) is not None:
            self._partition(found)

    def _lose(self, life: SimulatedMember) -> None:
        rng = self._rng
        ingress, egress = rng.choice(((1.0, 0.0), (0.0, 1.0), (0.8, 0.0), (0.0, 0.8), (0.8, 0.8)))
        on_s, off_s = rng.choice(((1e9, 0.0), (5.0, 5.0), (2.0, 1.0), (20.0, 20.0)))
        self.world.faulty.add(life.address)
        self.world.links.losses[life.address] = HostLoss(ingress, egress, self.world.now, on_s, off_s)
        self.world.trace.record(life.name, "loses", (ingress, egress, on_s, off_s))

    def _cut_one_way(self, life: SimulatedMember) -> None:
        other = self._rng.choice([it for it in self.world.lives if it is not life] or [life])
        pair = self._rng.choice(((life.address, other.address), (other.address, life.address)))
        self.world.faulty |= set(pair)  # of two such links, the common end may be taken for faulty
        self.world.links.cuts.add(pair)
        self.world.trace.record(None, "cut", pair)

    def _leave(self, life: SimulatedMember) -> None:
        if life.name not in self._voters or self._rng.random() < 0.2:
            self.world.leave(life)

    def _take_down(self, life: SimulatedMember) -> None:
        self.world.take_down(life.member.identity)

    def _impostor(self, life: SimulatedMember) -> None:
        """Start a second process of the same name elsewhere, for a while."""
        impostor = self.world.start(life.name, f"{life.name}:99")
        self._impostors.append(impostor)
        self.world.heap.after(self._rng.uniform(1.0, 10.0), self._end_impostor, impostor)

    def _end_impostor(self, impostor: SimulatedMember) -> None:
        self.world.crash(impostor)

    def _heal_links(self, life: SimulatedMember) -> None:
        loss, late = self.world.links.loss, self.world.links.late
        self.world.trace.record(None, "heal")
        self.world.links.heal()
        self.world.links.loss, self.world.links.late = loss, late

    # --- the end ----------------------------------------------------------------------------------------------------

    def _heal_all(self) -> None:
        self.world.trace.record(None, "all faults end")
        self.world.links.heal()
        for impostor in self._impostors:
            self.world.crash(impostor)
        for name in list(self._wanted):
            if name in self._voters or self._rng.random() < 0.5:
                self._restart(name)
            elif self.world.life_of(name) is None:
                del self._wanted[name]

    def _help(self) -> None:
        """Let an operator take down what does not run, if only one member is left to accuse it."""
        view = self.world.group.view
        alive = {life.member.identity for life in self.world.lives}
        gone = [member.identity for member in view if member.identity not in alive]
        if len(view) - len(gone) < 2:
            for identity in gone:
                self.world.take_down(identity)

    def _is_settled(self) -> bool:
        return self.world.is_settled() and len(self.world.acting()) == 1

    def _not_settled(self) -> None:
        world = self.world
        view = [f"{member.identity} {member.state.value}" for member in world.group.view]
        known = [f"{life.member.identity}: {life.known}, {life.algorithm.stand.value}" for life in world.lives]
        detail = f"view {world.group.view.number} is {view}, and the processes are {known}, {world.acting()} act"
        world.context.fail("liveness.members_converge", None, detail)


def run_members(seed: int) -> None:
    """Run the schedule of a seed.

    Raises:
        Violation: a promise is broken.
    """
    MemberSchedule(seed).run()
