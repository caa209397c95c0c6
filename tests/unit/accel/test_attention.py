"""The kernels of attention, held against each other on torch's own and on a network of diffusers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from praxino.accel import attention
from praxino.accel.attention import Scores, attending, kernels


class Attends(nn.Module):
    def forward(self, x, timestep):
        return F.scaled_dot_product_attention(x, key=x, value=x) * timestep


@pytest.fixture
def x():
    return torch.randn(1, 4, 60, 16, generator=torch.Generator().manual_seed(1))


def by(backend, x):
    with sdpa_kernel([backend]):
        return F.scaled_dot_product_attention(x, x, x)


def tiny():
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    torch.manual_seed(0)
    return WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, ffn_dim=16, num_layers=1, text_dim=8, freq_dim=16, in_channels=4,
        out_channels=4,
    ).eval()  # fmt: skip


def asked(network):
    generator = torch.Generator().manual_seed(2)
    video, text = torch.randn(1, 4, 2, 8, 8, generator=generator), torch.randn(1, 5, 8, generator=generator)
    with torch.no_grad():
        return network(video, torch.tensor([500]), text, return_dict=False)[0]


def test_a_network_attends_with_the_kernel_and_then_as_before(x):
    network, flash, math = Attends(), by(SDPBackend.FLASH_ATTENTION, x), by(SDPBackend.MATH, x)
    assert not torch.equal(flash, math)
    assert torch.equal(network(x, 1), flash)
    with attending(network, "math"):
        assert torch.equal(network(x, 1), math)
        assert torch.equal(F.scaled_dot_product_attention(x, x, x), flash)
    assert torch.equal(network(x, 1), flash) and "forward" not in vars(network)


def test_a_kernel_that_cannot_leaves_it_to_another(x):
    with attending(network := Attends(), "cudnn"):
        assert torch.equal(network(x, 1), by(SDPBackend.FLASH_ATTENTION, x))


def test_kernels_are_those_of_the_device_and_of_what_is_installed(monkeypatch):
    monkeypatch.setattr(attention, "_installed", lambda: ("sage",))
    assert kernels(Attends(), "cpu") == ("math",)
    assert kernels(Attends(), "mps") == ()
    assert set(kernels(Attends(), "cuda")) == {"flash", "efficient", "cudnn", "math"}
    assert "sage" in kernels(tiny(), "cuda")


def test_packages_are_looked_for_and_not_imported(monkeypatch):
    monkeypatch.setattr(attention, "PACKAGES", {"here": ("flash", "json"), "not": ("flash", "no_such_module")})
    assert attention._installed() == ("here",)


def test_a_network_of_diffusers_is_told_to_use_a_package_and_nothing_else_is(monkeypatch):
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry as registry

    monkeypatch.setattr(attention, "PACKAGES", {"own": ("_native_math", "torch")})
    network, default = tiny(), registry.get_active_backend()
    plain = asked(network)
    with attending(network, "math"):
        math = asked(network)
    with attending(network, "own"):
        assert torch.equal(asked(network), math)
        assert registry.get_active_backend() == default
    assert not torch.equal(plain, math)
    assert torch.equal(asked(network), plain)


def test_a_package_that_is_not_installed_is_an_error_and_changes_nothing():
    network = tiny()
    plain = asked(network)
    with pytest.raises(RuntimeError, match="sage"), attending(network, "sage"):
        pytest.fail("there is no such package here")
    assert torch.equal(asked(network), plain)


def test_the_largest_scores_are_noted(x):
    with Scores() as scores:
        Attends()(x, 1)
        F.scaled_dot_product_attention(x[:, :, :7], x, x)
    assert scores.num_bytes == 4 * 60 * 60 * 4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_every_kernel_of_a_gpu_answers_as_float64_does():
    x = torch.randn(1, 4, 300, 64, generator=torch.Generator().manual_seed(1))
    exact = F.scaled_dot_product_attention(*[x.double()] * 3)
    network, on_gpu = Attends(), x.to("cuda", torch.bfloat16)
    for kernel in kernels(network, "cuda"):
        with attending(network, kernel):
            found = network(on_gpu, 1)
        assert (found.cpu() - exact).abs().max() <= 0.01 * exact.abs().max(), kernel
