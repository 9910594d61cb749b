"""JSON envelope: makes the one JSON object that `-o json` prints, the same for every command. Pure.

The fields, their order and the codes are a promise to scripts: `docs/command-line.md`.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["CODE_BY_EXIT_CODE", "Code", "Problem", "envelope", "problems"]


class Code(enum.Enum):
    """What kind of error it is. The values are printed."""

    FAILED = "failed"  # an error, or a negative answer
    UNAVAILABLE = "unavailable"  # a group cannot do its work
    WRONG_USAGE = "wrong_usage"
    VOID = "void"  # a run that proves nothing
    NOT_FOUND = "not_found"
    UNREACHABLE = "unreachable"
    DEGRADED = "degraded"
    INTERRUPTED = "interrupted"


CODE_BY_EXIT_CODE: Final[Mapping[int, Code]] = {
    1: Code.FAILED,
    2: Code.WRONG_USAGE,
    3: Code.NOT_FOUND,
    4: Code.UNREACHABLE,
    5: Code.DEGRADED,
    130: Code.INTERRUPTED,
}
"""The code of an error that ends a command, by the command's exit code."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of `errors`: its kind, and a sentence for people."""

    code: Code
    message: str


def problems(code: Code, messages: Iterable[str]) -> list[Problem]:
    """Return a problem of that kind for each message."""
    return [Problem(code, message) for message in messages]


def envelope(
    command: str,
    *,
    release: str,
    cluster: str | None,
    verdict: str | None = None,
    data: object = None,
    errors: Iterable[Problem] = (),
) -> dict[str, object]:
    """Return the envelope of a command's result; every field is there, None where there is nothing to say.

    `data` may have dataclasses, mappings, sequences, enums, bytes and exceptions, which become plain JSON: bytes their
    text, or `{"base64": …}` if they are no UTF-8; an exception, which stands for a missing answer, `{"error": text}`;
    a number that is not finite null.
    """
    return {
        "command": command or None,
        "coterie": release,
        "cluster": cluster or None,
        "verdict": verdict,
        "data": _plain(data),
        "errors": [{"code": error.code.value, "message": error.message} for error in errors],
    }


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, BaseException):
        return {"error": str(value)}
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return _text_or_base64(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text_or_base64(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode("ascii")}
