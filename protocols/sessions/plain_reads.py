"""`read_commands`: answers a command, or batch, of queries from a state, within the limits of a batch."""

from __future__ import annotations

from collections.abc import Callable

from coterie.protocols.sessions.deduplication import BATCH_COMMANDS_MAX, BATCH_REPLY_BYTES
from coterie.protocols.sessions.length_prefixed import split_parts
from coterie.protocols.sessions.session_commands import Plain, decode_command, is_batch
from coterie.protocols.sessions.session_replies import BatchReply, Deferred, Done, Malformed, Replies, encode_reply

__all__ = ["read_commands"]


def read_commands(command: bytes, read: Callable[[bytes], bytes]) -> bytes:
    """Return the encoded reply to an encoded `Plain` command, or to a batch of them, each answered by `read`.

    What is neither is `Malformed`. Of a batch that is too long the rest is `Deferred`, as for commands of the log.
    """
    if not is_batch(command):
        return encode_reply(_read(command, read))
    try:
        parts = split_parts(command)
    except ValueError:
        return encode_reply(Malformed())
    replies: list[BatchReply] = []
    left_bytes = BATCH_REPLY_BYTES
    for part in parts[:BATCH_COMMANDS_MAX]:
        reply = _read(part, read)
        replies.append(reply)
        if isinstance(reply, Done) and (left_bytes := left_bytes - len(reply.payload)) < 0:
            break
    return encode_reply(Replies(replies + [Deferred()] * (len(parts) - len(replies))))


def _read(command: bytes, read: Callable[[bytes], bytes]) -> BatchReply:
    try:
        decoded = decode_command(command)
    except ValueError:
        return Malformed()
    return Done(read(decoded.payload)) if isinstance(decoded, Plain) else Malformed()
