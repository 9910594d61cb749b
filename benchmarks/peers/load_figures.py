"""`LoadFigures`: holds what another system's client has measured in a closed loop, read from a line of JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields

__all__ = ["LoadFigures", "read_figures"]


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """What a client has measured in a closed loop: rates per second, latencies in ms.

    `count`: the requests that ended within the measurement. `errors`: those that failed, at any time. `cpu_s`: the
    processor time of the client's own process within the measurement (0 if it is that of a node).
    """

    count: int
    per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    cpu_s: float


def read_figures(line: bytes, client: str) -> LoadFigures:
    """Read the line of JSON that `client` prints. ValueError, with the line, if it has no such figures."""
    try:
        found = json.loads(line)
        values = {field.name: found[field.name] for field in fields(LoadFigures)}
        if not all(type(value) in (int, float) and math.isfinite(value) and value >= 0 for value in values.values()):
            raise ValueError("a figure is no number")
        return LoadFigures(**values)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{client} printed no figures: {line[:200].decode(errors='replace').strip()!r}") from error
