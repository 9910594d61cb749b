"""The identity of a letter: fixed bytes that read back, and nothing else that is taken for one."""

from __future__ import annotations

import pytest

from coterie.actors.groups.letters.letter_identity import LetterIdentity
from coterie.protocols.evolution.schema_text import SchemaHash
from coterie.protocols.raft.membership.membership import StoreId

IDENTITY = LetterIdentity(b"i" * 16, StoreId("ab" * 16), 3, 2**64 - 1, SchemaHash(b"s" * 16))


def test_an_identity_reads_back() -> None:
    assert LetterIdentity.decode(IDENTITY.encode()) == IDENTITY


def test_what_is_not_told_is_nought() -> None:
    identity = LetterIdentity.decode(LetterIdentity(b"i" * 16, StoreId("ab" * 16)).encode())

    assert (identity.life_counter, identity.life_nonce, identity.schema) == (0, 0, bytes(16))


def test_the_bytes_are_what_they_were() -> None:
    """Nodes of two releases exchange them."""
    expected = b"\x01" + b"i" * 16 + b"\xab" * 16 + (3).to_bytes(8, "big") + b"\xff" * 8 + b"s" * 16

    assert IDENTITY.encode() == expected


@pytest.mark.parametrize(
    "identity",
    [
        LetterIdentity(b"", StoreId("ab" * 16)),
        LetterIdentity(b"i" * 16, StoreId("ab")),
        LetterIdentity(b"i" * 16, StoreId("no hex")),
        LetterIdentity(b"i" * 16, StoreId("ab" * 16), schema=SchemaHash(b"s")),
    ],
)
def test_fields_of_another_length_are_refused(identity: LetterIdentity) -> None:
    with pytest.raises(ValueError, match=r"16 bytes each|hexadecimal"):
        identity.encode()


@pytest.mark.parametrize("data", [b"", b"\x01", IDENTITY.encode()[:-1], IDENTITY.encode() + b"x", b"\x02" + bytes(64)])
def test_bytes_of_another_length_or_version_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="a letter's identity has"):
        LetterIdentity.decode(data)
