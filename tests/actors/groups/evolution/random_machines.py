"""Random machines: draws specifications of state machines, changes them at random, and makes classes of them.

A specification is plain data, so that the "next release" of a machine is a changed copy, made into classes of its own.
"""

from __future__ import annotations

import copy
import datetime as dt
import enum
import functools
import random
import types
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Union

from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.runtime.messages.message import Ask, message

Kind = tuple[Any, ...]
"""("int",), ("coded", "Decimal"), ("enum", {name: value}), ("seq", Kind), ("set", Kind), ("tuple", [Kind]),
("map", Kind, Kind), ("union", [Kind]), ("msg", name)."""

KEYS: list[Kind] = [("int",), ("str",), ("bytes",), ("coded", "UUID")]
SCALARS = ("none", "bool", "int", "float", "str", "bytes")


@dataclass
class FieldSpec:
    name: str
    kind: Kind
    default: Tree | None = None


@dataclass
class MessageSpec:
    fields: list[FieldSpec] = field(default_factory=list)


@dataclass
class MachineSpec:
    messages: dict[str, MessageSpec] = field(default_factory=dict)  # those that come later may be in earlier ones
    commands: dict[str, tuple[bool, Kind]] = field(default_factory=dict)
    version: int = 1

    def copy(self) -> MachineSpec:
        return copy.deepcopy(self)


# --- drawing


def draw_machine(rng: random.Random) -> MachineSpec:
    spec = MachineSpec()
    parts = [f"random.Part{number}" for number in range(rng.randint(0, 3))]
    for at, name in reversed(list(enumerate(parts))):
        spec.messages[name] = MessageSpec(draw_fields(rng, spec, parts[at + 1 :], name))
    for number in range(rng.randint(1, 3)):
        add_command(rng, spec, f"random.Command{number}")
    return spec


def add_command(rng: random.Random, spec: MachineSpec, name: str) -> None:
    parts = [known for known in spec.messages if known not in spec.commands]
    spec.messages[name] = MessageSpec(draw_fields(rng, spec, parts, None))
    spec.commands[name] = (rng.random() < 0.3, draw_kind(rng, parts, depth=2))


def draw_fields(rng: random.Random, spec: MachineSpec, parts: list[str], own: str | None) -> list[FieldSpec]:
    fields = [FieldSpec(f"f{number}", draw_kind(rng, parts, depth=2)) for number in range(rng.randint(0, 4))]
    if own is not None and rng.random() < 0.4:  # a message that may hold itself
        fields.append(FieldSpec("inner", ("seq", ("msg", own)), ("seq", [])))
    for one in reversed(fields):
        if one.default is None:
            if rng.random() < 0.5:
                break
            one.default = draw_tree(rng, spec, one.kind)
    return fields


def draw_kind(rng: random.Random, parts: list[str], depth: int) -> Kind:
    choices: list[Callable[[], Kind]] = [lambda: (rng.choice(SCALARS),)] * 4
    choices += [lambda: draw_enum(rng), lambda: ("coded", rng.choice(list(CODED)))]
    if parts:
        choices += [lambda: ("msg", rng.choice(parts))] * 2
    if depth:
        deeper = depth - 1
        choices += [
            lambda: ("seq", draw_kind(rng, parts, deeper)),
            lambda: ("tuple", [draw_kind(rng, parts, deeper) for _ in range(rng.randint(1, 2))]),
            lambda: ("set", rng.choice((*KEYS, draw_enum(rng, with_flags=False)))),
            lambda: ("map", rng.choice(KEYS), draw_kind(rng, parts, deeper)),
            lambda: draw_union(rng, parts, deeper),
        ]
    return rng.choice(choices)()


def draw_enum(rng: random.Random, *, with_flags: bool = True) -> Kind:
    names = ["RED", "BLUE", "GREEN"][: rng.randint(1, 3)]
    if with_flags and rng.random() < 0.3:
        return ("flags", {name: 1 << at for at, name in enumerate(names)})
    values = rng.choice((["r", "b", "g"], [1, 2, 3], [b"r", b"b", b"g"]))
    return ("enum", dict(zip(names, values, strict=False)))


def draw_union(rng: random.Random, parts: list[str], depth: int) -> Kind:
    members: list[Kind] = [(name,) for name in rng.sample(SCALARS, rng.randint(2, 3))]
    if parts and rng.random() < 0.5:
        members += [("msg", name) for name in rng.sample(parts, rng.randint(1, len(parts)))]
    elif rng.random() < 0.3:
        members.append(rng.choice((("seq", draw_kind(rng, parts, depth)), ("set", ("int",)), ("coded", "timedelta"))))
    if rng.random() < 0.3:
        members.append(("map", ("str",), draw_kind(rng, parts, depth)))
    return ("union", members)


# --- changing


