"""The virtual-time world: a `Host` in which time jumps, the network is memory, and every run is the same.

`VirtualLoop` moves the clock, `VirtualNetwork` carries bytes between named nodes, `VirtualExecutor` runs blocking
functions at scheduled steps, `VirtualHost` is one node's view of it all.
"""

__all__: list[str] = []
