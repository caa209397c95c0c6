"""Every published Wan checkpoint that draws from words, pictures and clips, as data.

Numbers are those of the authors' code (Wan-Video/Wan2.1 at 9737cba, Wan-Video/Wan2.2 at 42bf4cf: generate.py and
wan/configs). Knows no file and no torch.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from praxino.families import Grid, Network, Variant
from praxino.families._networks import CLIP_VISION_H, UMT5_XXL, WAN_VAE
from praxino.families.wan.settings import TEXT_TOKENS, Kind, Settings, to_options
from praxino.recipe import GuidancePhase

HUB = "Wan-AI"
NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，"
    "静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
"""Gaudy, overexposed, static, blurred, subtitles, ..., walking backwards: what the models were tuned against."""
NO_SHAKING, NO_CUTS = "镜头晃动，", "镜头切换，"
"""A shaking camera, and cuts: before the above for 2.1's pictures, and for first and last frames."""
SMALL_AREA = 480 * 832
"""Pixels up to which `Settings.small_shift` holds."""
FRAMES_AT_16 = {"num_frames": 81, "fps": 16.0}
STEERING = ("lora", "stg", "apg", "cfg-zero-star")
CONTROL_KINDS = ("depth", "pose", "scribble", "gray", "layout", "flow")
"""The maps that VACE was trained on (ali-vilab/VACE, vace/configs)."""

TRANSFORMER_1_3B = Network(
    1_418_996_800, largest=14_155_776, matrices=1_418_019_840, width=1536, kind="WanTransformer3DModel"
)
TRANSFORMER_14B = Network(
    14_288_491_584, largest=157_286_400, matrices=14_284_810_240, width=5120, kind="WanTransformer3DModel"
)
PICTURE_TRANSFORMER = Network(
    16_394_878_784, largest=157_286_400, matrices=16_390_563_840, width=5120, kind="WanTransformer3DModel"
)
FIRST_LAST_TRANSFORMER = Network(
    16_395_536_704, largest=157_286_400, matrices=16_391_221_760, width=5120, kind="WanTransformer3DModel"
)
PICTURE_TRANSFORMER_2_2 = Network(
    14_288_901_184, largest=157_286_400, matrices=14_285_219_840, width=5120, kind="WanTransformer3DModel"
)
TRANSFORMER_5B = Network(
    4_999_787_712, largest=56_623_104, matrices=4_997_941_248, width=3072, kind="WanTransformer3DModel"
)
VACE_1_3B = Network(
    2_153_972_032, largest=14_155_776, matrices=2_152_488_960, width=1536, kind="WanVACETransformer3DModel"
)
VACE_14B = Network(
    17_337_592_896, largest=157_286_400, matrices=17_333_135_360, width=5120, kind="WanVACETransformer3DModel"
)
FIRST_FORMATS = dict.fromkeys(("transformer", "text_encoder", "vae"), "float32")
TWO_FORMATS = dict.fromkeys(("transformer", "transformer_2", "vae"), "float32")
LATER_FORMATS = {"vae": "float32"}
"""Of the published files: of the first release, of the pairs of 14B, and of VACE and what came after."""
BESIDE = {"text_encoder": UMT5_XXL, "vae": WAN_VAE}
PICTURE_BESIDE = {"image_encoder": CLIP_VISION_H, **BESIDE}
VAE_5B = Network(704_688_668, kind="AutoencoderKLWan", decoder_channels=256, decoder_patch=2)


def grid(size_multiple: int, fit: Literal["floor", "cover"] = "floor") -> Grid:
    """Sizes in multiples of a token's pixels; clips of 4 k + 1 frames, up to three times what was trained."""
    most = 4096 // size_multiple * size_multiple
    return Grid(
        size_multiple=size_multiple, min_side=size_multiple, max_side=most, frame_step=4, max_frames=241, fit=fit
    )


def below(level: float) -> float:
    """The start of a guidance phase that holds at noise levels under this one, and not at it."""
    return math.nextafter(level, 0)


def two_scales(low: float, high: float, boundary: float) -> tuple[GuidancePhase, ...]:
    """The guidance of two transformers, as the authors write it: (low noise, high noise)."""
    return (GuidancePhase(start=1.0, scale=high), GuidancePhase(start=below(boundary), scale=low))


def _published(name: str, title: str, repository: str, kind: Kind, **data: Any) -> Variant:
    names = ("shift", "small_shift", "boundary", "num_layers")
    settings = Settings(kind=kind, **{key: data.pop(key) for key in names if key in data})
    width, height = data.pop("size", (1280, 720))
    defaults: dict[str, Any] = {
        "licence": "Apache-2.0",
        "grid": grid(16),
        "width": width,
        "height": height,
        **FRAMES_AT_16,
        "steps": 50,
        "guidance_phases": (GuidancePhase(start=1.0, scale=5.0),),
        "negative_prompt": NEGATIVE,
        "scheduler": "unipc",
        "schedule": "wan",
        "max_text_tokens": TEXT_TOKENS,
        "steering": STEERING,
        "file_formats": FIRST_FORMATS,
    }
    options = to_options(settings)
    return Variant(
        name=name, title=title, source=f"{HUB}/{repository}", options=options, stg_mode="transformer-block",
        **{**defaults, **data},
    )  # fmt: skip


