"""Twelve deliberate bugs: is the judge awake?

Each mutant replaces one small method of an algorithm while it runs; the judges stay as they are and must name an
invariant of safety that it breaks. The clean code must pass the seed that killed the mutant. A patch whose target is
gone fails loudly: whoever renames a method must look at its mutant.
"""

# ruff: noqa: SLF001 - a mutant is surgery on private methods

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from coterie.protocols.paxos.acceptor import Acceptor, AcceptorEffect
from coterie.protocols.paxos.config import SynodConfig
from coterie.protocols.paxos.messages import Accept, Prepare, Proposal, Propose, ProposerState
from coterie.protocols.paxos.proposer import Proposer
from coterie.protocols.quorums import Majority
from coterie.protocols.raft.elections import Elections
from coterie.protocols.raft.following import LogFollower
from coterie.protocols.raft.journal import Journal
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.log import RaftLog
from coterie.protocols.raft.messages import AppendEntries, AppendEntriesReply, RequestVoteReply
from coterie.protocols.replicated_log import Entry, LogIndex, Term
from coterie.protocols.seam import NodeId, Send, Token
from coterie.protocols.simulation.scenarios import SCENARIOS
from coterie.protocols.simulation.verdict import Verdict

MOST_SEEDS = 60
"""How many seeds a mutant may survive before it counts as a survivor."""

__all__ = ["MUTANTS", "Hunt", "Mutant", "Patch", "hunt", "patched"]


