"""HunyuanVideo's LoRA files: every tensor has its layer, or the file is refused."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.errors import UserError
from praxino.families._hunyuan.names import check_lora, piece_of

QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
SAME_LAYER = {
    "Hunyuan_video_I2V_lora_double_blocks_7_img_attn_qkv.lora_down.weight": (7, True),
    "lora_unet_double_blocks_7_img_attn_qkv.lora_down.weight": (7, False),
    "diffusion_model.double_blocks.7.img_attn_qkv.lora_A.weight": (7, False),
    "transformer.double_blocks.7.img_attn.qkv.lora_A.weight": (7, False),
}


@pytest.mark.parametrize("name", SAME_LAYER)
def test_one_layer_by_many_names(name):
    block, ignores_alpha = SAME_LAYER[name]
    piece = piece_of(name)
    assert piece is not None
    assert piece.targets == tuple(f"transformer_blocks.{block}.{part}" for part in QKV)
    assert (piece.role, piece.ignores_alpha) == ("A", ignores_alpha)


@pytest.mark.parametrize(
    ("layer", "target"),
    [
        ("double_blocks.0.txt_mod.linear", "transformer_blocks.0.norm1_context.linear"),
        ("double_blocks.0.txt_mlp.fc2", "transformer_blocks.0.ff_context.net.2"),
        ("single_blocks.3.modulation.linear", "single_transformer_blocks.3.norm.linear"),
        ("single_blocks.3.linear2", "single_transformer_blocks.3.proj_out"),
        ("txt_in.individual_token_refiner.blocks.1.mlp.fc1",
         "context_embedder.token_refiner.refiner_blocks.1.ff.net.0.proj"),
        ("final_layer.linear", "proj_out"),
        ("transformer_blocks.4.attn.to_add_out", "transformer_blocks.4.attn.to_add_out"),
        ("single_transformer_blocks.4.proj_mlp", "single_transformer_blocks.4.proj_mlp"),
        ("time_text_embed.text_embedder.linear_1", "time_text_embed.text_embedder.linear_1"),
    ],
)  # fmt: skip
def test_layers_of_both_namings(layer, target):
    for name in (f"{layer}.lora_B.weight", f"lora_unet_{layer.replace('.', '_')}.lora_up.weight"):
        piece = piece_of(name)
        assert piece is not None and piece.targets == (target,) and piece.role == "B"


@pytest.mark.parametrize(
    "name",
    ["double_blocks.0.img_attn_qkv.weight", "lora_unet_down_blocks_0.lora_down.weight",
     "double_blocks.0.img_attn_zkv.lora_A.weight", "transformer_blocks.0.attn.to_z.lora_A.weight"],
)  # fmt: skip
def test_what_is_no_layer(name):
    assert piece_of(name) is None


def test_files_are_refused_by_their_headers(tmp_path):
    one = np.ones((2, 2), np.float32)
    save_file({"blocks.0.attn.lora_A.weight": one, "proj_out.lora_A.weight": one}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="1 of its 2 tensors belong to no layer"):
        check_lora(tmp_path / "other.safetensors")
    save_file({"proj_out.lora_B.weight": one}, tmp_path / "half.safetensors")
    with pytest.raises(UserError, match="no lora_A"):
        check_lora(tmp_path / "half.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(UserError, match="not a readable"):
        check_lora(tmp_path / "text.safetensors")
