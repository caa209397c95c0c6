"""Which LTX-2 checkpoint lies in a folder of diffusers or a single file, by configs and headers alone. No torch.

A distilled checkpoint looks like the full one: what lies beside no `praxino.json`, and is not named exactly as a
published file, is taken for the full one.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from praxino.families import Variant
from praxino.families._stock.checkpoint import read_json
from praxino.families._video_card import Card, lay_over, read_card
from praxino.families.ltx_2 import single_file, upsampler
from praxino.families.ltx_2.settings import Settings, from_options, to_options
from praxino.families.ltx_2.variants import PUBLISHED, grid

FAMILY_NAME = "ltx-2"
TRANSFORMER, TEXT_ENCODER = "LTX2VideoTransformer3DModel", "Gemma3ForConditionalGeneration"
"""Classes that tell it from others; LTX-2.5 reads its words with another text encoder."""
UPSAMPLER_FOLDER = "latent_upsampler"
HOME = "home"
"""The option that says where a checkpoint lies, with its tokenizer."""
OF_SECOND_STAGE = ("refining_lora", upsampler.ROLE)
"""The options that name what a published checkpoint's second stage is run with."""


FILES = {
    "ltx-2-19b-dev": "ltx-2",
    "ltx-2.3-22b-dev": "ltx-2.3",
    "ltx-2.3-22b-distilled": "ltx-2.3-distilled",
    "ltx-2.3-22b-distilled-1.1": "ltx-2.3-distilled",
}
"""The published single files, and what is in them."""


def identify(path: Path) -> Variant | None:
    """See `Family.identify`."""
    return _of_file(path) if path.is_file() else _of_folder(path)


def _of_file(path: Path) -> Variant | None:
    header = single_file.holds(path)
    if header is None:
        return None
    card = read_card(path.parent, FAMILY_NAME)
    home = path.parent / ((card.components if card else None) or "")
    later = any(key.endswith("to_gate_logits.weight") for key in header.shapes)
    named = PUBLISHED.get(card.variant if card else FILES.get(path.stem, ""))
    base = named or PUBLISHED["ltx-2.3" if later else "ltx-2"]
    return _told(base, named, card, home)


def _of_folder(path: Path) -> Variant | None:
    index = read_json(path / "model_index.json")
    classes = [(index.get(part) or [None, None])[1] for part in ("transformer", "text_encoder")]
    if classes != [TRANSFORMER, TEXT_ENCODER]:
        return None
    card = read_card(path, FAMILY_NAME)
    later = read_json(path / "transformer" / "config.json").get("gated_attn")
    named = PUBLISHED.get(card.variant) if card else None
    return _told(named or PUBLISHED["ltx-2.3" if later else "ltx-2"], named, card, path)


def _told(base: Variant, named: Variant | None, card: Card | None, home: Path) -> Variant:
    """What a checkpoint is run as, with what the folder of its configs and its card say."""
    found = _with_facts(base, read_json(home / "transformer" / "config.json"), home)
    if card is not None and named is None:
        found = _without_second_stage(found, home)
    found = found if card is None else lay_over(found, card)
    return dataclasses.replace(found, options={**found.options, HOME: str(home)})


def _without_second_stage(found: Variant, path: Path) -> Variant:
    """A checkpoint that is none of the published ones: with a second stage where its folder has the upsampler."""
    has_own = has_upsampler(path)
    steering = found.steering if has_own else tuple(name for name in found.steering if name != "upscale")
    return dataclasses.replace(found, steering=steering, options=to_options(from_options(found.options)))


def has_upsampler(home: Path) -> bool:
    """Whether a folder has the network of the second stage itself, and needs none from elsewhere."""
    return (home / UPSAMPLER_FOLDER / "config.json").is_file()


def _with_facts(base: Variant, transformer: dict[str, Any], path: Path) -> Variant:
    """A published variant with the strides and the layers that the configs tell of."""
    temporal, spatial, _ = transformer.get("vae_scale_factors", (8, 32, 32))
    known = from_options(base.options)
    settings = dataclasses.replace(
        known,
        num_layers=transformer.get("num_layers", known.num_layers),
        spatial_ratio=spatial,
        temporal_ratio=temporal,
    )
    more = {name: base.options[name] for name in OF_SECOND_STAGE if name in base.options}
    steering = tuple(name for name in base.steering if name != "upscale")
    if has_upsampler(path) or upsampler.ROLE in more:
        steering += ("upscale",)
    return dataclasses.replace(
        base, grid=_grid(base, settings), steering=steering, options=to_options(settings, **more)
    )


def _grid(base: Variant, settings: Settings) -> Any:
    """The published variant's own where nothing differs, so that it stays the same object's equal."""
    return base.grid if settings == from_options(base.options) else grid(settings)
