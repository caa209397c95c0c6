"""HunyuanVideo 1.5 by Tencent. Importing this costs no torch.

Its second stage, which draws a clip larger, is in no diffusers pipeline: `larger` plans it, `enlarge` draws it, and
`stages` runs both as one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.families import Family, LoopState, Sampling, Shape, Variant
from praxino.families._phases import check_rescale, is_guided, planned_guider, planned_star, rescaled
from praxino.families._stock import FLOW, Given, StockFamily, standard
from praxino.families._stock.lora_names import check_layers
from praxino.families._stock.pictures import of_role
from praxino.families._stock.reach import Reader
from praxino.families.hunyuan_video_15 import larger
from praxino.families.hunyuan_video_15.names import layers_of
from praxino.families.hunyuan_video_15.variants import FROM_PICTURES, PUBLISHED, variant_of
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from praxino.families._stock.load import Parts


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.hunyuan_video_15.miniature import write

    write(folder, PUBLISHED[like or "hunyuan-video-1.5-480p"])


def _arguments(given: Given) -> dict[str, Any]:
    """The guidance is in the guider. A picture is given whole: the pipeline cuts it, to the size that is drawn."""
    from PIL import Image

    from praxino.families._stock.guiding import guider_for

    recipe, pipeline = given.recipe, given.pipeline
    pipeline.register_modules(guider=guider_for(recipe, pipeline.guider))
    others = "guidance_scale", "guidance_rescale", "image"
    named = {name: value for name, value in standard(given).items() if name not in others}
    shown = of_role(recipe, given.pictures, "frame")
    if not shown:
        return named
    pipeline.video_processor.calculate_default_height_width = lambda **_: (recipe.height, recipe.width)
    return {**named, "image": Image.fromarray(shown[0][0])}


def _encode(vae: Any, pictures: Tensor) -> Tensor:
    """Each picture as a clip of one frame, one after another: the VAE's mask is made for one sample."""
    from torch import cat

    clips = pictures[:, :, None].split(1)
    return cat([vae.encode(clip).latent_dist.mode()[:, :, 0] for clip in clips]) * vae.config.scaling_factor


def _guided(sampling: Sampling, request: Request, variant: Variant) -> Sampling:
    """The same with the guider that is asked for. Raises UserError where there is no guidance for it to change."""
    guided = is_guided(sampling.guidance_phases)
    check_rescale(request, guided)
    return dataclasses.replace(
        sampling,
        guidance_phases=tuple(rescaled(request, phase, guided) for phase in sampling.guidance_phases),
        cfg_star=planned_star(request, variant, guided),
        options={**sampling.options, **planned_guider(request, guided, from_noise=True)},
    )


class HunyuanVideo15(StockFamily):
    """Its VAE decodes in tiles, and a second stage draws clips larger."""

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        plain = dataclasses.replace(request, guider=None, cfg_star=None, rescale=None)
        sampling = _guided(super().plan(plain, variant, shape, task), request, variant)
        return larger.planned(sampling, variant, shape) if shape.upscale else sampling

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        parts = super().load(path, variant, dtype, device)
        parts.base.vae.enable_tiling()
        return parts

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Put the recipe's LoRAs on the first stage's networks, and load the second's, in place of any before."""
        from praxino.families.hunyuan_video_15 import enlarge

        enlarge.equip(parts, recipe)
        return super().equip(parts, recipe)

    def denoise(
        self, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step and after every one, of both stages."""
        from praxino.families.hunyuan_video_15.stages import denoise

        if not recipe.upscale:
            return super().denoise(recipe, parts, pictures, seed, state)
        return denoise(self, recipe, parts, pictures, seed, state)

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The frames of the last state."""
        from praxino.families.hunyuan_video_15 import enlarge

        return enlarge.decode(parts, state) if recipe.upscale else super().decode(recipe, parts, state)

    def preview(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The latents through a linear map."""
        from praxino.families.hunyuan_video_15.stages import of_stage

        return super().preview(of_stage(recipe, state), parts, state)


FAMILY: Family = HunyuanVideo15(
    name="hunyuan-video-1.5",
    title="HunyuanVideo 1.5",
    variants=PUBLISHED,
    pipelines={"text-to-video": "HunyuanVideo15Pipeline", "image-to-video": FROM_PICTURES},
    classes=("HunyuanVideo15Pipeline", FROM_PICTURES),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    schedulers=FLOW,
    flow=True,
    refuse_lora=lambda path: check_layers(path, "HunyuanVideo 1.5", lambda layer: bool(layers_of(layer))),
    lora_layers=layers_of,
    text_readers=(Reader("Qwen2.5-VL", "tokenizer", 1000),),
    encode=_encode,
)
