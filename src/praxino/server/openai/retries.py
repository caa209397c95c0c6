"""One job for a POST that a client sends again because the first answer got lost.

OpenAI's clients repeat a POST on their own, with no idempotency key but with the header `x-stainless-retry-count`. The
rule: a request whose count is above 0 gets the newest job of the same owner, path and body that has not ended, or has
ended in the last quarter of an hour; if there is none, it makes one. A request whose count is 0 always makes a new job,
so asking twice for the same thing gives two. An `Idempotency-Key` is stronger than both.

A repeated request that arrives while the first one is still being read waits for it; that holds within one server
process. A client that talks to several behind one address should send an Idempotency-Key.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

import anyio
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from sqlalchemy import or_, select

from praxino.jobs.database import Database
from praxino.jobs.job import Accepted, body_digest
from praxino.jobs.tables import jobs
from praxino.server.auth import Caller
from praxino.server.services import Services
from praxino.server.submitting import Order, submit

RETRY_COUNT = "x-stainless-retry-count"
REMEMBERED_SECONDS = 900.0
"""How long after its end a job is given to a repeated request."""


class _Turn:
    """Held while a body is being submitted, so that equal ones go one after the other."""

    def __init__(self) -> None:
        self.lock = anyio.Lock()


def remember_turns(app: FastAPI) -> None:
    """Give an app what `submit_once` needs."""
    app.state.openai_turns = WeakValueDictionary()


async def submit_once(request: Request, services: Services, caller: Caller, order: Order) -> Accepted:
    """As `praxino.server.submitting.submit`, but a repeated request gets the job of the first one."""
    if order.idempotency_key is not None:
        return await submit(services, caller, order)
    digest = body_digest(order.body)
    turn = request.app.state.openai_turns.setdefault((caller.owner, digest), _Turn())
    async with turn.lock:
        if is_retry(request):
            found = await run_sync(find_same, services.store.database, caller.owner, digest)
            if found is not None:
                return Accepted(await run_sync(services.store.get, found), created=False)
        return await submit(services, caller, order)


def is_retry(request: Request) -> bool:
    """Whether a client says that it sends something again."""
    count = request.headers.get(RETRY_COUNT, "0")
    return count.isascii() and count.isdecimal() and int(count[:9]) > 0


def find_same(database: Database, owner: str, digest: str) -> str | None:
    """The id of the newest job of a body that has not ended, or not long ago. Blocking."""
    with database.reading() as connection:
        since = database.moment(connection).now - REMEMBERED_SECONDS
        fresh = or_(jobs.c.finished_at.is_(None), jobs.c.finished_at > since)
        same = select(jobs.c.id).where(jobs.c.owner == owner, jobs.c.body_sha256 == digest, fresh)
        return connection.execute(same.order_by(jobs.c.id.desc()).limit(1)).scalar_one_or_none()
