"""`Certificate`: reads the names and role that a peer's TLS certificate allows, and checks the peer against them.

Pure: the host has already checked the signature and the dates of the certificate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from coterie.runtime.transport.handshake.handshake_messages import HandshakeRefusal, RefusalReason, refuse
from coterie.runtime.transport.handshake.identity import Peer, PeerRole, owner_of

__all__ = [
    "Certificate",
    "certificate_of",
    "certificate_refusal",
    "extended_key_usages",
    "fingerprint",
    "names_in",
]

SERVER_AUTH: Final = bytes.fromhex("2b06010505070301")
"""The object identifier of the usage `serverAuth` (RFC 5280 §4.2.1.12)."""

_DER: Final = 2  # `_ssl.ENCODING_DER`
_EXTENDED_KEY_USAGE: Final = bytes.fromhex("551d25")
_SEQUENCE, _EXPLICIT_3, _OBJECT_IDENTIFIER, _OCTET_STRING = 0x30, 0xA3, 0x06, 0x04


class SecureChannel(Protocol):
    """The part of `ssl.SSLObject` that is used here."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return the peer's certificate as a dictionary, or as DER."""
        ...


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that the host has verified, as far as it is of interest later.

    Attributes:
        names: that it is valid for.
        may_be_node: whether its owner may be a node; else it is a client only.
        expires: when it expires, as OpenSSL writes it ("Jan  5 09:34:43 2030 GMT"); "" if the host cannot tell.
        fingerprint: SHA-256 of the certificate, lower-case hexadecimal digits.
        anchor: the same of the authority's certificate at which its chain ends; "" if the host cannot tell.
    """

    names: tuple[str, ...]
    may_be_node: bool
    expires: str = ""
    fingerprint: str = ""
    anchor: str = ""


def certificate_of(channel: object) -> Certificate | None:
    """Return the certificate of the other end of a connection (its extra info "ssl_object"); None if it is plain."""
    if channel is None:
        return None
    secured = cast(SecureChannel, channel)
    described, encoded = secured.getpeercert() or {}, secured.getpeercert(True) or b""
    return Certificate(
        names_in(described),
        SERVER_AUTH in extended_key_usages(encoded),
        expires=described.get("notAfter", ""),
        fingerprint=fingerprint(encoded),
        anchor=_anchor(channel),
    )


def fingerprint(encoded: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate (DER)."""
    return hashlib.sha256(encoded).hexdigest()


def _anchor(channel: object) -> str:
    """Return the fingerprint of the last certificate of the chain that was verified; "" if that cannot be had."""
    for owner in (channel, getattr(channel, "_sslobj", None)):  # it is public since Python 3.13
        if hasattr(owner, "get_verified_chain"):
            last = owner.get_verified_chain()[-1]
            break
    else:
        return ""
    return fingerprint(last if isinstance(last, bytes) else last.public_bytes(_DER))


def certificate_refusal(
    certificate: Certificate | None, peer: Peer, distrust: Callable[[Certificate], str | None] | None = None
) -> HandshakeRefusal | None:
    """Return why `peer` cannot be the owner of `certificate`; None if it can, or if connections are plain.

    `distrust` returns why the host does not accept a certificate at present, see `SecuredNetwork.distrust`.
    """
    if certificate is None:
        return None
    why = None if distrust is None else distrust(certificate)
    if why is not None:
        return refuse(RefusalReason.WRONG_CERTIFICATE, f"the certificate of {peer.node!r} does not count: {why}")
    if not any(_is_name_of(peer, name) for name in certificate.names):
        names = ", ".join(map(repr, certificate.names)) or "no name"
        return refuse(RefusalReason.WRONG_CERTIFICATE, f"{peer.node!r} presented a certificate issued to {names}")
    if peer.role is PeerRole.NODE and not certificate.may_be_node:
        text = f"{peer.node!r} is a node with a client's certificate (without the usage serverAuth)"
        return refuse(RefusalReason.WRONG_ROLE, text)
    return None


def _is_name_of(peer: Peer, name: str) -> bool:
    """A client may add a suffix to its name, so that several programs can share one certificate."""
    if peer.role is PeerRole.NODE:
        return peer.node == name
    return owner_of(peer.node) == name  # what has a suffix itself is issued to no client: it would be another's


def extended_key_usages(encoded: bytes) -> tuple[bytes, ...]:
    """Return the object identifiers of a certificate's extended key usages (DER, RFC 5280 §4.1); () if it has none."""
    try:
        for extension in _extensions(encoded):
            parts = list(_parts(extension))
            if parts[0] == (_OBJECT_IDENTIFIER, _EXTENDED_KEY_USAGE) and parts[-1][0] == _OCTET_STRING:
                (_, usages), *_ = _parts(parts[-1][1])
                return tuple(usage for tag, usage in _parts(usages) if tag == _OBJECT_IDENTIFIER)
    except (IndexError, ValueError):
        return ()  # not readable: no usage is allowed
    return ()


def _extensions(encoded: bytes) -> Iterator[bytes]:
    (_, certificate), *_ = _parts(encoded)
    (_, to_be_signed), *_ = _parts(certificate)
    for tag, content in _parts(to_be_signed):
        if tag == _EXPLICIT_3:
            (_, extensions), *_ = _parts(content)
            yield from (extension for tag, extension in _parts(extensions) if tag == _SEQUENCE)


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, content) of each element of a DER sequence; IndexError if it is cut short."""
    at = 0
    while at < len(content):
        tag, size, start = content[at], content[at + 1], at + 2
        if size & 0x80:
            width = size & 0x7F
            size = int.from_bytes(content[start : start + width], "big")
            start += width
        if start + size > len(content):
            raise IndexError("an element is longer than its container")
        yield tag, content[start : start + size]
        at = start + size


def names_in(described: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that a certificate is valid for; `described` is the result of `getpeercert`.

    RFC 6125 §6.4.4: the common name counts only where there is no alternative name.
    """
    alternatives = described.get("subjectAltName", ())
    if alternatives:
        return tuple(value for kind, value in alternatives if kind == "DNS")
    subject = described.get("subject", ())
    return tuple(value for group in subject for key, value in group if key == "commonName")
