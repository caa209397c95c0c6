"""The native API's jobs, /api/v1/jobs: submit, list, get, cancel, retry, events, result and webhooks."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from praxino.errors import UserError
from praxino.jobs.job import MAX_PRIORITY, Job, JobState
from praxino.request import Request as Wish
from praxino.request import json_schema
from praxino.server import events, results, views
from praxino.server.auth import Reader, Writer
from praxino.server.body import described_body, read_json
from praxino.server.services import Shared
from praxino.server.submitting import JOB_ID, Order, own_job, retry_now, submit

MAX_EVENT = 2**31 - 1

router = APIRouter(prefix="/api/v1", tags=["jobs"], responses=views.ERRORS)


def _own_for_reading(job_id: str, services: Shared, caller: Reader) -> Job:
    return own_job(services, caller, job_id)


def _own_for_writing(job_id: str, services: Shared, caller: Writer) -> Job:
    return own_job(services, caller, job_id)


Seen = Annotated[Job, Depends(_own_for_reading)]
Changed = Annotated[Job, Depends(_own_for_writing)]


def _request_schema() -> dict[str, Any]:
    schema = json_schema()
    del schema["$schema"]
    return schema


_ORDER_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["request"],
    "properties": {
        "request": _request_schema(),
        "priority": {"type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY, "default": 0},
        "webhook": {"type": ["string", "null"], "description": "http(s) URL that is told how the job ended"},
    },
}


@router.post(
    "/jobs",
    status_code=201,
    response_model=views.JobView,
    responses={200: {"model": views.JobView, "description": "The job that the idempotency key stands for"}},
    openapi_extra=described_body("application/json", _ORDER_SCHEMA),
)
async def submit_job(
    request: Request,
    services: Shared,
    caller: Writer,
    idempotency_key: Annotated[str | None, Header(description="Sent again within 24 hours: the same job")] = None,
) -> Response:
    """Queue a job. 201 means that it is on disk."""
    body = await read_json(request)
    accepted = await submit(services, caller, read_order(body, idempotency_key))
    headers = {"Location": f"/api/v1/jobs/{accepted.job.id}"}
    content = views.job_view(accepted.job).model_dump(mode="json")
    return JSONResponse(content, 201 if accepted.created else 200, headers)


def read_order(body: dict[str, Any], idempotency_key: str | None) -> Order:
    """The order in a native body. Raises UserError."""
    if unknown := sorted(set(body) - {"request", "priority", "webhook"}):
        raise UserError(f"there is no field {unknown[0][:60]!r}; there are request, priority and webhook.")
    wish, priority, webhook = body.get("request"), body.get("priority", 0), body.get("webhook")
    if not isinstance(wish, dict):
        raise UserError('the field "request" must be an object, as in {"request": {"prompt": "a rocket"}}.')
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise UserError(f"priority must be a whole number, got {str(priority)[:60]!r}.")
    if webhook is not None and not isinstance(webhook, str):
        raise UserError(f"webhook must be a URL, got {str(webhook)[:60]!r}.")
    return Order(Wish.from_json(wish), body, idempotency_key, priority, webhook)


@router.get("/jobs")
def list_jobs(
    services: Shared,
    caller: Reader,
    state: Annotated[list[views.State] | None, Query(description="only these; may be given again")] = None,
    after: Annotated[str | None, Query(description="`next` of the part before", pattern=JOB_ID.pattern)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> views.JobPage:
    """The caller's jobs, the newest first."""
    states = [JobState(name) for name in state or ()]
    page = services.store.list_jobs(owner=caller.owner, states=states, after=after, limit=limit)
    return views.JobPage(jobs=[views.job_view(job) for job in page.jobs], next=page.next)


@router.get("/jobs/{job_id}")
def get_job(job: Seen, services: Shared) -> views.JobView:
    """One job."""
    return views.job_view(job, services.store.position(job.id))


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job: Changed, services: Shared) -> views.JobView:
    """Cancel a job: at once while it waits, within a step while it runs. A job that has ended stays as it is."""
    return views.job_view(services.store.cancel(job.id))


@router.post("/jobs/{job_id}/retry")
def retry_job(job: Changed, services: Shared, caller: Writer) -> views.JobView:
    """Queue a failed or cancelled job once more."""
    return views.job_view(retry_now(services, caller, job.id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": events.EVENT_SCHEMA}},
            "description": "Events as they happen",
        },
        204: {"description": "The job has ended, and its last event was seen"},
    },
)
async def follow_job(
    request: Request,
    job: Seen,
    services: Shared,
    after: Annotated[int, Query(ge=0, le=MAX_EVENT, description="number of the last event that was seen")] = 0,
    last_event_id: Annotated[str | None, Header(description="As `after`, and stronger")] = None,
) -> Response:
    """What happens to a job, as server-sent events: those since the last one that was seen, then each as it happens."""
    seen = events.last_seen(last_event_id, after)
    if await run_sync(events.has_ended, services.store, job.id, seen):
        return Response(status_code=204)
    stream = events.follow(services.store, job.id, seen, request.app.state.closing)
    return StreamingResponse(
        stream, media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


@router.get(
    "/jobs/{job_id}/preview",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "A small frame of the clip being drawn"}},
)
def get_preview(job: Seen, services: Shared) -> Response:
    """The newest preview of a running job; 404 when there is none, as before the first steps and after the end."""
    return results.preview(services, job)


@router.get("/jobs/{job_id}/result")
def get_result(request: Request, job: Seen, services: Shared) -> views.ResultView:
    """The files of a job that has succeeded, with links that hold for a while."""
    files = []
    for file in results.finished_files(job):
        url, expires = results.link(request, services, file)
        files.append(
            views.FileView(
                name=file.name,
                url=url,
                expires_at=views.moment(expires),
                content_type=results.content_type(file),
                num_bytes=file.num_bytes,
                sha256=file.sha256,
            )
        )
    return views.ResultView(files=files)


@router.get("/jobs/{job_id}/deliveries")
def list_deliveries(job: Seen, services: Shared) -> views.DeliveryList:
    """What was told to the job's webhook, or will be."""
    return views.DeliveryList(deliveries=[views.delivery_view(one) for one in services.webhooks.of_job(job.id)])
