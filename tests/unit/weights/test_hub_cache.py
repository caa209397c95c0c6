import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from praxino.errors import ModelError
from praxino.weights import hub_cache
from praxino.weights.source import Source

VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")
SETTINGS = [
    {},
    {"HF_HOME": "/somewhere/hf"},
    {"HF_HUB_CACHE": "/somewhere/cache", "HF_HOME": "/other"},
    {"HUGGINGFACE_HUB_CACHE": "/somewhere/old", "HF_HOME": "/other"},
    {"XDG_CACHE_HOME": "/somewhere/xdg"},
    {"HF_HOME": "~/hf"},
    {"HF_HUB_CACHE": "$HOME/cache"},
]
REAL = """
import importlib, json, os, sys
from huggingface_hub import constants
found = []
for setting in json.load(sys.stdin):
    for name in setting["unset"]:
        os.environ.pop(name, None)
    os.environ.update(setting["set"])
    found.append(importlib.reload(constants).HF_HUB_CACHE)
print(json.dumps(found))
"""
COMMIT = "a" * 40
BLOB = "b" * 40


def test_it_is_where_the_real_client_has_it(monkeypatch):
    told = [{"unset": VARIABLES, "set": setting} for setting in SETTINGS]
    done = subprocess.run(
        [sys.executable, "-c", REAL], input=json.dumps(told), capture_output=True, text=True, check=True
    )
    for setting, real in zip(SETTINGS, json.loads(done.stdout), strict=True):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in setting.items():
            monkeypatch.setenv(name, value)
        assert hub_cache.root() == Path(real), setting


@pytest.fixture
def blob():
    path = hub_cache.repository("owner/name") / "blobs" / BLOB
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    return path


def test_placed_files_are_links_and_the_revision_means_their_commit(blob):
    source = Source("owner/name", revision="refs/pr/3")
    assert hub_cache.snapshot(source) is None
    folder = hub_cache.place(source, COMMIT, {"unet/config.json": blob})
    pointer = folder / "unet" / "config.json"
    assert not os.path.isabs(os.readlink(pointer))
    assert (pointer.read_text(), hub_cache.known_hash(pointer)) == ("{}", BLOB)
    assert hub_cache.snapshot(source) == hub_cache.snapshot(Source("owner/name", revision=COMMIT)) == folder
    assert hub_cache.snapshot(Source("owner/name")) is None
    assert hub_cache.revisions("owner/name") == ["refs/pr/3"]
    assert sorted(path.name for path in pointer.parent.iterdir()) == ["config.json"]


def test_where_links_are_not_possible_the_file_itself_is_placed(blob, monkeypatch):
    monkeypatch.setattr(Path, "symlink_to", lambda *args: (_ for _ in ()).throw(OSError("no links here")))
    source = Source("owner/name")
    for _ in range(2):
        folder = hub_cache.place(source, COMMIT, {"config.json": blob})
        assert (folder / "config.json").read_text() == "{}"
    assert not blob.exists()
    assert hub_cache.known_hash(folder / "config.json") is None


def test_a_link_to_another_blob_is_replaced(blob):
    folder = hub_cache.place(Source("owner/name"), COMMIT, {"config.json": blob})
    other = blob.with_name("c" * 40)
    other.write_text("[]")
    hub_cache.place(Source("owner/name"), COMMIT, {"config.json": other})
    assert (folder / "config.json").read_text() == "[]"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a\\x", "C:x", "a\0b"])
def test_no_path_leads_out(blob, name):
    assert not hub_cache.is_inside(name)
    with pytest.raises(ModelError, match="outside"):
        hub_cache.place(Source("owner/name"), COMMIT, {name: blob})


@pytest.mark.parametrize("name", ["x", "a/b/c.safetensors", "a b", "..x", "日本.json"])
def test_others_are_inside(name):
    assert hub_cache.is_inside(name)
