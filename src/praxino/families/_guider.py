"""How the predictions of a run are combined, read off its recipe, for the families' loops. Knows no model."""

from __future__ import annotations

from torch import Tensor

from praxino.families import LoopState
from praxino.families._phases import APG, ZERO_STEPS
from praxino.recipe import GuidancePhase, Recipe
from praxino.sampling.guidance import Guider, Projection, phase_index

RUNNING = "guidance"
"""What a state calls APG's running guidance."""


def running_in(state: LoopState, like: Tensor, name: str = RUNNING) -> Tensor | None:
    """The running guidance in a state, on the device of the latents; None where there is none yet."""
    running = state.tensors.get(name)
    return None if running is None else running.to(like.device)


def kept(tensors: dict[str, Tensor], running: Tensor | None, name: str = RUNNING) -> dict[str, Tensor]:
    """A state's tensors with the running guidance among them, where there is one."""
    return tensors if running is None else {**tensors, name: running}


def guider_of(recipe: Recipe) -> Guider:
    """What `_phases.planned_guider` decided."""
    return Guider(
        star=recipe.cfg_star,
        zero_steps=recipe.options.get(ZERO_STEPS, 0),
        projection=Projection() if recipe.options.get(APG) else None,
    )


def phase_at(phases: tuple[GuidancePhase, ...], sigma: float) -> GuidancePhase:
    """The phase that holds at a noise level."""
    return phases[phase_index(tuple(phase.start for phase in phases), sigma)]
