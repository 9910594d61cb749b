from __future__ import annotations

import pytest

from coterie.runtime.transport.handshake.identity import NAME_CHARS_MAX, Identity, Role


@pytest.mark.parametrize(
    ("cluster", "node", "incarnation", "role", "message"),
    [
        ("c", "", 1, Role.NODE, "a node's name has 1 to"),
        ("c", "n" * (NAME_CHARS_MAX + 1), 1, Role.NODE, "a node's name has 1 to"),
        ("c" * (NAME_CHARS_MAX + 1), "n", 1, Role.NODE, "a cluster's id has at most"),
        ("", "n", 1, Role.NODE, "needs the id of its cluster"),
        ("c", "n", -1, Role.NODE, "an incarnation is in"),
        ("c", "n", 2**64, Role.CLIENT, "an incarnation is in"),
    ],
)
def test_an_identity_that_could_not_travel_is_refused(
    cluster: str, node: str, incarnation: int, role: Role, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Identity(cluster, node, incarnation, role)


def test_only_a_client_may_leave_the_cluster_open() -> None:
    assert Identity("", "visitor", 0, Role.CLIENT).cluster == ""
