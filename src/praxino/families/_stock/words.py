"""Whether a pipeline that cuts long texts reads a recipe's whole. Knows tokenizers, no encoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.families._stock.arguments import Given


def check_read_whole(given: Given, written: Callable[[str], str] = str) -> None:
    """Refuse a text of which the tokenizer makes more than the variant's `max_text_tokens`.

    Args:
        given: the recipe and its pipeline.
        written: what the pipeline makes of a text before the tokenizer reads it.

    Raises:
        UserError: the prompt, or the negative one, would be cut.
    """
    most = given.parts.variant.max_text_tokens
    tokenizer: Any = given.pipeline.tokenizer
    texts = {"the prompt": given.recipe.caption, "the negative prompt": given.recipe.negative_prompt}
    for name, text in texts.items():
        count = len(tokenizer(written(text), verbose=False).input_ids)
        if count > most:
            raise UserError(f"{name} has {count} tokens; {given.parts.variant.name} reads {most}. Shorten it.")
