"""Keys, scopes, owners and limits; and who may ask a server that has no keys."""

import time

import pytest
from sqlalchemy import update

from praxino.errors import UserError
from praxino.jobs.tables import api_keys, jobs
from praxino.server.keys import KeyLimits, Keys

JOBS = "/api/v1/jobs"
BODY = {"request": {"prompt": "a rocket", "seed": 1}}


@pytest.fixture
def keys(store):
    return Keys(store.database)


@pytest.fixture
def make(keys):
    """Make a key; the headers that carry it."""

    def call(owner="ada", scopes=("read", "write"), **limits):
        _, secret = keys.create(f"{owner}'s", owner, scopes, KeyLimits(**limits))
        return {"Authorization": f"Bearer {secret}"}

    return call


def test_this_machine_may_do_everything_until_there_is_a_key(served, make, keys):
    assert served.client.post(JOBS, json=BODY).status_code == 201
    headers = make()
    answer = served.client.get(JOBS)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert served.client.get(JOBS, headers=headers).json()["jobs"] == []
    keys.revoke(keys.list()[0].id)
    assert served.client.get(JOBS, headers=headers).status_code == 401
    assert served.client.get(JOBS).status_code == 401


def test_a_key_is_kept_as_its_digest(store, keys):
    key, secret = keys.create("laptop", "ada", ["read"], KeyLimits())
    with store.database.reading() as connection:
        row = connection.execute(api_keys.select()).one()
    assert secret not in map(str, row)
    assert keys.find(secret) == key
    for wrong in ("", "prx_", secret[:-1], secret + "A", secret.upper(), "ü\udc80"):
        assert keys.find(wrong) is None


@pytest.mark.parametrize(
    "header", ["Basic abc", "Bearer", "Bearer ", "Bearer prx_wrong", "prx_wrong", "Bearer " + "x" * 8000]
)
def test_what_is_no_key(served, make, header):
    make()
    assert served.client.get(JOBS, headers={"Authorization": header}).status_code == 401


def test_owners_see_their_own_jobs_alone(served, make, png):
    ada, bob = make("ada"), make("bob")
    job_id = served.client.post(JOBS, json=BODY, headers=ada).json()["id"]
    served.finish()
    path = f"{JOBS}/{job_id}"
    for call in (
        lambda headers: served.client.get(path, headers=headers),
        lambda headers: served.client.get(f"{path}/events", headers=headers),
        lambda headers: served.client.get(f"{path}/result", headers=headers),
        lambda headers: served.client.get(f"{path}/deliveries", headers=headers),
        lambda headers: served.client.post(f"{path}/cancel", headers=headers),
    ):
        assert call(bob).status_code == 404
        assert call(ada).status_code == 200
    for verb in ("retry", "cancel"):
        assert served.client.post(f"{path}/{verb}", headers=bob).status_code == 404
    assert served.client.get(JOBS, headers=bob).json()["jobs"] == []
    (file,) = served.client.get(f"{path}/result", headers=ada).json()["files"]
    assert served.client.get(f"/api/v1/files/{file['name']}", headers=ada).status_code == 200
    assert served.client.get(f"/api/v1/files/{file['name']}", headers=bob).status_code == 404
    assert served.client.get(f"/api/v1/files/{file['name']}").status_code == 401


def test_two_keys_of_one_owner_share_their_jobs(served, make):
    one, other = make("ada"), make("ada")
    job_id = served.client.post(JOBS, json=BODY, headers=one).json()["id"]
    assert served.client.get(f"{JOBS}/{job_id}", headers=other).status_code == 200


def test_uploads_are_their_owners_alone(served, make, png):
    ada, bob = make("ada"), make("bob")
    upload = served.client.post("/api/v1/uploads", files={"file": ("x.png", png)}, headers=ada).json()["id"]
    body = {"request": {"prompt": "a", "image": upload}}
    assert served.client.post(JOBS, json=body, headers=bob).status_code == 422
    assert served.client.post(JOBS, json=body, headers=ada).status_code == 201


