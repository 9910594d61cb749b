from __future__ import annotations

import asyncio
import concurrent.futures
import datetime as dt
import importlib
import os
import queue
import random
import resource
import sched
import secrets
import select
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import timeit
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from coterie.errors import FenceError
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.messages.message import message, message_type
from coterie.runtime.messages.value_codecs import NO_REFS

EPOCH_S = 946_684_800.0  # the world begins on 2000-01-01


def as_life(function: Callable[[], object], *, seed: int = 1, after_s: float = 0.0, name: str = "n1") -> object:
    """Run `function` as the code of a life, in a world of its own, and return what it returns."""
    world = SimulatedWorld(seed)

    async def live() -> object:
        await asyncio.sleep(after_s)
        return function()

    async def main() -> object:
        return await world.begin(name).create_task(live())

    return world.run(main)


# --- time


def test_time_is_the_worlds() -> None:
    assert as_life(time.time, after_s=0.0) != EPOCH_S  # `time.time` was looked up outside: no fence can see that
    assert as_life(lambda: time.time()) == EPOCH_S  # noqa: PLW0108 - looked up inside
    assert as_life(lambda: (time.time_ns(), time.monotonic_ns())) == (EPOCH_S * 10**9, 0)
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        shown = as_life(lambda name=name: getattr(time, name)(), after_s=1000.0)  # type: ignore[misc]
        assert isinstance(shown, float)
        assert 1000.0 <= shown < 1000.1


def test_the_default_of_times_functions_is_the_worlds_now() -> None:
    assert as_life(lambda: time.gmtime().tm_year) == 2000
    assert as_life(lambda: time.gmtime(0).tm_year) == 1970
    assert as_life(lambda: time.localtime().tm_year) in {1999, 2000}
    assert "2000" in str(as_life(lambda: time.ctime())) or "1999" in str(as_life(lambda: time.ctime()))  # noqa: PLW0108
    assert as_life(lambda: time.strftime("%Y")) in {"1999", "2000"}
    assert as_life(lambda: time.strftime("%Y", time.gmtime(0))) == "1970"


def test_dates_are_the_worlds_and_still_dates() -> None:
    def look() -> tuple[object, ...]:
        now = dt.datetime.now(dt.UTC)
        return (
            now,
            dt.datetime.fromtimestamp(0, dt.UTC).year,
            isinstance(now, dt.datetime),
            isinstance(now, dt.date),
            isinstance(dt.datetime(2020, 1, 2, tzinfo=dt.UTC), dt.datetime),
            issubclass(type(now), dt.datetime),
            dt.date.today().year in {1999, 2000},  # noqa: DTZ011 - what it shows is the question
            dt.datetime.fromisoformat("2020-01-02T03:04:05").hour,
            isinstance(3, dt.datetime),
        )

    seen = as_life(look)
    assert seen == (dt.datetime(2000, 1, 1, tzinfo=dt.UTC), 1970, True, True, True, True, True, 3, False)
    assert isinstance(seen, tuple)
    assert type(seen[0]) is dt.datetime


def test_dates_of_the_world_are_in_messages() -> None:
    """A module that is imported inside sees the stand-ins of `datetime` and `date`, also in annotations."""

    def cross() -> tuple[object, object]:
        plain = type("Meeting", (), {"__annotations__": {"at": dt.datetime, "day": dt.date | None}})
        described = message_type(message(name="fence.Meeting")(plain))
        sent = described.cls(dt.datetime.now(dt.UTC), dt.date.today())  # noqa: DTZ011 (the question)
        return sent, described.decode(described.encode(sent), NO_REFS)

    seen = as_life(cross)
    assert isinstance(seen, tuple)
    sent, arrived = seen
    assert sent == arrived
    assert type(arrived.at) is dt.datetime
    assert arrived.at == dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def test_a_subclass_of_datetime_made_inside_is_one() -> None:
    def look() -> tuple[object, ...]:
        class Moment(dt.datetime):
            pass

        made = Moment(2020, 1, 2)
        return type(made).__name__, isinstance(made, Moment), isinstance(dt.datetime(2020, 1, 2, tzinfo=dt.UTC), Moment)

    assert as_life(look) == ("Moment", True, False)


