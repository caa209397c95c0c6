"""HunyuanVideo from words: flow matching on the latents of every frame, pictures being clips of one.

Tencent published a trainer for its image-to-video checkpoints alone (see `hunyuan_video_i2v`): times, layers and names
are that one's, without the picture. Words are read in the template for clips whatever is learnt from, as in
kohya-ss/musubi-tuner, hv_cache_text_encoder_outputs.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from praxino.families import Variant
from praxino.families._hunyuan import text
from praxino.families._hunyuan.settings import from_options
from praxino.families._hunyuan.template import VIDEO
from praxino.families._hunyuan.text import Embedded
from praxino.training.tuning.cache import Tensors
from praxino.training.tuning.trainee import Batch, Task
from praxino.training.tuning.trainees.hunyuan_video_i2v import HunyuanVideoI2v, drawn, encoded, noised


class HunyuanVideo(HunyuanVideoI2v):
    """See `Trainee`. A first frame is never given."""

    def encode(self, parts: Any, frames: np.ndarray) -> Tensors:
        """Scaled latents (C, f, h, w): the posterior's mode."""
        return {"latents": encoded(parts.vae, frames)[0]}

    def read(self, parts: Any, caption: str) -> Tensors:
        """The language model's states (tokens, channels) and mask (tokens,), and CLIP's vector (channels,)."""
        read = text.embed(parts, caption, VIDEO, from_options(parts.variant.options), None)
        return {"states": read.states[0], "mask": read.mask[0], "pooled": read.pooled[0]}

    def task(self, parts: Any, variant: Variant, batch: Batch) -> Task:
        """Latents noised to times of chance, and their velocity."""
        words = Embedded(batch.texts["states"], batch.texts["mask"], batch.texts["pooled"])
        return noised(parts, variant, batch.clips, words, drawn(variant, batch))


TRAINEE = HunyuanVideo()
