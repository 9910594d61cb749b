"""Entry point of `python -m coterie`: runs the command line.

Python has put the working directory first on the import path. It is taken off before anything else is imported. What
was imported until here may already come from there: this package itself, and the modules of the standard library that
it and the start of Python need. The command `coterie`, and `python -P -m coterie`, do not look there at all.
"""

from __future__ import annotations

import sys

from coterie.import_order import leave_working_directory

if __name__ == "__main__":
    if not sys.flags.safe_path:
        leave_working_directory()

    from coterie.cli import main

    sys.exit(main())
