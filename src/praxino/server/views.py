"""What the native API answers, as it is documented in its OpenAPI schema. Decides nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from praxino.jobs.job import Job
from praxino.server.inputs import Upload

if TYPE_CHECKING:
    from praxino.server.webhooks import Delivery

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str
    message: str
    fix: str | None = None


class ErrorView(BaseModel):
    """Every answer that is an error."""

    error: ErrorDetail


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorView, "description": "An error"}
    for status in (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503)
}
"""For a router's documentation."""


class ProgressView(BaseModel):
    """The last step that was told."""

    stage: str
    step: int
    num_steps: int
    sample: int
    num_samples: int
    seconds_left: float | None


class FailureView(BaseModel):
    """Why a job failed, or why it is being tried again."""

    code: str
    message: str


class FileView(BaseModel):
    """A file of a result."""

    name: str
    url: str
    """Anybody who has it can get the file until it expires."""
    expires_at: datetime
    content_type: str
    num_bytes: int
    sha256: str


class JobView(BaseModel):
    """A job."""

    id: str
    state: State
    model: str
    priority: int
    credits: float
    request: dict[str, Any]
    notes: list[str]
    """How the prompt was read, and what was decided that might surprise."""
    attempts: int
    cancel_requested: bool
    progress: ProgressView | None
    error: FailureView | None
    position: int | None = None
    """Jobs ahead of it, of a queued job that was asked for by its id."""
    webhook: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_event: int


class JobPage(BaseModel):
    """A part of a list, the newest first."""

    jobs: list[JobView]
    next: str | None
    """Give it as `after` for the next part; null on the last one."""


class ResultView(BaseModel):
    """The files of a job that has succeeded."""

    files: list[FileView]


class DeliveryView(BaseModel):
    """One ending, told to a webhook."""

    id: str
    event: int
    url: str
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    status: int | None
    """Of the last answer."""
    error: str
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


class DeliveryList(BaseModel):
    """The deliveries of one job."""

    deliveries: list[DeliveryView]


class SecretView(BaseModel):
    """What the caller's webhooks are signed with."""

    secret: str


class UploadView(BaseModel):
    """A picture or clip that was taken in."""

    id: str
    sha256: str
    extension: str
    num_bytes: int
    width: int
    height: int
    num_frames: int
    created_at: datetime


class ModelView(BaseModel):
    """A model."""

    name: str
    family: str
    variant: str
    title: str
    tasks: list[str]
    installed: bool
    licence: str
    source: str
    width: int
    height: int
    num_frames: int
    fps: float
    steps: int


class ModelList(BaseModel):
    """The models that a request may name are those that are installed."""

    models: list[ModelView]


class HealthView(BaseModel):
    """A sign of life."""

    status: Literal["ok"]


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def job_view(job: Job, position: int | None = None) -> JobView:
    """A job as its owner sees it."""
    return JobView(
        id=job.id,
        state=job.state.value,
        model=job.model,
        priority=job.priority,
        credits=job.cost,
        request=dict(job.request),
        notes=list(job.annotations.get("notes", [])),
        attempts=job.attempts,
        cancel_requested=job.cancel_requested,
        progress=ProgressView(**vars(job.progress)) if job.progress else None,
        error=FailureView(code=job.error.code, message=job.error.message) if job.error else None,
        position=position,
        webhook=job.annotations.get("webhook"),
        created_at=moment(job.created_at),
        started_at=moment(job.started_at) if job.started_at else None,
        finished_at=moment(job.finished_at) if job.finished_at else None,
        last_event=job.last_event,
    )


def delivery_view(delivery: Delivery) -> DeliveryView:
    """A delivery as its owner sees it."""
    told = {name: value for name, value in vars(delivery).items() if name in DeliveryView.model_fields}
    waits = delivery.state == "waiting"
    told["created_at"] = moment(delivery.created_at)
    told["next_at"] = moment(delivery.next_at) if waits else None
    told["ended_at"] = moment(delivery.ended_at) if delivery.ended_at else None
    return DeliveryView(**told)


def upload_view(upload: Upload) -> UploadView:
    """An upload as its owner sees it."""
    return UploadView(**{**vars(upload), "created_at": moment(upload.created_at)})
