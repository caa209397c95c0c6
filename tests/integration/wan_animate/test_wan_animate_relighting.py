"""Wan's relighting LoRA, a pickle of peft's names over every linear layer of the blocks, taken in and laid on.

Its names: Wan-Video/Wan2.2 at 42bf4cf, wan/animate.py (_configure_model) and animate_utils.py (get_loraconfig).
"""

import dataclasses

import pytest
import torch

from praxino.families.wan_animate import FAMILY
from praxino.families.wan_animate.miniature import TRANSFORMER
from praxino.recipe import Lora
from praxino.weights import catalog
from praxino.weights.importing import take_in

from .test_wan_animate import recipe_of

WIDTH = TRANSFORMER["num_attention_heads"] * TRANSFORMER["attention_head_dim"]
FFN = TRANSFORMER["ffn_dim"]
OURS = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0"}
LAYERS = {
    **{f"self_attn.{part}": (f"attn1.{name}", WIDTH, WIDTH) for part, name in OURS.items()},
    **{f"cross_attn.{part}": (f"attn2.{name}", WIDTH, WIDTH) for part, name in OURS.items()},
    "cross_attn.k_img": ("attn2.add_k_proj", WIDTH, WIDTH),
    "cross_attn.v_img": ("attn2.add_v_proj", WIDTH, WIDTH),
    "ffn.0": ("ffn.net.0.proj", WIDTH, FFN),
    "ffn.2": ("ffn.net.2", FFN, WIDTH),
}
"""The authors' names, with diffusers' and the layer's channels in and out."""


@pytest.mark.parametrize("prefix", ["", "base_model.model."])
def test_it_is_taken_in_and_laid_over_every_layer_it_is_for(tmp_path, prefix):
    generator = torch.Generator().manual_seed(1)
    factors = {
        f"{prefix}blocks.{block}.{layer}.lora_{name}.weight": torch.randn(shape, generator=generator)
        for block in range(TRANSFORMER["num_layers"])
        for layer, (_, wide, out) in LAYERS.items()
        for name, shape in (("A", (2, wide)), ("B", (out, 2)))
    }
    torch.save({"state_dict": factors}, tmp_path / "relighting_lora.ckpt")
    record = take_in(tmp_path / "relighting_lora.ckpt", "relighting", allow_pickle=True)
    assert (record.kind, record.about) == ("lora", "diffusers names, rank 2")
    path = catalog.locate_file("relighting")
    FAMILY.check_lora(path)
    FAMILY.miniature(tmp_path / "mini")
    variant = FAMILY.identify(tmp_path / "mini")
    parts = FAMILY.load(tmp_path / "mini", variant, "float32", "cpu")
    recipe = dataclasses.replace(recipe_of(variant, ("frame", "motion")), loras=(Lora(str(path), 1.0, ""),))
    inputs = {wide: torch.randn(1, 3, wide, generator=generator) for wide in (WIDTH, FFN)}
    modules = {
        (block, layer): (parts.transformer.get_submodule(f"blocks.{block}.{name}"), wide)
        for block in range(TRANSFORMER["num_layers"])
        for layer, (name, wide, _) in LAYERS.items()
    }
    plain = {key: module(inputs[wide]) for key, (module, wide) in modules.items()}
    FAMILY.equip(parts, recipe)
    for (block, layer), (module, wide) in modules.items():
        A, B = (factors[f"{prefix}blocks.{block}.{layer}.lora_{name}.weight"] for name in "AB")
        wanted = plain[block, layer] + inputs[wide] @ A.T @ B.T
        torch.testing.assert_close(module(inputs[wide]), wanted, rtol=1e-5, atol=1e-5)
