"""Linearizability: checks whether one sequential order of operations explains everything that clients observed.

    history = History()                                  # recorded while clients run
    put = history.invoked("c1", ("put", b"1"), key=b"k", at_s=0.0)
    history.returned(put, at_s=0.1)
    result = check(history, KeyValue())                  # ok, violation or unknown; the first two are certain
    print(result.text)

`models/`: sequential specifications of objects: register, key-value store, list, counter, consensus, log positions.
`counterexample.py`: `Counterexample`, shows with few operations why a history is not linearizable.
`decision.py`: `decide`, decides whether the operations on one key are linearizable.
`history.py`: `History`, records each operation and its result while clients run.
`history_format.py`: writes and reads histories as JSON lines, one event a line.
`history_page.py`: `history_page`, draws a history as an HTML page.
`linearizability_checker.py`: `check`, checks a history key by key and returns a `CheckResult`.
`operation.py`: `Operation`, one operation of a client, with input, output and times.
`search.py`: `Search`, searches for a linearization (algorithm of Wing and Gong).
`search_problem.py`: `SearchProblem`, prepares the operations on one key for the search.
`values.py`: `Datum`, the values that a history may hold; converts them to JSON and back.

Linearizability is that of M. P. Herlihy, J. M. Wing: "Linearizability: a correctness condition for concurrent objects"
(1990): every operation seems to take effect at one moment between its invocation and its return.
"""

from coterie.protocols.checking.linearizability.counterexample import Counterexample
from coterie.protocols.checking.linearizability.history import History, HistoryError
from coterie.protocols.checking.linearizability.history_format import event_line, history_from_lines, history_lines
from coterie.protocols.checking.linearizability.history_page import history_page
from coterie.protocols.checking.linearizability.linearizability_checker import BUDGET, CheckResult, Status, check
from coterie.protocols.checking.linearizability.models.append_list import AppendList
from coterie.protocols.checking.linearizability.models.consensus import Consensus, LogPositions
from coterie.protocols.checking.linearizability.models.counter import Counter
from coterie.protocols.checking.linearizability.models.model import Model, Step
from coterie.protocols.checking.linearizability.models.registers import KeyValue, Register
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Key, Output, Unknown

__all__ = [
    "BUDGET",
    "UNKNOWN",
    "AppendList",
    "CheckResult",
    "Consensus",
    "Counter",
    "Counterexample",
    "Datum",
    "History",
    "HistoryError",
    "Key",
    "KeyValue",
    "LogPositions",
    "Model",
    "Operation",
    "Output",
    "Register",
    "Status",
    "Step",
    "Unknown",
    "check",
    "event_line",
    "history_from_lines",
    "history_lines",
    "history_page",
]
