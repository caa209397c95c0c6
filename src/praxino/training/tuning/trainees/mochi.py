"""Mochi: flow matching on latents, its times uniform.

As in genmoai/mochi at 0c86aeb, demos/fine_tuner/train.py, but that latents are normalised before noise is mixed in, as
the network draws them; there the target alone is. Their network answers z - e, and so does diffusers'.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families.mochi import loop, text
from praxino.sampling.noise import SeededNoise
from praxino.training.tuning import noising
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task

GENMO = {
    "qkv_x": ("to_q", "to_k", "to_v"),
    "qkv_y": ("add_q_proj", "add_k_proj", "add_v_proj"),
    "proj_x": ("to_out.0",),
    "proj_y": ("to_add_out",),
}
"""The layers of an attention, as Genmo has them, and their parts."""


class Mochi:
    """See `Trainee`. A first frame is never given."""

    targets = tuple(f"attn1.{part}" for parts in GENMO.values() for part in parts)
    scope = ""
    component = "transformer"

    def network(self, parts: Any) -> nn.Module:
        """The transformer."""
        return parts.transformer

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Normalised latents (C, f, h, w), sampled from the posterior with noise that the frames decide."""
        vae, config = parts.vae, parts.vae.config
        pixels = noising.pixels_of(frames).transpose(0, 1)[None]
        posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
        noise = SeededNoise(int(np.int64(frames.sum()))).draw(tuple(posterior.mean.shape))
        latents = noising.sampled(posterior, noise)[0]
        mean, deviation = (
            torch.tensor(values, device=latents.device).view(-1, 1, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        return {"latents": (latents - mean) * config.scaling_factor / deviation}

    def read(self, parts: Any, caption: str) -> Tensors:
        """T5's states (tokens, channels) and mask (tokens,)."""
        max_tokens = parts.transformer.config.max_sequence_length
        read = text.embed(parts.text_encoder, parts.tokenizer, caption, max_tokens, parts.device)
        return {"states": read.states[0], "mask": read.mask[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to times of chance, and the way back."""
        clean = batch.clips["latents"]
        sigmas = noising.times(batch, clean.device, noising.Times())
        noisy, velocity = noising.flowed(clean, batch.noise(clean), sigmas)
        inputs = {
            "hidden_states": noisy.to(parts.dtype),
            "encoder_hidden_states": batch.texts["states"].to(parts.dtype),
            "timestep": (1 - sigmas) * loop.TIMESTEP_SCALE,
            "encoder_attention_mask": batch.texts["mask"],
        }
        return Task(inputs, -velocity, times=sigmas)

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """Data less noise, (B, C, f, h, w)."""
        with loop.rope_in_float32():
            return network(**task.inputs, return_dict=False)[0].float()

    def comfy_layer(self, module: str) -> ComfyLayer | None:
        """Genmo's own name and parts, under ComfyUI's prefix; None outside of attention."""
        match = re.fullmatch(r"transformer_blocks\.(\d+)\.attn1\.(.+)", module)
        for name, parts in GENMO.items():
            if match and match[2] in parts:
                home = module.removesuffix(match[2])
                own = tuple(home + part for part in parts)
                return ComfyLayer(f"diffusion_model.blocks.{match[1]}.attn.{name}", own)
        return None


TRAINEE = Mochi()
