"""What the command line prints advises flags, not parameters of Python code."""

from __future__ import annotations

import re

import pytest

from coterie.actors.topology.stored_groups import _undeclared_mistake
from coterie.cli.output.flag_advice import in_flags
from coterie.errors import AlreadyFormatted, InsecureBind, NotFormatted
from coterie.runtime.transport.handshake.definite_refusals import _ADVICE_BY_REASON
from coterie.runtime.transport.handshake.tls_mismatch import _ADVICE

HANDSHAKE = "'n1' does not prove to 'n2' that it knows the key; compare auth= (--key-file)"
NO_DATA = 'bootstrap="new" formats a data directory, but data= is not given'
SAID = [
    *filter(None, _ADVICE_BY_REASON.values()),
    _ADVICE,
    HANDSHAKE,
    NO_DATA,
    str(AlreadyFormatted("data")),
    str(InsecureBind("0.0.0.0")),
    str(NotFormatted("data")),
    _undeclared_mistake("stock", "n1 holds", ["n1"], {}),
]


@pytest.mark.parametrize("text", SAID)
def test_advice_names_flags_and_no_parameters(text: str) -> None:
    said = in_flags(text)

    assert re.findall(r"\w+=(?!HOST|FILE)\S*", said.replace("NAME=FILE", "")) == []
    assert "(in code" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HANDSHAKE, "'n1' does not prove to 'n2' that it knows the key; compare --key-file"),
        (NO_DATA, "--bootstrap new formats a data directory, but --data is not given"),
        ("compare the addresses (--connect)", "compare the addresses (--connect or COTERIE_CONNECT)"),
        ("founders: nodes= only says who founds a group", "founders: nodes= only says who founds a group"),
        (
            "node 'n4' is not one of the founders n1: give join=, where one of them listens",
            "node 'n4' is not one of the founders n1: give --join HOST:PORT, where one of them listens",
        ),
        ("join='a:1' is where this node itself listens", "--join 'a:1' is where this node itself listens"),
        ("compare --join (join=) with where the nodes listen", "compare --join with where the nodes listen"),
        ("a:1 is this node itself: join= names a node", "a:1 is this node itself: --join names a node"),
        ("give advertise=HOST:PORT, where they", "give --advertise HOST:PORT, where they"),
        ("roles= is for topologies with Members(…) as nodes", "--role is for topologies with Members(…) as nodes"),
        ("labels= is for topologies with Members(…)", "--label is for topologies with Members(…)"),
        ("Members(roles=…) names node 'n9'", "Members(roles=…) names node 'n9'"),
        ('it is formatted with bootstrap="join"', "it is formatted with --bootstrap join"),
        ("key 'auth=x' has data=1", "key 'auth=x' has data=1"),
    ],
)
def test_a_text_keeps_all_that_is_no_parameter(text: str, said: str) -> None:
    assert in_flags(text) == said
