"""Policy text: formats the settings of policies and measures as their user writes them, for reports and diagrams."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

__all__ = ["policy_text"]


def policy_text(settings: object) -> str:
    """Return settings as a call with the arguments that differ from the defaults: `PowerOfTwoChoices(PeakEwma())`.

    A leading argument that is itself a policy or a measure is positional. Objects that are no dataclasses are `repr`s;
    those without a `repr` of their own, and functions, are names: an address in memory tells the reader nothing.
    """
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        return f"{type(settings).__name__}({', '.join(_arguments(settings))})"
    if type(settings).__repr__ is object.__repr__:
        return f"{type(settings).__name__}()"
    name = getattr(settings, "__qualname__", None) if callable(settings) else None
    return repr(settings) if name is None else str(name)


def _arguments(settings: object) -> Iterator[str]:
    is_leading = True
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]  # the caller has checked that it is one
        if not field.init or not field.repr:
            continue
        value = getattr(settings, field.name)
        if value == _default(field):
            is_leading = False
            continue
        is_leading = is_leading and not field.kw_only and dataclasses.is_dataclass(value)
        yield policy_text(value) if is_leading else f"{field.name}={policy_text(value)}"


def _default(field: dataclasses.Field[object]) -> object:
    """Return a field's default; `MISSING`, which equals no value, if it has none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
