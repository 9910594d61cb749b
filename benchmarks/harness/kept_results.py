"""`KeptResults`: prints each result as soon as it is known, and keeps it in the JSON file, whatever happens later."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from benchmarks.harness.results import Result, show, write_json

__all__ = ["KeptResults"]


class KeptResults:
    """The results of one run of the suite so far, and what was skipped.

    `json_path`: the file that always holds all results so far; None: no file. `is_silent`: print no results.
    """

    def __init__(self, json_path: str | None = None, *, is_silent: bool = True) -> None:
        self.results: list[Result] = []
        self.skipped: list[str] = []
        self._json_path = json_path
        self._is_silent = is_silent

    def add(self, results: Iterable[Result]) -> None:
        """Keep these results; those that are kept already count once."""
        known = {id(result) for result in self.results}
        new = [result for result in results if id(result) not in known]
        self.results += new
        if not self._is_silent:
            for result in new:
                print(show(result), flush=True)
        if new and self._json_path is not None:
            write_json(self._json_path, self.results)

    def skip(self, what: str, last_words: str) -> None:
        """Note that something could not be measured, and why; it is printed now, and again at the end."""
        self.skipped.append(f"{what} is skipped: {last_words}")
        print(self.skipped[-1], file=sys.stderr, flush=True)
