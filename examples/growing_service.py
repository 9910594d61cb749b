"""A service that is upgraded, grown from three nodes to five, and gets a lost disk replaced, while it serves.

Found it: three nodes, each in a terminal of its own, and a client that says what it sees.

    python growing_service.py n1 new          (the same for n2 and n3; "new" only at the first start)
    python growing_service.py client

Upgrade it: stop each node with Ctrl-C and start it on the new release, one after the other; then activate that.

    RELEASE=2 python growing_service.py n1
    coterie raft activate totals --connect 127.0.0.1:7401

Grow it: start n4 (then n5), and add it.

    RELEASE=2 python growing_service.py n4 join
    coterie raft add totals n4 --connect 127.0.0.1:7401

Lose a disk, and replace it: kill n3, and start it with an empty one; `members` shows the id of the lost store.

    rm -r data-n3
    RELEASE=2 python growing_service.py n3 join
    coterie raft members totals --connect 127.0.0.1:7401
    coterie raft replace totals n3 --store ID --connect 127.0.0.1:7401
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from typing import Any

from coterie import Ask, Client, StateMachine, Topology, message

RELEASE = int(os.environ.get("RELEASE", "1"))
PORT = int(os.environ.get("PORT", "7400"))
ADDRESSES = {f"n{number}": f"127.0.0.1:{PORT + number}" for number in range(1, 6)}


@message(name="totals.Add")
class Add(Ask[int]):
    amount: int


class Totals(StateMachine[Add]):
    version = RELEASE
    total = 0

    def apply(self, command: Add, /) -> int:  # release 2 counts double, on all nodes at once: when it is activated
        self.total += command.amount * self.version
        return self.total


topology = Topology("growing", nodes=tuple(ADDRESSES))
topology.raft("totals", machine=Totals, nodes=("n1", "n2", "n3"))  # its founders; later its log says who is in it


async def serve(node: str, bootstrap: Any = None) -> None:
    peers = {name: address for name, address in ADDRESSES.items() if name != node}
    await topology.run(node=node, listen=ADDRESSES[node], peers=peers, data=f"data-{node}", bootstrap=bootstrap)


async def count() -> None:
    async with Client([ADDRESSES["n1"], ADDRESSES["n2"]]) as client:
        totals, longest_s = client.group("totals"), 0.0
        while True:
            begun = time.monotonic()
            total = await totals.execute(Add(1))
            longest_s = max(longest_s, time.monotonic() - begun)
            print(f"\rtotal {total}, led by {totals.leader}, longest call {longest_s:.3f} s ", end="", flush=True)


if __name__ == "__main__":
    words: list[str] = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(count() if words == ["client"] else serve(words[0], *words[1:]))
