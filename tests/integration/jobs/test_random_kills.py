"""Servers and workers are killed at random while clients submit and cancel; then every acknowledgement is held against
the database and the files: nothing accepted is lost, nothing is committed twice, every result is the right bytes."""

import itertools
import json
import os
import random
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from praxino.jobs.janitor import sweep

NUM_CLIENTS = 3
JOBS_PER_CLIENT = 3
NUM_WORKERS = 2
AT_ONCE = 3


@dataclass
class History:
    """What clients were told. `jobs` by idempotency key."""

    jobs: dict[str, str] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    recipes: dict[str, dict] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def submitted(self, key, recipe, answer):
        known = self.jobs.setdefault(key, answer["id"])
        if known != answer["id"]:
            self.problems.append(f"{key} was told to be {known}, then {answer['id']}")
        self.recipes[answer["id"]] = recipe
        if answer["created"]:
            self.created.append(answer["id"])


class Client(threading.Thread):
    """Submits jobs, some of them twice, and cancels a few; asks again until it is answered."""

    def __init__(self, run, number, history):
        super().__init__(daemon=True)
        self._run = run
        self._number = number
        self._random = random.Random(f"{run.seed} {number}")
        self._history = history

    def run(self):
        for index in range(JOBS_PER_CLIENT):
            key = f"{self._number}-{index}"
            recipe = self._run.queue.stub.recipe(key, steps=self._random.randint(2, 10), step_seconds=0.01)
            wanted = {"request": {"key": key}, "recipe": recipe, "owner": f"owner {self._number}", "key": key}
            for _ in range(self._random.choice([1, 1, 2])):
                self._history.submitted(key, recipe, self._ask(wanted))
            if self._random.random() < 0.2:
                answer = self._ask({"cancel": self._history.jobs[key]})
                if answer["state"] in ("cancelled", "running"):
                    self._history.cancelled.add(answer["id"])
            time.sleep(self._random.uniform(0, 0.1))

    def _ask(self, asked):
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(60)
                    connection.connect(self._run.queue.socket)
                    connection.sendall(json.dumps(asked).encode() + b"\n")
                    if line := connection.makefile().readline():
                        return json.loads(line)
            except OSError:
                pass
            time.sleep(0.02)


class Run:
    """One history: a queue of its own, clients, and two strikes."""

    def __init__(self, seed, queue):
        self.seed = seed
        self.queue = queue
        self._random = random.Random(seed)
        self._workers = [self._new_worker() for _ in range(NUM_WORKERS)]
        self._server = queue.server()

    def play(self):
        history = History()
        clients = [Client(self, number, history) for number in range(NUM_CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(2):
            time.sleep(self._random.uniform(0.02, 0.5))
            self._strike()
        for client in clients:
            client.join(90)
            assert not client.is_alive(), f"seed {self.seed}: a client was never answered\n{self.queue.said()[-4000:]}"
        return history

    def _new_worker(self):
        """It never gives a job up: on a busy machine, leases of a second may be lost without any strike."""
        return self.queue.worker(crash_attempts=100)

    def _strike(self):
        victims = self._random.choice(["server", "worker", "workers", "all"])
        if victims in ("server", "all"):
            os.kill(self._server, signal.SIGKILL)
        if victims in ("workers", "all"):
            struck = range(NUM_WORKERS)
        else:
            struck = [self._random.randrange(NUM_WORKERS)] if victims == "worker" else []
        for number in struck:
            os.kill(self._workers[number], signal.SIGKILL)
        time.sleep(self._random.choice([0, 0.1]))
        if victims in ("server", "all"):
            self._server = self.queue.server()
        for number in struck:
            self._workers[number] = self._new_worker()


def check(history, queue):
    """Hold what clients were told against the rows and the files, once all jobs have ended."""
    assert not history.problems
    jobs = {id: queue.wait_final(id) for id in history.jobs.values()}
    assert {job.id for job in queue.store.list_jobs(limit=1000).jobs} == set(jobs), "no job that nobody was told of"
    assert len(set(history.jobs.values())) == len(history.jobs), "one job for each key"
    assert len(set(history.created)) == len(history.created), "no job was created twice"
    for id, job in jobs.items():
        check_events(queue, job)
        if id in history.cancelled:
            assert job.state == "cancelled", "a cancellation that was acknowledged holds"
        else:
            assert queue.store.recipe(id) == history.recipes[id]
            queue.check_result(job)
    sweep(queue.store, queue.results)
    succeeded = {(id, job.attempts) for id, job in jobs.items() if job.state == "succeeded"}
    assert set(queue.results.results()) == succeeded, "one result for each job that succeeded, none for others"


def check_events(queue, job):
    events = queue.store.events(job.id)
    kinds = [event.kind for event in events]
    assert [event.sequence for event in events] == list(range(1, job.last_event + 1))
    assert kinds[0] == "queued" and kinds[-1] == job.state
    assert sum(kind in ("succeeded", "failed", "cancelled") for kind in kinds) == 1
    attempts = queue.store.attempts(job.id)
    assert [attempt.token for attempt in attempts] == list(range(1, job.attempts + 1))
    assert sum(attempt.outcome == "succeeded" for attempt in attempts) == (job.state == "succeeded")
    for earlier, later in itertools.pairwise(attempts):
        assert earlier.ended_at <= later.started_at, "two attempts at once held the lease"


def play(seeds, new_field):
    queues = {seed: new_field("sqlite" if seed % 2 else "postgresql") for seed in seeds}

    def one(seed):
        queue = queues[seed]
        check(Run(seed, queue).play(), queue)
        queue.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for outcome in [pool.submit(one, seed) for seed in seeds]:
            outcome.result()


@pytest.mark.parametrize("first", range(0, 30, 6))
def test_thirty_runs(new_field, first):
    play(range(first, first + 6), new_field)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1200, 10))
def test_two_hundred_runs(new_field, first):
    play(range(first, first + 10), new_field)
