"""The names of Raft's observations: all different, and all in one form."""

from __future__ import annotations

import re

from coterie.protocols.raft import raft_observations


def test_every_name_is_distinct_and_says_who_did_what() -> None:
    names = [getattr(raft_observations, constant) for constant in raft_observations.__all__]

    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"raft\.[a-z]+(_[a-z]+)+", name)] == []
    assert [f"raft.{constant.lower()}" for constant in raft_observations.__all__] == names
