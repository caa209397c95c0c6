"""Whether a Mochi checkpoint lies at a path, read from configs and file headers alone. No torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from praxino.families import Variant
from praxino.families._stock.checkpoint import Shapes, read_json, read_shapes
from praxino.families._video_card import lay_over, read_card
from praxino.families.mochi.variants import FAMILY_NAME, PREVIEW, PUBLISHED

TRANSFORMER_CLASS = "MochiTransformer3DModel"
GENMO_TENSORS = {"t5_yproj.weight", "pos_frequencies", "x_embedder.proj.weight", "blocks.0.attn.qkv_x.weight"}
"""Some tensors that only Genmo's transformer has, all of them."""


def identify(path: Path) -> Variant | None:
    """See `Family.identify`."""
    num_layers = _num_layers(path)
    if num_layers is None:
        return None
    folder = path if path.is_dir() else path.parent
    card = read_card(folder, FAMILY_NAME)
    found = PREVIEW if card is None else lay_over(PUBLISHED.get(card.variant, PREVIEW), card)
    return dataclasses.replace(found, options={**found.options, "num_layers": num_layers, "folder": str(folder)})


def transformer_file(path: Path) -> Path | None:
    """The transformer in Genmo's naming at a path: the file itself, or the only one in the folder."""
    candidates = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    found = [file for file in candidates if (read_shapes(file) or {}).keys() >= GENMO_TENSORS]
    return found[0] if len(found) == 1 else None


def count_blocks(shapes: Shapes) -> int:
    """How many transformer blocks a file in Genmo's naming holds."""
    return len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})


def _num_layers(path: Path) -> int | None:
    """The number of blocks of the checkpoint at a path, None when it is none of this family."""
    if (path / "model_index.json").is_file():
        index = read_json(path / "model_index.json")
        if (index.get("transformer") or [None, None])[1] != TRANSFORMER_CLASS:
            return None
        return read_json(path / "transformer" / "config.json").get("num_layers", PREVIEW.options["num_layers"])
    file = transformer_file(path)
    return count_blocks(read_shapes(file) or {}) if file else None
