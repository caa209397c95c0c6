"""Lightricks' single files of LTX-2: their names against diffusers' own converters, and what is drawn from them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel
from diffusers.loaders import single_file_utils as theirs
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder, LTX2VocoderWithBWE
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError
from praxino.families import families
from praxino.families.ltx_2 import FAMILY
from praxino.families.ltx_2.identify import identify
from praxino.families.ltx_2.single_file import NETWORKS, holds, place_of

from .test_ltx_2 import drawn, recipe_for

STATISTICS = {
    "latents_mean": "per_channel_statistics.mean-of-means",
    "latents_std": "per_channel_statistics.std-of-means",
}
BEGINNINGS = {
    "transformer": {
        "proj_in.": "patchify_proj.", "audio_proj_in.": "audio_patchify_proj.", "time_embed.": "adaln_single.",
        "audio_time_embed.": "audio_adaln_single.", "prompt_adaln.": "prompt_adaln_single.",
        "audio_prompt_adaln.": "audio_prompt_adaln_single.",
        "av_cross_attn_video_scale_shift.": "av_ca_video_scale_shift_adaln_single.",
        "av_cross_attn_audio_scale_shift.": "av_ca_audio_scale_shift_adaln_single.",
        "av_cross_attn_video_a2v_gate.": "av_ca_a2v_gate_adaln_single.",
        "av_cross_attn_audio_v2a_gate.": "av_ca_v2a_gate_adaln_single.",
    },
    "connectors": {
        "text_proj_in.": "text_embedding_projection.aggregate_embed.",
        "video_text_proj_in.": "text_embedding_projection.video_aggregate_embed.",
        "audio_text_proj_in.": "text_embedding_projection.audio_aggregate_embed.",
        "video_connector.transformer_blocks.": "video_embeddings_connector.transformer_1d_blocks.",
        "audio_connector.transformer_blocks.": "audio_embeddings_connector.transformer_1d_blocks.",
        "video_connector.": "video_embeddings_connector.", "audio_connector.": "audio_embeddings_connector.",
    },
    "vae": STATISTICS,
    "audio_vae": STATISTICS,
    "vocoder": {},
}  # fmt: skip
WITHIN = (
    ("norm_q", "q_norm"), ("norm_k", "k_norm"),
    ("video_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_video"),
    ("audio_a2v_cross_attn_scale_shift_table", "scale_shift_table_a2v_ca_audio"),
)  # fmt: skip


def original(network: str, key: str, num_down_blocks: int) -> str:
    """What Lightricks call a weight of diffusers' network."""
    for ours, others in BEGINNINGS[network].items():
        if key.startswith(ours):
            key = others + key.removeprefix(ours)
            break
    if network in ("transformer", "connectors"):
        for ours, others in WITHIN:
            key = key.replace(ours, others)
        outside = key.startswith("text_embedding_projection")
        return key if outside else f"model.diffusion_model.{key}"
    if network == "vae":
        key = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", lambda m: f"down_blocks.{2 * int(m[1]) + 1}", key)
        key = re.sub(r"down_blocks\.(\d+)\.resnets", lambda m: f"down_blocks.{2 * int(m[1])}.res_blocks", key)
        key = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up_blocks.{2 * int(m[1]) + 1}", key)
        key = re.sub(r"(?<!\w)up_blocks\.(\d+)\.resnets", lambda m: f"up_blocks.{2 * int(m[1]) + 2}.res_blocks", key)
        key = key.replace("encoder.mid_block.resnets", f"encoder.down_blocks.{2 * num_down_blocks}.res_blocks")
        key = key.replace("decoder.mid_block.resnets", "decoder.up_blocks.0.res_blocks")
    if network == "vocoder":
        for ours, others in (
            ("upsamplers", "ups"), ("resnets", "resblocks"), ("conv_in", "conv_pre"), ("conv_out", "conv_post"),
            ("act_out", "act_post"),
        ):  # fmt: skip
            key = key.replace(ours, others)
        key = re.sub(r"\.downsample\.(?!lowpass)", ".downsample.lowpass.", key)
    return f"{network}.{key}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ltx2") / "miniature"
    FAMILY.miniature(path)
    return path


@pytest.fixture(scope="module")
def file(folder, tmp_path_factory) -> Path:
    """The miniature in one file, beside a card that names its folder."""
    home = tmp_path_factory.mktemp("files")
    tensors = {}
    for network in NETWORKS:
        (stored,) = (folder / network).glob("*.safetensors")
        tensors |= {original(network, key, 2): tensor for key, tensor in load_file(stored).items()}
    tensors["vae.per_channel_statistics.mean-of-stds"] = torch.zeros(8)
    save_file(tensors, home / "mine.safetensors", {"model_version": "2.0.0"})
    card = json.loads((folder / "praxino.json").read_text())
    (home / "praxino.json").write_text(json.dumps({**card, "components": str(folder)}))
    return home / "mine.safetensors"


def test_a_single_file_draws_what_its_folder_draws(folder, file) -> None:
    parts = [FAMILY.load(path, FAMILY.identify(path), "float32", "cpu") for path in (folder, file)]
    for ours, expected in zip(
        drawn(recipe_for(parts[1]), parts[1]), drawn(recipe_for(parts[0]), parts[0]), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6)  # weights in aligned memory round otherwise
    assert parts[1].upsampler is not None


def test_it_is_this_familys_alone(file) -> None:
    assert [name for name, family in families().items() if family.identify(file) is not None] == ["ltx-2"]


