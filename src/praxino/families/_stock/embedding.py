"""Textual inversions: new words for CLIP text encoders, laid on and taken off whole."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import ModelError
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.load import Parts

ROLE = "embedding:"
ENCODERS = (("text_encoder", "tokenizer", "clip_l"), ("text_encoder_2", "tokenizer_2", "clip_g"))
"""A pipeline's text encoders, their tokenizers, and the name of their vectors in a file for both."""


def equip(parts: Parts, recipe: Recipe) -> None:
    """Teach the text encoders the recipe's words, in place of any before.

    Raises:
        ModelError: a file holds no vectors of these encoders.
    """
    remove(parts)
    wanted = [companion for companion in recipe.companions if companion.role.startswith(ROLE)]
    if not wanted:
        return
    parts.kept[ROLE] = _copies(parts.base)
    try:
        for companion in wanted:
            _teach(parts.base, Path(companion.path), companion.role.removeprefix(ROLE))
    except Exception:
        remove(parts)
        raise


def remove(parts: Parts) -> None:
    """Put back the tokenizers and the input embeddings that were loaded."""
    base = parts.base
    for encoder, tokenizer, words, vectors, size in parts.kept.pop(ROLE, ()):
        network = base.components[encoder]
        network.set_input_embeddings(vectors)
        network.config.vocab_size = size
        base.register_modules(**{tokenizer: words})


def _copies(base: Any) -> list[tuple[str, str, Any, Any, int]]:
    """The originals; copies of them are put into the pipeline, to be changed."""
    kept = []
    for encoder, tokenizer, _ in ENCODERS:
        network, words = base.components.get(encoder), base.components.get(tokenizer)
        if network is None:
            continue
        vectors = network.get_input_embeddings()
        kept.append((encoder, tokenizer, words, vectors, network.config.vocab_size))
        network.set_input_embeddings(copy.deepcopy(vectors))
        base.register_modules(**{tokenizer: copy.deepcopy(words)})
    return kept


def _teach(base: Any, file: Path, token: str) -> None:
    from safetensors.torch import load_file

    from praxino.families._stock.load import damaged, quiet

    with quiet(), damaged(file):
        tensors = load_file(file)
        present = [row for row in ENCODERS if base.components.get(row[0]) is not None]
        for encoder, tokenizer, name in present:
            network = base.components[encoder]
            vectors = tensors.get(name) if len(present) > 1 else next(iter(tensors.values()))
            width = network.get_input_embeddings().weight.shape[1]
            if vectors is None or len(tensors) != len(present) or vectors.shape[-1] != width:
                told = ", ".join(f"{key} {tuple(tensor.shape)}" for key, tensor in list(tensors.items())[:3])
                raise ModelError(
                    f"{file} holds {told}; a textual inversion for this model holds vectors of {width} numbers"
                    + (f" under {name!r}." if len(present) > 1 else ".")
                )
            base.load_textual_inversion(
                vectors, token=token, text_encoder=network, tokenizer=base.components[tokenizer]
            )
