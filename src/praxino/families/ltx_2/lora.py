"""What the layers of LoRAs for LTX-2 are called in the networks. No torch.

Source: diffusers 0.42.1, loaders/lora_conversion_utils.py (_convert_non_diffusers_ltx2_lora_to_diffusers).
"""

from __future__ import annotations

import re

TRANSFORMER, CONNECTORS = "transformer", "connectors"
RENAMED = (
    ("av_ca_video_scale_shift_adaln_single", "av_cross_attn_video_scale_shift"),
    ("av_ca_a2v_gate_adaln_single", "av_cross_attn_video_a2v_gate"),
    ("av_ca_audio_scale_shift_adaln_single", "av_cross_attn_audio_scale_shift"),
    ("av_ca_v2a_gate_adaln_single", "av_cross_attn_audio_v2a_gate"),
    ("audio_prompt_adaln_single", "audio_prompt_adaln"),
    ("prompt_adaln_single", "prompt_adaln"),
    ("audio_adaln_single", "audio_time_embed"),
    ("adaln_single", "time_embed"),
    ("audio_patchify_proj", "audio_proj_in"),
    ("patchify_proj", "proj_in"),
)
"""The authors' names, at the beginning of a layer's, and diffusers'."""
TEXT_PROJECTION = "text_embedding_projection.aggregate_embed"
KNOWN = re.compile(
    r"transformer_blocks\.\d+\.((audio_)?attn[12]|audio_to_video_attn|video_to_audio_attn)"
    r"\.(to_[qkv]|to_out\.0|to_gate_logits)"
    r"|transformer_blocks\.\d+\.(audio_)?ff\.net\.(0\.proj|2)"
    r"|(audio_)?(proj_in|proj_out)"
    r"|(audio_)?caption_projection\.linear_[12]"
    r"|((audio_)?(time_embed|prompt_adaln)|av_cross_attn_(video|audio)_(scale_shift|a2v_gate|v2a_gate))"
    r"\.(linear|emb\.timestep_embedder\.linear_[12])"
)
"""The linear layers of the transformer."""


def targets(layer: str) -> tuple[str, ...]:
    """A layer's path as a file has it to that in the networks; () when there is none."""
    if layer == TEXT_PROJECTION:
        return (f"{CONNECTORS}.text_proj_in",)
    name = next((new + layer.removeprefix(old) for old, new in RENAMED if layer.startswith(f"{old}")), layer)
    return (f"{TRANSFORMER}.{name}",) if KNOWN.fullmatch(name) else ()