def test_each_life_sees_its_own_wall_clock() -> None:
    world = SimulatedWorld(1)

    async def look() -> float:
        return time.time()

    async def main() -> None:
        world.clock("n1").wall_offset_s = -100.0
        assert await world.begin("n1").create_task(look()) == EPOCH_S - 100.0
        assert await world.begin("n2").create_task(look()) == EPOCH_S
        assert time.time() == EPOCH_S

    world.run(main)


def test_sleep_is_refused_where_it_would_hold_the_loop() -> None:
    with pytest.raises(FenceError, match=r"time\.sleep\(\) at .*test_fence\.py:\d+"):
        as_life(lambda: time.sleep(1))


def test_a_blocking_function_may_sleep_and_takes_so_long() -> None:
    async def live() -> tuple[float, float]:
        def block() -> float:
            time.sleep(2.0)
            begin = time.monotonic()
            time.sleep(3.0)
            return time.monotonic() - begin

        slept_s = await asyncio.to_thread(block)
        return slept_s, asyncio.get_running_loop().time()

    world = SimulatedWorld(1)

    async def main() -> tuple[float, float]:
        return await world.begin("n1").create_task(live())

    slept_s, now_s = world.run(main)
    assert slept_s == pytest.approx(3.0)
    assert 5.0 <= now_s < 6.0


# --- chance


def draws() -> list[object]:
    return [
        random.random(),
        random.randint(1, 10**9),
        random.choice("abcdefgh"),
        random.Random().random(),
        random.SystemRandom().random(),
        os.urandom(8),
        uuid.uuid4(),
        uuid.uuid1(),
        secrets.token_hex(),
        secrets.randbelow(10**9),
    ]


def test_random_numbers_follow_from_the_seed() -> None:
    first, again, other = as_life(draws), as_life(draws), as_life(draws, seed=2)
    assert isinstance(first, list)
    assert isinstance(other, list)
    assert first == again
    assert [a == b for a, b in zip(first, other, strict=True)].count(True) <= 1  # a choice of eight may be the same


def test_lives_draw_different_numbers() -> None:
    world = SimulatedWorld(1)

    async def draw() -> list[object]:
        return draws()

    async def main() -> None:
        first = await world.begin("n1").create_task(draw())
        world.lives["n1"].crash()
        second = await world.begin("n1").create_task(draw())
        third = await world.begin("n2").create_task(draw())
        assert len({str(drawn) for drawn in (first, second, third)}) == 3

    world.run(main)


def test_a_uuid1_is_one() -> None:
    made = as_life(uuid.uuid1)
    inside = as_life(lambda: uuid.uuid1())  # noqa: PLW0108 - looked up inside
    assert isinstance(made, uuid.UUID)
    assert isinstance(inside, uuid.UUID)
    assert (inside.version, inside.variant) == (1, uuid.RFC_4122)
    assert inside.time // 10_000_000 - 12_219_292_800 == EPOCH_S


# --- what is refused


