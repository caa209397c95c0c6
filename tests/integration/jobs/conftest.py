"""A private PostgreSQL for these tests, on a unix socket in a folder of its own; and databases to run every test on."""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import update

from praxino.jobs.files import ResultFolder
from praxino.jobs.job import Submission
from praxino.jobs.retry import RetryPolicy
from praxino.jobs.store import Store
from praxino.jobs.tables import jobs

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]
    """They look at processes through /proc."""

QUICK = RetryPolicy(first_delay_seconds=0.05)


def _postgres_binaries():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("initdb")
    return Path(named).resolve().parent if named else None


class Cluster:
    """A PostgreSQL that listens on a socket alone. Run as `postgres` where we are root, which it refuses to be."""

    def __init__(self, binaries, folder):
        self._binaries = binaries
        self.folder = folder
        self._user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def _run(self, program, *args):
        command = [*self._user, str(self._binaries / program), *args]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def create(self):
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "praxino", "-A", "trust", "--no-sync")

    def start(self):
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=100 -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def new_database(self):
        """The URL of an empty one: a schema of its own, which is much cheaper to make and to remove."""
        name = f"s{uuid.uuid4().hex}"
        url = f"postgresql://praxino@/postgres?host={self.folder}"
        with psycopg.connect(url) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{url}&options=-csearch_path%3D{name},pg_catalog"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL on this machine (Debian: apt-get install postgresql)")
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/praxino-pg.XXXXXX"], text=True).strip())
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    cluster = Cluster(binaries, folder)
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    return request.getfixturevalue("cluster").new_database()


@pytest.fixture
def store(url):
    store = Store(url, policy=QUICK)
    yield store
    store.close()


PROGRAMS = Path(__file__).parent / "programs"


def _load(name):
    spec = importlib.util.spec_from_file_location(f"jobs_programs_{name}", PROGRAMS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def stub():
    """The stub engine: `stub.recipe(seed)` and `stub.undisturbed(recipe)`."""
    return _load("stub")


class Zygote:
    """Starts processes that are ready at once (see programs/zygote.py)."""

    def __init__(self):
        command = [sys.executable, str(PROGRAMS / "zygote.py")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._asking = threading.Lock()

    def start(self, program, log, fault="", **arguments):
        asked = {"program": program, "arguments": arguments, "log": str(log), "environment": {"PRAXINO_FAULT": fault}}
        with self._asking:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self):
        with self._process:
            self._process.stdin.close()


@pytest.fixture(scope="session")
def zygote():
    zygote = Zygote()
    yield zygote
    zygote.close()


class Field:
    """One queue with its folder, and the processes that work on it; those still alive are killed at the end."""

    def __init__(self, url, folder, zygote, stub, lease_seconds=1.0, log=None):
        self.url = url
        self.lease_seconds = lease_seconds
        self.store = Store(url, policy=QUICK, lease_seconds=lease_seconds)
        self.results = ResultFolder(folder / "shared", self.store.store_id())
        self.log = log or folder / "log"
        self.socket = str(self.log.with_name("s"))
        self.stub = stub
        self._zygote = zygote
        self._alive = []

    def worker(self, fault="", **more):
        """Start a worker process; its process id."""
        arguments = {"results": str(self.results.root), "lease_seconds": self.lease_seconds, **more}
        return self._start("worker", fault, **arguments)

    def server(self, fault=""):
        """Start a server process that listens on `self.socket`; its process id."""
        return self._start("server", fault, socket_path=self.socket, lease_seconds=self.lease_seconds)

    def _start(self, program, fault, **arguments):
        number = self._zygote.start(program, self.log, fault, url=self.url, **arguments)
        self._alive.append(number)
        return number

    def submit(self, recipe, **more):
        """Queue a recipe of the stub engine; the job's id."""
        return self.store.submit(Submission({"prompt": "x"}, recipe, "stub", **more)).job.id

    def wait(self, until, seconds=90.0):
        """What `until` returns, once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := until()):
            assert time.monotonic() < deadline, f"waited in vain; the log:\n{self.said()[-8000:]}"
            time.sleep(0.02)
        return found

    def wait_final(self, job_id, seconds=90.0):
        """The job, once it has ended."""
        return self.wait(lambda: (job := self.store.get(job_id)).state.final and job, seconds)

    def wait_dead(self, number):
        """Return once a process is no more."""
        self.wait(lambda: not _is_alive(number))

    def wait_stopped(self, number):
        """Return once a process has stopped, as a fault lets it do at a point."""
        self.wait(lambda: _status(number)["State"].startswith("T"))

    def wait_signalled(self, number, signal_number):
        """Return once a signal waits for a process that has stopped."""
        self.wait(lambda: int(_status(number)["ShdPnd"], 16) >> (signal_number - 1) & 1)

    def go_on(self, number):
        """Let a process that has stopped go on."""
        os.kill(number, signal.SIGCONT)

    def let_leases_run_out(self):
        """As if nobody had prolonged them for long."""
        with self.store._database.writing() as connection:
            connection.execute(update(jobs).values(lease_until=jobs.c.lease_until - 10 * self.lease_seconds))

    def said(self):
        """What all processes have logged."""
        return self.log.read_text() if self.log.exists() else ""

    def check_result(self, job):
        """A succeeded job's files are those of an undisturbed run, to the byte."""
        assert job.state == "succeeded", (job, self.said()[-8000:])
        expected = self.stub.undisturbed(self.store.recipe(job.id))
        contents = {file.name.split("/", 2)[2]: self.results.path(file).read_bytes() for file in job.result}
        assert contents == {"clip.bin": expected, "frames/1.bin": expected[: len(expected) // 2]}
        for file in job.result:
            assert hashlib.sha256(self.results.path(file).read_bytes()).hexdigest() == file.sha256

    def close(self):
        for number in self._alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.store.close()


def _status(number):
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _is_alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def short_folder():
    """A folder whose path is short enough for a socket's."""
    with tempfile.TemporaryDirectory(prefix="praxino") as folder:
        yield Path(folder)


@pytest.fixture
def field(url, short_folder, zygote, stub):
    field = Field(url, short_folder, zygote, stub)
    yield field
    field.close()


@pytest.fixture
def new_field(short_folder, zygote, stub, request):
    """Make fields: on a new database of a kind, or one that is named; files in a new folder, or on a named disk."""
    made = []

    def make(kind, lease_seconds=1.0, disk=None):
        folder = short_folder / str(len(made))
        folder.mkdir()
        url = kind
        if kind == "sqlite":
            url = f"sqlite:///{folder / 'jobs.sqlite'}"
        elif kind == "postgresql":
            url = request.getfixturevalue("cluster").new_database()
        made.append(Field(url, disk or folder, zygote, stub, lease_seconds, folder / "log"))
        return made[-1]

    yield make
    for field in made:
        field.close()
