"""`DeclaredErrors`: encodes the errors listed in a message's `raises`: they reach the asker and do not fail the actor.

    @message(raises=(NotEnough,))
    class Withdraw(Ask[int]):
        amount: int

An error crosses the wire as its class name and its values: the fields of a dataclass, or else `error.args`. The
receiver calls the class with those values, so they must be the arguments of the class, and None, bool, int (64 bits),
float, str, bytes or tuples of these. Both sides know the classes from the message: a name that it does not declare is
refused.
"""

from __future__ import annotations

import dataclasses
from typing import Final, TypeGuard

from coterie.errors import BadMessage, CoterieError, MessageTypeError
from coterie.runtime.messages.message_codecs import message_type_of
from coterie.runtime.messages.short_values import short_value
from coterie.runtime.messages.value_codecs import INT64
from coterie.runtime.observing.error_texts import error_text, type_name
from coterie.runtime.user_code import is_exit

__all__ = ["NO_ERRORS", "DeclaredErrors", "is_declared"]

_VALUES_DEPTH_MAX: Final = 8
"""How deeply tuples may be nested in the values of an error."""


def is_declared(error: BaseException, message: object) -> TypeGuard[Exception]:
    """Return True if the class of `message` declares the class of `error`, or a base of it."""
    described = message_type_of(type(message))
    return described is not None and issubclass(type(error), described.raises.classes)


class DeclaredErrors:
    """The errors that one message class declares: `classes`, for `isinstance`.

    Raises:
        MessageTypeError: one of them is not an exception class, is one of coterie's own or StopIteration, or two have
            one name.
    """

    __slots__ = ("_by_name", "classes")

    def __init__(self, message_name: str, classes: tuple[type[Exception], ...]) -> None:
        for cls in classes:
            _check(message_name, cls)
        self.classes = classes
        self._by_name = {_name(cls): cls for cls in classes}
        if len(self._by_name) < len(classes):
            raise MessageTypeError(f"message {message_name!r}: two of its declared errors have the same name")

    def encode(self, error: Exception) -> tuple[str, tuple[object, ...]]:
        """Return the name and the values with which a declared error crosses the wire.

        An instance of a subclass crosses as the declared class.

        Raises:
            BadMessage: it is not declared, or one of its values cannot cross.
        """
        cls = next((cls for cls in type(error).__mro__ if cls in self.classes), None)
        if cls is None:
            raise BadMessage(f"{type_name(error)} is not among the errors this message raises")
        values = _values(error)
        for value in values:
            if not _can_cross(value, _VALUES_DEPTH_MAX):
                raise BadMessage(f"error {_name(cls)!r}: the value {value!r:.60} cannot cross the wire")
        return _name(cls), values

    def decode(self, name: str, values: object) -> Exception:
        """Return the error with that name, made from those values.

        Raises:
            BadMessage: this message declares no such error, or the class does not accept these values.
        """
        cls = self._by_name.get(name)
        if cls is None:
            raise BadMessage(f"error {name!r} is not among the errors this message raises")
        if type(values) is not tuple:
            raise BadMessage(f"error {name!r}: expected a row of values, got {short_value(values)}")
        try:
            return cls(*values)
        except BaseException as error:  # a user's class may raise anything when its arguments are wrong
            if is_exit(error):
                raise
            text = error_text(error)
            raise BadMessage(f"error {name!r} does not accept {short_value(values)}: {text}") from error


NO_ERRORS: Final = DeclaredErrors("", ())
"""The declared errors of a message that declares none."""


def _check(message_name: str, cls: object) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Exception)):
        raise MessageTypeError(f"message {message_name!r} cannot declare {cls!r}: it is not an exception class")
    if issubclass(cls, (CoterieError, StopIteration)):
        raise MessageTypeError(f"message {message_name!r} cannot declare {cls.__name__}: declare an error of your own")


def _name(cls: type[Exception]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _values(error: Exception) -> tuple[object, ...]:
    described: object = type(error)
    if dataclasses.is_dataclass(described):
        return tuple(getattr(error, field.name) for field in dataclasses.fields(described) if field.init)
    return error.args


def _can_cross(value: object, depth: int) -> bool:
    if type(value) is str:
        return not any("\ud800" <= char <= "\udfff" for char in value)  # lone surrogates have no UTF-8
    if type(value) is int:
        return value in INT64
    if type(value) is tuple:
        return depth > 0 and all(_can_cross(part, depth - 1) for part in value)
    return value is None or type(value) in (bool, float, bytes)
