"""Sequence chart: draws the last messages and events of a run's trace as one self-contained SVG file.

Each node has a vertical line, each record a row: time runs down, with one row per record, so that simultaneous records
can be told apart. An arrow is a message, drawn at its arrival; a dot is any other record. A line is dashed while its
node is down. Text that is too long for the chart is in the tooltip of its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from coterie.protocols.simulation.run_trace import TraceLine
from coterie.runtime.observing.printable_text import printable

__all__ = ["RECORDS_SHOWN", "sequence_chart"]

RECORDS_SHOWN = 60
"""The default number of records in a chart."""

DOWN = "node.crashed"
UP = "node.started"

_LEFT = 110
_LANE = 240
_ROW = 26
_TOP = 76
_CHARACTER = 7.3

_STYLE = """
svg { background: #fff; font: 12px ui-monospace, SFMono-Regular, Menlo, monospace }
text { fill: #222 }
.title { font: bold 15px system-ui, sans-serif }
.name { font-weight: bold; text-anchor: middle }
.time, .note { fill: #777 }
.time { text-anchor: end }
.box { fill: #eef1f5; stroke: #8796a8 }
.life { stroke: #8796a8; stroke-width: 1.5 }
.down { stroke: #e3c0bd; stroke-dasharray: 2 6 }
.arrow { stroke: #31588a; fill: none; marker-end: url(#head) }
.head { fill: #31588a }
.dot { fill: #5c6b7a }
.bad { fill: #b3261e }
.halo { stroke: #fff; stroke-width: 4; paint-order: stroke; stroke-linejoin: round }
.middle { text-anchor: middle }
"""

_KEY = re.compile(r"'(\w+)': ")

_ARROW_HEAD = (
    '<marker id="head" class="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0,0 L8,4 L0,8 Z"/></marker>'
)

_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "\ufffe": r"\ufffe", "\uffff": r"\uffff"}
)
"""Without the last two, and without what is not printable, the file would be no XML."""


def sequence_chart(
    trace: Sequence[TraceLine], nodes: Iterable[str] = (), *, title: str, ending: str = "", last: int = RECORDS_SHOWN
) -> str:
    """Return the last records of `trace` as an SVG.

    Args:
        trace: the records, in order.
        nodes: the nodes from left to right; other nodes of the trace follow.
        title: the title above the chart.
        ending: the text below the chart: the violation.
        last: the number of records to show.
    """
    shown = trace[-last:] if last else ()
    lanes = _lanes(shown, nodes)
    width = _LEFT + max(1, len(lanes)) * _LANE + _LANE // 3
    bottom = _TOP + (len(shown) + 1) * _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 40}" role="img">',
        f"<title>{_escaped(title)}</title><style>{_STYLE}</style>",
        f"<defs>{_ARROW_HEAD}</defs>",
        f'<text class="title" x="12" y="24">{_escaped(title)}</text>',
    ]
    was_down = _down_before(trace[: len(trace) - len(shown)])
    for name, x in lanes.items():
        parts += _lane(name, x, shown, bottom, is_down=name in was_down)
    for row, line in enumerate(shown):
        parts.append(_row(line, lanes, _TOP + (row + 1) * _ROW))
    ended = _fitting(ending, width - 24)
    parts.append(
        f'<text class="bad" x="12" y="{bottom + 24}"><title>{_escaped(ending)}</title>{_escaped(ended)}</text>'
    )
    return "\n".join((*parts, "</svg>\n"))


def _lanes(shown: Iterable[TraceLine], nodes: Iterable[str]) -> dict[str, int]:
    """Return the x position of each node's line (pixels)."""
    names = dict.fromkeys(nodes)
    for line in shown:
        names |= dict.fromkeys(name for name in (line.sender, line.node) if name is not None)
    return {name: _LEFT + _LANE // 2 + number * _LANE for number, name in enumerate(names)}


def _down_before(trace: Iterable[TraceLine]) -> set[str]:
    down: set[str] = set()
    for line in trace:
        if line.node is not None and line.what in (DOWN, UP):
            (down.add if line.what == DOWN else down.discard)(line.node)
    return down


def _lane(name: str, x: int, shown: Sequence[TraceLine], bottom: int, *, is_down: bool) -> list[str]:
    """Return the line of a node with its name on top, in pieces: solid while it is up, dashed while it is down."""
    parts, since = [], _TOP - 12
    for row, line in enumerate(shown):
        if line.node == name and line.what in (DOWN, UP) and (line.what == DOWN) != is_down:
            y = _TOP + (row + 1) * _ROW
            parts.append(_life(x, since, y, is_down=is_down))
            since, is_down = y, not is_down
    parts.append(_life(x, since, bottom, is_down=is_down))
    box = f'<rect class="box" x="{x - 60}" y="{_TOP - 34}" width="120" height="22" rx="4"/>'
    return [*parts, box, f'<text class="name" x="{x}" y="{_TOP - 18}">{_escaped(_fitting(name, 116))}</text>']


def _life(x: int, since: int, until: int, *, is_down: bool) -> str:
    return f'<line class="{"down" if is_down else "life"}" x1="{x}" x2="{x}" y1="{since}" y2="{until}"/>'


def _row(line: TraceLine, lanes: dict[str, int], y: int) -> str:
    tooltip = f"<title>{_escaped(str(line).strip())}</title>"
    time = f'<text class="time" x="{_LEFT - 14}" y="{y + 4}">{line.at_s:.4f} s</text>'
    return f"<g>{tooltip}{time}{_picture(line, lanes, y)}</g>"


def _picture(line: TraceLine, lanes: dict[str, int], y: int) -> str:
    if line.node is None:
        text = _fitting(f"— {line.what}  {line.detail}", _LANE * len(lanes))
        return f'<text class="note halo" x="{_LEFT}" y="{y + 4}">{_escaped(text)}</text>'
    x = lanes[line.node]
    if line.sender is None or line.sender == line.node:
        text = _fitting(f"{line.what} {_facts(line)}", _LANE - 14)
        dot = f'<circle class="{"bad" if line.what == DOWN else "dot"}" cx="{x}" cy="{y}" r="4"/>'
        return f'{dot}<text class="halo" x="{x + 9}" y="{y + 4}">{_escaped(text)}</text>'
    came = lanes[line.sender]
    text = _fitting(line.detail, abs(x - came) - 24)
    arrow = f'<path class="arrow" d="M{came},{y} H{x + (2 if came > x else -2)}"/>'
    return f'{arrow}<text class="halo middle" x="{(x + came) // 2}" y="{y - 6}">{_escaped(text)}</text>'


def _facts(line: TraceLine) -> str:
    """Return an observation's facts without those in the chart: `term 3` for `{'node': 'n1', 'term': 3}`."""
    if not line.detail.startswith("{"):
        return line.detail
    facts = line.detail[1:-1].replace(f"'node': '{line.node}'", "").lstrip(", ")
    return _KEY.sub(r"\1 ", facts)


def _fitting(text: str, width: float) -> str:
    """Return `text`, shortened to fit into `width` pixels."""
    most = max(4, int(width / _CHARACTER))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _escaped(text: str) -> str:
    return printable(text, keep="\n").translate(_ESCAPES)
