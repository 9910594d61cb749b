"""What a test expects of a message: whether it is so, and how it is said."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Final

__all__ = ["described", "listed", "matches"]

_MOST_LISTED: Final = 10


def matches(what: object, message: object) -> bool:
    """Whether `message` is `what`: an instance of a class, one for which a function is true, or equal."""
    if isinstance(what, type):
        return isinstance(message, what)
    if isinstance(what, types.FunctionType):
        return bool(what(message))
    return message == what


def described(what: object) -> str:
    """Return an expectation in words."""
    if isinstance(what, type):
        return what.__name__
    if isinstance(what, types.FunctionType):
        return f"a message for which {what.__qualname__} (line {what.__code__.co_firstlineno}) is true"
    return repr(what)


def listed(messages: Sequence[object]) -> str:
    """Return messages as a list in words; of many, the first."""
    if not messages:
        return "nothing"
    shown = ", ".join(map(repr, messages[:_MOST_LISTED]))
    more = len(messages) - _MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
