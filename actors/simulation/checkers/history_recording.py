"""`Recordings`: collects the operations of clients as histories, one per group, for the linearizability checker.

    recordings = Recordings()                                       # one history for each group
    store = RecordedStore(client.key_value("store"), recordings.recorder("store", "c1", KeyValue(), now))
    await store.put(b"k", b"v")                             # recorded, whether it succeeds or fails

An operation that ended in an error of a definite outcome ("not executed") is recorded as failed, in any other error as
unknown. An operation whose client still waits, or crashed, counts as unknown too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from coterie.actors.groups.key_value_client import KeyValueClient
from coterie.errors import CoterieError, Outcome
from coterie.protocols.checking.linearizability import CheckResult, Datum, History, Key, Model, Output

__all__ = ["GroupRecording", "RecordedStore", "Recorder", "Recordings"]

R = TypeVar("R")


@dataclass(slots=True)
class GroupRecording:
    """The history of one group and the model of the group. `result`: of the last linearizability check."""

    group: str
    model: Model[Any]
    history: History = field(default_factory=History)
    answered: int = 0
    result: CheckResult | None = None


class Recordings:
    """The recordings of one run, one for each group."""

    def __init__(self) -> None:
        self.by_group: dict[str, GroupRecording] = {}

    @property
    def answered(self) -> int:
        """The number of operations that were answered."""
        return sum(recording.answered for recording in self.by_group.values())

    def recorder(self, group: str, client: str, model: Model[Any], now: Callable[[], float]) -> Recorder:
        """Return a recorder for the operations of `client` on `group`.

        Raises:
            ValueError: `group` is recorded with a model of another type already.
        """
        recording = self.by_group.setdefault(group, GroupRecording(group, model))
        if type(recording.model) is not type(model):
            kinds = f"{type(recording.model).__name__}, not a {type(model).__name__}"
            raise ValueError(f"group {group!r} is recorded as a {kinds}: one group has one model")
        return Recorder(recording, client, now)


class Recorder:
    """Records the operations of one client on one group. `now` returns the world's time (s)."""

    def __init__(self, recording: GroupRecording, client: str, now: Callable[[], float]) -> None:
        self._recording = recording
        self._client = client
        self._now = now

    async def record(
        self,
        input: Datum,  # noqa: A002 (the checkers' term)
        call: Awaitable[R],
        *,
        key: Key = None,
        output: Callable[[R], Output] | None = None,
    ) -> R:
        """Await `call`, which performs `input` on `key`, and record it; return its result.

        Args:
            input: the operation in the terms of the group's model: `("put", b"1")`.
            call: performs the operation.
            key: the object of the operation; None if the whole group is one object.
            output: converts the result to the output of the model (default: no conversion).

        Raises:
            HistoryError: a history cannot hold the input, key or output.
            BaseException: the error that `call` raises.
        """
        history, recording = self._recording.history, self._recording
        number = history.invoked(self._client, input, key=key, at_s=self._now())
        try:
            result = await call
        except CoterieError as error:
            end = history.failed if error.outcome is Outcome.DEFINITE else history.unknown
            end(number, at_s=self._now())
            raise
        except BaseException:
            history.unknown(number, at_s=self._now())
            raise
        recording.answered += 1
        history.returned(number, cast("Output", result) if output is None else output(result), at_s=self._now())
        return result


class RecordedStore:
    """A `KeyValueClient` whose calls are recorded; it raises the same errors."""

    def __init__(self, store: KeyValueClient, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder

    async def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        return await self._recorder.record(("get",), self._store.get(key), key=key)

    async def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`."""
        await self._recorder.record(("put", value), self._store.put(key, value), key=key)

    async def delete(self, key: bytes) -> bool:
        """Remove `key`; return whether it was there."""
        return await self._recorder.record(("delete",), self._store.delete(key), key=key)

    async def compare_and_swap(self, key: bytes, expected: bytes | None, value: bytes | None) -> bool:
        """Set `key` to `value` (None: remove it) if its value is `expected` (None: absent); return whether it was."""
        swap = self._store.compare_and_swap(key, expected, value)
        return await self._recorder.record(("compare_and_swap", expected, value), swap, key=key)