REFUSED: dict[str, Callable[[], object]] = {
    "Thread.start()": lambda: threading.Thread(target=print).start(),
    "Condition.wait()": lambda: threading.Event().wait(1),
    "subprocess.Popen()": lambda: subprocess.run(["true"], check=False),
    "os.fork()": lambda: os.fork(),  # noqa: PLW0108 - looked up inside
    "os.system()": lambda: os.system("true"),
    "socket.socket()": lambda: socket.socket(),  # noqa: PLW0108
    "socket.getaddrinfo()": lambda: socket.getaddrinfo("localhost", 80),
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_leaves_the_world_is_refused_with_its_line(call: str) -> None:
    with pytest.raises(FenceError) as caught:
        as_life(REFUSED[call])
    line = REFUSED[call].__code__.co_firstlineno
    assert (caught.value.call, caught.value.place) == (call, f"{__file__}:{line}")


def test_a_pool_of_threads_and_a_blocking_queue_are_refused() -> None:
    with pytest.raises(FenceError, match=r"Thread\.start"):
        as_life(lambda: concurrent.futures.ThreadPoolExecutor().submit(print))
    with pytest.raises(FenceError, match=r"Condition\.wait"):
        as_life(lambda: queue.Queue[int]().get())


def test_real_sockets_and_processes_of_the_loop_are_refused_with_their_line() -> None:
    world = SimulatedWorld(1)

    async def live() -> None:
        with pytest.raises(FenceError, match=r"loop\.create_connection\(\) at .*test_fence\.py"):
            await asyncio.open_connection("127.0.0.1", 1)
        with pytest.raises(FenceError, match=r"loop\.subprocess_exec\(\) at .*test_fence\.py"):
            await asyncio.create_subprocess_exec("true")

    async def main() -> None:
        await world.begin("n1").create_task(live())

    world.run(main)


# --- what is put in order


def test_directories_list_in_order(tmp_path: Path) -> None:
    names = [f"{number:x}" for number in random.Random(1).sample(range(10**6), 50)]
    for name in names:
        (tmp_path / name).touch()
    assert as_life(lambda: os.listdir(tmp_path)) == sorted(names)
    assert as_life(lambda: [entry.name for entry in os.scandir(tmp_path)]) == sorted(names)


def test_the_machine_has_the_nodes_name() -> None:
    assert as_life(lambda: socket.gethostname(), name="n7") == "n7"  # noqa: PLW0108 - looked up inside


# --- the fence itself


def fenced_names() -> list[object]:
    return [
        *[getattr(time, name) for name in ("time", "monotonic", "sleep", "gmtime", "perf_counter_ns")],
        *[getattr(random, name) for name in ("random", "choice", "seed", "_urandom")],
        *[os.urandom, os.listdir, os.scandir, os.fork, uuid.uuid1, dt.datetime, dt.date],
        *[threading.Thread.start, threading.Condition.wait, subprocess.Popen.__init__, socket.socket.__init__],
        random.Random.seed,
    ]


def test_everything_is_as_it_was_afterwards_also_after_an_error() -> None:
    before = fenced_names()

    def fail() -> None:
        assert all(a is not b for a, b in zip(fenced_names(), before, strict=True))
        raise KeyError("on purpose")

    with pytest.raises(KeyError):
        as_life(fail)
    assert all(a is b for a, b in zip(fenced_names(), before, strict=True))


def test_other_threads_see_the_real_world() -> None:
    asked, answered = threading.Event(), threading.Event()
    seen: list[object] = []

    def look() -> None:
        asked.wait()
        seen.extend(
            [time.time() > EPOCH_S + 10**8, dt.datetime.now(dt.UTC).year > 2020, os.urandom(8) != os.urandom(8)]
        )
        threading.Thread(target=seen.append, args=("a thread",)).start()
        socket.socket().close()
        answered.set()

    def inside() -> None:
        asked.set()
        while not answered.is_set():
            pass

    other = threading.Thread(target=look)
    other.start()
    as_life(inside)
    other.join()
    assert sorted(map(str, seen)) == ["True", "True", "True", "a thread"]


def test_worlds_do_not_nest() -> None:
    world = SimulatedWorld(1)

    async def main() -> None:
        inner = SimulatedWorld(2)
        with pytest.raises(RuntimeError, match="one at a time"):
            inner.run(main)

    world.run(main)


def test_a_world_without_a_fence_lets_everything_through() -> None:
    world = SimulatedWorld(1, is_fenced=False)

    async def main() -> float:
        return time.time()

    assert world.run(main) > EPOCH_S + 10**8


# --- nothing of the standard library is forgotten

_HARMLESS = {
    "time": "struct_time mktime strptime tzset get_clock_info clock_getres pthread_getcpuclockid",
    "random": "Random SystemRandom main",
    "secrets": "SystemRandom choice compare_digest randbelow randbits token_bytes token_hex token_urlsafe",
    "uuid": "UUID SafeUUID Enum bytes_ int_ main uuid3 uuid4 uuid5",
    "select": "error",
    "signal": """
        Handlers Sigmasks Signals default_int_handler getitimer getsignal pidfd_send_signal pthread_kill pthread_sigmask
        raise_signal set_wakeup_fd siginterrupt signal sigpending strsignal struct_siginfo valid_signals ItimerError
    """,
    "sched": "scheduler Event namedtuple count",
    "timeit": "Timer timeit repeat main reindent",
    "resource": "error getpagesize getrlimit prlimit setrlimit struct_rusage",
}
HARMLESS = {module: frozenset(names.split()) for module, names in _HARMLESS.items()}
"""What the fence need not replace: it neither reads a clock, nor draws, nor waits, or does so by what is replaced."""


@pytest.mark.parametrize("name", HARMLESS)
def test_every_function_of_the_module_is_the_worlds_or_refused_or_harmless(name: str) -> None:
    """A function that a later Python adds makes this test fail: look at it, then fence it or list it."""
    module = importlib.import_module(name)
    public = {each for each, value in vars(module).items() if not each.startswith("_") and callable(value)}

    def fenced() -> set[str]:
        return {each for each in public if hasattr(getattr(module, each), "fenced_from")}

    replaced = as_life(fenced)
    assert isinstance(replaced, set)
    assert sorted(public - replaced - HARMLESS[name]) == []
    assert not replaced & HARMLESS[name]


def test_every_clock_shows_the_worlds_time() -> None:
    def look() -> list[float]:
        clocks = [time.clock_gettime(clock) for clock in (time.CLOCK_MONOTONIC, time.CLOCK_PROCESS_CPUTIME_ID)]
        clocks += [time.clock_gettime_ns(time.CLOCK_MONOTONIC) / 1e9, os.times().elapsed, os.times().user]
        return [*clocks, sched.scheduler().timefunc(), timeit.default_timer()]

    shown = as_life(look, after_s=1000.0)
    assert isinstance(shown, list)
    assert all(1000.0 <= each < 1000.1 for each in shown)
    assert as_life(lambda: time.clock_gettime(time.CLOCK_REALTIME)) == EPOCH_S
    assert str(as_life(lambda: time.asctime()))[-4:] in {"1999", "2000"}  # noqa: PLW0108 - looked up inside
    assert as_life(lambda: time.asctime(time.gmtime(0))) == "Thu Jan  1 00:00:00 1970"


def test_every_source_of_chance_follows_the_seed(tmp_path: Path) -> None:
    def draw() -> tuple[object, ...]:
        with tempfile.NamedTemporaryFile(dir=tmp_path) as file:
            name = file.name
        return (
            ssl.RAND_bytes(8),
            name,
            uuid.getnode(),
            uuid.uuid1(),
            secrets.token_hex(),
            random.SystemRandom().random(),
        )

    assert as_life(draw, seed=1) == as_life(draw, seed=1)
    one, other = as_life(draw, seed=1), as_life(draw, seed=2)
    assert isinstance(one, tuple)
    assert isinstance(other, tuple)
    assert all(a != b for at, (a, b) in enumerate(zip(one, other, strict=True)) if at != 2)
    assert one[2] == other[2] != as_life(lambda: uuid.getnode(), name="n2")  # noqa: PLW0108 - looked up inside


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: select.select([], [], [], 0.1), "select.select"),
        (lambda: select.poll(), "select.poll"),  # noqa: PLW0108 - looked up inside
        (lambda: signal.alarm(1), "signal.alarm"),
        (lambda: signal.sigwait({signal.SIGUSR1}), "signal.sigwait"),
        (lambda: os.waitpid(-1, 0), "os.waitpid"),
        (lambda: os.getloadavg(), "os.getloadavg"),  # noqa: PLW0108 - looked up inside
        (lambda: resource.getrusage(resource.RUSAGE_SELF), "resource.getrusage"),
        (lambda: timeit.timeit("1"), "Timer.timeit"),
        (lambda: input(), r"input\(\)"),  # noqa: PLW0108 - looked up inside
        (lambda: queue.SimpleQueue().get(), "Condition.wait"),
    ],
)
def test_what_would_wait_for_the_real_machine_or_measure_it_is_refused(call: Callable[[], object], named: str) -> None:
    with pytest.raises(FenceError, match=named):
        as_life(call)


def test_a_queue_that_has_something_gives_it() -> None:
    def use() -> int:
        simple: queue.SimpleQueue[int] = queue.SimpleQueue()
        simple.put(3)
        return simple.get()

    assert as_life(use) == 3
    assert type(queue.SimpleQueue()).__name__ == "SimpleQueue"
