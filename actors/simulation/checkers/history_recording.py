"""What clients ask and are told, written down as operations for the linearizability judge.

    ledger = Ledger()                                       # one history for each group
    store = RecordedStore(client.key_value("store"), ledger.recorder("store", "c1", KeyValue(), now))
    await store.put(b"k", b"v")                             # recorded, whatever becomes of it

An operation that ended in an error which says "definitely not" is recorded as failed; in any other, as unknown. One
whose client is still waiting, or died, counts as unknown too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from coterie.actors.groups.key_value_client import KeyValueClient
from coterie.errors import CoterieError, Outcome
from coterie.protocols.checking.linearizability import Datum, History, Key, Model, Output, Verdict

__all__ = ["Ledger", "RecordedStore", "Recorder", "Recording"]

R = TypeVar("R")


@dataclass(slots=True)
class Recording:
    """What all clients did to one group, and how the group should behave. `verdict`: how it was judged last."""

    group: str
    model: Model[Any]
    history: History = field(default_factory=History)
    answered: int = 0
    verdict: Verdict | None = None


class Ledger:
    """The recordings of one run, by group."""

    def __init__(self) -> None:
        self.by_group: dict[str, Recording] = {}

    @property
    def answered(self) -> int:
        """How many operations were answered."""
        return sum(recording.answered for recording in self.by_group.values())

    def recorder(self, group: str, client: str, model: Model[Any], now: Callable[[], float]) -> Recorder:
        """Return what writes down what `client` does to `group`.

        Raises:
            ValueError: `group` is recorded with another kind of model already.
        """
        recording = self.by_group.setdefault(group, Recording(group, model))
        if type(recording.model) is not type(model):
            kinds = f"{type(recording.model).__name__}, not a {type(model).__name__}"
            raise ValueError(f"group {group!r} is recorded as a {kinds}: one group has one model")
        return Recorder(recording, client, now)


class Recorder:
    """Writes down what one client does to one group. `now` is the world's time (s)."""

    def __init__(self, recording: Recording, client: str, now: Callable[[], float]) -> None:
        self._recording = recording
        self._client = client
        self._now = now

    async def record(
        self,
        input: Datum,  # noqa: A002 (the judges' word)
        call: Awaitable[R],
        *,
        key: Key = None,
        output: Callable[[R], Output] | None = None,
    ) -> R:
        """Await `call`, which does `input` to `key`; return its result.

        Args:
            input: what is asked, in the words of the group's model: `("put", b"1")`.
            call: what asks it.
            key: what it is about; None if the whole group is one object.
            output: makes of the result what the model expects (default: the result itself).

        Raises:
            HistoryError: the input, key or output is nothing that a history can hold.
            BaseException: what `call` raises.
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
    """A key-value store whose every call is recorded. It raises what `KeyValueClient` raises."""

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
