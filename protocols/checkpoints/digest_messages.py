"""Digest messages: define the request of a leader for the digests of its group, and the report of a replica."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.checkpoints.digest_history import Digest
from coterie.protocols.replicated_log import LogIndex, Term

__all__ = ["DigestReport", "DigestRequest"]


@dataclass(frozen=True, slots=True)
class DigestRequest:
    """The leader of `term` asks for the digest at entry `index`, which is committed."""

    term: Term
    index: LogIndex


@dataclass(frozen=True, slots=True)
class DigestReport:
    """A replica's digest at entry `index`. It is sent once the entry is applied; not at all if it is no longer kept."""

    term: Term
    index: LogIndex
    digest: Digest
