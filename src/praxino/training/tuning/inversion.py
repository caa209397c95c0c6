"""Owns textual inversion: a new word for a pipeline's CLIP encoders, of which nothing but its vectors is learnt.

Gal et al. 2022, "An Image is Worth One Word" (arXiv:2208.01618), section 4; with several vectors, and words to begin
from, as in huggingface/diffusers, examples/textual_inversion/textual_inversion.py and textual_inversion_sdxl.py. The
other rows of the tables are not put back after each step, as there, but never trained. Knows no UNet and no loss.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from praxino.families._stock.embedding import ENCODERS
from praxino.training.tuning.fitness import taken
from praxino.training.tuning.outputs import EMBEDDING_FILE
from praxino.training.tuning.settings import Tuning


class NewWord(nn.Module):
    """A word's vectors, (count, width) float32 for each encoder, by their name in a file for several encoders."""

    def __init__(self, base: Any, tuning: Tuning) -> None:
        """Teach the pipeline `base` the trigger, which means the initial words until something is learnt.

        Raises:
            UserError: the tokenizer knows the trigger already.
        """
        super().__init__()
        self.trigger = tuning.trigger
        for encoder, tokenizer, name in ENCODERS:
            if base.components.get(encoder) is not None:
                rows = _laid(base, base.components[encoder], base.components[tokenizer], tuning)
                self.register_parameter(name, rows)

    def tensors(self) -> dict[str, Tensor]:
        """The vectors as they are written: by the word, or by the encoders where there are several."""
        found = {name: rows.detach().float().cpu().contiguous() for name, rows in self.named_parameters()}
        return found if len(found) > 1 else {self.trigger: next(iter(found.values()))}

    def write(self, folder: Path) -> Path:
        """Write the vectors into a folder that exists."""
        from safetensors.torch import save_file

        file = folder / EMBEDDING_FILE
        save_file(self.tensors(), file.with_suffix(".part"), {"format": "pt"})
        return file.with_suffix(".part").replace(file)


class _Table(nn.Module):
    """An encoder's table of vectors, with a word's rows from elsewhere."""

    def __init__(self, table: nn.Embedding, first: int, rows: nn.Parameter) -> None:
        super().__init__()
        self.table, self.first, self.rows = table, first, rows

    @property
    def weight(self) -> Tensor:
        """All rows, (tokens, width), as they stand."""
        rows = self.rows.detach().to(self.table.weight)
        return torch.cat([self.table.weight[: self.first], rows, self.table.weight[self.first + len(rows) :]])

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors (..., width) of tokens (...)."""
        known, place = self.table(ids), ids - self.first
        is_new = (place >= 0) & (place < len(self.rows))
        return torch.where(is_new[..., None], self.rows[place.clamp(0, len(self.rows) - 1)].to(known.dtype), known)


def _laid(base: Any, encoder: Any, tokenizer: Any, tuning: Tuning) -> nn.Parameter:
    """The trigger's rows, (count, width), which from now on are the encoder's."""
    from praxino.families._stock.load import quiet

    words, trigger = tokenizer(tuning.initial_words, add_special_tokens=False).input_ids, tuning.trigger
    known = encoder.get_input_embeddings().weight.detach()
    count = tuning.vectors or len(words)
    begun = known[[words[place % len(words)] for place in range(count)]].clone()
    if {trigger, f"{trigger}_1"} & tokenizer.get_vocab().keys():
        raise taken(trigger)
    with quiet():
        base.load_textual_inversion(begun, token=trigger, text_encoder=encoder, tokenizer=tokenizer)
    rows = nn.Parameter(begun.float())
    table = encoder.get_input_embeddings().requires_grad_(False)
    encoder.set_input_embeddings(_Table(table, tokenizer.convert_tokens_to_ids(trigger), rows))
    return rows
