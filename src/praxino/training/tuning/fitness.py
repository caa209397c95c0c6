"""Owns whether a run's settings fit its model and one another: what does not is refused before anything is loaded.

Knows no torch, and no clip.
"""

from __future__ import annotations

from praxino.errors import UserError
from praxino.families import Variant
from praxino.training.tuning import trainees
from praxino.training.tuning.settings import Tuning
from praxino.weights.catalog import Entry


def check(entry: Entry, tuning: Tuning) -> None:
    """Raise UserError for the first setting that this model cannot be trained with."""
    family, variant = entry.family.name, entry.variant
    trainees.check(family)
    trainees.check_variant(family, variant)
    trainees.check_expert(variant, tuning.expert)
    trainees.check_method(family, tuning.method)
    if tuning.method == "textual-inversion":
        _check_new_word(variant, tuning)
    elif tuning.initial_words or tuning.vectors:
        raise UserError(
            f'initial_words and vectors are of a new word; write method = "textual-inversion", not {tuning.method!r}.'
        )


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
