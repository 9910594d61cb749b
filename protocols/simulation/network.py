"""The simulated network: messages are lost, late, doubled and overtaken; links break one way at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from coterie.protocols.seam import NodeId
from coterie.protocols.simulation.timeline import Timeline

__all__ = ["CALM", "Network", "Weather"]

M = TypeVar("M")
Link = tuple[NodeId, NodeId]


@dataclass(frozen=True, slots=True)
class Weather:
    """How messages fare, each drawn for itself.

    Attributes:
        loss: the probability that a message vanishes.
        duplication: the probability that it arrives twice.
        tail: the probability that its delay has a heavy tail (Pareto), which is what overtakes.
        delay_s: the typical one-way delay; drawn between half and one and a half of it.
        tail_s: the scale of the heavy tail; ten times as much is the longest.
    """

    loss: float = 0.002
    duplication: float = 0.002
    tail: float = 0.01
    delay_s: float = 0.001
    tail_s: float = 0.02


CALM = Weather(loss=0.0, duplication=0.0, tail=0.0)


class Network(Generic[M]):
    """Carries messages between nodes. `deliver(to, sender, message)` is called for each arrival.

    `fired` is called with the name of whatever fault has just hit a message.
    """

    __slots__ = ("_blocks", "_deliver", "_fired", "_rng", "_timeline", "weather", "weather_name")

    def __init__(
        self,
        timeline: Timeline,
        rng: random.Random,
        deliver: Callable[[NodeId, NodeId, M], None],
        fired: Callable[[str], None],
    ) -> None:
        self._timeline = timeline
        self._rng = rng
        self._deliver = deliver
        self._fired = fired
        self._blocks: dict[Link, list[str]] = {}
        self.weather = Weather()
        self.weather_name: str | None = None

    def block(self, links: Iterable[Link], name: str) -> None:
        """Let nothing pass over `links` any more; what is under way arrives. Blocks add up."""
        for link in links:
            self._blocks.setdefault(link, []).append(name)

    def unblock(self, links: Iterable[Link], name: str) -> None:
        """Take one block of that name from each of `links`, if it is still there."""
        for link in links:
            names = self._blocks.get(link, [])
            if name in names:
                names.remove(name)
            if not names:
                self._blocks.pop(link, None)

    def heal(self) -> None:
        """Let everything pass, in calm weather."""
        self._blocks.clear()
        self.set_weather(CALM, None)

    def set_weather(self, weather: Weather, name: str | None) -> None:
        """Let messages fare like this from now on; what hits them counts as the fault `name`."""
        self.weather = weather
        self.weather_name = name

    def send(self, sender: NodeId, to: NodeId, message: M) -> None:
        """Carry `message`, perhaps."""
        blocks = self._blocks.get((sender, to))
        if blocks is not None:
            self._fired(blocks[0])
            return
        chance = self._rng.random()
        if chance < self.weather.loss:
            self._hit()
            return
        self._carry(sender, to, message)
        if chance > 1 - self.weather.duplication:
            self._hit()
            self._carry(sender, to, message)

    def delay_s(self) -> float:
        """Draw how long one message is under way (s)."""
        weather, draw = self.weather, self._rng.random
        if draw() < weather.tail:
            return weather.delay_s + min(weather.tail_s * self._rng.paretovariate(1.2), 10 * weather.tail_s)
        return weather.delay_s * (0.5 + draw())

    def _carry(self, sender: NodeId, to: NodeId, message: M) -> None:
        self._timeline.after(self.delay_s(), lambda: self._deliver(to, sender, message))

    def _hit(self) -> None:
        if self.weather_name is not None:
            self._fired(self.weather_name)
