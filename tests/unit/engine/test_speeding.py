"""What a machine has to compile with, and which memory plans leave blocks alone."""

import pytest

from praxino.accel.plan import Plan
from praxino.engine import speeding
from praxino.engine.speeding import can_compile


@pytest.mark.parametrize(
    ("device", "installed", "has_triton", "able"),
    [
        ("cpu", {"g++"}, False, True),
        ("cpu", {"clang++"}, False, True),
        ("cpu", {"gcc"}, True, False),
        ("cuda:1", {"gcc"}, True, True),
        ("cuda", {"gcc"}, False, False),
        ("cuda", {"g++"}, True, False),
        ("mps", {"g++", "gcc"}, True, False),
    ],
)
def test_compiling_takes_a_compiler(device, installed, has_triton, able, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(speeding.shutil, "which", lambda name: name if name in installed else None)
    monkeypatch.setattr(speeding.importlib.util, "find_spec", lambda name: name if has_triton else None)
    assert can_compile(device) is able


def test_the_compiler_that_is_chosen_is_asked_for(monkeypatch):
    monkeypatch.setenv("CXX", "g++-99")
    monkeypatch.setattr(speeding.shutil, "which", lambda name: name if name == "g++-99" else None)
    assert can_compile("cpu")


@pytest.mark.parametrize(("plan", "plain"), [
    (Plan("resident"), False), (Plan("offload"), False), (Plan("group"), True), (Plan("resident", "float8"), True),
    (Plan("resident", "tiled"), False),
])  # fmt: skip
def test_blocks_whose_layers_are_moved_or_cast_stay_plain(plan, plain, monkeypatch):
    monkeypatch.setattr(speeding, "can_compile", lambda device: True)
    assert bool(speeding._why_plain(plan, "cuda")) is plain
