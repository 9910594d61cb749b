"""Entry point of `python -m coterie`: runs the command line.

Python has put the working directory first on the import path. It is moved before anything else is imported; what was
imported until here (this package, and the modules of the standard library that it and Python's start need) may already
come from there: `python -P -m coterie`, or the command `coterie`, do not look there at all.
"""

from __future__ import annotations

import sys

from coterie.import_order import import_working_directory_last

if __name__ == "__main__":
    if not sys.flags.safe_path:
        import_working_directory_last()

    from coterie.cli import main

    sys.exit(main())
