"""Virtual hosts: virtual time, a network and disks in memory, no threads; every run is the same.

`fence_error.py`: builds the `FenceError` for a call that would reach the real world
`handle_owners.py`: `Owner`, the process to which each callback, timer and task of the loop belongs
`virtual_clock.py`: `VirtualClock`, moved by the loop only
`virtual_connection.py`: `VirtualTransport` and `Pipe`, the two ends and two directions of a connection
`virtual_disk.py`: `VirtualDisk`, a file system in memory with crashes and disk faults
`virtual_executor.py`: `VirtualExecutor`, runs blocking functions inline at scheduled times
`virtual_host.py`: `VirtualHost`, one node's clock, network, disk and executor
`virtual_link.py`: `VirtualLink`, one direction between two nodes: latency, blocks and black holes
`virtual_loop.py`: `VirtualLoop`, the asyncio loop whose time jumps to the next timer
`virtual_network.py`: `VirtualNetwork`, listeners, connections, partitions, freezes and resets
"""

__all__: list[str] = []
