"""Reading a motion adapter: a folder of diffusers, or a file in its names or those of the original code. Needs torch.

diffusers has `MotionAdapter.from_single_file`, which takes every file for one of Stable Diffusion's widths and length;
here these are read off the file. Its translation of names is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.errors import ModelError
from praxino.families._stock.checkpoint import Shapes, read_shapes
from praxino.families._stock.load import damaged, quiet, weights_variant

ORIGINAL = ".temporal_transformer."
"""In the names of the original code."""
GROUPS, POSITIONS = 32, 32


def load(path: Path, dtype: torch.dtype) -> Any:
    """The adapter as diffusers' MotionAdapter.

    Raises:
        ModelError: it cannot be read, or lacks weights.
    """
    from diffusers.models.unets.unet_motion_model import MotionAdapter

    with quiet(), damaged(path):
        if path.is_file():
            return _from_file(path, MotionAdapter).to(dtype)
        variant = weights_variant(path.glob("*.safetensors"))
        return MotionAdapter.from_pretrained(
            path, dtype=dtype, local_files_only=True, use_safetensors=True, variant=variant
        )


def _from_file(path: Path, kind: Any) -> Any:
    from diffusers.loaders.single_file_utils import convert_animatediff_checkpoint_to_diffusers
    from safetensors.torch import load_file

    adapter = kind(**_config(read_shapes(path) or {}))
    tensors = load_file(path)
    if any(ORIGINAL in name for name in tensors):
        tensors = convert_animatediff_checkpoint_to_diffusers(tensors)
    missing, strange = adapter.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not name.endswith(".pe")]
    if missing or strange:
        raise ModelError(f"{path} is no motion adapter of this layout: {(missing or strange)[0]!r} does not fit.")
    return adapter


def _config(shapes: Shapes) -> dict[str, Any]:
    """Widths, layers and positions, as the shapes tell them. Eight heads are in every published one."""
    inputs = {name: shape for name, shape in shapes.items() if name.endswith("proj_in.weight")}
    down = {name: shape for name, shape in inputs.items() if name.startswith("down_blocks.")}
    blocks = sorted({int(name.split(".")[1]) for name in down})
    widths = tuple(next(s[0] for n, s in down.items() if n.startswith(f"down_blocks.{block}.")) for block in blocks)
    return {
        "block_out_channels": widths,
        "motion_layers_per_block": len(down) // len(blocks),
        "motion_norm_num_groups": min(GROUPS, *widths),
        "use_motion_mid_block": any(name.startswith("mid_block.") for name in shapes),
        "motion_max_seq_length": next((s[1] for n, s in shapes.items() if n.endswith(".pe")), POSITIONS),
    }
