"""Stills as SVG drawings, traced by vtracer, an optional package. Knows no file name and no recipe."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from praxino.media.provenance import svg_metadata

_SOLID = 128
"""A drawing's shapes are solid: alpha from here on is."""
_TRACING = {"mode": "spline", "filter_speckle": 4, "color_precision": 6, "layer_difference": 16, "path_precision": 3}
"""vtracer's own settings for drawings; speckles are areas of less than 4 x 4 pixels."""


def encode_svg(picture: np.ndarray, metadata: str | None) -> bytes:
    """An SVG of one picture, (1, H, W, 3 or 4) uint8: coloured shapes, stacked; it can be drawn in any size.

    What is more than half see-through is left out. The same picture gives the same drawing.
    """
    import vtracer

    pixels = picture[0]
    height, width, channels = pixels.shape
    if channels == 4:
        alpha = np.where(pixels[..., 3:] >= _SOLID, 255, 0).astype(np.uint8)
        pixels = np.concatenate([pixels[..., :3], alpha], axis=2)
    png = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(png, "PNG")
    traced = vtracer.convert_raw_image_to_svg(png.getvalue(), img_format="png", **_TRACING)
    shapes = traced[traced.index(">", traced.index("<svg")) + 1 :].strip()
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<svg version="1.1" xmlns="http://www.w3.org/2000/svg" {size}>\n'
    kept = "" if metadata is None else svg_metadata(metadata) + "\n"
    return f"{head}{kept}{shapes}\n".encode()
