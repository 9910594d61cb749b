"""This machine's network: TCP through the running loop, plain or in mutual TLS 1.3."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from coterie.errors import HandshakeRefused
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.transport.handshake.certificate import names_in

__all__ = ["RealListener", "RealNetwork", "SecuredNetwork"]

ProtocolFactory = Callable[[], asyncio.Protocol]

_SHUTDOWN_TIMEOUT_S = 1.0  # for a peer that does not say goodbye


class RealListener:
    """A listening socket of the running loop."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        # Kept, because a closed server no longer knows.
        host, port, *_ = server.sockets[0].getsockname()
        self._address = (str(host), int(port))

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) really bound; the first, if the name had several addresses."""
        return self._address

    def close(self) -> None:
        """Stop accepting; connections that were accepted live on. Twice is harmless."""
        self._server.close()


class RealNetwork:
    """TCP through the running loop, without delay: asyncio and uvloop both set TCP_NODELAY (tested)."""

    async def listen(self, factory: ProtocolFactory, host: str, port: int) -> RealListener:
        """Accept connections at (host, port). OSError if it cannot be bound."""
        return RealListener(await asyncio.get_running_loop().create_server(factory, host, port))

    async def connect(self, factory: ProtocolFactory, host: str, port: int) -> None:
        """Connect to (host, port). OSError if nobody answers."""
        await asyncio.get_running_loop().create_connection(factory, host, port)

    def secured(self, tls: TlsConfig, refused: Callable[[str], None], *, handshake_timeout_s: float) -> SecuredNetwork:
        """Return the same network in mutual TLS; see `SecuredNetwork`."""
        return SecuredNetwork(tls, refused, handshake_timeout_s=handshake_timeout_s)

    def names_on(self, tls: TlsConfig) -> tuple[str, ...]:
        """Return the names that our own certificate vouches for. OSError, naming the file, if it cannot be read."""
        with _naming(repr(tls.certificate)):
            # The one way that the standard library has to describe a certificate that nobody has shown us.
            described: dict[str, Any] = ssl._ssl._test_decode_cert(tls.certificate)  # type: ignore[attr-defined]  # noqa: SLF001
        return names_in(described)


class SecuredNetwork:
    """TCP through the running loop, every connection in mutual TLS 1.3.

    Whom a certificate was made out to is not checked here: whoever gets the connection asks it
    (`get_extra_info("ssl_object")`).

    Args:
        config: where the certificates are.
        refused: called with the reason when somebody who connected could not show a good certificate.
        handshake_timeout_s: who takes longer is dropped.

    Raises:
        OSError, ssl.SSLError: a file cannot be read, or does not hold what it should; the message names it.
    """

    def __init__(self, config: TlsConfig, refused: Callable[[str], None], *, handshake_timeout_s: float) -> None:
        self._config = config
        self._refused = refused
        self._patience: dict[str, Any] = {
            "ssl_handshake_timeout": handshake_timeout_s,
            "ssl_shutdown_timeout": _SHUTDOWN_TIMEOUT_S,
        }
        self._server, self._client = self._contexts()

    def reload(self) -> None:
        """Read the files again, for connections from now on. If it raises, as the constructor does, nothing changed."""
        self._server, self._client = self._contexts()

    async def listen(self, factory: ProtocolFactory, host: str, port: int) -> RealListener:
        """Accept connections at (host, port). OSError if it cannot be bound."""
        entrance = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A listener keeps the context it was made with; each of its connections is moved to the present one.
        entrance.sni_callback = self._enter
        entrance.sslobject_class = _watched(self._refused)
        entrance.num_tickets = 0  # a ticket would let somebody back in past a certificate that no longer counts
        _demand(entrance, self._config)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, host, port, ssl=entrance, **self._patience)
        return RealListener(server)

    async def connect(self, factory: ProtocolFactory, host: str, port: int) -> None:
        """Connect to (host, port).

        Raises:
            OSError: nobody answers.
            HandshakeRefused: somebody does, without a good certificate.
        """
        loop = asyncio.get_running_loop()
        try:
            # The certificate names the node, not the host: whoever uses the connection compares.
            await loop.create_connection(factory, host, port, ssl=self._client, server_hostname="", **self._patience)
        except ssl.SSLError as error:
            raise _refusal(error) from error

    def _enter(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, entrance: ssl.SSLContext) -> None:
        del name, entrance
        connection.context = self._server

    def _contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        server.num_tickets = 0
        _demand(server, self._config)
        _demand(client, self._config)
        return server, client


def _demand(context: ssl.SSLContext, config: TlsConfig) -> None:
    """Let `context` show our certificate and ask for a good one."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    with _naming(f"{config.certificate!r} with key {config.key!r}"):
        context.load_cert_chain(config.certificate, config.key, "")  # a password would be asked for on the terminal
    with _naming(f"{config.authority!r}"):
        context.load_verify_locations(config.authority)


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl.SSLError is one, and tells no file
        why = error.strerror or " ".join(map(str, error.args))
        raise OSError(error.errno or errno.EINVAL, f"TLS cannot use {what}: {why}") from error


def _watched(refused: Callable[[str], None]) -> type[ssl.SSLObject]:
    """Return the class of connections that tell why their handshake failed: the loop itself tells nobody."""

    class Watched(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                refused(str(_refusal(error)))
                raise

    return Watched


def _refusal(error: ssl.SSLError) -> HandshakeRefused:
    is_about_certificates = "CERTIFICATE" in (error.reason or "")
    detail = f" ({error.verify_message})" if isinstance(error, ssl.SSLCertVerificationError) else ""
    reason = "wrong_certificate" if is_about_certificates else "incomplete"
    return HandshakeRefused(reason, f"TLS: {error.reason or error}{detail}")
