"""The files of a finished job: which there are, links to them, and their bytes, also in parts."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from pathlib import PurePosixPath

from fastapi import Request, Response
from fastapi.responses import FileResponse

from praxino.jobs.job import Job, JobState, ResultFile
from praxino.server.problems import Problem
from praxino.server.services import Services

FILES_PATH = "/api/v1/files"
CONTENT_TYPES: Mapping[str, str] = {
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webm": "video/webm",
    ".webp": "image/webp",
}
"""Of what Praxino writes; a system's own table may lack some."""
SAFE_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox",
}
"""A browser shows a result as what it is, and runs nothing in it."""


def content_type(file: ResultFile) -> str:
    """The media type of a result's file, by its extension."""
    extension = PurePosixPath(file.name).suffix.lower()
    return CONTENT_TYPES.get(extension) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def finished_files(job: Job) -> tuple[ResultFile, ...]:
    """The files of a job that has succeeded. Raises Problem 409 when it has not."""
    if job.state is not JobState.SUCCEEDED:
        raise Problem(409, "wrong_state", f"The job is {job.state}; it has no result.")
    return job.result


def link(request: Request, services: Services, file: ResultFile) -> tuple[str, float]:
    """An absolute URL from which anybody can get a file for a while, and when that ends, in seconds since 1970."""
    path, expires = services.links.make(f"{FILES_PATH}/{file.name}")
    return base_url(request, services) + path, expires


def base_url(request: Request, services: Services) -> str:
    """What absolute URLs of this server begin with."""
    return services.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")


def find_file(job: Job, name: str) -> ResultFile:
    """The file of that name in a job's result. Raises Problem 404, 409."""
    for file in finished_files(job):
        if file.name == name:
            return file
    raise Problem(404, "not_found", "The job's result has no such file.")


def content(services: Services, file: ResultFile) -> Response:
    """The bytes of a file; understands Range, If-Range and HEAD. Raises Problem 404 when they are gone."""
    try:
        path = services.folder.path(file)
        status = path.stat()
    except OSError:
        raise Problem(404, "not_found", "The file of this result is gone.") from None
    headers = {**SAFE_HEADERS, "ETag": f'"{file.sha256}"', "Cache-Control": "private, max-age=31536000, immutable"}
    return FileResponse(
        path,
        headers=headers,
        media_type=content_type(file),
        filename=PurePosixPath(file.name).name,
        stat_result=status,
        content_disposition_type="inline",
    )


def preview(services: Services, job: Job) -> Response:
    """The newest preview of a running job. Raises Problem 404 when there is none."""
    try:
        picture = services.folder.preview(job.id, job.attempts).read_bytes()
    except OSError:
        raise Problem(404, "not_found", "There is no preview of this job now.") from None
    return Response(picture, media_type="image/png", headers={**SAFE_HEADERS, "Cache-Control": "no-store"})
