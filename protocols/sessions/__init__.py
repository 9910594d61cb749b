"""Exactly once: sessions as a pure wrapper around any state machine (Ongaro's dissertation §6.3; Raft §8).

A client that hears nothing must ask again, and then its command may be in the log twice. So a client opens a session
(its id is the index of that entry) and numbers its commands 1, 2, 3, …; the first copy in the log is executed and its
reply kept, every other copy gets the kept reply. Commands may be in flight together and arrive in any order.

    sequence   1 … │ low_water ………………………………………………… low_water + window - 1 │ …
               stale │ executed once, reply kept │ not seen yet            │ full

With each command the client says its low-water mark: it has the replies of everything below and will not ask for it
again, so those replies are dropped. A copy that arrives below the mark is answered `StaleCommand`, one of a session
that is unknown or was evicted `UnknownSession`: an error, never a second execution.

Everything here is decided by the log alone, so all replicas decide alike.
"""

from coterie.protocols.sessions.deduplication import Machine, Sessions
from coterie.protocols.sessions.session_commands import (
    Batch,
    Command,
    OpenSession,
    Plain,
    SessionCommand,
    SessionId,
    batch,
    decode_command,
    is_opening,
    open_session,
    plain,
    session_command,
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
    "Batch",
    "Command",
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
    "Sessions",
    "StaleCommand",
    "UnknownSession",
    "batch",
    "decode_command",
    "decode_replies",
    "decode_reply",
    "encode_reply",
    "is_opening",
    "open_session",
    "plain",
    "session_command",
]
