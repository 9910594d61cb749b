"""PySyncObj node: runs one node with a replicated dictionary, which writes when it is told to, and says how that went.

    python -m benchmarks.peers.syncobj.pysyncobj_node DIRECTORY OPTIONS ADDRESS OTHER OTHER

`OPTIONS` is a JSON object with settings of `SyncObjConf`. PySyncObj has no remote client: its callers are in a node.
Each line on stdin is a JSON object:

    {"do": "status"}            answers whether this node leads, its term, and whether it is connected
    {"do": "load", …}           runs a `ClosedLoop`: `begin`, then its figures
    {"do": "steady", …}         runs a `SteadyWriter`: `ready` when its first write is acknowledged
    {"do": "mark"}              `recovered` when one is acknowledged that was started after it
"""

# An extra that need not be installed.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any, Final, cast

from pysyncobj import SyncObj, SyncObjConf, replicated

from benchmarks.peers.syncobj.pysyncobj_load import ClosedLoop, Put, SteadyWriter

__all__ = ["Store"]

GRACE_S: Final = 10.0
"""How long the last writes of a load may take, s."""


class Store(SyncObj):
    """A dictionary on three nodes, with its journal and its dumps in `directory`."""

    def __init__(self, directory: str, options: dict[str, Any], address: str, others: list[str]) -> None:
        files = {"journalFile": os.path.join(directory, "journal"), "fullDumpFile": os.path.join(directory, "dump")}
        super().__init__(address, others, SyncObjConf(**files, **options))
        self.values: dict[str, bytes] = {}

    @replicated
    def put(self, key: str, value: bytes) -> None:
        self.values[key] = value


def say(line: str) -> None:
    print(line, flush=True)


def status(store: Store) -> dict[str, object]:
    """Return whether it leads, its term, and whether it is connected to all others and has what the leader has."""
    found = store.getStatus()
    is_connected = all(store.isNodeConnected(node) for node in store.otherNodes)
    return {
        "is_leader": found["leader"] is not None and found["leader"] == found["self"],
        "term": found["raft_term"],
        "is_ready": is_connected and store.isReady(),
    }


def measure(store: Store, options: dict[str, Any]) -> dict[str, float]:
    """Run a closed loop, say when its warm-up ends, return its figures."""
    loop = ClosedLoop(cast("Put", store.put), **options)
    loop.start()
    time.sleep(max(0.0, loop.begin_s - time.perf_counter()))
    say("begin")
    loop.ended.wait(loop.end_s - time.perf_counter() + GRACE_S)
    return loop.figures()


def serve(store: Store) -> None:
    """Do what the lines say, until there are no more."""
    writer: SteadyWriter | None = None
    for line in sys.stdin:
        request = json.loads(line)
        match request.pop("do"):
            case "status":
                say(json.dumps(status(store)))
            case "load":
                say(json.dumps(measure(store, request)))
            case "steady":
                writer = SteadyWriter(cast("Put", store.put), size=request["size"], say=say)
                threading.Thread(target=writer.run, args=[request["interval_s"]], daemon=True).start()
            case "mark" if writer is not None:
                writer.mark()
            case other:
                raise ValueError(f"no such request: {other}")


if __name__ == "__main__":
    node = Store(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4:])
    node.waitBinded()
    say("ready")
    serve(node)  # PySyncObj's thread ends with this one
