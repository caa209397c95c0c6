"""The ladder of plans, from the fastest to the smallest, and the choice between them. Imports no torch.

Every plan that keeps the pixels comes before any that does not: speed is given up before exactness.

Expected bytes are estimates. The networks are counted exactly; what they compute with is reckoned from the shape
(`working`). A run that meets the real limit goes on a step lower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from praxino.accel.memory import Memory
from praxino.errors import UserError

Placement = Literal["resident", "offload", "group"]
PIXELS = ("exact", "tiled", "float8")
"""What a plan does to the pixels, as `Recipe.plan` keeps it: nothing, or one of two things that go ever further."""
ROOM_BYTES = 600_000_000
"""What the driver and its libraries take of a GPU's memory beside the networks."""

_DOES = {
    "resident": "all networks stay on the device",
    "offload": "text encoders, denoiser and decoder take turns on the device",
    "group": "layers come to the device one by one",
    "tiled": "frames are decoded in tiles",
    "float8": "frames are decoded in tiles, the denoiser's weights are kept in 8 bits",
}


@dataclass(frozen=True)
class Plan:
    """Where the networks are while they are not needed, and what is done to the pixels."""

    placement: Placement
    pixels: str = "exact"
    """One of PIXELS."""

    @property
    def exact(self) -> bool:
        """Whether it draws the pixels of resident networks."""
        return self.pixels == "exact"

    @property
    def moves_weights(self) -> bool:
        """Whether the denoiser's weights come and go, or are widened at each call."""
        return self.placement != "resident" or self.pixels == "float8"

    @property
    def name(self) -> str:
        """As in "group" and "group+tiled"."""
        return self.placement if self.exact else f"{self.placement}+{self.pixels}"

    @property
    def does(self) -> str:
        """What it does, in words."""
        return _DOES[self.placement] if self.exact else f"{_DOES[self.placement]}; {_DOES[self.pixels]}"


@dataclass(frozen=True)
class Need:
    """What a run needs, in bytes."""

    encode: int
    """The weights of text and image encoders."""
    denoise: int
    """The weights of the denoiser and of what runs beside it."""
    vae: int
    denoise_float8: int
    """The denoiser's, stored in 8 bits."""
    largest: int
    """The largest tensor."""
    denoising: int
    """Estimate: tokens x width x what is alive of each (`working`). A token is one place of the size and frame grid."""
    decoding: int
    """Estimate: places of the decoder's last layer x its channels x what is alive of each, and the finished frames."""
    decoding_tile: int
    """The same of one tile."""


@dataclass(frozen=True)
class Estimate:
    """What a plan is expected to take at most."""

    plan: Plan
    device_bytes: int | None
    """None: not known until the model is pulled."""
    weights_bytes: int
    """The part of it that is weights: counted, not estimated."""
    main_bytes: int
    """What waits in main memory meanwhile; 0 where the device has no memory of its own."""

    def fits(self, memory: Memory) -> bool | None:
        """Whether there is room for it; None when that cannot be told."""
        return None if self.device_bytes is None else self._has_room(self.device_bytes, memory)

    def may_fit(self, memory: Memory) -> bool:
        """Whether there is room for the weights at least."""
        return self._has_room(self.weights_bytes, memory) is not False

    def _has_room(self, num_bytes: int, memory: Memory) -> bool | None:
        if memory.device_free is None:
            return None
        room = memory.device_free - (ROOM_BYTES if memory.has_own else 0)
        waits = memory.main_free is None or self.main_bytes <= memory.main_free
        return num_bytes <= room and waits


def ladder(device: str, pixels: str = "exact", *, may_change: bool = True, castable: bool = True) -> tuple[Plan, ...]:
    """The plans for a device, from the fastest to the smallest.

    Args:
        device: cpu, cuda:1, ...; only those with memory of their own have anything to offload from.
        pixels: what the recipe says (`Recipe.plan`).
        may_change: whether the run may be drawn otherwise than the recipe says, where nothing else is left.
        castable: whether the denoiser's weights may be stored in 8 bits: nothing is laid over them.

    Raises:
        UserError: `pixels` is none that is known, or cannot be done with what is laid over the denoiser.
    """
    if pixels not in PIXELS:
        raise UserError(f"the recipe's plan is {pixels[:60]!r}; this Praxino knows {', '.join(PIXELS)}.")
    if pixels == "float8" and not castable:
        raise UserError("weights in 8 bits (the recipe's plan float8) cannot be laid over with LoRAs or companions.")
    placements: tuple[Placement, ...] = ("resident", "offload", "group") if has_own_memory(device) else ("resident",)
    plans = [Plan(placement, pixels) for placement in placements]
    if may_change:
        further = PIXELS[PIXELS.index(pixels) + 1 :]
        plans += [Plan(placements[-1], more) for more in further if castable or more != "float8"]
    return tuple(plans)


def has_own_memory(device: str) -> bool:
    """Whether a device's memory is another than the machine's."""
    return device.partition(":")[0] in ("cuda", "xpu")


def estimate(plan: Plan, need: Need | None) -> Estimate:
    """What a plan is expected to take; None: nothing is known of the networks."""
    if need is None:
        return Estimate(plan, None, 0, 0)
    denoiser = need.denoise_float8 if plan.pixels == "float8" else need.denoise
    decoding = need.decoding if plan.exact else need.decoding_tile
    working = max(need.denoising, decoding)
    waiting = need.encode + denoiser if plan.placement != "resident" else 0
    if plan.placement == "resident":
        weights = need.encode + denoiser + need.vae
        return Estimate(plan, weights + working, weights, waiting)
    if plan.placement == "offload":
        peak = max(need.encode, denoiser + need.denoising, decoding)
        return Estimate(plan, need.vae + peak, need.vae + max(need.encode, denoiser), waiting)
    weights = need.vae + need.largest
    return Estimate(plan, weights + working, weights, waiting)


def choose(estimates: Sequence[Estimate], memory: Memory) -> Plan:
    """The first plan that is expected to fit; the first of all where that cannot be told.

    An estimate is no reason to change the pixels: that is chosen only where not even the weights have room, and where a
    limit was really met. Where nothing is expected to fit, it is the smallest plan with the recipe's pixels.
    """
    pixels = estimates[0].plan.pixels
    same = [one for one in estimates if one.plan.pixels == pixels]
    further = [] if same[-1].may_fit(memory) else [one for one in estimates if one.plan.pixels != pixels]
    for one in (*same, *further):
        if one.fits(memory) is not False:
            return one.plan
    return same[-1].plan
