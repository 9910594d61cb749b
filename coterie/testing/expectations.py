"""Expectations: matches a message with an expected class, function or value, and describes both in error texts."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Final

__all__ = ["described", "listed", "matches"]

_MAX_LISTED: Final = 10


def matches(what: object, message: object) -> bool:
    """Return whether `message` matches `what`: an instance of the class, true for the function, or equal."""
    if isinstance(what, type):
        return isinstance(message, what)
    if isinstance(what, types.FunctionType):
        return bool(what(message))
    return message == what


def described(what: object) -> str:
    """Return a description of an expectation."""
    if isinstance(what, type):
        return what.__name__
    if isinstance(what, types.FunctionType):
        return f"a message for which {what.__qualname__} (line {what.__code__.co_firstlineno}) is true"
    return repr(what)


def listed(messages: Sequence[object]) -> str:
    """Return the messages as text; of more than ten, the first ten."""
    if not messages:
        return "nothing"
    shown = ", ".join(map(repr, messages[:_MAX_LISTED]))
    more = len(messages) - _MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
