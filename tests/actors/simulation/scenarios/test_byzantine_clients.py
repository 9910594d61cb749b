"""Profile `byzantine-client`: a store serves while clients send anything, and bugs in who is heard are found."""

from __future__ import annotations

import asyncio

import pytest

from coterie.actors.simulation.hostile.hostile_campaign import HostileCampaign
from coterie.actors.simulation.mutants.authorisation_mutants import AUTHORISATION_MUTANTS
from coterie.actors.simulation.scenarios.raft_kv import RAFT_KV
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Attack, Fault, HostileClient, kind
from coterie.protocols.simulation.mutants import patched
from coterie.protocols.simulation.scenarios.run_result import RunOutcome, RunResult

PROFILE = "byzantine-client"


NODES = ("n1", "n2", "n3")


def run(*faults: Fault) -> RunResult:
    return RAFT_KV.run(1, plan=FaultPlan(NODES, faults, 4.0), operations=200)


def test_a_store_serves_while_clients_send_anything() -> None:
    attacks = [HostileClient(0.5, node, 2.0, attack, 7) for node in NODES for attack in Attack]

    result = run(*attacks)

    assert result.outcome is RunOutcome.PASSED
    assert {result.fired[kind(attack)] for attack in attacks} == {len(NODES)}
    assert result.operations >= 200


def test_a_run_in_which_nothing_hostile_is_delivered_is_void(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_self: HostileCampaign) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(HostileCampaign, "run", never)

    result = run(HostileClient(0.5, "n1", 1.0, Attack.LETTERS, 7))

    assert (result.outcome, result.missed()) == (RunOutcome.VOID, ["hostile_client.letters"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_every_attack_is_delivered_and_nothing_breaks(seed: int) -> None:
    result = RAFT_KV.run(seed, profile=PROFILE)

    assert result.outcome is RunOutcome.PASSED
    assert set(result.fired) >= {f"hostile_client.{attack.value}" for attack in Attack}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "invariant"),
    [
        (("speakers not asked",), "runtime.stranger_heard"),
        (("dead letter keeps the row",), "runtime.dead_letter_kept"),
        # Each of these two checks alone keeps a client's ref from harm: the bug is that both are missing.
        (("ref without rights", "type unchecked for wired refs"), "runtime.actor_failed_under_attack"),
    ],
)
def test_a_bug_in_who_is_heard_or_in_what_is_kept_is_found_within_few_seeds(
    names: tuple[str, ...], invariant: str
) -> None:
    bugs = [f"authorisation: {name}" for name in names]
    patches = [patch for mutant in AUTHORISATION_MUTANTS if mutant.name in bugs for patch in mutant.patches]
    found: list[str] = []
    with patched(patches):
        while invariant not in found and len(found) < 4:
            violation = RAFT_KV.run(len(found), profile=PROFILE).violation
            found.append("none" if violation is None else violation.invariant)

    assert len(patches) == len(names)
    assert invariant in found
