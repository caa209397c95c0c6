"""The names of the transformer's layers, the authors' and diffusers', and what of them a LoRA file holds. No torch.

A layer is found by its name with dots as underscores, as kohya's trainers write it, so that files of musubi-tuner,
ComfyUI, diffusers and the authors are read alike. Every tensor of a file has to be found: nothing is left out
silently. diffusers' own conversion is not used: it drops what is added to weights outright, which distillation LoRAs
bring; where it is right, the tests compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from praxino.families._lora_names import all_placed, shapes_of

Role = Literal["A", "B", "alpha", "magnitude", "diff", "diff_b"]
Expert = Literal["all", "high", "low"]

PREFIX = re.compile(
    r"^(base_model\.model\.)?(model\.diffusion_model\.|diffusion_model\.|lora_unet_|lora_transformer_)?"
)
DIFFUSERS_PREFIX = re.compile(r"^(base_model\.model\.)?transformer(_2)?\.")
SUFFIXES: tuple[tuple[str, Role], ...] = (
    (".lora_A.default.weight", "A"), (".lora_A.weight", "A"), (".lora_down.weight", "A"),
    (".lora_B.default.weight", "B"), (".lora_B.weight", "B"), (".lora_up.weight", "B"),
    (".alpha", "alpha"), (".lora_magnitude_vector", "magnitude"),
    (".diff_b", "diff_b"), (".lora_B.bias", "diff_b"), (".diff", "diff"),
)  # fmt: skip
EXPERT_FILES: dict[str, Expert] = {"high_noise_model": "high", "low_noise_model": "low"}
"""What the authors call Wan 2.2's two transformers, and so the two files of a LoRA for them."""

ATTENTION = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0", "norm_q": "norm_q", "norm_k": "norm_k"}
PICTURES = {"k_img": "add_k_proj", "v_img": "add_v_proj", "norm_k_img": "norm_added_k"}
IN_BLOCK = {
    **{f"self_attn_{name}": f"attn1.{target}" for name, target in ATTENTION.items()},
    **{f"cross_attn_{name}": f"attn2.{target}" for name, target in {**ATTENTION, **PICTURES}.items()},
    "ffn_0": "ffn.net.0.proj",
    "ffn_2": "ffn.net.2",
    "norm3": "norm2",
    "modulation": "scale_shift_table",
    "before_proj": "proj_in",
    "after_proj": "proj_out",
}
"""Layers of a block, of VACE's as well."""
OUTER = {
    "patch_embedding": "patch_embedding",
    "vace_patch_embedding": "vace_patch_embedding",
    "text_embedding_0": "condition_embedder.text_embedder.linear_1",
    "text_embedding_2": "condition_embedder.text_embedder.linear_2",
    "time_embedding_0": "condition_embedder.time_embedder.linear_1",
    "time_embedding_2": "condition_embedder.time_embedder.linear_2",
    "time_projection_1": "condition_embedder.time_proj",
    "img_emb_proj_0": "condition_embedder.image_embedder.norm1",
    "img_emb_proj_1": "condition_embedder.image_embedder.ff.net.0.proj",
    "img_emb_proj_3": "condition_embedder.image_embedder.ff.net.2",
    "img_emb_proj_4": "condition_embedder.image_embedder.norm2",
    "head_head": "proj_out",
    "head_modulation": "scale_shift_table",
}
"""Layers outside of the blocks."""
BLOCK = re.compile(r"^(vace_blocks|blocks)_(\d+)_(.+)$")


@dataclass(frozen=True)
class Piece:
    """What one tensor of a LoRA file is."""

    target: str
    """The layer, or the parameter that is none's, in diffusers' names."""
    role: Role
    expert: Expert
    """Which of two transformers it is for."""


def read_names(names: Iterable[str], path: Path) -> dict[str, Piece]:
    """What each tensor of a file is.

    Raises:
        UserError: the file holds no LoRA, or a tensor that belongs nowhere; the message has the first of them.
    """
    names = list(names)
    has_both = any(DIFFUSERS_PREFIX.match(name) and "transformer_2." in name for name in names)
    found = {name: piece_of(name, EXPERT_FILES.get(path.stem, "all"), has_both=has_both) for name in names}
    return all_placed(found, "Wan", path)


def check_lora(path: Path) -> None:
    """Refuse a file that holds no LoRA, by its header alone. Raises UserError."""
    read_names(shapes_of(path), path)


def piece_of(name: str, expert: Expert = "all", *, has_both: bool = False) -> Piece | None:
    """What a tensor of this name is; None when it belongs nowhere."""
    suffix, role = next((known for known in SUFFIXES if name.endswith(known[0])), ("", None))
    if role is None:
        return None
    stem = name.removesuffix(suffix)
    if match := DIFFUSERS_PREFIX.match(stem):
        stem = stem[match.end() :]
        expert = ("low" if match[2] else "high") if has_both else expert
    else:
        stem = stem[PREFIX.match(stem).end() :]  # pyright: ignore[reportOptionalMemberAccess] - it matches ""
    target = target_of(stem.replace(".", "_"))
    return None if target is None else Piece(target, role, expert)


def target_of(layer: str) -> str | None:
    """A layer's name in diffusers, from the authors' or diffusers' with dots as underscores."""
    if match := BLOCK.match(layer):
        inner = IN_BLOCK.get(match[3]) or _by_target(IN_BLOCK, match[3])
        return None if inner is None else f"{match[1]}.{match[2]}.{inner}"
    return OUTER.get(layer) or _by_target(OUTER, layer)


def _by_target(table: dict[str, str], layer: str) -> str | None:
    return next((target for target in table.values() if target.replace(".", "_") == layer), None)
