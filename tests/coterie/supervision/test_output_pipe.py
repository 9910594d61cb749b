"""`OutputPipe`: what the process writes is read, also while this process does not read for long."""

from __future__ import annotations

import fcntl
import os

import pytest

from coterie.supervision.output_pipe import SIZE_BYTES, OutputPipe


async def test_what_is_written_is_read_until_the_last_writer_ends() -> None:
    pipe = await OutputPipe.open()
    os.write(pipe.write_fd, b"one\ntwo")
    pipe.started()

    assert await pipe.reader.read() == b"one\ntwo"
    pipe.close()


async def test_a_closed_pipe_does_not_wait_for_its_writers() -> None:
    pipe = await OutputPipe.open()

    pipe.close()

    assert await pipe.reader.read() == b""
    with pytest.raises(BrokenPipeError):
        os.write(pipe.write_fd, b"nobody reads")
    pipe.started()


@pytest.mark.skipif(not hasattr(fcntl, "F_GETPIPE_SZ"), reason="only Linux sizes pipes")
async def test_a_pipe_holds_a_mebibyte_while_nobody_reads() -> None:
    pipe = await OutputPipe.open()

    assert fcntl.fcntl(pipe.write_fd, fcntl.F_GETPIPE_SZ) == SIZE_BYTES

    pipe.close()
    pipe.started()
