"""Tells webhooks how jobs ended, as the Standard Webhooks specification says: signed, stored first, tried again.

Every ending of a job that has a webhook becomes one row of `deliveries`; the row is on disk before anything is sent.
Any number of servers may deliver: whoever claims a row has it for a minute. https://www.standardwebhooks.com
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select, update
from standardwebhooks import Webhook

from praxino.errors import UserError
from praxino.jobs.job import StoreUnavailable
from praxino.jobs.store import Store
from praxino.jobs.tables import deliveries, events, jobs
from praxino.server import fetch, views
from praxino.server.events import ENDINGS

logger = logging.getLogger(__name__)

RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Between one try and the next, as the specification proposes; then the delivery has failed."""
MAX_RETRY_AFTER_SECONDS = 86_400
TICK_SECONDS = 0.5
CLAIM_SECONDS = 60.0
SEND_SECONDS = 15.0
PARALLEL = 8
FIRST_LOOK_SECONDS = 7 * 86_400.0
"""How far back the first look for endings goes."""
LOOK_SECONDS = 120.0
"""How far back each further one goes: longer than a transaction may last."""
GONE = 410


@dataclass(frozen=True)
class Delivery:
    """One ending, told to a webhook. Times are seconds since 1970."""

    id: str
    """The same at every try: receivers know repetitions by it."""
    job_id: str
    event: int
    url: str
    state: str
    """waiting, delivered or failed."""
    attempts: int
    next_at: float
    status: int | None
    error: str
    created_at: float
    ended_at: float | None


def owner_secret(secret: bytes, owner: str) -> str:
    """What an owner's webhooks are signed with.

    Args:
        secret: the servers' common secret.
        owner: whose jobs.
    """
    return "whsec_" + base64.b64encode(hmac.digest(secret, f"webhooks {owner}".encode(), "sha256")).decode()


