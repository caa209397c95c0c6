"""Maps to follow, made from photos: edges (Canny) and depth. Poses are taken as ready maps alone.

Sources: diffusers' guide to ControlNet, docs/source/en/using-diffusers/controlnet.md (thresholds, depth to picture).
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from praxino.errors import UserError

CANNY_THRESHOLDS = (100, 200)
MADE = ("canny", "depth")
"""The kinds of map that can be made here."""


def check(kind: str) -> None:
    """Whether a map of that kind can be made from a photo. No torch.

    Raises:
        UserError: it cannot, or OpenCV is not installed.
    """
    if kind not in MADE:
        raise UserError(
            f"--control {kind}: there is no way to make such a map from a photo here, only {' and '.join(MADE)}.\n"
            f"Make it elsewhere and give it as it is: --control {kind}-map=FILE"
        )
    if kind == "canny" and importlib.util.find_spec("cv2") is None:
        raise UserError("--control canny finds edges with OpenCV, which is missing: pip install 'praxino[control]'")


def canny(picture: np.ndarray) -> np.ndarray:
    """The edges of an RGB picture (H, W, 3) uint8: white on black, of the same shape."""
    import cv2

    edges = cv2.Canny(np.ascontiguousarray(picture), *CANNY_THRESHOLDS)
    return np.repeat(edges[:, :, None], 3, axis=2)


def load_depth(folder: str, device: Any) -> tuple[Any, Any]:
    """The image processor and the network of a depth-estimation model in the layout of transformers."""
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    network = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return processor, network.eval().to(device)


def depth(picture: np.ndarray, model: tuple[Any, Any]) -> np.ndarray:
    """How near everything in an RGB picture (H, W, 3) uint8 is: white is nearest, of the same shape."""
    import torch
    from PIL import Image

    processor, network = model
    inputs = processor(images=Image.fromarray(picture), return_tensors="pt").to(network.device)
    with torch.no_grad():
        predicted = network(**inputs).predicted_depth[:, None].float()
    resized = torch.nn.functional.interpolate(predicted, picture.shape[:2], mode="bicubic", align_corners=False)[0, 0]
    near = (resized - resized.min()) / (resized.max() - resized.min()).clamp(min=1e-6)
    return np.repeat((near * 255).byte().cpu().numpy()[:, :, None], 3, axis=2)
