"""`OutputPipe`: carries the output of a node's process to its supervisor, and can be closed while others write to it.

A pipe of our own, because that of asyncio ends only when all who have inherited it have closed it, and cannot be sized.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from typing import Final

__all__ = ["OutputPipe"]

SIZE_BYTES: Final = 1 << 20
"""How much output the pipe holds while its reader is stopped, where the system allows it: on Linux the most without
privileges. Elsewhere, or if the user has too much in pipes, it holds what the system gives (64 KiB on Linux)."""


class OutputPipe:
    """One pipe. `open` makes it: give `write_fd` to the process, then call `started`.

    Attributes:
        reader: what was written.
        write_fd: the end for the process; closed by `started`.
    """

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport, write_fd: int) -> None:
        self.reader = reader
        self.write_fd = write_fd
        self._transport = transport

    @classmethod
    async def open(cls) -> OutputPipe:
        """Make a pipe, of 1 MiB where that is allowed. OSError: no file descriptor is left."""
        read_fd, write_fd = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):
                fcntl.fcntl(write_fd, fcntl.F_SETPIPE_SZ, SIZE_BYTES)
        reader = asyncio.StreamReader()
        file = os.fdopen(read_fd, "rb", buffering=0)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        return cls(reader, transport, write_fd)

    def started(self) -> None:
        """Close our copy of the writing end: the process has its own, or could not be started."""
        os.close(self.write_fd)

    def close(self) -> None:
        """Read no more: what is written from now on fails (EPIPE)."""
        self._transport.close()
