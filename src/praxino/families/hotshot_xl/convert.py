"""Writing a Hotshot-XL folder in diffusers' own format. Knows folders; the network itself is `unet`'s.

The UNet is written as diffusers' UNetMotionModel, its temporal layers once more as a MotionAdapter (without which the
stock pipeline does not load); all else is copied as it lies. diffusers reads the result, but its classes compute
something else (see `unet`): `load_unet` and `praxino -m FOLDER` give the original's numbers.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.families.hotshot_xl.layout import CONVERTED_UNET, is_temporal_file, is_whole_unet, read_json

COPIED = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae", "scheduler", "praxino.json")
INDEX = "model_index.json"
PIPELINE = "AnimateDiffSDXLPipeline"
"""The stock pipeline whose parts are those of Hotshot-XL."""
ABSENT = ("image_encoder", "feature_extractor")
"""Parts of that pipeline which Hotshot-XL has not."""
ADAPTER = "motion_adapter"


def convert(source: Path, target: Path) -> list[str]:
    """Convert a folder in the original's layout, whole or with only unet/ in it.

    Args:
        source: the folder that has unet/, or the unet folder itself.
        target: the folder to write; it appears only when all of it is written.

    Returns:
        The names of what the target has in it.

    Raises:
        UserError: the source is no Hotshot-XL folder, or the target is there already.
        ModelError: the source is damaged.
    """
    check_places(source, target)
    from praxino.families.hotshot_xl import unet
    from praxino.families.hotshot_xl.weights import read_config, read_weights, told_as_damaged

    home = source / "unet" if (source / "unet").is_dir() else source
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with told_as_damaged(home):
            network = unet.build(read_config(home), unet.renamed(read_weights(home)), None)
        network.save_pretrained(temporary / "unet")
        _adapter(network).save_pretrained(temporary / ADAPTER)
        if home != source:
            _copy(source, temporary)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sorted(entry.name for entry in target.iterdir())


def check_places(source: Path, target: Path) -> None:
    """Whether the one can be read as Hotshot-XL and the other be written. Raises UserError."""
    if is_temporal_file(source):
        raise UserError(f"{source} holds the temporal layers alone, which are used as they are: -m {source}")
    if not source.is_dir() or not (is_whole_unet(source / "unet") or is_whole_unet(source)):
        raise UserError(
            f"{source} is no Hotshot-XL folder: it has no unet/ with a config.json of class UNet3DConditionModel "
            "and weights in .safetensors."
        )
    if target.exists():
        raise UserError(f"{target} is there already; give a new folder.")
    if not target.parent.is_dir():
        raise UserError(f"{target.parent} is not there; make it first, or give another folder.")


def _adapter(network: Any) -> Any:
    """The temporal layers of a UNetMotionModel alone, in its number format."""
    from diffusers.models.unets.unet_motion_model import MotionAdapter

    config = network.config
    adapter = MotionAdapter(
        block_out_channels=tuple(config.block_out_channels),
        motion_layers_per_block=config.layers_per_block,
        motion_norm_num_groups=config.norm_num_groups,
        motion_num_attention_heads=config.motion_num_attention_heads,
        motion_max_seq_length=config.motion_max_seq_length,
        use_motion_mid_block=False,
    )
    temporal = {name: tensor for name, tensor in network.state_dict().items() if ".motion_modules." in name}
    adapter.load_state_dict(temporal, assign=True)
    return adapter


def _copy(source: Path, target: Path) -> None:
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        elif (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    if index := read_json(source / INDEX):
        parts = {name: part for name, part in index.items() if isinstance(part, list)}
        told = {
            "_class_name": PIPELINE,
            **parts,
            "unet": ["diffusers", CONVERTED_UNET],
            ADAPTER: ["diffusers", "MotionAdapter"],
            **{name: [None, None] for name in ABSENT},
            "force_zeros_for_empty_prompt": index.get("force_zeros_for_empty_prompt", True),
        }
        (target / INDEX).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
