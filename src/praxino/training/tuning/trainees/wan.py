"""Wan 2.1 from words and Wan 2.2's 5B: flow matching on latents, its times uniform and shifted as when drawing.

The authors published no trainer. Times are those of modelscope/DiffSynth-Studio (FlowMatchScheduler), unweighted. In
the 5B a given first frame is the first latent frame itself, whose tokens stand at time 0, as when drawing.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families.wan import latents, loop, text
from praxino.families.wan.settings import from_options
from praxino.training.tuning import noising
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task

THEIRS = {
    "attn1.to_q": "self_attn.q", "attn1.to_k": "self_attn.k", "attn1.to_v": "self_attn.v",
    "attn1.to_out.0": "self_attn.o", "attn2.to_q": "cross_attn.q", "attn2.to_k": "cross_attn.k",
    "attn2.to_v": "cross_attn.v", "attn2.to_out.0": "cross_attn.o", "ffn.net.0.proj": "ffn.0", "ffn.net.2": "ffn.2",
}  # fmt: skip
"""The layers of a block, and the authors' names of them."""


class Wan:
    """See `Trainee`. Where words alone are read, a first frame is never given."""

    targets = tuple(THEIRS)
    scope = ""
    component = "transformer"

    def network(self, parts: Any) -> nn.Module:
        """The transformer."""
        return parts.transformer

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Normalised latents (C, f, h, w): the posterior's mean, as when drawing."""
        return {"latents": latents.encode(parts.vae, noising.pixels_of(frames))[0]}

    def read(self, parts: Any, caption: str) -> Tensors:
        """UMT5's states (512, channels), zeros behind the last token."""
        return {"states": text.embed(parts, caption)[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to times of chance, and the velocity of all frames that are not given."""
        clean, per_token = batch.clips["latents"], loop.takes_token_times(parts.transformer)
        t = noising.shifted(batch.uniform(clean.device), from_options(variant.options).shift)
        noisy, target = noising.flowed(clean, batch.noise(clean), t)
        frames, times = torch.arange(clean.shape[2], device=clean.device), t * loop.TIMESTEPS
        given = frames < int(per_token and batch.gives_first)
        if per_token:
            tokens = clean.shape[3] // 2 * (clean.shape[4] // 2)
            times = torch.where(given, 0.0, times[:, None]).repeat_interleave(tokens, 1)
        inputs = {
            "hidden_states": torch.where(given[:, None, None], clean, noisy),
            "timestep": times,
            "encoder_hidden_states": batch.texts["states"],
        }
        return Task(inputs, target, ~given[:, None, None])

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """The velocity, (B, C, f, h, w)."""
        return network(**task.inputs, return_dict=False)[0].float()

    def comfy_layer(self, module: str) -> ComfyLayer | None:
        """The authors' own name, under ComfyUI's prefix; None outside of the blocks."""
        match = re.fullmatch(r"(blocks\.\d+)\.(.+)", module)
        if match is None or match[2] not in THEIRS:
            return None
        return ComfyLayer(f"diffusion_model.{match[1]}.{THEIRS[match[2]]}", (module,))


TRAINEE = Wan()
