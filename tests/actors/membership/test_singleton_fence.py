"""The page on singletons: its program runs, and what it says of the epoch as a fencing token holds."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from coterie.errors import ActorFailed
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual

PAGE = Path(__file__).parents[3] / "docs" / "singletons.md"


def program(folder: Path) -> ModuleType:
    """Return the programs of the page as one module."""
    texts = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    text = "\n".join(texts)
    file = folder / "singleton_page.py"
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_a_store_with_a_fence_refuses_the_writes_of_an_earlier_epoch(tmp_path: Path) -> None:
    page = program(tmp_path)
    run_now = page.RunNow
    async with Cluster(page.topology) as cluster:
        for node in cluster.values():
            assert node.membership is not None
            await node.membership.up()
        cron = cluster["n3"].singleton("cron")
        assert await cron.ask(run_now("a")) == 1

        # An actor of an earlier epoch that runs on elsewhere, as after a long pause.
        late = cluster["n2"].system.spawn(lambda: page.Cron(cluster["n2"], 1), name="late")
        assert await late.ask(run_now("a")) == 1
        await cluster["n1"].drain()
        assert await cron.ask(run_now("a")) == 2
        with pytest.raises(ActorFailed, match="another epoch than 1 has begun"):
            await late.ask(run_now("a"))

        assert await cluster["n3"].key_value("store").get(b"cron/runs/a") == b"3"


async def test_a_fenced_number_is_returned_to_the_latest_epoch_alone(tmp_path: Path) -> None:
    page = program(tmp_path)
    async with Cluster(page.topology) as cluster:
        for node in cluster.values():
            assert node.membership is not None
            await node.membership.up()
        store = cluster["n2"].key_value("store")
        await store.put(b"cron/epoch", b"1")

        numbers = await asyncio.gather(*(page.next_number(store, 1) for _ in range(5)))
        await store.put(b"cron/epoch", b"2")
        with pytest.raises(RuntimeError, match="another epoch than 1 has begun"):
            await page.next_number(store, 1)

        assert sorted(numbers) == [1, 2, 3, 4, 5]
        assert await page.next_number(store, 2) == 6
