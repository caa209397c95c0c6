"""Lightricks' single files, number formats, and what is missing or damaged."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ltx_vae_checkpoint_to_diffusers
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from safetensors.torch import save_file

from praxino.errors import ModelError
from praxino.families.ltx_video import FAMILY, load, miniature, single_file
from praxino.families.ltx_video.header import Header

EARLY_ENCODER = [
    ("down_blocks.0.downsamplers.0", "down_blocks.1"), ("down_blocks.0.conv_out", "down_blocks.2"),
    ("down_blocks.1.downsamplers.0", "down_blocks.4"), ("down_blocks.1.conv_out", "down_blocks.5"),
    ("down_blocks.1", "down_blocks.3"), ("down_blocks.2.downsamplers.0", "down_blocks.7"),
    ("down_blocks.2", "down_blocks.6"), ("down_blocks.3", "down_blocks.8"), ("mid_block", "down_blocks.9"),
]  # fmt: skip
FIRST_DECODER = [
    ("mid_block", "up_blocks.0"), ("up_blocks.0", "up_blocks.1"), ("up_blocks.1.upsamplers.0", "up_blocks.2"),
    ("up_blocks.1", "up_blocks.3"), ("up_blocks.2.conv_in", "up_blocks.4"), ("up_blocks.2.upsamplers.0", "up_blocks.5"),
    ("up_blocks.2", "up_blocks.6"), ("up_blocks.3.conv_in", "up_blocks.7"), ("up_blocks.3.upsamplers.0", "up_blocks.8"),
    ("up_blocks.3", "up_blocks.9"),
]  # fmt: skip
DECODER = [
    ("mid_block", "up_blocks.0"),
    *((f"up_blocks.{i}.upsamplers.0", f"up_blocks.{2 * i + 1}") for i in range(3)),
    *((f"up_blocks.{i}", f"up_blocks.{2 * i + 2}") for i in range(3)),
    ("time_embedder", "last_time_embedder"),
    ("scale_shift_table", "last_scale_shift_table"),
]
LATER_ENCODER = [
    *((f"down_blocks.{i}.downsamplers.0", f"down_blocks.{2 * i + 1}") for i in range(4)),
    *((f"down_blocks.{i}", f"down_blocks.{2 * i}") for i in range(4)),
    ("mid_block", "down_blocks.8"),
]
TABLES = {
    "0.9": (EARLY_ENCODER, FIRST_DECODER),
    "0.9.1": (EARLY_ENCODER, DECODER),
    "0.9.5": (LATER_ENCODER, DECODER),
}
PARTS = [("resnets", "res_blocks"), ("conv_shortcut.conv", "conv_shortcut"), ("norm3.", "norm3.norm.")]
STATISTICS = {
    "latents_mean": "vae.per_channel_statistics.mean-of-means",
    "latents_std": "vae.per_channel_statistics.std-of-means",
}
TRANSFORMER_NAMES = [
    ("proj_in", "patchify_proj"), ("time_embed", "adaln_single"), ("norm_q", "q_norm"), ("norm_k", "k_norm"),
]  # fmt: skip


def lightricks_vae_name(name: str, generation: str) -> str:
    if name in STATISTICS:
        return STATISTICS[name]
    room, _, rest = name.partition(".")
    for ours, theirs in TABLES[generation][0 if room == "encoder" else 1]:
        if re.match(re.escape(ours) + r"(\.|$)", rest):
            rest = theirs + rest[len(ours) :]
            break
    for ours, theirs in PARTS:
        rest = rest.replace(ours, theirs)
    return f"vae.{room}.{rest}"


def lightricks_transformer_name(name: str) -> str:
    for ours, theirs in TRANSFORMER_NAMES:
        name = name.replace(ours, theirs) if not name.startswith("proj_in_") else name
    return f"model.diffusion_model.{name}"


def header_of(generation: str, base: int, channels: int) -> Header:
    """As much of a release's header as tells its structure; published ones have base 128 and 128 channels."""
    shapes = {
        "vae.encoder.conv_in.conv.weight": (base, 48, 3, 3, 3),
        "vae.decoder.conv_in.conv.weight": (4 * base, channels, 3, 3, 3),
    }
    if generation != "0.9":
        shapes["vae.decoder.last_time_embedder.timestep_embedder.linear_1.weight"] = (2 * base, 256)
        shapes["vae.decoder.conv_in.conv.weight"] = (8 * base, channels, 3, 3, 3)
        conv_out = 16 * base if generation == "0.9.5" else 4 * base
        shapes["vae.encoder.conv_out.conv.weight"] = (channels + 1, conv_out, 3, 3, 3)
    return Header(shapes, {})


