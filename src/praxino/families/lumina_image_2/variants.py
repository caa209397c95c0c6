"""The published Lumina-Image 2.0 checkpoint, as data. No torch."""

from __future__ import annotations

from praxino.families import Grid, Network, Variant
from praxino.families._networks import VAE_16
from praxino.families._stock.checkpoint import Folder
from praxino.recipe import GuidancePhase

TRANSFORMER = Network(2_606_818_752, largest=21_233_664, matrices=2_606_268_416, width=2304)
GEMMA_2_2B = Network(2_614_341_888, largest=589_824_000)
LUMINA = Variant(
    name="lumina-image-2",
    title="Lumina-Image 2.0",
    source="Alpha-VLLM/Lumina-Image-2.0",
    licence="Apache-2.0",
    steering=("lora",),
    tasks=("text-to-image",),
    grid=Grid(size_multiple=16, min_side=64, max_side=2048, frame_step=1, max_frames=1),
    width=1024,
    height=1024,
    num_frames=1,
    fps=1.0,
    steps=30,
    guidance_phases=(GuidancePhase(start=1.0, scale=4.0),),
    schedule="scheduler",
    max_text_tokens=256,
    networks={"transformer": TRANSFORMER, "text_encoder": GEMMA_2_2B, "vae": VAE_16},
)
PUBLISHED: dict[str, Variant] = {LUMINA.name: LUMINA}


def variant_of(folder: Folder) -> Variant | None:
    """There is one."""
    return LUMINA
