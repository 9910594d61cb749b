"""Replica snapshots: say of which sections the snapshot of a replica consists, and check that they come whole.

    REPLICA head   SESSIONS …   MACHINE …   REPLICA end

The pieces of the sessions are described in `coterie.protocols.sessions.session_snapshot`, those of the machine are its
own. The format of the two others is durable (big-endian):

    head   >BBQQQ16s   format, 0, index of the last entry, that of the last command, that of the checkpoint that the
                       replica contradicts (0: none), the incarnation for the ids of sessions; then its digests, as
                       `DigestHistory` saves them
    end    >BBQQ       format, 1, how many pieces of the sessions there are, and of the machine
"""

from __future__ import annotations

import enum
import struct
from typing import Final, NamedTuple

from coterie.protocols.checkpoints import DigestHistory
from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex

__all__ = ["ReplicaFacts", "Section", "SectionOrder", "decode_head", "encode_end", "encode_head"]

_FORMAT: Final = 1
_HEAD_KIND, _END_KIND = range(2)
_HEAD: Final = struct.Struct(f">BBQQQ{INCARNATION_BYTES}s")
_END: Final = struct.Struct(">BBQQ")


class Section(enum.IntEnum):
    """To what a piece of a replica's snapshot belongs. Numbers are durable: never reuse one."""

    REPLICA = 1
    SESSIONS = 2
    MACHINE = 3


class ReplicaFacts(NamedTuple):
    """What a replica knows beside its sessions and its machine. `incarnation`: that of the sessions opened next."""

    changed_index: LogIndex
    apart_at: LogIndex | None
    digests: DigestHistory
    incarnation: bytes


def encode_head(facts: ReplicaFacts) -> bytes:
    """Encode the first piece."""
    last_index = facts.digests.last_index
    head = (_FORMAT, _HEAD_KIND, last_index, facts.changed_index, facts.apart_at or 0, facts.incarnation)
    return _HEAD.pack(*head) + facts.digests.save()


def decode_head(piece: bytes, index: LogIndex) -> ReplicaFacts:
    """Decode the first piece of a snapshot at `index`. ValueError if it is none."""
    if piece[:2] != bytes((_FORMAT, _HEAD_KIND)) or len(piece) < _HEAD.size:
        raise ValueError(f"the snapshot of a replica begins with format {_FORMAT}, this one with {piece[:2]!r}")
    _, _, last_index, changed_index, apart_at, incarnation = _HEAD.unpack_from(piece)
    digests = DigestHistory.restored(piece[_HEAD.size :])
    if not (last_index == digests.last_index == index and changed_index <= index and apart_at <= index):
        raise ValueError(
            f"the snapshot of a replica at entry {index} is of entry {last_index}, with digests up to "
            f"{digests.last_index} and the last command at {changed_index}"
        )
    return ReplicaFacts(LogIndex(changed_index), LogIndex(apart_at) if apart_at else None, digests, incarnation)


def encode_end(sessions: int, machine: int) -> bytes:
    """Encode the last piece: how many pieces of the sessions, and of the machine, came before it."""
    return _END.pack(_FORMAT, _END_KIND, sessions, machine)


class SectionOrder:
    """Checks that the pieces of a snapshot come in the order of their sections, and that none is missing."""

    def __init__(self) -> None:
        self._last: Section | None = None
        self._count_by_section = {Section.SESSIONS: 0, Section.MACHINE: 0}
        self.is_whole = False
        """Whether the last piece has come."""

    @property
    def has_begun(self) -> bool:
        """Whether the first piece has come."""
        return self._last is not None

    def take(self, section: Section, piece: bytes) -> None:
        """Note the next piece. ValueError if its section cannot come now, or pieces before it are missing."""
        if self.is_whole:
            raise ValueError(f"a piece of {section.name} comes after the end of a replica's snapshot")
        if self._last is not None and section is Section.REPLICA:
            self._check_end(piece)
            self.is_whole = True
        elif (self._last is None) is not (section is Section.REPLICA) or (self._last or section) > section:
            before = "nothing" if self._last is None else f"one of {self._last.name}"
            raise ValueError(f"a piece of {section.name} cannot come after {before} in a replica's snapshot")
        else:
            self._last = section
            if section is not Section.REPLICA:
                self._count_by_section[section] += 1

    def _check_end(self, piece: bytes) -> None:
        if len(piece) != _END.size or piece[:2] != bytes((_FORMAT, _END_KIND)):
            raise ValueError(f"the snapshot of a replica cannot end with {piece[:2]!r} and {len(piece)} bytes")
        _, _, sessions, machine = _END.unpack(piece)
        found = self._count_by_section
        if (sessions, machine) != (found[Section.SESSIONS], found[Section.MACHINE]):
            raise ValueError(
                f"the snapshot of a replica has {sessions} pieces of sessions and {machine} of the machine, "
                f"{found[Section.SESSIONS]} and {found[Section.MACHINE]} have come"
            )
