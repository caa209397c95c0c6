"""How many threads small networks get."""

import os

import pytest
import torch
from torch import nn

from praxino.accel import threads
from praxino.accel.networks import Network
from praxino.accel.threads import sparing, threads_for


@pytest.mark.parametrize(("free", "count"), [(-3, 1), (0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (64, 4)])
def test_no_more_than_cores_that_nobody_uses(free, count):
    assert threads_for(free) == count


@pytest.fixture
def four(monkeypatch):
    """As on a machine of four cores, of a user who leaves the choice."""
    for name in threads.CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_cores", lambda: 4)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def network(few):
    module = nn.Linear(2, 2)
    module.few_threads = few
    return Network(module, "denoise")


@pytest.mark.parametrize(("running", "count"), [("1/90", 4), ("3/90", 2), ("9/90", 1), ("what", 4)])
@pytest.mark.parametrize("waiting", ["some avg10=7.10 avg60=0.08 avg300=5.43 total=23\nfull avg10=0", "", None])
def test_a_busy_machine_gets_fewer_and_all_is_as_before_then(four, tmp_path, monkeypatch, running, count, waiting):
    (tmp_path / "loadavg").write_text(f"0.1 0.2 0.3 {running} 77\n")
    monkeypatch.setattr(threads, "RUNNING", tmp_path / "loadavg")
    monkeypatch.setattr(threads, "WAITING", tmp_path / "pressure")
    if waiting is not None:
        (tmp_path / "pressure").write_text(waiting)
    with sparing([network(True)], "cpu"):
        assert torch.get_num_threads() == count
    assert torch.get_num_threads() == 4


def test_what_computes_for_a_moment_takes_no_thread_away(four, tmp_path, monkeypatch):
    (tmp_path / "loadavg").write_text("0.1 0.2 0.3 9/90 77\n")
    (tmp_path / "pressure").write_text("some avg10=0.31 avg60=60.0 avg300=90.0 total=23\n")
    monkeypatch.setattr(threads, "RUNNING", tmp_path / "loadavg")
    monkeypatch.setattr(threads, "WAITING", tmp_path / "pressure")
    with sparing([network(True)], "cpu"):
        assert torch.get_num_threads() == 4


@pytest.mark.parametrize("case", ["large", "gpu", "chosen"])
def test_others_are_left_alone(four, monkeypatch, case):
    monkeypatch.setattr(threads, "_others", lambda: 3)
    if case == "chosen":
        monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "4")
    with sparing([network(True), network(case != "large")], "cuda" if case == "gpu" else "cpu"):
        assert torch.get_num_threads() == 4
