"""Transformers in the authors' naming: the diffusers config out of their shapes, and the names. Knows no path.

Names are converted by diffusers; what it leaves out (the position table of first and last frames) is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from praxino.families._stock.checkpoint import Shapes

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "model.diffusion_model."
HEAD_WIDTH = 128
"""Of every published checkpoint; a config.json may say otherwise by its number of heads."""
POSITIONS = "img_emb.emb_pos"
NEEDED = {"patch_embedding.weight", "blocks.0.self_attn.q.weight", "head.head.weight", "text_embedding.0.weight"}
OTHER_FAMILIES = ("face_adapter", "motion_encoder", "audio_injector", "casual_audio_encoder")
"""Beginnings of names that only Animate's and S2V's transformers have."""


def plain_names(shapes: Shapes) -> Shapes:
    """The shapes by the names that the authors use."""
    return {name.removeprefix(PREFIX): shape for name, shape in shapes.items()}


def is_original(shapes: Shapes | None) -> bool:
    """Whether a file, or all files of a folder, hold a transformer of this family."""
    names = plain_names(shapes or {})
    return names.keys() >= NEEDED and not any(name.startswith(OTHER_FAMILIES) for name in names)


def config_of(shapes: Shapes, told: Mapping[str, Any]) -> dict[str, Any]:
    """The diffusers config of a transformer, from its shapes and from what its config.json says."""
    plain = plain_names(shapes)
    width, in_channels, *patch = plain["patch_embedding.weight"]
    heads = told.get("num_heads", width // HEAD_WIDTH)
    config: dict[str, Any] = {
        "patch_size": tuple(patch),
        "num_attention_heads": heads,
        "attention_head_dim": width // heads,
        "in_channels": in_channels,
        "out_channels": plain["head.head.weight"][0] // (patch[0] * patch[1] * patch[2]),
        "text_dim": plain["text_embedding.0.weight"][1],
        "freq_dim": plain["time_embedding.0.weight"][1],
        "ffn_dim": plain["blocks.0.ffn.0.weight"][0],
        "num_layers": count(plain, "blocks"),
        "cross_attn_norm": "blocks.0.norm3.weight" in plain,
        "eps": told.get("eps", 1e-6),
    }
    if "img_emb.proj.0.weight" in plain:
        config |= {"image_dim": plain["img_emb.proj.0.weight"][0], "added_kv_proj_dim": width}
    if POSITIONS in plain:
        config["pos_embed_seq_len"] = plain[POSITIONS][1]
    if "vace_patch_embedding.weight" in plain:
        every = config["num_layers"] // count(plain, "vace_blocks")
        config["vace_layers"] = list(told.get("vace_layers", range(0, config["num_layers"], every)))
        config["vace_in_channels"] = plain["vace_patch_embedding.weight"][1]
    return config


def count(names: Shapes, blocks: str) -> int:
    """How many blocks of a name there are."""
    return len({name.split(".")[1] for name in names if name.startswith(f"{blocks}.")})


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the names that diffusers uses."""
    from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers

    plain = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    positions = plain.pop(POSITIONS, None)
    converted = convert_wan_transformer_to_diffusers(plain)
    if positions is not None:
        converted["condition_embedder.image_embedder.pos_embed"] = positions
    return converted