def tiny_vae(generation: str) -> AutoencoderKLLTXVideo:
    """A VAE of a release's structure, a sixteenth as wide."""
    torch.manual_seed(3)
    vae = AutoencoderKLLTXVideo(**single_file.vae_config(header_of(generation, 8, 16)))
    vae.latents_mean.normal_()
    vae.latents_std.uniform_(0.5, 2)
    return vae.eval()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with T5 and its tokenizer."""
    folder = tmp_path_factory.mktemp("ltx")
    FAMILY.miniature(folder / "miniature")
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(folder / "miniature" / part, folder / part)
    return folder


def write_single_file(path: Path, generation: str) -> tuple[LTXVideoTransformer3DModel, AutoencoderKLLTXVideo]:
    torch.manual_seed(4)
    transformer = LTXVideoTransformer3DModel(**miniature.TRANSFORMER).eval()
    vae = tiny_vae(generation)
    tensors = {lightricks_transformer_name(name): tensor for name, tensor in transformer.state_dict().items()}
    tensors |= {lightricks_vae_name(name, generation): tensor for name, tensor in vae.state_dict().items()}
    tensors["vae.per_channel_statistics.channel"] = torch.arange(16.0)
    config = {
        "transformer": {"attention_head_dim": 16, "causal_temporal_positioning": True},
        "scheduler": {"sampler": "LinearQuadratic"},
        "vae": {"patch_size": 4},
    }
    save_file(tensors, path, metadata={"config": json.dumps(config)})
    return transformer, vae


@pytest.mark.parametrize("generation", ["0.9", "0.9.1"])
@torch.no_grad()
def test_a_single_file_is_the_same_networks(home, generation) -> None:
    path = home / f"tiny-{generation}.safetensors"
    transformer, vae = write_single_file(path, generation)
    variant = FAMILY.identify(path)
    assert variant is not None
    assert (variant.options["num_layers"], variant.options["spatial_ratio"]) == (3, 32)
    assert variant.options["causal_rope"] is True
    assert variant.schedule == "linear-quadratic"
    parts = FAMILY.load(path, variant, "float32", "cpu")
    for mine, theirs in ((parts.transformer, transformer), (parts.vae, vae)):
        for name, tensor in theirs.state_dict().items():
            assert torch.equal(mine.state_dict()[name], tensor), name
    timestep = torch.tensor([0.05]) if generation != "0.9" else None
    latents = torch.randn(1, 16, 2, 2, 2)
    drawn = []
    for network in (parts.vae, vae):
        torch.manual_seed(1)  # the decoder of 0.9.1 adds noise
        drawn.append(network.decode(latents, timestep).sample)
    torch.testing.assert_close(*drawn, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("generation", TABLES)
def test_the_published_vaes_have_their_names_and_shapes(generation) -> None:
    """At full size, without memory: every name of a release is converted, and every shape fits."""
    config = single_file.vae_config(header_of(generation, 128, 128))
    with torch.device("meta"):
        published = AutoencoderKLLTXVideo(**config)
    named = {lightricks_vae_name(name, generation): tensor for name, tensor in published.state_dict().items()}
    filled = load._filled(AutoencoderKLLTXVideo, config, convert_ltx_vae_checkpoint_to_diffusers(named), torch.bfloat16)
    assert (filled.spatial_compression_ratio, filled.temporal_compression_ratio) == (32, 8)
    assert filled.config.timestep_conditioning is (generation != "0.9")


def test_a_single_file_without_t5_says_what_is_missing(tmp_path) -> None:
    path = tmp_path / "tiny.safetensors"
    write_single_file(path, "0.9")
    variant = FAMILY.identify(path)
    with pytest.raises(ModelError, match=r"no text_encoder/ folder(.|\n)*PixArt-alpha/PixArt-XL-2-1024-MS"):
        FAMILY.load(path, variant, "float32", "cpu")


def test_a_transformer_without_its_vae_is_refused(home) -> None:
    path = home / "bare" / "tiny.safetensors"
    path.parent.mkdir()
    transformer = LTXVideoTransformer3DModel(**miniature.TRANSFORMER)
    save_file({lightricks_transformer_name(n): t for n, t in transformer.state_dict().items()}, path)
    variant = FAMILY.identify(path)
    with pytest.raises(ModelError, match="without its VAE"):
        FAMILY.load(path, variant, "float32", "cpu")


@pytest.mark.parametrize(
    ("dtype", "text_dtype"), [("bfloat16", torch.bfloat16), ("float16", torch.float32), ("float32", torch.float32)]
)
def test_number_formats(home, dtype, text_dtype) -> None:
    folder = home / "miniature"
    parts = FAMILY.load(folder, FAMILY.identify(folder), dtype, "cpu")
    assert parts.transformer.dtype == parts.vae.dtype == load.DTYPES[dtype]
    assert parts.text_encoder.dtype == text_dtype
    assert not any(p.requires_grad for p in parts.transformer.parameters())


@pytest.mark.parametrize("lost", ["transformer", "vae", "text_encoder", "tokenizer"])
def test_a_lost_part_is_a_model_error(home, tmp_path, lost) -> None:
    folder = tmp_path / "m"
    shutil.copytree(home / "miniature", folder)
    variant = FAMILY.identify(folder)
    shutil.rmtree(folder / lost)
    with pytest.raises(ModelError):
        FAMILY.load(folder, variant, "float32", "cpu")
