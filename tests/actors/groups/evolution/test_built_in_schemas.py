"""Coterie's own machines are code, too: what is in the logs of their users is kept here.

A file of `golden/` is what released nodes have recorded. Where this fails, the change would contradict their logs, or
needs its turn: see the error. A new release keeps the files of the older ones and adds its own.
"""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import coterie.actors
from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.key_value import KeyValue
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.membership.view_machine import ViewMachine
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema_comparison import Verdict
from coterie.protocols.evolution.schema_file import compare_groups, read_schema_file, schema_file_text

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
MACHINES: dict[str, type[StateMachine[Any]]] = {"KeyValue": KeyValue, "ViewMachine": ViewMachine}


def built_in_machines() -> set[str]:
    """The names of all state machines that users can declare, wherever they are."""
    found = set()
    for module in pkgutil.walk_packages(coterie.actors.__path__, "coterie.actors."):
        if ".simulation" not in module.name:
            for name, cls in inspect.getmembers(import_module(module.name), inspect.isclass):
                if issubclass(cls, StateMachine) and cls is not StateMachine:
                    found.add(name)
    return found


def test_every_built_in_machine_is_kept() -> None:
    assert built_in_machines() == set(MACHINES)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_built_in_machines_run_on_every_log_that_was_recorded(path: Path) -> None:
    recorded = read_schema_file(path.read_text(encoding="utf-8"))
    histories = {group: [Revision(1, schema)] for group, schema in recorded.items()}
    for found in compare_groups(histories, {name: machine_schema(cls) for name, cls in MACHINES.items()}):
        assert found.comparison is not None, f"{found.group} is gone"
        assert found.comparison.verdict in (Verdict.SAME, Verdict.NEWER), "\n".join(map(str, found.comparison.changes))


def test_the_latest_file_is_what_the_code_is() -> None:
    text = schema_file_text({name: machine_schema(cls) for name, cls in MACHINES.items()})
    assert GOLDEN[-1].read_text(encoding="utf-8") == text
