"""`praxino jobs`: look into the queue, and change one's mind. Talks to the database itself; no server is needed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from praxino import settings
from praxino.cli.app import Commands
from praxino.cli.options import Scalar
from praxino.cli.wording import aligned, amount, columns, duration
from praxino.errors import Cancelled, JobError, UserError

if TYPE_CHECKING:
    from praxino.jobs.job import Event, Job
    from praxino.jobs.store import Store

WATCH_SECONDS = 0.25
STATES = ("queued", "running", "succeeded", "failed", "cancelled")
PROMPT_CHARACTERS = 50

json_option = click.option("--json", "as_json", is_flag=True, help="print JSON")
database_option = click.option("--database", metavar="URL", help="the queue, instead of PRAXINO_DATABASE")


@click.group("jobs", cls=Commands)
def command() -> None:
    """List, show, watch, cancel or retry the jobs of a queue."""


@command.command("list")
@click.option("--state", "states", multiple=True, metavar="STATE", help="only these: " + ", ".join(STATES))
@click.option("--owner", metavar="NAME", help="only this owner's")
@click.option("--limit", type=Scalar("--limit", int), default=20, metavar="N", help="at most so many [default 20]")
@click.option("--after", metavar="ID", help="those submitted before this one, to go on with a list")
@database_option
@json_option
def list_jobs(
    states: tuple[str, ...], owner: str | None, limit: int, after: str | None, database: str | None, as_json: bool
) -> None:
    """List jobs, the newest first."""
    from praxino.jobs.job import JobState

    if unknown := [state for state in states if state not in STATES]:
        raise UserError(f"--state is {unknown[0]!r}; allowed are {', '.join(STATES)}.")
    if not 1 <= limit <= 1000:
        raise UserError(f"--limit is {limit}; allowed is 1 to 1,000.")
    with opened(database) as store:
        wanted = [JobState(state) for state in states]
        page = store.list_jobs(owner=owner, states=wanted, after=after, limit=limit)
    if as_json:
        _print_json({"jobs": [plain(job) for job in page.jobs], "next": page.next})
        return
    table = [["ID", "STATE", "OWNER", "MODEL", "PROMPT"]]
    for job in page.jobs:
        prompt = str(job.request.get("prompt", ""))[:PROMPT_CHARACTERS]
        table.append([job.id, standing(job), job.owner, job.model, prompt])
    click.echo(columns(table))
    if page.next is not None:
        click.echo(f"more: praxino jobs list --after {page.next}", err=True)


@command.command("show")
@click.argument("job_id", metavar="ID")
@database_option
@json_option
def show(job_id: str, database: str | None, as_json: bool) -> None:
    """Show the job ID, its attempts and its files."""
    with opened(database) as store:
        job, attempts, position = store.get(job_id), store.attempts(job_id), store.position(job_id)
        recipe = store.recipe(job_id) if as_json else {}
    if as_json:
        tried = [asdict(attempt) for attempt in attempts]
        _print_json({**plain(job), "position": position, "recipe": recipe, "attempt_history": tried})
        return
    table = rows(job, position)
    for attempt in attempts:
        took = duration(attempt.ended_at - attempt.started_at) if attempt.ended_at is not None else "so far"
        told = f"{attempt.outcome or 'running'}, {took}" + (f": {attempt.message}" if attempt.message else "")
        table.append((f"attempt {attempt.token}", told))
    click.echo(aligned(table))


@command.command("watch")
@click.argument("job_id", metavar="ID")
@database_option
@json_option
def watch(job_id: str, database: str | None, as_json: bool) -> None:
    """Print what happens to the job ID until it ends; the exit code is 0 when it succeeded, 1 when it failed."""
    with opened(database) as store:
        seen, job = 0, store.get(job_id)
        while True:
            job = store.get(job_id)
            for event in store.events(job_id, seen):
                _tell(event, as_json)
                seen = event.sequence
            if job.state.final and seen >= job.last_event:
                break
            time.sleep(WATCH_SECONDS)
    if job.state == "cancelled":
        raise Cancelled(f"job {job_id} was cancelled")
    if job.error is not None:
        raise JobError(f"job {job_id} failed: {job.error.message}")


@command.command("cancel")
@click.argument("job_id", metavar="ID")
@database_option
@json_option
def cancel(job_id: str, database: str | None, as_json: bool) -> None:
    """Cancel the job ID: at once while it waits; a running one stops within its step."""
    with opened(database) as store:
        job = store.cancel(job_id)
    _say(job, as_json)


@command.command("retry")
@click.argument("job_id", metavar="ID")
@database_option
@json_option
def retry(job_id: str, database: str | None, as_json: bool) -> None:
    """Queue the job ID, which failed or was cancelled, once more."""
    with opened(database) as store:
        job = store.retry(job_id)
    _say(job, as_json)


@contextmanager
def opened(database: str | None) -> Iterator[Store]:
    """The queue; a SQLite file is made when missing, a PostgreSQL database is prepared by its workers alone."""
    from praxino.jobs.store import Store

    url = database or settings.database_url()
    store = Store(url, migrate=url.startswith("sqlite"))
    try:
        yield store
    finally:
        store.close()


def plain(job: Job) -> dict[str, Any]:
    """A job as plain JSON, its annotations and idempotency key left to whoever submitted it."""
    told = asdict(job)
    del told["annotations"], told["idempotency_key"]
    return told


def standing(job: Job) -> str:
    """A job's state in a word or three."""
    if job.cancel_requested and job.state == "running":
        return "cancelling"
    if job.progress is not None and job.state == "running":
        return f"{job.progress.stage} {job.progress.step}/{job.progress.num_steps}"
    return str(job.state)


def rows(job: Job, position: int | None) -> list[tuple[str, str]]:
    """A job for people."""
    table = [
        ("id", job.id),
        ("state", standing(job)),
        ("ahead", "" if position is None else f"{position} jobs"),
        ("owner", job.owner),
        ("prompt", str(job.request.get("prompt", ""))),
        ("model", job.model),
        ("priority", str(job.priority)),
        ("submitted", _time(job.created_at)),
        ("started", _time(job.started_at)),
        ("finished", _time(job.finished_at)),
        ("worker", job.worker or ""),
        ("error", f"{job.error.code}: {job.error.message}" if job.error else ""),
    ]
    folder = settings.results_folder() / "results"
    table += [("file", f"{folder / file.name} ({amount(file.num_bytes)})") for file in job.result]
    return [(name, value) for name, value in table if value]


def _time(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).isoformat(" ", "seconds")


def _tell(event: Event, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(event), ensure_ascii=False))
        return
    data = event.data
    told = {
        "progress": lambda: f"{data['stage']} {data['step']}/{data['num_steps']}",
        "retrying": lambda: f"{data['reason']}: {data['message']}; again in {duration(data['delay_seconds'])}",
        "started": lambda: f"attempt {data['attempt']}",
    }.get(event.kind, lambda: "")()
    click.echo(f"{_time(event.at)}  {event.kind}  {told}".rstrip())


def _say(job: Job, as_json: bool) -> None:
    if as_json:
        _print_json(plain(job))
    else:
        click.echo(f"{job.id} is {standing(job)}")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
