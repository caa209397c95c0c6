"""EasyAnimate 5.1 by Alibaba PAI. Importing this costs no torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families import Family, Sampling, Shape, Variant
from praxino.families._stock import FLOW, Given, StockFamily, standard
from praxino.families._stock.lora_names import check_transformer
from praxino.families._stock.reach import Reader
from praxino.families.easyanimate.variants import CONTROL, INPAINT, PUBLISHED, WORDS, variant_of
from praxino.picture_names import scaled_name
from praxino.request import Request

if TYPE_CHECKING:
    from praxino.families._stock.load import Parts


SPOKEN = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
"""What the chat template of its reader writes before a prompt."""


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.easyanimate.miniature import write

    write(folder, like or "easyanimate-5.1")


def _arguments(given: Given) -> dict[str, Any]:
    """Clips are tensors to it; a negative prompt is not left out, even when it is empty."""
    from praxino.families.easyanimate.clips import changed, followed, shown

    named = standard(given)
    others = ("image", "last_image", "video", "mask_image")
    arguments = {name: value for name, value in named.items() if name not in others}
    if given.guided:
        arguments["negative_prompt"] = given.recipe.negative_prompt
    if given.takes("mask_video"):
        return arguments | (
            changed(given, named["video"]) if "video" in named else shown(named, given.recipe.num_frames)
        )
    return arguments | (followed(given, named.get("image")) if given.takes("control_video") else {})


def _layers_of(layer: str) -> tuple[str, ...]:
    """The authors have the text's attention by itself (aigc-apps/EasyAnimate, easyanimate/models/attention.py)."""
    found = re.fullmatch(r"transformer_blocks_(\d+)_attn2_(to_[qkv]|to_out)(?:_0)?", layer)
    if found is None:
        return ()
    side = "to_add_out" if found[2] == "to_out" else f"add_{found[2][-1]}_proj"
    return (f"transformer_blocks.{found[1]}.attn1.{side}",)


class _EasyAnimate(StockFamily):
    """One map at a time, whose weight is fixed."""

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        if len(request.control) > 1:
            raise UserError(f"--control is given {len(request.control)} times; {variant.name} follows one map.")
        for text in request.control:
            if scaled_name(text)[2]:
                raise UserError(f"--control {text[:200]}: {variant.name} cannot weigh a map; leave out the number.")
        return super().plan(request, variant, shape, task)

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks. The VAE is told what it is asked for: that it reads the first frame by itself."""
        parts = super().load(path, variant, dtype, device)
        if "cache_mag_vae" not in parts.base.vae.config:
            parts.base.vae.register_to_config(cache_mag_vae=True)
        return parts


FAMILY: Family = _EasyAnimate(
    name="easyanimate",
    title="EasyAnimate",
    variants=PUBLISHED,
    pipelines={"text-to-video": "EasyAnimatePipeline"},
    classes=("EasyAnimatePipeline", INPAINT, CONTROL),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    schedulers=FLOW,
    rescaling=("text-to-video", "image-to-video", "video-to-video"),
    follows_maps=True,
    refuse_lora=lambda path: check_transformer(path, "EasyAnimate"),
    lora_layers=_layers_of,
    text_readers=(Reader("Qwen2-VL", "tokenizer", WORDS.max_text_tokens, SPOKEN),),
)
