"""`history_page`: draws a history as an HTML page, with one bar for each operation, and highlights those that conflict.

The page is self-contained: no script, no font, no network. Its horizontal axis is the order of events, not time, so
that events of the same instant stay distinguishable; times are in each bar's tooltip and under the axis. Characters
that are not visible are shown as escapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from coterie.protocols.checking.linearizability.counterexample import Counterexample
from coterie.protocols.checking.linearizability.linearizability_checker import CheckResult
from coterie.protocols.checking.linearizability.operation import Operation

__all__ = ["history_page"]

_COLUMN_MIN, _COLUMN_MAX = 34, 160
_PAGE = 1200
"""The page width (pixels); columns are as wide as it allows, so that outputs can be read."""
_TICK = 80
_ROW = 26
_TOP = 34
_CHARACTER = 7

_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
pre { background: #f6f6f4; padding: 1em; overflow: auto }
.chart { overflow: auto; border: 1px solid #ccc }
text { font: 12px ui-monospace, monospace; fill: #222 }
.bar { fill: #dde3ea; stroke: #8796a8 }
.unknown { stroke-dasharray: 4 3 }
.conflict { fill: #f8c9c4; stroke: #b3261e; stroke-width: 2 }
.stuck { fill: #f08a80 }
.rule { stroke: #e4e4e0 }
.tick { fill: #777 }
"""

_HIDDEN = (
    *(code for code in range(0xA0) if not 0x20 <= code < 0x7F and chr(code) not in "\t\n"),  # controls
    *(0xAD, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF),  # bidirectional, no width
    *(*range(0xD800, 0xE000), 0xFFFE, 0xFFFF),  # what no file in UTF-8, and no XML, can hold
)
_ESCAPES = {code: chr(code).encode("unicode_escape").decode() for code in _HIDDEN} | str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
)


def history_page(history: Iterable[Operation], result: CheckResult | None, *, title: str = "history") -> str:
    """Return a page that shows a history and the `result` of its check (None: it was not checked).

    If the result is a violation, the page shows the conflicting operations, those of the longest order, and those that
    overlap a conflicting one; otherwise it shows all. Bars of unknown outcome are open to the right;
    conflicting ones are red, and the one that fits in no reachable state is darker.
    """
    example = None if result is None else result.counterexample
    shown = list(history) if example is None else _around(history, example)
    body = "".join(
        (
            f"<h1>{_escaped(title)}</h1>",
            f"<pre>{_escaped('not checked' if result is None else result.text)}</pre>",
            "<p>One column is one event, in order; times are in the tooltips.</p>",
            f'<div class="chart">{_chart(shown, example)}</div>',
        )
    )
    head = f'<meta charset="utf-8"><title>{_escaped(title)}</title><style>{_STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _around(operations: Iterable[Operation], example: Counterexample) -> Sequence[Operation]:
    named = {it.number: it for it in (*example.operations, *example.order)}
    near = [it for it in example.free if it.returned_at and any(_overlap(it, other) for other in example.operations)]
    shown = named | {it.number: it for it in near}
    return [it for it in operations if it.number in shown]


def _overlap(one: Operation, other: Operation) -> bool:
    return not (_ended_before(one, other) or _ended_before(other, one))


def _chart(operations: Sequence[Operation], example: Counterexample | None) -> str:
    column = _columns(operations)
    lanes = _lanes(operations)
    left = _CHARACTER * max((len(it.client) for it in operations), default=0) + 20
    step = min(_COLUMN_MAX, max(_COLUMN_MIN, (_PAGE - left) // (len(column) + 2)))
    width, height = left + (len(column) + 2) * step, _TOP + (len(lanes) + 1) * _ROW
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">']
    for row, (client, lane) in enumerate(lanes):
        y = _TOP + row * _ROW
        parts.append(f'<text x="8" y="{y + 17}">{_escaped(client)}</text>')
        parts.append(f'<line class="rule" x1="{left}" x2="{width}" y1="{y + _ROW}" y2="{y + _ROW}"/>')
        parts += [_bar(it, column, left, step, y, len(column) + 1, _mark(it, example)) for it in lane]
    parts += _ticks(operations, column, left, step, height - 8)
    return "".join((*parts, "</svg>"))


def _columns(operations: Sequence[Operation]) -> Mapping[int, int]:
    """Number the displayed events, without gaps."""
    places = [it.invoked_at for it in operations] + [it.returned_at for it in operations if it.returned_at is not None]
    return {place: number for number, place in enumerate(sorted(places))}


def _lanes(operations: Sequence[Operation]) -> Sequence[tuple[str, Sequence[Operation]]]:
    """Give a client one row per concurrent operation; an operation of unknown outcome occupies its row to the end."""
    lanes: dict[str, list[list[Operation]]] = {}
    for it in sorted(operations, key=lambda it: it.invoked_at):
        of_client = lanes.setdefault(it.client, [])
        free = next((lane for lane in of_client if _ended_before(lane[-1], it)), None)
        if free is None:
            of_client.append([it])
        else:
            free.append(it)
    return [(client, lane) for client in sorted(lanes) for lane in lanes[client]]


def _ended_before(earlier: Operation, later: Operation) -> bool:
    return earlier.returned_at is not None and earlier.returned_at < later.invoked_at


def _mark(operation: Operation, example: Counterexample | None) -> str:
    if example is None or operation.number not in [it.number for it in example.operations]:
        return "bar"
    return "bar conflict stuck" if operation.number == example.stuck.number else "bar conflict"


def _bar(operation: Operation, column: Mapping[int, int], left: int, step: int, y: int, end: int, mark: str) -> str:
    x = left + column[operation.invoked_at] * step
    is_open = operation.returned_at is None
    until = end if operation.returned_at is None else column[operation.returned_at]
    width = left + until * step - x + step // 2
    call = _escaped(operation.call)
    tooltip = f"<title>{call}\n{_escaped(operation.client)}, {_escaped(operation.interval)}</title>"
    shape = f"M{x + width},{y + 3} H{x} V{y + 23} H{x + width}" + ("" if is_open else " Z")
    bar = f'<path class="{mark}{" unknown" if is_open else ""}" d="{shape}"/>'
    shown = operation.call[: max(1, (width - 6) // _CHARACTER)]
    label = shown if shown == operation.call else f"{shown[:-1]}…"
    return f'<g>{tooltip}{bar}<text x="{x + 4}" y="{y + 17}">{_escaped(label)}</text></g>'


def _ticks(operations: Sequence[Operation], column: Mapping[int, int], left: int, step: int, y: int) -> list[str]:
    every = -(-_TICK // step)
    return [
        f'<text class="tick" x="{left + column[it.invoked_at] * step}" y="{y}">{it.invoked_s:.4g} s</text>'
        for it in sorted(operations, key=lambda it: it.invoked_at)
        if column[it.invoked_at] % every == 0
    ]


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
