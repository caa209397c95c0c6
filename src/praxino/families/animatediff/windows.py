"""FreeNoise: clips longer than an adapter's positions, through windows that slide over them.

Qiu et al. 2023 (arXiv 2310.15169), as in diffusers 0.42.1 (pipelines/free_noise_utils.py), with its defaults. The noise
of a first window is shuffled into all others, and temporal layers see one window at a time, weighed where they overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from praxino.families import Variant
from praxino.recipe import Recipe

FREE_NOISE = "free_noise"
"""The option of a recipe that is drawn in windows."""
CONTEXT_FRAMES, STRIDE_FRAMES = 16, 4
"""The adapters were trained on clips of 16 frames."""
MAX_FRAMES = 256
"""The longest that diffusers' guide draws so."""
PIPELINES: Mapping[str, str] = {
    "AnimateDiffPipeline": "LongClips",
    "AnimateDiffVideoToVideoPipeline": "LongChanged",
    "AnimateDiffControlNetPipeline": "LongControlled",
    "AnimateDiffVideoToVideoControlNetPipeline": "LongChangedControlled",
}
"""What draws a long clip in place of what draws a short one."""


def planned(num_frames: int, variant: Variant) -> dict[str, Any]:
    """Options of a run: none where the adapter's positions suffice."""
    if num_frames <= variant.options["positions"]:
        return {}
    return {FREE_NOISE: {"context_frames": CONTEXT_FRAMES, "stride_frames": STRIDE_FRAMES, "weights": "pyramid"}}


def lay(unet: Any, recipe: Recipe) -> None:
    """Have the temporal layers see a recipe's windows, or whole clips where it has none.

    In place, by their class: diffusers makes other modules and copies the weights, which LoRAs and offloading would not
    outlive.
    """
    from diffusers.models.attention import BasicTransformerBlock, FreeNoiseTransformerBlock
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    wanted = recipe.options.get(FREE_NOISE)
    layers = (layer for layer in unet.modules() if isinstance(layer, AnimateDiffTransformer3D))
    blocks: list[Any] = [block for layer in layers for block in layer.transformer_blocks]
    for block in blocks:
        block.__class__ = BasicTransformerBlock if wanted is None else FreeNoiseTransformerBlock
        if wanted is not None:
            block.set_free_noise_properties(wanted["context_frames"], wanted["stride_frames"], wanted["weights"])
