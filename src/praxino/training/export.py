"""Owns the model's folder: a plain diffusers pipeline, and the small files Praxino reads beside it.

Must not know how the weights came to be. `LTXPipeline.from_pretrained` and `LTXConditionPipeline.from_pretrained`
load the folder unchanged. The text encoder stays float32: transformers would load it as saved, the rest as float32.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from numpy.typing import NDArray
from torch import Tensor
from transformers import T5Tokenizer

from praxino.training.captions import vocabulary
from praxino.training.dataset import ClipRow
from praxino.training.flow import Denoiser, LatentGrid
from praxino.training.sample import encode_tokens
from praxino.training.text import MAX_TOKENS
from praxino.training.vae import to_video

SIZE_LIMIT_BYTES = 25_000_000
PREVIEW_CLIPS = 200
GRID = LatentGrid()
Clips = NDArray[np.uint8]


@dataclass(frozen=True)
class Trained:
    """A whole model in memory, and the noise levels it is to be sampled at."""

    vae: AutoencoderKLLTXVideo
    denoiser: Denoiser
    tokenizer: T5Tokenizer
    grid: LatentGrid
    sigmas: Sequence[float]
    sizes: Sequence[tuple[int, int]] = ()
    """Widths and heights in pixels that it was trained at, where that is not the grid's alone."""


def write_folder(model: Trained, out: Path, words: dict[str, Any] | None = None, clips: Clips | None = None) -> None:
    """Write the pipeline, praxino.json and vocabulary.json to `out`.

    `words` is the vocabulary, and `clips` (N, F, H, W, 3) uint8 what previews are fitted to: by default the first
    edition's.
    """
    pipeline = LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0, use_dynamic_shifting=False),
        vae=_half(model.vae),
        text_encoder=copy.deepcopy(model.denoiser.text_encoder).float().cpu(),
        tokenizer=model.tokenizer,
        transformer=_half(model.denoiser.transformer),
    )
    pipeline.save_pretrained(out)
    _write_json(out / "praxino.json", manifest(model, preview_clips(model.grid) if clips is None else clips))
    _write_json(out / "vocabulary.json", vocabulary() if words is None else words)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    """One field a line."""
    fields = [f"{json.dumps(name)}: {json.dumps(field, ensure_ascii=False)}" for name, field in value.items()]
    path.write_text("{\n" + ",\n".join(fields) + "\n}\n", encoding="utf-8")


def _half(module: Any) -> Any:
    # Kernels kept channels-last in training would not be contiguous in the file.
    return copy.deepcopy(module).cpu().to(memory_format=torch.contiguous_format).half()


def read_folder(folder: Path, grid: LatentGrid = GRID, device: torch.device | str = "cpu") -> Trained:
    """Load what `write_folder` wrote, as float32: what is scored is what ships."""
    pipeline = LTXPipeline.from_pretrained(folder)
    denoiser = Denoiser(pipeline.transformer, pipeline.text_encoder).float().eval().to(device)
    sigmas = json.loads((folder / "praxino.json").read_text())["sigmas"]
    return Trained(pipeline.vae.float().eval().to(device), denoiser, pipeline.tokenizer, grid, sigmas)


def manifest(model: Trained, clips: Clips) -> dict[str, Any]:
    """What praxino.json holds: how this model is to be run."""
    grid = model.grid
    width, height = grid.width * grid.pixels, grid.height * grid.pixels
    factors, bias = preview_map(model, clips)
    return {
        "family": "ltx-video",
        "variant": "pocket",
        "title": "Animated emoji stickers, small enough to ship",
        "licence": "Apache-2.0",
        "width": width,
        "height": height,
        "num_frames": grid.num_frames,
        "fps": round(grid.fps),
        "steps": len(model.sigmas),
        "guidance": 1.0,
        "schedule": "explicit",
        "sigmas": list(model.sigmas),
        "causal_rope": True,
        "max_text_tokens": MAX_TOKENS,
        "size_multiple": 32,
        "sizes": [list(size) for size in model.sizes] or [[width, height]],
        "max_frames": grid.num_frames,
        "image_preparation": "sticker",
        "preview": [factors, bias],
    }


def preview_clips(grid: LatentGrid) -> Clips:
    """Clips of the first edition, and of things it has no name for."""
    row = ClipRow(seed=31, other_share=0.5, num_frames=grid.num_frames, size_px=grid.width * grid.pixels)
    return np.stack([row.clip(index).frames for index in range(PREVIEW_CLIPS)])


@torch.no_grad()
def preview_map(model: Trained, clips: Clips) -> tuple[list[list[float]], list[float]]:
    """Least-squares map from a normalised latent cell to its mean colour in -1..1: 3 x K factors and 3 biases."""
    grid = model.grid
    video = to_video(clips).to(model.vae.device)
    tokens = torch.cat([encode_tokens(model.vae, part) for part in video.split(32)])
    colours = cell_colours(video, grid)
    ones = torch.ones_like(tokens[..., :1])
    design = torch.cat([tokens, ones], -1).flatten(0, 1).cpu().double().numpy()
    solution = np.linalg.lstsq(design, colours.flatten(0, 1).cpu().double().numpy(), rcond=None)[0]
    return [[round(x, 4) for x in column] for column in solution[:-1].T.tolist()], [
        round(x, 4) for x in solution[-1].tolist()
    ]


def cell_colours(video: Tensor, grid: LatentGrid) -> Tensor:
    """Mean colour of each latent cell of (B, 3, F, H, W): (B, T, 3). The first latent frame spans one frame."""
    cells = torch.nn.functional.avg_pool3d(video, (1, grid.pixels, grid.pixels))
    first, rest = cells[:, :, :1], cells[:, :, 1:]
    rest = torch.nn.functional.avg_pool3d(rest, (grid.stride, 1, 1))
    return torch.cat([first, rest], 2).flatten(2).mT


def folder_bytes(folder: Path) -> int:
    """Size of all files under `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
