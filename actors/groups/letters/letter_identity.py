"""`LetterIdentity`: says for which group and from which store a Raft letter comes; encodes this into fixed bytes.

    version (1 byte), incarnation (16), store id (16), counter and nonce of the store's life (8 + 8), schema (16)

The bytes of one sender change only when it starts anew, so a receiver decodes them once and compares them afterwards.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from coterie.protocols.evolution.schema_text import NO_HASH, SchemaHash
from coterie.protocols.raft.membership.membership import StoreId

__all__ = ["LetterIdentity"]

VERSION: Final = 1
_FIELDS = struct.Struct(">B16s16sQQ16s")


@dataclass(frozen=True, slots=True)
class LetterIdentity:
    """The origin of a letter.

    Attributes:
        incarnation: of the group: 16 bytes.
        store_id: of the sender's store: 32 hex digits.
        life_counter: how often the sender's store was opened; 0: not told.
        life_nonce: a random number of that life (64 bits); 0: not told.
        schema: the hash of the schema that the sender's code speaks: 16 bytes; zeros: not told.
    """

    incarnation: bytes
    store_id: StoreId
    life_counter: int = 0
    life_nonce: int = 0
    schema: SchemaHash = NO_HASH

    def encode(self) -> bytes:
        """Return the bytes for the letter. ValueError if a field has another length."""
        store = bytes.fromhex(self.store_id)
        if (len(self.incarnation), len(store), len(self.schema)) != (16, 16, 16):
            raise ValueError(f"incarnation, store id and schema must have 16 bytes each: {self}")
        return _FIELDS.pack(VERSION, self.incarnation, store, self.life_counter, self.life_nonce, self.schema)

    @classmethod
    def decode(cls, data: bytes) -> LetterIdentity:
        """Return what `encode` made `data` of. ValueError if it has another version or length."""
        if len(data) != _FIELDS.size or data[0] != VERSION:
            raise ValueError(f"a letter's identity has {len(data)} bytes and version {data[:1].hex() or 'none'}")
        _, incarnation, store, counter, nonce, schema = _FIELDS.unpack(data)
        return cls(incarnation, StoreId(store.hex()), counter, nonce, SchemaHash(schema))
