"""The second stage: a clip's latents to those of the larger clip. Knows the loaded pipeline and a recipe, no request.

Source: Tencent-Hunyuan/HunyuanVideo-1.5 at 60783e7, hyvideo/pipelines/hunyuan_video_sr_pipeline.py (__call__). What is
mixed into the small clip is the seed's second draw; there it is the process's own noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from praxino.families import LoopState
from praxino.families._pixels import to_uint8
from praxino.families._stock.checkpoint import read_json
from praxino.families._stock.load import damaged, quiet
from praxino.families._stock.pictures import of_role
from praxino.families.hunyuan_video_15 import convert, larger, upsamplers
from praxino.recipe import Recipe
from praxino.sampling import schedules
from praxino.sampling.noise import NoiseSource

if TYPE_CHECKING:
    from praxino.families._stock.load import Parts

NETWORKS = "larger"
"""Under this name `Parts.kept` has where they were loaded from, and the transformer and the upsampler."""
TRAIN_STEPS = 1000
SHOWN = "shown"
"""In a state: the small clip as the transformer is shown it, stretched, sharpened and noised."""


@dataclass(frozen=True)
class Start:
    """What the steps begin with. Latents are (1, C, f, h, w)."""

    latents: Tensor
    """Noise."""
    shown: Tensor
    """The small clip, noised."""
    condition: Tensor
    """The picture's latents and which frames are known, (1, C + 1, f, h, w)."""
    inputs: Mapping[str, Tensor]
    """What else the transformer is given in every step."""


def equip(parts: Parts, recipe: Recipe) -> None:
    """Load the networks of a recipe's second stage, and let those go that it has no use for.

    Raises:
        ModelError: they are damaged, or others.
    """
    paths = {companion.role: companion.path for companion in recipe.companions}
    wanted = [paths[role] for role in (larger.TRANSFORMER, larger.UPSAMPLER) if role in paths]
    if parts.kept.get(NETWORKS, ([],))[0] == wanted:
        return
    parts.kept.pop(NETWORKS, None)
    if not wanted:
        return
    transformer, upsampler = (Path(path) for path in wanted)
    with quiet(), damaged(transformer):
        network = _transformer(transformer, parts.dtype)
    with damaged(upsampler):
        sharpener = upsamplers.filled(read_json(upsampler / "config.json"), _read(upsampler))
    for module in (network, sharpener):
        module.requires_grad_(False).eval().to(parts.device)
    parts.kept[NETWORKS] = (wanted, network, sharpener)


@torch.no_grad()
def opening(parts: Parts, small: Tensor, size: tuple[int, int], noise: NoiseSource) -> tuple[Tensor, Tensor]:
    """The noise of a larger clip of latents (height, width), and what is shown of the small one's latents."""
    shape = (*small.shape[:3], *size)
    latents = noise.draw(shape).to(parts.device)
    shown = sharpened(parts.kept[NETWORKS][2], small.to(parts.device), size)
    mixed = (1 - larger.SEEN_FROM) * shown + larger.SEEN_FROM * noise.draw(shape).to(parts.device)
    return latents, mixed


@torch.no_grad()
def start(parts: Parts, pipeline: Any, recipe: Recipe, given: list[np.ndarray], state: LoopState) -> Start:
    """Read words and picture; latents and what is shown are those of a state."""
    dtype = parts.kept[NETWORKS][1].dtype
    latents, shown = (state.tensors[name].to(parts.device) for name in ("latents", SHOWN))
    picture = of_role(recipe, given, "frame")
    condition, seen = _read_picture(parts, pipeline, recipe, picture[0][0] if picture else None, latents)
    words, mask, letters, letters_mask = pipeline.encode_prompt(
        prompt=recipe.caption, device=parts.device, dtype=dtype, batch_size=1, num_videos_per_prompt=1
    )
    inputs = {
        "encoder_hidden_states": words,
        "encoder_attention_mask": mask,
        "encoder_hidden_states_2": letters,
        "encoder_attention_mask_2": letters_mask,
        "image_embeds": seen,
    }
    return Start(latents, shown, condition, inputs)


def denoise(transformer: Any, begun: Start, num_steps: int, step: int = 0) -> Iterator[Tensor]:
    """Yield the latents after each step, float32, going on after `step` steps with `begun.latents`."""
    sigmas = (*schedules.hunyuan(num_steps, larger.SHIFT), 0.0)
    latents = begun.latents
    for index in range(step, num_steps):
        latents = _stepped(transformer, begun, latents, sigmas[index : index + 2])
        yield latents


