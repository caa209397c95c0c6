import pytest

from praxino.engine import machine
from praxino.engine.machine import this_machine
from praxino.errors import UserError


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0\n", "meta", "x" * 1000])
def test_a_device_that_there_is_not(name):
    with pytest.raises(UserError, match="there is no device"):
        this_machine(name)


def test_a_device_that_torch_was_not_built_for(monkeypatch):
    monkeypatch.setattr(machine, "_torch_has_cuda", lambda: False)
    with pytest.raises(UserError, match="built without CUDA"):
        this_machine("cuda:1")
    monkeypatch.setattr(machine, "_torch_has_cuda", lambda: True)
    assert this_machine("cuda:1").device == "cuda:1"


def test_mps_is_found_on_macos_alone(monkeypatch):
    monkeypatch.setattr(machine.platform, "system", lambda: "Linux")
    with pytest.raises(UserError, match="macOS"):
        this_machine("mps")


def test_the_environment_names_one_too(monkeypatch):
    monkeypatch.setenv("PRAXINO_DEVICE", "nonsense")
    with pytest.raises(UserError, match="nonsense"):
        this_machine()
    assert this_machine("cpu").device == "cpu"
