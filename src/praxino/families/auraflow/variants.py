"""The published AuraFlow checkpoints, as data, and how configs tell which lies in a folder. No torch."""

from __future__ import annotations

import dataclasses
import math

from praxino.families import Grid, Network, Variant
from praxino.families._networks import VAE_4
from praxino.families._stock.checkpoint import Folder
from praxino.recipe import GuidancePhase

CELL_PX = 16
"""Pixels to a patch's side: 8 for the VAE, 2 for the patch."""
PILE_T5_XL = Network(1_223_550_976, largest=65_798_144)
TRANSFORMER_0_3 = Network(
    6_858_605_568, largest=56_623_104, matrices=6_858_596_352, width=3072, kind="AuraFlowTransformer2DModel"
)
TRANSFORMER_0_2 = Network(
    6_842_876_928, largest=56_623_104, matrices=6_842_867_712, width=3072, kind="AuraFlowTransformer2DModel"
)


def _published(name: str, title: str, source: str, places: int, transformer: Network) -> Variant:
    networks = {"transformer": transformer, "text_encoder": PILE_T5_XL, "vae": VAE_4}
    return Variant(
        name=name,
        title=title,
        source=source,
        licence="Apache-2.0",
        steering=("lora",),
        tasks=("text-to-image",),
        grid=_grid(places),
        width=1024,
        height=1024,
        num_frames=1,
        fps=1.0,
        steps=50,
        guidance_phases=(GuidancePhase(start=1.0, scale=3.5),),
        schedule="scheduler",
        max_text_tokens=256,
        options={"places": places},
        networks=networks,
        file_formats=dict.fromkeys(networks, "float32"),
    )


def _grid(places: int) -> Grid:
    """It learnt a square of positions; a picture's patches must lie within."""
    return Grid(CELL_PX, min_side=64, max_side=math.isqrt(places) * CELL_PX, frame_step=1, max_frames=1)


V0_3 = _published("auraflow-0.3", "AuraFlow 0.3", "fal/AuraFlow-v0.3", 9216, TRANSFORMER_0_3)
V0_2 = _published("auraflow-0.2", "AuraFlow 0.2", "fal/AuraFlow-v0.2", 4096, TRANSFORMER_0_2)
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (V0_3, V0_2)}


def variant_of(folder: Folder) -> Variant | None:
    """A folder's variant, by how many positions it learnt."""
    places = folder.config("transformer").get("pos_embed_max_size", 1024)
    known = [variant for variant in PUBLISHED.values() if variant.options["places"] == places]
    return known[0] if known else dataclasses.replace(V0_3, name="auraflow", grid=_grid(places))
