"""`praxino serve` as people start it: real processes, the bundled model, and what is left when one is killed."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from praxino.cli import outcome
from praxino.engine.output import read_recipe, save_clips
from praxino.engine.run import draw
from praxino.history import Journal
from praxino.jobs.store import Store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and /proc are POSIX here")

SECONDS = 300
LONG = 200
"""Samples that nobody waits for."""


class Serving:
    """A running `praxino serve`."""

    def __init__(self, home, *args, **environment):
        self.home = home
        self.environment = {**os.environ, "PRAXINO_HOME": str(home), "OMP_NUM_THREADS": "1", **environment}
        self.log = (home / "log").open("ab")
        command = [sys.executable, "-m", "praxino", "serve", "--port", "0", "--json", *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, env=self.environment)
        line = self.process.stdout.readline()
        assert line, (home / "log").read_text()
        self.said = json.loads(line)
        self.url = self.said["url"]
        self.client = httpx2.Client(base_url=self.url, timeout=120)

    def children(self):
        """Processes of this server, by what they do."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == self.process.pid:
                    words = (stat.parent / "cmdline").read_bytes().split(b"\0")
                    found["http" if b"--child" in words else "worker"] = int(stat.parent.name)
        return found

    def submit(self, **more):
        request = {"prompt": "a rocket", "seed": 7, **more}
        answer = self.client.post("/api/v1/jobs", json={"request": request})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def job(self, job_id):
        return self.client.get(f"/api/v1/jobs/{job_id}").json()

    def wait_for(self, job_id, *states):
        return waited(lambda: (job := self.job(job_id))["state"] in states and job)

    def ask(self, *args, **more):
        """Start a command that talks to this server."""
        command = [sys.executable, "-m", "praxino", *args, "--server", self.url]
        environment = {**self.environment, "PRAXINO_HOME": str(more["cwd"]), **more.pop("environment", {})}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **more
        )

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(SECONDS)
        self.client.close()
        self.process.stdout.close()
        self.log.close()
        return code


