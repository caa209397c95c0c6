"""Parts of miniatures that several families share: a tokenizer of bytes, text encoders and VAEs of a few channels.

Weights are drawn from torch's global generator; `save` seeds it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from praxino.families._stock.checkpoint import CARD
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import diffusers_class, quiet

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (8, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "sample_size": 64,
}

WITHOUT_QUANT = {"use_quant_conv": False, "use_post_quant_conv": False}
"""What the VAEs of FLUX and later leave out."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def save(make: Callable[[], Any], folder: Path, seed: int, card: dict[str, Any]) -> None:
    """Make a pipeline, with the same random weights each time, and save it with its card as a diffusers folder."""
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        make().save_pretrained(folder)
    write_json(folder / CARD, card)


def byte_tokenizer(max_length: int, *, more: tuple[str, ...] = (), chat_template: str | None = None) -> Any:
    """A fast tokenizer that spells a text in bytes and ends it with END.

    Args:
        max_length: what it says of the longest text it reads.
        more: further special tokens.
        chat_template: Jinja, for encoders that are spoken to in turns.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = [PAD, END, UNKNOWN, *more]
    words: Any = Tokenizer(
        models.BPE({token: n for n, token in enumerate([*special, *letters])}, [], unk_token=UNKNOWN)
    )
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, 1)])
    words.add_special_tokens(special)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token=PAD, eos_token=END, unk_token=UNKNOWN, model_max_length=max_length
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def t5_encoder(vocabulary_size: int, channels: int, kind: str = "T5") -> Any:
    """A T5EncoderModel or, as `kind`, a UMT5EncoderModel of two small layers."""
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=vocabulary_size, d_model=channels, d_kv=channels // 2, d_ff=2 * channels, num_layers=2, num_heads=2
    )
    return getattr(transformers, f"{kind}EncoderModel")(config)


def autoencoder(latent_channels: int, **config: Any) -> Any:
    """An AutoencoderKL that halves a side three times."""
    return diffusers_class("AutoencoderKL")(latent_channels=latent_channels, **{**VAE, **config})


def qwen3_config(vocabulary_size: int, channels: int, layers: int) -> Any:
    """The config of a Qwen3 language model of two heads."""
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=vocabulary_size,
        hidden_size=channels,
        intermediate_size=2 * channels,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=channels // 2,
        max_position_embeddings=1024,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=1,
    )
