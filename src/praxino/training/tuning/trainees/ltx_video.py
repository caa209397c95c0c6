"""LTX-Video, and so the bundled model: flow matching on latent tokens, from words or from a first frame.

x_t = (1 - t) x_0 + t e and v = e - x_0 (Lipman et al. 2023, arXiv:2210.02747). A given first frame is the first latent
frame's tokens at t = 0, as in inference, and so is a clip that is followed: tokens before all others, in the same
places. Times: logit-normal, shifted by the number of tokens as in inference, a tenth of them uniform.
Source: Lightricks/LTX-Video-Trainer at 31b1273, training_strategies.py (ReferenceVideoTrainingStrategy) and
timestep_samplers.py (ShiftedLogitNormalTimestepSampler).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families.ltx_video import latents, positions
from praxino.families.ltx_video.load import stock
from praxino.families.ltx_video.settings import from_options
from praxino.families.ltx_video.text import embed
from praxino.sampling.noise import SeededNoise
from praxino.training.tuning import noising
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task

SHIFTS = ((1024, 0.95), (4096, 2.05))
"""Tokens and the centre of the logit-normal there; a line through both."""
UNIFORM_SHARE = 0.1
TIMESTEPS = 1000
COMFY_NAMES = (("proj_in", "patchify_proj"), ("time_embed", "adaln_single"), ("norm_q", "q_norm"), ("norm_k", "k_norm"))


class LtxVideo:
    """See `Trainee`."""

    targets = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
    scope = ""
    component = "transformer"

    def network(self, parts: Any) -> nn.Module:
        """The transformer as diffusers' class, which peft and checkpointing know; samples are drawn with it too."""
        parts.transformer = stock(parts.transformer)
        return parts.transformer

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Normalised latents (C, f, h, w), sampled from the posterior with noise that the frames decide."""
        pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        noise = SeededNoise(int(np.int64(frames.sum())))
        return {"latents": latents.encode(parts.vae, pixels, noise)[0]}

    def shown(self, parts: Any, frames: np.ndarray, beside: Mapping[str, np.ndarray]) -> Tensors:
        """The latents of a clip that is followed, like those of the frames."""
        return {"reference": self.encode(parts, beside["reference"])["latents"]} if "reference" in beside else {}

    def read(self, parts: Any, caption: str) -> Tensors:
        """T5's states (tokens, channels) and mask (tokens,)."""
        settings = from_options(parts.variant.options)
        read = embed(parts.text_encoder, parts.tokenizer, caption, settings.max_text_tokens, torch.float32)
        return {"states": read.states[0].float(), "mask": read.mask[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to times of chance, and the velocity of all tokens that are not given."""
        clean = batch.clips["latents"]
        shape = clean.shape[2], clean.shape[3], clean.shape[4]
        x0, given = positions.pack(clean), shape[1] * shape[2] if batch.gives_first else 0
        drawn = noising.times(batch, x0.device, _times(x0.shape[1]))
        t = drawn[:, None].expand(x0.shape[:2]).clone()
        t[:, :given] = 0
        noise = batch.noise(x0)
        noisy = torch.lerp(x0, noise, t[..., None])
        coords = positions.in_seconds(positions.coordinates(shape, from_options(variant.options)), batch.fps)
        if "reference" in batch.clips:
            followed = positions.pack(batch.clips["reference"])
            noisy, coords = torch.cat([followed, noisy], 1), torch.cat([coords, coords], 2)
            t = torch.cat([torch.zeros_like(followed[..., 0]), t], 1)
        dtype = parts.transformer.dtype
        inputs = {
            "hidden_states": noisy.to(dtype),
            "encoder_hidden_states": batch.texts["states"].to(dtype),
            "timestep": t * TIMESTEPS,
            "encoder_attention_mask": batch.texts["mask"],
            "video_coords": coords.to(x0.device).expand(len(x0), -1, -1),
        }
        learnt = torch.arange(x0.shape[1], device=x0.device)[:, None] >= given
        return Task(inputs, noise - x0, learnt, positions.pack, drawn)

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """The velocity, (B, N, C), without that of what is followed."""
        return network(**task.inputs, return_dict=False)[0][:, -task.target.shape[1] :].float()

    def comfy_layer(self, module: str) -> ComfyLayer:
        """Lightricks' own name, under ComfyUI's prefix."""
        renamed = module
        for name, theirs in COMFY_NAMES:
            renamed = renamed.replace(name, theirs)
        return ComfyLayer(f"diffusion_model.{renamed}", (module,))


def _times(num_tokens: int) -> noising.Times:
    (few, low), (many, high) = SHIFTS
    centre = low + (num_tokens - few) / (many - few) * (high - low)
    return noising.Times("logit-normal", centre, uniform_share=UNIFORM_SHARE)


TRAINEE = LtxVideo()
