"""Lumina-Image 2.0 by Alpha-VLLM. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path

from praxino.families import Family
from praxino.families._stock import FLOW, Reader, StockFamily
from praxino.families._stock.lora_names import check_transformer
from praxino.families.lumina_image_2.variants import PUBLISHED, variant_of

SYSTEM = (
    "You are an assistant designed to generate superior images with the superior degree of image-text alignment "
    "based on textual prompts or user prompts. <Prompt Start> "
)
"""What the pipeline writes before a prompt (diffusers/pipelines/lumina2/pipeline_lumina2.py)."""


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.lumina_image_2.miniature import write

    write(folder)


FAMILY: Family = StockFamily(
    name="lumina-image-2",
    title="Lumina-Image 2.0",
    variants=PUBLISHED,
    pipelines={"text-to-image": "Lumina2Pipeline"},
    text_readers=(Reader("Gemma 2", "tokenizer", 256, SYSTEM, before_negative=False),),
    refuse_lora=lambda path: check_transformer(path, "Lumina-Image 2.0"),
    classes=("Lumina2Pipeline",),
    variant_of=variant_of,
    write_miniature=_miniature,
    schedulers=FLOW,
    flow=True,
)
