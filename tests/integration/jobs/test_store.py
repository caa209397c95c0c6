"""The store's promises, one call at a time, on both databases."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from praxino.errors import UserError
from praxino.jobs import submission
from praxino.jobs.claiming import LOOK_AHEAD
from praxino.jobs.job import (
    JobState,
    KeyReused,
    LeaseLost,
    Limits,
    Progress,
    QueueFull,
    Reason,
    ResultFile,
    Signal,
    Submission,
    UnknownJob,
    WorkerInfo,
    WrongState,
    new_id,
)
from praxino.jobs.retry import RetryPolicy
from praxino.jobs.store import Store
from praxino.jobs.tables import jobs


def wish(owner="ada", model="pocket", prompt="x", **fields):
    return Submission({"prompt": prompt}, {"sigmas": [1.0, 0.1]}, model, owner=owner, **fields)


def put(store, *args, **fields):
    return store.submit(wish(*args, **fields)).job.id


def let_pass(store, seconds):
    """As if so much time had gone by for leases and delays."""
    with store._database.writing() as connection:
        earlier = {name: jobs.c[name] - seconds for name in ("lease_until", "available_at")}
        connection.execute(update(jobs).values(earlier))


def take(store, worker, *loaded):
    claim = store.claim(worker, loaded)
    return claim and claim.job.id


def take_all(store):
    """Every waiting job, in the order that workers get them."""
    taken = []
    while claim := store.claim(new_id()):
        taken.append(claim.job.id)
    return taken


def test_a_job_from_submit_to_result(store):
    accepted = store.submit(wish(annotations={"api": "v1"}, priority=3, cost=2.5))
    assert accepted.created
    assert (accepted.job.state, accepted.job.annotations) == (JobState.QUEUED, {"api": "v1"})
    claim = store.claim("w1")
    assert (claim.job.id, claim.job.worker, claim.lease.token) == (accepted.job.id, "w1", 1)
    assert claim.recipe == store.recipe(claim.job.id) == {"sigmas": [1.0, 0.1]}
    assert store.heartbeat(claim.lease, Progress("denoise", 1, 4)) is Signal.GO_ON
    assert store.get(claim.job.id).progress == Progress("denoise", 1, 4)
    files = [ResultFile(f"{claim.job.id}/1/x.gif", "00", 3)]
    job = store.complete(claim.lease, files)
    assert (job.state, job.result, job.worker) == (JobState.SUCCEEDED, tuple(files), None)
    assert job == store.get(job.id) == store.get_many([job.id, "nope"])[job.id]
    events = store.events(job.id)
    assert [event.kind for event in events] == ["queued", "started", "progress", "succeeded"]
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert store.events(job.id, after=2) == events[2:]
    assert [(attempt.token, attempt.outcome) for attempt in store.attempts(job.id)] == [(1, "succeeded")]
    assert store.counts()[JobState.SUCCEEDED] == 1


def test_the_same_key_is_the_same_job(store):
    first = store.submit(wish(idempotency_key="k"))
    again = store.submit(wish(idempotency_key="k"))
    assert (again.created, again.job) == (False, first.job)
    assert store.submit(wish("bob", idempotency_key="k")).created, "keys are each owner's own"
    with pytest.raises(KeyReused, match="'k' was used for another request"):
        store.submit(wish(prompt="y", idempotency_key="k"))
    assert store.submit(wish()).created and store.submit(wish()).created


def test_a_key_is_forgotten_after_a_day(store, monkeypatch):
    first = store.submit(wish(idempotency_key="k")).job
    monkeypatch.setattr(submission, "IDEMPOTENCY_SECONDS", 0.0)
    time.sleep(0.01)
    again = store.submit(wish(prompt="y", idempotency_key="k"))
    assert again.created and again.job.id != first.id
    assert store.get(first.id).idempotency_key is None


def test_an_owner_may_queue_so_many(store):
    put(store), put(store)
    with pytest.raises(QueueFull, match="2 jobs are waiting; at most 2 may"):
        store.submit(wish(), Limits(max_queued=2))
    assert store.submit(wish("bob"), Limits(max_queued=2)).created
    take(store, "w1")
    assert store.submit(wish(), Limits(max_queued=2)).created


def test_only_the_newest_lease_counts(store):
    job_id = put(store)
    first = store.claim("w1").lease
    assert store.end_worker("w1", "it died") == 1
    time.sleep(0.06)
    second = store.claim("w2").lease
    assert (first.token, second.token) == (1, 2)
    assert store.check(first) is store.heartbeat(first) is Signal.LOST
    for late in (
        lambda: store.complete(first, []),
        lambda: store.fail(first, Reason.CRASH, ""),
        lambda: store.stop(first, ""),
    ):
        with pytest.raises(LeaseLost, match=f"attempt 1 at job {job_id} has lost its lease"):
            late()
    assert store.check(second) is Signal.GO_ON
    assert store.complete(second, []).state is JobState.SUCCEEDED
    assert store.complete(second, []).state is JobState.SUCCEEDED, "the answer may have got lost"
    with pytest.raises(LeaseLost):
        store.complete(first, [])


def test_a_worker_that_claims_again_gets_what_it_holds(store):
    put(store), put(store)
    claim = store.claim("w1")
    assert store.claim("w1") == claim


def test_a_lease_runs_out(url):
    store = Store(url, lease_seconds=30.0)
    job_id = put(store)
    lease = store.claim("w1").lease
    assert take(store, "w2") is None
    let_pass(store, 31)
    assert take(store, "w2") is None, "a crash is followed by a delay"
    job = store.get(job_id)
    assert (job.state, job.error.code) == (JobState.QUEUED, "crash")
    assert "worker w1 gave no sign of life for 30 seconds" in job.error.message
    assert store.heartbeat(lease) is Signal.LOST
    store.close()


def test_a_late_heartbeat_saves_a_lease_that_nobody_took(url):
    store = Store(url, lease_seconds=30.0)
    job_id = put(store)
    lease = store.claim("w1").lease
    let_pass(store, 31)
    assert store.heartbeat(lease) is Signal.GO_ON
    assert take(store, "w2") is None
    assert store.get(job_id).state is JobState.RUNNING
    store.close()


def test_three_crashes_are_a_dead_letter(store):
    job_id = put(store)
    for attempt in (1, 2, 3):
        claim = store.claim(f"w{attempt}")
        assert claim.fresh_start == (attempt == 3)
        job = store.fail(claim.lease, Reason.CRASH, f"SIGSEGV {attempt}")
        time.sleep({1: 0.06, 2: 0.22, 3: 0.0}[attempt])
    assert (job.state, job.error.code, job.error.message) == (JobState.FAILED, "crash", "SIGSEGV 3")
    assert job.dead_letter
    assert [attempt.message for attempt in store.attempts(job_id)] == ["SIGSEGV 1", "SIGSEGV 2", "SIGSEGV 3"]
    delays = [event.data["delay_seconds"] for event in store.events(job_id) if event.kind == "retrying"]
    assert delays == pytest.approx([0.05, 0.2])
    assert take(store, "w4") is None


def test_out_of_memory_is_tried_once_more_on_a_smaller_plan(store):
    put(store)
    claim = store.claim("w1")
    assert not claim.smaller_plan
    assert store.fail(claim.lease, Reason.OUT_OF_MEMORY, "8 GB").state is JobState.QUEUED
    claim = store.claim("w1")
    assert claim.smaller_plan
    job = store.fail(claim.lease, Reason.OUT_OF_MEMORY, "8 GB")
    assert (job.state, job.dead_letter) == (JobState.FAILED, True)


@pytest.mark.parametrize("reason", [Reason.USER, Reason.MODEL])
def test_what_a_retry_cannot_mend_fails_at_once(store, reason):
    put(store)
    job = store.fail(store.claim("w1").lease, reason, "no such file")
    assert (job.state, job.error.code, job.dead_letter) == (JobState.FAILED, reason, False)


def test_a_delay_holds_up_nobody_else(url):
    store = Store(url, policy=RetryPolicy(first_delay_seconds=30.0))
    first, second = put(store), put(store)
    store.fail(store.claim("w1").lease, Reason.CRASH, "")
    assert take(store, "w1") == second
    assert take(store, "w2") is None
    let_pass(store, 31)
    assert take(store, "w2") == first
    store.close()


def test_cancel_while_waiting(store):
    job_id = put(store)
    assert store.cancel(job_id).state is JobState.CANCELLED
    assert store.cancel(job_id).state is JobState.CANCELLED
    assert take(store, "w1") is None
    assert [event.kind for event in store.events(job_id)] == ["queued", "cancelled"]


@pytest.mark.parametrize("ending", ["stop", "complete", "fail", "die"])
def test_a_running_job_that_is_cancelled_ends_so(store, ending):
    job_id = put(store)
    lease = store.claim("w1").lease
    assert store.cancel(job_id).cancel_requested
    assert store.check(lease) is store.heartbeat(lease) is Signal.CANCEL
    if ending == "stop":
        store.stop(lease, "")
    elif ending == "complete":
        store.complete(lease, [ResultFile(f"{job_id}/1/x", "0", 0)])
    elif ending == "fail":
        store.fail(lease, Reason.CRASH, "")
    else:
        store.end_worker("w1", "")
    job = store.get(job_id)
    assert (job.state, job.result) == (JobState.CANCELLED, ())
    assert [event.kind for event in store.events(job_id)] == ["queued", "started", "cancelling", "cancelled"]
    assert store.attempts(job_id)[0].outcome == "cancelled"


def test_what_is_handed_back_is_first_again(store):
    first, _ = put(store), put(store)
    job = store.stop(store.claim("w1").lease, "draining")
    assert (job.state, job.error) == (JobState.QUEUED, None)
    assert take(store, "w2") == first


def test_retry(store):
    job_id = put(store)
    with pytest.raises(WrongState, match=f"job {job_id} is queued; only failed and cancelled"):
        store.retry(job_id)
    store.fail(store.claim("w1").lease, Reason.USER, "no")
    job = store.retry(job_id)
    assert (job.state, job.error, job.finished_at, job.attempts) == (JobState.QUEUED, None, None, 1)
    claim = store.claim("w1")
    assert (claim.job.id, claim.lease.token) == (job_id, 2)
    assert store.complete(claim.lease, []).state is JobState.SUCCEEDED
    with pytest.raises(WrongState):
        store.retry(job_id)
    store.cancel(job_id)
    assert store.get(job_id).state is JobState.SUCCEEDED


def test_unknown_ids(store):
    for ask in (store.get, store.recipe, store.cancel, store.retry, store.delete, store.position):
        with pytest.raises(UnknownJob, match="there is no job 'nope'"):
            ask("nope")
    assert (store.events("nope"), store.attempts("nope")) == ([], [])


def test_pages(store):
    ids = []
    for number in range(5):
        ids.append(put(store, "ada" if number % 2 == 0 else "bob"))
        time.sleep(0.002)
    page = store.list_jobs(limit=2)
    assert ([job.id for job in page.jobs], page.next) == (ids[:2:-1], ids[3])
    rest = store.list_jobs(limit=3, after=page.next)
    assert ([job.id for job in rest.jobs], rest.next) == (ids[2::-1], None)
    assert [job.id for job in store.list_jobs(owner="bob", newest_first=False).jobs] == ids[1::2]
    store.cancel(ids[0])
    assert [job.id for job in store.list_jobs(states=[JobState.CANCELLED]).jobs] == [ids[0]]
    assert store.list_jobs(owner="eve").jobs == ()


def test_priority_goes_first(store):
    low, normal, high = put(store, priority=-1), put(store), put(store, priority=100)
    assert [store.position(id) for id in (high, normal, low)] == [0, 1, 2]
    assert take_all(store) == [high, normal, low]
    assert store.position(low) is None


def test_owners_take_turns(store):
    many = [put(store, "ada") for _ in range(6)]
    few = [put(store, "bob") for _ in range(2)]
    order = take_all(store)
    assert order.index(few[0]) <= 2 and order.index(few[1]) <= 4
    assert [id for id in order if id in many] == many


def test_a_share_is_counted_in_cost(store):
    for _ in range(4):
        put(store, "ada", cost=1.0)
    dear = [put(store, "bob", cost=4.0) for _ in range(2)]
    order = take_all(store)
    assert order.index(dear[0]) >= 3, "four cheap ones weigh as much as a dear one"


def test_who_was_served_before_is_not_behind(store):
    for _ in range(20):
        put(store, "ada")
    take_all(store)
    others = [put(store, "bob") for _ in range(5)]
    mine = put(store, "ada")
    order = take_all(store)
    assert order.index(mine) <= 2
    assert len(order) == len(others) + 1


def test_a_loaded_model_is_preferred(store):
    first, second = put(store, model="a"), put(store, model="b")
    assert take(store, "w1", "b") == second
    assert take(store, "w2", "b") == first


def test_a_loaded_model_does_not_beat_priority(store):
    first, _ = put(store, model="a", priority=1), put(store, model="b")
    assert take(store, "w1", "b") == first


def test_a_job_is_passed_over_so_often_and_no_more(store):
    unlucky = put(store, model="a")
    for number in range(LOOK_AHEAD):
        put(store, f"owner {number}", model="b")
        assert take(store, f"w{number}", "b") != unlucky
    put(store, "late", model="b")
    assert take(store, "w", "b") == unlucky


def test_affinity_looks_ahead_only_so_far(store):
    first = put(store, model="a")
    for _ in range(LOOK_AHEAD - 1):
        put(store, model="a")
    put(store, model="b")
    assert take(store, "w", "b") == first


def test_every_job_goes_to_one_worker(url, store):
    ids = {put(store, f"owner {number % 3}") for number in range(120)}
    other = Store(url)
    claimed, guard = [], threading.Lock()

    def work(number):
        here = (store, other)[number % 2]
        while claim := here.claim(f"w{number}"):
            here.complete(claim.lease, [])
            with guard:
                claimed.append(claim.job.id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    other.close()
    assert len(claimed) == 120 and set(claimed) == ids


def test_prune(store):
    kept, old = put(store), put(store)
    store.cancel(old)
    assert store.prune(3600) == []
    time.sleep(0.01)
    assert store.prune(0.0) == [old]
    assert [job.id for job in store.list_jobs().jobs] == [kept]
    assert (store.events(old), store.attempts(old)) == ([], [])


def test_delete(store):
    job_id = put(store)
    with pytest.raises(WrongState, match="is queued; cancel it first"):
        store.delete(job_id)
    store.cancel(job_id)
    store.delete(job_id)
    with pytest.raises(UnknownJob):
        store.get(job_id)


def test_workers_are_listed(store):
    store.start_worker(WorkerInfo("w1", "cuda:0", "box", 7))
    job_id = put(store)
    store.claim("w1")
    (worker,) = store.workers()
    assert (worker.info.device, worker.job_id, worker.ended_at) == ("cuda:0", job_id, None)
    store.see_worker("w1")
    assert store.workers()[0].seen_at >= worker.seen_at
    store.end_worker("w1", "gone")
    (worker,) = store.workers()
    assert worker.ended_at is not None and worker.job_id is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"owner": "a" * 201}, "the owner is"),
        ({"owner": "ä"}, "printable ASCII"),
        ({"idempotency_key": ""}, "the idempotency key is ''; it must be 1 to 200"),
        ({"priority": 101}, "the priority is 101; allowed is -100 to 100"),
        ({"cost": 0}, "the cost is 0; it must be above 0"),
        ({"cost": float("nan")}, "the cost is nan"),
    ],
)
def test_submissions_are_checked(fields, message):
    with pytest.raises(UserError, match=message):
        wish(**fields)
