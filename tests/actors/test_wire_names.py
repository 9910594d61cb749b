"""Wire names never change, and every message of the protocols decodes to what was encoded."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import sys
from typing import Any

import msgpack
import pytest

import coterie.actors
import coterie.runtime
from coterie.actors.wire_names import (
    NAMES,
    FoundersDiffer,
    RaftChunk,
    RaftPeerMessage,
    RegisterStore,
    StoreRegistered,
    SynodPeerMessage,
)
from coterie.errors import BadMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checkpoints import DigestReport, DigestRequest
from coterie.protocols.paxos.synod_messages import (
    Accept,
    Accepted,
    Ballot,
    Nack,
    Prepare,
    Promise,
    Proposal,
    SynodMessage,
)
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    AppendEntriesReply,
    LogSuffix,
    NotAMember,
    PreVote,
    PreVoteReply,
    RaftMessage,
    ReadIndex,
    ReadIndexReply,
    ReadLog,
    RequestVote,
    RequestVoteReply,
    Round,
    TimeoutNow,
)
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import Chunk, InstallSnapshot, ReadChunk
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, LogPosition, Term
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message_type
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.value_codecs import NO_REFS

GOLDEN = {
    "backup.Chunk": "BackupChunk(data)",
    "backup.Pending": "BackupPending(index, written_bytes)",
    "backup.Read": "ReadBackup(digest, offset)",
    "backup.Ready": "BackupReady(cluster, node, incarnation, index, term, stamp_ms, size_bytes, digest)",
    "backup.Refused": "BackupRefused(reason, leader, is_gone)",
    "backup.Take": "TakeBackup(index)",
    "checkpoint.DigestReport": "DigestReport(term, index, digest)",
    "checkpoint.DigestRequest": "DigestRequest(term, index)",
    "coterie.Remind": "RetryRegistration()",
    "coterie.Terminated": "Terminated(ref, cause)",
    "coterie.Tick": "Tick()",
    "detection.Heartbeat": "Heartbeat(run, sequence)",
    "detection.Letter": "DetectorPeerMessage(sender, body)",
    "detection.MemberLine": "MemberLine(peer, state, suspicion, reason, incarnation, round_trip_s, suspected_by)",
    "detection.MembersReport": "MembersReport(node, detector, members)",
    "detection.PeerFailed": "PeerFailed(observer, peer, reason, evidence)",
    "detection.PeerSuspected": "PeerSuspected(observer, peer, reason, evidence)",
    "detection.PeerTrusted": "PeerTrusted(observer, peer, reason, evidence)",
    "detection.Probe": "Probe(number)",
    "detection.ProbeReply": "ProbeReply(number)",
    "detection.ProbeReport": "ProbeReport(number, has_replied)",
    "detection.ProbeRequest": "ProbeRequest(number, target, timeout_s)",
    "detection.ReportMembers": "ReportMembers()",
    "group.Execute": "Execute(command)",
    "group.HandOver": "HandOver(target)",
    "group.HandOverAnswer": "HandOverAnswer(is_done, reason, leader)",
    "group.LeaderIs": "LeaderIs(group, node, leader, term)",
    "group.ChangeMembers": "ChangeGroupMembers(action, node, store, address)",
    "group.InvitationRefused": "InvitationRefused(reason)",
    "group.InviteStore": "InviteStore(sender, incarnation, founders, stores)",
    "group.MembersChanged": (
        "MembersChanged(is_done, reason, leader, members, is_passing, has_changed, index, is_certain)"
    ),
    "group.StoreInvited": "StoreInvited(node, store)",
    "group.Member": "GroupMember(node, store, role, address)",
    "group.Read": "ReadQueries(command)",
    "group.ReadStale": "ReadStale(command)",
    "group.StaleAnswer": "StaleAnswer(answer, index, behind, heard_s)",
    "group.Refused": "Refused(reason, leader, max_bytes)",
    "group.ReportStatus": "ReportStatus()",
    "group.Status": (
        "GroupStatus(group, node, role, term, leader, last_index, commit_index, applied_index, store, syncs, members, "
        "quarantine, revision, version, code_version, code_schema, trouble, base_index, snapshot_index, activity, "
        "change, disk, full_for_s)"
    ),
    "group.Unsettled": "Unsettled(reason, leader)",
    "group.ActivateSchema": "ActivateSchema()",
    "group.CodeReport": "CodeReport(node, revision, recorded)",
    "group.NotActivated": "NotActivated(reason, leader, is_certain)",
    "group.ReportCode": "ReportCode()",
    "group.SchemaActivated": "SchemaActivated(revision, version, index)",
    "group.WatchLeader": "WatchLeader(watcher)",
    "kv.Batch": "AtomicBatch(expect, delete, put, increment)",
    "kv.BatchResult": "BatchResult(applied, blocked_by)",
    "kv.CompareAndSwap": "CompareAndSwap(key, expected, value)",
    "kv.Delete": "Delete(key)",
    "kv.Get": "Get(key)",
    "kv.Increment": "Increment(key, by)",
    "kv.Page": "Page(index, items, more, scan)",
    "kv.Put": "Put(key, value)",
    "kv.Scan": "Scan(prefix, limit)",
    "kv.ScanOn": "ScanOn(scan, after, limit)",
    "log.Entry": "Entry(index, term, kind, command, stamp_ms)",
    "log.Position": "LogPosition(index, term)",
    "membership.Alerts": "MemberAlerts(number, observer, accused)",
    "membership.BecomeUp": "BecomeUp(member)",
    "membership.ChangeRefused": "ChangeRefused(incarnation, reason)",
    "membership.ChangeRequest": "ChangeRequest(change, is_forwarded)",
    "membership.ChangeView": "ChangeView(changes, voters)",
    "membership.Claim": "Claim(singleton, claimant)",
    "membership.Done": "Done(note, is_change)",
    "membership.Down": "Down(member)",
    "membership.Expel": "Expel(members, decided_on)",
    "membership.Follow": "Follow(view, registry)",
    "membership.Followed": "Followed(view, registry, number, revision)",
    "membership.Granted": "Granted(epoch)",
    "membership.HeldBy": "HeldBy(holder, epoch)",
    "membership.Holder": "Holder(member, epoch)",
    "membership.Join": "Join(member, replaces)",
    "membership.Leave": "Leave(member)",
    "membership.Left": "Left(member)",
    "membership.LetLeave": "LetLeave(member)",
    "membership.Letter": "MembershipLetter(sender, body)",
    "membership.Member": "Member(name, incarnation, address, roles, labels, state, since, store)",
    "membership.MemberDown": "MemberDown(member)",
    "membership.MemberId": "MemberId(name, incarnation)",
    "membership.MemberJoined": "MemberJoined(member)",
    "membership.MemberLeaving": "MemberLeaving(member)",
    "membership.MemberRemoved": "MemberRemoved(member)",
    "membership.MemberUp": "MemberUp(member)",
    "membership.Probe": "MemberProbe(incarnation, number)",
    "membership.ProbeReply": "MemberProbeReply(incarnation, number)",
    "membership.Refused": "Refused(reason)",
    "membership.Register": "Register(service, member, path, unique)",
    "membership.Registered": "Registered(is_change)",
    "membership.Registry": "Registry(revision, holders, services)",
    "membership.Release": "Release(singleton, claimant, epoch)",
    "membership.Remove": "Remove(member)",
    "membership.ReportView": "ReportView()",
    "membership.ServiceEntry": "ServiceEntry(service, member, path, unique)",
    "membership.SingletonMoved": "SingletonMoved(sender, member, epoch, is_held)",
    "membership.TakeDown": "TakeDown(member)",
    "membership.Unregister": "Unregister(service, member, path)",
    "membership.View": "View(number, members, removed)",
    "membership.ViewChanges": "ViewChanges(view_number, outcomes)",
    "membership.ViewHint": "ViewHint(number)",
    "membership.ViewReport": (
        "ViewReport(node, incarnation, view, registry, leader, stand, lease_s, unheard, refusal, singletons)"
    ),
    "membership.ViewUpdate": "ViewUpdate(view, events)",
    "node.ActorLine": (
        "ActorLine(path, type, state, depth, high_water, handled, busy, restarts, last_error, handling, capacity, "
        "refused)"
    ),
    "node.ActorsReport": ("ActorsReport(node, at_s, lag_ms, handled, failures, dead_letters, types, actors, waits)"),
    "node.ReportActors": "ReportActors(pattern, order, limit)",
    "node.TypeLine": "TypeLine(type, actors, depth, high_water, handled, busy, restarts)",
    "node.WaitLine": "WaitLine(asker, target, message, left_s)",
    "node.Directory": "NodeDirectory(address_by_node, groups, singletons)",
    "node.ReportDirectory": "ReportDirectory()",
    "node.Report": (
        "NodeReport(node, cluster, groups, synods, pools, links, actors, balancers, nodes, ended, all_groups, serving)"
    ),
    "node.ReportNode": "ReportNode()",
    "pool.CallerReport": (
        "CallerReport(name, kind, policy, explanation, retries, retries_refused, hedges, targets_total, targets)"
    ),
    "pool.CheckSize": "_CheckSize()",
    "pool.EndHold": "_EndHold(number)",
    "pool.ListWorkers": "ListWorkers(known_version, subscriber)",
    "pool.Load": ("LoadReport(in_flight, latency_s, service_s, requests_per_s, errors_per_s, utilization, resources)"),
    "pool.NodeResources": (
        "NodeResources(cpu_used, cpu_granted, loop_used, loop_used_elsewhere, loop_lag_s, memory_used, "
        "memory_available_bytes, memory_total_bytes, mailbox_depth, actors)"
    ),
    "pool.PoolsReport": "PoolsReport(node, callers_total, callers)",
    "pool.ProbeLoad": "ProbeLoad(path)",
    "pool.Replace": "_Replace()",
    "pool.ReportPools": "ReportPools(pattern, limit)",
    "pool.Retire": "_Retire(worker)",
    "pool.TargetLine": (
        "TargetLine(target, node, state, weight, in_flight, picks, failures, wanted_share, seen_share, latency_s)"
    ),
    "pool.Workers": "Workers(refs, weight, version)",
    "raft.AppendEntries": "AppendEntries(term, round, prev_log_index, prev_log_term, leader_commit, entries)",
    "raft.AppendEntriesReply": "AppendEntriesReply(term, round, success, prev_log_index, match_index, hints, is_short)",
    "raft.Chunk": "Chunk(term, digest, offset, data)",
    "raft.ChunkLetter": "RaftChunk(sender, identity, body)",
    "raft.InstallSnapshot": "InstallSnapshot(term, round, snapshot)",
    "raft.Letter": "RaftPeerMessage(sender, identity, body)",
    "raft.LogSuffix": "LogSuffix(term, last_log_index, last_log_term, prev_log_index, prev_log_term, entries)",
    "raft.NotAMember": "NotAMember(term, index, membership)",
    "raft.PreVote": "PreVote(term, last_log_index, last_log_term)",
    "raft.PreVoteReply": "PreVoteReply(term, granted, last_log_index, last_log_term)",
    "raft.ReadChunk": "ReadChunk(term, digest, offset)",
    "raft.ReadIndex": "ReadIndex(term, number)",
    "raft.ReadIndexReply": "ReadIndexReply(term, number, index)",
    "raft.ReadLog": "ReadLog(term, last_log_index, last_log_term, hints)",
    "raft.RequestVote": "RequestVote(term, last_log_index, last_log_term, is_transfer)",
    "raft.RequestVoteReply": "RequestVoteReply(term, granted)",
    "raft.SnapshotId": "SnapshotId(position, stamp_ms, size_bytes, digest)",
    "raft.TimeoutNow": "TimeoutNow(term)",
    "service.Enter": "EnterService(service, actor, unique)",
    "service.Find": "FindService(service)",
    "service.Instance": "ServiceInstance(member, path)",
    "service.Leave": "LeaveService(service, path)",
    "service.LeaveAll": "LeaveServices()",
    "service.Listing": "ServiceListing(service, instances, is_current)",
    "service.Update": "ServiceUpdate(service, instances, added, removed)",
    "session.Identity": "Identity(session, sequence, low_water)",
    "swim.Ack": "Ack(sequence, records)",
    "swim.Gossip": "Gossip(records)",
    "swim.IndirectPing": "IndirectPing(sequence, target, timeout_s, records)",
    "swim.MemberRecord": "MemberRecord(node, incarnation, state, accuser)",
    "swim.Nack": "Nack(sequence)",
    "swim.Ping": "Ping(sequence, records)",
    "swim.StateExchange": "StateExchange(records, is_answer)",
    "synod.Accept": "Accept(ballot, value)",
    "synod.Accepted": "Accepted(ballot, value)",
    "synod.Ballot": "Ballot(round, node)",
    "synod.Letter": "SynodPeerMessage(sender, store, body)",
    "synod.Nack": "Nack(ballot, promised)",
    "synod.Prepare": "Prepare(ballot)",
    "synod.Promise": "Promise(ballot, accepted)",
    "synod.Proposal": "Proposal(ballot, value)",
    "synod.ProposeValue": "ProposeValue(value)",
    "synod.ReadValue": "ReadValue()",
    "voter.Accused": "StoreAccused(sender, store, life_counter, life_nonce)",
    "voter.FoundersDiffer": "FoundersDiffer(sender, founders)",
    "voter.Register": "RegisterStore(sender, store, founders)",
    "voter.Registered": "StoreRegistered(sender, store)",
}
"""Every message of coterie: name, class, fields in order. Add; append fields with defaults; never change the rest."""


def all_message_types() -> list[MessageType]:
    for package in (coterie.actors, coterie.runtime):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    ours = ("coterie.actors.", "coterie.protocols.", "coterie.runtime.")  # not what demos declare for themselves
    theirs = "coterie.actors.simulation."  # what simulated programs tell each other never meets another version
    names = [name for name in sorted(sys.modules) if name.startswith(ours) and not name.startswith(theirs)]
    modules = [sys.modules[name] for name in names]
    classes = {id(cls): cls for module in modules for cls in vars(module).values() if isinstance(cls, type)}
    found = [cls.__dict__["__coterie__"] for cls in classes.values() if "__coterie__" in cls.__dict__]
    return [described for described in found if isinstance(described, MessageType)]


def _spelled(cls: Any) -> str:
    fields = getattr(cls, "_fields", None) or [field.name for field in dataclasses.fields(cls)]
    return f"{cls.__name__}({', '.join(fields)})"


def test_no_name_stands_for_two_messages() -> None:
    names = [described.name for described in all_message_types()]

    assert sorted(names) == sorted(set(names))


def test_names_classes_and_fields_are_what_they_were() -> None:
    assert {described.name: _spelled(described.cls) for described in all_message_types()} == GOLDEN


def test_what_the_protocols_say_travels_on_the_consensus_lane() -> None:
    for cls in (
        *NAMES.values(),
        RaftPeerMessage,
        SynodPeerMessage,
        RegisterStore,
        StoreRegistered,
        FoundersDiffer,
    ):
        assert message_type(cls).lane is Lane.CONSENSUS
    assert message_type(RaftChunk).lane is Lane.BULK


def test_every_message_of_the_protocols_is_in_the_table() -> None:
    for union in (RaftMessage, SynodMessage):
        for cls in union.__args__:
            assert cls in NAMES.values()
    assert set(message_annotation(RaftPeerMessage)) == {
        *RaftMessage.__args__,
        DigestReport,
        DigestRequest,
    } - {Chunk}
    assert set(message_annotation(SynodPeerMessage)) == set(SynodMessage.__args__)


def message_annotation(peer_message: type[Any]) -> tuple[type, ...]:
    module = sys.modules[peer_message.__module__]
    (body,) = [field.type for field in dataclasses.fields(peer_message) if field.name == "body"]
    union: Any = eval(body, vars(module)) if isinstance(body, str) else body
    arguments: tuple[type, ...] = union.__args__
    return arguments


def entry(index: int, kind: EntryKind, command: bytes) -> Entry:
    return Entry(LogIndex(index), Term(2**63), kind, command, 2**53)


T, R, I = Term(3), Round(5), LogIndex(7)  # noqa: E741 (an index)
LOW, HIGH = Ballot(1, NodeId("n1")), Ballot(2**62, NodeId("nœud"))

RAFT: list[RaftMessage] = [
    AppendEntries(T, R, I, T, I, ()),
    AppendEntries(T, R, I, T, I, (entry(8, EntryKind.NOOP, b""), entry(9, EntryKind.COMMAND, b"\x00\xff" * 500))),
    AppendEntriesReply(T, R, True, I, I),
    AppendEntriesReply(T, R, True, I, I, is_short=True),
    AppendEntriesReply(T, R, False, I, hints=((I, T), (LogIndex(0), Term(0)))),
    RequestVote(T, I, T),
    RequestVoteReply(T, False),
    PreVote(T, I, T),
    PreVoteReply(T, True),
    PreVoteReply(T, False, I, T),
    ReadLog(T, I, T, ((I, T), (LogIndex(0), Term(0)))),
    LogSuffix(T, I, T, I, T, (entry(8, EntryKind.NOOP, b""), entry(9, EntryKind.COMMAND, b"\x00\xff" * 500))),
    ReadIndex(T, 2**62 - 1),
    ReadIndexReply(T, 0),
    ReadIndexReply(T, 1, I),
    RequestVote(T, I, T, is_transfer=True),
    TimeoutNow(T),
    NotAMember(T, LogIndex(7), b"members"),
    InstallSnapshot(T, 5, SnapshotId(LogPosition(I, T), 2**53, 2**40, bytes(range(32)))),
    ReadChunk(T, bytes(32), 2**40),
    Chunk(T, bytes(32), 0, bytes(1000)),
]
SYNOD: list[SynodMessage] = [
    Prepare(HIGH),
    Promise(HIGH, None),
    Promise(HIGH, Proposal(LOW, b"value")),
    Accept(HIGH, b""),
    Accepted(HIGH, b"value"),
    Nack(LOW, HIGH),
]
PEER_MESSAGES = [RaftPeerMessage("n1", b"identity", body) for body in RAFT if not isinstance(body, Chunk)] + [
    *(RaftChunk("n1", b"identity", body) for body in RAFT if isinstance(body, Chunk)),
    *(SynodPeerMessage("n1", "ab" * 16, body) for body in SYNOD),
]


def test_the_samples_have_every_kind_of_message() -> None:
    assert {type(body) for body in (*RAFT, *SYNOD)} == {*RaftMessage.__args__, *SynodMessage.__args__}


@pytest.mark.parametrize("peer_message", PEER_MESSAGES, ids=lambda peer_message: type(peer_message.body).__name__)
def test_a_peer_message_comes_back_from_messagepack_as_it_left(
    peer_message: RaftPeerMessage | RaftChunk | SynodPeerMessage,
) -> None:
    described = message_type(type(peer_message))

    row = msgpack.unpackb(msgpack.packb(described.encode(peer_message)), use_list=False, strict_map_key=False)
    again = described.decode(row, NO_REFS)

    assert again == peer_message
    assert isinstance(again, RaftPeerMessage | RaftChunk | SynodPeerMessage)
    assert type(again.body) is type(peer_message.body)
    if isinstance(again.body, AppendEntries):
        assert all(type(each) is Entry and type(each.kind) is EntryKind for each in again.body.entries)


@pytest.mark.parametrize(
    "row",
    [
        ("n1", b"s", None),
        ("n1", b"s", ()),
        ("n1", b"s", ("raft.PreVote", (1, 2))),
        ("n1", b"s", ("raft.PreVote", (1, 2, "3"))),
        ("n1", b"s", ("synod.Prepare", ((1, "n1"),))),  # of another protocol
        ("n1", b"s", ("kv.Get", (b"k",))),
        ("n1", b"s", ("raft.AppendEntries", (1, 1, 0, 0, 0, ((1, 1, 7, b""),)))),  # no such kind of entry
        (None, b"s", ("raft.PreVote", (1, 2, 3))),
        (),
    ],
)
def test_a_malformed_peer_message_is_a_bad_message(row: object) -> None:
    with pytest.raises(BadMessage):
        message_type(RaftPeerMessage).decode(row, NO_REFS)
