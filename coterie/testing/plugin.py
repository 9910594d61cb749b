"""Pytest plugin: provides the fixture `sim` (a `Simulation`), and the marker that runs a test under many seeds.

    @pytest.mark.sim(seeds=100, profile="everything")
    async def test_no_write_is_lost(sim: Simulation) -> None:
        sim.deploy(topology)
        await sim.clients(5, workload)
        sim.assert_linearizable()

A test with the argument `sim` runs inside the simulated world, once for each seed, each time with a new `Simulation`;
other tests are not affected. The plugin makes no event loop but the world's own, and needs no plugin for async tests;
pytest-asyncio, in any mode, does not run these tests.

| marker's argument | meaning | default |
| --- | --- | --- |
| `seeds` | how many seeds, or a list of them | 1 |
| `first` | the first seed, if `seeds` is a number | 0 |
| all others | as for `Simulation`: `profile`, `plan`, `duration_s`, `max_s`, `max_steps` | |

What would pass without having tested anything does not pass in silence. A marker on a test without the argument `sim`,
`usefixtures("sim")`, and a fixture that takes `sim` are refused: none of them runs in a world. If in none of its seeds
any fault took effect although it asked for some, or if its operations never overlapped although it checked that they
are linearizable, there is a `SimWarning`.

`pytest --sim-seed 17 …` runs every such test with this one seed, to reproduce a failure. `--sim-seeds 1000` replaces
the number of seeds, for long runs.
"""

from __future__ import annotations

import functools
import inspect
import os
import shlex
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from coterie.actors.simulation.simulation import Simulation
    from coterie.protocols.checking.linearizability.history import History

__all__ = ["SimWarning", "pytest_addoption", "pytest_configure", "pytest_pycollect_makeitem", "sim"]

FIXTURE = "sim"
OWN_ARGUMENTS = ("seeds", "first")
TAIL_LINES = 20


