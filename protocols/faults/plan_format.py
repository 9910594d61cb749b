"""Plan format: writes fault plans as JSON, and reads them back.

    {"format": 1, "profile": "crashes", "nodes": ["n1", "n2", "n3"], "ends_at_s": 20.0, "faults": [
        {"kind": "crash", "at_s": 1.5, "target": "n2", "role": "leader", "delay_s": 0.001, "down_s": 0.2}]}

A field with a default may be absent. Written plans have all fields, in the order of their declaration.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from typing import cast, get_args, get_origin, get_type_hints

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import KINDS, Fault
from coterie.protocols.faults.nearest_name import hint

__all__ = ["FORMAT", "decode_plan", "dump_plan", "encode_fault", "encode_plan", "load_plan"]

FORMAT = 1
PLAN_FIELDS = ("format", "profile", "nodes", "ends_at_s", "faults")
JSON_NAMES = {float: "a number", int: "a whole number", str: "a string"}


def dump_plan(plan: FaultPlan) -> str:
    """Return `plan` as JSON text: one line for each fault."""
    facts = encode_plan(plan)
    faults = ",\n  ".join(json.dumps(fault) for fault in cast("list[object]", facts.pop("faults")))
    head = json.dumps(facts)[:-1]
    return f'{head}, "faults": [\n  {faults}\n]}}\n' if faults else f'{head}, "faults": []}}\n'


def load_plan(text: str) -> FaultPlan:
    """Return the plan in `text` (JSON).

    Raises:
        PlanError: it is not a valid plan; the error names what is wrong and the nearest valid name.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise PlanError(f"the plan is not valid JSON: {error}") from error
    return decode_plan(data)


def encode_plan(plan: FaultPlan) -> dict[str, object]:
    """Return `plan` as JSON data."""
    return {
        "format": FORMAT,
        "profile": plan.profile,
        "nodes": list(plan.nodes),
        "ends_at_s": plan.ends_at_s,
        "faults": [encode_fault(fault) for fault in plan.faults],
    }


def encode_fault(fault: Fault) -> dict[str, object]:
    """Return one fault as JSON data."""
    return {"kind": fault.KIND} | {field.name: _encode(getattr(fault, field.name)) for field in fields(fault)}


def decode_plan(data: object) -> FaultPlan:
    """Return the plan in JSON data.

    Raises:
        PlanError: it is not a valid plan; the error names what is wrong and the nearest valid name.
    """
    facts = _object(data, "the plan")
    _check_names(facts, PLAN_FIELDS, ("nodes", "ends_at_s", "faults"), "the plan")
    if facts.get("format", FORMAT) != FORMAT:
        raise PlanError(f"the plan has format {facts['format']!r}, this release reads {FORMAT}")
    profile = facts.get("profile")
    faults = facts["faults"]
    if not isinstance(faults, list):
        raise PlanError(f"the plan has faults {faults!r}: it must be a list")
    return FaultPlan(
        nodes=cast("tuple[str, ...]", _decode(tuple[str, ...], facts["nodes"], "the plan has nodes")),
        faults=tuple(_decode_fault(fault, f"faults[{number}]") for number, fault in enumerate(faults)),
        ends_at_s=cast("float", _decode(float, facts["ends_at_s"], "the plan has ends_at_s")),
        profile=None if profile is None else cast("str", _decode(str, profile, "the plan has profile")),
    )


def _encode(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    return [_encode(item) for item in value] if isinstance(value, tuple) else value


def _decode_fault(data: object, place: str) -> Fault:
    facts = _object(data, place)
    name = facts.get("kind")
    if not isinstance(name, str):
        raise PlanError(f"{place} has no kind: there are {', '.join(sorted(KINDS))}")
    if name not in KINDS:
        raise PlanError(f"{place} has the unknown kind {name!r}{hint(name, sorted(KINDS))}")
    place = f"{place} ({name})"
    types, required = _fields_of(name)
    values = {key: value for key, value in facts.items() if key != "kind"}
    _check_names(values, tuple(types), required, place)
    make = cast("Callable[..., Fault]", KINDS[name])  # each field is decoded by its own type
    return make(**{key: _decode(types[key], value, f"{place} has {key}") for key, value in values.items()})


@cache
def _fields_of(name: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the type of each field of a kind, and the names of the required fields."""
    owner = KINDS[name]
    hints = get_type_hints(owner)
    types = {field.name: hints[field.name] for field in fields(owner)}
    return types, tuple(field.name for field in fields(owner) if field.default is MISSING)


def _object(data: object, place: str) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise PlanError(f"{place} is {data!r}: it must be an object")
    return data


def _check_names(given: Mapping[str, object], known: Sequence[str], required: Sequence[str], place: str) -> None:
    for name in given:
        if name not in known:
            raise PlanError(f"{place} has the unknown field {name!r}{hint(name, known)}")
    missing = [name for name in required if name not in given]
    if missing:
        raise PlanError(f"{place} lacks the field {missing[0]!r}")


def _decode(wanted: object, value: object, place: str) -> object:
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return _decode_name(wanted, value, place)
    if get_origin(wanted) is tuple:
        return _decode_items(get_args(wanted), value, place)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise PlanError(f"{place} {value!r}: it must be {JSON_NAMES[cast('type', wanted)]}")
    return value


def _decode_name(wanted: type[enum.Enum], value: object, place: str) -> enum.Enum:
    names = [member.value for member in wanted]
    if value not in names:
        raise PlanError(f"{place} {value!r}, which does not exist{hint(str(value), names)}")
    return wanted(value)


def _decode_items(wanted: tuple[object, ...], value: object, place: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise PlanError(f"{place} {value!r}: it must be a list")
    types = [wanted[0]] * len(value) if wanted[-1] is Ellipsis else list(wanted)
    if len(types) != len(value):
        raise PlanError(f"{place} {value!r}: it must have {len(types)} entries")
    return tuple(_decode(item_type, item, place) for item_type, item in zip(types, value, strict=True))
