"""`RealNetwork`: opens and accepts TCP connections on the running asyncio loop, plain or with mutual TLS 1.3; UDP."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from coterie.errors import HandshakeRefused
from coterie.runtime.hosts.host import DatagramReceiver
from coterie.runtime.hosts.real_datagrams import RealDatagramSocket, open_datagram_socket
from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.hosts.real_listener import RealListener, TlsAccept, bind_all
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.transport.handshake.certificate import Certificate, fingerprint, names_in
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason
from coterie.runtime.transport.handshake.tls_mismatch import DIALLED_IN_TLS, DIALLED_PLAIN, plain_refusal

__all__ = ["RealNetwork", "RealSecuredNetwork"]

ProtocolFactory = Callable[[], asyncio.Protocol]

_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")
"""OpenSSL's reasons when what arrives is no TLS at all."""

_SHUTDOWN_TIMEOUT_S = 1.0  # for a peer that sends no close_notify


class RealNetwork:
    """TCP through the running loop, without Nagle's delay: asyncio and uvloop both set TCP_NODELAY (tested)."""

    async def listen(self, factory: ProtocolFactory, host: str, port: int) -> RealListener:
        """Accept connections at (host, port). OSError if it cannot bind."""
        return RealListener(await bind_all(host, port), factory)

    async def connect(self, factory: ProtocolFactory, host: str, port: int) -> None:
        """Connect to (host, port). OSError if the connection fails."""
        await asyncio.get_running_loop().create_connection(factory, host, port)

    async def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return all addresses that a host name has, each with the port. OSError if it has none."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port)  # of each kind of socket
        return list(dict.fromkeys((address[0], port) for *_, address in found if isinstance(address[0], str)))

    async def open_datagrams(self, received: DatagramReceiver, host: str, port: int) -> RealDatagramSocket:
        """Open a UDP socket at (host, port). OSError, naming the address, if it cannot be bound."""
        return await open_datagram_socket(received, host, port)

    def secured(
        self, tls: TlsConfig, on_refused: Callable[[str, str], None], *, handshake_timeout_s: float, handshakes_max: int
    ) -> RealSecuredNetwork:
        """Return the same network in mutual TLS; see `host.SecuredNetwork`."""
        return RealSecuredNetwork(
            tls, on_refused, handshake_timeout_s=handshake_timeout_s, handshakes_max=handshakes_max
        )

    def certificate_names(self, tls: TlsConfig) -> tuple[str, ...]:
        """Return the names in our own certificate. OSError, naming the file, if it cannot be read."""
        with _errors_naming(repr(tls.certificate)):
            # The standard library has no other way to decode a certificate that no peer has presented.
            described: dict[str, Any] = ssl._ssl._test_decode_cert(tls.certificate)  # type: ignore[attr-defined]  # noqa: SLF001
        return names_in(described)


