"""`ReplicaMessage`: the messages that the actor of a replica takes."""

from __future__ import annotations

from coterie.actors.driver import Tick
from coterie.actors.groups.backups.backup_messages import ReadBackup, TakeBackup
from coterie.actors.groups.group_messages import (
    ActivateSchema,
    Execute,
    HandOver,
    ReadQueries,
    ReadStale,
    ReportCode,
    ReportStatus,
    WatchLeader,
)
from coterie.actors.groups.members.member_messages import ChangeGroupMembers, InviteStore
from coterie.actors.voter_registration import RetryRegistration
from coterie.actors.wire_names import (
    FoundersDiffer,
    RaftChunk,
    RaftPeerMessage,
    RegisterStore,
    StoreAccused,
    StoreRegistered,
)

__all__ = ["RareMessage", "ReplicaMessage"]

RareMessage = (
    ReportStatus
    | ReportCode
    | ActivateSchema
    | HandOver
    | ChangeGroupMembers
    | InviteStore
    | TakeBackup
    | ReadBackup
    | RegisterStore
    | StoreRegistered
    | FoundersDiffer
    | StoreAccused
    | RetryRegistration
)
"""The messages that are not part of every command."""

ReplicaMessage = Execute | ReadQueries | ReadStale | RaftPeerMessage | RaftChunk | WatchLeader | Tick | RareMessage
