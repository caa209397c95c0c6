"""What may be left out of a checkpoint's steps, as it was measured on it; kept in a file, and chosen from. No torch.

Without a calibration, it is what the authors of EasyCache use. PRAXINO_REUSE asks for another cache.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from praxino.accel.caches import KINDS, Kind, published_ratios, usual_bound, usual_longest
from praxino.errors import UserError
from praxino.plain import from_plain, to_plain

LEAST_SSIM = 0.90
"""To exact, of the least alike of the clips that a calibration draws."""
UNGUIDED_SHARE = 0.3
"""Of the steps, at the end: guidance changes little there (Castillo et al. 2023, arXiv 2312.12487; Kynkäänniemi et al.
2024, arXiv 2404.07724)."""


@dataclass(frozen=True)
class Calibration:
    """What of a checkpoint's steps is left out, and how like exact that is."""

    kind: Kind | Literal["none"]
    """none: no cache was both faster and like enough."""
    bound: float
    """See `Caching`; so are `longest` and `ratios`."""
    longest: int
    ratios: tuple[float, ...]
    """Measured wherever the family's blocks allow mag, whichever cache was chosen."""
    unguided: float
    """The share of the steps, at the end, that take no second pass for guidance."""
    ssim: float
    psnr_db: float
    speedup: float
    """Of denoising, beside exact."""


@dataclass(frozen=True)
class Choice:
    """What a run of quality fast leaves out, as far as its family and its own shape allow it."""

    kind: Kind | Literal["none"]
    bound: float
    why: str = ""
    """Who says so; empty: nobody but the family's usual figures."""
    error: str = ""
    longest: int = 0
    ratios: tuple[float, ...] = ()
    unguided: float = UNGUIDED_SHARE
    is_calibrated: bool = False
    is_asked: bool = False
    """Whether PRAXINO_REUSE says so: then nothing else stands in for it."""


def read(file: Path) -> Mapping[str, Calibration]:
    """By a checkpoint's fingerprint, what was measured; nothing where the file is missing or broken."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return {fingerprint: from_plain(Calibration, one) for fingerprint, one in told.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def keep(file: Path, fingerprint: str, measured: Calibration) -> None:
    """Remember a checkpoint's calibration, in place of an older one. Raises OSError where that cannot be written."""
    kept = {**read(file), fingerprint: measured}
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_text(json.dumps(to_plain(kept), indent=1), encoding="utf-8")
        temporary.replace(file)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def usual(family: str) -> Choice:
    """Without a calibration."""
    most = usual_bound("easy", family)
    return Choice("easy", most, error=f"predictions of steps that are left out are off by {most:.1%}, estimated")


def choice(family: str, variant: str, asked: str, known: Calibration | None) -> Choice:
    """What a run leaves out.

    Args:
        family: its name.
        variant: likewise.
        asked: PRAXINO_REUSE: a cache's name, or that and its bound, as in taylor/4; "" for the best that is known.
        known: the checkpoint's calibration.

    Raises:
        UserError: what is asked for is not known, or takes a calibration that there is not.
    """
    if asked:
        return _asked(family, variant, asked, known)
    if known is None:
        return usual(family)
    error = f"SSIM {known.ssim:.3f}, {known.psnr_db:.1f} dB, calibrated"
    shown = "calibrated: " + ("nothing" if known.kind == "none" else f"{known.kind} {known.bound:g}")
    return Choice(known.kind, known.bound, shown, error, known.longest, known.ratios, known.unguided, True)


def _asked(family: str, variant: str, asked: str, known: Calibration | None) -> Choice:
    name, _, number = asked.partition("/")
    kind = cast("Kind", name) if name in KINDS else None
    try:
        bound = float(number) if number else 0.0
    except ValueError:
        bound = -1.0
    if kind is None or bound < 0 or (kind == "taylor" and bound != int(bound)):
        raise UserError(
            f"PRAXINO_REUSE is {asked[:60]!r}; write one of {', '.join(KINDS)}, or with its bound, as in "
            "first-block/0.08 or taylor/4."
        )
    ratios = known.ratios if known else published_ratios(variant)
    if kind == "mag" and not ratios:
        raise UserError("PRAXINO_REUSE=mag takes figures of the checkpoint; measure them: praxino calibrate -m MODEL")
    unguided = known.unguided if known else UNGUIDED_SHARE
    why, error = "PRAXINO_REUSE asks for it", "not measured here"
    longest = usual_longest(family) if kind == "mag" else 0
    return Choice(kind, bound or usual_bound(kind, family), why, error, longest, ratios, unguided, is_asked=True)
