"""Linear layers in 8 bits: which of them, and how far off they are by torchao itself, where that is installed."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from diffusers import WanTransformer3DModel

from praxino.accel.quantised import quantise
from praxino.errors import ModelError


def wan(width_heads=4):
    """One of Wan's networks, one and a half hundredth of its size."""
    torch.manual_seed(0)
    return WanTransformer3DModel(
        num_attention_heads=width_heads, attention_head_dim=128, in_channels=4, out_channels=4, text_dim=64,
        freq_dim=64, ffn_dim=1024, num_layers=2,
    ).eval().requires_grad_(False)  # fmt: skip


def answer(network, dtype):
    torch.manual_seed(1)
    x, text = torch.randn(1, 4, 3, 16, 16), torch.randn(1, 9, 64)
    with torch.no_grad():
        return network(x.to(dtype), torch.tensor([500.0]), text.to(dtype), return_dict=False)[0].float()


@pytest.fixture
def fake(monkeypatch):
    """A torchao that notes what it is given."""
    module = ModuleType("torchao.quantization")
    asked = []

    def quantize_(block, config, filter_fn):
        asked.append((config, [name for name, one in block.named_modules() if filter_fn(one, name)]))

    for name in ("Int8DynamicActivationInt8WeightConfig", "Float8DynamicActivationFloat8WeightConfig"):
        setattr(module, name, lambda name=name, **how: SimpleNamespace(name=name, **how))
    module.PerRow = lambda: "row"
    module.quantize_ = quantize_
    monkeypatch.setitem(sys.modules, "torchao", ModuleType("torchao"))
    monkeypatch.setitem(sys.modules, "torchao.quantization", module)
    return asked


def test_the_large_layers_of_blocks_are_rounded(fake):
    quantise({"transformer": wan()}, "int8", "cpu")
    (config, names), second = fake
    assert names == second[1]
    assert config == SimpleNamespace(name="Int8DynamicActivationInt8WeightConfig", set_inductor_config=False)
    attention = [f"{layer}.to_{part}" for layer in ("attn1", "attn2") for part in ("q", "k", "v", "out.0")]
    assert sorted(names) == sorted([*attention, "ffn.net.0.proj", "ffn.net.2"])
    fake.clear()
    quantise({"transformer": wan(1)}, "float8", "cpu")
    (config, names), _ = fake
    assert (config.granularity, names) == ("row", [])


def test_layers_that_make_modulations_are_left_alone(fake):
    from diffusers import SD3Transformer2DModel

    network = SD3Transformer2DModel(num_layers=2, attention_head_dim=128, num_attention_heads=4, sample_size=8)
    quantise({"transformer": network}, "float8", "cuda")
    assert fake[0][1]
    assert not any("norm" in name for _, names in fake for name in names)


def test_where_it_cannot_be_done_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(ModelError, match="PRAXINO_WITHOUT=quantised"):
        quantise({"transformer": wan()}, "int8", "cuda")


def test_int8_is_off_by_less_than_two_percent_and_the_same_each_time():
    pytest.importorskip("torchao", reason="the extra praxino[quantised] is not installed")
    exact, network = answer(wan(), torch.float32), wan().to(torch.bfloat16)
    near = answer(network, torch.bfloat16)
    quantise({"transformer": network}, "int8", "cpu")
    found = answer(network, torch.bfloat16)
    assert torch.equal(found, answer(network, torch.bfloat16))
    assert not torch.equal(found, near)
    assert (found - exact).norm() / exact.norm() < 0.02


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8, 9), reason="no GPU that multiplies float8"
)
@pytest.mark.parametrize("kind", ["int8", "float8"])
def test_on_a_gpu_it_is_off_by_less_than_five_percent(kind):
    pytest.importorskip("torchao", reason="the extra praxino[quantised] is not installed")
    exact, network = answer(wan(), torch.float32), wan().to("cuda", torch.bfloat16)
    quantise({"transformer": network}, kind, "cuda")
    torch.manual_seed(1)
    x, text = torch.randn(1, 4, 3, 16, 16), torch.randn(1, 9, 64)
    with torch.no_grad():
        given = x.to("cuda", torch.bfloat16), torch.tensor([500.0]).cuda(), text.to("cuda", torch.bfloat16)
        found = network(*given, return_dict=False)[0].float().cpu()
    assert (found - exact).norm() / exact.norm() < 0.05
