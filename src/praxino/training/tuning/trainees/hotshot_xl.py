"""Hotshot-XL: its temporal layers alone, by the objective that the checkpoint's scheduler names.

Each channel of a clip's noise is moved by N(0, 0.05), and all its frames have one timestep, as in hotshotco/Hotshot-XL
at cc01f7f (fine_tune.py, compute_loss_from_batch). Sizes told to the network are those that it draws with, where the
original tells each clip's own. Of a caption the first 75 tokens are read, as there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families.hotshot_xl import text, unet
from praxino.families.hotshot_xl.load import SPATIAL_BASE
from praxino.recipe import Companion
from praxino.sampling.noise import SeededNoise
from praxino.training.tuning import noising
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task

NOISE_OFFSET = 0.05


class HotshotXl:
    """See `Trainee`. A first frame is never given: nothing of the network takes one."""

    targets = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
    scope = unet.TEMPORAL
    component = "unet"

    def lay_over(self, parts: Any, base: str) -> None:
        """Take spatial layers, words and VAE from an SDXL checkpoint, as far as it has them."""
        parts.base = Companion(SPATIAL_BASE, base) if base else None

    def network(self, parts: Any) -> nn.Module:
        """The UNet."""
        return parts.networks.unet

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Scaled latents (C, F, h, w), sampled from the posterior with noise that the frames decide."""
        vae, noise = parts.networks.vae, SeededNoise(int(np.int64(frames.sum())))
        found = []
        for frame in noising.pixels_of(frames).to(vae.device, vae.dtype):
            posterior = vae.encode(frame[None]).latent_dist
            found.append(noising.sampled(posterior, noise.draw(tuple(posterior.mean.shape)))[0])
        return {"latents": torch.stack(found, 1) * vae.config.scaling_factor}

    def read(self, parts: Any, caption: str) -> Tensors:
        """Both encoders' states (77, channels), and the second's pooled vector (channels,)."""
        read = text.embed(parts.networks.encoders, [caption], torch.float32)
        return {"states": read.states[0, : text.PIECE_TOKENS + 2], "pooled": read.pooled[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Clips noised to timesteps of chance."""
        clean, config = batch.clips["latents"], parts.networks.scheduler_config
        num = config["num_train_timesteps"]
        timesteps = noising.timesteps(batch, clean.device, num)
        noise = noising.offset(batch, batch.noise(clean), NOISE_OFFSET)
        made = noising.diffused(config, clean, noise, timesteps)
        sizes = [*variant.options["original_size"], 0, 0, *variant.options["target_size"]]
        states, dtype = batch.texts["states"].to(parts.dtype), parts.dtype
        added = {
            "text_embeds": batch.texts["pooled"].to(dtype),
            "time_ids": torch.tensor(sizes, device=clean.device, dtype=dtype).expand(len(clean), -1),
        }
        inputs = {
            "sample": made.noisy.to(dtype),
            "timestep": timesteps,
            "encoder_hidden_states": states.repeat_interleave(clean.shape[2], 0),
            "added_cond_kwargs": added,
        }
        return Task(inputs, made.target, times=timesteps / num, snr=made.snr, predicts=made.predicts)

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """What the scheduler's config names, (B, C, F, h, w)."""
        return network(**task.inputs, return_dict=False)[0].float()

    def comfy_layer(self, module: str) -> ComfyLayer | None:
        """None: ComfyUI has no temporal layers of its own."""
        return None


TRAINEE = HotshotXl()
