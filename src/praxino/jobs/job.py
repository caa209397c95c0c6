"""What a job is: frozen facts, as the store hands them out. Knows no database, no HTTP and no engine."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from praxino.errors import JobError, UserError

MAX_PRIORITY = 100
MAX_NAME_CHARACTERS = 200
"""Of an owner and of an idempotency key."""
MAX_COST = 1e9


class JobState(StrEnum):
    """Where a job stands. The last three are final, unless a person asks for another try."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Reason(StrEnum):
    """Why an attempt did not succeed; a failed job's `error.code`."""

    CRASH = "crash"
    """The process died, hung, lost its lease or met an error nobody foresaw."""
    OUT_OF_MEMORY = "out-of-memory"
    STORAGE = "storage"
    """The result could not be written, as on a full disk."""
    RESULT_MISSING = "result-missing"
    """The job had succeeded, but its files are gone."""
    USER = "user"
    """The request cannot be granted as written."""
    MODEL = "model"
    """The checkpoint is missing or damaged."""


class Signal(StrEnum):
    """What a heartbeat learns."""

    GO_ON = "go-on"
    CANCEL = "cancel"
    """Somebody wants the job stopped: stop within this step, then call `Store.stop`."""
    LOST = "lost"
    """The lease is gone: stop, write nothing more; nothing that this attempt did will be accepted."""


@dataclass(frozen=True)
class Submission:
    """A job to be. Checked here; raises UserError."""

    request: Mapping[str, Any]
    """The wish, as plain JSON (`Request.to_json()`)."""
    recipe: Mapping[str, Any]
    """Everything decided, as plain JSON (`Recipe.to_json()`)."""
    model: str
    """The recipe's model: a worker that holds it in memory is preferred."""
    owner: str = ""
    """Who asks; work is shared fairly between owners. 0 to 200 characters."""
    priority: int = 0
    """-100 to 100. A higher one always goes first."""
    cost: float = 1.0
    """How much work it is, in any one unit; an owner's share is counted in it. Above 0."""
    annotations: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON that the submitter wants to find again. Never read here."""
    idempotency_key: str | None = None
    """Within 24 hours, the same owner and key yield the same job. 1 to 200 characters."""
    body_sha256: str = ""
    """Digest of what was sent under the key; that of `request` when empty."""

    def __post_init__(self) -> None:
        _check_text("the owner", self.owner, 0)
        if self.idempotency_key is not None:
            _check_text("the idempotency key", self.idempotency_key, 1)
        if not -MAX_PRIORITY <= self.priority <= MAX_PRIORITY:
            raise UserError(f"the priority is {self.priority}; allowed is -{MAX_PRIORITY} to {MAX_PRIORITY}.")
        if not 0 < self.cost <= MAX_COST:
            raise UserError(f"the cost is {self.cost}; it must be above 0 and at most {MAX_COST:g}.")

    def digest(self) -> str:
        """What a second submission under the same key is compared by."""
        return self.body_sha256 or body_digest(self.request)


@dataclass(frozen=True)
class Limits:
    """What one owner may have at a time; None is without bound."""

    max_queued: int | None = None
    """Jobs that wait."""
    max_cost: float | None = None
    """Sum of the costs of the jobs submitted since `cost_since`; those that failed, or were cancelled before they
    began, do not count."""
    cost_since: float = 0.0
    """Seconds since 1970."""


@dataclass(frozen=True)
class Progress:
    """The last step that was told. Fields as in `praxino.events.StepEvent`."""

    stage: str
    step: int
    num_steps: int
    sample: int = 0
    num_samples: int = 1
    seconds_left: float | None = None
    """Of this stage, at the pace so far."""


@dataclass(frozen=True)
class Failure:
    """Why a job failed."""

    code: str
    """A `Reason`."""
    message: str


@dataclass(frozen=True)
class ResultFile:
    """One file of a result."""

    name: str
    """Relative to the results folder: <job id>/<token>/<file>, always with "/"."""
    sha256: str
    num_bytes: int


@dataclass(frozen=True)
class Job:
    """A job as its row says. Times are seconds since 1970 by the database's clock."""

    id: str
    """UUIDv7 (RFC 9562): ids sort by the time of submission."""
    owner: str
    state: JobState
    priority: int
    model: str
    cost: float
    request: Mapping[str, Any]
    annotations: Mapping[str, Any]
    attempts: int
    """Attempts begun. It is the fencing token of the last one."""
    progress: Progress | None
    cancel_requested: bool
    error: Failure | None
    """Of a failed job, and of a queued one that will be tried again."""
    result: tuple[ResultFile, ...]
    worker: str | None
    """Incarnation of the worker that runs it."""
    created_at: float
    started_at: float | None
    """When the last attempt began."""
    finished_at: float | None
    last_event: int
    """Sequence number of the newest event."""
    idempotency_key: str | None

    @property
    def dead_letter(self) -> bool:
        """Whether it failed for a reason that had been tried again, so that another try may be worth it."""
        retried = (Reason.CRASH, Reason.OUT_OF_MEMORY, Reason.STORAGE, Reason.RESULT_MISSING)
        return self.state is JobState.FAILED and self.error is not None and self.error.code in retried


