"""`TlsConfig`: names the certificate and key files for mutual TLS; `Network.secured` makes the connections."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TlsConfig"]


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Paths of PEM files. Both ends of every connection must present a certificate (TLS 1.3).

    A certificate proves a name: one of its DNS names, or its common name if it has no alternative names, must equal
    the node's (or client's) name exactly. It also proves a role: a node's certificate has the extended key usages
    `serverAuth` and `clientAuth`, a client's has only `clientAuth`, so that no client can connect as a node. Clients
    may share a certificate: one for `web` is valid for `web` and for every `web+…`.

    Attributes:
        certificate: this system's certificate, followed by intermediate ones if there are any.
        key: its private key, not encrypted.
        authority: the certificates of the trusted authorities.
        revoked: a file with the SHA-256 fingerprints of certificates that do not count any more, one a line, as
            `openssl x509 -fingerprint -sha256` prints them; "" for none. (A list that an authority signs would have to
            be renewed before it expires, and an outdated one would shut out everyone.)
    """

    certificate: str
    key: str
    authority: str
    revoked: str = ""

    def __post_init__(self) -> None:
        for name in ("certificate", "key", "authority"):
            if not getattr(self, name):
                raise ValueError(f"TlsConfig needs {name}=, the path of a PEM file")
