"""What FLUX.2 [dev] reads words with: the tokenizer of its processor, which is all that the pipeline asks of that.

The processor itself could show pictures to the reader too, and needs torchvision for it. The two make the same tokens
of words, as the chat template begins with the mark that begins a text. Knows nothing of pipelines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock.checkpoint import read_folder

PROCESSOR = "PixtralProcessor"


def read(folder: Path) -> dict[str, Any]:
    """The tokenizer in a checkpoint's processor, by the name that pipelines know it by; {} where it has none."""
    from transformers import PreTrainedTokenizerFast

    index = read_folder(folder)
    if index is None or index.component_class("tokenizer") != PROCESSOR:
        return {}
    return {"tokenizer": PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer", local_files_only=True)}
