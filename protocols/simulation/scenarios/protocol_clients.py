"""`ProtocolClient`: simulates a client: sends one command at a time in a session, retries it, and sends some twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import assert_never

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import History
from coterie.protocols.checking.sessions_checker import SessionsChecker
from coterie.protocols.replicated_log import LogIndex, Reject
from coterie.protocols.sessions import (
    SESSION_ID_BYTES,
    BatchReply,
    Deferred,
    Done,
    Malformed,
    Opened,
    Replies,
    SessionFull,
    SessionId,
    StaleCommand,
    TooLarge,
    UnknownSession,
    encode_batch,
    encode_open_session,
    encode_session_command,
)
from coterie.protocols.simulation.event_heap import EventHeap

__all__ = ["ProtocolClient"]

TIMEOUT_S = 0.4
RETRY_S = 0.02
DUPLICATE_PROBABILITY = 0.1
"""The probability that an attempt is sent to a second node too, perhaps long after the first."""
DOUBLED_PROBABILITY = 0.1
"""The probability that an attempt is a batch with the command twice, which must still be executed once."""


class ProtocolClient:
    """Opens a session, then submits one command after another, and retries each until it is answered.

    It waits for a think time of up to `think_s` before each command. `submit(client, node, attempt, command, delay_s)`
    sends an attempt to a node; replies come to `answered` with the operation's number and to `rejected` with the
    attempt's. A command's payload is unique; its reply is the index at which it took effect. `history`: records the
    commands and their indexes, if given.
    """

    def __init__(
        self,
        number: int,
        commands: int,
        nodes: Sequence[NodeId],
        *,
        think_s: float,
        heap: EventHeap,
        rng: random.Random,
        checker: SessionsChecker,
        submit: Callable[[ProtocolClient, NodeId, int, bytes, float], None],
        history: History | None = None,
    ) -> None:
        self._number = number
        self._commands = commands
        self._nodes = nodes
        self._think_s = think_s
        self._heap = heap
        self._rng = rng
        self._checker = checker
        self._submit = submit
        self._history = history
        self._history_number = -1
        self._target = rng.choice(nodes)
        self._session: SessionId | None = None
        self._sequence = 0
        self._attempt = 0
        self._is_waiting = False
        heap.after(rng.uniform(0, think_s), self._proceed, 0)

    @property
    def is_done(self) -> bool:
        """Whether every command was answered."""
        return self._sequence == self._commands and not self._is_waiting

    def answered(self, operation: int, reply: BatchReply | Replies) -> None:
        """Process the reply to operation number `operation` (0: the opening); only the first reply counts."""
        if operation != self._sequence or not self._is_waiting:
            return
        match reply:
            case Opened(session):
                self._session = session
                self._finish()
            case Done(payload):
                index = LogIndex(int.from_bytes(payload, "big"))
                self._checker.answered(self._payload(), index)
                if self._history is not None:
                    self._history.returned(self._history_number, index, at_s=self._heap.now)
                self._finish()
            case Replies(replies):
                self.answered(operation, replies[-1])  # the reply to the second copy: the stored reply of the first
            case StaleCommand() | UnknownSession() | SessionFull() | Malformed() | TooLarge() | Deferred():
                self._checker.refused(self._payload(), reply)
            case _:
                assert_never(reply)

    def limit_think_time(self, think_s: float) -> None:
        """Limit the think time to `think_s` from now on, and restart the current one."""
        self._think_s = min(self._think_s, think_s)
        if not self._is_waiting and not self.is_done:
            self._attempt += 1
            self._think()

    def rejected(self, attempt: int, rejection: Reject) -> None:
        """Process a refusal of the current attempt: retry soon at the leader that it names, or at a random node."""
        if attempt != self._attempt or not self._is_waiting:
            return
        self._target = rejection.leader or self._rng.choice(self._nodes)
        self._heap.after(self._rng.uniform(0, RETRY_S), self._retry, attempt)

    def _open(self) -> None:
        self._is_waiting = True
        self._try()

    def _next(self) -> None:
        self._sequence += 1
        self._is_waiting = True
        self._checker.submitted(self._payload())
        if self._history is not None:
            request = ("append", self._payload())
            self._history_number = self._history.invoked(f"c{self._number}", request, at_s=self._heap.now)
        self._try()

    def _finish(self) -> None:
        self._is_waiting = False
        self._attempt += 1
        if self._sequence < self._commands:
            self._think()

    def _think(self) -> None:
        self._heap.after(self._rng.uniform(0, self._think_s), self._proceed, self._attempt)

    def _proceed(self, attempt: int) -> None:
        if attempt == self._attempt and not self._is_waiting:
            if self._session is None:
                self._open()
            else:
                self._next()

    def _try(self) -> None:
        self._attempt += 1
        attempt = self._attempt
        self._submit(self, self._target, attempt, self._command(), 0.0)
        if self._rng.random() < DUPLICATE_PROBABILITY:
            late_s = self._rng.choice((0.0, TIMEOUT_S * 2)) * self._rng.random()
            self._submit(self, self._rng.choice(self._nodes), attempt, self._command(), late_s)
        self._heap.after(self._rng.uniform(0.5, 1.5) * TIMEOUT_S, self._time_out, attempt)

    def _time_out(self, attempt: int) -> None:
        if attempt == self._attempt:
            self._target = self._rng.choice(self._nodes)
            self._retry(attempt)

    def _retry(self, attempt: int) -> None:
        if attempt == self._attempt and self._is_waiting:
            self._try()

    @property
    def operation(self) -> int:
        """The number of the current operation; 0 opens the session."""
        return self._sequence

    def _payload(self) -> bytes:
        return f"c{self._number}-{self._sequence}".encode()

    def _command(self) -> bytes:
        if self._session is None:
            return encode_open_session(self._number.to_bytes(SESSION_ID_BYTES, "big"))
        command = encode_session_command(self._session, self._sequence, self._sequence, self._payload())
        return encode_batch((command, command)) if self._rng.random() < DOUBLED_PROBABILITY else command
