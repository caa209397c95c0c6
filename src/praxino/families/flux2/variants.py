"""The published FLUX.2 checkpoints, as data, and how configs tell which lies in a folder. No torch."""

from __future__ import annotations

from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._networks import QWEN_3_4B
from praxino.families._stock.checkpoint import Folder
from praxino.families._stock.reach import Reader
from praxino.recipe import GuidancePhase

NON_COMMERCIAL: dict[str, Any] = {
    "licence": "FLUX Non-Commercial License",
    "restrictions": "not for commercial use; read it first",
    "gated": True,
}

EDITING = ("text-to-image", "instruction-editing")
DEV_SYSTEM = (
    "<s>[SYSTEM_PROMPT]You are an AI that reasons about image descriptions. You give structured responses focusing on "
    "object relationships, object\nattribution and actions without speculation.[/SYSTEM_PROMPT][INST]"
)
"""What [dev]'s pipeline writes before a prompt (diffusers/pipelines/flux2/system_messages.py)."""
FILLING = {"inpainting": 1.0, "outpainting": 1.0}
VAE = Network(84_046_372, kind="AutoencoderKLFlux2")
NETWORKS_4B = {
    "transformer": Network(3_875_544_576, largest=84_934_656, matrices=3_875_536_896, width=3072),
    "text_encoder": QWEN_3_4B,
    "vae": VAE,
}
NETWORKS_9B = {
    "transformer": Network(9_078_581_248, largest=150_994_944, matrices=9_078_571_008, width=4096),
    "text_encoder": Network(8_190_735_360, largest=622_329_856),
    "vae": VAE,
}
DEV_NETWORKS = {
    "transformer": Network(32_223_281_152, largest=339_738_624, matrices=32_223_264_768, width=6144),
    "text_encoder": Network(24_011_361_280, largest=671_088_640),
    "vae": VAE,
}


def _published(name: str, title: str, source: str, **data: Any) -> Variant:
    defaults: dict[str, Any] = {"tasks": (*EDITING, "inpainting", "outpainting"), "options": {"strength": FILLING}}
    return Variant(
        name=name,
        title=title,
        source=source,
        steering=("reference", "lora"),
        grid=Grid(size_multiple=16, min_side=64, max_side=2048, frame_step=1, max_frames=1),
        width=1024,
        height=1024,
        num_frames=1,
        fps=1.0,
        schedule="scheduler",
        max_text_tokens=512,
        **{**defaults, **data},
    )


KLEIN = _published(
    "flux2-klein", "FLUX.2 [klein]: four steps, no guidance", "black-forest-labs/FLUX.2-klein-4B",
    licence="Apache-2.0", networks=NETWORKS_4B, steps=4, guidance_phases=(GuidancePhase(start=1.0, scale=1.0),),
)  # fmt: skip
KLEIN_9B = _published(
    "flux2-klein-9b", "FLUX.2 [klein] 9B: four steps, no guidance", "black-forest-labs/FLUX.2-klein-9B",
    **NON_COMMERCIAL, networks=NETWORKS_9B, steps=4, guidance_phases=(GuidancePhase(start=1.0, scale=1.0),),
)  # fmt: skip
KLEIN_KV = _published(
    "flux2-klein-9b-kv", "FLUX.2 [klein] 9B KV: looks at pictures once, four steps, no guidance",
    "black-forest-labs/FLUX.2-klein-9b-kv",
    **NON_COMMERCIAL, networks=NETWORKS_9B, steps=4, guidance_phases=(GuidancePhase(start=1.0, scale=1.0),),
    tasks=EDITING, options={"strength": {}, "pipelines": dict.fromkeys(EDITING, "Flux2KleinKVPipeline")},
)  # fmt: skip
"""Its pipeline has no guidance at all."""
BASE_4B = _published(
    "flux2-klein-base-4b", "FLUX.2 [klein] base 4B, not distilled", "black-forest-labs/FLUX.2-klein-base-4B",
    licence="Apache-2.0", networks=NETWORKS_4B, steps=50, guidance_phases=(GuidancePhase(start=1.0, scale=4.0),),
)  # fmt: skip
BASE = _published(
    "flux2-klein-base", "FLUX.2 [klein] base, not distilled", "black-forest-labs/FLUX.2-klein-base-9B",
    **NON_COMMERCIAL, networks=NETWORKS_9B, steps=50, guidance_phases=(GuidancePhase(start=1.0, scale=4.0),),
)  # fmt: skip
DEV = _published(
    "flux2-dev", "FLUX.2 [dev]", "black-forest-labs/FLUX.2-dev",
    **NON_COMMERCIAL, networks=DEV_NETWORKS, steps=50, guidance_phases=(GuidancePhase(start=1.0, scale=4.0),),
    tasks=EDITING,
    options={
        "pipelines": dict.fromkeys(EDITING, "Flux2Pipeline"),
        "text_readers": (Reader("Mistral", "tokenizer", 512, DEV_SYSTEM),),
    },
)  # fmt: skip
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (KLEIN, KLEIN_9B, KLEIN_KV, BASE_4B, BASE, DEV)}
SMALL_READER = 2560
"""Channels of Qwen3-4B, which reads for [klein] 4B; Qwen3-8B, of 4096, reads for 9B."""


def variant_of(folder: Folder) -> Variant | None:
    """By the pipeline's own model_index.json, which for [klein] tells whether its guidance is distilled.

    The size of a [klein] is that of its reader of words. The larger is taken for granted: its licence forbids more.
    """
    if folder.class_name == "Flux2Pipeline":
        return DEV
    if folder.class_name == "Flux2KleinKVPipeline":
        return KLEIN_KV
    small = folder.config("text_encoder").get("hidden_size") == SMALL_READER
    if folder.index.get("is_distilled"):
        return KLEIN if small else KLEIN_9B
    return BASE_4B if small else BASE