class Webhooks:
    """The deliveries of a store.

    Args:
        store: the jobs.
        secret: the servers' common secret.
        allow_private: whether private and link-local addresses may be sent to.
    """

    def __init__(self, store: Store, secret: bytes, allow_private: bool) -> None:
        self._store = store
        self._secret = secret
        self._bounds = fetch.Bounds(SEND_SECONDS, allow_private)
        self._seen_until: float | None = None
        self._pool = ThreadPoolExecutor(PARALLEL, "webhooks")

    def secret_of(self, owner: str) -> str:
        """What an owner's webhooks are signed with."""
        return owner_secret(self._secret, owner)

    def of_job(self, job_id: str) -> list[Delivery]:
        """A job's deliveries, the oldest first."""
        wanted = select(deliveries).where(deliveries.c.job_id == job_id).order_by(deliveries.c.event)
        with self._store.database.reading() as connection:
            return [Delivery(**row._mapping) for row in connection.execute(wanted)]

    def run(self, stopped: threading.Event) -> None:
        """Deliver until `stopped` is set. What cannot be done now is done later."""
        while not stopped.wait(TICK_SECONDS):
            try:
                self.record()
                self.deliver_due()
            except StoreUnavailable as problem:
                logger.warning("%s; webhooks wait", problem)
        self._pool.shutdown()

    def record(self) -> int:
        """Store a delivery for every new ending; how many there were."""
        database = self._store.database
        with database.reading() as connection:
            now = database.moment(connection).now
            since = now - FIRST_LOOK_SECONDS if self._seen_until is None else self._seen_until - LOOK_SECONDS
            new = connection.execute(_untold_endings(since)).first() is not None
        count = self._record_since(since) if new else 0
        self._seen_until = now
        return count

    def deliver_due(self) -> int:
        """Try the deliveries whose time has come, a few at once; how many there were."""
        return len(list(self._pool.map(self._send, self._claim())))

    def _record_since(self, since: float) -> int:
        database = self._store.database
        with database.writing() as connection:
            database.serialize(connection, "webhooks")
            now = database.moment(connection).now
            found = connection.execute(_untold_endings(since)).all()
            for row in found:
                connection.execute(insert(deliveries).values(**_new_delivery(row, now)))
        return len(found)

    def _claim(self) -> list[Delivery]:
        """Deliveries that are due, kept from other servers for a while."""
        database = self._store.database
        with database.reading() as connection:
            if not _due(connection, database.moment(connection).now):
                return []
        with database.writing() as connection:
            now = database.moment(connection).now
            rows = _due(connection, now)
            for row in rows:
                claimed = {"next_at": now + CLAIM_SECONDS, "attempts": row.attempts + 1}
                connection.execute(update(deliveries).where(deliveries.c.id == row.id).values(**claimed))
            return [Delivery(**{**row._mapping, "attempts": row.attempts + 1}) for row in rows]

    def _send(self, delivery: Delivery) -> None:
        job = self._store.get_many([delivery.job_id]).get(delivery.job_id)
        told = {event.sequence: event for event in self._store.events(delivery.job_id, delivery.event - 1, 1)}
        if job is None or delivery.event not in told:
            return
        ending = told[delivery.event]
        at = views.moment(ending.at)
        data = views.job_view(job).model_dump(mode="json")
        body = json.dumps({"type": f"job.{ending.kind}", "timestamp": at.isoformat(), "data": data})
        status, error, retry_after = None, "", ""
        try:
            headers = self._headers(delivery, job.owner, body)
            status, retry_after = fetch.post(delivery.url, body.encode(), headers, self._bounds)
        except UserError as problem:
            error = str(problem)
        self._told(delivery, status, error, retry_after)

    def _headers(self, delivery: Delivery, owner: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        signature = Webhook(self.secret_of(owner)).sign(delivery.id, now, body)
        return {
            "Content-Type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }

    def _told(self, delivery: Delivery, status: int | None, error: str, retry_after: str) -> None:
        """Record the outcome of a try."""
        values: dict[str, Any] = {"status": status, "error": error}
        with self._store.database.writing() as connection:
            now = self._store.database.moment(connection).now
            if status is not None and 200 <= status < 300:
                values |= {"state": "delivered", "ended_at": now}
            elif status == GONE or delivery.attempts > len(RETRY_SECONDS):
                values |= {"state": "failed", "ended_at": now}
            else:
                values |= {"next_at": now + _delay(delivery.attempts, retry_after)}
            connection.execute(update(deliveries).where(deliveries.c.id == delivery.id).values(**values))


def _untold_endings(since: float) -> Any:
    """Job, event and webhook of the endings since then that no delivery was made for."""
    webhook = jobs.c.annotations["webhook"].as_string()
    same = and_(deliveries.c.job_id == events.c.job_id, deliveries.c.event == events.c.sequence)
    return (
        select(events.c.job_id, events.c.sequence, webhook.label("url"))
        .join(jobs, jobs.c.id == events.c.job_id)
        .join(deliveries, same, isouter=True)
        .where(jobs.c.finished_at >= since, webhook.is_not(None), events.c.kind.in_(ENDINGS), deliveries.c.id.is_(None))
    )


def _new_delivery(row: Row[Any], now: float) -> dict[str, Any]:
    return {
        "id": f"msg_{row.job_id}_{row.sequence}",
        "job_id": row.job_id,
        "event": row.sequence,
        "url": row.url,
        "state": "waiting",
        "attempts": 0,
        "next_at": now,
        "created_at": now,
    }


def _due(connection: Connection, now: float) -> Sequence[Row[Any]]:
    waiting = select(deliveries).where(deliveries.c.state == "waiting", deliveries.c.next_at <= now)
    ordered = waiting.order_by(deliveries.c.next_at).limit(PARALLEL)
    return connection.execute(ordered.with_for_update(skip_locked=True)).all()


def _delay(attempts: int, retry_after: str) -> float:
    """Seconds until the next try, after so many."""
    asked = int(retry_after) if retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 8 else 0
    return max(RETRY_SECONDS[attempts - 1], min(asked, MAX_RETRY_AFTER_SECONDS))
