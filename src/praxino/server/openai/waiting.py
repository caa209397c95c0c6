"""Waits for a job to end, as routes do that answer with its result."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator

import anyio
from anyio.to_thread import run_sync
from fastapi import Request

from praxino.jobs.job import Job, JobState, Reason
from praxino.server.openai.errors import NO_RETRY
from praxino.server.problems import Problem
from praxino.server.services import Services

POLL_SECONDS = 0.1
SLOWEST_POLL_SECONDS = 1.0
"""Of a job that takes long."""
_SLOWER = 1.05


async def follow(
    request: Request, services: Services, job_id: str, most_seconds: float = math.inf
) -> AsyncIterator[Job]:
    """A job as it stands, again and again; the last time when it has ended, or after `most_seconds`.

    Raises:
        Problem: 503 the server closes, 404 the job is gone.
    """
    closing: anyio.Event = request.app.state.closing
    seconds, until = POLL_SECONDS, time.monotonic() + most_seconds
    while not closing.is_set():
        job = (await run_sync(services.store.get_many, [job_id])).get(job_id)
        if job is None:
            raise Problem(404, "not_found", "The job is gone.")
        yield job
        if job.state.final or time.monotonic() > until:
            return
        with anyio.move_on_after(seconds):
            await closing.wait()
        seconds = min(seconds * _SLOWER, SLOWEST_POLL_SECONDS)
    raise Problem(503, "unavailable", "The server closes; send the same request again.", headers={"Retry-After": "1"})


async def wait_until_done(request: Request, services: Services, job_id: str) -> Job:
    """A job once it has succeeded.

    Raises:
        Problem: it ended otherwise, is gone, or the server closes; 499 the client has gone.
    """
    async for job in follow(request, services, job_id):
        if job.state.final:
            check_success(job)
            return job
        if await request.is_disconnected():
            break
    raise Problem(499, "client_closed", "The client has closed the connection; the job goes on.")


def check_success(job: Job) -> None:
    """Raise Problem unless a job that has ended succeeded. Sending the request again would get the same job."""
    if job.state is JobState.SUCCEEDED:
        return
    if job.error is None:
        raise Problem(409, "cancelled", "The job was cancelled.", headers=NO_RETRY)
    status = 400 if job.error.code == Reason.USER else 500
    raise Problem(status, job.error.code, job.error.message, headers=NO_RETRY)
