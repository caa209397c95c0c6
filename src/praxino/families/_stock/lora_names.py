"""What a LoRA file is for, read from the names and shapes in its header. No torch, nothing of networks that are loaded.

A name is a network's prefix, a layer's path, with dots or, in kohya's and LyCORIS' files, underscores, and what the
tensor is. The layers are those of diffusers and those of the original code that diffusers converts
(diffusers/loaders/lora_conversion_utils.py at 0.42).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from praxino.errors import UserError
from praxino.families._stock.checkpoint import Shapes, read_shapes

DOWN = r"\.lora(?:_A|_down|\.down|_linear_layer\.down)(?:\.default)?\.weight"
UP = r"\.lora(?:_B|_up|\.up|_linear_layer\.up)(?:\.default)?\.weight"
OLD = r"_lora\.(?:down|up)\.weight"
"""As in "to_q_lora.down.weight", which older diffusers wrote."""
LYCORIS = (
    r"\.(?:hada_[wt][12](?:_[ab])?|lokr_w[12](?:_[ab])?|lokr_t2|dora_scale"
    r"|lora_magnitude_vector(?:\.default)?(?:\.weight)?)"
)
"""What LoHa, LoKr and DoRA keep of a layer (KohakuBlueleaf/LyCORIS, lycoris/modules)."""
TENSOR = re.compile(rf"(?:{DOWN}|{UP}|{OLD}|{LYCORIS}|\.alpha)$")
NETWORK = re.compile(
    r"^(?:base_model\.model\.|model\.diffusion_model\.|diffusion_model\.|transformer\.|unet\."
    r"|lora_unet__?|lora_transformer_|lycoris_)"
)
"""EasyAnimate's authors write lora_unet__."""
ENCODER = re.compile(r"^(?:text_encoder(?:_2)?\.|lora_te[12]?_)")
SHOWN = 3
"""How many strange tensors an error names."""

ATTENTION = r"attn2?\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
ENDS = r"x_embedder|context_embedder|proj_out|norm_out\.linear"
ORIGINAL_ENDS = r"img_in|txt_in|(time|vector|guidance)_in\.(in|out)_layer|final_layer\.(linear|adaLN_modulation\.1)"
BLOCK, SINGLE = r"transformer_blocks\.\d+\.", r"single_transformer_blocks\.\d+\."
ORIGINAL_ATTENTION = (
    r"double_blocks\.\d+\.((img|txt)_attn\.(qkv|proj)|(img|txt)_mlp\.[02])|single_blocks\.\d+\.linear[12]"
)
REFINED = r"(layers|noise_refiner|context_refiner)\.\d+\."

