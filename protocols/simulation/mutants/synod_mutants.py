"""Synod mutants: define four bugs of Paxos, such as a promise that is not durable, each of which runs must detect.

The others: an acceptance that is not durable, a ballot that is reused, and a value chosen by frequency.
"""

# ruff: noqa: SLF001 - mutants replace private methods

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from coterie.protocols.algorithm import NodeId, Send
from coterie.protocols.paxos.acceptor import Acceptor, AcceptorEffect
from coterie.protocols.paxos.proposer import Proposer
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.paxos.synod_messages import Accept, Prepare, Proposal, Propose, ProposerState
from coterie.protocols.simulation.mutants.mutation_testing import Mutant, Patch, ScenarioTrial
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS

__all__ = ["SYNOD_MUTANTS"]

TRIAL = ScenarioTrial(SCENARIOS["synod"])

_prepare = Acceptor._prepare
_accept = Acceptor._accept
_new_proposer = Proposer.__init__


def _prepare_at_once(self: Acceptor, proposer: NodeId, request: Prepare) -> list[AcceptorEffect]:
    return _not_waiting(_prepare(self, proposer, request))


def _accept_at_once(self: Acceptor, proposer: NodeId, request: Accept) -> list[AcceptorEffect]:
    return _not_waiting(_accept(self, proposer, request))


def _not_waiting(effects: Sequence[AcceptorEffect]) -> list[AcceptorEffect]:
    return [replace(effect, after=None) if isinstance(effect, Send) else effect for effect in effects]


def _lose_rounds(
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


def _mutant(name: str, patch: Patch, *, first_seed: int = 0) -> Mutant:
    return Mutant(f"synod: {name}", TRIAL, (patch,), first_seed)


SYNOD_MUTANTS: tuple[Mutant, ...] = (
    _mutant("promise not durable", Patch(Acceptor, "_prepare", _prepare_at_once)),
    _mutant("accept not durable", Patch(Acceptor, "_accept", _accept_at_once)),
    _mutant("ballot reused", Patch(Proposer, "__init__", _lose_rounds)),
    _mutant("most frequent value", Patch(Proposer, "_value_to_propose", _most_frequent), first_seed=20),
)
"""Each is killed under the profile `everything`."""
