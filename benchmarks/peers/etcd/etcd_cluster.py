"""`EtcdCluster`: runs three etcd members with their data in a temporary directory, default settings and fsync.

The members are etcd as it is installed: heartbeats every 100 ms, election time-out 1,000 ms, the write-ahead log synced
before an entry counts, unless `options` say otherwise. Their data is on the same disk as that of `BenchmarkCluster`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from benchmarks.harness.processes import cpu_seconds, free_ports, start_kept
from benchmarks.peers.peer_cluster import PeerCluster
from coterie.node_process import signal_process

__all__ = ["EtcdCluster", "EtcdStatus"]

_POLL_S: Final = 0.05
_STATUS_TIMEOUT_S: Final = 2.0
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_LOG_CHARS: Final = 500

_libc = ctypes.CDLL(None)
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback, whatever http_proxy says


@dataclass(frozen=True, slots=True)
class EtcdStatus:
    """What a member says of itself: whether it leads, and its term."""

    name: str
    is_leader: bool
    term: int


class EtcdCluster(PeerCluster):
    """Three members on loopback. It starts them, and waits for a leader; RuntimeError if a member ends instead.

    `options`: further options of `etcd` (default: none, so etcd's defaults hold).
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        super().__init__("etcd")
        self._options = tuple(options)
        self.names = ("e1", "e2", "e3")
        ports = free_ports(2 * len(self.names))
        self.url_by_member = {name: f"http://127.0.0.1:{ports[at]}" for at, name in enumerate(self.names)}
        self._peer_url_by_member = {name: f"http://127.0.0.1:{ports[3 + at]}" for at, name in enumerate(self.names)}
        self._process_by_member: dict[str, asyncio.subprocess.Process] = {}

    async def _start_all(self) -> None:
        for name in self.names:
            await self.start(name)

    async def _ready(self) -> None:
        await self.leader()

    async def _kill_all(self) -> None:
        for process in self._process_by_member.values():
            signal_process(process, signal.SIGKILL)
            await process.wait()

    async def start(self, name: str) -> None:
        """Start a member, for the first time or with the data that it has."""
        with self._open_log(name) as log:
            await start_kept(
                partial(self._process_by_member.__setitem__, name),
                *self.command(name),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={key: value for key, value in os.environ.items() if not key.startswith("ETCD_")},
                preexec_fn=_end_with_parent,
            )

    def command(self, name: str) -> list[str]:
        """Return the command that runs a member."""
        urls, peers = self.url_by_member, self._peer_url_by_member
        where = {
            "name": name,
            "data-dir": os.path.join(self._data, name),
            "listen-client-urls": urls[name],
            "advertise-client-urls": urls[name],
            "listen-peer-urls": peers[name],
            "initial-advertise-peer-urls": peers[name],
            "initial-cluster": ",".join(f"{peer}={url}" for peer, url in peers.items()),
            "initial-cluster-token": os.path.basename(self._data),
        }
        return ["etcd", *(f"--{option}={value}" for option, value in where.items()), *self._options]

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a member; no effect if it has ended."""
        signal_process(self._process_by_member[name], number)

    async def leader(self) -> str:
        """Return the name of the leader, once there is one. RuntimeError, with its last words, if a member ended."""
        while True:
            leading = [status for status in await self.status() if status.is_leader]
            if leading:
                return max(leading, key=lambda status: status.term).name
            self._require_running()
            await asyncio.sleep(_POLL_S)

    async def status(self) -> list[EtcdStatus]:
        """Return what the members say that answer and know a leader."""
        answers = await asyncio.gather(*(asyncio.to_thread(_status, self.url_by_member[name]) for name in self.names))
        return [
            EtcdStatus(
                name=name,
                is_leader=answer["leader"] == answer["header"]["member_id"],
                term=int(answer["raftTerm"]),
            )
            for name, answer in zip(self.names, answers, strict=True)
            if answer is not None and "leader" in answer
        ]

    async def applied_index(self, name: str) -> int:
        """Return the index of the last entry that a member has applied; 0 if it does not answer."""
        answer = await asyncio.to_thread(_status, self.url_by_member[name])
        return 0 if answer is None else int(answer.get("raftAppliedIndex", answer.get("raftIndex", "0")))

    def cpu_seconds(self) -> float:
        """Return the processor time that the running members have taken so far."""
        return cpu_seconds([process.pid for process in self._process_by_member.values()])

    def _require_running(self) -> None:
        for name, process in self._process_by_member.items():
            if process.returncode is not None:
                text = Path(self._log_of(name)).read_text(encoding="utf-8", errors="replace")
                said = " | ".join(text.splitlines())[-_LOG_CHARS:]
                raise RuntimeError(f"etcd member {name} has ended with code {process.returncode}: {said}")

    def _open_log(self, name: str) -> BinaryIO:
        return open(self._log_of(name), "ab")

    def _log_of(self, name: str) -> str:
        return os.path.join(self._data, f"{name}.log")


def _end_with_parent() -> None:
    """Let this child be killed when the benchmark ends, also by SIGKILL: etcd does not watch its standard input."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _status(url: str) -> dict[str, Any] | None:
    """Ask a member (etcd's gRPC gateway); None if it does not answer. A field that is 0 is left out by etcd."""
    request = urllib.request.Request(f"{url}/v3/maintenance/status", data=b"{}")
    with contextlib.suppress(OSError, ValueError), _direct.open(request, timeout=_STATUS_TIMEOUT_S) as answer:
        found: dict[str, Any] = {"raftTerm": "0", **json.load(answer)}
        return found
    return None
