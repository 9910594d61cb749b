"""Runtime mutants: defines deliberate bugs in mailboxes, supervision, asks, watches, the transport and datagrams."""

# ruff: noqa: SLF001 - a mutant replaces private methods

from __future__ import annotations

import collections
import random
from typing import Any

from coterie.actors.simulation.scenarios.actors_scenario import ACTORS
from coterie.actors.simulation.scenarios.datagram_runs import doubled_datagrams, forged_datagrams
from coterie.actors.simulation.scenarios.directed_runs import crowded_mailbox, strangers_key
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch, ScenarioTrial
from coterie.runtime.cells.asks import PendingAsk
from coterie.runtime.cells.cell import Cell
from coterie.runtime.cells.mailbox import NO_QUEUE, Mailbox
from coterie.runtime.cells.supervision import RestartBudget
from coterie.runtime.datagrams.authentication import DatagramAuthentication
from coterie.runtime.datagrams.replay_window import ReplayWindow
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message_type
from coterie.runtime.remote.remote_delivery import RemoteDelivery
from coterie.runtime.remote.remote_watches import RemoteWatch, RemoteWatches
from coterie.runtime.remote.rows import WATCH
from coterie.runtime.transport.framing import frames
from coterie.runtime.transport.handshake import handshake
from coterie.runtime.transport.handshake.identity import Peer
from coterie.runtime.transport.handshake.shared_key import HandshakeSide

__all__ = ["RUNTIME_MUTANTS"]

TRIAL = ScenarioTrial(ACTORS)


class _LastInFirstOut(collections.deque[object]):
    def popleft(self) -> object:
        return self.pop()


_queue = Mailbox._queue


def _last_in_first_out_queue(self: Mailbox, lane: Lane) -> collections.deque[object]:
    if lane is Lane.BULK and self.bulk is NO_QUEUE:
        self.bulk = _LastInFirstOut()
    return _queue(self, lane)


def _always_restart(self: RestartBudget, now: float, rng: random.Random) -> float:
    return 0.01


def _next_item_during_call(self: Cell) -> object | None:
    call = self.pending_signal
    self.pending_signal = None
    item = _next_item(self)
    if self.pending_signal is None:
        self.pending_signal = call
    return item


_next_item = Cell.next_item


def _bulk_first(self: Cell) -> object | None:
    item = self.take() if self.pending_signal is None else None
    return _next_item(self) if item is None else item


def _any_key(keys: tuple[bytes, ...], side: HandshakeSide, hello: bytes, challenge: bytes, proof: bytes) -> bytes:
    return keys[0]


def _no_frame_keys(key: bytes, side: HandshakeSide, hello: bytes, challenge: bytes) -> None:
    return None


def _resolve_again(self: PendingAsk, value: object) -> None:
    if self.bucket is not None:
        self.bucket.pop(self, None)
        self.bucket = None
    self.future.set_result(value)


def _notify_no_watcher(self: RemoteWatches, peer: Peer, reason: str) -> None:
    return


def _announce_to_any_incarnation(self: RemoteWatches, watch: RemoteWatch) -> None:
    association = self._remoting.association(watch.ref.node)
    if association is None:
        self._start_grace_timer(watch.ref.node)
    else:
        association.signal((WATCH, watch.ref.path, watch.ref.uid))


def _no_checksum(covered: bytes | bytearray, payload: bytes) -> bytes:
    return bytes(4)


def _open_to_any_incarnation(self: RemoteDelivery, item: object) -> Any:
    described = message_type(type(item))
    association = self._remoting.reach(self._node)
    route = self._routes[type(item)] = association.route(self._path, self._uid, described)
    return route


def _accept_any_code(self: DatagramAuthentication, data: bytes, code: bytes) -> bool:
    return True


def _always_fresh(self: ReplayWindow, sequence: int) -> bool:
    return True


def _mutant(name: str, *patches: Patch, first_seed: int = 0) -> Mutant:
    return Mutant(f"runtime: {name}", TRIAL, patches, first_seed)


RUNTIME_MUTANTS: tuple[Mutant, ...] = (
    _mutant("mailbox reordered", Patch(Mailbox, "_queue", _last_in_first_out_queue)),
    _mutant("restart budget ignored", Patch(RestartBudget, "next_backoff_s", _always_restart)),
    _mutant("message handled after stop", Patch(Cell, "next_item", _next_item_during_call)),
    _mutant("ask resolved twice", Patch(PendingAsk, "resolve", _resolve_again)),
    _mutant(
        "watch not fired on node loss",
        Patch(RemoteWatches, "node_lost", _notify_no_watcher),
        Patch(RemoteWatches, "_announce", _announce_to_any_incarnation),  # the second check of the same property
    ),
    _mutant("frame CRC dropped", Patch(frames, "_checksum", _no_checksum), first_seed=6),
    _mutant("old incarnation's mail accepted", Patch(RemoteDelivery, "_open", _open_to_any_incarnation)),
    Mutant(
        "runtime: control lane starved",
        DirectedTrial("crowded mailbox", Level.SYSTEM, crowded_mailbox),
        (Patch(Cell, "next_item", _bulk_first),),
    ),
    Mutant(
        "runtime: HMAC check skipped",
        DirectedTrial("stranger's key", Level.SYSTEM, strangers_key),
        (
            Patch(handshake, "find_key", _any_key),
            Patch(handshake, "frame_keys", _no_frame_keys),  # the second check of the same property
        ),
    ),
    Mutant(
        "runtime: unauthenticated datagram believed",
        DirectedTrial("forged datagrams", Level.SYSTEM, forged_datagrams),
        (Patch(DatagramAuthentication, "accepts", _accept_any_code),),
    ),
    Mutant(
        "runtime: replayed datagram believed",
        DirectedTrial("doubled datagrams", Level.SYSTEM, doubled_datagrams),
        (Patch(ReplayWindow, "is_fresh", _always_fresh),),
    ),
)
"""All but the last four are killed under the profile `everything`."""
