"""diffusers' Qwen-Image pipelines, where these cannot be used as they are. Imports torch and diffusers.

`QwenImageEditInpaintPipeline` takes a height and a width, and draws in a size of its own all the same: that of about
1024 x 1024 pixels with the picture's aspect (diffusers 0.36 to 0.42).
"""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

import torch
from diffusers import QwenImageEditInpaintPipeline  # pyright: ignore[reportPrivateImportUsage]
from PIL import Image


class EditInpaint(QwenImageEditInpaintPipeline):
    """Draws in the size that it is told."""

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *, image: Image.Image, mask_image: Image.Image, height: int, width: int, callback_on_step_end: Any = None,
        **named: Any,
    ) -> Any:  # fmt: skip
        """As diffusers' own, in `width` x `height` pixels."""
        call = inspect.unwrap(QwenImageEditInpaintPipeline.__call__)
        told = {**call.__globals__, "calculate_dimensions": lambda area, aspect: (width, height, None)}
        sized = FunctionType(call.__code__, told, call.__name__, call.__defaults__, call.__closure__)
        sized.__kwdefaults__ = call.__kwdefaults__
        with torch.no_grad():
            return sized(self, image=image, mask_image=mask_image, callback_on_step_end=callback_on_step_end, **named)
