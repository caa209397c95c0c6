"""HunyuanVideo-I2V: flow matching from a first frame, both kinds of checkpoint.

x_t = (1 - t) x_1 + t e and v = e - x_1, t = 7 s / (1 + 6 s), s = sigmoid(N(0, 1)). The given frame's latents are made
of its decoded latents, and a tenth of the time the language model is shown black in its place. As in
Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d: hyvideo/utils/train_utils.py (get_cond_latents, get_cond_images,
prepare_model_inputs), hyvideo/diffusion/flow/transport.py (sample, training_losses), hyvideo/hyvae_extract/run.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families import Variant
from praxino.families._hunyuan import loop, names, text
from praxino.families._hunyuan.settings import from_options
from praxino.families._hunyuan.template import VIDEO_FROM_PICTURE
from praxino.families._hunyuan.text import Embedded
from praxino.sampling.noise import SeededNoise
from praxino.training.tuning import noising
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, ComfyLayer, Task

BLACK_SHARE = 0.1
STREAMS = "attn.to_q attn.to_k attn.to_v attn.add_q_proj attn.add_k_proj attn.add_v_proj attn.to_out.0 attn.to_add_out"
ONE_STREAM = "attn.to_q attn.to_k attn.to_v proj_mlp proj_out norm.linear"
MIXED = "ff.net.0.proj ff.net.2 ff_context.net.0.proj ff_context.net.2 norm1.linear norm1_context.linear"
TENCENT = (
    ("double_blocks.{}", r"transformer_blocks\.(\d+)\.(.+)", names.DOUBLE,
     ("img_attn_qkv", "img_attn_proj", "img_mlp.fc1", "img_mlp.fc2", "img_mod.linear",
      "txt_attn_qkv", "txt_attn_proj", "txt_mlp.fc1", "txt_mlp.fc2", "txt_mod.linear")),
    ("single_blocks.{}", r"single_transformer_blocks\.(\d+)\.(.+)", names.SINGLE,
     ("linear1", "linear2", "modulation.linear")),
    ("txt_in.individual_token_refiner.blocks.{}", r"context_embedder\.token_refiner\.refiner_blocks\.(\d+)\.(.+)",
     names.REFINER, ("self_attn_qkv", "self_attn_proj", "mlp.fc1", "mlp.fc2")),
)  # fmt: skip
"""Tencent's name of a block, ours, and its layers there, which ComfyUI knows under a prefix of its own."""


