"""Which LTX-2 checkpoint lies in a folder of diffusers, by its configs alone. No torch.

A distilled checkpoint looks like the full one: what lies beside no `praxino.json` is taken for the full one.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from praxino.families import Variant
from praxino.families._stock.checkpoint import read_json
from praxino.families._video_card import lay_over, read_card
from praxino.families.ltx_2 import upsampler
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


def identify(path: Path) -> Variant | None:
    """See `Family.identify`."""
    index = read_json(path / "model_index.json")
    classes = [(index.get(part) or [None, None])[1] for part in ("transformer", "text_encoder")]
    if classes != [TRANSFORMER, TEXT_ENCODER]:
        return None
    card = read_card(path, FAMILY_NAME)
    transformer = read_json(path / "transformer" / "config.json")
    named = PUBLISHED.get(card.variant) if card else None
    base = named or PUBLISHED["ltx-2.3" if transformer.get("gated_attn") else "ltx-2"]
    found = _with_facts(base, transformer, path)
    if card is not None and named is None:
        found = _without_second_stage(found, path)
    found = found if card is None else lay_over(found, card)
    return dataclasses.replace(found, options={**found.options, HOME: str(path)})


def _without_second_stage(found: Variant, path: Path) -> Variant:
    """A checkpoint that is none of the published ones: with a second stage where its folder has the upsampler."""
    has_own = (path / UPSAMPLER_FOLDER / "config.json").is_file()
    steering = found.steering if has_own else tuple(name for name in found.steering if name != "upscale")
    return dataclasses.replace(found, steering=steering, options=to_options(from_options(found.options)))


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
    has_own = (path / UPSAMPLER_FOLDER / "config.json").is_file()
    more = {name: base.options[name] for name in OF_SECOND_STAGE if name in base.options}
    if has_own:
        more.pop(upsampler.ROLE, None)
    steering = tuple(name for name in base.steering if name != "upscale")
    if has_own or upsampler.ROLE in more:
        steering += ("upscale",)
    return dataclasses.replace(
        base, grid=_grid(base, settings), steering=steering, options=to_options(settings, **more)
    )


def _grid(base: Variant, settings: Settings) -> Any:
    """The published variant's own where nothing differs, so that it stays the same object's equal."""
    return base.grid if settings == from_options(base.options) else grid(settings)
