"""Lightricks' single files: all networks but Gemma together, in names of their own, over the configs of a folder.

Source: diffusers 0.42.1, scripts/convert_ltx2_to_diffusers.py (versions 2.0 and 2.3). Importable without torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import ModelError
from praxino.families import _header
from praxino.families.ltx_2.lora import CONNECTORS, RENAMED, TRANSFORMER

if TYPE_CHECKING:
    import torch

PREFIX = "model.diffusion_model."
VAE, SOUND_VAE, VOCODER = "vae", "audio_vae", "vocoder"
NETWORKS = (TRANSFORMER, CONNECTORS, VAE, SOUND_VAE, VOCODER)
"""By the names of their folders; all that such a file may hold."""
OF_THE_CONNECTORS = {
    "video_embeddings_connector.": "video_connector.",
    "audio_embeddings_connector.": "audio_connector.",
    "text_embedding_projection.aggregate_embed.": "text_proj_in.",
    "text_embedding_projection.audio_aggregate_embed.": "audio_text_proj_in.",
    "text_embedding_projection.video_aggregate_embed.": "video_text_proj_in.",
}
"""How names begin there, and diffusers' names."""
SEGMENTS = {
    TRANSFORMER: {
        "q_norm": "norm_q",
        "k_norm": "norm_k",
        "scale_shift_table_a2v_ca_video": "video_a2v_cross_attn_scale_shift_table",
        "scale_shift_table_a2v_ca_audio": "audio_a2v_cross_attn_scale_shift_table",
    },
    CONNECTORS: {"q_norm": "norm_q", "k_norm": "norm_k", "transformer_1d_blocks": "transformer_blocks"},
    VAE: {
        "res_blocks": "resnets",
        "last_time_embedder": "time_embedder",
        "last_scale_shift_table": "scale_shift_table",
    },
    SOUND_VAE: {},
    VOCODER: {
        "ups": "upsamplers",
        "resblocks": "resnets",
        "conv_pre": "conv_in",
        "conv_post": "conv_out",
        "act_post": "act_out",
    },
}
"""Parts of names between dots, and diffusers' for them."""
STATISTICS = {
    "per_channel_statistics.mean-of-means": "latents_mean",
    "per_channel_statistics.std-of-means": "latents_std",
}
BLOCK = re.compile(r"(encoder|decoder)\.(down|up)_blocks\.(\d+)\.")
IN_8_BITS = ("weight_scale", "input_scale", "scale_weight", "scaled_fp8")


def holds(path: Path) -> _header.Header | None:
    """The header of a single file of LTX-2; None for anything else.

    Raises:
        ModelError: it is LTX-2.5's, or in 8 bits.
    """
    header = _header.read(path)
    if header is None or not any(key.endswith("audio_patchify_proj.weight") for key in header.shapes):
        return None
    if "gemma_source_checkpoint" in header.metadata:
        raise ModelError(f"{path} is of LTX-2.5, whose words another text encoder reads; LTX-2 and 2.3 are known.")
    if any(key.endswith(IN_8_BITS) for key in header.shapes):
        raise ModelError(f"{path} is in 8 bits with scales of its own; take the file in bfloat16.")
    return header


def place_of(key: str, num_down_blocks: int) -> tuple[str, str] | None:
    """The network that a file's weight belongs to, and its name there; None for what diffusers has no use for.

    `num_down_blocks` are those of the video's autoencoder.
    """
    for network in (SOUND_VAE, VOCODER, VAE):
        if key.startswith(f"{network}."):
            return _of_a_codec(network, key.removeprefix(f"{network}."), num_down_blocks)
    key = key.removeprefix(PREFIX)
    for theirs, ours in OF_THE_CONNECTORS.items():
        if key.startswith(theirs):
            return CONNECTORS, _renamed(CONNECTORS, ours + key.removeprefix(theirs))
    begun = next((new + key.removeprefix(old) for old, new in RENAMED if key.startswith(f"{old}.")), key)
    return TRANSFORMER, _renamed(TRANSFORMER, begun)


def _of_a_codec(network: str, key: str, num_down_blocks: int) -> tuple[str, str] | None:
    if key in STATISTICS:
        return network, STATISTICS[key]
    if key.startswith("per_channel_statistics."):
        return None
    if network == VAE:
        key = BLOCK.sub(lambda found: _block(found, num_down_blocks), key)
    return network, _renamed(network, key).replace(".downsample.lowpass.", ".downsample.")


def _block(found: re.Match[str], num_down_blocks: int) -> str:
    """Blocks of resnets and resamplers, counted together, as diffusers' blocks with resamplers in them."""
    half, way, index = found[1], found[2], int(found[3])
    if way == "down":
        if index == 2 * num_down_blocks:
            return f"{half}.mid_block."
        return f"{half}.down_blocks.{index // 2}." + ("downsamplers.0." if index % 2 else "")
    if index == 0:
        return f"{half}.mid_block."
    return f"{half}.up_blocks.{(index - 1) // 2}." + ("upsamplers.0." if index % 2 else "")


def _renamed(network: str, key: str) -> str:
    return ".".join(SEGMENTS[network].get(part, part) for part in key.split("."))


def read(file: Path, home: Path, classes: Mapping[str, str], kind: torch.dtype) -> dict[str, Any]:
    """The networks that a file holds, by name, made with the configs of a folder of diffusers.

    Args:
        file: a single file.
        home: the folder with a config for each of them, as in transformer/config.json.
        classes: the class of each, as "MODULE:NAME".
        kind: the number format that they are read in.

    Raises:
        ModelError: a config is missing, or the weights are not of its shapes.
    """
    from safetensors import safe_open

    from praxino.families._stock.load import diffusers_class

    found: dict[str, Any] = {}
    with safe_open(file, "pt") as stored:
        for name, keys in _sorted_out(list(stored.keys()), home).items():
            tensors = {ours: stored.get_tensor(theirs).to(kind) for ours, theirs in keys.items()}
            found[name] = _filled(diffusers_class(classes[name]), home / name, tensors)
    return found


def _sorted_out(keys: list[str], home: Path) -> dict[str, dict[str, str]]:
    """By network: diffusers' names of its weights, and the file's."""
    from praxino.families._stock.checkpoint import read_json

    num_down_blocks = len(read_json(home / VAE / "config.json").get("block_out_channels", (1, 2, 3, 4)))
    found: dict[str, dict[str, str]] = {}
    for key in keys:
        if place := place_of(key, num_down_blocks):
            found.setdefault(place[0], {})[place[1]] = key
    return found


def _filled(kind: Any, folder: Path, tensors: dict[str, torch.Tensor]) -> Any:
    from accelerate import init_empty_weights

    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder / 'config.json'} is missing: a single file of LTX-2 is read over the configs and the Gemma of a "
            'folder of diffusers.\nName it in praxino.json: {"family": "ltx-2", "variant": "mine", '
            '"components": "FOLDER"}'
        )
    with init_empty_weights():
        network = kind.from_config(kind.load_config(folder))
    network.load_state_dict(tensors, strict=True, assign=True)
    return network
