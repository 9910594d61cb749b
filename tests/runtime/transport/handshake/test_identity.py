from __future__ import annotations

import pytest

from coterie.runtime.transport.handshake.identity import NAME_CHARS_MAX, PeerRole, SystemIdentity


@pytest.mark.parametrize(
    ("cluster", "node", "incarnation", "role", "message"),
    [
        ("c", "", 1, PeerRole.NODE, "a node's name has"),
        ("c", "n" * (NAME_CHARS_MAX + 1), 1, PeerRole.NODE, "a node's name has"),
        ("c" * (NAME_CHARS_MAX + 1), "n", 1, PeerRole.NODE, "a cluster's id has at most"),
        ("c", "n\x1b[2J", 1, PeerRole.NODE, r"a node's name must be printable, not 'n\\x1b\[2J'"),
        ("c\u202e", "n", 1, PeerRole.NODE, r"a cluster's id must be printable, not 'c\\u202e'"),
        ("", "n", 1, PeerRole.NODE, "needs the id of its cluster"),
        ("c", "n", -1, PeerRole.NODE, "an incarnation is in"),
        ("c", "n", 2**64, PeerRole.CLIENT, "an incarnation is in"),
    ],
)
def test_an_identity_that_could_not_travel_is_refused(
    cluster: str, node: str, incarnation: int, role: PeerRole, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SystemIdentity(cluster, node, incarnation, role)


def test_the_id_of_a_store_is_printable() -> None:
    with pytest.raises(ValueError, match="a store's id must be printable"):
        SystemIdentity("c", "n", 1, store="s\n")


def test_only_a_client_may_leave_the_cluster_open() -> None:
    assert SystemIdentity("", "visitor", 0, PeerRole.CLIENT).cluster == ""
