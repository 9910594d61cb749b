"""A web application with actors: FastAPI runs the event loop, and its lifespan starts and stops the system.

    uvicorn --app-dir examples fastapi_app:app      # runs the server
    python examples/fastapi_app.py                  # runs the server, sends three requests, prints the responses

The packages fastapi and uvicorn must be installed.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from coterie import Actor, Ask, Ref, System, message
from coterie.errors import AskError


@message(name="pages.Visit")
class Visit(Ask[int]):
    page: str


@message(name="pages.Visits")
class Visits(Ask[int]):
    page: str


class Pages(Actor[Visit | Visits]):
    """Counts the visits of each page. It needs no lock, because an actor handles one message at a time."""

    def __init__(self) -> None:
        self._visits: dict[str, int] = {}

    def receive(self, msg: Visit | Visits, /) -> int:
        if isinstance(msg, Visit):
            self._visits[msg.page] = self._visits.get(msg.page, 0) + 1
        return self._visits.get(msg.page, 0)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with System() as system:
        app.state.system = system
        app.state.pages = system.spawn(Pages, name="pages")
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/visits/{page}")
async def visits(page: str, request: Request) -> int:
    pages: Ref[Visits] = request.app.state.pages
    return await pages.ask(Visits(page))  # runs on the event loop, so it can await the ask


@app.post("/visits/{page}")
def visit(page: str, request: Request) -> int:
    system: System = request.app.state.system
    pages: Ref[Visit] = request.app.state.pages
    return system.threadsafe.ask(
        pages, Visit(page)
    ).result()  # runs on a worker thread, so it asks through `threadsafe`


@app.exception_handler(AskError)
async def not_answered(_request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse(str(error), status_code=503)


def fetch(method: str, address: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(address, method=method)) as answer:
        return f"{method}: {answer.read().decode()}"


async def main() -> None:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no other notification)
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    for method in ("POST", "POST", "GET"):
        print(await asyncio.to_thread(fetch, method, f"http://127.0.0.1:{port}/visits/home"))
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
