"""Single .safetensors files in the layout of the original Stable Diffusion code, as Civitai has them.

The configs that diffusers would fetch are worked out from the shapes in the file's header; CLIP's vocabulary ships here
(clip_merges.txt.gz). Names of tensors: CompVis/stable-diffusion and Stability-AI/generative-models. No torch.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from praxino.families._stock import clip_tokenizer
from praxino.families._stock.checkpoint import Shapes

UNET, VAE = "model.diffusion_model.", "first_stage_model."
Kind = Literal["sd1", "sd2", "sdxl"]
TEXT: dict[str, Kind] = {
    "conditioner.embedders.1.model.positional_embedding": "sdxl",
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": "sd1",
    "cond_stage_model.model.token_embedding.weight": "sd2",
}
"""A tensor of each kind's text encoders, that no other kind has."""
HEAD_CHANNELS = 64
V_PREDICTION, ZERO_SNR = "v_pred", "ztsnr"
"""Empty tensors by which SDXL files say how they were trained, as ComfyUI reads them."""
NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}


def kind_of(shapes: Shapes) -> Kind | None:
    """Which architecture a file holds, None when it is none of these or not whole (a UNet alone, a refiner, ...)."""
    if f"{UNET}input_blocks.0.0.weight" not in shapes or f"{VAE}quant_conv.weight" not in shapes:
        return None
    return next((kind for name, kind in TEXT.items() if name in shapes), None)


def is_filling(shapes: Shapes) -> bool:
    """Whether its UNet has the nine channels of inpainting."""
    return shapes[f"{UNET}input_blocks.0.0.weight"][1] == 9


def write_configs(folder: Path, shapes: Shapes, pipeline: str) -> None:
    """Write what diffusers' `from_single_file` reads of a folder: configs of every component, and tokenizers."""
    header = _Header(shapes)
    components = _sdxl(header) if kind_of(shapes) == "sdxl" else _first(header)
    index = {name: [library, class_name] for name, (library, class_name, _) in components.items()}
    clip_tokenizer.write_json(folder / "model_index.json", {"_class_name": pipeline, **index, **_flags(shapes)})
    for name, (_, class_name, config) in components.items():
        file = "scheduler_config.json" if name == "scheduler" else "config.json"
        if name.startswith("tokenizer"):
            write_tokenizer(folder / name, config["pad_token"])
        else:
            clip_tokenizer.write_json(folder / name / file, {"_class_name": class_name, **config})


def write_tokenizer(folder: Path, pad: str) -> None:
    """Write CLIP's tokenizer, which pads with `pad`."""
    lines = gzip.decompress(Path(__file__).with_name("clip_merges.txt.gz").read_bytes()).decode().splitlines()
    letters = _letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(line.replace(" ", "") for line in lines)]
    tokens += [clip_tokenizer.BEGIN, clip_tokenizer.END]
    clip_tokenizer.write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")
    clip_tokenizer.write_json(folder / "tokenizer_config.json", clip_tokenizer.config(pad))


@dataclass(frozen=True)
class _Header:
    """The shapes in a file, and what they tell of its networks."""

    shapes: Shapes

    def count(self, pattern: str) -> int:
        """How many different numbers stand where the pattern has its group."""
        return len({found[1] for name in self.shapes if (found := re.match(pattern, name))})

    def layers_per_block(self) -> int:
        """Resnets of one level of the UNet's way down; what follows them is the layer that halves."""
        first = next(i for i in range(1, 100) if f"{UNET}input_blocks.{i}.0.op.weight" in self.shapes)
        return first - 1

    def levels(self) -> list[tuple[int, int]]:
        """Channels and transformer layers of each level of the UNet, 0 where there is no attention."""
        step = self.layers_per_block() + 1
        found = []
        for block in range(1, self.count(rf"{re.escape(UNET)}input_blocks\.(\d+)\."), step):
            name = f"{UNET}input_blocks.{block}"
            depth = self.count(rf"{re.escape(name)}\.1\.transformer_blocks\.(\d+)\.")
            found.append((self.shapes[f"{name}.0.out_layers.3.weight"][0], depth))
        return found

    def text_width(self) -> int:
        """Channels of the text that the UNet reads."""
        return next(shape[1] for name, shape in self.shapes.items() if name.endswith("attn2.to_k.weight"))

    def is_linear(self) -> bool:
        """Whether attention begins with a linear layer, not a convolution, as it does from Stable Diffusion 2 on."""
        return any(name.endswith("1.proj_in.weight") and len(shape) == 2 for name, shape in self.shapes.items())


def _flags(shapes: Shapes) -> dict[str, Any]:
    if kind_of(shapes) == "sdxl":
        return {"force_zeros_for_empty_prompt": True, "feature_extractor": [None, None], "image_encoder": [None, None]}
    empty = {name: [None, None] for name in ("safety_checker", "feature_extractor", "image_encoder")}
    return {**empty, "requires_safety_checker": False}


Components = Mapping[str, tuple[str, str, dict[str, Any]]]
"""Library, class and config of each component, by name."""


