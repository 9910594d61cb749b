"""Certificate checks: check certificates by a TLS handshake in memory, and by their names, dates and roles."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from typing import Final

from coterie.hardening.checked_deployment import Deployment, Finding, Level
from coterie.hardening.file_checks import private_findings
from coterie.runtime.hosts.real_network import RealSecuredNetwork
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.transport.handshake.certificate import Certificate, certificate_of

__all__ = ["certificate_findings"]

DAY_S: Final = 86400
EXPIRES_SOON_S: Final = 30 * DAY_S

ROUNDS: Final = 10
"""More than a handshake in memory takes."""


def certificate_findings(deployment: Deployment) -> Iterator[Finding]:
    """Yield what is to be said about the certificate of a node; nothing without TLS."""
    tls, node = deployment.tls, deployment.node
    if tls is None:
        return
    try:
        network = RealSecuredNetwork(tls, lambda *_: None, handshake_timeout_s=1.0, handshakes_max=1)
    except OSError as error:  # it names the file
        yield Finding(Level.FAILURE, error.strerror or str(error), "see the --tls-… options: no node starts like this")
        return
    yield from private_findings(f"--tls-key {tls.key}", tls.key, "chmod 600")
    try:
        certificate = _shown_certificate(tls)
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", None) or error.reason or str(error)
        text = f"{tls.certificate}: another node with {tls.authority} refuses it: {why}"
        yield Finding(Level.FAILURE, text, "have it signed by that authority, for serverAuth and clientAuth")
        return
    why = network.distrust(certificate, now=time.time())
    if why is not None:
        yield Finding(Level.FAILURE, f"{tls.certificate}: {why}")
    if not certificate.may_be_node:
        yield Finding(Level.FAILURE, f"{tls.certificate}: without the usage serverAuth it makes a client, and no node")
    if node is not None and node not in certificate.names:
        names = ", ".join(map(repr, certificate.names)) or "no name"
        yield Finding(Level.FAILURE, f"{tls.certificate}: it is issued to {names}, and not to {node!r}")
    if any("*" in name for name in certificate.names):
        yield Finding(Level.NOTE, f"{tls.certificate}: names with * are compared as they are: they stand for no node")
    left_s = ssl.cert_time_to_seconds(certificate.expires) - time.time()
    text = f"{tls.certificate}: it expires in {left_s / DAY_S:.0f} days"
    is_soon = 0 < left_s < EXPIRES_SOON_S
    if left_s > 0:
        advice = "renew it, and send the node SIGHUP" if is_soon else ""
        yield Finding(Level.WARNING if is_soon else Level.OK, text, advice)


def _shown_certificate(tls: TlsConfig) -> Certificate:
    """Return a node's certificate as another node verifies it. ssl.SSLError: that one refuses it."""
    contexts = [ssl.SSLContext(protocol) for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)]
    for context in contexts:
        context.check_hostname = False
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(tls.certificate, tls.key, "")
        context.load_verify_locations(tls.authority)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = contexts[0].wrap_bio(to_server, to_client, server_side=True)
    client = contexts[1].wrap_bio(to_client, to_server)
    for _ in range(ROUNDS):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = certificate_of(client)
    if certificate is None:
        raise ssl.SSLError("the handshake did not end")
    return certificate
