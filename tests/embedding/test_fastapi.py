"""A system inside the lifespan of a FastAPI application: sync endpoints, on worker threads, ask its actors."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest
import uvloop

from coterie import System
from coterie.errors import ActorStopped
from tests.embedding.actors import Add, Counter, Slow

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI
else:
    FastAPI = pytest.importorskip("fastapi", reason="fastapi comes with the extra `test`").FastAPI
    uvicorn = pytest.importorskip("uvicorn", reason="uvicorn comes with the extra `test`")

Factory = Callable[[], asyncio.AbstractEventLoop]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with System() as system:
        app.state.system = system
        app.state.slow = system.spawn(Slow)
        app.state.counter = system.spawn(Counter)
        yield


def make_app() -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.post("/sync/{amount}")
    def ask_from_a_worker_thread(amount: int) -> int:
        total: int = app.state.system.threadsafe.ask(app.state.slow, Add(amount)).result()
        return total

    @app.post("/async/{amount}")
    async def ask_on_the_loop(amount: int) -> int:
        total: int = await app.state.slow.ask(Add(amount))
        return total

    @app.post("/stopped")
    def ask_who_is_no_more() -> str:
        system: System = app.state.system
        try:
            system.threadsafe.ask(app.state.counter, Add(1)).result()
        except ActorStopped as error:
            return type(error).__name__
        return ""

    @app.delete("/counter")
    async def stop() -> None:
        await app.state.system.stop(app.state.counter)

    return app


class Server(uvicorn.Server):
    """A uvicorn that says when it is up."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
        self.is_up = threading.Event()

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        self.is_up.set()


@contextmanager
def serving(app: FastAPI, factory: Factory) -> Iterator[str]:
    """Serve on a thread and a loop of its own; yield the address."""
    server = Server(app)

    def serve() -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(server.serve())

    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(serve)
        assert server.is_up.wait(60)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
        server.should_exit = True
        ended.result()
    assert not server.lifespan.shutdown_failed


def request(address: str, method: str = "POST") -> object:
    with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=60) as answer:
        return json.loads(answer.read())


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["on-asyncio", "on-uvloop"])
def factory(request: pytest.FixtureRequest) -> Factory:
    made: Factory = request.param
    return made


def test_sync_and_async_endpoints_ask_the_same_actor(factory: Factory) -> None:
    with serving(make_app(), factory) as address:
        totals = [request(f"{address}/{kind}/2") for kind in ("sync", "async", "sync")]

    assert totals == [2, 4, 6]


def test_many_sync_endpoints_at_once_lose_nothing(factory: Factory) -> None:
    with serving(make_app(), factory) as address, ThreadPoolExecutor(8) as clients:
        totals = list(clients.map(lambda _: request(f"{address}/sync/1"), range(60)))

    assert sorted(map(str, totals)) == sorted(map(str, range(1, 61)))


def test_a_sync_endpoint_gets_the_errors_of_the_ask(factory: Factory) -> None:
    with serving(make_app(), factory) as address:
        request(f"{address}/counter", "DELETE")

        assert request(f"{address}/stopped") == "ActorStopped"


def test_the_same_application_is_served_twice(factory: Factory) -> None:
    app = make_app()
    totals = []
    for _ in range(2):
        with serving(app, factory) as address:
            totals.append(request(f"{address}/sync/3"))

    assert totals == [3, 3]
