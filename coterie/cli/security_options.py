"""`SecurityOptions`: reads the command-line options for a shared key and TLS certificates."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Final

from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.transport.handshake.shared_key import SharedKey
from coterie.terminal_output import print_error

__all__ = ["NO_SECURITY", "SecurityOptions", "add_security", "security_of"]


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """The shared key and the certificates of a link; None: not used."""

    auth: SharedKey | None = None
    tls: TlsConfig | None = None


NO_SECURITY: Final = SecurityOptions()
"""No key and no certificates."""


def add_security(parser: argparse.ArgumentParser) -> None:
    """Add the options for a shared key and certificates to a parser."""
    group = parser.add_argument_group("security", "how both ends of a link prove who they are")
    group.add_argument("--key-file", metavar="FILE", help="the cluster's key: all bytes of FILE, 16 or more")
    group.add_argument("--tls-certificate", metavar="FILE", help="this end's certificate (PEM)")
    group.add_argument("--tls-key", metavar="FILE", help="its private key (PEM)")
    group.add_argument(
        "--tls-authority",
        metavar="FILE",
        help="the certificate authority that must have signed the peer's certificate (PEM)",
    )


def security_of(args: argparse.Namespace) -> SecurityOptions:
    """Return the options as an object. OSError: a file cannot be read. ValueError: the options do not fit together."""
    auth = None
    if args.key_file is not None:
        try:
            auth = SharedKey(_read_key(args.key_file))
        except ValueError as error:
            raise ValueError(f"--key-file {args.key_file}: {error}") from error
    files = (args.tls_certificate, args.tls_key, args.tls_authority)
    if any(files) and not all(files):
        raise ValueError("--tls-certificate, --tls-key and --tls-authority go together: give all three or none")
    return SecurityOptions(auth, TlsConfig(*files) if all(files) else None)


def _read_key(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            if not RealDisk().is_private(path):
                print_error(f"coterie: --key-file {path}: others than its owner can read it: chmod 600 it")
            return file.read()
    except OSError as error:
        raise OSError(f"cannot read --key-file {path!r}: {os.strerror(error.errno or 0)}") from error
