"""Maps to follow, made of photos as the authors make them. A ready map needs none of this.

Source: black-forest-labs/flux at 802fb47, src/flux/modules/image_embedders.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from praxino.families import _canny
from praxino.families.flux.load import readable
from praxino.families.flux.pictures import to_pixels

CANNY_THRESHOLDS = (50, 200)


@dataclass
class Depth:
    """A network that tells how near things are."""

    network: Any
    """transformers' DepthAnythingForDepthEstimation."""
    processor: Any

    def near(self, frame: np.ndarray) -> Tensor:
        """Nearness of (H, W, 3) uint8 as (1, 1, H, W) float32, 0 or more; the more, the nearer."""
        given = self.processor(frame, return_tensors="pt")["pixel_values"].to(self.network.device)
        predicted = self.network(given).predicted_depth.float()[:, None]
        return F.interpolate(predicted, frame.shape[:2], mode="bicubic", antialias=True)


def load(path: Path, device: torch.device) -> Depth:
    """The depth network in a folder.

    Raises:
        ModelError: it holds none.
    """
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    with readable(path, "depth network"):
        network = AutoModelForDepthEstimation.from_pretrained(path, local_files_only=True)
        processor = AutoImageProcessor.from_pretrained(path, local_files_only=True, backend="pil")
    return Depth(network.requires_grad_(False).eval().to(device), processor)


def make(kind: str, frame: np.ndarray, makers: Sequence[Depth], for_checkpoint: bool) -> Tensor:
    """A map of (H, W, 3) uint8 as pixels (1, 3, H, W) float32.

    Args:
        kind: "canny" or "depth".
        frame: the photo, in the size that is drawn.
        makers: the networks that make maps of that kind.
        for_checkpoint: whether a Control checkpoint reads it, which is given nearness as the network puts it out;
            ControlNets know it from black to white, in [-1, 1].
    """
    if kind == "canny":
        return to_pixels(np.repeat(_canny.edges(frame, *CANNY_THRESHOLDS)[..., None], 3, axis=2) * np.uint8(255))
    near = makers[0].near(frame)
    if not for_checkpoint:
        near = (near - near.amin()) / (near.amax() - near.amin()).clamp(min=1e-6) * 255
    return (near / 127.5 - 1).expand(-1, 3, -1, -1)
