"""Closed-loop clients of a replicated state machine: sessions, retries, redirects, and duplicates on purpose."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import assert_never

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import History
from coterie.protocols.checking.sessions_checker import SessionsJudge
from coterie.protocols.replicated_log import LogIndex, Reject
from coterie.protocols.sessions import (
    Done,
    Malformed,
    Opened,
    Replies,
    Reply,
    SessionFull,
    SessionId,
    StaleCommand,
    UnknownSession,
    batch,
    open_session,
    session_command,
)
from coterie.protocols.simulation.event_heap import Timeline

__all__ = ["Client"]

TIMEOUT_S = 0.4
RETRY_S = 0.02
DUPLICATES = 0.1
"""The probability that an attempt is sent to a second node too, perhaps long after the first."""
DOUBLED = 0.1
"""The probability that an attempt is a batch that holds the command twice: it is still executed once."""


class Client:
    """Opens a session, then does one command after another, each until it is answered.

    It thinks for up to `think_s` before each. `submit(client, node, attempt, command, delay_s)` carries an attempt to a
    node; answers come to `answered` and `rejected` with that attempt's number. A command's payload is unique; its
    reply is the index it took effect at. `history`: where commands and their places are written down, if they are.
    """

    def __init__(
        self,
        number: int,
        commands: int,
        nodes: Sequence[NodeId],
        *,
        think_s: float,
        timeline: Timeline,
        rng: random.Random,
        judge: SessionsJudge,
        submit: Callable[[Client, NodeId, int, bytes, float], None],
        history: History | None = None,
    ) -> None:
        self._number = number
        self._commands = commands
        self._nodes = nodes
        self._think_s = think_s
        self._timeline = timeline
        self._rng = rng
        self._judge = judge
        self._submit = submit
        self._history = history
        self._under_way = -1
        self._target = rng.choice(nodes)
        self._session: SessionId | None = None
        self._sequence = 0
        self._attempt = 0
        self._is_waiting = False
        timeline.after(rng.uniform(0, think_s), self._wake, 0)

    @property
    def is_done(self) -> bool:
        """Whether every command was answered."""
        return self._sequence == self._commands and not self._is_waiting

    def answered(self, operation: int, reply: Reply | Replies) -> None:
        """Take the reply to operation number `operation` (0: the opening); only the first one counts."""
        if operation != self._sequence or not self._is_waiting:
            return
        match reply:
            case Opened(session):
                self._session = session
                self._rest()
            case Done(payload):
                index = LogIndex(int.from_bytes(payload, "big"))
                self._judge.answered(self._payload(), index)
                if self._history is not None:
                    self._history.returned(self._under_way, index, at_s=self._timeline.now)
                self._rest()
            case Replies(replies):
                self.answered(operation, replies[-1])  # that of the second copy: what was kept of the first
            case StaleCommand() | UnknownSession() | SessionFull() | Malformed():
                self._judge.refused(self._payload(), reply)
            case _:
                assert_never(reply)

    def hasten(self, think_s: float) -> None:
        """Think for no longer than `think_s` from now on, and be done with the present thought."""
        self._think_s = min(self._think_s, think_s)
        if not self._is_waiting and not self.is_done:
            self._attempt += 1
            self._think()

    def rejected(self, attempt: int, rejection: Reject) -> None:
        """Take a refusal of the present attempt: try where it points to, or anywhere, a little later."""
        if attempt != self._attempt or not self._is_waiting:
            return
        self._target = rejection.leader or self._rng.choice(self._nodes)
        self._timeline.after(self._rng.uniform(0, RETRY_S), self._retry, attempt)

    def _open(self) -> None:
        self._is_waiting = True
        self._try()

    def _next(self) -> None:
        self._sequence += 1
        self._is_waiting = True
        self._judge.submitted(self._payload())
        if self._history is not None:
            asked = ("append", self._payload())
            self._under_way = self._history.invoked(f"c{self._number}", asked, at_s=self._timeline.now)
        self._try()

    def _rest(self) -> None:
        self._is_waiting = False
        self._attempt += 1
        if self._sequence < self._commands:
            self._think()

    def _think(self) -> None:
        self._timeline.after(self._rng.uniform(0, self._think_s), self._wake, self._attempt)

    def _wake(self, thought: int) -> None:
        if thought == self._attempt and not self._is_waiting:
            if self._session is None:
                self._open()
            else:
                self._next()

    def _try(self) -> None:
        self._attempt += 1
        attempt = self._attempt
        self._submit(self, self._target, attempt, self._command(), 0.0)
        if self._rng.random() < DUPLICATES:
            late_s = self._rng.choice((0.0, TIMEOUT_S * 2)) * self._rng.random()
            self._submit(self, self._rng.choice(self._nodes), attempt, self._command(), late_s)
        self._timeline.after(self._rng.uniform(0.5, 1.5) * TIMEOUT_S, self._time_out, attempt)

    def _time_out(self, attempt: int) -> None:
        if attempt == self._attempt:
            self._target = self._rng.choice(self._nodes)
            self._retry(attempt)

    def _retry(self, attempt: int) -> None:
        if attempt == self._attempt and self._is_waiting:
            self._try()

    @property
    def operation(self) -> int:
        """The number of the present operation; 0 opens the session."""
        return self._sequence

    def _payload(self) -> bytes:
        return f"c{self._number}-{self._sequence}".encode()

    def _command(self) -> bytes:
        if self._session is None:
            return open_session(self._number)
        command = session_command(self._session, self._sequence, self._sequence, self._payload())
        return batch((command, command)) if self._rng.random() < DOUBLED else command
