"""The database goes and comes back; the disk is full and is not any more; a clock jumps."""

import os
import subprocess

import psycopg
import pytest

from praxino.jobs.job import JobState, Reason, StoreUnavailable, Submission
from praxino.jobs.store import Store


def test_the_database_is_gone_and_back(cluster, new_field, stub):
    field = new_field("postgresql", lease_seconds=30.0)
    running = field.submit(stub.recipe(1, steps=100, step_seconds=0.05))
    waiting = field.submit(stub.recipe(2))
    number = field.worker("step:stop:3")
    field.wait_stopped(number)
    cluster.stop()
    with pytest.raises(StoreUnavailable, match="the database postgresql"):
        field.store.submit(Submission({}, {}, "stub"))
    field.go_on(number)
    field.wait(lambda: "going on meanwhile" in field.said())
    cluster.start()
    for job_id in (running, waiting):
        job = field.wait_final(job_id)
        field.check_result(job)
        assert job.attempts == 1, "an outage costs no attempt"
    assert os.path.exists(f"/proc/{number}")


def test_a_password_is_never_told(tmp_path):
    with pytest.raises(StoreUnavailable) as problem:
        Store(f"postgresql://ada:secret@/jobs?host={tmp_path}")
    assert "secret" not in str(problem.value)
    assert "ada:***@" in str(problem.value)


def test_a_disk_that_is_full_while_a_result_is_written(field, stub):
    job_id = field.submit(stub.recipe(1))
    field.worker("writing:full")
    job = field.wait_final(job_id)
    field.check_result(job)
    (first, _) = field.store.attempts(job_id)
    assert (first.outcome, job.attempts) == (Reason.STORAGE, 2)
    assert first.message == "the result could not be written: No space left on device"
    assert field.results.results() == [(job_id, 2)]


@pytest.fixture
def small_disk(short_folder):
    """A real disk that a result does not fit on; call it to make it larger."""
    folder = short_folder / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=4m", str(folder)], check=True)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_real_disk_that_is_full(small_disk, new_field, stub):
    folder, enlarge = small_disk
    field = new_field("sqlite", disk=folder)
    job_id = field.submit(stub.recipe(1))
    field.worker()
    field.wait(lambda: field.store.get(job_id).error)
    assert field.store.get(job_id).error.code == Reason.STORAGE
    enlarge()
    field.check_result(field.wait_final(job_id))
    assert field.results.written() == []


def test_a_submission_that_finds_the_disk_full_is_not_accepted(small_disk):
    folder, enlarge = small_disk
    enlarge()
    store = Store(f"sqlite:///{folder / 'jobs.sqlite'}")
    wanted = Submission({"prompt": "x" * 100_000}, {}, "stub")
    accepted = []
    with pytest.raises(StoreUnavailable, match="full"):
        while True:
            accepted.append(store.submit(wanted).job.id)
    store.close()
    subprocess.run(["mount", "-o", "remount,size=16m", str(folder)], check=True)
    store = Store(f"sqlite:///{folder / 'jobs.sqlite'}")
    assert {job.id for job in store.list_jobs(limit=1000).jobs} == set(accepted)
    assert store.submit(wanted).created
    store.close()


@pytest.mark.parametrize("jump_seconds", [3 * 86_400.0, -3 * 86_400.0])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_workers_whose_clocks_jump_cost_no_lease(new_field, stub, kind, jump_seconds):
    field = new_field(kind, lease_seconds=10.0)
    ids = [field.submit(stub.recipe(number, steps=40, step_seconds=0.05)) for number in range(2)]
    field.worker(jump_seconds=jump_seconds)
    field.worker()
    for job_id in ids:
        job = field.wait_final(job_id)
        field.check_result(job)
        assert job.attempts == 1


@pytest.fixture
def jumping(cluster):
    """A PostgreSQL database whose clock can be made to jump: its URL, and the function that does it."""
    url = cluster.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE jump AS SELECT interval '0' AS by")
        connection.execute(
            "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
            "'SELECT pg_catalog.clock_timestamp() + by FROM jump'"
        )

    def jump(hours):
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE jump SET by = make_interval(hours => %s)", (hours,))

    return url, jump


@pytest.mark.parametrize("hours", [10, -10])
def test_the_database_servers_clock_jumps(jumping, new_field, stub, hours):
    url, jump = jumping
    field = new_field(url, lease_seconds=10.0)
    running = field.submit(stub.recipe(1, steps=40, step_seconds=0.05))
    crashed = field.submit(stub.recipe(2, trouble="error", once=str(field.results.root / "once")))
    waiting = field.submit(stub.recipe(3))
    field.worker()
    field.worker()
    field.wait(lambda: field.store.get(running).progress and field.store.attempts(crashed))
    jump(hours)
    field.worker()
    for job_id in (running, crashed, waiting):
        job = field.wait_final(job_id)
        field.check_result(job)
        assert job.attempts <= 2, "a jump may cost an attempt, no more"


def test_a_reboot_does_not_hold_up_a_job(tmp_path, monkeypatch):
    """SQLite's leases are on the machine's monotonic clock, which begins anew with it."""
    store = Store(f"sqlite:///{tmp_path / 'jobs.sqlite'}", lease_seconds=30.0)
    job_id = store.submit(Submission({}, {}, "stub")).job.id
    waiting = store.submit(Submission({}, {}, "stub")).job.id
    lease = store.claim("w1").lease
    store.fail(store.claim("w2").lease, Reason.CRASH, "just before")
    monkeypatch.setattr("time.monotonic", lambda: 5.0)
    assert store.claim("w3").job.id == waiting
    assert store.get(job_id).state is JobState.QUEUED, "its worker is gone with the machine"
    assert store.check(lease) == "lost"
    store.close()
