"""How attempts end when the engine raises, hangs or is cancelled, in real worker processes."""

import os
import signal

import pytest

from praxino.jobs.job import JobState, Reason


@pytest.mark.parametrize(
    ("trouble", "reason", "message"),
    [("user", Reason.USER, "trouble: user"), ("model", Reason.MODEL, "trouble: model")],
)
def test_errors_that_a_retry_cannot_mend(field, stub, trouble, reason, message):
    job_id = field.submit(stub.recipe(1, trouble=trouble))
    good = field.submit(stub.recipe(2))
    field.worker()
    job = field.wait_final(job_id)
    assert (job.state, job.attempts, job.error.code, job.error.message) == (JobState.FAILED, 1, reason, message)
    field.check_result(field.wait_final(good))
    field.wait(lambda: field.results.states() == [])


def test_out_of_memory(field, stub):
    mended = field.submit(stub.recipe(1, trouble="out-of-memory"))
    hopeless = field.submit(stub.recipe(2, trouble="out-of-memory", always=True))
    for _ in range(3):
        field.wait_dead(field.worker())
    field.worker()
    job = field.wait_final(mended)
    assert job.attempts == 2
    field.check_result(job)
    job = field.wait_final(hopeless)
    assert (job.state, job.attempts, job.error.code) == (JobState.FAILED, 2, "out-of-memory")
    assert job.error.message == "the device has 8 GB, the plan needs 9"


def test_an_error_nobody_foresaw_ends_the_process(field, stub):
    job_id = field.submit(stub.recipe(1, trouble="error", once=str(field.results.root / "once")))
    field.wait_dead(field.worker())
    assert field.store.get(job_id).error.message == "ValueError: trouble: error"
    field.worker()
    field.check_result(field.wait_final(job_id))


def test_a_hang_is_given_up(field, stub):
    job_id = field.submit(stub.recipe(1, trouble="hang", once=str(field.results.root / "once")))
    field.worker(hang_seconds=2.0)
    field.wait(lambda: field.store.get(job_id).error)
    assert "hung: it ended no step" in field.store.get(job_id).error.message
    field.worker()
    field.check_result(field.wait_final(job_id))


def test_cancel_takes_effect_within_a_step(field, stub):
    journal = field.results.root / "steps"
    job_id = field.submit(stub.recipe(1, steps=1000, step_seconds=0.05, journal=str(journal)))
    next_id = field.submit(stub.recipe(2))
    number = field.worker("step:stop:3")
    field.wait_stopped(number)
    assert field.store.cancel(job_id).state is JobState.RUNNING
    field.go_on(number)
    assert field.wait_final(job_id).state is JobState.CANCELLED
    assert len(journal.read_text().split()) < 500, "the worker looks four times a second: that is five steps"
    field.check_result(field.wait_final(next_id))
    field.wait(lambda: field.results.states() == [])


def test_drain_ends_the_job_in_hand_and_takes_no_other(field, stub):
    first, second = field.submit(stub.recipe(1)), field.submit(stub.recipe(2))
    number = field.worker("step:stop:3")
    field.wait_stopped(number)
    os.kill(number, signal.SIGTERM)
    field.go_on(number)
    field.wait_dead(number)
    field.check_result(field.store.get(first))
    assert field.store.get(second).state is JobState.QUEUED


def test_a_second_signal_hands_the_job_back(field, stub):
    journal = field.results.root / "steps"
    job_id = field.submit(stub.recipe(1, steps=20, journal=str(journal)))
    number = field.worker("step:stop:3")
    field.wait_stopped(number)
    os.kill(number, signal.SIGTERM)
    os.kill(number, signal.SIGINT)
    field.go_on(number)
    field.wait_dead(number)
    job = field.store.get(job_id)
    assert (job.state, job.error) == (JobState.QUEUED, None)
    assert field.store.attempts(job_id)[0].outcome == "returned"
    field.worker()
    field.check_result(field.wait_final(job_id))
    assert len(journal.read_text().split()) == 20, "no step was taken twice"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_long_step_does_not_cost_the_lease(new_field, stub, kind):
    field = new_field(kind, lease_seconds=4.0)
    job_id = field.submit(stub.recipe(1, steps=1, step_seconds=5.0))
    field.worker()
    idle = field.worker()
    job = field.wait_final(job_id)
    assert job.attempts == 1
    field.check_result(job)
    assert os.path.exists(f"/proc/{idle}")
