"""Command batches: queues commands, cuts the queue into batches, and gives each command of one its reply or failure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from operator import itemgetter
from typing import Final, NamedTuple

from coterie.actors.groups.group_messages import TOO_LARGE, Answer, Refused, Unsettled
from coterie.actors.groups.routed_command import ALONE
from coterie.errors import AskError, AskTimeout, BadMessage, FrameTooLarge, Outcome, TransportError
from coterie.protocols.sessions import (
    BATCH_REPLY_BYTES,
    SentReply,
    decode_replies,
    decode_reply,
    encode_batch,
    opens_session,
)

__all__ = [
    "BATCH_BYTES",
    "Attempt",
    "FailedAttempt",
    "QueuedCommand",
    "batch_command",
    "batches",
    "expire",
    "fail_all",
    "is_too_large",
    "outcome_of",
    "settle",
]


class FailedAttempt(NamedTuple):
    """An attempt that brought no reply: the node that was asked and the cause; None: no node could be asked.

    `batch_bytes`: the size of the batch of which the command was a part; 0: it was sent alone.
    """

    node: str
    cause: Refused | Unsettled | BaseException | None
    batch_bytes: int = 0


Attempt = asyncio.Future[SentReply | FailedAttempt]
"""What comes of sending a command once: what an answer holds for it, or the failure."""

QueuedCommand = tuple[bytes, float, int, Attempt]
"""A command that waits to be sent, how long it may take (s), its `RoutedCommand.reply_bytes`, and its attempt."""

_REPLY_BYTES: Final = itemgetter(2)

BATCH_COMMANDS: Final = 256
BATCH_BYTES: Final = 1 << 20
BATCH_OVERHEAD_BYTES: Final = 8
"""The most that one command takes in a batch in addition to its own bytes."""


def batches(queue: list[QueuedCommand], max_bytes: int) -> Iterator[list[QueuedCommand]]:
    """Cut `queue` into batches of at most `max_bytes` and `BATCH_COMMANDS`.

    A larger command is sent alone, and so is an `OpenSession`. Commands whose replies are large are sent apart from the
    others, which would take the room of those replies, and no more together than a group executes of one batch.
    """
    if any(map(_REPLY_BYTES, queue)):  # rarely
        yield from ([queued] for queued in queue if queued[2] == ALONE)
        yield from _cut([queued for queued in queue if 0 < queued[2] < ALONE], max_bytes)
        queue = [queued for queued in queue if not queued[2]]
    yield from _cut(queue, max_bytes)


def _cut(queue: list[QueuedCommand], max_bytes: int) -> Iterator[list[QueuedCommand]]:
    batch: list[QueuedCommand] = []
    batch_bytes = reply_bytes = 0
    for queued in queue:
        if opens_session(queued[0]):
            yield [queued]
            continue
        size = len(queued[0]) + BATCH_OVERHEAD_BYTES
        is_full = len(batch) >= BATCH_COMMANDS or batch_bytes + size > max_bytes or reply_bytes > BATCH_REPLY_BYTES
        if batch and is_full:
            yield batch
            batch, batch_bytes, reply_bytes = [], 0, 0
        batch.append(queued)
        batch_bytes += size
        reply_bytes += queued[2]
    if batch:
        yield batch


def batch_command(batch: list[QueuedCommand]) -> bytes:
    """Return the command that stands for all of `batch`."""
    return batch[0][0] if len(batch) == 1 else encode_batch([queued[0] for queued in batch])


def settle(batch: list[QueuedCommand], node: str, batch_bytes: int, request: asyncio.Future[Answer]) -> None:
    """Give each command of `batch` its reply from the answer of `node`, or the failure of the request."""
    try:
        answer = request.result()
        replies = _decode(answer, len(batch)) if isinstance(answer, bytes) else []
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (it is the callers')
        fail_all(batch, FailedAttempt(node, error, batch_bytes))
        return
    if not isinstance(answer, bytes):
        fail_all(batch, FailedAttempt(node, answer, batch_bytes))
        return
    for (_, _, _, attempt), reply in zip(batch, replies, strict=True):
        if not attempt.done():
            attempt.set_result(reply)


def _decode(answer: bytes, commands: int) -> list[SentReply]:
    """Decode the answer to a batch of so many commands. BadMessage if it is none."""
    try:
        replies = [decode_reply(answer)] if commands == 1 else decode_replies(answer)
    except ValueError as error:
        raise BadMessage(f"the answer does not decode: {error}") from error
    if len(replies) != commands:
        raise BadMessage(f"the answer has {len(replies)} replies to {commands} commands")
    return replies


def expire(attempt: Attempt) -> None:
    """End an attempt: the time of its caller is over."""
    if not attempt.done():
        attempt.set_result(FailedAttempt("its leader", AskTimeout("no reply in time")))


def fail_all(batch: list[QueuedCommand], failure: FailedAttempt) -> None:
    """End the attempt of each command of `batch` with the same failure."""
    for _, _, _, attempt in batch:
        if not attempt.done():
            attempt.set_result(failure)


def is_too_large(cause: Refused | Unsettled | BaseException | None) -> bool:
    """Return whether a node, or the transport, refused a command or batch because of its size."""
    return isinstance(cause, FrameTooLarge) or (isinstance(cause, Refused) and cause.reason == TOO_LARGE)


def outcome_of(error: BaseException) -> Outcome:
    """Return the outcome of an attempt that failed with `error`.

    Only these errors are sure that no node took it: a leader may have executed what it answered in a way that does not
    decode.
    """
    return error.outcome if isinstance(error, AskError | TransportError) else Outcome.UNKNOWN
