"""Exposure checks: check where a node listens, what protects its links, and what clients reach there."""

from __future__ import annotations

from collections.abc import Iterator

from coterie.actors.topology.parts import DetectorPart
from coterie.hardening.checked_deployment import Deployment, Finding, Level
from coterie.runtime.transport.handshake.identity import CLIENT_SEPARATOR
from coterie.runtime.transport.transport import is_loopback

__all__ = ["client_findings", "link_findings"]


def link_findings(deployment: Deployment) -> Iterator[Finding]:
    """Yield what protects the links of the node."""
    host, auth, tls = deployment.host, deployment.auth, deployment.tls
    where = f"listening on {host}"
    if tls is not None:
        yield Finding(Level.OK, f"{where}: links are encrypted, and each end shows a certificate")
        if auth is None and any(isinstance(part, DetectorPart) for part in deployment.topology.parts):
            text = (
                "the failure detector sends no datagrams with certificates alone, and hears of failures over the links"
            )
            yield Finding(Level.NOTE, text, "add --key-file")
    elif auth is not None and is_loopback(host):
        yield Finding(Level.OK, f"{where}: a key protects every link and every frame from others on this machine")
    elif auth is not None:
        text = f"{where}: keys protect every frame from change, and none from being read on the way"
        yield Finding(
            Level.WARNING, text, "use --tls-certificate, --tls-key and --tls-authority beyond networks you trust"
        )
    elif is_loopback(host):
        text = f"{where} without a key: every user and program of this machine can act as a node"
        yield Finding(Level.WARNING, text, "give --key-file unless this machine has one user")
    else:
        text = f"{where} without a key: every program that reaches it can act as a node"
        yield Finding(Level.FAILURE, text, "give --key-file or the --tls-… options")
    if deployment.is_insecure and (auth is not None or tls is not None):
        yield Finding(Level.NOTE, "--insecure has no effect with keys or certificates", "leave it out")


def client_findings(deployment: Deployment) -> Iterator[Finding]:
    """Yield what clients may do, and which of them operate the cluster."""
    topology, auth = deployment.topology, deployment.auth
    exported_by_part = {
        part.name: getattr(part, "exported", True) for part in topology.parts if not isinstance(part, DetectorPart)
    }
    open_parts = [name for name, exported in exported_by_part.items() if exported is True]
    inner = [name for name, exported in exported_by_part.items() if exported is not True]
    yield Finding(Level.NOTE, f"every client reaches {', '.join(open_parts) or 'nothing'}", _advice_for(open_parts))
    if inner:
        yield Finding(Level.OK, f"no client reaches {', '.join(inner)}")
    for node in topology.nodes:
        if CLIENT_SEPARATOR in node:
            text = f"node {node!r}: a client may be called like that, with a key or certificate of the part before '+'"
            yield Finding(Level.WARNING, text, "give it a name without '+'")
    if auth is None and deployment.tls is None:
        return
    for name in sorted({client.name for client in auth.clients} if auth is not None else ()):
        if name in topology.nodes:
            yield Finding(Level.FAILURE, f"client {name!r} has the name of a node", "give it another one")
        what = "operates the cluster" if name in topology.operators else "is an ordinary client"
        yield Finding(Level.OK, f"client {name!r} has a key, and {what}")
    known = {client.name for client in auth.clients} if auth is not None else set()
    missing = [name for name in topology.operators if name not in known]
    if missing and deployment.tls is None:
        text = f"no key is listed for {', '.join(map(repr, missing))}: operators of the topology"
        yield Finding(Level.WARNING, text, "give --client-key NAME=FILE")
    if not topology.operators:
        text = "no client operates the cluster: reports need the key or certificate of a node"
        yield Finding(Level.NOTE, text, "name some: Topology(…, operators=[…])")


def _advice_for(parts: list[str]) -> str:
    return "exported=False keeps actors, pools and balancers from clients" if parts else ""
