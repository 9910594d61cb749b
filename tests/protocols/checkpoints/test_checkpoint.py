"""`Checkpoint`: its durable form."""

from __future__ import annotations

import pytest

from coterie.protocols.checkpoints.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from coterie.protocols.checkpoints.digest_history import Digest
from coterie.protocols.replicated_log import LogIndex

CHECKPOINT = Checkpoint(LogIndex(258), Digest(bytes(range(16))))


def test_the_durable_form_is_as_documented() -> None:
    assert encode_checkpoint(CHECKPOINT).hex() == "01" + "0000000000000102" + bytes(range(16)).hex()
    assert decode_checkpoint(encode_checkpoint(CHECKPOINT)) == CHECKPOINT


@pytest.mark.parametrize("data", [b"", b"\x02" + bytes(24), bytes(25), b"\x01" + bytes(23), b"\x01" + bytes(25)])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no checkpoint of version 1"):
        decode_checkpoint(data)
