"""/v1/videos: create, retrieve, list, download, remix and delete."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select

from praxino.jobs.database import Database
from praxino.jobs.job import Job
from praxino.jobs.tables import jobs
from praxino.server import results
from praxino.server.auth import Caller, Reader, Writer
from praxino.server.body import described_body
from praxino.server.drawn import read_drawn
from praxino.server.openai import fields, video_assets, video_order
from praxino.server.openai.errors import ERRORS, OpenAIRoute
from praxino.server.openai.forms import read_body
from praxino.server.openai.models import choose_model
from praxino.server.openai.retries import submit_once
from praxino.server.openai.video_views import (
    PREFIX,
    VideoDeletedView,
    VideosView,
    VideoView,
    video_id,
    video_view,
)
from praxino.server.openai.waiting import follow
from praxino.server.problems import Problem
from praxino.server.results import SAFE_HEADERS
from praxino.server.services import Services, Shared
from praxino.server.submitting import Order, own_job

POLL_AFTER = "openai-poll-after-ms"
OBJECT = "video"
LEAST_POLL_MS, MOST_POLL_MS = 250, 5000
POLL_MS_PER_CREDIT = 10
"""Large jobs are asked about less often; a credit is a million pixels times one denoising step."""
STOP_SECONDS = 20.0
"""How long deleting waits for a video that is being drawn to stop."""

router = APIRouter(prefix="/v1/videos", tags=["openai"], route_class=OpenAIRoute, responses=ERRORS)


def _own_video(services: Services, caller: Caller, name: str) -> Job:
    """The caller's job behind a video's id. Raises Problem 404."""
    try:
        job = own_job(services, caller, name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
    except Problem:
        job = None
    if job is None or job.annotations.get("object") != OBJECT:
        raise Problem(404, "not_found", f"There is no video '{name[:60]}'.")
    return job


def _for_reading(name: str, services: Shared, caller: Reader) -> Job:
    return _own_video(services, caller, name)


def _for_writing(name: str, services: Shared, caller: Writer) -> Job:
    return _own_video(services, caller, name)


Seen = Annotated[Job, Depends(_for_reading)]
Changed = Annotated[Job, Depends(_for_writing)]

_CREATE_SCHEMA = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string"},
        "model": {"type": "string"},
        "seconds": {"type": "string"},
        "size": {"type": "string"},
        "input_reference": {"type": "string", "format": "binary"},
    },
}


@router.post("", openapi_extra=described_body("multipart/form-data", _CREATE_SCHEMA))
async def create(request: Request, response: Response, services: Shared, caller: Writer) -> VideoView:
    """Queue a video; a form or JSON. It is on disk when this answers."""
    body, uploads = await read_body(request, services, caller)
    entry = await run_sync(choose_model, fields.text(body, "model"))
    wish = video_order.read_order(body, entry.name, uploads)
    order = Order(
        wish,
        {"path": request.url.path, "body": body},
        request.headers.get("idempotency-key"),
        annotations={"dialect": "openai", "object": OBJECT},
    )
    return await _submitted(request, response, services, caller, order)


_REMIX_SCHEMA = {"type": "object", "required": ["prompt"], "properties": {"prompt": {"type": "string"}}}


@router.post("/{name}/remix", openapi_extra=described_body("application/json", _REMIX_SCHEMA))
async def remix(request: Request, response: Response, job: Changed, services: Shared, caller: Writer) -> VideoView:
    """Draw a video anew with another prompt; from the old one, where the model changes clips."""
    body, _ = await read_body(request, services, caller)
    wish = await run_sync(_remixed, services, caller, job, body, limiter=services.submissions)
    order = Order(
        wish,
        {"path": request.url.path, "body": body},
        request.headers.get("idempotency-key"),
        annotations={"dialect": "openai", "object": OBJECT, "remixed_from": video_id(job.id)},
    )
    return await _submitted(request, response, services, caller, order)


def _remixed(services: Services, caller: Caller, job: Job, body: dict[str, Any]) -> Any:
    (file,) = results.finished_files(job)
    drawn = read_drawn(services.store.database, [job.id])[job.id]
    try:
        with services.folder.path(file).open("rb") as clip:
            upload = services.inputs.receive(caller.owner, clip, "the old video")
    except OSError:
        raise _gone() from None
    return video_order.remixed(job.request, body, choose_model(job.model).variant, drawn.seed, upload.id)


async def _submitted(
    request: Request, response: Response, services: Services, caller: Caller, order: Order
) -> VideoView:
    accepted = await submit_once(request, services, caller, order)
    return await run_sync(_view, services, accepted.job, response)


@router.get("")
def list_videos(
    services: Shared,
    caller: Reader,
    after: Annotated[str, Query(description="id of the last video of the part before")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> VideosView:
    """The caller's videos, the newest first."""
    ids = _listed(services.store.database, caller.owner, after.removeprefix(PREFIX), limit + 1, order)
    found, drawn = services.store.get_many(ids[:limit]), read_drawn(services.store.database, ids[:limit])
    views = [video_view(found[job_id], drawn[job_id]) for job_id in ids[:limit] if job_id in found and job_id in drawn]
    first, last = (views[0].id, views[-1].id) if views else (None, None)
    return VideosView(data=views, first_id=first, last_id=last, has_more=len(ids) > limit)


