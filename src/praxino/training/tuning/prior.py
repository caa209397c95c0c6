"""Owns what keeps a model from forgetting: clips that it drew itself, learnt on beside the new ones.

Ruiz et al. 2023, "DreamBooth" (arXiv:2208.12242), section 4.3. Knows no network: drawing is given to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from praxino.errors import UserError
from praxino.training.tuning.settings import Tuning
from praxino.vocabulary import KINDS, Vocabulary
from praxino.weights.catalog import Entry

T = TypeVar("T")


def prompts(entry: Entry, tuning: Tuning) -> list[str]:
    """What each of the clips shows: the settings' prompts in turn, or words of the model's vocabulary.

    Raises:
        UserError: the settings name no prompts, and the model has no vocabulary.
    """
    if tuning.prior_prompts:
        return [tuning.prior_prompts[i % len(tuning.prior_prompts)] for i in range(tuning.prior)]
    if not tuning.prior:
        return []
    if not entry.variant.vocabulary:
        raise UserError('prior clips need prompts; add a line such as prior_prompts = ["a dog running", "a cat"].')
    vocabulary = Vocabulary.read(entry.require_path() / entry.variant.vocabulary)
    rng = np.random.default_rng(tuning.seed)
    rows = [_laps(vocabulary.names(kind), tuning.prior, rng) for kind in KINDS]
    return [f"{thing} {motion} {ground}" for thing, motion, ground in zip(*rows, strict=True)]


def _laps(names: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """`count` names, each as often as the others, in an order of chance."""
    return [names[i] for _ in range(-(-count // len(names))) for i in rng.permutation(len(names))][:count]


def mixed(learnt: Sequence[T], prior: Sequence[T], share: float) -> list[T]:
    """Both in one row, with the new ones repeated until the prior ones are about `share` of it."""
    if not prior:
        return list(learnt)
    repeats = max(1, round(len(prior) * (1 - share) / share / len(learnt)))
    return [*learnt] * repeats + [*prior]
