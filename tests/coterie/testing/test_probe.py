"""Probes: what they record, expect and answer, and their error texts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from coterie import Actor, Ask, Ref, Terminated, message
from coterie.errors import ActorFailed
from coterie.testing import Probe, TestKit

pytestmark = pytest.mark.virtual


@message(name="test.probe.Said")
class Said:
    word: str


@message(name="test.probe.Question")
class Question(Ask[int]):
    number: int


@message(name="test.probe.Consult")
class Consult(Ask[int]):
    number: int


class Doubling(Actor[Consult]):
    """Asks another actor, and doubles its answer."""

    def __init__(self, oracle: Ref[Question]) -> None:
        self._oracle = oracle

    async def receive(self, msg: Consult, /) -> int:
        return 2 * await self._oracle.ask(Question(msg.number))


@pytest.fixture
async def kit() -> AsyncIterator[TestKit]:
    async with TestKit() as kit:
        yield kit


@pytest.fixture
async def probe(kit: TestKit) -> Probe:
    return kit.probe(name="p")


async def test_expect_takes_a_class_a_message_or_a_function(probe: Probe) -> None:
    for word in ("a", "b", "c"):
        probe.ref.tell(Said(word))

    first = await probe.expect(Said)
    await probe.expect(Said("b"))
    await probe.expect(lambda said: said.word > "b")

    assert first.word == "a"  # typed: mypy knows that it is a Said
    assert probe.unexpected == ()


async def test_expect_waits_for_what_is_still_to_come(probe: Probe) -> None:
    asyncio.get_running_loop().call_later(2.5, probe.ref.tell, Said("late"))

    assert await probe.expect(Said) == Said("late")


async def test_expect_says_what_came_instead(probe: Probe) -> None:
    for word in ("a", "b", "c"):
        probe.ref.tell(Said(word))
    await probe.expect(Said("a"))

    with pytest.raises(AssertionError) as caught:
        await probe.expect(Said("z"))

    assert str(caught.value) == (
        "probe 'p' expected Said(word='z'), but the next message was Said(word='b'); it was followed by "
        "Said(word='c'); expected so far: Said(word='a')"
    )


async def test_expect_says_that_nothing_came_and_when_it_gave_up(probe: Probe) -> None:
    begin = asyncio.get_running_loop().time()

    with pytest.raises(AssertionError, match=r"probe 'p' expected Said within 0.5 s, but nothing came"):
        await probe.expect(Said, within_s=0.5)

    assert asyncio.get_running_loop().time() - begin == 0.5


async def test_a_function_that_is_not_true_is_named_by_its_place(probe: Probe) -> None:
    probe.ref.tell(Said("a"))

    with pytest.raises(AssertionError, match=r"expected a message for which .*<lambda> \(line \d+\) is true"):
        await probe.expect(lambda said: said.word == "b")


async def test_skip_to_lets_go_of_what_comes_before(probe: Probe) -> None:
    for word in ("a", "b", "c"):
        probe.ref.tell(Said(word))

    await probe.skip_to(Said("b"))

    assert probe.unexpected == (Said("c"),)
    with pytest.raises(
        AssertionError, match=r"expected Said\(word='z'\) within 1 s, but received only Said\(word='c'\)"
    ):
        await probe.skip_to(Said("z"), within_s=1.0)


async def test_skip_to_does_not_wait_anew_for_each_message_that_it_skips(probe: Probe) -> None:
    loop = asyncio.get_running_loop()
    for at in (0.4, 0.8, 1.2, 1.6):
        loop.call_later(at, probe.ref.tell, Said("noise"))

    with pytest.raises(AssertionError):
        await probe.skip_to(Question, within_s=1.0)

    assert loop.time() == pytest.approx(1.0)
    await asyncio.sleep(1)


async def test_expect_none_passes_only_in_silence(probe: Probe) -> None:
    await probe.expect_none(for_s=10.0)
    asyncio.get_running_loop().call_later(1.0, probe.ref.tell, Said("a"))

    with pytest.raises(AssertionError, match=r"expected nothing for 2 s, but received Said\(word='a'\)"):
        await probe.expect_none(for_s=2.0)


async def test_expect_none_sees_what_had_come_before(probe: Probe) -> None:
    probe.ref.tell(Said("a"))

    with pytest.raises(AssertionError, match="expected nothing"):
        await probe.expect_none(for_s=0.1)


async def test_received_keeps_everything_in_order(probe: Probe) -> None:
    for word in ("a", "b"):
        probe.ref.tell(Said(word))

    await probe.expect(Said)
    await probe.expect(Said)

    assert probe.received == (Said("a"), Said("b"))
    assert probe.unexpected == ()


async def test_a_long_list_is_cut_short(probe: Probe) -> None:
    for number in range(15):
        probe.ref.tell(Said(str(number)))

    with pytest.raises(AssertionError, match=r"Said\(word='9'\) and 5 more"):
        await probe.expect_none(for_s=1.0)


async def test_a_probe_stands_in_for_an_actor_that_is_asked(kit: TestKit, probe: Probe) -> None:
    doubling = kit.system.spawn(lambda: Doubling(probe.ref))
    answer = doubling.ask(Consult(20))

    await probe.expect(Question(20))
    probe.reply(21)

    assert await answer == 42


async def test_a_probe_can_answer_with_an_error(probe: Probe) -> None:
    answer = probe.ref.ask(Question(1))
    await probe.expect(Question)

    probe.fail(ValueError("no idea"))

    with pytest.raises(ActorFailed, match="no idea"):
        await answer


async def test_only_an_ask_can_be_answered_and_once(probe: Probe) -> None:
    with pytest.raises(ValueError, match="nothing to answer"):
        probe.reply(1)
    probe.ref.tell(Said("a"))
    await probe.expect(Said)
    with pytest.raises(ValueError, match=r"cannot answer Said\(word='a'\): it is not an ask"):
        probe.reply(1)
    answer = probe.ref.ask(Question(1))
    await probe.expect(Question)
    probe.reply(7)
    with pytest.raises(ValueError, match="answered already"):
        probe.reply(8)
    assert await answer == 7


async def test_a_probe_watches(kit: TestKit, probe: Probe) -> None:
    doubling = kit.system.spawn(lambda: Doubling(probe.ref))

    probe.watch(doubling)
    kit.system.stop(doubling)

    assert (await probe.expect(Terminated)).ref == doubling
