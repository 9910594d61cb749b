"""Random machines and their next releases: what `compare` allows never changes what the log means.

Two releases that share a log must make the same values of the same bytes, or refuse them in the same words, as long as
they decode under the same schema. That is tested with commands of both releases and with damaged ones.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator
from typing import Any, cast

import msgpack
import pytest

from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.evolution.recorded_commands import RecordedCommands
from coterie.actors.groups.state_machine import commands_of
from coterie.errors import BadMessage, MessageTypeError
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_comparison import Verdict, compare
from coterie.runtime.messages.message import message_type
from tests.actors.groups.evolution.random_machines import (
    MachineSpec,
    Release,
    add_something,
    break_something,
    draw_machine,
    draw_message,
    draw_tree,
)

SEEDS = range(60)


def random_release(rng: random.Random) -> Release:
    while True:
        try:
            return Release(draw_machine(rng))
        except MessageTypeError:  # a union that is ambiguous on the wire
            continue


def next_release(rng: random.Random, release: Release, *, changes: int) -> Release:
    """Return a release that adds to `release`. Its version is higher, so that the names of its enums differ, too."""
    while True:
        spec = release.spec.copy()
        spec.version += 1
        for _ in range(changes):
            add_something(rng, spec)
        try:
            made = Release(spec)
            machine_schema(made.machine)
        except (MessageTypeError, LookupError):  # a default of a type that was broken before
            continue
        return made


def plain(value: Any) -> Any:
    """A value without its classes, so that values of two releases can be compared, type by type."""
    if isinstance(value, enum.Flag):
        return ("flags", value.value)
    if isinstance(value, enum.Enum):
        return ("enum", value.value)
    if isinstance(value, frozenset):
        return sorted(map(plain, value), key=repr)
    if isinstance(value, dict):
        return [(plain(key), plain(item)) for key, item in value.items()]
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__coterie__"):
        described = message_type(type(value))
        return (described.name, {part.name: plain(getattr(value, part.name)) for part in described.fields})
    return (type(value).__name__, repr(value))


def is_within(old: Any, new: Any) -> bool:
    """Return True if `new` is `old`, with nothing but further fields of messages."""
    match old, new:
        case (str() as name, dict() as fields), (str() as other, dict() as more):
            return name == other and all(is_within(fields[key], more.get(key)) for key in fields)
        case list(), list():
            return len(old) == len(new) and all(map(is_within, old, new))
        case tuple(), tuple() if len(old) == len(new) == 2 and not isinstance(old[0], str):
            return is_within(old[0], new[0]) and is_within(old[1], new[1])
        case _:
            return bool(old == new)


def outcome(commands: RecordedCommands, payload: bytes) -> Any:
    try:
        return plain(commands.decode(payload)[1])
    except BadMessage as error:
        return str(error)


def encoded(command: Any) -> bytes:
    described = message_type(type(command))
    return cast("bytes", msgpack.packb((described.name, described.trimmed.encode(command))))


def drawn(rng: random.Random, release: Release, name: str) -> Any:
    return release.build(("msg", name), draw_message(rng, release.spec, name))


def damaged(rng: random.Random, payload: bytes) -> bytes:
    """Return a command with something in it replaced, added or left out."""
    name, row = msgpack.unpackb(payload, use_list=True, strict_map_key=False)
    at: Any = row
    while True:
        inner = [item for item in (at.values() if isinstance(at, dict) else at) if isinstance(item, list | dict)]
        if not inner or rng.random() < 0.4:
            break
        at = rng.choice(inner)
    junk: Any = rng.choice([None, True, 0, 7, 1 << 20, -1, 1.5, "x", "new", b"new", [], [1], {"a": 1}])
    if isinstance(at, dict):
        at[rng.choice(["a", 1, b"b"])] = junk
    elif not at or rng.random() < 0.3:
        at.append(junk)
    elif rng.random() < 0.3:
        at.pop()
    else:
        at[rng.randrange(len(at))] = junk
    return cast("bytes", msgpack.packb((name, row)))


def commands_in(rng: random.Random, release: Release) -> Iterator[bytes]:
    for name in release.spec.commands:
        for _ in range(6):
            payload = encoded(drawn(rng, release, name))
            yield payload
            yield damaged(rng, payload)


def recorded(schema: Schema, release: Release) -> RecordedCommands:
    return RecordedCommands(schema, commands_of(release.machine))


@pytest.mark.parametrize("seed", SEEDS)
def test_two_releases_make_the_same_of_every_command_under_the_older_schema(seed: int) -> None:
    rng = random.Random(seed)
    old = random_release(rng)
    new = next_release(rng, old, changes=rng.randint(0, 4))
    schema = machine_schema(old.machine)
    assert compare(schema, machine_schema(new.machine)).verdict is Verdict.NEWER
    by_old, by_new = recorded(schema, old), recorded(schema, new)

    for payload in [*commands_in(rng, old), *commands_in(rng, new)]:
        one, other = outcome(by_old, payload), outcome(by_new, payload)
        assert is_within(one, other), (payload, one, other)
        assert by_old.refusal(payload) == by_new.refusal(payload)
        if by_old.refusal(payload) is not None:
            assert isinstance(one, str)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_older_schema_allows_means_the_same_under_the_newer_one(seed: int) -> None:
    rng = random.Random(seed)
    old = random_release(rng)
    new = next_release(rng, old, changes=rng.randint(0, 4))
    before, after = recorded(machine_schema(old.machine), old), recorded(machine_schema(new.machine), new)

    for payload in commands_in(rng, old):
        one = outcome(before, payload)
        if not isinstance(one, str):
            assert is_within(one, outcome(after, payload)), payload


@pytest.mark.parametrize("seed", SEEDS)
def test_commands_survive_the_journey_under_the_schema_of_their_own_code(seed: int) -> None:
    rng = random.Random(seed)
    release = random_release(rng)
    commands = recorded(machine_schema(release.machine), release)

    for name in release.spec.commands:
        command = drawn(rng, release, name)
        assert commands.refusal(encoded(command)) is None
        assert plain(commands.decode(encoded(command))[1]) == plain(command)


@pytest.mark.parametrize("seed", SEEDS)
def test_replies_of_the_newer_code_are_those_of_the_older_one_under_the_older_schema(seed: int) -> None:
    rng = random.Random(seed)
    old = random_release(rng)
    new = next_release(rng, old, changes=rng.randint(0, 4))
    schema = machine_schema(old.machine)
    by_old, by_new = recorded(schema, old), recorded(schema, new)

    for name, (_, kind) in old.spec.commands.items():
        tree = draw_tree(rng, old.spec, kind)
        one = by_old.command(name).reply.encode(old.build(kind, tree))
        other = by_new.command(name).reply.encode(new.build(new.spec.commands[name][1], tree))
        assert msgpack.packb(one) == msgpack.packb(other)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_breaks_a_machine_is_found_whatever_is_added_beside_it(seed: int) -> None:
    rng = random.Random(seed)
    old = random_release(rng)
    spec, what = broken(rng, old.spec)
    if what is None:
        return
    new = next_release(rng, Release(spec), changes=rng.randint(0, 2))

    found = compare(machine_schema(old.machine), machine_schema(new.machine))

    assert found.verdict is Verdict.CONTRADICTS, what
    assert found.contradictions


def broken(rng: random.Random, spec: MachineSpec) -> tuple[MachineSpec, str | None]:
    used = list(machine_schema(Release(spec).machine).messages)
    for _ in range(20):
        changed = spec.copy()
        what = break_something(rng, changed, used)
        try:
            if what is not None:
                machine_schema(Release(changed).machine)
                return changed, what
        except (MessageTypeError, TypeError, LookupError):  # such a class cannot be made
            continue
    return spec, None


@pytest.mark.parametrize("seed", SEEDS)
def test_any_two_machines_that_are_in_order_share_their_log(seed: int) -> None:
    rng = random.Random(seed)
    old = random_release(rng)
    spec, _ = broken(rng, old.spec) if rng.random() < 0.7 else (old.spec, None)
    new = Release(spec)
    schema = machine_schema(old.machine)

    if compare(schema, machine_schema(new.machine)).verdict in (Verdict.SAME, Verdict.NEWER):
        by_old, by_new = recorded(schema, old), recorded(schema, new)
        for payload in [*commands_in(rng, old), *commands_in(rng, new)]:
            assert is_within(outcome(by_old, payload), outcome(by_new, payload))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_text_of_a_schema_holds_all_of_it(seed: int) -> None:
    rng = random.Random(seed)
    old = random_release(rng)
    new = next_release(rng, old, changes=rng.randint(0, 4))

    one, other = (Revision(1, machine_schema(release.machine)) for release in (old, new))

    assert Revision.decode(one.encode()) == one
    assert (one.encode() == other.encode()) == (one == other)
    assert one.encode() == Revision(1, machine_schema(Release(old.spec.copy()).machine)).encode()
