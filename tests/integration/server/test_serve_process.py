"""The process that answers HTTP, in a thread: what only a real connection shows."""

import contextlib
import socket
import threading
import time

import httpx2
import pytest

from praxino.errors import UserError
from praxino.server.app import create_app
from praxino.server.process import _Server, listen
from praxino.server.settings import ServerSettings

GRACE_SECONDS = 100
"""That a server which is closed waits for connections that do not end by themselves: more than any test takes."""


@pytest.fixture
def running(store, folder, monkeypatch):
    """A server that wants bodies within a second; its address, and a function that closes it."""
    monkeypatch.setattr("praxino.server.process.CLOSE_SECONDS", GRACE_SECONDS)
    listening = listen("127.0.0.1", 0)
    started = threading.Event()
    app = create_app(ServerSettings(body_seconds=1.0, max_body_bytes=1 << 20), store, folder)
    server = _Server(app, started.set)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    assert started.wait(120)

    def close():
        server.should_exit = True
        thread.join(120)
        assert not thread.is_alive()

    yield listening.getsockname(), close
    close()
    listening.close()


def head(length, path="/api/v1/jobs"):
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def answered(connection):
    connection.settimeout(120)
    content = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            content += part
            if b"\r\n\r\n" in content and b'"error"' in content and content.endswith(b"}"):
                break
    return content


@pytest.mark.parametrize("sent", [b"", b'{"request": '])
def test_a_body_that_does_not_come_is_not_waited_for(running, sent):
    address, _ = running
    began = time.monotonic()
    with socket.create_connection(address) as connection:
        connection.sendall(head(1000) + sent)
        assert b" 408 " in answered(connection)
    assert time.monotonic() - began < 60


def test_a_body_that_drips_is_not_waited_for(running):
    address, _ = running
    with socket.create_connection(address) as connection:
        connection.sendall(head(1000))
        with contextlib.suppress(ConnectionError):
            for _ in range(15):
                connection.sendall(b" ")
                time.sleep(0.1)
        assert b" 408 " in answered(connection)


def test_a_body_without_an_end_is_cut_off(running):
    address, _ = running
    with socket.create_connection(address) as connection:
        start = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        connection.sendall(start)
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                connection.sendall(chunk)
        assert b" 413 " in answered(connection)


def test_streams_end_when_the_server_closes(running, store):
    address, close = running
    url = f"http://127.0.0.1:{address[1]}"
    job = httpx2.post(f"{url}/api/v1/jobs", json={"request": {"prompt": "a"}}).json()
    with httpx2.stream("GET", f"{url}/api/v1/jobs/{job['id']}/events", timeout=120) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: queued"
        began = time.monotonic()
        close()
        assert time.monotonic() - began < GRACE_SECONDS / 2
        assert not any(line.startswith("event") for line in lines)


def test_clients_that_leave_are_let_go(running, store):
    """A stream ends with its client; the server has nothing to do for it any more."""
    address, close = running
    url = f"http://127.0.0.1:{address[1]}"
    job = httpx2.post(f"{url}/api/v1/jobs", json={"request": {"prompt": "a"}}).json()
    for _ in range(20):
        with httpx2.stream("GET", f"{url}/api/v1/jobs/{job['id']}/events", timeout=120) as answer:
            next(answer.iter_lines())
    began = time.monotonic()
    close()
    assert time.monotonic() - began < GRACE_SECONDS / 2


def test_answers_come_at_once(running):
    """Not 40 ms later, as when both sides wait for each other (Nagle's algorithm and delayed acknowledgements)."""
    address, _ = running
    with httpx2.Client(base_url=f"http://127.0.0.1:{address[1]}") as client:
        times = []
        for _ in range(30):
            began = time.perf_counter()
            client.get("/healthz")
            times.append(time.perf_counter() - began)
    assert min(times) < 0.03


def test_garbage_is_answered_or_dropped(running):
    address, _ = running
    for content in (
        b"\0" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"\r\n" * 500,
    ):
        with socket.create_connection(address) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(120)
            with contextlib.suppress(ConnectionError):
                assert connection.recv(65536)[:10] in (b"", b"HTTP/1.1 4")
    assert httpx2.get(f"http://127.0.0.1:{address[1]}/healthz").status_code == 200


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no-such-host.invalid", 0)])
def test_where_nobody_can_listen(host, port):
    with pytest.raises(UserError, match="cannot listen"):
        listen(host, port)