def _listed(database: Database, owner: str, after: str, limit: int, order: str) -> list[str]:
    """Ids of jobs that are videos."""
    wanted = select(jobs.c.id).where(jobs.c.owner == owner, jobs.c.annotations["object"].as_string() == OBJECT)
    newest_first = order == "desc"
    if after:
        wanted = wanted.where(jobs.c.id < after if newest_first else jobs.c.id > after)
    with database.reading() as connection:
        sorted_ids = wanted.order_by(jobs.c.id.desc() if newest_first else jobs.c.id).limit(limit)
        return list(connection.execute(sorted_ids).scalars())


@router.get("/{name}")
def retrieve(response: Response, job: Seen, services: Shared) -> VideoView:
    """One video as it stands."""
    return _view(services, job, response)


def _view(services: Services, job: Job, response: Response) -> VideoView:
    drawn = read_drawn(services.store.database, [job.id]).get(job.id)
    if drawn is None:
        raise Problem(404, "not_found", "The video is gone.")
    if not job.state.final:
        milliseconds = round(job.cost * POLL_MS_PER_CREDIT)
        response.headers[POLL_AFTER] = str(max(LEAST_POLL_MS, min(MOST_POLL_MS, milliseconds)))
    return video_view(job, drawn)


_CONTENT = {kind: {} for kind in ("video/mp4", "image/webp", "image/jpeg")}


@router.head("/{name}/content", include_in_schema=False)
@router.get("/{name}/content", response_class=Response, responses={200: {"content": _CONTENT, "description": "It"}})
def download(job: Seen, services: Shared, variant: Literal["video", "thumbnail", "spritesheet"] = "video") -> Response:
    """The video as MP4 (ranges are understood), its first frame as WebP, or its frames side by side as JPEG."""
    (file,) = results.finished_files(job)
    if variant == "video":
        return results.content(services, file)
    try:
        path = services.folder.path(file)
        if variant == "thumbnail":
            return Response(video_assets.thumbnail(path), media_type="image/webp", headers=dict(SAFE_HEADERS))
        num_frames = read_drawn(services.store.database, [job.id])[job.id].num_frames
        sheet = video_assets.spritesheet(path, num_frames)
        return Response(sheet, media_type="image/jpeg", headers=dict(SAFE_HEADERS))
    except OSError:
        raise _gone() from None


def _gone() -> Problem:
    return Problem(404, "not_found", "The file of this result is gone.")


@router.delete("/{name}")
async def delete(request: Request, job: Changed, services: Shared) -> VideoDeletedView:
    """Delete a video; one that is not done is stopped first."""
    await run_sync(services.store.cancel, job.id)
    async for state in follow(request, services, job.id, STOP_SECONDS):
        if state.state.final:
            await run_sync(services.store.delete, job.id)
            return VideoDeletedView(id=video_id(job.id))
    raise Problem(409, "wrong_state", "The video is being stopped; delete it again in a moment.")
