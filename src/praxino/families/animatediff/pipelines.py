"""diffusers' SparseCtrl pipeline, with its chance taken out. Imports torch and diffusers."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.pipelines.animatediff.pipeline_animatediff_sparsectrl import AnimateDiffSparseControlNetPipeline

SEED = 0


class Sparse(AnimateDiffSparseControlNetPipeline):
    """Given frames are drawn from what the VAE makes of them: with one seed, not wherever torch's generator stands."""

    def prepare_image(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Given frames as the ControlNet takes them, (1, C, n, h, w)."""
        device = self._execution_device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(SEED)
            return super().prepare_image(*args, **kwargs)
