"""Words to embeddings: UMT5 over the cleaned prompt, its padding cut off and made zeros, as the authors do it.

Source: Wan-Video/Wan2.1 at 9737cba, wan/modules/tokenizers.py and t5.py.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from torch import Tensor

from praxino.families.wan.settings import TEXT_TOKENS

if TYPE_CHECKING:
    from praxino.families.wan.load import Parts


def cleaned(text: str) -> str:
    """A prompt as the authors hand it to the tokenizer: broken characters mended, entities read, spaces single."""
    import ftfy

    return re.sub(r"\s+", " ", html.unescape(html.unescape(ftfy.fix_text(text))).strip())


def embed(parts: Parts, text: str) -> Tensor:
    """What UMT5 makes of a text, (1, 512, C) float32: zeros behind its last token."""
    encoder = parts.text_encoder
    ids, mask = (tensor.to(encoder.device) for tensor in parts.tokenizer(cleaned(text), TEXT_TOKENS))
    states = encoder(input_ids=ids, attention_mask=mask)[0].float()
    return (states * mask[..., None].to(states)).to(parts.device)


def embed_picture(parts: Parts, pixels: Tensor) -> Tensor:
    """CLIP's features before its last block of pictures (N, 3, side, side), (N, tokens, C) float32."""
    encoder = parts.image_encoder
    read = encoder(pixel_values=pixels.to(encoder.device, encoder.dtype), output_hidden_states=True)
    return read.hidden_states[-2].float().to(parts.device)
