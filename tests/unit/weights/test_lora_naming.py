import pytest

from praxino.weights.lora_naming import describe

KOHYA = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"


PEFT = (".lora_A.weight", ".lora_B.weight")
DOWN_UP = (".lora_down.weight", ".lora_up.weight")


def pair(module, ends=DOWN_UP, rank=4):
    return {f"{module}{ends[0]}": (rank, 320), f"{module}{ends[1]}": (320, rank)}


@pytest.mark.parametrize(
    ("shapes", "about"),
    [
        (pair("transformer.transformer_blocks.0.attn1.to_q", PEFT), "diffusers names, rank 4"),
        (pair("unet.mid_block.attn.to_k", (".lora.down.weight", ".lora.up.weight"), 8), "diffusers names, rank 8"),
        (pair("unet.attn.processor.to_q", ("_lora.down.weight", "_lora.up.weight")), "diffusers names, rank 4"),
        (pair("base_model.model.q", (".lora_A.default.weight", ".lora_B.default.weight")), "diffusers names, rank 4"),
        (pair(KOHYA) | {f"{KOHYA}.alpha": ()}, "kohya names, rank 4"),
        (pair(KOHYA) | pair("lora_te1_text_model_mlp_fc1", rank=16), "kohya names, ranks 4 to 16"),
        (pair("Hunyuan_video_I2V_lora_double_blocks_0_img_attn_qkv"), "kohya names, rank 4"),
        (pair("diffusion_model.double_blocks.0.img_attn.qkv", PEFT), "ComfyUI names, rank 4"),
        (pair("diffusion_model.blocks.0.self_attn.q"), "ComfyUI names, rank 4"),
        ({"model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3)}, None),
        ({}, None),
    ],
)
def test_each_tools_names(shapes, about):
    assert describe(shapes) == about


@pytest.mark.parametrize("lost", ["lora_down", "lora_up"])
def test_a_layer_needs_both_factors(lost):
    shapes = {name: shape for name, shape in pair(KOHYA).items() if lost not in name}
    with pytest.raises(ValueError, match=rf"but not '{KOHYA}\.{lost}\.weight'"):
        describe(shapes)
