r"""History format: writes and reads histories as JSON lines; one event a line, so that a crash loses no earlier event.

    {"event": "invoked", "operation": 0, "at_s": 0.5, "client": "c1", "key": "k", "input": ["put", 1]}
    {"event": "returned", "operation": 0, "at_s": 0.75, "output": null}
    {"event": "failed", "operation": 1, "at_s": 0.8}
    {"event": "unknown", "operation": 2, "at_s": 0.9}

`key` may be absent (None); a `returned` event without `output` has an unknown output.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from coterie.protocols.checking.linearizability.history import EventKind, History, HistoryError, HistoryEvent
from coterie.protocols.checking.linearizability.values import UNKNOWN, Key, from_json, is_key, to_json

__all__ = ["event_line", "history_from_lines", "history_lines"]


def history_lines(history: History) -> Iterator[str]:
    """Return the lines of a history, without line ends."""
    return (event_line(event) for event in history.events)


def event_line(event: HistoryEvent) -> str:
    """Return one event as a line, without the line end."""
    operation = event.operation
    line: dict[str, object] = {"event": event.kind.value, "operation": operation.number, "at_s": event.at_s}
    if event.kind is EventKind.INVOKED:
        key = {} if operation.key is None else {"key": to_json(operation.key)}
        line |= {"client": operation.client, **key, "input": to_json(operation.input)}
    if event.kind is EventKind.RETURNED and operation.output is not UNKNOWN:
        line["output"] = to_json(operation.output)
    return json.dumps(line)


def history_from_lines(lines: Iterable[str]) -> History:
    """Return the history in these lines; empty lines are skipped.

    Operations may have any distinct numbers; they are renumbered from 0.

    Raises:
        HistoryError: a line is malformed, or the history contradicts itself; the error names the line.
    """
    history = History()
    number_by_name: dict[int, int] = {}
    for place, line in enumerate(lines, start=1):
        if line.strip():
            try:
                _replay(history, number_by_name, _object(line))
            except ValueError as error:
                raise HistoryError(f"line {place}: {error}") from error
    return history


def _replay(history: History, number_by_name: dict[int, int], line: Mapping[str, object]) -> None:
    kind, name, at_s = EventKind(str(line.get("event"))), _operation(line), _time(line)
    if kind is EventKind.INVOKED:
        if name in number_by_name:
            raise ValueError(f"operation {name} is invoked twice")
        number_by_name[name] = _invoke(history, line, at_s)
        return
    if name not in number_by_name:
        raise ValueError(f"operation {name} is {kind.value}, but was never invoked")
    number = number_by_name[name]
    if kind is EventKind.RETURNED:
        history.returned(number, from_json(line["output"]) if "output" in line else UNKNOWN, at_s=at_s)
    elif kind is EventKind.FAILED:
        history.failed(number, at_s=at_s)
    else:
        history.unknown(number, at_s=at_s)


def _invoke(history: History, line: Mapping[str, object], at_s: float) -> int:
    client = line.get("client")
    if not isinstance(client, str) or "input" not in line:
        raise ValueError("an invocation must have a client, which is a string, and an input")
    return history.invoked(client, from_json(line["input"]), key=_key(line), at_s=at_s)


def _object(line: str) -> Mapping[str, object]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not an object")
    return value


def _operation(line: Mapping[str, object]) -> int:
    name = line.get("operation")
    if not isinstance(name, int) or isinstance(name, bool):
        raise ValueError(f"`operation` must be a whole number, not {name!r}")
    return name


def _time(line: Mapping[str, object]) -> float:
    at_s = line.get("at_s")
    if not isinstance(at_s, (int, float)) or isinstance(at_s, bool):
        raise ValueError(f"`at_s` must be seconds, not {at_s!r}")
    return at_s


def _key(line: Mapping[str, object]) -> Key:
    key = from_json(line.get("key"))
    if not is_key(key) or isinstance(key, (tuple, float)):
        raise ValueError(f"{key!r} is not a key: it must be a string, bytes, a whole number or null")
    return key
