"""Every published LTX-Video checkpoint, as data.

Numbers are those of the authors' configs (Lightricks/LTX-Video at 5260738, configs/*.yaml and ltx_video/inference.py),
for the first pass where there are two; those of 0.9.7 as at 6ff652c. Knows no file and no torch.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from praxino.families import Grid, Network, Variant, _in_context
from praxino.families._networks import T5_XXL
from praxino.families.ltx_video.settings import SecondPass, Settings, to_options
from praxino.plain import to_plain
from praxino.recipe import GuidancePhase
from praxino.sampling import schedules

TASKS = ("text-to-video", "image-to-video", "video-to-video")
STEERING = ("extend", "last-frame", "keyframes", "lora", *_in_context.STEERING, "stg", "apg", "cfg-zero-star")
LATER_STEERING = ("upscale",)
"""What came with 0.9.7: the latent upsampler."""
NEGATIVE_PROMPT = "worst quality, inconsistent motion, blurry, jittery, distorted"
MAX_SIDE = 2048
MAX_FRAMES = 1441
"""A minute at 24 frames a second, the longest that the authors speak of."""
TEXT_SOURCE = "PixArt-alpha/PixArt-XL-2-1024-MS"
"""Hub repository whose text_encoder/ and tokenizer/ the single files are used with."""
TEXT_FILES = ("text_encoder/*", "tokenizer/*")
"""The same, as they lie beside the single files."""
REPOSITORY = "Lightricks/LTX-Video"
DISTILLED_SIGMAS = (1.0, 0.9937, 0.9875, 0.9812, 0.975, 0.9094, 0.725)
DISTILLED_REFINING_SIGMAS = (0.9094, 0.725, 0.4219)

RESEARCH = "LTX-Video 2B v0.9 licence (ltx-video-2b-v0.9.license.txt); read it before commercial use"
OPEN_RAIL = "OpenRAIL-M (ltx-video-2b-v0.9.5.license.txt); it restricts uses: read it first"
OPEN_WEIGHTS = "LTXV Open Weights licence; read it before commercial use"

UPSAMPLERS = ("ltxv-spatial-upscaler-0.9.7.safetensors", "ltxv-spatial-upscaler-0.9.8.safetensors")
"""Files of the latent upsamplers, beside the checkpoints."""

NO_GUIDANCE = (GuidancePhase(start=1.0, scale=1.0),)
GUIDANCE_2B = (GuidancePhase(start=1.0, scale=3.0, stg_scale=1.0, stg_blocks=(19,), rescale=0.3),)

TRANSFORMER_2B = Network(
    1_923_385_472, largest=25_165_824, matrices=1_922_387_968, width=2048, kind="LTXVideoTransformer3DModel"
)
TRANSFORMER_13B = Network(
    13_042_569_344, largest=100_663_296, matrices=13_039_181_824, width=4096, kind="LTXVideoTransformer3DModel"
)
VAE_KIND = "AutoencoderKLLTXVideo"
VAE_0_9 = Network(419_193_905, kind=VAE_KIND, decoder_patch=4)
VAE_0_9_1 = Network(934_976_690, kind=VAE_KIND, decoder_patch=4)
VAE_0_9_5 = Network(1_246_913_778, kind=VAE_KIND, decoder_patch=4)


def grid(settings: Settings, size_multiple: int = 32, sizes: tuple[tuple[int, int], ...] = ()) -> Grid:
    """What a checkpoint of these strides can draw."""
    multiple = math.lcm(size_multiple, settings.spatial_ratio)
    return Grid(multiple, multiple, MAX_SIDE // multiple * multiple, settings.temporal_ratio, MAX_FRAMES, sizes)


def phases_13b() -> tuple[GuidancePhase, ...]:
    """The 13B's guidance along the way. The authors list each phase's lowest sigma; ours begin just below the last."""
    lowest = (1.0, 0.996, 0.9933, 0.985, 0.9767, 0.9008, 0.618)
    scales = (1.0, 1.0, 6.0, 8.0, 6.0, 1.0, 1.0)
    stg_scales = (0.0, 0.0, 4.0, 4.0, 4.0, 2.0, 1.0)
    rescales = (1.0, 1.0, 0.5, 0.5, 1.0, 1.0, 1.0)
    blocks = ((), (11, 25, 35, 39), (22, 35, 39), (28,), (28,), (28,), (28,))
    starts = (1.0, *(math.nextafter(sigma, 0) for sigma in lowest[:-1]))
    return tuple(GuidancePhase(*phase) for phase in zip(starts, scales, stg_scales, blocks, rescales, strict=True))


def second_pass_dev(upsampler: str) -> SecondPass:
    """The 13B's second pass: 30 steps without the first 17, guided by STG alone."""
    phase = GuidancePhase(start=1.0, scale=1.0, stg_scale=1.0, stg_blocks=(27,))
    sigmas = schedules.linear_quadratic(30)[17:]
    return SecondPass(sigmas, (phase,), f"{REPOSITORY}/{upsampler}", by_default=True)


def second_pass_distilled(upsampler: str, tone_map: float = 0.0) -> SecondPass:
    """The second pass of the distilled checkpoints."""
    return SecondPass(DISTILLED_REFINING_SIGMAS, NO_GUIDANCE, f"{REPOSITORY}/{upsampler}", True, tone_map)


