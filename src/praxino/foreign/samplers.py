"""Names of samplers and noise spacings elsewhere, and what they are called in a Request. Knows no format.

Sources: stable-diffusion-webui, modules/sd_samplers_*.py and sd_schedulers.py; ComfyUI, comfy/samplers.py.
"""

from __future__ import annotations

from praxino.foreign.settings import Draft

_SAMPLERS = {
    "euler": "euler",
    "euler a": "euler-ancestral",
    "euler ancestral": "euler-ancestral",
    "heun": "heun",
    "dpm++ 2m": "dpm++-2m",
    "dpmpp 2m": "dpm++-2m",
    "dpm++ sde": "dpm++-sde",
    "dpmpp sde": "dpm++-sde",
    "dpmpp sde gpu": "dpm++-sde",
    "unipc": "unipc",
    "uni pc": "unipc",
    "uni pc bh2": "unipc",
    "ddim": "ddim",
    "ddpm": "ddpm",
    "plms": "pndm",
    "lcm": "lcm",
}
_KARRAS = {"dpm++-2m": "dpm++-2m-karras"}
"""Samplers that are here with Karras' noise levels too."""
_USUAL = ("", "automatic", "uniform", "normal", "simple", "discrete")
"""Spacings that mean: the model's own."""
_AUTOMATIC_KARRAS = ("dpm++ 2m", "dpm++ sde")
"""Samplers of AUTOMATIC1111 whose spacing is Karras' when it is left to choose."""


def put_sampler(draft: Draft, sampler: str, spacing: str) -> None:
    """Put a sampler and the spacing of its noise levels into the fields, or list them."""
    name, spaced = _plain(sampler), _plain(spacing)
    if name.endswith(" karras"):
        name, spaced = name.removesuffix(" karras"), "karras"
    if spaced == "automatic" and name in _AUTOMATIC_KARRAS:
        spaced = "karras"
    known = _SAMPLERS.get(name)
    if known is None:
        draft.leave(f"sampler {sampler}", "there is no such sampler here; the model's own is used")
        return
    if spaced == "karras" and known in _KARRAS:
        known, spaced = _KARRAS[known], ""
    draft.put("scheduler", known, f"sampler {sampler}")
    put_spacing(draft, spaced)


def put_spacing(draft: Draft, spacing: str) -> None:
    """Put the spacing of noise levels into the fields, or list it."""
    spaced = _plain(spacing)
    if spaced == "linear quadratic":
        draft.put("schedule", "linear-quadratic", f"scheduler {spacing}")
    elif spaced not in _USUAL:
        draft.leave(f"scheduler {spacing}", "noise levels are not spaced like that here; the model's own are used")


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())
