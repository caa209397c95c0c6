"""A folder as Wan's authors publish Animate (Wan2.2-Animate-14B), written in the diffusers layout.

Its transformer's names: Wan-Video/Wan2.2 at 42bf4cf, wan/modules/animate (model_animate.py, motion_encoder.py,
face_blocks.py); what they become: diffusers' loaders/single_file_utils.py.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from praxino.families._original import CARD, Original, Read, Writer, shapes_of
from praxino.families._stock.checkpoint import Shapes, read_json, read_shapes
from praxino.families.wan import convert, index, layout
from praxino.families.wan.original import beside, has_their_vae, write_beside
from praxino.families.wan.settings import from_options
from praxino.families.wan_animate.identify import TRANSFORMER_CLASS
from praxino.families.wan_animate.variants import FAMILY_NAME, PUBLISHED

NEEDED = {*convert.NEEDED, "pose_patch_embedding.weight", "motion_encoder.enc.fc.0.weight"}
APPEARANCE = "motion_encoder.enc.net_app.convs."
BLUR = re.compile(r"^motion_encoder\..*\.kernel$")
"""A constant that diffusers works out."""
PUBLISHED_LAST = 8
"""The motion encoder's last convolution; diffusers knows it by this number alone."""
LEAST_SIDE = 4
"""Of the feature map that the last convolution reads, in pixels."""


def find(folder: Path) -> Original | None:
    """See `praxino.families._original`."""
    if not has_their_vae(folder):
        return None
    files = layout.weight_files(folder)
    names = convert.plain_names({name: shape for file in files for name, shape in (read_shapes(file) or {}).items()})
    if not names.keys() >= NEEDED:
        return None
    return Original("Wan Animate", (*files, *beside(folder, True)), partial(_write, folder, files))


def config_of(shapes: Shapes, told: dict[str, Any]) -> dict[str, Any]:
    """The diffusers config of the transformer."""
    plain = convert.plain_names(shapes)
    config = convert.config_of(shapes, told)
    widths = _widths(plain)
    face_channels = plain["face_encoder.out_proj.weight"][1]
    return {
        **config,
        "latent_channels": plain["pose_patch_embedding.weight"][1],
        "motion_encoder_channel_sizes": {str(side): width for side, width in widths.items()},
        "motion_encoder_size": max(widths),
        "motion_style_dim": plain["motion_encoder.enc.fc.0.weight"][0],
        "motion_dim": plain["motion_encoder.dec.direction.weight"][1],
        "motion_encoder_dim": plain["face_encoder.conv1_local.conv.weight"][1],
        "face_encoder_hidden_dim": face_channels,
        "face_encoder_num_heads": plain["face_encoder.conv1_local.conv.weight"][0] // face_channels,
        "inject_face_latents_blocks": config["num_layers"] // _count_adapters(plain),
    }


def renamed(tensors: dict[str, Any]) -> dict[str, Any]:
    """The weights under the names that diffusers uses."""
    last = f"{APPEARANCE}{len(_widths(shapes_of(tensors)))}.weight"
    published = f"{APPEARANCE}{PUBLISHED_LAST}.weight"
    kept = {name: tensor for name, tensor in tensors.items() if not BLUR.match(name)}
    return convert.renamed({published if name == last else name: tensor for name, tensor in kept.items()})


def _write(folder: Path, files: tuple[Path, ...], read: Read, out: Writer) -> None:
    (variant,) = PUBLISHED.values()
    tensors = {name: tensor for file in files for name, tensor in read(file).items()}
    config = config_of(shapes_of(tensors), read_json(folder / "config.json"))
    out.network("transformer", f"diffusers.{TRANSFORMER_CLASS}", config, renamed(tensors))
    write_beside(folder, read, out, True)
    out.json(CARD, {"family": FAMILY_NAME, "variant": variant.name})
    out.pipeline("WanAnimatePipeline", index.scheduler(from_options(variant.options)))


def _widths(plain: Shapes) -> dict[int, int]:
    """The motion encoder's channels by the side of the feature map in pixels, the largest first."""
    widths = [plain[f"{APPEARANCE}0.0.weight"][0]]
    while (block := plain.get(f"{APPEARANCE}{len(widths)}.conv2.1.weight")) is not None:
        widths.append(block[0])
    return {LEAST_SIDE << place: width for place, width in reversed(list(enumerate(reversed(widths))))}


def _count_adapters(plain: Shapes) -> int:
    return len({name.split(".")[2] for name in plain if name.startswith("face_adapter.fuser_blocks.")})
