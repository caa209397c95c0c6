"""A tiny AnimateDiff with random weights: a miniature of Stable Diffusion or SDXL, an adapter over it, a SparseCtrl."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from praxino.families._stock import tiny
from praxino.families._stock.load import diffusers_class
from praxino.families.animatediff.base import PIPELINES
from praxino.families.animatediff.variants import FRAMES, PUBLISHED, SPARSE

WEIGHTS_SEED = 20252


def write(folder: Path, like: str) -> None:
    """Make the networks, the same each time, and save them as one diffusers folder."""
    options = PUBLISHED[like].options
    card = {
        "family": "animatediff", "variant": f"{like}-miniature", "source": "", "licence": "Apache-2.0",
        "title": f"{PUBLISHED[like].title.partition(':')[0]} in miniature: random weights, for trying things out",
        "num_frames": 4, "steps": 3,
    }  # fmt: skip
    with TemporaryDirectory() as words:
        tiny.save(
            lambda: _pipeline(Path(words), options["base"], FRAMES in options["companions"]), folder, WEIGHTS_SEED, card
        )


def _pipeline(words: Path, kind: str, sparse: bool) -> Any:
    """The pipeline with random weights from torch's global generator; its tokenizers are written to `words`."""
    base = _base(words, kind)
    _, name, shared = PIPELINES[kind]
    noise = {"clip_sample": False, "beta_schedule": "linear", "steps_offset": 1}
    more = {"controlnet": make_sparse(base.unet, pictures=True)} if sparse else {}
    return diffusers_class(SPARSE if sparse else name)(
        unet=base.unet,
        motion_adapter=make_adapter(base.unet, middle=False),
        scheduler=diffusers_class("DDIMScheduler")(**noise),
        **{component: base.components[component] for component in shared},
        **more,
    )


def make_adapter(unet: Any, *, middle: bool) -> Any:
    """A motion adapter for a UNet; one with a middle block is taken for v2."""
    return diffusers_class("MotionAdapter")(
        block_out_channels=unet.config.block_out_channels,
        motion_layers_per_block=unet.config.layers_per_block,
        motion_norm_num_groups=unet.config.norm_num_groups,
        motion_num_attention_heads=2,
        use_motion_mid_block=middle,
    )


def make_sparse(unet: Any, *, pictures: bool) -> Any:
    """A SparseCtrl beside a UNet, for pictures or for scribbles, which does something from the start."""
    import torch

    config = unet.config
    network = diffusers_class("SparseControlNetModel")(
        down_block_types=[kind.replace("2D", "Motion") for kind in config.down_block_types],
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        norm_num_groups=config.norm_num_groups,
        cross_attention_dim=config.cross_attention_dim,
        attention_head_dim=config.attention_head_dim,
        motion_num_attention_heads=2,
        conditioning_embedding_out_channels=(8, 8, 8, 8),
        conditioning_channels=4 if pictures else 3,
        use_simplified_condition_embedding=pictures,
    )
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return network


def _base(words: Path, kind: str) -> Any:
    if kind == "sdxl":
        from praxino.families.sdxl.miniature import make_pipeline
    else:
        from praxino.families.stable_diffusion.miniature import make_pipeline
    return make_pipeline(words, filling=False)
