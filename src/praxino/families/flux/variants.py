"""Every published FLUX.1 checkpoint, as data.

Numbers are those of the authors' code (black-forest-labs/flux at 802fb47, src/flux/util.py and cli*.py; the strength
of demo_gr.py). Knows no file and no torch.
"""

from __future__ import annotations

from typing import Any

from praxino.families import Grid, Network, Variant
from praxino.families._networks import CLIP_L, SIGLIP, T5_XXL, VAE_16
from praxino.families.flux.settings import Kind, Settings, to_options
from praxino.recipe import GuidancePhase

HUB = "black-forest-labs"
REDUX = f"{HUB}/FLUX.1-Redux-dev"
"""What reads --reference, beside a base model."""
DEPTH_ANYTHING = "LiheYoung/depth-anything-large-hf"
"""The network with which the authors make depth maps."""
CONTROL_UNION = "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro"
"""The ControlNet over FLUX.1 [dev] that follows every kind of map."""
UNION_MODES = {"canny": 0, "tile": 1, "depth": 2, "blur": 3, "pose": 4, "gray": 5, "low-quality": 6}
"""The number by which the union ControlNets are told what a map is (InstantX/FLUX.1-dev-Controlnet-Union)."""
CONTROL_GUIDANCE = {"canny": 30.0, "depth": 10.0}
"""Guidance of the checkpoints and LoRAs that take a map on their channels, by its kind."""
CONTROL_LORA_SCALE = 0.85

MULTIPLE = 16
"""Pixels of a token's side: the VAE's 8, two by two."""
GRID = Grid(size_multiple=MULTIPLE, min_side=64, max_side=2048, frame_step=1, max_frames=1)
KONTEXT_SIZES = (
    (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184), (944, 1104),
    (1024, 1024),
    (1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688), (1568, 672),
)  # fmt: skip
"""What Kontext was trained on: it is given a picture in the one of nearest aspect."""

APACHE = "Apache-2.0"
NON_COMMERCIAL = "FLUX.1 [dev] Non-Commercial License"
RESTRICTIONS = (
    "Weights for non-commercial use only; outputs may be used, but not to train a competing model, and have to be "
    "filtered or reviewed, and labelled as generated where the law asks for it."
)
FOLDERS = ("transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler")
FILES = ("model_index.json", *(f"{folder}/*" for folder in FOLDERS))
STEERING = ("lora", "true-guidance")
TRANSFORMER = Network(
    11_901_408_320, largest=56_623_104, matrices=11_898_322_944, width=3072, kind="FluxTransformer2DModel"
)
SCHNELL_TRANSFORMER = Network(
    11_891_178_560, largest=56_623_104, matrices=11_888_099_328, width=3072, kind="FluxTransformer2DModel"
)
CONTROL_TRANSFORMER = Network(
    11_901_604_928, largest=56_623_104, matrices=11_898_519_552, width=3072, kind="FluxTransformer2DModel"
)
FILL_TRANSFORMER = Network(
    11_902_391_360, largest=56_623_104, matrices=11_899_305_984, width=3072, kind="FluxTransformer2DModel"
)
REDUX_NETWORKS = {
    "image_encoder": SIGLIP,
    "image_embedder": Network(64_503_808, largest=50_331_648, matrices=64_487_424),
}
BESIDE = {"text_encoder": CLIP_L, "text_encoder_2": T5_XXL, "vae": VAE_16}
DRAWING = ("text-to-image", "image-to-image", "inpainting")


def _published(name: str, title: str, repository: str, file: str, kind: Kind = "plain", **data: Any) -> Variant:
    max_text_tokens = data.pop("max_text_tokens", 512)
    strength = data.pop("strength", 0.8)
    guidance = data.pop("guidance", 2.5)
    guided = data.pop("guided", True)
    transformer = data.pop("transformer", TRANSFORMER)
    defaults: dict[str, Any] = {
        "licence": NON_COMMERCIAL,
        "restrictions": RESTRICTIONS,
        "gated": True,
        "tasks": ("text-to-image",),
        "steering": STEERING,
        "grid": GRID,
        "width": 1360,
        "height": 768,
        "steps": 50,
        "schedule": "flux",
        "files": FILES,
        "networks": {"transformer": transformer, **BESIDE},
    }
    return Variant(
        name=name,
        title=title,
        source=f"{HUB}/{repository}",
        num_frames=1,
        fps=1.0,
        guidance_phases=(GuidancePhase(start=1.0, scale=guidance),),
        max_text_tokens=max_text_tokens,
        options=to_options(
            Settings(kind=kind, max_text_tokens=max_text_tokens), strength=strength, file=file, guided=guided
        ),
        **{**defaults, **data},
    )


def _control(kind: str, file: str) -> Variant:
    name = kind.capitalize()
    return _published(
        f"flux-{kind}", f"FLUX.1 {name} [dev]: draws after {kind} maps", f"FLUX.1-{name}-dev", file, "control",
        transformer=CONTROL_TRANSFORMER, guidance=CONTROL_GUIDANCE[kind], width=1024, height=1024, tasks=DRAWING,
        steering=(f"control:{kind}", *STEERING), needs=(f"control:{kind}",),
    )  # fmt: skip


PUBLISHED: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        _published(
            "flux-dev", "FLUX.1 [dev]", "FLUX.1-dev", "flux1-dev.safetensors", tasks=DRAWING,
            steering=(*(f"control:{kind}" for kind in UNION_MODES), "reference", *STEERING),
        ),
        _published(
            "flux-schnell", "FLUX.1 [schnell]: 4 steps", "FLUX.1-schnell", "flux1-schnell.safetensors", tasks=DRAWING,
            steering=("reference", *STEERING), steps=4, guidance=1.0, guided=False, schedule="uniform",
            transformer=SCHNELL_TRANSFORMER, max_text_tokens=256, strength=0.75,
            licence=APACHE, restrictions="", gated=False,
        ),
        _published(
            "flux-krea", "FLUX.1 Krea [dev]", "FLUX.1-Krea-dev", "flux1-krea-dev.safetensors", tasks=DRAWING,
        ),
        _published(
            "flux-fill", "FLUX.1 Fill [dev]: draws what a mask covers", "FLUX.1-Fill-dev", "flux1-fill-dev.safetensors",
            "fill", tasks=("inpainting", "outpainting"), guidance=30.0, max_text_tokens=128, width=1024, height=1024,
            transformer=FILL_TRANSFORMER,
        ),
        _control("canny", "flux1-canny-dev.safetensors"),
        _control("depth", "flux1-depth-dev.safetensors"),
        _published(
            "flux-redux", "FLUX.1 Redux [dev]: draws in the likeness of a picture, over flux-dev", "FLUX.1-Redux-dev",
            "flux1-redux-dev.safetensors", "redux", steering=("reference", *STEERING), needs=("reference",),
            networks={"transformer": TRANSFORMER, **BESIDE, **REDUX_NETWORKS},
            file_formats=dict.fromkeys(("transformer", *BESIDE), ""),
            files=("model_index.json", "image_encoder/*", "image_embedder/*", "feature_extractor/*"),
        ),
        _published(
            "flux-kontext", "FLUX.1 Kontext [dev]: edits a picture by instruction", "FLUX.1-Kontext-dev",
            "flux1-kontext-dev.safetensors", "kontext", steps=30,
            tasks=("text-to-image", "instruction-editing", "inpainting"),
            width=1024, height=1024,
            grid=Grid(MULTIPLE, 64, 2048, frame_step=1, max_frames=1, buckets=KONTEXT_SIZES),
        ),
    )
}  # fmt: skip
"""By name."""
