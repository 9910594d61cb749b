from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from coterie.runtime.hosts.simulation.interrupt import interrupted_between_steps
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld


class Finalised:
    """Ctrl-C comes while it is being freed: there Python forgets any error."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


async def be_struck_and_go_on() -> str:
    Finalised()
    await asyncio.sleep(60.0)
    return "nobody ended it"


def test_ctrl_c_ends_a_world_even_if_it_comes_in_a_finaliser() -> None:
    with pytest.raises(KeyboardInterrupt):
        SimulatedWorld().run(be_struck_and_go_on)


def test_ctrl_c_strikes_between_steps_and_no_task_sees_it() -> None:
    seen: list[type[BaseException]] = []
    world = SimulatedWorld()

    async def node() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60.0)
        except BaseException as error:
            seen.append(type(error))
            raise

    async def main() -> None:
        await world.begin("n1").create_task(node())

    with pytest.raises(KeyboardInterrupt):
        world.run(main)
    assert KeyboardInterrupt not in seen


def test_ctrl_c_after_the_last_step_is_not_forgotten() -> None:
    async def main() -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        SimulatedWorld().run(main)


def test_a_second_ctrl_c_strikes_at_once() -> None:
    struck: list[str] = []

    async def main() -> None:
        signal.raise_signal(signal.SIGINT)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            struck.append("here")

    with pytest.raises(KeyboardInterrupt):
        SimulatedWorld().run(main)
    assert struck == ["here"]


def test_what_takes_care_of_ctrl_c_already_is_left_in_place() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        assert SimulatedWorld().run(be_struck_and_go_on) == "nobody ended it"
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_afterwards_ctrl_c_is_what_it_was() -> None:
    with pytest.raises(KeyboardInterrupt):
        SimulatedWorld().run(be_struck_and_go_on)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_thread_that_is_not_the_main_one_leaves_signals_alone() -> None:
    seen: list[object] = []

    def look() -> None:
        with interrupted_between_steps(SimulatedWorld().loop):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
