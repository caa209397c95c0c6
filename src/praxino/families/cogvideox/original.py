"""Folders as CogVideoX's authors publish them for SAT, written in the diffusers layout.

Source: zai-org/CogVideo at 7a1af71, sat/README.md, for what lies where: transformer*/NUMBER/mp_rank_00_model_states.pt,
vae/3d-vae.pt, t5-v1_1-xxl/; sat/configs/*.yaml for the numbers that no file of weights has.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from praxino.errors import ModelError, UserError
from praxino.families._original import Original, Read, Writer, shapes_of, weights, without_prefix
from praxino.families.cogvideox import convert, vae_names
from praxino.families.cogvideox.identify import PREFIX, TRANSFORMER_CLASS, name_of
from praxino.families.cogvideox.settings import Settings, from_options
from praxino.families.cogvideox.variants import PUBLISHED

STATES, VAE, T5 = "mp_rank_00_model_states", "3d-vae", "t5-v1_1-xxl"
PIPELINES = {"nothing": "CogVideoXPipeline", "image": "CogVideoXImageToVideoPipeline"}
FUN_PIPELINE = "CogVideoXFunControlPipeline"
FIRST_SHIFT = 3.0
"""Of the 2B model, whose latents are scaled otherwise too."""


def find(folder: Path) -> Original | None:
    """See `praxino.families._original`: the whole folder, or that of one of its transformers."""
    home = next((place for place in (folder, folder.parent) if weights(place / "vae", VAE) is not None), None)
    if home is None:
        return None
    states = _states(folder)
    if len(states) != 1 or not (home / T5).is_dir():
        raise UserError(_lack(folder, home, states))
    vae = weights(home / "vae", VAE)
    files = [states[0]] if vae is None else [states[0], vae]
    return Original("CogVideoX", (*files, *sorted((home / T5).glob("*.safetensors"))), partial(_write, home, *files))


def scaling_factor(settings: Settings) -> float:
    """Of the VAE's latents (sat/configs, scale_factor)."""
    return 1.15258426 if settings.shift_scale == FIRST_SHIFT else 0.7


def scheduler(settings: Settings) -> dict[str, Any]:
    """What scheduler_config.json says (huggingface/diffusers, scripts/convert_cogvideox_to_diffusers.py)."""
    return {
        "_class_name": "CogVideoXDDIMScheduler",
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": False,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "set_alpha_to_one": True,
        "snr_shift_scale": settings.shift_scale,
        "timestep_spacing": "trailing",
    }


def pipeline_name(settings: Settings) -> str:
    """The diffusers pipeline of a variant."""
    return PIPELINES.get(settings.beside, FUN_PIPELINE)


def _states(folder: Path) -> list[Path]:
    """The transformers in a folder, at most as deep as the whole has them."""
    places = [folder, *folder.glob("*/"), *folder.glob("*/*/")]
    return [file for place in sorted(places) if (file := weights(place, STATES)) is not None]


def _lack(folder: Path, home: Path, states: list[Path]) -> str:
    start = f"{folder} is a CogVideoX checkpoint as its authors publish it for SAT"
    if len(states) > 1:
        found = ", ".join(str(file.parent.parent) for file in states)
        return f"{start}, of {len(states)} transformers; name the folder of one: {found}"
    lacking = f"{T5}/, T5's encoder and tokenizer" if states else f"{STATES}.pt, the transformer"
    return f"{start}, but {home if states else folder} has no {lacking}."


def _write(home: Path, states: Path, vae: Path, read: Read, out: Writer) -> None:
    tensors = without_prefix(read(states), PREFIX)
    name = name_of(shapes_of(tensors))
    if name is None:
        raise ModelError(f"{states} is shaped as no published CogVideoX.")
    settings = from_options(PUBLISHED[name].options)
    config = convert.transformer_config(shapes_of(tensors), settings.max_text_tokens)
    out.network("transformer", f"diffusers.{TRANSFORMER_CLASS}", config, convert.transformer(tensors, config))
    found = read(vae)
    told = vae_names.config_of(shapes_of(found), scaling_factor(settings), inverted=settings.temporal_patch == 2)
    out.network("vae", "diffusers.AutoencoderKLCogVideoX", told, vae_names.renamed(found))
    out.copy("text_encoder", home / T5, "transformers.T5EncoderModel")
    out.tokenizer("tokenizer", home / T5)
    out.pipeline(pipeline_name(settings), scheduler(settings))
