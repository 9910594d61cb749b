"""`SchemaLeadership`: decides on the leader when the schema of newer code becomes active in a group.

    a voter's letters carry the hash of what its code is    n1 (leader): v2   n2: v2   n3: v1
    all voters have the leader's                            not yet: "n3 runs version 1"
    an operator says so, or the bake time is over           then the leader appends the schema

Hashes are compared, never versions: two different schemas may call themselves version 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from coterie.actors.groups.evolution.group_schemas import GroupSchemas
from coterie.protocols.evolution.schema_text import NO_HASH, SchemaHash, hashed_version

__all__ = ["SchemaLeadership"]

TAKEN_SHOWN: Final = 5


class SchemaLeadership:
    """What one replica knows of the others' code, and does with it while it leads.

    Args:
        schemas: what the log has, and what this code is.
        node: this node.
        activate_after_s: the bake time: how long all voters must have had the newer code (s); None: it is activated by
            `coterie raft activate` alone. Too short: a rollback soon after a deployment meets a group that has gone on.
        log: the actor's log.
    """

    def __init__(self, schemas: GroupSchemas, node: str, activate_after_s: float | None, log: Any) -> None:
        self._schemas = schemas
        self._node = node
        self._activate_after_s = activate_after_s
        self._log = log
        self._hash_by_node: dict[str, SchemaHash] = {}
        self._agreed_at: float | None = None
        self._reported: object = None

    def heard(self, node: str, schema: SchemaHash) -> None:
        """Note what the code on `node` is."""
        self._hash_by_node[node] = schema

    def elected(self) -> None:
        """Begin to lead: what was heard before may be out of date."""
        self._hash_by_node.clear()
        self._agreed_at = self._reported = None

    def held_up_by(self, voters: Sequence[str]) -> list[str]:
        """Return which voters do not have this node's code, each in words."""
        others = [voter for voter in voters if voter != self._node]
        return [self._difference(voter) for voter in others if self._hash_by_node.get(voter) != self._schemas.hash]

    def waiting_for(self, voters: Sequence[str]) -> str:
        """Return in words why the code's schema is not active yet."""
        held_up_by = self.held_up_by(voters)
        if held_up_by:
            return ", ".join(held_up_by)
        if self._activate_after_s is None:
            return "every voter has it; `coterie raft activate` makes it active"
        return f"every voter must have it for {self._activate_after_s:g} s"

    def why_behind(self, voters: Sequence[str]) -> str | None:
        """Return which voters seem to run newer code than this leader, whose own is active; None: none does."""
        ahead = self._ahead(voters)
        if not ahead:
            return None
        own = f"the leader {self._node} runs version {hashed_version(self._schemas.hash)}, which is active already"
        return f"{own}, but {ahead}: restart {self._node} on the newer code, then activate it"

    def why_lacking(self, voters: Sequence[str]) -> str:
        """Return in words what to do about a command that this leader's code does not have."""
        version, ahead = hashed_version(self._schemas.hash), self._ahead(voters)
        lacks = f"the code of the leader {self._node} (version {version}) does not have it"
        if not ahead:
            advice = "is it meant for another group? If it is new, start code that has it on every node"
            return f"{lacks}{self._taken()}: {advice}"
        return f"{lacks}, but {ahead}: restart {self._node} on the newer code"

    def _taken(self) -> str:
        """Return which commands this code has, the first few."""
        names = [] if self._schemas.code is None else sorted(self._schemas.code.commands)
        more = f" and {len(names) - TAKEN_SHOWN} more" if len(names) > TAKEN_SHOWN else ""
        return f" (it takes {', '.join(map(repr, names[:TAKEN_SHOWN]))}{more})" if names else ""

    def _ahead(self, voters: Sequence[str]) -> str:
        """Return the voters, each in words, with other code of this version or a higher one that was not active yet."""
        own, recorded = self._schemas.hash, self._schemas.recorded_hashes
        heard = {voter: self._hash_by_node[voter] for voter in voters if voter in self._hash_by_node}
        return ", ".join(
            self._difference(voter)
            for voter, hash_ in heard.items()
            if hash_ not in (own, NO_HASH, *recorded) and hashed_version(hash_) >= hashed_version(own)
        )

    def due(self, voters: Sequence[str], now: float) -> bytes | None:
        """Return the content of a schema entry that is due at `now` (monotonic, s); call it often."""
        if self._schemas.next_payload is None or self._schemas.last is None:
            return None  # as mostly
        held_up_by = self.held_up_by(voters)
        self._report(voters, held_up_by)
        if held_up_by:
            self._agreed_at = None
            return None
        if self._agreed_at is None:
            self._agreed_at = now
        if self._activate_after_s is None or now < self._agreed_at + self._activate_after_s:
            return None
        return self._schemas.next_payload

    def _difference(self, voter: str) -> str:
        known = self._hash_by_node.get(voter, NO_HASH)
        if known == NO_HASH:
            return f"{voter} has not been heard since {self._node} leads"
        version, own = hashed_version(known), hashed_version(self._schemas.hash)
        if version == own:
            return f"{voter} runs other code, which calls itself version {version}, too"
        return f"{voter} runs version {version}"

    def _conflicting(self, voters: Sequence[str]) -> list[str]:
        """Return the voters whose code calls itself the same new version as this one, and is another."""
        own, last = self._schemas.hash, self._schemas.last
        if last is None or hashed_version(own) == last.schema.version:
            return []  # code that does not raise the version may differ while it is rolled out
        known = {voter: self._hash_by_node[voter] for voter in voters if voter in self._hash_by_node}
        return [
            voter for voter, hash_ in known.items() if hash_ != own and hashed_version(hash_) == hashed_version(own)
        ]

    def _report(self, voters: Sequence[str], held_up_by: list[str]) -> None:
        """Log what holds up the activation, whenever that changes."""
        if self._reported == held_up_by:
            return
        self._reported = held_up_by
        version, conflicting = hashed_version(self._schemas.hash), self._conflicting(voters)
        if conflicting:
            nodes = ", ".join([self._node, *conflicting])
            advice = "raise the version of the later one"
            self._log.error("group.schemas_differ", version=version, nodes=nodes, advice=advice)
        elif held_up_by:
            self._log.info("group.schema_waits", version=version, held_up_by=", ".join(held_up_by))
        else:
            self._log.info("group.schema_agreed", version=version, next=self.waiting_for(voters))
