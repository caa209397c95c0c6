"""The native API, /api/v1: jobs, their events and results, uploads, models and the schema of a request."""

from __future__ import annotations

import re
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.datastructures import UploadFile

from praxino.errors import UserError
from praxino.jobs.job import MAX_PRIORITY, Job, JobState
from praxino.request import Request as Wish
from praxino.request import json_schema
from praxino.server import events, results, views
from praxino.server.auth import Caller, identify, require
from praxino.server.body import read_form, read_json
from praxino.server.problems import Problem
from praxino.server.services import Services, services_of
from praxino.server.submitting import Order, own_job, retry_now, submit
from praxino.weights import catalog

ERROR_STATUSES = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503)
JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAX_EVENT = 2**31 - 1

router = APIRouter(
    prefix="/api/v1",
    tags=["native"],
    responses={status: {"model": views.ErrorView, "description": "An error"} for status in ERROR_STATUSES},
)

Shared = Annotated[Services, Depends(services_of)]
Reader = Annotated[Caller, Depends(require("read"))]
Writer = Annotated[Caller, Depends(require("write"))]


def job_of(job_id: str, services: Services, caller: Caller) -> Job:
    """The caller's job of an id in a path. Raises Problem 404."""
    if not JOB_ID.fullmatch(job_id):
        raise Problem(404, "not_found", f"There is no job {job_id[:60]!r}.")
    return own_job(services, caller, job_id)


def _own_for_reading(job_id: str, services: Shared, caller: Reader) -> Job:
    return job_of(job_id, services, caller)


def _own_for_writing(job_id: str, services: Shared, caller: Writer) -> Job:
    return job_of(job_id, services, caller)


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
_UPLOAD_SCHEMA = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}


def _body(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


@router.post(
    "/jobs",
    status_code=201,
    response_model=views.JobView,
    responses={200: {"model": views.JobView, "description": "The job that the idempotency key stands for"}},
    openapi_extra=_body("application/json", _ORDER_SCHEMA),
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
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events as they happen"},
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


_FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "The file"},
    206: {"content": {"application/octet-stream": {}}, "description": "The range that was asked for"},
    416: {"description": "The range lies outside of the file"},
}


@router.head("/files/{name:path}", include_in_schema=False)
@router.get("/files/{name:path}", response_class=Response, responses=_FILE_RESPONSES)
def get_file(
    request: Request,
    name: str,
    services: Shared,
    expires: Annotated[str | None, Query(description="of a signed link")] = None,
    signature: Annotated[str | None, Query(description="of a signed link")] = None,
) -> Response:
    """A file of a result: by a signed link, or by the key of its owner."""
    job_id = name.partition("/")[0]
    if expires is not None or signature is not None:
        if not services.links.allows(f"{results.FILES_PATH}/{name}", expires or "", signature or ""):
            raise Problem(403, "forbidden", "The link is not valid, or has expired.", "Ask for the result again.")
        job = services.store.get_many([job_id]).get(job_id)
    else:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        caller = identify(request, services, secret if scheme.lower() == "bearer" else None, "read")
        job = job_of(job_id, services, caller)
    if job is None:
        raise Problem(404, "not_found", "The job is gone.")
    return results.content(services, results.find_file(job, name))


@router.post("/uploads", status_code=201, openapi_extra=_body("multipart/form-data", _UPLOAD_SCHEMA))
async def upload(request: Request, services: Shared, caller: Writer) -> views.UploadView:
    """Send a picture or a clip, to be named by its id in requests. It is kept for 30 days after its last use."""
    form = await read_form(request)
    sent = form.get("file")
    if not isinstance(sent, UploadFile):
        raise Problem(422, "invalid_request", 'The form must have a file in its field "file".')
    try:
        kept = await run_sync(
            services.inputs.receive, caller.owner, sent.file, "the upload", limiter=services.submissions
        )
    finally:
        await form.close()
    return views.upload_view(kept)


@router.get("/models")
def list_models(services: Shared, caller: Reader) -> views.ModelList:
    """The models that are known; a request may name those that are installed."""
    return views.ModelList(models=[_model_view(entry) for entry in catalog.entries()])


def _model_view(entry: catalog.Entry) -> views.ModelView:
    variant = entry.variant
    return views.ModelView(
        name=entry.name,
        family=entry.family.name,
        variant=variant.name,
        title=variant.title,
        tasks=list(variant.tasks),
        installed=entry.path is not None,
        licence=variant.licence,
        source=variant.source,
        width=variant.width,
        height=variant.height,
        num_frames=variant.num_frames,
        fps=variant.fps,
        steps=variant.steps,
    )


@router.get("/schema")
def get_schema(caller: Reader) -> dict[str, Any]:
    """The JSON Schema of a request."""
    return json_schema()