LAYERS = {
    "Stable Diffusion 3": (
        rf"{BLOCK}({ATTENTION}|ff(_context)?\.net\.(0\.proj|2)|norm1(_context)?\.linear)|{ENDS}"
        r"|pos_embed\.proj|time_text_embed\.(timestep|text)_embedder\.linear_[12]"
        r"|joint_blocks\.\d+\.(x|context)_block\.(attn2?\.(qkv|proj)|mlp\.fc[12]|adaLN_modulation\.1)"
        r"|x_embedder\.proj|[ty]_embedder\.mlp\.[02]|final_layer\.(linear|adaLN_modulation\.1)"
    ),
    "FLUX.2": (
        rf"{BLOCK}({ATTENTION}|ff(_context)?\.linear_(in|out))|{SINGLE}attn\.(to_qkv_mlp_proj|to_out)|{ENDS}"
        rf"|time_guidance_embed\.(timestep|guidance)_embedder\.linear_[12]|{ORIGINAL_ATTENTION}|{ORIGINAL_ENDS}"
        r"|(single_stream_modulation|double_stream_modulation_(img|txt))\.lin(ear)?"
    ),
    "Qwen-Image": (
        rf"{BLOCK}({ATTENTION}|(img|txt)_mlp\.net\.(0\.proj|2)|(img|txt)_mod\.1)|img_in|txt_in|proj_out"
        r"|norm_out\.linear|time_text_embed\.timestep_embedder\.linear_[12]"
    ),
    "Qwen-Image 2.1": (
        rf"{BLOCK}(attn\.(to_[qkv]|to_out\.0)|img_mlp\.(proj|gate_layer|out))|modulation\.1|img_in|proj_out"
        r"|txt_in\.(in|out)_layer|norm_out\.linear|time_text_embed\.timestep_embedder\.linear_[12]"
    ),
    "Z-Image": (
        rf"{REFINED}(attention\.(to_[qkv]|to_out\.0|qkv|out)|feed_forward\.w[123]|adaLN_modulation\.[01])"
        r"|cap_embedder\.1|t_embedder\.mlp\.[02]|all_x_embedder\.[\d-]+|all_final_layer\.[\d-]+\.(linear|adaLN_modulation\.1)"
    ),
    "Lumina-Image 2.0": (
        rf"{REFINED}(attn\.(to_[qkv]|to_out\.0)|attention\.(qkv|out)|feed_forward\.(linear_|w)[123]|norm1\.linear"
        r"|adaLN_modulation\.1)|x_embedder|norm_out\.linear_[12]"
        r"|time_caption_embed\.(timestep_embedder\.linear_[12]|caption_embedder\.1)"
    ),
    "AuraFlow": (
        rf"(joint|single)_{BLOCK}(attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
        r"|ff(_context)?\.(linear_1|linear_2|out_projection)|norm1(_context)?\.linear)"
        r"|context_embedder|proj_out|pos_embed\.proj|norm_out\.linear|time_step_proj\.linear_[12]"
    ),
    "HunyuanDiT": (
        r"blocks\.\d+\.(attn[12]\.(to_[qkv]|to_out\.0)|ff\.net\.(0\.proj|2)|norm1\.linear|skip_linear)"
        r"|pos_embed\.proj|proj_out|norm_out\.linear|text_embedder\.linear_[12]|time_extra_emb\..+"
    ),
    "Allegro": (
        rf"{BLOCK}(attn[12]\.(to_[qkv]|to_out\.0)|ff\.net\.(0\.proj|2))|pos_embed\.proj|proj_out"
        r"|adaln_single\.(linear|emb\.timestep_embedder\.linear_[12])|caption_projection\.linear_[12]"
    ),
    "EasyAnimate": (
        rf"{BLOCK}(attn1\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)|attn2\.(to_[qkv]|to_out\.0)"
        r"|(ff|txt_ff)\.net\.(0\.proj|2)|norm[12]\.linear)|time_embedding\.linear_[12]|proj|text_proj\.1"
        r"|norm_out\.linear|proj_out"
    ),
    "Stable Video Diffusion": (
        rf"((down|up)_blocks\.\d+|mid_block)\.(attentions\.\d+\.(proj_in|proj_out|time_pos_embed\.linear_[12]"
        rf"|(temporal_)?{BLOCK}(attn[12]\.(to_[qkv]|to_out\.0)|(ff|ff_in)\.net\.(0\.proj|2)))"
        r"|resnets\.\d+\.(spatial|temporal)_res_block\.(conv1|conv2|conv_shortcut|time_emb_proj)|(down|up)samplers\.0\.conv)"
        r"|conv_in|conv_out|(time|add)_embedding\.linear_[12]"
    ),
}  # fmt: skip
"""Every layer that a LoRA of a family may be for: diffusers' names, and those of the original code."""
LOOKS = {
    r"(down|up|mid|input|output|middle)_blocks?[._]": "Stable Diffusion or SDXL",
    r"joint_blocks[._]\d": "Stable Diffusion 3",
    r"(img|txt)_mod[._]1|(img|txt)_mlp[._]net": "Qwen-Image",
    r"img_mlp[._](proj|gate_layer|out)": "Qwen-Image 2.1",
    r"joint_transformer_blocks": "AuraFlow",
    r"(double|single)_stream_modulation|to_qkv_mlp_proj": "FLUX.2",
    r"refiner[._]\d+[._]attention|layers[._]\d+[._]attention": "Z-Image or Lumina-Image 2.0",
    r"double_blocks|single_blocks|single_transformer_blocks": "FLUX.1, FLUX.2 or HunyuanVideo",
    r"attn[12][._].*caption|patchify_proj|adaln_single": "LTX-Video or PixArt",
    r"(^|[._])blocks[._]\d+[._](cross_attn|self_attn)": "Wan",
    r"transformer_blocks[._]\d+[._]attn[._]add_[qkv]_proj": "a multimodal transformer, as Stable Diffusion 3 is",
}
"""What a file looks like, by a pattern in its names; the first that is found."""
TEXT_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "SDXL"}
"""What the keys of a UNet's cross-attention are made of, by model."""


