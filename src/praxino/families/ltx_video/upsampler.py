"""The network that doubles a clip's latents along both sides, and how its result is brought back to the first's tones.

Source: Lightricks/LTX-Video at 5260738, ltx_video/pipelines/pipeline_ltx_video.py (LTXMultiScalePipeline,
adain_filter_latent) and models/autoencoders/latent_upsampler.py. Knows no passes and no recipe.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from praxino.errors import ModelError
from praxino.families.ltx_video.header import read_header

if TYPE_CHECKING:
    from praxino.families.ltx_video.load import Parts

FOLDER = "latent_upsampler"
"""Where it lies in a folder of diffusers."""
DEFAULTS: dict[str, Any] = {
    "in_channels": 4,
    "mid_channels": 128,
    "num_blocks_per_stage": 4,
    "dims": 2,
    "spatial_upsample": True,
    "temporal_upsample": False,
}
"""What the authors' files mean where their metadata leaves a field out."""


def load(path: Path, kind: torch.dtype, device: torch.device) -> Any:
    """The LTXLatentUpsamplerModel of diffusers, from its folder, a pipeline's, or a single file of Lightricks.

    Raises:
        ModelError: there is none, it is damaged, or it doubles the number of frames instead.
    """
    from safetensors import SafetensorError

    try:
        network = _from_file(path, kind) if path.is_file() else _from_folder(path, kind)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as problem:
        if isinstance(problem, torch.OutOfMemoryError):
            raise
        raise ModelError(f"the latent upsampler {path} is damaged or incomplete: {problem}") from problem
    if network.config.temporal_upsample or not network.config.spatial_upsample:
        raise ModelError(f"{path} upsamples in time; the second pass needs the spatial upsampler.")
    return network.requires_grad_(False).eval().to(device)


def _from_folder(path: Path, kind: torch.dtype) -> Any:
    from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel

    home = path / FOLDER if (path / FOLDER).is_dir() else path
    return LTXLatentUpsamplerModel.from_pretrained(home, torch_dtype=kind, local_files_only=True)


def _from_file(path: Path, kind: torch.dtype) -> Any:
    from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
    from safetensors.torch import load_file

    header = read_header(path)
    if header is None or "initial_conv.weight" not in header.shapes:
        raise ValueError("it is no safetensors file of a latent upsampler")
    told = json.loads(header.metadata["config"])
    with torch.device("meta"):
        network = LTXLatentUpsamplerModel(**{name: told.get(name, value) for name, value in DEFAULTS.items()})
    tensors = {name: tensor.to(kind) for name, tensor in load_file(path).items()}
    network.load_state_dict(tensors, strict=True, assign=True)
    return network


@torch.no_grad()
def upsample(parts: Parts, latents: Tensor) -> Tensor:
    """Normalised latents (1, C, f, h, w) float32 as (1, C, f, 2h, 2w), each channel with the same mean and deviation.

    Raises:
        ModelError: the upsampler is for latents of another width.
    """
    network = parts.upsampler
    if network.config.in_channels != latents.shape[1]:
        raise ModelError(
            f"the latent upsampler is for {network.config.in_channels} channels, this model's latents have "
            f"{latents.shape[1]}."
        )
    mean, deviation = (
        values.float().view(1, -1, 1, 1, 1) for values in (parts.vae.latents_mean, parts.vae.latents_std)
    )
    larger = network((latents * deviation + mean).to(network.dtype)).float()
    return adain((larger - mean) / deviation, latents)


def adain(latents: Tensor, reference: Tensor) -> Tensor:
    """`latents` with the mean and the unbiased deviation of each of the reference's channels, (B, C, ...)."""
    axes = tuple(range(2, latents.ndim))
    deviation, mean = torch.std_mean(latents, dim=axes, keepdim=True)
    wanted_deviation, wanted_mean = torch.std_mean(reference, dim=axes, keepdim=True)
    return (latents - mean) / deviation * wanted_deviation + wanted_mean
