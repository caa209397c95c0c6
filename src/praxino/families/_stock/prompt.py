"""Prompts that CLIP cannot read in one go, or that weigh their words, as embeddings. Nothing is cut.

CLIP reads 75 tokens and their two marks. A longer text is read in pieces, split between sentences where it can be, and
the pieces' embeddings are put in a row. "(a red hat)1.3" weighs words, as do "(a red hat)++" and, as AUTOMATIC1111 and
ComfyUI write it, "(a red hat:1.3)"; compel does the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from praxino.families._stock.arguments import Given

PIECE_TOKENS = 75
WEIGHED = re.compile(r"\(([^()]*)\)(\d+(?:\.\d+)?|\++|-+)")
"""Words in brackets with a number, or with signs, behind them. Brackets alone are brackets."""

COLON = re.compile(r"\(((?:[^()]|\([^()]*\))+?):\s*(\d*\.\d+|(?<=[^\d\s]:)\d)\)(?=(\w?))")
"""A number behind a colon in the brackets. "(16:9)" is none: a whole number weighs no number."""


def with_numbers_behind(text: str) -> str:
    """The text with "(a hat:1.3)" as "(a hat)1.3", which compel reads; one pair of brackets may be in another."""
    changed = COLON.sub(lambda found: f"({found[1]}){float(found[2]):g}" + (" " if found[3] else ""), text)
    return changed if changed == text else with_numbers_behind(changed)


def arguments(given: Given) -> dict[str, Any]:
    """The texts of a recipe as `prompt_embeds` and its like; {} when the pipeline reads them whole by itself."""
    pipeline = given.pipeline
    encoders = [
        (pipeline.components[tokenizer], pipeline.components[encoder])
        for tokenizer, encoder in (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))
        if pipeline.components.get(encoder) is not None
    ]
    written = [given.recipe.caption, *([given.recipe.negative_prompt] if given.guided else [])]
    texts = [with_numbers_behind(text) for text in written]
    if not any(_is_special(pipeline, text, tokenizer) for text in texts for tokenizer, _ in encoders):
        return {}
    layered = pipeline.components.get("text_encoder_2") is not None
    with torch.no_grad():
        states = [_states(pipeline, texts, *pair, layered=layered) for pair in encoders]
    embeds = torch.cat(states, dim=-1)
    found = {"prompt_embeds": embeds[:1], "negative_prompt_embeds": embeds[1:]}
    if layered:
        with torch.no_grad():
            pooled = _pooled(pipeline, texts, *encoders[-1])
        found |= {"pooled_prompt_embeds": pooled[:1], "negative_pooled_prompt_embeds": pooled[1:]}
    if given.guided and not given.recipe.negative_prompt and pipeline.config.get("force_zeros_for_empty_prompt"):
        found = {name: torch.zeros_like(value) if "negative" in name else value for name, value in found.items()}
    return {name: value for name, value in found.items() if len(value)}


def _is_special(pipeline: Any, text: str, tokenizer: Any) -> bool:
    if WEIGHED.search(text):
        return True
    read = pipeline.maybe_convert_prompt(text, tokenizer)
    return len(tokenizer(read, add_special_tokens=False, verbose=False).input_ids) > PIECE_TOKENS


def _states(pipeline: Any, texts: list[str], tokenizer: Any, encoder: Any, *, layered: bool) -> Tensor:
    """Hidden states (texts, tokens, C), as many tokens for each text as the longest needs."""
    from compel import Compel, ReturnedEmbeddingsType

    kinds = ReturnedEmbeddingsType
    kind = kinds.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED if layered else kinds.LAST_HIDDEN_STATES_NORMALIZED
    reader = Compel(
        tokenizer,
        encoder,
        truncate_long_prompts=False,
        returned_embeddings_type=kind,
        device=encoder.device,
        dtype_for_device_getter=lambda device: encoder.dtype,
    )
    states = [_read(reader, pipeline.maybe_convert_prompt(text, tokenizer)) for text in texts]
    return torch.cat(reader.pad_conditioning_tensors_to_same_length(states))


def _read(reader: Any, text: str) -> Tensor:
    """A text without weights is not parsed: its brackets and signs are its own."""
    if WEIGHED.search(text):
        return reader.build_conditioning_tensor(text)
    provider = reader.conditioning_provider
    return provider.get_embeddings_for_weighted_prompt_fragments([[text]], [[1.0]], device=reader.device)


def _pooled(pipeline: Any, texts: list[str], tokenizer: Any, encoder: Any) -> Tensor:
    """The projection of each text's first piece (texts, C), without the marks of weights."""
    plain = [WEIGHED.sub(r"\1", pipeline.maybe_convert_prompt(text, tokenizer)) for text in texts]
    ids = tokenizer(
        plain, padding="max_length", max_length=PIECE_TOKENS + 2, truncation=True, return_tensors="pt"
    ).input_ids
    return encoder(ids.to(encoder.device))[0]
