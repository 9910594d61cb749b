from __future__ import annotations

import random
from collections import Counter

import msgpack
import pytest

from coterie.actors.groups.letters.letter_identity import LetterIdentity
from coterie.actors.simulation.hostile.forged_messages import KEY_PREFIX, ForgedMessages
from coterie.actors.simulation.hostile.hostile_frames import begun_chunk, hostile_payload
from coterie.actors.simulation.hostile.hostile_rows import HostileRows
from coterie.actors.simulation.hostile.odd_values import LEARNED_MAX, OddValues
from coterie.errors import BadMessage, BrokenFrame
from coterie.protocols.faults.kinds.fault_kinds import Attack
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.sessions import CommandBatch, OpenSession, Plain, SessionCommand, decode_command
from coterie.runtime.remote import rows
from coterie.runtime.remote.rows import Row, kind_of_row
from coterie.runtime.transport.framing.chunks import ChunkAssembler
from coterie.runtime.transport.framing.items import join, unpack_items

REAL = LetterIdentity(b"i" * 16, StoreId("a" * 32), 3, 7).encode()
ROW_ATTACKS = [Attack.ROWS, Attack.MESSAGES, Attack.LETTERS, Attack.COMMANDS, Attack.REFS]


def source(seed: int) -> HostileRows:
    values = OddValues(random.Random(seed), ("n1", "n2", "hostile"), ("store", "#node"))
    return HostileRows(values, ForgedMessages(values, "hostile", {"n1": REAL}), ("store", "#node"))


def drawn(attack: Attack, count: int = 3000, seed: int = 1) -> list[Row]:
    from_seed = source(seed)
    return [row for _ in range(count) for row in from_seed.draw(attack)[1]]


def kind_or_none(row: Row) -> int | None:
    try:
        return kind_of_row(row)
    except BadMessage:
        return None


@pytest.mark.parametrize("attack", ROW_ATTACKS)
def test_rows_follow_from_the_seed_and_can_be_packed(attack: Attack) -> None:
    first, again, other = (list(map(msgpack.packb, drawn(attack, 300, seed))) for seed in (1, 1, 2))

    assert first == again != other


def test_the_rows_are_of_every_kind_and_some_of_none() -> None:
    kinds = Counter(map(kind_or_none, drawn(Attack.ROWS)))

    assert set(kinds) == {*range(rows.ROUTE_AS_CLIENT + 1), None}
    assert kinds[None] < 0.5 * kinds.total()


def test_messages_go_as_tells_asks_and_offers_to_actors_of_the_node_and_to_none() -> None:
    sent = drawn(Attack.MESSAGES)

    assert {kind_or_none(row) for row in sent} == {rows.ROUTE, rows.ASK, rows.OFFER, None}
    assert {"store", "#node"} < {row[2] for row in sent if kind_or_none(row) == rows.ROUTE}


def test_letters_bear_every_name_and_real_and_other_stores() -> None:
    values = OddValues(random.Random(1), ("n1", "n2"), ("store",))
    forged = ForgedMessages(values, "hostile", {"n1": REAL})
    letters = [forged.letter() for _ in range(2000)]

    assert {fields[0] for _, fields in letters} == {"n1", "n2", "hostile"}
    identities = {fields[1] for described, fields in letters if described.name == "raft.Letter"}
    assert REAL in identities
    assert any(LetterIdentity.decode(each).store_id != "a" * 32 for each in identities if len(each) == len(REAL))  # type: ignore[arg-type]


def commands() -> list[bytes]:
    values = OddValues(random.Random(1), ("n1",), ("store",))
    forged = ForgedMessages(values, "hostile", {})
    forged.answered(b"\x01" + b"s" * 16)
    return [fields[0] for _, fields in (forged.command() for _ in range(3000)) if isinstance(fields[0], bytes)]


def test_commands_are_of_every_kind_repeated_and_of_sessions_that_are_open() -> None:
    kinds: Counter[type | None] = Counter()
    sessions = set()
    for command in commands():
        try:
            decoded = decode_command(command)
        except ValueError:
            kinds[None] += 1
            continue
        kinds[type(decoded)] += 1
        if isinstance(decoded, SessionCommand):
            sessions.add(decoded.session)

    assert set(kinds) == {None, Plain, OpenSession, SessionCommand, CommandBatch}
    assert b"s" * 16 in sessions
    assert max(Counter(commands()).values()) > 1


def payload_keys(command: bytes) -> list[object]:
    """Return the keys in the machine's commands of an encoded command."""
    try:
        decoded = decode_command(command)
    except ValueError:
        return []
    if isinstance(decoded, CommandBatch):
        return [key for part in decoded.commands for key in payload_keys(part)]
    if isinstance(decoded, OpenSession):
        return []
    try:
        named = msgpack.unpackb(decoded.payload, use_list=False)
    except (ValueError, msgpack.UnpackException):
        return []
    return (
        [named[1][0]] if isinstance(named, tuple) and len(named) == 2 and type(named[1]) is tuple and named[1] else []
    )


def test_no_command_is_about_a_key_of_an_ordinary_client() -> None:
    keys = [key for command in commands() for key in payload_keys(command) if isinstance(key, bytes)]

    assert len(keys) > 500
    assert all(key.startswith(KEY_PREFIX) for key in keys)


def test_what_a_node_says_is_said_again_and_not_kept_without_limit() -> None:
    values = OddValues(random.Random(1), ("n1",), ("store",))
    for number in range(10_000):
        values.learn((rows.REPLY, 1, (f"store-{number}", 10**9 + number, b"incarnation")))

    assert len(values.texts) == len(values.integers) == LEARNED_MAX
    assert any(values.text().startswith("store-") for _ in range(100))


def test_payloads_decode_or_break_but_never_anything_else() -> None:
    rng, valid = random.Random(1), join([b"\x92\x10\xc0"])
    outcomes: Counter[str] = Counter()
    for _ in range(2000):
        payload = hostile_payload(rng, valid)
        if not payload.startswith(b"\xc1"):
            try:
                unpack_items(payload)
                outcomes["decoded"] += 1
            except BrokenFrame:
                outcomes["broken"] += 1
        else:
            outcomes["chunk"] += 1

    assert min(outcomes.values()) > 100
    assert len(outcomes) == 3


def test_a_begun_chunk_is_taken_and_waited_for() -> None:
    rng = random.Random(1)
    for lane_class, lanes in ((0, (0, 1)), (1, (2,))):
        assembler = ChunkAssembler(lanes, 1_000_000)
        assert assembler.take(begun_chunk(rng, lane_class)) is None
        assert assembler.held_bytes > 0
