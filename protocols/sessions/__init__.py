"""Exactly-once execution: client sessions around any state machine (Ongaro's dissertation §6.3; Raft §8). Pure.

`deduplication.py`: `Deduplication`, executes each session command once and answers repeats with the stored reply
`length_prefixed.py`: encoding of lists of byte strings
`session_commands.py`: the commands of the session layer and their encoding in a log entry
`session_replies.py`: the replies of the session layer and their encoding
"""

from coterie.protocols.sessions.deduplication import Deduplication, Machine
from coterie.protocols.sessions.session_commands import (
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
    opens_session,
)
from coterie.protocols.sessions.session_replies import (
    Done,
    Malformed,
    Opened,
    Replies,
    Reply,
    SessionFull,
    StaleCommand,
    UnknownSession,
    decode_replies,
    decode_reply,
    encode_reply,
)

__all__ = [
    "Command",
    "CommandBatch",
    "Deduplication",
    "Done",
    "Machine",
    "Malformed",
    "OpenSession",
    "Opened",
    "Plain",
    "Replies",
    "Reply",
    "SessionCommand",
    "SessionFull",
    "SessionId",
    "StaleCommand",
    "UnknownSession",
    "decode_command",
    "decode_replies",
    "decode_reply",
    "encode_batch",
    "encode_open_session",
    "encode_plain",
    "encode_reply",
    "encode_session_command",
    "opens_session",
]
