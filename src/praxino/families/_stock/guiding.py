"""CFG-zero* and APG in pipelines of diffusers that have their guider as a component: computed as the own loops do.

Plain guidance stays with the pipeline's own guider, so that what it draws is its to the bit.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.guiders.classifier_free_guidance import ClassifierFreeGuidance
from diffusers.guiders.guider_utils import GuiderOutput
from torch import Tensor

from praxino.families._guider import guider_of
from praxino.families._stock.load import quiet
from praxino.recipe import Recipe
from praxino.sampling import guidance


class Guiding(ClassifierFreeGuidance):
    """A guider of `sampling.guidance`. `running` is APG's running guidance, which a state of the run has to keep."""

    def __init__(self, guider: guidance.Guider, scale: float, rescale: float) -> None:
        super().__init__(guidance_scale=scale)
        self._guider = guider
        self._rescale = rescale
        self.running: Tensor | None = None

    @property
    def num_conditions(self) -> int:
        """How many passes a step takes: of one whose prediction is nothing, the least that the pipeline knows."""
        moves_nothing = self._step is not None and self._step < self._guider.zero_steps
        return 1 if moves_nothing else 2

    def forward(self, pred_cond: Tensor, pred_uncond: Tensor | None = None) -> GuiderOutput:
        """One prediction from those with the text and with the negative one, in their dtype; combined in float32."""
        if pred_uncond is None:
            return GuiderOutput(pred=torch.zeros_like(pred_cond), pred_cond=pred_cond, pred_uncond=None)
        scales = self.guidance_scale, 0.0, self._rescale
        v, self.running = guidance.combine(
            pred_cond.float(), pred_uncond.float(), None, scales, self._guider, self.running
        )
        return GuiderOutput(pred=v.to(pred_cond.dtype), pred_cond=pred_cond, pred_uncond=pred_uncond)


def guider_for(recipe: Recipe, own: Any) -> Any:
    """The guider of a recipe's run, to take the place of the pipeline's `own`."""
    guider, rescale = guider_of(recipe), recipe.guidance_phases[0].rescale
    with quiet():
        if guider == guidance.PLAIN:
            return own.new(guidance_scale=recipe.guidance, guidance_rescale=1 - rescale, enabled=recipe.guidance > 1)
        return Guiding(guider, recipe.guidance, rescale)
