"""What lies at a path, told by configs and file headers: Hotshot-XL, its temporal layers alone, SDXL. No torch.

Hotshot-XL comes as the original repository (its UNet's class is UNet3DConditionModel), as a converted diffusers folder
(UNetMotionModel), or as one file that holds the temporal layers alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.families._stock.checkpoint import read_shapes

ORIGINAL_UNET = "UNet3DConditionModel"
CONVERTED_UNET = "UNetMotionModel"
SDXL_UNET = "UNet2DConditionModel"
POSITIONS = 24
"""Length of the position encodings, by which a UNetMotionModel is told from AnimateDiff's."""
TEMPORAL_NAME = ".temporal_attentions."
SDXL_NAMES = ("model.diffusion_model.label_emb.0.0.weight", "model.diffusion_model.input_blocks.0.0.weight")
"""In single files of SDXL and of no older Stable Diffusion."""


@dataclass(frozen=True)
class Layout:
    """Where the parts of a checkpoint are."""

    folder: Path
    """Has unet/, text_encoder/, text_encoder_2/, tokenizer/, tokenizer_2/, vae/ and scheduler/, or some of them."""
    temporal_file: Path | None = None
    """The file of the temporal layers, where unet/ has no weights."""


def read_layout(path: Path) -> Layout | None:
    """The layout of Hotshot-XL at a folder or file, None when it is something else."""
    if path.is_file():
        return Layout(path.parent, path) if is_temporal_file(path) else None
    if is_whole_unet(path / "unet") and (path / "model_index.json").is_file():
        return Layout(path)
    files = [file for file in sorted(path.glob("*.safetensors")) if is_temporal_file(file)]
    return Layout(path, files[0]) if files else None


def is_whole_unet(folder: Path) -> bool:
    """Whether a folder has the config and weights of Hotshot-XL's UNet, in the original's or diffusers' class."""
    config = read_json(folder / "config.json")
    converted = config.get("_class_name") == CONVERTED_UNET and config.get("motion_max_seq_length") == POSITIONS
    known = converted or config.get("_class_name") == ORIGINAL_UNET
    return known and config.get("addition_embed_type") == "text_time" and any(folder.glob("*.safetensors"))


def is_temporal_file(file: Path) -> bool:
    """Whether a safetensors file holds Hotshot-XL's temporal layers and nothing else."""
    names = tensor_names(file)
    return bool(names) and all(TEMPORAL_NAME in name for name in names)


def check_base(path: Path) -> None:
    """Whether temporal layers can be laid over what lies at a path.

    Raises:
        UserError: it is no SDXL checkpoint: neither a diffusers folder, nor a UNet's folder, nor a single file.
    """
    if path.is_file():
        fits = set(SDXL_NAMES) <= set(tensor_names(path))
    else:
        config = read_json(base_unet(path) / "config.json")
        fits = config.get("_class_name") == SDXL_UNET and config.get("addition_embed_type") == "text_time"
    if not fits:
        raise UserError(
            f"--spatial-base {path} is no SDXL checkpoint; give a diffusers folder, the folder of its unet, "
            "or a single .safetensors file of one."
        )


def base_unet(path: Path) -> Path:
    """The UNet's folder of a spatial base that is a folder: in it, or the folder itself."""
    return path / "unet" if (path / "unet").is_dir() else path


def tensor_names(file: Path) -> list[str]:
    """The names in a safetensors file; none when it is not one."""
    return list(read_shapes(file) or {})


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; empty when the file is not there or holds something else."""
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
