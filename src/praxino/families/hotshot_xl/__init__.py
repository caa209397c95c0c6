"""Hotshot-XL by Natural Synthetics (hotshotco). Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from praxino.families import Family
from praxino.families.hotshot_xl.family import HotshotXl

if TYPE_CHECKING:
    from torch import nn

FAMILY: Family = HotshotXl()


def load_unet(folder: str | Path) -> nn.Module:
    """The network alone, in float32, out of the original repository's layout or a converted folder.

    It is called as diffusers' UNetMotionModel: sample (B, C, F, H, W), timestep, encoder_hidden_states (B x F, tokens,
    channels), added_cond_kwargs with text_embeds (B, channels) and time_ids (B, 6).

    Args:
        folder: the folder that has unet/ in it, or the unet folder itself.

    Raises:
        ModelError: there is no such network there, or it is damaged.
    """
    from praxino.families.hotshot_xl.load import load_unet as load

    return load(Path(folder))
