"""All networks of a run, put together out of Hotshot-XL's files and, where one is named, an SDXL checkpoint's.

A spatial base gives all that it has: the spatial layers of the UNet and, where they are there, the text encoders, the
VAE, the tokenizers and the scheduler's config. What it lacks comes from Hotshot-XL's folder. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from praxino.errors import ModelError
from praxino.families.hotshot_xl import unet
from praxino.families.hotshot_xl.layout import Layout, base_unet, read_json
from praxino.families.hotshot_xl.text import Encoder
from praxino.families.hotshot_xl.weights import (
    filled,
    read_config,
    read_tensors,
    read_weights,
    told_as_damaged,
)

VAE_NAME = "first_stage_model.decoder.conv_in.weight"
CLIP_NAMES = {
    "text_encoder": "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight",
    "text_encoder_2": "conditioner.embedders.1.model.positional_embedding",
}
"""Weights by which single files are seen to have these networks."""


@dataclass
class Networks:
    """What a run computes with."""

    unet: Any
    """diffusers' UNetMotionModel, mended."""
    encoders: tuple[Encoder, Encoder]
    vae: Any
    """diffusers' AutoencoderKL."""
    scheduler_config: dict[str, Any]


def assemble(layout: Layout, base: Path | None, dtype: torch.dtype, device: str) -> Networks:
    """Load every network.

    Args:
        layout: where Hotshot-XL's parts are.
        base: an SDXL folder, its UNet's folder, or a single file, to take the place of Hotshot-XL's spatial layers.
        dtype: the number format. The VAE stays in float32 where float16 is too narrow for it.
        device: cpu, cuda, ...

    Raises:
        ModelError: files are damaged or missing, or the base's UNet has another shape.
    """
    single = read_tensors(base) if base is not None and base.is_file() else {}
    source = _Source(layout, base, single)
    with told_as_damaged(base or layout.folder):
        networks = Networks(
            unet=source.unet(dtype),
            encoders=(source.encoder("text_encoder", dtype), source.encoder("text_encoder_2", dtype)),
            vae=source.vae(dtype),
            scheduler_config=read_json(source.folder("scheduler") / "scheduler_config.json"),
        )
    if networks.unet.config.in_channels != networks.vae.config.latent_channels:
        raise ModelError(
            f"the UNet of {base or layout.folder} takes {networks.unet.config.in_channels} channels, as those do that "
            "fill in pictures; temporal layers go over a plain SDXL."
        )
    for model in (networks.unet, networks.vae, *(encoder.model for encoder in networks.encoders)):
        model.to(device)
    return networks


@dataclass(frozen=True)
class _Source:
    layout: Layout
    base: Path | None
    single: dict[str, Tensor]
    """The tensors of a base that is a single file."""

    def folder(self, name: str) -> Path:
        """The component's folder: the base's, else Hotshot-XL's."""
        homes = [home for home in (self.base, self.layout.folder) if home is not None]
        for home in homes:
            if (home / name).is_dir():
                return home / name
        raise ModelError(
            f"there is no {name}/ in {' or '.join(map(str, homes))}.\n"
            "Give a --spatial-base that is a whole diffusers folder, or keep the small files of hotshotco/Hotshot-XL "
            "(tokenizers and configs) beside the temporal layers."
        )

    def unet(self, dtype: torch.dtype) -> Any:
        alone = self.layout.temporal_file
        tensors = unet.renamed(read_tensors(alone) if alone else read_weights(self.layout.folder / "unet"))
        if self.base is None:
            return unet.build(read_config(self.layout.folder / "unet"), tensors, dtype)
        config, spatial = self._spatial(self.base)
        temporal = {name: tensor for name, tensor in tensors.items() if unet.TEMPORAL in name}
        try:
            return unet.build(config, spatial | temporal, dtype)
        except ModelError as problem:
            raise ModelError(f"the temporal layers do not fit on {self.base}. {problem}") from problem

    def _spatial(self, base: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The config and the tensors of the base's UNet, under diffusers' names."""
        if not self.single:
            return read_config(base_unet(base)), read_weights(base_unet(base))
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

        config = read_config(self.layout.folder / "unet")
        return config, convert_ldm_unet_checkpoint(dict(self.single), config)

    def encoder(self, name: str, dtype: torch.dtype) -> Encoder:
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        kind: Any = CLIPTextModel if name == "text_encoder" else CLIPTextModelWithProjection
        folder = self.folder(name)
        config = kind.config_class.from_pretrained(folder, local_files_only=True)
        tensors = self._clip(name, config) or read_weights(folder)
        with no_progress_bars():
            model, info = kind.from_pretrained(
                None, config=config, state_dict=tensors, dtype=dtype, output_loading_info=True
            )
        if lacking := sorted(info["missing_keys"]) + sorted(info["mismatched_keys"]):
            raise ModelError(f"{folder} is damaged or incomplete: {lacking[0]} is missing or of another shape.")
        tokenizer = CLIPTokenizer.from_pretrained(
            self.folder(name.replace("text_encoder", "tokenizer")), local_files_only=True
        )
        return Encoder(tokenizer, model.requires_grad_(False).eval())

    def _clip(self, name: str, config: Any) -> dict[str, Tensor]:
        """A text encoder's tensors out of a single file, under transformers' names; none when it has none."""
        from diffusers.loaders.single_file_utils import convert_ldm_clip_checkpoint, convert_open_clip_checkpoint

        if CLIP_NAMES[name] not in self.single:
            return {}
        if name == "text_encoder":
            return convert_ldm_clip_checkpoint(self.single)
        return convert_open_clip_checkpoint(
            _OpenClip(config), dict(self.single), prefix="conditioner.embedders.1.model."
        )

    def vae(self, dtype: torch.dtype) -> Any:
        from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

        folder = self.folder("vae")
        config = read_config(folder)
        if VAE_NAME in self.single:
            tensors = convert_ldm_vae_checkpoint(dict(self.single), config)
        else:
            tensors = read_weights(folder)
        wide = dtype == torch.float16 and config.get("force_upcast", True)
        return filled(AutoencoderKL, config, tensors, torch.float32 if wide else dtype)


@dataclass(frozen=True)
class _OpenClip:
    """As much of a text encoder as diffusers' conversion looks at."""

    config: Any


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing bars on the terminal: progress is told by events."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
