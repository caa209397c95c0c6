"""The SiliconFlow dialect, /v1/video: submit a video, ask for its status.

As documented at docs.siliconflow.cn, api-reference/videos. Fields that are not known are ignored, as clients send them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel

from praxino.errors import UserError
from praxino.jobs.job import Job, JobState
from praxino.request import Request as Wish
from praxino.server import results
from praxino.server.auth import Reader, Writer
from praxino.server.body import described_body, read_json
from praxino.server.dialects import route_class
from praxino.server.drawn import read_drawn
from praxino.server.installed import DEFAULT_MODEL, find_installed, installed_models
from praxino.server.problems import Problem, word_errors
from praxino.server.services import Services, Shared
from praxino.server.submitting import Order, own_job, submit

PREFIX = "/v1/video/"
BAD_REQUEST = 20012
OVERLOADED = 50505
Status = Literal["InQueue", "InProgress", "Succeed", "Failed"]
_STATUSES: dict[JobState, Status] = {
    JobState.QUEUED: "InQueue",
    JobState.RUNNING: "InProgress",
    JobState.SUCCEEDED: "Succeed",
    JobState.FAILED: "Failed",
    JobState.CANCELLED: "Failed",
}
_TEXTS = {"prompt": "prompt", "negative_prompt": "negative_prompt", "image": "image", "image_size": "size"}
"""Their names of text fields, and ours."""


def _translated(problem: Problem) -> Problem:
    status = 400 if problem.status_code == 422 else problem.status_code
    return Problem(status, problem.code, problem.message, problem.fix, problem.headers)


def body_of(problem: Problem) -> dict[str, Any]:
    """The JSON body of an error. SiliconFlow documents numbers for 400 and 503; others have their HTTP status."""
    code = {400: BAD_REQUEST, 503: OVERLOADED}.get(problem.status_code, problem.status_code)
    return {"code": code, "message": f"{problem.message} {problem.fix}".strip(), "data": None}


class ErrorView(BaseModel):
    """Every answer that is an error."""

    code: int
    message: str
    data: None


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorView, "description": "An error"}
    for status in (400, 401, 403, 404, 408, 413, 415, 429, 500, 503)
}
router = APIRouter(
    prefix=PREFIX.rstrip("/"), tags=["siliconflow"], route_class=route_class(_translated), responses=_ERRORS
)


def mount(app: FastAPI) -> None:
    """Add the dialect to an app."""
    word_errors(app, PREFIX, body_of)
    app.include_router(router)


class SubmittedView(BaseModel):
    """A video is queued."""

    requestId: str


class VideoView(BaseModel):
    """Where a video can be had."""

    url: str


class TimingsView(BaseModel):
    """Seconds."""

    inference: float


class ResultsView(BaseModel):
    """What was drawn so far: nothing, until all of it."""

    videos: list[VideoView]
    timings: TimingsView
    seed: int


class StatusView(BaseModel):
    """A video, or what will be one."""

    status: Status
    reason: str
    """Why it has failed."""
    position: int
    """Jobs ahead of it."""
    results: ResultsView


_SUBMIT_SCHEMA = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "model": {"type": "string"},
        "prompt": {"type": "string"},
        "negative_prompt": {"type": "string"},
        "image_size": {"type": "string"},
        "image": {"type": "string", "description": "http(s) URL or data URL"},
        "seed": {"type": "integer"},
    },
}


@router.post("/submit", openapi_extra=described_body("application/json", _SUBMIT_SCHEMA))
async def submit_video(request: Request, services: Shared, caller: Writer) -> SubmittedView:
    """Queue a video. It is on disk when this answers."""
    body = await read_json(request)
    wish = await run_sync(read_order, body)
    sent = {"path": request.url.path, "body": body}
    order = Order(wish, sent, request.headers.get("idempotency-key"), annotations={"dialect": "siliconflow"})
    return SubmittedView(requestId=(await submit(services, caller, order)).job.id)


def read_order(body: Mapping[str, Any]) -> Wish:
    """The request in a body; fields that are not known are left alone. Blocking.

    Raises:
        Problem: the model is not installed.
        UserError: a field is wrong.
    """
    model = _text(body, "model") or DEFAULT_MODEL
    entry = find_installed(model)
    if entry is None:
        known = ", ".join(entry.name for entry in installed_models())
        raise Problem(400, "model_not_found", f"Model does not exist: '{model[:100]}'; on this server are {known}.")
    if not _text(body, "prompt"):
        raise UserError("the field prompt is missing; write what to draw.")
    texts = {ours: text for theirs, ours in _TEXTS.items() if (text := _text(body, theirs))}
    seed = body.get("seed")
    return Wish.from_json({**texts, "seed": seed, "model": entry.name, "format": "mp4"})


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise UserError(f"{name} must be text, got {str(value)[:60]!r}.")
    return value or ""


@router.post(
    "/status",
    openapi_extra=described_body(
        "application/json",
        {"type": "object", "required": ["requestId"], "properties": {"requestId": {"type": "string"}}},
    ),
)
async def get_status(request: Request, services: Shared, caller: Reader) -> StatusView:
    """One video as it stands. The link holds for a while; ask again for another one."""
    body = await read_json(request)
    job = await run_sync(own_job, services, caller, _text(body, "requestId"))
    return await run_sync(_status, request, services, job)


def _status(request: Request, services: Services, job: Job) -> StatusView:
    drawn = read_drawn(services.store.database, [job.id])[job.id]
    done = job.state is JobState.SUCCEEDED
    seconds = job.finished_at - job.started_at if done and job.finished_at and job.started_at else 0.0
    videos = [VideoView(url=results.link(request, services, file)[0]) for file in job.result] if done else []
    position = services.store.position(job.id) if job.state is JobState.QUEUED else None
    return StatusView(
        status=_STATUSES[job.state],
        reason=_reason(job),
        position=position or 0,
        results=ResultsView(videos=videos, timings=TimingsView(inference=round(seconds, 3)), seed=drawn.seed),
    )


def _reason(job: Job) -> str:
    if job.state is JobState.CANCELLED:
        return "The job was cancelled."
    return job.error.message if job.state is JobState.FAILED and job.error else ""
