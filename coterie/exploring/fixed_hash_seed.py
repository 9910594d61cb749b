"""Fixed hash seed: restarts this Python process with fixed string hashes, so that a seed always gives the same run.

Python randomises string hashes per process unless PYTHONHASHSEED is set. Nothing in coterie depends on the order of a
set, but user code in a simulation may, and then one seed would give several runs.
"""

from __future__ import annotations

import os
import sys

__all__ = ["HASH_SEED_VARIABLE", "has_fixed_hash_seed", "restart_with_fixed_hash_seed"]

HASH_SEED_VARIABLE = "PYTHONHASHSEED"


def has_fixed_hash_seed() -> bool:
    """Whether the string hashes of this process follow from a given seed."""
    return os.environ.get(HASH_SEED_VARIABLE, "random") != "random"


def restart_with_fixed_hash_seed() -> None:
    """Restart this process from the start with hash seed 0; return at once if its hash seed is fixed already.

    Call it only from a main program that owns its process, before it has done anything.
    """
    if has_fixed_hash_seed():
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, HASH_SEED_VARIABLE: "0"})
