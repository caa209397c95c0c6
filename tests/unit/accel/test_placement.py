"""Who is on the device when: told by networks that note where they are sent."""

import pytest
import torch
from torch import nn

from praxino.accel.networks import networks, set_device
from praxino.accel.placement import placed
from praxino.accel.plan import Plan
from praxino.accel.trouble import is_out_of_memory
from praxino.errors import ModelError


class Denoiser(nn.Linear):
    """Sent to a device, it only notes so."""

    log: list[str]

    def __init__(self, name, log):
        super().__init__(2, 2)
        self.name, self.log = name, log

    def to(self, device):
        self.log.append(f"{self.name} {device}")
        return self


class PreTrainedModel(Denoiser):
    """By its name, one of transformers'."""


class Vae(Denoiser):
    def encode(self, x):
        self.log.append("encodes")
        return x

    def decode(self, x):
        self.log.append("decodes")
        return x


@pytest.fixture
def parts():
    log = []
    return log, [PreTrainedModel("text", log), {"unet": Denoiser("unet", log)}, (Vae("vae", log),)]


def test_networks_take_turns(parts):
    log, held = parts
    text, unet, vae = held[0], held[1]["unet"], held[2][0]
    x = torch.zeros(1, 2)
    with placed(held, Plan("offload"), "cuda"):
        assert log == ["vae cuda"]
        del log[:]
        # send_to_device is asked for a device that is not there: the plan of the moves is what is looked at
        for network in (text, unet):
            with pytest.raises((RuntimeError, AssertionError)):
                network(x)
        vae.decode(x)
    assert log == [
        "unet cpu", "text cuda",
        "text cpu", "unet cuda",
        "text cpu", "unet cpu", "vae cuda", "decodes",
        "text cpu", "unet cpu", "vae cpu",
    ]  # fmt: skip


def test_a_decoder_that_is_called_by_itself_has_the_device_too(parts):
    log, held = parts
    held[2][0].decoder = nn.Identity()
    with placed(held, Plan("offload"), "cuda"):
        del log[:]
        held[2][0].decoder(torch.zeros(1))
    assert log[:3] == ["text cpu", "unet cpu", "vae cuda"]
    assert not held[2][0].decoder._forward_pre_hooks


def test_nothing_is_left_behind(parts):
    _, held = parts
    before = [(network.module, dict(vars(network.module))) for network in networks(held)]
    with placed(held, Plan("offload"), "cpu"):
        assert all(hasattr(module, "_hf_hook") for module, _ in before)
    for module, attributes in before:
        assert {name for name in vars(module) if name not in attributes} == set()
        assert not module._forward_pre_hooks


def test_tiles_are_turned_on_and_off():
    class Tiled(Vae):
        use_tiling = False

        def enable_tiling(self):
            self.log.append("tiles")

        def disable_tiling(self):
            self.log.append("whole")

    log = []
    with placed([Tiled("vae", log)], Plan("resident", "tiled"), "cpu"):
        assert log == ["tiles"]
    assert log == ["tiles", "whole"]


def test_devices_are_told_in_the_form_that_they_had():
    from dataclasses import dataclass

    @dataclass
    class Inner:
        device: torch.device

    @dataclass
    class Outer:
        device: str
        inner: Inner

    outer = Outer("cpu", Inner(torch.device("cpu")))
    set_device(outer, torch.device("cuda:1"))
    assert (outer.device, outer.inner.device) == ("cuda:1", torch.device("cuda:1"))


def test_what_running_out_of_memory_looks_like():
    wrapped = ModelError("x is damaged")
    wrapped.__cause__ = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
    for problem in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), wrapped):
        assert is_out_of_memory(problem)
    for problem in (None, RuntimeError("shapes differ"), ModelError("x")):
        assert not is_out_of_memory(problem)


def test_a_real_allocator_refuses():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(refused.value)
