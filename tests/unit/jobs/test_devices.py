import pytest

from praxino.cli import worker
from praxino.engine import machine


@pytest.fixture
def cuda(monkeypatch):
    monkeypatch.delenv("PRAXINO_DEVICE", raising=False)
    monkeypatch.setattr(machine, "_best_device", lambda: "cuda")


def test_a_named_device_is_the_only_one(monkeypatch):
    monkeypatch.setenv("PRAXINO_DEVICE", "cpu")
    assert worker.every_device() == ["cpu"]


@pytest.mark.parametrize(("visible", "devices"), [("0,2,5", ["cuda:0", "cuda:1", "cuda:2"]), ("3", ["cuda:0"])])
def test_every_gpu_that_is_visible(cuda, monkeypatch, visible, devices):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert worker.every_device() == devices


def test_a_database_on_the_command_line_reaches_the_workers(monkeypatch, tmp_path):
    monkeypatch.setenv("PRAXINO_DATABASE", "")
    monkeypatch.setenv("PRAXINO_RESULTS", "")
    monkeypatch.chdir(tmp_path)
    worker.name_queue("postgresql://box/jobs", "shared")
    assert worker.settings.database_url() == "postgresql://box/jobs"
    assert worker.settings.results_folder() == tmp_path / "shared"
