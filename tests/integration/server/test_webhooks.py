"""Webhooks: a real receiver that checks signatures with the specification's own library."""

import http.server
import json
import threading
import time

import pytest
from sqlalchemy import func, select, update
from standardwebhooks import Webhook, WebhookVerificationError

from praxino.jobs.job import Reason
from praxino.jobs.tables import deliveries
from praxino.server import webhooks
from praxino.server.settings import ServerSettings

JOBS = "/api/v1/jobs"


@pytest.fixture
def settings():
    return ServerSettings(allow_private=True)


class Receiver(http.server.ThreadingHTTPServer):
    """Answers each message with the next status; keeps what came."""

    daemon_threads = True

    def __init__(self):
        self.statuses = []
        self.got = []
        self.headers = {}
        super().__init__(("127.0.0.1", 0), Inbox)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"


class Inbox(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield receiver
    receiver.shutdown()
    receiver.server_close()
    thread.join()


def waited(condition, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about in time")


def delivered(served, job_id, state="delivered", count=1):
    """The job's deliveries, once so many of them are in a state."""

    def look():
        found = served.client.get(f"{JOBS}/{job_id}/deliveries").json()["deliveries"]
        return found if sum(one["state"] == state for one in found) >= count else None

    return waited(look)


def make_due(served):
    with served.store.database.writing() as connection:
        connection.execute(update(deliveries).values(next_at=0))


def test_an_ending_is_told_and_signed(served, receiver):
    job_id = served.submit(webhook=receiver.url)
    assert served.client.get(f"{JOBS}/{job_id}").json()["webhook"] == receiver.url
    served.finish()
    (delivery,) = delivered(served, job_id)
    assert (delivery["attempts"], delivery["status"], delivery["next_at"]) == (1, 204, None)
    ((path, headers, body),) = receiver.got
    assert (path, headers["webhook-id"]) == ("/hook", delivery["id"])
    secret = served.client.get("/api/v1/webhooks/secret").json()["secret"]
    message = Webhook(secret).verify(body, headers)
    assert message["type"] == "job.succeeded"
    assert (message["data"]["id"], message["data"]["state"]) == (job_id, "succeeded")
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"succeeded", b"failed"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 44).verify(body, headers)


def test_every_kind_of_ending_is_told_once(served, receiver):
    job_id = served.submit(webhook=receiver.url)
    served.store.fail(served.claim().lease, Reason.MODEL, "damaged")
    delivered(served, job_id)
    served.client.post(f"{JOBS}/{job_id}/retry")
    served.client.post(f"{JOBS}/{job_id}/cancel")
    delivered(served, job_id, count=2)
    served.client.post(f"{JOBS}/{job_id}/retry")
    served.finish()
    delivered(served, job_id, count=3)
    time.sleep(3 * webhooks.TICK_SECONDS)
    types = [json.loads(body)["type"] for _, _, body in receiver.got]
    assert types == ["job.failed", "job.cancelled", "job.succeeded"]
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 3


def test_a_job_without_a_webhook_tells_nobody(served, receiver):
    job_id = served.submit()
    served.finish()
    assert served.client.app.state.services.webhooks.record() == 0
    assert served.client.get(f"{JOBS}/{job_id}/deliveries").json() == {"deliveries": []}


def test_a_receiver_that_is_away_is_told_later(served, receiver):
    receiver.statuses = [500, 302]
    job_id = served.submit(webhook=receiver.url)
    served.finish()
    waited(lambda: len(receiver.got) == 1)
    (delivery,) = delivered(served, job_id, "waiting")
    waited(lambda: served.client.get(f"{JOBS}/{job_id}/deliveries").json()["deliveries"][0]["status"] == 500)
    make_due(served)
    waited(lambda: served.client.get(f"{JOBS}/{job_id}/deliveries").json()["deliveries"][0]["status"] == 302)
    make_due(served)
    (delivery,) = delivered(served, job_id)
    assert (delivery["attempts"], delivery["status"]) == (3, 204)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    secret = served.client.get("/api/v1/webhooks/secret").json()["secret"]
    for _, headers, body in receiver.got:
        Webhook(secret).verify(body, headers)


def test_a_receiver_that_wants_no_more_is_left_alone(served, receiver):
    receiver.statuses = [410]
    job_id = served.submit(webhook=receiver.url)
    served.finish()
    (delivery,) = delivered(served, job_id, "failed")
    assert (delivery["attempts"], delivery["status"]) == (1, 410)


@pytest.fixture
def by_hand(monkeypatch):
    """The server delivers nothing by itself."""
    monkeypatch.setattr(webhooks, "TICK_SECONDS", 3600)


def test_a_receiver_that_is_never_there_is_given_up(by_hand, served):
    job_id = served.submit(webhook="http://127.0.0.1:1/hook")
    served.finish()
    hooks = served.client.app.state.services.webhooks
    assert hooks.record() == 1
    for _ in range(len(webhooks.RETRY_SECONDS) + 1):
        assert hooks.deliver_due() == 1
        assert hooks.deliver_due() == 0
        make_due(served)
    assert hooks.deliver_due() == 0
    (delivery,) = delivered(served, job_id, "failed")
    assert delivery["attempts"] == len(webhooks.RETRY_SECONDS) + 1
    assert "cannot be had" in delivery["error"]


def test_what_a_dead_server_had_claimed_is_sent_by_another(by_hand, served, receiver):
    job_id = served.submit(webhook=receiver.url)
    served.finish()
    hooks = served.client.app.state.services.webhooks
    hooks.record()
    assert len(hooks._claim()) == 1
    assert hooks.deliver_due() == 0
    with served.store.database.writing() as connection:
        past = deliveries.c.next_at - webhooks.CLAIM_SECONDS
        connection.execute(update(deliveries).values(next_at=past))
    assert hooks.deliver_due() == 1
    delivered(served, job_id)


def test_when_the_next_try_is():
    assert [webhooks._delay(attempt, "") for attempt in (1, 2, 9)] == [5, 300, 86_400]
    assert webhooks._delay(1, "120") == 120
    assert webhooks._delay(2, "120") == 300
    assert webhooks._delay(1, "9999999") == 86_400
    assert webhooks._delay(1, "-5") == webhooks._delay(1, "Wed, 21 Oct 2026 07:28:00 GMT") == 5


def test_what_is_to_be_told_is_stored_before_it_is_sent(served, receiver, monkeypatch):
    """The row is there when the receiver hears of it, so a server that dies then leaves it to another."""
    seen = []
    real = webhooks.fetch.post

    def post(*args):
        with served.store.database.reading() as connection:
            seen.append(connection.execute(select(deliveries.c.state, deliveries.c.attempts)).one())
        return real(*args)

    monkeypatch.setattr(webhooks.fetch, "post", post)
    job_id = served.submit(webhook=receiver.url)
    served.finish()
    delivered(served, job_id)
    assert [tuple(row) for row in seen] == [("waiting", 1)]


def test_servers_do_not_deliver_twice(served, store, receiver):
    """Four deliverers at once, as of four servers; every message is sent by one of them."""
    hooks = served.client.app.state.services.webhooks
    others = [webhooks.Webhooks(store, b"x" * 32, True) for _ in range(3)]
    stopped = threading.Event()
    threads = [threading.Thread(target=other.run, args=(stopped,)) for other in others]
    for thread in threads:
        thread.start()
    ids = [served.submit(webhook=receiver.url) for _ in range(6)]
    for _ in ids:
        served.finish()
    for job_id in ids:
        delivered(served, job_id)
    stopped.set()
    for thread in threads:
        thread.join()
    assert sorted(headers["webhook-id"] for _, headers, _ in receiver.got) == sorted(
        hooks.of_job(job_id)[0].id for job_id in ids
    )
    with store.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar_one() == 6


class TestPrivate:
    """The default: webhooks go to public addresses alone."""

    @pytest.fixture
    def settings(self):
        return ServerSettings()

    def test_private_receivers_are_told_nothing(self, served, receiver):
        job_id = served.submit(webhook=receiver.url)
        served.finish()
        waited(lambda: served.client.get(f"{JOBS}/{job_id}/deliveries").json()["deliveries"][0:1])
        waited(lambda: "private" in served.client.get(f"{JOBS}/{job_id}/deliveries").json()["deliveries"][0]["error"])
        assert receiver.got == []
