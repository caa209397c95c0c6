"""A CLIP tokenizer made on the spot, which spells words letter by letter, and an encoder for it. For miniatures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def write(folder: Path, pad: str = END) -> int:
    """Write vocab.json, merges.txt and the config of a `CLIPTokenizer`; the size of its vocabulary."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), BEGIN, END]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", config(pad))
    return len(tokens)


def config(pad: str = END) -> dict[str, Any]:
    """The tokenizer_config.json of a CLIP tokenizer that pads with `pad`."""
    return {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": BEGIN,
        "eos_token": END,
        "unk_token": END,
        "pad_token": pad,
        "do_lower_case": True,
    }


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a JSON file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def encoder_config(vocabulary_size: int, channels: int) -> Any:
    """The config of a small CLIP text encoder for such a tokenizer."""
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=channels,
        intermediate_size=2 * channels,
        projection_dim=channels,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=vocabulary_size - 2,
        eos_token_id=vocabulary_size - 1,
    )
