"""Peer process: measures another actor system in a separate process, and ends that process with its children.

Other people's software fails in ways of its own: it exits, hangs, or prints something else than a figure. Each of these
is a `PeerFailed` with its last words; the suite goes on.
"""

from __future__ import annotations

import asyncio
import json

from benchmarks.harness.estimate import in_words
from benchmarks.harness.processes import Child
from benchmarks.harness.results import Measurement
from benchmarks.harness.settings import Settings
from benchmarks.peers.peer_catalogue import PEERS

__all__ = ["PeerFailed", "peer_measurements"]

END_TIMEOUT_S = 10.0
"""Time limit for a peer to end its own processes."""

START_TIMEOUT_S = 60.0
"""Time limit for a peer to start, and to find out how much work takes the wanted time."""

SLOWNESS_MAX = 10.0
"""How many times as long as wanted a measurement may take."""


class PeerFailed(Exception):
    """A peer has ended early, hangs, or printed no figure; the text has its last words."""


async def peer_measurements(
    peer: str, comparison: str, other_core: int, settings: Settings, measured: list[Measurement]
) -> None:
    """Measure `peer` with the work of `comparison`, `settings.runs` times for about 1 s; none if it has no such work.

    It inherits the pinning of this process; `other_core` is for a second process, if it needs one.

    Args:
        peer: its name.
        comparison: the name of the comparison.
        other_core: the core for its second process.
        settings: the number of runs.
        measured: gets each measurement as soon as it is known, so that those before a failure are kept.

    Raises:
        PeerFailed: it has ended early, took too long, or printed no figure.
    """
    seconds, runs = settings.seconds(1.0), settings.runs
    limit_s = START_TIMEOUT_S + SLOWNESS_MAX * seconds * runs
    arguments = [PEERS[peer].module, comparison, str(seconds), str(runs), str(other_core)]
    child = Child(["benchmarks.peers.peer_runs", *arguments], ready=b"\n", keeps_stderr=True)
    failure: str | None = None
    try:
        async with asyncio.timeout(limit_s):
            await _read(child, runs, measured)
            await child.wait(END_TIMEOUT_S)
    except TimeoutError:
        failure = f"no end after {in_words(limit_s)}"
    except (RuntimeError, ValueError, TypeError) as error:
        failure = str(error)
    finally:
        await child.end_session(timeout_s=END_TIMEOUT_S)
    if failure is not None:
        raise PeerFailed(f"{child.last_words} ({failure})" if child.last_words else failure)


async def _read(child: Child, runs: int, measured: list[Measurement]) -> None:
    await child.start()
    if child.first_line.split() != [b"ready"]:
        return  # it has no such work
    for _ in range(runs):
        line = await child.line()
        try:
            answer = json.loads(line)
            measured.append(Measurement(float(answer["value"]), answer["detail"]))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"it printed no figure: {line[:200].decode(errors='replace').strip()!r}") from error
