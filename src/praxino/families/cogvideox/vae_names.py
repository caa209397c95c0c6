"""The authors' (SAT) VAE as diffusers' AutoencoderKLCogVideoX. Tensors in, tensors out; no file is read here.

Source: zai-org/CogVideo at 7a1af71, sat/vae_modules/cp_enc_dec.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from praxino.families._stock.checkpoint import Shapes

if TYPE_CHECKING:
    from torch import Tensor

LOSS = "loss."
"""The beginning of what only training needs."""
LEVEL = re.compile(r"^(encoder|decoder)\.(down|up)\.(\d+)\.(.+)$")
RENAMED = (
    (r"\bmid\.block_1\.", "mid_block.resnets.0."),
    (r"\bmid\.block_2\.", "mid_block.resnets.1."),
    (r"\bblock\.(\d+)\.", r"resnets.\1."),
    (r"\bnin_shortcut\.", "conv_shortcut."),
    (r"\b(down|up)sample\.", r"\1samplers.0."),
)


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in diffusers' names. The authors count the decoder's levels from its end."""
    num_levels = len(_widths({name: tuple(tensor.shape) for name, tensor in tensors.items()}))
    return {_renamed(name, num_levels): tensor for name, tensor in tensors.items() if not name.startswith(LOSS)}


def config_of(shapes: Shapes, scaling_factor: float, inverted: bool) -> dict[str, Any]:
    """The diffusers config of a VAE, from its shapes.

    Args:
        shapes: in the authors' names.
        scaling_factor: of the latents, which is in no file of weights.
        inverted: whether a picture's latents are divided by it.
    """
    resnets = {name.split(".")[4] for name in shapes if name.startswith("encoder.down.0.block.")}
    return {
        "block_out_channels": _widths(shapes),
        "latent_channels": shapes["encoder.conv_out.conv.weight"][0] // 2,
        "layers_per_block": len(resnets),
        "scaling_factor": scaling_factor,
        "invert_scale_latents": inverted,
    }


def _widths(shapes: Shapes) -> list[int]:
    """Channels of each level of the encoder."""
    pattern = re.compile(r"encoder\.down\.(\d+)\.block\.0\.conv1\.conv\.weight")
    found = {int(match[1]): shape[0] for name, shape in shapes.items() if (match := pattern.fullmatch(name))}
    return [found[level] for level in sorted(found)]


def _renamed(name: str, num_levels: int) -> str:
    if match := LEVEL.match(name):
        level = int(match[3]) if match[2] == "down" else num_levels - 1 - int(match[3])
        name = f"{match[1]}.{match[2]}_blocks.{level}.{match[4]}"
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name
