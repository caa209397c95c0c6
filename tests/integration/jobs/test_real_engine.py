"""`praxino worker` with the real engine: killed in the middle of denoising, told to drain, cancelled."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from praxino.engine.output import default_path, save_clips
from praxino.engine.resolve import resolve
from praxino.engine.run import run
from praxino.families import families
from praxino.jobs.job import JobState, Submission
from praxino.jobs.store import Store
from praxino.request import Request

STEPS = 600
STRUCK_AT = 300
"""More steps than are taken before the first one is told of."""
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe of a tiny model that takes many steps."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["ltx-video"].miniature(folder)
    return resolve(Request("a dog", model=str(folder), seed=3, steps=STEPS)).recipe


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A store, and a function that starts `praxino worker` on it."""
    monkeypatch.setenv("PRAXINO_DATABASE", f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    monkeypatch.setenv("PRAXINO_RESULTS", str(tmp_path / "shared"))
    monkeypatch.setenv("PRAXINO_CHECKPOINT_SECONDS", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    store = Store(os.environ["PRAXINO_DATABASE"])
    started = []

    def work():
        with (tmp_path / "log").open("ab") as log:
            started.append(subprocess.Popen([sys.executable, "-m", "praxino", "worker"], stdout=log, stderr=log))
        return started[-1]

    yield store, work
    for process in started:
        process.terminate()
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_SECONDS)
    store.close()


def submit(store, recipe):
    return store.submit(Submission({}, recipe.to_json(), recipe.model)).job.id


def wait(until):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := until()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def denoising(store, job_id, step=1):
    """The process that is denoising a job and has come so far; 0 when none is."""
    job = store.get(job_id)
    if job.progress is None or job.progress.stage != "denoise" or job.progress.step < step:
        return 0
    return next((worker.info.pid for worker in store.workers() if worker.job_id == job_id), 0)


def test_killed_cancelled_and_drained(queue, recipe, tmp_path):
    store, work = queue
    first = work()

    killed = submit(store, recipe)
    os.kill(wait(lambda: denoising(store, killed, STRUCK_AT)), signal.SIGKILL)
    job = wait(lambda: (job := store.get(killed)).state.final and job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 2)
    assert first_step_of_second_attempt(store, killed) > STRUCK_AT - 100, "it began anew"
    check_bytes(store, job, recipe, tmp_path)

    cancelled = submit(store, with_seed(recipe, 4))
    wait(lambda: denoising(store, cancelled))
    store.cancel(cancelled)
    assert wait(lambda: (job := store.get(cancelled)).state.final and job).state is JobState.CANCELLED

    handed_back = submit(store, with_seed(recipe, 5))
    wait(lambda: denoising(store, handed_back, STRUCK_AT))
    first.terminate()
    time.sleep(0.1)
    first.terminate()
    assert first.wait(PATIENCE_SECONDS) == 0
    assert store.get(handed_back).state is JobState.QUEUED
    assert store.attempts(handed_back)[0].outcome == "returned"
    work()
    job = wait(lambda: (job := store.get(handed_back)).state.final and job)
    assert first_step_of_second_attempt(store, handed_back) > STRUCK_AT - 100, "it began anew"
    check_bytes(store, job, with_seed(recipe, 5), tmp_path)


def first_step_of_second_attempt(store, job_id):
    """The first denoising step that the second attempt told of."""
    events = store.events(job_id)
    (_, second) = (event.sequence for event in events if event.kind == "started")
    told = [event.data for event in events if event.kind == "progress" and event.sequence > second]
    return next((data["step"] for data in told if data["stage"] == "denoise"), STEPS)


def with_seed(recipe, seed):
    return dataclasses.replace(recipe, seed=seed)


def check_bytes(store, job, recipe, tmp_path):
    """The job's file is the one that an undisturbed run in this process writes."""
    (file,) = job.result
    folder = tmp_path / f"straight-{recipe.seed}"
    folder.mkdir()
    (straight,) = save_clips(
        run(recipe, lambda event: None), recipe, default_path(recipe.prompt, recipe.encoding.format, folder)
    )
    assert (tmp_path / "shared" / "results" / file.name).read_bytes() == straight.read_bytes()
