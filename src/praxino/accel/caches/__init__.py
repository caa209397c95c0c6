"""How the prediction of a step that is left out is made of earlier ones: four ways, one file each but for two.

`easy` and `taylor` see what a network is asked and what it answers; `blocks` (first-block, mag) sees its blocks, by
diffusers' own hooks. Which call is of which step and branch is `praxino.accel.reuse`'s matter. This file says which
way a run takes, as its recipe keeps it. Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from praxino.errors import UserError

Kind = Literal["easy", "first-block", "mag", "taylor"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RATIOS = Path(__file__).with_name("ratios.json")
_OTHERS = ""
"""The key of what holds for families that their authors name no figure for."""
BOUNDS: Mapping[Kind, Mapping[str, float]] = MappingProxyType(
    {
        "easy": {"wan": 0.05, "hunyuan-video": 0.025, "hunyuan-video-i2v": 0.025, _OTHERS: 0.025},
        "first-block": {
            "flux": 0.08,
            "hunyuan-video": 0.025,
            "cogvideox": 0.025,
            "mochi": 0.035,
            _OTHERS: 0.05,
        },
        "mag": {"wan": 0.12, "flux": 0.24, "hunyuan-video": 0.12, _OTHERS: 0.06},
        "taylor": {_OTHERS: 5.0},
    }
)
"""By family, what its authors use. easy: H-EmbodVis/EasyCache at 313ae5f. first-block: chengzeyi/ParaAttention at
fb78944 and 2e255b2, of FLUX diffusers' docs (optimization/para_attn), of others diffusers 0.42's default. mag:
Zehong-Ma/MagCache at 1a4c2d3, 1a66b6d and 8715292, of others diffusers' default. taylor: diffusers' default."""
LONGEST: Mapping[str, int] = MappingProxyType({"wan": 2, "flux": 5, "hunyuan-video": 4, _OTHERS: 3})
"""Steps in a row that mag leaves out at most; sources as above."""
FIRST_BLOCK = ("cogvideox", "flux", "hunyuan-video", "hunyuan-video-i2v", "ltx-video", "mochi", "wan")
MAG = (*FIRST_BLOCK, "flux2", "sd3")
"""Families whose blocks diffusers' hooks of that kind fit: a test draws with each."""
NOT_REUSED = ("framepack", "hunyuan-dit", "ltx-2", "z-image")
"""Families whose networks answer with more than they are asked about, or draw in sections of few steps."""


@dataclass(frozen=True)
class Caching:
    """Which steps are left out, and how their predictions are made."""

    kind: Kind
    bound: float
    """taylor: of so many steps one is computed. The others: the most error, relative, as each of them reckons it."""
    first: int
    """So many steps are computed at the beginning; the last one is, too."""
    longest: int = 0
    """mag: so many steps in a row are left out at most."""
    ratios: tuple[float, ...] = ()
    """mag: by step, how the residual's size relates to that of the step before; it is measured where there is none."""

    def __str__(self) -> str:
        """As a recipe keeps it; `of` reads it."""
        if self.kind == "easy":
            return f"{self.bound:g}/{self.first}"
        more = f"/{self.longest}/{','.join(f'{ratio:.4g}' for ratio in self.ratios)}" if self.kind == "mag" else ""
        return f"{self.kind}/{self.bound:g}/{self.first}{more}"

    @classmethod
    def of(cls, text: str) -> Caching:
        """What a recipe keeps. Raises UserError where it is of a newer Praxino, or none."""
        try:
            kind, *rest = text.split("/") if text.startswith(KINDS) else ("easy", *text.split("/"))
            if kind == "mag":
                bound, first, longest, ratios = rest
                return cls("mag", float(bound), int(first), int(longest), tuple(map(float, ratios.split(","))))
            bound, first = rest
            return cls(next(one for one in KINDS if one == kind), float(bound), int(first))
        except (ValueError, StopIteration):
            raise UserError(
                f"the recipe's speed has reuse:{text[:60]}, which this Praxino cannot read; upgrade it:\n"
                "pip install --upgrade praxino"
            ) from None


def usual_bound(kind: Kind, family: str) -> float:
    """What its authors use."""
    return BOUNDS[kind].get(family, BOUNDS[kind][_OTHERS])


def usual_longest(family: str) -> int:
    """The same of steps in a row."""
    return LONGEST.get(family, LONGEST[_OTHERS])


def published_ratios(variant: str) -> tuple[float, ...]:
    """Of mag, as its authors measured them on a published checkpoint; none where they did not.

    Source: Zehong-Ma/MagCache, MagCache4Wan2.1 at e1862e0 and MagCache4HunyuanVideo at 8715292 (720p); FLUX.1-dev:
    diffusers 0.42. Where they tell of passes with and without the text, these are the means.
    """
    return tuple(json.loads(RATIOS.read_text(encoding="utf-8")).get(variant, ()))


def why_not(kind: Kind, family: str, *, in_blocks: bool) -> str:
    """What keeps a family, or a run whose blocks are fed or left out from outside, from a cache; or ""."""
    if family in NOT_REUSED:
        return f"does not fit the networks of {family}"
    if kind in ("easy", "taylor"):
        return ""
    if family not in (FIRST_BLOCK if kind == "first-block" else MAG):
        return f"{kind} does not fit the blocks of {family}"
    return f"{kind} does not fit blocks that companions feed, or that guidance leaves out" if in_blocks else ""
