"""Other ways of computing what a denoiser answers, as they were tried here: which of them a run gets. Imports no torch.

`trials` tries them, `speed` puts them beside the other means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from praxino.accel.paces import Pace, Tried
from praxino.recipe import Quality

ATTENTION, FUSED, PASSES, PRODUCTS, GRAPHS = "attention", "fused", "passes", "products", "graphs"
WAYS = (ATTENTION, FUSED, PASSES, PRODUCTS, GRAPHS)
"""The kinds of them: another kernel of attention, projections in one product, branches of guidance in turn, other
products of linear layers, whole calls recorded. They are laid in this order."""
EXACT_ERROR, NEAR_ERROR = 1e-5, 0.02
"""How far an answer of the denoiser may be off in these degrees, in parts of its largest value: in near, as far as
bfloat16 puts thirty blocks of a transformer like Wan (0.017, with random weights)."""
LEAST_GAIN = 0.05
"""The part of a call's time that a way has to save: less is within what two measurements differ by."""


def degree_of(tried: Tried) -> Quality:
    """The first degree that has a way."""
    return "exact" if tried.error <= EXACT_ERROR else "near"


def best(kind: str, pace: Pace, quality: Quality, is_crowded: Callable[[], bool] = lambda: False) -> Tried | None:
    """The fastest of a kind of those that are faster than plain computing; None where there is none.

    Args:
        kind: one of `WAYS`.
        pace: what is known of such runs.
        quality: that is asked for: ways of later degrees are given only where there are none of it.
        is_crowded: tells whether the networks can stay on the device only where the branches of guidance take turns:
            then they do, however long that takes.
    """
    near = [one for one in _of(kind, pace) if not one.problem and one.error <= NEAR_ERROR]
    good = [one for one in near if one.gain >= LEAST_GAIN]
    if near and not good and kind == PASSES and is_crowded():
        good = near
    within = [one for one in good if quality != "exact" or degree_of(one) == "exact"]
    return max(within or good, key=lambda one: one.gain, default=None)


def told(kind: str, pace: Pace) -> str:
    """What came of trying a kind, in a line."""
    return "; ".join(map(_told, _of(kind, pace))) or "there is no other way for these networks"


def summary(tried: Sequence[Tried]) -> str:
    """What came of trying one way in several kinds of runs: as in "faster in 2 of 3, by 31 % at most"."""
    good = [one for one in tried if not one.problem and one.error <= NEAR_ERROR and one.gain >= LEAST_GAIN]
    most = f", by {max(one.gain for one in good):.0%} at most" if good else ""
    return f"faster in {len(good)} of {len(tried)} kinds of runs{most}"


def _of(kind: str, pace: Pace) -> list[Tried]:
    return [one for one in pace.tried if one.name.startswith(f"{kind}:")]


def _told(one: Tried) -> str:
    if one.problem:
        return f"{one.name} does not do: {one.problem}"
    off = f", off by {one.error:.1g}" if one.error else ", the same bits"
    return f"{one.name} took {one.seconds:.3g} s, {one.plain:.3g} s plainly{off}"