def add_something(rng: random.Random, spec: MachineSpec) -> str:
    """Change a specification by an addition; return what was done."""
    name = rng.choice(list(spec.messages))
    fields = spec.messages[name].fields
    parts = [known for known in list(spec.messages)[: list(spec.messages).index(name)] if known not in spec.commands]
    match rng.randrange(5):
        case 0:
            add_command(rng, spec, f"random.Added{len(spec.commands)}")
            return "a command"
        case 1:
            kind = draw_kind(rng, parts, depth=2)
            fields.append(FieldSpec(f"added{len(fields)}", kind, draw_tree(rng, spec, kind)))
            return f"a field of {name}"
        case 2 if fields:
            one = rng.choice(fields)
            one.kind = widened(rng, one.kind)
            return f"a wider {name}.{one.name}"
        case 3:
            at = max((at for at, one in enumerate(fields) if one.default is None), default=None)
            if at is not None:
                fields[at].default = draw_tree(rng, spec, fields[at].kind)
                return f"a default of {name}.{fields[at].name}"
    spec.version += 1
    return "a version"


def widened(rng: random.Random, kind: Kind) -> Kind:
    match kind:
        case ("enum" | "flags", members):
            values = [*members.values()]
            new = max(values) << 1 if kind[0] == "flags" else {str: "new", int: 99, bytes: b"new"}[type(values[0])]
            return (kind[0], {**members, "NEW": new})
        case ("seq" | "set", item):
            return (kind[0], widened(rng, item))
        case ("tuple", items):
            return ("tuple", [widened(rng, item) for item in items])
        case ("map", key, value):
            return ("map", key, widened(rng, value))
        case ("union", members):
            held = [member[0] for member in members]
            absent = [name for name in SCALARS if name not in held and not (name == "int" and "float" in held)]
            return ("union", [*members, (rng.choice(absent),)]) if absent else kind
        case ("msg", _) | ("none",):
            return kind
        case _:
            return ("union", [kind, ("none",)])


def break_something(rng: random.Random, spec: MachineSpec, names: list[str]) -> str | None:
    """Change one of these messages, or a command, in a way that contradicts what it was.

    Return what was done, None if nothing could be.
    """
    name = rng.choice(names)
    fields = spec.messages[name].fields
    at = rng.randrange(len(fields)) if fields else None
    match rng.randrange(7):
        case 0 if at is not None:
            return f"{name}.{fields.pop(at).name} removed"
        case 1 if at is not None:
            fields[at].name += "_renamed"
            return f"{name}.{fields[at].name}"
        case 2 if at is not None and fields[at].kind != ("bool",):
            fields[at].kind = ("bool",)
            if fields[at].default is not None:
                fields[at].default = ("bool", True)
            return f"{name}.{fields[at].name} retyped"
        case 3 if fields:
            fields.insert(0, FieldSpec("inserted", ("int",)))
            return f"{name}.inserted"
        case 4 if all(one.default is None for one in fields):
            fields.append(FieldSpec("required", ("int",)))
            return f"{name}.required"
        case 5 if len(fields) > 1 and all(one.default is None for one in fields):
            fields.append(fields.pop(0))
            return f"{name} reordered"
        case 6:
            command = rng.choice(list(spec.commands))
            is_query, reply = spec.commands[command]
            spec.commands[command] = (not is_query, reply)
            return f"{command} is a query: {not is_query}"
    return None


# --- making classes


