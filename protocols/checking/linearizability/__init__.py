"""The judge of what clients saw: is there one order of their operations that explains it all?

    history = History()                                  # written down while clients run
    put = history.invoked("c1", ("put", b"1"), key=b"k", at_s=0.0)
    history.returned(put, at_s=0.1)
    verdict = check(history, KeyValue())                 # ok, violation or unknown; never wrong
    print(verdict.text)

Linearizability is that of M. P. Herlihy, J. M. Wing: "Linearizability: a correctness condition for concurrent objects"
(1990): every operation seems to take effect at one moment between its invocation and its return.
"""

from coterie.protocols.checking.linearizability.counterexample import Counterexample
from coterie.protocols.checking.linearizability.history import History, HistoryError
from coterie.protocols.checking.linearizability.history_format import event_line, history_from_lines, history_lines
from coterie.protocols.checking.linearizability.history_page import timeline
from coterie.protocols.checking.linearizability.linearizability_checker import BUDGET, Status, Verdict, check
from coterie.protocols.checking.linearizability.models.append_list import AppendList
from coterie.protocols.checking.linearizability.models.consensus import Consensus, Places
from coterie.protocols.checking.linearizability.models.counter import Counter
from coterie.protocols.checking.linearizability.models.model import Model, Step
from coterie.protocols.checking.linearizability.models.registers import KeyValue, Register
from coterie.protocols.checking.linearizability.operation import Operation
from coterie.protocols.checking.linearizability.values import UNKNOWN, Datum, Key, Output, Unknown

__all__ = [
    "BUDGET",
    "UNKNOWN",
    "AppendList",
    "Consensus",
    "Counter",
    "Counterexample",
    "Datum",
    "History",
    "HistoryError",
    "Key",
    "KeyValue",
    "Model",
    "Operation",
    "Output",
    "Places",
    "Register",
    "Status",
    "Step",
    "Unknown",
    "Verdict",
    "check",
    "event_line",
    "history_from_lines",
    "history_lines",
    "timeline",
]
