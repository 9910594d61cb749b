"""The last words of a child are whole lines, in whatever pieces they arrive."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.harness.processes import Child


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (
            [b"Traceback (most recent call last):\n  File\n", b"RuntimeError", b": ", b"no more\n"],
            "RuntimeError: no more",
        ),
        ([b"one\n\ntwo\nthr", b"ee\nfour\n"], "two | three | four"),
        ([b"x" * 50_000, b"\n", b"the end\n"], f"{'x' * 490} | the end"),
        ([], ""),
    ],
)
async def test_last_words_are_whole_lines(pieces: list[bytes], words: str) -> None:
    child, stream = Child([], keeps_stderr=True), asyncio.StreamReader()
    reader = asyncio.create_task(child._read_stderr(stream))
    for piece in pieces:
        stream.feed_data(piece)
        await asyncio.sleep(0)
    stream.feed_eof()
    await reader

    assert child.last_words == words
