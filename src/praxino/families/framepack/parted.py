"""FramePack as it is published: a transformer alone, and the other networks in two more folders. No torch at import.

These are the parts of a pulled checkpoint: "components", a HunyuanVideo in the layout of diffusers, and "eye", with the
`image_encoder` and the `feature_extractor` of FLUX.1 Redux. In a folder of one's own, `praxino.json` may name both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families import PARTS, Variant
from praxino.families._stock.checkpoint import CARD, lay_over, read_card, read_json
from praxino.families._stock.plan import HOME
from praxino.families.framepack.variants import FRAMEPACK, PUBLISHED, TRANSFORMER_CLASS

NEEDED = {"components": ("vae", "text_encoder", "text_encoder_2"), "eye": ("image_encoder", "feature_extractor")}
"""What lies in each of the two folders."""


def is_transformer(path: Path) -> bool:
    """Whether a folder holds a transformer of this family alone."""
    return read_json(path / "config.json").get("_class_name") == TRANSFORMER_CLASS


def identify(path: Path) -> Variant | None:
    """The variant that the card names or, without one, whose name or repository the folder's is.

    Where the card names folders for the parts, those are not looked for in repositories.
    """
    card = read_card(path)
    if card is not None and card.family == "framepack":
        found = lay_over(PUBLISHED.get(card.variant, FRAMEPACK), card)
        told = {name: path / str(folder) for name in NEEDED if (folder := read_json(path / CARD).get(name))}
        return named(found, told) if told else found
    if card is not None:
        return None
    return next((variant for variant in PUBLISHED.values() if _is_of(path, variant)), FRAMEPACK)


def named(variant: Variant, parts: Mapping[str, Path]) -> Variant:
    """The variant with parts that lie in these folders and nowhere else."""
    return dataclasses.replace(
        variant, parts={}, options={**variant.options, PARTS: {name: str(path) for name, path in parts.items()}}
    )


def home(variant: Variant) -> str | None:
    """The folder of its tokenizer; None where its parts are not on this machine."""
    return variant.options.get(HOME) or variant.options.get(PARTS, {}).get("components")


def load(path: Path, variant: Variant, kind: Any, dtype: Any) -> Any:
    """The pipeline, of class `kind`, over all three folders.

    Raises:
        ModelError: one of the two others is not known, or lacks something.
    """
    from transformers import SiglipImageProcessor, SiglipVisionModel

    from praxino.families._stock.load import diffusers_class

    others = {name: _other(path, variant, name) for name in NEEDED}
    local: dict[str, Any] = {"local_files_only": True}
    transformer = diffusers_class(TRANSFORMER_CLASS).from_pretrained(path, torch_dtype=dtype, **local)
    eye = SiglipVisionModel.from_pretrained(others["eye"] / "image_encoder", dtype=dtype, **local)
    processor = SiglipImageProcessor.from_pretrained(others["eye"] / "feature_extractor", **local)
    return kind.from_pretrained(
        others["components"], transformer=transformer, image_encoder=eye, feature_extractor=processor,
        torch_dtype=dtype, use_safetensors=True, **local,
    )  # fmt: skip


def _is_of(path: Path, variant: Variant) -> bool:
    """Whether a folder is called as a variant or its repository is, or is of that repository in the Hub's cache."""
    repository = variant.source.replace("/", "--")
    names = variant.name, variant.source.rpartition("/")[2], repository
    return path.name in names or f"models--{repository}" in path.parts


def _other(path: Path, variant: Variant, name: str) -> Path:
    told = variant.options.get(PARTS, {}).get(name)
    missing = [part for part in NEEDED[name] if told is None or not (Path(told) / part).is_dir()]
    if told is None or missing:
        where = f"and the folder {told} lacks" if told else f"and {path / CARD} names no folder {name!r} with"
        raise ModelError(f"{path} is FramePack's transformer alone, {where} {', '.join(missing)}.")
    return Path(told)
