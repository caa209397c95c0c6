"""Redux: pictures as tokens behind a text's, so that what is drawn is in their likeness.

Source: black-forest-labs/flux at 802fb47, src/flux/modules/image_embedders.py and sampling.py (prepare_redux). There
it is one picture; here further ones follow it, each with its tokens times its weight (as ComfyUI's StyleModelApply
does when it is chained).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from praxino.families.flux.load import readable
from praxino.families.flux.pictures import to_pixels
from praxino.families.flux.text import Text


@dataclass
class Redux:
    """The two networks that read a picture."""

    encoder: Any
    """transformers' SiglipVisionModel."""
    embedder: Any
    """diffusers' ReduxImageEncoder: from its channels to T5's."""


def load(folder: Path, dtype: torch.dtype, device: torch.device) -> Redux:
    """Load `image_encoder` and `image_embedder` of a FluxPriorReduxPipeline folder.

    Raises:
        ModelError: they are missing or damaged.
    """
    from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
    from transformers import SiglipVisionModel

    with readable(folder, "Redux"):
        encoder: Any = SiglipVisionModel.from_pretrained(folder / "image_encoder", dtype=dtype, local_files_only=True)
        embedder: Any = ReduxImageEncoder.from_pretrained(
            folder / "image_embedder", torch_dtype=dtype, local_files_only=True
        )
    for network in (encoder, embedder):
        network.requires_grad_(False).eval().to(device)
    return Redux(encoder, embedder)


def with_pictures(redux: Redux, text: Text, pictures: Sequence[tuple[np.ndarray, float]]) -> Text:
    """A text followed by pictures (H, W, 3) uint8 with their weights."""
    tokens = [weight * embed(redux, picture).to(text.states) for picture, weight in pictures]
    return Text(torch.cat((text.states, *tokens), dim=1), text.pooled)


def embed(redux: Redux, picture: np.ndarray) -> Tensor:
    """One picture as tokens, (1, tokens, channels): squashed to the encoder's square, in [-1, 1]."""
    side = redux.encoder.config.image_size
    squashed = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
    pixels = to_pixels(np.asarray(squashed)).to(redux.encoder.device, redux.encoder.dtype)
    return redux.embedder(redux.encoder(pixel_values=pixels).last_hidden_state).image_embeds
