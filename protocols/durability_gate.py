"""`DurabilityGate`: holds back each message until the disk write it depends on is durable; passes other effects on.

Persist-before-send is decided in the algorithms, as data (`Send.after`, set in `raft/` and `paxos/`), and carried out
only here. Both the driver (`actors/driver.py`) and the simulator (`simulation/protocol_node.py`) use this class, so the
code tested under faults is the code in production; `paxos/synod.py` uses it for messages of a node to itself.

    effects ──▶ admit ──▶ to be carried out now, in order
                  │
                  └─ a Send whose write is not durable: held ──▶ persisted(token) ──▶ to be carried out now, in order

A held Send never delays the effects after it: the network reorders anyway, and a heartbeat must not wait for a disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import Persist, Send, Token

__all__ = ["DurabilityGate"]

EffectT = TypeVar("EffectT")


class DurabilityGate(Generic[EffectT]):
    """Decides which effects may be carried out now. It belongs to one life of one algorithm, as its tokens do.

    `EffectT` is the algorithm's union of effects. The caller passes each batch of effects to `admit`, and each
    completed write to `persisted` before it passes `Persisted` to the algorithm; it carries out what either returns.
    """

    __slots__ = ("_durable", "_held", "_issued")

    def __init__(self) -> None:
        self._issued = Token(0)
        self._durable = Token(0)
        self._held: list[tuple[Token, EffectT]] = []

    @property
    def held(self) -> int:
        """How many Sends wait for a write."""
        return len(self._held)

    def admit(self, effects: Iterable[EffectT]) -> list[EffectT]:
        """Return those of `effects` that may be carried out now, in order; hold the Sends that must wait.

        Raises:
            InvariantViolated: a `Persist` whose token is not the next one, or a `Send` that waits for a write which
                has not been issued yet: it would be sent too early, or never.
        """
        admitted: list[EffectT] = []
        each: Iterable[Any] = effects
        for effect in each:
            kind = type(effect)  # a negative `isinstance` is slow
            if kind is Send:
                if effect.after is not None and effect.after > self._durable:
                    self._hold(effect.after, effect)
                    continue
            elif kind is Persist:
                self._issue(effect.token)
            admitted.append(effect)
        return admitted

    def persisted(self, token: Token) -> list[EffectT]:
        """Note that every write up to and including `token` is durable; return the Sends this releases, in order.

        A token at or below an earlier one releases nothing.

        Raises:
            ValueError: `token` was never issued in this life: it comes from an earlier one.
        """
        if token > self._issued:
            raise ValueError(f"token {token} was never issued: the last one of this life is {self._issued}")
        if token <= self._durable:
            return []
        self._durable = token
        if not self._held:
            return []
        released, still_held = [], []
        for after, send in self._held:
            if after <= token:
                released.append(send)
            else:
                still_held.append((after, send))
        self._held = still_held
        return released

    def _issue(self, token: Token) -> None:
        if token != self._issued + 1:
            raise InvariantViolated(f"tokens are issued in order: expected {self._issued + 1}, got {token}")
        self._issued = token

    def _hold(self, after: Token, send: EffectT) -> None:
        if after > self._issued:
            raise InvariantViolated(f"a message waits for write {after}, but only {self._issued} were issued")
        self._held.append((after, send))
