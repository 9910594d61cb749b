"""Checkpoints: find replicas whose state machines answered the same log differently.

Raft makes all replicas apply the same entries. That they compute the same from them rests on the user's code: a draw of
a random number in `apply`, or two releases that behave differently, lets replicas differ although every index looks
healthy. So each replica keeps a running digest of all that it answered. The leader asks for the digests at one index;
what a quorum agrees on is logged as a checkpoint, and each replica compares itself with it when it applies that entry,
also while it replays its log after a restart.

    leader ── DigestRequest(index) ──▶ every replica ── DigestReport(index, digest) ──▶ leader: DigestCount
                                                                                          │ a quorum agrees
    every replica: DigestHistory.at(index) == digest?  ◀── log entry: Checkpoint(index, digest)

`checkpoint.py`: `Checkpoint`, what a quorum of replicas agreed on; encodes and decodes its log entry
`checkpoint_rounds.py`: `CheckpointRounds`, decides when a leader asks for digests, and about which entry
`digest_count.py`: `DigestCount`, compares the digests that the replicas report for one index
`digest_history.py`: `DigestHistory`, the running digest of one replica, and its recent values
`digest_messages.py`: the messages with which a leader asks for digests
"""

from coterie.protocols.checkpoints.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from coterie.protocols.checkpoints.checkpoint_rounds import CheckpointRounds
from coterie.protocols.checkpoints.digest_count import DigestCount, DigestsAgree, DigestsDiffer
from coterie.protocols.checkpoints.digest_history import DIGEST_BYTES, Digest, DigestHistory
from coterie.protocols.checkpoints.digest_messages import DigestReport, DigestRequest

__all__ = [
    "DIGEST_BYTES",
    "Checkpoint",
    "CheckpointRounds",
    "Digest",
    "DigestCount",
    "DigestHistory",
    "DigestReport",
    "DigestRequest",
    "DigestsAgree",
    "DigestsDiffer",
    "decode_checkpoint",
    "encode_checkpoint",
]
