"""Whose device decides the number format of a job."""

import os
import time
from contextlib import closing

import pytest

from praxino.jobs.job import WorkerInfo
from praxino.jobs.store import Store
from praxino.server import submitting
from praxino.server.submitting import drawing_machine


@pytest.fixture
def store(tmp_path):
    with closing(Store(f"sqlite:///{tmp_path / 'jobs.sqlite'}")) as store:
        yield store


def start(store, *devices):
    for device in devices:
        store.start_worker(WorkerInfo(f"worker on {device}", device, "elsewhere", os.getpid()))


@pytest.mark.parametrize("devices", [("cuda:1",), ("cpu", "cuda:1"), ("cuda:1", "cpu")])
def test_an_accelerator_that_is_there_decides(store, devices):
    start(store, *devices)
    machine = drawing_machine(store)
    assert (machine.device, machine.dtype("bfloat16")) == ("cuda:1", "bfloat16")


def test_cpus_compute_in_full_precision(store):
    start(store, "cpu")
    assert drawing_machine(store).dtype("bfloat16") == "float32"


def test_this_machine_where_no_worker_is_there(store, monkeypatch):
    assert drawing_machine(store).device == "cpu"
    start(store, "cuda")
    store.end_worker("worker on cuda", "it ended")
    assert drawing_machine(store).device == "cpu"
    start(store, "cuda:1")
    assert drawing_machine(store).device == "cuda:1"
    later = time.time() + submitting.SEEN_SECONDS + 1
    monkeypatch.setattr("time.time", lambda: later)
    assert drawing_machine(store).device == "cpu", "one that has not been seen for long is gone"
