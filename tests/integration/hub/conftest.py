"""A small server that speaks the Hub's protocol to the real client, with the misfortunes that a real one has."""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from safetensors.numpy import save

from praxino.cli import outcome

MEGABYTE = 2**20
TOKEN = "hf_good"


def git_hash(data):
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


@dataclass
class Repository:
    """What the server has under a name; files of more than 1000 bytes are kept as the Hub keeps large ones."""

    files: dict[str, bytes]
    revisions: dict[str, str] = field(default_factory=lambda: {"main": "a" * 40})
    licence: str = "apache-2.0"
    gated: str | bool = False
    private: bool = False

    def described(self, path):
        data = self.files[path]
        large = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        told = {"rfilename": path, "size": len(data), "blobId": git_hash(data)}
        return told | ({"lfs": large} if len(data) > 1000 else {})


class HubServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories = {}
        self.requests = []
        """(method, path, Range or "", token or "") of each."""
        self.drop_after = None
        """Once, close the connection after so many bytes of a large file."""
        self.stall_after = None
        """Send so many bytes of a large file, then nothing more until the server ends."""
        self.stalled = threading.Event()
        self.ended = threading.Event()
        self.corrupt = False
        self.ignores_ranges = False
        self.page = None
        """Answer everything with that page."""
        self.status = None
        """Answer everything with that status."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, name, files, **told):
        self.repositories[name] = Repository(files, **told)
        return self.repositories[name]

    def fetched(self):
        return [
            path for method, path, _, _ in self.requests if method == "GET" and ("/resolve/" in path or "/cdn/" in path)
        ]

    def handle_error(self, request, client_address):
        """A client that goes away is no error of the server."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        self.server.requests.append((self.command, path, self.headers.get("Range") or "", token))
        if self.server.page is not None:
            return self.send_whole(200, self.server.page, {"Content-Type": "text/html"})
        if self.server.status is not None:
            return self.refuse(self.server.status, "", "out of order")
        if found := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
            return self.send_data(self.server.repositories[found[1]].files[found[2]])
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/(.+)", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if not (api or file):
            return self.refuse(404, "", "no such page")
        name = (api or file)[1]
        repository = self.server.repositories.get(name)
        if token not in ("", TOKEN):
            return self.refuse(401, "", "Invalid credentials in Authorization header")
        if repository is None or (repository.private and not token):
            return self.refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        revision = api[3] if api else file[2]
        commit = repository.revisions.get(revision, revision if revision in repository.revisions.values() else None)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        if api:
            return self.send_json(self.tree(repository) if api[2] == "tree" else self.info(name, repository, commit))
        return self.send_file(name, repository, commit, file[3], token)

    def info(self, name, repository, commit):
        siblings = [repository.described(path) for path in repository.files]
        card = {"license": repository.licence}
        return {"id": name, "sha": commit, "gated": repository.gated, "siblings": siblings, "cardData": card}

    def tree(self, repository):
        told = [repository.described(path) for path in repository.files]
        return [
            {"type": "file", "path": file["rfilename"], "size": file["size"], "oid": file["blobId"]}
            | ({"lfs": {"oid": file["lfs"]["sha256"], **file["lfs"]}} if "lfs" in file else {})
            for file in told
        ]

    def send_file(self, name, repository, commit, path, token):
        if repository.gated and repository.gated != token:
            return self.refuse(403 if token else 401, "GatedRepo", "Access to this model is restricted")
        if path not in repository.files:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        told = repository.described(path)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{told["blobId"]}"'}
        if "lfs" not in told:
            return self.send_data(repository.files[path], headers)
        headers |= {"X-Linked-Etag": f'"{told["lfs"]["sha256"]}"', "X-Linked-Size": str(told["size"])}
        # As the real Hub does, large files come from another host.
        headers["Location"] = f"http://localhost:{self.server.server_port}/cdn/{name}/{path}"
        return self.send_whole(302, b"", headers)

    def send_data(self, data, headers=None):
        headers = dict(headers or {})
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        begin = int(asked[1]) if asked and not self.server.ignores_ranges else 0
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        if self.server.corrupt:
            data = data[:-1] + bytes([data[-1] ^ 1])
        body = data[begin:]
        if self.command == "GET" and len(data) > MEGABYTE and self.misfortune(body, headers, begin):
            return
        self.send_whole(206 if begin else 200, body, headers)

    def misfortune(self, body, headers, begin):
        """Send a part only; whether that was done."""
        limit = self.server.stall_after or self.server.drop_after
        if limit is None:
            return False
        self.begin(206 if begin else 200, len(body), headers)
        self.wfile.write(body[:limit])
        self.wfile.flush()
        if self.server.stall_after is not None:
            self.server.stalled.set()
            self.server.ended.wait()
        self.server.drop_after = None
        self.close_connection = True
        return True

    def refuse(self, status, code, message):
        self.send_whole(status, b"", {"X-Error-Code": code, "X-Error-Message": message})

    def send_json(self, value):
        self.send_whole(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send_whole(self, status, body, headers):
        self.begin(status, len(body), headers)
        if self.command == "GET":
            self.wfile.write(body)

    def begin(self, status, length, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The server; this process and its children are pointed at it, logged out, with xet and telemetry off."""
    from huggingface_hub import close_session, constants

    close_session()
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    told = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "127.0.0.1,localhost"}
    for name, value in {**told, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setattr(constants, name, True)
    for name in ("HF_TOKEN_PATH", "HF_STORED_TOKENS_PATH"):
        monkeypatch.setattr(constants, name, str(tmp_path / "hf" / name))
    yield server
    close_session()
    server.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


def weights(num_bytes, seed=0):
    """A safetensors file."""
    values = np.random.default_rng(seed).integers(0, 256, num_bytes, np.uint8)
    return save({"weight": values})


def ltx_pipeline(num_bytes=5000):
    """The files of an LTX-Video repository in diffusers' layout, as far as telling what it is needs them."""
    index = {
        "_class_name": "LTXPipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "T5Tokenizer"],
        "transformer": ["diffusers", "LTXVideoTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLLTXVideo"],
    }
    transformer = {"num_layers": 28, "num_attention_heads": 32, "attention_head_dim": 64}
    network = "diffusion_pytorch_model.safetensors"
    return {
        "model_index.json": json.dumps(index).encode(),
        "scheduler/scheduler_config.json": b"{}",
        "text_encoder/config.json": b"{}",
        "text_encoder/model.safetensors": weights(num_bytes, 1),
        "tokenizer/spiece.model": b"s" * 2000,
        "transformer/config.json": json.dumps(transformer).encode(),
        f"transformer/{network}": weights(num_bytes, 2),
        "vae/config.json": b"{}",
        f"vae/{network}": weights(num_bytes, 3),
    }


@pytest.fixture
def lightricks(hub):
    """The repository that the published LTX-Video checkpoints lie in, with two of them."""
    files = ltx_pipeline() | {
        "README.md": b"# LTX-Video",
        "LICENSE.md": b"a licence",
        "convert.py": b"print('never fetched')",
        "ltx-video-2b-v0.9.safetensors": weights(7000, 4),
        "ltx-video-2b-v0.9.5.safetensors": weights(8000, 5),
    }
    return hub.add("Lightricks/LTX-Video", files, revisions={"main": "b" * 40, "v2": "c" * 40})


@pytest.fixture
def large(hub):
    """A repository with a file of 25 MB, which comes in several pieces."""
    return hub.add("someone/large", {"config.json": b"{}", "model.safetensors": weights(25 * MEGABYTE)})


@pytest.fixture
def praxino(capsys):
    """Run a command line in this process: exit code, stdout, stderr."""

    def call(*args):
        code = outcome.run(list(args))
        return code, *capsys.readouterr()

    return call