WORDS = ("text-to-video", "video-to-video")
PICTURE = ("image-to-video",)
VACE: dict[str, Any] = {
    "tasks": ("text-to-video", "image-to-video", "video-to-video"),
    "shift": 16.0,
    "file_formats": LATER_FORMATS,
    "steering": (
        *STEERING, "last-frame", "keyframes", "video-mask", "reference", *(f"control:{kind}" for kind in CONTROL_KINDS),
    ),
}  # fmt: skip
SMALL = (832, 480)

PUBLISHED: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        _published(
            "wan2.1-t2v-1.3b", "Wan 2.1 text to video, 1.3B", "Wan2.1-T2V-1.3B-Diffusers", "words",
            tasks=WORDS, size=SMALL, num_layers=30,
            networks={"transformer": TRANSFORMER_1_3B, **BESIDE},
        ),
        _published(
            "wan2.1-t2v-14b", "Wan 2.1 text to video, 14B", "Wan2.1-T2V-14B-Diffusers", "words", tasks=WORDS,
            networks={"transformer": TRANSFORMER_14B, **BESIDE},
        ),
        _published(
            "wan2.1-i2v-14b-480p", "Wan 2.1 image to video, 14B for 480p", "Wan2.1-I2V-14B-480P-Diffusers", "picture",
            tasks=PICTURE, size=SMALL, small_shift=3.0, steps=40, negative_prompt=NO_SHAKING + NEGATIVE,
            networks={"transformer": PICTURE_TRANSFORMER, **PICTURE_BESIDE},
        ),
        _published(
            "wan2.1-i2v-14b-720p", "Wan 2.1 image to video, 14B for 720p", "Wan2.1-I2V-14B-720P-Diffusers", "picture",
            tasks=PICTURE, small_shift=3.0, steps=40, negative_prompt=NO_SHAKING + NEGATIVE,
            networks={"transformer": PICTURE_TRANSFORMER, **PICTURE_BESIDE},
        ),
        _published(
            "wan2.1-flf2v-14b", "Wan 2.1 first and last frame to video, 14B", "Wan2.1-FLF2V-14B-720P-diffusers",
            "first-last", tasks=PICTURE, shift=16.0, negative_prompt=NO_CUTS + NO_SHAKING + NEGATIVE,
            steering=(*STEERING, "last-frame"), needs=("last-frame",),
            networks={"transformer": FIRST_LAST_TRANSFORMER, **PICTURE_BESIDE},
        ),
        _published(
            "wan2.1-vace-1.3b", "Wan 2.1 VACE, 1.3B: follows frames, masks, maps and references",
            "Wan2.1-VACE-1.3B-diffusers", "vace", size=SMALL, num_layers=30, **VACE,
            networks={"transformer": VACE_1_3B, **BESIDE},
        ),
        _published(
            "wan2.1-vace-14b", "Wan 2.1 VACE, 14B: follows frames, masks, maps and references",
            "Wan2.1-VACE-14B-diffusers", "vace", **VACE,
            networks={"transformer": VACE_14B, **BESIDE},
        ),
        _published(
            "wan2.2-t2v-a14b", "Wan 2.2 text to video, two of 14B", "Wan2.2-T2V-A14B-Diffusers", "words",
            tasks=WORDS, shift=12.0, boundary=0.875, steps=40, guidance_phases=two_scales(3.0, 4.0, 0.875),
            networks={"transformer": TRANSFORMER_14B, "transformer_2": TRANSFORMER_14B, **BESIDE},
            file_formats=TWO_FORMATS,
        ),
        _published(
            "wan2.2-i2v-a14b", "Wan 2.2 image to video, two of 14B", "Wan2.2-I2V-A14B-Diffusers", "picture",
            tasks=PICTURE, boundary=0.9, steps=40, guidance_phases=(GuidancePhase(start=1.0, scale=3.5),),
            networks={"transformer": PICTURE_TRANSFORMER_2_2, "transformer_2": PICTURE_TRANSFORMER_2_2, **BESIDE},
            file_formats=TWO_FORMATS,
        ),
        _published(
            "wan2.2-ti2v-5b", "Wan 2.2 text and image to video, 5B", "Wan2.2-TI2V-5B-Diffusers", "latent",
            tasks=("text-to-video", "image-to-video", "video-to-video"), size=(1280, 704), grid=grid(32, "cover"),
            num_layers=30, num_frames=121, fps=24.0,
            networks={"transformer": TRANSFORMER_5B, "text_encoder": UMT5_XXL, "vae": VAE_5B}, file_formats={},
        ),
    )
}  # fmt: skip
