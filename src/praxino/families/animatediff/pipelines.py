"""diffusers' pipelines where they are mended: SparseCtrl without its chance, FreeNoise with any prompt.

Imports torch and diffusers.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.pipelines.animatediff.pipeline_animatediff import AnimateDiffPipeline
from diffusers.pipelines.animatediff.pipeline_animatediff_controlnet import AnimateDiffControlNetPipeline
from diffusers.pipelines.animatediff.pipeline_animatediff_sparsectrl import AnimateDiffSparseControlNetPipeline
from diffusers.pipelines.animatediff.pipeline_animatediff_video2video import AnimateDiffVideoToVideoPipeline
from diffusers.pipelines.animatediff.pipeline_animatediff_video2video_controlnet import (
    AnimateDiffVideoToVideoControlNetPipeline,
)
from diffusers.pipelines.free_noise_utils import AnimateDiffFreeNoiseMixin

from praxino.families.animatediff.windows import CONTEXT_FRAMES, STRIDE_FRAMES

SEED = 0


class Sparse(AnimateDiffSparseControlNetPipeline):
    """Given frames are drawn from what the VAE makes of them: with one seed, not wherever torch's generator stands."""

    def prepare_image(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Given frames as the ControlNet takes them, (1, C, n, h, w)."""
        device = self._execution_device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(SEED)
            return super().prepare_image(*args, **kwargs)


class FreeNoise(AnimateDiffFreeNoiseMixin):
    """A pipeline with FreeNoise on, as `enable_free_noise` leaves it; the UNet's part is laid by `windows.lay`."""

    _free_noise_context_length = CONTEXT_FRAMES
    _free_noise_context_stride = STRIDE_FRAMES
    _free_noise_noise_type = "shuffle_context"
    _free_noise_prompt_interpolation_callback = AnimateDiffFreeNoiseMixin._lerp

    def _encode_prompt_free_noise(self, *args: Any, **named: Any) -> Any:
        """Text embeddings of each frame, negative ones first; also of texts that are embeddings already."""
        embeds, negative = named["prompt_embeds"], named["negative_prompt_embeds"]
        if embeds is None:
            return super()._encode_prompt_free_noise(*args, **named)
        frames, guided = named["num_frames"], named["do_classifier_free_guidance"]
        told = [text.expand(frames, -1, -1) for text in ((negative, embeds) if guided else (embeds,))]
        return torch.cat(told), told[0] if guided else None


class LongClips(FreeNoise, AnimateDiffPipeline):
    """Words to a long clip."""


class LongChanged(FreeNoise, AnimateDiffVideoToVideoPipeline):
    """A long clip, changed."""


class LongControlled(FreeNoise, AnimateDiffControlNetPipeline):
    """Words and maps to a long clip."""


class LongChangedControlled(FreeNoise, AnimateDiffVideoToVideoControlNetPipeline):
    """A long clip, changed along its maps."""
