"""How every dialect of the API makes a job: one function. What it refuses never reaches the queue."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread

from praxino.engine.machine import Machine, this_machine
from praxino.engine.resolve import Resolution, resolve
from praxino.errors import UserError
from praxino.jobs.job import Accepted, Job, Submission, WorkerStatus, body_digest
from praxino.jobs.store import Store
from praxino.jobs.telling import shared_sources, without_paths
from praxino.recipe import Recipe
from praxino.request import Request
from praxino.server import fetch
from praxino.server.auth import Caller
from praxino.server.inspection import decoding
from praxino.server.problems import Problem
from praxino.server.services import Services
from praxino.server.wishes import Wish, make_safe

JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SEEN_SECONDS = 60.0
"""A worker that was seen within this time counts as being there."""


@dataclass(frozen=True)
class Order:
    """A job that somebody asks for."""

    request: Request
    """Its pictures are ids of uploads, data URLs or http(s) URLs; models, LoRAs and companions installed names."""
    body: Any
    """What was sent, as JSON values: under one idempotency key it has to be the same each time."""
    idempotency_key: str | None = None
    priority: int = 0
    webhook: str | None = None
    """Where the job's ending is told."""
    annotations: Mapping[str, Any] = field(default_factory=dict)
    """What a dialect wants to find again in `Job.annotations`; the names "webhook" and "notes" are taken."""


async def submit(services: Services, caller: Caller, order: Order) -> Accepted:
    """Queue a job. It is on disk when this returns; nothing is when it raises.

    Raises:
        Problem: 403 a priority above the caller's.
        PraxinoError: see `praxino.server.problems`: 422, 429, 503.
    """
    return await anyio.to_thread.run_sync(submit_now, services, caller, order, limiter=services.submissions)


def submit_now(services: Services, caller: Caller, order: Order) -> Accepted:
    """`submit`, blocking."""
    digest = body_digest(order.body)
    if order.idempotency_key is not None:
        check_key(order.idempotency_key)
        found = services.store.find_submitted(caller.owner, order.idempotency_key, digest)
        if found is not None:
            return Accepted(found, created=False)
    if order.priority > caller.limits.max_priority:
        raise Problem(403, "forbidden", f"The priority is {order.priority}; yours is {caller.limits.max_priority}.")
    if order.webhook is not None:
        fetch.check_url(order.webhook, "the webhook")
    wish = make_safe(order.request, caller.owner, services.inputs)
    resolution = _resolved(wish, drawing_machine(services.store))
    submission = Submission(
        request=wish.told.to_json(),
        recipe=shared_sources(resolution.recipe.to_json(), services.folder.root),
        model=resolution.recipe.model,
        owner=caller.owner,
        priority=order.priority,
        cost=credits_of(resolution.recipe),
        annotations=_annotations(order, resolution),
        idempotency_key=order.idempotency_key,
        body_sha256=digest,
    )
    return services.store.submit(submission, caller.job_limits(time.time()))


def retry_now(services: Services, caller: Caller, job_id: str) -> Job:
    """Queue one of the caller's failed or cancelled jobs again. Blocking; raises as `Store.retry`."""
    job = own_job(services, caller, job_id)
    return services.store.retry(job.id, caller.job_limits(time.time()))


def own_job(services: Services, caller: Caller, job_id: str) -> Job:
    """One of the caller's own jobs. Blocking; somebody else's is as unknown as one that never was. Raises Problem."""
    job = find_job(services.store, job_id)
    if job is None or job.owner != caller.owner:
        raise Problem(404, "not_found", f"There is no job {job_id[:60]!r}.")
    return job


def find_job(store: Store, job_id: str) -> Job | None:
    """The job of an id that a stranger wrote, if there is one. Blocking."""
    return store.get_many([job_id]).get(job_id) if JOB_ID.fullmatch(job_id) else None


def credits_of(recipe: Recipe) -> float:
    """What a job costs: millions of pixels times denoising steps, all frames and samples counted."""
    pixels = recipe.width * recipe.height * recipe.num_frames * recipe.n
    return max(1e-6, pixels * recipe.steps / 1e6)


def check_key(key: str) -> None:
    """Refuse what cannot be an idempotency key. Raises UserError."""
    if not 1 <= len(key) <= 200 or not (key.isprintable() and key.isascii()):
        raise UserError(f"the idempotency key is {key[:60]!r}; it must be 1 to 200 printable ASCII characters.")


def is_there(worker: WorkerStatus) -> bool:
    """Whether a worker has been seen lately, and has not ended."""
    return worker.ended_at is None and worker.seen_at > time.time() - SEEN_SECONDS


def _resolved(wish: Wish, machine: Machine) -> Resolution:
    try:
        with decoding if wish.said else contextlib.nullcontext():
            return resolve(wish.local, machine=machine)
    except UserError as problem:
        raise UserError(without_paths(wish.reword(str(problem)))) from problem


def drawing_machine(store: Store) -> Machine:
    """What recipes are decided for: who draws decides the number format, and is not the server.

    The device of a worker that is there; of several, an accelerator's, for half precision is slow on a CPU, and full
    precision is a waste of a GPU. This machine's own where no worker is there yet. Blocking.
    """
    devices = [worker.info.device for worker in store.workers() if is_there(worker)]
    if not devices:
        return this_machine()
    return Machine(next((device for device in devices if device != "cpu"), "cpu"))


def _annotations(order: Order, resolution: Resolution) -> dict[str, Any]:
    webhook = {"webhook": order.webhook} if order.webhook is not None else {}
    return {**order.annotations, **webhook, "notes": list(resolution.notes)}
