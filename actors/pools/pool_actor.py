"""`PoolActor`: supervises the workers that one node contributes to a pool, lists them, and adds and stops some.

grow:     spawn a worker, new version of the list, answer the requests that are held
shrink:   new version of the list without one idle worker, answer the requests that are held; `RETIRE_S` later, when
          callers have the new list, and once it has answered all that it took, the worker stops
replace:  a worker that has ended leaves the list at once; another one takes its place after a pause

A worker that fails is restarted, and keeps its mailbox. One that fails too often within a short time ends
(`SUPERVISION`), and so does one that stops itself: each is replaced. The pause doubles with each replacement of the
last minute, up to about ten seconds (`REPLACEMENT`), and it never ends: a pool whose workers all fail comes back by
itself once they can work. Events: `pool.worker_ended`, `pool.worker_not_made`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, assert_never

from coterie.actors.pools.loads.load_messages import ProbeLoad
from coterie.actors.pools.loads.worker_loads import WorkerLoads
from coterie.actors.pools.pool_messages import HOLD_S, ListWorkers, Workers
from coterie.actors.pools.pool_size import PoolSize, SizeLimits
from coterie.errors import ActorStopped
from coterie.protocols.balancing import LoadReport
from coterie.runtime.actor import Actor, Later, Terminated
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.metering.metered_cell import MeteredCell
from coterie.runtime.cells.supervision import RestartBudget, Supervision
from coterie.runtime.messages.message import message
from coterie.runtime.observing.error_texts import error_line
from coterie.runtime.refs import Ref

__all__ = ["PoolActor"]

CHECK_S: Final = 0.25
"""The time between two checks of the mailboxes, in a pool that grows and shrinks, seconds."""

RETIRE_S: Final = 1.0
"""How long a worker that left the list still takes messages, seconds: callers get the new list in that time."""

SUPERVISION: Final = Supervision(escalates=False)
"""Of the workers: one that fails more than 5 times in 30 s ends, and is replaced; the others go on."""

REPLACEMENT: Final = Supervision(max_restarts=1000, within_s=60.0, backoff_min_s=0.05, backoff_max_s=10.0)
"""The pauses before ended workers are replaced: those that end meanwhile share one. It cannot be spent: 60 s hold fewer
pauses than that."""

HELD_MAX: Final = 1000
"""The most requests that are held; others are answered at once."""


@message(name="pool.CheckSize")
class _CheckSize:
    """Timer: compare the number of workers with the messages that wait."""


@message(name="pool.Retire")
class _Retire:
    """Timer: stop a worker that has left the list, if it is idle."""

    worker: Ref[Any]


@message(name="pool.Replace")
class _Replace:
    """Timer: spawn the workers that are missing."""


@message(name="pool.EndHold")
class _EndHold:
    """Timer: answer a request although nothing has changed."""

    number: int


class PoolActor(Actor[ListWorkers | ProbeLoad | Terminated]):
    """Supervises the workers of one node. They are its children: each is restarted or replaced alone when it fails.

    Args:
        factory: makes a worker.
        limits: how many there are.
        weight: the share of each in the pool's work, relative to other nodes' workers.
        exported: whether clients may ask them.
        capacity: of the mailbox of each, as for `System.spawn`.
        overflow: the same.
    """

    def __init__(
        self,
        factory: Callable[[], Actor[Any]],
        limits: SizeLimits,
        *,
        weight: float,
        exported: bool,
        capacity: int | None = None,
        overflow: Overflow = Overflow.FAIL,
    ) -> None:
        self._factory = factory
        self._limits = limits
        self._weight = weight
        self._exported = exported
        self._capacity, self._overflow = capacity, overflow
        self._workers: list[Ref[Any]] = []
        self._wanted = limits.fewest
        self._pauses = RestartBudget(REPLACEMENT)
        self._is_replacing = False
        self._held: dict[int, Later[Workers]] = {}
        self._last_held = 0

    def on_start(self) -> None:
        """Spawn the first workers."""
        context = self.context
        self._version = context.random.randrange(1, 1 << 40)  # no caller may take it for that of an earlier life
        self._loads = WorkerLoads(context.system, context.self_ref.path)
        self._size = PoolSize(self._limits)
        self._add_missing()
        if self._limits.most > self._limits.fewest:
            context.every(CHECK_S, _CheckSize())

    def on_stop(self) -> None:
        """Fail the requests that are held: the callers must not wait for an actor that has gone."""
        path, node = self.context.self_ref.path, self.context.system.node
        for later in self._held.values():
            later.fail(ActorStopped(f"the pool {path!r} on node {node!r} has stopped"))
        self._held.clear()
        self._loads.close()

    def receive(
        self, msg: ListWorkers | ProbeLoad | Terminated | _CheckSize | _Retire | _Replace | _EndHold, /
    ) -> Workers | LoadReport | None:
        """List the workers, report the load of one, replace one that has ended, or handle a timer."""
        match msg:
            case ListWorkers():
                return self._list(msg)
            case ProbeLoad():
                return self._loads.answer(msg.path)
            case Terminated():
                self._ended(msg)
            case _CheckSize():
                self._check_size()
            case _Retire():
                self._stop_if_idle(msg)
            case _Replace():
                self._replace()
            case _EndHold():
                self._answer(self._held.pop(msg.number, None))
            case _:
                assert_never(msg)
        return None

    # --- the list ---------------------------------------------------------------------------------------------------

    def _list(self, msg: ListWorkers) -> Workers | None:
        if self.context.system.remoting.association(msg.subscriber) is not None:  # nothing else is sent a report
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
        waiting = sum(cell.depth for cell in map(self._cell_of, self._workers) if cell is not None)
        busy = sum(1 for ref in self._workers if self._is_busy(ref))
        now = self.context.clock.monotonic()
        change = self._size.change(workers=self._wanted, busy=busy, waiting=waiting, now=now)
        if not change:
            return
        self._wanted += change
        self.context.log.info("pool.resized", workers=self._wanted, waiting=waiting, busy=busy)
        if len(self._workers) > self._wanted:
            self._retire_worker()
        elif not self._is_replacing:
            self._add_missing()
        self._changed()

    def _add_missing(self) -> None:
        """Spawn workers until there are as many as wanted, or one cannot be made."""
        while len(self._workers) < self._wanted:
            try:
                self._add_worker()
            except Exception as error:
                reason = error_line(error)
                self.context.log.error("pool.worker_not_made", reason=reason, exc_info=error)
                self._replace_later()
                return

    def _add_worker(self) -> None:
        path, cell_at = self.context.self_ref.path, self.context.system.registry.cell_at
        number = next(at for at in range(1, 1 << 30) if cell_at(f"{path}/{at}") is None)
        name = str(number)
        meter = self._loads.meter_for(name)
        worker = self.context.spawn(
            self._factory,
            name=name,
            supervision=SUPERVISION,
            capacity=self._capacity,
            overflow=self._overflow,
            exported=self._exported,
            meter=meter,
        )
        self._workers.append(worker)
        self.context.watch(worker)

    def _retire_worker(self) -> None:
        """Take the last idle worker off the list."""
        idle = [ref for ref in self._workers if not self._is_busy(ref)]
        worker = (idle or self._workers)[-1]
        self._workers.remove(worker)
        self.context.after(RETIRE_S, _Retire(worker))

    def _stop_if_idle(self, msg: _Retire) -> None:
        if self._is_busy(msg.worker):
            self.context.after(CHECK_S, msg)
        else:
            self.context.stop(msg.worker, drain=True)

    def _is_busy(self, worker: Ref[Any]) -> bool:
        """Return whether a worker handles a message, has one waiting, or owes a reply that a caller waits for."""
        cell = self._cell_of(worker)
        return cell is not None and bool(cell.depth or cell.current is not None or cell.open_asks)

    def _cell_of(self, worker: Ref[Any]) -> MeteredCell | None:
        cell = self.context.system.registry.cell_at(worker.path)
        return cell if isinstance(cell, MeteredCell) and cell.ref == worker else None

    # --- workers that have ended ------------------------------------------------------------------------------------

    def _ended(self, msg: Terminated) -> None:
        if msg.ref not in self._workers:
            return  # it had left the list
        self._workers.remove(msg.ref)
        self.context.log.warning("pool.worker_ended", worker=msg.ref.path, cause=msg.cause)
        self._changed()
        self._replace_later()

    def _replace_later(self) -> None:
        if self._is_replacing:
            return
        self._is_replacing = True
        pause_s = self._pauses.next_backoff_s(self.context.clock.monotonic(), self.context.random)
        self.context.after(REPLACEMENT.backoff_max_s if pause_s is None else pause_s, _Replace())

    def _replace(self) -> None:
        self._is_replacing = False
        before = len(self._workers)
        self._add_missing()
        if len(self._workers) != before:
            self._changed()
