"""The names of the transformer's layers, Tencent's and diffusers', and what of them a LoRA file holds. No torch.

A layer is found by its name with dots as underscores, so that Tencent's own files (Hunyuan_video_I2V_lora_...), those
of kohya-like trainers (lora_unet_...), ComfyUI's (diffusion_model. ...) and diffusers' are read alike. Every tensor of
a file has to be found: nothing is left out silently. diffusers' own conversion fails on Tencent's files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from praxino.families._lora_names import all_placed, shapes_of

Role = Literal["A", "B", "alpha", "magnitude"]

TENCENT = "Hunyuan_video_I2V_lora_"
PREFIXES = (
    TENCENT, "base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", "lora_unet_",
    "lora_transformer_",
)  # fmt: skip
SUFFIXES: tuple[tuple[str, Role], ...] = (
    (".lora_A.weight", "A"), (".lora_down.weight", "A"),
    (".lora_B.weight", "B"), (".lora_up.weight", "B"),
    (".alpha", "alpha"), (".lora_magnitude_vector", "magnitude"),
)  # fmt: skip


def _stream(name: str, parts: tuple[str, str, str], projection: str, mlp: str, norm: str) -> dict[str, tuple[str, ...]]:
    return {
        f"{name}_attn_qkv": tuple(f"attn.{part}" for part in parts),
        f"{name}_attn_proj": (f"attn.{projection}",),
        f"{name}_mlp_fc1": (f"{mlp}.net.0.proj",),
        f"{name}_mlp_0": (f"{mlp}.net.0.proj",),
        f"{name}_mlp_fc2": (f"{mlp}.net.2",),
        f"{name}_mlp_2": (f"{mlp}.net.2",),
        f"{name}_mod_linear": (f"{norm}.linear",),
        f"{name}_mod_lin": (f"{norm}.linear",),
    }


DOUBLE = {
    **_stream("img", ("to_q", "to_k", "to_v"), "to_out.0", "ff", "norm1"),
    **_stream("txt", ("add_q_proj", "add_k_proj", "add_v_proj"), "to_add_out", "ff_context", "norm1_context"),
}
"""Layers of a block with a stream for the video and one for the text. ComfyUI's spelling is that of FLUX.1."""
SINGLE = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation_linear": ("norm.linear",),
    "modulation_lin": ("norm.linear",),
}
"""Layers of a block with one stream."""
REFINER = {
    "self_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "self_attn_proj": ("attn.to_out.0",),
    "mlp_fc1": ("ff.net.0.proj",),
    "mlp_fc2": ("ff.net.2",),
    "adaLN_modulation_1": ("norm_out.linear",),
}
"""Layers of a block that refines the text."""
Blocks = tuple[tuple[str, str, dict[str, tuple[str, ...]]], ...]
BLOCKS: Blocks = (
    (r"double_blocks_(\d+)_(.+)", "transformer_blocks.{}.{}", DOUBLE),
    (r"single_blocks_(\d+)_(.+)", "single_transformer_blocks.{}.{}", SINGLE),
    (
        r"txt_in_individual_token_refiner_blocks_(\d+)_(.+)",
        "context_embedder.token_refiner.refiner_blocks.{}.{}",
        REFINER,
    ),
)
"""A block's name in a file, in the network, and its layers."""
SWAPPED = "final_layer_adaLN_modulation_1"
"""Shift comes before scale in Tencent's, after it in diffusers'."""
OUTER = {
    "txt_in_input_embedder": "context_embedder.proj_in",
    "txt_in_t_embedder_mlp_0": "context_embedder.time_text_embed.timestep_embedder.linear_1",
    "txt_in_t_embedder_mlp_2": "context_embedder.time_text_embed.timestep_embedder.linear_2",
    "txt_in_c_embedder_linear_1": "context_embedder.time_text_embed.text_embedder.linear_1",
    "txt_in_c_embedder_linear_2": "context_embedder.time_text_embed.text_embedder.linear_2",
    "time_in_mlp_0": "time_text_embed.timestep_embedder.linear_1",
    "time_in_mlp_2": "time_text_embed.timestep_embedder.linear_2",
    "vector_in_in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in_out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in_mlp_0": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in_mlp_2": "time_text_embed.guidance_embedder.linear_2",
    "final_layer_linear": "proj_out",
    SWAPPED: "norm_out.linear",
}
"""Layers outside of the blocks."""


@dataclass(frozen=True)
class Piece:
    """What one tensor of a file is."""

    targets: tuple[str, ...]
    """The network's layers that it is about; several share a fused layer's rows."""
    role: Role
    ignores_alpha: bool
    """Whether its authors lay it on with no regard to its alpha."""
    swapped: bool = False


def read_names(names: Iterable[str], path: Path) -> dict[str, Piece]:
    """What each tensor of a LoRA file is.

    Raises:
        UserError: one of them belongs to no layer, or there is no LoRA in it.
    """
    found = {name: piece_of(name) for name in names}
    return all_placed(found, "HunyuanVideo", path)


def check_lora(path: Path) -> None:
    """See `Family.check_lora`."""
    read_names(shapes_of(path), path)


def piece_of(name: str) -> Piece | None:
    """What a tensor of this name is; None when it belongs nowhere."""
    suffix, role = next((known for known in SUFFIXES if name.endswith(known[0])), ("", None))
    if role is None:
        return None
    prefix = next((known for known in PREFIXES if name.startswith(known)), "")
    layer = name.removeprefix(prefix).removesuffix(suffix).replace(".", "_")
    targets = targets_of(layer)
    return Piece(targets, role, prefix == TENCENT, layer == SWAPPED) if targets else None


def targets_of(layer: str, outer: Mapping[str, str] = OUTER, blocks: Blocks = BLOCKS) -> tuple[str, ...]:
    """The network's layers that share the rows of a file's `layer`, its dots as underscores; () when it is none.

    Args:
        layer: in the names of a file's author or of diffusers.
        outer: the layers outside of the blocks, of another network as of HunyuanVideo's.
        blocks: the blocks, likewise.
    """
    if layer in outer:
        return (outer[layer],)
    if own := [target for target in outer.values() if layer == target.replace(".", "_")]:
        return (own[0],)
    for pattern, named, layers in blocks:
        if match := re.fullmatch(pattern, layer):
            return tuple(named.format(match[1], target) for target in layers.get(match[2], ()))
        if match := re.fullmatch(named.replace(".", "_").format(r"(\d+)", "(.+)"), layer):
            known = {target.replace(".", "_"): target for targets in layers.values() for target in targets}
            return (named.format(match[1], known[match[2]]),) if match[2] in known else ()
    return ()
