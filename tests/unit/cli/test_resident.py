"""When a command finds a server of this machine, and when it draws by itself."""

import json
import os
import subprocess
import sys

import pytest

from praxino.cli import resident
from praxino.cli.options import Running
from praxino.request import Request

RUNNING = Running(checkpoint=None, device=None, metadata=True, quiet=True, json=False, preview=False)
URL = "http://127.0.0.1:8008"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PRAXINO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_server_is_found_while_it_runs(home):
    assert resident.found(Request("a cat"), RUNNING) is None
    with resident.noted(URL, ["cpu"], has_keys=True):
        assert resident.found(Request("a cat"), RUNNING) == resident.Resident(URL, wants_key=True)
    assert resident.found(Request("a cat"), RUNNING) is None
    assert list(home.iterdir()) == []


def test_a_home_that_cannot_be_written_stops_no_server(home, caplog):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file, no folder")
    with resident.noted(URL, ["cpu"], has_keys=False):
        assert resident.found(Request("a cat"), RUNNING) is None
    assert "will not find the server" in caplog.text


def test_one_without_workers_is_not(home):
    with resident.noted(URL, [], has_keys=False):
        assert resident.found(Request("a cat"), RUNNING) is None


def test_one_that_was_killed_is_not(home):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with resident.noted(URL, ["cpu"], has_keys=False):
        told = json.loads((home / resident.NOTE).read_text())
        (home / resident.NOTE).write_text(json.dumps({**told, "process": ended.pid}))
        assert resident.found(Request("a cat"), RUNNING) is None
        (home / resident.NOTE).write_text("half a no")
        assert resident.found(Request("a cat"), RUNNING) is None


def test_a_later_server_keeps_its_note_when_the_first_one_ends(home):
    with resident.noted(URL, ["cpu"], has_keys=False):
        told = json.loads((home / resident.NOTE).read_text())
        (home / resident.NOTE).write_text(json.dumps({**told, "process": os.getppid()}))
    assert (home / resident.NOTE).is_file()


@pytest.mark.parametrize(
    "change", [{"checkpoint": "x"}, {"device": "cpu"}, {"metadata": False}], ids=["checkpoint", "device", "metadata"]
)
def test_what_is_about_this_process_is_not_for_it(home, change):
    with resident.noted(URL, ["cpu"], has_keys=False):
        assert resident.found(Request("a cat"), Running(**{**vars(RUNNING), **change})) is None


@pytest.mark.parametrize("name", resident.DECISIVE)
def test_other_settings_are_another_machine(home, monkeypatch, name):
    with resident.noted(URL, ["cpu"], has_keys=False):
        monkeypatch.setenv(name, "1GB")
        assert resident.found(Request("a cat"), RUNNING) is None


def test_what_names_files_is_not_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resident.says_all(Request("a cat", model="pocket", style="sticker", seed=3, size="64x64", gif="best"))
    (tmp_path / "mine").mkdir()
    for wish in ({"image": "a.png"}, {"model": "mine"}, {"model": "./pocket"}, {"lora": ("a.safetensors",)},
                 {"style": "looks.toml#mine"}, {"control": ("canny=a.png",)}):  # fmt: skip
        assert not resident.says_all(Request("a cat", **wish)), wish
