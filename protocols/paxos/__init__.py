"""Paxos, pure: Synod is the single-decree protocol of *Paxos Made Simple* (Lamport, 2001)."""

from coterie.protocols.paxos.acceptor import Acceptor
from coterie.protocols.paxos.learner import Learner
from coterie.protocols.paxos.proposer import Phase, Proposer
from coterie.protocols.paxos.synod import Synod, SynodEffect, SynodEvent
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.paxos.synod_messages import (
    Accept,
    Accepted,
    AcceptorState,
    Ballot,
    Chosen,
    Learned,
    Nack,
    Prepare,
    Promise,
    Proposal,
    Propose,
    ProposerState,
    ReadRound,
    SynodMessage,
    SynodState,
)

__all__ = [
    "Accept",
    "Accepted",
    "Acceptor",
    "AcceptorState",
    "Ballot",
    "Chosen",
    "Learned",
    "Learner",
    "Nack",
    "Phase",
    "Prepare",
    "Promise",
    "Proposal",
    "Propose",
    "Proposer",
    "ProposerState",
    "ReadRound",
    "Synod",
    "SynodConfig",
    "SynodEffect",
    "SynodEvent",
    "SynodMessage",
    "SynodState",
]
