"""AuraFlow by fal. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path

from praxino.families import Family
from praxino.families._stock import FLOW, Reader, StockFamily
from praxino.families._stock.lora_names import check_transformer
from praxino.families.auraflow.variants import PUBLISHED, variant_of


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.auraflow.miniature import write

    write(folder)


FAMILY: Family = StockFamily(
    name="auraflow",
    title="AuraFlow",
    variants=PUBLISHED,
    pipelines={"text-to-image": "AuraFlowPipeline"},
    text_readers=(Reader("UMT5", "tokenizer", 256),),
    refuse_lora=lambda path: check_transformer(path, "AuraFlow"),
    classes=("AuraFlowPipeline",),
    variant_of=variant_of,
    write_miniature=_miniature,
    schedulers=FLOW,
    flow=True,
)
