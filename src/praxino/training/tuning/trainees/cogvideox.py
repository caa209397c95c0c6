"""CogVideoX 1.0 and 1.5, from words and from a picture: v-prediction on latents, all timesteps alike.

The objective of huggingface/diffusers, examples/cogvideo/train_cogvideox_lora.py, and of zai-org/CogVideo at 7a1af71,
finetune/models/cogvideox_i2v/lora_trainer.py and cogvideox1_5_i2v: their clean latents' error, weighed by
1 / (1 - alpha^2), is v's. A picture is noised a little before it is encoded, so that it is not merely copied. Noise
levels, and whether a picture's latents are scaled, are the authors' own, as when drawing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families.cogvideox import latents, loop, positions, text
from praxino.families.cogvideox.schedule import NUM_TRAINED, levels
from praxino.families.cogvideox.settings import from_options
from praxino.sampling.noise import SeededNoise
from praxino.training.tuning import noising
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task

PICTURE_NOISE = (-3.0, 0.5)
"""Mean and deviation of the logarithm of the noise's share in a picture."""


class CogVideoX:
    """See `Trainee`. A first frame is always given to the models that set one in motion, and never to the others."""

    targets = ("to_q", "to_k", "to_v", "to_out.0")
    scope = ""
    component = "transformer"

    def network(self, parts: Any) -> nn.Module:
        """The transformer."""
        return parts.transformer

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Scaled latents (f, C, h, w), sampled from the posterior with noise that the frames decide.

        Where a picture is set in motion, also the first frame (3, 1, H, W) in [-1, 1].
        """
        pixels = noising.pixels_of(frames).transpose(0, 1)
        noise, config = SeededNoise(int(np.int64(frames.sum()))), parts.transformer.config
        scaled = latents.encode(parts.vae, pixels[None].to(parts.device), noise)[0] * parts.vae.config.scaling_factor
        missing = -len(scaled) % (config.patch_size_t or 1)
        found = {"latents": torch.cat((*[scaled[:1]] * missing, scaled))}
        return found | ({"picture": pixels[:, :1]} if config.in_channels > config.out_channels else {})

    def read(self, parts: Any, caption: str) -> Tensors:
        """T5's states (tokens, channels)."""
        max_tokens = parts.transformer.config.max_text_seq_length
        return {"states": text.embed(parts.text_encoder, parts.tokenizer, caption, max_tokens, parts.device)[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to timesteps of chance, and v."""
        clean, noise = batch.clips["latents"], batch.noise(batch.clips["latents"])
        timesteps = noising.timesteps(batch, clean.device, NUM_TRAINED)
        falling = levels(NUM_TRAINED, from_options(variant.options).shift_scale, "trailing").alphas
        alphas = torch.tensor(falling[:NUM_TRAINED][::-1], device=clean.device)[timesteps].view(-1, 1, 1, 1, 1)
        rest, dtype = (1 - alphas.square()).sqrt(), parts.transformer.dtype
        frames, _, rows, columns = clean.shape[1:]
        noisy = alphas * clean + rest * noise
        shown = (
            torch.cat((noisy, _beside(parts.vae, variant, batch, noisy)), dim=2) if "picture" in batch.clips else noisy
        )
        inputs = {
            "hidden_states": shown.to(dtype),
            "encoder_hidden_states": batch.texts["states"].to(dtype),
            "timestep": timesteps,
            "ofs": loop.ofs_of(parts.transformer, clean.device),
            "image_rotary_emb": positions.rotary(parts.transformer.config, (frames, rows, columns), clean.device),
        }
        snr = (alphas / rest).square().flatten()
        times = timesteps / NUM_TRAINED
        return Task(inputs, alphas * noise - rest * clean, times=times, snr=snr, predicts="v_prediction")

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """V, (B, f, C, h, w)."""
        return network(**task.inputs, return_dict=False)[0].float()

    def comfy_layer(self, module: str) -> ComfyLayer | None:
        """None: ComfyUI itself reads no LoRA for it."""
        return None


@torch.no_grad()
def _beside(vae: Any, variant: Variant, batch: Batch, noisy: Tensor) -> Tensor:
    """The latents of the first frames, noised a little, and zeros for all others; as `noisy`, (B, f, C, h, w)."""
    clean = batch.clips["picture"]
    centre, deviation = PICTURE_NOISE
    share = torch.exp(centre + deviation * batch.normal(clean.device)).view(-1, 1, 1, 1, 1)
    pictures = clean + share * batch.noise(clean)
    with torch.autocast(clean.device.type, enabled=False):
        posterior = vae.encode(pictures.to(vae.dtype)).latent_dist
    drawn = noising.sampled(posterior, batch.noise(posterior.mean)).transpose(1, 2)
    beside = torch.zeros_like(noisy)
    beside[:, :1] = drawn * (vae.config.scaling_factor if from_options(variant.options).image_scaled else 1)
    return beside


TRAINEE = CogVideoX()
