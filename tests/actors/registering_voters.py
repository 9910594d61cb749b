"""The voters of one group with slow disks: messages and writes complete only when the test says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from coterie.actors.peer_stores import PeerStores
from coterie.actors.voter_registration import VoterRegistration
from coterie.actors.wire_names import FoundersDiffer, RegisterStore, StoreRegistered
from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Majority, Quorum
from coterie.protocols.raft.membership.membership import Membership
from coterie.runtime.storage.log_store import GroupState, Record, Write

__all__ = ["RegisteringVoters"]


class Disk:
    """The disk of one voter: writes become durable one by one, when the test says so; a crash loses the others."""

    failure = None
    syncs = 0

    def __init__(self, store_id: str) -> None:
        self.store_id = store_id
        self.durable: dict[str, bytes] = {}
        self.pending: list[tuple[Write, Callable[[], None]]] = []

    async def state(self, group: str) -> GroupState:
        return GroupState(self.durable.get(group), 1, 0, ())

    def write(self, write: Write, done: Callable[[], None]) -> None:
        self.pending.append((write, done))

    def sync_one(self, *, is_reported: bool = True) -> None:
        write, done = self.pending.pop(0)
        assert write.metadata is not None
        self.durable[write.group] = write.metadata
        if is_reported:
            done()

    async def read(self, group: str, first: int, last: int, max_bytes: int) -> list[Record]:
        raise NotImplementedError

    def drop_before(self, group: str, position: int, done: Callable[[], None] | None = None) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class Voter:
    """One life of a voter, with a fake context."""

    def __init__(self, group: RegisteringVoters, name: str, disk: Disk) -> None:
        self.disk = disk
        self.takes_part = False
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.delays: list[float] = []
        self.listeners: list[Callable[[Any], None]] = []
        self.peer_stores = PeerStores("g", disk)  # type: ignore[arg-type]
        peers: Any = {peer: SimpleNamespace(tell=partial(group.send, peer)) for peer in group.names if peer != name}

        def take_part() -> None:
            assert not self.takes_part
            self.takes_part = True
            group.took_part(name, disk.store_id)

        store: Any = disk
        self.registration = VoterRegistration(
            name,
            peers,
            store,
            self.peer_stores,
            group.founders,
            group.bound_by(name),
            self._context(group),
            take_part,
        )

    def _context(self, group: RegisteringVoters) -> Any:
        def log(event: str, **facts: Any) -> None:
            self.logged.append((event, facts))

        def on_link(listener: Callable[[Any], None]) -> Callable[[], None]:
            self.listeners.append(listener)
            return lambda: self.listeners.remove(listener)

        def after(delay_s: float, _: object) -> Any:
            self.delays.append(delay_s)
            return SimpleNamespace(cancel=lambda: None)

        def at(address: Any) -> Any:
            return SimpleNamespace(tell=partial(group.send, address.node))

        return SimpleNamespace(
            log=SimpleNamespace(info=log, warning=log, error=log),
            system=SimpleNamespace(on_link=on_link, at=at, remoting=SimpleNamespace(linked_names=set())),
            self_ref=SimpleNamespace(path="g"),
            after=after,
        )

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.logged]


class RegisteringVoters:
    """All voters of one group, their disks, and the messages between them.

    `quorum`: which of them may decide; None: more than half.
    """

    def __init__(self, voters: int, quorum: Quorum | None = None) -> None:
        self.names = [f"n{number}" for number in range(1, voters + 1)]
        self.disks = {name: Disk(f"{name}/1") for name in self.names}
        self.up: dict[str, Voter] = {}
        self.messages: list[tuple[str, Any]] = []
        self.store_by_name: dict[str, str] = {}
        self.founders = Membership.founding([NodeId(name) for name in self.names], quorum)
        self.quorum = quorum or Majority(self.founders.voters)
        self.bound: dict[str, dict[str, str]] = {}
        """What the log of each voter says about the stores of all."""

    def bound_by(self, name: str) -> Callable[[str], str | None]:
        return lambda node: self.bound.get(name, {}).get(node)

    def request(self, sender: str, store: str) -> RegisterStore:
        return RegisterStore(sender, store, self.founders.encode())

    def took_part(self, name: str, store: str) -> None:
        assert self.store_by_name.setdefault(name, store) == store, f"{name} takes part with a second store"

    def send(self, to: str, message: object) -> None:
        self.messages.append((to, message))

    async def start(self, *names: str) -> None:
        for name in names or self.names:
            self.crash(name)
            voter = self.up[name] = Voter(self, name, self.disks[name])
            await voter.peer_stores.restore()
            voter.registration.begin()

    def crash(self, name: str) -> None:
        if name in self.up:
            self.up.pop(name).registration.close()
            self.disks[name].pending.clear()

    def wipe(self, name: str) -> None:
        self.crash(name)
        self.disks[name] = Disk(f"{name}/{int(self.disks[name].store_id.split('/')[1]) + 1}")

    def deliver(self, at: int = 0, *, is_duplicate: bool = False) -> None:
        to, message = self.messages[at] if is_duplicate else self.messages.pop(at)
        if to in self.up:
            registration = self.up[to].registration
            match message:
                case RegisterStore():
                    registration.handle_request(message)
                case StoreRegistered():
                    registration.handle_reply(message)
                case FoundersDiffer():
                    registration.handle_other_founders(message)

    def remind(self) -> None:
        for voter in self.up.values():
            voter.registration.retry()

    def settle(self) -> None:
        """Deliver all messages and complete all writes."""
        while self.messages or any(voter.disk.pending for voter in self.up.values()):
            while self.messages:
                self.deliver()
            for voter in self.up.values():
                while voter.disk.pending:
                    voter.disk.sync_one()

    @property
    def active(self) -> list[str]:
        return [name for name, voter in self.up.items() if voter.takes_part]
