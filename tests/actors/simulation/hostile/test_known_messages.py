from __future__ import annotations

import importlib
import pkgutil

import coterie.actors
import coterie.runtime
from coterie.actors.simulation.hostile.known_messages import GROUP_MESSAGES, KNOWN_MESSAGES
from coterie.runtime.messages.message_codecs import message_type_of


def declared() -> set[str]:
    """Return the names of all message classes of coterie outside its simulation."""
    found = set()
    for package in (coterie.actors, coterie.runtime):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if ".simulation" not in module.name:
                for value in vars(importlib.import_module(module.name)).values():
                    if (described := message_type_of(value)) is not None:
                        found.add(described.name)
    return found


def test_hostile_clients_know_every_message_of_coterie() -> None:
    assert {described.name for described in KNOWN_MESSAGES} >= declared()


def test_the_messages_of_groups_are_those_of_all_speakers() -> None:
    assert {"raft.Letter", "voter.Register", "group.Execute", "coterie.Tick", "coterie.Terminated"} <= {
        described.name for described in GROUP_MESSAGES
    }
