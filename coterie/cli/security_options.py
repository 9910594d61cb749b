"""`SecurityOptions`: reads the command-line options for keys and certificates, and passes them on to nodes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from coterie.cli.command_loop import WrongUsage
from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.hosts.real_network import RealNetwork
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.transport.handshake.shared_key import ClientKey, SharedKey
from coterie.terminal_output import print_error

__all__ = [
    "NODE_MARK",
    "NO_SECURITY",
    "SecurityOptions",
    "add_client_security",
    "add_node_security",
    "foreign_certificate",
    "node_options",
    "of_node",
    "read_key",
    "security_of",
    "tls_of",
]

KEY_BYTES_MAX: Final = 65_536
"""More is no key, but a wrong file."""

NODE_MARK: Final = "{node}"
"""Stands for the name of each node in the paths that `coterie up` is given."""


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """The keys and the certificates of a link; None: not used."""

    auth: SharedKey | ClientKey | None = None
    tls: TlsConfig | None = None

    @property
    def node_auth(self) -> SharedKey | None:
        """The keys of a node."""
        return self.auth if isinstance(self.auth, SharedKey) else None


NO_SECURITY: Final = SecurityOptions()
"""No key and no certificates."""


def add_client_security(parser: argparse.ArgumentParser) -> None:
    """Add the options for the keys and certificates of a client to a parser."""
    group = _add_security(parser)
    group.add_argument(
        "--key-of",
        metavar="NAME",
        help="the key is that of the client NAME (default: it is the nodes' own, with which everything is allowed)",
    )


def add_node_security(parser: argparse.ArgumentParser) -> None:
    """Add the options for the keys and certificates of nodes to a parser."""
    group = _add_security(parser)
    group.add_argument(
        "--also-key",
        action="append",
        default=[],
        dest="also_keys",
        metavar="FILE",
        help="another key that nodes may have, while the key is changed (may be repeated)",
    )
    group.add_argument(
        "--client-key",
        action="append",
        default=[],
        dest="client_keys",
        metavar="NAME=FILE",
        help="the key of the client NAME: with it a program can be that client, and no node (repeat for each client; "
        "one may have two)",
    )


def _add_security(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("security", "how both ends of a link prove who they are")
    group.add_argument("--key-file", action=_Once, metavar="FILE", help="the key: all bytes of FILE, 16 or more")
    group.add_argument("--tls-certificate", metavar="FILE", help="this end's certificate (PEM)")
    group.add_argument("--tls-key", metavar="FILE", help="its private key (PEM)")
    group.add_argument(
        "--tls-authority",
        metavar="FILE",
        help="the certificate authority that must have signed the peer's certificate (PEM)",
    )
    group.add_argument(
        "--tls-revoked",
        metavar="FILE",
        help="SHA-256 fingerprints of certificates that do not count any more, one a line",
    )
    return group


class _Once(argparse.Action):
    """Stores a value, and refuses a second one: the last would count in silence."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        if getattr(namespace, self.dest, None) is not None:
            parser.error(f"{option_string} is given twice (nodes accept further keys with --also-key)")
        setattr(namespace, self.dest, values)


