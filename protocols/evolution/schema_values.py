r"""Schema values: writes encoded values, such as the default of a field, as canonical JSON text, and reads them.

None, bool, int, str and finite floats are JSON's own; a row is an array. The others are an object with one key:

    b"\x00k"           {"bytes": "006b"}
    float("inf")       {"float": "inf"}
    {"a": 1}           {"mapping": [["a", 1]]}

Texts are equal only if the values are indistinguishable: 1, True and 1.0 differ, and so do 0.0 and -0.0.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

__all__ = ["JSON", "json_text", "read_json", "text_of_value", "value_of_text"]

JSON = Any
"""What `json` makes of a text: None, bool, int, float, str, a list, or a dict with keys of str."""

INT64: Final = range(-(2**63), 2**64)


def text_of_value(value: object) -> str:
    """Return the canonical text of an encoded value. ValueError if a row cannot hold such a value."""
    return json_text(_to_json(value))


def value_of_text(text: str) -> object:
    """Return the encoded value of a canonical text. ValueError if it is none."""
    value = _from_json(read_json(text))
    if text_of_value(value) != text:
        raise ValueError(f"{text:.60} is not the canonical text of a value")
    return value


def json_text(value: JSON) -> str:
    """Return the canonical text of a JSON value: sorted keys, no blanks, ASCII alone."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_json(text: str) -> JSON:
    """Return the value of a JSON text. ValueError if it is none, has a key twice, or a number that is not finite."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"one of the keys {[key for key, _ in pairs]} is there twice")
    return found


def _refuse_constant(name: str) -> JSON:
    raise ValueError(f"{name} is no number of JSON")


def _to_json(value: object) -> JSON:
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is bytes:
        return {"bytes": value.hex()}
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) is tuple:
        return [_to_json(item) for item in value]
    if type(value) is dict:
        return {"mapping": [[_to_json(key), _to_json(item)] for key, item in value.items()]}
    if isinstance(value, int) and value in INT64:  # a member of an IntEnum, too
        return int(value)
    raise ValueError(f"{type(value).__name__} {value!r:.60} is no encoded value")


def _from_json(value: JSON) -> object:
    match value:
        case None | bool() | str() | float():
            return value
        case int() if value in INT64:
            return value
        case list():
            return tuple(_from_json(item) for item in value)
        case {"bytes": str(digits)} if len(value) == 1:
            return bytes.fromhex(digits)
        case {"float": "nan" | "inf" | "-inf"} if len(value) == 1:
            return float(value["float"])
        case {"mapping": list(pairs)} if len(value) == 1:
            return _mapping_of(pairs)
        case _:
            raise ValueError(f"{value!r:.60} is no encoded value")


def _mapping_of(pairs: list[JSON]) -> dict[object, object]:
    try:
        return {_from_json(key): _from_json(item) for key, item in pairs}
    except TypeError as error:
        raise ValueError(f"{pairs!r:.60} are no pairs of a key and a value") from error
