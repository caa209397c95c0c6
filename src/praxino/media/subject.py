"""Cuts the subject out of any ground, with rembg, an optional package, and its network. Knows no file name."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from praxino.errors import UserError

NETWORK = "u2net"
"""U^2-Net (Qin et al. 2020), Apache-2.0, as rembg publishes it."""


def check_rembg() -> None:
    """Refuse when rembg or its network is not on this machine; nothing is fetched. Raises UserError."""
    if importlib.util.find_spec("rembg") is None or importlib.util.find_spec("onnxruntime") is None:
        raise UserError("--matting rembg needs the package rembg; run: pip install 'praxino[matting]'")
    from rembg.sessions import sessions  # pyright: ignore[reportMissingImports]

    if sessions[NETWORK].resolve_existing(f"{NETWORK}.onnx") is None:
        raise UserError(
            f"--matting rembg needs the network {NETWORK} on this machine; fetch it once: rembg d {NETWORK}"
        )


def cut_out(frames: np.ndarray) -> NDArray[np.uint8]:
    """Make all but the subject see-through.

    Args:
        frames: (F, H, W, 3) uint8 RGB.

    Returns:
        (F, H, W, 4) uint8 RGBA, alpha not premultiplied; the ground's colour is taken out of soft edges.
    """
    from rembg import new_session, remove  # pyright: ignore[reportMissingImports]

    session: Any = new_session(NETWORK, providers=["CPUExecutionProvider"])
    cuts = [remove(np.ascontiguousarray(frame), session=session, decontaminate=True) for frame in frames]
    return np.stack([np.asarray(cut, np.uint8) for cut in cuts])