def read_key(option: str, path: str) -> bytes:
    """Return the key in a file. WrongUsage: it cannot be read, or is no key; the text names option and file."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise WrongUsage(f"{option} {path}: it is no regular file")
        with open(path, "rb") as file:
            if not RealDisk().is_private(path):
                print_error(f"coterie: {option} {path}: others than its owner can read it: chmod 600 it")
            key = file.read(KEY_BYTES_MAX + 1)
        if len(key) > KEY_BYTES_MAX:
            raise WrongUsage(f"{option} {path}: it has more than {KEY_BYTES_MAX} bytes")
        return key
    except OSError as error:
        raise WrongUsage(f"cannot read {option} {path!r}: {os.strerror(error.errno or 0)}") from error


def security_of(args: argparse.Namespace, read: Callable[[str, str], bytes] = read_key) -> SecurityOptions:
    """Return the options as an object. WrongUsage: they do not fit together, or a file cannot be used: see `read_key`.

    `read`: returns the key of an option and a path.
    """
    return SecurityOptions(_auth_of(args, read), tls_of(args))


def tls_of(args: argparse.Namespace) -> TlsConfig | None:
    """Return where the certificates are; None: there are none. WrongUsage: the options do not fit together."""
    files = (args.tls_certificate, args.tls_key, args.tls_authority)
    if (any(files) and not all(files)) or (args.tls_revoked and not any(files)):
        raise WrongUsage("--tls-certificate, --tls-key and --tls-authority go together: give all three or none")
    return TlsConfig(*files, args.tls_revoked or "") if all(files) else None


def foreign_certificate(tls: TlsConfig | None, node: str) -> str | None:
    """Return what is wrong if the certificate is issued to other names than that of the node; None if all is well.

    WrongUsage: the certificate cannot be read.
    """
    if tls is None:
        return None
    try:
        names = RealNetwork().certificate_names(tls)
    except OSError as error:
        raise WrongUsage(f"--tls-certificate: {error}") from error
    if node in names:
        return None
    issued = ", ".join(map(repr, names)) or "no name"
    return (
        f"--tls-certificate {tls.certificate!r} is issued to {issued}, and the node is {node!r}: no other node would "
        f"link with it; give a certificate and key (--tls-key) issued to {node!r} ({NODE_MARK} in the paths that "
        f"`coterie up` takes stands for the name of each node)"
    )


def of_node(args: argparse.Namespace, node: str) -> argparse.Namespace:
    """Return options for several nodes as those of one: `{node}` in a path of a certificate or a key is its name."""
    own = {name: path.replace(NODE_MARK, node) for name, path in _tls_files(args).items() if path is not None}
    return argparse.Namespace(**{**vars(args), **own})


def node_options(args: argparse.Namespace) -> list[str]:
    """Return the options of `coterie run` that say the same as `args`."""
    options = [] if args.key_file is None else ["--key-file", args.key_file]
    for also in args.also_keys:
        options += ["--also-key", also]
    for client_key in args.client_keys:
        options += ["--client-key", client_key]
    for name, path in _tls_files(args).items():
        options += [] if path is None else [f"--{name.replace('_', '-')}", path]
    return options


def _tls_files(args: argparse.Namespace) -> dict[str, str | None]:
    return {name: getattr(args, name) for name in ("tls_certificate", "tls_key", "tls_authority", "tls_revoked")}


def _auth_of(args: argparse.Namespace, read: Callable[[str, str], bytes]) -> SharedKey | ClientKey | None:
    key_of, client_keys = getattr(args, "key_of", None), getattr(args, "client_keys", [])
    also_keys = getattr(args, "also_keys", [])
    if args.key_file is None:
        if key_of is not None or client_keys or also_keys:
            given = "--key-of" if key_of is not None else "--client-key" if client_keys else "--also-key"
            raise WrongUsage(f"{given} goes with --key-file: without a key of the nodes nobody is asked for one")
        return None
    key, also = read("--key-file", args.key_file), [read("--also-key", path) for path in also_keys]
    clients = tuple(_client_key(text, read) for text in client_keys)
    try:
        return SharedKey(key, also=tuple(also), clients=clients) if key_of is None else ClientKey(key_of, key)
    except ValueError as error:
        raise WrongUsage(f"--key-file {args.key_file}: {error}") from error


def _client_key(text: str, read: Callable[[str, str], bytes]) -> ClientKey:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise WrongUsage(f"--client-key {text!r}: write NAME=FILE")
    try:
        return ClientKey(name, read("--client-key", path))
    except ValueError as error:
        raise WrongUsage(f"--client-key {text}: {error}") from error
