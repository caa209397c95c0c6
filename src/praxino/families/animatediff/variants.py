"""The published motion adapters, as data, and how configs and headers tell them apart. No torch.

Sources: guoyww/AnimateDiff at cb5323b, configs/ (noise, steps, guidance, LoRAs); diffusers' guide and pipelines
(repositories, SDXL); the pages of ByteDance/AnimateDiff-Lightning and wangfuyun/AnimateLCM.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._networks import CLIP_G, CLIP_L, UNET_1, UNET_XL, VAE_4
from praxino.families._stock.checkpoint import Folder, read_json, read_shapes
from praxino.families._stock.unet import UNKNOWN_LICENCE
from praxino.families.animatediff.windows import CONTEXT_FRAMES, MAX_FRAMES
from praxino.families.stable_diffusion.variants import COMPANIONS_1
from praxino.recipe import GuidancePhase

POSITIONS = 32
"""Frames that the published adapters have places for."""
SPATIAL_BASE, MOTION_LORA, FRAMES = "spatial-base", "motion-lora:", "controlnet:frames"
"""Roles of companions: the image checkpoint, LoRAs that belong to an adapter, the SparseCtrl that reads frames."""
FILES = ("config.json", "diffusion_pytorch_model.safetensors")
RESTRICTIONS = "the image checkpoint that it is laid over has a licence of its own"
NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "linear",
    "steps_offset": 1,
}
DDIM = {"_class_name": "DDIMScheduler", **NOISE, "clip_sample": False}
LORAS = "guoyww/animatediff-motion-lora-"
CAMERA = {
    "pan-left": f"{LORAS}pan-left", "pan-right": f"{LORAS}pan-right", "tilt-up": f"{LORAS}tilt-up",
    "tilt-down": f"{LORAS}tilt-down", "zoom-in": f"{LORAS}zoom-in", "zoom-out": f"{LORAS}zoom-out",
    "roll-left": f"{LORAS}rolling-anticlockwise", "roll-right": f"{LORAS}rolling-clockwise",
}  # fmt: skip
"""The motion LoRA of each of the camera's words."""
CONTROLS = tuple(f"control:{kind}" for kind in ("canny", "depth", "pose"))
SPARSE = "AnimateDiffSparseControlNetPipeline"
SPARSE_PIPELINE = "praxino.families.animatediff.pipelines:Sparse"
XL_PIPELINES = {"text-to-video": "AnimateDiffSDXLPipeline"}
XL_BLOCKS = 3
"""Blocks on a UNet's way down: SDXL has three, Stable Diffusion 1 four."""
TEMPORAL = ".motion_modules."
ADAPTER = Network(453_813_440, largest=13_107_200, matrices=453_416_960)
ADAPTER_V3 = Network(417_700_800, largest=13_107_200, matrices=417_331_200)
ADAPTER_XL = Network(237_137_600, largest=13_107_200, matrices=236_902_400)
SD_1 = {"unet": UNET_1, "text_encoder": CLIP_L, "vae": VAE_4}
SD_XL = {"unet": UNET_XL, "text_encoder": CLIP_L, "text_encoder_2": CLIP_G, "vae": VAE_4}
"""Of the image checkpoints that adapters are laid over."""
BORROWED = dict.fromkeys({**SD_1, **SD_XL}, "")


def _published(name: str, title: str, source: str, **data: Any) -> Variant:
    options = {
        "base": "sd1",
        "noise": DDIM,
        "strength": {"video-to-video": 0.8},
        "companions": {**COMPANIONS_1, SPATIAL_BASE: "stable-diffusion-1.5"},
        "camera": {},
        "motion_loras": {},
        "positions": POSITIONS,
        **data.pop("options", {}),
    }
    defaults: dict[str, Any] = {
        "licence": "Apache-2.0",
        "restrictions": RESTRICTIONS,
        "tasks": ("text-to-video", "video-to-video"),
        "grid": Grid(8, min_side=256, max_side=1024, frame_step=1, max_frames=MAX_FRAMES),
        "width": 512,
        "height": 512,
        "num_frames": 16,
        "fps": 8.0,
        "steps": 25,
        "guidance_phases": (GuidancePhase(start=1.0, scale=7.5),),
        "scheduler": "ddim",
        "schedule": "scheduler",
        "dtype": "float16",
        "max_text_tokens": 77,
        "steering": (*CONTROLS, "spatial-base", "lora", "reference", "embedding"),
        "files": FILES,
        "networks": {**SD_1, "motion_adapter": ADAPTER},
        "file_formats": {**BORROWED, "motion_adapter": "float32"},
    }
    return Variant(name=name, title=title, source=source, options=options, **{**defaults, **data})


