"""A POST that OpenAI's client sends again by itself, because its answer got lost on the way, makes one job."""

import http.client
import http.server
import threading
from urllib.parse import urlsplit

import pytest
from openai import OpenAI


class Lossy(http.server.ThreadingHTTPServer):
    """A proxy that hands every request on, and hangs up instead of answering the first POSTs."""

    def __init__(self, target, losses=1):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.losses = losses
        self.counts = []
        """The retry count of every POST."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        status, headers, body = self._handed_on(None)
        self._answer(status, headers, body)

    def do_POST(self):
        status, headers, body = self._handed_on(self.rfile.read(int(self.headers["content-length"])))
        self.server.counts.append(self.headers["x-stainless-retry-count"])
        if len(self.server.counts) <= self.server.losses:
            self.close_connection = True
            return
        self._answer(status, headers, body)

    def _handed_on(self, body):
        upstream = http.client.HTTPConnection(self.server.target, timeout=60)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        found = answer.status, answer.getheaders(), answer.read()
        upstream.close()
        return found

    def _answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            if name.lower() in ("content-type", "openai-poll-after-ms", "x-should-retry"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def lossy(served_url):
    with Lossy(served_url) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


@pytest.fixture
def unlucky(lossy):
    """The client behind the proxy, which repeats as it does by default."""
    with OpenAI(base_url=f"http://127.0.0.1:{lossy.server_port}/v1", api_key="none") as client:
        yield client


def ids_of(client, prompt):
    return [video.id for video in client.videos.list() if video.prompt == prompt]


def test_one_video(unlucky, client, lossy, picture):
    lossy.losses = 2
    video = unlucky.videos.create_and_poll(
        model="pocket", prompt="a lost frog", input_reference=("a.png", picture), extra_body={"seed": 1}
    )
    assert lossy.counts == ["0", "1", "2"]
    assert video.status == "completed" and ids_of(client, "a lost frog") == [video.id]


def test_one_remix(unlucky, client, lossy):
    old = client.videos.create_and_poll(model="pocket", prompt="a heart")
    remix = unlucky.videos.remix(old.id, prompt="a lost heart")
    assert lossy.counts == ["0", "1"] and ids_of(client, "a lost heart") == [remix.id]


def test_one_picture(unlucky, client, lossy, served_url):
    import requests

    answer = unlucky.images.generate(model="pocket", prompt="a lost rocket")
    jobs = requests.get(f"{served_url}/api/v1/jobs", timeout=60).json()["jobs"]
    assert lossy.counts == ["0", "1"] and answer.data[0].b64_json
    assert len([job for job in jobs if job["request"]["prompt"] == "a lost rocket"]) == 1


def test_asking_twice_makes_two(client):
    made = [client.videos.create(model="pocket", prompt="two frogs").id for _ in range(2)]
    assert sorted(ids_of(client, "two frogs")) == sorted(made) and made[0] != made[1]


def test_a_repeated_request_gets_the_newest_equal_job(local):
    first, second = (local.openai.videos.create(prompt="a frog").id for _ in range(2))
    again = {"x-stainless-retry-count": "1"}
    assert local.openai.videos.create(prompt="a frog", extra_headers=again).id == second != first
    assert local.openai.videos.create(prompt="a dog", extra_headers=again).id not in (first, second)


def test_a_repeated_request_alone_makes_a_job(local):
    again = {"x-stainless-retry-count": "2"}
    ids = {local.openai.videos.create(prompt="a frog", extra_headers=again).id for _ in range(2)}
    assert len(ids) == 1


def test_another_path_or_body_is_another_request(local):
    again = {"x-stainless-retry-count": "1"}
    wishes = [{"prompt": "a frog"}, {"prompt": "a frog", "size": "auto"}, {"prompt": "a frog", "seconds": "0.9"}]
    assert len({local.openai.videos.create(**wish, extra_headers=again).id for wish in wishes}) == 3


def test_a_job_that_ended_long_ago_is_not_given_out(local, monkeypatch):
    from praxino.server.openai import retries

    again = {"x-stainless-retry-count": "1"}
    first = local.openai.videos.create(prompt="a frog").id
    local.fail()
    assert local.openai.videos.create(prompt="a frog", extra_headers=again).id == first
    monkeypatch.setattr(retries, "REMEMBERED_SECONDS", 0.0)
    assert local.openai.videos.create(prompt="a frog", extra_headers=again).id != first


def test_while_the_first_is_still_being_read_the_second_waits(local, monkeypatch):
    """The first request is held at the point where it has not been queued; only then does the second arrive."""
    from praxino.server import submitting

    held, go_on, resolve = threading.Event(), threading.Event(), submitting.resolve

    def slow(*args, **more):
        if not held.is_set():
            held.set()
            assert go_on.wait(60)
        return resolve(*args, **more)

    monkeypatch.setattr(submitting, "resolve", slow)
    ids = []

    def create(count):
        headers = {"x-stainless-retry-count": count}
        ids.append(local.http.post("/videos", json={"prompt": "a frog"}, headers=headers).json()["id"])

    threads = [threading.Thread(target=create, args=(count,)) for count in ("0", "1")]
    threads[0].start()
    assert held.wait(60)
    threads[1].start()
    threads[1].join(0.3)
    assert threads[1].is_alive() and not ids
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(ids) == 2 and len(set(ids)) == 1


def test_an_idempotency_key_is_stronger(local):
    import openai

    key = {"Idempotency-Key": "frog-1"}
    ids = {local.openai.videos.create(prompt="a frog", extra_headers=key).id for _ in range(2)}
    assert len(ids) == 1
    with pytest.raises(openai.BadRequestError, match="was used for another request"):
        local.openai.videos.create(prompt="a dog", extra_headers=key)
