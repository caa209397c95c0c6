"""The app: routes over a queue and its folder. Serves nothing by itself (see `praxino.server.process`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio
from fastapi import FastAPI

from praxino.jobs.files import ResultFolder
from praxino.jobs.store import Store
from praxino.server import health, native
from praxino.server.body import BodyLimits
from praxino.server.inputs import Inputs
from praxino.server.keys import Keys
from praxino.server.links import Links, server_secret
from praxino.server.problems import handle_problems
from praxino.server.rates import Rates
from praxino.server.services import Services
from praxino.server.settings import ServerSettings

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
    for router in (health.router, native.router):
        app.include_router(router)
    return app


def _services(settings: ServerSettings, store: Store, folder: ResultFolder) -> Services:
    return Services(
        settings=settings,
        store=store,
        folder=folder,
        keys=Keys(store.database),
        rates=Rates(),
        inputs=Inputs(store.database, folder.root / INPUTS_FOLDER, settings),
        links=Links(server_secret(store.database), settings.link_seconds),
        submissions=anyio.CapacityLimiter(settings.max_parallel_submissions),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.closing = anyio.Event()
    try:
        yield
    finally:
        app.state.closing.set()
