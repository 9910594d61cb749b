"""`ApplyFailures`: logs the exceptions that come out of a state machine's `apply` or `read`, each kind once in full.

An exception is the outcome of its command, and the same on every replica, so a client that repeats a failing command
makes every node log. The first failure of each (error type, command) is logged with its traceback; of the others the
2nd, 4th, 8th, … with the count. Failures of entries that were in the log when this life of the node began were logged
when they were first applied: they become one line. What stops the node (`LOCAL_CONDITIONS`) is logged each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from coterie.actors.groups.replicas.typed_machine import Failed, ReportFailure, is_local
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import Machine
from coterie.runtime.actor import Context
from coterie.runtime.observing.error_texts import error_text, loggable, type_name, value_text

__all__ = ["ApplyFailures"]

KINDS_MAX: Final = 256
"""So many pairs of error type and command are told apart; all others count as one."""

STOP_ADVICE: Final = (
    "the entry does not count as applied: this node applies it again at its next start. If `apply` raises this itself, "
    "every node stops at this entry: start code whose `apply` does not, which may run on this log"
)

_EVENTS: Final = {
    Failed.APPLY: ("group.apply_failed", "group.apply_failed_again"),
    Failed.READ: ("group.read_failed", "group.read_failed_again"),
    Failed.DECODE: ("group.decode_failed", "group.decode_failed_again"),
}

OTHERS: Final = ("other errors", "other commands")


class ApplyFailures:
    """The failures of one life of a replica.

    Args:
        context: of the actor in whose log they are told.
        machine: reports its failures here, if it can (`TypedMachine.report_failures_to`).
        replayed_to: the last entry that was in the log when this life began.
    """

    def __init__(self, context: Context, machine: Machine, replayed_to: LogIndex) -> None:
        self._context = context
        self._replayed_to = replayed_to
        self._count_by_kind: Counter[tuple[Failed, str, str]] = Counter()
        self._replayed: list[tuple[LogIndex, str, str]] = []  # the first and the last one
        self._replayed_count = 0
        report_to: Callable[[ReportFailure], None] | None = getattr(machine, "report_failures_to", None)
        if report_to is not None:
            report_to(self.report)

    def report(self, failed: Failed, index: LogIndex, command: object, error: BaseException) -> None:
        """Log that `command` of entry `index` failed with `error`, unless it is a repetition."""
        kind = (type_name(error), type_name(command))
        if is_local(error) and failed is not Failed.READ:
            self._report_stop(index, command, error)
            return
        if failed is not Failed.READ and index <= self._replayed_to:
            self._replayed = [*self._replayed[:1], (index, *kind)]
            self._replayed_count += 1
            return
        counted = (failed, *kind)
        if counted not in self._count_by_kind and len(self._count_by_kind) >= KINDS_MAX:
            counted = (failed, *OTHERS)
        self._count_by_kind[counted] += 1
        count = self._count_by_kind[counted]
        facts = {"index": index, "command": value_text(command), "error": f"{type_name(error)}: {error_text(error)}"}
        first, again = _EVENTS[failed]
        log = self._context.log.warning if failed is Failed.DECODE else self._context.log.error
        if count == 1:
            log(first, **facts, exc_info=loggable(error))
        elif count & (count - 1) == 0:
            log(again, **facts, count=count)

    def _report_stop(self, index: LogIndex, command: object, error: BaseException) -> None:
        self._context.log.critical(
            "group.apply_stops_node",
            index=index,
            command=value_text(command),
            error=f"{type_name(error)}: {error_text(error)}",
            advice=STOP_ADVICE,
        )

    def applied(self, index: LogIndex) -> None:
        """Log the failures of the replay as one line, once all of it is applied: `index` is the last applied entry."""
        if not self._replayed or index < self._replayed_to:
            return
        (first, error, command), (last, *_) = self._replayed[0], self._replayed[-1]
        self._replayed = []
        self._context.log.warning(
            "group.apply_failed_in_replay",
            count=self._replayed_count,
            first_index=first,
            last_index=last,
            first_error=error,
            first_command=command,
        )
