"""The names of the transformer's layers, the authors' and diffusers', and what of them a LoRA file holds. No torch.

A layer is found by its name with dots as underscores, as kohya's trainer writes it, so that kohya's, ComfyUI's,
diffusers' and the authors' files are read alike. Every tensor of a file has to be found: nothing is left out silently.
diffusers' own conversion is not used: it leaves what it does not know out without an error, drops the layers outside
of the blocks, forgets the alpha of the last layer, and knows one width only; where it is right, the tests compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from praxino.families._lora_names import all_placed, shapes_of
from praxino.families._stock.checkpoint import read_shapes
from praxino.families._stock.lora_names import LYCORIS
from praxino.families.flux.variants import CONTROL_LORA_SCALE

Network = Literal["transformer", "clip"]
Role = str
"""A, B, bias, alpha, norm, or what LyCORIS calls a tensor of LoHa, LoKr or DoRA."""

PREFIXES: tuple[tuple[str, Network], ...] = (
    ("base_model.model.", "transformer"),
    ("model.diffusion_model.", "transformer"),
    ("diffusion_model.", "transformer"),
    ("transformer.", "transformer"),
    ("lora_transformer_", "transformer"),
    ("lycoris_", "transformer"),
    ("lora_unet_", "transformer"),
    ("text_encoders.clip_l.transformer.", "clip"),
    ("text_encoder.", "clip"),
    ("lora_te1_", "clip"),
    ("lora_te_", "clip"),
    ("", "transformer"),
)
SUFFIXES: tuple[tuple[str, Role], ...] = (
    (".lora_A.weight", "A"), (".lora_down.weight", "A"),
    (".lora_B.weight", "B"), (".lora_up.weight", "B"), (".lora_B.bias", "bias"),
    (".alpha", "alpha"), (".scale", "norm"), (".lora_magnitude_vector.weight", "dora_scale"),
)  # fmt: skip
LYCORIS_SUFFIX = re.compile(rf"{LYCORIS}$")

DOUBLE = {
    "img_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "img_attn_proj": ("attn.to_out.0",),
    "img_mlp_0": ("ff.net.0.proj",),
    "img_mlp_2": ("ff.net.2",),
    "img_mod_lin": ("norm1.linear",),
    "img_attn_norm_query_norm": ("attn.norm_q",),
    "img_attn_norm_key_norm": ("attn.norm_k",),
    "txt_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "txt_attn_proj": ("attn.to_add_out",),
    "txt_mlp_0": ("ff_context.net.0.proj",),
    "txt_mlp_2": ("ff_context.net.2",),
    "txt_mod_lin": ("norm1_context.linear",),
    "txt_attn_norm_query_norm": ("attn.norm_added_q",),
    "txt_attn_norm_key_norm": ("attn.norm_added_k",),
}
"""Layers of a block with a stream for the picture and one for the text."""
SINGLE = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation_lin": ("norm.linear",),
    "norm_query_norm": ("attn.norm_q",),
    "norm_key_norm": ("attn.norm_k",),
}
"""Layers of a block with one stream."""
OUTER = {
    "img_in": ("x_embedder",),
    "txt_in": ("context_embedder",),
    "time_in_in_layer": ("time_text_embed.timestep_embedder.linear_1",),
    "time_in_out_layer": ("time_text_embed.timestep_embedder.linear_2",),
    "vector_in_in_layer": ("time_text_embed.text_embedder.linear_1",),
    "vector_in_out_layer": ("time_text_embed.text_embedder.linear_2",),
    "guidance_in_in_layer": ("time_text_embed.guidance_embedder.linear_1",),
    "guidance_in_out_layer": ("time_text_embed.guidance_embedder.linear_2",),
    "final_layer_linear": ("proj_out",),
    "final_layer_adaLN_modulation_1": ("norm_out.linear",),
}
"""Layers outside of the blocks."""
SWAPPED = "final_layer_adaLN_modulation_1"
"""The authors' last modulation puts out shift and scale, diffusers' scale and shift."""
BLOCKS = (
    (r"double_blocks_(\d+)_(.+)", "transformer_blocks.{}.{}", DOUBLE),
    (r"single_blocks_(\d+)_(.+)", "single_transformer_blocks.{}.{}", SINGLE),
)
CLIP_LAYER = r"(?:text_model_)?encoder_layers_(\d+)_(self_attn_(?:q|k|v|out)_proj|mlp_fc[12])"


@dataclass(frozen=True)
class Piece:
    """What one tensor of a LoRA file is."""

    network: Network
    targets: tuple[str, ...]
    """The layers, in diffusers' names, that share its rows in this order."""
    role: Role
    swapped: bool
    """Whether the two halves of its rows change places."""


def read_names(names: Iterable[str], path: Path) -> dict[str, Piece]:
    """What each tensor of a file is.

    Raises:
        UserError: the file holds no LoRA, or a tensor that belongs nowhere; the message has the first of them.
    """
    found = {name: piece_of(name) for name in names}
    return all_placed(found, "FLUX.1", path)


def check_lora(path: Path) -> float | None:
    """See `Family.check_lora`."""
    read_names(shapes_of(path), path)
    return CONTROL_LORA_SCALE if brings_map(path) else None


def brings_map(path: Path) -> bool:
    """Whether a LoRA makes room for a map on the channels of the transformer's input (Canny and Depth as LoRAs)."""
    shapes = read_shapes(path) or {}
    pieces = {name: piece_of(name) for name in shapes}

    def width(target: str, role: Role, axis: int) -> int:
        return next((shapes[n][axis] for n, p in pieces.items() if p and p.targets == (target,) and p.role == role), 0)

    return width("x_embedder", "A", 1) == 2 * width("proj_out", "B", 0) > 0


def piece_of(name: str) -> Piece | None:
    """What a tensor of this name is; None when it belongs nowhere."""
    suffix, role = next((known for known in SUFFIXES if name.endswith(known[0])), ("", None))
    if role is None and (match := LYCORIS_SUFFIX.search(name)):
        suffix, role = match.group(), match.group()[1:].removesuffix(".default")
    prefix, network = next(known for known in PREFIXES if name.startswith(known[0]))
    if role is None:
        return None
    layer = name.removeprefix(prefix).removesuffix(suffix).replace(".", "_")
    targets = _of_clip(layer) if network == "clip" else _of_transformer(layer)
    is_norm = bool(targets) and targets[0].rpartition(".")[2].startswith("norm_")
    if not targets or is_norm != (role == "norm"):
        return None
    return Piece(network, targets, role, swapped=layer == SWAPPED)


def _of_transformer(layer: str) -> tuple[str, ...]:
    if layer in OUTER:
        return OUTER[layer]
    for targets in OUTER.values():
        if layer == targets[0].replace(".", "_"):
            return targets
    for pattern, named, layers in BLOCKS:
        if match := re.fullmatch(pattern, layer):
            return tuple(named.format(match[1], target) for target in layers.get(match[2], ()))
        own = named.replace(".", "_").format(r"(\d+)", "(.+)")
        if match := re.fullmatch(own, layer):
            known = {target.replace(".", "_"): target for targets in layers.values() for target in targets}
            return (named.format(match[1], known[match[2]]),) if match[2] in known else ()
    return ()


def _of_clip(layer: str) -> tuple[str, ...]:
    match = re.fullmatch(CLIP_LAYER, layer)
    if match is None:
        return ()
    inner = match[2].replace("self_attn_", "self_attn.").replace("mlp_", "mlp.")
    return (f"encoder.layers.{match[1]}.{inner}",)
