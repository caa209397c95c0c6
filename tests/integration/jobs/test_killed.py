"""A process dies at each edge between two states of a job; another one takes over, and the result is the same bytes."""

import json
import os
import signal
import socket

import pytest

from praxino.jobs.janitor import sweep

WORKER_POINTS = ["claimed", "step:5", "drawn", "writing", "written", "completing", "completed", "cleaned"]


def fault(point, action):
    name, _, count = point.partition(":")
    return f"{name}:{action}:{count or 1}"


def strike_at_every(points, action, field, stub):
    """Start a worker for each point, which is struck there in its first job; the points by the job that met them."""
    ids = [field.submit(stub.recipe(number)) for number in range(len(points))]
    numbers = {field.worker(fault(point, action)): point for point in points}
    over = is_dead if action == "kill" else has_stopped
    for number in numbers:
        field.wait(lambda number=number: over(number))
    processes = {worker.info.incarnation: worker.info.pid for worker in field.store.workers()}
    met = {id: numbers[processes[field.store.attempts(id)[0].worker]] for id in ids}
    assert sorted(met.values()) == sorted(points)
    return met, numbers


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_workers_are_killed_at_every_edge(new_field, stub, kind):
    field = new_field(kind, lease_seconds=60.0)
    met, _ = strike_at_every(WORKER_POINTS, "kill", field, stub)
    committed = {id for id, point in met.items() if point in ("completed", "cleaned")}
    for id in met:
        assert field.store.get(id).state == ("succeeded" if id in committed else "running"), met[id]
    field.let_leases_run_out()
    field.worker()
    for id, point in met.items():
        job = field.wait_final(id)
        field.check_result(job)
        assert job.attempts == (1 if id in committed else 2), point
        assert [event.kind for event in field.store.events(id)].count("succeeded") == 1
    field.wait(lambda: sweep(field.store, field.results).removed == 0)
    assert sorted(field.results.results()) == sorted((id, field.store.get(id).attempts) for id in met)
    assert (field.results.written(), field.results.states()) == ([], [])


@pytest.mark.parametrize("point", ["submitting", "submitted"])
def test_a_server_is_killed(field, stub, point):
    wanted = {"request": {"prompt": "x"}, "recipe": stub.recipe(1), "owner": "ada", "key": "k"}
    doomed = field.server(fault(point, "kill"))
    field.wait(lambda: listens(field))
    assert ask(field, **wanted) is None, "it was to die before it answered"
    field.wait(lambda: is_dead(doomed))
    assert len(field.store.list_jobs().jobs) == (1 if point == "submitted" else 0)
    field.server()
    field.wait(lambda: listens(field))
    answer = ask(field, **wanted)
    assert answer["created"] == (point == "submitting")
    assert [job.id for job in field.store.list_jobs().jobs] == [answer["id"]]
    field.worker()
    field.check_result(field.wait_final(answer["id"]))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_worker_that_stopped_past_its_lease_is_refused(new_field, stub, kind):
    field = new_field(kind, lease_seconds=60.0)
    met, numbers = strike_at_every(["step:4", "drawn", "writing", "written"], "stop", field, stub)
    field.let_leases_run_out()
    field.worker()
    jobs = {id: field.wait_final(id) for id in met}
    for number in numbers:
        os.kill(number, signal.SIGCONT)
    field.wait(lambda: field.said().count("lost its lease") == len(met))
    for number in numbers:
        os.kill(number, signal.SIGTERM)
        field.wait(lambda number=number: is_dead(number))
    for id, job in jobs.items():
        assert job.attempts == 2, met[id]
        assert field.store.get(id) == job
        field.check_result(job)
    assert sorted(field.results.results()) == sorted((id, 2) for id in met)


def test_a_worker_that_stopped_in_a_transaction_holds_up_nobody(new_field, stub):
    field = new_field("postgresql")
    job_id = field.submit(stub.recipe(1))
    stopped = field.worker("completing:stop")
    field.wait(lambda: has_stopped(stopped))
    field.worker()
    job = field.wait_final(job_id)
    assert job.attempts == 2
    os.kill(stopped, signal.SIGCONT)
    field.wait(lambda: "lost its lease" in field.said())
    assert field.store.get(job_id) == job
    field.check_result(job)


def test_the_next_attempt_goes_on_from_the_saved_state(field, stub):
    first = str(field.results.root / "first")
    job_id = field.submit(
        stub.recipe(1, steps=20, trouble="kill", once=first, journal=str(field.results.root / "steps"))
    )
    doomed = field.worker()
    field.wait(lambda: is_dead(doomed))
    field.worker()
    field.check_result(field.wait_final(job_id))
    assert (field.results.root / "steps").read_text().split() == [str(step) for step in range(1, 21)]


def ask(field, **asked):
    """The server's answer to a line; None when it died before."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(field.socket)
        connection.sendall(json.dumps(asked).encode() + b"\n")
        answer = connection.makefile().readline()
        return json.loads(answer) if answer else None


def listens(field):
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(field.socket) == 0


def has_stopped(number):
    with open(f"/proc/{number}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


def is_dead(number):
    return not os.path.exists(f"/proc/{number}")
