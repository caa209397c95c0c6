"""A supervisor and its workers, all of them real processes."""

import os
import signal
import subprocess
import sys

import pytest

from praxino.jobs.job import JobState


@pytest.fixture
def supervise(new_field):
    """Start a supervisor of stub workers on a new SQLite queue."""
    started = []

    def start(field, fault="", **options):
        program = [sys.executable, os.path.join(os.path.dirname(__file__), "programs", "supervisor.py")]
        settings = {"url": field.url, "results": field.results.root, "lease_seconds": 30.0, **options}
        arguments = [text for name, value in settings.items() for text in ("--" + name.replace("_", "-"), str(value))]
        environment = {**os.environ, "PRAXINO_FAULT": fault}
        with field.log.open("ab") as log:
            started.append(subprocess.Popen([*program, *arguments], stdout=log, stderr=log, env=environment))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(90)


@pytest.fixture
def field(new_field):
    """A queue whose leases would not run out within a test: deaths have to be reported."""
    return new_field("sqlite", lease_seconds=30.0)


def alive(field):
    return [worker for worker in field.store.workers() if worker.ended_at is None]


def at_work(field, job_id):
    """The process that runs a job."""
    return field.wait(lambda: next((w.info.pid for w in field.store.workers() if w.job_id == job_id), None))


@pytest.mark.parametrize("trouble", ["segv", "kill"])
def test_a_death_costs_that_attempt_only(field, stub, supervise, trouble):
    struck = field.submit(stub.recipe(1, trouble=trouble, once=str(field.results.root / "once")))
    other = field.submit(stub.recipe(2))
    supervise(field)
    for job_id, attempts in ((struck, 2), (other, 1)):
        job = field.wait_final(job_id)
        field.check_result(job)
        assert job.attempts == attempts
    name = {"segv": "SIGSEGV", "kill": "SIGKILL"}[trouble]
    assert field.store.attempts(struck)[0].message == f"the worker process ended: {name}"


def test_a_job_that_kills_every_worker_is_a_dead_letter(field, stub, supervise):
    poison, good = field.submit(stub.recipe(1, trouble="segv")), field.submit(stub.recipe(2))
    supervise(field, num_workers=2)
    job = field.wait_final(poison)
    assert (job.state, job.attempts, job.dead_letter) == (JobState.FAILED, 3, True)
    assert job.error.message == "the worker process ended: SIGSEGV"
    field.check_result(field.wait_final(good))
    assert field.results.written() == []


def test_a_worker_that_is_silent_is_killed(field, stub, supervise):
    job_id = field.submit(stub.recipe(1, trouble="stop", once=str(field.results.root / "once")))
    supervise(field, silence_seconds=4.0)
    job = field.wait_final(job_id)
    field.check_result(job)
    assert "killed: it gave no sign of life for 4 seconds" in field.store.attempts(job_id)[0].message


def test_a_hang_is_noticed(field, stub, supervise):
    job_id = field.submit(stub.recipe(1, trouble="hang", once=str(field.results.root / "once")))
    supervise(field, hang_seconds=2.0)
    job = field.wait_final(job_id)
    field.check_result(job)
    assert "hung" in field.store.attempts(job_id)[0].message


def test_sigterm_drains(field, stub, supervise):
    first, second = field.submit(stub.recipe(1)), field.submit(stub.recipe(2))
    supervisor = supervise(field, "step:stop:3", silence_seconds=90.0, drain_seconds=90.0)
    number = at_work(field, first)
    field.wait_stopped(number)
    supervisor.terminate()
    field.wait_signalled(number, signal.SIGTERM)
    field.go_on(number)
    assert supervisor.wait(90) == 0
    field.check_result(field.store.get(first))
    assert field.store.get(second).state is JobState.QUEUED
    assert alive(field) == []


def test_a_drain_that_takes_too_long_hands_the_job_back(field, stub, supervise):
    job_id = field.submit(stub.recipe(1, steps=1000, step_seconds=0.03))
    supervisor = supervise(field, drain_seconds=0.3)
    field.wait(lambda: field.store.get(job_id).progress)
    supervisor.terminate()
    assert supervisor.wait(90) == 0
    assert field.store.get(job_id).state is JobState.QUEUED
    assert field.store.attempts(job_id)[0].outcome == "returned"


def test_workers_of_a_dead_supervisor_hand_back_and_end(field, stub, supervise):
    job_id = field.submit(stub.recipe(1, steps=200, step_seconds=0.03))
    supervisor = supervise(field, "step:stop:3", silence_seconds=90.0)
    number = at_work(field, job_id)
    field.wait_stopped(number)
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    field.go_on(number)
    field.wait_dead(number)
    assert field.store.get(job_id).state is JobState.QUEUED
    supervise(field)
    field.check_result(field.wait_final(job_id))
