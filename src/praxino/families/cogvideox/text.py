"""Words to embeddings: T5 with its padding, as the authors run it.

Source: zai-org/CogVideo at 7a1af71, sat/sgm/modules/encoders/modules.py (FrozenT5Embedder) and sample_video.py
(force_uc_zero_embeddings).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from praxino.families._t5 import Tokenizer


def embed(text_encoder: Any, tokenizer: Tokenizer, text: str, max_tokens: int, device: torch.device) -> Tensor:
    """What T5 makes of a text, (1, tokens, channels); no padding is masked out."""
    ids, _ = tokenizer(text, max_tokens)
    return text_encoder(input_ids=ids.to(device))[0]