@dataclass(frozen=True)
class Accepted:
    """What `Store.submit` says once the job is on disk."""

    job: Job
    created: bool
    """False when an earlier submission under the same idempotency key made it."""


@dataclass(frozen=True)
class Page:
    """A part of a list."""

    jobs: tuple[Job, ...]
    next: str | None
    """The cursor of the next page; None on the last one."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a job."""

    job_id: str
    sequence: int
    """1, 2, 3, ... within the job, without gaps."""
    kind: str
    """queued, started, progress, retrying, cancelling, returned, succeeded, failed or cancelled."""
    at: float
    """Seconds since 1970 by the database's clock."""
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Attempt:
    """One try at a job."""

    job_id: str
    token: int
    """The fencing token: 1, 2, 3, ... within the job."""
    worker: str
    started_at: float
    ended_at: float | None
    outcome: str | None
    """succeeded, cancelled, returned or a `Reason`; None while it runs."""
    message: str


@dataclass(frozen=True)
class Lease:
    """The right to end one attempt. It holds until another one is given out, or the attempt is ended."""

    job_id: str
    worker: str
    token: int
    seconds: float
    """It may be taken away this long after the last heartbeat."""


@dataclass(frozen=True)
class Claim:
    """A job to run now."""

    job: Job
    lease: Lease
    recipe: Mapping[str, Any]
    smaller_plan: bool
    """Whether the last attempt ran out of memory: run on a plan that needs less."""
    fresh_start: bool
    """Whether to leave saved states alone: attempts that may have gone on from one have crashed twice."""


@dataclass(frozen=True)
class WorkerInfo:
    """One start of a worker process."""

    incarnation: str
    """Unique for each start."""
    device: str
    host: str
    pid: int


@dataclass(frozen=True)
class WorkerStatus:
    """What the store knows of a worker."""

    info: WorkerInfo
    started_at: float
    seen_at: float
    """Its last sign of life."""
    ended_at: float | None
    job_id: str | None
    """What it runs."""


class UnknownJob(UserError):
    """There is no job of that id (HTTP 404)."""


class KeyReused(UserError):
    """The idempotency key came with another body within 24 hours (HTTP 422)."""


class QueueFull(UserError):
    """The owner has as many jobs waiting as allowed (HTTP 429)."""


class CostSpent(UserError):
    """The owner's jobs have cost as much as allowed for now (HTTP 429)."""


class WrongState(UserError):
    """The job's state does not allow what was asked (HTTP 409)."""


class LeaseLost(JobError):
    """The attempt's lease was taken away; its result is not accepted."""


class StoreUnavailable(JobError):
    """The database cannot be reached (HTTP 503).

    A submission may or may not have been accepted: send it again under the same idempotency key.
    """


def new_id() -> str:
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random ones."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def body_digest(body: Any) -> str:
    """SHA-256, in hex, of plain JSON values; the order of an object's names does not matter."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _check_text(what: str, text: str, least: int) -> None:
    if not least <= len(text) <= MAX_NAME_CHARACTERS or not (text.isprintable() and text.isascii()):
        raise UserError(
            f"{what} is {text[:60]!r}; it must be {least} to {MAX_NAME_CHARACTERS} printable ASCII characters."
        )
