"""`praxino worker` with the real engine: killed in the middle of denoising, told to drain, cancelled."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from praxino.engine.output import default_path, save_clips
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.families import families
from praxino.jobs.job import JobState, Submission
from praxino.jobs.store import Store
from praxino.jobs.supervisor import HAND_BACK_SIGNAL
from praxino.request import Request

STEPS = 1000
STRUCK_AT = 600
"""More steps than are taken before the first one is told of, and than are left after it."""
PATIENCE_SECONDS = 120
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into Linux's /proc")


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

    def work(fault=""):
        environment = {**os.environ, "PRAXINO_FAULT": fault}
        with (tmp_path / "log").open("ab") as log:
            started.append(
                subprocess.Popen([sys.executable, "-m", "praxino", "worker"], stdout=log, stderr=log, env=environment)
            )
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


@needs_proc
def test_killed(queue, recipe, tmp_path):
    store, work = queue
    work(f"step:stop:{STRUCK_AT}")
    job_id = submit(store, recipe)
    os.kill(wait(lambda: stopped_at(store, job_id)), signal.SIGKILL)
    job = wait(lambda: (job := store.get(job_id)).state.final and job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 2)
    assert first_step_of_second_attempt(store, job_id) > STRUCK_AT - 100, "it began anew"
    check_bytes(store, job, recipe, tmp_path)


@needs_proc
def test_cancelled(queue, recipe):
    store, work = queue
    work("step:stop:10")
    job_id = submit(store, recipe)
    at_work = wait(lambda: stopped_at(store, job_id))
    store.cancel(job_id)
    os.kill(at_work, signal.SIGCONT)
    assert wait(lambda: (job := store.get(job_id)).state.final and job).state is JobState.CANCELLED


@needs_proc
def test_handed_back(queue, recipe, tmp_path):
    """Told twice to end in the middle of denoising, a worker gives its job back; the next one goes on from there."""
    store, work = queue
    first = work(f"step:stop:{STRUCK_AT}")
    job_id = submit(store, recipe)
    at_work = wait(lambda: stopped_at(store, job_id))
    first.terminate()
    wait(lambda: is_pending(at_work, signal.SIGTERM))
    first.terminate()
    wait(lambda: is_pending(at_work, HAND_BACK_SIGNAL))
    os.kill(at_work, signal.SIGCONT)
    assert first.wait(PATIENCE_SECONDS) == 0
    assert store.get(job_id).state is JobState.QUEUED
    assert store.attempts(job_id)[0].outcome == "returned"

    work()
    job = wait(lambda: (job := store.get(job_id)).state.final and job)
    assert first_step_of_second_attempt(store, job_id) > STRUCK_AT - 100, "it began anew"
    check_bytes(store, job, recipe, tmp_path)


def stopped_at(store, job_id):
    """The process that has stopped in the middle of a job; 0 as long as none has."""
    pids = [worker.info.pid for worker in store.workers() if worker.job_id == job_id]
    return next((pid for pid in pids if process_status(pid)["State"].startswith("T")), 0)


def is_pending(pid, number):
    return bool(int(process_status(pid)["ShdPnd"], 16) >> (number - 1) & 1)


def process_status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


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
        draw(recipe, lambda event: None), recipe, default_path(recipe.prompt, recipe.encoding.format, folder)
    )
    assert (tmp_path / "shared" / "results" / file.name).read_bytes() == straight.read_bytes()
