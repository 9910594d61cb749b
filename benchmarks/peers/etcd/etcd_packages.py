"""Packages for etcd: checks whether etcd, Go and etcd's Go client are installed, and names their Debian packages."""

from __future__ import annotations

import os
import shutil
from typing import Final

__all__ = ["GO_SOURCES", "INSTALL", "etcd_missing"]

GO_SOURCES: Final = "/usr/share/gocode"
"""Where Debian's packages have the sources of Go libraries (a GOPATH)."""

INSTALL: Final = "apt install etcd-server golang-go golang-etcd-server-dev"

_CLIENT: Final = "go.etcd.io/etcd/clientv3"


def etcd_missing(go_sources: str = GO_SOURCES) -> str | None:
    """Return what is missing, and how to install it (one line, Debian's packages); None if nothing is missing."""
    for program in ("etcd", "go"):
        if shutil.which(program) is None:
            return f"no program {program!r} ({INSTALL})"
    if not os.path.isdir(os.path.join(go_sources, "src", _CLIENT)):
        return f"no Go package {_CLIENT!r} in {go_sources} ({INSTALL})"
    return None
