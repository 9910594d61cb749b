"""State paths: say where in the state of a machine a value is, such as `.orders['a'][3].lines`, in a bounded text."""

from __future__ import annotations

from typing import Final

from coterie.runtime.observing.error_texts import value_text

__all__ = ["StatePath", "key_step", "path_text"]

StatePath = tuple["StatePath | None", "str | tuple[object]"]
"""The path of the value around this one, and the step from it to this one: a text; or a place or key, in a tuple."""

KEY_CHARS_MAX: Final = 40
CHARS_MAX: Final = 300

STEPS_SHOWN: Final = 8
"""Of a path with more steps the first and the last are shown, half as many of each."""


def key_step(key: object) -> str:
    """Return the text of the step to the item of a collection at a place, or under a key."""
    return f"[{value_text(key, KEY_CHARS_MAX)}]"


def path_text(path: StatePath | None) -> str:
    """Return the text of a path: its steps, without those in the middle if there are many."""
    steps = []
    while path is not None:
        path, step = path
        steps.append(step if isinstance(step, str) else key_step(*step))
    steps.reverse()
    if len(steps) > STEPS_SHOWN:
        half = STEPS_SHOWN // 2
        steps = [*steps[:half], "…", *steps[-half:], f" ({len(steps)} levels deep)"]
    text = "".join(steps)
    return text if len(text) <= CHARS_MAX else f"{text[:CHARS_MAX]}…"
