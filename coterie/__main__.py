"""Entry point of `coterie` and `python -m coterie`: runs the command line.

`python -m` has put the working directory first on the import path. It is taken off before anything else is imported.
What was imported until here may already come from there: this package itself, and the modules of the standard library
that it and the start of Python need. The command `coterie`, and `python -P -m coterie`, do not look there at all.

Only what handles Ctrl-C is imported before it is handled: the rest takes half a second.
"""

from __future__ import annotations

import sys

from coterie.interrupts import INTERRUPTED, exit_on_interrupt

__all__ = ["main"]


def main() -> int:
    """Run the command line of this process; return the exit code."""
    try:
        exit_on_interrupt()
        if __name__ == "__main__" and not sys.flags.safe_path:
            from coterie.import_order import leave_working_directory  # noqa: PLC0415 (see above)

            leave_working_directory()

        from coterie.cli import main as run  # noqa: PLC0415

        return run()
    except KeyboardInterrupt:  # before `exit_on_interrupt` has returned
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