class SimWarning(pytest.PytestWarning):
    """A simulated test has passed, and has shown less than it seems to."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--sim-seed` and `--sim-seeds`."""
    group = parser.getgroup("coterie", "simulations (coterie)")
    group.addoption("--sim-seed", type=int, metavar="S", help="run tests that use `sim` with this seed only")
    group.addoption("--sim-seeds", type=int, metavar="N", help="run them with N seeds, overriding their markers")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "sim(seeds=1, first=0, **simulation): run in a simulated world, once for each seed (coterie)"
    )


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> SeededRuns:
    """A `Simulation`: the test runs in its world, once for each seed of its marker."""
    return SeededRuns.of(request)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Turn tests with the argument `sim` into ordinary functions that run once per seed.

    As the innermost wrapper it runs before the plugins for async tests.
    """
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if not isinstance(item, pytest.Function):
            continue
        if FIXTURE in inspect.signature(item.obj).parameters:
            item.obj = _run_per_seed(item.obj)
        elif (mistake := _mistake_of(item)) is not None:
            item.obj = _failing(mistake)
    return made


def _mistake_of(item: pytest.Function) -> str | None:
    """Return why a test without the argument `sim` would not run in a world, if it seems to; None if it does not."""
    advice = f"take `{FIXTURE}` as an argument of the test: only such a test runs in a simulated world, for each seed"
    if FIXTURE in item.fixturenames:
        return f"`{FIXTURE}` comes by usefixtures or by another fixture, and the test itself runs outside: {advice}"
    if item.get_closest_marker("sim") is not None:
        return f"the test has the marker `sim` and not the argument: {advice}"
    return None


def _failing(text: str) -> Callable[..., None]:
    def fail(**_: object) -> None:
        pytest.fail(text, pytrace=False)

    return fail


def _run_per_seed(test: Callable[..., Any]) -> Callable[..., None]:
    """Return a function that runs `test` with a new simulation for each seed."""

    def run(*, sim: SeededRuns, **fixtures: Any) -> None:
        __tracebackhide__ = True
        sim.run(functools.partial(test, **fixtures), is_async=inspect.iscoroutinefunction(test))

    return run


class SeededRuns:
    """The simulations of one test: one for each seed."""

    def __init__(self, seeds: Sequence[int], options: dict[str, Any], test: str) -> None:
        self._seeds = seeds
        self._options = options
        self._test = test

    @classmethod
    def of(cls, request: pytest.FixtureRequest) -> SeededRuns:
        """Return the runs that the marker of a test and the command line request."""
        marker = request.node.get_closest_marker("sim")
        if marker is not None and marker.args:
            raise pytest.UsageError(f"@pytest.mark.sim{marker.args}: it takes keywords only, such as seeds=100")
        given = {} if marker is None else dict(marker.kwargs)
        seeds: Any
        seeds, first = given.pop("seeds", 1), given.pop("first", 0)
        config = request.config
        if config.getoption("sim_seed") is not None:
            seeds = [config.getoption("sim_seed")]
        elif config.getoption("sim_seeds") is not None:
            seeds = config.getoption("sim_seeds")
        _check_arguments(given)
        chosen = range(first, first + seeds) if isinstance(seeds, int) else tuple(seeds)
        if not chosen:
            raise pytest.UsageError(f"@pytest.mark.sim(seeds={seeds!r}): at least one seed is needed")
        return cls(chosen, given, _id_from_here(request))

    def run(self, test: Callable[..., Any], *, is_async: bool) -> None:
        """Run `test` with one seed after the other; the first failure gets a note that says how to reproduce it."""
        __tracebackhide__ = True
        from coterie.actors.simulation.simulation import Simulation  # noqa: PLC0415 (loaded only if used)

        omissions: set[str] | None = None  # those of all seeds so far
        for seed in self._seeds:
            simulation = Simulation(seed, **self._options)
            try:
                if is_async:
                    simulation.run(functools.partial(test, **{FIXTURE: simulation}))
                else:
                    test(**{FIXTURE: simulation})
            except Exception as error:
                error.add_note(self._failure_note(simulation))
                raise
            found = _omissions_of(simulation)
            omissions = found if omissions is None else omissions & found
        for omission in sorted(omissions or ()):
            warnings.warn(SimWarning(f"{self._test}: {omission}"), stacklevel=2)

    def __getattr__(self, name: str) -> Any:
        """Explain why this is no `Simulation` yet: a fixture has asked for it."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise pytest.UsageError(
            f"a fixture uses `{FIXTURE}.{name}`, but there is a new simulation for each seed, which only a test gets: "
            f"make the fixture a function that the test calls with its `{FIXTURE}`"
        )

    def _failure_note(self, simulation: Simulation) -> str:
        """Return a text with the failed seed, the command that reproduces it, and the last trace lines."""
        lines = [f"seed {simulation.seed} failed; again: pytest {shlex.quote(self._test)} --sim-seed {simulation.seed}"]
        lines += simulation.tail[-TAIL_LINES:]
        return "\n".join(lines)


def _omissions_of(simulation: Simulation) -> set[str]:
    """Return what a run that passed has not shown, although it was asked to."""
    omissions = set()
    is_faulty = simulation.plan is not None and len(simulation.plan.faults) > 0
    if is_faulty and not any(simulation.fault_counts.count_by_kind.values()):
        omissions.add("no fault of its plan took effect: is it over before they begin?")
    for recording in simulation.recordings:
        if recording.result is not None and not _overlaps(recording.history):
            omissions.add(
                f"no two operations of group {recording.group!r} overlapped: that a history is linearizable says "
                "little then; use more clients, or let them wait less"
            )
    return omissions


def _overlaps(history: History) -> bool:
    """Return whether two operations were in flight at one time."""
    in_flight = 0
    for event in history.events:
        in_flight += 1 if event.kind == "invoked" else -1
        if in_flight > 1:
            return True
    return False


def _check_arguments(given: Mapping[str, object]) -> None:
    """Raise UsageError if the marker has an unknown argument."""
    from coterie.actors.simulation.simulation import Simulation  # noqa: PLC0415 (loaded only if used)
    from coterie.protocols.faults.nearest_name import hint  # noqa: PLC0415

    known = [*OWN_ARGUMENTS, *(name for name in inspect.signature(Simulation).parameters if name != "seed")]
    for name, value in given.items():
        if name not in known:
            raise pytest.UsageError(f"@pytest.mark.sim({name}={value!r}): it has no such argument{hint(name, known)}")


def _id_from_here(request: pytest.FixtureRequest) -> str:
    """Return the id of a test relative to the directory in which pytest was started, not to its root directory."""
    _, *inside = request.node.nodeid.split("::")
    path = os.path.relpath(request.node.path, request.config.invocation_params.dir)
    return "::".join((path, *inside))
