"""Which Wan checkpoint lies at a path, read from configs and file headers alone. No torch.

The transformer's channels, its picture embedding and its number tell what it takes; its layers tell its size. What is
alike in shape (the 480p and the 720p model) is told by `praxino.json`, or by a name that is exactly a published one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock.checkpoint import read_json
from praxino.families._video_card import CARD, Card, lay_over, read_card
from praxino.families.wan import convert, layout
from praxino.families.wan.settings import LATENT_KIND_CHANNELS, Kind, from_options
from praxino.families.wan.variants import PUBLISHED

FAMILY_NAME = "wan"
TRANSFORMER_CLASSES = ("WanTransformer3DModel", "WanVACETransformer3DModel")
PICTURE_CHANNELS = 20
"""Of mask and picture, beside the latents'."""


@dataclass(frozen=True)
class Facts:
    """What configs and headers tell about a checkpoint."""

    kind: Kind
    num_layers: int
    num_transformers: int
    clip: bool
    """Whether the transformer reads CLIP's features."""


def identify(path: Path) -> Variant | None:
    """See `Family.identify`."""
    facts = read_facts(path)
    if facts is None:
        return None
    folder = path if path.is_dir() else path.parent
    card = read_card(folder, FAMILY_NAME)
    base = _named(path, facts) or _alike(facts)
    if card is not None:
        base = lay_over(_of_card(card, facts, folder), card)
    return dataclasses.replace(base, options={**base.options, "num_layers": facts.num_layers, "folder": str(folder)})


def read_facts(path: Path) -> Facts | None:
    """The facts of a diffusers folder, or of transformers in the authors' naming."""
    if (path / "model_index.json").is_file():
        return _folder_facts(path)
    found = layout.originals(path)
    if not found:
        return None
    return _facts(convert.config_of(found[0].shapes(), found[0].config), len(found))


def _folder_facts(folder: Path) -> Facts | None:
    index = read_json(folder / "model_index.json")
    named = [(index.get(name) or [None, None])[1] for name in ("transformer", "transformer_2")]
    if named[0] not in TRANSFORMER_CLASSES:
        return None
    config = read_json(folder / "transformer" / "config.json")
    return _facts(config, 1 if named[1] is None else 2) if config else None


def _facts(config: dict[str, Any], num_transformers: int) -> Facts:
    channels_in = config.get("in_channels", 16)
    channels_out = config.get("out_channels") or channels_in
    kind: Kind = "words"
    if "vace_layers" in config:
        kind = "vace"
    elif config.get("pos_embed_seq_len"):
        kind = "first-last"
    elif channels_in == channels_out + PICTURE_CHANNELS:
        kind = "picture"
    elif channels_in == LATENT_KIND_CHANNELS:
        kind = "latent"
    return Facts(kind, config.get("num_layers", 40), num_transformers, config.get("image_dim") is not None)


def _named(path: Path, facts: Facts) -> Variant | None:
    """The variant whose own or whose repository's name is that of the path, if the facts allow for it."""
    for variant in PUBLISHED.values():
        repository = variant.source.rpartition("/")[2]
        if path.name in (variant.name, repository, variant.source.replace("/", "--")) and _fits(variant, facts):
            return variant
    return None


def _fits(variant: Variant, facts: Facts) -> bool:
    settings = from_options(variant.options)
    return settings.kind == facts.kind and (settings.boundary > 0) == (facts.num_transformers > 1)


def _of_card(card: Card, facts: Facts, folder: Path) -> Variant:
    """The published variant that a card is about, or the one that is shaped alike."""
    told = PUBLISHED.get(card.variant)
    if told is not None and not _fits(told, facts):
        raise ModelError(
            f"{folder / CARD} says {told.name}, but the weights beside it are shaped as {_alike(facts).name}'s; "
            "mend the card."
        )
    return told or _alike(facts)


def _alike(facts: Facts) -> Variant:
    """What a checkpoint of such a shape is run as; one of both pictures' models as that for 480p."""
    fitting = [variant for variant in PUBLISHED.values() if _fits(variant, facts)]
    same = [variant for variant in fitting if from_options(variant.options).num_layers == facts.num_layers]
    if not fitting:
        raise ModelError(
            f"two transformers of the kind {facts.kind!r} are no Wan checkpoint that is known; "
            "allowed are two that draw from words, or from a picture."
        )
    return (same or fitting)[0]
