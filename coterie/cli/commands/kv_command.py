r"""`coterie kv`: reads and writes a replicated key-value store. Keys and values are text (UTF-8).

    coterie kv get KEY --connect 127.0.0.1:7401
    coterie kv cas KEY --expect OLD --value NEW --connect 127.0.0.1:7401

`get` prints a value as it is to a file or a pipe. On a terminal, and in the lines of `scan` everywhere, characters that
are not visible are shown as escapes (`\x1b`; in `scan` tabs and line breaks too). A byte that is no UTF-8 is `\xNN`.

Exit code 3: `get` or `delete` of an absent key, or no such store. 1: a `cas` whose expected value did not match, or an
error. 4: no node accepts the client.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable

from coterie.actors.groups.key_value_client import KeyValueClient
from coterie.cli.cluster_connection import add_connect, connection_of
from coterie.cli.command_loop import NOT_FOUND, NameNotFound, run_async
from coterie.errors import CommandRefused
from coterie.runtime.observing.printable_text import printable
from coterie.terminal_output import print_lines, print_value

__all__ = ["add_parser", "run"]

Action = Callable[[KeyValueClient, argparse.Namespace], Awaitable[int]]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `kv` to the command line."""
    parser = subparsers.add_parser(
        "kv",
        help="read and write a replicated key-value store",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="action", required=True)
    _add(actions, "get", _get, "print the value of a key").add_argument("key")
    put = _add(actions, "put", _put, "set a key")
    put.add_argument("key")
    put.add_argument("value")
    _add(actions, "delete", _delete, "remove a key").add_argument("key")
    cas = _add(actions, "cas", _cas, "set a key if it has the expected value")
    cas.add_argument("key")
    cas.add_argument("--expect", metavar="TEXT", help="the expected value (default: the key must be absent)")
    cas.add_argument("--value", metavar="TEXT", help="the new value (default: the key is removed)")
    incr = _add(actions, "incr", _incr, "add to the number at a key and print the sum")
    incr.add_argument("key")
    incr.add_argument("by", type=int, nargs="?", default=1)
    scan = _add(actions, "scan", _scan, "print all keys and values of one snapshot")
    scan.add_argument("prefix", nargs="?", default="", help="only keys with this prefix")
    parser.set_defaults(run=run)


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, action: Action, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text)
    add_connect(parser)
    parser.add_argument("--store", default="store", help="the name of the store's group (default store)")
    parser.set_defaults(action=action)
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie kv`; return the exit code."""
    return run_async(_run(args))


async def _run(args: argparse.Namespace) -> int:
    async with connection_of(args).client() as client:
        action: Action = args.action
        try:
            return await action(client.key_value(args.store), args)
        except CommandRefused as error:
            if args.store in (client.known_groups or (args.store,)):
                raise
            raise NameNotFound(f"--store {args.store!r}: {error}") from error


async def _get(store: KeyValueClient, args: argparse.Namespace) -> int:
    value = await store.get(_bytes(args.key))
    if value is None:
        return NOT_FOUND
    print_value(_text(value))
    return 0


async def _put(store: KeyValueClient, args: argparse.Namespace) -> int:
    await store.put(_bytes(args.key), _bytes(args.value))
    return 0


async def _delete(store: KeyValueClient, args: argparse.Namespace) -> int:
    return 0 if await store.delete(_bytes(args.key)) else NOT_FOUND


async def _cas(store: KeyValueClient, args: argparse.Namespace) -> int:
    expected = None if args.expect is None else _bytes(args.expect)
    value = None if args.value is None else _bytes(args.value)
    return 0 if await store.compare_and_swap(_bytes(args.key), expected, value) else 1


async def _incr(store: KeyValueClient, args: argparse.Namespace) -> int:
    print_lines([str(await store.increment(_bytes(args.key), args.by))])
    return 0


async def _scan(store: KeyValueClient, args: argparse.Namespace) -> int:
    async for key, value in store.scan(_bytes(args.prefix)):
        print_lines([f"{printable(_text(key))}\t{printable(_text(value))}"])
    return 0


def _bytes(argument: str) -> bytes:
    return argument.encode(errors="surrogateescape")  # the bytes that the operating system passed


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
