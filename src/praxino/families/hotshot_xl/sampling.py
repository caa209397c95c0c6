"""diffusers' schedulers, walked from outside: which calls of the network make a step, and how it is taken.

Knows latents and timesteps; knows no network.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import diffusers.schedulers as library
import torch
from torch import Tensor

from praxino.families._stock.schedulers import DIFFUSION


@dataclass(frozen=True)
class Walk:
    """A scheduler set up for a run, and the timesteps at which each of the run's steps calls the network."""

    scheduler: Any
    calls: list[list[Tensor]]

    def noised(self, clean: Tensor, noise: Tensor, step: int) -> Tensor:
        """Clean latents with as much noise as there is before a step; the scheduler has to be at that step."""
        return self.scheduler.add_noise(clean, noise, self.calls[step][0][None])

    def advance(self, predicted: Tensor, timestep: Tensor, latents: Tensor, generator: torch.Generator) -> Tensor:
        """The latents after a call of the network, which predicted `predicted` at that timestep."""
        noise = {"generator": generator} if "generator" in inspect.signature(self.scheduler.step).parameters else {}
        return self.scheduler.step(predicted, timestep, latents, return_dict=False, **noise)[0]

    def estimate(self, predicted: Tensor, timestep: Tensor, scaled: Tensor) -> Tensor:
        """The clean latents that a prediction amounts to; `scaled` is what the network was given."""
        level = self.scheduler.alphas_cumprod[round(timestep.item())].to(scaled)
        signal, noise = level.sqrt(), (1 - level).sqrt()
        if self.scheduler.config.prediction_type == "v_prediction":
            return signal * scaled - noise * predicted
        return (scaled - noise * predicted) / signal


def walk(name: str, config: Mapping[str, Any], num_levels: int, num_steps: int) -> Walk:
    """Set up a scheduler of `num_levels` noise levels, of which the last `num_steps` are run.

    Args:
        name: as in a Request.
        config: the checkpoint's own scheduler config, of whatever class.
        num_levels: the levels between noise and picture.
        num_steps: how many of them are run, from 1 to `num_levels`.
    """
    class_name, changes = DIFFUSION[name]
    kind = getattr(library, class_name)
    known = inspect.signature(kind.__init__).parameters
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # numpy's, of torch's tensors
        scheduler = kind.from_config({key: value for key, value in {**config, **changes}.items() if key in known})
        scheduler.set_timesteps(num_levels)
    timesteps, skipped = scheduler.timesteps, num_levels - num_steps
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(skipped * scheduler.order)
    if class_name == "HeunDiscreteScheduler":
        return Walk(scheduler, [list(pair) for pair in timesteps.split(2)][skipped:])
    if class_name == "PNDMScheduler":
        return Walk(scheduler, _pndm_calls([*timesteps[:1], *timesteps[2:]][skipped:]))
    return Walk(scheduler, [[timestep] for timestep in timesteps[skipped:]])


def _pndm_calls(levels: list[Tensor]) -> list[list[Tensor]]:
    """Its first step is taken again from where it led (Liu et al. 2022, arXiv 2202.09778, the start of PLMS)."""
    return [[*levels[:2]], *([level] for level in levels[1:])]