@torch.no_grad()
def _stepped(transformer: Any, begun: Start, latents: Tensor, levels: tuple[float, ...]) -> Tensor:
    now, after = levels
    small = torch.cat((begun.shown, torch.ones_like(begun.shown[:, :1])), dim=1)
    seen = small if now >= larger.SEEN_FROM else torch.zeros_like(small)
    given = torch.cat((latents, begun.condition, seen), dim=1)
    times = [torch.tensor([level * TRAIN_STEPS], device=latents.device) for level in levels]
    more = {"timestep_r": times[1]} if transformer.config.use_meanflow else {}
    dtype = transformer.dtype
    with torch.autocast(latents.device.type, dtype, enabled=dtype != torch.float32):
        velocity = transformer(given.to(dtype), times[0], **begun.inputs, **more, return_dict=False)[0]
    return latents + velocity.float() * (after - now)


def sharpened(upsampler: Any, small: Tensor, size: tuple[int, int]) -> Tensor:
    """A small clip's latents, (1, C, f, h, w), stretched frame by frame to (height, width) and sharpened, float32."""
    frames = small[0].transpose(0, 1).float()
    stretched = F.interpolate(frames, size=size, mode="bilinear", align_corners=False)
    return upsampler(stretched.transpose(0, 1)[None])


@torch.no_grad()
def decode(parts: Parts, state: LoopState) -> np.ndarray:
    """The larger clip, (F, H, W, 3) uint8, cut down to whole bytes as Tencent do."""
    vae = parts.base.vae
    latents = state.tensors["latents"].to(vae.device, vae.dtype) / vae.config.scaling_factor
    return to_uint8(vae.decode(latents, return_dict=False)[0][0])


def covering(picture: np.ndarray, width: int, height: int) -> Image.Image:
    """A picture (H, W, 3) uint8 resized to cover a size, its middle."""
    tall, wide = picture.shape[:2]
    scale = max(width / wide, height / tall)
    across, down = round(wide * scale), round(tall * scale)
    resized = Image.fromarray(picture).resize((across, down), Image.Resampling.LANCZOS)
    left, top = round((across - width) / 2), round((down - height) / 2)
    return resized.crop((left, top, left + width, top + height))


def _read_picture(
    parts: Parts, pipeline: Any, recipe: Recipe, picture: np.ndarray | None, latents: Tensor
) -> tuple[Tensor, Tensor]:
    """The condition that a first frame is, zeros without one, and what the picture encoder sees in it."""
    device, dtype = parts.device, parts.kept[NETWORKS][1].dtype
    if picture is None:
        condition = torch.zeros_like(latents[:, :1]).repeat(1, latents.shape[1] + 1, 1, 1, 1)
        tokens = pipeline.vision_num_semantic_tokens, pipeline.vision_states_dim
        return condition, torch.zeros(1, *tokens, device=device, dtype=dtype)
    width, height = recipe.size
    known = pipeline.prepare_cond_latents_and_mask(
        latents=latents, image=covering(picture, width, height), batch_size=1, height=height, width=width,
        dtype=latents.dtype, device=device,
    )  # fmt: skip
    side = recipe.options[larger.OPTION]["side"]
    looked_at = covering(picture, *larger.vision_size(picture.shape[1], picture.shape[0], side))
    return torch.cat(known, dim=1), pipeline.encode_image(image=looked_at, batch_size=1, device=device, dtype=dtype)


def _transformer(folder: Path, dtype: torch.dtype) -> Any:
    """In Tencent's naming, or in diffusers' layout."""
    from diffusers.models.transformers.transformer_hunyuan_video15 import HunyuanVideo15Transformer3DModel

    config = read_json(folder / "config.json")
    if config.get("_class_name") == HunyuanVideo15Transformer3DModel.__name__:
        return HunyuanVideo15Transformer3DModel.from_pretrained(folder, torch_dtype=dtype, local_files_only=True)
    return transformer_of(config, _read(folder), dtype)


def transformer_of(config: Mapping[str, Any], tensors: Mapping[str, Tensor], dtype: torch.dtype) -> Any:
    """The transformer of Tencent's config.json and weights, made without first drawing random ones."""
    from accelerate import init_empty_weights
    from diffusers.models.transformers.transformer_hunyuan_video15 import HunyuanVideo15Transformer3DModel

    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    with init_empty_weights():
        network: Any = HunyuanVideo15Transformer3DModel.from_config(convert.config_of(shapes, config))
    converted = {name: tensor.to(dtype) for name, tensor in convert.renamed(tensors).items()}
    network.load_state_dict(converted, strict=True, assign=True)
    return network


def _read(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}