V2 = _published(
    "animatediff-1.5-2", "AnimateDiff v2: Stable Diffusion 1.5 in motion, with a camera",
    "guoyww/animatediff-motion-adapter-v1-5-2",
    steering=(*CONTROLS, "spatial-base", "lora", "reference", "embedding", "camera"), options={"camera": CAMERA},
)  # fmt: skip
V3 = _published(
    "animatediff-1.5-3", "AnimateDiff v3: Stable Diffusion 1.5 in motion, through given frames or scribbles",
    "guoyww/animatediff-motion-adapter-v1-5-3",
    tasks=("text-to-video", "image-to-video", "video-to-video"),
    grid=Grid(
        8, min_side=256, max_side=1024, frame_step=1, max_frames=MAX_FRAMES,
        max_frames_of={"image-to-video": POSITIONS},
    ),
    guidance_phases=(GuidancePhase(start=1.0, scale=8.5),),
    networks={**SD_1, "motion_adapter": ADAPTER_V3},
    steering=(
        *CONTROLS, "control:scribble", "last-frame", "keyframes", "spatial-base", "lora", "reference", "embedding",
    ),
    options={
        "companions": {
            **COMPANIONS_1,
            SPATIAL_BASE: "stable-diffusion-1.5",
            FRAMES: "guoyww/animatediff-sparsectrl-rgb",
            "controlnet:scribble": "guoyww/animatediff-sparsectrl-scribble",
            f"{MOTION_LORA}domain": f"{LORAS}v1-5-3",
        },
        "motion_loras": {"domain": 1.0},
    },
)  # fmt: skip
XL = _published(
    "animatediff-xl", "AnimateDiff for SDXL (beta)", "guoyww/animatediff-motion-adapter-sdxl-beta",
    tasks=("text-to-video",), steps=20, guidance_phases=(GuidancePhase(start=1.0, scale=8.0),),
    width=1024, height=1024, grid=Grid(8, min_side=512, max_side=1536, frame_step=1, max_frames=POSITIONS),
    steering=("spatial-base", "lora", "embedding"),
    networks={**SD_XL, "motion_adapter": ADAPTER_XL},
    options={
        "base": "sdxl", "noise": {**DDIM, "timestep_spacing": "linspace"},
        "companions": {SPATIAL_BASE: "sdxl-base"}, "pipelines": XL_PIPELINES,
    },
)  # fmt: skip
LIGHTNING = _published(
    "animatediff-lightning", "AnimateDiff-Lightning: four steps",
    "ByteDance/AnimateDiff-Lightning/animatediff_lightning_4step_diffusers.safetensors",
    licence="CreativeML Open RAIL-M", files=(), steps=4, guidance_phases=(GuidancePhase(start=1.0, scale=1.0),),
    scheduler="euler", file_formats=BORROWED,
    options={"noise": {"_class_name": "EulerDiscreteScheduler", **NOISE, "timestep_spacing": "trailing"}},
)  # fmt: skip
LCM = _published(
    "animatelcm", "AnimateLCM: six steps", "wangfuyun/AnimateLCM", licence="MIT", steps=6,
    guidance_phases=(GuidancePhase(start=1.0, scale=2.0),), scheduler="lcm",
    options={
        "noise": {"_class_name": "LCMScheduler", **NOISE},
        "companions": {
            **COMPANIONS_1,
            SPATIAL_BASE: "stable-diffusion-1.5",
            f"{MOTION_LORA}consistency": "wangfuyun/AnimateLCM/AnimateLCM_sd15_t2v_lora.safetensors",
        },
        "motion_loras": {"consistency": 0.8},
    },
)  # fmt: skip
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (V2, V3, XL, LIGHTNING, LCM)}


