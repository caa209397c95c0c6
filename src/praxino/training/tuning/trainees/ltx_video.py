"""LTX-Video, and so the bundled model: flow matching on latent tokens, from words or from a first frame.

x_t = (1 - t) x_0 + t e and v = e - x_0 (Lipman et al. 2023, arXiv:2210.02747). A given first frame is the first latent
frame's tokens at t = 0, as in inference. Times: logit-normal, shifted by the number of tokens as in inference
(Lightricks/LTX-Video-Trainer, timestep_samplers.py, ShiftedLogitNormalTimestepSampler), a tenth of them uniform.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families.ltx_video import latents, positions
from praxino.families.ltx_video.settings import from_options
from praxino.families.ltx_video.text import embed
from praxino.sampling.noise import SeededNoise
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
        """The transformer."""
        return parts.transformer

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Normalised latents (C, f, h, w), sampled from the posterior with noise that the frames decide."""
        pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        noise = SeededNoise(int(np.int64(frames.sum())))
        return {"latents": latents.encode(parts.vae, pixels, noise)[0]}

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
        t = _times(batch, x0.shape[1], x0.device)[:, None].expand(x0.shape[:2]).clone()
        t[:, :given] = 0
        noise = batch.noise(x0)
        coords = positions.in_seconds(positions.coordinates(shape, from_options(variant.options)), batch.fps)
        dtype = parts.transformer.dtype
        inputs = {
            "hidden_states": torch.lerp(x0, noise, t[..., None]).to(dtype),
            "encoder_hidden_states": batch.texts["states"].to(dtype),
            "timestep": t * TIMESTEPS,
            "encoder_attention_mask": batch.texts["mask"],
            "video_coords": coords.to(x0.device).expand(len(x0), -1, -1),
        }
        return Task(inputs, noise - x0, torch.arange(x0.shape[1], device=x0.device)[:, None] >= given)

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """The velocity, (B, N, C)."""
        return network(**task.inputs, return_dict=False)[0].float()

    def comfy_layer(self, module: str) -> ComfyLayer:
        """Lightricks' own name, under ComfyUI's prefix."""
        renamed = module
        for name, theirs in COMFY_NAMES:
            renamed = renamed.replace(name, theirs)
        return ComfyLayer(f"diffusion_model.{renamed}", (module,))


def _times(batch: Batch, num_tokens: int, device: torch.device) -> Tensor:
    (few, low), (many, high) = SHIFTS
    centre = low + (num_tokens - few) / (many - few) * (high - low)
    bell = torch.sigmoid(batch.normal(device) + centre)
    flat, choice = batch.uniform(device), batch.uniform(device)
    return torch.where(choice < UNIFORM_SHARE, flat, bell)


TRAINEE = LtxVideo()
