"""The same string hashes in every run: Python draws them anew for each process, unless it is told otherwise.

Nothing in coterie leans on the order of a set, but user code in a simulation may, and then a seed would not be one run.
"""

from __future__ import annotations

import os
import sys

__all__ = ["has_fixed_hashes", "with_fixed_hashes"]

HASH_SEED = "PYTHONHASHSEED"


def has_fixed_hashes() -> bool:
    """Whether string hashes follow from a seed that was given to this process."""
    return os.environ.get(HASH_SEED, "random") != "random"


def with_fixed_hashes() -> None:
    """Begin this process again from the start with hash seed 0, unless it has a fixed one; then return at once.

    Call it only from the main program of a process of one's own, before it has done anything.
    """
    if has_fixed_hashes():
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, HASH_SEED: "0"})
