"""How much of a job is done, from the last step that its worker told."""

from __future__ import annotations

from praxino.jobs.job import Job, JobState


def share_done(job: Job) -> float:
    """0 to 1: denoising steps done of all, over all samples. 1 only of a job that has succeeded."""
    if job.state is JobState.SUCCEEDED:
        return 1.0
    if (told := job.progress) is None:
        return 0.0
    within = {"denoise": told.step / told.num_steps, "decode": 1.0}.get(told.stage, 0.0)
    return (told.sample + within) / told.num_samples


def percent_done(job: Job) -> int:
    """`share_done` in whole percent; 100 only of a job that has succeeded."""
    return 100 if job.state is JobState.SUCCEEDED else min(99, int(100 * share_done(job)))