def _first(header: _Header) -> Components:
    """Stable Diffusion 1 and 2."""
    second = kind_of(header.shapes) == "sd2"
    sample = 96 if second else 64
    text = _open_clip(header, "cond_stage_model.model.", skipped=1) if second else _clip(header, "cond_stage_model.")
    scheduler = {**NOISE, "set_alpha_to_one": False, "clip_sample": False, "skip_prk_steps": True}
    return {
        "unet": ("diffusers", "UNet2DConditionModel", {**_unet(header, sample), "upcast_attention": second}),
        "vae": ("diffusers", "AutoencoderKL", _vae(header, 0.18215, sample * 8)),
        "text_encoder": ("transformers", "CLIPTextModel", text),
        "tokenizer": ("transformers", "CLIPTokenizer", {"pad_token": "!" if second else clip_tokenizer.END}),
        "scheduler": ("diffusers", "DDIMScheduler", {**scheduler, "prediction_type": "v_prediction"})
        if second
        else ("diffusers", "PNDMScheduler", scheduler),
    }


def _sdxl(header: _Header) -> Components:
    prediction = "v_prediction" if V_PREDICTION in header.shapes else "epsilon"
    projected = header.shapes["conditioner.embedders.1.model.text_projection"][1]
    times = header.shapes[f"{UNET}label_emb.0.0.weight"][1]
    unet = {
        **_unet(header, 128),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": (times - projected) // 6,
        "projection_class_embeddings_input_dim": times,
    }
    scheduler = {**NOISE, "prediction_type": prediction, "rescale_betas_zero_snr": ZERO_SNR in header.shapes}
    second = {**_open_clip(header, "conditioner.embedders.1.model.", skipped=0), "projection_dim": projected}
    return {
        "unet": ("diffusers", "UNet2DConditionModel", unet),
        "vae": ("diffusers", "AutoencoderKL", {**_vae(header, 0.13025, 1024), "force_upcast": True}),
        "text_encoder": ("transformers", "CLIPTextModel", _clip(header, "conditioner.embedders.0.")),
        "text_encoder_2": ("transformers", "CLIPTextModelWithProjection", second),
        "tokenizer": ("transformers", "CLIPTokenizer", {"pad_token": clip_tokenizer.END}),
        "tokenizer_2": ("transformers", "CLIPTokenizer", {"pad_token": "!"}),
        "scheduler": ("diffusers", "EulerDiscreteScheduler", scheduler),
    }


def _unet(header: _Header, sample_size: int) -> dict[str, Any]:
    levels = header.levels()
    down = ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for _, depth in levels]
    heads = [max(1, channels // HEAD_CHANNELS) for channels, _ in levels]
    return {
        "sample_size": sample_size,
        "in_channels": header.shapes[f"{UNET}input_blocks.0.0.weight"][1],
        "out_channels": header.shapes[f"{UNET}out.2.weight"][0],
        "down_block_types": down,
        "up_block_types": [name.replace("Down", "Up") for name in reversed(down)],
        "block_out_channels": [channels for channels, _ in levels],
        "layers_per_block": header.layers_per_block(),
        "transformer_layers_per_block": [max(1, depth) for _, depth in levels],
        "cross_attention_dim": header.text_width(),
        "use_linear_projection": header.is_linear(),
        "attention_head_dim": heads if header.is_linear() else 8,
    }


def _vae(header: _Header, scaling_factor: float, sample_size: int) -> dict[str, Any]:
    num_levels = header.count(rf"{re.escape(VAE)}encoder\.down\.(\d+)\.")
    channels = [header.shapes[f"{VAE}encoder.down.{i}.block.0.conv2.weight"][0] for i in range(num_levels)]
    return {
        "down_block_types": ["DownEncoderBlock2D"] * num_levels,
        "up_block_types": ["UpDecoderBlock2D"] * num_levels,
        "block_out_channels": channels,
        "layers_per_block": header.count(rf"{re.escape(VAE)}encoder\.down\.0\.block\.(\d+)\."),
        "latent_channels": header.shapes[f"{VAE}quant_conv.weight"][0] // 2,
        "sample_size": sample_size,
        "scaling_factor": scaling_factor,
    }


def _clip(header: _Header, prefix: str) -> dict[str, Any]:
    """OpenAI's text encoder, in the names of transformers."""
    inside = f"{prefix}transformer.text_model."
    return _text(
        header.shapes[f"{inside}embeddings.token_embedding.weight"],
        header.count(rf"{re.escape(inside)}encoder\.layers\.(\d+)\."),
        header.shapes[f"{inside}encoder.layers.0.mlp.fc1.weight"][0],
        "quick_gelu",
    )


def _open_clip(header: _Header, prefix: str, *, skipped: int) -> dict[str, Any]:
    """OpenCLIP's text encoder; Stable Diffusion 2 does not use its last layer."""
    return _text(
        header.shapes[f"{prefix}token_embedding.weight"],
        header.count(rf"{re.escape(prefix)}transformer\.resblocks\.(\d+)\.") - skipped,
        header.shapes[f"{prefix}transformer.resblocks.0.mlp.c_fc.weight"][0],
        "gelu",
    )


def _text(embedding: tuple[int, ...], num_layers: int, intermediate: int, activation: str) -> dict[str, Any]:
    """The ids are those of the published configs: with them, transformers finds the end as CLIP does."""
    return {
        "model_type": "clip_text_model",
        "vocab_size": embedding[0],
        "hidden_size": embedding[1],
        "intermediate_size": intermediate,
        "num_hidden_layers": num_layers,
        "num_attention_heads": max(1, embedding[1] // HEAD_CHANNELS),
        "hidden_act": activation,
        "projection_dim": embedding[1],
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
    }


def _letters() -> list[str]:
    """The 256 bytes as CLIP writes them, in its order: those that print first, then the others from U+0100 on."""
    printed = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = range(256 - len(printed))
    return [*map(chr, printed), *(chr(256 + index) for index in others)]
