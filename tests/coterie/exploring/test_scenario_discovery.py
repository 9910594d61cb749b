"""Scenarios are found by name and by place; what does not exist is told with the nearest that does."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie.exploring.scenario_discovery import ScenarioError, find_scenario, scenario_names
from coterie.protocols.faults.kinds.fault_kinds import Level
from tests.coterie.exploring import toy


async def undecorated() -> None:
    """A scenario without its decorator."""


def test_every_scenario_of_coterie_is_found_by_its_name() -> None:
    for name in scenario_names():
        assert find_scenario(name).run is not None
    assert {"raft", "synod", "raft-kv"} <= set(scenario_names())


def test_level_chooses_between_scenarios_of_one_name() -> None:
    assert find_scenario("raft").level is find_scenario("raft", Level.PROTOCOL).level is Level.PROTOCOL
    assert find_scenario("raft", Level.SYSTEM) is find_scenario("raft-kv")


def test_scenario_of_ones_own_is_imported() -> None:
    assert find_scenario(f"{toy.WHERE}:good") is toy.good
    assert find_scenario(f"{toy.WHERE}:high", Level.SYSTEM) is toy.high


def test_module_in_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"from {toy.WHERE} import good as mine\n"
    (tmp_path / "my_scenarios_of_today.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])

    assert find_scenario("my_scenarios_of_today:mine") is toy.good


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rafd", r"no scenario 'rafd': did you mean 'raft'\?"),
        ("zzzzzz", r"no scenario 'zzzzzz': there are raft, .*package\.module:attribute"),
        (f"{toy.WHERE}:fragil", r"has no 'fragil': did you mean 'fragile'\?"),
        (f"{toy.WHERE}:neither", r"is not a scenario: it has no name, level, plan, run \(its type: object\)"),
        (
            f"{__name__}:undecorated",
            r"is not a scenario: it is a plain function; decorate it with @scenario\(nodes=…\)",
        ),
        (f"{toy.WHERE}:Toy", "is not a scenario"),
        (f"{toy.WHERE}:", "write package.module:attribute"),
        ("no_such_module_anywhere:x", "cannot import 'no_such_module_anywhere'"),
    ],
)
def test_what_does_not_exist_is_named(name: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        find_scenario(name)


def test_module_that_does_not_exist_is_told_with_the_nearest_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "scenarios.py").touch()
    (tmp_path / "bank_scenarios.py").touch()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ScenarioError, match=r"'shop\.scenarois'.*: did you mean 'shop\.scenarios'\?"):
        find_scenario("shop.scenarois:x")
    with pytest.raises(ScenarioError, match=r"did you mean 'bank_scenarios'\?"):
        find_scenario("bank_scenarioz:x")


def test_module_that_imports_what_does_not_exist_is_not_told_to_be_missing_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scenarios_in_need.py").write_text("import no_such_module_anywhere\n", encoding="utf-8")
    (tmp_path / "scenarios_in_need_too.py").touch()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ScenarioError, match=r"No module named 'no_such_module_anywhere'$"):
        find_scenario("scenarios_in_need:x")


def test_level_at_which_it_does_not_run_is_named() -> None:
    with pytest.raises(ScenarioError, match="not run at level 'system', but at level 'protocol'"):
        find_scenario(f"{toy.WHERE}:good", Level.SYSTEM)


def test_module_that_raises_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_scenarios_of_today.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ScenarioError, match=r"broken_scenarios_of_today\.py, line 1: ZeroDivisionError"):
        find_scenario("broken_scenarios_of_today:x")
