"""`PlainReads`: answers a command, or batch, of queries from a state, in slices and within the limits of a batch."""

from __future__ import annotations

from collections.abc import Callable

from coterie.protocols.sessions.deduplication import BATCH_COMMANDS_MAX, BATCH_REPLY_BYTES
from coterie.protocols.sessions.length_prefixed import split_parts
from coterie.protocols.sessions.session_commands import Plain, decode_command, is_batch
from coterie.protocols.sessions.session_replies import BatchReply, Deferred, Done, Malformed, Replies, encode_reply

__all__ = ["PlainReads"]


class PlainReads:
    """The replies to an encoded `Plain` command, or to a batch of them.

    What is neither is `Malformed`. Of a batch that is too long the rest is `Deferred`, as for commands of the log.
    """

    __slots__ = ("_is_batch", "_left_bytes", "_parts", "_replies", "reply")

    def __init__(self, command: bytes) -> None:
        self._is_batch = is_batch(command)
        self._parts: list[bytes] = [command]
        self._replies: list[BatchReply] = []
        self._left_bytes = BATCH_REPLY_BYTES
        self.reply: bytes | None = None
        """The encoded reply to all of them; None: they are not all answered yet."""
        if self._is_batch:
            try:
                self._parts = split_parts(command)
            except ValueError:
                self.reply = encode_reply(Malformed())

    def advance(self, read: Callable[[bytes], bytes], is_over: Callable[[], bool]) -> int:
        """Answer the next queries by `read`, one at least, until `is_over`; return the bytes of the replies."""
        made_bytes = 0
        while self.reply is None:
            if len(self._replies) >= min(len(self._parts), BATCH_COMMANDS_MAX) or self._left_bytes < 0:
                self._finish()
                break
            if made_bytes and is_over():
                break
            reply = _read(self._parts[len(self._replies)], read)
            self._replies.append(reply)
            size = len(reply.payload) if isinstance(reply, Done) else 1
            made_bytes += size
            self._left_bytes -= size
        return made_bytes

    def _finish(self) -> None:
        if self._is_batch:
            self._replies += [Deferred()] * (len(self._parts) - len(self._replies))
            self.reply = encode_reply(Replies(self._replies))
        else:
            self.reply = encode_reply(self._replies[0])


def _read(command: bytes, read: Callable[[bytes], bytes]) -> BatchReply:
    try:
        decoded = decode_command(command)
    except ValueError:
        return Malformed()
    return Done(read(decoded.payload)) if isinstance(decoded, Plain) else Malformed()
