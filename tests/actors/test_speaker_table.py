"""The speakers of every message class of coterie: a class that is not in this table is heard from no other node."""

from __future__ import annotations

import re
from pathlib import Path

from coterie.runtime.messages.speakers import Speaker
from tests.actors.test_wire_names import all_message_types

SPEAKERS = {
    "backup.Read": Speaker.OPERATOR,
    "backup.Take": Speaker.OPERATOR,
    "detection.Letter": Speaker.MEMBER,
    "detection.PeerFailed": Speaker.NODE,
    "detection.PeerSuspected": Speaker.NODE,
    "detection.PeerTrusted": Speaker.NODE,
    "detection.ReportMembers": Speaker.OPERATOR,
    "membership.LetLeave": Speaker.OPERATOR,
    "membership.Letter": Speaker.MEMBER,
    "membership.ReportView": Speaker.OPERATOR,
    "membership.SingletonMoved": Speaker.MEMBER,
    "membership.TakeDown": Speaker.OPERATOR,
    "group.ActivateSchema": Speaker.OPERATOR,
    "group.ChangeMembers": Speaker.OPERATOR,
    "group.Execute": Speaker.CLIENT,
    "group.HandOver": Speaker.OPERATOR,
    "group.InviteStore": Speaker.MEMBER,
    "group.LeaderIs": Speaker.NODE,
    "group.Read": Speaker.CLIENT,
    "group.ReadStale": Speaker.CLIENT,
    "group.ReportCode": Speaker.OPERATOR,
    "group.ReportStatus": Speaker.OPERATOR,
    "group.WatchLeader": Speaker.CLIENT,
    "node.ReportActors": Speaker.OPERATOR,
    "node.ReportDirectory": Speaker.CLIENT,
    "node.ReportNode": Speaker.OPERATOR,
    "pool.ListWorkers": Speaker.CLIENT,
    "pool.ProbeLoad": Speaker.CLIENT,
    "pool.ReportPools": Speaker.OPERATOR,
    "raft.ChunkLetter": Speaker.MEMBER,
    "raft.Letter": Speaker.MEMBER,
    "synod.Letter": Speaker.MEMBER,
    "synod.ProposeValue": Speaker.CLIENT,
    "synod.ReadValue": Speaker.CLIENT,
    "voter.Accused": Speaker.MEMBER,
    "voter.FoundersDiffer": Speaker.MEMBER,
    "voter.Register": Speaker.MEMBER,
    "voter.Registered": Speaker.MEMBER,
}


def test_every_other_message_is_heard_from_nobody() -> None:
    declared = {described.name: described.speaker for described in all_message_types()}

    assert {name: speaker for name, speaker in declared.items() if speaker is not Speaker.NOBODY} == SPEAKERS


def test_the_page_has_the_same_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    rows = re.findall(r"`([a-z]+\.[A-Za-z]+)` \| `([A-Z]+)`", page)

    assert {name: Speaker[speaker] for name, speaker in rows} == SPEAKERS
