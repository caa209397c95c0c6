"""Owns whether a run's settings fit its model and one another: what does not is refused before anything is loaded.

Knows no torch, and no clip.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Variant
from praxino.families.hotshot_xl.layout import check_base
from praxino.training.tuning import trainees
from praxino.training.tuning.settings import Tuning
from praxino.weights import catalog
from praxino.weights.catalog import Entry

PACKAGES = {"adamw-8bit": "bitsandbytes", "prodigy": "prodigyopt"}
"""What some optimizers come from."""


def check(entry: Entry, tuning: Tuning) -> None:
    """Raise UserError for the first setting that this model cannot be trained with."""
    family, variant = entry.family.name, entry.variant
    trainees.check(family)
    trainees.check_variant(family, variant)
    trainees.check_expert(variant, tuning.expert)
    package = PACKAGES.get(tuning.optimizer, "torch")
    if importlib.util.find_spec(package) is None:
        raise UserError(f"optimizer {tuning.optimizer} needs the package {package}; run: pip install {package}")
    if tuning.dtype == "float8" and tuning.method != "lora":
        raise UserError(
            f'dtype is "float8", for weights that stay as they are, and method is {tuning.method!r}; '
            'write method = "lora", or dtype = "bfloat16".'
        )
    if tuning.method == "textual-inversion":
        _check_new_word(variant, tuning)
        _check_unknown(entry.require_path() / "tokenizer" / "vocab.json", tuning.trigger)
    elif tuning.initial_words or tuning.vectors:
        raise UserError(
            f'initial_words and vectors are of a new word; write method = "textual-inversion", not {tuning.method!r}.'
        )
    if tuning.control:
        _check_control(family, variant, tuning)
    if tuning.prior and trainees.shown_beside(family, variant):
        raise UserError(f"prior is {tuning.prior}, and {variant.name} draws nothing of words alone: leave it out.")
    _check_base(variant, tuning)
    _check_noise(family, tuning)


def _check_new_word(variant: Variant, tuning: Tuning) -> None:
    if "embedding" not in variant.steering:
        raise UserError(f'{variant.name} reads no textual inversions; learn a LoRA of it: method = "lora".')
    if not tuning.trigger or len(tuning.trigger.split()) != 1:
        raise UserError(f'trigger is {tuning.trigger!r}; give the new word a name, such as trigger = "<zib>".')
    if not tuning.initial_words.strip():
        raise UserError('initial_words is empty; say roughly what the new word means, as in "robot toy".')
    if tuning.caption_dropout:
        raise UserError(
            f"caption_dropout is {tuning.caption_dropout:g}; a caption that is left out teaches no word: make it 0."
        )
    if tuning.prior:
        raise UserError(f"prior is {tuning.prior}; a new word makes a model forget nothing: leave it out.")
    if tuning.optimizer == "muon":
        raise UserError('optimizer is "muon", which is for matrices; a word has vectors: choose adamw.')


def _check_base(variant: Variant, tuning: Tuning) -> None:
    if tuning.spatial_base:
        if "spatial-base" not in variant.steering:
            raise UserError(
                f"spatial_base is {tuning.spatial_base!r}, and {variant.name} is laid over none: leave it out."
            )
        check_base(catalog.locate(tuning.spatial_base))
    elif "spatial-base" in variant.needs:
        raise UserError(
            f"{variant.name} is temporal layers alone here; name the SDXL checkpoint that they are trained over with "
            "spatial_base."
        )


def _check_unknown(vocabulary: Path, trigger: str) -> None:
    """Where a checkpoint has no such file, its tokenizer is asked once it is loaded."""
    if vocabulary.is_file() and trigger in json.loads(vocabulary.read_text(encoding="utf-8")):
        raise taken(trigger)


def taken(trigger: str) -> UserError:
    """What is said of a new word that is none."""
    return UserError(f"the model knows the token {trigger!r} already; choose another trigger, such as <{trigger}>.")


def _check_control(family: str, variant: Variant, tuning: Tuning) -> None:
    kind = tuning.control.removesuffix("-map")
    if family not in trainees.IN_CONTEXT:
        can = ", ".join(trainees.IN_CONTEXT)
        raise UserError(f"control is {tuning.control!r}, which {family} cannot be taught; those that can: {can}.")
    if f"control:{kind}" not in variant.steering:
        raise UserError(f"control is {tuning.control!r}, and {variant.name} draws nothing after {kind} maps.")
    if tuning.method not in ("lora", "dora"):
        raise UserError(f'control is learnt as a LoRA, and method is {tuning.method!r}; write method = "lora".')
    if tuning.prior:
        raise UserError(f"prior is {tuning.prior}; clips that a model draws of itself follow nothing: leave it out.")
    if tuning.samples:
        raise UserError("samples are drawn of words alone, and this LoRA follows a clip: leave them out.")


def _check_noise(family: str, tuning: Tuning) -> None:
    for name, kind in (("logit_mean", "logit-normal"), ("logit_std", "logit-normal"), ("mode_scale", "mode")):
        if tuning.times != kind and getattr(tuning, name) != getattr(Tuning(), name):
            raise UserError(f'{name} is of times = "{kind}", and times is "{tuning.times}".')
    for name in ("huber_c", "huber_schedule"):
        if tuning.loss != "huber" and getattr(tuning, name) != getattr(Tuning(), name):
            raise UserError(f'{name} is of loss = "huber", and loss is "{tuning.loss}".')
    diffuses = family in trainees.DIFFUSION
    if tuning.huber_schedule == "snr" and not diffuses:
        raise UserError(
            f"huber_schedule snr is of diffusion, and {family} is taught by flow matching; try exponential."
        )
    if tuning.min_snr and not diffuses:
        raise UserError(f"min_snr is of diffusion, and {family} is taught by flow matching; choose a weighting.")
    if tuning.noise_offset and family not in trainees.WITH_NOISE_OFFSET:
        able = ", ".join(trainees.WITH_NOISE_OFFSET)
        raise UserError(
            f"noise_offset is {tuning.noise_offset:g}, which {family} is not taught with; these are: {able}."
        )
    if diffuses and (tuning.weighting != "none" or tuning.time_shift):
        raise UserError(
            f"weighting and time_shift are of flow matching, and {family} is a diffusion; min_snr is for it."
        )
