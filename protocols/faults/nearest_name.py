"""`hint`: suggests the nearest known name ("did you mean …") in an error about an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["hint"]


def hint(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the name in `known` nearest to `name` if one is near, else all of them."""
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f": did you mean {nearest[0]!r}?" if nearest else f": there are {', '.join(names)}"
