"""`ForgedMessages`: draws plausible letters of Raft and Synod, and commands for a replicated log.

No command changes a key that an ordinary client uses: clients may write, and their histories would not explain it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import msgpack

from coterie.actors.groups.group_messages import Execute
from coterie.actors.groups.letters.letter_identity import LetterIdentity
from coterie.actors.simulation.hostile.odd_values import OddValues
from coterie.actors.wire_names import (
    FoundersDiffer,
    RaftPeerMessage,
    RegisterStore,
    StoreAccused,
    StoreRegistered,
    SynodPeerMessage,
)
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.sessions import (
    SESSION_ID_BYTES,
    SessionId,
    encode_batch,
    encode_open_session,
    encode_plain,
    encode_session_command,
)
from coterie.runtime.messages.message import message_type
from coterie.runtime.messages.message_codecs import MessageType

__all__ = ["ForgedMessages"]

KEY_PREFIX: Final = b"\xffhostile"
LETTERS: Final = (RaftPeerMessage, RaftPeerMessage, RaftPeerMessage, SynodPeerMessage, RegisterStore, StoreAccused)
OTHER_LETTERS: Final = (StoreRegistered, FoundersDiffer)
SEQUENCES: Final = 6
NESTING: Final = 400


class ForgedMessages:
    """Draws messages that would do harm if they were believed.

    Args:
        values: draws their fields.
        own_name: under which the link is made.
        identity_by_node: what real letters of a group carry, as far as it is known.
    """

    def __init__(self, values: OddValues, own_name: str, identity_by_node: Mapping[str, bytes]) -> None:
        self._values = values
        self._rng = values.rng
        self._own_name = own_name
        self._identity_by_node = dict(identity_by_node)
        self._sessions: list[bytes] = [b"\x00" * SESSION_ID_BYTES, b"\xff" * SESSION_ID_BYTES]
        self._latest: list[bytes] = []

    def letter(self) -> tuple[MessageType, tuple[object, ...]]:
        """Draw a letter in the name of any node, or in our own; return its class and its fields."""
        described = message_type(self._rng.choice((*LETTERS, *OTHER_LETTERS)))
        drawn = dict(zip((field.name for field in described.fields), self._values.row(described), strict=True))
        sender = self._rng.choice((*self._values.names, self._own_name))
        drawn["sender"] = sender
        if "identity" in drawn:
            drawn["identity"] = self._identity(sender)
        if "store" in drawn:
            drawn["store"] = self._store()
        return described, tuple(drawn.values())

    def command(self) -> tuple[MessageType, tuple[object, ...]]:
        """Draw an `Execute`; return its class and its fields."""
        encoded = self._command()
        self._latest = [*self._latest[-20:], encoded]
        if self._rng.random() < 0.3:  # the same command again, as a copy in the network
            encoded = self._rng.choice(self._latest)
        return message_type(Execute), (encoded,)

    def answered(self, value: object) -> None:
        """Take the answer to a command: it may hold the id of a session that is open."""
        if isinstance(value, bytes) and len(value) >= SESSION_ID_BYTES:
            self._sessions = [*self._sessions[-10:], value[-SESSION_ID_BYTES:]]

    def _command(self) -> bytes:
        rng = self._rng
        match rng.randrange(9):
            case 0:
                return encode_open_session(rng.randbytes(SESSION_ID_BYTES))
            case 1 | 2 | 3:
                return self._session_command()
            case 4:
                return encode_plain(self._payload())
            case 5:
                return encode_batch([self._session_command() for _ in range(rng.randrange(6))])
            case 6:  # not allowed: a batch of openings, and of batches
                opening = encode_open_session(rng.randbytes(SESSION_ID_BYTES))
                return encode_batch([opening, encode_batch([b"", b"\x01"])])
            case 7:
                cut = bytearray(self._session_command())
                return bytes(cut[: rng.randrange(len(cut))])
            case _:
                return rng.choice((b"", b"\x04", b"\x03\xff\xff\xff\xff", b"\x00", self._values.octets()))

    def _session_command(self) -> bytes:
        session = SessionId(self._rng.choice((*self._sessions, self._rng.randbytes(SESSION_ID_BYTES))))
        sequence = self._rng.choice((0, 1, 2, self._rng.randrange(SEQUENCES), 2**63, 2**64 - 1))
        low_water = self._rng.choice((0, 1, sequence, min(sequence + 1, 2**64 - 1), 2**64 - 1))
        return encode_session_command(session, sequence, low_water, self._payload())

    def _payload(self) -> bytes:
        """Draw a command of a state machine: of the key-value store on keys of our own, or one that does not decode."""
        rng, key = self._rng, KEY_PREFIX + b"%d" % self._rng.randrange(4)
        named = (
            ("kv.Get", (key,)),
            ("kv.Put", (key, rng.randbytes(8))),
            ("kv.Put", (key, self._values.anything())),
            ("kv.Put", (key,)),
            ("kv.CompareAndSwap", (key, None, b"x", 1, 2, 3)),
            ("simulation.Append", (key, self._values.integer())),
            ("simulation.Append", (key, float("nan"))),
            ("kv.NoSuchCommand", (key,)),
            ("kv.Put", {"key": key}),
        )
        match rng.randrange(4):
            case 0:
                return self._values.octets()
            case 1:
                return b"\x92\xa6kv.Put" + b"\x91" * NESTING + b"\xc0"
            case _:
                return cast(bytes, msgpack.packb(rng.choice(named)))

    def _identity(self, sender: str) -> bytes:
        """Draw what a letter says about its origin: that of real ones, or one with another store or life."""
        real = list(self._identity_by_node.values())
        identity = self._identity_by_node.get(sender, self._rng.choice([*real, self._values.octets()]))
        if self._rng.random() < 0.5:
            return identity
        try:
            known = LetterIdentity.decode(identity)
        except ValueError:
            return identity
        counter, nonce = self._rng.choice((0, known.life_counter + 1, 2**63)), self._rng.getrandbits(32)
        return LetterIdentity(known.incarnation, StoreId(self._store()), counter, nonce, known.schema).encode()

    def _store(self) -> str:
        """Draw a store id: one that a node has told, or a new one."""
        told = [text for text in self._values.texts if len(text) == 2 * SESSION_ID_BYTES]
        return self._rng.choice((*told, self._rng.randbytes(SESSION_ID_BYTES).hex()))
