"""Single-decree Paxos: implements the Synod protocol of *Paxos Made Simple* (Lamport, 2001), without I/O.

`acceptor.py`: `Acceptor`, promises ballots and accepts proposals
`learner.py`: `Learner`, detects the chosen value
`proposer.py`: `Proposer`, runs rounds until a value is chosen
`synod.py`: `Synod`, one node: a proposer, an acceptor and a learner
`synod_config.py`: `SynodConfig`, the settings of single-decree Paxos
`synod_messages.py`: the messages, events and durable states
`synod_observations.py`: names the events that a node reports to operators
"""

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