def test_a_transformer_alone_takes_the_rest_from_the_folder(folder, file, tmp_path) -> None:
    whole = load_file(file)
    inside = {
        key: tensor * 2 if key.endswith("patchify_proj.weight") else tensor
        for key, tensor in whole.items()
        if key.startswith("model.diffusion_model.") and "embeddings_connector" not in key
    }
    save_file(inside, tmp_path / "merge.safetensors")
    shutil.copy(file.with_name("praxino.json"), tmp_path)
    path = tmp_path / "merge.safetensors"
    parts = FAMILY.load(path, FAMILY.identify(path), "float32", "cpu")
    before = FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")
    assert torch.equal(parts.transformer.proj_in.weight, 2 * before.transformer.proj_in.weight)
    assert torch.equal(parts.vae.encoder.conv_in.conv.weight, before.vae.encoder.conv_in.conv.weight)


def test_the_names_of_published_files_tell_the_distilled_one(file, tmp_path) -> None:
    for stem, name in (("ltx-2.3-22b-distilled-1.1", "ltx-2.3-distilled"), ("mine", "ltx-2")):
        path = Path(shutil.copy(file, tmp_path / f"{stem}.safetensors"))
        found = identify(path)
        assert found is not None and found.name == name
        with pytest.raises(ModelError, match=r"config\.json is missing"):
            FAMILY.load(path, found, "float32", "cpu")


def test_what_is_not_read_is_said(file, tmp_path) -> None:
    tensors = load_file(file)
    save_file(tensors, tmp_path / "later.safetensors", {"gemma_source_checkpoint": "{}"})
    with pytest.raises(ModelError, match=r"LTX-2\.5"):
        identify(tmp_path / "later.safetensors")
    scaled = {**tensors, "model.diffusion_model.transformer_blocks.0.attn1.to_q.weight_scale": torch.ones(1)}
    save_file(scaled, tmp_path / "fp8.safetensors")
    with pytest.raises(ModelError, match="in bfloat16"):
        identify(tmp_path / "fp8.safetensors")
    save_file({"x": torch.ones(1)}, tmp_path / "other.safetensors")
    assert holds(tmp_path / "other.safetensors") is None


def keys_of(kind, config) -> list[str]:
    with torch.device("meta"):
        return list(kind(**config).state_dict())


TINY = {"num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 8, "cross_attention_dim": 16,
        "audio_num_attention_heads": 2, "audio_attention_head_dim": 4, "audio_cross_attention_dim": 8}  # fmt: skip
LATER_TRANSFORMER = {
    "gated_attn": True, "cross_attn_mod": True, "audio_gated_attn": True, "audio_cross_attn_mod": True,
    "use_prompt_embeddings": False, "perturbed_attn": True,
}  # fmt: skip
LATER_VAE = {
    "block_out_channels": (32, 64, 128, 128), "decoder_block_out_channels": (32, 64, 64, 128),
    "layers_per_block": (4, 6, 4, 2, 2), "decoder_layers_per_block": (4, 6, 4, 2, 2),
    "decoder_spatio_temporal_scaling": (True,) * 4, "decoder_inject_noise": (False,) * 5,
    "upsample_type": ("spatiotemporal", "spatiotemporal", "temporal", "spatial"), "upsample_residual": (False,) * 4,
    "upsample_factor": (2, 2, 1, 2),
}  # fmt: skip
LATER_CONNECTORS = {"per_modality_projections": True, "video_gated_attn": True, "audio_gated_attn": True,
                    "video_hidden_dim": 64, "audio_hidden_dim": 32, "proj_bias": True}  # fmt: skip
PUBLISHED = [
    ("transformer", LTX2VideoTransformer3DModel, TINY),
    ("transformer", LTX2VideoTransformer3DModel, {**TINY, **LATER_TRANSFORMER}),
    ("connectors", LTX2TextConnectors, {}),
    ("connectors", LTX2TextConnectors, LATER_CONNECTORS),
    ("vae", AutoencoderKLLTX2Video, {}),
    ("vae", AutoencoderKLLTX2Video, LATER_VAE),
    ("audio_vae", AutoencoderKLLTX2Audio, {}),
    ("vocoder", LTX2Vocoder, {}),
    ("vocoder", LTX2VocoderWithBWE, {}),
]


@pytest.mark.parametrize(("network", "kind", "config"), PUBLISHED)
def test_every_weight_of_the_published_structures_has_its_place(network, kind, config) -> None:
    keys = keys_of(kind, config)
    named = {original(network, key, 4): key for key in keys}
    assert len(named) == len(keys)
    for file_key, key in named.items():
        assert place_of(file_key, 4) == (network, key), file_key


@pytest.mark.parametrize(
    ("network", "kind", "config", "convert"),
    [
        ("transformer", LTX2VideoTransformer3DModel, TINY, theirs.convert_ltx2_transformer_to_diffusers),
        ("vae", AutoencoderKLLTX2Video, {}, theirs.convert_ltx2_vae_to_diffusers),
        ("audio_vae", AutoencoderKLLTX2Audio, {}, theirs.convert_ltx2_audio_vae_to_diffusers),
    ],
)
def test_diffusers_own_converters_agree(network, kind, config, convert) -> None:
    """For LTX-2.0, which they know."""
    named = {original(network, key, 4): torch.full((1,), index) for index, key in enumerate(keys_of(kind, config))}
    for key, tensor in convert(dict(named)).items():
        (file_key,) = [name for name, other in named.items() if other is tensor]
        assert place_of(file_key, 4) == (network, key)
