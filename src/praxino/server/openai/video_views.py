"""A job as OpenAI's video object. Decides nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from praxino import settings
from praxino.jobs.job import Job, JobState
from praxino.server.drawn import Drawn
from praxino.server.openai.progress import percent_done

PREFIX = "video_"
Status = Literal["queued", "in_progress", "completed", "failed"]
_STATUSES: dict[JobState, Status] = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "in_progress",
    JobState.SUCCEEDED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "failed",
}


class VideoErrorView(BaseModel):
    """Why there is no video."""

    code: str
    message: str


class VideoView(BaseModel):
    """A video, or what will be one."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Status
    progress: int
    """In percent."""
    created_at: int
    completed_at: int | None
    expires_at: int | None
    """When it is deleted, if this server deletes jobs by age."""
    prompt: str
    seconds: str
    """As drawn: frames over frames per second."""
    size: str
    remixed_from_video_id: str | None
    error: VideoErrorView | None


class VideosView(BaseModel):
    """A part of a list."""

    object: Literal["list"] = "list"
    data: list[VideoView]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeletedView(BaseModel):
    """A video is gone."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


def video_id(job_id: str) -> str:
    """A job's id as a video's."""
    return PREFIX + job_id


def video_view(job: Job, drawn: Drawn) -> VideoView:
    """A job as its owner sees it."""
    keep_seconds = settings.keep_seconds()
    done = job.state is JobState.SUCCEEDED
    expires = job.finished_at + keep_seconds if job.finished_at and keep_seconds is not None else None
    return VideoView(
        id=video_id(job.id),
        model=job.model,
        status=_STATUSES[job.state],
        progress=percent_done(job),
        created_at=int(job.created_at),
        completed_at=int(job.finished_at) if done and job.finished_at else None,
        expires_at=int(expires) if expires else None,
        prompt=drawn.prompt,
        seconds=f"{drawn.num_frames / drawn.fps:.4g}",
        size=drawn.size,
        remixed_from_video_id=job.annotations.get("remixed_from"),
        error=_error(job),
    )


def _error(job: Job) -> VideoErrorView | None:
    if job.state is JobState.CANCELLED:
        return VideoErrorView(code="cancelled", message="The job was cancelled.")
    if job.state is JobState.FAILED and job.error is not None:
        return VideoErrorView(code=job.error.code, message=job.error.message)
    return None
