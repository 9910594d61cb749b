"""Error texts: returns a bounded text of any exception or value, also of one whose own text cannot be had, or is huge.

`str(error)` runs the code of its class, which may raise anything, return no string, or return a gigabyte. What reports
an error must not fail because of it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Final

from coterie.runtime.observing.printable_text import printable

__all__ = [
    "CHARS_MAX",
    "error_line",
    "error_text",
    "loggable",
    "plain_text",
    "traceback_text",
    "type_name",
    "value_text",
]

CHARS_MAX: Final = 1000
"""The most characters of one text, unless a caller gives another limit."""

FACT_CHARS_MAX: Final = 4000
"""The most characters of one fact in a log line: a peer may choose how long a text is."""

INDENT: Final = "  "
"""Stands before each line of a traceback in a log."""

NAME_CHARS_MAX: Final = 200
CHAIN_MAX: Final = 100

_TRACEBACK: Final[Callable[[BaseException], TracebackType | None]] = BaseException.__dict__["__traceback__"].__get__
"""`error.__traceback__`, whatever the class of the error does when an attribute is read."""


class _ErrorWithoutText(Exception):
    """Stands in a log for an exception that has no text of bounded size."""


def error_text(error: BaseException, chars_max: int = CHARS_MAX) -> str:
    """Return the text of `error`, cut to `chars_max`; a note in its place if `str(error)` raises. Never raises."""
    try:
        return _cut(str(error), chars_max)
    except BaseException as fault:  # noqa: BLE001 (whatever it is: the text is only a report)
        return f"(its text cannot be had: {type_name(fault)})"


def error_line(error: BaseException, chars_max: int = CHARS_MAX) -> str:
    """Return the class and the text of `error`, as `error_text` does."""
    return f"{type_name(error)}: {error_text(error, chars_max)}"


def plain_text(value: object, chars_max: int = FACT_CHARS_MAX) -> str:
    """Return the text of any value as `error_text` returns that of an exception."""
    try:
        return _cut(str(value), chars_max)
    except BaseException as fault:  # noqa: BLE001 (as above)
        return f"({type_name(value)}: its text cannot be had: {type_name(fault)})"


def value_text(value: object, chars_max: int = CHARS_MAX) -> str:
    """Return the `repr` of `value`, cut to `chars_max`; a note in its place if `repr` raises. Never raises."""
    try:
        return _cut(repr(value), chars_max)
    except BaseException as fault:  # noqa: BLE001 (as above)
        return f"({type_name(value)}: its text cannot be had: {type_name(fault)})"


def type_name(value: object) -> str:
    """Return the name of the class of `value`, cut to 200 characters. Never raises, whatever the metaclass does."""
    return _cut(type.__dict__["__name__"].__get__(type(value)), NAME_CHARS_MAX)


def loggable(error: BaseException) -> BaseException:
    """Return what to log as `exc_info`: `error` itself, or a stand-in with the same traceback.

    The stand-in is for an error whose traceback, with those of its causes and of the errors of a group, would have a
    text that cannot be had, or is too long; and for one whose class has code of its own where `logging` and `traceback`
    look: an exception with `__len__` is asked whether it is true.
    """
    try:
        is_short = _is_short(error)
    except BaseException:  # noqa: BLE001 (whatever its attributes do)
        is_short = False
    if is_short:
        return error
    text = f"{type_name(error)}: {error_text(error)}"
    return _ErrorWithoutText(text).with_traceback(_TRACEBACK(error))


def traceback_text(error: BaseException) -> str:
    """Return the traceback of `error` with its causes, of bounded length, for a log. Never raises.

    Its lines are indented: the text of an error may have line breaks, and no line after one looks like a log record.
    All else that is not visible is escaped.
    """
    lines = "".join(traceback.format_exception(loggable(error))).rstrip("\n").split("\n")
    return "\n".join(f"{INDENT}{printable(line)}" for line in lines)


def _is_short(error: BaseException) -> bool:
    chain = [error]
    for each in chain:
        if len(chain) > CHAIN_MAX or _has_own_code(each) or not _has_short_text(each):
            return False
        chain += [other for other in _related(each) if all(other is not known for known in chain)]
    return True


_MRO: Final = type.__dict__["__mro__"].__get__
_NAMESPACE: Final = type.__dict__["__dict__"].__get__

_LOOKED_AT: Final = frozenset(
    ("__bool__", "__len__", "__getattribute__", "__getattr__", "__class__", "__traceback__", "__cause__")
    + ("__context__", "__suppress_context__", "__notes__", "__module__", "exceptions")
)
"""What a logger reads of an exception, or calls."""

_PLAIN: Final = (str, tuple, type(None))


def _has_own_code(error: BaseException) -> bool:
    """Return whether a class of this exception, below those of Python, defines what a logger looks at."""
    for cls in _MRO(type(error)):
        if cls.__module__ == "builtins":
            return False
        namespace = _NAMESPACE(cls)
        if any(name in namespace and not isinstance(namespace[name], _PLAIN) for name in _LOOKED_AT):
            return True
    return False


def _related(error: BaseException) -> list[BaseException]:
    """Return the exceptions that a traceback of `error` shows, too."""
    related = [other for other in (error.__cause__, error.__context__) if other is not None]
    return [*related, *error.exceptions] if isinstance(error, BaseExceptionGroup) else related


def _has_short_text(error: BaseException) -> bool:
    try:
        return len(str(error)) + len(str(getattr(error, "__notes__", ""))) <= CHARS_MAX
    except BaseException:  # noqa: BLE001 (as above)
        return False


def _cut(text: str, chars_max: int) -> str:
    """Return `text` as a plain string (a subclass may have methods of its own) of at most `chars_max` characters.

    Of a longer one the beginning and the end: errors that were passed on name their cause at the end.
    """
    exact = str.__str__(text)
    if len(exact) <= chars_max:
        return exact
    tail = (chars_max - 1) // 2
    return f"{exact[: chars_max - 1 - tail]}…{exact[len(exact) - tail :]}"
