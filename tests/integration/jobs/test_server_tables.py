"""What the server keeps beside the jobs, on both databases."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from PIL import Image
from starlette.testclient import TestClient

from praxino.errors import UserError
from praxino.jobs.files import ResultFolder
from praxino.jobs.job import CostSpent, KeyReused, Limits, Submission, WorkerInfo, new_id
from praxino.jobs.retry import RetryPolicy
from praxino.jobs.store import Store
from praxino.server.app import create_app
from praxino.server.inputs import Inputs
from praxino.server.keys import KeyLimits, Keys
from praxino.server.links import server_secret
from praxino.server.settings import ServerSettings
from praxino.server.webhooks import Webhooks


def submission(owner="ada", cost=1.0, **more):
    return Submission({"prompt": "a"}, {"prompt": "a"}, "pocket", owner=owner, cost=cost, **more)


def finish(store):
    worker = new_id()
    store.start_worker(WorkerInfo(worker, "cpu", "here", 1))
    claim = store.claim(worker)
    return store.complete(claim.lease, [])


def test_servers_share_one_secret(store, url):
    other = Store(url, policy=RetryPolicy())
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(server_secret, [store.database, other.database] * 8))
    other.close()
    assert len(secrets) == 1
    assert len(secrets.pop()) == 32


def test_keys(store):
    keys = Keys(store.database)
    assert not keys.exist()
    key, secret = keys.create("laptop", "ada", ["read", "write"], KeyLimits(60, 12.5, 3, -2))
    assert keys.exist()
    assert keys.find(secret) == key == keys.list()[0]
    assert key.limits == KeyLimits(60, 12.5, 3, -2)
    keys.revoke(key.id)
    assert keys.find(secret) is None
    assert keys.list()[0].revoked_at is not None
    with pytest.raises(UserError):
        keys.revoke(key.id)


def test_a_limit_of_cost_holds_among_many_at_once(store):
    limits = Limits(max_cost=10.0)

    def send(_):
        try:
            return store.submit(submission(cost=3.0), limits).created
        except CostSpent:
            return False

    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(send, range(24)))
    assert sum(accepted) == 3
    assert store.submit(submission(owner="bob", cost=3.0), limits).created


def test_what_failed_or_never_began_costs_nothing(store):
    limits = Limits(max_cost=1.0)
    first = store.submit(submission(), limits).job
    with pytest.raises(CostSpent, match="1 are spent"):
        store.submit(submission(), limits)
    store.cancel(first.id)
    second = store.submit(submission(), limits).job
    with pytest.raises(CostSpent):
        store.retry(first.id, limits)
    store.cancel(second.id)
    assert store.retry(first.id, limits).state == "queued"
    finish(store)
    with pytest.raises(CostSpent):
        store.submit(submission(), limits)


def test_a_job_is_found_by_its_idempotency_key(store):
    made = store.submit(submission(idempotency_key="k", body_sha256="a" * 64)).job
    assert store.find_submitted("ada", "k", "a" * 64) == made
    assert store.find_submitted("bob", "k", "a" * 64) is None
    assert store.find_submitted("ada", "other", "a" * 64) is None
    with pytest.raises(KeyReused):
        store.find_submitted("ada", "k", "b" * 64)


def test_uploads_of_many_at_once_are_one(store, tmp_path):
    inputs = Inputs(store.database, tmp_path / "inputs", ServerSettings())
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")

    def send(owner):
        return inputs.receive(owner, io.BytesIO(stream.getvalue()), "it")

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(send, ["ada", "bob"] * 2))
    assert len({one.id for one in found}) == 2
    assert len([path for path in (tmp_path / "inputs").rglob("*") if path.is_file()]) == 1
    assert inputs.find("ada", found[0].id).width == 8
    with pytest.raises(UserError):
        inputs.find("bob", found[0].id)


def test_an_ending_is_recorded_once_by_many_servers(store):
    hook = {"webhook": "https://x.example/hook"}
    jobs = [store.submit(submission(annotations=hook)).job for _ in range(5)]
    store.submit(submission())
    for _ in range(6):
        finish(store)
    servers = [Webhooks(store, b"s" * 32, False) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda server: server.record(), servers)) == 5
    assert [len(servers[0].of_job(job.id)) for job in jobs] == [1] * 5
    claimed: list[str] = []
    barrier = threading.Barrier(4)

    def claim(server):
        barrier.wait()
        claimed.extend(one.id for one in server._claim())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(claim, servers))
    assert sorted(claimed) == sorted(servers[0].of_job(job.id)[0].id for job in jobs)
    assert {one.attempts for job in jobs for one in servers[0].of_job(job.id)} == {1}


def test_two_servers_are_one(store, url, tmp_path):
    """Each with connections of its own, as on two machines that share database and folder."""
    other = Store(url)
    folder = ResultFolder(tmp_path / "shared", store.store_id())
    apps = [create_app(ServerSettings(), each, folder) for each in (store, other)]
    one, two = (TestClient(app, base_url="http://127.0.0.1") for app in apps)
    for app in apps:
        app.state.closing = anyio.Event()
    _, secret = Keys(store.database).create("laptop", "ada", ["read", "write"], KeyLimits())
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "k"}
    body = {"request": {"prompt": "a rocket", "seed": 1}}
    made = [client.post("/api/v1/jobs", json=body, headers=headers) for client in (one, two)]
    assert [answer.status_code for answer in made] == [201, 200]
    job_id = made[0].json()["id"]
    worker = new_id()
    store.start_worker(WorkerInfo(worker, "cpu", "here", 1))
    lease = other.claim(worker).lease
    store.complete(lease, folder.write(lease, lambda place: (place / "a.gif").write_bytes(b"GIF89a")))
    events = two.get(f"/api/v1/jobs/{job_id}/events", headers=headers).text
    assert events.rstrip().endswith("id: 3")
    (file,) = one.get(f"/api/v1/jobs/{job_id}/result", headers=headers).json()["files"]
    assert two.get(file["url"]).content == b"GIF89a"
    other.close()
