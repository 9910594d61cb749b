"""What a system needs for mutual TLS, as data; the host makes the connections (see `Network.secured`)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TlsConfig"]


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Files in PEM form. Both ends of every connection show a certificate (TLS 1.3), or there is no connection.

    A certificate vouches for a name: one of its DNS names, or its common name where it has no alternative names, is
    the node's (or client's) name, letter by letter. It vouches for a role, too: a node's has the extended key usages
    `serverAuth` and `clientAuth`, a client's has `clientAuth` alone, and no client can speak as a node with it. Clients
    may share a certificate: one for `web` is good for `web` and for every `web+…`.

    Attributes:
        certificate: this system's certificate, followed by intermediate ones if there are any.
        key: its private key, not encrypted.
        authority: the certificates of the authorities whose signature counts.
    """

    certificate: str
    key: str
    authority: str

    def __post_init__(self) -> None:
        for name in ("certificate", "key", "authority"):
            if not getattr(self, name):
                raise ValueError(f"TlsConfig needs {name}=, the path of a PEM file")
