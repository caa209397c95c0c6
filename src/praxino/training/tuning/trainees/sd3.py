"""Stable Diffusion 3 and 3.5: flow matching on latents, its times logit-normal and shifted as when drawing.

As in huggingface/diffusers, examples/dreambooth/train_dreambooth_lora_sd3.py, with the velocity for its target as the
paper has it (Esser et al. 2024, arXiv:2403.03206; --precondition_outputs 0), and times that lie between its thousand.
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


class Sd3:
    """See `Trainee`."""

    targets = tuple(
        f"attn.{layer}" for layer in "to_q to_k to_v to_out.0 add_q_proj add_k_proj add_v_proj to_add_out".split()
    )
    scope = ""
    component = "transformer"

    def network(self, parts: Any) -> nn.Module:
        """The transformer."""
        return parts.base.transformer

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Normalised latents (C, h, w), sampled from the posterior with noise that the picture decides."""
        vae = parts.base.vae
        posterior = vae.encode(noising.pixels_of(frames[:1]).to(vae.device, vae.dtype)).latent_dist
        noise = SeededNoise(int(np.int64(frames.sum()))).draw(tuple(posterior.mean.shape))
        latents = noising.sampled(posterior, noise)[0]
        return {"latents": (latents - vae.config.shift_factor) * vae.config.scaling_factor}

    def read(self, parts: Any, caption: str) -> Tensors:
        """All encoders' states (tokens, channels), and the CLIPs' pooled vectors (channels,)."""
        states, _, pooled, _ = parts.base.encode_prompt(
            caption, None, None, device=parts.device, do_classifier_free_guidance=False
        )
        return {"states": states[0].float(), "pooled": pooled[0].float()}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to times of chance, and the velocity."""
        clean, scheduler = batch.clips["latents"], parts.base.scheduler.config
        t = noising.times(batch, clean.device, noising.Times("logit-normal", shift=scheduler.shift))
        noisy, target = noising.flowed(clean, batch.noise(clean), t)
        inputs = {
            "hidden_states": noisy.to(parts.dtype),
            "timestep": t * scheduler.num_train_timesteps,
            "encoder_hidden_states": batch.texts["states"].to(parts.dtype),
            "pooled_projections": batch.texts["pooled"].to(parts.dtype),
        }
        return Task(inputs, target, times=t)

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """The velocity, (B, C, h, w)."""
        return network(**task.inputs, return_dict=False)[0].float()

    def comfy_layer(self, module: str) -> ComfyLayer:
        """As diffusers has it (ComfyUI, comfy/utils.py, mmdit_to_diffusers)."""
        return ComfyLayer(f"transformer.{module}", (module,))


TRAINEE = Sd3()
