"""The rest of the native API, /api/v1: files of results, uploads, models, a request's schema, the webhooks' secret."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile

from praxino.request import json_schema
from praxino.server import results, views
from praxino.server.auth import Reader, Writer, identify
from praxino.server.body import described_body, read_form
from praxino.server.problems import Problem
from praxino.server.services import Shared
from praxino.server.submitting import find_job, own_job
from praxino.weights import catalog

router = APIRouter(prefix="/api/v1", tags=["resources"], responses=views.ERRORS)

_UPLOAD_SCHEMA = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}
_FILE_CONTENT: dict[str, dict[str, Any]] = {
    kind: {"schema": {"type": "string", "format": "binary"}}
    for kind in sorted({*results.CONTENT_TYPES.values(), "application/json", "application/octet-stream"})
}
_FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": _FILE_CONTENT, "description": "The file"},
    206: {"content": _FILE_CONTENT, "description": "The range that was asked for"},
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
        job = find_job(services.store, job_id)
    else:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        caller = identify(request, services, secret if scheme.lower() == "bearer" else None, "read")
        job = own_job(services, caller, job_id)
    if job is None:
        raise Problem(404, "not_found", "The job is gone.")
    return results.content(services, results.find_file(job, name))


@router.post("/uploads", status_code=201, openapi_extra=described_body("multipart/form-data", _UPLOAD_SCHEMA))
async def upload(request: Request, services: Shared, caller: Writer) -> views.UploadView:
    """Send a picture or a clip, to be named by its id in requests. It is kept for 30 days after its last use."""
    form = await read_form(request)
    try:
        sent = form.get("file")
        if not isinstance(sent, UploadFile):
            raise Problem(422, "invalid_request", 'The form must have a file in its field "file".')
        receiving = (services.inputs.receive, caller.owner, sent.file, "the upload")
        kept = await run_sync(*receiving, limiter=services.submissions)
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


@router.get("/webhooks/secret")
def get_webhook_secret(services: Shared, caller: Writer) -> views.SecretView:
    """What the caller's webhooks are signed with."""
    return views.SecretView(secret=services.webhooks.secret_of(caller.owner))
