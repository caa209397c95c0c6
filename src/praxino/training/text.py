"""Owns the reading of captions: a tokenizer made from the captions' own words, and a small T5 encoder.

Must not know what captions mean. Words the captions hold are whole tokens; anything else falls into letters.
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import T5Config, T5EncoderModel, T5Tokenizer

MAX_TOKENS = 20
WORD_START = "\u2581"


@dataclass(frozen=True)
class TextSize:
    """Widths of the encoder."""

    width: int = 128
    head_width: int = 32
    hidden: int = 256
    layers: int = 2
    heads: int = 4


def build_tokenizer(words: Sequence[str]) -> T5Tokenizer:
    """Return a Unigram tokenizer that keeps `words` whole."""
    letters = sorted(set("".join(words)) | set(string.ascii_lowercase + string.digits + "-',."))
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), (WORD_START, -8.0)]
    pieces += [(WORD_START + word, -2.0) for word in words]
    pieces += [(letter, -10.0) for letter in letters]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=128)


def build_text_encoder(tokenizer: T5Tokenizer, size: TextSize) -> T5EncoderModel:
    """Return an untrained T5 encoder for `tokenizer`."""
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=size.width,
        d_kv=size.head_width,
        d_ff=size.hidden,
        num_layers=size.layers,
        num_heads=size.heads,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        tie_word_embeddings=False,  # pyright: ignore[reportCallIssue]
    )
    encoder = T5EncoderModel(config)
    with torch.no_grad():
        encoder.shared.weight.normal_(0, 1)
    return encoder


@dataclass(frozen=True)
class TokenBatch:
    """`ids` and `mask`, both (B, length) int64."""

    ids: Tensor
    mask: Tensor

    def __getitem__(self, index: Tensor) -> "TokenBatch":
        return TokenBatch(self.ids[index], self.mask[index])

    def padded_to(self, length: int) -> "TokenBatch":
        """Pad with zeros, or cut, to `length`."""
        grow = length - self.ids.shape[1]
        if grow <= 0:
            return TokenBatch(self.ids[:, :length], self.mask[:, :length])
        return TokenBatch(torch.nn.functional.pad(self.ids, (0, grow)), torch.nn.functional.pad(self.mask, (0, grow)))

    def to(self, device: torch.device) -> "TokenBatch":
        """Move to `device`."""
        return TokenBatch(self.ids.to(device), self.mask.to(device))


def tokenize(tokenizer: T5Tokenizer, captions: Sequence[str], length: int = MAX_TOKENS) -> TokenBatch:
    """Turn captions into token ids, padded to `length`."""
    out = tokenizer(list(captions), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return TokenBatch(out.input_ids, out.attention_mask)
