"""Peer catalogue: lists the other actor systems to compare with, and checks whether they are installed."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True, slots=True)
class Peer:
    """Another actor system: its adapter's `module`, and the `package` or the `programs` that it needs."""

    module: str
    package: str = ""
    programs: tuple[str, ...] = ()
    install: str = "pip install 'coterie[peers]'"

    def missing(self) -> str | None:
        """Return the missing package or program, and how to install it; None if nothing is missing."""
        if self.package and importlib.util.find_spec(self.package) is None:
            return f"no package {self.package!r} ({self.install})"
        absent = [program for program in self.programs if shutil.which(program) is None]
        return f"no program {absent[0]!r} ({self.install})" if absent else None


PEERS: dict[str, Peer] = {
    "pykka": Peer("benchmarks.peers.pykka_peer", package="pykka"),
    "xoscar": Peer("benchmarks.peers.xoscar_peer", package="xoscar"),
    "tapio": Peer("benchmarks.peers.tapio_peer", package="tapio"),
    "ray": Peer("benchmarks.peers.ray_peer", package="ray"),
    "erlang": Peer(
        "benchmarks.peers.erlang_peer", programs=("erl", "erlc", "epmd"), install="apt-get install erlang-base"
    ),
}
