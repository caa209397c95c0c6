"""The sampler of a run, by a name that its family has a loop for. No torch."""

from __future__ import annotations

from praxino.errors import UserError
from praxino.families import Variant
from praxino.request import Request

FLOW = ("euler", "dpm++-2m", "euler-ancestral")
"""The keys of `praxino.sampling.samplers.SAMPLERS`, which needs torch."""


def planned_sampler(request: Request, variant: Variant, title: str, names: tuple[str, ...] = FLOW) -> str:
    """What is asked for, else the variant's own. Raises UserError when `title` is sampled with none of that name."""
    name = request.scheduler or variant.scheduler
    if name not in names:
        raise UserError(f"--scheduler is {name}; {title} is sampled with {', '.join(names)}.")
    return name
