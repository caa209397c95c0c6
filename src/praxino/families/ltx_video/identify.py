"""Which LTX-Video checkpoint lies at a path, read from configs and file headers alone. No torch.

Nothing hangs on a file's name: what the configs cannot tell apart (0.9.5 from 0.9.6, 0.9.6 dev from distilled), the
folder's `praxino.json` tells.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from praxino.families import Variant
from praxino.families.ltx_video.card import FAMILY_NAME, lay_over, read_card
from praxino.families.ltx_video.header import Header, read_header
from praxino.families.ltx_video.settings import Settings, from_options, to_options
from praxino.families.ltx_video.variants import NEGATIVE_PROMPT, NO_GUIDANCE, PUBLISHED, STEERING, TASKS, grid
from praxino.recipe import GuidancePhase

TRANSFORMER_CLASS = "LTXVideoTransformer3DModel"
VAE_CLASS = "AutoencoderKLLTXVideo"
HOME = "home"
"""The option that says where a checkpoint lies, with its tokenizer."""

Generation = Literal["0.9", "0.9.1", "0.9.5"]
"""The releases whose VAEs differ in structure; later releases have the last one's."""

SAME_STRUCTURE: dict[tuple[int, int, Generation, bool], str] = {
    (28, 2048, "0.9", False): "ltx-video-0.9",
    (28, 2048, "0.9.1", False): "ltx-video-0.9.1",
    (28, 2048, "0.9.5", False): "ltx-video-0.9.6-dev",
    (28, 2048, "0.9.5", True): "ltx-video-0.9.8-2b-distilled",
    (48, 4096, "0.9.5", False): "ltx-video-0.9.8-13b-dev",
    (48, 4096, "0.9.5", True): "ltx-video-0.9.8-13b-distilled",
}
"""The newest release with so many layers, such a width, such a VAE, and distilled or not."""


@dataclass(frozen=True)
class Facts:
    """What configs and headers tell about a checkpoint."""

    num_layers: int
    width: int
    """Channels of the transformer's tokens."""
    generation: Generation
    distilled: bool
    spatial_ratio: int
    temporal_ratio: int
    schedule: str
    causal_rope: bool


def identify(path: Path) -> Variant | None:
    """See `Family.identify`."""
    folder = path if path.is_dir() else path.parent
    variant = _identify(path, folder)
    if variant is None or variant.vocabulary:
        return variant
    return dataclasses.replace(variant, options={**variant.options, HOME: str(folder)})


def _identify(path: Path, folder: Path) -> Variant | None:
    card = read_card(folder)
    if card is not None and card.family != FAMILY_NAME:
        return None
    facts = read_facts(path)
    if facts is None:
        return None
    if card is None:
        return _from_facts(facts)
    published = PUBLISHED.get(card.variant)
    return lay_over(published or _unpublished(facts), card, folder, published is not None)


def read_facts(path: Path) -> Facts | None:
    """The facts of a diffusers folder, of a Lightricks file, or of a folder that holds one; None if it is neither."""
    if (path / "model_index.json").is_file():
        return _folder_facts(path)
    file = checkpoint_file(path)
    header = read_header(file) if file else None
    return _file_facts(header) if header else None


def checkpoint_file(path: Path) -> Path | None:
    """The single-file checkpoint at a path: the file itself, or the only one of its kind in the folder."""
    candidates = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    found = [file for file in candidates if _is_ltx(read_header(file))]
    return found[0] if len(found) == 1 else None


def vae_generation(header: Header) -> Generation:
    """Which VAE a single file holds (the tests that diffusers' converter makes)."""
    shape = header.shape("vae.encoder.conv_out.conv.weight")
    decoder_shape = header.shape("vae.decoder.conv_in.conv.weight")
    if "vae.decoder.last_time_embedder.timestep_embedder.linear_1.weight" not in header.shapes:
        return "0.9"
    widened = bool(shape and decoder_shape and shape[1] == 2 * decoder_shape[0])
    return "0.9.5" if widened else "0.9.1"


def _is_ltx(header: Header | None) -> bool:
    if header is None:
        return False
    transformer = any(key.endswith("patchify_proj.weight") for key in header.shapes)
    adaln = any(key.endswith("adaln_single.linear.weight") for key in header.shapes)
    return transformer and adaln and not any("audio" in key for key in header.shapes)


