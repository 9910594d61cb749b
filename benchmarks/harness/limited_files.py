"""Limited files: runs a module as `python -m` does, with a lower limit of open files, as after `ulimit -n`.

python -m benchmarks.harness.limited_files 256 coterie run …
"""

from __future__ import annotations

import resource
import runpy
import sys

__all__ = ["main"]


def main() -> None:
    """Set both limits, and run the module with the remaining arguments."""
    limit, module, *arguments = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
