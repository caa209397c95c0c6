"""What the diffusers layout says of a Wan checkpoint beside its networks. Plain data, no torch."""

from __future__ import annotations

from typing import Any

from praxino.families.wan.settings import Kind, Settings

PIPELINES: dict[Kind, str] = {
    "words": "WanPipeline",
    "picture": "WanImageToVideoPipeline",
    "first-last": "WanImageToVideoPipeline",
    "latent": "WanPipeline",
    "vace": "WanVACEPipeline",
}
SCHEDULER: dict[str, Any] = {
    "_class_name": "UniPCMultistepScheduler", "prediction_type": "flow_prediction", "use_flow_sigmas": True,
    "num_train_timesteps": 1000,
}  # fmt: skip


def scheduler(settings: Settings) -> dict[str, Any]:
    """What scheduler_config.json says."""
    return {**SCHEDULER, "flow_shift": settings.shift}


def more(settings: Settings) -> dict[str, Any]:
    """What model_index.json says beside the components."""
    told: dict[str, Any] = {}
    if settings.boundary:
        told["boundary_ratio"] = settings.boundary
    if settings.kind == "latent":
        told["expand_timesteps"] = True
    return told


def image_processor(side_px: int) -> dict[str, Any]:
    """What stock pipelines read how to prepare pictures for CLIP from."""
    size = {"height": side_px, "width": side_px}
    return {"image_processor_type": "CLIPImageProcessor", "size": size, "crop_size": size, "resample": 3}
