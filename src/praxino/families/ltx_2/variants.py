"""Every published LTX-2 checkpoint that diffusers reads, as data.

Numbers are those of the authors (Lightricks/LTX-2 at 400fd31, packages/ltx-pipelines/src/ltx_pipelines/utils/
constants.py, ti2vid_one_stage.py and distilled.py). Knows no file and no torch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from praxino.families import Grid, Network, Variant, _in_context
from praxino.families.ltx_2 import upsampler
from praxino.families.ltx_2.settings import Settings, to_options
from praxino.recipe import GuidancePhase

TASKS = ("text-to-video", "image-to-video", "video-to-video")
STEERING = (
    "extend", "last-frame", "keyframes", "sound", "stg", "apg", "cfg-zero-star", "lora", "upscale",
    *_in_context.STEERING,
)  # fmt: skip
LICENCE = "LTX-2 Community License; read it before commercial use"
NEGATIVE_PROMPT = (
    "blurry, out of focus, overexposed, underexposed, low contrast, washed out colors, excessive noise, grainy "
    "texture, poor lighting, flickering, motion blur, distorted proportions, unnatural skin tones, deformed facial "
    "features, asymmetrical face, missing facial features, extra limbs, disfigured hands, wrong hand count, artifacts "
    "around text, inconsistent perspective, camera shake, incorrect depth of field, background too sharp, background "
    "clutter, distracting reflections, harsh shadows, inconsistent lighting direction, color banding, cartoonish "
    "rendering, 3D CGI look, unrealistic materials, uncanny valley effect, incorrect ethnicity, wrong gender, "
    "exaggerated expressions, wrong gaze direction, mismatched lip sync, silent or muted audio, distorted voice, "
    "robotic voice, echo, background noise, off-sync audio, incorrect dialogue, added dialogue, repetitive speech, "
    "jittery movement, awkward pauses, incorrect timing, unnatural transitions, inconsistent framing, tilted camera, "
    "flat lighting, inconsistent tone, cinematic oversaturation, stylized filters, or AI artifacts."
)
"""Lightricks/LTX-2 at ae855f8, the same file: what these checkpoints came with."""
DISTILLED_SIGMAS = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875)
REFINING_SIGMAS = (0.909375, 0.725, 0.421875)
"""Of the second stage, over upsampled latents."""
MAX_SIDE = 2048
MAX_SECONDS = 20
"""What the positions of video and sound are made for."""
FPS = 24.0
GEMMA_3_12B = Network(12_187_325_040, largest=1_006_878_720)
SOUND_VAE = Network(53_248_402)
NETWORKS = {
    "transformer": Network(18_876_174_592, largest=100_663_296, matrices=18_869_760_000, width=4096),
    "connectors": Network(1_431_475_200, largest=722_534_400, matrices=1_431_306_240),
    "text_encoder": GEMMA_3_12B,
    "vae": Network(1_222_479_857, kind="AutoencoderKLLTX2Video", decoder_patch=4),
    "audio_vae": SOUND_VAE,
    "vocoder": Network(55_592_802, largest=8_388_608, matrices=55_572_928),
}
LATER_NETWORKS = {
    "transformer": Network(18_988_838_144, largest=150_994_944, matrices=18_982_383_616, width=4096),
    "connectors": Network(3_172_227_584, largest=770_703_360, matrices=3_171_680_256),
    "text_encoder": GEMMA_3_12B,
    "vae": Network(726_106_225, kind="AutoencoderKLLTX2Video", decoder_patch=4),
    "audio_vae": SOUND_VAE,
    "vocoder": Network(129_085_032, largest=12_976_128, matrices=128_972_464),
}
UPSAMPLER = Network(497_867_929, largest=37_748_736, matrices=497_811_481)


def guidance(block: int) -> tuple[GuidancePhase, ...]:
    """The guidance of the full checkpoints; they differ in the block that STG perturbs."""
    return (GuidancePhase(start=1.0, scale=3.0, stg_scale=1.0, stg_blocks=(block,), rescale=0.3),)


def grid(settings: Settings) -> Grid:
    """What a checkpoint of these strides can draw."""
    multiple, step = settings.spatial_ratio, settings.temporal_ratio
    longest = int(MAX_SECONDS * FPS) // step * step + 1
    return Grid(multiple, multiple, MAX_SIDE // multiple * multiple, step, longest)


def unguided(settings: Settings) -> Settings:
    """The same without any guidance of the sound, or between the two."""
    return dataclasses.replace(
        settings, modality_scale=1.0, sound_guidance=1.0, sound_stg=0.0, sound_modality_scale=1.0, sound_rescale=1.0
    )


def _published(name: str, title: str, source: str, settings: Settings, **data: Any) -> Variant:
    defaults: dict[str, Any] = {"guidance_phases": guidance(28), "negative_prompt": NEGATIVE_PROMPT, "steps": 30}
    more = data.pop("options", {})
    return Variant(
        name=name,
        title=title,
        source=source,
        licence=LICENCE,
        tasks=TASKS,
        grid=grid(settings),
        width=768,
        height=512,
        num_frames=121,
        fps=FPS,
        max_text_tokens=settings.max_text_tokens,
        options=to_options(settings, **more),
        **{"steering": STEERING, "schedule": "sd3", **defaults, **data},
    )


LATER_UPSAMPLER = "Lightricks/LTX-2.3/ltx-2.3-spatial-upscaler-x2-1.1.safetensors"
_LATER = Settings(cross_timestep=True)
_LATER_FILES: dict[str, Any] = {
    "networks": LATER_NETWORKS,
    "file_formats": {"text_encoder": "float32", "connectors": "float32"},
}

PUBLISHED: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        _published(
            "ltx-2", "LTX-2 19B: video with sound", "Lightricks/LTX-2", Settings(),
            steps=40, guidance_phases=guidance(29),
            networks={**NETWORKS, "latent_upsampler": UPSAMPLER}, file_formats={"text_encoder": "float32"},
            options={
                "refining_lora": "Lightricks/LTX-2/ltx-2-19b-distilled-lora-384.safetensors",
                upsampler.ROLE: "Lightricks/LTX-2/ltx-2-spatial-upscaler-x2-1.0.safetensors",
            },
        ),
        _published(
            "ltx-2.3", "LTX-2.3 22B: video with sound", "diffusers/LTX-2.3-Diffusers", _LATER, **_LATER_FILES,
            options={
                "refining_lora": "Lightricks/LTX-2.3/ltx-2.3-22b-distilled-lora-384-1.1.safetensors",
                upsampler.ROLE: LATER_UPSAMPLER,
            },
        ),
        _published(
            "ltx-2.3-distilled", "LTX-2.3 22B distilled: 8 steps", "diffusers/LTX-2.3-Distilled-Diffusers",
            unguided(_LATER), **_LATER_FILES,
            steps=len(DISTILLED_SIGMAS), sigmas=DISTILLED_SIGMAS, schedule="explicit", negative_prompt="",
            guidance_phases=(GuidancePhase(start=1.0, scale=1.0),), options={upsampler.ROLE: LATER_UPSAMPLER},
        ),
    )
}  # fmt: skip
"""By name."""
