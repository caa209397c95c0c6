"""A private PostgreSQL for these tests, on a unix socket in a folder of its own; and databases to run every test on."""

import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from praxino.jobs.retry import RetryPolicy
from praxino.jobs.store import Store

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
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=100"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def new_database(self):
        name = f"d{uuid.uuid4().hex}"
        self._run("createdb", "-h", str(self.folder), "-U", "praxino", name)
        return f"postgresql://praxino@/{name}?host={self.folder}"


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
