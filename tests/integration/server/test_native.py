"""The native API over a real queue: what a client sends, and what it can count on."""

import json

import pytest
from sqlalchemy import select

from praxino.jobs.job import JobState, Reason, StoreUnavailable
from praxino.jobs.tables import jobs

JOBS = "/api/v1/jobs"


def sent_events(text):
    """The events of a stream, as (id, kind, data)."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def test_a_job_that_was_accepted_is_on_disk(served):
    answer = served.client.post(JOBS, json={"request": {"prompt": "a rocket", "seed": 7}})
    assert answer.status_code == 201
    job = answer.json()
    assert (job["state"], job["request"], job["model"]) == ("queued", {"prompt": "a rocket", "seed": 7}, "pocket")
    assert answer.headers["location"] == f"{JOBS}/{job['id']}"
    assert any("rocket" in note for note in job["notes"])
    with served.store.database.reading() as connection:
        row = connection.execute(select(jobs.c.state, jobs.c.owner)).one()
    assert tuple(row) == ("queued", "")
    recipe = served.store.recipe(job["id"])
    pixels = recipe["width"] * recipe["height"] * recipe["num_frames"]
    assert job["credits"] == pytest.approx(pixels * recipe["steps"] / 1e6)


def test_what_a_job_goes_through(served):
    first, second = served.submit(), served.submit()
    assert served.client.get(f"{JOBS}/{second}").json()["position"] == 1
    job = served.finish()
    assert job.id == first
    told = served.client.get(f"{JOBS}/{first}").json()
    assert (told["state"], told["attempts"], told["position"]) == ("succeeded", 1, None)
    assert told["created_at"] <= told["started_at"] <= told["finished_at"]
    assert told["progress"]["num_steps"] == 2


def test_lists_go_on_at_their_cursor(served):
    ids = [served.submit() for _ in range(5)]
    served.finish()
    page = served.client.get(JOBS, params={"limit": 2}).json()
    assert [job["id"] for job in page["jobs"]] == [ids[4], ids[3]]
    rest = served.client.get(JOBS, params={"limit": 4, "after": page["next"]}).json()
    assert ([job["id"] for job in rest["jobs"]], rest["next"]) == ([ids[2], ids[1], ids[0]], None)
    done = served.client.get(JOBS, params={"state": ["succeeded", "failed"]}).json()
    assert [job["id"] for job in done["jobs"]] == [ids[0]]


def test_an_idempotency_key_makes_one_job(served):
    def send(prompt, key="k1"):
        return served.client.post(JOBS, json={"request": {"prompt": prompt}}, headers={"Idempotency-Key": key})

    first = send("a rocket")
    again = send("a rocket")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = send("a cat")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert send("a cat", "k2").json()["id"] != first.json()["id"]
    assert send("a cat", "ü".encode()).status_code == 422


def test_a_repeated_key_needs_nothing_that_the_first_one_needed(served, png):
    """The upload may be gone by then: the job is there."""
    upload = served.client.post("/api/v1/uploads", files={"file": ("x.png", png)}).json()["id"]
    body = {"request": {"prompt": "a rocket", "image": upload}}
    first = served.client.post(JOBS, json=body, headers={"Idempotency-Key": "k"})
    with served.store.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM uploads")
    again = served.client.post(JOBS, json=body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert served.client.post(JOBS, json=body).status_code == 422


def test_cancelling_and_trying_again(served):
    job_id = served.submit()
    assert served.client.post(f"{JOBS}/{job_id}/retry").json()["error"]["code"] == "wrong_state"
    assert served.client.post(f"{JOBS}/{job_id}/cancel").json()["state"] == "cancelled"
    assert served.client.post(f"{JOBS}/{job_id}/cancel").json()["state"] == "cancelled"
    assert served.client.post(f"{JOBS}/{job_id}/retry").json()["state"] == "queued"
    claim = served.claim()
    cancelling = served.client.post(f"{JOBS}/{job_id}/cancel").json()
    assert (cancelling["state"], cancelling["cancel_requested"]) == ("running", True)
    assert served.store.stop(claim.lease, "").state is JobState.CANCELLED


def test_a_failed_job_says_why(served):
    job_id = served.submit()
    served.store.fail(served.claim().lease, Reason.MODEL, "the weights are damaged")
    told = served.client.get(f"{JOBS}/{job_id}").json()
    assert (told["state"], told["error"]) == ("failed", {"code": "model", "message": "the weights are damaged"})
    assert served.client.get(f"{JOBS}/{job_id}/result").status_code == 409


def test_events_are_told_to_the_end_and_from_where_one_was(served):
    job_id = served.submit()
    served.finish()
    told = sent_events(served.client.get(f"{JOBS}/{job_id}/events").text)
    assert [event[1] for event in told] == ["queued", "started", "progress", "succeeded"]
    assert [event[0] for event in told] == [1, 2, 3, 4]
    assert told[2][2]["stage"] == "denoise"
    rest = served.client.get(f"{JOBS}/{job_id}/events", headers={"Last-Event-ID": "2"})
    assert [event[0] for event in sent_events(rest.text)] == [3, 4]
    assert [event[0] for event in sent_events(served.client.get(f"{JOBS}/{job_id}/events?after=3").text)] == [4]
    assert served.client.get(f"{JOBS}/{job_id}/events", headers={"Last-Event-ID": "4"}).status_code == 204
    assert served.client.get(f"{JOBS}/{job_id}/events", headers={"Last-Event-ID": "x"}).status_code == 400


def test_events_arrive_while_they_happen(served):
    job_id = served.submit()
    with served.client.stream("GET", f"{JOBS}/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("event")) == "event: queued"
        served.finish()
        assert [line for line in lines if line.startswith("event")][-1] == "event: succeeded"


def test_a_result_by_a_link_that_needs_no_key(served):
    job_id = served.submit()
    served.finish("a rocket.gif", b"0123456789")
    (file,) = served.client.get(f"{JOBS}/{job_id}/result").json()["files"]
    assert (file["num_bytes"], file["content_type"]) == (10, "image/gif")
    whole = served.client.get(file["url"])
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, b"0123456789", "image/gif")
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert served.client.get(file["url"].replace("signature=", "signature=0")).status_code == 403
    assert served.client.get(file["url"].replace("expires=", "expires=9")).status_code == 403
    assert served.client.get(file["url"].replace("a%20rocket.gif", "other.gif")).status_code == 403


@pytest.mark.parametrize(
    ("wanted", "status", "content"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=-3", 206, b"789"),
        ("bytes=8-", 206, b"89"),
        ("bytes=20-30", 416, None),
        ("cows=1-2", 400, None),
    ],
)
def test_parts_of_a_result(served, wanted, status, content):
    job_id = served.submit()
    served.finish()
    (file,) = served.client.get(f"{JOBS}/{job_id}/result").json()["files"]
    answer = served.client.get(file["url"], headers={"Range": wanted})
    assert answer.status_code == status
    if content is not None:
        assert answer.content == content


def test_a_part_of_a_changed_file_is_all_of_it(served):
    job_id = served.submit()
    served.finish()
    (file,) = served.client.get(f"{JOBS}/{job_id}/result").json()["files"]
    tag = served.client.head(file["url"]).headers["etag"]
    same = served.client.get(file["url"], headers={"Range": "bytes=2-4", "If-Range": tag})
    assert (same.status_code, same.content) == (206, b"234")
    other = served.client.get(file["url"], headers={"Range": "bytes=2-4", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, b"0123456789")


@pytest.mark.parametrize(
    "name",
    [
        "../jobs.sqlite",
        "..%2Fjobs.sqlite",
        "%2e%2e/store.json",
        "/etc/passwd",
        "x/1/clip.gif",
        "JOB/1/../../store.json",
    ],
)
def test_no_other_file_can_be_had(served, name):
    job_id = served.submit()
    served.finish()
    answer = served.client.get(f"/api/v1/files/{name.replace('JOB', job_id)}")
    assert answer.status_code == 404
    assert "praxino" not in answer.text.lower() or "error" in answer.json()


def test_a_file_that_is_gone_is_told(served):
    job_id = served.submit()
    job = served.finish()
    (file,) = served.client.get(f"{JOBS}/{job_id}/result").json()["files"]
    served.folder.path(job.result[0]).unlink()
    assert served.client.get(file["url"]).status_code == 404


def test_a_preview_while_there_is_one(served, png):
    job_id = served.submit()
    assert served.client.get(f"{JOBS}/{job_id}/preview").status_code == 404
    claim = served.claim()
    served.folder.prepare_state(claim.lease, fresh=True)
    served.folder.preview(job_id, claim.lease.token).write_bytes(png)
    answer = served.client.get(f"{JOBS}/{job_id}/preview")
    assert (answer.content, answer.headers["content-type"]) == (png, "image/png")


@pytest.mark.parametrize("job_id", ["x", "01a1fe9c-d298-7d96-880c-bdd821dce93b", "a" * 5000, "%00", "..%2f.."])
def test_jobs_that_there_are_not(served, job_id):
    for path in (f"{JOBS}/{job_id}", f"{JOBS}/{job_id}/events", f"{JOBS}/{job_id}/result"):
        answer = served.client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "request"),
        ({"request": []}, "object"),
        ({"request": {"prompt": "a", "cows": 1}}, "cows"),
        ({"request": {"prompt": 3}}, "prompt"),
        ({"request": {"prompt": "a" * 100_000}}, "100,000 characters"),
        ({"request": {"prompt": "a", "steps": 5000}}, "steps is 5000; allowed is 1 to 1,000"),
        ({"request": {"prompt": "a", "keyframes": ["x"]}}, "keyframes"),
        ({"request": {"prompt": "a", "control": ["x"]}}, "control"),
        ({"request": {"prompt": "a", "frames": 5, "seconds": 2}}, "frames and seconds exclude"),
        ({"request": {"prompt": "a"}, "priority": "high"}, "priority"),
        ({"request": {"prompt": "a"}, "priority": 101}, "priority"),
        ({"request": {"prompt": "a"}, "webhook": "ftp://example.com"}, "webhook"),
        ({"request": {"prompt": "a"}, "cows": 1}, "cows"),
    ],
)
def test_requests_that_cannot_be(served, body, said):
    answer = served.client.post(JOBS, json=body)
    assert 400 <= answer.status_code < 500
    assert said in answer.json()["error"]["message"]
    assert "--" not in answer.json()["error"]["message"]
    assert served.store.counts()[JobState.QUEUED] == 0


@pytest.mark.parametrize(
    ("content", "type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'{"request": NaN}', "application/json", 400),
        (b'{"request": {"prompt": "\\ud800"}}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"1" * 100_000, "application/json", 400),
        (b"\xff\xfe{", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"prompt=a", "application/x-www-form-urlencoded", 415),
    ],
)
def test_bodies_that_are_no_json(served, content, type, status):
    answer = served.client.post(JOBS, content=content, headers={"Content-Type": type})
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


def test_compressed_bodies_are_not_unpacked(served):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert served.client.post(JOBS, content=b"\x1f\x8b", headers=headers).status_code == 415


def test_a_database_that_is_away(served, monkeypatch):
    def away(*args, **more):
        raise StoreUnavailable("the database postgresql://secret@db/x cannot be used")

    monkeypatch.setattr(served.store, "store_id", away)
    monkeypatch.setattr(served.store, "list_jobs", away)
    assert served.client.get("/healthz").status_code == 200
    for path in ("/readyz", JOBS):
        answer = served.client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert "secret" not in answer.text


def test_a_folder_that_is_away(served):
    (served.folder.root / "store.json").unlink()
    assert served.client.get("/readyz").status_code == 503


def test_an_error_nobody_foresaw_tells_nothing(served, monkeypatch):
    monkeypatch.setattr(served.store, "position", lambda job_id: 1 / 0)
    answer = served.client.get(f"{JOBS}/{served.submit()}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "division" not in answer.text


def test_models_and_schema(served):
    models = {model["name"]: model for model in served.client.get("/api/v1/models").json()["models"]}
    assert models["pocket"]["installed"] is True
    assert "text-to-video" in models["pocket"]["tasks"]
    assert served.client.get("/api/v1/schema").json()["title"] == "Request"


def test_metrics_of_the_queue_and_the_workers(served):
    served.submit()
    served.submit()
    claim = served.claim()
    vitals = served.folder.root / "vitals"
    vitals.mkdir()
    (vitals / f"{claim.lease.worker}.prom").write_text(
        "# HELP praxino_model_loads Models loaded into memory.\n# TYPE praxino_model_loads counter\n"
        'praxino_model_loads_total{model="pocket"} 3.0\n'
    )
    text = served.client.get("/metrics").text
    assert 'praxino_jobs{state="queued"} 1.0' in text
    assert 'praxino_workers{busy="true"} 1.0' in text
    assert "process_resident_memory_bytes" in text
    (loads,) = [line for line in text.splitlines() if line.startswith("praxino_model_loads_total")]
    assert loads.endswith(" 3.0")
    assert 'device="cpu"' in loads
    (age,) = [line for line in text.splitlines() if line.startswith("praxino_queue_age_seconds")]
    assert 0 <= float(age.split()[1]) < 60