@dataclass(frozen=True)
class Adapter:
    """What tells one motion adapter from another."""

    num_blocks: int
    has_middle: bool
    positions: int


def adapter_at(path: Path) -> Adapter | None:
    """The motion adapter in a folder (diffusers) or a file (of the original code, too); None where there is none."""
    if path.is_file():
        shapes = read_shapes(path) or {}
        if not shapes or not all(TEMPORAL in name for name in shapes):
            return None
        blocks = {name.split(".")[1] for name in shapes if name.startswith("down_blocks.")}
        positions = next((shape[1] for name, shape in shapes.items() if name.endswith(".pe")), 32)
        return Adapter(len(blocks), any(name.startswith("mid_block.") for name in shapes), positions)
    config = read_json(path / "config.json")
    return _of_config(config) if config.get("_class_name") == "MotionAdapter" else None


def _of_config(config: Mapping[str, Any]) -> Adapter:
    return Adapter(
        len(config.get("block_out_channels", (1, 2, 3, 4))),
        bool(config.get("use_motion_mid_block", True)),
        config.get("motion_max_seq_length", 32),
    )


def variant_of_adapter(found: Adapter) -> Variant:
    """The variant that an adapter alone is run as: nothing in it tells a distilled one from what it was made of."""
    base = XL if found.num_blocks == XL_BLOCKS else V2 if found.has_middle else V3
    if found.positions == POSITIONS:
        return base
    grid, options = _of_positions(base, found.positions)
    title = "an AnimateDiff motion adapter"
    return dataclasses.replace(
        base, name="animatediff-custom", title=title, grid=grid, options=options, **UNKNOWN_LICENCE
    )


def _of_positions(base: Variant, positions: int) -> tuple[Grid, dict[str, Any]]:
    """Grid and options of a variant whose adapter has so many positions."""
    in_windows = base.options["base"] == "sd1" and positions >= CONTEXT_FRAMES
    most_of = {task: min(most, positions) for task, most in base.grid.max_frames_of.items()}
    most = MAX_FRAMES if in_windows else positions
    grid = dataclasses.replace(base.grid, max_frames=most, max_frames_of=most_of)
    return grid, {**base.options, "positions": positions}


def variant_of(folder: Folder) -> Variant:
    """The variant for a whole pipeline: with its own image checkpoint, and no other."""
    told = _of_config(folder.config("motion_adapter"))
    base = XL if folder.class_name in XL_PIPELINES.values() else V2 if told.has_middle else V3
    unet, vae = folder.config("unet"), folder.config("vae")
    side = unet.get("sample_size", 64) * 2 ** (len(vae.get("block_out_channels", (1, 2, 3, 4))) - 1)
    without = (SPATIAL_BASE, FRAMES) if folder.class_name == SPARSE else (SPATIAL_BASE,)
    own = {
        role: name
        for role, name in base.options["companions"].items()
        if role not in without and not role.startswith(MOTION_LORA)
    }
    grid, options = _of_positions(base, told.positions)
    tasks = sorted(base.tasks, key=lambda task: task != "image-to-video") if FRAMES in without else base.tasks
    return dataclasses.replace(
        base,
        name="animatediff-whole",
        title="AnimateDiff with an image checkpoint of its own",
        tasks=tuple(tasks),
        width=side,
        height=side,
        grid=dataclasses.replace(grid, min_side=min(side, base.grid.min_side)),
        steering=tuple(tag for tag in base.steering if tag != SPATIAL_BASE),
        options={**options, "companions": own, "motion_loras": {}},
        files=(),
        **UNKNOWN_LICENCE,
    )
