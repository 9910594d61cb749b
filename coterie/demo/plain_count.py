"""Plain count: counts the identifiers of all input files in one process, without coterie: the demo's expected result.

    python -I plain_count.py DIRECTORY    prints one JSON object: {"files": […], "skipped": […], "totals": {…}}

The cluster's totals are compared with these, so both share no code: the rules of `identifier_counts.py` and
`source_files.py` are repeated here on purpose, written differently. It exits when its standard input ends.
"""

import collections
import json
import keyword
import os
import sys
import threading
import tokenize

__all__ = ["count_directory", "count_file", "main", "source_files"]

IGNORED_DIRECTORIES = {"site-packages", "dist-packages", "__pycache__"}
FILE_BYTES_LIMIT = 500_000
DISTINCT_LIMIT = 50_000
NAME_LIMIT = 1_000


def source_files(directory: str) -> list[str]:
    """Return the `.py` files under a directory."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in IGNORED_DIRECTORIES:
                    found += source_files(entry.path)
            elif entry.name.endswith(".py") and entry.is_file():
                found.append(entry.path)
    return found


def count_file(path: str) -> "collections.Counter[str] | None":
    """Count one file; None if it counts nothing."""
    counts: collections.Counter[str] = collections.Counter()
    try:
        if os.stat(path).st_size > FILE_BYTES_LIMIT:
            return None
        with tokenize.open(path) as lines:
            for kind, text, *_ in tokenize.generate_tokens(lines.readline):
                if kind == tokenize.NAME and not keyword.iskeyword(text):
                    counts[text] += 1
    except Exception:  # noqa: BLE001 (unreadable, undecodable, untokenizable: all the same here)
        return None
    if len(counts) > DISTINCT_LIMIT or any(len(name) > NAME_LIMIT for name in counts):
        return None
    return counts


def count_directory(directory: str) -> "dict[str, object]":
    """Count all files of a directory."""
    totals: collections.Counter[str] = collections.Counter()
    files, skipped = [], []
    for path in source_files(directory):
        name = os.path.relpath(path, directory)
        files.append(name)
        counts = count_file(path)
        if counts is None:
            skipped.append(name)
        else:
            totals.update(counts)
    return {"files": sorted(files), "skipped": sorted(skipped), "totals": dict(totals)}


def exit_with_parent() -> None:
    """Exit at once when standard input ends: the parent process, which wanted the answer, is gone."""
    while os.read(0, 1024):
        pass
    os._exit(1)


def main() -> None:
    """Count the directory that the command line names."""
    threading.Thread(target=exit_with_parent, daemon=True).start()
    os.nice(5)  # the cluster has priority
    print(json.dumps(count_directory(sys.argv[1])), flush=True)


if __name__ == "__main__":
    main()
