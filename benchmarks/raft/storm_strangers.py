"""Storm strangers: opens connections that say nothing, and keeps them, for `stranger_storm.py`.

    python -m benchmarks.raft.storm_strangers 2500 40 127.0.0.1:7401 127.0.0.1:7402 127.0.0.1:7403

Each dials a node, stays, and dials again a few seconds after its connection was ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys

import uvloop

from coterie.runtime.hosts.real_resources import raise_descriptor_limit

__all__ = ["main"]

AGAIN_S = (2.0, 6.0)


async def stay(address: str, rng: random.Random, opened: list[int]) -> None:
    """Hold a connection to `address`, one after the other; count them in `opened`."""
    host, _, port = address.rpartition(":")
    await asyncio.sleep(rng.uniform(0.0, AGAIN_S[0]))
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, int(port))
            opened[0] += 1
            try:
                while await reader.read(4096):
                    pass
            finally:
                writer.close()
        await asyncio.sleep(rng.uniform(*AGAIN_S))


async def storm(strangers: int, seconds: float, addresses: list[str]) -> None:
    """Hold so many connections for `seconds`, and print how many were opened."""
    rng, opened = random.Random(), [0]
    print("ready", flush=True)
    staying = [asyncio.create_task(stay(addresses[at % len(addresses)], rng, opened)) for at in range(strangers)]
    await asyncio.sleep(seconds)
    print(f"opened {opened[0]}", flush=True)
    for task in staying:
        task.cancel()
    await asyncio.gather(*staying, return_exceptions=True)


def main(arguments: list[str]) -> None:
    """Run the storm: strangers, seconds, addresses."""
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(storm(int(arguments[0]), float(arguments[1]), arguments[2:]))


if __name__ == "__main__":
    main(sys.argv[1:])
