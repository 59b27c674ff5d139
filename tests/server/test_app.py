"""The routes beside the questions, and the beginning and the end of a process."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from typing import Any

import pytest
from starlette.types import ASGIApp, Message

from deepreasoning_cli import __version__
from deepreasoning_cli.pipeline.events import Thought
from deepreasoning_cli.server import create_app
from support.asgi_calls import call, pieces, scope
from support.serving import PATHS, Caller, Serve, post_scope, question, scripted_reasoner
from support.serving import serve as serve


def test_a_machine_that_asks_is_told_that_all_is_well(serve: Serve) -> None:
    async def main() -> None:
        served = serve(scripted_reasoner(Thought("Hm."), asyncio.Event()))
        caller = Caller.of(served.app, stream=True)
        await caller.until(lambda: caller.body)
        post_scope = Caller()
        post_scope.takes.set()
        await served.app(scope("/health"), post_scope.inbox.get, post_scope.take)
        assert post_scope.body.decode() == (
            f'{{"status": "ok", "version": "{__version__}", "streams": 1}}'
        )
        caller.leave()
        await caller.task

    asyncio.run(main())


def test_counters_are_told_only_where_they_are_wanted(serve: Serve) -> None:
    assert call(serve().app, scope("/metrics")).status == 404
    answer = call(serve(serve__metrics=True).app, scope("/metrics"))
    assert (answer.status, b"deepreasoning_" in answer.body) == (200, True)


def test_pages_of_other_origins_are_let_in_where_they_are_named(serve: Serve) -> None:
    app = serve(serve__origins=["https://a.example"]).app
    answer = call(app, scope("/health", headers={"origin": "https://a.example"}))
    assert answer.headers["access-control-allow-origin"] == "https://a.example"


class Life:
    """The lifespan of an app, as a server leads it."""

    def __init__(self, app: ASGIApp) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.task = asyncio.ensure_future(
            app({"type": "lifespan", "asgi": {"version": "3.0"}}, self.inbox.get, self.said.put)
        )

    async def be(self, what: str) -> str:
        self.inbox.put_nowait({"type": f"lifespan.{what}"})
        said: str = (await self.said.get())["type"]
        return said.removeprefix("lifespan.")


def test_a_process_begins_prepared_and_ends_with_its_turns_kept(serve: Serve) -> None:
    async def main() -> None:
        served = serve(
            scripted_reasoner(Thought("Hm."), asyncio.Event()), history=True, shutdown_seconds=1.0
        )
        life = Life(served.app)
        assert await life.be("startup") == "startup.complete"
        caller = Caller.of(served.app, stream=True)
        await caller.until(lambda: caller.body)
        caller.task.cancel()
        assert await life.be("shutdown") == "shutdown.complete"
        assert caller.task.done()
        assert served.service._transport._client.is_closed
        await life.task

    asyncio.run(main())


def test_a_process_that_can_answer_nothing_does_not_begin() -> None:
    async def main() -> Any:
        life = Life(create_app(flags={"backend": "direct"}))
        said = await life.be("startup")
        with pytest.raises(BaseException, match="no key"):
            await life.task
        return said

    assert asyncio.run(main()) == "startup.failed"


def of_the_process() -> list[object]:
    """What belongs to the process that hosts the app, and not to the app."""
    loggers = [logging.getLogger(), logging.getLogger("deepreasoning_cli.server")]
    return [
        sys.getswitchinterval(),
        gc.get_freeze_count(),
        gc.get_threshold(),
        *[(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers],
    ]


def test_an_app_changes_nothing_of_the_process_that_hosts_it() -> None:
    async def main() -> None:
        life = Life(create_app(flags={"backend": "demo", "history": False}))
        assert await life.be("startup") == "startup.complete"
        assert await life.be("shutdown") == "shutdown.complete"
        await life.task

    before = of_the_process()
    asyncio.run(main())
    assert of_the_process() == before


@pytest.mark.parametrize("prefix", ["", "/v1", "/v1/v1", "/v1/", "/"])
@pytest.mark.parametrize("path", PATHS)
def test_a_base_url_is_understood_with_and_without_its_version(
    serve: Serve, path: str, prefix: str
) -> None:
    typed = prefix + path.removeprefix("/v1")
    answer = call(serve().app, post_scope(typed), pieces(question(path)))
    assert answer.status == 200


@pytest.mark.parametrize("path", ["/models", "/v1/models/", "/v1/v1/models"])
def test_so_is_that_of_a_list_of_models(serve: Serve, path: str) -> None:
    app = serve().app
    assert call(app, scope(path)).body == call(app, scope("/v1/models")).body


def test_an_app_below_a_path_understands_them_too(serve: Serve) -> None:
    app = serve().app
    answer = call(app, scope("/api/models", root_path="/api"))
    assert answer.body == call(app, scope("/v1/models")).body
