"""Virtual hosts: run nodes in virtual time, with network and disks in memory and no threads; every run is the same.

`fence_error.py`: builds the `FenceError` for a call that must not reach the real machine
`handle_owners.py`: `Owner`, the process that created a callback, timer or task of the event loop
`port_table.py`: `PortTable`, records which socket is bound to which virtual address, and assigns free ports
`virtual_clock.py`: `VirtualClock`, returns a time that only the event loop moves
`virtual_connection.py`: `VirtualTransport`, one end of a connection; `Pipe`, delivers bytes in one direction
`virtual_datagrams.py`: `VirtualDatagramSocket`, sends and receives datagrams; `DatagramRoutes`, carries them
`virtual_disk.py`: `VirtualDisk`, simulates a file system in memory, with crashes and disk faults
`virtual_executor.py`: `VirtualExecutor`, runs blocking functions without threads, at scheduled times
`virtual_host.py`: `VirtualHost`, provides one node with a clock, network, disk and executor
`virtual_link.py`: `VirtualLink`, delays, holds back or drops the data from one node to another
`virtual_loop.py`: `VirtualLoop`, the asyncio loop whose time jumps to the next timer
`virtual_network.py`: `VirtualNetwork`, connects nodes in memory; partitions, freezes and resets on demand
`virtual_resources.py`: `VirtualResources`, simulates the use of processor and memory, as a test sets it
"""

__all__: list[str] = []
