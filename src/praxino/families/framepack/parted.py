"""FramePack as it is published: a transformer alone, beside whose folder lie the other networks. No torch at import.

`praxino.json` names the two folders: "components", a HunyuanVideo in the layout of diffusers, and "eye", with the
`image_encoder` and the `feature_extractor` of FLUX.1 Redux.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock.checkpoint import CARD, lay_over, read_card, read_json
from praxino.families._stock.plan import HOME
from praxino.families.framepack.variants import FRAMEPACK, PUBLISHED, TRANSFORMER_CLASS

NEEDED = {"components": ("vae", "text_encoder", "text_encoder_2"), "eye": ("image_encoder", "feature_extractor")}
"""What lies in each of the two folders."""


def is_transformer(path: Path) -> bool:
    """Whether a folder holds a transformer of this family alone."""
    return read_json(path / "config.json").get("_class_name") == TRANSFORMER_CLASS


def identify(path: Path) -> Variant | None:
    """The variant that the card names or, without one, whose name or repository the folder's is."""
    card = read_card(path)
    if card is not None and card.family == "framepack":
        found = lay_over(PUBLISHED.get(card.variant, FRAMEPACK), card)
        home = path / str(read_json(path / CARD).get("components", ""))
        return dataclasses.replace(found, options={**found.options, HOME: str(home)})
    if card is not None:
        return None
    return next((variant for variant in PUBLISHED.values() if path.name in _names(variant)), FRAMEPACK)


def load(path: Path, kind: Any, dtype: Any) -> Any:
    """The pipeline, of class `kind`, over all three folders.

    Raises:
        ModelError: the card does not name the two others, or they lack something.
    """
    from transformers import SiglipImageProcessor, SiglipVisionModel

    from praxino.families._stock.load import diffusers_class

    others = {name: _other(path, name) for name in NEEDED}
    local: dict[str, Any] = {"local_files_only": True}
    transformer = diffusers_class(TRANSFORMER_CLASS).from_pretrained(path, torch_dtype=dtype, **local)
    eye = SiglipVisionModel.from_pretrained(others["eye"] / "image_encoder", dtype=dtype, **local)
    processor = SiglipImageProcessor.from_pretrained(others["eye"] / "feature_extractor", **local)
    return kind.from_pretrained(
        others["components"], transformer=transformer, image_encoder=eye, feature_extractor=processor,
        torch_dtype=dtype, use_safetensors=True, **local,
    )  # fmt: skip


def _names(variant: Variant) -> set[str]:
    return {variant.name, variant.source.rpartition("/")[2], variant.source.replace("/", "--")}


def _other(path: Path, name: str) -> Path:
    told = str(read_json(path / CARD).get(name, ""))
    missing = [part for part in NEEDED[name] if not told or not (path / told / part).is_dir()]
    if missing:
        raise ModelError(
            f"{path} is FramePack's transformer alone, and {path / CARD} names no folder {name!r} with "
            f"{', '.join(missing)}.\nPull hunyuan-video and flux-redux, and write there: "
            '{"family": "framepack", "variant": "framepack", "components": "HUNYUAN-VIDEO", "eye": "FLUX-REDUX"}'
        )
    return path / told
