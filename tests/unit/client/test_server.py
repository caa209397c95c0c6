import hashlib
import json

import httpx2
import pytest

from praxino.client import server as module
from praxino.client.server import RemoteFile, Server
from praxino.errors import JobError, UserError
from praxino.request import Request


class Fake:
    """A server that answers by a list of functions, one a request."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, request):
        request.read()
        self.asked.append(request)
        answer = self.answers.pop(0)
        return answer(request) if callable(answer) else answer


@pytest.fixture
def connect(monkeypatch):
    """A client of a fake server; it never sleeps."""
    slept = []
    monkeypatch.setattr(module.time, "sleep", slept.append)

    def call(*answers, **more):
        fake = Fake(*answers)
        server = Server("http://x.example", **more)
        headers = server._http.headers
        server._http = httpx2.Client(transport=httpx2.MockTransport(fake), base_url="http://x.example", headers=headers)
        return server, fake

    return call


def away(request):
    raise httpx2.ConnectError("refused")


def made(state="queued"):
    return httpx2.Response(201, json={"id": "j", "state": state, "notes": []})


def test_a_request_is_sent_with_its_key_and_its_pictures(connect, tmp_path):
    (tmp_path / "logo.png").write_bytes(b"picture")
    server, fake = connect(httpx2.Response(201, json={"id": "upload_1"}), made(), key="prx_secret")
    server.submit(Request("a", image=str(tmp_path / "logo.png"), keyframes=("https://x.example/y.png@3",)))
    upload, order = fake.asked
    assert b'filename="logo.png"' in upload.content
    assert b"picture" in upload.content
    sent = json.loads(order.content)["request"]
    assert sent == {"prompt": "a", "image": "upload_1", "keyframes": ["https://x.example/y.png@3"]}
    assert {request.headers["authorization"] for request in fake.asked} == {"Bearer prx_secret"}
    assert len(order.headers["idempotency-key"]) == 36


def test_a_server_that_was_never_there_is_told_at_once(connect):
    server, fake = connect(away)
    with pytest.raises(JobError, match="cannot be reached: refused"):
        server.submit(Request("a"))
    assert len(fake.asked) == 1


def test_a_server_that_was_there_is_waited_for(connect):
    server, fake = connect(made(), away, httpx2.Response(503), httpx2.Response(200, json={"id": "j"}))
    server.submit(Request("a"))
    assert server.get("j") == {"id": "j"}
    assert len(fake.asked) == 4


def test_patience_ends(connect, monkeypatch):
    clock = iter(range(0, 10_000, 30))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    server, _ = connect(made(), *[away] * 50, patience_seconds=100)
    server.submit(Request("a"))
    with pytest.raises(JobError):
        server.get("j")


def test_a_submission_that_is_interrupted_is_cancelled(connect):
    def interrupt(request):
        raise KeyboardInterrupt

    server, fake = connect(interrupt, made(), httpx2.Response(200, json={"id": "j", "state": "cancelled"}))
    with pytest.raises(KeyboardInterrupt):
        server.submit(Request("a"))
    first, again, cancel = fake.asked
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"]
    assert cancel.url.path == "/api/v1/jobs/j/cancel"


def stream(*events):
    text = "".join(f"event: {kind}\ndata: {json.dumps(data)}\nid: {number}\n\n" for number, kind, data in events)
    return httpx2.Response(200, content=text.encode(), headers={"Content-Type": "text/event-stream"})


def test_events_go_on_where_they_broke(connect):
    server, fake = connect(
        stream((1, "queued", {}), (2, "started", {})),
        away,
        httpx2.Response(502),
        stream((3, "progress", {"step": 1})),
        stream((4, "succeeded", {})),
    )
    told = [(event.sequence, event.kind) for event in server.follow("j")]
    assert told == [(1, "queued"), (2, "started"), (3, "progress"), (4, "succeeded")]
    assert [request.headers.get("last-event-id") for request in fake.asked] == [None, "2", "2", "2", "3"]


def test_a_job_that_is_not_ours_cannot_be_followed(connect):
    server, _ = connect(httpx2.Response(404, json={"error": {"code": "not_found", "message": "There is no job."}}))
    with pytest.raises(UserError, match="There is no job"):
        list(server.follow("j"))


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (
            httpx2.Response(422, json={"error": {"message": "steps is 0", "fix": "More."}}),
            UserError,
            "steps is 0\nMore.",
        ),
        (httpx2.Response(429, json={"error": {"message": "2 jobs are waiting"}}), UserError, "2 jobs are waiting"),
        (httpx2.Response(500, json={"error": {"message": "an error"}}), JobError, "an error"),
        (httpx2.Response(404, text="<html>nginx</html>"), UserError, "status 404"),
        (httpx2.Response(400, json=["?"]), UserError, "status 400"),
        (httpx2.Response(200, text="<html>hello</html>"), JobError, "does not answer like a Praxino server"),
        (httpx2.Response(200, json=[1]), JobError, "does not answer like a Praxino server"),
    ],
)
def test_answers_that_are_no_job(connect, answer, kind, said):
    server, _ = connect(answer)
    with pytest.raises(kind) as told:
        server.submit(Request("a"))
    assert said in str(told.value)


def test_a_file_is_whole_and_the_one_that_was_meant(connect, tmp_path):
    digest = hashlib.sha256(b"GIF89a").hexdigest()
    file = RemoteFile("j/1/a.gif", "", 6, digest)
    server, _ = connect(httpx2.Response(200, content=b"GIF89a"), httpx2.Response(200, content=b"GIF87a"))
    server.download(file, tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_bytes() == b"GIF89a"
    with pytest.raises(JobError, match="changed on its way"):
        server.download(file, tmp_path / "b.gif")
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_pictures_that_cannot_be_read_are_told_first(connect, tmp_path):
    server, fake = connect()
    for name in ("nothing.png", str(tmp_path), "\0"):
        with pytest.raises(UserError, match="image: "):
            server.submit(Request("a", image=name))
    assert fake.asked == []


@pytest.mark.parametrize("url", ["", "localhost:8008", "ftp://x", "http://", "file:///x"])
def test_addresses_of_no_server(url):
    with pytest.raises(UserError, match="--server"):
        Server(url)
