"""`Deployment`: holds what is checked, as `coterie run` is given it; `Finding`: holds the result of one check."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from coterie.actors.topology import Topology
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.transport.handshake.shared_key import SharedKey

__all__ = ["Deployment", "Finding", "Level"]


class Level(enum.Enum):
    """How bad a finding is. The values are what is printed."""

    OK = "ok"
    NOTE = "note"  # a fact that its operator should know
    WARNING = "WARNING"  # a weakness that may be meant
    FAILURE = "FAILURE"  # what nobody can mean


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, in one line; `advice`: what to do about it, "" if nothing."""

    level: Level
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One node as it will be run.

    Attributes:
        topology: of the cluster.
        node: which node; None: any of them (what belongs to one node alone is not checked).
        host: where it listens.
        data: its data directory; None: in memory.
        auth, tls: its keys and certificates; None: none.
        key_files: the option that names it and the path, for each file of a key.
        is_insecure: whether listening beyond loopback without either was allowed.
        code: the file of the module that declares the topology.
    """

    topology: Topology
    node: str | None
    host: str
    data: str | None
    auth: SharedKey | None
    tls: TlsConfig | None
    key_files: tuple[tuple[str, str], ...]
    is_insecure: bool
    code: str

    @property
    def tls_files(self) -> tuple[str, ...]:
        """The files of certificates that decide who is believed."""
        tls = self.tls
        return () if tls is None else tuple(path for path in (tls.certificate, tls.authority, tls.revoked) if path)
