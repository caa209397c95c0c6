"""FLUX.1: flow matching on packed latents, its times uniform, its embedded guidance 1.

As in huggingface/diffusers, examples/dreambooth/train_dreambooth_lora_flux.py, and with the guidance of its README.
Kontext is shown the picture that is edited as further tokens (train_dreambooth_lora_flux_kontext.py), Fill the picture
without what a mask covers, and the mask, on further channels; both prepared as when drawing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families.flux import latents, pictures, run, text
from praxino.families.flux.settings import from_options
from praxino.sampling.noise import SeededNoise
from praxino.training.tuning import noising
from praxino.training.tuning.beside import NUM_MASKS
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task

GUIDANCE = 1.0


class Flux:
    """See `Trainee`."""

    targets = (
        *(f"attn.{layer}" for layer in "to_q to_k to_v to_out.0 add_q_proj add_k_proj add_v_proj to_add_out".split()),
        "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
    )  # fmt: skip
    scope = ""
    component = "transformer"

    def network(self, parts: Any) -> nn.Module:
        """The transformer."""
        return parts.drawing().transformer

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Normalised latents (C, h, w), sampled from the posterior with noise that the picture decides."""
        vae = parts.drawing().vae
        posterior = vae.encode(noising.pixels_of(frames[:1]).to(vae.device, vae.dtype)).latent_dist
        noise = SeededNoise(int(np.int64(frames.sum()))).draw(tuple(posterior.mean.shape))
        found = noising.sampled(posterior, noise)[0]
        return {"latents": (found - vae.config.shift_factor) * vae.config.scaling_factor}

    def shown(self, parts: Any, frames: np.ndarray, beside: Mapping[str, np.ndarray]) -> Tensors:
        """Kontext's picture, as tokens (tokens, C); Fill's channels (NUM_MASKS, tokens, K) of picture and masks."""
        kind = from_options(parts.variant.options).kind
        if kind == "kontext":
            return {"reference": run.encoded(parts.drawing(), pictures.to_pixels(beside["reference"][0]))[0].float()}
        if kind == "fill":
            pixels = pictures.to_pixels(frames[0])
            made = [run.fill_channels(parts.drawing(), pixels, pictures.to_mask(mask)) for mask in beside["mask"]]
            return {"channels": torch.cat(made).repeat(NUM_MASKS // len(made), 1, 1).bfloat16()}
        return {}

    def read(self, parts: Any, caption: str) -> Tensors:
        """T5's states (tokens, channels) and CLIP's pooled vector (channels,)."""
        read = text.embed(parts.drawing(), caption, from_options(parts.variant.options).max_text_tokens)
        return {"states": read.states[0], "pooled": read.pooled[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Tokens noised to times of chance, and their velocity."""
        clean, transformer = batch.clips["latents"], parts.drawing().transformer
        t, noise = noising.times(batch, clean.device, noising.Times()), batch.noise(clean)
        noisy, target = noising.flowed(latents.pack(clean), latents.pack(noise), t)
        height, width = (side * latents.SPATIAL_RATIO for side in clean.shape[-2:])
        positions = latents.positions(width, height)
        if "channels" in batch.clips:
            chosen = (batch.uniform(clean.device) * NUM_MASKS).long()
            channels = batch.clips["channels"][torch.arange(len(chosen), device=clean.device), chosen]
            noisy = torch.cat((noisy, channels.float()), dim=2)
        if "reference" in batch.clips:
            noisy = torch.cat((noisy, batch.clips["reference"]), dim=1)
            positions = torch.cat((positions, latents.positions(width, height, index=1)))
        states = batch.texts["states"].to(transformer.dtype)
        guided = transformer.config.guidance_embeds
        inputs = {
            "hidden_states": noisy.to(transformer.dtype),
            "timestep": t.to(transformer.dtype),
            "guidance": t.new_full(t.shape, GUIDANCE) if guided else None,
            "pooled_projections": batch.texts["pooled"].to(transformer.dtype),
            "encoder_hidden_states": states,
            "txt_ids": torch.zeros(states.shape[1], 3, device=clean.device),
            "img_ids": positions.to(clean.device),
        }
        return Task(inputs, target, pack=latents.pack, times=t)

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """The velocity, (B, tokens, C), without that of a picture beside."""
        return network(**task.inputs, return_dict=False)[0][:, : task.target.shape[1]].float()

    def comfy_layer(self, module: str) -> ComfyLayer:
        """As diffusers has it (ComfyUI, comfy/utils.py, flux_to_diffusers)."""
        return ComfyLayer(f"transformer.{module}", (module,))


TRAINEE = Flux()
