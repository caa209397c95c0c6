"""A server's app over a real queue, and a worker that draws nothing but goes through every step of the real one."""

import io
import shutil
from dataclasses import dataclass

import pytest
from PIL import Image
from starlette.testclient import TestClient

from praxino.jobs.files import ResultFolder
from praxino.jobs.job import Progress, WorkerInfo, new_id
from praxino.jobs.store import Store
from praxino.server.app import create_app
from praxino.server.settings import ServerSettings

URL = "http://127.0.0.1:8008"


@dataclass
class Served:
    """One server: over HTTP, and behind it."""

    client: TestClient
    store: Store
    folder: ResultFolder

    def submit(self, prompt="a rocket", **more):
        answer = self.client.post("/api/v1/jobs", json={"request": {"prompt": prompt, "seed": 1}, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def claim(self):
        worker = new_id()
        self.store.start_worker(WorkerInfo(worker, "cpu", "here", 1))
        return self.store.claim(worker)

    def finish(self, name="clip.gif", content=b"0123456789"):
        """Do the oldest job that waits."""
        claim = self.claim()
        self.store.heartbeat(claim.lease, Progress("denoise", 1, 2))
        files = self.folder.write(claim.lease, lambda place: (place / name).write_bytes(content))
        return self.store.complete(claim.lease, files)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A database with its tables, to be copied: making them takes longer than most tests."""
    path = tmp_path_factory.mktemp("database") / "jobs.sqlite"
    Store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(tmp_path, migrated):
    shutil.copy(migrated, tmp_path / "jobs.sqlite")
    store = Store(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    yield store
    store.close()


@pytest.fixture
def folder(store, tmp_path):
    return ResultFolder(tmp_path / "jobs", store.store_id())


@pytest.fixture
def settings():
    return ServerSettings()


@pytest.fixture
def served(settings, store, folder):
    app = create_app(settings, store, folder)
    with TestClient(app, base_url=URL, raise_server_exceptions=False) as client:
        yield Served(client, store, folder)


def encoded(format="PNG", size=(64, 48), frames=1, **options):
    """A picture's bytes."""
    stream = io.BytesIO()
    pictures = [Image.new("RGB", size, (255, 10 * number % 256, 0)) for number in range(frames)]
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    pictures[0].save(stream, format, **more, **options)
    return stream.getvalue()


@pytest.fixture
def png():
    return encoded()


@pytest.fixture
def picture():
    return encoded
