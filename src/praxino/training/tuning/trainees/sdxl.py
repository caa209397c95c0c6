"""SDXL: as Stable Diffusion, with two encoders, and told the picture's size.

As in huggingface/diffusers, examples/text_to_image/train_text_to_image_lora_sdxl.py, with the size that a picture is
brought to for its original size.
"""

from __future__ import annotations

from typing import Any

import torch

from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch
from praxino.training.tuning.trainees.stable_diffusion import StableDiffusion


class Sdxl(StableDiffusion):
    """See `Trainee`."""

    def read(self, parts: Any, caption: str) -> Tensors:
        """Both encoders' states (77, channels), and the second's pooled vector (channels,)."""
        states, _, pooled, _ = parts.base.encode_prompt(
            caption, device=parts.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        return {"states": states[0].float(), "pooled": pooled[0].float()}

    def added(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """The pooled vectors, and original height, width, crop top, left, target height, width."""
        clean = batch.clips["latents"]
        height, width = (side * parts.base.vae_scale_factor for side in clean.shape[-2:])
        sizes = torch.tensor([height, width, 0, 0, height, width], device=clean.device, dtype=parts.dtype)
        given = {"text_embeds": batch.texts["pooled"].to(parts.dtype), "time_ids": sizes.expand(len(clean), -1)}
        return {"added_cond_kwargs": given}


TRAINEE = Sdxl()