@dataclass(frozen=True, slots=True)
class Patch:
    """Replaces `owner.name` by `by` (a function or a property)."""

    owner: type
    name: str
    by: object


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug.

    Attributes:
        name: what is wrong.
        scenario: the simulation that must notice it.
        patches: how it comes about.
        first_seed: where the hunt begins: no condition, but a seed near which it was found to die quickly.
    """

    name: str
    scenario: str
    patches: tuple[Patch, ...]
    first_seed: int = 0


@dataclass(frozen=True, slots=True)
class Hunt:
    """How a hunt ended: `killed_by` names the broken invariant, None for a survivor of `seeds` seeds.

    `seed` is the one that killed (or the last one); `is_clean_code_fine` whether the clean code passes it.
    """

    mutant: Mutant
    killed_by: str | None
    seed: int
    seeds: int
    is_clean_code_fine: bool

    @property
    def is_success(self) -> bool:
        """Whether the judge told the mutant from the clean code."""
        return self.killed_by is not None and self.is_clean_code_fine


def hunt(mutant: Mutant, *, most_seeds: int = MOST_SEEDS) -> Hunt:
    """Run seed after seed of the mutated code until a judge names an invariant of safety, then the clean code.

    What the algorithm notices itself, and what merely does not converge, does not count.

    Raises:
        LookupError: a target of a patch is gone.
    """
    run_seed = SCENARIOS[mutant.scenario].run
    last = mutant.first_seed + most_seeds - 1
    for seed in range(mutant.first_seed, last + 1):
        with patched(mutant.patches):
            killed_by = _broken_safety(run_seed(seed))
        if killed_by is not None:
            is_fine = run_seed(seed).violation is None
            return Hunt(mutant, killed_by, seed, seed - mutant.first_seed + 1, is_fine)
    return Hunt(mutant, None, last, most_seeds, run_seed(last).violation is None)


def _broken_safety(verdict: Verdict) -> str | None:
    if verdict.violation is None:
        return None
    invariant = verdict.violation.invariant
    is_liveness = invariant.endswith(".converged") or invariant.startswith("liveness.")
    return None if is_liveness or invariant.startswith("algorithm.") else invariant


@contextmanager
def patched(patches: Sequence[Patch]) -> Iterator[None]:
    """Apply `patches` while the block runs.

    Raises:
        LookupError: a target is gone.
    """
    originals = [(patch, _original(patch)) for patch in patches]
    try:
        for patch in patches:
            setattr(patch.owner, patch.name, patch.by)
        yield
    finally:
        for patch, original in originals:
            setattr(patch.owner, patch.name, original)


def _original(patch: Patch) -> object:
    if patch.name not in vars(patch.owner):
        raise LookupError(f"{patch.owner.__qualname__}.{patch.name} is gone: this mutant needs a new target")
    return vars(patch.owner)[patch.name]


# Raft.

_truncate_from = RaftLog.truncate_from


def _answer_vote_at_once(self: Elections, candidate: NodeId, *, is_granted: bool) -> None:
    self._outbox.send(candidate, RequestVoteReply(self._standing.term, is_granted), None)


def _after_register_only(self: Journal, index: LogIndex) -> Token | None:
    return self.after_register()


def _may_commit_anything(self: Leadership, index: LogIndex) -> bool:
    return True


def _one_fewer(self: Majority, members: Sequence[NodeId]) -> bool:
    return sum(member in members for member in self.members) >= len(self.members) // 2


def _everybody_is_up_to_date(self: RaftLog, last_log_index: LogIndex, last_log_term: Term) -> bool:
    return True


def _accept_without_term_check(self: LogFollower, message: AppendEntries, term: Term) -> AppendEntriesReply:
    if message.prev_log_index > self._log.last_index:
        return self.refusal(message, term)
    self._append_missing(message.entries)
    last_verified = LogIndex(message.prev_log_index + len(message.entries))
    self._log.commit_to(self.new_commit_index(message.leader_commit, last_verified))
    return AppendEntriesReply(term, True, last_verified, LogIndex(0), Term(0))


def _conflict_everywhere(self: RaftLog, entries: Sequence[Entry]) -> int:
    return 0


def _truncate_unguarded(self: RaftLog, index: LogIndex) -> None:
    committed, self.commit_index = self.commit_index, LogIndex(0)
    _truncate_from(self, index)
    self.commit_index = committed


def _disprove_nothing_under_way(self: Journal, index: LogIndex) -> None:
    self.durable_index = min(self.durable_index, LogIndex(index - 1))


# Synod.

_prepare = Acceptor._prepare
_accept = Acceptor._accept
_new_proposer = Proposer.__init__


def _prepare_at_once(self: Acceptor, proposer: NodeId, request: Prepare) -> list[AcceptorEffect]:
    return _not_waiting(_prepare(self, proposer, request))


def _accept_at_once(self: Acceptor, proposer: NodeId, request: Accept) -> list[AcceptorEffect]:
    return _not_waiting(_accept(self, proposer, request))


def _not_waiting(effects: Sequence[AcceptorEffect]) -> list[AcceptorEffect]:
    return [replace(effect, after=None) if isinstance(effect, Send) else effect for effect in effects]


def _forget_rounds(
    self: Proposer,
    node_id: NodeId,
    config: SynodConfig,
    *,
    restored: ProposerState,
    rng: random.Random,
    tokens: Iterator[int] | None = None,
) -> None:
    _new_proposer(self, node_id, config, restored=ProposerState(), rng=rng, tokens=tokens)


def _most_frequent(self: Proposer, accepted: Sequence[Proposal]) -> bytes | None:
    if accepted:
        return Counter(proposal.value for proposal in accepted).most_common(1)[0][0]
    return next((wanted.value for wanted in self._waiting.values() if isinstance(wanted, Propose)), None)


MUTANTS: tuple[Mutant, ...] = (
    Mutant("raft: vote not durable", "raft", (Patch(Elections, "_answer_vote", _answer_vote_at_once),)),
    Mutant("raft: acknowledged before durable", "raft", (Patch(Journal, "after_entries", _after_register_only),)),
    Mutant(
        "raft: old-term commit by counting",
        "raft",
        (Patch(Leadership, "may_commit", _may_commit_anything),),
        first_seed=28,
    ),
    Mutant("raft: quorum off by one", "raft", (Patch(Majority, "is_quorum", _one_fewer),)),
    Mutant(
        "raft: no up-to-date check", "raft", (Patch(RaftLog, "is_up_to_date", _everybody_is_up_to_date),), first_seed=2
    ),
    Mutant(
        "raft: no previous-term check",
        "raft",
        (Patch(LogFollower, "accept", _accept_without_term_check),),
        first_seed=22,
    ),
    Mutant(
        "raft: truncation although entries match",
        "raft",
        (Patch(RaftLog, "find_conflict", _conflict_everywhere), Patch(RaftLog, "truncate_from", _truncate_unguarded)),
        first_seed=2,
    ),
    Mutant(
        "raft: stale durability ack accepted",
        "raft",
        (Patch(Journal, "_disprove_from", _disprove_nothing_under_way),),
        first_seed=4,
    ),
    Mutant("synod: promise not durable", "synod", (Patch(Acceptor, "_prepare", _prepare_at_once),)),
    Mutant("synod: accept not durable", "synod", (Patch(Acceptor, "_accept", _accept_at_once),)),
    Mutant("synod: ballot reused", "synod", (Patch(Proposer, "__init__", _forget_rounds),)),
    Mutant(
        "synod: most frequent value", "synod", (Patch(Proposer, "_value_to_propose", _most_frequent),), first_seed=19
    ),
)

if __name__ == "__main__":
    raise SystemExit("nothing is printed from here: run `coterie sim mutants`")
