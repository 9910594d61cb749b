"""`PoolActor`: supervises the workers that one node contributes to a pool, lists them, and adds and stops some.

grow:    spawn a worker, new version of the list, answer the requests that are held
shrink:  new version of the list without the worker, answer the requests that are held;
         `RETIRE_S` later, when callers have the new list, the worker handles what waits in its mailbox, and stops
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, assert_never

from coterie.actors.pools.load_messages import ProbeLoad
from coterie.actors.pools.pool_messages import HOLD_S, ListWorkers, Workers
from coterie.actors.pools.pool_size import PoolSize, SizeLimits
from coterie.actors.pools.worker_loads import WorkerLoads
from coterie.errors import ActorStopped
from coterie.protocols.balancing import LoadReport
from coterie.runtime.actor import Actor, Later
from coterie.runtime.cells.cell import Cell
from coterie.runtime.messages.message import message
from coterie.runtime.refs import Ref

__all__ = ["PoolActor"]

CHECK_S: Final = 0.25
"""The time between two checks of the mailboxes, in a pool that grows and shrinks, seconds."""

RETIRE_S: Final = 1.0
"""How long a worker that left the list still takes messages, seconds: callers get the new list in that time."""

HELD_MAX: Final = 1000
"""The most requests that are held; others are answered at once."""


@message(name="pool.CheckSize")
class _CheckSize:
    """Timer: compare the number of workers with the messages that wait."""


@message(name="pool.Retire")
class _Retire:
    """Timer: stop a worker that has left the list."""

    worker: Ref[Any]


@message(name="pool.EndHold")
class _EndHold:
    """Timer: answer a request although nothing has changed."""

    number: int


class PoolActor(Actor[ListWorkers | ProbeLoad]):
    """Supervises the workers of one node. They are its children: each is restarted alone when it fails.

    Args:
        factory: makes a worker.
        limits: how many there are.
        weight: the share of each in the pool's work, relative to other nodes' workers.
        exported: whether clients may ask them.
    """

    def __init__(self, factory: Callable[[], Actor[Any]], limits: SizeLimits, *, weight: float, exported: bool) -> None:
        self._factory = factory
        self._limits = limits
        self._weight = weight
        self._exported = exported
        self._workers: list[Ref[Any]] = []
        self._held: dict[int, Later[Workers]] = {}
        self._last_held = 0

    def on_start(self) -> None:
        """Spawn the first workers."""
        context = self.context
        self._version = context.random.randrange(1, 1 << 40)  # no caller may take it for that of an earlier life
        self._loads = WorkerLoads(context.system, context.self_ref.path)
        self._size = PoolSize(self._limits)
        for _ in range(self._limits.fewest):
            self._add_worker()
        if self._limits.most > self._limits.fewest:
            context.every(CHECK_S, _CheckSize())

    def on_stop(self) -> None:
        """Fail the requests that are held: the callers must not wait for an actor that has gone."""
        path, node = self.context.self_ref.path, self.context.system.node
        for later in self._held.values():
            later.fail(ActorStopped(f"the pool {path!r} on node {node!r} has stopped"))
        self._held.clear()
        self._loads.close()

    def receive(self, msg: ListWorkers | ProbeLoad | _CheckSize | _Retire | _EndHold, /) -> Workers | LoadReport | None:
        """List the workers, report the load of one, or handle a timer."""
        match msg:
            case ListWorkers():
                return self._list(msg)
            case ProbeLoad():
                return self._loads.answer(msg.path)
            case _CheckSize():
                self._check_size()
            case _Retire():
                self.context.stop(msg.worker, drain=True)
            case _EndHold():
                self._answer(self._held.pop(msg.number, None))
            case _:
                assert_never(msg)
        return None

    # --- the list ---------------------------------------------------------------------------------------------------

    def _list(self, msg: ListWorkers) -> Workers | None:
        if msg.subscriber:
            self._loads.subscribe(msg.subscriber)
        if msg.known_version != self._version or len(self._held) >= HELD_MAX:
            return self._present()
        number = self._last_held = self._last_held + 1
        self._held[number] = self.context.reply_later(msg)
        self.context.after(HOLD_S, _EndHold(number))
        return None

    def _present(self) -> Workers:
        return Workers(tuple(self._workers), self._weight, self._version)

    def _answer(self, later: Later[Workers] | None) -> None:
        if later is not None:
            later.reply(self._present())

    def _changed(self) -> None:
        self._version += 1
        held, self._held = self._held, {}
        for later in held.values():
            self._answer(later)

    # --- the number of workers --------------------------------------------------------------------------------------

    def _check_size(self) -> None:
        cells = [cell for ref in self._workers if (cell := self.context.system.cell_at(ref.path)) is not None]
        waiting = [cell.depth for cell in cells]
        busy = sum(1 for cell, depth in zip(cells, waiting, strict=True) if depth or _is_handling(cell))
        now = self.context.clock.monotonic()
        change = self._size.change(workers=len(self._workers), busy=busy, waiting=sum(waiting), now=now)
        if change > 0:
            self._add_worker()
        elif change < 0:
            self._retire_worker()
        if change:
            self.context.log.info("pool.resized", workers=len(self._workers), waiting=sum(waiting), busy=busy)
            self._changed()

    def _add_worker(self) -> None:
        path, cell_at = self.context.self_ref.path, self.context.system.cell_at
        number = next(at for at in range(1, 1 << 30) if cell_at(f"{path}/{at}") is None)
        name = str(number)
        meter = self._loads.meter_for(name)
        self._workers.append(self.context.spawn(self._factory, name=name, exported=self._exported, meter=meter))

    def _retire_worker(self) -> None:
        self.context.after(RETIRE_S, _Retire(self._workers.pop()))


def _is_handling(cell: Cell) -> bool:
    return cell.current is not None