def check_unet(path: Path, family: str, widths: tuple[int, ...]) -> None:
    """Refuse a file that holds no LoRA for a UNet with text of one of these widths, by its header.

    Raises:
        UserError: it holds something else, and what it looks like.
    """
    shapes = _read(path)
    strange = [name for name in shapes if not TENSOR.search(name)]
    if strange:
        raise UserError(f"{path} is not a LoRA that can be laid over: it holds {_named(strange)}.")
    looks = looks_like(shapes)
    width = next((shape[1] for key, shape in shapes.items() if _reads_words(key) and len(shape) > 1), 0)
    if looks == LOOKS[next(iter(LOOKS))]:
        looks = TEXT_WIDTHS.get(width)
    if looks and looks not in [TEXT_WIDTHS.get(width) for width in widths]:
        raise UserError(f"{path} is a LoRA for {looks}, not for {family} (it holds {next(iter(shapes))!r}).")


def check_transformer(path: Path, family: str, *, encoders: bool = False) -> None:
    """Refuse a file that holds anything else than LoRA weights for a family of `LAYERS`, by its header.

    Args:
        path: the file.
        family: as in `LAYERS`.
        encoders: whether its CLIP text encoders take LoRAs too.

    Raises:
        UserError: it holds something else: the first such names, and what it looks like.
    """
    check_layers(path, family, lambda layer: _layers(family).fullmatch(layer) is not None, encoders=encoders)


def check_layers(path: Path, family: str, known: Callable[[str], bool], *, encoders: bool = False) -> None:
    """As `check_transformer`, for a family that tells by `known` whether a layer is its own.

    It is given the layer's path with no prefix, its dots as underscores.
    """
    shapes = _read(path)
    strange = [name for name in shapes if not _fits(name, known, encoders)]
    if not strange:
        return
    looks = looks_like(strange)
    raise UserError(
        f"{path} is no LoRA for {family}: {len(strange)} of its {len(shapes)} tensors are for no layer of it, such as "
        f"{_named(strange)}." + (f"\nIt looks like one for {looks}." if looks and looks != family else "")
    )


def is_lycoris(names: list[str]) -> bool:
    """Whether a file holds LoHa, LoKr or DoRA."""
    return any(re.search(f"{LYCORIS}$", name) for name in names)


def _fits(name: str, known: Callable[[str], bool], encoders: bool) -> bool:
    found = TENSOR.search(name)
    if found is None:
        return False
    layer = name[: found.start()]
    if ENCODER.match(layer):
        return encoders
    return known(NETWORK.sub("", layer).replace(".", "_"))


@cache
def _layers(family: str) -> re.Pattern[str]:
    return re.compile(LAYERS[family].replace(r"\.", "[._]"))


def _read(path: Path) -> Shapes:
    shapes = read_shapes(path)
    if not shapes:
        raise UserError(f"{path} is not a readable .safetensors file; give a LoRA in that format.")
    return shapes


def _named(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more


def _reads_words(name: str) -> bool:
    """Whether a tensor takes in the text: what goes down to the keys of a cross-attention."""
    return re.search(r"attn2[._]to_k\b.*(down|lora_A)", name) is not None


def looks_like(names: Iterable[str]) -> str | None:
    """The families whose layers some tensors' names are like; None when they are like none that is known."""
    every = list(names)
    return next((look for pattern, look in LOOKS.items() if any(re.search(pattern, name) for name in every)), None)