class RealSecuredNetwork:
    """TCP through the running loop, every connection in mutual TLS 1.3.

    The name in a certificate is not checked here: the user of the connection compares it
    (`get_extra_info("ssl_object")`).

    Args:
        config: the paths of the certificates.
        on_refused: called with the address and the reason when an incoming connection has no valid certificate, or does
            not begin with TLS.
        handshake_timeout_s: a handshake that takes longer is dropped.
        handshakes_max: so many incoming handshakes at once; one more ends the oldest.

    Raises:
        OSError, ssl.SSLError: a file cannot be read, or has the wrong content; the message names it.
    """

    def __init__(
        self,
        config: TlsConfig,
        on_refused: Callable[[str, str], None],
        *,
        handshake_timeout_s: float,
        handshakes_max: int,
    ) -> None:
        self._config = config
        self._handshakes_max = handshakes_max
        self._on_refused = on_refused
        self._tls_timeouts: dict[str, Any] = {
            "ssl_handshake_timeout": handshake_timeout_s,
            "ssl_shutdown_timeout": _SHUTDOWN_TIMEOUT_S,
        }
        self._server, self._client = self._contexts()
        self._revoked = _read_revoked(config.revoked)

    def reload(self) -> None:
        """Read the files again, for new connections. Raises as the constructor does; then nothing has changed."""
        contexts, revoked = self._contexts(), _read_revoked(self._config.revoked)
        (self._server, self._client), self._revoked = contexts, revoked

    def distrust(self, certificate: Certificate, *, now: float) -> str | None:
        """Return why a certificate would not be accepted at `now` (Unix time, s); None if it would."""
        if certificate.fingerprint in self._revoked:
            return f"it is revoked in {self._config.revoked!r}"
        if certificate.expires and ssl.cert_time_to_seconds(certificate.expires) <= now:
            return "it has expired"
        anchors = set(map(fingerprint, self._server.get_ca_certs(binary_form=True)))
        if certificate.anchor and certificate.anchor not in anchors:
            return f"no authority in {self._config.authority!r} stands for it"
        return None

    async def listen(self, factory: ProtocolFactory, host: str, port: int) -> RealListener:
        """Accept connections at (host, port). OSError if it cannot bind."""
        listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A listener keeps the context it was made with; each of its connections is moved to the current one.
        listening.sni_callback = self._use_current_context
        listening.num_tickets = 0  # a session ticket would readmit a peer whose certificate is no longer valid
        _require_certificates(listening, self._config)
        tls = TlsAccept(listening, self._handshakes_max, self._refused, plain_refusal(), self._tls_timeouts)
        return RealListener(await bind_all(host, port), factory, tls)

    async def connect(self, factory: ProtocolFactory, host: str, port: int) -> None:
        """Connect to (host, port).

        Raises:
            OSError: the connection fails.
            HandshakeRefused: the peer has no valid certificate, or does not speak TLS.
        """
        loop = asyncio.get_running_loop()
        try:
            # The certificate names the node, not the host: the user of the connection compares it.
            await loop.create_connection(
                factory, host, port, ssl=self._client, server_hostname="", **self._tls_timeouts
            )
        except ssl.SSLError as error:
            raise _handshake_refused(error, DIALLED_IN_TLS) from error

    def _refused(self, address: str, error: ssl.SSLError | None) -> None:
        """Report an incoming connection that failed, without an error because it did not begin with TLS."""
        if error is None:
            self._on_refused(address, f"{RefusalReason.TLS_MISMATCH.value}: {DIALLED_PLAIN}")
        else:
            self._on_refused(address, str(_handshake_refused(error, DIALLED_PLAIN)))

    def _use_current_context(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, listening: ssl.SSLContext
    ) -> None:
        del name, listening
        connection.context = self._server

    def _contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        server.num_tickets = 0
        _require_certificates(server, self._config)
        _require_certificates(client, self._config)
        return server, client


def _require_certificates(context: ssl.SSLContext, config: TlsConfig) -> None:
    """Make `context` present our certificate and require a valid one from the peer, in TLS 1.3."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    with _errors_naming(f"{config.certificate!r} with key {config.key!r}"):
        # An empty password: with none at all, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(config.certificate, config.key, "")
    with _errors_naming(f"{config.authority!r}"):
        context.load_verify_locations(config.authority)


def _read_revoked(path: str) -> frozenset[str]:
    """Return the fingerprints in a file, lower case, no colons. OSError names the file, and a line that is none."""
    if not path:
        return frozenset()
    with _errors_naming(repr(path)):
        file = RealDisk().open(path)
        try:
            text = file.read_at(0, file.size()).decode("ascii", "replace")
        finally:
            file.close()
        lines = [line.split("#")[0].strip() for line in text.splitlines()]
        found = [line.rpartition("=")[2].replace(":", "").lower() for line in lines]
        for number, one in enumerate(found, 1):
            if lines[number - 1] and not re.fullmatch("[0-9a-f]{64}", one):  # it is not shown: it may be a key
                raise OSError(errno.EINVAL, f"line {number}, of {len(lines[number - 1])} characters, is no fingerprint")
        return frozenset(one for one in found if one)


@contextlib.contextmanager
def _errors_naming(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl.SSLError is one, and does not name the file
        why = error.strerror or " ".join(map(str, error.args))
        raise OSError(error.errno or errno.EINVAL, f"TLS cannot use {what}: {why}") from error


def _handshake_refused(error: ssl.SSLError, mismatch: str) -> HandshakeRefused:
    """Return what a failed handshake means; `mismatch`: what to say if the other end does not speak TLS."""
    if error.reason in _NO_TLS:
        return HandshakeRefused(RefusalReason.TLS_MISMATCH.value, mismatch)
    is_about_certificates = "CERTIFICATE" in (error.reason or "")
    detail = f" ({error.verify_message})" if isinstance(error, ssl.SSLCertVerificationError) else ""
    reason = RefusalReason.WRONG_CERTIFICATE if is_about_certificates else RefusalReason.INCOMPLETE
    return HandshakeRefused(reason.value, f"TLS: {error.reason or error}{detail}")