class HunyuanVideoI2v:
    """See `Trainee`. A picture alone teaches nothing, and the first frame is always given."""

    targets = (
        *(f"transformer_blocks.*.{layer}" for layer in f"{STREAMS} {MIXED}".split()),
        *(f"single_transformer_blocks.*.{layer}" for layer in ONE_STREAM.split()),
        *(f"refiner_blocks.*.{layer}" for layer in ("ff.net.0.proj", "ff.net.2")),
        "proj_out",
    )
    scope = ""
    component = "transformer"

    def network(self, parts: Any) -> nn.Module:
        """The transformer."""
        return parts.transformer

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Scaled latents (C, f, h, w), those of the given frame (C, 1, h, w), and that frame (H, W, 3) uint8."""
        scale, vae = parts.vae.config.scaling_factor, parts.vae
        latents = encoded(vae, frames)
        with _tiles(vae, in_space=False):
            decoded = vae.decode((latents[:, :, :1] / scale).to(vae.dtype)).sample
            shown = ((decoded.float() / 2 + 0.5).clamp(0, 1) * 255).round()
            posterior = vae.encode((shown / 127.5 - 1).to(vae.dtype)).latent_dist
        noise = SeededNoise(int(np.int64(frames.sum()))).draw(tuple(posterior.mean.shape))
        given = noising.sampled(posterior, noise) * scale
        return {"latents": latents[0], "given": given[0], "shown": shown[0, :, 0].movedim(0, -1).byte()}

    def read(self, parts: Any, caption: str) -> Tensors:
        """Tokens (tokens,) with their mask, and CLIP's vector (channels,): what they mean depends on the picture."""
        words, template = caption.strip(), VIDEO_FROM_PICTURE
        length = template.crop_start + from_options(parts.variant.options).max_text_tokens
        ids, mask = parts.tokenizer.ids(template.around(words), length)
        return {"ids": torch.tensor(ids), "mask": torch.tensor(mask), "pooled": text.pooled(parts, words)[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to times of chance, and the velocity of all frames that are not given."""
        chance = drawn(variant, batch)
        black = batch.uniform(chance[0].device) < BLACK_SHARE
        return noised(parts, variant, batch.clips, _read(parts, variant, batch, black), chance)

    def answer(self, network: nn.Module, task: Task) -> Tensor:
        """The velocity, (B, C, f, h, w)."""
        return network(**task.inputs, return_dict=False)[0].float()

    def comfy_layer(self, module: str) -> ComfyLayer:
        """Tencent's own name and parts, under ComfyUI's prefix; diffusers' for layers outside of the blocks."""
        if module == "proj_out":
            return ComfyLayer("diffusion_model.final_layer.linear", (module,))
        for theirs, ours, parts, layers in TENCENT:
            if not (match := re.fullmatch(ours, module)):
                continue
            for layer in layers:
                own = parts[layer.replace(".", "_")]
                if match[2] in own:
                    home = module.removesuffix(match[2])
                    name = f"diffusion_model.{theirs.format(match[1])}.{layer}"
                    return ComfyLayer(name, tuple(home + part for part in own))
        return ComfyLayer(f"diffusion_model.{module}", (module,))


def encoded(vae: Any, frames: np.ndarray) -> Tensor:
    """The scaled latents of a clip (F, H, W, 3) uint8, (1, C, f, h, w) float32: the posterior's mode."""
    pixels = noising.pixels_of(frames).transpose(0, 1)[None]
    with _tiles(vae, in_space=True):
        latents = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode()
    return latents.float() * vae.config.scaling_factor


def drawn(variant: Variant, batch: Batch) -> tuple[Tensor, Tensor]:
    """Times (B,) and noise (B, C, f, h, w) of chance."""
    clean = batch.clips["latents"]
    own = noising.Times("logit-normal", shift=variant.options["shifts"]["stable"])
    return noising.times(batch, clean.device, own), batch.noise(clean)


def noised(parts: Any, variant: Variant, clips: Tensors, words: Embedded, chance: tuple[Tensor, Tensor]) -> Task:
    """The task of times and noise that are drawn already."""
    t, noise = chance
    clean, kind = clips["latents"], from_options(variant.options).kind
    noisy, velocity = noising.flowed(clean, noise, t)
    start, dtype = loop.Start(noisy, clips.get("given"), words, None), parts.transformer.dtype
    guidance = None
    if from_options(variant.options).embeds_guidance:
        guidance = t.new_full(t.shape, loop.embedded_guidance(variant.guidance_phases[0].scale))
    inputs = {
        "hidden_states": loop.model_input(start.latents, start, loop.Plan((), kind, None, ())).to(dtype),
        "timestep": t * loop.THOUSANDTHS,
        "encoder_hidden_states": words.states.to(dtype),
        "encoder_attention_mask": words.mask.to(dtype),
        "pooled_projections": words.pooled.to(dtype),
        "guidance": guidance,
    }
    learnt = torch.arange(clean.shape[2], device=clean.device) > 0 if kind == "token-replace" else None
    return Task(inputs, velocity, None if learnt is None else learnt[:, None, None], times=t)


@torch.no_grad()
def _read(parts: Any, variant: Variant, batch: Batch, black: Tensor) -> Embedded:
    """What the language model makes of each example's tokens beside its picture, or beside black."""
    settings, read = from_options(variant.options), []
    with torch.autocast(parts.device.type, enabled=False):
        for ids, mask, shown, is_black in zip(
            batch.texts["ids"], batch.texts["mask"], batch.clips["shown"], black, strict=True
        ):
            picture = (torch.zeros_like(shown) if is_black else shown).cpu().numpy()
            tokens = ids.tolist(), mask.tolist()
            read.append(text.states_of(parts, tokens, VIDEO_FROM_PICTURE, settings, picture))
        states, masks = (torch.cat(some) for some in zip(*read, strict=True))
    return Embedded(states, masks, batch.texts["pooled"])


@contextmanager
def _tiles(vae: Any, *, in_space: bool) -> Iterator[None]:
    """The VAE with tiles of pixels, or none, while the block runs; clips are never cut in time."""
    before = vae.use_tiling, vae.use_framewise_encoding
    vae.use_tiling, vae.use_framewise_encoding = in_space, False
    try:
        yield
    finally:
        vae.use_tiling, vae.use_framewise_encoding = before


TRAINEE = HunyuanVideoI2v()
