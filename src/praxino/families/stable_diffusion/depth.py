"""What reads pictures for Stable Diffusion 2's depth network: transformers 5 no longer has the class that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock.checkpoint import read_folder

READER = "feature_extractor"


def read(folder: Path) -> dict[str, Any]:
    """The DPT image processor of a checkpoint, by the name that pipelines know it by; {} where it has none."""
    index = read_folder(folder)
    if index is None or not index.component_class(READER).startswith("DPT"):
        return {}
    from transformers import DPTImageProcessorPil

    return {READER: DPTImageProcessorPil.from_pretrained(folder / READER, local_files_only=True)}
