"""Client sessions: execute each command exactly once on any state machine (Ongaro's dissertation §6.3; Raft §8).

Everything here is pure: no I/O, no clock.

`deduplication.py`: `Deduplication`, executes each session command once and answers repeats with the stored reply
`kept_sessions.py`: keeps the open sessions and their replies, within limits, and ends those that go first
`length_prefixed.py`: encodes and decodes lists of byte strings
`plain_reads.py`: `PlainReads`, answers queries from a state, in slices and within the limits of a batch
`session_commands.py`: the client commands that a log entry may contain; encodes and decodes them
`session_replies.py`: the results of session commands; encodes and decodes them, also within a limit of bytes
`session_snapshot.py`: encodes all open sessions with their kept replies in pieces, and restores them
"""

from coterie.protocols.sessions.deduplication import BATCH_REPLY_BYTES, Deduplication, Executor, Machine
from coterie.protocols.sessions.kept_sessions import KeptLimits
from coterie.protocols.sessions.plain_reads import PlainReads
from coterie.protocols.sessions.session_commands import (
    SESSION_ID_BYTES,
    Command,
    CommandBatch,
    OpenSession,
    Plain,
    SessionCommand,
    SessionId,
    decode_command,
    encode_batch,
    encode_open_session,
    encode_plain,
    encode_session_command,
    is_batch,
    machine_commands,
    opening_of,
    opens_session,
    without_commands,
)
from coterie.protocols.sessions.session_replies import (
    BatchReply,
    Deferred,
    Done,
    Malformed,
    NotActive,
    Opened,
    Replies,
    Reply,
    SentReply,
    SessionFull,
    StaleCommand,
    TooLarge,
    UnknownSession,
    Withheld,
    decode_replies,
    decode_reply,
    encode_reply,
    fit_reply,
    with_refusals,
)

__all__ = [
    "BATCH_REPLY_BYTES",
    "SESSION_ID_BYTES",
    "BatchReply",
    "Command",
    "CommandBatch",
    "Deduplication",
    "Deferred",
    "Done",
    "Executor",
    "KeptLimits",
    "Machine",
    "Malformed",
    "NotActive",
    "OpenSession",
    "Opened",
    "Plain",
    "PlainReads",
    "Replies",
    "Reply",
    "SentReply",
    "SessionCommand",
    "SessionFull",
    "SessionId",
    "StaleCommand",
    "TooLarge",
    "UnknownSession",
    "Withheld",
    "decode_command",
    "decode_replies",
    "decode_reply",
    "encode_batch",
    "encode_open_session",
    "encode_plain",
    "encode_reply",
    "encode_session_command",
    "fit_reply",
    "is_batch",
    "machine_commands",
    "opening_of",
    "opens_session",
    "with_refusals",
    "without_commands",
]
