"""What steps took, timed and remembered."""

import itertools

import pytest

from praxino.accel import paces
from praxino.accel.paces import Clock, Pace, read, remember


def test_what_is_measured_is_added_to_what_is_known(tmp_path):
    file = tmp_path / "home" / "paces.json"
    assert read(file) == {}
    remember(file, "a", Pace(plain=2.0))
    remember(file, "a", Pace(compiled=1.0, first=9.0))
    remember(file, "a", Pace(compiled=1.5))
    remember(file, "b", Pace(failed=True))
    assert read(file) == {"a": Pace(2.0, 1.5, 9.0), "b": Pace(failed=True)}
    assert [one.name for one in file.parent.iterdir()] == ["paces.json"]


def test_the_kinds_measured_last_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(paces, "MOST_KEPT", 2)
    for kind in "abac":
        remember(tmp_path / "paces.json", kind, Pace(plain=1.0))
    assert list(read(tmp_path / "paces.json")) == ["a", "c"]


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"a": {"plain": "soon"}}', '{"a": {"swift": 1.0}}', '{"a": 3}'])
def test_a_broken_file_is_as_none(tmp_path, broken):
    file = tmp_path / "paces.json"
    file.write_text(broken)
    assert read(file) == {}
    remember(file, "a", Pace(plain=1.0))
    assert read(file) == {"a": Pace(plain=1.0)}


def test_a_file_that_cannot_be_written_is_left(tmp_path):
    (tmp_path / "in the way").write_text("")
    remember(tmp_path / "in the way" / "paces.json", "a", Pace(plain=1.0))
    assert read(tmp_path / "in the way" / "paces.json") == {}


@pytest.fixture
def time(monkeypatch):
    """Seconds that tests let pass."""
    now = [0.0]
    monkeypatch.setattr(paces.time, "perf_counter", lambda: now[0])
    return now


def loop(time, *seconds):
    for state, taken in enumerate(seconds):
        time[0] += taken
        yield state


def test_steps_are_timed_without_what_happens_between_them(time):
    told = []
    clock = Clock(lambda first, later: told.append((first, later)))
    for state in clock.steps(loop(time, 100.0, 7.0, 2.0, 4.0)):
        assert state in range(4)
        time[0] += 1000.0
    assert told == [(7.0, 3.0)]
    assert list(clock.steps(loop(time, 1.0, 1.0, 1.0, 1.0))) == [0, 1, 2, 3]
    assert len(told) == 1


def test_too_few_steps_tell_nothing_and_so_does_a_loop_that_is_left(time):
    told = []
    for count in range(4):
        list(Clock(lambda *seconds: told.append(seconds)).steps(loop(time, *[1.0] * count)))
    list(itertools.islice(Clock(lambda *seconds: told.append(seconds)).steps(loop(time, *[1.0] * 9)), 8))
    assert told == []


def test_the_processor_is_told_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel\t\t: 143\nmodel name\t: Fast Chip 9\n")
    (tmp_path / "0000:01").mkdir()
    (tmp_path / "0000:01" / "information").write_text("Model: \t\t NVIDIA H200\nIRQ: 18\n")
    told = {"cpu": (tmp_path, "cpuinfo"), "cuda": (tmp_path, "*/information")}
    monkeypatch.setattr(paces, "PROCESSORS", told)
    assert [paces._processor(device) for device in ("cpu:7", "cuda:7")] == ["Fast Chip 9", "NVIDIA H200"]
    assert paces._processor("mps:7") == paces.platform.machine()


def test_every_kind_of_device_is_waited_for_where_it_is_used(monkeypatch):
    import torch

    waited = []
    for name in ("cuda", "xpu", "mps"):
        monkeypatch.setattr(getattr(torch, name), "synchronize", lambda name=name: waited.append(name))
    paces.wait()
    assert waited == [name for name in ("cuda", "xpu") if getattr(torch, name).is_initialized()]
    for device in (torch.cuda, torch.xpu):
        monkeypatch.setattr(device, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    waited.clear()
    paces.wait()
    assert waited == ["cuda", "xpu", "mps"]
