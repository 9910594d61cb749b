"""Which refusals last: those that an option of one of the ends causes."""

from __future__ import annotations

from coterie.runtime.transport.handshake.definite_refusals import advice_on
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason

PASSING = {
    "incomplete",
    "wrong_node",
    "dialled_self",
    "name_in_use",
    "superseded",
    "other_store",
    "copied_store",
    "former_store",
    "bad_link",
    "too_many_connections",
    "closing",
    "unknown",
}


def test_a_refusal_that_can_pass_has_no_advice_and_every_other_one_has() -> None:
    assert {reason.value for reason in RefusalReason if advice_on(reason.value) is None} == PASSING
    assert advice_on("a reason of a later release") is None
