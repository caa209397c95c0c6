"""The bench of the job queue, with a stub in the engine's place.

    python bench/jobs.py [POSTGRESQL_URL]

On SQLite in a temporary folder, and on an empty PostgreSQL database if one is given: accepted submissions per second
and their latency, the time to pick a job with 10,000 queued, and what a job costs beyond running it directly. Printed,
and kept in bench/results/jobs.json. Needs an idle machine to mean anything; decides no test.
"""

import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from praxino.events import OnStep, StepEvent
from praxino.jobs.files import ResultFolder
from praxino.jobs.job import Submission, WorkerInfo, new_id
from praxino.jobs.store import Store
from praxino.jobs.worker import Task, Worker

RESULTS = Path(__file__).parent / "results" / "jobs.json"
NUM_SUBMITS = 2000
NUM_CLIENTS = 16
NUM_QUEUED = 10_000
NUM_OWNERS = 50
NUM_CLAIMS = 500
NUM_JOBS = 20
NUM_STEPS = 20
STEP_SECONDS = 0.02


def wish(owner: int = 0) -> Submission:
    """A submission of a usual size."""
    request = {"prompt": "a rocket flying up on a blue background", "seed": 7}
    recipe = {**request, "sigmas": [1 - i / 40 for i in range(40)], "options": {"padding": "x" * 1500}}
    return Submission(request, recipe, f"model {owner % 3}", owner=f"owner {owner}")


def timed(call: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50, ms": round(statistics.median(ordered) * 1000, 3),
        "p99, ms": round(ordered[int(len(ordered) * 0.99)] * 1000, 3),
    }


def submits(store: Store, num_clients: int) -> dict[str, float]:
    """Accepted submissions per second, by so many clients at once."""
    with ThreadPoolExecutor(num_clients) as clients:
        began = time.perf_counter()
        seconds = list(clients.map(lambda number: timed(lambda: store.submit(wish(number))), range(NUM_SUBMITS)))
        taken = time.perf_counter() - began
    return {"per second": round(NUM_SUBMITS / taken, 1), **spread(seconds)}


def picks(store: Store) -> dict[str, float]:
    """The time to claim a job while thousands wait."""
    for number in range(NUM_QUEUED):
        store.submit(wish(number % NUM_OWNERS))
    return spread([timed(lambda: store.claim(new_id(), ["model 1"])) for _ in range(NUM_CLAIMS)])


class Stub:
    """Steps that take a known time."""

    def loaded(self) -> Collection[str]:
        """Nothing."""
        return ()

    def run(self, task: Task | None, on_step: OnStep) -> bytes:
        """Take the steps."""
        began = time.monotonic()
        for step in range(NUM_STEPS):
            time.sleep(STEP_SECONDS)
            on_step(StepEvent("denoise", step + 1, NUM_STEPS, time.monotonic() - began))
        return b"x" * 500_000

    def save(self, drawn: bytes, task: Task | None, folder: Path) -> None:
        """Write half a megabyte."""
        (folder / "clip.gif").write_bytes(drawn)


def overhead(store: Store, folder: Path) -> dict[str, float]:
    """What a job costs beyond running its steps and writing its file."""
    stub = Stub()
    direct = [timed(lambda: stub.save(stub.run(None, lambda event: None), None, folder)) for _ in range(NUM_JOBS)]
    for _ in range(NUM_JOBS):
        store.submit(wish())
    results = ResultFolder(folder / "shared", store.store_id())
    worker = Worker(store, results, stub, WorkerInfo(new_id(), "stub", "bench", os.getpid()))
    thread = threading.Thread(target=worker.run)
    began = time.perf_counter()
    thread.start()
    while store.counts()["succeeded"] < NUM_JOBS:
        time.sleep(0.05)
    each = (time.perf_counter() - began) / NUM_JOBS
    alone = [timed(lambda: wait_for(store, store.submit(wish()).job.id)) for _ in range(NUM_JOBS)]
    worker.drain()
    thread.join()
    run = statistics.median(direct)
    return {
        "direct run, ms": round(run * 1000, 1),
        "one of a full queue costs more, ms": round((each - run) * 1000, 1),
        "one into an empty queue takes longer, ms": round((statistics.median(alone) - run) * 1000, 1),
    }


def wait_for(store: Store, job_id: str) -> None:
    """Return once a job has ended."""
    while not store.get(job_id).state.final:
        time.sleep(0.01)


def measure(url: Callable[[str], str], folder: Path) -> dict[str, Any]:
    """All figures of one kind of database; `url` names a new one."""
    figures: dict[str, Any] = {}
    stores = {name: Store(url(name)) for name in ("one", "many", "queue", "work")}
    figures["submit, 1 client"] = submits(stores["one"], 1)
    figures[f"submit, {NUM_CLIENTS} clients"] = submits(stores["many"], NUM_CLIENTS)
    figures[f"claim with {NUM_QUEUED:,} queued"] = picks(stores["queue"])
    figures["overhead"] = overhead(stores["work"], folder)
    for store in stores.values():
        store.close()
    return figures


def postgresql(url: str) -> Callable[[str], str]:
    """Names databases: schemas of one."""
    import psycopg

    def name(schema: str) -> str:
        with psycopg.connect(url) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"

    return name


def main() -> None:
    """Measure, print and keep."""
    kept: dict[str, Any] = {"date": datetime.date.today().isoformat(), "machine": machine()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        kept["sqlite"] = measure(lambda name: f"sqlite:///{folder / name}.sqlite", folder)
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as place:
            kept["postgresql"] = measure(postgresql(sys.argv[1]), Path(place))
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    print(json.dumps(kept, indent=1))


def machine() -> dict[str, Any]:
    """What it ran on."""
    import sqlite3

    load = round(os.getloadavg()[0], 2)
    packages = {name: version(name) for name in ("praxino", "sqlalchemy")}
    return {
        "cpu": platform.machine(),
        "cores": os.cpu_count(),
        "load average": load,
        "sqlite": sqlite3.sqlite_version,
        **packages,
    }


if __name__ == "__main__":
    main()