def waited(condition, seconds=SECONDS):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come about in time")


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def has_stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def here(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def start(home):
    """Start servers that are ended with the test."""
    started = []

    def call(*args, **environment):
        started.append(Serving(home, *args, **environment))
        return started[-1]

    yield call
    for serving in started:
        serving.end()


@pytest.fixture(scope="module")
def drawing(tmp_path_factory):
    """One server with a worker, for all tests that leave it as it was: importing torch takes seconds."""
    serving = Serving(tmp_path_factory.mktemp("home"))
    yield serving
    assert serving.end() == 0


def test_a_job_is_drawn_shown_and_fetched(drawing):
    job_id = drawing.submit()
    with drawing.client.stream("GET", f"/api/v1/jobs/{job_id}/events", timeout=SECONDS) as answer:
        events = [(event.event, event.json()) for event in httpx2.EventSource(answer)]
    assert [kind for kind, _ in events if kind != "progress"] == ["queued", "started", "succeeded"]
    assert events[-1][1]["files"][0]["name"].endswith("/a-rocket.gif")
    (file,) = drawing.client.get(f"/api/v1/jobs/{job_id}/result").json()["files"]
    gif = httpx2.get(file["url"])
    assert (gif.headers["content-type"], len(gif.content)) == ("image/gif", file["num_bytes"])
    metrics = drawing.client.get("/metrics").text
    assert 'praxino_jobs{state="succeeded"} ' in metrics
    assert "praxino_model_loads_total" in metrics
    assert "praxino_step_seconds_count" in metrics
    assert 'kind="host"' in metrics


def test_a_preview_while_a_job_runs(drawing):
    job_id = drawing.submit(n=LONG)
    png = waited(lambda: (it := drawing.client.get(f"/api/v1/jobs/{job_id}/preview")).status_code == 200 and it)
    assert png.content.startswith(b"\x89PNG")
    drawing.client.post(f"/api/v1/jobs/{job_id}/cancel")
    assert drawing.wait_for(job_id, "cancelled")
    assert drawing.client.get(f"/api/v1/jobs/{job_id}/preview").status_code == 404


def test_the_server_imports_no_torch(drawing):
    """The libraries that a process has loaded are in its memory map."""
    drawing.submit()
    pids = drawing.children()
    for pid in (drawing.process.pid, pids["http"]):
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()
    waited(lambda: "libtorch" in Path(f"/proc/{pids['worker']}/maps").read_text())


def test_hostile_pictures_kill_nothing(drawing):
    before = drawing.children()
    for content in (
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"GIF89a" + b"\xff" * 1000,
        b"\0\0\0\x18ftypmp42" + b"\1" * 500,
    ):
        answer = drawing.client.post("/api/v1/uploads", files={"file": ("x.png", content)})
        assert answer.status_code == 422
    assert drawing.children() == before


def test_slow_and_endless_bodies_are_ended(drawing):
    """Raw sockets: a body that never comes, and one that is announced as 2 GB."""
    host, port = drawing.url.removeprefix("http://").split(":")
    head = (
        f"POST /api/v1/jobs HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {{}}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as large:
        large.settimeout(SECONDS)
        large.sendall(head.format(2 << 30).encode())
        answer = large.recv(65536)
        assert b" 413 " in answer
        with contextlib.suppress(OSError):
            for _ in range(4096):
                large.sendall(b"\0" * 65536)
            pytest.fail("256 MB were taken after the answer")


def test_a_file_drawn_by_a_server_is_the_one_drawn_here(drawing, here, monkeypatch):
    Image.new("RGB", (64, 48), "red").save(here / "logo.png")
    common = ["a rocket", "--seed", "7", "--image", "logo.png", "-q"]
    remote = drawing.ask(*common, "-o", "remote.gif", cwd=here)
    assert remote.communicate(timeout=SECONDS) == ("remote.gif\n", "")
    monkeypatch.chdir(here)
    assert outcome.run([*common, "-o", "local.gif"]) == 0
    with Image.open(here / "remote.gif") as one, Image.open(here / "local.gif") as other:
        assert (one.n_frames, one.size) == (other.n_frames, other.size)
        for frame in range(one.n_frames):
            one.seek(frame), other.seek(frame)
            assert one.convert("RGB").tobytes() == other.convert("RGB").tobytes()


def test_a_server_draws_a_file_again(drawing, here, monkeypatch, capsys):
    monkeypatch.chdir(here)
    Image.new("RGB", (64, 48), "red").save("logo.png")
    assert outcome.run(["a rocket", "--seed", "7", "--image", "logo.png", "-o", "one.gif"]) == 0
    assert outcome.run(["replay", "one.gif", "--server", drawing.url]) == 0
    assert "all that decides pixels, though not every byte, is as in one.gif" in capsys.readouterr().err
    with Image.open("one.gif") as one, Image.open("one-replay.gif") as other:
        assert one.n_frames == other.n_frames
        assert one.convert("RGB").tobytes() == other.convert("RGB").tobytes()
    assert outcome.run(["a rocket", "--seed", "7", "-o", "words.gif"]) == 0
    assert outcome.run(["replay", "words.gif", "--server", drawing.url]) == 0
    assert "every byte is as in words.gif" in capsys.readouterr().err
    assert outcome.run(["replay", "one.gif", "--server", drawing.url, "-o", "one.webp", "-q"]) == 0


def test_a_server_edits_a_clip_of_this_machine(drawing, here, monkeypatch, capsys):
    """Its first frame is sent; the history here knows what came of what."""
    monkeypatch.chdir(here)
    for name, more in (("one.gif", []), ("here.gif", []), ("there.gif", ["--server", drawing.url])):
        words = ["a rocket"] if name == "one.gif" else ["edit", "one.gif", "a red ball"]
        assert outcome.run([*words, "--seed", "3", "-o", name, *more]) == 0, capsys.readouterr().err
    assert "one.gif is a clip: its first frame is taken" in capsys.readouterr().err
    with Image.open("here.gif") as one, Image.open("there.gif") as other:
        for frame in range(one.n_frames):
            one.seek(frame), other.seek(frame)
            assert one.convert("RGB").tobytes() == other.convert("RGB").tobytes()
    first, local, remote = Journal().entries()
    assert (local.parent, remote.parent) == (first.id, first.id)


def test_a_server_that_decides_otherwise_is_told(drawing, here, monkeypatch, capsys):
    monkeypatch.chdir(here)
    assert outcome.run(["a rocket", "--seed", "7", "-o", "one.gif"]) == 0
    recipe = read_recipe(Path("one.gif"))
    other = dataclasses.replace(recipe, revision="0" * 32)
    save_clips(draw(recipe, lambda event: None), other, Path("other.gif"))
    assert outcome.run(["replay", "other.gif", "--server", drawing.url]) == 1
    assert "the server decided otherwise on revision" in capsys.readouterr().err


def test_ctrl_c_cancels_the_job(drawing, here):
    child = drawing.ask("a rocket", "-n", str(LONG), "--json", cwd=here)
    with child:
        job_id = json.loads(child.stdout.readline())["job"]
        for line in child.stdout:
            if json.loads(line).get("stage") == "denoise":
                break
        child.send_signal(signal.SIGINT)
        assert child.wait(SECONDS) == 130
        assert child.stderr.read() == "praxino: cancelled; nothing was written\n"
    drawing.wait_for(job_id, "cancelled")
    assert [path.name for path in here.iterdir() if not path.name.startswith(".")] in ([], ["history.jsonl"])


def test_what_the_server_refuses_is_told(drawing, here, monkeypatch, capsys):
    monkeypatch.chdir(here)
    assert outcome.run(["a rocket", "--size", "9999x9999", "--server", drawing.url]) == 2
    said = capsys.readouterr().err
    assert said.startswith("praxino: ") and "9999" in said


class Cutting(threading.Thread):
    """A TCP proxy that breaks every connection after so many bytes have come back, once for each number."""

    def __init__(self, url, cuts):
        super().__init__(daemon=True)
        host, port = url.removeprefix("http://").split(":")
        self._target, self._cuts = (host, int(port)), list(cuts)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.broken = 0

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.join()

    def _carry(self, client):
        limits = []
        with client, socket.create_connection(self._target) as server, contextlib.suppress(OSError):
            threading.Thread(target=self._forward, args=(client, server, limits), daemon=True).start()
            count = 0
            while content := server.recv(4096):
                client.sendall(content)
                count += len(content) if limits else 0
                if limits and count > limits[0]:
                    self.broken += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return

    def _forward(self, client, server, limits):
        with contextlib.suppress(OSError):
            while content := client.recv(65536):
                if b"/events" in content and self._cuts:
                    limits.append(self._cuts.pop(0))
                server.sendall(content)


def test_a_broken_connection_is_taken_up_again(drawing, here, monkeypatch, capsys):
    proxy = Cutting(drawing.url, [300, 200, 100])
    proxy.start()
    monkeypatch.chdir(here)
    code = outcome.run(["a rocket", "-n", "40", "--grid", "--json", "-o", "x.gif", "--server", proxy.url])
    proxy.close()
    said = capsys.readouterr()
    assert code == 0, said.err
    events = [json.loads(line) for line in said.out.splitlines()]
    assert proxy.broken == 3
    assert (events[0]["event"], events[-1]["event"]) == ("submitted", "written")
    steps = [(event["sample"], event["step"]) for event in events if event.get("stage") == "denoise"]
    assert steps == sorted(set(steps))
    assert (here / "x.gif").exists()


def test_a_job_outlives_whatever_is_killed(start, home):
    first = start(PRAXINO_FAULT="step:stop:3")
    job_id = first.submit()
    pids = first.children()
    waited(lambda: has_stopped(pids["worker"]))
    first.process.kill()
    first.process.wait()
    os.kill(pids["worker"], signal.SIGCONT)
    waited(lambda: not any(lives(pid) for pid in pids.values()))
    second = start()
    second.wait_for(job_id, "succeeded")
    other = second.submit()
    second.wait_for(other, "running", "succeeded")
    assert second.end() == 0
    store = Store(f"sqlite:///{home / 'jobs.sqlite'}")
    job = store.get(other)
    store.close()
    assert (job.state, job.attempts) == ("succeeded", 1)


@pytest.fixture
def praxino(home, monkeypatch, capsys):
    """Run a command in this process, on the server's database."""
    monkeypatch.setenv("PRAXINO_HOME", str(home))

    def call(*args):
        code = outcome.run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_other_machines_are_let_in_with_keys_alone(praxino, start):
    code, _, said = praxino("serve", "--host", "0.0.0.0", "--port", "0", "--no-workers")
    assert (code, "praxino keys create" in said) == (2, True)
    _, secret, _ = praxino("keys", "create", "laptop", "--owner", "ada", "--rate", "100")
    secret = secret.strip()
    serving = start("--host", "0.0.0.0", "--no-workers")
    assert serving.said["keys"] is True
    url = serving.url.replace("0.0.0.0", "127.0.0.1")
    serving.client = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"})
    assert httpx2.get(f"{url}/api/v1/jobs").status_code == 401
    code, _, said = praxino("a rocket", "--server", url)
    assert (code, "API key" in said) == (2, True)
    job_id = serving.submit()

    before = serving.children()["http"]
    os.kill(before, signal.SIGKILL)
    waited(lambda: answers(serving))
    assert serving.children()["http"] != before
    assert serving.job(job_id)["state"] == "queued"

    (key,) = json.loads(praxino("keys", "list", "--json")[1])
    assert (key["owner"], key["limits"]["requests_per_minute"]) == ("ada", 100)
    assert secret not in praxino("keys", "list")[1]
    assert praxino("keys", "revoke", key["id"])[0] == 0
    assert serving.client.get("/api/v1/jobs").status_code == 401
    assert praxino("keys", "revoke", key["id"])[0] == 2
    pids = serving.children()
    assert serving.end(signal.SIGINT) == 130
    assert not any(lives(pid) for pid in pids.values())


def answers(serving):
    with contextlib.suppress(httpx2.TransportError):
        return serving.client.get("/readyz").status_code == 200


def test_a_port_that_is_taken_is_told(praxino):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, said = praxino("serve", "--port", port, "--no-workers")
    assert code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in said


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_what_is_no_port(praxino, port):
    assert praxino("serve", "--port", port, "--no-workers")[0] == 2
