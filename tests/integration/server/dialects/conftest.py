"""One real server for all of these tests, and an app in this process where a job's fate is to be decided by hand."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from openai import OpenAI
from PIL import Image
from starlette.testclient import TestClient

from praxino.jobs.job import Reason, WorkerInfo
from praxino.server.app import create_app
from praxino.server.settings import ServerSettings

MINIATURE = """
import sys
from pathlib import Path
from praxino.families import families
families()["flux"].miniature(Path(sys.argv[1]))
"""
"""A model that draws and changes pictures."""


@pytest.fixture(scope="session")
def served_url(tmp_path_factory):
    """The address of `praxino serve` with one worker; it has the bundled model, and a miniature named tiny-flux."""
    home = tmp_path_factory.mktemp("served")
    environment = {
        **os.environ,
        "PRAXINO_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "PRAXINO_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    folder = home / "models" / "tiny-flux"
    folder.parent.mkdir()
    making = subprocess.Popen([sys.executable, "-c", MINIATURE, str(folder)], env=environment)
    with (home / "log").open("wb") as log:
        command = [sys.executable, "-m", "praxino", "serve", "--port", "0", "--json"]
        serving = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    with serving, making:
        try:
            assert making.wait(300) == 0
            yield json.loads(serving.stdout.readline())["url"]
        finally:
            serving.send_signal(signal.SIGTERM)
            making.kill()
            serving.wait(60)


@pytest.fixture
def client(served_url):
    """OpenAI's own client, of the real server."""
    with OpenAI(base_url=f"{served_url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def _videos_are_said_to_be_deprecated():
    """OpenAI's client says so of everything about videos."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The Sora API", DeprecationWarning)
        yield


class Local:
    """An app in this process, with a queue that nobody works on but the test."""

    def __init__(self, store, folder):
        self.store = store
        self.app = create_app(ServerSettings(), store, folder)
        self.http = TestClient(self.app, base_url="http://localhost/v1", raise_server_exceptions=False)
        self.openai = OpenAI(base_url="http://localhost/v1", api_key="none", max_retries=0, http_client=self.http)
        self.store.start_worker(WorkerInfo("w", "cpu", "here", 1))

    def claim(self):
        """Take the next job, as a worker does."""
        return self.store.claim("w")

    def fail(self, reason=Reason.USER, message="it cannot be drawn"):
        """Take the next job and fail it."""
        return self.store.fail(self.claim().lease, reason, message)


@pytest.fixture
def local(store, folder):
    local = Local(store, folder)
    with local.http:
        yield local


def _decoded(data):
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture(scope="session")
def pixels():
    """Turns the bytes of a picture, or base64 of them, into (H, W, 3) integers."""
    return lambda data: _decoded(base64.b64decode(data) if isinstance(data, str) else data)


@pytest.fixture(scope="session")
def png():
    """Turns an array into the bytes of a PNG."""

    def encode(array):
        file = io.BytesIO()
        Image.fromarray(array.astype(np.uint8)).save(file, "PNG")
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def picture(png):
    """A red disk on white, as a PNG of 64x64."""
    y, x = np.mgrid[:64, :64]
    disk = (x - 32) ** 2 + (y - 32) ** 2 < 400
    return png(np.where(disk[..., None], (220, 30, 30), 255))


@pytest.fixture(scope="session")
def recipe_in(tmp_path_factory):
    """Reads the recipe inside the bytes of a file."""
    from praxino.engine.output import read_recipe

    path = tmp_path_factory.mktemp("recipes") / "file"

    def read(data):
        path.write_bytes(data)
        return read_recipe(path)

    return read


@pytest.fixture(scope="session")
def wait_until():
    """Returns what a function returns, once it is true."""

    def wait(found, seconds=120.0):
        deadline = time.monotonic() + seconds
        while not (value := found()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)
        return value

    return wait
