"""`KNOWN_MESSAGES`: lists the message classes of coterie, of every speaker, and the paths of the actors of a node."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Final

from coterie.actors import driver, inspection, node_report, voter_registration, wire_names
from coterie.actors.detection import detection_wire, detector_messages
from coterie.actors.detection.detector_messages import DETECTOR_PATH
from coterie.actors.groups import client_session, group_messages, key_value
from coterie.actors.groups.backups import backup_messages
from coterie.actors.groups.members import member_messages
from coterie.actors.membership import (
    membership_records,
    membership_requests,
    view_machine,
)
from coterie.actors.membership.receptionist import service_messages
from coterie.actors.membership.singleton import singleton_messages
from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.actors.paxos import synod_actor
from coterie.actors.pools import pool_actor, pool_messages, pool_reports
from coterie.actors.pools.loads import load_messages
from coterie.runtime import actor
from coterie.runtime.messages.field_types import records_in
from coterie.runtime.messages.message_codecs import MessageType, message_type_of

__all__ = ["GROUP_MESSAGES", "KNOWN_MESSAGES", "SYSTEM_PATHS"]

MODULES: Final[tuple[ModuleType, ...]] = (
    actor,
    backup_messages,
    client_session,
    detection_wire,
    detector_messages,
    driver,
    group_messages,
    inspection,
    key_value,
    load_messages,
    member_messages,
    membership_records,
    membership_requests,
    node_report,
    pool_actor,
    pool_messages,
    pool_reports,
    service_messages,
    singleton_messages,
    synod_actor,
    view_machine,
    voter_registration,
    wire_names,
)

GROUP_MODULES: Final = (
    actor,
    backup_messages,
    driver,
    group_messages,
    member_messages,
    synod_actor,
    voter_registration,
    wire_names,
)

SYSTEM_PATHS: Final = (NODE_REPORT_PATH, DETECTOR_PATH)
"""The paths of actors that nodes have beside those of their topology."""


def _declared() -> Iterator[MessageType]:
    for module in MODULES:
        for value in vars(module).values():
            if (described := message_type_of(value)) is not None:
                yield described


def _with_parts(described: MessageType, found: dict[str, MessageType]) -> None:
    """Add a class, and those of the messages that its fields and its reply may hold."""
    if described.name in found:
        return
    found[described.name] = described
    kinds = [field.type for field in described.fields] + ([described.reply_type] if described.is_ask else [])
    for kind in kinds:
        for record in records_in(kind):
            if isinstance(record, MessageType):
                _with_parts(record, found)


def _known() -> tuple[MessageType, ...]:
    found: dict[str, MessageType] = {}
    for described in _declared():
        _with_parts(described, found)
    return tuple(found[name] for name in sorted(found))


KNOWN_MESSAGES: Final = _known()
"""All of them, by name. A test compares them with the classes that the packages declare."""

GROUP_MESSAGES: Final = tuple(
    described
    for described in KNOWN_MESSAGES
    if any(described.cls is value for module in GROUP_MODULES for value in vars(module).values())
)
"""Those among which are all that a replicated group and the driver of its algorithm hear."""
