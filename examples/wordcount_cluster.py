"""The cluster of `coterie demo`, used by hand: three processes count the identifiers of two texts.

python examples/wordcount_cluster.py

The topology is the demo's own (coterie/demo/demo_topology.py): a replicated store, and workers on every node.
"""

from __future__ import annotations

import asyncio
import tempfile

from coterie import Client
from coterie.demo.demo_topology import POOL, STORE, CountFile, demo_cluster
from coterie.demo.store_keys import read_counts

TEXTS = {b"one.py": b"total = total + amount\n", b"two.py": b"# nothing but total\ntotal = 0\n"}


async def count(client: Client) -> None:
    """Send each text to a worker, under an identity of its own: whoever commits it, it counts once."""
    session = await client.group(STORE).open_session(timeout_s=30)
    for name, text in TEXTS.items():
        identity = await session.next()
        message = CountFile("run", name, text, None, identity)
        for _ in range(2):  # asking twice changes nothing
            await client.pool(POOL).ask(message)
        session.settle(identity)
    found = read_counts("run", [item async for item in client.key_value(STORE).scan(b"run/")])
    print(found.totals)
    print(found.markers)  # how often each file's counts were added


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with demo_cluster(3, data) as cluster, Client(cluster.addresses, connect_timeout_s=30) as client:
            await count(client)


if __name__ == "__main__":
    asyncio.run(main())
