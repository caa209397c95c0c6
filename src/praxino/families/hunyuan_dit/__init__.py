"""HunyuanDiT by Tencent: Chinese and English words to pictures. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path

from praxino.families import Family
from praxino.families._stock import Given, Reader, StockFamily, standard
from praxino.families._stock.lora_names import check_transformer
from praxino.families.hunyuan_dit.variants import PUBLISHED, variant_of


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.hunyuan_dit.miniature import write

    write(folder)


def _arguments(given: Given) -> dict[str, object]:
    # Every published size is one of the pipeline's own, so its rounding to them would only move others in silence.
    return {**standard(given), "use_resolution_binning": False}


FAMILY: Family = StockFamily(
    name="hunyuan-dit",
    title="HunyuanDiT",
    variants=PUBLISHED,
    pipelines={"text-to-image": "HunyuanDiTPipeline", "text-to-image+control": "HunyuanDiTControlNetPipeline"},
    text_readers=(Reader("BERT", "tokenizer", 77), Reader("T5", "tokenizer_2", 256)),
    refuse_lora=lambda path: check_transformer(path, "HunyuanDiT"),
    classes=("HunyuanDiTPipeline",),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    rescaling=("text-to-image",),
)
