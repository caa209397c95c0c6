"""A job's events as server-sent events: what happened so far, then what happens, until the job has ended."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi.sse import format_sse_event

from praxino.jobs.job import Event
from praxino.jobs.store import Store
from praxino.server.problems import Problem

POLL_SECONDS = 0.25
PING_SECONDS = 15.0
ENDINGS = ("succeeded", "failed", "cancelled")
KINDS = (
    "queued", "started", "progress", "retrying", "cancelling", "returned", *ENDINGS,
)  # fmt: skip
EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "its number within the job: 1, 2, 3, ..."},
        "event": {"enum": list(KINDS)},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "of the kind; and when: at"},
    },
}
"""One event of the stream, as OpenAPI has it."""


def last_seen(header: str | None, after: int) -> int:
    """The number of the last event that a client has seen: its Last-Event-ID, else what it asked for.

    Raises:
        Problem: the header is no number.
    """
    if not header:
        return after
    if not (header.isascii() and header.isdecimal() and len(header) < 10):
        raise Problem(400, "invalid_request", f"Last-Event-ID is {header[:40]!r}; it must be the number of an event.")
    return int(header)


async def follow(store: Store, job_id: str, seen: int, closing: anyio.Event) -> AsyncIterator[bytes]:
    """The events after number `seen`, as they are sent; ends after the last one, or when the server closes."""
    told = time.monotonic()
    while not closing.is_set():
        new = await run_sync(store.events, job_id, seen)
        for event in new:
            yield _encoded(event)
            seen, told = event.sequence, time.monotonic()
        silent = time.monotonic() - told > PING_SECONDS
        if (silent or (new and new[-1].kind in ENDINGS)) and await run_sync(has_ended, store, job_id, seen):
            return
        if silent:
            yield format_sse_event(comment="ping")
            told = time.monotonic()
        with anyio.move_on_after(POLL_SECONDS):
            await closing.wait()


def has_ended(store: Store, job_id: str, seen: int) -> bool:
    """Whether nothing comes after event number `seen`: the job has ended, or is gone. Blocking."""
    job = store.get_many([job_id]).get(job_id)
    return job is None or (job.state.final and seen >= job.last_event)


def _encoded(event: Event) -> bytes:
    data = json.dumps({**event.data, "at": event.at})
    return format_sse_event(data_str=data, event=event.kind, id=str(event.sequence))