def _published(name: str, title: str, file: str, settings: Settings, **data: Any) -> Variant:
    defaults: dict[str, Any] = {
        "licence": OPEN_RAIL,
        "width": 1216,
        "height": 704,
        "num_frames": 121,
        "fps": 30.0,
        "steps": 40,
        "guidance_phases": GUIDANCE_2B,
        "negative_prompt": NEGATIVE_PROMPT,
        "schedule": "linear-quadratic",
    }
    transformer = TRANSFORMER_13B if settings.num_layers == _SETTINGS_13B.num_layers else TRANSFORMER_2B
    more: dict[str, Any] = {"skip_final_steps": data.pop("skip_final_steps", 0), "text_source": TEXT_SOURCE}
    vae = data.pop("vae", VAE_0_9_5)
    networks = {"transformer": transformer, "vae": vae, "text_encoder": T5_XXL}
    refined: SecondPass | None = data.pop("second_pass", None)
    if refined is not None:
        more["second_pass"] = to_plain(refined)
    return Variant(
        steering=(*STEERING, *LATER_STEERING) if refined else STEERING,
        name=name,
        title=title,
        source=f"{REPOSITORY}/{file}",
        files=(*TEXT_FILES, refined.upsampler.removeprefix(f"{REPOSITORY}/")) if refined else TEXT_FILES,
        tasks=TASKS,
        grid=grid(settings),
        options=to_options(settings, **more),
        networks=networks,
        file_formats=dict.fromkeys(networks if vae is VAE_0_9 else ("text_encoder",), "float32"),
        **{**defaults, **data},
    )


_EARLY: dict[str, Any] = {"width": 704, "height": 480, "fps": 25.0}
_DISTILLED: dict[str, Any] = {
    "steps": len(DISTILLED_SIGMAS),
    "guidance_phases": NO_GUIDANCE,
    "schedule": "explicit",
    "sigmas": DISTILLED_SIGMAS,
}
_13B_DEV: dict[str, Any] = {
    "licence": OPEN_WEIGHTS,
    "steps": 30,
    "skip_final_steps": 3,
    "guidance_phases": phases_13b(),
    "cfg_star": True,
}
_SETTINGS_EARLY = Settings(causal_rope=False)
_SETTINGS_2B = Settings()
_SETTINGS_13B = dataclasses.replace(_SETTINGS_2B, num_layers=48)

PUBLISHED: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        _published(
            "ltx-video-0.9", "LTX-Video 2B 0.9", "ltx-video-2b-v0.9.safetensors", _SETTINGS_EARLY,
            vae=VAE_0_9, licence=RESEARCH, schedule="sd3", **_EARLY,
        ),
        _published(
            "ltx-video-0.9.1", "LTX-Video 2B 0.9.1", "ltx-video-2b-v0.9.1.safetensors", _SETTINGS_EARLY,
            vae=VAE_0_9_1, licence=RESEARCH, schedule="sd3", **_EARLY,
        ),
        _published(
            "ltx-video-0.9.5", "LTX-Video 2B 0.9.5", "ltx-video-2b-v0.9.5.safetensors", _SETTINGS_2B, **_EARLY,
        ),
        _published(
            "ltx-video-0.9.6-dev", "LTX-Video 2B 0.9.6", "ltxv-2b-0.9.6-dev-04-25.safetensors", _SETTINGS_2B,
        ),
        _published(
            "ltx-video-0.9.6-distilled", "LTX-Video 2B 0.9.6 distilled: 8 steps",
            "ltxv-2b-0.9.6-distilled-04-25.safetensors", _SETTINGS_2B,
            steps=8, guidance_phases=NO_GUIDANCE, scheduler="euler-ancestral",
        ),
        _published(
            "ltx-video-0.9.7-13b-dev", "LTX-Video 13B 0.9.7", "ltxv-13b-0.9.7-dev.safetensors", _SETTINGS_13B,
            second_pass=second_pass_dev(UPSAMPLERS[0]), **_13B_DEV,
        ),
        _published(
            "ltx-video-0.9.7-13b-distilled", "LTX-Video 13B 0.9.7 distilled: 7 steps",
            "ltxv-13b-0.9.7-distilled.safetensors", _SETTINGS_13B,
            licence=OPEN_WEIGHTS, second_pass=second_pass_distilled(UPSAMPLERS[0]), **_DISTILLED,
        ),
        _published(
            "ltx-video-0.9.8-2b-distilled", "LTX-Video 2B 0.9.8 distilled: 7 steps",
            "ltxv-2b-0.9.8-distilled.safetensors", _SETTINGS_2B,
            licence=OPEN_WEIGHTS, second_pass=second_pass_distilled(UPSAMPLERS[1]), usual=True, **_DISTILLED,
        ),
        _published(
            "ltx-video-0.9.8-13b-dev", "LTX-Video 13B 0.9.8", "ltxv-13b-0.9.8-dev.safetensors", _SETTINGS_13B,
            second_pass=second_pass_dev(UPSAMPLERS[1]), **_13B_DEV,
        ),
        _published(
            "ltx-video-0.9.8-13b-distilled", "LTX-Video 13B 0.9.8 distilled: 7 steps",
            "ltxv-13b-0.9.8-distilled.safetensors", _SETTINGS_13B,
            licence=OPEN_WEIGHTS, second_pass=second_pass_distilled(UPSAMPLERS[1], tone_map=0.6), **_DISTILLED,
        ),
    )
}  # fmt: skip
"""By name."""
