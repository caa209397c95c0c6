"""CogVideoX 1.0 from words: v-prediction on latents, all timesteps alike.

The objective of huggingface/diffusers, examples/cogvideo/train_cogvideox_lora.py: its clean latents' error, weighed by
1 / (1 - alpha^2), is v's. Noise levels are the authors', as when drawing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families.cogvideox import latents, positions, text
from praxino.families.cogvideox.schedule import NUM_TRAINED, levels
from praxino.families.cogvideox.settings import from_options
from praxino.sampling.noise import SeededNoise
from praxino.training.tuning import noising
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task


class CogVideoX:
    """See `Trainee`. A first frame is never given."""

    targets = ("to_q", "to_k", "to_v", "to_out.0")
    scope = ""
    component = "transformer"

    def network(self, parts: Any) -> nn.Module:
        """The transformer."""
        return parts.transformer

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Scaled latents (f, C, h, w), sampled from the posterior with noise that the frames decide."""
        pixels = noising.pixels_of(frames).transpose(0, 1)[None].to(parts.device)
        noise = SeededNoise(int(np.int64(frames.sum())))
        return {"latents": latents.encode(parts.vae, pixels, noise)[0] * parts.vae.config.scaling_factor}

    def read(self, parts: Any, caption: str) -> Tensors:
        """T5's states (tokens, channels)."""
        max_tokens = parts.transformer.config.max_text_seq_length
        return {"states": text.embed(parts.text_encoder, parts.tokenizer, caption, max_tokens, parts.device)[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to timesteps of chance, and v."""
        clean, noise = batch.clips["latents"], batch.noise(batch.clips["latents"])
        timesteps = (batch.uniform(clean.device) * NUM_TRAINED).long()
        falling = levels(NUM_TRAINED, from_options(variant.options).shift_scale, "trailing").alphas
        alphas = torch.tensor(falling[:NUM_TRAINED][::-1], device=clean.device)[timesteps].view(-1, 1, 1, 1, 1)
        rest, dtype = (1 - alphas.square()).sqrt(), parts.transformer.dtype
        frames, _, rows, columns = clean.shape[1:]
        inputs = {
            "hidden_states": (alphas * clean + rest * noise).to(dtype),
            "encoder_hidden_states": batch.texts["states"].to(dtype),
            "timestep": timesteps,
            "image_rotary_emb": positions.rotary(parts.transformer.config, (frames, rows, columns), clean.device),
        }
        return Task(inputs, alphas * noise - rest * clean)

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """V, (B, f, C, h, w)."""
        return network(**task.inputs, return_dict=False)[0].float()

    def comfy_layer(self, module: str) -> ComfyLayer | None:
        """None: ComfyUI itself reads no LoRA for it."""
        return None


TRAINEE = CogVideoX()
