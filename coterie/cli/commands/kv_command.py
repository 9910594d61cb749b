r"""`coterie kv`: reads and writes a replicated key-value store. Keys and values are text (UTF-8).

    coterie kv get KEY --connect 127.0.0.1:7401
    coterie kv cas KEY --expect OLD --value NEW --connect 127.0.0.1:7401

`get` prints a value as it is to a file or a pipe. On a terminal, and in the lines of `scan` everywhere, characters that
are not visible are shown as escapes (`\x1b`; in `scan` tabs and line breaks too). A byte that is no UTF-8 is `\xNN`.

`get --consistency stale` also says which node has answered, and how old that is: on stderr, or with `-o json` in
`node`, `index` (what it has applied), `behind` (what it knows to be committed beyond that) and `heard_s` (how long ago
it heard from a leader, s).

With `-o json` a value that is no UTF-8 is `{"base64": …}`, and `scan` prints nothing before it has all pairs.

Exit code 3: `get` or `delete` of an absent key, or there is no such store. 1: a `cas` whose expected value did not
match, or an error. 4: no node accepts the client.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import re
from collections.abc import Awaitable, Callable
from typing import Final, get_args

from coterie.actors.client import Client
from coterie.actors.groups.group_client import StaleRead
from coterie.actors.groups.key_value import Get
from coterie.actors.groups.key_value_client import Consistency, KeyValueClient
from coterie.cli.cluster_connection import add_connect, connection_of
from coterie.cli.command_loop import NameNotFound, run_async
from coterie.cli.node_queries import NotAnOperator, check_group, code_schemas
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.unavailable_group import naming_no_leader
from coterie.errors import CommandRefused
from coterie.runtime.observing.printable_text import printable
from coterie.terminal_output import print_error, print_lines, print_value

__all__ = ["add_parser", "run"]

Action = Callable[[KeyValueClient, argparse.Namespace], Awaitable[None]]

CHECK_TIMEOUT_S = 2.0
"""How long nodes have to answer what they run; the command itself runs meanwhile."""


ANY_COMMAND: Final = "kv.Get"
"""A command that every key-value store has."""


_BYTES_MARK: Final = re.compile(r"\bb(?=['\"])")


class WrongValue(ValueError):
    """A key has not the value that `cas` expects."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `kv` to the command line."""
    parser = subparsers.add_parser(
        "kv",
        help="read and write a replicated key-value store",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="action", required=True)
    get = _add(actions, "get", _get, "print the value of a key")
    _add_key(get)
    get.add_argument(
        "--consistency",
        choices=get_args(Consistency),
        default="linearizable",
        help="linearizable: at the leader (default); anywhere: the same, at any node; stale: what one node has",
    )
    put = _add(actions, "put", _put, "set a key")
    _add_key(put)
    put.add_argument("value", help="its new value")
    _add_key(_add(actions, "delete", _delete, "remove a key"))
    cas = _add(actions, "cas", _cas, "set a key if it has the expected value")
    _add_key(cas)
    cas.add_argument("--expect", metavar="TEXT", help="the expected value (default: the key must be absent)")
    cas.add_argument("--value", metavar="TEXT", help="the new value (default: the key is removed)")
    incr = _add(actions, "incr", _incr, "add to the number at a key and print the sum")
    _add_key(incr)
    incr.add_argument("by", type=int, nargs="?", default=1, help="what is added (default 1)")
    scan = _add(actions, "scan", _scan, "print all keys and values of one snapshot")
    scan.add_argument("prefix", nargs="?", default="", help="only keys with this prefix")
    parser.set_defaults(run=run)


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, action: Action, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text)
    add_connect(parser)
    parser.add_argument("--store", default="store", help="the name of the store's group (default store)")
    add_output(parser)
    parser.set_defaults(action=action)
    return parser


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", help="the key: text")


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie kv`; return the exit code."""
    return run_async(_run(args))


async def _run(args: argparse.Namespace) -> int:
    action: Action = args.action
    async with connection_of(args).client() as client:
        acting = asyncio.ensure_future(_act(client, action, args))
        checking = asyncio.ensure_future(_check_kind(client, args.store))
        try:
            await asyncio.wait((acting, checking), return_when=asyncio.FIRST_COMPLETED)
            if not acting.done():  # a name of another kind would make it wait for its time limit
                await checking
            await acting
        except CommandRefused as error:
            if args.store not in (client.known_groups or (args.store,)):
                raise NameNotFound(f"--store {args.store!r}: {error}") from error
            if await _is_other_machine(client, args.store):
                raise NameNotFound(f"{args.store!r} is a group, and no key-value store") from error
            raise
        finally:
            for each in (acting, checking):
                each.cancel()
            await asyncio.gather(acting, checking, return_exceptions=True)
    return 0


async def _act(client: Client, action: Action, args: argparse.Namespace) -> None:
    async with naming_no_leader(client, args.store, is_read=action is _get):
        await action(client.key_value(args.store), args)


async def _check_kind(client: Client, store: str) -> None:
    """Raise NameNotFound or NameUncertain if no node that answers runs such a group, as far as this client is told."""
    await client.all_linked()
    with contextlib.suppress(NotAnOperator):
        await check_group(client, store, CHECK_TIMEOUT_S)


async def _is_other_machine(client: Client, group: str) -> bool:
    """Return whether the code of a group's nodes, as far as this client is told, has no command of a store."""
    schemas = code_schemas(await client.group(group).code(timeout_s=CHECK_TIMEOUT_S)).values()
    return bool(schemas) and not any(ANY_COMMAND in schema.commands for schema in schemas)


async def _get(store: KeyValueClient, args: argparse.Namespace) -> None:
    key, age = _bytes(args.key), {}
    if args.consistency == "stale":
        read = await store.group.read_stale(Get(key))
        value = read.value
        age = {"node": read.node, "index": read.index, "behind": read.behind, "heard_s": read.heard_s}
        if not args.out.is_json:
            print_error(f"coterie: {_age_text(read)}")
    else:
        value = await store.get(key, consistency=args.consistency)
    if value is None:
        raise _absent(args)
    if args.out.is_json:
        args.out.show({"key": key, "value": value, **age})
    else:
        print_value(_text(value))


def _age_text(read: StaleRead[bytes | None]) -> str:
    has_heard = math.isfinite(read.heard_s)
    heard = f"heard from a leader {read.heard_s:.3g} s ago" if has_heard else "has never heard from a leader"
    behind = f", and knows of {read.behind} more that it has not applied" if read.behind else ""
    return f"as {read.node} has it: it {heard}, and has applied entries up to {read.index}{behind}"


async def _put(store: KeyValueClient, args: argparse.Namespace) -> None:
    await store.put(_bytes(args.key), _bytes(args.value))
    args.out.show({"key": _bytes(args.key)})


async def _delete(store: KeyValueClient, args: argparse.Namespace) -> None:
    if not await store.delete(_bytes(args.key)):
        raise _absent(args)
    args.out.show({"key": _bytes(args.key)})


async def _cas(store: KeyValueClient, args: argparse.Namespace) -> None:
    expected = None if args.expect is None else _bytes(args.expect)
    value = None if args.value is None else _bytes(args.value)
    if not await store.compare_and_swap(_bytes(args.key), expected, value):
        raise WrongValue(f"key {args.key!r} of {args.store!r} has not the expected value: nothing is changed")
    args.out.show({"key": _bytes(args.key)})


async def _incr(store: KeyValueClient, args: argparse.Namespace) -> None:
    try:
        total = await store.increment(_bytes(args.key), args.by)
    except CommandRefused as error:  # its text has the key and the value as Python's bytes
        raise CommandRefused(_BYTES_MARK.sub("", str(error))) from error
    args.out.show({"key": _bytes(args.key), "value": total}, [str(total)])


async def _scan(store: KeyValueClient, args: argparse.Namespace) -> None:
    out: CommandOutput = args.out
    found = []
    async for key, value in store.scan(_bytes(args.prefix)):
        if out.is_json:
            found.append({"key": key, "value": value})
        else:
            print_lines([f"{printable(_text(key))}\t{printable(_text(value))}"])
    if out.is_json:
        out.show({"pairs": found})


def _absent(args: argparse.Namespace) -> NameNotFound:
    return NameNotFound(f"{args.store!r} has no key {args.key!r}")


def _bytes(argument: str) -> bytes:
    return argument.encode(errors="surrogateescape")  # the bytes that the operating system passed


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
