"""Stable Diffusion 1 and 2: by the objective that the checkpoint's scheduler names, noise or v.

As in huggingface/diffusers, examples/text_to_image/train_text_to_image_lora.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from praxino.families import Variant
from praxino.sampling.noise import SeededNoise
from praxino.training.tuning import noising
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task


class StableDiffusion:
    """See `Trainee`."""

    targets = ("to_q", "to_k", "to_v", "to_out.0")
    scope = ""
    component = "unet"

    def network(self, parts: Any) -> nn.Module:
        """The UNet."""
        return parts.base.unet

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Scaled latents (C, h, w), sampled from the posterior with noise that the picture decides."""
        vae = parts.base.vae
        posterior = vae.encode(noising.pixels_of(frames[:1]).to(vae.device, vae.dtype)).latent_dist
        noise = SeededNoise(int(np.int64(frames.sum()))).draw(tuple(posterior.mean.shape))
        return {"latents": noising.sampled(posterior, noise)[0] * vae.config.scaling_factor}

    def read(self, parts: Any, caption: str) -> Tensors:
        """CLIP's states (77, channels)."""
        return {"states": parts.base.encode_prompt(caption, parts.device, 1, False)[0][0].float()}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to timesteps of chance."""
        clean, config = batch.clips["latents"], parts.base.scheduler.config
        num = config["num_train_timesteps"]
        timesteps = noising.timesteps(batch, clean.device, num)
        made = noising.diffused(config, clean, noising.offset(batch, batch.noise(clean)), timesteps)
        inputs = {
            "sample": made.noisy.to(parts.dtype),
            "timestep": timesteps,
            "encoder_hidden_states": batch.texts["states"].to(parts.dtype),
            **self.added(parts, batch),
        }
        return Task(inputs, made.target, times=timesteps / num, snr=made.snr, predicts=made.predicts)

    def added(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """What the UNet is given besides."""
        return {}

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """What the scheduler's config names, (B, C, h, w)."""
        return network(**task.inputs, return_dict=False)[0].float()

    def comfy_layer(self, module: str) -> ComfyLayer:
        """Kohya's name of it: diffusers' with underscores (ComfyUI, comfy/lora.py, model_lora_keys_unet)."""
        return ComfyLayer(f"lora_unet_{module.replace('.', '_')}", (module,))


TRAINEE = StableDiffusion()