def _file_facts(header: Header) -> Facts:
    config = header.config()
    transformer, scheduler, vae = (config.get(part, {}) for part in ("transformer", "scheduler", "vae"))
    width = next(shape[0] for key, shape in header.shapes.items() if key.endswith("patchify_proj.weight"))
    generation = vae_generation(header)
    early = generation != "0.9.5"
    linear_quadratic = scheduler.get("sampler", "Uniform" if early else "LinearQuadratic") == "LinearQuadratic"
    shifted = scheduler.get("shifting", "SD3" if early else None) == "SD3"
    spatial, temporal = _block_ratios(vae)
    return Facts(
        num_layers=header.num_layers(),
        width=width,
        generation=generation,
        distilled=bool(config.get("allowed_inference_steps")),
        spatial_ratio=spatial,
        temporal_ratio=temporal,
        schedule="linear-quadratic" if linear_quadratic else "sd3" if shifted else "uniform",
        causal_rope=transformer.get("causal_temporal_positioning", not early),
    )


def _block_ratios(vae: dict[str, Any]) -> tuple[int, int]:
    """Spatial and temporal strides of a VAE described by Lightricks' list of blocks; the published ones' without it."""
    blocks = vae.get("encoder_blocks", vae.get("blocks"))
    if blocks is None:
        return 32, 8
    names = [block[0].removesuffix("_res") for block in blocks]
    both = names.count("compress_all")
    patch = vae.get("patch_size", 4)
    return patch * 2 ** (both + names.count("compress_space")), 2 ** (both + names.count("compress_time"))


def _folder_facts(folder: Path) -> Facts | None:
    index = _read(folder / "model_index.json")
    classes = [(index.get(part) or [None, None])[1] for part in ("transformer", "vae")]
    if classes != [TRANSFORMER_CLASS, VAE_CLASS]:
        return None
    transformer = _read(folder / "transformer" / "config.json")
    vae = _read(folder / "vae" / "config.json")
    scheduler = _read(folder / "scheduler" / "scheduler_config.json")
    modern = "LTXVideo095DownBlock3D" in vae.get("down_block_types", ())
    doublings = sum(vae.get("spatio_temporal_scaling", (True, True, True, False)))
    shifted = scheduler.get("use_dynamic_shifting", False)
    return Facts(
        num_layers=transformer["num_layers"],
        width=transformer["num_attention_heads"] * transformer["attention_head_dim"],
        generation="0.9.5" if modern else "0.9.1" if vae.get("timestep_conditioning") else "0.9",
        distilled=False,
        spatial_ratio=vae.get("spatial_compression_ratio") or vae.get("patch_size", 4) * 2**doublings,
        temporal_ratio=vae.get("temporal_compression_ratio") or vae.get("patch_size_t", 1) * 2**doublings,
        schedule="linear-quadratic" if modern else "sd3" if shifted else "uniform",
        causal_rope=modern,
    )


def _from_facts(facts: Facts) -> Variant:
    name = SAME_STRUCTURE.get((facts.num_layers, facts.width, facts.generation, facts.distilled))
    if name is None:
        return _unpublished(facts)
    published = PUBLISHED[name]
    settings = dataclasses.replace(from_options(published.options), causal_rope=facts.causal_rope)
    schedule = published.schedule if published.sigmas else facts.schedule
    return dataclasses.replace(published, schedule=schedule, options={**published.options, **to_options(settings)})


def _unpublished(facts: Facts) -> Variant:
    """A variant for a checkpoint of this architecture that is none of the published ones."""
    settings = Settings(
        num_layers=facts.num_layers,
        spatial_ratio=facts.spatial_ratio,
        temporal_ratio=facts.temporal_ratio,
        causal_rope=facts.causal_rope,
    )
    return Variant(
        steering=STEERING,
        name="ltx-video-custom",
        title="an LTX-Video checkpoint",
        source="",
        licence="unknown; see where it came from",
        tasks=TASKS,
        grid=grid(settings),
        width=704,
        height=480,
        num_frames=120 // facts.temporal_ratio * facts.temporal_ratio + 1,
        fps=25.0,
        steps=8 if facts.distilled else 40,
        guidance_phases=NO_GUIDANCE if facts.distilled else (GuidancePhase(start=1.0, scale=3.0),),
        negative_prompt="" if facts.distilled else NEGATIVE_PROMPT,
        schedule=facts.schedule,
        options=to_options(settings),
    )


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
