"""Keys and certificates on the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Final

from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.transport.handshake.shared_key import SharedKey

__all__ = ["OPEN", "Security", "add_security", "security_of"]


@dataclass(frozen=True, slots=True)
class Security:
    """What both ends of a link must show; None: nothing."""

    auth: SharedKey | None = None
    tls: TlsConfig | None = None


OPEN: Final = Security()
"""Nothing is to be shown."""


def add_security(parser: argparse.ArgumentParser) -> None:
    """Let a parser take a shared key and certificates."""
    group = parser.add_argument_group("security", "what both ends of a link must show")
    group.add_argument("--key-file", metavar="FILE", help="the cluster's key: all bytes of FILE, 16 or more")
    group.add_argument("--tls-certificate", metavar="FILE", help="this end's certificate (PEM)")
    group.add_argument("--tls-key", metavar="FILE", help="its private key (PEM)")
    group.add_argument("--tls-authority", metavar="FILE", help="whose signature on certificates counts (PEM)")


def security_of(args: argparse.Namespace) -> Security:
    """Return what the options name. OSError, ValueError: a file that does not read, options that do not fit."""
    auth = None
    if args.key_file is not None:
        with open(args.key_file, "rb") as file:
            key = file.read()
        try:
            auth = SharedKey(key)
        except ValueError as error:
            raise ValueError(f"--key-file {args.key_file}: {error}") from error
    files = (args.tls_certificate, args.tls_key, args.tls_authority)
    if any(files) and not all(files):
        raise ValueError("--tls-certificate, --tls-key and --tls-authority go together: give all three or none")
    return Security(auth, TlsConfig(*files) if all(files) else None)
