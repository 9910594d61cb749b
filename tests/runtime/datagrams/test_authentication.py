from __future__ import annotations

import hashlib
import hmac

import pytest

from coterie.runtime.datagrams.authentication import CODE_BYTES, DatagramAuthentication
from coterie.runtime.transport.handshake.shared_key import ClientKey, SharedKey

OLD, NEW, CLIENT = (
    b"the old key, 32 bytes of secrets",
    b"the new key, 32 bytes of secrets",
    b"a key that clients know, secret",
)
DATA = b"any data"


def test_a_code_is_half_an_hmac_with_a_key_of_its_own() -> None:
    derived = hmac.new(OLD, b"coterie.datagram.1", hashlib.sha256).digest()
    expected = hmac.new(derived, DATA, hashlib.sha256).digest()[:16]

    assert DatagramAuthentication(SharedKey(OLD)).code(DATA) == expected
    assert CODE_BYTES == 16


def test_a_code_is_accepted_with_the_same_key_and_data_only() -> None:
    ours = DatagramAuthentication(SharedKey(OLD))

    assert ours.accepts(DATA, ours.code(DATA))
    assert not ours.accepts(DATA + b"!", ours.code(DATA))
    assert not DatagramAuthentication(SharedKey(NEW)).accepts(DATA, ours.code(DATA))
    assert not DatagramAuthentication(None).accepts(DATA, ours.code(DATA))


def test_further_keys_are_accepted_and_not_used() -> None:
    first, second = (
        DatagramAuthentication(SharedKey(OLD, also=(NEW,))),
        DatagramAuthentication(SharedKey(NEW, also=(OLD,))),
    )

    assert first.code(DATA) == DatagramAuthentication(SharedKey(OLD)).code(DATA)
    assert first.accepts(DATA, second.code(DATA))
    assert second.accepts(DATA, first.code(DATA))


def test_the_keys_of_clients_are_not_accepted() -> None:
    node = DatagramAuthentication(SharedKey(OLD, clients=(ClientKey("c", CLIENT),)))

    assert not node.accepts(DATA, DatagramAuthentication(SharedKey(CLIENT)).code(DATA))
    assert not DatagramAuthentication(ClientKey("c", CLIENT)).is_keyed


@pytest.mark.parametrize("bit", range(8 * CODE_BYTES))
def test_every_bit_of_a_code_counts(bit: int) -> None:
    ours = DatagramAuthentication(SharedKey(OLD))
    code = bytearray(ours.code(DATA))
    code[bit // 8] ^= 1 << bit % 8

    assert not ours.accepts(DATA, bytes(code))


def test_without_a_key_a_code_shows_damage_only() -> None:
    one, other = DatagramAuthentication(None), DatagramAuthentication(None)

    assert not one.is_keyed
    assert other.accepts(DATA, one.code(DATA))
    assert not other.accepts(DATA + b"!", one.code(DATA))
