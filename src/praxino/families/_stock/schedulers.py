"""diffusers' schedulers by the names that a Request uses. No torch before `make`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

OWN = "own"
"""The name of a checkpoint's own scheduler that is none of those below."""

Table = Mapping[str, tuple[str, Mapping[str, Any]]]
"""Class, and what is set besides the checkpoint's own config, by name."""

DIFFUSION: Table = {
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm++-2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": False}),
    "dpm++-2m-karras": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}),
    "dpm++-sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "lcm": ("LCMScheduler", {}),
}
"""For networks that predict noise or velocity between the levels of a discrete diffusion."""
FLOW: Table = {"euler": ("FlowMatchEulerDiscreteScheduler", {})}
"""For networks that predict the flow from noise to data."""


def name_of(config: Mapping[str, Any], table: Table) -> str:
    """What a checkpoint's scheduler_config.json amounts to: the first name whose class and settings it has."""
    for name, (class_name, settings) in table.items():
        if config.get("_class_name") == class_name and all(
            config.get(key, value if not isinstance(value, bool) else False) == value for key, value in settings.items()
        ):
            return name
    return OWN


def make(own: Any, name: str, table: Table) -> Any:
    """A fresh scheduler of that name: the checkpoint's `own` where that is meant, else one made from its config."""
    import diffusers

    if name in (OWN, name_of({**own.config, "_class_name": type(own).__name__}, table)):
        return type(own).from_config(own.config)
    class_name, settings = table[name]
    kind = getattr(diffusers, class_name)
    known = inspect.signature(kind.__init__).parameters
    config = {key: value for key, value in own.config.items() if key in known}
    return kind.from_config({**config, **settings})
