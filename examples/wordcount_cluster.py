"""The cluster of `coterie demo`, driven by a program: three processes count the identifiers in two texts.

python examples/wordcount_cluster.py

The topology is that of the demo (coterie/demo/demo_topology.py): a replicated store, and workers on every node.
"""

from __future__ import annotations

import asyncio
import tempfile

from coterie import Client
from coterie.demo.demo_topology import POOL, STORE, CountFile, demo_cluster
from coterie.demo.store_keys import read_counts

TEXTS = {b"one.py": b"total = total + amount\n", b"two.py": b"# nothing but total\ntotal = 0\n"}


async def count(client: Client) -> None:
    """Send each text to a worker with its own command identity, so that its counts are added only once."""
    session = await client.group(STORE).open_session(timeout_s=30)
    for name, text in TEXTS.items():
        identity = await session.next()
        message = CountFile("run", name, text, None, identity)
        for _ in range(2):  # the second request has the same identity, so it changes nothing
            await client.pool(POOL).ask(message)
        session.settle(identity)
    found = read_counts("run", [item async for item in client.key_value(STORE).scan(b"run/")])
    print(found.totals)
    print(found.markers)  # the number of times that each file's counts were added


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with demo_cluster(3, data) as cluster, Client(cluster.addresses, connect_timeout_s=30) as client:
            await count(client)


if __name__ == "__main__":
    asyncio.run(main())