def test_idempotency_keys_are_their_owners_alone(served, make):
    ids = set()
    for headers in (make("ada"), make("bob")):
        answer = served.client.post(JOBS, json=BODY, headers={**headers, "Idempotency-Key": "same"})
        assert answer.status_code == 201
        ids.add(answer.json()["id"])
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (("read",), {"list"}),
        (("write",), {"submit"}),
        (("metrics",), {"metrics"}),
        (("read", "write"), {"list", "submit"}),
    ],
)
def test_scopes(served, make, scopes, allowed):
    headers = make(scopes=scopes)
    answers = {
        "list": served.client.get(JOBS, headers=headers),
        "submit": served.client.post(JOBS, json=BODY, headers=headers),
        "metrics": served.client.get("/metrics", headers=headers),
    }
    assert {name for name, answer in answers.items() if answer.status_code < 300} == allowed
    assert {answer.status_code for name, answer in answers.items() if name not in allowed} == {403}


def test_a_body_is_not_read_before_the_key_is(served, make):
    make()
    answer = served.client.post(JOBS, content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 401


def test_asking_too_often(served, make):
    headers = make(requests_per_minute=3)
    answers = [served.client.get(JOBS, headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["error"]["code"] == "rate_limited"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20
    assert served.client.get(JOBS, headers=make("bob")).status_code == 200


def test_a_queue_that_is_full(served, make):
    headers = make(max_queued=2)
    first = served.client.post(JOBS, json=BODY, headers=headers).json()["id"]
    assert served.client.post(JOBS, json=BODY, headers=headers).status_code == 201
    refused = served.client.post(JOBS, json=BODY, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
    assert int(refused.headers["retry-after"]) > 0
    served.client.post(f"{JOBS}/{first}/cancel", headers=headers)
    assert served.client.post(JOBS, json=BODY, headers=headers).status_code == 201
    assert served.client.post(f"{JOBS}/{first}/retry", headers=headers).status_code == 429


def test_credits_are_spent_and_come_back_at_midnight(served, make):
    cost = served.client.post(JOBS, json=BODY, headers=make("eve")).json()["credits"]
    headers = make(credits_per_day=2.5 * cost)
    sent = [served.client.post(JOBS, json=BODY, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in sent] == [201, 201, 429]
    assert sent[2].json()["error"]["code"] == "credits_spent"
    assert 1 <= int(sent[2].headers["retry-after"]) <= 86_400
    served.client.post(f"{JOBS}/{sent[0].json()['id']}/cancel", headers=headers)
    assert served.client.post(JOBS, json=BODY, headers=headers).status_code == 201
    with served.store.database.writing() as connection:
        connection.execute(update(jobs).values(created_at=time.time() - 86_400))
    assert served.client.post(JOBS, json=BODY, headers=headers).status_code == 201


def test_nobody_is_served_before_others_without_leave(served, make):
    plain, boss = make("ada"), make("bob", max_priority=10)
    assert served.client.post(JOBS, json={**BODY, "priority": 1}, headers=plain).status_code == 403
    assert served.client.post(JOBS, json={**BODY, "priority": -5}, headers=plain).status_code == 201
    assert served.client.post(JOBS, json={**BODY, "priority": 10}, headers=boss).json()["priority"] == 10


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8008"}, 200),
        ({"Host": "[::1]:8008"}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:8008", "Origin": "http://evil.example:8008"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "["}, 403),
    ],
)
def test_pages_of_other_sites_cannot_use_a_server_without_keys(served, headers, status):
    """Another site's page may send requests from a browser here, and its name may lead here (DNS rebinding)."""
    assert served.client.get(JOBS, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("owner", "scopes", "limits"),
    [
        ("", ["read"], {}),
        ("a" * 201, ["read"], {}),
        ("ü", ["read"], {}),
        ("ada", [], {}),
        ("ada", ["admin"], {}),
        ("ada", ["read"], {"requests_per_minute": 0}),
        ("ada", ["read"], {"credits_per_day": -1.0}),
        ("ada", ["read"], {"credits_per_day": float("nan")}),
        ("ada", ["read"], {"max_priority": 101}),
    ],
)
def test_keys_that_cannot_be(keys, owner, scopes, limits):
    with pytest.raises(UserError):
        keys.create("laptop", owner, scopes, KeyLimits(**limits))
    assert keys.list() == []


def test_revoking_what_there_is_not(keys):
    with pytest.raises(UserError, match="no key"):
        keys.revoke("x")
