"""`CommandOutput`: prints the result of a command in the format that `-o` selects, and the error that ends it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Final

from coterie.cli.output.flag_advice import in_flags
from coterie.cli.output.json_envelope import CODE_BY_EXIT_CODE, Code, Problem, envelope, problems
from coterie.cli.output.watch_output import print_table
from coterie.terminal_output import print_error, print_json, print_text

__all__ = ["FORMATS", "JSON", "TABLE", "CommandOutput"]

TABLE: Final = "table"
JSON: Final = "json"
FORMATS: Final = (TABLE, JSON)
"""The formats of `-o`: lines for people, or one JSON envelope for programs."""


class CommandOutput:
    """Prints what one command has found. As JSON there is nothing on stdout but envelopes, one on each line.

    Args:
        command: its words after `coterie`, for example `kv get`.
        form: one of `FORMATS`.

    `cluster` is the id of the cluster, once that is known.
    """

    def __init__(self, command: str, form: str = TABLE) -> None:
        self.command = command
        self.is_json = form == JSON
        self.cluster: str | None = None

    def say(self, lines: Iterable[str]) -> None:
        """Print lines that are not the result: progress, events, a report as it grows. As JSON they go to stderr."""
        for line in lines:
            if self.is_json:
                for part in line.split("\n"):
                    print_error(part)
            else:
                print_text(line, flush=True)

    def show(
        self,
        data: object,
        lines: Iterable[str] = (),
        *,
        verdict: str | None = None,
        errors: Iterable[Problem] = (),
        is_live: bool = False,
    ) -> None:
        """Print the result: `lines`, or an envelope with the rest.

        `is_live`: others follow: see `print_table`.
        """
        if self.is_json:
            self._print_envelope(data, verdict, errors)
        elif shown := list(lines):
            print_table(shown, is_live=is_live)

    def fail(self, exit_code: int, *texts: str, code: Code | None = None) -> None:
        """Print the error that ends the command: each text in a line on stderr; as JSON an envelope instead.

        `code`: the code of the entries of the envelope; None: the one that goes with the exit code.
        """
        told = [in_flags(" ".join(text.split())) for text in texts]
        if self.is_json:
            self._print_envelope(None, None, problems(code or CODE_BY_EXIT_CODE.get(exit_code, Code.FAILED), told))
        else:
            for text in told:
                print_error(f"coterie: {text}")

    def _print_envelope(self, data: object, verdict: str | None, errors: Iterable[Problem]) -> None:
        print_json(
            envelope(
                self.command,
                release=version("coterie"),
                cluster=self.cluster,
                verdict=verdict,
                data=data,
                errors=errors,
            ),
            flush=True,
        )
