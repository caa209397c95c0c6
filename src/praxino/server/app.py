"""The app: routes over a queue and its folder. Serves nothing by itself (see `praxino.server.process`)."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio.to_thread
from fastapi import FastAPI

from praxino.jobs.files import ResultFolder
from praxino.jobs.store import Store
from praxino.server import health, metrics, native, openai, resources, siliconflow
from praxino.server.body import BodyLimits
from praxino.server.inputs import Inputs
from praxino.server.keys import Keys
from praxino.server.links import Links, server_secret
from praxino.server.problems import handle_problems
from praxino.server.rates import Rates
from praxino.server.services import Services
from praxino.server.settings import ServerSettings
from praxino.server.webhooks import Webhooks

INPUTS_FOLDER = "inputs"


def create_app(settings: ServerSettings, store: Store, folder: ResultFolder) -> FastAPI:
    """An app that submits to `store`, and reads results from `folder`. The caller closes the store."""
    app = FastAPI(
        title="Praxino",
        version=version("praxino"),
        summary="Words and pictures become images, GIFs and videos.",
        lifespan=_lifespan,
        docs_url="/docs",
        redoc_url=None,
    )
    app.state.services = _services(settings, store, folder)
    handle_problems(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, seconds=settings.body_seconds)
    for router in (health.router, metrics.router, native.router, resources.router):
        app.include_router(router)
    for dialect in (openai, siliconflow):
        dialect.mount(app)
    return app


def _services(settings: ServerSettings, store: Store, folder: ResultFolder) -> Services:
    secret = server_secret(store.database)
    return Services(
        settings=settings,
        store=store,
        folder=folder,
        keys=Keys(store.database),
        rates=Rates(),
        inputs=Inputs(store.database, folder.root / INPUTS_FOLDER, settings),
        links=Links(secret, settings.link_seconds),
        webhooks=Webhooks(store, secret, settings.allow_private),
        submissions=anyio.CapacityLimiter(settings.max_parallel_submissions),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """While the app serves, threads deliver webhooks and remove old uploads."""
    services: Services = app.state.services
    app.state.closing = anyio.Event()
    stopped = threading.Event()
    threads = [
        threading.Thread(target=work, args=(stopped,), name=name, daemon=True)
        for name, work in (("webhooks", services.webhooks.run), ("uploads", services.inputs.sweep_hourly))
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        app.state.closing.set()
        stopped.set()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
