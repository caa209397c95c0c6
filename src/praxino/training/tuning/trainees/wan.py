"""Wan from words and from pictures: flow matching on latents, its times uniform and shifted as when drawing.

The authors published no trainer. Times are those of modelscope/DiffSynth-Studio (FlowMatchScheduler), unweighted. In
Wan 2.2's 5B a given first frame is the first latent frame itself, whose tokens stand at time 0, as when drawing; the
image-to-video models always have it on further channels. Of Wan 2.2's pairs of networks each learns at the times that
it draws at, on its side of the published boundary (as with DiffSynth-Studio's min_ and max_timestep_boundary).
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families.wan import latents, loop, text
from praxino.families.wan.conditioning import picture_channels, picture_features
from praxino.families.wan.settings import Settings, from_options
from praxino.families.wan.variants import SMALL_AREA
from praxino.training.tuning import noising
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task
from praxino.training.tuning.trainees import Expert

THEIRS = {
    "attn1.to_q": "self_attn.q", "attn1.to_k": "self_attn.k", "attn1.to_v": "self_attn.v",
    "attn1.to_out.0": "self_attn.o", "attn2.to_q": "cross_attn.q", "attn2.to_k": "cross_attn.k",
    "attn2.to_v": "cross_attn.v", "attn2.to_out.0": "cross_attn.o", "ffn.net.0.proj": "ffn.0", "ffn.net.2": "ffn.2",
}  # fmt: skip
"""The layers of a block, and the authors' names of them."""


@dataclass(frozen=True)
class Wan:
    """See `Trainee`. Where words alone are read, a first frame is never given; where pictures are, it always is."""

    expert: Expert | None = None
    targets = tuple(THEIRS)
    scope = ""

    @property
    def component(self) -> str:
        """The folder of the transformer, or of that of low noise."""
        return "transformer_2" if self.expert == "low" else "transformer"

    def network(self, parts: Any) -> nn.Module:
        """The transformer, or that of low noise."""
        return parts.transformers[-1 if self.expert == "low" else 0]

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Normalised latents (C, f, h, w): the posterior's mean, as when drawing.

        Where pictures are read, also what the network is given of the first frame, or of the first and the last: the
        channels (20, f, h, w) and, in Wan 2.1, CLIP's features (1 or 2, tokens, C).
        """
        found = {"latents": latents.encode(parts.vae, noising.pixels_of(frames))[0]}
        kind = from_options(parts.variant.options).kind
        if kind not in ("picture", "first-last"):
            return found
        given = [frames[:1], *([frames[-1:]] if kind == "first-last" else [])]
        found["channels"] = picture_channels(parts, given, frames.shape[:3])[0]
        if parts.image_encoder is not None:
            found["features"] = picture_features(parts, given)
        return found

    def read(self, parts: Any, caption: str) -> Tensors:
        """UMT5's states (512, channels), zeros behind the last token."""
        return {"states": text.embed(parts, caption)[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to times of chance, and the velocity of all frames that are not given."""
        clean, per_token = batch.clips["latents"], loop.takes_token_times(parts.transformer)
        area = clean.shape[3] * clean.shape[4] * parts.vae.config.scale_factor_spatial**2
        settings = from_options(variant.options)
        if batch.tuning.time_shift:
            settings = dataclasses.replace(settings, shift=batch.tuning.time_shift, small_shift=0.0)
        t = self._times(noising.unshifted(batch, clean.device, noising.Times()), settings, area)
        noisy, target = noising.flowed(clean, batch.noise(clean), t)
        frames, times = torch.arange(clean.shape[2], device=clean.device), t * loop.TIMESTEPS
        given = frames < int(per_token and batch.gives_first)
        if per_token:
            tokens = clean.shape[3] // 2 * (clean.shape[4] // 2)
            times = torch.where(given, 0.0, times[:, None]).repeat_interleave(tokens, 1)
        shown = torch.where(given[:, None, None], clean, noisy)
        inputs = {
            "hidden_states": torch.cat((shown, batch.clips["channels"]), 1) if "channels" in batch.clips else shown,
            "timestep": times,
            "encoder_hidden_states": batch.texts["states"],
        }
        if "features" in batch.clips:
            inputs["encoder_hidden_states_image"] = batch.clips["features"].flatten(0, 1)
        return Task(inputs, target, ~given[:, None, None], times=t)

    def _times(self, uniform: Tensor, settings: Settings, area: int) -> Tensor:
        """Numbers in [0, 1) as times of the network: all, or those on its side of the boundary."""
        shift = settings.small_shift if settings.small_shift and area <= SMALL_AREA else settings.shift
        edge = settings.boundary / (shift - (shift - 1) * settings.boundary)  # what is shifted to the boundary
        low, high = {None: (0.0, 1.0), "low": (0.0, edge), "high": (edge, 1.0)}[self.expert]
        return noising.shifted(low + (high - low) * uniform, shift)

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
