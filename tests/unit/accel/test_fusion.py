"""Fused projections on networks of both kinds that diffusers has, and one that has the method and does not use it."""

import pytest
import torch
from torch import nn

from praxino.accel.fusion import can_fuse, fused


def flux():
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

    network = FluxTransformer2DModel(
        in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=8, pooled_projection_dim=8, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    places = torch.zeros(9, 3)
    return network, {
        "hidden_states": torch.randn(1, 9, 4), "encoder_hidden_states": torch.randn(1, 9, 8), "timestep": torch.ones(1),
        "pooled_projections": torch.randn(1, 8), "txt_ids": places, "img_ids": places,
    }  # fmt: skip


def unet():
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    network = UNet2DConditionModel(
        sample_size=8, block_out_channels=(8,), down_block_types=("CrossAttnDownBlock2D",), norm_num_groups=4,
        up_block_types=("CrossAttnUpBlock2D",), cross_attention_dim=8, attention_head_dim=2, layers_per_block=1,
    )  # fmt: skip
    return network, {
        "sample": torch.randn(2, 4, 8, 8),
        "timestep": torch.tensor(5),
        "encoder_hidden_states": torch.randn(2, 3, 8),
    }


def ltx():
    from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel

    return LTXVideoTransformer3DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
        num_layers=1, caption_channels=8,
    )  # fmt: skip


@pytest.mark.parametrize("made", [flux, unet])
def test_one_product_gives_what_three_give_and_nothing_of_it_stays(made):
    torch.manual_seed(0)
    network, given = made()
    network.eval()
    names, processors = list(network.state_dict()), [*network.attn_processors.values()]
    assert can_fuse(network)
    with torch.no_grad():
        plain = network(**given, return_dict=False)[0]
        with fused(network):
            assert any("to_qkv" in name for name in network.state_dict())
            found = network(**given, return_dict=False)[0]
        again = network(**given, return_dict=False)[0]
    assert (found - plain).abs().max() <= 1e-6 * plain.abs().max()
    assert torch.equal(again, plain)
    assert list(network.state_dict()) == names
    assert all(one is other for one, other in zip(network.attn_processors.values(), processors, strict=True))


def test_what_would_not_use_it_is_left():
    assert not can_fuse(ltx())
    assert not can_fuse(nn.Linear(2, 2))
