from __future__ import annotations

import struct
import subprocess
import sys

import pytest

from coterie.protocols.balancing.hashing import stable_hash
from coterie.protocols.stable_hash import HASHES, mix, stable_hashes


@pytest.mark.parametrize(
    ("key", "digest"),
    [("", "e4a6a0577479b2b4"), ("abc", "d8bb14d833d59559"), (b"\x00\xff", "b0c72e78c8f09ce4"),
     ("Grüße", "06ab58b78490a392")],
)  # fmt: skip
def test_the_hash_is_the_digest_of_blake2b_with_8_bytes(key: str | bytes, digest: str) -> None:
    """The digests are those of `b2sum --length=64`."""
    assert stable_hash(key) == struct.unpack("<Q", bytes.fromhex(digest))[0]


def test_text_and_its_utf_8_bytes_are_the_same_key_and_any_text_has_a_hash() -> None:
    assert stable_hash("Grüße") == stable_hash("Grüße".encode())
    assert 0 <= stable_hash("\ud800") < HASHES


def test_another_process_with_another_hash_seed_has_the_same_hashes() -> None:
    program = "from coterie.protocols.balancing.hashing import stable_hash; print(stable_hash('user/17'))"
    done = [
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, timeout=60
        ).stdout
        for seed in ("1", "2")
    ]

    assert [int(it) for it in done] == [stable_hash("user/17")] * 2


def test_the_first_hashes_of_a_sequence_do_not_depend_on_its_length() -> None:
    assert stable_hashes("a", 5) == stable_hashes("a", 40)[:5]
    assert len(set(stable_hashes("a", 1000))) == 1000
    assert stable_hashes("a", 3) != stable_hashes("b", 3)


def test_numbers_are_mixed_by_the_published_function() -> None:
    """The first outputs of SplitMix64 with seed 1234567."""
    gamma = 0x9E3779B97F4A7C15
    outputs = [mix((1234567 + number * gamma) % HASHES) for number in (1, 2, 3)]

    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]
