"""Which CogVideoX checkpoint lies at a path, read from configs and file headers alone. No torch.

What a transformer takes tells them all apart: its channels, its patches in time, and how it is told of positions.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock.checkpoint import Shapes, read_json, read_shapes
from praxino.families._video_card import CARD, lay_over, read_card
from praxino.families.cogvideox.settings import from_options, to_options
from praxino.families.cogvideox.variants import FAMILY_NAME, PUBLISHED, SPATIAL_RATIO

TRANSFORMER_CLASS = "CogVideoXTransformer3DModel"
PREFIX = "model.diffusion_model."
"""Before the names of a transformer in the authors' files."""
LATENT_CHANNELS = 16


@dataclass(frozen=True)
class Facts:
    """What configs and headers tell of a transformer."""

    num_layers: int
    in_channels: int
    temporal_patch: int
    rotary: bool
    learned: tuple[int, int, int] | None = None
    """The frames, width and height whose positions it has learnt besides; it draws no others."""


def identify(path: Path) -> Variant | None:
    """See `Family.identify`."""
    facts = read_facts(path)
    name = None if facts is None else _name_of(facts)
    if facts is None or name is None:
        return None
    folder = path if path.is_dir() else path.parent
    card = read_card(folder, FAMILY_NAME)
    if card is not None and card.variant in PUBLISHED and card.variant != name:
        raise ModelError(
            f"{folder / CARD} says {card.variant}, but the weights beside it are made as {name}'s; mend the card."
        )
    found = PUBLISHED[name] if card is None else lay_over(PUBLISHED[name], card)
    settings = dataclasses.replace(from_options(found.options), num_layers=facts.num_layers)
    grid = found.grid
    if facts.learned:
        frames, width, height = facts.learned
        grid = dataclasses.replace(grid, frame_step=frames - 1, max_frames=frames, sizes=((width, height),))
    options = {**found.options, **to_options(settings), "folder": str(folder)}
    return dataclasses.replace(found, grid=grid, options=options)


def read_facts(path: Path) -> Facts | None:
    """The facts of a diffusers folder, of a file in the authors' naming, or of a folder that holds one."""
    if not (path / "model_index.json").is_file():
        file = transformer_file(path)
        return _file_facts(plain_shapes(read_shapes(file) or {})) if file else None
    index = read_json(path / "model_index.json")
    if (index.get("transformer") or [None, None])[1] != TRANSFORMER_CLASS:
        return None
    config = read_json(path / "transformer" / "config.json")
    return Facts(
        num_layers=config.get("num_layers", 30),
        in_channels=config.get("in_channels", LATENT_CHANNELS),
        temporal_patch=config.get("patch_size_t") or 1,
        rotary=config.get("use_rotary_positional_embeddings", False),
        learned=_learned(config) if config.get("use_learned_positional_embeddings") else None,
    )


def transformer_file(path: Path) -> Path | None:
    """The transformer in the authors' naming at a path: the file itself, or the only one in the folder."""
    candidates = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    needed = {"mixins.patch_embed.proj.weight", "mixins.final_layer.linear.weight", "time_embed.0.weight"}
    found = [file for file in candidates if plain_shapes(read_shapes(file) or {}).keys() >= needed]
    return found[0] if len(found) == 1 else None


def plain_shapes(shapes: Shapes) -> Shapes:
    """Shapes by name without the prefix that the authors' files have."""
    return {name.removeprefix(PREFIX): shape for name, shape in shapes.items()}


def name_of(shapes: Shapes) -> str | None:
    """The published variant whose transformer, in the authors' naming, has such shapes; None when there is none."""
    return _name_of(_file_facts(shapes))


def _file_facts(shapes: Shapes) -> Facts:
    outputs = shapes["mixins.final_layer.linear.weight"][0]
    temporal_patch = outputs // (4 * LATENT_CHANNELS)
    weights = shapes["mixins.patch_embed.proj.weight"]
    inputs = 1
    for side in weights[1:]:
        inputs *= side
    positions = "mixins.pos_embed.pos_embedding" in shapes
    in_channels = inputs // (4 * temporal_patch)
    layers = {name.split(".")[2] for name in shapes if name.startswith("transformer.layers.")}
    with_picture = in_channels > LATENT_CHANNELS
    learned = _learned({}) if with_picture and positions else None
    return Facts(len(layers), in_channels, temporal_patch, with_picture or not positions, learned)


def _learned(config: dict[str, Any]) -> tuple[int, int, int]:
    """What a config says of the clip whose positions are learnt; its defaults are the published one's."""
    width, height = (config.get(f"sample_{side}", default) for side, default in (("width", 90), ("height", 60)))
    return config.get("sample_frames", 49), width * SPATIAL_RATIO, height * SPATIAL_RATIO


def _name_of(facts: Facts) -> str | None:
    """The published variant that is made like that; None when there is none."""
    if facts.in_channels not in (LATENT_CHANNELS, 2 * LATENT_CHANNELS):
        return None
    beside = facts.in_channels == 2 * LATENT_CHANNELS
    if facts.temporal_patch == 2:
        return "cogvideox-1.5-5b-i2v" if beside else "cogvideox-1.5-5b"
    if not facts.rotary:
        return "cogvideox-fun-2b-pose" if beside else "cogvideox-2b"
    if beside:
        return "cogvideox-5b-i2v" if facts.learned else "cogvideox-fun-5b-pose"
    return "cogvideox-5b"
