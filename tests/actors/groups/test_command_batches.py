"""Batches: as large as allowed, in order, each command with its own reply; only what is certain is called definite."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from coterie.actors.groups.command_batches import (
    BATCH_COMMANDS,
    FailedAttempt,
    QueuedCommand,
    batch_command,
    batches,
    fail_all,
    is_too_large,
    outcome_of,
    settle,
)
from coterie.actors.groups.group_messages import Answer, Refused, Unsettled
from coterie.actors.groups.routed_command import ALONE
from coterie.errors import ActorStopped, AskTimeout, BadMessage, ConnectionLost, FrameTooLarge, NodeUnreachable, Outcome
from coterie.protocols.sessions import (
    BATCH_REPLY_BYTES,
    Done,
    Replies,
    TooLarge,
    Withheld,
    encode_open_session,
    encode_plain,
    encode_reply,
    fit_reply,
)

pytestmark = pytest.mark.virtual


def queued(command: bytes, reply_bytes: int = 0) -> QueuedCommand:
    return (command, 1.0, reply_bytes, asyncio.get_running_loop().create_future())


def commands_of(found: list[list[QueuedCommand]]) -> list[list[bytes]]:
    return [[command for command, *_ in batch] for batch in found]


@pytest.mark.parametrize("seed", range(10))
async def test_no_batch_is_larger_than_allowed_and_no_command_is_lost_or_overtaken(seed: int) -> None:
    rng = random.Random(seed)
    queue = [queued(encode_plain(rng.randbytes(rng.choice((0, 5, 50, 500))))) for _ in range(rng.randrange(900))]
    max_bytes = rng.choice((1, 100, 1000, 100_000))

    found = list(batches(queue, max_bytes))

    assert [each for batch in found for each in batch] == queue
    for batch in found:
        assert len(batch) <= BATCH_COMMANDS
        assert len(batch) == 1 or len(batch_command(batch)) <= max_bytes
    for batch, following in itertools.pairwise(found):
        size = len(batch_command([*batch, following[0]]))
        assert len(batch) == BATCH_COMMANDS or size + 8 * len(batch) + 8 > max_bytes  # no batch is cut too early


async def test_openings_and_commands_that_must_be_alone_are_sent_alone() -> None:
    opening, lonely = encode_open_session(bytes(16)), encode_plain(b"lonely")
    queue = [queued(b"\x00a"), queued(opening), queued(b"\x00b"), queued(lonely, ALONE), queued(b"\x00c")]

    found = commands_of(list(batches(queue, 1000)))

    assert [opening] in found
    assert [lonely] in found
    assert [b"\x00a", b"\x00b", b"\x00c"] in found


async def test_commands_with_large_replies_are_sent_apart_from_the_others() -> None:
    queue = [queued(b"\x00a"), queued(b"\x00large", 10**6), queued(b"\x00b"), queued(b"\x00larger", 10**7)]

    found = commands_of(list(batches(queue, 1000)))

    assert found == [[b"\x00large", b"\x00larger"], [b"\x00a", b"\x00b"]]


async def test_commands_with_large_replies_share_a_batch_while_a_group_executes_all_of_it() -> None:
    queue = [queued(b"\x00%d" % at, BATCH_REPLY_BYTES // 2) for at in range(7)]

    found = list(batches(queue, 1000))

    assert [len(batch) for batch in found] == [3, 3, 1]  # the third one goes beyond the limit, and is the last


async def answered(answer: Answer | BaseException | None, commands: int) -> list[object]:
    """Return what comes of the attempts of a batch with this answer; None: the request was cancelled."""
    batch = [queued(b"\x00%d" % at) for at in range(commands)]
    request: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    if answer is None:
        request.cancel()
    elif isinstance(answer, BaseException):
        request.set_exception(answer)
    else:
        request.set_result(answer)
    settle(batch, "n1", 99, request)
    return [attempt.result() for *_, attempt in batch]


async def test_each_command_gets_its_own_reply_or_marker() -> None:
    replies = Replies([Done(b"a"), Done(bytes(50)), Done(bytes(500))])

    assert await answered(encode_reply(Done(b"x")), 1) == [Done(b"x")]
    assert await answered(fit_reply(encode_reply(replies), 60), 3) == [Done(b"a"), Withheld(51), TooLarge(501, 60)]


@pytest.mark.parametrize("answer", [Refused("not_leader", "n2"), Unsettled("stopped", None), ConnectionLost("lost")])
async def test_all_commands_of_a_batch_share_its_failure(answer: Answer | BaseException) -> None:
    assert await answered(answer, 2) == [FailedAttempt("n1", answer, 99)] * 2  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [b"", b"\xff", encode_reply(Done(b"x")), encode_reply(Replies([Done(b"x")]))])
async def test_an_answer_that_does_not_decode_ends_every_attempt_as_unknown(answer: bytes) -> None:
    for failed in await answered(answer, 2):
        assert isinstance(failed, FailedAttempt)
        assert isinstance(failed.cause, BadMessage)
        assert outcome_of(failed.cause) is Outcome.UNKNOWN


async def test_a_request_that_was_cancelled_leaves_no_caller_waiting() -> None:
    (failed,) = await answered(None, 1)

    assert isinstance(failed, FailedAttempt)
    assert isinstance(failed.cause, asyncio.CancelledError)
    assert outcome_of(failed.cause) is Outcome.UNKNOWN


async def test_callers_that_have_gone_are_left_out() -> None:
    batch = [queued(b"\x00a"), queued(b"\x00b")]
    batch[0][3].cancel()

    fail_all(batch, FailedAttempt("n1", None))

    assert batch[0][3].cancelled()
    assert batch[1][3].result() == FailedAttempt("n1", None)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NodeUnreachable("n1", "no link"), Outcome.DEFINITE),
        (FrameTooLarge("n1", size_bytes=2, limit_bytes=1), Outcome.DEFINITE),
        (ActorStopped("stopped"), Outcome.DEFINITE),
        (AskTimeout("late"), Outcome.UNKNOWN),
        (BadMessage("bad"), Outcome.UNKNOWN),
        (RuntimeError("of any kind"), Outcome.UNKNOWN),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_only_errors_that_are_sure_make_an_attempt_definite(error: BaseException, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


async def test_a_refusal_of_size_is_told_from_others() -> None:
    assert is_too_large(Refused("too_large", None, 10))
    assert is_too_large(FrameTooLarge("n1", size_bytes=2, limit_bytes=1))
    assert not any(map(is_too_large, (None, Refused("not_leader", None), Unsettled("x", None), AskTimeout("late"))))
