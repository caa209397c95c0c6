import json
import sys

import pytest

from praxino.cli import doctor

WELL = {"packages": {"torch": "2"}, "model": {"name": "pocket", "path": "x", "size_bytes": 1}}


@pytest.fixture
def model(monkeypatch):
    """A machine with a bundled model, whatever is in this checkout."""
    monkeypatch.setattr(doctor, "_default_model", lambda: dict(WELL["model"]))


@pytest.mark.usefixtures("model")
def test_a_good_installation(praxino):
    said = praxino("doctor")
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("all is well\n")
    for row in ("praxino", "python", "packages", "cpu", "gpu", "memory", "home", "terminal", "model"):
        assert any(line.startswith(f"{row} ") for line in said.out.splitlines())


@pytest.mark.usefixtures("model")
def test_json(praxino):
    found = json.loads(praxino("doctor", "--json").out)
    assert found["problems"] == []
    assert found["packages"]["torch"]
    assert found["home"]["free_bytes"] > 0
    assert found["cpu"]["cores"] >= 1


def test_what_is_missing_is_told_and_fails(praxino, monkeypatch):
    monkeypatch.setattr(doctor, "_default_model", lambda: {"error": "there is no model 'pocket'"})
    monkeypatch.setattr(doctor, "PACKAGES", ("click", "no-such-package"))
    said = praxino("doctor")
    assert said.code == 1
    assert "problem: no-such-package is not installed; run: pip install no-such-package\n" in said.out
    assert "problem: there is no model 'pocket'\n" in said.out
    assert json.loads(praxino("doctor", "--json").out)["problems"]


def test_a_broken_torch_is_a_problem():
    assert doctor.problems({**WELL, "torch": {"error": "ImportError: x"}}) == ["torch does not work: ImportError: x"]
    assert doctor.problems(WELL) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for nvidia-smi")
def test_a_gpu_is_found_without_torch(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100, 81559 MiB, 560.1'\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    assert doctor._gpus() == ["NVIDIA H100, 81559 MiB, 560.1"]
    tool.write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    assert doctor._gpus() == ["NVIDIA driver found, but nvidia-smi fails"]
    tool.unlink()
    assert doctor._gpus() == []
