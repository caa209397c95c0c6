"""Folders as Tencent publish HunyuanVideo and HunyuanVideo-I2V (ckpts/), written in the diffusers layout.

Source: Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d and Tencent-Hunyuan/HunyuanVideo at fa14b00, ckpts/README.md, for
what lies where; hyvideo/vae/autoencoder_kl_causal_3d.py, whose weights diffusers calls as Tencent do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.families._hunyuan import convert
from praxino.families._hunyuan.identify import PREFIX, TRANSFORMER_CLASS
from praxino.families._hunyuan.settings import Kind
from praxino.families._original import CARD, Original, Read, Writer, shapes_of, weights, without_prefix
from praxino.families._stock.checkpoint import read_json

STATES = "mp_rank_00_model_states"
VAES = ("pytorch_model", "model", "diffusion_pytorch_model")
"""The first is Tencent's name, the second what an import makes of it."""
CLIP = "text_encoder_2"
FOLDERS = {"i2v": ("hunyuan-video-i2v", "text_encoder_i2v"), "t2v": ("hunyuan-video-t2v", "text_encoder")}
"""How the folder of transformer and VAE begins, and where the language model lies."""
VAE_FIELDS = (
    "in_channels", "out_channels", "latent_channels", "block_out_channels", "layers_per_block", "norm_num_groups",
    "scaling_factor", "spatial_compression_ratio", "mid_block_add_attention",
)  # fmt: skip
"""Of Tencent's config.json, what diffusers' AutoencoderKLHunyuanVideo has too, by the same name."""
VAE_BLOCKS = ("HunyuanVideoDownBlock3D", "HunyuanVideoUpBlock3D")
PROCESSOR = "preprocessor_config.json"
SHIFT = 7.0


@dataclass(frozen=True)
class Places:
    """What lies where."""

    states: Path
    vae: Path
    reader: Path
    """The folder of the language model with its tokenizer."""
    clip: Path


def find(folder: Path, task: str) -> Original | None:
    """See `praxino.families._original`.

    Args:
        folder: ckpts, or what has it, or the folder of transformer and VAE in it.
        task: "i2v" or "t2v".
    """
    beginning, reader = FOLDERS[task]
    inner = _inner(folder, beginning)
    states = weights(inner / "transformers", STATES) if inner else None
    if inner is None or states is None:
        return None
    vae = next((file for stem in VAES if (file := weights(inner / "vae", stem)) is not None), None)
    home = inner.parent
    missing = [f"{name}/" for name in (reader, CLIP) if not (home / name / "config.json").is_file()]
    missing += [] if vae else [f"{inner.name}/vae/{VAES[0]}.pt"]
    if vae is None or missing:
        raise UserError(f"{home} is a HunyuanVideo checkpoint as Tencent publish it, but has no {', '.join(missing)}.")
    places = Places(states, vae, home / reader, home / CLIP)
    copied = [*places.reader.glob("*.safetensors"), *places.clip.glob("*.safetensors")]
    return Original("HunyuanVideo", (states, vae, *sorted(copied)), partial(_write, places, task == "i2v"))


def vae_config(told: dict[str, Any]) -> dict[str, Any]:
    """The diffusers config of a VAE, from Tencent's config.json."""
    config = {name: told[name] for name in VAE_FIELDS if name in told}
    levels = len(told.get("block_out_channels", ())) or 4
    down, up = VAE_BLOCKS
    return {
        **config,
        "down_block_types": (down,) * levels,
        "up_block_types": (up,) * levels,
        "temporal_compression_ratio": told.get("time_compression_ratio", 4),
    }


def _inner(folder: Path, beginning: str) -> Path | None:
    """The folder of transformer and VAE that is named, or lies in what is."""
    for home in (folder, folder / "ckpts"):
        for place in sorted(home.glob(f"{beginning}*/transformers")):
            return place.parent
    return folder if folder.name.startswith(beginning) and (folder / "transformers").is_dir() else None


def _write(places: Places, from_picture: bool, read: Read, out: Writer) -> None:
    tensors = without_prefix(read(places.states), PREFIX)
    shapes = shapes_of(tensors)
    kind = _kind(shapes, from_picture)
    config = convert.transformer_config(shapes, kind)
    out.network("transformer", f"diffusers.{TRANSFORMER_CLASS}", config, convert.transformer(tensors))
    vae = without_prefix(read(places.vae), "vae.")
    told = read_json(places.vae.parent / "config.json")
    out.network("vae", "diffusers.AutoencoderKLHunyuanVideo", vae_config(told), vae)
    reader = "LlavaForConditionalGeneration" if from_picture else "LlamaModel"
    out.copy("text_encoder", places.reader, f"transformers.{reader}")
    out.tokenizer("tokenizer", places.reader)
    out.copy("text_encoder_2", places.clip, "transformers.CLIPTextModel")
    out.tokenizer("tokenizer_2", places.clip)
    if from_picture:
        out.json(f"image_processor/{PROCESSOR}", read_json(places.reader / PROCESSOR))
        out.index["image_processor"] = ["transformers", "CLIPImageProcessor"]
    family = "hunyuan-video-i2v" if from_picture else "hunyuan-video"
    variant = "hunyuan-video-i2v-33ch" if kind == "latent-concat" else family
    out.json(CARD, {"family": family, "variant": variant})
    pipeline = "HunyuanVideoImageToVideoPipeline" if from_picture else "HunyuanVideoPipeline"
    out.pipeline(pipeline, {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": SHIFT})


def _kind(shapes: dict[str, tuple[int, ...]], from_picture: bool) -> Kind:
    if not from_picture:
        return "text"
    channels_in, patch = shapes["img_in.proj.weight"][1], shapes["img_in.proj.weight"][2:]
    channels_out = shapes["final_layer.linear.weight"][0] // (patch[0] * patch[1] * patch[2])
    return "latent-concat" if channels_in == 2 * channels_out + 1 else "token-replace"
