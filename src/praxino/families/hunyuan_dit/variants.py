"""The published HunyuanDiT checkpoints, as data, and how configs tell which lies in a folder. No torch."""

from __future__ import annotations

import dataclasses

from praxino.families import Grid, Network, Variant
from praxino.families._networks import VAE_4
from praxino.families._stock.checkpoint import Folder
from praxino.recipe import GuidancePhase

SIZES = (
    (1024, 1024), (1280, 1280), (768, 1024), (864, 1152), (960, 1280), (1024, 768), (1152, 864), (1280, 960),
    (768, 1280), (1280, 768),
)  # fmt: skip
"""What it was trained on (width, height): SUPPORTED_SHAPE of diffusers' pipeline_hunyuandit.py."""
ANY = Grid(size_multiple=16, min_side=64, max_side=1280, frame_step=1, max_frames=1)
STEPS = 50
BESIDE = {
    "text_encoder": Network(352_035_840, largest=48_148_480),
    "text_encoder_2": Network(1_669_958_656, largest=512_229_376),
    "vae": VAE_4,
}
TRANSFORMER_1_2 = Network(1_499_952_032, largest=16_777_216, matrices=1_498_612_736, width=1408)
TRANSFORMER_1_1 = Network(1_516_534_048, largest=22_347_776, matrices=1_515_194_752, width=1408)


def _companions(version: str) -> dict[str, str]:
    """The authors' own ControlNets."""
    kinds = ("canny", "depth", "pose")
    source = f"Tencent-Hunyuan/HunyuanDiT-v{version}-ControlNet-Diffusers-"
    return {f"controlnet:{kind}": source + kind.title() for kind in kinds}


def _published(name: str, title: str, version: str, transformer: Network) -> Variant:
    networks = {"transformer": transformer, **BESIDE}
    return Variant(
        name=name,
        title=title,
        source=f"Tencent-Hunyuan/HunyuanDiT-v{version}-Diffusers",
        licence="Tencent Hunyuan Community License",
        restrictions="not licensed in every country, and with limits of use; read it first",
        steering=("control:canny", "control:depth", "control:pose", "lora"),
        tasks=("text-to-image",),
        grid=dataclasses.replace(ANY, min_side=768, sizes=SIZES),
        width=1024,
        height=1024,
        num_frames=1,
        fps=1.0,
        steps=STEPS,
        guidance_phases=(GuidancePhase(start=1.0, scale=5.0),),
        scheduler="ddpm",
        schedule="scheduler",
        dtype="float16",
        max_text_tokens=256,
        options={"companions": _companions(version)},
        networks=networks,
        file_formats=dict.fromkeys(networks, "float32"),
    )


V1_2 = _published("hunyuan-dit-1.2", "HunyuanDiT 1.2", "1.2", TRANSFORMER_1_2)
V1_1 = _published("hunyuan-dit-1.1", "HunyuanDiT 1.1", "1.1", TRANSFORMER_1_1)
PUBLISHED: dict[str, Variant] = {variant.name: variant for variant in (V1_2, V1_1)}


def variant_of(folder: Folder) -> Variant | None:
    """A folder's variant: only 1.1 is told the picture's size and style."""
    network = folder.config("transformer")
    side = network.get("sample_size", 128) * 8
    variant = V1_1 if network.get("use_style_cond_and_image_meta_size", True) else V1_2
    return (
        variant if side == 1024 else dataclasses.replace(variant, name="hunyuan-dit", grid=ANY, width=side, height=side)
    )
