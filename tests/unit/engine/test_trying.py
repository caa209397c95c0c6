"""Compiled code is not taken up with another kernel of attention than it was made for."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from praxino.accel.plan import Plan
from praxino.engine import trying

from ..accel.test_speed import WAN, recipe


class Denoiser(nn.Module):
    def forward(self, x, timestep):
        return F.scaled_dot_product_attention(x, x, x) * timestep


@pytest.fixture
def compiled():
    """A denoiser whose code is made by the compiler's first stage, where the kernel is chosen."""
    torch.compiler.reset()
    denoiser = Denoiser()
    denoiser.forward = torch.compile(denoiser.forward, backend="aot_eager")
    yield denoiser
    torch.compiler.reset()


def test_code_for_one_kernel_is_not_used_for_another(compiled):
    x, found = torch.randn(1, 4, 60, 16, generator=torch.Generator().manual_seed(1)), []
    for speed in (("compile:blocks",), ("compile:blocks", "attention:math"), ("compile:blocks",)):
        wish = dataclasses.replace(recipe(), speed=speed)
        with torch.no_grad(), trying.in_ways([compiled], wish, WAN, Plan("resident"), "cpu", pytest.fail):
            found.append(compiled(x, 1))
    with sdpa_kernel([SDPBackend.MATH]):
        math = F.scaled_dot_product_attention(x, x, x)
    assert torch.equal(found[1], math)
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], math)


def test_projections_stay_three_where_layers_come_one_by_one():
    told = []
    wish = dataclasses.replace(recipe(), speed=("fused:qkv",))
    with trying.in_ways([Denoiser()], wish, WAN, Plan("group"), "cpu", told.append):
        pass
    assert told == ["fused:qkv is left out: the memory plan group works on layers one by one"]