class Release:
    """The classes of one specification."""

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        self.classes: dict[str, type] = {}
        self._enums: dict[str, type[enum.Enum]] = {}
        for name, one in spec.messages.items():
            self.classes[name] = self._message(name, one)
        union: Any = Union[tuple(self.classes[name] for name in spec.commands)]  # noqa: UP007 (made from a list)
        body = {"version": spec.version, "apply": lambda self, command: None}
        base: Any = StateMachine
        self.machine: type[StateMachine[Any]] = types.new_class(
            "Machine", (base[union],), {}, lambda scope: scope.update(body)
        )

    def _message(self, name: str, one: MessageSpec) -> type:
        short = name.rpartition(".")[2]
        annotations: dict[str, Any] = {part.name: self.annotation(part.kind, name) for part in one.fields}
        body: dict[str, Any] = {"__annotations__": annotations, "__module__": __name__}
        for part in one.fields:
            if part.default is not None:
                make = functools.partial(self.build, part.kind, part.default)
                body[part.name] = field(default_factory=make)
        bases: tuple[Any, ...] = ()
        if name in self.spec.commands:
            is_query, reply = self.spec.commands[name]
            bases = ((Query if is_query else Ask)[self.annotation(reply, name)],)
        return message(name=name)(types.new_class(short, bases, {}, lambda scope: scope.update(body)))

    def annotation(self, kind: Kind, within: str) -> Any:
        match kind:
            case ("none",):
                return None
            case ("enum" | "flags", members):
                return self._enum(kind[0], members)
            case ("seq", item):
                return tuple[self.annotation(item, within), ...]  # type: ignore[misc]
            case ("set", item):
                return frozenset[self.annotation(item, within)]  # type: ignore[misc]
            case ("coded", name):
                return type(CODED[name][0])
            case ("tuple", items):
                return tuple[tuple(self.annotation(item, within) for item in items)]  # type: ignore[misc]
            case ("map", key, value):
                return Mapping[self.annotation(key, within), self.annotation(value, within)]  # type: ignore[misc]
            case ("union", members):
                return Union[tuple(self.annotation(member, within) for member in members)]  # noqa: UP007
            case ("msg", name):
                return name.rpartition(".")[2] if name == within else self.classes[name]
            case _:
                return {"bool": bool, "int": int, "float": float, "str": str, "bytes": bytes}[kind[0]]

    def _enum(self, what: str, members: dict[str, Any]) -> type[enum.Enum]:
        key = f"{what}{sorted(members.items(), key=repr)}"
        if key not in self._enums:
            # The name of the class differs from release to release: it must not matter.
            name = f"Choice{self.spec.version}{len(self._enums)}"
            make: Any = enum.Flag if what == "flags" else enum.Enum
            self._enums[key] = make(name, members)
        return self._enums[key]

    def build(self, kind: Kind, tree: Tree) -> Any:
        """Return the value of a tree, of this kind, with the classes of this release."""
        match kind[0], tree:
            case "union", _:
                fitting = [one for one in kind[1] if one[0] == tree[0] and (one[0] != "msg" or one[1] == tree[1])]
                return self.build(fitting[0], tree)
            case "enum", (_, name):
                return self._enum("enum", kind[1])[name]
            case "flags", (_, bits):
                return self._enum("flags", kind[1])(bits)
            case "seq", (_, items):
                return tuple(self.build(kind[1], item) for item in items)
            case "set", (_, items):
                return frozenset(self.build(kind[1], item) for item in items)
            case "coded", (_, name, at):
                return CODED[name][at]
            case "tuple", (_, items):
                return tuple(self.build(*pair) for pair in zip(kind[1], items, strict=True))
            case "map", (_, pairs):
                return {self.build(kind[1], key): self.build(kind[2], value) for key, value in pairs}
            case "msg", (_, name, values):
                kinds = [one.kind for one in self.spec.messages[name].fields]
                return self.classes[name](*(self.build(*pair) for pair in zip(kinds, values, strict=False)))
            case _:
                return tree[1]


Tree = tuple[Any, ...]
"""A value without classes: ("int", 1), ("coded", "Decimal", 0), ("enum", "RED"), ("seq", [Tree]), ("set", [Tree]),
("map", [(Tree, Tree)]), ("msg", name, [Tree])."""


def draw_tree(rng: random.Random, spec: MachineSpec, kind: Kind, depth: int = 2) -> Tree:
    """Draw a value of this kind."""
    few = range(rng.randint(0, 2) if depth > 0 else 0)
    match kind:
        case ("enum", members):
            return ("enum", rng.choice(list(members)))
        case ("flags", members):
            return ("flags", sum(bit for bit in members.values() if rng.random() < 0.5))
        case ("seq" | "set", item):
            return (kind[0], [draw_tree(rng, spec, item, depth - 1) for _ in few])
        case ("coded", name):
            return ("coded", name, rng.randrange(len(CODED[name])))
        case ("tuple", items):
            return ("tuple", [draw_tree(rng, spec, item, depth - 1) for item in items])
        case ("map", key, value):
            return ("map", [(draw_tree(rng, spec, key), draw_tree(rng, spec, value, depth - 1)) for _ in few])
        case ("union", members):
            return draw_tree(rng, spec, rng.choice(members), depth)
        case ("msg", name):
            return draw_message(rng, spec, name, depth - 1)
        case _:
            return (kind[0], rng.choice(_EXAMPLES[kind[0]]))


def draw_message(rng: random.Random, spec: MachineSpec, name: str, depth: int = 2) -> Tree:
    """Draw a message; its trailing fields often have their default."""
    fields = spec.messages[name].fields
    given = rng.randint(sum(one.default is None for one in fields), len(fields))
    return ("msg", name, [draw_tree(rng, spec, one.kind, depth) for one in fields[:given]])


_EXAMPLES: dict[str, list[Any]] = {
    "none": [None],
    "bool": [True, False],
    "int": [0, 1, -(2**63), 2**64 - 1, 99],
    "float": [0.0, -0.0, 1.5, 2.0, 1e300],
    "str": ["", "r", "new", "é"],
    "bytes": [b"", b"r", b"\x00\xff"],
}

CODED: dict[str, list[Any]] = {
    "datetime": [
        dt.datetime(2026, 11, 30, tzinfo=dt.UTC),
        dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-3))),
    ],
    "date": [dt.date(2026, 11, 30), dt.date.min],
    "timedelta": [dt.timedelta(0), dt.timedelta(days=-1, microseconds=1)],
    "Decimal": [Decimal(0), Decimal("-1.50"), Decimal("1E+7")],
    "UUID": [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)],
}
"""Values of types with a codec, by the name of it."""
