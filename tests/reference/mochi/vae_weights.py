"""Weights for the tiny VAE of vae.npz, the same each time: by the authors' names, from numpy's generator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

SHAPES = json.loads((Path(__file__).parent / "vae_shapes.json").read_text())


def weights(network: str) -> dict[str, np.ndarray]:
    """The tensors of "encoder" or "decoder", float32."""
    rng = np.random.default_rng(5)
    drawn = {}
    for name, shape in SHAPES[network].items():
        values = rng.standard_normal(shape).astype(np.float32)
        fan_in = max(int(np.prod(shape[1:])), 1)
        drawn[name] = values / np.float32(fan_in) ** 0.5 if len(shape) > 1 else values * 0.1 + name.endswith("weight")
    return {name: np.asarray(values, np.float32) for name, values in drawn.items()}
