"""diffusers' EasyAnimate pipelines, where these cannot be used as they are. Imports torch and diffusers.

`EasyAnimateInpaintPipeline` draws some of its noise from torch's own generator, and some on the wrong device for ours;
`EasyAnimateControlPipeline` passes an argument that its encoder does not have, and calls a decoder that it does not
have (diffusers 0.35 to 0.42).
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.pipelines.easyanimate.pipeline_easyanimate_control import EasyAnimateControlPipeline
from diffusers.pipelines.easyanimate.pipeline_easyanimate_inpaint import (
    EasyAnimateInpaintPipeline,
    add_noise_to_reference_video,
)


class Inpaint(EasyAnimateInpaintPipeline):
    """All noise comes from the generator that it is called with, which is the CPU's."""

    def prepare_latents(self, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, ...]:
        """The clip's latents are drawn from their distribution: with the run's seed, not whatever torch's stands at."""
        device, generator = args[6:8]
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(generator.initial_seed())
            return super().prepare_latents(*args, **kwargs)

    def prepare_mask_latents(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """The noise on the given frames is drawn here; none is left for the original to draw."""
        mask, given, *sizes, dtype, device, generator, guided = args
        strength = kwargs.pop("noise_aug_strength")
        if given is not None and self.transformer.config.add_noise_in_inpaint_model:
            given = add_noise_to_reference_video(given.to("cpu", dtype), strength, generator)
        args = (mask, given, *sizes, dtype, device, torch.Generator(device), guided)
        return super().prepare_mask_latents(*args, **kwargs, noise_aug_strength=0.0)


class Control(EasyAnimateControlPipeline):
    """With what the two other pipelines of EasyAnimate do in its place."""

    def encode_prompt(self, *args: Any, text_encoder_index: int = 0, **kwargs: Any) -> Any:
        """There is one text encoder."""
        return super().encode_prompt(*args, **kwargs)

    def decode_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (1, C, f, h, w) as frames (1, 3, F, H, W) in [-1, 1]."""
        return self.vae.decode(1 / self.vae.config.scaling_factor * latents, return_dict=False)[0]
