"""/v1/images: generations and edits, answered when they are done or streamed as they come."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from praxino.jobs.job import Job
from praxino.plain import from_plain, to_plain
from praxino.server import results
from praxino.server.auth import Caller, Writer
from praxino.server.body import described_body, read_json
from praxino.server.drawn import Drawn, read_drawn
from praxino.server.inputs import Upload
from praxino.server.openai import fields
from praxino.server.openai.errors import ERRORS, OpenAIRoute, Refusal
from praxino.server.openai.forms import read_body
from praxino.server.openai.image_files import CONTENT_TYPES, files_in_order, picture_bytes
from praxino.server.openai.image_order import Cut, ImageOrder, read_order
from praxino.server.openai.image_stream import ImageStream
from praxino.server.openai.image_views import ImagesView, PictureView
from praxino.server.openai.masks import take_mask
from praxino.server.openai.models import choose_model
from praxino.server.openai.retries import submit_once
from praxino.server.openai.waiting import wait_until_done
from praxino.server.problems import Problem
from praxino.server.results import SAFE_HEADERS
from praxino.server.services import Services, Shared
from praxino.server.submitting import Order, find_job

FILES_PATH = "/v1/images/files"
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_PROMPT = {"prompt": {"type": "string"}}

router = APIRouter(prefix="/v1/images", tags=["openai"], route_class=OpenAIRoute, responses=ERRORS)


@router.post(
    "/generations",
    response_model=ImagesView,
    openapi_extra=described_body("application/json", {"type": "object", "required": ["prompt"], "properties": _PROMPT}),
)
async def generate(request: Request, services: Shared, caller: Writer) -> Response:
    """Draw pictures of a prompt."""
    body = await read_json(request)
    entry = await run_sync(choose_model, fields.text(body, "model"))
    if body.keys() & {"image", "mask"}:
        raise Refusal("image", "Pictures are changed by /v1/images/edits.", "unknown_parameter")
    return await _answer(request, services, caller, body, read_order(body, entry.name, entry.variant))


_EDIT_SCHEMA = {
    "type": "object",
    "required": ["prompt", "image"],
    "properties": {
        **_PROMPT,
        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "mask": {"type": "string", "format": "binary"},
    },
}


@router.post("/edits", response_model=ImagesView, openapi_extra=described_body("multipart/form-data", _EDIT_SCHEMA))
async def edit(request: Request, services: Shared, caller: Writer) -> Response:
    """Change a picture; where a mask is transparent, or as a whole."""
    body, uploads = await read_body(request, services, caller)
    images = body.get("image") or []
    images = images if isinstance(images, list) else [images]
    if not images:
        raise Refusal("image", "Missing required parameter: 'image'.", "missing_required_parameter")
    entry = await run_sync(choose_model, fields.text(body, "model"))
    mask = await _mask(services, caller, fields.text(body, "mask"), images[0], uploads)
    order = read_order(body, entry.name, entry.variant, images, mask)
    return await _answer(request, services, caller, body, order)


async def _mask(services: Services, caller: Caller, mask: str, image: str, uploads: Mapping[str, Upload]) -> str:
    """The id of a mask as Praxino reads it; "" for none."""
    if not mask:
        return ""
    if mask not in uploads or image not in uploads:
        raise Refusal("mask", "A mask and its image must be sent as files.")
    return await run_sync(take_mask, services, caller, uploads[mask], uploads[image], limiter=services.submissions)


async def _answer(
    request: Request, services: Services, caller: Caller, body: Mapping[str, Any], order: ImageOrder
) -> Response:
    annotations = {"dialect": "openai", "object": "image", "cut": to_plain(order.cut)}
    sent = {"path": request.url.path, "body": body}
    wanted = Order(order.request, sent, request.headers.get("idempotency-key"), annotations=annotations)
    job = (await submit_once(request, services, caller, wanted)).job
    drawn = (await run_sync(read_drawn, services.store.database, [job.id]))[job.id]
    if order.stream:
        kind = "image_edit" if order.request.image else "image_generation"
        stream = ImageStream(services, job, drawn, order, kind)
        return StreamingResponse(stream.events(request), media_type="text/event-stream", headers=STREAM_HEADERS)
    job = await wait_until_done(request, services, job.id)
    view = await run_sync(_view, request, services, job, drawn, order)
    return Response(view.model_dump_json(exclude_none=True), media_type="application/json")


def _view(request: Request, services: Services, job: Job, drawn: Drawn, order: ImageOrder) -> ImagesView:
    revised = drawn.caption if drawn.caption != drawn.prompt else None
    make = _links if order.as_links else _bytes
    pictures = [PictureView(**made, revised_prompt=revised) for made in make(request, services, job, order.cut)]
    created = int(job.finished_at or job.created_at)
    return ImagesView(
        created=created,
        background=order.background,
        data=pictures,
        output_format=order.cut.format,
        size=drawn.size,
    )


def _bytes(request: Request, services: Services, job: Job, cut: Cut) -> Sequence[dict[str, str]]:
    pictures = [picture_bytes(services, file, cut) for file in files_in_order(job)]
    return [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]


def _links(request: Request, services: Services, job: Job, cut: Cut) -> Sequence[dict[str, str]]:
    base = results.base_url(request, services)
    paths = [f"{FILES_PATH}/{job.id}/{index}" for index in range(len(job.result))]
    return [{"url": base + services.links.make(path)[0]} for path in paths]


@router.get(
    "/files/{job_id}/{index}",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in CONTENT_TYPES.values()}, "description": "The picture"}},
)
def get_file(
    job_id: str,
    index: int,
    services: Shared,
    expires: Annotated[str, Query(description="of a signed link")] = "",
    signature: Annotated[str, Query(description="of a signed link")] = "",
) -> Response:
    """A picture by the link to it that an answer gave."""
    if not services.links.allows(f"{FILES_PATH}/{job_id}/{index}", expires, signature):
        raise Problem(403, "forbidden", "The link is not valid, or has expired.")
    job = find_job(services.store, job_id)
    if job is None:
        raise Problem(404, "not_found", "The picture is gone.")
    cut = from_plain(Cut, job.annotations["cut"])
    picture = picture_bytes(services, files_in_order(job)[index], cut)
    return Response(picture, media_type=CONTENT_TYPES[cut.format], headers=dict(SAFE_HEADERS))
